//! `verify SERVICE`: what is served is held against what training gives, and what differs is found.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Float64Type;
use asof_engine::{CompareRequest, Compared, PushRequest};
use asof_model::time::SECOND;
use asof_model::{Clock, Micros, Pinned, Result, Status};
use asof_offline::Quiet;
use asof_online::{
    Ask, CellColumn, EVENT_TIME, Entry, Found, Increase, Journal, Layout, Lookup, MemoryStore, Once, OnlineStore,
    Pending, Publication, Published, Push, Rows,
};

use crate::windows::WINDOWS;
use crate::world::{PROJECT, World, trips};

/// Later than all trips.
const AT: Micros = Micros(1_000 * SECOND);

pub(crate) async fn world() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let rows = [(1, "ann", 0, 950, Some(3.0)), (2, "bob", 1, 960, None), (3, "cleo", 0, 500, Some(5.0))];
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();
    world
}

pub(crate) async fn compare(world: &World, samples: usize, seed: u64) -> Result<Compared> {
    let request = CompareRequest { service: "pricing".parse()?, samples, seed, at: None };
    world.engine.compare(&world.scope, request, Arc::new(Quiet)).await
}

/// What an online store answers instead of what it has, for one driver's newest trip: another fare, another time, or
/// nothing at all.
#[derive(Clone, Copy)]
pub enum Lie {
    Fare(Option<f64>),
    Second(i64),
    Missing,
}

/// A store that lies in its answers, and does all else as it should.
pub struct Lying {
    store: Arc<dyn OnlineStore>,
    pub(crate) lies: Mutex<Vec<(String, Lie)>>,
    /// Windows count one event less.
    lost: AtomicBool,
    /// Who holds it holds up pushes.
    pub(crate) held: Mutex<()>,
    /// No row with this fare can be written.
    pub(crate) refused: Mutex<Option<f64>>,
}

impl Lying {
    /// Makes a world's store one that lies.
    pub async fn in_place(world: &mut World) -> Arc<Lying> {
        let lying = Arc::new(Lying {
            store: world.online.clone(),
            lies: Mutex::default(),
            lost: AtomicBool::new(false),
            held: Mutex::default(),
            refused: Mutex::default(),
        });
        world.online = lying.clone();
        world.reopen().await;
        lying
    }

    pub fn about(&self, driver: &str, lie: Lie) {
        *self.lies.lock().unwrap() = vec![(driver.to_owned(), lie)];
    }

    fn bend(&self, lookup: &Lookup<'_>, mut found: Found) -> Found {
        if self.lost.load(Ordering::Relaxed) {
            for cell in found.windows.iter_mut().flat_map(|cells| &mut cells.columns) {
                if let CellColumn::Counts(counts) = cell {
                    counts.iter_mut().for_each(|count| *count = count.saturating_sub(1));
                }
            }
        }
        if lookup.view.name.as_str() != "last_trip" {
            return found;
        }
        for (driver, lie) in self.lies.lock().unwrap().iter() {
            let is_meant: Vec<_> = lookup.keys[0].as_string::<i32>().iter().map(|key| key == Some(driver)).collect();
            let bent = |row: usize| is_meant[row];
            let times = found.event_times.iter().enumerate().map(|(row, time)| match lie {
                Lie::Second(second) if bent(row) => Some(second * SECOND),
                Lie::Missing if bent(row) => None,
                _ => time,
            });
            found.event_times = times.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
            let columns =
                found.values.columns().iter().map(|column| match (lie, column.as_primitive_opt::<Float64Type>()) {
                    (Lie::Fare(fare), Some(fares)) => {
                        let fares = fares.iter().enumerate().map(|(row, old)| if bent(row) { *fare } else { old });
                        Arc::new(fares.collect::<Float64Array>()) as ArrayRef
                    }
                    _ => column.clone(),
                });
            found.values = RecordBatch::try_new(found.values.schema(), columns.collect()).unwrap();
        }
        found
    }
}

