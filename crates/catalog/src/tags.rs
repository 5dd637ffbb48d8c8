//! Words that people put on datasets, their columns, and jobs.

use asof_model::Micros;
use sqlx::{query, query_as};

use crate::Catalog;
use crate::error::Result;
use crate::store::Connection;

/// A word, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The word.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
}

/// Something with a word on it, by the names that the standard for lineage gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged {
    /// Whether it is a job; else a dataset.
    pub job: bool,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The column, where it is one.
    pub field: Option<String>,
    /// The word.
    pub tag: String,
}

impl Tagged {
    fn kind(&self) -> &'static str {
        if self.job { "job" } else { "dataset" }
    }
}

pub(crate) async fn all(db: &mut Connection) -> Result<Vec<Tag>> {
    let rows: Vec<(String, Option<String>)> =
        query_as("SELECT name, description FROM tag ORDER BY name").fetch_all(db).await?;
    Ok(rows.into_iter().map(|(name, description)| Tag { name, description }).collect())
}

/// Adds a word, or says anew what it means.
pub(crate) async fn put(db: &mut Connection, tag: &Tag, now: Micros) -> Result<()> {
    query(
        "INSERT INTO tag (name, description, created) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET description = coalesce(excluded.description, tag.description)",
    )
    .bind(&tag.name)
    .bind(&tag.description)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn tagged(db: &mut Connection) -> Result<Vec<Tagged>> {
    let rows: Vec<(String, String, String, String, String)> =
        query_as("SELECT kind, namespace, name, field, tag FROM tagged ORDER BY kind, namespace, name, field, tag")
            .fetch_all(db)
            .await?;
    let rows = rows.into_iter().map(|(kind, namespace, name, field, tag)| Tagged {
        job: kind == "job",
        namespace,
        name,
        field: Some(field).filter(|field| !field.is_empty()),
        tag,
    });
    Ok(rows.collect())
}

/// Puts a word that is there on something.
pub(crate) async fn put_on(db: &mut Connection, on: &Tagged) -> Result<()> {
    query("INSERT INTO tagged (kind, namespace, name, field, tag) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
        .bind(on.kind())
        .bind(&on.namespace)
        .bind(&on.name)
        .bind(on.field.as_deref().unwrap_or_default())
        .bind(&on.tag)
        .execute(db)
        .await?;
    Ok(())
}

/// Takes it away again.
pub(crate) async fn take_off(db: &mut Connection, on: &Tagged) -> Result<()> {
    query("DELETE FROM tagged WHERE kind = $1 AND namespace = $2 AND name = $3 AND field = $4 AND tag = $5")
        .bind(on.kind())
        .bind(&on.namespace)
        .bind(&on.name)
        .bind(on.field.as_deref().unwrap_or_default())
        .bind(&on.tag)
        .execute(db)
        .await?;
    Ok(())
}

/// Words on datasets, columns and jobs.
impl Catalog {
    /// All words, by name.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn tags(&self) -> asof_model::Result<Vec<Tag>> {
        Ok(all(&mut *self.store.read().await?).await?)
    }

    /// Adds a word, or says anew what it means.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn put_tag(&self, tag: &Tag, now: Micros) -> asof_model::Result<()> {
        let mut transaction = self.store.write().await?;
        put(&mut transaction, tag, now).await?;
        Ok(transaction.commit().await?)
    }

    /// All that has a word on it.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn tagged(&self) -> asof_model::Result<Vec<Tagged>> {
        Ok(tagged(&mut *self.store.read().await?).await?)
    }

    /// Puts a word on something, or takes it off; once more is no error. A word that is not there yet is added.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn tag(&self, on: &Tagged, off: bool, now: Micros) -> asof_model::Result<()> {
        let mut transaction = self.store.write().await?;
        if off {
            take_off(&mut transaction, on).await?;
        } else {
            put(&mut transaction, &Tag { name: on.tag.clone(), description: None }, now).await?;
            put_on(&mut transaction, on).await?;
        }
        Ok(transaction.commit().await?)
    }
}
