//! Events of other tools about what their jobs read and write: the text as it came, once each.

use asof_model::{Digest, Micros};
use sqlx::{query, query_as, query_scalar};

use crate::Catalog;
use crate::error::{Error, Result};
use crate::store::Connection;

/// An event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEvent {
    /// What makes it this one: the digest of its canonical text.
    pub digest: Digest,
    /// When it came first.
    pub received: Micros,
    /// Its text.
    pub body: String,
}

/// Inserts those that are not there yet; how many these were.
pub(crate) async fn insert(db: &mut Connection, events: &[LineageEvent]) -> Result<u64> {
    let mut new = 0;
    for event in events {
        let done = query(
            "INSERT INTO lineage_event (digest, received, body) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(event.digest.hex())
        .bind(event.received.0)
        .bind(&event.body)
        .execute(&mut *db)
        .await?;
        new += done.rows_affected();
    }
    Ok(new)
}

/// In the order of arrival those after that number, at most so many, each with its own.
pub(crate) async fn after(db: &mut Connection, number: i64, most: u32) -> Result<Vec<(i64, LineageEvent)>> {
    let rows: Vec<(i64, String, i64, String)> =
        query_as("SELECT number, digest, received, body FROM lineage_event WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(number)
            .bind(i64::from(most))
            .fetch_all(db)
            .await?;
    let events = rows.into_iter().map(|(number, digest, received, body)| {
        let digest = format!("sha256:{digest}").parse();
        let digest = digest.map_err(|e: asof_model::Error| Error::damaged("an event of lineage", e.message()))?;
        Ok((number, LineageEvent { digest, received: Micros(received), body }))
    });
    events.collect()
}

/// The number of the newest; 0 if there is none.
pub(crate) async fn newest(db: &mut Connection) -> Result<i64> {
    Ok(query_scalar("SELECT coalesce(max(number), 0) FROM lineage_event").fetch_one(db).await?)
}

/// Those of these digests that are there.
pub(crate) async fn of_digests(db: &mut Connection, digests: &[Digest]) -> Result<Vec<LineageEvent>> {
    let mut events = Vec::with_capacity(digests.len());
    for digest in digests {
        let row: Option<(i64, String)> = query_as("SELECT received, body FROM lineage_event WHERE digest = $1")
            .bind(digest.hex())
            .fetch_optional(&mut *db)
            .await?;
        events.extend(row.map(|(received, body)| LineageEvent { digest: *digest, received: Micros(received), body }));
    }
    Ok(events)
}

/// Forgets those of these digests; how many were there.
pub(crate) async fn forget(db: &mut Connection, digests: &[Digest]) -> Result<u64> {
    let mut gone = 0;
    for digest in digests {
        let done = query("DELETE FROM lineage_event WHERE digest = $1").bind(digest.hex()).execute(&mut *db).await?;
        gone += done.rows_affected();
    }
    Ok(gone)
}

/// Events by what makes them these.
impl Catalog {
    /// Those of these digests that are there, in this order.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn events_of(&self, digests: &[Digest]) -> asof_model::Result<Vec<LineageEvent>> {
        Ok(of_digests(&mut *self.store.read().await?, digests).await?)
    }

    /// Forgets these events, all or none; how many were there.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn forget_events(&self, digests: &[Digest]) -> asof_model::Result<u64> {
        let mut transaction = self.store.write().await?;
        let gone = forget(&mut transaction, digests).await?;
        transaction.commit().await?;
        Ok(gone)
    }
}
