//! An environment's pointers: moving them, how they moved, and where they were at some moment.
//!
//! A pointer moves only from where whoever moves it saw it (compare-and-swap), inside the transaction of a run, and the
//! move is kept with that run. So the moves of a name, in their order, lead from nowhere to where its pointer is.
//! Nothing is taken out of a history: a rollback is one more move, which [`standing`] counts as the end of an earlier one.

use std::collections::{BTreeMap, HashMap, HashSet};

use asof_model::run::Verb;
use asof_model::{Kind, Micros, Name, Registered, Run, RunId, Version};
use sqlx::query_as;

use crate::definitions::{self, Listed, name_from, version_from};
use crate::error::{Error, Result};
use crate::many;
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
    /// Whose pointer.
    pub name: Name,
    /// Where it was before; none for the first move.
    pub from: Option<Version>,
    /// Where it was then.
    pub to: Version,
    /// When.
    pub at: Micros,
    /// The run that moved it.
    pub run: RunId,
    /// What kind of run that was.
    pub verb: Verb,
    /// Who had it moved, if the run says so.
    pub who: Option<String>,
    /// Why.
    pub why: String,
}

/// The last move of a name that no rollback has taken back, of its whole history, newest first: what the next rollback
/// takes back.
///
/// Each rollback takes back the last move that stood then, as a closing bracket belongs to an opening one.
pub fn standing(history: &[PointerMove]) -> Option<&PointerMove> {
    let mut taken_back = 0_usize;
    for moved in history {
        match (moved.verb, taken_back) {
            (Verb::Rollback, _) => taken_back += 1,
            (_, 0) => return Some(moved),
            _ => taken_back -= 1,
        }
    }
    None
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
    if moves.is_empty() {
        return Ok(false);
    }
    let pointers = Pointers::read(db, project, environment).await?;
    let mut moving = Vec::new();
    for moved in moves {
        let Move { name, from, to } = moved;
        let now = pointers.now.get(name.as_str()).copied();
        if now == Some(to.0.into()) {
            continue;
        }
        if now != from.map(|version| version.0.into()) {
            let now = now.map(version_from).transpose()?;
            return Err(overtaken(db, project, environment, (name, *from, now), run.verb).await?);
        }
        if !pointers.versions.contains(&(name.to_string(), to.0.into())) {
            let versions = definitions::versions(db, project, name).await?;
            let exist = versions.iter().map(|v| v.pinned.version).collect();
            return Err(Error::UnknownVersion { name: name.clone(), asked: to.to_string(), exist });
        }
        let number = pointers.moves.get(name.as_str()).copied().unwrap_or(0) + 1;
        moving.push((moved, number));
    }
    let then = "ON CONFLICT (project, environment, name) DO UPDATE SET version = excluded.version";
    many::insert(db, "pointer (project, environment, name, version)", then, &moving, |row, (moved, _)| {
        row.bind(project.to_string())
            .bind(environment.to_string())
            .bind(moved.name.to_string())
            .bind(i64::from(moved.to.0))
    })
    .await?;
    let into = "pointer_move (project, environment, name, number, from_version, to_version, moved, run, who, why)";
    many::insert(db, into, "", &moving, |row, (moved, number)| {
        row.bind(project.to_string())
            .bind(environment.to_string())
            .bind(moved.name.to_string())
            .bind(*number)
            .bind(moved.from.map(|version| i64::from(version.0)))
            .bind(i64::from(moved.to.0))
            .bind(run.finished.unwrap_or(run.started).0)
            .bind(run.id.to_string())
            .bind(run.notes.get(WHO).cloned())
            .bind(run.notes.get(WHY).map_or(run.verb.as_str(), String::as_str).to_owned())
    })
    .await?;
    Ok(!moving.is_empty())
}

/// The pointers of an environment as they are.
#[derive(Default)]
struct Pointers {
    /// Where each is.
    now: HashMap<String, i64>,
    /// How often each was moved.
    moves: HashMap<String, i64>,
    /// All there is that a pointer may move to.
    versions: HashSet<(String, i64)>,
}

