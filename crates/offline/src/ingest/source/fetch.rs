//! The bytes of a source, on this machine and hashed.

use std::io::Read as _;
use std::path::Path;

use asof_model::{Digest, Error, Result};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::Source;
use super::expand::Found;
use crate::failure::{Failure, of_file};
use crate::ingest::meter::Meter;

/// How many bytes are hashed at once.
const CHUNK: usize = 1 << 20;

pub(super) async fn fetch(found: Found, scratch: &Path, meter: &Meter) -> Result<Source> {
    match found {
        Found::Local { shown, path, .. } => {
            let meter = meter.clone();
            let work = move || local(shown, &path, &meter);
            tokio::task::spawn_blocking(work).await.map_err(Failure::from)?
        }
        Found::Remote { url, store, path, .. } => {
            let target = tempfile::Builder::new().tempfile_in(scratch).map_err(of_file(scratch))?;
            let (file, target) = target.keep().map_err(|e| Failure::Io(e.error))?;
            let mut file = tokio::fs::File::from_std(file);
            let mut chunks = store.get(&path).await.map_err(Failure::from)?.into_stream();
            let (mut hasher, mut bytes) = (Sha256::new(), 0);
            while let Some(chunk) = chunks.try_next().await.map_err(Failure::from)? {
                hasher.update(&chunk);
                bytes += chunk.len() as u64;
                meter.add(chunk.len() as u64);
                file.write_all(&chunk).await.map_err(of_file(&target))?;
            }
            file.flush().await.map_err(of_file(&target))?;
            let url = without_secrets(&url);
            let digest = Digest::from_bytes(hasher.finalize().into());
            Ok(Source { shown: url.clone(), url, path: target, digest, bytes, modified: None })
        }
    }
}

fn local(shown: String, path: &Path, meter: &Meter) -> Result<Source> {
    let mut file = std::fs::File::open(path).map_err(of_file(path))?;
    let modified = file.metadata().and_then(|m| m.modified()).map_err(of_file(path))?;
    let (mut hasher, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk).map_err(of_file(path))?;
        if read == 0 {
            break;
        }
        if !meter.is_watched() {
            return Err(Error::internal("nobody waits for the file"));
        }
        hasher.update(&chunk[..read]);
        bytes += read as u64;
        meter.add(read as u64);
    }
    let absolute = std::path::absolute(path).map_err(of_file(path))?;
    let url = Url::from_file_path(&absolute).map_or_else(|()| absolute.display().to_string(), String::from);
    let digest = Digest::from_bytes(hasher.finalize().into());
    Ok(Source { url, shown, path: path.to_owned(), digest, bytes, modified: Some(modified) })
}

/// A URL as it may be kept: signatures are in the query, credentials before the host.
fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    if url.scheme().starts_with("http") {
        // Neither fails for a web address.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept() {
        let url = Url::parse("https://me:pw@example.com/a/b.csv?signature=x#y").unwrap();
        assert_eq!(without_secrets(&url), "https://example.com/a/b.csv");
        let url = Url::parse("az://container@account/a.csv").unwrap();
        assert_eq!(without_secrets(&url), "az://container@account/a.csv");
    }
}
