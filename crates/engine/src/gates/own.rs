//! A gate of the project's own: a SELECT that must give no row. The rows that it gives are the reason.
//!
//! It is one SELECT over datasets and views of the project, and reaches nothing but what it names. A name without a selector
//! means what it would mean in the environment after the move. Rows are those of the newest snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::definition::Input;
use asof_model::{Name, Pinned, Reference, Result, Selector};
use asof_offline::Progress;
use asof_query::{Definitions, Planner, Question as Select, Source};
use datafusion::logical_expr::LogicalPlanBuilder;

use super::checks::row_text;
use super::{Answer, Question, Refusal, counted};
use crate::Engine;

/// How many rows are shown.
const SHOWN: usize = 3;

/// How many rows are counted.
const MOST: usize = 1_000;

/// A SELECT that must give no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnGate {
    /// What it is called: its file, as the settings name it.
    pub name: String,
    /// The SELECT.
    pub sql: String,
}

impl Engine {
    pub(super) async fn ask_own(
        &self,
        own: &OwnGate,
        question: &Question<'_>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Answer> {
        let select = Select::read(Source { file: own.name.clone(), text: own.sql.clone() })?;
        let targets: BTreeMap<&Name, &Pinned> =
            question.targets.iter().map(|target| (&target.to.pinned.name, &target.to.pinned)).collect();
        let mut inputs = Vec::new();
        for written in select.names() {
            let reference: Reference = written.parse()?;
            let pinned = match (&reference.selector, targets.get(&reference.name)) {
                (None, Some(target)) => (*target).clone(),
                (selector, _) => {
                    let here = Selector::Environment(question.environment.clone());
                    let selector = selector.as_ref().unwrap_or(&here);
                    self.catalog().select(question.project, &reference.name, selector).await?.pinned
                }
            };
            inputs.push(Input { written, pinned });
        }
        let read: Vec<_> = inputs.iter().map(|input| input.pinned.clone()).collect();
        let closure = self.catalog().closure(&read).await?;
        let pins = self.pin(&closure, None).await?;
        let definitions = Definitions::new(closure.into_iter().map(Arc::new));
        let plan = Planner::new(&definitions, &pins).question(&select, inputs)?;
        let plan = LogicalPlanBuilder::from(plan).limit(0, Some(MOST)).and_then(LogicalPlanBuilder::build);
        let rows = self.collected(plan.map_err(asof_query::execution_error)?, own.name.clone(), progress).await?;
        let found: usize = rows.iter().map(|batch| batch.num_rows()).sum();
        let mut refusals = Vec::new();
        if found > 0 {
            let shown = rows.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| row_text(batch, row)));
            let shown: Vec<_> = shown.take(SHOWN).collect();
            let more = match found - shown.len() {
                0 => "",
                _ => "; …",
            };
            let least = if found >= MOST { "at least " } else { "" };
            let reason = format!("{} gives {least}{}: {}{more}", own.name, counted(found, "row"), shown.join("; "));
            refusals.push(Refusal::about(None, reason, format!("mend what {} finds", own.name)));
        }
        Ok(Answer { said: "no row".to_owned(), refusals })
    }
}
