//! `verify --leakage` over a user's own views: which it finds out, how it says so, and which it leaves in peace.

use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use asof_engine::{Author, Checked, Checking, Finding, Leak, Probe, Source, VerifyRequest};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::time::SECOND;
use asof_model::{ErrorKind, Micros, Result};
use asof_offline::Quiet;
use proptest::prelude::*;

use crate::world::World;

/// Sensors that are read, prices that become known late and are corrected, and a list of places.
const DATASETS: &str = "
    CREATE DATASET readings (sensor BIGINT, place VARCHAR, at TIMESTAMP, value DOUBLE) TIMESTAMP at;
    CREATE DATASET prices (place VARCHAR, at TIMESTAMP, seen TIMESTAMP, price BIGINT) TIMESTAMP at KNOWN AT seen KEY (place, at);
    CREATE DATASET places (place VARCHAR, listed TIMESTAMP, level BIGINT) TIMESTAMP listed KEY (place);
    CREATE ENTITY sensor KEY (sensor BIGINT);
    CREATE ENTITY place KEY (place VARCHAR);
";

fn micros(seconds: i64) -> Micros {
    Micros(seconds * SECOND)
}

/// Ten days of readings, every ten minutes from one of five sensors in two places; prices twice a day, each known
/// after an hour and corrected after a day; places listed at the end.
async fn world(view: &str) -> World {
    let world = World::new().await;
    let (mut readings, mut prices) = ("sensor,place,at,value\n".to_owned(), "place,at,seen,price\n".to_owned());
    for i in 0..1440_i64 {
        let (sensor, at) = (i % 5, micros(i * 600));
        readings +=
            &format!("{sensor},{},{at},{}\n", ["x", "y"][(sensor % 2) as usize], (i * 7919 % 1000) as f64 / 7.0);
    }
    for i in 0..40_i64 {
        let (place, at) = (["x", "y"][(i % 2) as usize], 43_200 * (i / 2));
        prices += &format!("{place},{},{},{}\n", micros(at), micros(at + 3_600), i);
        prices += &format!("{place},{},{},{}\n", micros(at), micros(at + 86_400), i + 100);
    }
    world.apply(&format!("{DATASETS}{view}")).await.unwrap();
    let places = format!("place,listed,level\nx,{0},1\ny,{0},2\n", micros(700_000));
    for (dataset, text) in [("readings", readings), ("prices", prices), ("places", places)] {
        let file = world.file(&format!("{dataset}.csv"), &text);
        world.ingest(dataset, &file).await.unwrap();
    }
    world
}

async fn verify(world: &World, reference: &str, probe: Probe) -> Result<Vec<Checked>> {
    let request = VerifyRequest { reference: reference.parse()?, probe };
    Ok(world.engine.verify(&world.scope, request, Arc::new(Quiet)).await?.views)
}

/// What is found in the view `v`.
async fn found(view: &str) -> Checked {
    let world = world(view).await;
    verify(&world, "v", Probe::default()).await.unwrap().pop().unwrap()
}

/// A view in which nothing is found, at as many moments as were asked for.
async fn clean(view: &str) {
    let checked = found(view).await;
    assert!(matches!(checked.finding, Finding::Clean), "{view}\n{checked:#?}");
    assert!(checked.rows > 0 && checked.moments.len() >= 6, "{checked:?}");
}

/// A view that leaks: the features that differ, and what is said of the causes.
async fn leaks(view: &str, features: &[&str], causes: &[&str]) -> Leak {
    let checked = found(view).await;
    let Finding::Leak(leak) = checked.finding else { panic!("{view}\n{checked:#?}") };
    assert_eq!(leak.features, features, "{view}");
    assert!(leak.moments > 0 && leak.moments <= checked.moments.len() && checked.moments.contains(&leak.at));
    assert_eq!(leak.causes.len(), causes.len(), "{:?}", leak.causes);
    for (cause, says) in leak.causes.iter().zip(causes) {
        assert!(cause.contains(says), "{cause:?} does not say {says:?}");
    }
    leak
}

