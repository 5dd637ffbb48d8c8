//! A catalog in a schema of a PostgreSQL database: the first of the connection's search path.
//!
//! Writers take one advisory lock of that schema before they read, which makes them one after the other like SQLite's
//! file lock; with it, reading what is committed is as good as a serializable transaction, and never has to be tried
//! again. The lock ends with the transaction, also when a process dies.

use std::time::Duration;

use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Transaction};

use super::Connection;
use crate::error::{Error, Result};

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

pub(super) fn options(url: &str) -> Result<AnyConnectOptions> {
    super::parsed(url)
}

/// Connections that are looked at before they are used: a server may have been restarted since.
pub(super) fn pool(connections: u32, busy: Duration) -> AnyPoolOptions {
    super::pool(connections, ready(busy)).acquire_timeout(busy)
}

/// What makes a connection ready.
pub(super) fn ready(busy: Duration) -> String {
    let busy = busy.as_millis();
    // Remarks of the server ("… exists, skipping") are nobody's business here.
    format!("SET lock_timeout = {busy}; SET synchronous_commit = on; SET client_min_messages = warning")
}

/// The transaction, once it has the lock of writers.
pub(super) async fn locked(mut transaction: Transaction<'static, Any>) -> Result<Transaction<'static, Any>> {
    // 0x4173_6f66 is "Asof" in ASCII. A row, because the function itself returns nothing that a row could hold.
    sqlx::query("SELECT 1 FROM pg_advisory_xact_lock(1098084198, hashtext(current_schema()))")
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Takes the lock of whoever works with the catalog, for as long as the connection lives. A process that ended just now is
/// waited for: the server may not have heard of it.
pub(super) async fn hold(db: &mut Connection) -> Result<()> {
    sqlx::query("SET lock_timeout = 1000").execute(&mut *db).await?;
    // 0x4173_6f68: another one than that of writers.
    sqlx::query("SELECT 1 FROM pg_advisory_lock(1098084200, hashtext(current_schema()))").execute(db).await?;
    Ok(())
}

/// Makes the schema that the search path begins with, if nothing of the path is there.
const MAKE_SCHEMA: &str = r#"DO $$
DECLARE first TEXT := trim(split_part(current_setting('search_path'), ',', 1));
BEGIN
    IF current_schema() IS NULL THEN
        -- Names without quotes are small letters.
        EXECUTE format('CREATE SCHEMA %I', CASE WHEN first LIKE '"%' THEN trim(both '"' from first) ELSE lower(first) END);
    END IF;
EXCEPTION WHEN unique_violation OR duplicate_schema THEN -- somebody else made it just now
END $$"#;

/// Brings the schema to the present layout, all or nothing, one process at a time. A schema that holds something else is left
/// as it is.
pub(super) async fn migrate(writer: &AnyPool) -> Result<()> {
    sqlx::raw_sql(MAKE_SCHEMA).execute(&mut *writer.acquire().await?).await?;
    let mut transaction = locked(writer.begin().await?).await?;
    let (tables, ours): (i64, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()),
                to_regclass(current_schema() || '._sqlx_migrations') IS NOT NULL
                AND to_regclass(current_schema() || '.pointer_move') IS NOT NULL",
    )
    .fetch_one(&mut *transaction)
    .await?;
    if tables > 0 && !ours {
        return Err(Error::NotASchema);
    }
    MIGRATOR.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
