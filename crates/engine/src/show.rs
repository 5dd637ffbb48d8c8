//! `ls` and `show`: what is there, and one thing with all its clauses.

use asof_catalog::{Approval, Deprecation};
use asof_model::run::{Item, RunId};
use asof_model::{
    Columns, Error, ErrorKind, Kind, Micros, Name, Reference, Registered, Result, Selector, SnapshotNumber,
};
use asof_offline::Manifest;

use crate::{Engine, Scope, Upkeep, Warning};

/// One line of `ls`.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The version that the environment points at, or the newest where it points at none.
    pub registered: Registered,
    /// Whether the environment points at it.
    pub current: bool,
    /// Datasets: the newest snapshot. Training sets: the newest one built.
    pub newest: Option<u64>,
    /// Views: the moment as of which they are online.
    pub online: Option<Micros>,
    /// Why it is not to be used any more, if somebody said so.
    pub deprecated: Option<Deprecation>,
}

/// A snapshot of a dataset.
#[derive(Clone, Debug)]
pub struct ShownSnapshot {
    /// Its number.
    pub number: SnapshotNumber,
    /// Rows in it, all ingests together.
    pub rows: u64,
    /// Its columns.
    pub columns: Columns,
    /// When it was committed.
    pub committed: Micros,
    /// The run that made it.
    pub run: Option<RunId>,
    /// Its data files and their sizes in bytes.
    pub files: Vec<(String, u64)>,
    /// Where the files lie.
    pub location: String,
}

/// One thing, whole.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The definition.
    pub registered: Registered,
    /// Numbers of all its versions.
    pub versions: Vec<u32>,
    /// Of a dataset: the snapshot asked for, or the newest.
    pub snapshot: Option<ShownSnapshot>,
    /// Of a training set: the one asked for, or the newest built.
    pub manifest: Option<Manifest>,
    /// Of a service: what a request must bring.
    pub request: Option<Columns>,
    /// Of a view: what of it is online.
    pub online: Option<ShownOnline>,
    /// Of a view: how it is kept online.
    pub upkeep: Option<Upkeep>,
    /// Why it is not to be used any more, if somebody said so.
    pub deprecated: Option<Deprecation>,
    /// What whoever uses it should know: of itself, and of what it reads.
    pub warnings: Vec<Warning>,
    /// Who found the version fit for which environment, oldest first.
    pub approvals: Vec<Approval>,
}

/// What is online of a view.
#[derive(Clone, Copy, Debug)]
pub struct ShownOnline {
    /// The moment as of which it is.
    pub at: Micros,
    /// How many keys.
    pub rows: u64,
    /// How many bytes of memory this process takes for a copy, out of which it reads; 0 where there is none.
    pub copied: u64,
}