impl Pointers {
    /// Of all names, in three statements.
    async fn read(db: &mut Connection, project: &Name, environment: &Name) -> Result<Self> {
        let now: Vec<(String, i64)> =
            query_as("SELECT name, version FROM pointer WHERE project = $1 AND environment = $2")
                .bind(project.as_str())
                .bind(environment.as_str())
                .fetch_all(&mut *db)
                .await?;
        let moves: Vec<(String, i64)> = query_as(
            "SELECT name, max(number) FROM pointer_move
             WHERE project = $1 AND environment = $2 GROUP BY name",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .fetch_all(&mut *db)
        .await?;
        let versions: Vec<(String, i64)> = query_as("SELECT name, version FROM definition WHERE project = $1")
            .bind(project.as_str())
            .fetch_all(db)
            .await?;
        Ok(Pointers {
            now: now.into_iter().collect(),
            moves: moves.into_iter().collect(),
            versions: versions.into_iter().collect(),
        })
    }
}

/// The error for a pointer that is not where it was seen, with who moved it meanwhile.
async fn overtaken(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    (name, seen, now): (&Name, Option<Version>, Option<Version>),
    verb: Verb,
) -> Result<Error> {
    let shown = |at: Option<Version>| at.map_or("nowhere".to_owned(), |version| format!("at {name}@{version}"));
    let (now, seen) = (shown(now), shown(seen));
    let by = match history(db, project, environment, name).await?.first() {
        Some(PointerMove { who, verb, at, why, .. }) => {
            let who = who.as_deref().unwrap_or("somebody");
            let why = if why == verb.as_str() { String::new() } else { format!(", because: {why}") };
            format!("; {who} moved it there at {at} ({verb}){why}")
        }
        None => String::new(),
    };
    Ok(match verb {
        Verb::Apply => Error::Concurrent(format!("in `{environment}` `{name}` is {now}, the plan found it {seen}{by}")),
        _ => Error::Overtaken { name: name.clone(), environment: environment.clone(), now, seen, by },
    })
}

type Row = (String, Option<i64>, i64, i64, String, String, Option<String>, String);

fn from_rows(rows: Vec<Row>) -> Result<Vec<PointerMove>> {
    let damaged = |reason: &str| Error::damaged("a pointer's history", reason);
    let moves = rows.into_iter().map(|(name, from, to, at, run, verb, who, why)| {
        let run = run.parse().map_err(|e: asof_model::Error| damaged(e.message()))?;
        let known = Verb::ALL.into_iter().find(|known| known.as_str() == verb);
        let verb = known.ok_or_else(|| damaged("its run is of no verb that there is"))?;
        Ok(PointerMove {
            name: name_from(name)?,
            from: from.map(version_from).transpose()?,
            to: version_from(to)?,
            at: Micros(at),
            run,
            verb,
            who,
            why,
        })
    });
    moves.collect()
}

pub(crate) async fn history(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    name: &Name,
) -> Result<Vec<PointerMove>> {
    let rows = query_as(
        "SELECT m.name, m.from_version, m.to_version, m.moved, m.run, r.verb, m.who, m.why
         FROM pointer_move m JOIN run r ON r.id = m.run
         WHERE m.project = $1 AND m.environment = $2 AND m.name = $3 ORDER BY m.number DESC",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    from_rows(rows)
}

pub(crate) async fn all_moves(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    limit: Option<usize>,
) -> Result<Vec<PointerMove>> {
    let rows = query_as(
        "SELECT m.name, m.from_version, m.to_version, m.moved, m.run, r.verb, m.who, m.why
         FROM pointer_move m JOIN run r ON r.id = m.run
         WHERE m.project = $1 AND m.environment = $2
         ORDER BY m.moved DESC, m.run DESC, m.name, m.number DESC LIMIT $3",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX)))
    .fetch_all(db)
    .await?;
    from_rows(rows)
}

/// What an environment pointed at, at that moment.
pub(crate) async fn list_at(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    kind: Option<Kind>,
    at: Micros,
) -> Result<Vec<Listed>> {
    // The last move by then in the order of moves: clocks may have gone back.
    let rows: Vec<(String, i64)> = query_as(
        "SELECT d.body, n.newest
         FROM (SELECT name, max(number) AS number FROM pointer_move
               WHERE project = $1 AND environment = $2 AND moved <= $4 GROUP BY name) l
         JOIN pointer_move m ON m.project = $1 AND m.environment = $2 AND m.name = l.name AND m.number = l.number
         JOIN name k ON k.project = $1 AND k.name = l.name AND ($3 IS NULL OR k.kind = $3)
         JOIN definition d ON d.project = $1 AND d.name = l.name AND d.version = m.to_version
         JOIN (SELECT name, max(version) AS newest FROM definition WHERE project = $1 GROUP BY name) n
           ON n.name = l.name
         ORDER BY l.name",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(kind.map(Kind::as_str))
    .bind(at.0)
    .fetch_all(db)
    .await?;
    definitions::listed(rows.into_iter().map(|(body, newest)| (body, true, newest)))
}

/// What environments point at, and what they left at that moment or later.
pub(crate) async fn pointed(db: &mut Connection, project: &Name, since: Micros) -> Result<Vec<(Registered, String)>> {
    let mut wanted: BTreeMap<(Name, i64), String> = BTreeMap::new();
    let left: Vec<(String, i64, String, i64)> = query_as(
        "SELECT name, from_version, environment, moved FROM pointer_move
         WHERE project = $1 AND moved >= $2 AND from_version IS NOT NULL ORDER BY moved",
    )
    .bind(project.as_str())
    .bind(since.0)
    .fetch_all(&mut *db)
    .await?;
    for (name, version, environment, moved) in left {
        wanted.insert((name_from(name)?, version), format!("{environment} until {}", Micros(moved)));
    }
    let now: Vec<(String, i64, String)> =
        query_as("SELECT name, version, environment FROM pointer WHERE project = $1 ORDER BY environment")
            .bind(project.as_str())
            .fetch_all(&mut *db)
            .await?;
    for (name, version, environment) in now {
        wanted.insert((name_from(name)?, version), environment);
    }
    let mut pointed = Vec::new();
    for ((name, version), by) in wanted {
        let number = u32::try_from(version).map_err(|e| Error::damaged(format_args!("a pointer of {name}"), e))?;
        let found = definitions::version(db, project, &name, Version(number)).await?;
        let found = found.ok_or_else(|| Error::damaged(format_args!("{name}@{number}"), "it is not there"))?;
        pointed.push((found, by));
    }
    Ok(pointed)
}
