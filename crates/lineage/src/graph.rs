//! The graph: nodes, and edges from what is upstream to what is downstream, each with the times in which it holds.
//!
//! Kept as numbers: a node's edges lie side by side, so that a question over a large graph walks along arrays.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use asof_model::flow::Ways;
use asof_model::{Kind, Micros, Name, Pinned, Registered, Run, RunId, Selector, Version};

use crate::draft::Draft;
use crate::node::{Node, Size};
use crate::openlineage::{self, ColumnFlow, External, State, Transformation};
use crate::tree::{self, Ask, Direction, Tree};

/// Why one thing is upstream of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The definition downstream names the one upstream.
    Defines,
    /// The snapshot downstream holds what the one upstream holds, and more.
    Continues,
    /// A run read the one and made the other.
    Run {
        /// Its identifier; first, so that runs sort by their start.
        id: RunId,
        /// Its verb, as typed.
        verb: &'static str,
    },
    /// Somebody else said so.
    Told {
        /// What the job does with the dataset, or that one dataset is made of the other.
        what: Told,
        /// The run that said so last, if it was one.
        run: Option<Arc<str>>,
        /// What had become of that run then.
        state: State,
    },
    /// The column downstream is made of the one upstream.
    Columns(Ways),
    /// The rows upstream are those downstream, or those that the column downstream is in.
    Rows,
}

/// What somebody else said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// The job downstream reads the dataset.
    Reads,
    /// The job upstream writes the dataset.
    Writes,
    /// The dataset downstream is made of the other one.
    MadeOf,
}

impl Told {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Told::Reads => "reads",
            Told::Writes => "writes",
            Told::MadeOf => "made of",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Via::Defines => f.write_str("defines"),
            Via::Continues => f.write_str("continues"),
            Via::Columns(ways) => ways.fmt(f),
            Via::Rows => f.write_str("rows"),
            Via::Run { id, verb } => write!(f, "{verb} {id}"),
            Via::Told { what, run, state } => {
                f.write_str(what.as_str())?;
                if let Some(run) = run {
                    write!(
                        f,
                        " {}",
                        run.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>()
                    )?;
                }
                match state {
                    State::Complete => Ok(()),
                    state => write!(f, " {}", state.as_str()),
                }
            }
        }
    }
}

/// A reason for an edge, and when it is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reason {
    pub(crate) via: Via,
    pub(crate) from: Micros,
    pub(crate) until: Option<Micros>,
}

impl Reason {
    /// Whether it is one at a moment; without one, whether it still is.
    pub(crate) fn holds(&self, at: Option<Micros>) -> bool {
        match at {
            Some(at) => self.from <= at && self.until.is_none_or(|until| at < until),
            None => self.until.is_none(),
        }
    }
}

/// A column of one dataset that goes into another's, told by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The dataset upstream.
    pub from: Node,
    /// The column there.
    pub field: String,
    /// The dataset downstream.
    pub to: Node,
    /// The column there; none for all of them.
    pub into: Option<String>,
    /// In which ways.
    pub how: Vec<Transformation>,
    /// The job that does it, if one does.
    pub job: Option<Node>,
}

/// The same by numbers of nodes, and when.
#[derive(Debug)]
pub(crate) struct ColumnDrawn {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) job: Option<u32>,
    pub(crate) flow: ColumnFlow,
}

/// Edges in the making, in the order of their ends.
#[derive(Default)]
pub(crate) struct Drawn {
    /// From, to, and where the reasons begin.
    edges: Vec<(u32, u32, u32)>,
    reasons: Vec<Reason>,
}

impl Drawn {
    /// Adds an edge, after those that are there; it has at least one reason.
    pub(crate) fn add(&mut self, from: u32, to: u32, reasons: impl IntoIterator<Item = Reason>) {
        self.edges.push((from, to, self.reasons.len() as u32));
        self.reasons.extend(reasons);
    }
}

