//! Archives and compressed files, laid open on disk: every reader but one needs to seek or to read twice.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use asof_model::Result;
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::Piece;
use super::format::{self, Wrapping};
use crate::failure::of_file;
use crate::ingest::Format;
use crate::ingest::refusal::Refusal;

/// How deep one wrapping may lie in another: a gzip file in a zip archive, and that is it.
const DEPTH: usize = 2;

pub(super) fn unpack(
    shown: &str,
    path: &Path,
    source: usize,
    said: Option<Format>,
    scratch: &Path,
) -> Result<Vec<Piece>> {
    let mut unpacking = Unpacking { said, scratch, source, pieces: Vec::new() };
    unpacking.open(shown, shown, path, DEPTH)?;
    Ok(unpacking.pieces)
}

struct Unpacking<'a> {
    said: Option<Format>,
    scratch: &'a Path,
    source: usize,
    pieces: Vec<Piece>,
}

impl Unpacking<'_> {
    /// `name` is what the format is told by; `shown` may hold the archive's name before it.
    fn open(&mut self, shown: &str, name: &str, path: &Path, depth: usize) -> Result<()> {
        let file = File::open(path).map_err(of_file(path))?;
        let head = format::head(&file).map_err(of_file(path))?;
        match format::wrapping(&head).filter(|_| depth > 0) {
            Some(Wrapping::Gzip) => {
                let file = File::open(path).map_err(of_file(path))?;
                let inner = self.extract(shown, "gzip", MultiGzDecoder::new(file))?;
                let lower = name.to_ascii_lowercase();
                let stripped = ["gz", "gzip"].iter().find(|e| lower.ends_with(&format!(".{e}")));
                let name = stripped.map_or(name, |extension| &name[..name.len() - extension.len() - 1]);
                self.open(shown, name, &inner, depth - 1)
            }
            Some(Wrapping::Zip) => self.members(shown, file, depth),
            None => {
                let Some(encoding) = format::encoding(self.said, name, &head) else {
                    return Err(Refusal::UnknownFormat { file: shown.to_owned() }.into());
                };
                self.pieces.push(Piece {
                    shown: shown.to_owned(),
                    path: path.to_owned(),
                    encoding,
                    source: self.source,
                });
                Ok(())
            }
        }
    }

    fn members(&mut self, shown: &str, file: File, depth: usize) -> Result<()> {
        let unreadable = |e: &dyn std::fmt::Display| Refusal::Unreadable {
            file: shown.to_owned(),
            why: format!("not a readable zip archive: {e}"),
        };
        let mut archive = ZipArchive::new(file).map_err(|e| unreadable(&e))?;
        let before = self.pieces.len();
        for index in 0..archive.len() {
            let member = archive.by_index(index).map_err(|e| unreadable(&e))?;
            let name = member.name().to_owned();
            let leaf = name.rsplit('/').next().unwrap_or(&name);
            // Folders, what desktops add, and read-me files.
            let beside = member.is_dir() || leaf.starts_with('.') || name.starts_with("__MACOSX/");
            if beside || !(self.said.is_some() || format::known_name(leaf)) {
                continue;
            }
            let shown = format!("{shown}/{name}");
            let path = self.extract(&shown, "zip", member)?;
            self.open(&shown, leaf, &path, depth - 1)?;
        }
        if self.pieces.len() == before {
            return Err(unreadable(&"it holds no file of a known format").into());
        }
        Ok(())
    }

    /// Writes what a decompressor gives to the scratch folder.
    fn extract(&self, shown: &str, what: &str, mut from: impl Read) -> Result<PathBuf> {
        let target = tempfile::Builder::new().tempfile_in(self.scratch).map_err(of_file(self.scratch))?;
        let (mut file, path) = target.keep().map_err(|e| crate::failure::Failure::Io(e.error))?;
        io::copy(&mut from, &mut file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other => {
                Refusal::Unreadable { file: shown.to_owned(), why: format!("damaged {what} data: {error}") }.into()
            }
            _ => asof_model::Error::from(of_file(&path)(error)),
        })?;
        Ok(path)
    }
}
