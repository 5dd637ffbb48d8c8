//! Definitions and their versions: one row each, the body as JSON.

use std::collections::HashSet;

use asof_model::{Kind, Name, Pinned, Registered, Version};
use sqlx::{query_as, query_scalar};

use crate::error::{Error, Result};
use crate::select;
use crate::store::Connection;

/// One line of a list of definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The version the environment points at or, where it points at none, the newest.
    pub registered: Registered,
    /// Whether the environment points at it.
    pub current: bool,
    /// The newest version of the name.
    pub newest: Version,
}

/// A stored body, held against the digest in its own row.
pub(crate) fn from_body(body: &str) -> Result<Registered> {
    let registered: Registered = serde_json::from_str(body)
        .map_err(|e| Error::damaged("a definition", format!("its body cannot be read: {e}")))?;
    let Registered { pinned, definition, inputs, .. } = &registered;
    let said = (pinned.kind, &pinned.name, pinned.digest);
    if said != (definition.kind(), definition.name(), definition.digest(inputs)) {
        return Err(Error::damaged(pinned, "its content is not the one of its digest"));
    }
    Ok(registered)
}

fn from_bodies(bodies: Vec<String>) -> Result<Vec<Registered>> {
    bodies.iter().map(|body| from_body(body)).collect()
}

pub(crate) fn name_from(text: String) -> Result<Name> {
    text.try_into().map_err(|e: asof_model::Error| Error::damaged("a name", e.message()))
}

pub(crate) fn kind_from(text: &str) -> Result<Kind> {
    text.parse().map_err(|e: asof_model::Error| Error::damaged("a name's kind", e.message()))
}

pub(crate) fn version_from(number: i64) -> Result<Version> {
    let number = u32::try_from(number).map_err(|_| Error::damaged("a version", "its number is none"))?;
    Ok(Version(number))
}

