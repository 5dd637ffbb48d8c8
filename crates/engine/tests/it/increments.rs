//! Materializations that read only what was added leave what one that reads everything leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use asof_engine::{Extent, Materialized, PushRequest, Upkeep};
use asof_model::time::SECOND;
use asof_model::{Clock, Micros};
use asof_online::Published;
use proptest::prelude::*;

use crate::equal::bits;
use crate::world::{World, request};

pub(crate) const DRIVERS: [&str; 3] = ["ann", "bob", "cleo"];

/// Every view twice: `_i` is added to, `_w` is read whole.
fn sql() -> String {
    let views = ["i", "w"].map(|which| {
        format!(
            "CREATE FEATURE VIEW plain_{which} ENTITY driver TIMESTAMP ended KNOWN AT loaded
                AS SELECT driver, ended, loaded, fare, trip FROM trips;
            CREATE FEATURE VIEW dear_{which} ENTITY driver TIMESTAMP shown KNOWN AT NONE
                AS SELECT driver, ended + INTERVAL '5 seconds' AS shown, fare * 2 AS twice FROM trips WHERE fare > 10;
            CREATE FEATURE VIEW lately_{which} ENTITY driver TIMESTAMP ended KNOWN AT NONE
                AS SELECT driver, ended, trip AS last_trip, count(*) OVER () AS n, sum(fare) OVER hour AS total,
                    max(trip) OVER hour AS most, avg(fare) OVER week AS mean
                FROM trips
                WINDOW hour AS (RANGE INTERVAL '1 hour' PRECEDING), week AS (RANGE INTERVAL '7 days' PRECEDING);
            CREATE FEATURE SERVICE all_{which} AS
                SELECT plain_{which}.fare, plain_{which}.trip, twice, last_trip, n, total, most, mean
                FROM plain_{which}, dear_{which}, lately_{which};"
        )
    });
    format!(
        "CREATE DATASET trips (trip BIGINT, driver VARCHAR, ended TIMESTAMP, loaded TIMESTAMP, fare DOUBLE)
            TIMESTAMP ended KNOWN AT loaded;
        CREATE ENTITY driver KEY (driver VARCHAR); {}",
        views.concat()
    )
}

/// Trip, driver, seconds from now until it ended, seconds from then until that was known, fare.
pub(crate) type Row = (i64, usize, i64, Option<i64>, f64);

#[derive(Clone, Debug)]
enum Step {
    Ingest(Vec<Row>),
    Push(Vec<Row>),
    /// Seconds pass.
    Pass(i64),
    Materialize,
    /// What is added to is read whole, once.
    Whole,
    Restart,
}

pub(crate) fn row(ahead: std::ops::Range<i64>) -> impl Strategy<Value = Row> {
    let known = prop_oneof![2 => Just(None), 1 => (0..60i64).prop_map(Some), 1 => (0..5i64).prop_map(Some)];
    let ago = prop_oneof![6 => ahead, 2 => -4000..0i64, 1 => (-40..0i64).prop_map(|d| d * 86_400)];
    (0..1000i64, 0..DRIVERS.len(), ago, known, 0..40u32).prop_map(|(t, d, s, k, f)| (t, d, s, k, f64::from(f) / 3.0))
}

fn step() -> impl Strategy<Value = Step> {
    let rows = |ahead| proptest::collection::vec(row(ahead), 1..5);
    prop_oneof![
        4 => rows(-20..40).prop_map(Step::Ingest),
        4 => rows(-20..1).prop_map(Step::Push),
        1 => rows(-20..200).prop_map(Step::Push),
        3 => (1..50i64).prop_map(Step::Pass),
        6 => Just(Step::Materialize),
        1 => Just(Step::Whole),
        1 => Just(Step::Restart),
    ]
}

pub(crate) fn now(world: &World) -> i64 {
    world.clock.now().0 / SECOND
}

pub(crate) fn batch(now: i64, rows: &[Row], latest: i64) -> RecordBatch {
    let time = |seconds: i64| seconds.min(latest) * SECOND;
    let ended = |r: &Row| time(now + r.2);
    let times = |of: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(of).with_timezone("UTC")) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("trip", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0))) as ArrayRef, true),
        ("driver", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| DRIVERS[r.1]))), true),
        ("ended", times(rows.iter().map(|r| Some(ended(r))).collect()), true),
        ("loaded", times(rows.iter().map(|r| r.3.map(|k| time(now + r.2 + k))).collect()), true),
        ("fare", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.4))), true),
    ])
    .unwrap()
}

