//! `asof explain`: served values, back to the files they came from.

use asof_model::Micros;
use asof_proto::lineage::v1::{ExplainRequest, ExplainResponse, Origin};
use asof_proto::serving::v1::{DescribeRequest, View};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connection::Connection;
use crate::entities::Entities;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pairs::Pair;
use crate::pinned;
use crate::recorded;
use crate::reply::{self, Page};
use crate::rows::Style;
use crate::verb::Answer;

/// Files of a snapshot that are listed for people; JSON has all.
const LISTED: usize = 5;

/// Follow each feature of an entity back to view version, run, snapshot and source files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The feature service.
    #[arg(value_name = "SERVICE[@REF]")]
    service: String,
    /// Keys and parameters; `key=` is the empty text, `key:=null` is null.
    #[arg(value_name = "KEY=VALUE")]
    pairs: Vec<Pair>,
    /// The moment asked about; by default now.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks for the types, then for values and origins, and prints them.
    ///
    /// # Errors
    /// `wrong_type` for a text that is not of its type; the server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let entities = Entities::read(&self.pairs, None)?;
        let connection = Connection::open(global, "explain").await?;
        let describe =
            DescribeRequest { scope: connection.scope(), service: self.service.clone(), ..DescribeRequest::default() };
        let described = connection.serving().describe(describe).await?.into_inner();
        let request = entities.columns(&described.request, 0..entities.count())?;
        let asked = ExplainRequest {
            scope: connection.scope(),
            service: described.service.as_ref().map_or(self.service, pinned::exact),
            columns: request.clone(),
            at: self.at.map(|at| at.0),
        };
        let ExplainResponse { reply, origins } = connection.lineage().explain(asked).await?.into_inner();
        let page = Page { start: 0, request, reply: reply.unwrap_or_default() };
        match self.output {
            Style::Json => out.json(&document(&page, &origins))?,
            Style::Table => print(out, &page, &origins)?,
        }
        Ok(Answer::Done)
    }
}

fn print(out: &mut Out, page: &Page, origins: &[Origin]) -> Result<()> {
    let reply = &page.reply;
    let service = reply.service.as_ref().map(pinned::titled).unwrap_or_default();
    out.painted(Paint::Bold, format!("{service} at {}", moment(reply.at)))?;
    for feature in &reply.features {
        let views: Vec<_> = page.views(feature).map(|v| v.alias.as_str()).collect();
        let from = if views.is_empty() { "the request alone".to_owned() } else { views.join(", ") };
        match reply::shown(feature, 0) {
            Some(value) => out.line(format!("  {} = {value}   from {from}", reply::name(feature)))?,
            None => out.line(format!("  {} is {}   from {from}", reply::name(feature), reply::status(feature, 0)))?,
        }
    }
    for (view, origin) in reply.views.iter().zip(origins) {
        let version = view.view.as_ref().map(pinned::reference).unwrap_or_default();
        out.painted(Paint::Bold, format!("{} = feature view {version}", view.alias))?;
        match reply::event_time(view, 0) {
            Some(time) => out.line(format!("  the row of {time}"))?,
            None => out.line("  no row of this key")?,
        }
        out.line(format!("  computed by {}", origin.query))?;
        out.line(format!("  brought online by run {} as of {}", view.run, moment(view.materialized_at)))?;
        if origin.run.is_none() {
            out.line("  the record of that run is gone")?;
        }
        for snapshot in &origin.snapshots {
            let how = if snapshot.files.is_empty() { "all of whose rows were pushed" } else { "ingested from" };
            out.line(format!("  out of {}@{}, {how}", snapshot.dataset, snapshot.number))?;
            for file in snapshot.files.iter().take(LISTED) {
                out.line(format!("    {} {}", file.url, file.digest))?;
            }
            if snapshot.files.len() > LISTED {
                out.line(format!("    and {} more (--output json lists all)", snapshot.files.len() - LISTED))?;
            }
        }
    }
    Ok(())
}

fn document(page: &Page, origins: &[Origin]) -> Value {
    let mut document = reply::json(page.reply.service.as_ref(), page.reply.at, std::slice::from_ref(page));
    let origins = page.reply.views.iter().zip(origins).map(origin_json);
    document["origins"] = origins.collect();
    document
}

fn origin_json((view, origin): (&View, &Origin)) -> Value {
    let snapshots = origin.snapshots.iter().map(|snapshot| {
        json!({
            "dataset": snapshot.dataset,
            "number": snapshot.number,
            "files": snapshot.files.iter().map(recorded::file_json).collect::<Vec<_>>(),
        })
    });
    json!({
        "alias": view.alias,
        "query": origin.query,
        "run": origin.run.as_ref().map(recorded::json),
        "snapshots": snapshots.collect::<Vec<_>>(),
    })
}
