//! `asof approve`: somebody finds a version fit for an environment.

use asof_model::Name;
use asof_proto::registry::v1::{Approval, ApproveRequest};
use serde_json::{Value, json};

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::Out;
use crate::pinned;
use crate::rows::Style;
use crate::verb::Answer;

/// Say that a version may go to an environment which asks for approvals.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// name@3, name@staging, name@latest; without a selector, what `--env` (else the first environment) has.
    #[arg(value_name = "REF")]
    reference: String,
    /// The environment.
    #[arg(long = "for", value_name = "ENV")]
    environment: Name,
    #[command(flatten)]
    by: By,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        let connection = Connection::open(global, "approve").await?;
        let request = ApproveRequest {
            scope: connection.scope(),
            reference: self.reference,
            environment: self.environment.to_string(),
            author: self.by.author(),
        };
        let approved = connection.registry().approve(request).await?.into_inner();
        let name = approved.pinned.as_ref().map(pinned::titled).unwrap_or_default();
        match self.output {
            Style::Json => out.json(&json!({
                "definition": pinned::json_option(approved.pinned.as_ref()),
                "environment": self.environment.as_str(),
                "run": (!approved.run.is_empty()).then_some(&approved.run),
                "approvals": approved.approvals.iter().map(approval_json).collect::<Vec<_>>(),
            }))?,
            Style::Table => {
                let who: Vec<_> = approved.approvals.iter().map(|approval| approval.who.as_str()).collect();
                let said = if approved.run.is_empty() { "was approved before" } else { "is approved" };
                out.line(format!("{name} {said} for `{}`: by {}", self.environment, who.join(", ")))?;
            }
        }
        Ok(Answer::Done)
    }
}

/// All of an approval.
pub(crate) fn approval_json(approval: &Approval) -> Value {
    json!({
        "environment": approval.environment,
        "who": approval.who,
        "why": (!approval.why.is_empty()).then_some(&approval.why),
        "at": moment(approval.at),
        "run": approval.run,
    })
}
