//! Manifests of training sets that were built in another deployment: their text, as it came. None ever changes.

use asof_model::{Digest, Name, Registered, Result as Shown, Run, RunId};
use sqlx::{query, query_as, query_scalar};

use crate::definitions::name_from;
use crate::error::{Error, Result};
use crate::store::Connection;
use crate::{Catalog, apply, runs};

/// A manifest that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedManifest {
    /// The project.
    pub project: Name,
    /// The training set.
    pub name: Name,
    /// The n-th one built under that name.
    pub number: u32,
    /// The digest of its data, which tells it from others of its number.
    pub digest: Digest,
    /// Its JSON.
    pub body: String,
}

/// What other deployments exported.
impl Catalog {
    /// Registers versions and manifests of training sets that were built elsewhere, with the finished run that does it, in one
    /// transaction. What is there already with the same content is left as it is; false if that is all.
    ///
    /// # Errors
    /// `concurrent_apply` when a number was taken by another content meanwhile; `name_taken`. Nothing is changed then.
    pub async fn import(&self, new: Vec<Registered>, manifests: Vec<ImportedManifest>, run: &Run) -> Shown<bool> {
        let mut transaction = self.store.write().await?;
        // First, because manifests refer to it.
        runs::record(&mut transaction, run).await?;
        let mut written = apply::register(&mut transaction, &new).await?;
        written |= insert(&mut transaction, &manifests, run.id).await?;
        if written {
            transaction.commit().await?;
        }
        Ok(written)
    }

    /// The manifest of a training set that was imported, as it came.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn imported_manifest(&self, project: &Name, name: &Name, number: u32) -> Shown<Option<String>> {
        Ok(body(&mut *self.store.read().await?, project, name, number).await?)
    }

    /// The numbers of the training sets of a name whose manifests were imported, ascending.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn imported_numbers(&self, project: &Name, name: &Name) -> Shown<Vec<u32>> {
        Ok(numbers(&mut *self.store.read().await?, project, name).await?)
    }

    /// All manifests of a project that were imported, by name and number.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn imported_manifests(&self, project: &Name) -> Shown<Vec<ImportedManifest>> {
        Ok(all(&mut *self.store.read().await?, project).await?)
    }
}

/// Inserts those that are not there yet; whether there were any.
pub(crate) async fn insert(db: &mut Connection, manifests: &[ImportedManifest], run: RunId) -> Result<bool> {
    let mut written = false;
    for manifest in manifests {
        let ImportedManifest { project, name, number, digest, body } = manifest;
        let there: Option<String> =
            query_scalar("SELECT digest FROM imported_manifest WHERE project = $1 AND name = $2 AND number = $3")
                .bind(project.as_str())
                .bind(name.as_str())
                .bind(i64::from(*number))
                .fetch_optional(&mut *db)
                .await?;
        match there {
            Some(there) if there == digest.hex() => continue,
            Some(_) => return Err(Error::Concurrent(format!("{name}@{number} is another training set now"))),
            None => {}
        }
        query(
            "INSERT INTO imported_manifest (project, name, number, digest, run, body) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(project.as_str())
        .bind(name.as_str())
        .bind(i64::from(*number))
        .bind(digest.hex())
        .bind(run.to_string())
        .bind(body)
        .execute(&mut *db)
        .await?;
        written = true;
    }
    Ok(written)
}

pub(crate) async fn body(db: &mut Connection, project: &Name, name: &Name, number: u32) -> Result<Option<String>> {
    let body = query_scalar("SELECT body FROM imported_manifest WHERE project = $1 AND name = $2 AND number = $3")
        .bind(project.as_str())
        .bind(name.as_str())
        .bind(i64::from(number))
        .fetch_optional(db)
        .await?;
    Ok(body)
}

pub(crate) async fn numbers(db: &mut Connection, project: &Name, name: &Name) -> Result<Vec<u32>> {
    let numbers: Vec<i64> =
        query_scalar("SELECT number FROM imported_manifest WHERE project = $1 AND name = $2 ORDER BY number")
            .bind(project.as_str())
            .bind(name.as_str())
            .fetch_all(db)
            .await?;
    numbers.into_iter().map(number_from).collect()
}

pub(crate) async fn all(db: &mut Connection, project: &Name) -> Result<Vec<ImportedManifest>> {
    let rows: Vec<(String, i64, String, String)> =
        query_as("SELECT name, number, digest, body FROM imported_manifest WHERE project = $1 ORDER BY name, number")
            .bind(project.as_str())
            .fetch_all(db)
            .await?;
    let manifests = rows.into_iter().map(|(name, number, digest, body)| {
        let digest = format!("sha256:{digest}").parse();
        let digest = digest.map_err(|e: asof_model::Error| Error::damaged("an imported manifest", e.message()))?;
        Ok(ImportedManifest {
            project: project.clone(),
            name: name_from(name)?,
            number: number_from(number)?,
            digest,
            body,
        })
    });
    manifests.collect()
}

fn number_from(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|e| Error::damaged("an imported manifest", e))
}
