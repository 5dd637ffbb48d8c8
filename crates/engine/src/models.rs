//! Models: `model register`, `ls` and `show`, and which service one is served by.
//!
//! Promises: a model's version is registered once, and never means another training set afterwards; the same again with the
//! same content changes nothing and says so. It is one run, with the training set and its service as inputs.
//!
//! Serving by model costs one look-up by hash more than serving by service; which service that is never changes, so it is
//! never forgotten. Requests that name no model pay nothing.
//!
//! Deliberately not here: the model's own bytes, which its registry keeps, and labels, which are no features.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use asof_catalog::Registration;
use asof_model::name::nearest;
use asof_model::run::{Item, Outcome, RunId, Verb};
use asof_model::{
    Columns, Error, ErrorKind, Kind, Label, Model, ModelReference, Name, Pinned, Reference, Registered, Result,
    Selector,
};
use asof_offline::Manifest;

use crate::{Author, Engine, Scope, Told};

/// How many versions of a model an error mentions.
const MENTIONED: usize = 5;

/// What to register.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// The model's name.
    pub name: Name,
    /// Its version, as its registry writes it.
    pub version: Label,
    /// The training set that was built, `name@3`; without a number the newest.
    pub trained_on: Reference,
    /// Where the model itself lies.
    pub uri: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// In whose name, and why.
    pub author: Author,
}

/// A model that is registered now.
#[derive(Clone, Debug)]
pub struct RegisteredModel {
    /// The model.
    pub model: Model,
    /// The run; none if it was registered before with the same content.
    pub run: Option<RunId>,
}

/// A model, whole.
#[derive(Clone, Debug)]
pub struct ShownModel {
    /// The model.
    pub model: Model,
    /// What a request for its features must bring.
    pub request: Columns,
    /// Its features, in the order in which it was trained on them.
    pub features: Columns,
    /// What it was trained on; none if that is not there any more.
    pub manifest: Option<Manifest>,
    /// The views that it reads and that are not online.
    pub offline: Vec<Pinned>,
}

/// Which service each model is served by, as far as somebody asked: by the project of the caller and the reference as asked.
pub(crate) struct Served(ArcSwap<HashMap<Name, HashMap<ModelReference, Reference>>>);

impl Default for Served {
    fn default() -> Self {
        Served(ArcSwap::from_pointee(HashMap::new()))
    }
}

impl Engine {
    /// Registers a version of a model, so that it can be served by its name and stands in the graph.
    ///
    /// # Errors
    /// Those of [`Engine::training_set`]; `model_exists` where that version says something else, with what differs.
    pub async fn register_model(&self, scope: &Scope, request: RegisterRequest) -> Result<RegisteredModel> {
        let manifest = self.training_set(scope, &request.trained_on).await?;
        let project = manifest.project.clone();
        let content = manifest.content;
        // Refuses a manifest whose service means something else here.
        let service = self.catalog().pinned(&manifest.service).await?.pinned;
        let mut run = self.new_run(&project, Verb::Register);
        let set = Item::TrainingSet { name: manifest.name.clone(), number: manifest.number, content };
        run.inputs = vec![set, Item::Definition(service.clone())];
        run.outputs = vec![Item::Model { name: request.name.clone(), version: request.version.clone() }];
        run.finished = Some(self.clock().now());
        run.outcome = Outcome::Done;
        request.author.note(&mut run);
        let model = Model {
            project,
            name: request.name,
            version: request.version,
            training_set: manifest.name,
            number: manifest.number,
            content,
            service,
            uri: request.uri,
            description: request.description,
            registered: run.started,
            run: run.id,
        };
        let there = match self.catalog().register_model(&model, &run).await? {
            Registration::New => {
                let id = run.id;
                self.tell(|| Told::Happened(run));
                return Ok(RegisteredModel { run: Some(id), model });
            }
            Registration::There(there) => *there,
        };
        let differences = there.differences(&model);
        if differences.is_empty() {
            return Ok(RegisteredModel { model: there, run: None });
        }
        let message = format!("model {} is registered already, {}", there.reference(), differences.join(", "));
        Err(Error::new(ErrorKind::Conflict, "model_exists", message)
            .remedy("a version of a model never changes: register the next one"))
    }

