//! A small store like the tour's: two datasets, two views, a service, a training set; ingested, built,
//! published.

use asof_lineage::Graph;
use asof_model::definition::{Annotations, Dataset, Input};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Columns, Definition, Digest, Kind, Micros, Name, Pinned, Registered, Run, SnapshotNumber, Version};

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn pinned(kind: Kind, text: &str, version: u32) -> Pinned {
    let digest = Digest::of(format!("{text}@{version}").as_bytes());
    Pinned { kind, project: name("tour"), name: name(text), version: Version(version), digest }
}

/// A definition that reads these. The graph looks only at what it reads, so its text is left out.
pub(crate) fn registered(pinned: &Pinned, inputs: &[&Pinned]) -> Registered {
    let definition = Definition::Dataset(Dataset {
        name: pinned.name.clone(),
        columns: None,
        timestamp: "ts".into(),
        known_at: None,
        key: vec![],
        cluster_by: vec![],
        checks: vec![],
        annotations: Annotations::new(),
    });
    let input = |p: &&Pinned| Input { written: p.name.to_string(), pinned: (*p).clone() };
    Registered {
        pinned: pinned.clone(),
        definition,
        inputs: inputs.iter().map(input).collect(),
        columns: Columns::default(),
        created: Micros(0),
    }
}

/// The n-th run.
pub(crate) fn run(n: u8, verb: Verb, inputs: Vec<Item>, outputs: Vec<Item>, rows: u64) -> Run {
    Run {
        id: format!("019cde00-0000-7000-8000-0000000000{n:02x}").parse().unwrap(),
        project: name("tour"),
        verb,
        started: Micros(i64::from(n)),
        finished: Some(Micros(i64::from(n) + 1)),
        outcome: Outcome::Done,
        inputs,
        outputs,
        notes: [("rows".to_owned(), rows.to_string())].into(),
        engine: "0".into(),
    }
}

pub(crate) fn file(url: &str) -> Item {
    Item::File { url: url.into(), digest: Digest::of(url.as_bytes()), bytes: 1 }
}

pub(crate) fn snapshot(dataset: &str, number: u64) -> Item {
    Item::Snapshot { dataset: name(dataset), number: SnapshotNumber(number) }
}

pub(crate) fn built(number: u32) -> Item {
    Item::TrainingSet { name: name("delays"), number, content: Digest::of(&[number as u8]) }
}

#[derive(Debug)]
pub(crate) struct Tour {
    pub(crate) definitions: Vec<Registered>,
    pub(crate) runs: Vec<Run>,
}

impl Tour {
    pub(crate) fn new() -> Self {
        let flights = pinned(Kind::Dataset, "flights", 1);
        let weather = pinned(Kind::Dataset, "weather", 1);
        let airport = pinned(Kind::Entity, "airport", 1);
        let carrier = pinned(Kind::Entity, "carrier", 1);
        let airport_weather = pinned(Kind::FeatureView, "airport_weather", 1);
        let carrier_delays = pinned(Kind::FeatureView, "carrier_delays", 2);
        let service = pinned(Kind::FeatureService, "departure_delay", 1);
        let delays = pinned(Kind::TrainingSet, "delays", 1);
        let definitions = vec![
            registered(&flights, &[]),
            registered(&weather, &[]),
            registered(&airport, &[]),
            registered(&carrier, &[]),
            registered(&airport_weather, &[&airport, &weather]),
            registered(&carrier_delays, &[&carrier, &flights]),
            registered(&service, &[&airport_weather, &carrier_delays]),
            registered(&delays, &[&service, &flights]),
        ];
        let all = || definitions.iter().map(|r| Item::Definition(r.pinned.clone()));
        let of = |p: &Pinned| Item::Definition(p.clone());
        let online = Item::Online { view: carrier_delays.clone(), generation: 1, rows: 16, at: Micros(9) };
        let runs = vec![
            run(1, Verb::Apply, vec![file("flights.sql")], all().collect(), 0),
            run(
                2,
                Verb::Ingest,
                vec![of(&flights), file("s3://b/flights.parquet")],
                vec![snapshot("flights", 1)],
                336_776,
            ),
            run(3, Verb::Ingest, vec![of(&weather), file("weather.csv")], vec![snapshot("weather", 1)], 26_115),
            run(
                4,
                Verb::Train,
                all().chain([snapshot("flights", 1), snapshot("weather", 1)]).collect(),
                vec![built(1)],
                327_346,
            ),
            run(5, Verb::Materialize, vec![of(&carrier_delays), snapshot("flights", 1)], vec![online], 16),
            run(6, Verb::Ingest, vec![of(&flights), file("late.csv")], vec![snapshot("flights", 2)], 10),
        ];
        Tour { definitions, runs }
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph::build(&self.definitions, &self.runs)
    }
}