impl Engine {
    /// All that is declared, or all of one kind, by kind and name.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn list(&self, scope: &Scope, kind: Option<Kind>) -> Result<Vec<Listing>> {
        let (project, environment) = (&scope.project, &scope.environment);
        let online = self.catalog().online(project).await?;
        let deprecations = self.deprecations(project).await?;
        let mut listings = Vec::new();
        for listed in self.catalog().list(project, environment, kind).await? {
            let pinned = &listed.registered.pinned;
            let newest = match pinned.kind {
                Kind::Dataset => self.offline().snapshot(project, &pinned.name, None).await?.map(|s| s.number.0),
                Kind::TrainingSet => self.built_numbers(project, &pinned.name).await?.pop().map(u64::from),
                _ => None,
            };
            let at = online.iter().find_map(|item| match item {
                Item::Online { view, at, .. } if view == pinned => Some(*at),
                _ => None,
            });
            let deprecated = deprecations.of(pinned).cloned();
            let current = listed.current;
            listings.push(Listing { current, newest, online: at, deprecated, registered: listed.registered });
        }
        Ok(listings)
    }

    /// What the environment pointed at, at a moment, by kind and name: definitions only, what there was of data is not told.
    ///
    /// # Errors
    /// `future_moment`; those of the catalog.
    pub async fn list_at(&self, scope: &Scope, kind: Option<Kind>, at: Micros) -> Result<Vec<Listing>> {
        if at > self.clock().now() {
            let message = format!("{at} lies in the future: what `{}` points at then is not known", scope.environment);
            return Err(Error::new(ErrorKind::Invalid, "future_moment", message).remedy("leave --at out for now"));
        }
        let listed = self.catalog().list_at(&scope.project, &scope.environment, kind, at).await?.into_iter();
        let deprecations = self.deprecations(&scope.project).await?;
        let listings = listed.map(|listed| Listing {
            deprecated: deprecations.of(&listed.registered.pinned).cloned(),
            registered: listed.registered,
            current: listed.current,
            newest: None,
            online: None,
        });
        Ok(listings.collect())
    }

    /// One thing. The number of a dataset selects a snapshot, that of a training set the n-th built, every
    /// other number a version.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`, `unknown_snapshot`, `unknown_training_set`.
    pub async fn show(&self, scope: &Scope, reference: &Reference) -> Result<Shown> {
        let project = reference.project.as_ref().unwrap_or(&scope.project);
        let registered = self.definition(scope, reference).await?;
        let pinned = &registered.pinned;
        let number = match reference.selector {
            Some(Selector::Number(number)) => Some(SnapshotNumber(number)),
            _ => None,
        };
        let mut shown = Shown {
            versions: self.version_numbers(project, &pinned.name).await?,
            snapshot: None,
            manifest: None,
            request: None,
            online: None,
            upkeep: None,
            deprecated: self.deprecations(project).await?.of(pinned).cloned(),
            warnings: self.warnings_about(pinned).await?,
            approvals: self.approvals(pinned, None).await?,
            registered: registered.clone(),
        };
        match pinned.kind {
            Kind::Dataset => shown.snapshot = self.shown_snapshot(project, &pinned.name, number).await?,
            Kind::TrainingSet => {
                let built = !self.built_numbers(project, &pinned.name).await?.is_empty();
                if built || number.is_some() {
                    shown.manifest = Some(self.training_set(scope, reference).await?);
                }
            }
            Kind::FeatureService => {
                let exact =
                    Reference { selector: Some(Selector::Number(pinned.version.0.into())), ..reference.clone() };
                shown.request = Some(self.service_signature(scope, &exact).await?.1);
            }
            Kind::FeatureView => {
                shown.online = self.catalog().online(project).await?.into_iter().find_map(|item| match item {
                    Item::Online { view, at, rows, .. } if view == *pinned => {
                        Some(ShownOnline { at, rows, copied: self.online().copied(&view) })
                    }
                    _ => None,
                });
                let closure = self.catalog().closure(std::slice::from_ref(pinned)).await?;
                shown.upkeep = Some(self.upkeep(&registered, closure).await?);
            }
            Kind::Entity => {}
        }
        Ok(shown)
    }

    /// The definition a reference leads to; numbers of datasets and training sets are not versions, so there
    /// the current definition is meant.
    pub(crate) async fn definition(&self, scope: &Scope, reference: &Reference) -> Result<Registered> {
        let project = reference.project.as_ref().unwrap_or(&scope.project);
        let kind = self.catalog().names(project).await?.into_iter().find(|(name, _)| *name == reference.name);
        let counted = matches!(kind, Some((_, Kind::Dataset | Kind::TrainingSet)));
        let numbered = matches!(reference.selector, Some(Selector::Number(_)));
        let reference =
            if counted && numbered { Reference { selector: None, ..reference.clone() } } else { reference.clone() };
        self.catalog().resolve(&scope.project, &scope.environment, &reference, None).await
    }

    async fn version_numbers(&self, project: &Name, name: &Name) -> Result<Vec<u32>> {
        let versions = self.catalog().versions(project, name).await?;
        Ok(versions.iter().map(|r| r.pinned.version.0).collect())
    }

    async fn shown_snapshot(
        &self,
        project: &Name,
        name: &Name,
        number: Option<SnapshotNumber>,
    ) -> Result<Option<ShownSnapshot>> {
        let Some(snapshot) = self.offline().snapshot(project, name, number).await? else { return Ok(None) };
        Ok(Some(ShownSnapshot {
            number: snapshot.number,
            rows: snapshot.rows,
            columns: snapshot.columns.clone(),
            committed: snapshot.committed,
            run: snapshot.run,
            files: snapshot.files.iter().map(|f| (f.path.clone(), f.bytes)).collect(),
            location: self.offline().location(project, name),
        }))
    }
}
