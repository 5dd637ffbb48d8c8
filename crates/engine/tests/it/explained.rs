//! What is told of a value: the rows that took part are those that a naive reading of the rules finds.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use asof_engine::{Contributed, ExplainRequest, Explanation, FoundIn, GetRequest};
use asof_model::time::SECOND;
use asof_model::{Micros, Status};
use proptest::prelude::*;

use crate::equal::rows_of;
use crate::windows::{DRIVERS, HOUR, Trip, WINDOWS, push, trip, world_time};
use crate::world::{PROJECT, World, request, trips};

type Row = (i64, &'static str, i64, i64, Option<f64>);

/// The rows of a driver that a window of a feature holds and its aggregate takes, by the letter of the rules.
fn held(feature: &str, driver: &str, now: i64, rows: &[Row]) -> Option<Vec<Row>> {
    let day = 24 * HOUR;
    type Needs = fn(&Row) -> bool;
    let (window, needs): (Option<(i64, i64)>, Needs) = match feature {
        "n" => (Some((HOUR, 300)), |_| true),
        "total" => (Some((HOUR, 300)), |row| row.4.is_some()),
        "mean" | "spread" => (Some((7 * day, HOUR)), |row| row.4.is_some()),
        "least" => (Some((30 * day, day)), |row| row.4.is_some()),
        "most" => (Some((30 * day, day)), |_| true),
        "trips" => (Some((7 * day, HOUR)), |_| true),
        "in_one" => (None, |row| row.4.is_some() && row.2 == 1),
        "latest" => (None, |_| true),
        "just_now" => (Some((10, 1)), |_| true),
        _ => return None,
    };
    let start = window.map_or(i64::MIN, |(width, hop)| (now - width).div_euclid(hop) * hop);
    let thirteenth_counts = feature == "just_now";
    let counts = |row: &&Row| {
        row.1 == driver && row.3 > start && row.3 <= now && needs(row) && (row.0 != 13 || thirteenth_counts)
    };
    Some(rows.iter().filter(counts).copied().collect())
}

fn check(explained: &Explanation, driver: &str, now: i64, (first, later): (&[Row], &[Row])) {
    let all = [first, later].concat();
    let mut seen = BTreeMap::new();
    for one in explained.origins.iter().flat_map(|origin| &origin.contributed) {
        for feature in &one.features {
            let Some(expected) = held(feature, driver, now, &all) else { continue };
            let Contributed { rows, snapshots, .. } = one;
            assert_eq!(*rows, expected.len() as u64, "{feature} of {driver}: {one:?} of {all:?}");
            let times = || expected.iter().map(|row| Micros(row.3 * SECOND));
            assert_eq!((one.first, one.last), (times().min(), times().max()), "{feature} of {driver}");
            let of_first = held(feature, driver, now, first).unwrap().len() as u64;
            let (ingested, pushed): (Vec<_>, Vec<_>) = snapshots.iter().partition(|from| from.number.0 == 0);
            let sum = |from: &[&asof_engine::FromSnapshot]| from.iter().map(|from| from.rows).sum::<u64>();
            assert_eq!((sum(&ingested), sum(&pushed)), (of_first, rows - of_first), "{feature} of {driver}: {one:?}");
            seen.insert(feature.clone(), *rows);
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    // What is counted is told to have been counted.
    for (feature, column) in explained.reply.features.schema().fields().iter().zip(explained.reply.features.columns()) {
        if let ("n" | "in_one" | "just_now", true) = (feature.name().as_str(), column.is_valid(0)) {
            assert_eq!(column.as_primitive::<Int64Type>().value(0) as u64, seen[feature.name()], "{}", feature.name());
        }
    }
}

async fn compare(before: Vec<Trip>, pushed: Vec<Trip>, edge: bool) {
    let now = world_time(edge);
    let rows = |trips: &[Trip]| -> Vec<Row> {
        trips.iter().map(|(t, d, c, ago, f)| (*t, DRIVERS[*d], *c, now - ago, *f)).collect()
    };
    let (before, pushed) = (rows(&before), rows(&pushed));
    let world = World::new().await;
    world.clock.set(Micros(now * SECOND));
    world.apply(WINDOWS).await.unwrap();
    world.ingest("trips", &world.file("trips.csv", &trips(&before))).await.unwrap();
    let lines = DRIVERS.iter().map(|driver| format!("{driver},{}\n", Micros(now * SECOND)));
    world
        .ingest("asked", &world.file("asked.csv", &format!("driver,asked\n{}", lines.collect::<String>())))
        .await
        .unwrap();
    world.materialize(&[], None).await.unwrap();
    if !pushed.is_empty() {
        world.engine.push(&world.scope, push(&pushed, "later")).await.unwrap();
    }
    world.train("asked_state").await.unwrap();
    let trained = rows_of(&world, "asked_state@1").await;
    for row in 0..trained.num_rows() {
        let driver = trained.column_by_name("driver").unwrap().as_string::<i32>().value(row).to_owned();
        let cell = ExplainRequest::Cell { set: "asked_state@1".parse().unwrap(), row: row as u64 };
        let cell = world.engine.explain(&world.scope, cell).await.unwrap();
        let expected =
            FoundIn::TrainingSet { name: "asked_state".parse().unwrap(), number: 1, row: row as u64, same: true };
        assert_eq!(cell.source, expected);
        check(&cell, &driver, now, (&before, &pushed));

        let rows = request(&[(Some(driver.as_str()), None, 0.0)]).project(&[0]).unwrap();
        let get = |at| ExplainRequest::Served(GetRequest { service: "state".parse().unwrap(), rows: rows.clone(), at });
        let served = world.engine.explain(&world.scope, get(None)).await.unwrap();
        assert_eq!(served.source, FoundIn::Online);
        assert!(served.origins.iter().all(|origin| origin.untold.is_none()), "{:?}", served.origins);
        check(&served, &driver, now, (&before, &pushed));
        assert_eq!(served.reply.features, cell.reply.features);
        let times = |of: &Explanation| of.origins.iter().map(|o| o.receipt.event_time).collect::<Vec<_>>();
        assert_eq!(times(&served)[..1], times(&cell)[..1]);

        // Long before all that is online.
        let then = now - 3 * 24 * HOUR;
        let past = world.engine.explain(&world.scope, get(Some(Micros(then * SECOND)))).await.unwrap();
        assert_eq!(past.source, FoundIn::Snapshots);
        check(&past, &driver, then, (&before, &pushed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 6, ..ProptestConfig::default() })]

    #[test]
    fn the_rows_that_are_told_are_those_that_took_part(
        before in proptest::collection::vec(trip(), 1..30),
        pushed in proptest::collection::vec(trip(), 0..6),
        edge: bool,
    ) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(compare(before, pushed, edge));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_there_is_refused_and_one_that_is_overtaken_is_told() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let rows = [(1, "ann", 1, 10, Some(3.0)), (2, "ann", 1, 20, Some(4.0))];
    world.ingest("trips", &world.file("a.csv", &trips(&rows))).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    world.train("prices").await.unwrap();
    let cell = |row| ExplainRequest::Cell { set: "prices@1".parse().unwrap(), row };
    let refused = world.engine.explain(&world.scope, cell(2)).await.unwrap_err();
    assert_eq!((refused.code(), refused.remedy_text()), ("unknown_row", Some("rows are counted from 0")));
    let first = world.engine.explain(&world.scope, cell(0)).await.unwrap();
    let picked = &first.origins[0].contributed[0];
    assert_eq!((picked.window.as_deref(), picked.rows, picked.last), (None, 1, Some(Micros(10 * SECOND))));

    // Rows that were ingested since are not online, and change nothing about what is told.
    world.ingest("trips", &world.file("b.csv", &trips(&[(3, "ann", 1, 30, Some(5.0))]))).await.unwrap();
    let asked =
        GetRequest { service: "pricing".parse().unwrap(), rows: request(&[(Some("ann"), Some(1), 1.0)]), at: None };
    let served = world.engine.explain(&world.scope, ExplainRequest::Served(asked.clone())).await.unwrap();
    assert_eq!(served.origins[0].contributed[0].last, Some(Micros(20 * SECOND)));
    assert_eq!(served.origins[0].snapshots[0].number.0, 0);
    // Rows that were pushed are, and no snapshot has them without those others.
    let batch = push(&[(4, "ann", 1, 40, Some(6.0))], "four");
    world.engine.push(&world.scope, batch).await.unwrap();
    let served = world.engine.explain(&world.scope, ExplainRequest::Served(asked)).await.unwrap();
    assert_eq!(served.origins[0].receipt.event_time, Some(Micros(40 * SECOND)));
    let untold = served.origins[0].untold.as_deref().unwrap();
    assert!(untold.contains("no snapshot has just these"), "{untold}");
    assert_eq!(served.status(0), Some(Status::Expired));
}
