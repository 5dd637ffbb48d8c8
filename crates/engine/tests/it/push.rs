//! Pushed rows: online at once, in the table once, whatever comes in between.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use asof_engine::{GetRequest, PushReport, PushRequest, Scope};
use asof_model::run::Verb;
use asof_model::time::SECOND;
use asof_model::{Clock, Result};
use proptest::prelude::*;

use crate::compared::Lying;
use crate::environments::{promote, rolling};
use crate::world::{PROJECT, World, request, trips};

/// Trip, driver, second, fare.
type Row = (i64, &'static str, i64, f64);
const DRIVERS: [&str; 3] = ["ann", "bob", "cleo"];

fn batch(rows: &[Row]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.2 * SECOND)).with_timezone("UTC");
    RecordBatch::try_from_iter([
        ("ended", Arc::new(times) as ArrayRef),
        ("trip", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)))),
        ("driver", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1)))),
        ("fare", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.3)))),
        ("city", Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 0)))),
    ])
    .unwrap()
}

async fn push(world: &World, rows: &[Row], key: Option<&str>) -> Result<PushReport> {
    push_batch(world, batch(rows), key).await
}

async fn push_batch(world: &World, rows: RecordBatch, key: Option<&str>) -> Result<PushReport> {
    let request = PushRequest { dataset: "trips".parse()?, rows, key: key.map(str::to_owned) };
    world.engine.push(&world.scope, request).await
}

/// What is online for each driver: trip and fare.
async fn online(world: &World) -> Vec<Option<(i64, f64)>> {
    online_in(world, "dev").await
}

async fn online_in(world: &World, environment: &str) -> Vec<Option<(i64, f64)>> {
    let rows = request(&DRIVERS.map(|driver| (Some(driver), Some(0), 1.0))).project(&[0]).unwrap();
    let scope = Scope { environment: environment.parse().unwrap(), ..world.scope.clone() };
    let get = GetRequest { service: "latest".parse().unwrap(), rows, at: None };
    let reply = world.engine.get(&scope, get).await.unwrap();
    let trips = reply.features.column_by_name("trip").unwrap().as_primitive::<Int64Type>().clone();
    let fares = reply.features.column_by_name("fare").unwrap().as_primitive::<Float64Type>().clone();
    trips.iter().zip(fares.iter()).map(|(trip, fare)| trip.zip(fare)).collect()
}

/// The rows of the table, in the order of acceptance.
async fn table(world: &World) -> Vec<(i64, i64)> {
    let store = asof_offline::Store::open(&world.folder.path().join("store").display().to_string()).await.unwrap();
    let snapshot = store.snapshot(&world.scope.project, &"trips".parse().unwrap(), None).await.unwrap();
    let Some(snapshot) = snapshot else { return Vec::new() };
    let context = datafusion::prelude::SessionContext::new();
    context.register_table("t", snapshot.provider().unwrap()).unwrap();
    let rows = context.sql("SELECT trip, _seq FROM t ORDER BY _seq").await.unwrap().collect().await.unwrap();
    let pairs = |batch: &RecordBatch| {
        let column = |n: usize| batch.column(n).as_primitive::<Int64Type>().values().to_vec();
        column(0).into_iter().zip(column(1)).collect::<Vec<_>>()
    };
    rows.iter().flat_map(pairs).collect()
}

const LATEST: &str = "CREATE FEATURE VIEW any_trip ENTITY driver TIMESTAMP ended AS SELECT driver, ended, fare, trip FROM trips;
    CREATE FEATURE VIEW dear_trip ENTITY driver TIMESTAMP ended
        AS SELECT driver, ended, fare * 2 AS double_fare FROM trips WHERE fare > 10;
    CREATE FEATURE VIEW per_day ENTITY driver TIMESTAMP day
        AS SELECT driver, date_trunc('day', ended) + INTERVAL '1 day' AS day, sum(fare) AS total FROM trips GROUP BY 1, 2;
    CREATE FEATURE SERVICE latest AS SELECT any_trip.trip, any_trip.fare, double_fare, total FROM any_trip, dear_trip, per_day;";

