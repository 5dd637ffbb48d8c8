//! `asof push`: rows for a dataset, online at once.

use std::path::PathBuf;

use asof_proto::object::v1::Pinned;
use asof_proto::push::v1::{DescribeRequest, PushRequest, PushResponse};
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::entities::Entities;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::pairs::Pair;
use crate::pinned;
use crate::rows::Style;
use crate::verb::Answer;

/// Rows in one push: well below what a server takes at once.
const PAGE: usize = 2_000;

/// Push rows to a dataset: seen online at once, and in the table soon.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset.
    #[arg(value_name = "DATASET")]
    dataset: String,
    /// Columns of the row; `column=` is the empty text, `column:=null` is null, and so is what is left out.
    #[arg(value_name = "COLUMN=VALUE")]
    pairs: Vec<Pair>,
    /// Many rows: .jsonl or .csv. COLUMN=VALUE is added to every row.
    #[arg(long, value_name = "ROWS")]
    file: Option<PathBuf>,
    /// Names this push: repeated with the same key it counts once. Without one every repetition counts.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// How to print what became of it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks for the types, then pushes, page by page, and prints what follows.
    ///
    /// # Errors
    /// `wrong_type` for a text that is not of its type; the server's. Pages before the one that is refused stay.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let rows = Entities::read(&self.pairs, self.file.as_deref())?;
        let connection = Connection::open(global, "push").await?;
        let mut pushing = connection.push();
        let describe = DescribeRequest { scope: connection.scope(), dataset: self.dataset.clone() };
        let described = pushing.describe(describe).await?.into_inner();
        let all: Vec<_> = (0..rows.count().max(1)).step_by(PAGE).collect();
        // All texts are read before the first row is accepted.
        let pages = all.iter().map(|start| rows.columns(&described.columns, *start..(start + PAGE).min(rows.count())));
        let pages = pages.collect::<Result<Vec<_>>>()?;
        let mut total = Total::default();
        for (number, columns) in pages.into_iter().enumerate() {
            let key = match &self.key {
                None => String::new(),
                Some(key) if all.len() == 1 => key.clone(),
                Some(key) => format!("{key}/{}", number + 1),
            };
            let request = PushRequest { scope: connection.scope(), dataset: self.dataset.clone(), columns, key };
            match pushing.push(request).await {
                Ok(reply) => total.add(reply.into_inner()),
                Err(status) => return Err(after(number * PAGE, status.into())),
            }
        }
        total.print(self.output, out)?;
        Ok(Answer::Done)
    }
}

/// A refusal, with what stays of the pages before.
fn after(rows: usize, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(mut errors) if rows > 0 => {
            if let Some(first) = errors.first_mut() {
                let accepted = counted(rows as u64, "row");
                first.message =
                    format!("behind the first {accepted} of the file, which are accepted: {}", first.message);
            }
            Failure::Refused(errors)
        }
        other => other,
    }
}

/// What became of all pages.
#[derive(Default)]
struct Total {
    rows: u64,
    repeated: u64,
    lost_precision: u64,
    last: PushResponse,
}

impl Total {
    fn add(&mut self, reply: PushResponse) {
        match reply.repeated_push {
            true => self.repeated += reply.rows,
            false => self.rows += reply.rows,
        }
        self.lost_precision += reply.lost_precision;
        self.last = reply;
    }

    fn print(&self, style: Style, out: &mut Out) -> Result<()> {
        let Total { rows, repeated, lost_precision, last } = self;
        let waiting = last.waiting.iter().map(|w| (w.view.as_ref(), w.reason.as_str()));
        match style {
            Style::Json => {
                let waiting =
                    waiting.map(|(view, reason)| json!({ "view": pinned::json_option(view), "reason": reason }));
                out.json(&json!({
                    "dataset": pinned::json_option(last.dataset.as_ref()),
                    "rows": rows,
                    "repeated": repeated,
                    "last": last.last,
                    "lost_precision": lost_precision,
                    "followed": last.followed.iter().map(pinned::json).collect::<Vec<_>>(),
                    "waiting": waiting.collect::<Vec<_>>(),
                }))?;
            }
            Style::Table => {
                let name = last.dataset.as_ref().map(pinned::reference).unwrap_or_default();
                out.line(format!("{name}: {} accepted", counted(*rows, "row")))?;
                if *repeated > 0 {
                    out.line(format!("{} had been accepted before under this key", counted(*repeated, "row")))?;
                }
                if *lost_precision > 0 {
                    let rows = counted(*lost_precision, "row");
                    out.line(format!("{rows} had a time finer than a microsecond, which was floored"))?;
                }
                if !last.followed.is_empty() {
                    let views: Vec<_> = last.followed.iter().map(pinned::reference).collect();
                    out.line(format!("online at once: {}", views.join(", ")))?;
                }
                for (view, reason) in waiting {
                    let view: String = view.map(|view: &Pinned| pinned::reference(view)).unwrap_or_default();
                    out.line(format!("{view} waits for asof materialize: {reason}"))?;
                }
            }
        }
        Ok(())
    }
}
