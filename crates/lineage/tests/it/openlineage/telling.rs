//! Who hears the events that tell an answer has that answer.

use std::collections::BTreeSet;

use asof_lineage::openlineage::Heard;
use asof_lineage::{Ask, Direction, Graph, Node, Tree, render};
use asof_model::Micros;
use proptest::prelude::*;
use serde_json::Value;

use super::fixtures::{CLIENTS, events as sent};
use super::orders::events;

fn heard<'a>(events: impl IntoIterator<Item = &'a Value>) -> Heard {
    let mut heard = Heard::new();
    events.into_iter().for_each(|event| _ = heard.hear(event).unwrap());
    heard
}

fn trees(graph: &Graph, root: &Node, directions: &[Direction], depth: Option<u32>, at: Option<Micros>) -> Vec<Tree> {
    let ask = |direction| Ask { depth, at, ..Ask::of(direction) };
    directions.iter().map(|direction| graph.tree(root, &ask(*direction))).collect()
}

/// What hangs together, and which columns. By whom is left out: that is whoever said so last of those that are heard.
fn shown(trees: &[Tree]) -> BTreeSet<String> {
    let document = render::document(trees);
    let edges = document.edges.iter().map(|edge| format!("{} > {}", edge.from, edge.to));
    edges.chain(document.columns.iter().map(|column| serde_json::to_string(column).unwrap())).collect()
}

/// For each thing, each way and each moment: the events of the answer, heard elsewhere, give the answer. How many were asked,
/// and how many of all events it took.
fn told_again(all: &[Value], moments: &[Option<Micros>], depth: Option<u32>) -> (usize, usize) {
    let whole = heard(all);
    let folded = whole.fold();
    let graph = Graph::with(&[], &[], &folded);
    let digests: Vec<_> = all.iter().map(|event| Heard::new().hear(event).unwrap()).collect();
    let (mut asked, mut took) = (0, 0);
    let ways: [&[Direction]; 3] =
        [&[Direction::Upstream], &[Direction::Downstream], &[Direction::Upstream, Direction::Downstream]];
    for at in moments {
        for root in graph.nodes() {
            for directions in ways {
                let expected = trees(&graph, root, directions, depth, *at);
                let telling = whole.telling(&folded, &graph.tellers(&expected, *at), *at);
                let chosen = all.iter().zip(&digests).filter(|(_, digest)| telling.contains(digest));
                let elsewhere = Graph::with(&[], &[], &heard(chosen.map(|(event, _)| event)).fold());
                let found = trees(&elsewhere, root, directions, depth, *at);
                let (found, expected) = (shown(&found), shown(&expected));
                let more: Vec<_> = found.symmetric_difference(&expected).collect();
                assert!(more.is_empty(), "{root:?} at {at:?}, {directions:?}: {more:#?}");
                asked += 1;
                took += telling.len();
            }
        }
    }
    (asked, took)
}

#[test]
fn what_clients_sent_is_told_again() {
    let all: Vec<Value> = CLIENTS.iter().flat_map(|(_, requests)| sent(requests)).collect();
    let (asked, took) = told_again(&all, &[None], None);
    assert!(asked > 100 && took > asked && took < asked * all.len() / 2, "{took} events for {asked} answers");
    told_again(&all, &[None], Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Of what ties names together, and of which jobs stream, there is no history.
    #[test]
    fn an_answer_is_told_by_its_events(events in events(), second in 0i64..6) {
        let timeless = |event: &Value| {
            let text = event.to_string();
            !text.contains("symlinks") && !text.contains("STREAMING")
        };
        told_again(&events, &[None], None);
        let timeless: Vec<Value> = events.into_iter().filter(timeless).collect();
        told_again(&timeless, &[Some(Micros(second * 1_000_000))], None);
    }
}