const PER_DAY: &str = "CREATE FEATURE VIEW v ENTITY place TIMESTAMP day AS
    SELECT place, date_trunc('day', at) AS day, avg(value) AS mean, min(1) AS one FROM readings GROUP BY place, date_trunc('day', at);";

#[tokio::test]
async fn a_daily_mean_stamped_with_the_start_of_its_day_is_shown_with_both_values() {
    let leak = leaks(PER_DAY, &["mean"], &["`day` is rounded down (date_trunc)"]).await;
    let example = leak.example.unwrap();
    let (whole, part) = (example.with_all.unwrap(), example.cut_off.unwrap());
    assert_eq!((whole.num_rows(), part.num_rows(), whole.schema().field(0).name().as_str()), (1, 1, "mean"));
    assert_ne!(whole, part);
    // Both values, the slow and obvious way.
    let text = |column: &str| array_value_to_string(example.row.column_by_name(column).unwrap(), 0).unwrap();
    let (place, day) = (text("place"), text("day").parse::<Micros>().unwrap());
    let mean = |until: Micros| {
        let day = (day.0 / SECOND / 600)..(day.0 / SECOND / 600 + 144);
        let of_place = day.filter(|i| ["x", "y"][(i % 5 % 2) as usize] == place && micros(i * 600) <= until);
        let values: Vec<f64> = of_place.map(|i| (i * 7919 % 1000) as f64 / 7.0).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    for (batch, until) in [(whole, Micros(i64::MAX)), (part, leak.at)] {
        let shown: f64 = array_value_to_string(batch.column(0), 0).unwrap().parse().unwrap();
        assert!((shown - mean(until)).abs() < 1e-9, "{shown} {}", mean(until));
    }
}

#[tokio::test]
async fn a_row_that_is_not_there_without_the_future_is_a_leak() {
    let view = "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS
        SELECT sensor, at, value, level FROM readings JOIN places ON readings.place = places.place;";
    let leak = leaks(view, &["value", "level"], &["the join with places says nothing about time"]).await;
    let example = leak.example.unwrap();
    assert!(example.with_all.is_some() && example.cut_off.is_none());
}

#[tokio::test]
async fn a_row_that_goes_away_later_is_a_leak() {
    let view = "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS
        SELECT sensor, max(at) AS at, count(*) AS n FROM readings GROUP BY sensor;";
    let leak = leaks(view, &["n"], &["GROUP BY keeps one row for rows of many moments"]).await;
    let example = leak.example.unwrap();
    assert!(example.with_all.is_none() && example.cut_off.is_some());
}

#[tokio::test]
async fn windows_that_look_ahead_are_leaks() {
    let view = |over: &str| {
        format!(
            "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS SELECT sensor, at, value AS own, {over} AS x FROM readings;"
        )
    };
    let rows = "PARTITION BY sensor ORDER BY at";
    leaks(
        &view(&format!(
            "avg(value) OVER ({rows} RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND INTERVAL '1 hour' FOLLOWING)"
        )),
        &["x"],
        &["the frame of `avg` OVER (… RANGE … FOLLOWING) ends after the current row"],
    )
    .await;
    leaks(&view(&format!("lead(value) OVER ({rows})")), &["x"], &["`lead` looks at rows after the current one"]).await;
    leaks(&view("max(value) OVER (PARTITION BY sensor)"), &["x"], &["`max` OVER (…) has no ORDER BY"]).await;
    leaks(&view(&format!("row_number() OVER ({rows} DESC)")), &["x"], &["`row_number` OVER (… DESC)"]).await;
    clean(&view(&format!("avg(value) OVER ({rows} RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)"))).await;
    clean(&view(&format!("lag(value) OVER ({rows})"))).await;
    clean(&view(&format!("row_number() OVER ({rows})"))).await;
}

#[tokio::test]
async fn subqueries_limits_and_moved_times_are_leaks() {
    let view = |select: &str| format!("CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS {select};");
    leaks(
        &view("SELECT sensor, at, value / (SELECT max(at) FROM places WHERE FALSE IS NULL OR level > 0) AS x FROM readings")
            .replace("max(at)", "sum(level)"),
        &["x"],
        &["a subquery reads all of places"],
    )
    .await;
    leaks(
        &view("SELECT sensor, at - INTERVAL '1 hour' AS at, value FROM readings"),
        &["value"],
        &["`at` is moved back by a subtraction"],
    )
    .await;
    leaks(
        &view("SELECT sensor, at, value FROM readings ORDER BY at DESC LIMIT 100"),
        &["value"],
        &["LIMIT takes other rows"],
    )
    .await;
    // No shape that is known: what is said then fits all.
    leaks(
        &view("SELECT sensor, least(at, to_timestamp(86400)) AS at, value FROM readings"),
        &["value"],
        &["stamp it with the moment at which the last"],
    )
    .await;
}

#[tokio::test]
async fn what_is_stamped_with_its_end_is_clean() {
    clean(&PER_DAY.replace("AS day", "+ INTERVAL '1 day' AS day")).await;
    clean("CREATE FEATURE VIEW v ENTITY place TIMESTAMP at AS SELECT place, at, value FROM readings;").await;
    // A join that is held to what was there.
    clean(
        "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS SELECT sensor, readings.at, readings.value, o.value AS before
         FROM readings JOIN readings AS o ON o.sensor = readings.sensor AND o.at = readings.at - INTERVAL '3000 seconds';"
            .replace("SELECT sensor,", "SELECT readings.sensor,")
            .as_str(),
    )
    .await;
}

/// Of a view with as-of windows the rows that they gather are looked at.
#[tokio::test]
async fn rows_that_as_of_windows_gather_are_checked() {
    let view = |at: &str, over: &str| {
        format!(
            "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS SELECT sensor, {at} AS at, {over} AS x FROM readings;"
        )
    };
    let (mean, count) = ("avg(value) OVER (RANGE INTERVAL '1 hour' PRECEDING)", "count(*) OVER ()");
    clean(&view("at", mean)).await;
    clean(&view("at", count)).await;
    let early = "date_trunc('day', at)";
    leaks(&view(early, mean), &["input of x"], &["`at` is rounded down (date_trunc)"]).await;
    // Nothing of the rows is asked for, but how many there are.
    leaks(&view(early, count), &[], &["`at` is rounded down (date_trunc)"]).await;
}

#[tokio::test]
async fn what_became_known_later_counts_from_then() {
    let view = |clause: &str, select: &str| {
        format!("CREATE FEATURE VIEW v ENTITY place TIMESTAMP at {clause} AS {select} FROM prices;")
    };
    clean(&view("KNOWN AT seen", "SELECT place, at, seen, price")).await;
    // The view says that it does not care.
    clean(&view("KNOWN AT NONE", "SELECT place, at, price")).await;
    let leak =
        leaks(&view("KNOWN AT told", "SELECT place, at, at AS told, price"), &["price"], &["stamp it with the moment"])
            .await;
    assert!(leak.example.unwrap().row.column_by_name("told").is_some());
}

#[tokio::test]
async fn a_view_that_reads_a_leaking_one_says_so() {
    let views = format!(
        "{PER_DAY} CREATE FEATURE VIEW above ENTITY place TIMESTAMP day AS SELECT place, day, mean * 2 AS twice FROM v;
         CREATE FEATURE VIEW apart ENTITY place TIMESTAMP at AS SELECT place, at, value FROM readings;
         CREATE FEATURE SERVICE s AS SELECT twice, value FROM above, apart;"
    );
    let world = world(&views).await;
    let checked = verify(&world, "s", Probe::default()).await.unwrap();
    let named: Vec<_> = checked.iter().map(|c| (c.view.name.as_str(), c.finding.passes())).collect();
    let place = |name: &str| named.iter().position(|(n, _)| *n == name).unwrap();
    assert_eq!(named.len(), 3);
    assert_eq!((named[place("v")].1, named[place("above")].1, named[place("apart")].1), (false, false, true));
    assert!(place("v") < place("above"));
    let Finding::Leak(leak) = &checked[place("above")].finding else { panic!("{checked:?}") };
    assert_eq!(leak.causes[0], "it reads v@1, which leaks");

    // It is a run like the others.
    let run = world.engine.log(&world.scope, Default::default()).await.unwrap().remove(0);
    assert_eq!((run.verb, &run.outcome, run.notes["leaks"].as_str()), (Verb::Verify, &Outcome::Done, "2"));
    assert!(
        run.inputs.iter().any(|item| matches!(item, Item::Snapshot { dataset, .. } if dataset.as_str() == "readings"))
    );
}

#[tokio::test]
async fn moments_are_those_that_were_asked_for() {
    let world = world(PER_DAY).await;
    let at = |at: Vec<Micros>, samples| verify(&world, "v", Probe { samples, at });
    // At the very end of a day everything of it is there; a microsecond earlier only what is at its last reading.
    let midnight = micros(5 * 86_400);
    let checked = at(vec![micros(86_400 * 5 - 600)], 0).await.unwrap().remove(0);
    assert!(matches!(checked.finding, Finding::Clean), "{checked:?}");
    assert_eq!(checked.moments, [micros(86_400 * 5 - 600)]);
    let checked = at(vec![midnight, midnight], 0).await.unwrap().remove(0);
    assert!(matches!(checked.finding, Finding::Leak(_)) && checked.moments == [midnight], "{checked:?}");
    for (samples, moments) in [(0, vec![]), (1_001, vec![]), (1_000, vec![midnight])] {
        let error = at(moments, samples).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "too_many_moments"));
    }
    // The same moments every time.
    let again = |_: ()| verify(&world, "v", Probe::default());
    let (first, second) = (again(()).await.unwrap(), again(()).await.unwrap());
    assert_eq!(first[0].moments, second[0].moments);
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused() {
    let world = World::new().await;
    world.apply(&format!("{DATASETS}{PER_DAY}")).await.unwrap();
    let code = |reference: &'static str| {
        let refused = verify(&world, reference, Probe::default());
        async { refused.await.unwrap_err().code() }
    };
    assert_eq!(code("v").await, "nothing_ingested");
    assert_eq!(code("readings").await, "wrong_kind");
    assert_eq!(code("nothing").await, "unknown_name");
}

