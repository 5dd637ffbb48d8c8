//! The SQLite file: opening it, its layout, and who may read and write when.
//!
//! One connection writes and a few read. The single writer makes a fair queue of the writers in this process,
//! which SQLite's polling lock would not; every writing transaction begins `IMMEDIATE`, so that what it reads
//! cannot change before it writes. The write-ahead log lets readers go on meanwhile, and `synchronous = FULL`
//! makes a commit wait for the disk.

use std::path::Path;
use std::str::FromStr;
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
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let options = options(url)?;
        let memory = url.contains(":memory:");
        // The connections of a pool never age: nothing between here and the file can go stale.
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let opened = async {
            if !memory {
                make_folder(options.get_filename())?;
            }
            let writer = pool(1).connect_with(options.clone()).await?;
            use_write_ahead_log(&mut *writer.acquire().await?).await?;
            migrate(&writer).await?;
            // A catalog in memory belongs to its one connection, which then also reads.
            let readers = if memory { writer.clone() } else { pool(READERS).connect_lazy_with(options.clone()) };
            Ok(Store { readers, writer })
        };
        opened.await.map_err(|e: Error| e.opening(url))
    }

    /// A connection to ask with. Must not be held while [`Store::write`] is awaited.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>> {
        Ok(self.readers.acquire().await?)
    }

    /// The one writing transaction; dropped without a commit it leaves no trace.
    pub(crate) async fn write(&self) -> Result<Writing> {
        Ok(Writing(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A writing transaction.
pub(crate) struct Writing(Transaction<'static, Sqlite>);

impl Writing {
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl std::ops::Deref for Writing {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl std::ops::DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
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
        .busy_timeout(BUSY)
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
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
    )
    .fetch_one(&mut *transaction)
    .await?;
    if application != APPLICATION_ID && (application, tables) != (0, 0) {
        return Err(Error::NotACatalog);
    }
    MIGRATOR.run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
