//! Which columns come from which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::graph::{MOST_NODES, splits};
use super::shape::current_version;
use super::world::{Drawn, Thing, World};
use crate::openlineage::{ColumnFlow, Transformation};

/// A column: the number of its dataset, and its name.
type Field = (u32, String);

/// In which ways one column comes into another.
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
                    let number = self.number(thing)?;
                    self.names(number).contains(field).then(|| vec![(number, field.to_owned())])
                })
            });
        }
        let thing = self.node(id)?;
        let datasets: Vec<u32> = match thing.is_job {
            true => thing.downstream.iter().copied().collect(),
            false => vec![self.number(thing)?],
        };
        let fields = datasets.into_iter().flat_map(|dataset| {
            let names = self.names(dataset);
            names.into_iter().map(move |name| (dataset, name))
        });
        Some(fields.collect())
    }

    fn flow(&self, drawn: &Drawn) -> &ColumnFlow {
        let (part, place) = drawn.place;
        &self.parts[part as usize].columns()[place as usize]
    }

    fn flows_into(&self, dataset: u32) -> impl Iterator<Item = (u32, &ColumnFlow)> {
        self.columns_into.get(&dataset).into_iter().flatten().map(|drawn| (drawn.from, self.flow(drawn)))
    }

    fn flows_from(&self, dataset: u32) -> impl Iterator<Item = (u32, &ColumnFlow)> {
        self.columns_from.get(&dataset).into_iter().flatten().map(|drawn| (drawn.to, self.flow(drawn)))
    }

    /// The names of a dataset's columns: of its schema, and those that are said to be made or used.
    fn names(&self, dataset: u32) -> BTreeSet<String> {
        let thing = &self.things[dataset as usize];
        let facets = self.facets(thing);
        let fields = self.fields(thing, facets.get("schema"));
        let mut names: BTreeSet<String> =
            fields.iter().filter_map(|field| Some(field.get("name")?.as_str()?.to_owned())).collect();
        names.extend(self.flows_into(dataset).filter_map(|(_, flow)| flow.into.clone()));
        names.extend(self.flows_from(dataset).map(|(_, flow)| flow.field.clone()));
        names
    }

    /// What a column is made of. What concerns all columns of a dataset concerns each.
    fn made_of(&self, (dataset, field): &Field) -> BTreeMap<Field, Ways> {
        let mut all: BTreeMap<Field, Ways> = BTreeMap::new();
        for (from, flow) in self.flows_into(*dataset) {
            if flow.into.as_ref().is_none_or(|into| into == field) {
                all.entry((from, flow.field.clone())).or_default().extend(flow.how.iter().cloned());
            }
        }
        all
    }

    /// What a column goes into.
    fn goes_into(&self, (dataset, field): &Field) -> BTreeSet<Field> {
        let flows = self.flows_from(*dataset).filter(|(_, flow)| flow.field == *field);
        let columns = flows.flat_map(|(to, flow)| {
            let into = match &flow.into {
                Some(into) => BTreeSet::from([into.clone()]),
                None => self.names(to),
            };
            into.into_iter().map(move |column| (to, column))
        });
        columns.collect()
    }

    /// What each column of a dataset is made of, as its shape has it: without what concerns all of them.
    pub(super) fn column_inputs(&self, thing: &Thing) -> Vec<Value> {
        let Some(number) = self.number(thing) else { return Vec::new() };
        let mut inputs: BTreeMap<&str, BTreeMap<Field, Ways>> = BTreeMap::new();
        for (from, flow) in self.flows_into(number) {
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
        let start: BTreeSet<Field> = self.fields_of(id)?.into_iter().collect();
        let mut shown = start.clone();
        for upstream in [true, false] {
            if !upstream && !downstream {
                continue;
            }
            let mut seen = start.clone();
            let mut next: VecDeque<(Field, u32)> = start.iter().cloned().map(|field| (field, 0)).collect();
            while let Some((field, far)) = next.pop_front()
                && far < depth
                && seen.len() < MOST_NODES
            {
                let beside = match upstream {
                    true => self.made_of(&field).into_keys().collect(),
                    false => self.goes_into(&field),
                };
                for other in beside {
                    if seen.insert(other.clone()) {
                        next.push_back((other, far + 1));
                    }
                }
            }
            shown.extend(seen);
        }
        let nodes = shown.iter().map(|field| self.field_shape(field, &shown));
        Some(json!({"graph": nodes.collect::<Vec<_>>()}))
    }

    fn field_shape(&self, field: &Field, shown: &BTreeSet<Field>) -> Value {
        let thing = &self.things[field.0 as usize];
        let facets = self.facets(thing);
        let fields = self.fields(thing, facets.get("schema"));
        let kind = fields.iter().find(|known| known["name"] == field.1.as_str()).map(|known| known["type"].clone());
        let (up, down) = (self.made_of(field), self.goes_into(field));
        let inputs: Vec<_> = up.iter().map(|(from, ways)| self.input_shape(from, ways)).collect();
        let all: Ways = up.values().flatten().cloned().collect();
        let (kind_of_all, description) = described(&all);
        let id = self.field_id(field);
        // The page looks for the other end of both in `destination`.
        let edge = |other: &Field| json!({"origin": id, "destination": self.field_id(other)});
        let into: Vec<_> = up.keys().filter(|other| shown.contains(*other)).map(edge).collect();
        let out: Vec<_> = down.iter().filter(|other| shown.contains(*other)).map(edge).collect();
        json!({
            "id": id, "type": "DATASET_FIELD", "inEdges": into, "outEdges": out,
            "data": {
                "namespace": thing.name.namespace, "dataset": thing.name.name, "datasetVersion": current_version(&facets), "field": field.1,
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
