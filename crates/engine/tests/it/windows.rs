//! As-of windows are served as they are trained on, to the bit: out of tiles that were materialized and pushed in any mix.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use asof_engine::{CompareRequest, PushRequest};
use asof_model::time::SECOND;
use asof_model::{Micros, Status};
use asof_offline::Quiet;
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

/// Windows of every other kind that is kept: decimals, texts, ends, sketches, registers, different values and the last rows. The
/// most of these are over columns that nulls are in.
const OTHERS: &str = "
    CREATE DATASET trips (trip BIGINT, driver VARCHAR, city BIGINT, ended TIMESTAMP, fare DOUBLE) TIMESTAMP ended;
    CREATE DATASET asked (driver VARCHAR, asked TIMESTAMP) TIMESTAMP asked;
    CREATE ENTITY driver KEY (driver VARCHAR);
    CREATE FEATURE VIEW values ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended,
            sum(cents) OVER hour AS cents, avg(cents) OVER week AS mean_cents, sum(big) OVER () AS bigger,
            min(cents) OVER month AS least_cents, max(cents) FILTER (WHERE city = 1) OVER () AS most_cents,
            min(place) OVER week AS first_place, max(place) FILTER (WHERE city = 1) OVER () AS last_place,
            bool_and(city = 1) OVER week AS all_in_one, bool_or(city = 1) OVER hour AS some_in_one,
            first_value(fare) OVER week AS first_fare, last_value(fare) IGNORE NULLS OVER () AS known_fare,
            last_value(CASE WHEN city = 1 THEN place END) IGNORE NULLS OVER month AS there, first_value(trip) OVER () AS first_trip,
            last_value(CAST(fare AS REAL)) OVER hour AS rough, last_value(city = 1) OVER week AS in_one,
            last_value(cents) OVER month AS last_cents, last_value(CAST(ended AS DATE)) OVER () AS last_day,
            max(cents) OVER week - min(cents) OVER week AS span,
            bit_and(trip) OVER hour AS all_bits, bit_or(CAST(trip - 9 AS SMALLINT)) FILTER (WHERE city = 1) OVER () AS any_bits,
            bit_xor(trip) OVER month AS odd_bits
        FROM priced
        WINDOW hour AS (RANGE INTERVAL '1 hour' PRECEDING), week AS (RANGE INTERVAL '7 days' PRECEDING),
            month AS (RANGE INTERVAL '30 days' PRECEDING);
    CREATE FEATURE VIEW shares ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended,
            approx_percentile_cont(fare, 0.9) OVER week AS high, approx_percentile_cont(fare, 0.1) OVER week AS low,
            approx_median(trip) OVER () AS middle, approx_median(cents) FILTER (WHERE city = 1) OVER month AS middle_cents,
            approx_distinct(trip) OVER month AS about, approx_distinct(place) OVER () AS about_places,
            approx_distinct(fare) FILTER (WHERE city = 0) OVER hour AS about_fares,
            count(DISTINCT trip) OVER month AS trips, count(DISTINCT fare) OVER () AS fares,
            count(DISTINCT place) FILTER (WHERE city = 1) OVER week AS places, count(*) OVER hour AS n
        FROM priced
        WINDOW hour AS (RANGE INTERVAL '1 hour' PRECEDING), week AS (RANGE INTERVAL '7 days' PRECEDING),
            month AS (RANGE INTERVAL '30 days' PRECEDING);
    CREATE FEATURE VIEW latest ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended, array_agg(fare) OVER three AS fares_3, array_agg(place) OVER five AS places_5,
            sum(fare) OVER five AS sum_5, avg(cents) FILTER (WHERE city = 1) OVER five AS mean_5,
            count(DISTINCT city) OVER five AS cities_5, first_value(place) OVER three AS place_3,
            corr(fare, trip) OVER five AS tied, median(trip) OVER five AS median_5, max(ended) OVER three AS ended_3,
            approx_distinct(trip) OVER five AS about_5, count(*) OVER (RANGE INTERVAL '1 hour' PRECEDING) AS n_hour,
            last_value(fare) OVER () - first_value(fare) OVER three AS gained
        FROM priced WINDOW three AS (ROWS 3 PRECEDING), five AS (ROWS 5 PRECEDING);
    CREATE FEATURE SERVICE state AS SELECT cents, mean_cents, bigger, least_cents, most_cents, first_place, last_place,
        all_in_one, some_in_one, first_fare, known_fare, there, first_trip, rough, in_one, last_cents, last_day, span, all_bits, any_bits, odd_bits,
        high, low, middle, middle_cents, about, about_places, about_fares, trips, fares, places, n,
        fares_3, places_5, sum_5, mean_5, cities_5, place_3, tied, median_5, ended_3, about_5, n_hour, gained
        FROM values, shares, latest;
    CREATE TRAINING SET asked_state FEATURES state TIMESTAMP asked AS SELECT driver, asked FROM asked;
";

