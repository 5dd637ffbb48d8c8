//! A graph in the making: sets, so that nothing depends on the order in which things come.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use asof_model::run::{Item, Outcome};
use asof_model::{Digest, Micros, Pinned, Registered, Run};

use crate::graph::{ColumnDrawn, Drawn, Graph, Reason, Told, Via};
use crate::node::{Node, Size};
use crate::openlineage::{End, External, Name};

/// What is known so far.
pub(crate) struct Draft<'a> {
    external: &'a External,
    nodes: BTreeMap<Node, Option<Size>>,
    /// By (upstream, downstream): every reason, and since when it is one.
    edges: BTreeMap<(Node, Node), BTreeMap<Via, Micros>>,
    /// What each definition reads, for [`Draft::implied`].
    reads: HashMap<Pinned, Vec<Pinned>>,
    /// When each thing was made first.
    made: HashMap<Node, Micros>,
    /// The contents that were read from a dataset of others, and when last.
    contents: BTreeMap<Name, BTreeSet<Digest>>,
    /// The file that was read last from each place.
    files: HashMap<Name, (Micros, Node)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(definitions: &[Registered], runs: &[Run], external: &'a External) -> Self {
        let mut draft = Draft {
            external,
            nodes: BTreeMap::new(),
            edges: BTreeMap::new(),
            reads: HashMap::new(),
            made: HashMap::new(),
            contents: BTreeMap::new(),
            files: HashMap::new(),
        };
        draft.definitions(definitions);
        for run in runs.iter().filter(|run| run.outcome == Outcome::Done && !run.verb.is_of_names()) {
            draft.run(run);
        }
        draft.snapshots_in_sequence();
        draft
    }

    fn definitions(&mut self, definitions: &[Registered]) {
        for registered in definitions {
            let pinned = &registered.pinned;
            self.node(pinned.clone().into(), None);
            for input in &registered.inputs {
                let (from, to) = (input.pinned.clone().into(), pinned.clone().into());
                self.edge(from, to, Via::Defines, registered.created);
            }
            let reads = registered.inputs.iter().map(|input| input.pinned.clone());
            self.reads.insert(pinned.clone(), reads.collect());
        }
    }

    fn run(&mut self, run: &Run) {
        // What it made is there since it ended.
        let at = run.finished.unwrap_or(run.started);
        for item in &run.inputs {
            let node = self.node_of(run, item, at);
            self.node(node, None);
        }
        for item in &run.outputs {
            let node = self.node_of(run, item, at);
            let made = self.made.entry(node.clone()).or_insert(at);
            *made = at.min(*made);
            self.node(node, size(run, item));
        }
        let implied = self.implied(&run.inputs);
        for input in &run.inputs {
            if matches!(input, Item::Definition(pinned) if implied.contains(pinned)) {
                continue;
            }
            for output in &run.outputs {
                let (from, to) = (self.node_of(run, input, at), self.node_of(run, output, at));
                self.edge(from, to, Via::Run { id: run.id, verb: run.verb.as_str() }, at);
            }
        }
    }

    /// What a run read or made. A file at the place of a dataset that others told of is that dataset.
    fn node_of(&mut self, run: &Run, item: &Item, at: Micros) -> Node {
        let node = Node::of(&run.project, item);
        let Node::File { url, digest } = &node else { return node };
        let known = Name::of_recorded(url).find_map(|place| self.external.find(&place));
        if let Some(End::Dataset(dataset)) = known {
            let name = self.external.datasets()[dataset as usize].name.clone();
            self.contents.entry(name.clone()).or_default().insert(*digest);
            return Node::External(name);
        }
        for place in Name::of_recorded(url) {
            let last = self.files.entry(place).or_insert_with(|| (at, node.clone()));
            if (last.0, &last.1) < (at, &node) {
                *last = (at, node.clone());
            }
        }
        node
    }

    /// What the definitions among these items read, directly or not.
    fn implied(&self, items: &[Item]) -> HashSet<Pinned> {
        let read = |pinned: &Pinned| self.reads.get(pinned).into_iter().flatten();
        let definitions = items.iter().filter_map(|item| match item {
            Item::Definition(pinned) => Some(pinned),
            _ => None,
        });
        let mut next: Vec<_> = definitions.flat_map(read).collect();
        let mut implied = HashSet::new();
        while let Some(pinned) = next.pop() {
            if implied.insert(pinned.clone()) {
                next.extend(read(pinned));
            }
        }
        implied
    }

    /// Joins each snapshot with the one before it, and says of its rows that they were added.
    fn snapshots_in_sequence(&mut self) {
        let snapshots: Vec<_> =
            self.nodes.keys().filter(|node| matches!(node, Node::Snapshot { .. })).cloned().collect();
        for pair in snapshots.windows(2) {
            if let [earlier @ Node::Snapshot { project, dataset, .. }, later] = pair
                && matches!(later, Node::Snapshot { project: p, dataset: d, .. } if (p, d) == (project, dataset))
            {
                let since = self.made.get(later).copied().unwrap_or(Micros(i64::MIN));
                self.edge(earlier.clone(), later.clone(), Via::Continues, since);
                if let Some(size @ Some(Size::Rows(_))) = self.nodes.get_mut(later)
                    && let Some(Size::Rows(rows)) = *size
                {
                    *size = Some(Size::RowsAdded(rows));
                }
            }
        }
    }

    fn node(&mut self, node: Node, size: Option<Size>) {
        let known = self.nodes.entry(node).or_default();
        // Not the first that comes, which would depend on the order.
        *known = size.max(*known);
    }

    fn edge(&mut self, from: Node, to: Node, via: Via, since: Micros) {
        self.node(from.clone(), None);
        self.node(to.clone(), None);
        if from != to {
            let known = self.edges.entry((from, to)).or_default().entry(via).or_insert(since);
            *known = since.min(*known);
        }
    }

    /// Ours, then those of others, which are sorted already and sort after ours.
    pub(crate) fn finish(self) -> Graph {
        let external = self.external;
        let ours = self.nodes.into_iter().filter(|(node, _)| !matches!(node, Node::External(_)));
        let mut nodes: Vec<_> = ours.collect();
        let (datasets, mut names) = (nodes.len() as u32, HashMap::new());
        let mut notes = HashMap::new();
        for (number, dataset) in (datasets..).zip(external.datasets()) {
            nodes.push((Node::External(dataset.name.clone()), None));
            let mut said: Vec<_> = dataset.also.iter().map(|name| format!("also {name}")).collect();
            if let Some(contents) = self.contents.get(&dataset.name) {
                said.extend(contents.iter().map(|digest| format!("read as {}", digest.short())));
            }
            if !said.is_empty() {
                notes.insert(number, said.join(", "));
            }
        }
        let jobs = nodes.len() as u32;
        for (number, job) in (jobs..).zip(external.jobs()) {
            nodes.push((Node::Job(job.name.clone()), None));
            names.insert(job.name.clone(), number);
            if !job.part_of.is_empty() {
                let parents: Vec<_> = job.part_of.iter().map(|parent| parent.name.as_str()).collect();
                notes.insert(number, format!("part of {}", parents.join(" and ")));
            }
        }
        // A name that is both is that of the dataset.
        for (number, dataset) in (datasets..).zip(external.datasets()) {
            names.extend(dataset.also.iter().chain([&dataset.name]).map(|name| (name.clone(), number)));
        }
        let index: HashMap<&Node, u32> = nodes.iter().zip(0..).map(|((node, _), number)| (node, number)).collect();
        for (place, (_, file)) in self.files {
            names.insert(place, index[&file]);
        }
        let number = |end: End| match end {
            End::Dataset(number) => datasets + number,
            End::Job(number) => jobs + number,
        };
        // Both are sorted as nodes are, and no edge is in both: one of ours has an end of ours.
        let mut ours: Vec<_> =
            self.edges.into_iter().map(|((from, to), why)| (index[&from], index[&to], why)).collect();
        ours.sort_unstable_by_key(|(from, to, _)| (*from, *to));
        let mut ours = ours.into_iter().peekable();
        let mut drawn = Drawn::default();
        let mut draw = |drawn: &mut Drawn, before: Option<(u32, u32)>| {
            while let Some((from, to, why)) =
                ours.next_if(|(from, to, _)| before.is_none_or(|ends| (*from, *to) < ends))
            {
                drawn.add(from, to, why.into_iter().map(|(via, from)| Reason { via, from, until: None }));
            }
        };
        for flow in external.flows() {
            let (from, to) = (number(flow.from), number(flow.to));
            draw(&mut drawn, Some((from, to)));
            let what = match (flow.from, flow.to) {
                (_, End::Job(_)) => Told::Reads,
                (End::Job(_), _) => Told::Writes,
                _ => Told::MadeOf,
            };
            drawn.add(
                from,
                to,
                flow.spans.iter().map(|span| {
                    let via = Via::Told { what, run: span.run.clone(), state: span.state };
                    Reason { via, from: span.from, until: span.until }
                }),
            );
        }
        draw(&mut drawn, None);
        // Sorted as datasets are.
        let columns = external.columns().iter().map(|flow| ColumnDrawn {
            from: datasets + flow.from,
            to: datasets + flow.to,
            job: flow.job.map(|job| jobs + job),
            flow: flow.clone(),
        });
        let columns = columns.collect();
        drop(index);
        Graph::drawn(nodes, notes, names, drawn, columns)
    }
}

/// How large a run says that the thing is which it made.
fn size(run: &Run, item: &Item) -> Option<Size> {
    match item {
        Item::Online { rows, .. } => Some(Size::Keys(*rows)),
        // The note counts the one thing made.
        _ if run.outputs.len() == 1 => run.notes.get("rows")?.parse().ok().map(Size::Rows),
        _ => None,
    }
}
