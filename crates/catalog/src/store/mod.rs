//! The database: opening it, and who may read and write when.
//!
//! One connection writes and a few read. The single writer makes a fair queue of the writers in this process, which
//! no database's own lock would; between processes each writing transaction first takes the one lock there is, so
//! that what it reads cannot change before it writes. How that is said, and what layout is brought there how, is all that
//! databases differ in: [`sqlite`] and [`postgres`]. Statements are the same for both.

mod postgres;
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Transaction};

use crate::error::{Error, Result};

/// What statements run on: a reader, or the writer inside its transaction.
pub(crate) type Connection = sqlx::AnyConnection;

/// How long a writer waits for another process before it gives up.
const BUSY: Duration = Duration::from_secs(10);

/// How many questions are answered at the same time.
const READERS: u32 = 4;

#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    readers: AnyPool,
    writer: AnyPool,
    commits: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

/// While it is there, no other handle holds the same catalog.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "it is there to be dropped")] Option<Connection>);

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        Store::open_waiting(url, BUSY).await
    }

    async fn open_waiting(url: &str, busy: Duration) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let invalid = || Error::InvalidUrl { url: url.to_owned(), reason: "it has no scheme".to_owned() };
        let opened = match url.split_once(':').ok_or_else(invalid)?.0 {
            "sqlite" => Store::sqlite(url, busy).await,
            "postgres" | "postgresql" => Store::postgres(url, busy).await,
            scheme => Err(Error::OtherScheme { scheme: scheme.to_owned() }),
        };
        opened.map_err(|e| match e {
            Error::InvalidUrl { .. } | Error::OtherScheme { .. } => e,
            other => other.opening(url),
        })
    }

    async fn sqlite(url: &str, busy: Duration) -> Result<Self> {
        let memory = url.contains(":memory:");
        let options = sqlite::options(url)?;
        if !memory {
            sqlite::make_folder(url)?;
        }
        look(&options, &sqlite::ready(busy)).await?;
        let pool = |connections| sqlite::pool(connections, busy);
        let writer = pool(1).connect_with(options.clone()).await?;
        sqlite::use_write_ahead_log(&mut *writer.acquire().await?).await?;
        sqlite::migrate(&writer).await?;
        // A catalog in memory belongs to its one connection, which then also reads.
        let readers = if memory { writer.clone() } else { pool(READERS).connect_lazy_with(options) };
        Ok(Store { database: Database::Sqlite, readers, writer, commits: Arc::default() })
    }

    async fn postgres(url: &str, busy: Duration) -> Result<Self> {
        let options = postgres::options(url)?;
        look(&options, &postgres::ready(busy)).await?;
        let pool = |connections| postgres::pool(connections, busy);
        let writer = pool(1).connect_with(options.clone()).await?;
        postgres::migrate(&writer).await?;
        let readers = pool(READERS).connect_lazy_with(options);
        Ok(Store { database: Database::Postgres, readers, writer, commits: Arc::default() })
    }

    /// A connection to ask with. Must not be held while [`Store::write`] is awaited.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Any>> {
        self.readers.acquire().await.map_err(|e| self.no_connection(e))
    }

    /// Why there is no connection: none got free in time, or none can be made.
    fn no_connection(&self, error: sqlx::Error) -> Error {
        match (error, self.database) {
            (sqlx::Error::PoolTimedOut, Database::Postgres) => Error::Silent,
            (other, _) => other.into(),
        }
    }

    /// The one writing transaction; dropped without a commit it leaves no trace.
    pub(crate) async fn write(&self) -> Result<Writing> {
        let transaction = match self.database {
            Database::Sqlite => self.writer.begin_with(sqlite::BEGIN).await?,
            Database::Postgres => {
                // Apart from the lock, whose own waiting is another matter.
                let ready = self.writer.begin().await.map_err(|e| self.no_connection(e))?;
                postgres::locked(ready).await?
            }
        };
        Ok(Writing { transaction, commits: self.commits.clone() })
    }

    /// Keeps others from holding the catalog, where the database can tell. SQLite's file lies in a store, which has a lock of
    /// its own.
    pub(crate) async fn hold(&self) -> Result<Held> {
        match self.database {
            Database::Sqlite => Ok(Held(None)),
            Database::Postgres => {
                // Out of the pool for good: the lock is the connection's.
                let mut connection = self.readers.acquire().await?.detach();
                postgres::hold(&mut connection).await?;
                Ok(Held(Some(connection)))
            }
        }
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
    transaction: Transaction<'static, Any>,
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

/// The URL as the drivers take it, without a line in the log for each statement.
fn parsed(url: &str) -> Result<AnyConnectOptions> {
    use sqlx::ConnectOptions;
    let invalid = |e: sqlx::Error| Error::InvalidUrl { url: hidden(url), reason: e.to_string() };
    Ok(url.parse::<AnyConnectOptions>().map_err(invalid)?.disable_statement_logging())
}

/// The URL without its password.
pub(crate) fn hidden(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (user, rest))) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}@{rest}")
        }
        None => url.to_owned(),
    }
}

/// Connects once and says what is wrong at once, where a pool would try again and again.
async fn look(options: &AnyConnectOptions, ready: &str) -> Result<()> {
    use sqlx::{ConnectOptions, Connection};
    let mut connection = options.connect().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(ready)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// A pool that makes its connections ready with these statements.
fn pool(connections: u32, ready: String) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections).idle_timeout(None).after_connect(move |connection, _| {
        let ready = ready.clone();
        Box::pin(async move {
            sqlx::raw_sql(sqlx::AssertSqlSafe(ready)).execute(&mut *connection).await?;
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_there_for_both_databases() {
        let versions = |of: &sqlx::migrate::Migrator| {
            of.iter().map(|migration| (migration.version, migration.description.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(versions(&postgres::MIGRATOR), versions(&sqlite::MIGRATOR));
    }

    #[test]
    fn passwords_are_not_told() {
        let check = |url: &str, expected: &str| assert_eq!(hidden(url), expected);
        check("postgres://me:se:c@ret@host:1/db?x=1", "postgres://me@host:1/db?x=1");
        check("postgres://me@host/db", "postgres://me@host/db");
        check("postgres:///db?host=/run", "postgres:///db?host=/run");
        check("sqlite:/a/b.db", "sqlite:/a/b.db");
    }
}
