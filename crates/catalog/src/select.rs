//! From what a user wrote to one version, or to an error that says what would have worked.

use asof_model::name::nearest;
use asof_model::{Kind, Name, Pinned, Registered, Selector, Version};
use sqlx::query_as;

use crate::definitions::{self, name_from, version_from};
use crate::error::{Error, Result};
use crate::store::Connection;

/// How many names of the wanted kind an error mentions.
const CANDIDATES: usize = 5;

/// The version that a selector means. `wanted` only chooses the words of an error.
pub(crate) async fn select(
    db: &mut Connection,
    project: &Name,
    name: &Name,
    selector: &Selector,
    wanted: Option<Kind>,
) -> Result<Registered> {
    let found = match selector {
        Selector::Number(number) => match u32::try_from(*number) {
            Ok(number) => definitions::version(db, project, name, Version(number)).await?,
            Err(_) => None,
        },
        Selector::Latest => definitions::newest(db, project, name).await?,
        Selector::Environment(environment) => definitions::current(db, project, environment, name).await?,
        Selector::Digest(prefix) => {
            let mut matches = definitions::with_digest(db, project, name, prefix).await?;
            if matches.len() > 1 {
                let matches = matches.iter().map(|m| m.pinned.version).collect();
                return Err(Error::AmbiguousDigest { name: name.clone(), prefix: prefix.clone(), matches });
            }
            matches.pop()
        }
    };
    match found {
        Some(registered) => Ok(registered),
        None => Err(why_not(db, project, name, selector, wanted).await?),
    }
}

/// As [`select`], and of the wanted kind.
pub(crate) async fn of_kind(
    db: &mut Connection,
    project: &Name,
    name: &Name,
    selector: &Selector,
    wanted: Option<Kind>,
) -> Result<Registered> {
    let found = select(db, project, name, selector, wanted).await?;
    match wanted {
        Some(wanted) if found.pinned.kind != wanted => {
            let names = definitions::names(db, project).await?;
            let candidates = names.into_iter().filter(|(_, kind)| *kind == wanted).map(|(name, _)| name);
            Err(Error::WrongKind {
                found: Box::new(found.pinned),
                wanted,
                candidates: candidates.take(CANDIDATES).collect(),
            })
        }
        _ => Ok(found),
    }
}

pub(crate) async fn pinned(db: &mut Connection, pinned: &Pinned) -> Result<Registered> {
    let Pinned { kind, project, name, version, digest } = pinned;
    let found = select(db, project, name, &Selector::Number(version.0.into()), Some(*kind)).await?;
    if found.pinned.digest != *digest {
        return Err(Error::OtherDigest { wanted: Box::new(pinned.clone()), stored: found.pinned.digest });
    }
    if found.pinned.kind != *kind {
        return Err(Error::WrongKind { found: Box::new(found.pinned), wanted: *kind, candidates: Vec::new() });
    }
    Ok(found)
}

/// The error for a selector that means nothing.
async fn why_not(
    db: &mut Connection,
    project: &Name,
    name: &Name,
    selector: &Selector,
    wanted: Option<Kind>,
) -> Result<Error> {
    let names = definitions::names(db, project).await?;
    if !names.iter().any(|(known, _)| known == name) {
        let fits = |kind: &Kind| wanted.is_none_or(|wanted| wanted == *kind);
        let of = |fitting: bool| {
            let fitting = names.iter().filter(move |(_, kind)| fits(kind) == fitting);
            nearest(name.as_str(), fitting.map(|(name, _)| name.as_str()))
        };
        let nearest = of(true).or_else(|| of(false)).and_then(|name| name.parse().ok());
        return Ok(Error::UnknownName {
            project: project.clone(),
            name: name.clone(),
            wanted,
            nearest,
            empty: names.is_empty(),
        });
    }
    Ok(match selector {
        Selector::Environment(environment) => Error::NotInEnvironment {
            name: name.clone(),
            environment: environment.clone(),
            elsewhere: pointers(db, project, name).await?,
        },
        other => Error::UnknownVersion {
            name: name.clone(),
            asked: other.to_string(),
            exist: definitions::versions(db, project, name).await?.iter().map(|v| v.pinned.version).collect(),
        },
    })
}

/// Which environments point at a name, and at which version.
async fn pointers(db: &mut Connection, project: &Name, name: &Name) -> Result<Vec<(Name, Version)>> {
    let rows: Vec<(String, i64)> =
        query_as("SELECT environment, version FROM pointer WHERE project = $1 AND name = $2 ORDER BY environment")
            .bind(project.as_str())
            .bind(name.as_str())
            .fetch_all(db)
            .await?;
    rows.into_iter().map(|(environment, version)| Ok((name_from(environment)?, version_from(version)?))).collect()
}
