//! An answer as events of OpenLineage: what is declared, our runs, and what others sent, as it came.
//!
//! Whoever hears these events has the part of the graph that was asked about, and what else its runs read and made.

use asof_lineage::Tree;
use asof_model::{Micros, Registered, Result};
use serde_json::Value;

use crate::Engine;
use crate::graphs::Drawn;
use crate::run::as_of;

impl Engine {
    /// The events that tell what these trees of a graph show as of a moment, a line each, in the order in which they happened.
    pub(super) async fn lineage_events(&self, drawn: &Drawn, trees: &[Tree], at: Option<Micros>) -> Result<String> {
        let tellers = drawn.graph.tellers(trees, at);
        let declared = tellers.definitions.iter().filter_map(|pinned| drawn.definitions.get(pinned));
        let declared: Vec<Registered> = declared.map(|registered| Registered::clone(registered)).collect();
        let mut events = self.designs(&declared, &drawn.definitions, &drawn.datasets).await?;
        let mut runs = Vec::with_capacity(tellers.runs.len());
        for id in &tellers.runs {
            let elsewhere = || drawn.elsewhere.iter().find(|run| run.id == *id).cloned();
            let run = self.catalog().run(*id).await?.or_else(elsewhere);
            runs.extend(run.map(|run| as_of(run, at)));
        }
        events.extend(self.narrator().of_runs(&runs).await);
        let external = self.external().await?;
        let told = self.heard(|heard| heard.telling(&external, &tellers, at)).await?;
        let told = self.catalog().events_of(&told.into_iter().collect::<Vec<_>>()).await?;
        events.extend(told.iter().filter_map(|event| serde_json::from_str::<Value>(&event.body).ok()));
        // Stable: of one moment the beginning of a run stays before its end.
        events.sort_by_key(|event| event["eventTime"].as_str().and_then(|time| time.parse::<Micros>().ok()));
        Ok(events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"))
    }
}
