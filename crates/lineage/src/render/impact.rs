//! What changes with a column, as text and as JSON.

use serde::Serialize;

use super::json::{HowDocument, hows};
use crate::columns::{Affected, Change, Impact};
use crate::node::Node;

/// What changes with a column, as data. Stable: fields are added, never renamed or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImpactDocument {
    /// The id of the column.
    pub column: String,
    /// `drop` or `retype`.
    pub change: &'static str,
    /// The definitions that it concerns, what is read before what reads it.
    pub definitions: Vec<AffectedDocument>,
    /// Columns of others' datasets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<ColumnImpactDocument>,
    /// The ids of what was made of the definitions: training sets that were built, and what was made of those.
    pub made: Vec<String>,
}

/// A definition that a column concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AffectedDocument {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: &'static str,
    /// As users write it.
    pub name: String,
    /// Whether it reads the column itself.
    pub reads: bool,
    /// Whether the column goes into one of its columns as a value.
    pub direct: bool,
    /// What of it the column goes into.
    pub columns: Vec<ColumnImpactDocument>,
    /// For what is only concerned because it reads such a definition: the id of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

/// A column into which another one goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnImpactDocument {
    /// Its name, of others' datasets its id; left out for the rows, and so for all columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// How, along every way.
    pub how: Vec<HowDocument>,
}

/// What changes with a column, as data.
pub fn impact_document(impact: &Impact) -> ImpactDocument {
    let definitions = impact.definitions.iter().map(|affected| {
        let node = Node::Definition(affected.definition.clone());
        let columns = affected.columns.iter();
        AffectedDocument {
            id: node.id(),
            kind: node.kind(),
            name: node.name(),
            reads: affected.reads,
            direct: affected.is_direct(),
            columns: columns
                .map(|(name, ways)| ColumnImpactDocument { column: name.clone(), how: hows(*ways) })
                .collect(),
            through: affected.through.clone().map(|through| Node::Definition(through).id()),
        }
    });
    let outside = impact.outside.iter();
    ImpactDocument {
        column: impact.column.id(),
        change: impact.change.as_str(),
        definitions: definitions.collect(),
        outside: outside
            .map(|(node, ways)| ColumnImpactDocument { column: Some(node.id()), how: hows(*ways) })
            .collect(),
        made: impact.made.iter().map(|(node, _)| node.id()).collect(),
    }
}

/// What changes with a column, as JSON.
pub fn impact_json(impact: &Impact) -> String {
    serde_json::to_string_pretty(&impact_document(impact)).expect("texts and numbers are JSON")
}

/// What changes with a column, for people:
///
/// ```text
/// without flights.arr_delay 2 definitions cannot be bound:
/// carrier_delays@1 (feature view)
///    mean_delay_7d   direct: aggregation
///    * (its rows)    indirect: filter
/// departure_delay@1 (feature service)
///    mean_delay_7d   direct: aggregation; indirect: filter
/// made of these:
/// delays@1 (built training set, 327,346 rows)
/// ```
pub fn impact(impact: &Impact) -> String {
    let name = impact.column.name();
    let count =
        impact.definitions.iter().filter(|affected| affected.definition.kind != asof_model::Kind::Dataset).count();
    let definitions = if count == 1 { "definition" } else { "definitions" };
    let mut text = match (impact.change, count) {
        (Change::Drop, 0) => format!("nothing reads {name}: it can go\n"),
        (Change::Retype, 0) => format!("nothing reads {name}: it can have another type\n"),
        (Change::Drop, _) => format!("without {name} {count} {definitions} cannot be bound:\n"),
        (Change::Retype, _) => format!("another type of {name} concerns {count} {definitions}:\n"),
    };
    for affected in &impact.definitions {
        text.push_str(&format!("{}\n", Node::Definition(affected.definition.clone()).text(None, None)));
        text.push_str(&columns(affected));
    }
    if !impact.outside.is_empty() {
        text.push_str("of others:\n");
        for (node, ways) in &impact.outside {
            text.push_str(&format!("{}   {ways}\n", node.name()));
        }
    }
    if !impact.made.is_empty() {
        text.push_str("made of these, and staying as they are:\n");
        for (_, said) in &impact.made {
            text.push_str(&format!("{said}\n"));
        }
    }
    text
}

fn columns(affected: &Affected) -> String {
    let called = |name: &Option<String>| name.clone().unwrap_or_else(|| "* (its rows)".to_owned());
    let width = affected.columns.iter().map(|(name, _)| called(name).chars().count()).max().unwrap_or(0);
    let lines = affected.columns.iter().map(|(name, ways)| {
        let name = called(name);
        let gap = " ".repeat(width - name.chars().count());
        format!("   {name}{gap}   {ways}\n")
    });
    let through = affected.through.iter().map(|through| format!("   reads {}\n", through.reference()));
    lines.chain(through).collect()
}
