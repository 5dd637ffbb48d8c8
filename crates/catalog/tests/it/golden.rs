//! A catalog as the first release wrote it, as a dump of its file: what it holds must be read for ever, and its
//! digests must stay what they are.

use asof_catalog::{Catalog, WHO};
use asof_model::definition::{Annotations, Check, Dataset, Entity, Input, KnownAt, Service, TrainingSet, View};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Column, Columns, Definition, Digest, Micros, Pinned, Registered, Run, SnapshotNumber, Version};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::sample::{dev, name, project, to};

fn register(definition: Definition, inputs: &[(&str, &Registered)], columns: &str) -> Registered {
    let input = |(written, r): &(&str, &Registered)| Input { written: (*written).to_owned(), pinned: r.pinned.clone() };
    let inputs: Vec<_> = inputs.iter().map(input).collect();
    let pinned = Pinned {
        kind: definition.kind(),
        project: project(),
        name: definition.name().clone(),
        version: Version(1),
        digest: definition.digest(&inputs),
    };
    Registered { pinned, definition, inputs, columns: self::columns(columns), created: Micros(1_700_000_000_000_000) }
}

/// `a BIGINT; b DOUBLE`
fn columns(text: &str) -> Columns {
    let column = |text: &str| {
        let (name, data_type) = text.trim().split_once(' ').unwrap();
        Column::new(name, asof_model::schema::parse_sql_type(data_type).unwrap())
    };
    Columns(text.split(';').map(column).collect())
}

/// One definition of each kind, with every clause.
fn definitions() -> Vec<Registered> {
    let remarks = || Annotations::from([("owner".to_owned(), "o'ps".to_owned())]);
    let flights = "carrier VARCHAR; arr_delay DOUBLE; arrived_at TIMESTAMP; loaded_at TIMESTAMP; tags VARCHAR[]; price DECIMAL(10, 2)";
    let dataset = Definition::Dataset(Dataset {
        name: name("flights"),
        columns: Some(columns(flights)),
        timestamp: "arrived_at".into(),
        known_at: Some("loaded_at".into()),
        key: vec!["carrier".into()],
        cluster_by: vec!["carrier".into()],
        checks: vec![Check { name: name("delay_sane"), condition: "arr_delay > -120".into() }],
        annotations: remarks(),
    });
    let entity =
        Definition::Entity(Entity { name: name("carrier"), key: columns("carrier VARCHAR"), annotations: remarks() });
    let view = Definition::FeatureView(View {
        name: name("carrier_delays"),
        entity: "carrier".into(),
        timestamp: "arrived_at".into(),
        known_at: KnownAt::Column("loaded_at".into()),
        ttl: Some(Micros(10_800_000_000)),
        slide: Some(Micros(3_600_000_000)),
        query: "SELECT carrier, arrived_at, loaded_at, arr_delay FROM flights".into(),
        annotations: remarks(),
    });
    let service = Definition::FeatureService(Service {
        name: name("departure_delay"),
        request: columns("distance DOUBLE"),
        query: "SELECT arr_delay, distance > 1000 AS far FROM carrier_delays".into(),
        annotations: remarks(),
    });
    let training = Definition::TrainingSet(TrainingSet {
        name: name("delays"),
        features: "departure_delay".into(),
        timestamp: "arrived_at".into(),
        query: "SELECT carrier, arrived_at, 1.0 AS distance FROM flights".into(),
        annotations: remarks(),
    });
    let dataset = register(dataset, &[], flights);
    let entity = register(entity, &[], "carrier VARCHAR");
    let view = register(view, &[("carrier", &entity), ("flights", &dataset)], "carrier VARCHAR; arr_delay DOUBLE");
    let service = register(service, &[("carrier_delays", &view)], "arr_delay DOUBLE; far BOOLEAN");
    let training =
        register(training, &[("departure_delay", &service), ("flights", &dataset)], "carrier VARCHAR; far BOOLEAN");
    vec![dataset, entity, view, service, training]
}