pub(crate) async fn current(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    name: &Name,
) -> Result<Option<Registered>> {
    let body: Option<String> = query_scalar(
        "SELECT d.body FROM pointer p
         JOIN definition d ON d.project = p.project AND d.name = p.name AND d.version = p.version
         WHERE p.project = $1 AND p.environment = $2 AND p.name = $3",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(name.as_str())
    .fetch_optional(db)
    .await?;
    body.map(|body| from_body(&body)).transpose()
}

pub(crate) async fn version(
    db: &mut Connection,
    project: &Name,
    name: &Name,
    version: Version,
) -> Result<Option<Registered>> {
    let body: Option<String> =
        query_scalar("SELECT body FROM definition WHERE project = $1 AND name = $2 AND version = $3")
            .bind(project.as_str())
            .bind(name.as_str())
            .bind(i64::from(version.0))
            .fetch_optional(db)
            .await?;
    body.map(|body| from_body(&body)).transpose()
}

pub(crate) async fn newest(db: &mut Connection, project: &Name, name: &Name) -> Result<Option<Registered>> {
    let body: Option<String> =
        query_scalar("SELECT body FROM definition WHERE project = $1 AND name = $2 ORDER BY version DESC LIMIT 1")
            .bind(project.as_str())
            .bind(name.as_str())
            .fetch_optional(db)
            .await?;
    body.map(|body| from_body(&body)).transpose()
}

/// Versions whose digest begins with these hex digits, oldest first.
pub(crate) async fn with_digest(
    db: &mut Connection,
    project: &Name,
    name: &Name,
    prefix: &str,
) -> Result<Vec<Registered>> {
    let bodies = query_scalar(
        "SELECT body FROM definition
         WHERE project = $1 AND name = $2 AND substr(digest, 1, length($3)) = $3 ORDER BY version",
    )
    .bind(project.as_str())
    .bind(name.as_str())
    .bind(prefix)
    .fetch_all(db)
    .await?;
    from_bodies(bodies)
}

pub(crate) async fn versions(db: &mut Connection, project: &Name, name: &Name) -> Result<Vec<Registered>> {
    let bodies = query_scalar("SELECT body FROM definition WHERE project = $1 AND name = $2 ORDER BY version")
        .bind(project.as_str())
        .bind(name.as_str())
        .fetch_all(db)
        .await?;
    from_bodies(bodies)
}

pub(crate) async fn names(db: &mut Connection, project: &Name) -> Result<Vec<(Name, Kind)>> {
    let rows: Vec<(String, String)> = query_as("SELECT name, kind FROM name WHERE project = $1 ORDER BY name")
        .bind(project.as_str())
        .fetch_all(db)
        .await?;
    rows.into_iter().map(|(name, kind)| Ok((name_from(name)?, kind_from(&kind)?))).collect()
}

pub(crate) async fn list(
    db: &mut Connection,
    project: &Name,
    environment: &Name,
    kind: Option<Kind>,
) -> Result<Vec<Listed>> {
    let rows: Vec<(String, Option<i64>, i64)> = query_as(
        "SELECT d.body, p.version, n.newest
         FROM (SELECT name.project, name.name, max(definition.version) AS newest
               FROM name JOIN definition ON definition.project = name.project AND definition.name = name.name
               WHERE name.project = $1 AND ($3 IS NULL OR name.kind = $3)
               GROUP BY name.project, name.name) n
         LEFT JOIN pointer p ON p.project = n.project AND p.environment = $2 AND p.name = n.name
         JOIN definition d ON d.project = n.project AND d.name = n.name AND d.version = coalesce(p.version, n.newest)
         ORDER BY n.name",
    )
    .bind(project.as_str())
    .bind(environment.as_str())
    .bind(kind.map(Kind::as_str))
    .fetch_all(db)
    .await?;
    listed(rows.into_iter().map(|(body, current, newest)| (body, current.is_some(), newest)))
}

/// Lines out of bodies, whether they are current, and newest versions, which come by name.
pub(crate) fn listed(rows: impl Iterator<Item = (String, bool, i64)>) -> Result<Vec<Listed>> {
    let listed = rows.map(|(body, current, newest)| {
        Ok(Listed { registered: from_body(&body)?, current, newest: version_from(newest)? })
    });
    let mut listed: Vec<_> = listed.collect::<Result<_>>()?;
    listed.sort_by_key(|l| l.registered.pinned.kind); // stable: by name inside a kind
    Ok(listed)
}

pub(crate) async fn closure(db: &mut Connection, roots: &[Pinned]) -> Result<Vec<Registered>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for root in roots {
        if seen.insert(root.clone()) {
            let registered = select::pinned(db, root).await?;
            let upstream = upstream(db, root).await?;
            found.extend(upstream.into_iter().filter(|r| seen.insert(r.pinned.clone())));
            found.push(registered);
        }
    }
    Ok(found)
}

/// All that a definition reads, directly or not, the farthest first.
async fn upstream(db: &mut Connection, root: &Pinned) -> Result<Vec<Registered>> {
    // The longest way to a definition tells its depth, and depth is what orders reading before being read.
    // Ways are counted again for each depth, not for each path, so a lattice of views stays cheap; there
    // are no cycles, because a version can read only what existed before it or came with it.
    let bodies = query_scalar(
        "WITH RECURSIVE reached (project, name, version, depth) AS (
             SELECT input_project, input_name, input_version, 1 FROM input
             WHERE project = $1 AND name = $2 AND version = $3
             UNION
             SELECT i.input_project, i.input_name, i.input_version, r.depth + 1
             FROM reached r JOIN input i ON i.project = r.project AND i.name = r.name AND i.version = r.version
         ), farthest AS (
             SELECT project, name, version, max(depth) AS depth FROM reached GROUP BY project, name, version
         )
         SELECT d.body FROM farthest f
         JOIN definition d ON d.project = f.project AND d.name = f.name AND d.version = f.version
         ORDER BY f.depth DESC, f.project, f.name, f.version",
    )
    .bind(root.project.as_str())
    .bind(root.name.as_str())
    .bind(i64::from(root.version.0))
    .fetch_all(db)
    .await?;
    from_bodies(bodies)
}
