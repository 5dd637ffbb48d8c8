//! The SQLite file: opening it, its layout, and who may read and write when.
//!
//! One connection writes and a few read. The single writer makes a fair queue of the writers in this process,
//! which SQLite's polling lock would not; every writing transaction begins `IMMEDIATE`, so that what it reads
//! cannot change before it writes. The write-ahead log lets readers go on meanwhile, and `synchronous = FULL`
//! makes a commit wait for the disk.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use crate::error::{Error, Result, SqliteCode};

/// What statements run on: a reader, or the writer inside its transaction.
pub(crate) type Connection = sqlx::SqliteConnection;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// "Asof" in ASCII, as the first migration sets it.
const APPLICATION_ID: i64 = 0x4173_6f66;

/// How long a writer waits for another process before it gives up.
const BUSY: Duration = Duration::from_secs(10);

/// How many questions are answered at the same time.
const READERS: u32 = 4;

/// How often the switch to the write-ahead log is tried: once per process that opens the new file at the
/// same moment is enough.
const WAL_ATTEMPTS: u32 = 100;

#[derive(Clone, Debug)]
pub(crate) struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
    commits: Arc<AtomicU64>,
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        Store::open_waiting(url, BUSY).await
    }

    async fn open_waiting(url: &str, busy: Duration) -> Result<Self> {
        let options = options(url)?.busy_timeout(busy);
        let memory = url.contains(":memory:");
        Store::connect(options, memory).await.map_err(|e| e.opening(url))
    }

    async fn connect(options: SqliteConnectOptions, memory: bool) -> Result<Self> {
        if !memory {
            make_folder(options.get_filename())?;
        }
        let writer = pool(1).connect_with(options.clone()).await?;
        use_write_ahead_log(&mut *writer.acquire().await?).await?;
        migrate(&writer).await?;
        // A catalog in memory belongs to its one connection, which then also reads.
        let readers = if memory { writer.clone() } else { pool(READERS).connect_lazy_with(options) };
        Ok(Store { readers, writer, commits: Arc::default() })
    }

    /// A connection to ask with. Must not be held while [`Store::write`] is awaited.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>> {
        Ok(self.readers.acquire().await?)
    }

    /// The one writing transaction; dropped without a commit it leaves no trace.
    pub(crate) async fn write(&self) -> Result<Writing> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Writing { transaction, commits: self.commits.clone() })
    }

    /// How often this store was written to through this handle and its clones.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A writing transaction.
pub(crate) struct Writing {
    transaction: Transaction<'static, Sqlite>,
    commits: Arc<AtomicU64>,
}

impl Writing {
    pub(crate) async fn commit(self) -> Result<()> {
        let committed = self.transaction.commit().await;
        // One that failed may have been done.
        self.commits.fetch_add(1, Ordering::AcqRel);
        Ok(committed?)
    }
}

impl std::ops::Deref for Writing {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl std::ops::DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}

/// Connections that never age: nothing between here and the file can go stale.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn options(url: &str) -> Result<SqliteConnectOptions> {
    let invalid = |reason: &str| Error::InvalidUrl { url: url.to_owned(), reason: reason.to_owned() };
    let (scheme, rest) = url.split_once(':').ok_or_else(|| invalid("it has no scheme"))?;
    if scheme != "sqlite" {
        return Err(Error::OtherScheme { scheme: scheme.to_owned() });
    }
    if rest.trim_start_matches('/').is_empty() {
        return Err(invalid("it names no file"));
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|e| invalid(&e.to_string()))?;
    Ok(options
        .create_if_missing(!url.contains("mode="))
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging())
}

fn make_folder(file: &Path) -> Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
            .map_err(|e| Error::Unreachable { reason: format!("its folder cannot be made: {e}") }),
        _ => Ok(()),
    }
}

/// The switch needs the file for itself and SQLite does not wait for that, so two processes that make the
/// same new file would fail each other. Waiting for the lock of a transaction stands in for it.
async fn use_write_ahead_log(db: &mut Connection) -> Result<()> {
    for _ in 0..WAL_ATTEMPTS {
        let switched = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *db).await.map_err(Error::from);
        match switched {
            Err(e) if e.sqlite_code() == Some(SqliteCode::Busy) => {
                sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut *db).await?;
            }
            other => return other.map(|_| ()),
        }
    }
    Err(Error::Locked)
}

/// Brings the file to the present layout, all or nothing, one process at a time. A file that is something
/// else is left as it is.
async fn migrate(writer: &SqlitePool) -> Result<()> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
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
