//! What others told of and what is ours, in one graph, over time.

use asof_lineage::openlineage::Heard;
use asof_lineage::{Ask, Direction, Graph, Node, render};
use asof_model::run::Verb;
use asof_model::{Kind, Micros, Selector};
use serde_json::{Value, json};

use crate::tour::{Tour, file, name, pinned, run, snapshot};

/// A run of a job that reads and writes places, at that microsecond.
fn told(at: i64, job: &str, run: &str, inputs: &[&str], outputs: &[&str]) -> Value {
    let place = |url: &&str| {
        let (namespace, name) = url.rsplit_once("//").map_or(("n", *url), |(scheme, rest)| {
            let (bucket, path) = rest.split_once('/').unwrap();
            (&url[..scheme.len() + 2 + bucket.len()], path)
        });
        json!({"namespace": namespace, "name": name})
    };
    json!({"eventTime": Micros(at).to_string(), "eventType": "COMPLETE",
        "run": {"runId": run, "facets": {"parent": {"job": {"namespace": "airflow", "name": "dag"}, "run": {"runId": "p"}}}},
        "job": {"namespace": "airflow", "name": job}, "inputs": inputs.iter().map(place).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(place).collect::<Vec<_>>()})
}

fn graph(tour: &Tour, events: &[Value]) -> Graph {
    let mut heard = Heard::new();
    events.iter().for_each(|event| _ = heard.hear(event).unwrap());
    Graph::with(&tour.definitions, &tour.runs, &heard.fold())
}

/// A task lands the file that the tour's first ingest reads; it read another source before.
fn landed() -> Graph {
    let events = [
        told(1, "dag.land", "r1", &["s3://api/old"], &["s3a://b/flights.parquet/"]),
        told(5, "dag.land", "r2", &["s3://api/new"], &["s3://b/flights.parquet"]),
        told(3, "dag.report", "r3", &["s3://b/flights.parquet"], &["report"]),
    ];
    graph(&Tour::new(), &events)
}

fn built(graph: &Graph) -> Node {
    graph.find(&name("tour"), &name("delays"), Some(&Selector::Number(1))).cloned().unwrap()
}

fn reached(graph: &Graph, from: &Node, ask: &Ask) -> Vec<String> {
    let mut names: Vec<_> = graph.reached(from, ask).into_iter().map(|(node, _)| node.name()).collect();
    names.sort();
    names
}

#[test]
fn a_task_upstream_and_a_training_set_downstream() {
    let graph = landed();
    insta::assert_snapshot!(render::tree(&graph.upstream(&built(&graph), None)));
    let job = graph.find_outside("airflow/dag.land").unwrap();
    let below: Vec<_> = graph.downstream(job, None).nodes().map(Node::id).collect();
    assert!(below.contains(&built(&graph).id()), "{below:?}");
}

#[test]
fn json_and_chart_of_what_others_told() {
    let graph = landed();
    let file = graph.find_outside("s3://b/flights.parquet").unwrap();
    let trees = [graph.upstream(file, None), graph.downstream(file, Some(1))];
    insta::assert_snapshot!("outside_json", render::json(&trees));
    insta::assert_snapshot!("outside_mermaid", render::mermaid(&trees));
}

#[test]
fn a_file_of_ours_is_the_dataset_at_its_place() {
    let graph = landed();
    let all: Vec<_> = graph.nodes().iter().filter(|node| node.name().contains("flights.parquet")).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let external = all[0];
    for text in [
        "s3://b/flights.parquet",
        "s3a://b/flights.parquet/",
        "dataset:s3://b:flights.parquet",
        "s3n://b//flights.parquet",
    ] {
        assert_eq!(graph.find_outside(text), Some(external), "{text}");
    }
    // One of which nobody told is a file, found by its place.
    let ingest = |n: u8, content: &str| {
        let mut file = file("/data/a.csv");
        if let asof_model::run::Item::File { digest, .. } = &mut file {
            *digest = asof_model::Digest::of(content.as_bytes());
        }
        run(n, Verb::Ingest, vec![file], vec![snapshot("flights", n.into())], 1)
    };
    for runs in [[ingest(2, "new"), ingest(1, "old")], [ingest(1, "old"), ingest(2, "new")]] {
        let graph = Graph::with(&[], &runs, &Heard::new().fold());
        let found = graph.find_outside("file:///data/a.csv").unwrap();
        let last = asof_model::Digest::of(b"new");
        assert!(matches!(found, Node::File { digest, .. } if *digest == last), "the one read last");
        assert_eq!(graph.find_outside("/data/b.csv"), None);
    }
}