async fn world() -> World {
    let world = World::new().await;
    world.apply(&format!("{PROJECT}{LATEST}")).await.unwrap();
    world
}

/// As seconds: the moment of the tests.
fn now(world: &World) -> i64 {
    world.clock.now().0 / SECOND
}

#[tokio::test]
async fn a_pushed_row_is_online_at_once_and_in_the_table_for_whoever_looks() {
    let world = world().await;
    let now = now(&world);
    // The first push makes the table; nothing is online yet.
    let report = push(&world, &[(1, "ann", now - 50, 5.0)], None).await.unwrap();
    assert_eq!((report.rows, report.last, report.repeated), (1, 1, false));
    assert_eq!((report.followed.len(), report.waiting.len()), (0, 0));
    world.materialize(&[], None).await.unwrap();
    assert_eq!(table(&world).await, [(1, 1)]);
    assert_eq!(online(&world).await, [Some((1, 5.0)), None, None]);

    let report = push(&world, &[(2, "ann", now - 40, 30.0), (3, "bob", now - 45, 7.0)], None).await.unwrap();
    let followed: Vec<_> = report.followed.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(followed, ["any_trip", "dear_trip", "last_there", "last_trip"]);
    let [(view, why)] = report.waiting.as_slice() else { panic!("{:?}", report.waiting) };
    assert_eq!(view.name.as_str(), "per_day");
    assert_eq!(why, "it groups rows");
    assert_eq!(online(&world).await, [Some((2, 30.0)), Some((3, 7.0)), None]);
    // A late row changes nothing online, and is in the table all the same.
    push(&world, &[(4, "ann", now - 60, 99.0)], None).await.unwrap();
    assert_eq!(online(&world).await, [Some((2, 30.0)), Some((3, 7.0)), None]);
    let rows = request(&[(Some("ann"), Some(0), 1.0)]).project(&[0]).unwrap();
    let doubled = world.get_from("latest", rows, None).await.unwrap();
    assert_eq!(doubled.features.column_by_name("double_fare").unwrap().as_primitive::<Float64Type>().value(0), 60.0);
    // Training pins what was acknowledged.
    world.train("prices").await.unwrap();
    assert_eq!(table(&world).await, [(1, 1), (2, 2), (3, 3), (4, 4)]);
    let runs = world.catalog.runs(&world.scope.project, Default::default()).await.unwrap();
    let pushes: Vec<_> = runs.iter().filter(|run| run.verb == Verb::Push).collect();
    assert_eq!(pushes.len(), 2);
    assert!(pushes.iter().all(|run| run.outputs.len() == 1 && run.notes.contains_key("rows")), "{pushes:?}");
}

#[tokio::test]
async fn a_push_counts_once_under_its_key() {
    let mut world = world().await;
    let at = now(&world) - 50;
    let first = push(&world, &[(1, "ann", at, 5.0)], Some("a")).await.unwrap();
    let again = push(&world, &[(1, "ann", at, 5.0)], Some("a")).await.unwrap();
    assert_eq!((again.repeated, again.last, again.rows), (true, first.last, 1));
    world.reopen().await;
    assert!(push(&world, &[(1, "ann", at, 5.0)], Some("a")).await.unwrap().repeated);
    let other = push(&world, &[(1, "ann", at, 6.0)], Some("a")).await.unwrap_err();
    assert_eq!(other.code(), "push_key_reused");
    assert!(!push(&world, &[(1, "ann", at, 5.0)], Some("b")).await.unwrap().repeated);
    // All at once, and the same ones twice.
    let twice = (0..40).map(|n| {
        let (engine, scope) = (world.engine.clone(), world.scope.clone());
        tokio::spawn(async move {
            let request = PushRequest {
                dataset: "trips".parse().unwrap(),
                rows: batch(&[(100 + n / 2, "bob", at, 1.0)]),
                key: Some(format!("k{}", n / 2)),
            };
            engine.push(&scope, request).await.unwrap().repeated
        })
    });
    let mut repeated = 0;
    for task in twice.collect::<Vec<_>>() {
        repeated += usize::from(task.await.unwrap());
    }
    assert_eq!(repeated, 20);
    world.materialize(&[], None).await.unwrap();
    assert_eq!(table(&world).await.len(), 22);
}

