//! `asof init`: a project to start from.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use asof_model::Name;

use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::verb::Answer;

/// Make a project: asof.toml and an example of definitions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder; made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

impl Args {
    /// Writes the files; one that is there already is left alone and refused, and then nothing is written.
    ///
    /// # Errors
    /// `already_there`, `local_file`.
    pub(crate) fn run(self, out: &mut Out) -> Result<Answer> {
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(|e| Failure::file("make the folder", folder.display(), &e))?;
        let files = [("asof.toml", configuration(&project_name(folder))), ("example.sql", EXAMPLE.to_owned())];
        let taken = files.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
        if let Some(path) = taken {
            return Err(already_there(&path));
        }
        for (name, text) in &files {
            let path = folder.join(name);
            write_new(&path, text)?;
            out.line(format!("wrote {}", path.display()))?;
        }
        let there = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
        out.line(format!("next: {there}asof plan"))?;
        Ok(Answer::Done)
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(already_there(path)),
        Err(error) => Err(Failure::file("write", path.display(), &error)),
    }
}

fn already_there(path: &Path) -> Failure {
    let message = format!("{} is there already, and stays as it is", path.display());
    Failure::refused("already_there", message, "name another folder, or move the file away first")
}

/// The folder's name as far as it can be a project's name, else `example`.
fn project_name(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().map(|n| n.to_string_lossy().to_lowercase().replace(['-', ' ', '.'], "_"));
    name.filter(|n| n.parse::<Name>().is_ok()).unwrap_or_else(|| "example".to_owned())
}

fn configuration(project: &str) -> String {
    format!(
        r#"# What is not said here has a default; ASOF_* variables and flags have the last word.
[project]
name = "{project}"
environments = ["dev", "staging", "prod"]

# Data, definitions and served values all live below this folder.
[store]
url = "file:.asof"

[server]
listen = "127.0.0.1:7461"
"#
    )
}

/// Small, and every kind of definition once.
const EXAMPLE: &str = r"-- Facts, with the moment at which each happened.
CREATE DATASET visits (
    customer BIGINT,
    visited_at TIMESTAMP NOT NULL,
    pages INT,
    bought BOOLEAN
) TIMESTAMP visited_at
WITH (description = 'One row per visit to the shop');

-- What features describe.
CREATE ENTITY customer KEY (customer BIGINT);

-- Each row holds from its own moment on, for at most 30 days.
CREATE FEATURE VIEW last_visit ENTITY customer TIMESTAMP visited_at TTL INTERVAL '30 days'
AS SELECT customer, visited_at, pages, bought FROM visits;

-- What a model takes; the last column is computed at the time of the request.
CREATE FEATURE SERVICE will_buy REQUEST (basket DOUBLE)
AS SELECT pages, bought, pages > 5 AND basket > 100 AS keen FROM last_visit;

-- Past moments with their outcome, each row enriched as of its own moment.
CREATE TRAINING SET purchases FEATURES will_buy TIMESTAMP asked_at
AS SELECT customer, visited_at - INTERVAL '1 hour' AS asked_at, 80.0 AS basket, bought AS label FROM visits;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_after_its_folder_where_it_can_be() {
        let check = |folder: &str, name: &str| assert_eq!(project_name(Path::new(folder)), name);
        check("/nowhere/My-Shop", "my_shop");
        check("/nowhere/1st", "example");
        check("/", "example");
    }
}
