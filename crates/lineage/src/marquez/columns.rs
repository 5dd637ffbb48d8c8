//! Which columns come from which.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::{Value, json};

use super::graph::{MOST_NODES, splits};
use super::world::{Thing, World};
use crate::openlineage::{ColumnFlow, Transformation};

/// A column: the number of its dataset, and its name.
type Field = (u32, String);

/// How one column comes into another: of all that hold, in one order.
type Ways = BTreeSet<Transformation>;

impl World {
    /// The columns that the id of a node means: one (`datasetField:…`), those of a dataset, or those that a job makes. None where
    /// nobody told of it.
    fn fields_of(&self, id: &str) -> Option<Vec<Field>> {
        if let Some(rest) = id.strip_prefix("datasetField:") {
            let versionless = rest.rsplit_once('#').map(|(rest, _)| rest);
            return [Some(rest), versionless].into_iter().flatten().find_map(|rest| {
                splits(rest).rev().find_map(|(dataset, field)| {
                    let thing = splits(dataset).find_map(|(namespace, name)| self.dataset(namespace, name))?;
                    Some(vec![(self.number(thing)?, field.to_owned())])
                })
            });
        }
        let thing = self.node(id)?;
        let datasets = match thing.is_job {
            true => thing.downstream.iter().copied().collect(),
            false => vec![self.number(thing)?],
        };
        let fields = datasets.into_iter().flat_map(|dataset| {
            let names = self.names(dataset);
            names.into_iter().map(move |name| (dataset, name))
        });
        Some(fields.collect())
    }

    /// The names of a dataset's columns: of its schema, and those that are said to be made or used.
    fn names(&self, dataset: u32) -> BTreeSet<String> {
        let thing = &self.things[dataset as usize];
        let schema = self.facets(thing);
        let fields = self.fields(thing, schema.get("schema"));
        let mut names: BTreeSet<String> =
            fields.iter().filter_map(|field| Some(field.get("name")?.as_str()?.to_owned())).collect();
        for (_, to, flow) in self.column_flows(Some(dataset)) {
            names.extend(flow.into.clone().filter(|_| to == dataset));
        }
        names
    }

    /// The flows between columns that hold, by numbers of datasets; with one, only those into it.
    fn column_flows(&self, into: Option<u32>) -> impl Iterator<Item = (u32, u32, &ColumnFlow)> {
        self.parts.iter().flat_map(move |part| {
            let holding = part.columns().iter().filter(|flow| flow.spans.iter().any(|span| span.holds(self.at)));
            holding.filter_map(move |flow| {
                let number = |of: u32| self.dataset_number(&part.datasets()[of as usize].name);
                let to = number(flow.to).filter(|to| into.is_none_or(|into| *to == into))?;
                Some((number(flow.from)?, to, flow))
            })
        })
    }

    /// What each column of a dataset is made of, as its shape has it.
    pub(super) fn column_inputs(&self, thing: &Thing) -> Vec<Value> {
        let Some(number) = self.number(thing) else { return Vec::new() };
        let mut inputs: BTreeMap<&str, BTreeMap<Field, Ways>> = BTreeMap::new();
        for (from, _, flow) in self.column_flows(Some(number)) {
            let Some(into) = &flow.into else { continue };
            let ways = inputs.entry(into).or_default().entry((from, flow.field.clone())).or_default();
            ways.extend(flow.how.iter().cloned());
        }
        let shaped = inputs.into_iter().map(|(name, from)| {
            let inputs: Vec<_> = from.iter().map(|(field, ways)| self.input_shape(field, ways)).collect();
            json!({"name": name, "inputFields": inputs})
        });
        shaped.collect()
    }

    fn input_shape(&self, (dataset, field): &Field, ways: &Ways) -> Value {
        let name = &self.things[*dataset as usize].name;
        let (kind, description) = described(ways);
        json!({"namespace": name.namespace, "dataset": name.name, "datasetVersion": null, "field": field,
            "transformationDescription": description, "transformationType": kind})
    }

