//! `lineage`: what a thing comes from and what depends on it.

use asof_catalog::RunFilter;
use asof_lineage::{Graph, Node, Tree, render};
use asof_model::{Error, ErrorKind, Kind, Reference, Result, Selector};

use crate::{Engine, Scope};

/// Which ways to look: what it comes from, what depends on it, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What it comes from.
    Upstream,
    /// What depends on it.
    Downstream,
    /// Both.
    Both,
}

/// How to write the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Indented, for terminals.
    Tree,
    /// Nodes and edges; stable.
    Json,
    /// A Mermaid flowchart.
    Mermaid,
}

/// A question over the graph.
#[derive(Clone, Debug)]
pub struct LineageRequest {
    /// Around what.
    pub reference: Reference,
    /// Which way.
    pub direction: Direction,
    /// How many steps; none means all.
    pub depth: Option<u32>,
    /// How to write the answer.
    pub rendering: Rendering,
}

impl Engine {
    /// The part of the graph around a thing, as text.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`.
    pub async fn lineage(&self, scope: &Scope, request: LineageRequest) -> Result<String> {
        let LineageRequest { reference, direction, depth, rendering } = request;
        let registered = self.definition(scope, &reference).await?;
        let pinned = &registered.pinned;
        let mut definitions = Vec::new();
        for (name, _) in self.catalog().names(&pinned.project).await? {
            definitions.extend(self.catalog().versions(&pinned.project, &name).await?);
        }
        let runs = self.catalog().runs(&pinned.project, RunFilter::default()).await?;
        let graph = Graph::build(&definitions, &runs);
        let node = match (pinned.kind, &reference.selector) {
            // These numbers mean a snapshot and a training set that was built.
            (Kind::Dataset | Kind::TrainingSet, Some(number @ Selector::Number(_))) => {
                graph.find(&pinned.project, &pinned.name, Some(number)).cloned().ok_or_else(|| {
                    let message = format!("there is no {} `{reference}`", pinned.kind);
                    Error::new(ErrorKind::NotFound, "unknown_version", message)
                        .remedy(format!("asof log {} lists what there is", pinned.name))
                })?
            }
            _ => Node::Definition(pinned.clone()),
        };
        let mut trees = Vec::new();
        if direction != Direction::Downstream {
            trees.push(graph.upstream(&node, depth));
        }
        if direction != Direction::Upstream {
            trees.push(graph.downstream(&node, depth));
        }
        Ok(match rendering {
            Rendering::Json => render::json(&trees),
            Rendering::Mermaid => render::mermaid(&trees),
            Rendering::Tree => trees.iter().map(|tree| headed(tree, trees.len() > 1)).collect::<Vec<_>>().join("\n"),
        })
    }
}

/// A tree below the word for its direction, where both directions are shown.
fn headed(tree: &Tree, both: bool) -> String {
    let heading = match (both, tree.direction) {
        (false, _) => "",
        (true, asof_lineage::Direction::Upstream) => "comes from:\n",
        (true, asof_lineage::Direction::Downstream) => "is used by:\n",
    };
    format!("{heading}{}", render::tree(tree))
}