#[test]
fn as_of_then_only_what_held() {
    let graph = landed();
    let file = graph.find_outside("s3://b/flights.parquet").unwrap();
    let check = |at: Option<i64>, direction, expected: &[&str]| {
        let ask = Ask { at: at.map(Micros), ..Ask::of(direction) };
        let mut expected: Vec<_> = expected.iter().map(|name| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(reached(&graph, file, &ask), expected, "{at:?} {direction:?}");
        let tree: Vec<_> = graph.tree(file, &ask).nodes().skip(1).map(Node::name).collect();
        assert_eq!(tree.len(), expected.len(), "{tree:?}");
    };
    check(Some(0), Direction::Upstream, &[]);
    check(Some(1), Direction::Upstream, &["dag.land", "s3://api/old"]);
    check(Some(4), Direction::Upstream, &["dag.land", "s3://api/old"]);
    check(Some(5), Direction::Upstream, &["dag.land", "s3://api/new"]);
    check(None, Direction::Upstream, &["dag.land", "s3://api/new"]);
    // The ingest of run 2 was done at 3, the training of run 4 at 5, the second snapshot of run 6 at 7.
    check(Some(2), Direction::Downstream, &[]);
    let then = ["dag.report", "flights@1", "n/report"];
    check(Some(3), Direction::Downstream, &then);
    check(Some(5), Direction::Downstream, &[&then[..], &["delays@1"]].concat());
    check(Some(6), Direction::Downstream, &[&then[..], &["delays@1", "carrier_delays@2"]].concat());
    check(None, Direction::Downstream, &[&then[..], &["delays@1", "carrier_delays@2", "flights@2"]].concat());
}

#[test]
fn what_comes_back_did_not_hold_in_between() {
    let events = [
        told(1, "j", "r1", &["s3://b/old"], &["s3://b/x"]),
        told(5, "j", "r2", &["s3://b/new"], &["s3://b/x"]),
        told(9, "j", "r3", &["s3://b/old"], &["s3://b/x"]),
    ];
    let graph = graph(&Tour::new(), &events);
    let of = graph.find_outside("s3://b/x").unwrap();
    for (at, read) in [(Some(1), "s3://b/old"), (Some(5), "s3://b/new"), (Some(8), "s3://b/new"), (None, "s3://b/old")]
    {
        let ask = Ask { at: at.map(Micros), ..Ask::of(Direction::Upstream) };
        assert_eq!(reached(&graph, of, &ask), ["j", read], "{at:?}");
        // And each by the run that says so then.
        let tree = graph.tree(of, &ask);
        assert!(tree.lines[2].node.name() == read && tree.lines[2].via.len() == 1, "{at:?} {:?}", tree.lines);
        let page = graph.neighbours(graph.find_outside("airflow/j").unwrap(), &ask, 0, 9);
        assert_eq!(page.iter().map(|(_, via)| via.len()).collect::<Vec<_>>(), [1], "{at:?}");
    }
}

#[test]
fn a_way_between_two_things_leaves_out_what_is_beside_it() {
    let graph = landed();
    let new = graph.find_outside("s3://api/new").unwrap().clone();
    let ask = Ask { toward: Some(new), ..Ask::of(Direction::Upstream) };
    let way: Vec<_> = graph.tree(&built(&graph), &ask).nodes().map(Node::name).collect();
    assert_eq!(way, ["delays@1", "flights@1", "s3://b/flights.parquet", "dag.land", "s3://api/new"]);
    // There is none to what is beside it.
    let beside: Node = pinned(Kind::FeatureView, "carrier_delays", 2).into();
    let ask = Ask { toward: Some(beside), ..Ask::of(Direction::Upstream) };
    let graph_file = graph.find_outside("s3://b/flights.parquet").unwrap();
    assert_eq!(graph.tree(graph_file, &ask).lines.len(), 1);
}

#[test]
fn columns_are_told_between_datasets_that_are_shown() {
    let with = |at: i64, run: &str, field: &str| {
        let mut event = told(at, "j", run, &["s3://b/x", "s3://b/z"], &["s3://b/y"]);
        event["outputs"][0]["facets"] = json!({"columnLineage": {"fields": {"total": {"inputFields": [
            {"namespace": "s3://b", "name": "x", "field": field,
             "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION"}]}]}}}});
        event
    };
    let graph = graph(&Tour::new(), &[with(1, "r1", "cents"), with(5, "r2", "amount")]);
    let columns = |of: &str, ask: Ask| {
        let tree = graph.tree(graph.find_outside(of).unwrap(), &ask);
        let shown = |column: &asof_lineage::Column| {
            format!(
                "{}:{} > {}:{}",
                column.from.name(),
                column.field,
                column.to.name(),
                column.into.as_deref().unwrap()
            )
        };
        tree.columns.iter().map(shown).collect::<Vec<_>>()
    };
    let upstream = || Ask::of(Direction::Upstream);
    assert_eq!(columns("s3://b/y", upstream()), ["s3://b/x:amount > s3://b/y:total"]);
    assert_eq!(columns("s3://b/y", Ask { at: Some(Micros(4)), ..upstream() }), ["s3://b/x:cents > s3://b/y:total"]);
    assert_eq!(columns("s3://b/y", Ask { depth: Some(1), ..upstream() }), Vec::<String>::new());
    let downstream = || Ask::of(Direction::Downstream);
    assert_eq!(columns("s3://b/x", downstream()), ["s3://b/x:amount > s3://b/y:total"]);
    assert_eq!(columns("s3://b/x", Ask { depth: Some(1), ..downstream() }), Vec::<String>::new());
    assert_eq!(columns("s3://b/z", downstream()), Vec::<String>::new());
    let document = render::document(&[graph.upstream(graph.find_outside("s3://b/y").unwrap(), None)]);
    insta::assert_snapshot!("outside_columns", serde_json::to_string_pretty(&document.columns).unwrap());
}

