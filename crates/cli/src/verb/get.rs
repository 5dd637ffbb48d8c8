//! `asof get`: features of entities, as a model would be given them.

use std::path::PathBuf;

use asof_model::{Micros, ModelReference};
use asof_proto::serving::v1::{DescribeRequest, GetFeaturesRequest};

use crate::args::Global;
use crate::connection::Connection;
use crate::entities::Entities;
use crate::failure::Result;
use crate::out::Out;
use crate::pairs::{self, Pair};
use crate::pinned;
use crate::reply::{self, Page};
use crate::rows::{self, Format};
use crate::verb::Answer;
use crate::warnings;

/// Entities in one request: well below what a server answers at once.
const PAGE: usize = 2_000;

/// Get the features of an entity, or of those in a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The feature service; with --model it is left out.
    #[arg(value_name = "SERVICE[@REF]", required_unless_present = "model")]
    service: Option<String>,
    /// Keys and parameters; `key=` is the empty text, `key:=null` is null.
    #[arg(value_name = "KEY=VALUE")]
    pairs: Vec<Pair>,
    /// In the place of a service: the model that is served. It gets exactly the features that it was trained on.
    #[arg(long, value_name = "NAME@VERSION")]
    model: Option<ModelReference>,
    /// Many entities, a row each: .jsonl or .csv. KEY=VALUE is added to every row.
    #[arg(long, value_name = "ROWS")]
    file: Option<PathBuf>,
    /// The moment asked about; by default now.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// Add when the rows happened that the values are from.
    #[arg(long)]
    event_times: bool,
    /// Add where the values came from: version and run.
    #[arg(long)]
    receipts: bool,
    /// Answer a row that cannot be answered with its error, and the others all the same.
    #[arg(long)]
    row_errors: bool,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Args {
    /// Asks for the types, then for the values, page by page: all as of one moment and by one version.
    ///
    /// # Errors
    /// `wrong_type` for a text that is not of its type; the server's.
    pub(crate) async fn run(mut self, global: &Global, out: &mut Out) -> Result<Answer> {
        if self.model.is_some() {
            pairs::without_service(self.service.take(), &mut self.pairs)?;
        }
        let entities = Entities::read(&self.pairs, self.file.as_deref())?;
        let connection = Connection::open(global, "get").await?;
        let mut serving = connection.serving();
        let service = self.service.unwrap_or_default();
        let model = self.model.map(|model| model.to_string()).unwrap_or_default();
        let describe = DescribeRequest { scope: connection.scope(), service: service.clone(), model };
        let described = serving.describe(describe).await?.into_inner();
        let service = described.service.as_ref().map_or(service, pinned::exact);
        let mut at = self.at.map(|at| at.0);
        let mut pages = Vec::new();
        for start in (0..entities.count().max(1)).step_by(PAGE) {
            let end = (start + PAGE).min(entities.count());
            let request = entities.columns(&described.request, start..end)?;
            let asked = GetFeaturesRequest {
                scope: connection.scope(),
                service: service.clone(),
                columns: request.clone(),
                at,
                event_times: self.event_times,
                receipts: self.receipts,
                row_errors: self.row_errors,
                ..GetFeaturesRequest::default()
            };
            let reply = serving.get_features(asked).await?.into_inner();
            at = Some(reply.at);
            pages.push(Page { start, request, reply });
        }
        let one = self.file.is_none();
        warnings::tell(&pages.iter().flat_map(|page| page.reply.warnings.clone()).collect::<Vec<_>>());
        let columns = pages.iter().map(Page::columns).collect::<Vec<_>>();
        let table = || match pages.as_slice() {
            [page] if one => page.one(),
            pages => reply::many(pages),
        };
        let document = || reply::json(described.service.as_ref(), at.unwrap_or_default(), &pages);
        rows::print(out, self.output, &columns, table, document)?;
        if self.output == Format::Table {
            for line in pages.iter().flat_map(Page::errors) {
                out.line(line)?;
            }
        }
        Ok(Answer::Done)
    }
}
