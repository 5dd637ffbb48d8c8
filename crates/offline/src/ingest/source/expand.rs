//! Paths, URLs and globs, to the files they mean.

use std::path::{Path, PathBuf};

use asof_model::name::nearest;
use asof_model::{Error, ErrorKind, Result};
use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use crate::failure::Failure;
use crate::folder::{environment, local_path};

/// Characters that make a text a glob.
const GLOB: [char; 3] = ['*', '?', '['];

/// One file that exists.
pub(super) enum Found {
    Local { shown: String, path: PathBuf, bytes: u64 },
    Remote { url: Url, store: Box<dyn ObjectStore>, path: ObjectPath, bytes: u64 },
}

impl Found {
    pub(super) fn bytes(&self) -> Option<u64> {
        match self {
            Found::Local { bytes, .. } | Found::Remote { bytes, .. } => Some(*bytes),
        }
    }
}

/// The files that a text means, sorted by name where it is a glob.
pub(super) async fn expand(text: &str) -> Result<Vec<Found>> {
    match local_path(text).map_err(|why| bad_source(text, why))? {
        Some(path) => local(text, &path),
        None => remote(text).await,
    }
}

fn bad_source(text: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, "bad_source", format!("`{text}`: {why}"))
        .remedy("name files by path, URL or glob: data/*.csv, s3://bucket/2013/*.parquet")
}

fn missing(text: &str, near: Option<String>) -> Error {
    let what = if text.contains(GLOB) { "no file matches" } else { "there is no file" };
    let error = Error::new(ErrorKind::NotFound, "no_such_file", format!("{what} `{text}`"));
    error.remedy(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name a file that is there, a URL, or several files by a glob: data/*.csv".to_owned(),
    })
}

fn local(text: &str, path: &Path) -> Result<Vec<Found>> {
    if let Ok(metadata) = std::fs::metadata(path) {
        if metadata.is_dir() {
            return Err(
                bad_source(text, "is a folder").remedy(format!("name its files: {}/*", text.trim_end_matches('/')))
            );
        }
        return Ok(vec![Found::Local {
            shown: path.display().to_string(),
            path: path.to_owned(),
            bytes: metadata.len(),
        }]);
    }
    let pattern = path.to_str().ok_or_else(|| bad_source(text, "is not valid UTF-8"))?;
    if !pattern.contains(GLOB) {
        return Err(missing(text, neighbour(path)));
    }
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(|e| bad_source(text, e))? {
        let path = path.map_err(|e| Failure::File { path: e.path().to_owned(), source: e.into() })?;
        let metadata = std::fs::metadata(&path).map_err(crate::failure::of_file(&path))?;
        if metadata.is_file() {
            found.push(Found::Local { shown: path.display().to_string(), path, bytes: metadata.len() });
        }
    }
    if found.is_empty() { Err(missing(text, neighbour(path))) } else { Ok(found) }
}

/// The file in the same folder whose name is nearest; for a glob the first one, if none is near.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = path.file_name()?.to_str()?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().filter(|e| e.path().is_file())?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let near = nearest(written, names.iter().map(String::as_str));
    let near = near.or_else(|| names.first().map(String::as_str).filter(|_| written.contains(GLOB)))?;
    Some(path.with_file_name(near).display().to_string())
}

async fn remote(text: &str) -> Result<Vec<Found>> {
    let url = Url::parse(text).map_err(|e| bad_source(text, e))?;
    let open = |url: &Url| object_store::parse_url_opts(url, environment()).map_err(|e| bad_source(text, e));
    // In a web address `?` begins the query, and nobody can be asked for a list.
    if url.scheme().starts_with("http") || !text.contains(GLOB) {
        let (store, path) = open(&url)?;
        return match store.head(&path).await {
            Ok(meta) => Ok(vec![Found::Remote { url, store, path, bytes: meta.size }]),
            Err(object_store::Error::NotFound { .. }) => Err(missing(text, None)),
            Err(error) => Err(Failure::from(error).into()),
        };
    }
    let wild = text.find(GLOB).unwrap_or(text.len());
    let folder = &text[..text[..wild].rfind('/').map_or(wild, |slash| slash + 1)];
    let folder = Url::parse(folder).map_err(|e| bad_source(text, e))?;
    let pattern = glob::Pattern::new(text).map_err(|e| bad_source(text, e))?;
    let (store, prefix) = open(&folder)?;
    let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.map_err(Failure::from)?;
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for meta in listed {
        let rest = meta.location.prefix_match(&prefix).map(|parts| ObjectPath::from_iter(parts).to_string());
        let Some(url) = rest.and_then(|rest| folder.join(&rest).ok()) else { continue };
        if pattern.matches_with(url.as_str(), options) {
            let (store, path) = open(&url)?;
            found.push(Found::Remote { url, store, path, bytes: meta.size });
        } else {
            names.push(url.to_string());
        }
    }
    found.sort_by(|a, b| match (a, b) {
        (Found::Remote { url: a, .. }, Found::Remote { url: b, .. }) => a.as_str().cmp(b.as_str()),
        _ => std::cmp::Ordering::Equal,
    });
    if found.is_empty() {
        let near = nearest(text, names.iter().map(String::as_str)).or(names.first().map(String::as_str));
        return Err(missing(text, near.map(str::to_owned)));
    }
    Ok(found)
}