    /// Models, by name and in the order in which they were registered.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn models(&self, scope: &Scope, name: Option<&Name>) -> Result<Vec<Model>> {
        self.catalog().models(&scope.project, name).await
    }

    /// The model that a reference means.
    ///
    /// # Errors
    /// `unknown_model` with what there is.
    pub async fn model(&self, scope: &Scope, reference: &ModelReference) -> Result<Model> {
        let project = reference.project.as_ref().unwrap_or(&scope.project);
        match self.catalog().model(project, &reference.name, &reference.version).await? {
            Some(model) => Ok(model),
            None => Err(self.no_model(project, reference).await?),
        }
    }

    /// One model, whole.
    ///
    /// # Errors
    /// Those of [`Engine::model`], and of its service.
    pub async fn show_model(&self, scope: &Scope, reference: &ModelReference) -> Result<ShownModel> {
        let model = self.model(scope, reference).await?;
        let (_, request, features) = self.service_signature(scope, &exactly(&model.service)).await?;
        let built = Reference {
            project: Some(model.project.clone()),
            name: model.training_set.clone(),
            selector: Some(Selector::Number(model.number.into())),
        };
        let manifest = match self.training_set(scope, &built).await {
            Ok(manifest) => Some(manifest),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let service = self.catalog().pinned(&model.service).await?;
        let offline = self.not_online(&service)?;
        Ok(ShownModel { model, request, features, manifest, offline })
    }

    /// The service version whose features a model was trained on, pinned: what serves them is asked for by this.
    ///
    /// # Errors
    /// `unknown_model`; `other_digest` where that version is another one here.
    pub async fn service_of_model(&self, scope: &Scope, reference: &ModelReference) -> Result<Reference> {
        let known = self.served_models.0.load();
        if let Some(service) = known.get(&scope.project).and_then(|known| known.get(reference)) {
            return Ok(service.clone());
        }
        let model = self.model(scope, reference).await?;
        let service = exactly(&self.catalog().pinned(&model.service).await?.pinned);
        self.served_models.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(scope.project.clone()).or_default().insert(reference.clone(), service.clone());
            Arc::new(known)
        });
        Ok(service)
    }

    /// The views that a service reads and that are not online.
    pub(crate) fn not_online(&self, service: &Registered) -> Result<Vec<Pinned>> {
        let mut views: Vec<_> = service.inputs.iter().map(|input| &input.pinned).collect();
        views.retain(|input| input.kind == Kind::FeatureView);
        views.sort();
        views.dedup();
        let mut offline = Vec::new();
        for view in views {
            if self.online().published(view)?.is_none() {
                offline.push(view.clone());
            }
        }
        Ok(offline)
    }

    async fn no_model(&self, project: &Name, reference: &ModelReference) -> Result<Error> {
        let models = self.catalog().models(project, None).await?;
        let name = &reference.name;
        let of_name: Vec<_> = models.iter().filter(|model| model.name == *name).collect();
        let remedy = match of_name.as_slice() {
            [] => match nearest(name.as_str(), models.iter().map(|model| model.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None if models.is_empty() => {
                    "register it: asof model register NAME VERSION --trained-on TRAINING_SET@n".to_owned()
                }
                None => "`asof model ls` lists what there is".to_owned(),
            },
            there => {
                let newest = there.iter().rev().take(MENTIONED).map(|model| model.reference());
                format!("there is {}", newest.collect::<Vec<_>>().join(", "))
            }
        };
        let message = format!("there is no model `{name}@{}` in project `{project}`", reference.version);
        Ok(Error::new(ErrorKind::NotFound, "unknown_model", message).remedy(remedy))
    }
}

/// The reference that means this version whatever happens.
fn exactly(pinned: &Pinned) -> Reference {
    let number = Some(Selector::Number(pinned.version.0.into()));
    Reference { project: Some(pinned.project.clone()), name: pinned.name.clone(), selector: number }
}
