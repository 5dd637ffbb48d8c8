//! Versions that are not to be used any more: a remark beside a definition, which makes no version and can be taken back.

use asof_model::{Micros, Name, RunId, Version};
use sqlx::{query, query_as};

use crate::definitions::{name_from, version_from};
use crate::error::{Error, Result};
use crate::store::Connection;

/// The remark that a version is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// The name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// Why.
    pub why: String,
    /// What to use instead, as people write it.
    pub successor: Option<String>,
    /// Who said so, if they said who they are.
    pub who: Option<String>,
    /// When.
    pub at: Micros,
    /// The run that recorded it.
    pub run: RunId,
}

/// Keeps the remark, in the place of one that says something else; whether anything is said that was not said before.
pub(crate) async fn put(db: &mut Connection, project: &Name, remark: &Deprecation) -> Result<bool> {
    let there = of_project(db, project).await?;
    let same = |d: &Deprecation| {
        (&d.name, d.version, &d.why, &d.successor) == (&remark.name, remark.version, &remark.why, &remark.successor)
    };
    if there.iter().any(same) {
        return Ok(false);
    }
    query(
        "INSERT INTO deprecation (project, name, version, why, successor, who, deprecated, run)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (project, name, version) DO UPDATE SET why = excluded.why, successor = excluded.successor,
             who = excluded.who, deprecated = excluded.deprecated, run = excluded.run",
    )
    .bind(project.as_str())
    .bind(remark.name.as_str())
    .bind(i64::from(remark.version.0))
    .bind(&remark.why)
    .bind(remark.successor.as_deref())
    .bind(remark.who.as_deref())
    .bind(remark.at.0)
    .bind(remark.run.to_string())
    .execute(db)
    .await?;
    Ok(true)
}

/// Takes the remark back; whether there was one.
pub(crate) async fn remove(db: &mut Connection, project: &Name, name: &Name, version: Version) -> Result<bool> {
    let done = query("DELETE FROM deprecation WHERE project = $1 AND name = $2 AND version = $3")
        .bind(project.as_str())
        .bind(name.as_str())
        .bind(i64::from(version.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

type Row = (String, i64, String, Option<String>, Option<String>, i64, String);

/// All of a project, by name and version.
pub(crate) async fn of_project(db: &mut Connection, project: &Name) -> Result<Vec<Deprecation>> {
    let rows: Vec<Row> = query_as(
        "SELECT name, version, why, successor, who, deprecated, run FROM deprecation
         WHERE project = $1 ORDER BY name, version",
    )
    .bind(project.as_str())
    .fetch_all(db)
    .await?;
    let deprecations = rows.into_iter().map(|(name, version, why, successor, who, at, run)| {
        Ok(Deprecation {
            name: name_from(name)?,
            version: version_from(version)?,
            why,
            successor,
            who,
            at: Micros(at),
            run: run.parse().map_err(|e: asof_model::Error| Error::damaged("a deprecation", e.message()))?,
        })
    });
    deprecations.collect()
}