#[test]
fn neighbours_come_in_pages() {
    let events: Vec<_> = (0..25).map(|n| told(n, &format!("j{n:02}"), "r", &["s3://b/x"], &[])).collect();
    let graph = graph(&Tour::new(), &events);
    let node = graph.find_outside("s3://b/x").unwrap();
    let page = |skip, take| {
        let page = graph.neighbours(node, &Ask::of(Direction::Downstream), skip, take);
        page.iter().map(|(node, via)| format!("{} {}", node.name(), via[0])).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2), ["j00 reads r", "j01 reads r"]);
    assert_eq!(page(23, 10), ["j23 reads r", "j24 reads r"]);
    assert_eq!(page(25, 10), Vec::<String>::new());
}

#[test]
fn what_is_reached_is_what_the_tree_shows() {
    let graph = landed();
    for node in graph.nodes() {
        for direction in [Direction::Upstream, Direction::Downstream] {
            for depth in [None, Some(1), Some(2)] {
                let ask = Ask { depth, ..Ask::of(direction) };
                let mut tree: Vec<_> = graph.tree(node, &ask).nodes().skip(1).map(Node::id).collect();
                let mut list: Vec<_> = graph.reached(node, &ask).into_iter().map(|(node, _)| node.id()).collect();
                tree.sort();
                list.sort();
                assert_eq!(tree, list, "{} {ask:?}", node.id());
            }
        }
    }
}

#[test]
fn what_others_say_cannot_write_on_the_terminal() {
    let mut event = told(1, "j\u{1b}[2J", "r\u{1b}", &["s3://b/x\u{1b}[1m"], &[]);
    event["job"]["namespace"] = json!("n\u{7}");
    let graph = graph(&Tour::new(), &[event]);
    let job = graph.nodes().iter().find(|node| matches!(node, Node::Job(name) if name.name.starts_with('j'))).unwrap();
    let text = render::tree(&graph.upstream(job, None));
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
