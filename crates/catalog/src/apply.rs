//! What an apply registers: versions and remarks.
//!
//! Each step looks before it writes. It is inside an immediate transaction, so nothing changes in between;
//! what it finds other than planned means that another apply was quicker.

use asof_model::Registered;
use sqlx::{query, query_scalar};

use crate::definitions::{self, kind_from};
use crate::error::{Error, Result};
use crate::store::Connection;

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
