//! The facet `columnLineage`, out: what the columns of what we make are made of, down to datasets.
//!
//! Of what a run made, definitions that lie between are followed through to datasets ([`crate::columns::flat`]): it read these. What is
//! declared is told of what it names, one step at a time, and so of views and services too. What concerns one
//! column stands with it, what decides which rows there are stands with the dataset as a whole. A way that is not known is
//! indirect and has no subtype.

use std::collections::BTreeMap;

use asof_model::flow::Ways;
use asof_model::{Columns, Flows, Pinned, Result};
use serde_json::{Map, Value, json};

use super::naming::Name;
use crate::columns::{DatasetColumn, Flat};

/// The standard of the facet.
pub const COLUMN_LINEAGE: &str = "1-2-0/ColumnLineageDatasetFacet";

/// What a definition's columns are made of: of what it reads itself.
pub fn near(flows: &Flows) -> Flat {
    let of = |reads: &asof_model::flow::Reads| {
        let named =
            reads.iter().filter_map(|(read, ways)| Some(((flows.whose(read)?.clone(), read.column.clone()), *ways)));
        named.collect()
    };
    let columns = flows.columns.iter().map(|made| (made.name.clone(), of(&made.of))).collect();
    Flat { columns, rows: of(&flows.rows) }
}

/// The facet's content for something made of others; none where nothing is known. `place` is what one of them is called.
///
/// # Errors
/// Those of `place`.
pub fn made_of(flat: &Flat, place: &dyn Fn(&Pinned) -> Result<Name>) -> Result<Option<Value>> {
    let mut fields = Map::new();
    for (column, of) in &flat.columns {
        if !of.is_empty() {
            fields.insert(column.clone(), json!({"inputFields": inputs(of, place)?}));
        }
    }
    if fields.is_empty() && flat.rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(json!({"fields": fields, "dataset": inputs(&flat.rows, place)?})))
}

/// The facet's content for a dataset that was read from files: each column is that of the same name.
pub fn read_from(columns: &Columns, files: &[Name]) -> Option<Value> {
    let same = |column: &str| {
        let input = |file: &Name| {
            json!({"namespace": file.namespace, "name": file.name, "field": column,
                   "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]})
        };
        json!({"inputFields": files.iter().map(input).collect::<Vec<_>>()})
    };
    if files.is_empty() || columns.0.is_empty() {
        return None;
    }
    let fields: Map<String, Value> = columns.names().map(|column| (column.to_owned(), same(column))).collect();
    Some(json!({"fields": fields}))
}

fn inputs(of: &BTreeMap<DatasetColumn, Ways>, place: &dyn Fn(&Pinned) -> Result<Name>) -> Result<Vec<Value>> {
    // Versions of a dataset are one place.
    let mut places: BTreeMap<(Name, &str), Ways> = BTreeMap::new();
    for ((dataset, column), ways) in of {
        let all = places.entry((place(dataset)?, column)).or_default();
        *all = all.and(*ways);
    }
    let input = |((name, column), ways): ((Name, &str), Ways)| {
        let transformations = ways.iter().map(|way| {
            let kind = if way.is_direct() { "DIRECT" } else { "INDIRECT" };
            match way.subtype() {
                Some(subtype) => json!({"type": kind, "subtype": subtype}),
                None => json!({"type": kind}),
            }
        });
        json!({"namespace": name.namespace, "name": name.name, "field": column,
               "transformations": transformations.collect::<Vec<_>>()})
    };
    Ok(places.into_iter().map(input).collect())
}