impl OnlineStore for Lying {
    fn get(&self, lookups: &[Lookup<'_>]) -> Result<Vec<Found>> {
        let found = self.store.get(lookups)?;
        Ok(lookups.iter().zip(found).map(|(lookup, found)| self.bend(lookup, found)).collect())
    }

    /// The bent answer, as bytes: out of a store that holds nothing else.
    fn read(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>> {
        let bent = |ask: &Ask<'_>| {
            let Some(Published { layout, run, at, .. }) = self.store.published(ask.view)? else {
                return Ok(self.store.read(&[*ask])?.remove(0));
            };
            let columns: Vec<String> = layout.values.names().map(str::to_owned).collect();
            let found =
                self.get(&[Lookup { view: ask.view, keys: ask.keys.to_vec(), columns, windows: None }])?.remove(0);
            let there = arrow::compute::is_not_null(&found.event_times).unwrap();
            let keys = layout.key.names().zip(ask.keys.iter().cloned());
            let values = layout.values.names().zip(found.values.columns().iter().cloned());
            let times: ArrayRef = Arc::new(found.event_times.clone());
            let columns = keys.chain(values).chain([(EVENT_TIME, times)]).map(|(name, column)| (name, column, true));
            let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
            let other = MemoryStore::new();
            let mut publication = other.publish(ask.view, &layout)?;
            publication.write(&arrow::compute::filter_record_batch(&rows, &there).unwrap())?;
            publication.commit(run, at)?;
            Ok(other.read(&[*ask])?.remove(0))
        };
        asks.iter().map(bent).collect()
    }

    fn count_from(&self, view: &Pinned, last: u64) {
        self.store.count_from(view, last);
    }

    fn increase(&self, view: &Pinned, layout: &Layout) -> Result<Option<Increase>> {
        self.store.increase(view, layout)
    }

    fn publish(&self, view: &Pinned, layout: &Layout) -> Result<Box<dyn Publication>> {
        self.store.publish(view, layout)
    }

    fn published(&self, view: &Pinned) -> Result<Option<Published>> {
        self.store.published(view)
    }

    fn list(&self) -> Result<Vec<Published>> {
        self.store.list()
    }

    fn check(&self, view: &Pinned) -> Result<()> {
        self.store.check(view)
    }

    fn drop_view(&self, view: &Pinned) -> Result<()> {
        self.store.drop_view(view)
    }

    fn push(&self, pushes: &[Push]) -> Result<()> {
        drop(self.held.lock().unwrap());
        let refused = *self.refused.lock().unwrap();
        let fares =
            pushes.iter().flat_map(|push| &push.changes).filter_map(|change| change.rows.column_by_name("fare"));
        if fares.flat_map(|fares| fares.as_primitive::<Float64Type>()).any(|fare| fare.is_some() && fare == refused) {
            return Err(asof_model::Error::internal("such a fare cannot be written"));
        }
        self.store.push(pushes)
    }

    fn pushed(&self, journal: &Journal, key: &str) -> Result<Option<Once>> {
        self.store.pushed(journal, key)
    }

    fn journals(&self) -> Result<Vec<Pending>> {
        self.store.journals()
    }

    fn entries(&self, journal: &Journal, bytes: usize) -> Result<Vec<Entry>> {
        self.store.entries(journal, bytes)
    }

    fn trim(&self, journal: &Journal, last: i64) -> Result<()> {
        self.store.trim(journal, last)
    }
}

/// The rows and features that differ, with both statuses.
pub(crate) fn told(compared: &Compared) -> Vec<String> {
    let status = |status: Option<Status>| status.map_or("?", Status::as_str);
    let told = compared.mismatches.iter().map(|m| {
        let driver = m.request.column_by_name("driver").unwrap().as_string::<i32>().value(0).to_owned();
        format!("{driver} {} {} {}", m.feature, status(m.served.status), status(m.trained.status))
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_what_training_gives() {
    let world = world().await;
    assert_eq!(compare(&world, 100, 0).await.unwrap_err().code(), "not_materialized");
    world.materialize(&[], Some(AT)).await.unwrap();
    let compared = compare(&world, 100, 0).await.unwrap();
    // Three keys of each of two views.
    assert_eq!((compared.at, compared.rows, compared.failed, compared.differing), (AT, 6, 0, 0));
    assert_eq!(compared.snapshots.len(), 1);
    // With a training set its spine is asked about too, with its parameters.
    world.train("prices").await.unwrap();
    let compared = compare(&world, 100, 0).await.unwrap();
    assert_eq!((compared.rows, compared.differing), (9, 0));
    // What is ingested later is not online, and is not what it is held against.
    let file = world.file("more.csv", &trips(&[(4, "ann", 0, 990, Some(8.0))]));
    world.ingest("trips", &file).await.unwrap();
    let compared = compare(&world, 100, 0).await.unwrap();
    assert_eq!(compared.differing, 0);
    assert_eq!(compare(&world, 10_001, 0).await.unwrap_err().code(), "too_many_entities");
    assert_eq!(compare(&world, 0, 0).await.unwrap_err().code(), "nothing_to_compare");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_online_is_found_with_its_receipt() {
    let mut world = world().await;
    let run = world.materialize(&["last_trip", "last_there"], Some(AT)).await.unwrap().views[0].run;
    let lying = Lying::in_place(&mut world).await;
    assert_eq!(told(&compare(&world, 100, 0).await.unwrap()), Vec::<String>::new());

    // One bit of one value.
    let bits = 3.0_f64.to_bits() + 1;
    lying.about("ann", Lie::Fare(Some(f64::from_bits(bits))));
    let compared = compare(&world, 100, 0).await.unwrap();
    // Both rows with ann's key: that of her trips, and that of her city. The estimate has no distance.
    assert_eq!((compared.differing, told(&compared)), (2, vec!["ann fare present present".to_owned(); 2]));
    let mismatch = &compared.mismatches[0];
    let value = |batch: &RecordBatch| batch.column(0).as_primitive::<Float64Type>().value(0).to_bits();
    assert_eq!((value(&mismatch.served.value), value(&mismatch.trained.value)), (bits, 3.0_f64.to_bits()));
    let (alias, receipt) = &mismatch.receipts[0];
    assert_eq!((alias.as_str(), receipt.run, receipt.event_time), ("last_trip", run, Some(Micros(950 * SECOND))));

    let check = async |driver: &str, lie: Lie, expected: &[&str]| {
        lying.about(driver, lie);
        assert_eq!(told(&compare(&world, 100, 0).await.unwrap())[..expected.len()], *expected);
    };
    check("ann", Lie::Missing, &["ann fare missing present", "ann last_trip missing present"]).await;
    check("ann", Lie::Second(850), &["ann fare expired present"]).await;
    check("ann", Lie::Fare(None), &["ann fare null present"]).await;
    check("bob", Lie::Fare(Some(0.0)), &["bob fare present null"]).await;
    check("cleo", Lie::Second(990), &["cleo fare present expired"]).await;
    // What is expired either way is told by nobody.
    lying.about("cleo", Lie::Fare(Some(7.0)));
    assert_eq!(compare(&world, 100, 0).await.unwrap().differing, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_zeros_are_two() {
    let mut world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 950, Some(0.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], Some(AT)).await.unwrap();
    Lying::in_place(&mut world).await.about("ann", Lie::Fare(Some(-0.0)));
    assert_eq!(told(&compare(&world, 100, 0).await.unwrap())[0], "ann fare present present");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_asks_about_the_same_keys() {
    let mut world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let drivers: Vec<_> = (0..200).map(|i| format!("driver{i}")).collect();
    let rows: Vec<_> = (0_i64..200).map(|i| (i, drivers[i as usize].as_str(), 0, 950, Some(1.0))).collect();
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], Some(AT)).await.unwrap();
    // All of them are wrong online, so that those that are asked about are told.
    let lying = Lying::in_place(&mut world).await;
    *lying.lies.lock().unwrap() = drivers.iter().map(|driver| (driver.clone(), Lie::Fare(Some(2.0)))).collect();
    let first = compare(&world, 20, 7).await.unwrap();
    assert_eq!((first.rows, first.differing), (20, 20));
    assert_eq!(told(&first), told(&compare(&world, 20, 7).await.unwrap()));
    assert_ne!(told(&first), told(&compare(&world, 20, 8).await.unwrap()));
}

pub(crate) async fn push(world: &World, trip: i64, driver: &str, fare: f64) {
    let ended = Micros(world.clock.now().0 - SECOND * (100 - trip));
    let rows = RecordBatch::try_from_iter([
        ("ended", Arc::new(TimestampMicrosecondArray::from(vec![ended.0]).with_timezone("UTC")) as ArrayRef),
        ("trip", Arc::new(Int64Array::from(vec![trip]))),
        ("driver", Arc::new(StringArray::from(vec![driver]))),
        ("city", Arc::new(Int64Array::from(vec![0]))),
        ("fare", Arc::new(Float64Array::from(vec![fare]))),
    ]);
    let request = PushRequest { dataset: "trips".parse().unwrap(), rows: rows.unwrap(), key: None };
    world.engine.push(&world.scope, request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_compared_as_of_now() {
    let mut world = world().await;
    world.materialize(&[], None).await.unwrap();
    push(&world, 10, "ann", 30.0).await;
    push(&world, 11, "dora", 40.0).await;
    let compared = compare(&world, 100, 0).await.unwrap();
    assert_eq!((compared.rows, compared.differing), (8, 0), "{:?}", told(&compared));
    assert!(compared.at > AT);
    let lying = Lying::in_place(&mut world).await;
    lying.about("dora", Lie::Missing);
    let compared = compare(&world, 100, 0).await.unwrap();
    assert!(told(&compared).contains(&"dora fare missing present".to_owned()), "{:?}", told(&compared));
    lying.lies.lock().unwrap().clear();
    world.materialize(&[], None).await.unwrap();
    assert_eq!(compare(&world, 100, 0).await.unwrap().differing, 0);
    // Ingested and pushed since: no snapshot is what is online.
    let file = world.file("more.csv", &trips(&[(4, "ann", 0, 990, Some(8.0))]));
    world.ingest("trips", &file).await.unwrap();
    assert_eq!(compare(&world, 100, 0).await.unwrap().differing, 0);
    push(&world, 12, "ann", 50.0).await;
    let error = compare(&world, 100, 0).await.unwrap_err();
    assert_eq!(error.code(), "not_comparable");
    assert!(error.remedy_text().unwrap().starts_with("asof materialize last_t"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_from_different_snapshots_are_told_apart() {
    let world = world().await;
    world.materialize(&["last_trip"], Some(AT)).await.unwrap();
    let file = world.file("more.csv", &trips(&[(4, "ann", 0, 990, Some(8.0))]));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&["last_there"], Some(AT)).await.unwrap();
    let error = compare(&world, 100, 0).await.unwrap_err();
    assert_eq!(error.code(), "not_comparable");
    assert!(error.message().contains("last_trip@1 is online from trips@") && error.message().contains("last_there@1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_answered_are_counted_and_not_compared() {
    let world = world().await;
    let shares =
        "CREATE FEATURE SERVICE shares AS SELECT last_trip.trip, 6 / (last_trip.trip - 2) AS share FROM last_trip;";
    world.apply(shares).await.unwrap();
    world.materialize(&[], Some(AT)).await.unwrap();
    let request = CompareRequest { service: "shares".parse().unwrap(), samples: 10, seed: 0, at: None };
    let compared = world.engine.compare(&world.scope, request, Arc::new(Quiet)).await.unwrap();
    assert_eq!((compared.rows, compared.failed, compared.differing), (2, 1, 0));
    let runs = world.engine.log(&world.scope, asof_engine::LogRequest::default()).await.unwrap();
    let verified = runs.iter().find(|run| run.id == compared.run).unwrap();
    assert_eq!((verified.notes["rows"].as_str(), verified.notes["differing"].as_str()), ("2", "0"));
    assert!(verified.inputs.iter().any(|item| matches!(item, asof_model::run::Item::Snapshot { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_compared_as_any_feature() {
    let mut world = World::new().await;
    world.clock.set(Micros(1_000_000 * SECOND));
    world.apply(WINDOWS).await.unwrap();
    let rows: Vec<_> = (0..50).map(|i| (i, ["ann", "bob"][i as usize % 2], 0, 999_999 - i * 977, Some(0.1))).collect();
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();
    world.materialize(&[], None).await.unwrap();
    let compared = async |world: &World| {
        let request = CompareRequest { service: "state".parse().unwrap(), samples: 10, seed: 0, at: None };
        world.engine.compare(&world.scope, request, Arc::new(Quiet)).await.unwrap()
    };
    assert_eq!((compared(&world).await.rows, compared(&world).await.differing), (4, 0));
    push(&world, 99, "ann", 0.3).await;
    let live = compared(&world).await;
    assert_eq!((live.rows, live.differing, live.at), (4, 0, Micros(1_000_000 * SECOND)), "{:?}", told(&live));
    // A window that has lost an event online.
    let lying = Lying::in_place(&mut world).await;
    lying.lost.store(true, Ordering::Relaxed);
    let told = told(&compared(&world).await);
    assert!(told.contains(&"ann n present present".to_owned()), "{told:?}");
}
