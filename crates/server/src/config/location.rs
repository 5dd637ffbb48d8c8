//! URLs of stores, and the local paths in them.

use std::path::{Path, absolute};

use asof_model::{Error, ErrorKind, Result};

/// The schemes whose rest is a path on this machine.
const LOCAL: [&str; 3] = ["file", "sqlite", "rocksdb"];

/// A URL in its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location<'a> {
    /// What stands before the first colon.
    pub(crate) scheme: &'a str,
    /// What stands after it; of a local one, an absolute path.
    pub(crate) path: &'a str,
}

impl<'a> Location<'a> {
    /// The parts of a URL of a loaded configuration.
    pub(crate) fn of(url: &'a str) -> Self {
        let (scheme, path) = split(url).unwrap_or(("", url));
        Location { scheme, path }
    }
}

/// The URL with its path made absolute, if it is local. Without a scheme it is a path of the default one.
pub(super) fn anchored(url: &str, default: &str, folder: &Path) -> Result<String> {
    let bad = |why: &str| {
        Error::new(ErrorKind::Invalid, "invalid_url", format!("`{url}` cannot be used: {why}"))
            .remedy(format!("write {default}:some/folder or {default}:///some/folder"))
    };
    let (scheme, path) = split(url).unwrap_or((default, url));
    if !LOCAL.contains(&scheme) || path == ":memory:" {
        return Ok(url.to_owned());
    }
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return Err(bad("a path on another host is not a local path")),
        None => path,
    };
    if path.is_empty() {
        return Err(bad("it names no path"));
    }
    let path = absolute(folder.join(path)).map_err(|e| bad(&e.to_string()))?;
    // `.` and `..` say nothing in messages; a trailing slash would say two names for one folder.
    let path: std::path::PathBuf = path.components().collect();
    let path = path.to_str().ok_or_else(|| bad("its folder is not UTF-8"))?;
    Ok(format!("{scheme}:{path}"))
}

/// Scheme and rest; none without a scheme. One letter is the drive of a path on Windows.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_become_absolute_and_other_urls_stay() {
        let check = |url: &str, expected: &str| {
            assert_eq!(anchored(url, "file", Path::new("/base")), Ok(expected.to_owned()), "{url}");
        };
        check("file:.asof", "file:/base/.asof");
        check(".asof/", "file:/base/.asof");
        check("file:///data/x", "file:/data/x");
        check("/data/x", "file:/data/x");
        check("sqlite:catalog.db", "sqlite:/base/catalog.db");
        check("sqlite::memory:", "sqlite::memory:");
        check("s3://bucket/x", "s3://bucket/x");
        for bad in ["", "file:", "file://host/x"] {
            assert_eq!(anchored(bad, "file", Path::new("/base")).unwrap_err().code(), "invalid_url", "{bad}");
        }
    }
}
