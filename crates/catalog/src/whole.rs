//! A project as a whole, in a few statements however much it has: for plans, which look at all of it.

use asof_model::{Name, Registered, Version};
use sqlx::{query_as, query_scalar};

use crate::definitions::{self, name_from, version_from};
use crate::error::{Error, Result};
use crate::store::Connection;

/// All definitions of a project, and what all its environments point at.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Every version, by name and number.
    pub definitions: Vec<Registered>,
    /// Environment, name and version, ordered.
    pub pointers: Vec<(Name, Name, Version)>,
}

/// A training set that was built: its name, its number, and a definition that it was made of.
pub type BuiltOf = ((Name, u32), (Name, Version));

pub(crate) async fn read(db: &mut Connection, project: &Name) -> Result<Whole> {
    // Before the definitions: what is pointed at is among them then, whatever is applied meanwhile.
    let rows: Vec<(String, String, i64)> =
        query_as("SELECT environment, name, version FROM pointer WHERE project = $1 ORDER BY environment, name")
            .bind(project.as_str())
            .fetch_all(&mut *db)
            .await?;
    let pointers = rows
        .into_iter()
        .map(|(environment, name, version)| Ok((name_from(environment)?, name_from(name)?, version_from(version)?)));
    let pointers = pointers.collect::<Result<_>>()?;
    let bodies: Vec<String> = query_scalar("SELECT body FROM definition WHERE project = $1 ORDER BY name, version")
        .bind(project.as_str())
        .fetch_all(db)
        .await?;
    let definitions = bodies.iter().map(|body| definitions::from_body(body)).collect::<Result<_>>()?;
    Ok(Whole { definitions, pointers })
}

/// Which training sets were built out of which definitions, by name and number.
pub(crate) async fn built_of(db: &mut Connection, project: &Name) -> Result<Vec<BuiltOf>> {
    let rows: Vec<(String, i64, String, i64)> = query_as(
        "SELECT o.name, o.number, i.name, i.version FROM run_item o
         JOIN run r ON r.id = o.run AND r.state = 'done'
         JOIN run_item i ON i.run = o.run AND i.role = 'input' AND i.item = 'definition'
         WHERE o.project = $1 AND o.item = 'training_set' AND o.role = 'output'
         ORDER BY o.name, o.number, i.name, i.version",
    )
    .bind(project.as_str())
    .fetch_all(db)
    .await?;
    let built = rows.into_iter().map(|(set, number, name, version)| {
        let number = u32::try_from(number).map_err(|e| Error::damaged("a training set's number", e))?;
        Ok(((name_from(set)?, number), (name_from(name)?, version_from(version)?)))
    });
    built.collect()
}