/// Runs with every kind of item and every outcome.
fn runs(definitions: &[Registered]) -> Vec<Run> {
    let pinned = |place: usize| definitions[place].pinned.clone();
    let run = |n: u8, verb, outcome, inputs: Vec<Item>, outputs: Vec<Item>| Run {
        id: format!("018bcfe5-6800-7000-8000-0000000000{n:02x}").parse().unwrap(),
        project: project(),
        verb,
        started: Micros(1_700_000_000_000_000 + i64::from(n)),
        finished: (outcome != Outcome::Running).then_some(Micros(1_700_000_001_000_000)),
        outcome,
        inputs,
        outputs,
        notes: [(WHO.to_owned(), "ada".to_owned())].into(),
        engine: "0.1.0".into(),
    };
    let file = Item::File { url: "s3://b/flights.parquet".into(), digest: Digest::of(b"file"), bytes: 4 };
    let snapshot = Item::Snapshot { dataset: name("flights"), number: SnapshotNumber(1) };
    let built = Item::TrainingSet { name: name("delays"), number: 1, content: Digest::of(b"rows") };
    let online = Item::Online { view: pinned(2), generation: 1, rows: 16, at: Micros(1_700_000_000_000_000) };
    let applied = definitions.iter().map(|r| Item::Definition(r.pinned.clone())).collect();
    vec![
        run(1, Verb::Apply, Outcome::Done, vec![], applied),
        run(2, Verb::Ingest, Outcome::Done, vec![Item::Definition(pinned(0)), file], vec![snapshot.clone()]),
        run(3, Verb::Train, Outcome::Done, vec![Item::Definition(pinned(4)), snapshot.clone()], vec![built.clone()]),
        run(4, Verb::Materialize, Outcome::Done, vec![snapshot], vec![online]),
        run(5, Verb::Rebuild, Outcome::Failed { error: "no\n  help: yes".into() }, vec![built], vec![]),
        run(6, Verb::Ingest, Outcome::Aborted, vec![], vec![]),
        run(7, Verb::Ingest, Outcome::Running, vec![], vec![]),
    ]
}

async fn write(catalog: &Catalog) {
    let definitions = definitions();
    let runs = runs(&definitions);
    let moves = definitions.iter().map(|r| to(r.pinned.name.as_str(), None, 1)).collect();
    catalog.apply(&project(), &dev(), definitions, vec![], moves, &runs[0]).await.unwrap();
    for run in &runs[1..] {
        catalog.finish(run).await.unwrap();
    }
}

async fn read(catalog: &Catalog) {
    let definitions = definitions();
    for registered in &definitions {
        let found = catalog.current(&project(), &dev(), &registered.pinned.name).await;
        assert_eq!(found.as_ref(), Ok(&Some(registered.clone())));
        let history = catalog.pointer_history(&project(), &dev(), &registered.pinned.name).await.unwrap();
        assert_eq!((history.len(), history[0].who.as_deref()), (1, Some("ada")));
    }
    assert_eq!(catalog.closure(std::slice::from_ref(&definitions[4].pinned)).await.unwrap().len(), 5);
    let runs = runs(&definitions);
    for run in &runs {
        assert_eq!(catalog.run(run.id).await.as_ref(), Ok(&Some(run.clone())));
    }
    for made in &runs[..4] {
        assert_eq!(catalog.producer(&project(), &made.outputs[0]).await.as_ref(), Ok(&Some(made.clone())));
    }
    assert_eq!(catalog.unfinished(None).await, Ok(vec![runs[6].clone()]));
    // Counted as they were written, or when the file was brought to the present layout.
    let jobs = catalog.jobs(&project()).await.unwrap();
    let jobs: Vec<_> = jobs.iter().map(|job| (job.name.as_str(), job.runs, job.done)).collect();
    let expected = [
        ("apply", 1, 1),
        ("ingest", 2, 0),
        ("ingest.flights", 1, 1),
        ("materialize.carrier_delays", 1, 1),
        ("rebuild.delays", 1, 0),
        ("train.delays", 1, 1),
    ];
    assert_eq!(jobs, expected);
    let last = catalog.last_done(&project(), &["train.delays"], None).await;
    assert_eq!(last, Ok(vec![runs[2].clone()]));
}

#[tokio::test]
async fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
    write(&catalog).await;
    read(&catalog).await;
}

#[tokio::test]
async fn what_the_first_release_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    // A dump brings tables in the order of their names, so what they refer to comes later.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true).foreign_keys(false);
    let mut db = options.connect().await.unwrap();
    db.execute(sqlx::raw_sql(include_str!("first_release.sql"))).await.unwrap();
    db.close().await.unwrap();
    read(&Catalog::open(&format!("sqlite:{}", file.display())).await.unwrap()).await;
}
