//! What an apply writes: versions, remarks, and the moves of an environment's pointers.
//!
//! Each step looks before it writes. It is inside an immediate transaction, so nothing changes in between;
//! what it finds other than planned means that another apply was quicker.

use asof_model::{Micros, Name, Registered, Run, RunId, Version};
use sqlx::{query, query_as, query_scalar};

use crate::definitions::{self, kind_from};
use crate::error::{Error, Result};
use crate::store::Connection;

/// The note of a run that says who had it run.
pub const WHO: &str = "who";

/// The note of a run that says why it moved pointers; without it the run's verb stands there.
pub const WHY: &str = "why";

/// A pointer to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The name.
    pub name: Name,
    /// Where it must be now; none if the environment does not know the name.
    pub from: Option<Version>,
    /// Where it shall be.
    pub to: Version,
}

/// A pointer that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerMove {
    /// Where it was before; none for the first move.
    pub from: Option<Version>,
    /// Where it was then.
    pub to: Version,
    /// When.
    pub at: Micros,
    /// The run that moved it.
    pub run: RunId,
    /// Who had it moved, if the run says so.
    pub who: Option<String>,
    /// Why.
    pub why: String,
}

/// Inserts versions that are not there yet; whether anything was written.
pub(crate) async fn register(db: &mut Connection, new: &[Registered]) -> Result<bool> {
    let mut written = false;
    for registered in new {
        take_name(db, registered).await?;
        let pinned = &registered.pinned;
        match definitions::version(db, &pinned.project, &pinned.name, pinned.version).await? {
            None => {
                insert(db, registered).await?;
                written = true;
            }
            Some(stored) => written |= replace_remarks(db, stored, registered).await?,
        }
    }
    // Once all are in: what one reads may come with it, in any order.
    for registered in new {
        for input in &registered.inputs {
            let read = &input.pinned;
            match definitions::number_of(db, &read.project, &read.name, &read.digest).await? {
                Some(number) if number == i64::from(read.version.0) => {}
                _ => return Err(Error::Dangling { of: registered.pinned.clone().into(), input: read.clone().into() }),
            }
        }
    }
    Ok(written)
}

/// Replaces the remarks of versions that are there; whether any differed.
pub(crate) async fn annotate(db: &mut Connection, annotated: &[Registered]) -> Result<bool> {
    let mut written = false;
    for registered in annotated {
        let pinned = &registered.pinned;
        match definitions::version(db, &pinned.project, &pinned.name, pinned.version).await? {
            None => return Err(Error::NotThere(pinned.clone().into())),
            Some(stored) => written |= replace_remarks(db, stored, registered).await?,
        }
    }
    Ok(written)
}

