//! `lineage`: what a thing, or a column, comes from and what depends on it, now or as of then.

pub(crate) mod columns;
mod events;

use std::fmt;
use std::sync::Arc;

pub use asof_lineage::columns::Change;
use asof_lineage::columns::Impact;
use asof_lineage::{Ask, Graph, Node, Tree, render};
use asof_model::{Error, ErrorKind, Kind, Micros, Model, ModelReference, Name, Pinned, Reference, Result, Selector};

use crate::graphs::Drawn;
use crate::{Engine, Scope, Warning};

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
    /// A graph for Graphviz.
    Dot,
    /// The events of OpenLineage that tell it, each the JSON of one on a line, oldest first.
    Openlineage,
}

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Something of ours: a definition or, if there is none of that name, a model; or of others, if it is called the same.
    Ours(Reference),
    /// A model.
    Model(ModelReference),
    /// A dataset or a job that others told of, by name.
    Outside(String),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Ours(reference) => reference.fmt(f),
            About::Model(reference) => reference.fmt(f),
            About::Outside(text) => f.write_str(text),
        }
    }
}

/// What is meant by that.
#[derive(Clone)]
pub(crate) enum Meant {
    Definition(Pinned),
    Model(Box<Model>),
    Outside,
}

impl Meant {
    /// The definition, if it is one.
    pub(crate) fn definition(&self) -> Option<&Pinned> {
        match self {
            Meant::Definition(pinned) => Some(pinned),
            Meant::Model(_) | Meant::Outside => None,
        }
    }

    /// What its columns are of: those of a model are the features that it is served.
    pub(crate) fn with_columns(self) -> Meant {
        match self {
            Meant::Model(model) => Meant::Definition(model.service),
            other => other,
        }
    }

    /// Its project; what is not ours has none.
    pub(crate) fn project(&self) -> Option<&Name> {
        match self {
            Meant::Definition(pinned) => Some(&pinned.project),
            Meant::Model(model) => Some(&model.project),
            Meant::Outside => None,
        }
    }
}

/// A question over the graph.
#[derive(Clone, Debug)]
pub struct LineageRequest {
    /// Around what.
    pub about: About,
    /// Around this column of it.
    pub column: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// How many steps; none means all.
    pub depth: Option<u32>,
    /// As of this moment; none means what holds now.
    pub at: Option<Micros>,
    /// Only what lies on a way to this.
    pub toward: Option<About>,
    /// To this column of it.
    pub toward_column: Option<String>,
    /// What would change with the column, in the place of where it goes.
    pub impact: Option<Change>,
    /// How to write the answer.
    pub rendering: Rendering,
}

/// What a question comes to.
pub(crate) enum Found {
    /// Trees around one thing.
    Trees(Vec<Tree>),
    /// What a change of a column concerns.
    Impact(Box<Impact>),
}

impl Engine {
    /// What whoever looks at a thing should know: what is deprecated of it and of what it reads.
    ///
    /// # Errors
    /// Those of [`Engine::lineage`].
    pub async fn lineage_warnings(&self, scope: &Scope, about: &About) -> Result<Vec<Warning>> {
        match self.meant(scope, about).await?.definition() {
            Some(pinned) => self.warnings_about(pinned).await,
            None => Ok(Vec::new()),
        }
    }

    /// The part of the graph around a thing, as text.
    ///
    /// # Errors
    /// `unknown_name`, `unknown_version`, `unknown_model`, `unknown_outside`, `unknown_column`, `column_needed`; `event_corrupt`.
    pub async fn lineage(&self, scope: &Scope, request: LineageRequest) -> Result<String> {
        let LineageRequest { at, rendering, .. } = request;
        let by_column = request.column.is_some() || request.toward_column.is_some() || request.impact.is_some();
        let (drawn, found) = match by_column {
            true => self.column_lineage(scope, request).await?,
            false => self.thing_lineage(scope, request).await?,
        };
        Ok(match (found, rendering) {
            (Found::Impact(impact), Rendering::Json) => render::impact_json(&impact),
            (Found::Impact(impact), _) => render::impact(&impact),
            (Found::Trees(trees), Rendering::Json) => render::json(&trees),
            (Found::Trees(trees), Rendering::Mermaid) => render::mermaid(&trees),
            (Found::Trees(trees), Rendering::Dot) => render::dot(&trees),
            (Found::Trees(trees), Rendering::Openlineage) => self.lineage_events(&drawn, &trees, at).await?,
            (Found::Trees(trees), Rendering::Tree) => {
                trees.iter().map(|tree| headed(tree, trees.len() > 1)).collect::<Vec<_>>().join("\n")
            }
        })
    }

