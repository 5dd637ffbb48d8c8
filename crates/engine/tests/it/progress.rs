//! What long work tells: rows read of rows expected. It only grows, it ends at what was expected, and that is right to the
//! row.

use std::sync::{Arc, Mutex};

use asof_engine::{KnownMoment, MaterializeRequest, Probe, Progress, TrainRequest, VerifyRequest};
use asof_model::{Micros, Result};
use proptest::prelude::*;

use crate::world::{World, trips};

/// All that was told.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, u64, Option<u64>)>>);

impl Progress for Heard {
    fn advance(&self, stage: &str, done: u64, total: Option<u64>) {
        self.0.lock().unwrap().push((stage.to_owned(), done, total));
    }
}

impl Heard {
    /// The stages in their order, each with what it came to; within each, numbers only grow and never pass their total.
    fn stages(&self) -> Vec<(String, u64, Option<u64>)> {
        let mut stages: Vec<(String, u64, Option<u64>)> = Vec::new();
        for (stage, done, total) in self.0.lock().unwrap().iter().cloned() {
            assert!(total.is_none_or(|total| done <= total), "{stage}: {done} of {total:?}");
            match stages.last_mut() {
                Some(last) if last.0 == stage => {
                    assert!(last.1 <= done, "{stage}: {done} after {}", last.1);
                    (last.1, last.2) = (done, total);
                }
                _ => {
                    assert!(stages.iter().all(|(earlier, ..)| *earlier != stage), "{stage} comes twice");
                    stages.push((stage, done, total));
                }
            }
        }
        stages
    }

    fn check(&self, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(stage, n)| ((*stage).to_owned(), *n, Some(*n))).collect();
        assert_eq!(self.stages(), expected);
    }
}

/// A world with so many trips, in two files, and so many tolls.
async fn world(sql: &str, count: i64, tolls: i64) -> World {
    let world = World::new().await;
    let declared = "
        CREATE DATASET trips (trip BIGINT, driver VARCHAR, city BIGINT, ended TIMESTAMP, fare DOUBLE) TIMESTAMP ended;
        CREATE DATASET tolls (driver VARCHAR, at TIMESTAMP, toll DOUBLE) TIMESTAMP at;
        CREATE ENTITY driver KEY (driver VARCHAR);
    ";
    world.apply(&format!("{declared}{sql}")).await.unwrap();
    for part in [0..count / 3, count / 3..count] {
        let rows: Vec<_> =
            part.clone().map(|i| (i, ["ann", "bob", "cy"][(i % 3) as usize], i % 5, i * 7, None)).collect();
        let file = world.file(&format!("trips{}.csv", part.start), &trips(&rows));
        world.ingest("trips", &file).await.unwrap();
    }
    let mut text = "driver,at,toll\n".to_owned();
    (0..tolls).for_each(|i| text += &format!("ann,{},{i}\n", Micros(i * asof_model::time::SECOND)));
    let file = world.file("tolls.csv", &text);
    world.ingest("tolls", &file).await.unwrap();
    world
}

async fn train(world: &World, name: &str) -> Result<Arc<Heard>> {
    let heard = Arc::new(Heard::default());
    let request = TrainRequest { name: name.parse()?, known_at: KnownMoment::EventTime, statuses: false };
    world.engine.train(&world.scope, request, heard.clone()).await?;
    Ok(heard)
}

const VIEWS: &str = "
    CREATE FEATURE VIEW last_trip ENTITY driver TIMESTAMP ended AS SELECT driver, ended, trip FROM trips;
    CREATE FEATURE VIEW tolled ENTITY driver TIMESTAMP at AS SELECT driver, at, toll FROM tolls WHERE toll > 3;
    CREATE FEATURE VIEW days ENTITY driver TIMESTAMP day AS
      SELECT driver, date_trunc('day', at) + INTERVAL '1 day' AS day, sum(toll) AS tolls FROM tolls GROUP BY 1, 2;
    CREATE FEATURE VIEW both ENTITY driver TIMESTAMP ended AS
      SELECT t.driver, t.ended, count(*) AS n FROM trips AS t JOIN tolls AS o ON o.driver = t.driver GROUP BY 1, 2;
    CREATE FEATURE SERVICE one AS SELECT trip FROM last_trip;
    CREATE FEATURE SERVICE all_of_them AS SELECT trip, toll, tolls, n FROM last_trip, tolled, days, both;
    CREATE TRAINING SET simple FEATURES one TIMESTAMP ended AS SELECT driver, ended FROM trips;
    CREATE TRAINING SET early FEATURES one TIMESTAMP ended AS SELECT driver, ended FROM trips WHERE trip < 5;
    CREATE TRAINING SET few FEATURES one TIMESTAMP ended AS SELECT driver, ended FROM trips ORDER BY ended LIMIT 3;
    CREATE TRAINING SET none FEATURES one TIMESTAMP ended AS SELECT driver, ended FROM trips WHERE trip < 0;
    CREATE TRAINING SET wide FEATURES all_of_them TIMESTAMP ended AS SELECT driver, ended FROM trips;
