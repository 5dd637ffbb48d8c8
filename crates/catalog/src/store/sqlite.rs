//! A catalog in a SQLite file.
//!
//! Every writing transaction begins `IMMEDIATE`, so that it has the file's one lock before it reads. The write-ahead log
//! lets readers go on meanwhile, and `synchronous = FULL` makes a commit wait for the disk.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;

use super::Connection;
use crate::error::{Error, Reason, Result};

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// "Asof" in ASCII, as the first migration sets it.
const APPLICATION_ID: i64 = 0x4173_6f66;

/// How often the switch to the write-ahead log is tried: once per process that opens the new file at the
/// same moment is enough.
const WAL_ATTEMPTS: u32 = 100;

pub(super) fn options(url: &str) -> Result<AnyConnectOptions> {
    file_of(url)?;
    match url.contains("mode=") || url.contains(":memory:") {
        true => super::parsed(url),
        false => super::parsed(&format!("{url}{}mode=rwc", if url.contains('?') { '&' } else { '?' })),
    }
}

fn file_of(url: &str) -> Result<SqliteConnectOptions> {
    let invalid = |reason: &str| Error::InvalidUrl { url: url.to_owned(), reason: reason.to_owned() };
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    if rest.trim_start_matches('/').is_empty() {
        return Err(invalid("it names no file"));
    }
    SqliteConnectOptions::from_str(url).map_err(|e| invalid(&e.to_string()))
}

/// Connections that never age: nothing between here and the file can go stale.
pub(super) fn pool(connections: u32, busy: Duration) -> AnyPoolOptions {
    super::pool(connections, ready(busy)).test_before_acquire(false).max_lifetime(None)
}

/// What makes a connection ready.
pub(super) fn ready(busy: Duration) -> String {
    let busy = busy.as_millis();
    format!("PRAGMA busy_timeout = {busy}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
}

pub(super) fn make_folder(url: &str) -> Result<()> {
    match file_of(url)?.get_filename().parent() {
        Some(folder) if folder != Path::new("") => std::fs::create_dir_all(folder)
            .map_err(|e| Error::Unreachable { reason: format!("its folder cannot be made: {e}") }),
        _ => Ok(()),
    }
}

/// The switch needs the file for itself and SQLite does not wait for that, so two processes that make the
/// same new file would fail each other. Waiting for the lock of a transaction stands in for it.
pub(super) async fn use_write_ahead_log(db: &mut Connection) -> Result<()> {
    for _ in 0..WAL_ATTEMPTS {
        let switched = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *db).await.map_err(Error::from);
        match switched {
            Err(e) if e.reason() == Some(Reason::Busy) => {
                sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut *db).await?;
            }
            other => return other.map(|_| ()),
        }
    }
    Err(Error::Locked)
}

/// Brings the file to the present layout, all or nothing, one process at a time. A file that is something
/// else is left as it is.
pub(super) async fn migrate(writer: &AnyPool) -> Result<()> {
    let mut transaction = writer.begin_with(BEGIN).await?;
    let (application, tables): (i64, i64) =
        sqlx::query_as("SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id")
            .fetch_one(&mut *transaction)
            .await?;
    if application != APPLICATION_ID && (application, tables) != (0, 0) {
        return Err(Error::NotACatalog);
    }
    // Not `run`, whose future cannot be sent between threads when it borrows a connection.
    MIGRATOR.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[tokio::test]
    async fn a_file_that_another_process_holds_is_said_to_be_held() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/catalog.db", folder.path().display());
        let (holder, waiter) =
            (Store::open(&url).await.unwrap(), Store::open_waiting(&url, Duration::ZERO).await.unwrap());
        let held = holder.write().await.unwrap();
        let refused = |error: Error| asof_model::Error::from(error).code();
        assert_eq!(waiter.write().await.map(drop).map_err(refused), Err("catalog_locked"));
        let opened = Store::open_waiting(&url, Duration::ZERO).await;
        assert_eq!(opened.map(drop).map_err(refused), Err("catalog_locked"));
        held.commit().await.unwrap();
        assert_eq!(waiter.write().await.map(drop).map_err(refused), Ok(()));
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_leaves_no_trace() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let mut transaction = store.write().await.unwrap();
        let insert = "INSERT INTO name (project, name, kind) VALUES ('p', 'n', 'dataset')";
        sqlx::query(insert).execute(&mut *transaction).await.unwrap();
        drop(transaction);
        let names: i64 =
            sqlx::query_scalar("SELECT count(*) FROM name").fetch_one(&mut *store.read().await.unwrap()).await.unwrap();
        assert_eq!(names, 0);
    }

    #[tokio::test]
    async fn commits_wait_for_the_disk_and_references_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
        let pragma = async |db: &mut Connection| -> (String, i64, i64) {
            let statement = "SELECT journal_mode, synchronous, foreign_keys
                             FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys";
            sqlx::query_as(statement).fetch_one(db).await.unwrap()
        };
        let expected = ("wal".to_owned(), 2, 1);
        assert_eq!(pragma(&mut *store.write().await.unwrap()).await, expected);
        assert_eq!(pragma(&mut *store.read().await.unwrap()).await, expected);
    }
}
