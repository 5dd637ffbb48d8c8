//! The `columnLineage` facet: which columns a dataset's columns are made of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::event::{Facets, is_deleted};
use super::naming::Name;

/// How a column comes into another: directly as a value, or indirectly, as by a filter, join or order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transformation {
    /// Whether the value itself goes in.
    pub direct: bool,
    /// Which way, as the producer says it: `IDENTITY`, `AGGREGATION`, `FILTER`, …; empty where it does not say.
    pub subtype: String,
}

/// A column that another one, or all of a dataset, is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source {
    pub(crate) dataset: Name,
    pub(crate) field: String,
    /// The column it goes into; none for all of them.
    pub(crate) into: Option<String>,
    pub(crate) how: BTreeSet<Transformation>,
}

/// What the facet says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing.
    Nothing,
    /// That what was said before holds no more.
    Deleted,
    /// These.
    Sources(Vec<Source>),
}

/// What the facets of an output say. A part that is not of its form says nothing.
pub(crate) fn of(facets: &Facets) -> Said {
    let Some(facet) = facets.get("columnLineage") else { return Said::Nothing };
    if is_deleted(facet) {
        return Said::Deleted;
    }
    let mut sources = Vec::new();
    for (column, made_of) in facet.get("fields").and_then(Value::as_object).into_iter().flatten() {
        for input in array(made_of, "inputFields") {
            sources.extend(source(input, Some(column), made_of));
        }
    }
    for input in array(facet, "dataset") {
        sources.extend(source(input, None, facet));
    }
    Said::Sources(sources)
}

fn array<'a>(of: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    of.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// `around` is where the first version of the facet says how.
fn source(input: &Value, into: Option<&String>, around: &Value) -> Option<Source> {
    let part = |name: &str| input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut how: BTreeSet<_> = array(input, "transformations").filter_map(transformation).collect();
    if how.is_empty() {
        let subtype = around.get("transformationType").and_then(Value::as_str).unwrap_or_default();
        // What goes into a column is a value, what concerns all of them is none.
        how.insert(Transformation { direct: into.is_some(), subtype: subtype.to_owned() });
    }
    Some(Source {
        dataset: Name::of_dataset(part("namespace")?, part("name")?),
        field: part("field")?.to_owned(),
        into: into.cloned(),
        how,
    })
}

fn transformation(value: &Value) -> Option<Transformation> {
    let direct = match value.get("type")?.as_str()? {
        "DIRECT" => true,
        "INDIRECT" => false,
        _ => return None,
    };
    let subtype = value.get("subtype").and_then(Value::as_str).unwrap_or_default();
    Some(Transformation { direct, subtype: subtype.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_where_is_read_in_both_versions() {
        let facets = serde_json::json!({"columnLineage": {
            "fields": {
                "spend": {"inputFields": [
                    {"namespace": "s3a://l", "name": "tx/", "field": "amount",
                     "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION"}]},
                    {"namespace": "s3://l", "name": "tx"},
                ]},
                "user": {"inputFields": [{"namespace": "s3://l", "name": "tx", "field": "user"}],
                         "transformationType": "IDENTITY"},
            },
            "dataset": [{"namespace": "s3://l", "name": "tx", "field": "ts",
                         "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}, {"type": "?"}]}],
        }});
        let Said::Sources(sources) = of(facets.as_object().unwrap()) else { panic!("sources") };
        let shown: Vec<_> = (sources.iter())
            .map(|s| {
                let how = s.how.iter().map(|t| format!("{}{}", if t.direct { "" } else { "~" }, t.subtype));
                let into = s.into.as_deref().unwrap_or("*");
                format!("{}:{} {} {into}", s.dataset, s.field, how.collect::<Vec<_>>().join("+"))
            })
            .collect();
        let expected = ["s3://l/tx:amount AGGREGATION spend", "s3://l/tx:user IDENTITY user", "s3://l/tx:ts ~FILTER *"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_facet_may_be_taken_back() {
        let facets = serde_json::json!({"columnLineage": {"_deleted": true}});
        assert_eq!(of(facets.as_object().unwrap()), Said::Deleted);
        assert_eq!(of(&Facets::new()), Said::Nothing);
    }
}