";

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_spine_and_views_is_told_once() {
    let world = world(VIEWS, 20_000, 100).await;
    // The spine and the view, whose files are opened twice; then as many rows as the spine has.
    train(&world, "simple").await.unwrap().check(&[("reading", 40_000), ("writing", 20_000)]);
    // Rows that are filtered, or left out because statistics say that none matters, are read all the same.
    train(&world, "early").await.unwrap().check(&[("reading", 40_000), ("writing", 5)]);
    train(&world, "few").await.unwrap().check(&[("reading", 40_000), ("writing", 3)]);
    train(&world, "none").await.unwrap().check(&[("reading", 40_000)]);
    // Of a view that groups and joins, the rows that it is made of.
    train(&world, "wide")
        .await
        .unwrap()
        .check(&[("reading", 20_000 + 20_000 + 100 + 100 + 20_100), ("writing", 20_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_long_verbs_tell_theirs() {
    let world = world(VIEWS, 9_000, 60).await;
    train(&world, "simple").await.unwrap();
    let heard = Arc::new(Heard::default());
    world.engine.rebuild(&world.scope, &"simple@1".parse().unwrap(), heard.clone()).await.unwrap();
    let stages = heard.stages();
    assert_eq!(stages[0].0, "checking");
    assert_eq!(stages[1..], [("reading".into(), 18_000, Some(18_000)), ("comparing".into(), 9_000, Some(9_000))]);

    let heard = Arc::new(Heard::default());
    let views = ["last_trip", "tolled"].map(|v| v.parse().unwrap()).to_vec();
    world
        .engine
        .materialize(&world.scope, MaterializeRequest { views, ..MaterializeRequest::default() }, heard.clone())
        .await
        .unwrap();
    let expected = [
        ("finding the keys of last_trip (1 of 2)".to_owned(), 9_000, Some(9_000)),
        ("reading last_trip (1 of 2)".to_owned(), 9_000, Some(9_000)),
        ("publishing last_trip (1 of 2)".to_owned(), 3, None),
        ("finding the keys of tolled (2 of 2)".to_owned(), 60, Some(60)),
        ("reading tolled (2 of 2)".to_owned(), 60, Some(60)),
        ("publishing tolled (2 of 2)".to_owned(), 1, None),
    ];
    assert_eq!(heard.stages(), expected);

    // A sample of the view and of its dataset, the view whole, and the view at each moment.
    let verify = |reference: &str, probe| {
        let (heard, request) =
            (Arc::new(Heard::default()), VerifyRequest { reference: reference.parse().unwrap(), probe });
        let engine = world.engine.clone();
        let scope = world.scope.clone();
        async move {
            let verified = engine.verify(&scope, request, heard.clone()).await.unwrap();
            (heard, verified.views[0].moments.len() as u64)
        }
    };
    let (heard, moments) = verify("last_trip", Probe { samples: 6, at: Vec::new() }).await;
    heard.check(&[("checking last_trip@1", 9_000 * (3 + moments))]);
    let (heard, moments) = verify("both", Probe { samples: 2, at: vec![Micros(5)] }).await;
    // `both` leaks: it joins what comes later, so it is computed three times more, once in two halves.
    heard.check(&[("checking both@1", 9_060 * (3 + moments + 4))]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the numbers of rows, and however many files they are in.
    #[test]
    fn it_ends_at_what_was_expected(count in 3_i64..3_000, tolls in 1_i64..50) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world(VIEWS, count, tolls).await;
            let (rows, tolls) = (count as u64, tolls as u64);
            train(&world, "simple").await.unwrap().check(&[("reading", 2 * rows), ("writing", rows)]);
            let all = 3 * rows + 3 * tolls;
            train(&world, "wide").await.unwrap().check(&[("reading", all), ("writing", rows)]);
        });
    }
}
