//! As-of windows are served as they are trained on, to the bit: out of tiles that were materialized and pushed in any mix.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use asof_engine::PushRequest;
use asof_model::time::SECOND;
use asof_model::{Micros, Status};
use proptest::prelude::*;

use crate::equal::{bits, rows_of};
use crate::world::{World, request, trips};

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DRIVERS: [&str; 3] = ["ann", "bob", "cleo"];

pub(crate) const WINDOWS: &str = "
    CREATE DATASET trips (trip BIGINT, driver VARCHAR, city BIGINT, ended TIMESTAMP, fare DOUBLE) TIMESTAMP ended;
    CREATE DATASET asked (driver VARCHAR, asked TIMESTAMP) TIMESTAMP asked;
    CREATE ENTITY driver KEY (driver VARCHAR);
    CREATE FEATURE VIEW lately ENTITY driver TIMESTAMP ended TTL INTERVAL '3 hours'
        AS SELECT driver, ended, fare AS last_fare,
            count(*) OVER hour AS n, sum(fare) OVER hour AS total, avg(fare) OVER week AS mean,
            stddev(fare) OVER week AS spread, min(fare) OVER month AS least, max(trip) OVER month AS most,
            sum(trip) OVER week AS trips, count(fare) FILTER (WHERE city = 1) OVER () AS in_one,
            sum(fare) OVER week - fare AS others, max(ended) OVER () AS latest
        FROM trips WHERE trip <> 13
        WINDOW hour AS (RANGE INTERVAL '1 hour' PRECEDING), week AS (RANGE INTERVAL '7 days' PRECEDING),
            month AS (RANGE INTERVAL '30 days' PRECEDING);
    CREATE FEATURE VIEW sliding ENTITY driver TIMESTAMP ended SLIDE INTERVAL '1 second'
        AS SELECT driver, ended, count(*) OVER (RANGE INTERVAL '10 seconds' PRECEDING) AS just_now FROM trips;
    CREATE FEATURE SERVICE state AS SELECT last_fare, n, total, mean, spread, least, most, trips, in_one, others, latest,
        just_now, n * 2 + just_now AS more FROM lately, sliding;
    CREATE TRAINING SET asked_state FEATURES state TIMESTAMP asked AS SELECT driver, asked FROM asked;
";

pub(crate) type Trip = (i64, usize, i64, i64, Option<f64>);

pub(crate) fn trip() -> impl Strategy<Value = Trip> {
    let fare = prop_oneof![
        Just(None),
        (0..90u32).prop_map(|f| Some(f64::from(f) / 7.0)),
        Just(Some(1e300)),
        Just(Some(-1e300))
    ];
    // Mostly near the end, some long before; some on the edges of hops.
    let ago = prop_oneof![
        0..20i64,
        (0..48i64).prop_map(|h| h * HOUR / 2),
        (0..40i64).prop_map(|d| d * 24 * HOUR),
        0..4_000_000i64
    ];
    (0..20i64, 0..DRIVERS.len(), 0..2i64, ago, fare)
}

/// The moment that everything is asked at, in seconds: nearly twelve days after the epoch, or at the edge of a day.
pub(crate) fn world_time(edge: bool) -> i64 {
    if edge { 60 * 24 * HOUR } else { 60 * 24 * HOUR + 12_345 }
}

fn batch(rows: &[(i64, &str, i64, i64, Option<f64>)]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.3 * SECOND)).with_timezone("UTC");
    RecordBatch::try_from_iter_with_nullable([
        ("trip", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0))) as ArrayRef, true),
        ("driver", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1))), true),
        ("city", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2))), true),
        ("ended", Arc::new(times), true),
        ("fare", Arc::new(rows.iter().map(|r| r.4).collect::<Float64Array>()), true),
    ])
    .unwrap()
}

/// A push of these rows, under a key.
pub(crate) fn push(rows: &[(i64, &str, i64, i64, Option<f64>)], key: &str) -> PushRequest {
    PushRequest { dataset: "trips".parse().unwrap(), rows: batch(rows), key: Some(key.to_owned()) }
}

/// Some trips are there before the view is brought online, the others are pushed; then everything is asked, online and by
/// training.
async fn check(before: Vec<Trip>, pushed: Vec<Vec<Trip>>, edge: bool) {
    let now = world_time(edge);
    let rows = |trips: &[Trip]| -> Vec<(i64, &'static str, i64, i64, Option<f64>)> {
        trips.iter().map(|(t, d, c, ago, f)| (*t, DRIVERS[*d], *c, now - ago, *f)).collect()
    };
    let world = World::new().await;
    world.clock.set(Micros(now * SECOND));
    world.apply(WINDOWS).await.unwrap();
    world.ingest("trips", &world.file("trips.csv", &trips(&rows(&before)))).await.unwrap();
    let questions: Vec<_> = DRIVERS.iter().map(|d| Some(*d)).chain([Some("nobody"), None]).collect();
    let lines = questions.iter().map(|driver| format!("{},{}\n", driver.unwrap_or_default(), Micros(now * SECOND)));
    let text = format!("driver,asked\n{}", lines.collect::<String>());
    world.ingest("asked", &world.file("asked.csv", &text)).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    for (number, trips) in pushed.iter().enumerate() {
        let request = push(&rows(trips), &number.to_string());
        let report = world.engine.push(&world.scope, request.clone()).await.unwrap();
        assert_eq!((report.followed.len(), report.waiting.len()), (2, 0), "{:?}", report.waiting);
        assert!(world.engine.push(&world.scope, request).await.unwrap().repeated);
    }
    world.train("asked_state").await.unwrap();
    let trained = rows_of(&world, "asked_state@1").await;
    let asked =
        request(&questions.iter().map(|driver| (*driver, Some(0), 1.0)).collect::<Vec<_>>()).project(&[0]).unwrap();
    let compare = async |which: &str| {
        let reply = world.get_from("state", asked.clone(), None).await.unwrap();
        assert_eq!(reply.at, Micros(now * SECOND));
        for (i, field) in reply.features.schema().fields().iter().enumerate() {
            let name = field.name();
            let (offline, online) = (trained.column_by_name(name).unwrap(), reply.features.column(i));
            assert_eq!(offline.data_type(), online.data_type(), "{name}");
            assert_eq!(bits(offline), bits(online), "{name} {which}: {before:?} then {pushed:?}");
            let offline = trained.column_by_name(&format!("{name}__status")).unwrap();
            let online = reply.details[i].statuses.iter().map(|s| Status::from_u8(s.unwrap()).unwrap().to_string());
            let online: ArrayRef = Arc::new(online.map(Some).collect::<StringArray>());
            assert_eq!(bits(offline), bits(&online), "status of {name} {which}: {before:?} then {pushed:?}");
        }
    };
    compare("as pushed").await;
    world.materialize(&[], None).await.unwrap();
    compare("as materialized again").await;
    for view in ["lately@1", "sliding@1"] {
        let published = world.online.list().unwrap().into_iter().find(|p| p.view.reference() == view).unwrap();
        assert_eq!(world.online.check(&published.view), Ok(()));
    }
    assert!(!trained.column(0).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_served_as_they_are_trained_on(
        before in proptest::collection::vec(trip(), 1..30),
        pushed in proptest::collection::vec(proptest::collection::vec(trip(), 1..5), 0..4),
        edge: bool,
    ) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(check(before, pushed, edge));
    }
}
