//! What an apply registers: versions and remarks.
//!
//! It looks before it writes, once at all that the project has. It is inside a transaction that has the lock of writers, so
//! nothing changes in between; what it finds other than planned means that another apply was quicker.

use std::collections::{HashMap, HashSet};

use asof_model::definition::Input;
use asof_model::{Kind, Name, Pinned, Registered};
use sqlx::{query, query_as};

use crate::definitions::{self, name_from};
use crate::error::{Error, Result};
use crate::many;
use crate::store::Connection;

/// Inserts versions that are not there yet; whether anything was written.
pub(crate) async fn register(db: &mut Connection, new: &[Registered]) -> Result<bool> {
    let mut there = There::default();
    let (mut names, mut inserted, mut inputs, mut written) = (Vec::new(), Vec::new(), Vec::new(), false);
    for registered in new {
        let Registered { pinned, .. } = registered;
        let known = there.of(db, &pinned.project).await?;
        match known.kinds.get(&pinned.name) {
            Some(is) if *is != pinned.kind => {
                return Err(Error::NameTaken { name: pinned.name.clone(), is: *is, wanted: pinned.kind });
            }
            Some(_) => {}
            None => {
                known.kinds.insert(pinned.name.clone(), pinned.kind);
                names.push(pinned);
            }
        }
        if known.versions.contains(&(pinned.name.clone(), pinned.version.0.into())) {
            match definitions::version(db, &pinned.project, &pinned.name, pinned.version).await? {
                Some(stored) => written |= replace_remarks(db, stored, registered).await?,
                // It is one of those that are still to be inserted: the same twice in one apply.
                None => return Err(Error::Concurrent(format!("{} comes twice", pinned.reference()))),
            }
            continue;
        }
        if let Some(number) = known.number_of(pinned) {
            return Err(Error::Concurrent(format!("{} is registered as version {number} already", pinned.reference())));
        }
        known.add(pinned.name.clone(), pinned.version.0.into(), pinned.digest.hex());
        inserted.push(registered);
        inputs.extend(registered.inputs.iter().map(|input| (pinned, input)));
    }
    insert(db, &names, &inserted, &inputs).await?;
    // Once all are in: what one reads may come with it, in any order.
    for registered in new {
        for input in &registered.inputs {
            let read = &input.pinned;
            if there.of(db, &read.project).await?.number_of(read) != Some(read.version.0.into()) {
                return Err(Error::Dangling { of: registered.pinned.clone().into(), input: read.clone().into() });
            }
        }
    }
    Ok(written || !inserted.is_empty())
}

/// What projects have, each read once.
#[derive(Default)]
struct There(HashMap<Name, Known>);

#[derive(Default)]
struct Known {
    kinds: HashMap<Name, Kind>,
    versions: HashSet<(Name, i64)>,
    numbers: HashMap<(Name, String), i64>,
}

impl There {
    async fn of(&mut self, db: &mut Connection, project: &Name) -> Result<&mut Known> {
        if !self.0.contains_key(project) {
            let mut known =
                Known { kinds: definitions::names(db, project).await?.into_iter().collect(), ..Known::default() };
            let rows: Vec<(String, i64, String)> =
                query_as("SELECT name, version, digest FROM definition WHERE project = $1")
                    .bind(project.as_str())
                    .fetch_all(db)
                    .await?;
            for (name, version, digest) in rows {
                known.add(name_from(name)?, version, digest);
            }
            self.0.insert(project.clone(), known);
        }
        Ok(self.0.entry(project.clone()).or_default())
    }
}

impl Known {
    fn add(&mut self, name: Name, version: i64, digest: String) {
        self.versions.insert((name.clone(), version));
        self.numbers.insert((name, digest), version);
    }

    /// The number under which a name has exactly this content.
    fn number_of(&self, pinned: &Pinned) -> Option<i64> {
        self.numbers.get(&(pinned.name.clone(), pinned.digest.hex())).copied()
    }
}

async fn insert(
    db: &mut Connection,
    names: &[&Pinned],
    definitions: &[&Registered],
    inputs: &[(&Pinned, &Input)],
) -> Result<()> {
    many::insert(db, "name (project, name, kind)", "", names, |row, pinned| {
        row.bind(pinned.project.to_string()).bind(pinned.name.to_string()).bind(pinned.kind.as_str())
    })
    .await?;
    let into = "definition (project, name, version, digest, created, body)";
    many::insert(db, into, "", definitions, |row, registered| {
        let pinned = &registered.pinned;
        row.bind(pinned.project.to_string())
            .bind(pinned.name.to_string())
            .bind(i64::from(pinned.version.0))
            .bind(pinned.digest.hex())
            .bind(registered.created.0)
            .bind(body(registered))
    })
    .await?;
    let into = "input (project, name, version, written, input_project, input_name, input_version)";
    many::insert(db, into, "", inputs, |row, (pinned, input)| {
        row.bind(pinned.project.to_string())
            .bind(pinned.name.to_string())
            .bind(i64::from(pinned.version.0))
            .bind(input.written.clone())
            .bind(input.pinned.project.to_string())
            .bind(input.pinned.name.to_string())
            .bind(i64::from(input.pinned.version.0))
    })
    .await
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
