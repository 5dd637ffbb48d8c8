//! Questions over a graph of 100,000 nodes and a million edges, as OpenLineage events make it.
//!
//! Jobs stand in layers: each reads 20 datasets of the layers before its own and writes 5 of its own, so everything hangs
//! together and a question reaches far. Every number is the median of several, with the worst beside it. Prints a table;
//! nothing is compared, since nobody else's graph is here.

mod columns;

use std::io::Write;
use std::time::{Duration, Instant};

use asof_lineage::openlineage::Heard;
use asof_lineage::{Ask, Direction, Graph, Node, render};
use asof_model::Micros;
use serde_json::{Value, json};

const JOBS: u64 = 40_000;
const DATASETS: u64 = 60_000;
const LAYERS: u64 = 20;
const READS: u64 = 20;
const WRITES: u64 = 5;
/// How many roots a question is asked about.
const ROOTS: usize = 50;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let events: Vec<Value> = (0..JOBS).map(event).collect();
    let mut heard = Heard::new();
    let (_, hearing) = timed(|| events.iter().filter(|event| heard.hear(event).is_err()).count());
    drop(events);
    let (external, folding) = timed(|| heard.fold());
    let (graph, drawing) = timed(|| Graph::with(&[], &[], &external));
    let edges = external.flows().len();
    writeln!(out, "{} nodes, {edges} edges, {} events", graph.nodes().len(), heard.len())?;
    for (what, took) in [("hear all events", hearing), ("fold them", folding), ("draw the graph", drawing)] {
        writeln!(out, "{what:<44} {:>10.2} ms", took.as_secs_f64() * 1e3)?;
    }
    let nodes = graph.nodes();
    let roots: Vec<&Node> = (0..ROOTS).map(|n| &nodes[n * nodes.len() / ROOTS]).collect();
    let largest = (nodes.iter())
        .max_by_key(|node| graph.neighbours(node, &Ask::of(Direction::Downstream), 0, usize::MAX).len())
        .unwrap_or(&nodes[0]);
    let then = Some(Micros(JOBS as i64 / 2));
    for (what, direction, depth, at) in [
        ("impact, depth 10", Direction::Downstream, Some(10), None),
        ("impact, depth 10, as of then", Direction::Downstream, Some(10), then),
        ("upstream, depth 10", Direction::Upstream, Some(10), None),
        ("impact, all of it", Direction::Downstream, None, None),
    ] {
        let ask = Ask { depth, at, ..Ask::of(direction) };
        let mut reached = 0;
        let took = (roots.iter()).map(|root| {
            let (found, took) = timed(|| graph.reached(root, &ask).len());
            reached = reached.max(found);
            took
        });
        let took = took.collect();
        row(&mut out, what, took, &format!("at most {reached} nodes"))?;
    }
    for skip in [0, 1_000] {
        let ask = Ask::of(Direction::Downstream);
        let took = (0..ROOTS).map(|_| timed(|| graph.neighbours(largest, &ask, skip, 100).len()).1).collect();
        row(&mut out, &format!("a page of 100 neighbours, after {skip}"), took, "of the node that has most")?;
    }
    let ask = Ask { depth: Some(10), ..Ask::of(Direction::Downstream) };
    let mut size = 0;
    let took = (roots.iter().step_by(5)).map(|root| {
        let (text, took) = timed(|| render::json(&[graph.tree(root, &ask)]));
        size = size.max(text.len());
        took
    });
    let took = took.collect();
    row(&mut out, "impact, depth 10, written as JSON", took, &format!("at most {} MB", size >> 20))?;
    drop(graph);
    columns::questions(&mut out)
}

/// A run of a job that is done.
fn event(job: u64) -> Value {
    let per_layer = DATASETS / LAYERS;
    let layer = job % LAYERS;
    let dataset = |number: u64| json!({"namespace": "s3://lake", "name": format!("layer/{number:06}")});
    let inputs = (0..READS).map(|n| dataset(mixed(job * 100 + n) % (per_layer * layer.max(1))));
    let outputs = (0..WRITES).map(|n| dataset(per_layer * layer + mixed(job * 100 + 50 + n) % per_layer));
    json!({
        "eventTime": Micros(job as i64).to_string(), "eventType": "COMPLETE", "run": {"runId": format!("run-{job}")},
        "job": {"namespace": "bench", "name": format!("job-{job:06}")},
        "inputs": inputs.collect::<Vec<_>>(), "outputs": outputs.collect::<Vec<_>>(),
    })
}

/// A number that looks like chance (splitmix64), the same each time.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::disallowed_methods, reason = "the home of the clock in this program, which exists to read it")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn row(out: &mut impl Write, what: &str, mut took: Vec<Duration>, note: &str) -> std::io::Result<()> {
    took.sort_unstable();
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let (median, worst) = (ms(took[took.len() / 2]), ms(took[took.len() - 1]));
    writeln!(out, "{what:<44} {median:>10.2} ms   worst {worst:>10.2} ms   {note}")
}
