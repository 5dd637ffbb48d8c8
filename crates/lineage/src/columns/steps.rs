//! From a column to those next to it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use asof_model::flow::{Of, Read, Way, Ways};
use asof_model::{Flows, Kind, Micros, Name, Pinned, Result, SnapshotNumber, Version};

use super::Flowing;
use crate::graph::{ColumnDrawn, Graph, Via};
use crate::node::Node;
use crate::openlineage::Transformation;
use crate::tree::Direction;

/// From how many files a column is shown to come, the ones read last.
const FILES: usize = 20;

/// How the columns of a service begin that are its caller's; no name of a column of its own has a point.
const REQUEST: &str = "request.";

/// Something next to a column, and why.
pub(super) type Step = (Node, Via);

/// Walks from column to column, as of a moment.
pub(super) struct Steps<'a> {
    pub(super) graph: &'a Graph,
    flowing: &'a dyn Flowing,
    at: Option<Micros>,
    /// What others told of columns, by the dataset downstream.
    told_into: HashMap<u32, Vec<usize>>,
    /// Whether anything decides which rows a definition has.
    decided: RefCell<HashMap<Pinned, bool>>,
}

impl Graph {
    /// A dataset is one table: the newest version stands for all. Any other definition stands for itself.
    pub(super) fn one_table<'a>(&'a self, pinned: &'a Pinned) -> &'a Pinned {
        if pinned.kind != Kind::Dataset {
            return pinned;
        }
        match self.versions(pinned).next_back().map(|place| &self.nodes[place]) {
            Some(Node::Definition(newest)) => newest,
            _ => pinned,
        }
    }

    /// The places of all versions of a definition.
    fn versions(&self, pinned: &Pinned) -> Range<usize> {
        let same = |node: &Node| match node {
            Node::Definition(p) => (p.kind, &p.project, &p.name).cmp(&(pinned.kind, &pinned.project, &pinned.name)),
            _ => std::cmp::Ordering::Greater,
        };
        self.nodes.partition_point(|node| same(node).is_lt())..self.nodes.partition_point(|node| same(node).is_le())
    }

    /// The places of all snapshots of a dataset.
    fn snapshots(&self, of: &Pinned) -> Range<usize> {
        let numbered = |number| Node::Snapshot {
            project: of.project.clone(),
            dataset: of.name.clone(),
            number: SnapshotNumber(number),
        };
        let (first, last) = (numbered(0), numbered(u64::MAX));
        self.nodes.partition_point(|node| *node < first)..self.nodes.partition_point(|node| *node <= last)
    }

    /// The newest version of a dataset.
    fn dataset(&self, project: &Name, name: &Name) -> Option<&Pinned> {
        let digest = asof_model::Digest::of(b"");
        let any =
            Pinned { kind: Kind::Dataset, project: project.clone(), name: name.clone(), version: Version(0), digest };
        match self.nodes.get(self.versions(&any).next_back()?)? {
            Node::Definition(pinned) => Some(pinned),
            _ => None,
        }
    }
}

fn column(of: Node, name: Option<&str>) -> Node {
    Node::Column { of: Box::new(of), name: name.map(str::to_owned) }
}

fn of_definition(pinned: &Pinned, name: Option<&str>) -> Node {
    column(Node::Definition(pinned.clone()), name)
}