#[tokio::test]
async fn a_view_without_rows_is_said_to_be_unchecked() {
    let checked = found(&PER_DAY.replace("FROM readings", "FROM readings WHERE value < 0")).await;
    assert!(matches!(&checked.finding, Finding::Unchecked(why) if why.contains("no rows")), "{checked:?}");
}

/// Rows of equal time, of which a window takes the first that comes.
#[tokio::test]
async fn a_view_that_is_not_the_same_twice_is_no_leak() {
    let world = World::new().await;
    let view = "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS
        SELECT sensor, at, value, row_number() OVER (PARTITION BY place ORDER BY place) AS n FROM readings;";
    world.apply(&format!("{DATASETS}{view}")).await.unwrap();
    let mut readings = "sensor,place,at,value\n".to_owned();
    for i in 0..20_000_i64 {
        readings += &format!("{},x,{},{i}\n", i % 100, micros(i * 7919 % 20_000));
    }
    let file = world.file("readings.csv", &readings);
    world.ingest("readings", &file).await.unwrap();
    let checked = verify(&world, "v", Probe::default()).await.unwrap().remove(0);
    let Finding::Unstable(leak) = &checked.finding else { panic!("{checked:?}") };
    assert_eq!(leak.features, ["n"]);
    assert!(!checked.finding.passes() && leak.causes[0].contains("the order in which they are computed"), "{leak:?}");
}

