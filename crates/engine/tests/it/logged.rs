//! `serving_log`: what was served is written down, and verified whatever has happened since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use asof_engine::{
    Author, CollectRequest, CompareLogRequest, Compared, GetRequest, Logged, MaterializeRequest, PushRequest,
};
use asof_model::time::{DAY, SECOND};
use asof_model::{Clock, Micros, Result};
use asof_offline::Quiet;
use proptest::prelude::*;

use crate::compared::{self, Lie, Lying, told};
use crate::increments::{DRIVERS, Row, batch, now, push, row, text};
use crate::world::{World, request, trips};

async fn verify(world: &World, service: &str, since: Option<Micros>) -> Result<Compared> {
    let request = CompareLogRequest { service: service.parse()?, samples: 10_000, seed: 0, since };
    world.engine.compare_log(&world.scope, request, Arc::new(Quiet)).await
}

fn logged(compared: &Compared) -> &Logged {
    compared.logged.as_ref().unwrap()
}

async fn get(world: &World, drivers: &[&str]) -> f64 {
    let rows: Vec<_> = drivers.iter().map(|driver| (Some(*driver), Some(0), 1.0)).collect();
    let reply = world.get(request(&rows), None).await.unwrap();
    reply.features.column_by_name("fare").unwrap().as_primitive::<Float64Type>().value(0)
}

