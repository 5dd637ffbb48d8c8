//! Requests as unmodified clients send them: Airflow 3.3 with SQLite and with PostgreSQL, openlineage-python 1.54 with
//! about 25 facets, a client in Rust that sends batches.

use serde_json::Value;

use super::{columns, flows, folded};
use crate::openlineage::orders::shuffled;

pub(super) const CLIENTS: [(&str, &str); 4] = [
    ("airflow_postgres", include_str!("../fixtures/airflow_postgres.jsonl")),
    ("airflow_sqlite", include_str!("../fixtures/airflow_sqlite.jsonl")),
    ("python_client", include_str!("../fixtures/python_client.jsonl")),
    ("rust_client", include_str!("../fixtures/rust_client.jsonl")),
];

/// The events of a client in the order in which it sent them.
pub(super) fn events(requests: &str) -> Vec<Value> {
    let bodies = requests.lines().map(|line| serde_json::from_str(line).unwrap());
    bodies
        .flat_map(|body| match body {
            Value::Array(events) => events,
            event => vec![event],
        })
        .collect()
}

#[test]
fn the_same_graph_in_order_shuffled_and_doubled() {
    let all: Vec<Value> = CLIENTS.iter().flat_map(|(_, requests)| events(requests)).collect();
    assert_eq!(all.len(), 49 + 9 + 7 + 10);
    let expected = folded(&all);
    assert!(!expected.flows().is_empty());
    assert_eq!(folded(all.iter().rev()), expected);
    assert_eq!(folded(all.iter().chain(&all)), expected);
    for seed in 0..20 {
        assert_eq!(folded(shuffled(&all, seed)), expected, "seed {seed}");
    }
}

#[test]
fn what_each_client_says_is_understood() {
    for (client, requests) in CLIENTS {
        let external = folded(&events(requests));
        let jobs = external.jobs().iter().map(|job| {
            let parents: Vec<_> = job.part_of.iter().map(ToString::to_string).collect();
            let facets: Vec<_> = job.facets.keys().map(String::as_str).collect();
            format!("{} of [{}] {{{}}}", job.name, parents.join(", "), facets.join(" "))
        });
        let datasets = external.datasets().iter().map(|dataset| {
            let also: Vec<_> = dataset.also.iter().map(|name| format!(" = {name}")).collect();
            let facets: Vec<_> = dataset.facets.keys().map(String::as_str).collect();
            format!("{}{} {{{}}}", dataset.name, also.concat(), facets.join(" "))
        });
        let parts = [
            ("jobs", jobs.collect::<Vec<_>>()),
            ("datasets", datasets.collect()),
            ("flows", flows(&external)),
            ("columns", columns(&external)),
        ];
        let text: Vec<_> = parts.iter().map(|(what, lines)| format!("{what}:\n  {}", lines.join("\n  "))).collect();
        insta::assert_snapshot!(client, text.join("\n"));
    }
}
