//! What things of ours are called by the standard: a namespace and a name, and never a version.
//!
//! A dataset is named by where its table lies (`file`, `/srv/asof/datasets/flights/weather`; `s3://lake`, `asof/…`), a file by where
//! it was read from. What lies nowhere that others could read has the namespace of its project, `asof://flights`: a view's rows are
//! `online/airport_weather`, a training set is `training/delays`, a service's vector is `services/departure_delay`.

use asof_model::run::Item;
use asof_model::{Kind, Name as ProjectName};

use super::naming::Name;

/// Where things of a project lie.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// Where a project's dataset lies.
    pub location: &'a dyn Fn(&ProjectName, &ProjectName) -> String,
}

impl std::fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("project", self.project).finish_non_exhaustive()
    }
}

impl Places<'_> {
    /// The namespace of the project's jobs, and of what lies nowhere.
    pub fn namespace(&self) -> String {
        namespace(self.project)
    }

    /// What something that a run read or made is called; definitions are not datasets of a run.
    pub fn of(&self, item: &Item) -> Option<Name> {
        match item {
            Item::Definition(_) => None,
            Item::File { url, .. } => Some(self.placed(url, || format!("uploads/{url}"))),
            Item::Snapshot { dataset, .. } => self.named(Kind::Dataset, dataset),
            Item::TrainingSet { name, .. } => self.named(Kind::TrainingSet, name),
            Item::Model { name, .. } => Some(self.own(format!("models/{name}"))),
            Item::Online { view, .. } => {
                Places { project: &view.project, ..*self }.named(Kind::FeatureView, &view.name)
            }
        }
    }

    /// What a definition's rows are called; an entity has none.
    pub fn named(&self, kind: Kind, name: &ProjectName) -> Option<Name> {
        match kind {
            Kind::Dataset => {
                let location = (self.location)(self.project, name);
                Some(self.placed(&location, || format!("datasets/{name}")))
            }
            Kind::FeatureView => Some(self.own(format!("online/{name}"))),
            Kind::FeatureService => Some(self.own(format!("services/{name}"))),
            Kind::TrainingSet => Some(self.own(format!("training/{name}"))),
            Kind::Entity => None,
        }
    }

    fn own(&self, name: String) -> Name {
        Name { namespace: self.namespace(), name }
    }

    fn placed(&self, url: &str, name: impl FnOnce() -> String) -> Name {
        Name::of_recorded(url).last().unwrap_or_else(|| self.own(name()))
    }
}

/// The namespace of a project.
fn namespace(project: &ProjectName) -> String {
    format!("asof://{project}")
}
