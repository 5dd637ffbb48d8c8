//! Who found a version fit for an environment.

use asof_model::{Digest, Micros, Name, Pinned, RunId, Version};
use sqlx::{query, query_as};

use crate::definitions::{name_from, version_from};
use crate::error::{Error, Result};
use crate::store::Connection;

/// Somebody's word that a version may go to an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The environment.
    pub environment: Name,
    /// The name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// Its content.
    pub digest: Digest,
    /// Who.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
    /// When.
    pub at: Micros,
    /// The run that recorded it.
    pub run: RunId,
}

impl Approval {
    /// Whether it is about this very definition.
    pub fn is_of(&self, pinned: &Pinned) -> bool {
        (&self.name, self.version, self.digest) == (&pinned.name, pinned.version, pinned.digest)
    }
}

/// Keeps it, unless that person said so before; whether it is new.
pub(crate) async fn insert(db: &mut Connection, project: &Name, approval: &Approval) -> Result<bool> {
    let done = query(
        "INSERT INTO approval (project, environment, name, version, digest, who, why, approved, run)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(project.as_str())
    .bind(approval.environment.as_str())
    .bind(approval.name.as_str())
    .bind(i64::from(approval.version.0))
    .bind(approval.digest.hex())
    .bind(&approval.who)
    .bind(&approval.why)
    .bind(approval.at.0)
    .bind(approval.run.to_string())
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

type Row = (String, i64, String, String, String, i64, String);

/// All of a name, oldest first.
pub(crate) async fn of_name(db: &mut Connection, project: &Name, name: &Name) -> Result<Vec<Approval>> {
    let rows: Vec<Row> = query_as(
        "SELECT environment, version, digest, who, why, approved, run FROM approval
         WHERE project = $1 AND name = $2 ORDER BY approved, run, who",
    )
    .bind(project.as_str())
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    let damaged = |e: asof_model::Error| Error::damaged("an approval", e.message());
    let approvals = rows.into_iter().map(|(environment, version, digest, who, why, at, run)| {
        Ok(Approval {
            environment: name_from(environment)?,
            name: name.clone(),
            version: version_from(version)?,
            digest: format!("sha256:{digest}").parse().map_err(damaged)?,
            who,
            why,
            at: Micros(at),
            run: run.parse().map_err(damaged)?,
        })
    });
    approvals.collect()
}