/// Trips as [`OTHERS`] looks at them.
const PRICED: &str = "(SELECT driver, ended, trip, city, fare, CAST(trip * 37 - 300 AS DECIMAL(12,2)) / 8 AS cents,
    CAST(trip AS DECIMAL(20,0)) * 1000000000000 AS big,
    CASE WHEN trip % 5 = 0 THEN NULL ELSE substr('quay row', 1, CAST(trip % 9 AS INT)) END AS place FROM trips) AS priced";

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
async fn check(definitions: &str, views: &[&str], before: Vec<Trip>, pushed: Vec<Vec<Trip>>, edge: bool) {
    let now = world_time(edge);
    let rows = |trips: &[Trip]| -> Vec<(i64, &'static str, i64, i64, Option<f64>)> {
        trips.iter().map(|(t, d, c, ago, f)| (*t, DRIVERS[*d], *c, now - ago, *f)).collect()
    };
    let world = World::new().await;
    world.clock.set(Micros(now * SECOND));
    world.apply(definitions).await.unwrap();
    world.ingest("trips", &world.file("trips.csv", &trips(&rows(&before)))).await.unwrap();
    let questions: Vec<_> = DRIVERS.iter().map(|d| Some(*d)).chain([Some("nobody"), None]).collect();
    let lines = questions.iter().map(|driver| format!("{},{}\n", driver.unwrap_or_default(), Micros(now * SECOND)));
    let text = format!("driver,asked\n{}", lines.collect::<String>());
    world.ingest("asked", &world.file("asked.csv", &text)).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    for (number, trips) in pushed.iter().enumerate() {
        let request = push(&rows(trips), &number.to_string());
        let report = world.engine.push(&world.scope, request.clone()).await.unwrap();
        assert_eq!((report.followed.len(), report.waiting.len()), (views.len(), 0), "{:?}", report.waiting);
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
    for view in views.iter().map(|view| format!("{view}@1")) {
        let published = world.online.list().unwrap().into_iter().find(|p| p.view.reference() == view).unwrap();
        assert_eq!(world.online.check(&published.view), Ok(()));
    }
    assert!(!trained.column(0).is_empty());
    let asked = CompareRequest { service: "state".parse().unwrap(), samples: 100, seed: 0, at: None };
    let compared = world.engine.compare(&world.scope, asked, Arc::new(Quiet)).await.unwrap();
    assert!(compared.rows > 0);
    assert_eq!((compared.differing, compared.failed), (0, 0));
}

fn run(check: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_served_as_they_are_trained_on(
        before in proptest::collection::vec(trip(), 1..30),
        pushed in proptest::collection::vec(proptest::collection::vec(trip(), 1..5), 0..4),
        edge: bool,
    ) {
        run(check(WINDOWS, &["lately", "sliding"], before, pushed, edge));
    }

    #[test]
    fn so_are_those_whose_states_are_values(
        before in proptest::collection::vec(trip(), 1..30),
        pushed in proptest::collection::vec(proptest::collection::vec(trip(), 1..5), 0..4),
        edge: bool,
    ) {
        let definitions = OTHERS.replace("FROM priced", &format!("FROM {PRICED}"));
        run(check(&definitions, &["values", "shares", "latest"], before, pushed, edge));
    }
}

/// Events of which several are of one time and one place in the order of acceptance have one order, here and there: by all
/// that windows over rows read, one column after another.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_rank_are_served_as_they_are_trained_on() {
    let world = World::new().await;
    let definitions = "
        CREATE DATASET trips (trip BIGINT, driver VARCHAR, city BIGINT, ended TIMESTAMP, fare DOUBLE) TIMESTAMP ended;
        CREATE ENTITY driver KEY (driver VARCHAR);
        CREATE FEATURE VIEW legs ENTITY driver TIMESTAMP ended
            AS SELECT driver, ended, array_agg(leg) OVER (ROWS 4 PRECEDING) AS legs, last_value(leg) OVER () AS last_leg,
                array_agg(share) OVER (ROWS 2 PRECEDING) AS shares, first_value(part) OVER () AS first_part,
                sum(share) OVER (ROWS 3 PRECEDING) AS sum_3
            FROM (SELECT driver, ended, leg, fare / (leg + 2) AS share, CAST(leg * leg AS VARCHAR) AS part
                FROM (SELECT driver, ended, fare, unnest(make_array(3, trip, 1, -1, trip)) AS leg FROM trips) AS cut) AS cut;
        CREATE FEATURE SERVICE state AS SELECT legs, last_leg, shares, first_part, sum_3 FROM legs;";
    world.apply(definitions).await.unwrap();
    let rows: Vec<_> =
        (0..12_i64).map(|n| (n * 5 % 7, DRIVERS[n as usize % 3], 0, 100 + n / 6, Some(n as f64 / 7.0))).collect();
    world.ingest("trips", &world.file("trips.csv", &trips(&rows))).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let asked = CompareRequest { service: "state".parse().unwrap(), samples: 100, seed: 0, at: None };
    let compared = world.engine.compare(&world.scope, asked, Arc::new(Quiet)).await.unwrap();
    assert_eq!((compared.rows, compared.differing, compared.failed), (3, 0, 0), "{:?}", compared.mismatches);
}