/// Definitions, what was made of them, what others told of, and how all that hangs together.
#[derive(Debug)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sizes: Vec<Option<Size>>,
    /// What else is to be said of some nodes.
    pub(crate) notes: HashMap<u32, String>,
    /// Sorted by their ends.
    edges: Vec<Edge>,
    reasons: Vec<Reason>,
    upstream: Beside,
    downstream: Beside,
    index: HashMap<Node, u32>,
    /// By every name that somebody may ask by.
    names: HashMap<openlineage::Name, u32>,
    /// By the dataset upstream.
    pub(crate) columns: Vec<ColumnDrawn>,
}

/// For each node its edges of one direction, in the order of the nodes that they lead to.
#[derive(Debug)]
struct Beside {
    starts: Vec<u32>,
    next: Vec<Next>,
}

/// An edge, seen from one end: all that a walk about today needs lies side by side.
#[derive(Clone, Copy, Debug)]
struct Next {
    to: u32,
    edge: u32,
    /// Whether it holds now.
    holds: bool,
}

impl Beside {
    /// `ends` gives for an edge whose it is, and where it leads. Edges of one node stay in the order in which they are.
    fn new(nodes: usize, edges: &[Edge], ends: impl Fn(&Edge) -> (u32, u32)) -> Beside {
        let mut starts = vec![0u32; nodes + 1];
        edges.iter().for_each(|edge| starts[ends(edge).0 as usize + 1] += 1);
        (0..nodes).for_each(|i| starts[i + 1] += starts[i]);
        let mut places = starts.clone();
        let mut next = vec![Next { to: 0, edge: 0, holds: false }; edges.len()];
        for (number, edge) in edges.iter().enumerate() {
            let (of, to) = ends(edge);
            let place = &mut places[of as usize];
            next[*place as usize] = Next { to, edge: number as u32, holds: edge.until == NEVER };
            *place += 1;
        }
        Beside { starts, next }
    }

