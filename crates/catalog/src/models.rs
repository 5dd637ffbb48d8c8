//! Versions of models: one row each, the body as JSON. None ever changes.

use asof_model::{Label, Model, Name, Result as Shown, Run};
use sqlx::{query, query_scalar};

use crate::Catalog;
use crate::error::{Error, Result};
use crate::runs;
use crate::store::Connection;

/// What became of a model that was to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is there now.
    New,
    /// That name and version is there already; whether it says the same is for the caller to see. Nothing was written, the
    /// run neither.
    There(Box<Model>),
}

/// Models.
impl Catalog {
    /// Registers a model with the finished run that does it, in one transaction, unless there is one of that name and version:
    /// then nothing is written, and that one is given back.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn register_model(&self, model: &Model, run: &Run) -> Shown<Registration> {
        let mut transaction = self.store.write().await?;
        let registration = register(&mut transaction, model, run).await?;
        if registration == Registration::New {
            transaction.commit().await?;
        }
        Ok(registration)
    }

    /// The model of that name and version.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn model(&self, project: &Name, name: &Name, version: &Label) -> Shown<Option<Model>> {
        Ok(model(&mut *self.store.read().await?, project, name, version).await?)
    }

    /// All models, or those of one name, by name and in the order in which they were registered.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn models(&self, project: &Name, name: Option<&Name>) -> Shown<Vec<Model>> {
        Ok(models(&mut *self.store.read().await?, project, name).await?)
    }
}

/// Registers a model with the finished run that does it, unless there is one of that name and version.
pub(crate) async fn register(db: &mut Connection, model: &Model, run: &Run) -> Result<Registration> {
    if let Some(there) = self::model(db, &model.project, &model.name, &model.version).await? {
        return Ok(Registration::There(Box::new(there)));
    }
    // First, because the row refers to it.
    runs::record(db, run).await?;
    query("INSERT INTO model (project, name, version, registered, run, body) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(model.project.as_str())
        .bind(model.name.as_str())
        .bind(model.version.as_str())
        .bind(model.registered.0)
        .bind(run.id.to_string())
        .bind(serde_json::to_string(model).expect("a model is plain data with text for keys"))
        .execute(db)
        .await?;
    Ok(Registration::New)
}

pub(crate) async fn model(db: &mut Connection, project: &Name, name: &Name, version: &Label) -> Result<Option<Model>> {
    let body: Option<String> = query_scalar("SELECT body FROM model WHERE project = $1 AND name = $2 AND version = $3")
        .bind(project.as_str())
        .bind(name.as_str())
        .bind(version.as_str())
        .fetch_optional(db)
        .await?;
    let model = body.map(|body| from_body(&body)).transpose()?;
    match model {
        Some(model) if (&model.project, &model.name, &model.version) != (project, name, version) => {
            Err(Error::damaged(format_args!("model {name}@{version}"), "it is that of another"))
        }
        model => Ok(model),
    }
}

pub(crate) async fn models(db: &mut Connection, project: &Name, name: Option<&Name>) -> Result<Vec<Model>> {
    let bodies: Vec<String> = query_scalar(
        "SELECT body FROM model WHERE project = $1 AND ($2 IS NULL OR name = $2)
         ORDER BY name, registered, run",
    )
    .bind(project.as_str())
    .bind(name.map(Name::as_str))
    .fetch_all(db)
    .await?;
    bodies.iter().map(|body| from_body(body)).collect()
}

fn from_body(body: &str) -> Result<Model> {
    serde_json::from_str(body).map_err(|e| Error::damaged("a model", format!("its body cannot be read: {e}")))
}