/// Small files become large ones; nothing is removed.
async fn compact(world: &World) {
    let older_than = Micros(36_500 * DAY);
    let request =
        CollectRequest { apply: true, older_than, compact: true, events_before: None, author: Author::default() };
    world.engine.collect(&world.scope, request, Arc::new(Quiet)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_is_verified_whatever_came_after() {
    let world = compared::world().await;
    let error = verify(&world, "pricing", None).await.unwrap_err();
    assert_eq!(error.code(), "nothing_to_compare");
    let start = world.clock.now();
    let logging = world.engine.log_served(1);
    world.materialize(&[], None).await.unwrap();
    compared::push(&world, 10, "ann", 30.0).await;
    assert_eq!(get(&world, &["ann", "bob", "nobody"]).await, 30.0);
    compared::push(&world, 11, "ann", 31.0).await;
    compared::push(&world, 12, "dora", 40.0).await;
    assert_eq!(get(&world, &["ann", "dora"]).await, 31.0);
    // Ingested, and not online: no snapshot has just what is online.
    let file = world.file("more.csv", &trips(&[(4, "ann", 0, 999_999, Some(8.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.clock.set(Micros(start.0 + SECOND));
    compared::push(&world, 13, "bob", 50.0).await;
    assert_eq!(get(&world, &["ann"]).await, 31.0);
    compact(&world).await;
    compared::push(&world, 14, "ann", 60.0).await;
    assert_eq!(get(&world, &["ann", "bob"]).await, 60.0);
    world.materialize(&[], None).await.unwrap();
    assert_eq!(get(&world, &["ann", "bob", "dora"]).await, 8.0);
    // It lands with this, and is in no journal any more.
    compared::push(&world, 15, "dora", 70.0).await;
    let compared = verify(&world, "pricing", None).await.unwrap();
    let all = Logged { found: 5, compared: 5, ..Logged::default() };
    assert_eq!((logged(&compared), compared.rows, told(&compared)), (&all, 11, vec![]));
    // What waits when it ends is written, and another process reads it.
    assert_eq!(get(&world, &["ann"]).await, 8.0);
    logging.end().await;
    assert_eq!(get(&world, &["ann"]).await, 8.0);
    let mut world = world;
    world.reopen().await;
    let compared = verify(&world, "pricing", None).await.unwrap();
    assert_eq!((logged(&compared).found, compared.differing), (6, 0));
    let compared = verify(&world, "pricing", Some(Micros(start.0 + SECOND))).await.unwrap();
    assert_eq!((logged(&compared).found, compared.differing), (4, 0));
    // Another process does not know of pushes by its own memory.
    let logging = world.engine.log_served(2);
    for _ in 0..4 {
        assert_eq!(get(&world, &["ann", "dora"]).await, 8.0);
    }
    let compared = verify(&world, "pricing", None).await.unwrap();
    assert_eq!((logged(&compared).found, logged(&compared).compared, compared.differing), (8, 8, 0));
    logging.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_wrongly_is_found_later() {
    let mut world = compared::world().await;
    world.materialize(&[], None).await.unwrap();
    let lying = Lying::in_place(&mut world).await;
    let logging = world.engine.log_served(1);
    compared::push(&world, 10, "ann", 30.0).await;
    get(&world, &["ann", "bob"]).await;
    lying.about("ann", Lie::Fare(Some(29.0)));
    assert_eq!(get(&world, &["bob", "ann"]).await, 0.0);
    lying.about("bob", Lie::Missing);
    get(&world, &["bob"]).await;
    lying.lies.lock().unwrap().clear();
    get(&world, &["ann", "bob"]).await;
    // All is well again, and nothing online says what was served.
    compared::push(&world, 11, "ann", 31.0).await;
    world.materialize(&[], None).await.unwrap();
    let compared = verify(&world, "pricing", None).await.unwrap();
    let all = Logged { found: 4, compared: 4, ..Logged::default() };
    assert_eq!((logged(&compared), compared.rows, compared.differing), (&all, 7, 2));
    let expected = [
        "ann fare present present",
        "ann estimate present present",
        "bob fare missing expired",
        "bob last_trip missing expired",
        "bob estimate missing expired",
    ];
    assert_eq!(told(&compared), expected);
    let wrong = &compared.mismatches[0];
    assert_eq!(wrong.served.value.column(0).as_primitive::<Float64Type>().value(0), 29.0);
    assert_eq!(wrong.trained.value.column(0).as_primitive::<Float64Type>().value(0), 30.0);
    assert_eq!((wrong.receipts.len(), wrong.at), (1, world.clock.now()));
    logging.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_views_that_rest_on_different_rows_are_compared_each_over_its_own() {
    let world = compared::world().await;
    let logging = world.engine.log_served(1);
    world.materialize(&["last_trip"], None).await.unwrap();
    let file = world.file("more.csv", &trips(&[(4, "ann", 0, 990, Some(8.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&["last_there"], None).await.unwrap();
    get(&world, &["ann"]).await;
    world
        .apply("CREATE FEATURE SERVICE both AS SELECT last_trip.fare + fare_there AS twice FROM last_trip, last_there;")
        .await
        .unwrap();
    let rows = request(&[(Some("ann"), Some(0), 1.0)]).project(&[0, 1]).unwrap();
    world.get_from("both", rows, None).await.unwrap();
    let why = "its views rested on different rows of one dataset".to_owned();
    let compared = verify(&world, "pricing", None).await.unwrap();
    let all = Logged { found: 1, compared: 1, ..Logged::default() };
    assert_eq!((logged(&compared), told(&compared)), (&all, vec![]));
    let compared = verify(&world, "both", None).await.unwrap();
    let none = Logged { found: 1, compared: 0, apart: vec![(why, 1)], ..Logged::default() };
    assert_eq!((logged(&compared), compared.rows, compared.differing), (&none, 0, 0));
    logging.end().await;
}

/// Nothing runs beside this until it waits for something.
#[tokio::test]
async fn what_there_is_no_room_for_is_dropped_and_counted() {
    let world = compared::world().await;
    world.materialize(&[], None).await.unwrap();
    let logging = world.engine.log_served(1);
    for _ in 0..4_100 {
        get(&world, &["ann"]).await;
    }
    // What we ask ourselves is served to nobody.
    assert_eq!(compared::compare(&world, 10, 0).await.unwrap().differing, 0);
    let compared = verify(&world, "pricing", None).await.unwrap();
    let Logged { found, dropped, .. } = logged(&compared);
    assert_eq!((*found, *dropped, compared.differing), (4_096, 4, 0));
    logging.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_while_rows_are_pushed_is_compared_only_where_it_can_be() {
    let world = Arc::new(compared::world().await);
    world.materialize(&[], None).await.unwrap();
    let logging = world.engine.log_served(1);
    let done = Arc::new(AtomicBool::new(false));
    let (pusher, stop) = (Arc::clone(&world), Arc::clone(&done));
    let pushing = tokio::spawn(async move {
        let mut pushed = 0;
        while !stop.load(Ordering::SeqCst) {
            compared::push(&pusher, pushed % 90, "ann", pushed as f64).await;
            pushed += 1;
        }
        pushed
    });
    for round in 0..200 {
        get(&world, &["ann", "bob"]).await;
        if round == 100 {
            let request = MaterializeRequest { full: true, ..MaterializeRequest::default() };
            world.engine.materialize(&world.scope, request, Arc::new(Quiet)).await.unwrap();
        }
    }
    done.store(true, Ordering::SeqCst);
    let pushed = pushing.await.unwrap();
    get(&world, &["ann"]).await;
    let compared = verify(&world, "pricing", None).await.unwrap();
    let Logged { found, compared: entries, moving, dropped, .. } = logged(&compared);
    assert_eq!((*found, entries + moving, *dropped), (201, 201, 0));
    assert!(*entries > 0 && pushed > 10, "{entries} entries, {pushed} pushes");
    assert_eq!(told(&compared), Vec::<String>::new());
    logging.end().await;
}

const PROJECT: &str = "
    CREATE DATASET trips (trip BIGINT, driver VARCHAR, ended TIMESTAMP, loaded TIMESTAMP, fare DOUBLE)
        TIMESTAMP ended KNOWN AT loaded;
    CREATE ENTITY driver KEY (driver VARCHAR);
    CREATE FEATURE VIEW plain ENTITY driver TIMESTAMP ended TTL INTERVAL '10 minutes' KNOWN AT loaded
        AS SELECT driver, ended, loaded, fare, trip FROM trips;
    CREATE FEATURE VIEW dear ENTITY driver TIMESTAMP shown KNOWN AT NONE
        AS SELECT driver, ended + INTERVAL '5 seconds' AS shown, fare * 2 AS twice FROM trips WHERE fare > 10;
    CREATE FEATURE VIEW lately ENTITY driver TIMESTAMP ended KNOWN AT NONE
        AS SELECT driver, ended, trip AS last_trip, count(*) OVER () AS n, sum(fare) OVER hour AS total, avg(fare) OVER week AS mean
        FROM trips
        WINDOW hour AS (RANGE INTERVAL '1 hour' PRECEDING), week AS (RANGE INTERVAL '7 days' PRECEDING);
    CREATE FEATURE VIEW per_minute ENTITY driver TIMESTAMP minute KNOWN AT NONE
        AS SELECT driver, date_trunc('minute', ended) + INTERVAL '1 minute' AS minute, max(trip) AS greatest FROM trips GROUP BY 1, 2;
    CREATE FEATURE SERVICE state REQUEST (extra BIGINT) AS SELECT plain.fare, plain.trip, twice, last_trip, n, total, mean,
        greatest, n + extra AS more, greatest + n AS mixed, extra AS given FROM plain, dear, lately, per_minute;";
const VIEWS: [&str; 4] = ["plain", "dear", "lately", "per_minute"];

#[derive(Clone, Debug)]
enum Step {
    Ingest(Vec<Row>),
    Push(Vec<Row>),
    /// Seconds pass.
    Pass(i64),
    /// All views, or one.
    Materialize(Option<usize>),
    Whole,
    Compact,
    Restart,
    /// Now, or so many seconds ahead.
    Get(Option<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    let rows = |ahead| proptest::collection::vec(row(ahead), 1..5);
    prop_oneof![
        2 => rows(-20..1).prop_map(Step::Ingest),
        1 => rows(-20..40).prop_map(Step::Ingest),
        6 => rows(-20..1).prop_map(Step::Push),
        1 => rows(-20..200).prop_map(Step::Push),
        2 => (1..50i64).prop_map(Step::Pass),
        3 => Just(Step::Materialize(None)),
        1 => (0..VIEWS.len()).prop_map(|view| Step::Materialize(Some(view))),
        1 => Just(Step::Whole),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
        8 => Just(Step::Get(None)),
        2 => (0..100i64).prop_map(|ahead| Step::Get(Some(ahead))),
    ]
}

fn asked() -> RecordBatch {
    let drivers = DRIVERS.map(Some).into_iter().chain([Some("nobody"), None]);
    let rows = request(&drivers.map(|driver| (driver, Some(7), 1.0)).collect::<Vec<_>>());
    let [driver, extra] = [0, 1].map(|column| rows.column(column).clone());
    RecordBatch::try_from_iter_with_nullable([("driver", driver, true), ("extra", extra, true)]).unwrap()
}

async fn check(steps: Vec<Step>) {
    let mut world = World::new().await;
    world.clock.set(Micros(60 * DAY + 12_345 * SECOND));
    world.apply(PROJECT).await.unwrap();
    let mut logging = world.engine.log_served(1);
    let (mut files, mut asked_for) = (0, 0);
    // Something is online from the beginning.
    let first = [Step::Ingest(vec![(0, 0, -30, None, 20.0), (1, 1, -400, Some(3), 1.0)]), Step::Materialize(None)];
    let last = [Step::Materialize(None), Step::Get(None)];
    for step in first.iter().chain(&steps).chain(&last) {
        let now = now(&world);
        match step {
            Step::Ingest(rows) => {
                files += 1;
                let text = text(now, rows) + &"\n".repeat(files);
                world.ingest("trips", &world.file(&format!("{files}.csv"), &text)).await.unwrap();
            }
            Step::Push(rows) => push(&world, batch(now, rows, now + 290)).await,
            Step::Pass(seconds) => world.clock.set(Micros((now + seconds) * SECOND)),
            Step::Materialize(None) => drop(world.materialize(&VIEWS, None).await.unwrap()),
            Step::Materialize(Some(view)) => drop(world.materialize(&[VIEWS[*view]], None).await.unwrap()),
            Step::Whole => drop(world.materialize_whole(&VIEWS).await.unwrap()),
            Step::Compact => compact(&world).await,
            Step::Restart => {
                logging.end().await;
                world.reopen().await;
                logging = world.engine.log_served(1);
            }
            Step::Get(ahead) => {
                let at = ahead.map(|ahead| Micros((now + ahead) * SECOND));
                let get = GetRequest { service: "state".parse().unwrap(), rows: asked(), at };
                match world.engine.get(&world.scope, get).await {
                    Ok(_) => asked_for += 1,
                    Err(error) => assert_eq!(error.code(), "moment_not_held", "{error}"),
                }
            }
        }
    }
    let compared = verify(&world, "state", None).await.unwrap();
    let Logged { found, moving, dropped, .. } = logged(&compared);
    assert_eq!((*found, *moving, *dropped), (asked_for, 0, 0), "{steps:?}");
    let wrong: Vec<_> = compared.mismatches.iter().map(|m| (m.at, &m.feature, &m.served, &m.trained)).collect();
    assert!(wrong.is_empty(), "{wrong:#?} after {steps:#?}");
    logging.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_served_is_verified_whatever_comes_in_between(steps in proptest::collection::vec(step(), 4..24)) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}

/// Of pushes alone nothing is left out but what is made of views that rest on different rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_course_of_things_leaves_nothing_uncompared() {
    let world = World::new().await;
    world.clock.set(Micros(60 * DAY + 12_345 * SECOND));
    world.apply(PROJECT).await.unwrap();
    let logging = world.engine.log_served(1);
    let some: Vec<Row> = (0..30).map(|n| (n, n as usize % 3, -200 - n, None, n as f64)).collect();
    world.ingest("trips", &world.file("t.csv", &text(now(&world), &some))).await.unwrap();
    world.materialize(&VIEWS, None).await.unwrap();
    for n in 0..5_i64 {
        let get = GetRequest { service: "state".parse().unwrap(), rows: asked(), at: None };
        let reply = world.engine.get(&world.scope, get).await.unwrap();
        let events = reply.features.column_by_name("n").unwrap().as_primitive::<Int64Type>().value(0);
        assert_eq!(events, 10 + n);
        let request = PushRequest {
            dataset: "trips".parse().unwrap(),
            rows: batch(now(&world), &[(100 + n, 0, -50, None, 20.0)], i64::MAX),
            key: None,
        };
        world.engine.push(&world.scope, request).await.unwrap();
    }
    let compared = verify(&world, "state", None).await.unwrap();
    // Once something is pushed, the view that waits rests on fewer rows than the others; only what is made of both is left out.
    let why = "its views rested on different rows of one dataset".to_owned();
    let all = Logged { found: 5, compared: 5, apart: vec![(why, 4)], ..Logged::default() };
    assert_eq!((logged(&compared), compared.rows, compared.differing), (&all, 25, 0));
    logging.end().await;
}
