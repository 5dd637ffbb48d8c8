//! `asof export`: definitions with all that they read, into a bundle.

use std::path::PathBuf;

use asof_proto::bundle::v1::{ExportRequest, ExportResponse};
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::pinned;
use crate::rows::Style;
use crate::verb::Answer;

/// Write definitions with all that they read into a file, for another deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// name@3, name@prod, name@latest; of a training set @n is the n-th built, whose manifest comes along.
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// The file. One that is there is not replaced.
    #[arg(long, value_name = "BUNDLE")]
    to: PathBuf,
    /// Add the manifests of all training sets that were built by what is exported.
    #[arg(long)]
    with_training_sets: bool,
    /// How to print what was exported.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks, writes the file and prints.
    ///
    /// # Errors
    /// The server's; `local_file` where the file is there already or cannot be written.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "export").await?;
        let request = ExportRequest {
            scope: connection.scope(),
            references: self.references,
            training_sets: self.with_training_sets,
        };
        let ExportResponse { bundle, definitions, training_sets } =
            connection.bundles().export(request).await?.into_inner();
        let shown = self.to.display();
        write(&self.to, &bundle).map_err(|error| Failure::file("write", shown.to_string(), &error))?;
        let sets: Vec<_> = training_sets.iter().map(|set| format!("{}@{}", set.name, set.number)).collect();
        if self.output == Style::Json {
            out.json(&json!({
                "file": { "path": shown.to_string(), "bytes": bundle.len() },
                "definitions": definitions.iter().map(pinned::json).collect::<Vec<_>>(),
                "training_sets": sets,
            }))?;
            return Ok(Answer::Done);
        }
        for definition in &definitions {
            out.line(format!("+ {}", pinned::titled(definition)))?;
        }
        for set in &sets {
            out.line(format!("+ manifest of {set}"))?;
        }
        out.line(format!("wrote {shown} ({})", counted(bundle.len() as u64, "byte")))?;
        Ok(Answer::Done)
    }
}

/// Whole or not at all: beside the target first, then in its place, unless something is there.
fn write(target: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(target)?;
    Ok(())
}
