//! `asof log`: what was done, and how an environment's pointers moved.

use asof_model::run::Verb;
use asof_model::{Reference, Selector};
use asof_proto::lineage::v1::{LogRequest, LogResponse};
use asof_proto::registry::v1::{HistoryRequest, HistoryResponse};
use clap::builder::PossibleValuesParser;

use crate::args::Global;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moves;
use crate::out::Out;
use crate::recorded;
use crate::rows::{self, Format};
use crate::verb::Answer;

/// Tell what was done, newest first: runs or, of NAME@ENV or with --env, how that environment's pointers moved.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs that read or made this; of name@prod, how `prod` came to point where it does.
    #[arg(value_name = "REF")]
    reference: Option<String>,
    /// Only runs of this verb.
    #[arg(long, value_name = "VERB", value_parser = PossibleValuesParser::new(Verb::ALL.map(Verb::as_str)))]
    verb: Option<String>,
    /// At most so many; 0 means all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// Print runs as events of OpenLineage, a line each, oldest first.
    #[arg(long, conflicts_with = "output")]
    openlineage: bool,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "log").await?;
        if let Some(request) = self.history(global, &connection)? {
            let HistoryResponse { environment, moves } = connection.registry().history(request).await?.into_inner();
            let documents = || moves.iter().map(|moved| moves::move_json(&environment, moved)).collect();
            let columns = moves::columns(&environment, &moves);
            rows::print(out, self.output, &[columns], || moves::table(&moves), documents)?;
            return Ok(Answer::Done);
        }
        let request = LogRequest {
            scope: connection.scope(),
            reference: self.reference.unwrap_or_default(),
            verb: self.verb.unwrap_or_default(),
            limit: self.limit,
            openlineage: self.openlineage,
        };
        let LogResponse { runs, events } = connection.lineage().log(request).await?.into_inner();
        if self.openlineage {
            for event in events {
                out.line(event)?;
            }
            return Ok(Answer::Done);
        }
        let documents = || runs.iter().map(recorded::json).collect();
        rows::print(out, self.output, &[recorded::columns(&runs)], || recorded::table(&runs), documents)?;
        Ok(Answer::Done)
    }

    /// What to ask where pointers are asked about: an environment is named, and no kind of run.
    ///
    /// # Errors
    /// `invalid_reference`.
    fn history(&self, global: &Global, connection: &Connection) -> Result<Option<HistoryRequest>> {
        if self.verb.is_some() || self.openlineage {
            return Ok(None);
        }
        let reference = self.reference.as_deref().map(str::parse::<Reference>).transpose()?;
        let named = reference.as_ref().and_then(|reference| reference.selector.as_ref());
        let environment = match (named, &global.env) {
            (Some(Selector::Environment(environment)), _) => environment,
            (None, Some(environment)) => environment,
            _ => return Ok(None),
        };
        let mut scope = connection.scope().unwrap_or_default();
        scope.environment = environment.to_string();
        if let Some(project) = reference.as_ref().and_then(|reference| reference.project.as_ref()) {
            scope.project = project.to_string();
        }
        let name = reference.map(|reference| reference.name.to_string()).unwrap_or_default();
        Ok(Some(HistoryRequest { scope: Some(scope), name, limit: self.limit }))
    }
}