pub(crate) fn text(now: i64, rows: &[Row]) -> String {
    let line = |(trip, driver, seconds, known, fare): &Row| {
        let loaded = known.map(|k| Micros((now + seconds + k) * SECOND).to_string()).unwrap_or_default();
        format!("{trip},{},{},{loaded},{fare}\n", DRIVERS[*driver], Micros((now + seconds) * SECOND))
    };
    format!("trip,driver,ended,loaded,fare\n{}", rows.iter().map(line).collect::<String>())
}

pub(crate) async fn push(world: &World, rows: RecordBatch) {
    let request = PushRequest { dataset: "trips".parse().unwrap(), rows, key: None };
    world.engine.push(&world.scope, request).await.unwrap();
}

/// Whether both sorts of views give the same.
async fn same(world: &World, told: &str) {
    let rows = request(&DRIVERS.map(|driver| (Some(driver), Some(0), 1.0))).project(&[0]).unwrap();
    let added = world.get_from("all_i", rows.clone(), None).await.unwrap();
    let whole = world.get_from("all_w", rows, None).await.unwrap();
    for (place, field) in added.features.schema().fields().iter().enumerate() {
        let (one, other) = (added.features.column(place), whole.features.column(place));
        assert_eq!(bits(one), bits(other), "{} {told}: {one:?} and {other:?}", field.name());
        assert_eq!(added.details[place].statuses, whole.details[place].statuses, "{} {told}", field.name());
    }
}

const ADDED: [&str; 3] = ["plain_i", "dear_i", "lately_i"];
const WHOLE: [&str; 3] = ["plain_w", "dear_w", "lately_w"];