/// The rows of a push among many at once, and what is peculiar about it.
fn one_of_many(n: i64, now: i64) -> (Vec<Row>, RecordBatch, Option<String>) {
    let driver = DRIVERS[n as usize % 3];
    let mut rows: Vec<Row> = (0..1 + n % 3).map(|i| (10 * n + i, driver, now - 5_000 + n, n as f64)).collect();
    if n % 40 == 17 {
        rows.push((10 * n + 9, driver, now + 3_600, 0.0));
    }
    let batch = batch(&rows);
    let batch = match n % 40 {
        // The columns the other way round.
        5 => batch.project(&[4, 3, 2, 1, 0]).unwrap(),
        // A time that is finer than a microsecond.
        26 => {
            let times = rows.iter().map(|row| row.2 * SECOND * 1_000 + 1);
            let times = TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC");
            let schema = batch.schema();
            let fields = schema.fields().iter().zip(batch.columns()).skip(1);
            let others: Vec<_> = fields.map(|(field, column)| (field.name().clone(), column.clone())).collect();
            RecordBatch::try_from_iter([("ended".to_owned(), Arc::new(times) as ArrayRef)].into_iter().chain(others))
                .unwrap()
        }
        _ => batch,
    };
    (rows, batch, (n % 40 == 38).then(|| format!("key {n}")))
}