    fn of(&self, node: usize) -> &[Next] {
        &self.next[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

/// An edge, and the time that all its reasons together span.
#[derive(Debug)]
struct Edge {
    from: u32,
    to: u32,
    /// Where its reasons begin; they end where those of the next begin.
    reasons: u32,
    since: Micros,
    until: Micros,
}

/// The end of what has none.
const NEVER: Micros = Micros(i64::MAX);

impl Graph {
    /// The graph of these definitions and runs.
    pub fn build(definitions: &[Registered], runs: &[Run]) -> Graph {
        Graph::with(definitions, runs, &External::default())
    }

    /// The graph of these definitions and runs and of what others told of, as one.
    pub fn with(definitions: &[Registered], runs: &[Run], external: &External) -> Graph {
        Draft::of(definitions, runs, external).finish()
    }

    /// Has it say something of a definition, wherever that is drawn. What is not there is passed over.
    pub fn remark(&mut self, definition: Pinned, note: String) {
        if let Some(number) = self.index.get(&Node::Definition(definition)) {
            self.notes.insert(*number, note);
        }
    }

    /// `nodes`, `edges` and `columns` are sorted, by nothing but their content.
    pub(crate) fn drawn(
        nodes: Vec<(Node, Option<Size>)>,
        notes: HashMap<u32, String>,
        names: HashMap<openlineage::Name, u32>,
        drawn: Drawn,
        columns: Vec<ColumnDrawn>,
    ) -> Graph {
        let (nodes, sizes): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        let index: HashMap<_, _> = nodes.iter().cloned().enumerate().map(|(i, node)| (node, i as u32)).collect();
        let Drawn { edges: drawn, reasons } = drawn;
        let all = |place: usize| {
            let end = drawn.get(place + 1).map_or(reasons.len(), |(_, _, next)| *next as usize);
            &reasons[drawn[place].2 as usize..end]
        };
        let edges = drawn.iter().enumerate().map(|(place, &(from, to, first))| {
            let spans = all(place).iter().map(|reason| (reason.from, reason.until.unwrap_or(NEVER)));
            let (since, until) = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((NEVER, Micros(i64::MIN)));
            Edge { from, to, reasons: first, since, until }
        });
        let edges: Vec<_> = edges.collect();
        let downstream = Beside::new(nodes.len(), &edges, |edge| (edge.from, edge.to));
        let upstream = Beside::new(nodes.len(), &edges, |edge| (edge.to, edge.from));
        Graph { nodes, sizes, notes, edges, reasons, upstream, downstream, index, names, columns }
    }

    /// The thing that a reference means, if the graph has it. A number is a snapshot of a dataset, the
    /// n-th training set built, a version of anything else; without a selector and with `latest` it is the newest version of
    /// the definition. What an environment points at is not in the graph: resolve it first.
    pub fn find(&self, project: &Name, name: &Name, selector: Option<&Selector>) -> Option<&Node> {
        let fits = |node: &&Node| match (node, selector) {
            (Node::Snapshot { project: p, dataset, number }, Some(Selector::Number(n))) => {
                (p, dataset, number.0) == (project, name, *n)
            }
            (Node::TrainingSet { project: p, name: built, number }, Some(Selector::Number(n))) => {
                (p, built, u64::from(*number)) == (project, name, *n)
            }
            (Node::Definition(p), _) if (&p.project, &p.name) == (project, name) => match selector {
                Some(Selector::Number(n)) => {
                    u64::from(p.version.0) == *n && !matches!(p.kind, Kind::Dataset | Kind::TrainingSet)
                }
                Some(Selector::Digest(prefix)) => p.digest.hex().starts_with(prefix),
                Some(Selector::Environment(_)) => false,
                Some(Selector::Latest) | None => true,
            },
            _ => false,
        };
        let version = |node: &&Node| match node {
            Node::Definition(p) => p.version,
            _ => Version(0),
        };
        self.nodes.iter().filter(fits).max_by_key(version)
    }

    /// The thing from outside that a text means, if the graph has it: a place (`s3://lake/raw/transactions`), a namespace and
    /// a name with a slash between, by any name of a dataset, or the id of a node (`dataset:s3://lake:raw/transactions`,
    /// `job:airflow:dag.task`). Of a place from which files of several contents were read it is the one read last, unless
    /// somebody told of the place: then these are one.
    pub fn find_outside(&self, text: &str) -> Option<&Node> {
        let known = |name: &openlineage::Name| self.names.get(name).map(|node| &self.nodes[*node as usize]);
        let id = |kind: &str| {
            text.strip_prefix(kind)
                .into_iter()
                .flat_map(|rest| rest.match_indices(':').map(move |(colon, _)| (&rest[..colon], &rest[colon + 1..])))
        };
        let job = id("job:").find_map(|(namespace, name)| {
            let name = openlineage::Name { namespace: namespace.to_owned(), name: name.to_owned() };
            self.index.get_key_value(&Node::Job(name)).map(|(node, _)| node)
        });
        let dataset = || {
            let mut names = id("dataset:").map(|(namespace, name)| openlineage::Name::of_dataset(namespace, name));
            names.find_map(|name| known(&name))
        };
        let place = || openlineage::Name::of_url(text).and_then(|name| known(&name));
        let joined = || {
            text.match_indices('/').find_map(|(slash, _)| {
                let (namespace, name) = (&text[..slash], &text[slash + 1..]);
                let job = openlineage::Name { namespace: namespace.to_owned(), name: name.to_owned() };
                known(&openlineage::Name::of_dataset(namespace, name)).or_else(|| known(&job))
            })
        };
        job.or_else(dataset).or_else(place).or_else(joined)
    }

    /// What a thing comes from, so many steps far; all the way without a depth. A thing that the graph does
    /// not have comes from nothing.
    pub fn upstream(&self, node: &Node, depth: Option<u32>) -> Tree {
        self.tree(node, &Ask { depth, ..Ask::of(Direction::Upstream) })
    }

    /// What depends on a thing, so many steps far; all the way without a depth.
    pub fn downstream(&self, node: &Node, depth: Option<u32>) -> Tree {
        self.tree(node, &Ask { depth, ..Ask::of(Direction::Downstream) })
    }

    /// What a thing comes from, or what depends on it, as a tree.
    pub fn tree(&self, node: &Node, ask: &Ask) -> Tree {
        tree::walk(self, node, ask)
    }

    /// The same as a list: everything that is reached, nearest first, with the fewest steps to it; the thing itself is
    /// not in it. Takes no time for how it would be written.
    pub fn reached(&self, node: &Node, ask: &Ask) -> Vec<(&Node, u32)> {
        tree::reached(self, node, ask).into_iter().map(|(node, steps)| (&self.nodes[node], steps)).collect()
    }

    /// A page of what is next to a thing: after so many, so many.
    pub fn neighbours(&self, node: &Node, ask: &Ask, skip: usize, take: usize) -> Vec<(&Node, Vec<&Via>)> {
        let Some(node) = self.position(node) else { return Vec::new() };
        let page = self.edges(node, ask.direction, ask.at).skip(skip).take(take);
        page.map(|(node, reasons)| {
            let holding = reasons.iter().filter(|reason| reason.holds(ask.at));
            (&self.nodes[node], holding.map(|reason| &reason.via).collect())
        })
        .collect()
    }

    /// All things, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn position(&self, node: &Node) -> Option<usize> {
        self.index.get(node).map(|node| *node as usize)
    }

    /// Where the edges lead that hold at a moment, or still do, with all their reasons.
    pub(crate) fn edges(
        &self,
        node: usize,
        direction: Direction,
        at: Option<Micros>,
    ) -> impl DoubleEndedIterator<Item = (usize, &[Reason])> {
        let holding = self.next(node, direction, at);
        holding.map(move |next| {
            let first = self.edges[next.edge as usize].reasons as usize;
            let end = self.edges.get(next.edge as usize + 1).map_or(self.reasons.len(), |edge| edge.reasons as usize);
            (next.to as usize, &self.reasons[first..end])
        })
    }

    /// Where the edges lead that hold at a moment, or still do.
    pub(crate) fn beside(
        &self,
        node: usize,
        direction: Direction,
        at: Option<Micros>,
    ) -> impl DoubleEndedIterator<Item = usize> {
        self.next(node, direction, at).map(|next| next.to as usize)
    }

    fn next(&self, node: usize, direction: Direction, at: Option<Micros>) -> impl DoubleEndedIterator<Item = &Next> {
        let all = match direction {
            Direction::Upstream => self.upstream.of(node),
            Direction::Downstream => self.downstream.of(node),
        };
        all.iter().filter(move |next| match at {
            None => next.holds,
            Some(at) => self.held(next.edge as usize, at),
        })
    }

    fn held(&self, number: usize, at: Micros) -> bool {
        let edge = &self.edges[number];
        if at < edge.since || at >= edge.until && edge.until != NEVER {
            return false;
        }
        // Several reasons may leave a time between them.
        let end = self.edges.get(number + 1).map_or(self.reasons.len(), |edge| edge.reasons as usize);
        let reasons = &self.reasons[edge.reasons as usize..end];
        reasons.len() == 1 || reasons.iter().any(|reason| reason.holds(Some(at)))
    }

    /// The columns that go from one thing into another of those that are shown, at a moment or now; `from` is shown.
    pub(crate) fn columns(
        &self,
        from: usize,
        at: Option<Micros>,
        shown: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = Column> {
        let start = self.columns.partition_point(|column| (column.from as usize) < from);
        let all = self.columns[start..].iter().take_while(move |column| column.from as usize == from);
        let holding = all.filter(move |column| column.flow.spans.iter().any(|span| span.holds(at)));
        let node = |number: u32| self.nodes[number as usize].clone();
        holding.filter(move |column| shown(column.to as usize)).map(move |column| Column {
            from: node(column.from),
            field: column.flow.field.clone(),
            to: node(column.to),
            into: column.flow.into.clone(),
            how: column.flow.how.clone(),
            job: column.job.map(node),
        })
    }

    /// A thing for people.
    pub(crate) fn text(&self, node: usize) -> String {
        self.nodes[node].text(self.sizes[node], self.notes.get(&(node as u32)).map(String::as_str))
    }
}
