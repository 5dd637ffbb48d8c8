//! `export`: definitions with all that they read, written into a bundle.

use asof_model::{Error, ErrorKind, Kind, Name, Pinned, Reference, Result, Selector};
use asof_offline::Manifest;

use super::{Bundle, FORMAT};
use crate::{Engine, Scope, VERSION};

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Versions of definitions; the number of a training set is one that was built, whose manifest comes along.
    pub references: Vec<Reference>,
    /// Whether the manifests of all training sets that were built by the definitions come along.
    pub training_sets: bool,
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The bundle.
    pub bundle: Vec<u8>,
    /// The definitions in it, what is read before what reads it.
    pub definitions: Vec<Pinned>,
    /// The training sets in it.
    pub training_sets: Vec<(Name, u32)>,
}

impl Engine {
    /// Writes definitions with all that they read into a bundle. Changes nothing.
    ///
    /// # Errors
    /// Those of a reference; `not_a_version` for a snapshot; `not_of_this_project`, also for what is read in another one.
    pub async fn export_bundle(&self, scope: &Scope, request: ExportRequest) -> Result<Exported> {
        let project = &scope.project;
        let (mut roots, mut manifests) = (Vec::new(), Vec::new());
        for reference in &request.references {
            match self.built(scope, reference).await? {
                Some(manifest) => {
                    roots.push(manifest.definition.clone());
                    manifests.push(manifest);
                }
                None => roots.push(self.version(scope, reference).await?.pinned),
            }
        }
        let definitions = self.catalog().closure(&roots).await?;
        if let Some(other) = definitions.iter().find(|registered| registered.pinned.project != *project) {
            let message = format!("{} is of another project, and a bundle holds one", other.pinned);
            return Err(Error::new(ErrorKind::Invalid, "not_of_this_project", message));
        }
        if request.training_sets {
            for set in definitions.iter().filter(|registered| registered.pinned.kind == Kind::TrainingSet) {
                let name = &set.pinned.name;
                for number in self.built_numbers(project, name).await? {
                    let manifest = self.training_set(scope, &numbered(name, number)).await?;
                    let there = manifests.iter().any(|m: &Manifest| (&m.name, m.number) == (name, number));
                    if !there && manifest.definition == set.pinned {
                        manifests.push(manifest);
                    }
                }
            }
        }
        for manifest in &mut manifests {
            self.tell_contents(manifest).await?;
        }
        manifests.sort_by_key(|manifest| (manifest.name.clone(), manifest.number));
        let texts = manifests.iter().map(|manifest| serde_json::to_value(manifest).map_err(Error::internal));
        let bundle = Bundle {
            format: FORMAT,
            project: project.clone(),
            engine: VERSION.to_owned(),
            created: self.clock().now(),
            training_sets: texts.collect::<Result<_>>()?,
            // Computed when it is written.
            digest: asof_model::Digest::of(b""),
            definitions,
        };
        let definitions = bundle.definitions.iter().map(|registered| registered.pinned.clone()).collect();
        let training_sets = manifests.into_iter().map(|manifest| (manifest.name, manifest.number)).collect();
        Ok(Exported { bundle: bundle.write()?, definitions, training_sets })
    }

    /// The training set that was built, where a reference means one.
    async fn built(&self, scope: &Scope, reference: &Reference) -> Result<Option<Manifest>> {
        let Some(Selector::Number(_)) = reference.selector else { return Ok(None) };
        let own = reference.project.as_ref().is_none_or(|project| *project == scope.project);
        let names = self.catalog().names(&scope.project).await?;
        let is_set = names.iter().any(|(name, kind)| *name == reference.name && *kind == Kind::TrainingSet);
        if own && is_set { self.training_set(scope, reference).await.map(Some) } else { Ok(None) }
    }

    /// Says of the snapshots of an older manifest what is in them, as far as they are there.
    async fn tell_contents(&self, manifest: &mut Manifest) -> Result<()> {
        for input in manifest.inputs.iter_mut().filter(|input| input.content.is_none()) {
            match self.offline().snapshot(&manifest.project, &input.dataset, Some(input.number)).await {
                Ok(snapshot) => input.content = snapshot.map(|snapshot| snapshot.content()),
                Err(error) if matches!(error.code(), "unknown_snapshot" | "snapshot_gone") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn numbered(name: &Name, number: u32) -> Reference {
    Reference { project: None, name: name.clone(), selector: Some(Selector::Number(number.into())) }
}
