//! Which `.sql` files a PATH means.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use asof_proto::registry::v1::SourceFile;

use crate::connection::Connection;
use crate::failure::{Failure, Result};

/// How deep folders are searched: deeper is a mistake or a loop.
const DEEPEST: usize = 32;

/// The definitions of these paths: of a folder all `*.sql` below it, in the order of their names, save those
/// in hidden folders and in folders named `data`, and those that the settings name as gates; of a file itself. No path means
/// the project's folder.
///
/// # Errors
/// `no_such_file`, `local_file` for what cannot be read, `no_definitions` where there is none.
pub(crate) fn read(paths: &[PathBuf], connection: &Connection) -> Result<Vec<SourceFile>> {
    let here = [default_folder(connection)];
    let paths = if paths.is_empty() { here.as_slice() } else { paths };
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    for path in paths {
        if matches!(path.try_exists(), Ok(false)) {
            return Err(Failure::refused(
                "no_such_file",
                format!("there is no file or folder `{}`", path.display()),
                "name .sql files, or folders with some; without a name those of the project's folder are read",
            ));
        }
        let before = files.len();
        find(path, DEEPEST, &mut files)?;
        if path.is_dir() {
            // Questions lie beside definitions, and are none.
            let found = files.split_off(before);
            files.extend(found.into_iter().filter(|file| !is_gate(file, connection.gates())));
        }
    }
    // The same file by two ways would be two definitions of one name.
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    if files.is_empty() {
        let paths: Vec<_> = paths.iter().map(|p| format!("`{}`", p.display())).collect();
        return Err(Failure::refused(
            "no_definitions",
            format!("there is no .sql file in {}", paths.join(", ")),
            "write definitions into .sql files there, or name another folder; `asof init` makes an example",
        ));
    }
    files.into_iter().map(|file| source(&file)).collect()
}

fn is_gate(file: &Path, gates: &[PathBuf]) -> bool {
    let same =
        |gate: &PathBuf| fs::canonicalize(gate).is_ok_and(|gate| fs::canonicalize(file).is_ok_and(|f| f == gate));
    !gates.is_empty() && gates.iter().any(same)
}

/// The project's folder, as short as it can be said from here: messages name files by it.
fn default_folder(connection: &Connection) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    match connection.folder() {
        None => PathBuf::from("."),
        Some(folder) => match folder.strip_prefix(&here) {
            Ok(below) if below.as_os_str().is_empty() => PathBuf::from("."),
            Ok(below) => below.to_owned(),
            Err(_) => folder.to_owned(),
        },
    }
}

fn find(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = |error: &std::io::Error| Failure::file("read", path.display(), error);
    let about = fs::metadata(path).map_err(|e| cannot(&e))?;
    if !about.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut below = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| cannot(&e))? {
        let entry = entry.map_err(|e| cannot(&e))?;
        below.push((entry.file_name(), entry.file_type().map_err(|e| cannot(&e))?));
    }
    below.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in below {
        let text = name.to_string_lossy();
        // `./a.sql` is shown as `a.sql`.
        let child = if path == Path::new(".") { PathBuf::from(&name) } else { path.join(&name) };
        let skipped = text.starts_with('.') || text == "data";
        if kind.is_dir() && !skipped && depth > 0 {
            find(&child, depth - 1, files)?;
        } else if !kind.is_dir() && !text.starts_with('.') && text.ends_with(".sql") && child.is_file() {
            files.push(child);
        }
    }
    Ok(())
}

fn source(file: &Path) -> Result<SourceFile> {
    let text = fs::read_to_string(file).map_err(|e| Failure::file("read", file.display(), &e))?;
    Ok(SourceFile { path: file.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_in_order_without_hidden_ones_and_data() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["b.sql", "a/z.sql", "a/notes.txt", ".asof/x.sql", "data/y.sql", ".hidden.sql", "c/data.sql"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut files = Vec::new();
        find(root, DEEPEST, &mut files).unwrap();
        let names: Vec<_> = files.iter().map(|f| f.strip_prefix(root).unwrap().display().to_string()).collect();
        assert_eq!(names, ["a/z.sql", "b.sql", "c/data.sql"]);
    }
}
