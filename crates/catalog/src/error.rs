//! Everything that can go wrong here, and what the user reads about it.

use std::fmt::Display;

use asof_model::{Digest, ErrorKind, Kind, Name, Pinned, RunId, Version};
use sqlx::migrate::MigrateError;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{url}` is not the URL of a catalog: {reason}")]
    InvalidUrl { url: String, reason: String },
    #[error("a catalog at `{scheme}:` is not supported yet")]
    OtherScheme { scheme: String },
    #[error("the catalog cannot be opened: {reason}")]
    Unreachable { reason: String },
    #[error("the catalog's server does not answer")]
    Silent,
    #[error("the file is not a catalog of Asof")]
    NotACatalog,
    #[error("the schema holds tables that are not a catalog of Asof")]
    NotASchema,
    #[error("the catalog was written by a newer Asof (layout {0})")]
    Newer(i64),
    #[error("the catalog is held by another process")]
    Locked,
    #[error("there is no {} `{name}` in project `{project}`", wanted.map_or("object", Kind::words))]
    UnknownName { project: Name, name: Name, wanted: Option<Kind>, nearest: Option<Name>, empty: bool },
    #[error("there is no `{name}@{asked}`")]
    UnknownVersion { name: Name, asked: String, exist: Vec<Version> },
    #[error("`{name}@sha256:{prefix}` may mean {}", and(matches.iter().map(|v| format!("{name}@{v}"))))]
    AmbiguousDigest { name: Name, prefix: String, matches: Vec<Version> },
    #[error("environment `{environment}` has no version of `{name}`")]
    NotInEnvironment { name: Name, environment: Name, elsewhere: Vec<(Name, Version)> },
    #[error("{} is {}; {} is needed here", found.reference(), found.kind.one(), wanted.one())]
    WrongKind { found: Box<Pinned>, wanted: Kind, candidates: Vec<Name> },
    #[error("{} is {} here, not {}", wanted.reference(), stored.short(), wanted.digest.short())]
    OtherDigest { wanted: Box<Pinned>, stored: Digest },
    #[error("`{name}` is {} in this project; {} cannot take its name", is.one(), wanted.one())]
    NameTaken { name: Name, is: Kind, wanted: Kind },
    #[error("something got in between: {0}")]
    Concurrent(String),
    #[error("somebody else was quicker: in `{environment}` `{name}` is {now}, not {seen} any more{by}")]
    Overtaken { name: Name, environment: Name, now: String, seen: String, by: String },
    #[error("{of} reads {input}, which is not in the catalog")]
    Dangling { of: Box<Pinned>, input: Box<Pinned> },
    #[error("{0} is to be annotated, but is not in the catalog")]
    NotThere(Box<Pinned>),
    #[error("run {0} is recorded as done")]
    RunDone(RunId),
    #[error("what the catalog holds of {object} is damaged: {reason}")]
    Damaged { object: String, reason: String },
    #[error("{url}: {source}")]
    Opening { url: String, source: Box<Error> },
    #[error("the catalog failed: {0}")]
    Sql(#[source] sqlx::Error),
}

/// What a database may say that has an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Busy,
    ReadOnly,
    Corrupt,
    Full,
    CannotOpen,
    NotADatabase,
    /// A server that cannot be reached, or does not let us in.
    NoServer,
}

impl Error {
    /// What is read cannot be what was written.
    pub(crate) fn damaged(object: impl Display, reason: impl Display) -> Self {
        Error::Damaged { object: object.to_string(), reason: reason.to_string() }
    }

    /// Adds which catalog was being opened.
    pub(crate) fn opening(self, url: &str) -> Self {
        Error::Opening { url: crate::store::hidden(url), source: Box::new(self) }
    }

    /// What the database said, where that has an answer of its own.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let e = match self {
            Error::Sql(sqlx::Error::Database(e)) => e,
            Error::Sql(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed) => {
                return Some(Reason::NoServer);
            }
            _ => return None,
        };
        let code = e.code()?;
        match e.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
            Some(_) => of_sqlite(code.parse().ok()?),
            None => of_postgres(&code),
        }
    }
}

fn of_sqlite(extended: u32) -> Option<Reason> {
    // The low byte is the primary result, see https://www.sqlite.org/rescode.html
    Some(match extended & 0xff {
        5 | 6 => Reason::Busy,
        8 => Reason::ReadOnly,
        11 => Reason::Corrupt,
        13 => Reason::Full,
        14 => Reason::CannotOpen,
        26 => Reason::NotADatabase,
        _ => return None,
    })
}

fn of_postgres(state: &str) -> Option<Reason> {
    // See https://www.postgresql.org/docs/current/errcodes-appendix.html; the first two characters are the class.
    Some(match state {
        "55P03" | "53300" => Reason::Busy,
        "25006" | "42501" => Reason::ReadOnly,
        "53100" => Reason::Full,
        _ => match state.get(..2)? {
            "XX" => Reason::Corrupt,
            "08" | "28" | "3D" | "57" => Reason::NoServer,
            _ => return None,
        },
    })
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // Another task of this process holds the writer for longer than anything should take.
            sqlx::Error::PoolTimedOut => Error::Locked,
            other => Error::Sql(other),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => e.into(),
            MigrateError::VersionMissing(version) => Error::Newer(version),
            other => Error::damaged("its own layout", other),
        }
    }
}

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        use asof_model::Error as Shown;
        let message = error.to_string();
        let reason = error.reason();
        let with = |kind, code| Shown::new(kind, code, message.clone());
        let locked = || {
            with(ErrorKind::Unavailable, "catalog_locked")
                .remedy("try again; if it stays so, find the process that holds it and stop it")
        };
        let not_a_catalog = || {
            with(ErrorKind::Corrupt, "not_a_catalog")
                .remedy("point `[catalog] url` at the catalog's file or at one that does not exist yet; if this is the file, restore it from a backup")
        };
        let no_server = || {
            with(ErrorKind::Unavailable, "catalog_unavailable")
                .remedy("check that the server runs, and host, database, user and password in `[catalog] url`")
        };
        let corrupt = || with(ErrorKind::Corrupt, "catalog_corrupt").remedy("restore the catalog from a backup");
        match error {
            Error::InvalidUrl { .. } => with(ErrorKind::Invalid, "invalid_url").remedy("write it as sqlite:<path> or postgres://<user>@<host>/<database>"),
            Error::OtherScheme { .. } => with(ErrorKind::Unsupported, "not_yet").remedy("use sqlite:<path> or postgres://<user>@<host>/<database>"),
            Error::Unreachable { .. } => with(ErrorKind::Precondition, "catalog_unreachable")
                .remedy("make the folder and let this user write there"),
            Error::Silent => no_server(),
            Error::NotACatalog => not_a_catalog(),
            Error::NotASchema => with(ErrorKind::Corrupt, "not_a_catalog")
                .remedy("give the catalog a schema of its own: CREATE SCHEMA asof, and `?options[search_path]=asof` at the end of `[catalog] url`"),
            Error::Newer(_) => with(ErrorKind::Precondition, "other_format").remedy("use the newer Asof"),
            Error::Locked => locked(),
            Error::UnknownName { nearest, empty, .. } => {
                let remedy = match nearest {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if empty => "nothing is registered in this project yet: run `asof apply`".to_owned(),
                    None => "`asof ls` lists what there is".to_owned(),
                };
                with(ErrorKind::NotFound, "unknown_name").remedy(remedy)
            }
            Error::UnknownVersion { name, exist, .. } => with(ErrorKind::NotFound, "unknown_version")
                .remedy(format!("there is {}", and(ranges(&exist).into_iter().map(|range| format!("{name}@{range}"))))),
            Error::AmbiguousDigest { .. } => {
                with(ErrorKind::Invalid, "ambiguous_digest").remedy("write more digits, or the version's number")
            }
            Error::NotInEnvironment { name, environment, elsewhere } => {
                let shown =
                    and(elsewhere.iter().map(|(environment, version)| format!("{name}@{version} in `{environment}`")));
                let remedy = match elsewhere.is_empty() {
                    true => format!("apply it in `{environment}`, or ask for a version: {name}@latest"),
                    false => format!("it is {shown}; apply it in `{environment}`, or ask for one of these"),
                };
                with(ErrorKind::NotFound, "not_in_environment").remedy(remedy)
            }
            Error::WrongKind { wanted, candidates, .. } => {
                let remedy = match candidates.is_empty() {
                    true => format!("the project has no {wanted} yet"),
                    false => {
                        format!("name {}, such as {}", wanted.one(), and(candidates.iter().map(|n| format!("`{n}`"))))
                    }
                };
                with(ErrorKind::Invalid, "wrong_kind").remedy(remedy)
            }
            Error::OtherDigest { .. } => with(ErrorKind::Conflict, "other_digest")
                .remedy("the reference was pinned in another catalog; ask by name, or import the definition it means"),
            Error::NameTaken { .. } => with(ErrorKind::Conflict, "name_taken").remedy("choose another name"),
            Error::Concurrent(_) => with(ErrorKind::Conflict, "concurrent_apply")
                .remedy("nothing was changed; look at `asof plan` and apply again"),
            Error::Overtaken { name, environment, .. } => with(ErrorKind::Conflict, "pointer_moved").remedy(format!(
                "nothing was changed; `asof log {name}@{environment}` tells how it moved: look, then decide"
            )),
            Error::RunDone(_) => with(ErrorKind::Conflict, "run_done"),
            Error::Dangling { .. } | Error::NotThere(_) => Shown::internal(&message),
            Error::Damaged { .. } => corrupt(),
            Error::Opening { url, source } => Shown::from(*source).context(url),
            Error::Sql(_) => match reason {
                Some(Reason::Busy) => locked(),
                Some(Reason::ReadOnly) => with(ErrorKind::Precondition, "catalog_read_only")
                    .remedy("let this user write the file and its folder, or the tables of the schema"),
                Some(Reason::CannotOpen) => with(ErrorKind::Precondition, "catalog_unreachable")
                    .remedy("check that the path is a file which this user may read and write"),
                Some(Reason::NoServer) => no_server(),
                Some(Reason::Corrupt) => corrupt(),
                Some(Reason::NotADatabase) => not_a_catalog(),
                Some(Reason::Full) => with(ErrorKind::Unavailable, "storage_full")
                    .remedy("make space on the disk, then try again; nothing was changed"),
                None => Shown::internal(&message),
            },
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn and(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<_> = items.into_iter().collect();
    match items.pop() {
        None => "none".to_owned(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

/// Numbers in ascending order, neighbours drawn together: `1…4`, `7`.
fn ranges(versions: &[Version]) -> Vec<String> {
    let runs = versions.chunk_by(|a, b| a.0 + 1 == b.0);
    let written = runs.map(|run| match run {
        [first, .., last] => format!("{first}…{last}"),
        other => other.iter().map(Version::to_string).collect(),
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_listed_briefly() {
        let check = |numbers: &[u32], expected: &str| {
            let versions: Vec<_> = numbers.iter().copied().map(Version).collect();
            assert_eq!(and(ranges(&versions)), expected);
        };
        check(&[], "none");
        check(&[1], "1");
        check(&[1, 2], "1…2");
        check(&[1, 2, 3, 5, 7, 8], "1…3, 5 and 7…8");
    }
}
