//! From what the user named to files on this machine: globs are expanded, objects fetched, bytes hashed, archives
//! unpacked.

mod expand;
mod fetch;
mod format;
mod unpack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use asof_model::{Digest, Result};

use super::Format;
use super::meter::Meter;
use super::refusal::Refusal;
use crate::failure::{Failure, of_file};

pub(crate) use format::Encoding;

/// One file that the user named, on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As the record keeps it.
    pub(crate) url: String,
    /// As messages name it.
    pub(crate) shown: String,
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
    /// When it was last written, if somebody else may write to it.
    modified: Option<SystemTime>,
}

/// Something to read rows from: a file, or a member of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// As messages name it.
    pub(crate) shown: String,
    pub(crate) path: PathBuf,
    pub(crate) encoding: Encoding,
    /// Which of the sources it came from.
    pub(crate) source: usize,
}

/// Finds, fetches and hashes everything that was named. What is fetched goes to `scratch`; what is a copy goes by the
/// name it is `called`.
pub(crate) async fn gather(
    named: &[String],
    called: &BTreeMap<String, String>,
    scratch: &Path,
    meter: &Meter,
) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for text in named {
        found.extend(expand::expand(text).await?.into_iter().map(|one| (called.get(text), one)));
    }
    let total = found.iter().map(|(_, one)| one.bytes()).sum::<Option<u64>>();
    meter.start("hashing", total);
    let mut sources = Vec::new();
    for (called, one) in found {
        let source = fetch::fetch(one, scratch, meter).await?;
        sources.push(match called {
            Some(name) => Source { url: name.clone(), shown: name.clone(), ..source },
            None => source,
        });
    }
    Ok(sources)
}

/// Unpacks a source: what it holds of a known format, in the order of the archive.
pub(crate) async fn unpack(
    source: &Source,
    index: usize,
    format: Option<Format>,
    scratch: &Path,
) -> Result<Vec<Piece>> {
    let (shown, path, scratch) = (source.shown.clone(), source.path.clone(), scratch.to_owned());
    let work = move || unpack::unpack(&shown, &path, index, format, &scratch);
    tokio::task::spawn_blocking(work).await.map_err(Failure::from)?
}

impl Source {
    /// Whether the file is still the one that was hashed.
    ///
    /// # Errors
    /// `file_changed` if somebody wrote to it since.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let Some(modified) = self.modified else { return Ok(()) };
        let metadata = std::fs::metadata(&self.path).map_err(of_file(&self.path))?;
        if metadata.len() != self.bytes || metadata.modified().ok() != Some(modified) {
            return Err(Refusal::Changed { file: self.shown.clone() }.into());
        }
        Ok(())
    }
}
