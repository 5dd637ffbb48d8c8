//! `asof rebuild`: computes a training set again and compares, bit for bit.

use asof_proto::jobs::v1::RebuildRequest;
use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::Result;
use crate::out::{Out, Paint};
use crate::progress;
use crate::rows::Style;
use crate::verb::Answer;
use crate::verb::show::manifest_json;

/// Compute a training set again from what its manifest pins, and compare it bit for bit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The training set: name@3 is the third one built, without a number the newest.
    #[arg(value_name = "TRAINING_SET[@N]")]
    reference: String,
    /// Only compare; nothing is replaced. What was built never changes, so this is the one way so far.
    #[arg(long, required = true)]
    check: bool,
    /// How to print the outcome.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks, follows the work and prints the outcome; a difference is [`Answer::Refused`].
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "rebuild").await?;
        let request = RebuildRequest { scope: connection.scope(), reference: self.reference };
        let rebuilt = progress::follow(connection.jobs().rebuild(request).await?.into_inner()).await?;
        let recorded = rebuilt.recorded.unwrap_or_default();
        if self.output == Style::Json {
            out.json(&json!({
                "run": rebuilt.run,
                "equal": rebuilt.equal,
                "recorded": manifest_json(&recorded),
                "content": rebuilt.content,
                "rows": rebuilt.rows,
            }))?;
        } else if rebuilt.equal {
            let (name, number, rows) = (&recorded.name, recorded.number, counted(rebuilt.rows, "row"));
            out.painted(Paint::Green, format!("equal: {name}@{number}, {rows}, content {}", rebuilt.content))?;
        } else {
            out.painted(Paint::Red, format!("different: {}@{}", recorded.name, recorded.number))?;
            out.line(format!("  built   {}, content {}", counted(recorded.rows, "row"), recorded.content))?;
            out.line(format!("  rebuilt {}, content {}", counted(rebuilt.rows, "row"), rebuilt.content))?;
        }
        Ok(if rebuilt.equal { Answer::Done } else { Answer::Refused })
    }
}