impl<'a> Steps<'a> {
    pub(super) fn new(graph: &'a Graph, flowing: &'a dyn Flowing, at: Option<Micros>) -> Self {
        let mut told_into: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, told) in graph.columns.iter().enumerate() {
            told_into.entry(told.to).or_default().push(place);
        }
        Steps { graph, flowing, at, told_into, decided: RefCell::default() }
    }

    /// What is next to a column, or to what was made of columns.
    pub(super) fn next(&self, node: &Node, direction: Direction) -> Result<Vec<Step>> {
        match (node, direction) {
            (Node::Column { of, name }, Direction::Upstream) => self.above(of, name.as_deref()),
            (Node::Column { of, name }, Direction::Downstream) => self.below(of, name.as_deref()),
            (_, Direction::Upstream) => Ok(Vec::new()),
            (_, Direction::Downstream) => Ok(self.things(node, Direction::Downstream, |_| true)),
        }
    }

    fn above(&self, of: &Node, name: Option<&str>) -> Result<Vec<Step>> {
        match of {
            Node::Definition(pinned) if pinned.kind == Kind::Dataset => {
                let files = name.map(|name| self.read_from(pinned, name)).unwrap_or_default();
                Ok(files.into_iter().rev().take(FILES).collect())
            }
            Node::Definition(pinned) => self.made_of(pinned, name),
            Node::External(_) => Ok(self.told(of, name, Direction::Upstream)),
            Node::Snapshot { .. } | Node::TrainingSet { .. } | Node::Online { .. } => {
                let Some(name) = name else { return Ok(Vec::new()) };
                let holds = |other: &Node| match (of, other) {
                    (_, Node::File { .. } | Node::External(_) | Node::Snapshot { .. }) => {
                        matches!(of, Node::Snapshot { .. })
                    }
                    (Node::TrainingSet { project, name, .. }, Node::Definition(pinned)) => {
                        (pinned.kind, &pinned.project, &pinned.name) == (Kind::TrainingSet, project, name)
                    }
                    (Node::Online { view, .. }, Node::Definition(pinned)) => view == pinned,
                    _ => false,
                };
                let things = self.things(of, Direction::Upstream, holds);
                Ok(things.into_iter().map(|(thing, via)| (column(thing, Some(name)), via)).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn below(&self, of: &Node, name: Option<&str>) -> Result<Vec<Step>> {
        match of {
            Node::Definition(pinned) => {
                let mut steps = Vec::new();
                if let Some(parameter) = name.and_then(|name| name.strip_prefix(REQUEST)) {
                    self.parameter_goes_into(pinned, parameter, &mut steps)?;
                }
                for reader in self.readers(pinned) {
                    self.goes_into(pinned, name, &reader, &mut steps)?;
                }
                if pinned.kind == Kind::TrainingSet {
                    let made = |other: &Node| {
                        !matches!(other, Node::Definition(_) | Node::Snapshot { .. } | Node::Online { .. })
                    };
                    steps.extend(self.things(of, Direction::Downstream, made));
                }
                Ok(steps)
            }
            Node::External(_) | Node::File { .. } => {
                let mut steps = self.told(of, name, Direction::Downstream);
                for (thing, via) in
                    self.things(of, Direction::Downstream, |other| matches!(other, Node::Snapshot { .. }))
                {
                    if let Node::Snapshot { project, dataset, .. } = &thing
                        && let Some(pinned) = self.graph.dataset(project, dataset)
                    {
                        steps.push((of_definition(pinned, name), via));
                    }
                }
                Ok(steps)
            }
            other => Ok(self.things(other, Direction::Downstream, |_| true)),
        }
    }

    /// Things next to one, which is no column.
    fn things(&self, of: &Node, direction: Direction, wanted: impl Fn(&Node) -> bool) -> Vec<Step> {
        let Some(place) = self.graph.position(of) else { return Vec::new() };
        let next = self.graph.edges(place, direction, self.at);
        let next = next.map(|(to, reasons)| (&self.graph.nodes[to], reasons)).filter(|(node, _)| wanted(node));
        next.flat_map(|(node, reasons)| {
            let holding = reasons.iter().filter(|reason| reason.holds(self.at));
            holding.map(move |reason| (node.clone(), reason.via.clone()))
        })
        .collect()
    }

    /// The definitions that read one; those that read any version of a dataset.
    fn readers(&self, of: &Pinned) -> BTreeSet<Pinned> {
        let places = match of.kind {
            Kind::Dataset => self.graph.versions(of),
            _ => self.graph.position(&Node::Definition(of.clone())).map_or(0..0, |place| place..place + 1),
        };
        let next = places.flat_map(|place| self.graph.beside(place, Direction::Downstream, self.at));
        next.filter_map(|place| match &self.graph.nodes[place] {
            Node::Definition(pinned) => Some(pinned.clone()),
            _ => None,
        })
        .collect()
    }

    /// The files and others' datasets that were read into a dataset, in the order of runs.
    fn read_from(&self, dataset: &Pinned, name: &str) -> Vec<Step> {
        let source = |other: &Node| matches!(other, Node::File { .. } | Node::External(_));
        let snapshots = self.graph.snapshots(dataset).map(|place| &self.graph.nodes[place]);
        let mut files: Vec<Step> = (snapshots.flat_map(|of| self.things(of, Direction::Upstream, source)))
            .map(|(thing, via)| (column(thing, Some(name)), via))
            .collect();
        files.sort_by(|(_, a), (_, b)| a.cmp(b));
        files
    }

    /// What else is to be said of a column.
    pub(super) fn note(&self, node: &Node) -> Option<String> {
        let Node::Column { of, name: Some(name) } = node else { return None };
        let Node::Definition(pinned) = of.as_ref() else { return None };
        if pinned.kind != Kind::Dataset {
            let unseen = self.flowing.flows(pinned).ok()?.unseen.clone()?;
            return Some(format!("not looked through: {unseen}"));
        }
        let more = self.read_from(pinned, name).len().saturating_sub(FILES);
        (more > 0).then(|| format!("{more} older files"))
    }

    fn told(&self, of: &Node, name: Option<&str>, direction: Direction) -> Vec<Step> {
        let Some(number) = self.graph.position(of) else { return Vec::new() };
        let told: Vec<&ColumnDrawn> = match direction {
            Direction::Upstream => {
                let places = self.told_into.get(&(number as u32));
                places.into_iter().flatten().map(|place| &self.graph.columns[*place]).collect()
            }
            Direction::Downstream => {
                let all = &self.graph.columns;
                let first = all.partition_point(|told| (told.from as usize) < number);
                all[first..].iter().take_while(|told| told.from as usize == number).collect()
            }
        };
        let holds = |told: &&ColumnDrawn| told.flow.spans.iter().any(|span| span.holds(self.at));
        let steps = told.into_iter().filter(holds).filter_map(|told| {
            let flow = &told.flow;
            Some(match direction {
                // What goes into all of them goes into this one.
                Direction::Upstream => {
                    if flow.into.is_some() && flow.into.as_deref() != name {
                        return None;
                    }
                    let from = self.graph.nodes[told.from as usize].clone();
                    (column(from, Some(&flow.field)), Via::Columns(ways(&flow.how)))
                }
                Direction::Downstream => {
                    let into = self.graph.nodes[told.to as usize].clone();
                    match name {
                        Some(name) if name != flow.field => return None,
                        Some(_) => (column(into, flow.into.as_deref()), Via::Columns(ways(&flow.how))),
                        None => (column(into, None), Via::Rows),
                    }
                }
            })
        });
        steps.collect()
    }

    fn made_of(&self, pinned: &Pinned, name: Option<&str>) -> Result<Vec<Step>> {
        let flows = self.flowing.flows(pinned)?;
        let reads = match name {
            None => &flows.rows,
            Some(name) => match flows.column(name) {
                Some(made) => &made.of,
                // A parameter of a request comes from the caller.
                None => return Ok(Vec::new()),
            },
        };
        let mut steps: Vec<Step> =
            reads.iter().map(|(read, ways)| (self.whose(&flows, pinned, read), Via::Columns(*ways))).collect();
        if name.is_some() {
            if self.is_decided(pinned)? {
                steps.push((of_definition(pinned, None), Via::Rows));
            }
        } else {
            for input in rows_of(pinned, &flows) {
                if self.is_decided(input)? {
                    steps.push((of_definition(input, None), Via::Rows));
                }
            }
        }
        Ok(steps)
    }

    fn whose(&self, flows: &Flows, reader: &Pinned, read: &Read) -> Node {
        match flows.whose(read) {
            Some(pinned) => of_definition(self.graph.one_table(pinned), Some(&read.column)),
            None => of_definition(reader, Some(&format!("{REQUEST}{}", read.column))),
        }
    }

    /// Where a column of a definition, or its rows, go in one that reads it.
    fn goes_into(&self, of: &Pinned, name: Option<&str>, reader: &Pinned, steps: &mut Vec<Step>) -> Result<()> {
        let flows = self.flowing.flows(reader)?;
        let is_it = |read: &Read| match flows.whose(read) {
            Some(pinned) => self.graph.one_table(pinned) == of,
            // A parameter goes into what the service itself makes of it, which nothing else reads.
            None => false,
        };
        let Some(name) = name else {
            if rows_of(reader, &flows).any(|input| input == of) || flows.rows.keys().any(is_it) {
                steps.push((of_definition(reader, None), Via::Rows));
            }
            if of.kind == Kind::Dataset || !rows_of(reader, &flows).any(|input| input == of) {
                let reads = flows.columns.iter().filter(|made| made.of.keys().any(is_it));
                steps.extend(reads.map(|made| (of_definition(reader, Some(&made.name)), Via::Rows)));
            }
            return Ok(());
        };
        let ways = |reads: &asof_model::flow::Reads| -> Ways {
            let of_it = reads.iter().filter(|(read, _)| read.column == name && is_it(read));
            of_it.fold(Ways::NONE, |all, (_, ways)| all.and(*ways))
        };
        for made in &flows.columns {
            let ways = ways(&made.of);
            if !ways.is_empty() {
                steps.push((of_definition(reader, Some(&made.name)), Via::Columns(ways)));
            }
        }
        let ways = ways(&flows.rows);
        if !ways.is_empty() {
            steps.push((of_definition(reader, None), Via::Columns(ways)));
        }
        Ok(())
    }

    /// Where a parameter of a service's request goes.
    fn parameter_goes_into(&self, service: &Pinned, parameter: &str, steps: &mut Vec<Step>) -> Result<()> {
        let read = Read { of: Of::Request, column: parameter.to_owned() };
        for made in &self.flowing.flows(service)?.columns {
            if let Some(ways) = made.of.get(&read) {
                steps.push((of_definition(service, Some(&made.name)), Via::Columns(*ways)));
            }
        }
        Ok(())
    }

    /// Whether anything decides which rows a definition has.
    fn is_decided(&self, pinned: &Pinned) -> Result<bool> {
        let mut open = vec![pinned.clone()];
        let mut passed: Vec<Pinned> = Vec::new();
        let mut found = false;
        while let Some(next) = open.pop() {
            if let Some(known) = self.decided.borrow().get(&next) {
                found |= known;
            } else if !passed.contains(&next) {
                let flows = self.flowing.flows(&next)?;
                found |= !flows.rows.is_empty();
                open.extend(rows_of(&next, &flows).cloned());
                passed.push(next);
            }
            if found {
                break;
            }
        }
        self.decided.borrow_mut().insert(pinned.clone(), found);
        Ok(found)
    }
}

/// The views whose rows are the rows of a definition: a service has those that are asked for.
fn rows_of<'f>(of: &Pinned, flows: &'f Flows) -> impl Iterator<Item = &'f Pinned> {
    let has_rows = of.kind != Kind::FeatureService;
    flows.inputs.iter().filter(move |input| has_rows && input.kind == Kind::FeatureView)
}

/// What others said, in our words.
fn ways(how: &[Transformation]) -> Ways {
    how.iter()
        .map(|how| match Way::of_subtype(&how.subtype.to_ascii_uppercase()) {
            Some(way) if way.is_direct() == how.direct => way,
            _ if how.direct => Way::Transformation,
            _ => Way::Unknown,
        })
        .collect()
}
