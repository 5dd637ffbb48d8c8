//! The manifest: everything needed to build the same training set again, and to tell whether it is the same.

use asof_model::digest::Hasher;
use asof_model::{Columns, Digest, KnownMoment, Micros, Name, Pinned, RunId, SnapshotNumber};
use serde::{Deserialize, Serialize};

use crate::snapshot::DataFile;

/// The version of the manifest's own form.
pub(super) const FORMAT: u32 = 1;

/// What was asked for besides the definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingOptions {
    /// As of when rows counted as known.
    pub known_at: KnownMoment,
    /// Whether every feature has a status column.
    pub statuses: bool,
}

/// A snapshot that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSnapshot {
    /// The dataset.
    pub dataset: Name,
    /// Which snapshot.
    pub number: SnapshotNumber,
    /// The digest of what is in it: see [`crate::Snapshot::content`]. None in manifests of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
}

impl InputSnapshot {
    /// Whether this is the same snapshot, as far as both say what is in it.
    pub fn is(&self, other: &InputSnapshot) -> bool {
        let same_content = self.content.is_none() || other.content.is_none() || self.content == other.content;
        (&self.dataset, self.number) == (&other.dataset, other.number) && same_content
    }
}

/// What the builder of a training set knows before the rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestDraft {
    /// The project.
    pub project: Name,
    /// The training set.
    pub name: Name,
    /// Its definition.
    pub definition: Pinned,
    /// Its service.
    pub service: Pinned,
    /// Every definition that it rests on, itself and the service included.
    pub closure: Vec<Pinned>,
    /// The spine's SELECT, canonical.
    pub spine: String,
    /// What was asked for besides.
    pub options: TrainingOptions,
    /// Every snapshot that was read.
    pub inputs: Vec<InputSnapshot>,
    /// The version of Asof.
    pub engine: String,
    /// The run that builds it.
    pub run: RunId,
    /// When.
    pub created: Micros,
}

/// A training set as it was built. Stored as `manifest.json` beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the manifest's own form.
    pub format: u32,
    /// The project.
    pub project: Name,
    /// The training set.
    pub name: Name,
    /// The n-th one built under that name.
    pub number: u32,
    /// Its definition.
    pub definition: Pinned,
    /// Its service.
    pub service: Pinned,
    /// Every definition that it rests on, itself and the service included.
    pub closure: Vec<Pinned>,
    /// The spine's SELECT, canonical.
    pub spine: String,
    /// What was asked for besides.
    pub options: TrainingOptions,
    /// Every snapshot that was read.
    pub inputs: Vec<InputSnapshot>,
    /// Its columns, in order.
    pub columns: Columns,
    /// Its rows.
    pub rows: u64,
    /// The digest of its rows: see [`crate::content_digest`].
    pub content: Digest,
    /// The digest of definition, input snapshots and content: equal for equal data, whichever run built it.
    pub data: Digest,
    /// Its files, in order, in its folder.
    pub files: Vec<DataFile>,
    /// The version of Asof that built it.
    pub engine: String,
    /// The run that built it.
    pub run: RunId,
    /// When it was built.
    pub created: Micros,
}

impl ManifestDraft {
    /// The manifest, now that the rows are written.
    pub(super) fn finish(
        self,
        number: u32,
        columns: Columns,
        files: Vec<DataFile>,
        (content, rows): (Digest, u64),
    ) -> Manifest {
        let data = data_digest(&self.definition, &self.inputs, &content);
        let ManifestDraft { project, name, definition, service, closure, spine, options, inputs, engine, run, created } =
            self;
        Manifest {
            format: FORMAT,
            project,
            name,
            number,
            definition,
            service,
            closure,
            spine,
            options,
            inputs,
            columns,
            rows,
            content,
            data,
            files,
            engine,
            run,
            created,
        }
    }
}

impl Manifest {
    /// A manifest out of its JSON.
    ///
    /// # Errors
    /// Why it is none, for people; one of a newer Asof is one.
    pub fn read(json: serde_json::Value) -> Result<Manifest, String> {
        let manifest: Manifest = serde_json::from_value(json).map_err(|e| e.to_string())?;
        if manifest.format > FORMAT {
            return Err(format!("it has format {}, which is newer than {FORMAT}", manifest.format));
        }
        let data = data_digest(&manifest.definition, &manifest.inputs, &manifest.content);
        if data != manifest.data {
            return Err("its digest is not that of its definition, snapshots and content".to_owned());
        }
        Ok(manifest)
    }
}

fn data_digest(definition: &Pinned, inputs: &[InputSnapshot], content: &Digest) -> Digest {
    let mut inputs: Vec<_> = inputs.iter().map(|i| (i.dataset.as_str(), i.number.0)).collect();
    inputs.sort_unstable();
    let mut hasher = Hasher::new("asof.data.v1");
    hasher.part(definition.digest.as_bytes());
    for (dataset, number) in inputs {
        hasher.part(dataset.as_bytes()).part(&number.to_le_bytes());
    }
    hasher.part(content.as_bytes());
    hasher.finish()
}
