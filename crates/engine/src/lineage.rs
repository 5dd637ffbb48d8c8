//! `lineage`: what a thing comes from and what depends on it, now or as of then.

use std::fmt;

use asof_lineage::{Ask, Graph, Node, Tree, render};
use asof_model::{Error, ErrorKind, Kind, Micros, Reference, Result, Selector};

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

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Something of ours; or of others, if it is called the same and we have nothing of that name.
    Ours(Reference),
    /// A dataset or a job that others told of, by name.
    Outside(String),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Ours(reference) => reference.fmt(f),
            About::Outside(text) => f.write_str(text),
        }
    }
}

/// A question over the graph.
#[derive(Clone, Debug)]
pub struct LineageRequest {
    /// Around what.
    pub about: About,
    /// Which way.
    pub direction: Direction,
    /// How many steps; none means all.
    pub depth: Option<u32>,
    /// As of this moment; none means what holds now.
    pub at: Option<Micros>,
    /// Only what lies on a way to this.
    pub toward: Option<About>,
    /// How to write the answer.
    pub rendering: Rendering,
}

impl Engine {
    /// The part of the graph around a thing, as text.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`.
    pub async fn lineage(&self, scope: &Scope, request: LineageRequest) -> Result<String> {
        let LineageRequest { about, direction, depth, at, toward, rendering } = request;
        let project = match &about {
            About::Ours(Reference { project: Some(project), .. }) => project,
            _ => &scope.project,
        };
        let graph = self.graph(project).await?;
        let node = match self.node(scope, &graph, &about).await {
            // What looks like a project and a name may be a namespace and a name of others; then it is in the graph of this one.
            Err(error) if *project != scope.project => {
                let here = self.graph(&scope.project).await?;
                let node = here.find_outside(&about.to_string()).cloned().ok_or(error)?;
                return self.answer(scope, &here, &node, direction, depth, at, toward, rendering).await;
            }
            node => node?,
        };
        self.answer(scope, &graph, &node, direction, depth, at, toward, rendering).await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    async fn answer(
        &self,
        scope: &Scope,
        graph: &Graph,
        node: &Node,
        direction: Direction,
        depth: Option<u32>,
        at: Option<Micros>,
        toward: Option<About>,
        rendering: Rendering,
    ) -> Result<String> {
        let toward = match toward {
            Some(about) => Some(self.node(scope, graph, &about).await?),
            None => None,
        };
        let ask = |direction| Ask { direction, depth, at, toward: toward.clone() };
        let mut trees = Vec::new();
        if direction != Direction::Downstream {
            trees.push(graph.tree(node, &ask(asof_lineage::Direction::Upstream)));
        }
        if direction != Direction::Upstream {
            trees.push(graph.tree(node, &ask(asof_lineage::Direction::Downstream)));
        }
        Ok(match rendering {
            Rendering::Json => render::json(&trees),
            Rendering::Mermaid => render::mermaid(&trees),
            Rendering::Tree => trees.iter().map(|tree| headed(tree, trees.len() > 1)).collect::<Vec<_>>().join("\n"),
        })
    }

    /// The thing in a graph that is asked about.
    async fn node(&self, scope: &Scope, graph: &Graph, about: &About) -> Result<Node> {
        let reference = match about {
            About::Ours(reference) => reference,
            About::Outside(text) => return graph.find_outside(text).cloned().ok_or_else(|| unheard(text)),
        };
        let pinned = match self.definition(scope, reference).await {
            Ok(registered) => registered.pinned,
            Err(error) => return graph.find_outside(&about.to_string()).cloned().ok_or(error),
        };
        match (pinned.kind, &reference.selector) {
            // These numbers mean a snapshot and a training set that was built.
            (Kind::Dataset | Kind::TrainingSet, Some(number @ Selector::Number(_))) => {
                graph.find(&pinned.project, &pinned.name, Some(number)).cloned().ok_or_else(|| {
                    let message = format!("there is no {} `{reference}`", pinned.kind);
                    Error::new(ErrorKind::NotFound, "unknown_version", message)
                        .remedy(format!("asof log {} lists what there is", pinned.name))
                })
            }
            _ => Ok(Node::Definition(pinned)),
        }
    }
}

fn unheard(text: &str) -> Error {
    let message = format!("nobody told of a dataset or a job `{text}`, and no file was read from there");
    Error::new(ErrorKind::NotFound, "unknown_outside", message)
        .remedy("name it as its producer does: s3://bucket/path, namespace/name or job:namespace:name")
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
