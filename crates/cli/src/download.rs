//! A training set on its way into a file: beside the target first, then in its place, so that the target is
//! never half a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use asof_proto::jobs::v1::{ExportRequest, Format, Progress, Unit};
use tempfile::NamedTempFile;

use crate::connection::Connection;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

/// A file that is going to be written.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    format: Format,
}

impl Target {
    /// Checks, before any work, that the target can be written. A file that is there is replaced at the end.
    ///
    /// # Errors
    /// Wrong usage for a folder, an extension that names no format, or a folder above that is not there.
    pub(crate) fn new(path: PathBuf) -> Result<Self> {
        let shown = path.display().to_string();
        if path.is_dir() {
            return Err(Failure::usage(
                format!("--out {shown}: this is a folder"),
                "name a file in it, for example with the ending .parquet",
            ));
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let format = match extension.as_deref() {
            Some("parquet") => Format::Parquet,
            Some("csv") => Format::Csv,
            Some("arrow") => Format::Arrow,
            _ => {
                return Err(Failure::usage(
                    format!("--out {shown}: the ending names no format"),
                    "end it with .parquet, .csv or .arrow",
                ));
            }
        };
        if !folder_of(&path).is_dir() {
            return Err(Failure::usage(
                format!("--out {shown}: there is no folder {}", folder_of(&path).display()),
                "make it first",
            ));
        }
        Ok(Target { path, format })
    }

    /// Where it goes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fetches the training set `reference` and puts it in place; returns the number of bytes.
    ///
    /// # Errors
    /// The server's, and `local_file` where the file cannot be written; then the target is as it was.
    pub(crate) async fn fetch(&self, connection: &Connection, reference: String) -> Result<u64> {
        let cannot = |error: &std::io::Error| Failure::file("write", self.path.display(), error);
        let mut file = beside(&self.path).map_err(|e| cannot(&e))?;
        let request = ExportRequest { scope: connection.scope(), reference, format: self.format.into() };
        let mut chunks = connection.jobs().export(request).await?.into_inner();
        let mut bar = Bar::hidden();
        let mut bytes = 0;
        while let Some(chunk) = chunks.message().await? {
            file.write_all(&chunk.bytes).map_err(|e| cannot(&e))?;
            bytes += chunk.bytes.len() as u64;
            let (stage, unit) = ("fetching".to_owned(), Unit::Bytes.into());
            bar.show(&Progress { stage, done: bytes, total: None, unit });
        }
        file.as_file().sync_all().map_err(|e| cannot(&e))?;
        file.persist(&self.path).map_err(|e| cannot(&e.error))?;
        Ok(bytes)
    }
}

/// A temporary file in the target's folder, removed unless it is put in place; readable like any new file.
fn beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".asof-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the umask leaves of it, as for a file made in place.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_checked_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, good: bool| {
            assert_eq!(Target::new(folder.path().join(name)).is_ok(), good, "{name}");
        };
        check("a.parquet", true);
        check("a.CSV", true);
        check("a.xlsx", false);
        check("a", false);
        check("", false);
        check("nowhere/a.csv", false);
    }
}
