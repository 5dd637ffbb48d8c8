//! Questions by column, over the tour.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_lineage::columns::{Change, Flowing, flat};
use asof_lineage::openlineage::Heard;
use asof_lineage::{Ask, Direction, Graph, Node, render};
use asof_model::flow::{Flows, Made, Of, Read, Reads, Way, Ways};
use asof_model::{Kind, Micros, Name, Pinned, Registered, Result, Selector};
use proptest::prelude::*;
use serde_json::json;

use crate::tour::{Tour, name, pinned, registered};

/// What the tour's columns are made of.
pub(crate) struct Told;

impl Flowing for Told {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        let (flights, weather) = (pinned(Kind::Dataset, "flights", 1), pinned(Kind::Dataset, "weather", 1));
        let (delays, airport_weather) =
            (pinned(Kind::FeatureView, "carrier_delays", 2), pinned(Kind::FeatureView, "airport_weather", 1));
        let service = pinned(Kind::FeatureService, "departure_delay", 1);
        let flows = match of.name.as_str() {
            "airport_weather" => flows(
                &[weather],
                &[
                    ("airport", "0.origin identity"),
                    ("observed_at", "0.observed_at identity"),
                    ("temp", "0.temp identity"),
                ],
                "0.wind_speed filter",
            ),
            "carrier_delays" => flows(
                &[flights],
                &[
                    ("carrier", "0.carrier identity"),
                    ("arrived_at", "0.arrived_at identity"),
                    ("mean_delay_7d", "0.arr_delay aggregation, 0.arrived_at window, 0.carrier window"),
                    ("flights_7d", "0.arrived_at window, 0.carrier window"),
                ],
                "",
            ),
            "departure_delay" => flows(
                &[airport_weather, delays],
                &[
                    ("temp", "0.temp identity, 0.observed_at sort, 0.airport join, request.origin join"),
                    (
                        "mean_delay_7d",
                        "1.mean_delay_7d identity, 1.arrived_at sort, 1.carrier join, request.carrier join",
                    ),
                    (
                        "risky",
                        "1.mean_delay_7d transformation, 1.arrived_at sort, 1.carrier join, request.carrier join, request.distance transformation",
                    ),
                ],
                "",
            ),
            "delays" => flows(
                &[flights, service],
                &[
                    ("origin", "0.origin identity"),
                    ("late", "0.arr_delay transformation"),
                    ("temp", "1.temp identity, 0.origin join, 0.sched_dep sort"),
                    ("mean_delay_7d", "1.mean_delay_7d identity, 0.carrier join, 0.sched_dep sort"),
                    ("risky", "1.risky identity, 0.carrier join, 0.sched_dep sort, 0.distance transformation"),
                ],
                "0.cancelled filter",
            ),
            _ => Flows::default(),
        };
        Ok(Arc::new(flows))
    }
}

/// `0.column way way, request.column way`: the first input's column, and the caller's.
fn reads(text: &str) -> Reads {
    let read = |part: &str| {
        let (column, ways) = part.split_once(' ').unwrap();
        let (of, column) = column.split_once('.').unwrap();
        let of = if of == "request" { Of::Request } else { Of::Input(of.parse().unwrap()) };
        let ways = ways.split(' ').map(|way| Way::of_subtype(&way.to_ascii_uppercase()).unwrap());
        (Read { of, column: column.to_owned() }, ways.collect::<Ways>())
    };
    text.split(", ").filter(|part| !part.is_empty()).map(read).collect()
}

fn flows(inputs: &[Pinned], columns: &[(&str, &str)], rows: &str) -> Flows {
    let made = |(name, of): &(&str, &str)| Made { name: (*name).to_owned(), of: reads(of) };
    Flows { inputs: inputs.to_vec(), columns: columns.iter().map(made).collect(), rows: reads(rows), unseen: None }
}

fn column(graph: &Graph, of: &str, column: &str) -> Node {
    let of = graph.find(&name("tour"), &name(of), None).cloned().unwrap();
    graph.column(&of, column)
}

fn tree(graph: &Graph, root: &Node, ask: &Ask) -> String {
    render::tree(&graph.column_tree(&Told, root, ask).unwrap())
}