    /// The part of the graph around a thing, and that graph.
    async fn thing_lineage(&self, scope: &Scope, request: LineageRequest) -> Result<(Arc<Drawn>, Found)> {
        let LineageRequest { about, direction, depth, at, toward, .. } = request;
        let meant = self.meant(scope, &about).await?;
        // What is ours is asked about in its own project, what is not, in the one of the caller.
        let project = meant.project().unwrap_or(&scope.project);
        let drawn = self.graph(project).await?;
        let graph = &drawn.graph;
        let node = node(graph, &about, meant)?;
        let toward = match toward {
            Some(about) => {
                let meant = self.meant(scope, &about).await?;
                Some(self::node(graph, &about, meant)?)
            }
            None => None,
        };
        let ask = |direction| Ask { direction, depth, at, toward: toward.clone() };
        let mut trees = Vec::new();
        if direction != Direction::Downstream {
            trees.push(graph.tree(&node, &ask(asof_lineage::Direction::Upstream)));
        }
        if direction != Direction::Upstream {
            trees.push(graph.tree(&node, &ask(asof_lineage::Direction::Downstream)));
        }
        Ok((drawn, Found::Trees(trees)))
    }

    /// Whether others told of something of this name.
    pub(crate) async fn is_outside(&self, scope: &Scope, text: &str) -> Result<bool> {
        Ok(self.graph(&scope.project).await?.graph.find_outside(text).is_some())
    }

    /// What is asked about.
    pub(crate) async fn meant(&self, scope: &Scope, about: &About) -> Result<Meant> {
        let reference = match about {
            About::Ours(reference) => reference,
            About::Model(reference) => return Ok(Meant::Model(Box::new(self.model(scope, reference).await?))),
            About::Outside(_) => return Ok(Meant::Outside),
        };
        match self.definition(scope, reference).await {
            Ok(registered) => Ok(Meant::Definition(registered.pinned)),
            Err(error) => {
                let text = about.to_string();
                if let Ok(reference) = text.parse()
                    && let Ok(model) = self.model(scope, &reference).await
                {
                    return Ok(Meant::Model(Box::new(model)));
                }
                // A namespace and a name of others look like a project and a name.
                let known = text.contains('/') && self.is_outside(scope, &text).await?;
                if known { Ok(Meant::Outside) } else { Err(error) }
            }
        }
    }
}

/// The thing in a graph that is asked about, where this is what it means.
pub(crate) fn node(graph: &Graph, about: &About, meant: Meant) -> Result<Node> {
    let pinned = match meant {
        Meant::Definition(pinned) => pinned,
        Meant::Model(model) => {
            let Model { project, name, version, .. } = *model;
            return Ok(Node::Model { project, name, version });
        }
        Meant::Outside => {
            let text = about.to_string();
            return graph.find_outside(&text).cloned().ok_or_else(|| unheard(&text));
        }
    };
    match about {
        // These numbers mean a snapshot and a training set that was built.
        About::Ours(reference)
            if matches!(pinned.kind, Kind::Dataset | Kind::TrainingSet)
                && matches!(reference.selector, Some(Selector::Number(_))) =>
        {
            graph.find(&pinned.project, &pinned.name, reference.selector.as_ref()).cloned().ok_or_else(|| {
                let message = format!("there is no {} `{reference}`", pinned.kind);
                Error::new(ErrorKind::NotFound, "unknown_version", message)
                    .remedy(format!("asof log {} lists what there is", pinned.name))
            })
        }
        _ => Ok(Node::Definition(pinned)),
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
