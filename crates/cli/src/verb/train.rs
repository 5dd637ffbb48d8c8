//! `asof train`: builds a training set, and writes it to a file on request.

use std::path::PathBuf;

use asof_model::Micros;
use asof_proto::jobs::v1::TrainRequest;
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::download::Target;
use crate::failure::Result;
use crate::out::Out;
use crate::pinned;
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;
use crate::verb::show::manifest_json;
use crate::warnings;

/// Build a training set, once for the same inputs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The training set.
    name: String,
    /// Also write its rows to a file: .parquet, .csv or .arrow. A file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What was learned later does not count; `now`: all that is known counts. By default each row's own time.
    /// This is about features: the spine, its labels included, is always read as it is known today.
    #[arg(long, value_name = "TIME|now", value_parser = known_at)]
    known_at: Option<String>,
    /// Add a column `<feature>__status` for each feature.
    #[arg(long)]
    statuses: bool,
    /// How to print what was built; its rows go to a file with --out.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

fn known_at(text: &str) -> Result<String, asof_model::Error> {
    match text {
        "now" => Ok(text.to_owned()),
        time => time.parse::<Micros>().map(|moment| moment.to_string()),
    }
}

impl Args {
    /// Builds it, fetches it if asked to, and prints what it is.
    ///
    /// # Errors
    /// Wrong usage for a target that cannot be written, before any work; those of building it.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let target = self.out.map(Target::new).transpose()?;
        let connection = Connection::open(global, "train").await?;
        let request = TrainRequest {
            scope: connection.scope(),
            name: self.name,
            known_at: self.known_at.unwrap_or_default(),
            statuses: self.statuses,
        };
        let trained = progress::follow(connection.jobs().train(request).await?.into_inner()).await?;
        warnings::tell(&trained.warnings);
        let set = trained.training_set.unwrap_or_default();
        let reference = format!("{}@{}", set.name, set.number);
        let project = set.definition.as_ref().map(|d| d.project.clone()).unwrap_or_default();
        let bytes = match &target {
            Some(target) if project.is_empty() => target.fetch(&connection, reference.clone()).await?,
            Some(target) => target.fetch(&connection, format!("{project}/{reference}")).await?,
            None => 0,
        };
        if self.output == Style::Json {
            let file = target.as_ref().map(|t| json!({ "path": t.path().display().to_string(), "bytes": bytes }));
            out.json(&json!({
                "run": trained.run,
                "built": trained.built,
                "training_set": manifest_json(&set),
                "file": file,
            }))?;
            return Ok(Answer::Done);
        }
        let service = set.service.as_ref().map(pinned::reference).unwrap_or_default();
        let said = if trained.built { "built" } else { "found, built before from the same inputs:" };
        let rows = counted(set.rows, "row");
        out.line(format!(
            "{said} {reference} of {service}: {rows}, {} columns (run {})",
            set.columns.len(),
            trained.run
        ))?;
        out.line(format!("content {}", set.content))?;
        if let Some(target) = &target {
            out.line(format!("wrote {} ({})", target.path().display(), counted(bytes, "byte")))?;
        }
        Ok(Answer::Done)
    }
}