fn reached(graph: &Graph, root: &Node, ask: &Ask) -> Vec<String> {
    graph.column_tree(&Told, root, ask).unwrap().nodes().skip(1).map(Node::name).collect()
}

fn both(graph: &Graph, root: &Node) -> [asof_lineage::Tree; 2] {
    [Direction::Upstream, Direction::Downstream]
        .map(|direction| graph.column_tree(&Told, root, &Ask::of(direction)).unwrap())
}

#[test]
fn a_feature_leads_to_the_columns_of_files() {
    let graph = Tour::new().graph();
    insta::assert_snapshot!(tree(&graph, &column(&graph, "delays", "risky"), &Ask::of(Direction::Upstream)));
}

#[test]
fn a_column_of_a_file_leads_to_what_was_built() {
    let graph = Tour::new().graph();
    insta::assert_snapshot!(tree(&graph, &column(&graph, "flights", "arr_delay"), &Ask::of(Direction::Downstream)));
    let file = graph.find_outside("s3://b/flights.parquet").unwrap();
    let below = reached(&graph, &graph.column(file, "arr_delay"), &Ask::of(Direction::Downstream));
    assert!(below.contains(&"departure_delay@1.risky".to_owned()), "{below:?}");
    let built = graph.find(&name("tour"), &name("delays"), Some(&Selector::Number(1))).unwrap();
    let above = reached(&graph, &graph.column(built, "late"), &Ask::of(Direction::Upstream));
    assert_eq!(
        above,
        [
            "delays@1.late",
            "flights.arr_delay",
            "late.csv.arr_delay",
            "flights.parquet.arr_delay",
            "delays@1.*",
            "flights.cancelled",
            "late.csv.cancelled",
            "flights.parquet.cancelled",
        ]
    );
}

#[test]
fn what_decides_which_rows_there_are_concerns_all_columns() {
    let graph = Tour::new().graph();
    let wind = column(&graph, "weather", "wind_speed");
    let below = reached(&graph, &wind, &Ask::of(Direction::Downstream));
    assert_eq!(below, ["airport_weather@1.*", "departure_delay@1.temp", "delays@1.temp", "delays@1"]);
    let above = reached(&graph, &column(&graph, "departure_delay", "temp"), &Ask::of(Direction::Upstream));
    assert!(above.contains(&"weather.wind_speed".to_owned()), "{above:?}");
    let other = reached(&graph, &column(&graph, "departure_delay", "risky"), &Ask::of(Direction::Upstream));
    assert!(!other.contains(&"weather.wind_speed".to_owned()), "{other:?}");
}

#[test]
fn the_ways_between_two_columns() {
    let graph = Tour::new().graph();
    let (from, to) = (column(&graph, "flights", "arr_delay"), column(&graph, "departure_delay", "risky"));
    let down = Ask { toward: Some(to.clone()), ..Ask::of(Direction::Downstream) };
    assert_eq!(
        tree(&graph, &from, &down),
        "flights.arr_delay (dataset)\n\
         └─ carrier_delays@2.mean_delay_7d (feature view) [direct: aggregation]\n\
         \u{20}  └─ departure_delay@1.risky (feature service) [direct: transformation]\n"
    );
    let up = Ask { toward: Some(from.clone()), ..Ask::of(Direction::Upstream) };
    assert_eq!(reached(&graph, &to, &up), ["carrier_delays@2.mean_delay_7d", "flights.arr_delay"]);
    let none = Ask { toward: Some(column(&graph, "weather", "temp")), ..Ask::of(Direction::Upstream) };
    assert!(reached(&graph, &to, &none).is_empty());
    let near = Ask { depth: Some(1), ..Ask::of(Direction::Downstream) };
    assert!(
        tree(&graph, &from, &near)
            .contains("carrier_delays@2.mean_delay_7d (feature view) [direct: aggregation] … 2 more")
    );
}

#[test]
fn a_parameter_of_the_request_leads_to_what_is_made_of_it() {
    let graph = Tour::new().graph();
    let distance = column(&graph, "departure_delay", "request.distance");
    let below = reached(&graph, &distance, &Ask::of(Direction::Downstream));
    assert_eq!(below, ["departure_delay@1.risky", "delays@1.risky", "delays@1"]);
    assert!(reached(&graph, &distance, &Ask::of(Direction::Upstream)).is_empty());
}