#[tokio::test]
async fn a_leak_keeps_definitions_from_being_applied() {
    let world = world("").await;
    let apply = |sql: &str, plan: bool| {
        let sources = vec![Source { file: "a.sql".into(), text: format!("{DATASETS}{sql}") }];
        let engine = world.engine.clone();
        let scope = world.scope.clone();
        async move {
            let checking = Checking { probe: Some(Probe::default()), plan, ..Checking::default() };
            engine.apply_checked(&scope, sources, &Author::default(), &checking, Arc::new(Quiet)).await
        }
    };
    let (good, bad) = (PER_DAY.replace("AS day", "+ INTERVAL '1 day' AS day"), PER_DAY);
    let names = || async { world.engine.list(&world.scope, Some(asof_model::Kind::FeatureView)).await.unwrap().len() };

    let refused = apply(bad, false).await.unwrap();
    assert!(refused.refused() && refused.run.is_none());
    assert!(matches!(&refused.views[0].finding, Finding::Leak(leak) if leak.features == ["mean"]));
    assert_eq!(names().await, 0);

    let planned = apply(&good, true).await.unwrap();
    assert!(!planned.refused() && planned.run.is_none() && planned.changes.len() == 6);
    assert_eq!(names().await, 0);
    let applied = apply(&good, false).await.unwrap();
    assert!(!applied.refused() && applied.run.is_some() && applied.views.len() == 1);
    assert_eq!(names().await, 1);

    // What is not changed is not looked at again; what changes is, against what is registered.
    let again = apply(&good, false).await.unwrap();
    assert!(again.run.is_none() && again.views.is_empty());
    let refused = apply(bad, false).await.unwrap();
    assert!(refused.refused());
    // A view over a dataset without data passes, with a note.
    let empty = "CREATE DATASET later (sensor BIGINT, at TIMESTAMP, x BIGINT) TIMESTAMP at;
        CREATE FEATURE VIEW w ENTITY sensor TIMESTAMP at AS SELECT sensor, at, x FROM later;";
    let applied = apply(&format!("{good}{empty}"), false).await.unwrap();
    assert!(applied.run.is_some());
    assert!(matches!(&applied.views[0].finding, Finding::Unchecked(why) if why.contains("`later` has no data yet")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// A centred sum leaks at a moment exactly when some row up to it has another one in reach after it: few readings,
    /// every moment asked for, held against the slow and obvious way.
    #[test]
    fn a_leak_is_found_where_it_shows(
        readings in proptest::collection::vec((0..2i64, 0..40i64, 0..5i64), 1..12),
        reach in 0..6i64,
        moments in proptest::collection::btree_set(0..45i64, 1..6),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let view = format!(
                "CREATE FEATURE VIEW v ENTITY sensor TIMESTAMP at AS SELECT sensor, at, sum(CAST(value AS BIGINT)) OVER
                 (PARTITION BY sensor ORDER BY at RANGE BETWEEN CURRENT ROW AND INTERVAL '{reach} seconds' FOLLOWING) AS x
                 FROM readings;"
            );
            let world = World::new().await;
            world.apply(&format!("{DATASETS}{view}")).await.unwrap();
            let line = |(sensor, at, value): &(i64, i64, i64)| format!("{sensor},x,{},{value}\n", micros(*at));
            let file = readings.iter().map(line).fold("sensor,place,at,value\n".to_owned(), |text, line| text + &line);
            let file = world.file("readings.csv", &file);
            world.ingest("readings", &file).await.unwrap();
            // Zeros do not show in a sum.
            let leaks = |moment: i64| readings.iter().any(|(sensor, at, _)| {
                let ahead = readings.iter().filter(|(s, a, _)| s == sensor && *a > moment && *a <= at + reach);
                *at <= moment && ahead.map(|(_, _, value)| value).sum::<i64>() > 0
            });
            for moment in &moments {
                let probe = Probe { samples: 0, at: vec![micros(*moment)] };
                let checked = verify(&world, "v", probe).await.unwrap().remove(0);
                assert_eq!(!checked.finding.passes(), leaks(*moment), "at {moment} reach {reach}\n{readings:?}\n{checked:?}");
            }
        });
    }
}
