//! What is upstream and downstream of what.

use std::collections::HashSet;

use asof_lineage::{Graph, Node, Shown, Via};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Kind, Pinned, Selector};
use proptest::prelude::*;

use crate::tour::{Tour, built, file, name, pinned, registered, run, snapshot};

/// The names of all things upstream, without the root, in the tree's order.
fn upstream(graph: &Graph, node: &Node, depth: Option<u32>) -> Vec<String> {
    graph.upstream(node, depth).nodes().skip(1).map(Node::name).collect()
}

fn found(graph: &Graph, of: &str, selector: Option<Selector>) -> Node {
    graph.find(&name("tour"), &name(of), selector.as_ref()).cloned().unwrap()
}

#[test]
fn a_training_set_never_leads_to_a_later_snapshot() {
    let graph = Tour::new().graph();
    let set = found(&graph, "delays", Some(Selector::Number(1)));
    let upstream = upstream(&graph, &set, None);
    assert!(upstream.contains(&"flights.parquet".to_owned()));
    assert!(!upstream.contains(&"late.csv".to_owned()), "{upstream:?}");
}

#[test]
fn a_snapshot_leads_to_the_files_of_those_before_it() {
    let graph = Tour::new().graph();
    let second = found(&graph, "flights", Some(Selector::Number(2)));
    assert!(upstream(&graph, &second, None).contains(&"flights.parquet".to_owned()));
}

#[test]
fn runs_that_are_not_done_add_nothing() {
    for outcome in [Outcome::Running, Outcome::Aborted, Outcome::Failed { error: "no".into() }] {
        let mut tour = Tour::new();
        let before = tour.graph().nodes().to_vec();
        let mut bad = run(9, Verb::Ingest, vec![file("bad.csv")], vec![snapshot("flights", 3)], 1);
        bad.outcome = outcome;
        tour.runs.push(bad);
        assert_eq!(tour.graph().nodes(), before);
    }
}

#[test]
fn a_rebuild_is_one_more_reason_and_no_second_edge() {
    let mut tour = Tour::new();
    // It also reads what it makes again, which does not come from itself.
    tour.runs.push(run(9, Verb::Rebuild, vec![snapshot("flights", 1), built(1)], vec![built(1)], 1));
    let graph = tour.graph();
    let tree = graph.upstream(&found(&graph, "delays", Some(Selector::Number(1))), Some(1));
    assert_eq!(tree.lines.iter().filter(|line| matches!(line.node, Node::TrainingSet { .. })).count(), 1);
    let lines: Vec<_> = tree.lines.iter().filter(|line| line.node.name() == "flights@1").collect();
    assert_eq!(lines.len(), 1);
    assert!(matches!(lines[0].via[..], [Via::Run { verb: "train", .. }, Via::Run { verb: "rebuild", .. }]));
}

#[test]
fn the_order_of_definitions_and_runs_does_not_matter() {
    let mut tour = Tour::new();
    let node = found(&tour.graph(), "delays", Some(Selector::Number(1)));
    let before = tour.graph().upstream(&node, None);
    tour.definitions.reverse();
    tour.runs.reverse();
    assert_eq!(tour.graph().upstream(&node, None), before);
}

#[test]
fn a_reference_finds_what_it_means() {
    let graph = Tour::new().graph();
    let check = |of: &str, selector: Option<Selector>, expected: Option<&str>| {
        let id = graph.find(&name("tour"), &name(of), selector.as_ref()).map(Node::id);
        assert_eq!(id.as_deref(), expected, "{of} {selector:?}");
    };
    check("flights", None, Some("asof://tour/dataset/flights@1"));
    check("flights", Some(Selector::Number(2)), Some("asof://tour/snapshot/flights@2"));
    check("flights", Some(Selector::Number(3)), None);
    check("delays", Some(Selector::Latest), Some("asof://tour/training_set/delays@1"));
    check("delays", Some(Selector::Number(1)), Some("asof://tour/built_training_set/delays@1"));
    check("carrier_delays", Some(Selector::Number(2)), Some("asof://tour/feature_view/carrier_delays@2"));
    check("carrier_delays", Some(Selector::Number(1)), None);
    let digest = pinned(Kind::FeatureView, "carrier_delays", 2).digest.hex();
    check(
        "carrier_delays",
        Some(Selector::Digest(digest[..8].into())),
        Some("asof://tour/feature_view/carrier_delays@2"),
    );
    check("carrier_delays", Some(Selector::Environment(name("prod"))), None);
}

#[test]
fn a_thing_that_is_not_there_comes_from_nothing() {
    let graph = Tour::new().graph();
    let tree = graph.upstream(&pinned(Kind::Dataset, "trains", 1).into(), None);
    assert_eq!(tree.lines.len(), 1);
}

/// a ← b, a ← c, b ← d, c ← d, and d straight from a.
fn diamond() -> (Graph, [Pinned; 4]) {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| pinned(Kind::FeatureView, text, 1));
    let definitions =
        [registered(&a, &[]), registered(&b, &[&a]), registered(&c, &[&a]), registered(&d, &[&b, &c, &a])];
    (Graph::build(&definitions, &[]), [a, b, c, d])
}

#[test]
fn what_is_reached_twice_is_whole_once() {
    let (graph, [a, .., d]) = diamond();
    let tree = graph.upstream(&d.into(), None);
    let lines: Vec<_> = tree.lines.iter().map(|line| (line.node.name(), line.depth, line.shown)).collect();
    let (whole, mark) = (Shown::Whole, Shown::Elsewhere { line: 1 });
    let expected = [("d", 0, whole), ("a", 1, whole), ("b", 1, whole), ("a", 2, mark), ("c", 1, whole), ("a", 2, mark)];
    assert_eq!(lines, expected.map(|(name, depth, shown)| (format!("{name}@1"), depth, shown)));
    assert_eq!(graph.downstream(&a.into(), None).nodes().count(), 4);
}