#[test]
fn what_changes_with_a_column() {
    let graph = Tour::new().graph();
    let impact = |of, name, change| graph.impact(&Told, &column(&graph, of, name), change, None).unwrap();
    let dropped = impact("flights", "arr_delay", Change::Drop);
    insta::assert_snapshot!("impact_of_dropping", render::impact(&dropped));
    insta::assert_snapshot!("impact_of_dropping_json", render::impact_json(&dropped));
    // Another type concerns only what it goes into; without it, what reads it cannot be bound, and what reads that.
    let names = |change| {
        let found = impact("weather", "wind_speed", change);
        found.definitions.iter().map(|affected| affected.definition.reference()).collect::<Vec<_>>()
    };
    assert_eq!(names(Change::Drop), ["airport_weather@1", "departure_delay@1", "delays@1"]);
    let temp = impact("weather", "wind_speed", Change::Retype);
    let columns: Vec<_> = temp.definitions.iter().map(|affected| (affected.reads, affected.is_direct())).collect();
    assert_eq!(columns, [(true, false), (false, false), (false, false)]);
    let nothing = impact("weather", "humidity", Change::Drop);
    assert_eq!(render::impact(&nothing), "nothing reads weather.humidity: it can go\n");
    // The window of a count is that of the view, and nothing else of it reads the count.
    let unread = impact("carrier_delays", "flights_7d", Change::Drop);
    assert!(unread.definitions.is_empty(), "{unread:?}");
}

#[test]
fn a_reader_of_another_column_breaks_with_its_view() {
    let mut tour = Tour::new();
    // It reads the view's rows, and none of its columns.
    let counting = pinned(Kind::FeatureView, "counting", 1);
    tour.definitions.push(registered(&counting, &[&pinned(Kind::FeatureView, "carrier_delays", 2)]));
    let graph = tour.graph();
    let impact = |change| graph.impact(&Told, &column(&graph, "flights", "arr_delay"), change, None).unwrap();
    let of_it = |change| impact(change).definitions.into_iter().find(|affected| affected.definition == counting);
    assert!(of_it(Change::Retype).is_none());
    let found = of_it(Change::Drop).unwrap();
    assert_eq!((found.columns.len(), found.through.unwrap().reference()), (0, "carrier_delays@2".to_owned()));
}