async fn take_name(db: &mut Connection, registered: &Registered) -> Result<()> {
    let pinned = &registered.pinned;
    query("INSERT INTO name (project, name, kind) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(pinned.project.as_str())
        .bind(pinned.name.as_str())
        .bind(pinned.kind.as_str())
        .execute(&mut *db)
        .await?;
    let kind: String = query_scalar("SELECT kind FROM name WHERE project = $1 AND name = $2")
        .bind(pinned.project.as_str())
        .bind(pinned.name.as_str())
        .fetch_one(db)
        .await?;
    let is = kind_from(&kind)?;
    if is != pinned.kind {
        return Err(Error::NameTaken { name: pinned.name.clone(), is, wanted: pinned.kind });
    }
    Ok(())
}

async fn insert(db: &mut Connection, registered: &Registered) -> Result<()> {
    let pinned = &registered.pinned;
    if let Some(number) = definitions::number_of(db, &pinned.project, &pinned.name, &pinned.digest).await? {
        return Err(Error::Concurrent(format!("{} is registered as version {number} already", pinned.reference())));
    }
    query("INSERT INTO definition (project, name, version, digest, created, body) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(pinned.project.as_str())
        .bind(pinned.name.as_str())
        .bind(i64::from(pinned.version.0))
        .bind(pinned.digest.hex())
        .bind(registered.created.0)
        .bind(body(registered))
        .execute(&mut *db)
        .await?;
    for input in &registered.inputs {
        query(
            "INSERT INTO input (project, name, version, written, input_project, input_name, input_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(pinned.project.as_str())
        .bind(pinned.name.as_str())
        .bind(i64::from(pinned.version.0))
        .bind(&input.written)
        .bind(input.pinned.project.as_str())
        .bind(input.pinned.name.as_str())
        .bind(i64::from(input.pinned.version.0))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Of two contents of one number there can be one; of two remarks on one content the later stands.
/// Whether they differed.
async fn replace_remarks(db: &mut Connection, stored: Registered, registered: &Registered) -> Result<bool> {
    let pinned = stored.pinned.clone();
    if pinned.digest != registered.pinned.digest {
        return Err(Error::Concurrent(format!("{} has another content now", pinned.reference())));
    }
    if stored.definition == registered.definition {
        return Ok(false);
    }
    let replaced = Registered { definition: registered.definition.clone(), ..stored };
    query("UPDATE definition SET body = $4 WHERE project = $1 AND name = $2 AND version = $3")
        .bind(pinned.project.as_str())
        .bind(pinned.name.as_str())
        .bind(i64::from(pinned.version.0))
        .bind(body(&replaced))
        .execute(db)
        .await?;
    Ok(true)
}

fn body(registered: &Registered) -> String {
    serde_json::to_string(registered).expect("a definition is plain data with text for keys")
}

/// Moves pointers, each from where it was planned to be; one that is where it shall be is left there. Whether any
/// moved.
pub(crate) async fn move_pointers(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    moves: &[Move],
    run: &Run,
) -> Result<bool> {
    let mut moved = false;
    for Move { name, from, to } in moves {
        let now: Option<u32> =
            query_scalar("SELECT version FROM pointer WHERE project = $1 AND environment = $2 AND name = $3")
                .bind(project.as_str())
                .bind(environment.as_str())
                .bind(name.as_str())
                .fetch_optional(&mut *db)
                .await?;
        let now = now.map(Version);
        if now == Some(*to) {
            continue;
        }
        if now != *from {
            let shown = |at: Option<Version>| at.map_or("nowhere".to_owned(), |version| format!("at {name}@{version}"));
            let (now, from) = (shown(now), shown(*from));
            return Err(Error::Concurrent(format!("in `{environment}` `{name}` is {now}, the plan found it {from}")));
        }
        if definitions::version(db, project, name, *to).await?.is_none() {
            let versions = definitions::versions(db, project, name).await?;
            let exist = versions.iter().map(|v| v.pinned.version).collect();
            return Err(Error::UnknownVersion { name: name.clone(), asked: to.to_string(), exist });
        }
        query(
            "INSERT INTO pointer (project, environment, name, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project, environment, name) DO UPDATE SET version = excluded.version",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .bind(name.as_str())
        .bind(i64::from(to.0))
        .execute(&mut *db)
        .await?;
        query(
            "INSERT INTO pointer_move
                 (project, environment, name, number, from_version, to_version, moved, run, who, why)
             SELECT $1, $2, $3, coalesce(max(number), 0) + 1, $4, $5, $6, $7, $8, $9
             FROM pointer_move WHERE project = $1 AND environment = $2 AND name = $3",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .bind(name.as_str())
        .bind(from.map(|version| i64::from(version.0)))
        .bind(i64::from(to.0))
        .bind(run.finished.unwrap_or(run.started).0)
        .bind(run.id.to_string())
        .bind(run.notes.get(WHO))
        .bind(run.notes.get(WHY).map_or(run.verb.as_str(), String::as_str))
        .execute(&mut *db)
        .await?;
        moved = true;
    }
    Ok(moved)
}

pub(crate) async fn history(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    name: &Name,
) -> Result<Vec<PointerMove>> {
    type Row = (Option<u32>, u32, i64, String, Option<String>, String);
    let rows: Vec<Row> = query_as(
        "SELECT from_version, to_version, moved, run, who, why FROM pointer_move
         WHERE project = $1 AND environment = $2 AND name = $3 ORDER BY number DESC",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    let moves = rows.into_iter().map(|(from, to, at, run, who, why)| {
        let run = run.parse().map_err(|e: asof_model::Error| Error::damaged("a pointer's history", e.message()))?;
        Ok(PointerMove { from: from.map(Version), to: Version(to), at: Micros(at), run, who, why })
    });
    moves.collect()
}