/// Answers to pushes that all wait before the first of them is written.
async fn all_at_once(
    world: &World,
    lying: &Lying,
    pushes: Vec<(RecordBatch, Option<String>)>,
) -> Vec<Result<PushReport>> {
    let push =
        |(rows, key)| world.engine.push(&world.scope, PushRequest { dataset: "trips".parse().unwrap(), rows, key });
    let mut all: Vec<_> = pushes.into_iter().map(|one| Box::pin(tokio::task::unconstrained(push(one)))).collect();
    let held = lying.held.lock().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(all.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
    drop(held);
    let mut answers = Vec::new();
    for one in all {
        answers.push(one.await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pushes_at_once_are_each_answered_as_if_alone() {
    let mut world = world().await;
    let lying = Lying::in_place(&mut world).await;
    let now = now(&world);
    push(&world, &[(1, "ann", now - 9_000, 5.0)], None).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    push(&world, &[(2, "ann", now - 8_000, 5.0)], None).await.unwrap();
    let pushes: Vec<_> = (0..400).map(|n| one_of_many(n, now)).collect();
    let sent = pushes.iter().map(|(_, batch, key)| (batch.clone(), key.clone())).collect();
    let (mut expected, mut newest) = (vec![(1, 1), (2, 2)], [(now - 8_000, 2, 2, 5.0), (0, 0, 0, 0.0), (0, 0, 0, 0.0)]);
    for (n, (report, (rows, ..))) in all_at_once(&world, &lying, sent).await.into_iter().zip(pushes).enumerate() {
        if n % 40 == 17 {
            let error = report.unwrap_err();
            assert_eq!(error.code(), "future_row");
            assert!(error.message().contains(&format!("row {}, column `ended`", rows.len())), "{error}");
            continue;
        }
        let report = report.unwrap();
        assert_eq!((report.rows, report.repeated), (rows.len() as u64, false));
        assert_eq!(report.lost_precision, if n % 40 == 26 { rows.len() as u64 } else { 0 });
        for (i, (trip, driver, second, fare)) in rows.iter().enumerate() {
            let seq = report.last - rows.len() as i64 + 1 + i as i64;
            expected.push((*trip, seq));
            let held = &mut newest[DRIVERS.iter().position(|known| known == driver).unwrap()];
            if (held.0, held.1) < (*second, seq) {
                *held = (*second, seq, *trip, *fare);
            }
        }
    }
    assert!(expected.is_sorted_by_key(|(_, seq)| *seq), "they are accepted in the order in which they came");
    assert_eq!(online(&world).await, newest.map(|(_, _, trip, fare)| Some((trip, fare))));
    world.train("prices").await.unwrap();
    let rows = expected.len() as i64;
    assert_eq!(table(&world).await, expected);
    assert_eq!(expected.last().unwrap().1, rows, "no number was given twice or to nobody");
    // The entries of ten times forty pushes: what has a key, another order or a finer time stands between others; of the ten stretches
    // with a row of the future each push is alone.
    let runs = world.catalog.runs(&world.scope.project, Default::default()).await.unwrap();
    let noted = runs.iter().filter(|run| run.verb == Verb::Push).map(|run| &run.notes["entries"]);
    let entries: usize = noted.map(|noted| noted.parse::<usize>().unwrap()).sum();
    assert!((220..260).contains(&entries), "{entries} entries");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_small_pushes_at_once_only_what_cannot_be_written_is_refused() {
    let mut world = world().await;
    let lying = Lying::in_place(&mut world).await;
    let first = now(&world) - 50;
    push(&world, &[(1, "ann", first, 5.0)], None).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    push(&world, &[(1, "cleo", first, 5.0)], None).await.unwrap();
    *lying.refused.lock().unwrap() = Some(6.0);
    let pushes = (2..12).map(|n| (batch(&[(n, "bob", first + n, n as f64)]), None)).collect();
    let reports = all_at_once(&world, &lying, pushes).await;
    for (n, report) in (2..12).zip(reports) {
        match report {
            Err(error) => assert_eq!((n, error.code()), (6, "internal")),
            Ok(report) => assert_eq!((report.rows, n != 6), (1, true)),
        }
    }
    assert_eq!(online(&world).await[1], Some((11, 11.0)));
    world.train("prices").await.unwrap();
    let trips: Vec<_> = table(&world).await.into_iter().map(|(trip, _)| trip).collect();
    assert_eq!(trips, [1, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn what_cannot_be_accepted_says_why_and_changes_nothing() {
    let world = world().await;
    let now = now(&world);
    world.ingest("trips", &world.file("t.csv", &trips(&[(1, "ann", 0, now - 90, Some(3.0))]))).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let check = async |rows: RecordBatch, code: &str, words: &[&str]| {
        let error = push_batch(&world, rows, None).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "`{word}` is not in: {error}"));
    };
    let good = batch(&[(2, "ann", now, 1.0), (3, "bob", now, 1.0)]);
    let with = |name: &str, array: ArrayRef| {
        let schema = good.schema();
        let columns = schema.fields().iter().zip(good.columns()).map(|(f, c)| (f.name().clone(), c.clone()));
        let columns = columns.map(|(n, c)| if n == name { (n, array.clone()) } else { (n, c) });
        RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
    };
    check(batch(&[(2, "ann", now + 301, 1.0)]), "future_row", &["row 1", "`ended`", "clock_skew"]).await;
    check(batch(&[(2, "ann", now, 1.0), (3, "ann", now, -1.0)]), "check_failed", &["row 2", "fare_sane"]).await;
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "x"]));
    check(with("trip", texts), "bad_value", &["row 2", "`trip`", "x"]).await;
    let null: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"));
    check(with("ended", null), "null_timestamp", &["row 2"]).await;
    check(good.project(&[1, 2, 3, 4]).unwrap(), "missing_column", &["`ended`"]).await;
    let wrong = RecordBatch::try_from_iter(
        good.schema().fields().iter().zip(good.columns()).map(|(f, c)| (f.name().replace("fare", "fares"), c.clone())),
    );
    check(wrong.unwrap(), "undeclared_column", &["`fares`", "did you mean `fare`?"]).await;
    let request = |text: &str| PushRequest { dataset: text.parse().unwrap(), rows: good.clone(), key: None };
    for (dataset, code) in [("trip", "unknown_name"), ("pricing", "wrong_kind"), ("trips@1", "immutable_snapshot")] {
        let error = world.engine.push(&world.scope, request(dataset)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(online(&world).await, [Some((1, 3.0)), None, None]);
    world.materialize(&[], None).await.unwrap();
    assert_eq!(table(&world).await.len(), 1);
    // Within the skew a row counts at once, and the answer is for its moment.
    push(&world, &[(9, "ann", now + 299, 4.0)], None).await.unwrap();
    assert_eq!(online(&world).await[0], Some((9, 4.0)));
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<Row>),
    /// The n-th push once more.
    Again(usize),
    Ingest(Vec<Row>),
    Materialize,
    Restart,
    Reapply,
    /// The view is declared so from now on: as it was in the beginning, or with twice the fare.
    Declare(usize),
    Promote,
    Rollback,
}

fn row() -> impl Strategy<Value = Row> {
    (0..1000i64, 0..DRIVERS.len(), 0..6i64, 0..40u32)
        .prop_map(|(t, d, s, f)| (t, DRIVERS[d], 900_000 + s, f64::from(f)))
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || proptest::collection::vec(row(), 1..4);
    prop_oneof![
        6 => rows().prop_map(Step::Push),
        2 => (0..8usize).prop_map(Step::Again),
        1 => rows().prop_map(Step::Ingest),
        2 => Just(Step::Materialize),
        1 => Just(Step::Restart),
        1 => Just(Step::Reapply),
        1 => (0..2usize).prop_map(Step::Declare),
        2 => Just(Step::Promote),
        1 => Just(Step::Rollback),
    ]
}

/// All rows that were accepted, and those of them that the versions of the view have seen that are online.
#[derive(Default)]
struct Model {
    accepted: Vec<Row>,
    online: [Option<Vec<Row>>; 2],
    /// Which version dev points at, and those that prod did, of moves that stand.
    dev: usize,
    prod: Vec<usize>,
}

impl Model {
    fn newest(&self, version: usize) -> Vec<Option<(i64, f64)>> {
        let times = [1.0, 2.0][version];
        let newest = |driver: &&str| {
            let rows = self.online[version].iter().flatten().enumerate().filter(|(_, row)| row.1 == *driver);
            rows.max_by_key(|(seq, row)| (row.2, *seq)).map(|(_, row)| (row.0, row.3 * times))
        };
        DRIVERS.iter().map(newest).collect()
    }

    /// That each environment serves what its version has seen.
    async fn holds(&self, world: &World, when: &str) {
        if self.online[self.dev].is_some() {
            assert_eq!(online(world).await, self.newest(self.dev), "dev {when}");
        }
        if let Some(version) = self.prod.last() {
            assert_eq!(online_in(world, "prod").await, self.newest(*version), "prod {when}");
        }
    }
}

/// The project with the view in one of its versions.
fn declared(version: usize) -> String {
    let view = [
        "AS SELECT driver, ended, fare, trip FROM trips;",
        "AS SELECT driver, ended, fare * 2 AS fare, trip FROM trips;",
    ];
    let changed = LATEST.replacen(view[0], view[version], 1);
    assert!(version == 0 || changed != LATEST);
    format!("{PROJECT}{changed}")
}

async fn check(steps: Vec<Step>) {
    let mut world = world().await;
    let (mut model, mut pushes, mut files) = (Model::default(), Vec::new(), 0);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Push(rows) => {
                push(&world, rows, Some(&format!("push {}", pushes.len()))).await.unwrap();
                pushes.push(rows.clone());
                model.accepted.extend(rows);
                model.online.iter_mut().flatten().for_each(|online| online.extend(rows));
            }
            Step::Again(n) => {
                if let Some(rows) = pushes.get(*n) {
                    assert!(push(&world, rows, Some(&format!("push {n}"))).await.unwrap().repeated);
                }
            }
            Step::Ingest(rows) => {
                files += 1;
                let rows: Vec<_> = rows.iter().map(|(t, d, s, f)| (*t, *d, 0, *s, Some(*f))).collect();
                // The same content twice would not be let in.
                let text = trips(&rows) + &"\n".repeat(files);
                let report = world.ingest("trips", &world.file(&format!("{files}.csv"), &text)).await.unwrap();
                assert_eq!(report.rows, rows.len() as u64);
                model.accepted.extend(rows.iter().map(|(t, d, _, s, f)| (*t, *d, *s, f.unwrap())));
            }
            Step::Materialize if model.accepted.is_empty() => {}
            Step::Materialize => {
                world.materialize(&[], None).await.unwrap();
                model.online[model.dev] = Some(model.accepted.clone());
            }
            Step::Restart => world.reopen().await,
            Step::Reapply => drop(world.apply(&declared(model.dev)).await.unwrap()),
            Step::Declare(version) => {
                world.apply(&declared(*version)).await.unwrap();
                model.dev = *version;
            }
            Step::Promote => match promote(&world, &["latest"], "prod").await {
                Ok(_) => {
                    assert!(model.online[model.dev].is_some(), "a gate let pass what is not online: {steps:?}");
                    if model.prod.last() != Some(&model.dev) {
                        model.prod.push(model.dev);
                    }
                }
                Err(error) => {
                    assert_eq!(error.code(), "gate_refused", "{steps:?}");
                    assert!(model.online[model.dev].is_none(), "{error}: {steps:?}");
                }
            },
            Step::Rollback => {
                let rolled = world.engine.rollback(&world.scope, rolling("latest", "prod")).await;
                // From the first version it goes nowhere.
                assert_eq!(rolled.is_ok(), model.prod.len() > 1, "{rolled:?} after step {number} of {steps:?}");
                if model.prod.len() > 1 {
                    model.prod.pop();
                }
            }
        }
        model.holds(&world, &format!("after step {number} of {steps:?}")).await;
    }
    if model.accepted.is_empty() {
        return;
    }
    world.materialize(&[], None).await.unwrap();
    let table = table(&world).await;
    let trips: Vec<_> = table.iter().map(|(trip, _)| *trip).collect();
    assert_eq!(trips, model.accepted.iter().map(|row| row.0).collect::<Vec<_>>(), "after {steps:?}");
    model.online[model.dev] = Some(model.accepted.clone());
    model.holds(&world, &format!("in the end of {steps:?}")).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_leaves_what_was_accepted_once(steps in proptest::collection::vec(step(), 1..18)) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_while_a_view_is_published_is_not_lost() {
    let world = world().await;
    let first = now(&world) - 900_000;
    let mut text: Vec<_> = Vec::new();
    for n in 0..3_000 {
        text.push((n, "ann", 0, first + n % 100, Some(1.0)));
    }
    world.ingest("trips", &world.file("t.csv", &trips(&text))).await.unwrap();
    let (engine, scope) = (world.engine.clone(), world.scope.clone());
    // Pushes go on until a few publications have come and gone.
    let publications = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&publications);
    let pushing = tokio::spawn(async move {
        let mut n = 0;
        while seen.load(Ordering::SeqCst) < 3 && n < 50_000 {
            n += 1;
            let rows = batch(&[(10_000 + n, DRIVERS[n as usize % 3], first + 200 + n, n as f64)]);
            let request = PushRequest { dataset: "trips".parse().unwrap(), rows, key: None };
            engine.push(&scope, request).await.unwrap();
        }
        n
    });
    while !pushing.is_finished() {
        world.materialize(&["any_trip"], None).await.unwrap();
        publications.fetch_add(1, Ordering::SeqCst);
    }
    let last = pushing.await.unwrap();
    assert!(last > 3, "{last} pushes only");
    world.materialize(&["dear_trip", "per_day"], None).await.unwrap();
    let newest: BTreeMap<_, _> = (1..=last).map(|n| (DRIVERS[n as usize % 3], n)).collect();
    let expected: Vec<_> = DRIVERS.iter().map(|d| newest.get(d).map(|n| (10_000 + n, *n as f64))).collect();
    assert_eq!(online(&world).await, expected);
    world.materialize(&["any_trip"], None).await.unwrap();
    assert_eq!(online(&world).await, expected);
    assert_eq!(table(&world).await.len(), 3_000 + last as usize);
}