#[test]
fn what_others_told_of_columns_leads_on() {
    let told = |at: i64, from: &str| {
        json!({"eventTime": Micros(at).to_string(), "eventType": "COMPLETE", "run": {"runId": format!("r{at}")},
            "job": {"namespace": "airflow", "name": "land"}, "inputs": [{"namespace": "s3://api", "name": from}],
            "outputs": [{"namespace": "s3://b", "name": "flights.parquet", "facets": {"columnLineage": {
                "fields": {"arr_delay": {"inputFields": [{"namespace": "s3://api", "name": from, "field": "delay",
                    "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]}},
                "dataset": [{"namespace": "s3://api", "name": from, "field": "day",
                    "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}]}}}]})
    };
    let mut heard = Heard::new();
    for event in [told(1, "old"), told(5, "new")] {
        heard.hear(&event).unwrap();
    }
    let tour = Tour::new();
    let graph = Graph::with(&tour.definitions, &tour.runs, &heard.fold());
    let above = reached(&graph, &column(&graph, "delays", "late"), &Ask::of(Direction::Upstream));
    for found in ["s3://b/flights.parquet.arr_delay", "s3://api/new.delay", "s3://api/new.day"] {
        assert!(above.contains(&found.to_owned()), "{found} in {above:?}");
    }
    assert!(!above.iter().any(|name| name.contains("old")), "{above:?}");
    let then = Ask { at: Some(Micros(4)), ..Ask::of(Direction::Upstream) };
    let above = reached(&graph, &column(&graph, "flights", "arr_delay"), &then);
    assert!(above.contains(&"s3://api/old.delay".to_owned()), "{above:?}");
    let source = graph.find_outside("s3://api/new").unwrap();
    for column in ["delay", "day"] {
        let below = reached(&graph, &graph.column(source, column), &Ask::of(Direction::Downstream));
        assert!(below.contains(&"departure_delay@1.risky".to_owned()), "{below:?}");
    }
    let text = render::impact(&graph.impact(&Told, &graph.column(source, "delay"), Change::Drop, None).unwrap());
    assert!(text.contains("of others:\ns3://b/flights.parquet.arr_delay   direct: transformation\n"), "{text}");
}

#[test]
fn as_of_a_moment_a_later_definition_reads_nothing() {
    let mut tour = Tour::new();
    for definition in &mut tour.definitions {
        let at = if definition.pinned.kind == Kind::FeatureService { 9 } else { 2 };
        *definition = Registered { created: Micros(at), ..definition.clone() };
    }
    let graph = tour.graph();
    let root = column(&graph, "flights", "arr_delay");
    let reached = |at| reached(&graph, &root, &Ask { at: Some(Micros(at)), ..Ask::of(Direction::Downstream) });
    assert!(reached(1).is_empty());
    assert!(reached(8).contains(&"carrier_delays@2.mean_delay_7d".to_owned()));
    assert!(!reached(8).iter().any(|name| name.contains("departure_delay")), "{:?}", reached(8));
    assert!(reached(9).contains(&"departure_delay@1.risky".to_owned()));
}

#[test]
fn charts_and_json_show_columns() {
    let graph = Tour::new().graph();
    let trees = both(&graph, &column(&graph, "carrier_delays", "mean_delay_7d"));
    insta::assert_snapshot!("columns_mermaid", render::mermaid(&trees));
    let json: serde_json::Value = serde_json::from_str(&render::json(&trees)).unwrap();
    assert!(render::dot(&trees).contains("carrier_delays@2.mean_delay_7d (feature view)\", shape=tab"));
    let (node, edge) = (&json["nodes"][0], &json["edges"][0]);
    assert_eq!(node["kind"], "column");
    assert_eq!(node["column"], "mean_delay_7d");
    assert_eq!(node["of"].as_str().map(|of| format!("{of}#mean_delay_7d")), node["id"].as_str().map(str::to_owned));
    assert_eq!(edge["via"], json!([{"by": "columns", "how": [{"direct": true, "subtype": "AGGREGATION"}]}]));
}

#[test]
fn what_lies_between_is_followed_to_datasets() {
    let found = flat(&Told, &pinned(Kind::TrainingSet, "delays", 1)).unwrap();
    let shown = |of: &BTreeMap<(Pinned, String), Ways>| -> Vec<String> {
        of.iter().map(|((dataset, column), ways)| format!("{}.{column} {ways}", dataset.name)).collect()
    };
    let column = |name: &str| shown(&found.columns.iter().find(|(column, _)| column == name).unwrap().1);
    assert_eq!(column("late"), ["flights.arr_delay direct: transformation"]);
    assert_eq!(
        column("risky"),
        [
            "flights.arr_delay direct: aggregation",
            "flights.arrived_at indirect: sort, window",
            "flights.carrier indirect: join, window",
            "flights.distance direct: transformation",
            "flights.sched_dep indirect: sort",
        ]
    );
    assert_eq!(
        column("temp"),
        [
            "flights.origin indirect: join",
            "flights.sched_dep indirect: sort",
            "weather.observed_at indirect: sort",
            "weather.origin indirect: join",
            "weather.temp direct: identity",
            "weather.wind_speed indirect: filter",
        ]
    );
    assert_eq!(shown(&found.rows), ["flights.cancelled indirect: filter"]);
}

/// Definitions in layers, each reading some of those before; by number.
#[derive(Clone, Debug)]
struct World(BTreeMap<Pinned, Flows>);

impl Flowing for World {
    fn flows(&self, of: &Pinned) -> Result<Arc<Flows>> {
        Ok(Arc::new(self.0.get(of).cloned().unwrap_or_default()))
    }
}

impl World {
    /// Each definition has columns `a`, `b`, `c`; `choices` say what they are made of.
    fn of(choices: &[(usize, usize, u8, u8)]) -> (World, Vec<Registered>) {
        let tables: Vec<Pinned> = (0..2).map(|n| pinned(Kind::Dataset, &format!("t{n}"), 1)).collect();
        let mut all: Vec<Pinned> = tables.clone();
        let mut world = BTreeMap::new();
        let mut definitions: Vec<Registered> = tables.iter().map(|table| registered(table, &[])).collect();
        for (n, (left, right, made, rows)) in choices.iter().enumerate() {
            let kind = if n % 4 == 3 { Kind::FeatureService } else { Kind::FeatureView };
            // A service is read by nothing here.
            let readable: Vec<&Pinned> = all.iter().filter(|pinned| pinned.kind != Kind::FeatureService).collect();
            let inputs: Vec<Pinned> =
                [readable[left % readable.len()].clone(), readable[right % readable.len()].clone()].to_vec();
            let read = |input: u32, column: &str| Read { of: Of::Input(input), column: column.to_owned() };
            let columns = ["a", "b", "c"].iter().enumerate().map(|(place, name)| {
                let mut of = Reads::new();
                if made & (1 << place) != 0 {
                    of.insert(read(0, ["b", "c", "a"][place]), Way::Transformation.into());
                }
                if made & (8 << place) != 0 {
                    of.insert(read(1, name), Way::Window.into());
                }
                Made { name: (*name).to_owned(), of }
            });
            let mut decide = Reads::new();
            if kind == Kind::FeatureView && rows % 4 == 1 {
                decide.insert(read(u32::from(rows / 128), "c"), Way::Filter.into());
            }
            let of = pinned(kind, &format!("d{n}"), 1);
            let flows = Flows { inputs: inputs.clone(), columns: columns.collect(), rows: decide, unseen: None };
            definitions.push(registered(&of, &inputs.iter().collect::<Vec<_>>()));
            world.insert(of.clone(), flows);
            all.push(of);
        }
        (World(world), definitions)
    }
}

proptest! {
    /// If one column is upstream of another, that one, or the rows that it is in, are downstream of the first; and the other
    /// way round.
    #[test]
    fn upstream_and_downstream_are_each_others_inverse(
        choices in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>(), any::<u8>()), 1..14),
    ) {
        let (world, definitions) = World::of(&choices);
        let graph = Graph::build(&definitions, &[]);
        let nodes: Vec<Node> = graph.nodes().to_vec();
        let columns = nodes.iter().flat_map(|node| ["a", "b", "c"].map(|name| graph.column(node, name)));
        let columns: Vec<Node> = columns.collect();
        let reached = |root: &Node, direction| -> Vec<Node> {
            let tree = graph.column_tree(&world, root, &Ask::of(direction)).unwrap();
            tree.nodes().skip(1).cloned().collect()
        };
        let above: Vec<_> = columns.iter().map(|column| reached(column, Direction::Upstream)).collect();
        let below: Vec<_> = columns.iter().map(|column| reached(column, Direction::Downstream)).collect();
        for (to, above) in columns.iter().zip(&above) {
            for (from, below) in columns.iter().zip(&below) {
                let rows = match to {
                    Node::Column { of, .. } => Node::Column { of: of.clone(), name: None },
                    other => other.clone(),
                };
                let is_below = below.contains(to) || below.contains(&rows);
                prop_assert_eq!(above.contains(from), is_below, "{} to {}", from.name(), to.name());
            }
        }
    }
}

#[test]
fn a_name_is_all_that_a_dataset_has() {
    let mut tour = Tour::new();
    let (old, new) = (pinned(Kind::Dataset, "flights", 1), pinned(Kind::Dataset, "flights", 2));
    tour.definitions.push(registered(&new, &[]));
    let graph = tour.graph();
    let of = |pinned: &Pinned| graph.column(&Node::Definition(pinned.clone()), "arr_delay");
    assert_eq!(of(&old), of(&new));
    let below = reached(&graph, &of(&old), &Ask::of(Direction::Downstream));
    assert!(below.contains(&"carrier_delays@2.mean_delay_7d".to_owned()), "{below:?}");
    let unrelated: Name = name("other");
    assert!(graph.find(&unrelated, &name("flights"), None).is_none());
}