    /// The graph around columns: what they come from, so many steps far, and if asked for what comes from them. None where nobody
    /// told of what the id means.
    pub fn column_lineage(&self, id: &str, depth: u32, downstream: bool) -> Option<Value> {
        let start = self.fields_of(id)?;
        let edges = Edges::of(self);
        let mut shown: BTreeSet<Field> = start.iter().cloned().collect();
        for upstream in [true, false] {
            if !upstream && !downstream {
                continue;
            }
            let mut seen: BTreeSet<Field> = start.iter().cloned().collect();
            let mut next: VecDeque<(Field, u32)> = start.iter().cloned().map(|field| (field, 0)).collect();
            while let Some((field, far)) = next.pop_front()
                && far < depth
                && seen.len() < MOST_NODES
            {
                let beside = if upstream { &edges.up } else { &edges.down };
                for other in beside.get(&field).into_iter().flat_map(BTreeMap::keys) {
                    if seen.insert(other.clone()) {
                        next.push_back((other.clone(), far + 1));
                    }
                }
            }
            shown.extend(seen);
        }
        let nodes = shown.iter().map(|field| self.field_shape(field, &shown, &edges));
        Some(json!({"graph": nodes.collect::<Vec<_>>()}))
    }

    fn field_shape(&self, field: &Field, shown: &BTreeSet<Field>, edges: &Edges) -> Value {
        let thing = &self.things[field.0 as usize];
        let facets = self.facets(thing);
        let fields = self.fields(thing, facets.get("schema"));
        let kind = fields.iter().find(|known| known["name"] == field.1.as_str()).map(|known| known["type"].clone());
        let none = BTreeMap::new();
        let (up, down) = (edges.up.get(field).unwrap_or(&none), edges.down.get(field).unwrap_or(&none));
        let inputs: Vec<_> = up.iter().map(|(from, ways)| self.input_shape(from, ways)).collect();
        let all: Ways = up.values().flatten().cloned().collect();
        let (kind_of_all, description) = described(&all);
        let id = self.field_id(field);
        // The page looks for the other end of both in `destination`.
        let edge = |other: &Field| json!({"origin": id, "destination": self.field_id(other)});
        let into: Vec<_> = up.keys().filter(|other| shown.contains(other)).map(edge).collect();
        let out: Vec<_> = down.keys().filter(|other| shown.contains(other)).map(edge).collect();
        json!({
            "id": id, "type": "DATASET_FIELD", "inEdges": into, "outEdges": out,
            "data": {
                "namespace": thing.name.namespace, "dataset": thing.name.name, "datasetVersion": null, "field": field.1,
                "fieldType": kind, "transformationDescription": description, "transformationType": kind_of_all,
                "inputFields": inputs,
            },
        })
    }

    fn field_id(&self, (dataset, field): &Field) -> String {
        let name = &self.things[*dataset as usize].name;
        format!("datasetField:{}:{}:{field}", name.namespace, name.name)
    }
}

/// Both directions.
struct Edges {
    up: HashMap<Field, BTreeMap<Field, Ways>>,
    down: HashMap<Field, BTreeMap<Field, Ways>>,
}

impl Edges {
    fn of(world: &World) -> Edges {
        let mut edges = Edges { up: HashMap::new(), down: HashMap::new() };
        let mut names: HashMap<u32, BTreeSet<String>> = HashMap::new();
        for (from, to, flow) in world.column_flows(None) {
            let source = (from, flow.field.clone());
            // What concerns all columns concerns each.
            let into = match &flow.into {
                Some(into) => BTreeSet::from([into.clone()]),
                None => names.entry(to).or_insert_with(|| world.names(to)).clone(),
            };
            for column in into {
                let target = (to, column);
                edges.up.entry(target.clone()).or_default().entry(source.clone()).or_default().extend(flow.how.iter().cloned());
                edges.down.entry(source.clone()).or_default().entry(target).or_default().extend(flow.how.iter().cloned());
            }
        }
        edges
    }
}

/// The kinds of ways, and whether values go them (`DIRECT`) or only what concerns them.
fn described(ways: &Ways) -> (Option<String>, Option<String>) {
    if ways.is_empty() {
        return (None, None);
    }
    let joined = |texts: BTreeSet<&str>| texts.into_iter().collect::<Vec<_>>().join(", ");
    let kinds = ways.iter().map(|way| way.subtype.as_str()).filter(|kind| !kind.is_empty()).collect::<BTreeSet<_>>();
    let direct = ways.iter().map(|way| if way.direct { "DIRECT" } else { "INDIRECT" }).collect();
    (Some(joined(kinds)).filter(|kinds| !kinds.is_empty()), Some(joined(direct)))
}
