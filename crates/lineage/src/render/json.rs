//! JSON: nodes and edges with identifiers. Stable: fields are added, never renamed or removed.

use std::collections::HashSet;

use asof_model::flow::{Way, Ways};
use serde::Serialize;

use super::{edges, nodes};
use crate::graph::{Column, Via};
use crate::node::{Node, Size};
use crate::tree::{Shown, Tree};

/// Trees as one graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// The id of the thing that was asked about.
    pub root: String,
    /// All things reached, the root first.
    pub nodes: Vec<NodeDocument>,
    /// How they hang together.
    pub edges: Vec<EdgeDocument>,
    /// What others told of the columns of datasets among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnDocument>,
}

/// A column that goes into another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ColumnDocument {
    /// The id of the dataset upstream.
    pub from: String,
    /// The column there.
    pub field: String,
    /// The id of the dataset downstream.
    pub to: String,
    /// The column there; left out where it concerns all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// In which ways: whether as a value, and how its producer calls that.
    pub how: Vec<HowDocument>,
    /// The id of the job that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// A way in which a column goes into another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct HowDocument {
    /// Whether as a value; else as a filter, a key, an order, …
    pub direct: bool,
    /// As its producer says; left out where it does not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subtype: String,
}

/// A thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeDocument {
    /// Unique and stable.
    pub id: String,
    /// `dataset`, `entity`, `feature_view`, `feature_service`, `training_set`, `snapshot`, `file`,
    /// `built_training_set`, `online`, `external_dataset` or `job`; by column also `column` and `rows`.
    pub kind: &'static str,
    /// Its project; what comes from outside has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// As users write it: `flights@1`; of a file the last part of its path.
    pub name: String,
    /// For people.
    pub text: String,
    /// The digest of the definition, or of the file's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Of a file: where it was read from; of a dataset of others: namespace and name as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of what others told of: its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Of a column, or of rows: the id of the thing whose they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Of a column: its name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Of an online table: which publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Rows (online: keys); of a snapshot those that it added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// How many things next to it the depth left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeDocument {
    /// The id of what is upstream.
    pub from: String,
    /// The id of what is downstream.
    pub to: String,
    /// Every reason for it.
    pub via: Vec<ViaDocument>,
}

/// A reason for an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ViaDocument {
    /// The definition downstream names the one upstream.
    Defines,
    /// The snapshot downstream holds what the one upstream holds.
    Continues,
    /// A run read the one and made the other.
    Run {
        /// Its identifier.
        id: String,
        /// Its verb.
        verb: &'static str,
    },
    /// Somebody else said so, by OpenLineage.
    Told {
        /// `reads`, `writes` or `made of`.
        what: &'static str,
        /// The identifier of the run that said so last.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// What had become of it: `START`, `RUNNING`, `COMPLETE`, `FAIL`, `ABORT` or `OTHER`.
        state: &'static str,
    },
    /// The column downstream is made of the one upstream, or it decides which rows there are downstream.
    Columns {
        /// In which ways, in the words of OpenLineage.
        how: Vec<HowDocument>,
    },
    /// The rows upstream are those downstream, or those that the column downstream is in.
    Rows,
}

/// Trees around one thing, as data.
pub fn document(trees: &[Tree]) -> Document {
    let root = trees.first().and_then(|tree| tree.lines.first()).map(|line| line.node.id());
    let nodes = nodes(trees).into_iter().map(|line| {
        let (digest, url, generation) = match &line.node {
            Node::Definition(pinned) => (Some(pinned.digest.to_string()), None, None),
            Node::File { url, digest } => (Some(digest.to_string()), Some(url.clone()), None),
            Node::Online { generation, .. } => (None, None, Some(*generation)),
            Node::External(name) => (None, Some(name.to_string()), None),
            Node::Snapshot { .. }
            | Node::TrainingSet { .. }
            | Node::Model { .. }
            | Node::Job(_)
            | Node::Column { .. } => (None, None, None),
        };
        let (of, column) = match &line.node {
            Node::Column { of, name } => (Some(of.id()), name.clone()),
            _ => (None, None),
        };
        NodeDocument {
            id: line.node.id(),
            kind: line.node.kind(),
            project: line.node.project().map(|name| name.as_str().to_owned()),
            name: line.node.name(),
            text: line.text.clone(),
            digest,
            url,
            namespace: match &line.node {
                Node::External(name) | Node::Job(name) => Some(name.namespace.clone()),
                _ => None,
            },
            of,
            column,
            generation,
            rows: line.size.map(|(Size::Rows(n) | Size::RowsAdded(n) | Size::Keys(n))| n),
            cut: match line.shown {
                Shown::Cut { branches } => Some(branches),
                Shown::Whole | Shown::Elsewhere { .. } => None,
            },
        }
    });
    let edges = edges(trees).into_iter().map(|edge| EdgeDocument {
        from: edge.upstream.id(),
        to: edge.downstream.id(),
        via: edge.via.iter().map(reason).collect(),
    });
    // Two trees share their root.
    let mut seen = HashSet::new();
    let columns = trees.iter().flat_map(|tree| &tree.columns).map(column).filter(|column| seen.insert(column.clone()));
    let columns = columns.collect();
    Document { root: root.unwrap_or_default(), nodes: nodes.collect(), edges: edges.collect(), columns }
}

pub(super) fn hows(ways: Ways) -> Vec<HowDocument> {
    let how = |way: Way| HowDocument { direct: way.is_direct(), subtype: way.subtype().unwrap_or_default().to_owned() };
    ways.iter().map(how).collect()
}

fn column(column: &Column) -> ColumnDocument {
    ColumnDocument {
        from: column.from.id(),
        field: column.field.clone(),
        to: column.to.id(),
        into: column.into.clone(),
        how: column.how.iter().map(|how| HowDocument { direct: how.direct, subtype: how.subtype.clone() }).collect(),
        job: column.job.as_ref().map(Node::id),
    }
}

/// Trees around one thing, as text.
pub fn json(trees: &[Tree]) -> String {
    serde_json::to_string_pretty(&document(trees)).expect("texts and numbers are JSON")
}

fn reason(via: &Via) -> ViaDocument {
    match via {
        Via::Defines => ViaDocument::Defines,
        Via::Continues => ViaDocument::Continues,
        Via::Columns(ways) => ViaDocument::Columns { how: hows(*ways) },
        Via::Rows => ViaDocument::Rows,
        Via::Run { id, verb } => ViaDocument::Run { id: id.to_string(), verb },
        Via::Told { what, run, state } => {
            ViaDocument::Told { what: what.as_str(), run: run.as_deref().map(str::to_owned), state: state.as_str() }
        }
    }
}
