//! `asof explain`: values, back to the rows and files they came from.

use asof_model::{Micros, ModelReference};
use asof_proto::lineage::v1::{Contributed, ExplainRequest, ExplainResponse, Origin, Source};
use asof_proto::serving::v1::{DescribeRequest, View};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connection::Connection;
use crate::entities::Entities;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pairs::{self, Pair};
use crate::pinned;
use crate::recorded;
use crate::reply::{self, Page};
use crate::rows::Style;
use crate::verb::Answer;

/// Files of a snapshot that are listed for people; JSON has all.
const LISTED: usize = 5;

/// Follow each feature of an entity, or of a row of a training set, back to the rows that took part, to view version, run,
/// snapshot and source files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The feature service; with --row a training set that was built; with --model it is left out.
    #[arg(value_name = "SERVICE[@REF]|TRAINING_SET@N", required_unless_present = "model")]
    reference: Option<String>,
    /// Keys and parameters; `key=` is the empty text, `key:=null` is null.
    #[arg(value_name = "KEY=VALUE")]
    pairs: Vec<Pair>,
    /// In the place of a service: the model that is served.
    #[arg(long, value_name = "NAME@VERSION", conflicts_with = "row")]
    model: Option<ModelReference>,
    /// The moment asked about; by default now. One that is not online any more is computed from the newest snapshots.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// The row of the training set, counted from 0.
    #[arg(long, value_name = "N", conflicts_with_all = ["pairs", "at"])]
    row: Option<u64>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks for the types, then for values and origins, and prints them.
    ///
    /// # Errors
    /// `wrong_type` for a text that is not of its type; the server's.
    pub(crate) async fn run(mut self, global: &Global, out: &mut Out) -> Result<Answer> {
        if self.model.is_some() {
            pairs::without_service(self.reference.take(), &mut self.pairs)?;
        }
        let connection = Connection::open(global, "explain").await?;
        let asked = match self.row {
            Some(row) => ExplainRequest {
                scope: connection.scope(),
                training_set: self.reference.clone().unwrap_or_default(),
                row,
                ..ExplainRequest::default()
            },
            None => self.entity(&connection).await?,
        };
        let mut explained = connection.lineage().explain(asked).await?.into_inner();
        let request = std::mem::take(&mut explained.request);
        let page = Page { start: 0, request, reply: explained.reply.take().unwrap_or_default() };
        match self.output {
            Style::Json => out.json(&self.document(&page, &explained))?,
            Style::Table => self.print(out, &page, &explained)?,
        }
        Ok(Answer::Done)
    }

    /// One entity of a service, in the types that it wants.
    async fn entity(&self, connection: &Connection) -> Result<ExplainRequest> {
        let entities = Entities::read(&self.pairs, None)?;
        let describe = DescribeRequest {
            scope: connection.scope(),
            service: self.reference.clone().unwrap_or_default(),
            model: self.model.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let described = connection.serving().describe(describe.clone()).await?.into_inner();
        let DescribeRequest { scope, service, model } = describe;
        // A version of a model means one of a service for ever; what else is named is held to what was described.
        let service = match (model.is_empty(), &described.service) {
            (true, Some(pinned)) => pinned::exact(pinned),
            _ => service,
        };
        let columns = entities.columns(&described.request, 0..entities.count())?;
        Ok(ExplainRequest { scope, service, model, columns, at: self.at.map(|at| at.0), ..ExplainRequest::default() })
    }

    /// The training set whose row it is.
    fn set(&self) -> &str {
        self.reference.as_deref().unwrap_or_default()
    }

    fn print(&self, out: &mut Out, page: &Page, explained: &ExplainResponse) -> Result<()> {
        let reply = &page.reply;
        let service = reply.service.as_ref().map(pinned::titled).unwrap_or_default();
        let source = explained.source();
        match self.row {
            Some(row) => {
                out.painted(Paint::Bold, format!("row {row} of {}, by {service} at {}", self.set(), moment(reply.at)))?;
                match explained.same {
                    true => out.line("  the same values come out today, to the bit")?,
                    false => out.line("  other values come out today: `asof rebuild --check` tells more")?,
                }
            }
            None => {
                let model = self.model.as_ref().map(|model| format!("model {model}: ")).unwrap_or_default();
                out.painted(Paint::Bold, format!("{model}{service} at {}", moment(reply.at)))?;
            }
        }
        if source == Source::Snapshots {
            out.line("  not online any more: computed from the newest snapshots, as training would")?;
        }
        for feature in &reply.features {
            let views: Vec<_> = page.views(feature).map(|v| v.alias.as_str()).collect();
            let from = if views.is_empty() { "the request alone".to_owned() } else { views.join(", ") };
            match reply::shown(feature, 0) {
                Some(value) => out.line(format!("  {} = {value}   from {from}", reply::name(feature)))?,
                None => {
                    out.line(format!("  {} is {}   from {from}", reply::name(feature), reply::status(feature, 0)))?
                }
            }
        }
        for (view, origin) in reply.views.iter().zip(&explained.origins) {
            let version = view.view.as_ref().map(pinned::reference).unwrap_or_default();
            out.painted(Paint::Bold, format!("{} = feature view {version}", view.alias))?;
            match reply::event_time(view, 0) {
                Some(time) => out.line(format!("  the row of {time}"))?,
                None if origin.contributed.iter().all(|one| !one.window.is_empty())
                    && !origin.contributed.is_empty() => {}
                None => out.line("  no row of this key")?,
            }
            origin.contributed.iter().try_for_each(|one| out.line(format!("  {}", spoken(one))))?;
            if !origin.untold.is_empty() {
                out.line(format!("  {}", origin.untold))?;
            }
            out.line(format!("  computed by {}", origin.query))?;
            match source {
                Source::Online => {
                    out.line(format!("  brought online by run {} as of {}", view.run, moment(view.materialized_at)))?;
                }
                Source::TrainingSet => out.line(format!("  built by run {}", view.run))?,
                Source::Snapshots => {}
            }
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

    fn document(&self, page: &Page, explained: &ExplainResponse) -> Value {
        let mut document = reply::json(page.reply.service.as_ref(), page.reply.at, std::slice::from_ref(page));
        let origins = page.reply.views.iter().zip(&explained.origins).map(origin_json);
        document["origins"] = origins.collect();
        document["source"] = json!(match explained.source() {
            Source::Online => "online",
            Source::Snapshots => "snapshots",
            Source::TrainingSet => "training_set",
        });
        if let Some(row) = self.row {
            document["training_set"] = json!({ "reference": self.set(), "row": row, "same": explained.same });
        }
        if let Some(model) = &self.model {
            document["model"] = json!(model.to_string());
        }
        document
    }
}

/// The rows that took part, in words.
fn spoken(one: &Contributed) -> String {
    let features = one.features.join(", ");
    let time = |time: Option<i64>| time.map(moment).unwrap_or_default();
    let from: Vec<_> = one.snapshots.iter().map(|from| format!("{}@{}", from.dataset, from.number)).collect();
    let came = match from.len() {
        0 => String::new(),
        1..=LISTED => format!(", which came with {}", from.join(", ")),
        n => format!(", which came with {n} snapshots from {} to {}", from[0], from[n - 1]),
    };
    match (one.window.is_empty(), one.rows) {
        (true, 0) => format!("{features}: of no row"),
        (true, _) => format!("{features}: of the row of {}{came}", time(one.last)),
        (false, 0) => format!("{features}: {} holds no row", one.window),
        (false, 1) => format!("{features}: {} holds 1 row, of {}{came}", one.window, time(one.last)),
        (false, rows) => {
            let (first, last) = (time(one.first), time(one.last));
            format!("{features}: {} holds {rows} rows, of {first} to {last}{came}", one.window)
        }
    }
}

fn origin_json((view, origin): (&View, &Origin)) -> Value {
    let snapshots = origin.snapshots.iter().map(|snapshot| {
        json!({
            "dataset": snapshot.dataset,
            "number": snapshot.number,
            "files": snapshot.files.iter().map(recorded::file_json).collect::<Vec<_>>(),
        })
    });
    let contributed = origin.contributed.iter().map(|one| {
        let from = one.snapshots.iter();
        let from = from.map(|from| json!({ "dataset": from.dataset, "number": from.number, "rows": from.rows }));
        json!({
            "features": one.features,
            "window": Some(&one.window).filter(|window| !window.is_empty()),
            "rows": one.rows,
            "first": one.first.map(moment),
            "last": one.last.map(moment),
            "snapshots": from.collect::<Vec<_>>(),
        })
    });
    json!({
        "alias": view.alias,
        "query": origin.query,
        "run": origin.run.as_ref().map(recorded::json),
        "snapshots": snapshots.collect::<Vec<_>>(),
        "contributed": contributed.collect::<Vec<_>>(),
        "untold": Some(&origin.untold).filter(|untold| !untold.is_empty()),
    })
}
