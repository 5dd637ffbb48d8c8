//! `asof materialize`: brings the newest rows of views online, and says how much it read for that.

use asof_model::Micros;
use asof_proto::jobs::v1::materialized::Extent;
use asof_proto::jobs::v1::{Increment, MaterializeRequest, Materialized};
use asof_server::SetAside;
use serde_json::json;

use crate::args::Global;
use crate::connection::{Connection, PATIENCE, project};
use crate::counted::counted;
use crate::failure::{Failure, Result};
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;

/// Bring the newest row of each key online, a view at a time, each visible all at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Feature views; by default all that some service of the environment reads.
    #[arg(value_name = "VIEW")]
    views: Vec<String>,
    /// The moment as of which rows are the newest; by default now.
    #[arg(long, value_name = "TIME")]
    at: Option<Micros>,
    /// Read all rows, also where only those that were added since the last time would do.
    #[arg(long)]
    full: bool,
    /// Begin anew with an online store that is damaged: it is set aside, and all that was online is built again from the tables.
    #[arg(long, conflicts_with = "views")]
    rebuild: bool,
    /// How to print what is online.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks, follows the work and prints what is online.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let aside = if self.rebuild { Some(set_aside(global).await?) } else { None };
        let connection = Connection::open(global, "materialize").await?;
        let (scope, at) = (connection.scope(), self.at.map(|at| at.0));
        let request = MaterializeRequest { scope, views: self.views, at, full: self.full, recorded: self.rebuild };
        let answer = progress::follow(connection.jobs().materialize(request).await?.into_inner()).await?;
        match self.output {
            Style::Json => {
                let views = answer.views.iter().map(document).collect::<Vec<_>>();
                let skipped = answer.skipped.iter().map(pinned::json).collect::<Vec<_>>();
                let mut document = json!({ "views": views, "skipped": skipped });
                if let Some(aside) = &aside {
                    document["set_aside"] = aside_json(aside);
                }
                out.json(&document)?;
            }
            Style::Table => {
                if let Some(aside) = &aside {
                    print_aside(out, aside)?;
                }
                for view in &answer.views {
                    let name = view.view.as_ref().map(pinned::reference).unwrap_or_default();
                    let (keys, at) = (counted(view.rows, "key"), moment(view.at));
                    out.line(format!("{name}: {keys} online as of {at} (run {})", view.run))?;
                    out.line(format!("  {}", extent(view)))?;
                }
                for view in &answer.skipped {
                    let name = pinned::reference(view);
                    out.line(format!("{name}: skipped, since not all of its as-of windows can be kept online"))?;
                }
            }
        }
        Ok(Answer::Done)
    }
}

/// Sets the online store aside.
async fn set_aside(global: &Global) -> Result<SetAside> {
    if let Some(url) = global.server() {
        return Err(Failure::usage(
            format!("--rebuild is for a store that no server has open, and --server {url} names one"),
            "stop that server, and leave --server (and ASOF_SERVER) out",
        ));
    }
    Ok(asof_server::set_aside(&project(global, None)?, "materialize", PATIENCE).await?)
}

fn print_aside(out: &mut Out, aside: &SetAside) -> Result<()> {
    out.line(format!("the online store was set aside as {}", aside.folder.display()))?;
    if aside.rows > 0 {
        out.line(format!("taken along for their tables: {}", counted(aside.rows, "pushed row")))?;
    }
    for (dataset, landed, acknowledged) in &aside.lost {
        let first = landed + 1;
        let gone = format!("pushed rows of {dataset} are gone: order of acceptance {first} to {acknowledged}");
        out.painted(Paint::Red, gone)?;
    }
    Ok(())
}

fn aside_json(aside: &SetAside) -> serde_json::Value {
    let lost = aside
        .lost
        .iter()
        .map(|(dataset, landed, acknowledged)| json!({ "dataset": dataset, "from": landed + 1, "to": acknowledged }));
    json!({ "folder": aside.folder.display().to_string(), "rows": aside.rows, "lost": lost.collect::<Vec<_>>() })
}

/// How much was read, for people.
fn extent(view: &Materialized) -> String {
    let rows = counted(view.read, "row");
    match &view.extent {
        Some(Extent::Increment(Increment { dataset, from, to })) if from == to => {
            format!("read {rows}: nothing was added since {dataset}@{from}")
        }
        Some(Extent::Increment(Increment { dataset, from, to })) => {
            format!("read {rows}: what was added from {dataset}@{from} to @{to}")
        }
        Some(Extent::Whole(why)) => format!("read {rows}, all there are: {why}"),
        None => format!("read {rows}"),
    }
}

fn document(view: &Materialized) -> serde_json::Value {
    json!({
        "run": view.run,
        "view": pinned::json_option(view.view.as_ref()),
        "generation": view.generation,
        "rows": view.rows,
        "at": moment(view.at),
        "read": view.read,
        "whole": match &view.extent {
            Some(Extent::Whole(why)) => Some(why),
            _ => None,
        },
        "increment": match &view.extent {
            Some(Extent::Increment(Increment { dataset, from, to })) => {
                Some(json!({ "dataset": dataset, "from": from, "to": to }))
            }
            _ => None,
        },
    })
}