#[test]
fn a_depth_cuts_what_is_farther_by_every_way() {
    let (graph, [_, _, _, d]) = diamond();
    let node: Node = d.into();
    assert_eq!(upstream(&graph, &node, Some(0)), Vec::<String>::new());
    assert_eq!(graph.upstream(&node, Some(0)).lines[0].shown, Shown::Cut { branches: 3 });
    assert_eq!(upstream(&graph, &node, Some(1)), ["a@1", "b@1", "c@1"]);
}

#[test]
fn what_is_near_by_another_way_is_not_cut_off_at_the_far_one() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| pinned(Kind::FeatureView, text, 1));
    let definitions = [registered(&a, &[]), registered(&b, &[&c]), registered(&c, &[&a]), registered(&d, &[&b, &c])];
    let graph = Graph::build(&definitions, &[]);
    let tree = graph.upstream(&d.into(), Some(2));
    let lines: Vec<_> = tree.lines.iter().map(|line| (line.node.name(), line.shown)).collect();
    let (whole, mark) = (Shown::Whole, Shown::Elsewhere { line: 3 });
    let expected = [("d", whole), ("b", whole), ("c", mark), ("c", whole), ("a", whole)];
    assert_eq!(lines, expected.map(|(name, shown)| (format!("{name}@1"), shown)));
}

#[test]
fn a_deep_graph_is_no_danger() {
    let all: Vec<_> = (0..20_000u32).map(|n| pinned(Kind::FeatureView, "v", n + 1)).collect();
    let mut definitions = vec![registered(&all[0], &[])];
    definitions.extend(all.windows(2).map(|pair| registered(&pair[1], &[&pair[0]])));
    let graph = Graph::build(&definitions, &[]);
    assert_eq!(graph.upstream(&all[19_999].clone().into(), None).lines.len(), 20_000);
}

/// A random graph: definition n reads some of those before it; run n reads some things and makes one.
fn graphs() -> impl Strategy<Value = Graph> {
    let definitions = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..12);
    let runs = prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..5), 1u32..4), 0..6);
    (definitions, runs).prop_map(|(definitions, runs)| {
        let all: Vec<_> = (0..definitions.len()).map(|n| pinned(Kind::FeatureView, &format!("v{n}"), 1)).collect();
        let registered: Vec<_> = definitions
            .iter()
            .enumerate()
            .map(|(n, reads)| {
                let reads: HashSet<_> = reads.iter().filter(|_| n > 0).map(|index| index.index(n)).collect();
                registered(&all[n], &reads.into_iter().map(|i| &all[i]).collect::<Vec<_>>())
            })
            .collect();
        let mut things: Vec<Item> = all.iter().cloned().map(Item::Definition).collect();
        things.extend((1..4).map(|n| snapshot("s", n)));
        let runs: Vec<_> = runs
            .iter()
            .enumerate()
            .map(|(n, (reads, made))| {
                let reads = reads.iter().map(|index| index.get(&things).clone()).collect();
                run(n as u8, Verb::Train, reads, vec![built(*made)], 1)
            })
            .collect();
        Graph::build(&registered, &runs)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn upstream_and_downstream_are_inverse(graph in graphs(), depth in prop::option::of(0u32..4)) {
        let reach = |node: &Node, up: bool| -> HashSet<Node> {
            let tree = if up { graph.upstream(node, depth) } else { graph.downstream(node, depth) };
            let listed: Vec<_> = tree.nodes().cloned().collect();
            let set: HashSet<_> = listed.iter().cloned().collect();
            assert_eq!(listed.len(), set.len(), "each thing once");
            set
        };
        for a in graph.nodes() {
            for b in graph.nodes() {
                prop_assert_eq!(reach(a, true).contains(b), reach(b, false).contains(a), "{} {}", a.id(), b.id());
            }
        }
    }

    #[test]
    fn two_steps_are_one_step_and_one_more(graph in graphs()) {
        for node in graph.nodes() {
            let one: HashSet<Node> = graph.upstream(node, Some(1)).nodes().cloned().collect();
            let mut naive = one.clone();
            for next in &one {
                naive.extend(graph.upstream(next, Some(1)).nodes().cloned());
            }
            let two: HashSet<Node> = graph.upstream(node, Some(2)).nodes().cloned().collect();
            prop_assert_eq!(two, naive);
        }
    }

    /// Leaving out edges that follow from others loses nothing: every definition a run read is upstream.
    #[test]
    fn whatever_a_run_read_is_upstream_of_what_it_made(definitions in 2usize..10, picks in prop::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        let all: Vec<_> = (0..definitions).map(|n| pinned(Kind::FeatureView, &format!("v{n}"), 1)).collect();
        let mut chain = vec![registered(&all[0], &[])];
        chain.extend(all.windows(2).map(|pair| registered(&pair[1], &[&pair[0]])));
        let reads: Vec<_> = picks.iter().map(|index| index.get(&all).clone()).collect();
        let items = reads.iter().cloned().map(Item::Definition).collect();
        let graph = Graph::build(&chain, &[run(1, Verb::Train, items, vec![built(1)], 1)]);
        let set = graph.find(&name("tour"), &name("delays"), Some(&Selector::Number(1))).unwrap();
        let upstream: HashSet<Node> = graph.upstream(set, None).nodes().cloned().collect();
        for read in reads {
            prop_assert!(upstream.contains(&Node::from(read)));
        }
        let direct = graph.upstream(set, Some(1)).lines.len() - 1;
        prop_assert_eq!(direct, 1, "only the outermost is joined");
    }
}
