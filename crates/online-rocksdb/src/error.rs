//! What can go wrong with RocksDB and the files around it.

use std::path::{Path, PathBuf};

use asof_model::ErrorKind as Kind;

/// What can go wrong, with what was being done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the online store at {} is held by {}", .path.display(), holder(.process))]
    Held { path: PathBuf, process: Option<u32> },
    #[error("the online store at {} is damaged: {reason}", .path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the online store at {} is damaged: {}", .path.display(), lost(.journal, *.after, *.last))]
    Lost { path: PathBuf, journal: String, after: i64, last: i64 },
    #[error("the online store is damaged: {0}")]
    Malformed(String),
    #[error("the online store at {} is in another format: `{found}` where this version reads `{known}`", .path.display())]
    OtherFormat { path: PathBuf, found: String, known: &'static str },
    #[error("online store: {doing} {}: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("online store: no thread could be started: {0}")]
    Thread(std::io::Error),
    #[error("online store: {doing}: {source}")]
    Rocks { doing: &'static str, source: rocksdb::Error },
    #[error("online store: {doing}: the disk was full, and there is no room yet")]
    Full { doing: &'static str },
    #[error(transparent)]
    Online(#[from] asof_online::Error),
}

fn lost(journal: &str, after: i64, last: i64) -> String {
    format!(
        "rows that were pushed to {journal} and acknowledged are gone (order of acceptance {} to {last})",
        after + 1
    )
}

fn holder(id: &Option<u32>) -> String {
    id.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

impl Error {
    /// For `map_err`: what was being done to which file.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }

    /// Whether there was no room on the disk.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Error::Full { .. } => true,
            Error::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Error::Rocks { source, .. } => source.as_ref().contains("No space left"),
            _ => false,
        }
    }

    /// For `map_err`: what RocksDB was asked to do.
    pub(crate) fn rocks(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Error {
        move |source| Error::Rocks { doing, source }
    }
}

const REBUILD: &str = "stop the server if one runs, then: asof materialize --rebuild, which sets the store aside and builds the rows again from the tables";

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        let told = |kind, code| asof_model::Error::new(kind, code, error.to_string());
        if error.is_full() {
            return told(Kind::Unavailable, "storage_full").remedy("make room and try again: reads go on meanwhile");
        }
        match error {
            Error::Online(error) => error.into(),
            Error::Held { .. } => told(Kind::Unavailable, "store_held")
                .remedy("connect to that process with --server URL, or stop it first"),
            Error::Damaged { .. } | Error::Lost { .. } | Error::Malformed(_) => {
                told(Kind::Corrupt, "online_damaged").remedy(REBUILD)
            }
            Error::OtherFormat { .. } => told(Kind::Precondition, "other_format").remedy(REBUILD),
            Error::File { .. } | Error::Thread(_) | Error::Full { .. } => told(Kind::Internal, "online_failed"),
            Error::Rocks { ref source, .. } => match source.kind() {
                rocksdb::ErrorKind::Corruption => told(Kind::Corrupt, "online_damaged").remedy(REBUILD),
                _ => told(Kind::Internal, "online_failed"),
            },
        }
    }
}
