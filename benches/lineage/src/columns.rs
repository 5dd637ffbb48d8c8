//! Questions by column, over 10,000 definitions with 100,000 columns and a million edges between them.
//!
//! Views stand in layers: each reads two of the layer before its own, and each of its columns is made of ten of theirs. What
//! their columns are made of is at hand, as after the first question; what finding it out costs is measured by the other rows.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use asof_lineage::columns::{Change, Flowing};
use asof_lineage::{Ask, Direction, Graph, Node};
use asof_model::definition::{Annotations, Dataset, Input};
use asof_model::flow::{Flows, Made, Of, Read, Way};
use asof_model::{Columns, Definition, Digest, Kind, Micros, Name, Pinned, Registered, Result, Version};

use crate::{mixed, row, timed};

const LAYERS: u64 = 20;
const IN_LAYER: u64 = 500;
const COLUMNS: u64 = 10;
/// How many columns each column is made of.
const MADE_OF: u64 = 10;
const ROOTS: usize = 50;

struct Known(HashMap<Pinned, Arc<Flows>>);

impl Flowing for Known {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        Ok(self.0.get(of).cloned().unwrap_or_default())
    }
}

pub(crate) fn questions(out: &mut impl Write) -> std::io::Result<()> {
    let Ok((graph, known)) = world() else { return writeln!(out, "no name is a name") };
    let definitions: Vec<&Node> = graph.nodes().iter().collect();
    let roots: Vec<Node> = (0..ROOTS)
        .map(|n| graph.column(definitions[n * definitions.len() / ROOTS], &format!("c{}", n as u64 % COLUMNS)))
        .collect();
    let edges: usize = known.0.values().flat_map(|flows| &flows.columns).map(|made| made.of.len()).sum();
    writeln!(
        out,
        "{} definitions, {} columns, {edges} edges between them",
        LAYERS * IN_LAYER,
        LAYERS * IN_LAYER * COLUMNS
    )?;
    let asked = [
        ("columns upstream, depth 10", Direction::Upstream, Some(10)),
        ("columns downstream, depth 10", Direction::Downstream, Some(10)),
        ("columns downstream, depth 3", Direction::Downstream, Some(3)),
    ];
    for (what, direction, depth) in asked {
        let ask = Ask { depth, ..Ask::of(direction) };
        let mut lines = 0;
        let took = roots.iter().map(|root| {
            let (tree, took) = timed(|| graph.column_tree(&known, root, &ask));
            lines = lines.max(tree.map_or(0, |tree| tree.nodes().count()));
            took
        });
        let took = took.collect();
        row(out, what, took, &format!("at most {lines} columns"))?;
    }
    let mut concerned = 0;
    let took = roots.iter().map(|root| {
        let (impact, took) = timed(|| graph.impact(&known, root, Change::Drop, None));
        concerned = concerned.max(impact.map_or(0, |impact| impact.definitions.len()));
        took
    });
    let took = took.collect();
    row(out, "impact of dropping a column, all of it", took, &format!("at most {concerned} definitions"))
}

fn world() -> Result<(Graph, Known)> {
    let project: Name = "bench".parse()?;
    let mut layers: Vec<Vec<Pinned>> = Vec::new();
    let (mut definitions, mut flows) = (Vec::new(), HashMap::new());
    for layer in 0..LAYERS {
        let mut here = Vec::new();
        for number in 0..IN_LAYER {
            let kind = if layer == 0 { Kind::Dataset } else { Kind::FeatureView };
            let name: Name = format!("d{layer}_{number}").parse()?;
            let pinned = Pinned {
                kind,
                project: project.clone(),
                digest: Digest::of(name.as_str().as_bytes()),
                name,
                version: Version(1),
            };
            let chance = |n: u64| mixed((layer * IN_LAYER + number) * 1_000 + n);
            let mut inputs = Vec::new();
            if let Some(above) = layers.last() {
                let first = (chance(0) % IN_LAYER) as usize;
                inputs = vec![above[first].clone(), above[(first + 1) % above.len()].clone()];
            }
            let columns = (0..COLUMNS).map(|column| {
                let reads = (0..MADE_OF).map(|n| Read {
                    of: Of::Input((n % 2) as u32),
                    column: format!("c{}", (chance(1 + column * MADE_OF + n) % COLUMNS / 2) * 2 + n / 2 % 2),
                });
                let way = |n: u64| if n.is_multiple_of(3) { Way::Window } else { Way::Transformation };
                let of = reads.zip(0u64..).map(|(read, n)| (read, way(n).into()));
                Made {
                    name: format!("c{column}"),
                    of: if inputs.is_empty() { Default::default() } else { of.collect() },
                }
            });
            let of_it = Flows { columns: columns.collect(), inputs: inputs.clone(), ..Flows::default() };
            flows.insert(pinned.clone(), Arc::new(of_it));
            definitions.push(registered(&pinned, &inputs));
            here.push(pinned);
        }
        layers.push(here);
    }
    Ok((Graph::build(&definitions, &[]), Known(flows)))
}

/// The graph looks only at what a definition reads.
fn registered(pinned: &Pinned, inputs: &[Pinned]) -> Registered {
    let definition = Definition::Dataset(Dataset {
        name: pinned.name.clone(),
        columns: None,
        timestamp: "at".to_owned(),
        known_at: None,
        key: Vec::new(),
        cluster_by: Vec::new(),
        checks: Vec::new(),
        annotations: Annotations::new(),
    });
    let input = |of: &Pinned| Input { written: of.name.to_string(), pinned: of.clone() };
    Registered {
        pinned: pinned.clone(),
        definition,
        inputs: inputs.iter().map(input).collect(),
        columns: Columns::default(),
        created: Micros(0),
    }
}