async fn check(steps: Vec<Step>) {
    let mut world = World::new().await;
    world.clock.set(Micros(60 * 86_400 * SECOND + 12_345 * SECOND));
    world.apply(&sql()).await.unwrap();
    let (mut files, mut online, mut rows_there, mut furthest, mut comparable) = (0, false, false, i64::MIN, false);
    let last = [Step::Pass(300), Step::Materialize];
    for (number, step) in steps.iter().chain(&last).enumerate() {
        let (now, told) = (now(&world), format!("after step {number} of {steps:?}"));
        match step {
            Step::Ingest(rows) => {
                files += 1;
                let text = text(now, rows) + &"\n".repeat(files);
                world.ingest("trips", &world.file(&format!("{files}.csv"), &text)).await.unwrap();
                rows_there = true;
            }
            Step::Push(rows) => {
                push(&world, batch(now, rows, now + 290)).await;
                let counts = |r: &Row| (now + r.2 + r.3.unwrap_or(0).max(5)).min(now + 295);
                furthest = furthest.max(rows.iter().map(counts).max().unwrap_or(now));
                rows_there = true;
            }
            Step::Pass(seconds) => world.clock.set(Micros((now + seconds) * SECOND)),
            Step::Restart => world.reopen().await,
            Step::Materialize | Step::Whole if !rows_there => {}
            Step::Materialize => {
                let report = world.materialize(&ADDED, None).await.unwrap();
                let whole = world.materialize_whole(&WHOLE).await.unwrap();
                for (added, whole) in report.views.iter().zip(&whole.views) {
                    match &added.extent {
                        Extent::Whole(why) => {
                            assert_eq!((why.as_str(), online), ("it was not online", false), "{told}")
                        }
                        Extent::Increment { .. } => assert!(online, "{told}"),
                    }
                    assert_eq!(world.online.check(&added.published.view), Ok(()), "{told}");
                    // What was pushed before its time stays where rows are added; read whole, it waits for it.
                    comparable = furthest <= now;
                    let has_tiles = added.published.layout.tiles.is_some();
                    let facts = |p: &Published| (p.rows, p.content, p.basis.as_ref().map(|basis| basis.due));
                    if comparable && !has_tiles {
                        assert_eq!(facts(&added.published), facts(&whole.published), "{told}");
                    }
                }
                online = true;
            }
            Step::Whole => {
                world.materialize_whole(&ADDED).await.unwrap();
                world.materialize_whole(&WHOLE).await.unwrap();
                (online, comparable) = (true, true);
            }
        }
        if online && comparable && furthest <= self::now(&world) {
            same(&world, &told).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_added_leaves_what_reading_everything_leaves(steps in proptest::collection::vec(step(), 1..14)) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_counts_twice_that_is_pushed_while_its_view_is_published() {
    let world = Arc::new(world(&[(0, 0, -100, None, 1.0)]).await);
    let done = Arc::new(AtomicBool::new(false));
    let (pusher, stop) = (Arc::clone(&world), Arc::clone(&done));
    let pushing = tokio::spawn(async move {
        let mut pushed = 0;
        while !stop.load(Ordering::SeqCst) {
            push(&pusher, batch(now(&pusher), &[(pushed, 0, -50, None, 1.0)], i64::MAX)).await;
            pushed += 1;
        }
        pushed
    });
    for round in 0..6 {
        world.materialize_whole(&["lately_w"]).await.unwrap();
        let rows = [(round, 0, -60, None, 1.0)];
        world.ingest("trips", &world.file(&format!("{round}.csv"), &text(now(&world), &rows))).await.unwrap();
        let added = materialize(&world, "lately_i", None).await;
        assert_eq!(matches!(added.extent, Extent::Increment { .. }), round > 0, "{:?}", added.extent);
    }
    done.store(true, Ordering::SeqCst);
    let pushed = pushing.await.unwrap();
    assert!(pushed > 12, "{pushed} pushes only");
    world.materialize(&["plain_i", "dear_i", "plain_w", "dear_w", "lately_w"], None).await.unwrap();
    let rows = request(&[(Some("ann"), Some(0), 1.0)]).project(&[0]).unwrap();
    for service in ["all_i", "all_w"] {
        let reply = world.get_from(service, rows.clone(), None).await.unwrap();
        let events = reply.features.column_by_name("n").unwrap().as_primitive::<Int64Type>().value(0);
        assert_eq!(events, pushed + 1 + 6, "{service}");
    }
}

async fn world(rows: &[Row]) -> World {
    let world = World::new().await;
    world.apply(&sql()).await.unwrap();
    ingest(&world, "first", rows).await;
    world
}

async fn ingest(world: &World, name: &str, rows: &[Row]) {
    world.ingest("trips", &world.file(&format!("{name}.csv"), &text(now(world), rows))).await.unwrap();
}

async fn materialize(world: &World, view: &str, at: Option<Micros>) -> Materialized {
    world.materialize(&[view], at).await.unwrap().views.remove(0)
}

fn whole(materialized: &Materialized) -> &str {
    match &materialized.extent {
        Extent::Whole(why) => why,
        Extent::Increment { .. } => panic!("{:?}", materialized.extent),
    }
}

fn increment(materialized: &Materialized) -> (u64, u64) {
    match &materialized.extent {
        Extent::Increment { from, to, .. } => (from.0, to.0),
        Extent::Whole(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn only_what_was_added_is_read_and_the_run_says_so() {
    let some: Vec<Row> = (0..30).map(|n| (n, n as usize % 3, -100 - n, None, n as f64)).collect();
    let world = world(&some).await;
    let first = materialize(&world, "plain_i", None).await;
    assert_eq!((whole(&first), first.read), ("it was not online", 30));
    let same = materialize(&world, "plain_i", None).await;
    assert_eq!((increment(&same), same.read, same.published.rows), ((0, 0), 0, 3));
    assert_eq!((same.published.generation, same.published.content), (2, first.published.content));
    ingest(&world, "more", &some[..2].iter().map(|r| (r.0 + 100, r.1, -1, None, 1.0)).collect::<Vec<_>>()).await;
    push(&world, batch(now(&world), &[(200, 0, 0, None, 2.0)], i64::MAX)).await;
    let more = materialize(&world, "plain_i", None).await;
    assert_eq!((increment(&more), more.read, more.published.rows), ((0, 2), 2, 3));
    let run = world.catalog.run(more.run).await.unwrap().unwrap();
    assert_eq!(run.notes["extent"], "increment: trips@0 to @2");
    assert_eq!(run.notes["rows_read"], "2");
    // Rows that are due now are looked for among all that were there; nothing else is.
    ingest(&world, "future", &[(300, 1, 50, None, 3.0), (301, 2, -5, Some(70), 3.0)]).await;
    let waiting = materialize(&world, "plain_i", None).await;
    assert_eq!((increment(&waiting), waiting.read), ((2, 3), 2));
    assert_eq!(waiting.published.basis.as_ref().unwrap().due, Some(Micros((now(&world) + 50) * SECOND)));
    world.clock.set(Micros((now(&world) + 55) * SECOND));
    let due = materialize(&world, "plain_i", None).await;
    assert_eq!((increment(&due), due.read), ((3, 3), 34));
    assert_eq!(due.published.basis.as_ref().unwrap().due, Some(Micros((now(&world) + 10) * SECOND)));
    let all = world.materialize_whole(&["plain_w"]).await.unwrap();
    assert_eq!(all.views[0].published.content, due.published.content);
}

#[tokio::test]
async fn where_nothing_can_be_added_everything_is_read_and_the_reason_is_told() {
    let world = world(&[(1, 0, -100, None, 20.0)]).await;
    let now = world.clock.now();
    let materialize = async |at| materialize(&world, "plain_i", at).await;
    let earlier = |seconds: i64| Some(Micros(now.0 - seconds * SECOND));
    assert_eq!(whole(&materialize(earlier(50)).await), "it was not online");
    assert_eq!(increment(&materialize(earlier(40)).await), (0, 0));
    let later = whole(&materialize(earlier(60)).await).to_owned();
    assert!(later.starts_with("it is online as of") && later.ends_with("which is later"), "{later}");
    let report = world.materialize_whole(&["plain_i"]).await.unwrap();
    assert_eq!(whole(&report.views[0]), "it was asked for");
    push(&world, batch(now.0 / SECOND, &[(2, 1, -30, None, 2.0)], i64::MAX)).await;
    assert_eq!(increment(&materialize(None).await), (0, 1));
    world.clock.set(Micros(now.0 + 100 * SECOND));
    let pushed = whole(&materialize(Some(now)).await).to_owned();
    assert!(pushed.starts_with("rows were pushed that may have happened after"), "{pushed}");
    assert_eq!(increment(&materialize(None).await), (1, 1));

    world.apply(&format!("{}{MORE}", sql())).await.unwrap();
    world.ingest("others", &world.file("others.csv", "driver,at,place\nann,1970-01-01,x\n")).await.unwrap();
    let report = world.materialize(&["per_day", "first_of_two"], None).await.unwrap();
    let report = [report, world.materialize(&["per_day", "first_of_two"], None).await.unwrap()];
    let reasons: Vec<_> = report[1].views.iter().map(whole).collect();
    assert_eq!(reasons, ["it groups rows", "it reads 2 datasets"]);
    assert_eq!(report[0].views.iter().map(whole).collect::<Vec<_>>(), ["it was not online"; 2]);
}

const MORE: &str = "
    CREATE DATASET others (driver VARCHAR, at TIMESTAMP, place VARCHAR) TIMESTAMP at;
    CREATE DATASET bills (bill BIGINT, driver VARCHAR, at TIMESTAMP, sum DOUBLE) TIMESTAMP at KEY (bill);
    CREATE FEATURE VIEW per_day ENTITY driver TIMESTAMP day KNOWN AT NONE
        AS SELECT driver, date_trunc('day', ended) + INTERVAL '1 day' AS day, sum(fare) AS total FROM trips GROUP BY 1, 2;
    CREATE FEATURE VIEW first_of_two ENTITY driver TIMESTAMP ended KNOWN AT NONE
        AS SELECT trips.driver, ended, fare, place FROM trips LEFT JOIN others ON trips.driver = others.driver AND at < ended;
    CREATE FEATURE VIEW last_bill ENTITY driver TIMESTAMP at AS SELECT driver, at, sum FROM bills;
    CREATE FEATURE VIEW last_ten ENTITY driver TIMESTAMP ended KNOWN AT NONE
        AS SELECT driver, ended, sum(fare) OVER (ROWS 10 PRECEDING) AS ten FROM trips;
    CREATE FEATURE VIEW usual ENTITY driver TIMESTAMP ended KNOWN AT NONE
        AS SELECT driver, ended, median(fare) OVER () AS usual FROM trips;";

#[tokio::test]
async fn how_a_view_is_kept_online_is_told_before_it_is() {
    let world = World::new().await;
    let source = asof_engine::Source { file: "test.sql".into(), text: format!("{}{MORE}", sql()) };
    let planned = world.engine.plan(&world.scope, vec![source], &asof_engine::Guard::default()).await.unwrap();
    let of = |name: &str| {
        let found = planned.upkeep.iter().find(|(view, _)| view.name.as_str() == name);
        found.map(|(_, upkeep)| upkeep.clone()).unwrap()
    };
    assert_eq!(planned.upkeep.len(), 11);
    for view in ADDED.into_iter().chain(["last_ten"]) {
        assert_eq!(of(view), Upkeep::Increments("trips".parse().unwrap()));
    }
    assert_eq!(of("per_day"), Upkeep::Whole("it groups rows".into()));
    assert_eq!(of("first_of_two"), Upkeep::Whole("it reads 2 datasets".into()));
    let key = "rows of `bills` have a KEY, and a revision can take an earlier row back";
    assert_eq!(of("last_bill"), Upkeep::Whole(key.into()));
    let Upkeep::Never(why) = of("usual") else { panic!("{:?}", of("usual")) };
    assert!(why.contains("median(") && why.contains("the engine's own"), "{why}");
    world.apply(&format!("{}{MORE}", sql())).await.unwrap();
    let shown = world.engine.show(&world.scope, &"per_day".parse().unwrap()).await.unwrap();
    assert_eq!(shown.upkeep, Some(of("per_day")));
}
