//! What `get` refuses, and how it says so.

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use asof_model::{ErrorKind, Micros, Status};
use asof_online::MemoryStore;
use std::sync::Arc;

use crate::windows::push;
use crate::world::{PROJECT, World, request, trips};

async fn served() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0))]));
    world.ingest("trips", &file).await.unwrap();
    world
}

fn texts(columns: &[(&str, &str)]) -> RecordBatch {
    let column = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    RecordBatch::try_from_iter(columns.iter().map(|(name, text)| (*name, column(text)))).unwrap()
}

#[tokio::test]
async fn bad_requests_name_what_to_change() {
    let world = served().await;
    world.materialize(&[], None).await.unwrap();
    use ErrorKind::{Invalid, NotFound};
    for (rows, kind, code, says) in [
        (
            texts(&[("driver", "ann")]),
            Invalid,
            "missing_column",
            "`city` is missing: pricing@1 needs it as the key of last_there",
        ),
        (texts(&[("drivr", "ann")]), NotFound, "unknown_column", "did you mean `driver`?"),
        (
            texts(&[("driver", "ann"), ("driver", "bob")]),
            Invalid,
            "duplicate_column",
            "`driver` is given twice to pricing@1",
        ),
        (texts(&[("driver", "ann"), ("city", "0")]), Invalid, "wrong_type", "`city` must be INT, not VARCHAR"),
    ] {
        let error = world.get(rows, None).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_view_that_is_not_online_says_how_to_bring_it_there() {
    let world = served().await;
    let error = world.get(request(&[(Some("ann"), Some(0), 1.0)]), None).await.unwrap_err();
    assert_eq!(error.code(), "not_materialized");
    assert!(error.to_string().contains("asof materialize last_trip"), "{error}");
}

#[tokio::test]
async fn rows_that_were_lost_are_not_served_and_all_else_is_still_told() {
    let mut world = served().await;
    world.materialize(&[], None).await.unwrap();
    world.online = Arc::new(MemoryStore::default());
    world.reopen().await;
    let asked = || request(&[(Some("ann"), Some(0), 1.0)]);
    let error = world.get(asked(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, "online_damaged"));
    let shown = world.engine.show(&world.scope, &"pricing".parse().unwrap()).await.unwrap();
    assert_eq!(shown.request.unwrap().names().collect::<Vec<_>>(), ["driver", "city", "distance"]);
    let shown = world.engine.show(&world.scope, &"last_trip".parse().unwrap()).await.unwrap();
    assert_eq!(shown.online.map(|online| online.rows), Some(1));
    world.materialize(&[], None).await.unwrap();
    world.get(asked(), None).await.unwrap();
}

#[tokio::test]
async fn a_moment_before_the_materialized_one_is_not_answered() {
    let world = served().await;
    world.materialize(&[], None).await.unwrap();
    let error = world.get(request(&[(Some("ann"), Some(0), 1.0)]), Some(Micros(0))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Precondition, "moment_not_held"));
}

#[tokio::test]
async fn the_future_is_not_materialized() {
    let world = served().await;
    let error = world.materialize(&[], Some(Micros(i64::MAX / 2))).await.unwrap_err();
    assert_eq!(error.code(), "future_moment");
}

#[tokio::test]
async fn present_null_missing_and_expired_are_four_answers() {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let rows = [(1, "ann", 0, 1000, Some(5.0)), (2, "bob", 0, 1000, None), (3, "cleo", 0, 899, Some(1.0))];
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();
    let at = Some(Micros(1_000_000_000));
    world.materialize(&[], at).await.unwrap();
    let asked = ["ann", "bob", "dora", "cleo"].map(|d| (Some(d), Some(0), 1.0));
    let reply = world.get(request(&asked), at).await.unwrap();
    let statuses: Vec<_> = reply.details[0].statuses.iter().map(|s| Status::from_u8(s.unwrap()).unwrap()).collect();
    assert_eq!(statuses, [Status::Present, Status::Null, Status::Missing, Status::Expired]);
}

const RECENT: &str = "
    CREATE FEATURE VIEW recent ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended, sum(fare) OVER (RANGE INTERVAL '1 hour' PRECEDING) AS takings FROM trips;
    CREATE FEATURE VIEW cities ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended, median(city) OVER (RANGE INTERVAL '1 hour' PRECEDING) AS cities FROM trips;
    CREATE FEATURE SERVICE moods AS SELECT takings, cities, fare FROM recent, cities, last_trip;
    CREATE TRAINING SET mooded FEATURES moods TIMESTAMP asked AS SELECT driver, ended AS asked FROM trips;
";

#[tokio::test]
async fn as_of_windows_whose_states_are_not_kept_are_trained_on_and_not_served_yet() {
    let world = served().await;
    world.apply(&format!("{PROJECT}{RECENT}")).await.unwrap();
    assert_eq!(world.train("mooded").await.unwrap().manifest.rows, 1);
    let report = world.materialize(&[], None).await.unwrap();
    let skipped: Vec<_> = report.skipped.iter().map(|view| view.name.as_str()).collect();
    assert_eq!((report.views.len(), skipped), (3, vec!["cities"]));
    for refused in [
        world.materialize(&["cities"], None).await.unwrap_err(),
        world.get_from("moods", texts(&[("driver", "ann")]), None).await.unwrap_err(),
        world
            .apply("CREATE FEATURE VIEW v ENTITY driver TIMESTAMP ended AS SELECT driver, ended, takings FROM recent")
            .await
            .unwrap_err()
            .remove(0),
    ] {
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Unsupported, "windows_trained_only"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_not_kept_of_windows_says_why() {
    let check = async |window: &str, why: &str| {
        let world = served().await;
        let view = "CREATE FEATURE VIEW v ENTITY driver TIMESTAMP ended AS SELECT driver, ended,";
        world.apply(&format!("{PROJECT}{view} {window} AS x FROM trips")).await.unwrap();
        let refused = world.materialize(&["v"], None).await.unwrap_err();
        assert_eq!(refused.code(), "windows_trained_only", "{refused}");
        assert!(refused.message().contains(why), "{refused}");
    };
    check("sum(fare) OVER (ROWS 1001 PRECEDING)", "more than the last 1000 rows").await;
    check("median(fare) OVER ()", "the engine's own").await;
    check("last_value(make_array(fare)) OVER ()", "values are not kept in tiles yet").await;
    let beside = "array_agg(make_array(fare)) OVER (ROWS 2 PRECEDING)";
    check(beside, "beside values of DOUBLE[], which are not kept").await;
}

#[tokio::test]
async fn too_many_different_values_are_refused_and_not_counted() {
    let world = World::new().await;
    let counted = "
        CREATE FEATURE VIEW counted ENTITY driver TIMESTAMP ended
            AS SELECT driver, ended, count(DISTINCT trip) OVER () AS trips FROM trips;
        CREATE FEATURE SERVICE counts AS SELECT trips FROM counted;";
    world.apply(&format!("{PROJECT}{counted}")).await.unwrap();
    // A number takes nine bytes, and four besides.
    let most = asof_online::MOST_BYTES as i64 / 13;
    let rows: Vec<_> = (0..most).map(|trip| (trip, "ann", 0, 10, None)).chain([(0, "bob", 0, 10, None)]).collect();
    world.ingest("trips", &world.file("trips.csv", &trips(&rows))).await.unwrap();
    world.materialize(&["counted"], None).await.unwrap();
    let counts = async |driver: &str| {
        let reply = world.get_from("counts", texts(&[("driver", driver)]), None).await?;
        Ok::<_, asof_model::Error>(arrow::util::display::array_value_to_string(reply.features.column(0), 0).unwrap())
    };
    assert_eq!(counts("ann").await.unwrap(), most.to_string());
    world.engine.push(&world.scope, push(&[(most, "ann", 0, 11, None)], "one more")).await.unwrap();
    let error = counts("ann").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "too_many_different"), "{error}");
    assert!(error.message().contains("counted@1") && error.message().contains("count"), "{error}");
    assert_eq!(counts("bob").await.unwrap(), "1");
}

#[tokio::test]
async fn a_fraction_is_not_cut_off_in_silence() {
    let world = served().await;
    let counted = "CREATE FEATURE SERVICE counted REQUEST (n BIGINT) AS SELECT fare, n + 1 AS more FROM last_trip;";
    world.apply(&format!("{PROJECT}{counted}")).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let rows = |numbers: [f64; 2]| {
        let drivers: ArrayRef = Arc::new(StringArray::from(vec!["ann", "bob"]));
        let numbers: ArrayRef = Arc::new(arrow::array::Float64Array::from(numbers.to_vec()));
        RecordBatch::try_from_iter([("driver", drivers), ("n", numbers)]).unwrap()
    };
    let error = world.get_from("counted", rows([2.0, 1.5]), None).await.unwrap_err();
    assert_eq!(error.code(), "wrong_type", "{error}");
    assert!(error.message().contains("row 1") && error.message().contains("1.5"), "{error}");
    assert!(world.get_from("counted", rows([2.0, -3.0]), None).await.is_ok());
}
