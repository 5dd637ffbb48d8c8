//! Bundles: definitions with all that they read, from one deployment to another, as one readable file of JSON.
//!
//! Promises: versions keep their numbers and digests. On arrival every digest is computed anew from the content, and what does
//! not fit is refused as a whole. A bundle moves no pointer: what it brings is promoted like anything else.
//!
//! Costs: a bundle is held in memory, as is what it is compared with.
//!
//! Deliberately not here: data. A manifest of a training set says what it was built from, not the rows. And who made a bundle:
//! its digest tells damage and editing by accident, it is no signature.

mod export;
mod import;

pub use export::{ExportRequest, Exported};
pub use import::{Conflict, ImportReport, ImportRequest};

use asof_lineage::openlineage::canonical;
use asof_model::{Digest, Error, ErrorKind, Micros, Name, Registered, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the form.
const FORMAT: u64 = 1;

/// The member that makes a text a bundle, and holds the version of its form.
const MARK: &str = "asof_bundle";

/// What is carried.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    #[serde(rename = "asof_bundle")]
    format: u64,
    project: Name,
    /// The version of Asof that wrote it.
    engine: String,
    created: Micros,
    /// What is read before what reads it.
    definitions: Vec<Registered>,
    /// Manifests of training sets that were built.
    training_sets: Vec<Value>,
    /// Of everything else here: see [`digest_of`].
    digest: Digest,
}

/// The digest of a bundle's canonical text without the digest in it.
fn digest_of(bundle: &Value) -> Digest {
    let mut bundle = bundle.clone();
    if let Some(members) = bundle.as_object_mut() {
        members.remove("digest");
    }
    canonical::digest(&bundle)
}

impl Bundle {
    /// Its text. The digest is computed here.
    fn write(self) -> Result<Vec<u8>> {
        let value = serde_json::to_value(&self).map_err(Error::internal)?;
        let bundle = Bundle { digest: digest_of(&value), ..self };
        let mut text = serde_json::to_vec_pretty(&bundle).map_err(Error::internal)?;
        text.push(b'\n');
        Ok(text)
    }

    /// A bundle that is what it says.
    ///
    /// # Errors
    /// `not_a_bundle`, `bundle_damaged`; `other_format` for a newer form.
    fn read(text: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(text).map_err(|e| {
            let why = if e.is_eof() { "it ends too early".to_owned() } else { e.to_string() };
            not_one(&why)
        })?;
        match value[MARK].as_u64() {
            None => return Err(not_one(&format!("it has no `{MARK}`"))),
            Some(format) if format > FORMAT => {
                let message = format!("the bundle has format {format}, written by a newer Asof");
                return Err(Error::new(ErrorKind::Precondition, "other_format", message).remedy("use the newer Asof"));
            }
            Some(_) => {}
        }
        let digest = digest_of(&value);
        let bundle: Bundle = serde_json::from_value(value).map_err(|e| not_one(&e.to_string()))?;
        if digest != bundle.digest {
            return Err(damaged("what is in it is not what its digest says"));
        }
        for Registered { pinned, definition, inputs, .. } in &bundle.definitions {
            let says = (pinned.kind, &pinned.name, pinned.digest);
            if says != (definition.kind(), definition.name(), definition.digest(inputs)) {
                return Err(damaged(&format!("the content of {} is not the one of its digest", pinned.reference())));
            }
        }
        Ok(bundle)
    }
}

fn not_one(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "not_a_bundle", format!("this is not a bundle: {why}"))
        .remedy("name a whole file that `asof export … --to FILE` wrote")
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "bundle_damaged", format!("the bundle was changed since it was written: {why}"))
        .remedy("export it again")
}
