//! The graph is that of the set of events, and as of a moment that of the events until then.

use asof_lineage::openlineage::{End, External, Facets, Flow, Heard};
use asof_model::Micros;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{dataset, folded, name, of_job};

/// In another order, the same for the same seed.
pub(crate) fn shuffled(events: &[Value], seed: u64) -> Vec<&Value> {
    let mut order: Vec<&Value> = events.iter().collect();
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
    for i in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}

/// An event of one of few jobs and runs, about few datasets, at one of few moments: so that they meet.
pub(super) fn events() -> impl Strategy<Value = Vec<Value>> {
    let names = || prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d/"]), 0..3);
    let states = prop::sample::select(vec!["START", "RUNNING", "OTHER", "ABORT", "FAIL", "COMPLETE", "COMPLETE"]);
    let one = (0..3u8, 0..3u8, 0i64..6, states, names(), names(), 0..12u8).prop_map(
        |(job, run, second, state, inputs, outputs, extra)| {
            // A run is of one job.
            let run = format!("{job}-{run}");
            let mut event = of_job(&format!("j{job}"), second, &run, state, &inputs, &outputs);
            let columns = json!({"fields": {"y": {"inputFields": [{"namespace": "s3://lake", "name": "a", "field": "x"}]}}});
            match extra {
                0 => event["job"]["facets"] = json!({"jobType": {"processingType": "STREAMING"}}),
                1 => put(&mut event["outputs"], with("b", json!({"columnLineage": columns}))),
                2 => put(&mut event["outputs"], with("b", json!({"columnLineage": {"_deleted": true}}))),
                3 => put(&mut event["inputs"], with("a", json!({"symlinks": {"identifiers": [
                    {"namespace": "hive://m", "name": "t", "type": "TABLE"}]}}))),
                4 => put(&mut event["inputs"], json!({"namespace": "hive://m", "name": "t"})),
                5 => put(&mut event["inputs"], with("a", json!({"symlinks": {"_deleted": true}}))),
                6 => event["eventType"] = Value::Null,
                7 => event["run"] = Value::Null,
                8 => return json!({"eventTime": event["eventTime"], "dataset": with("b", json!({"columnLineage": columns}))}),
                _ => {}
            }
            event
        },
    );
    prop::collection::vec(one, 0..24)
}

fn put(datasets: &mut Value, dataset: Value) {
    datasets.as_array_mut().unwrap().push(dataset);
}

fn with(name: &str, facets: Value) -> Value {
    let mut dataset = dataset(name);
    dataset["facets"] = facets;
    dataset
}

#[test]
fn an_event_counts_once_however_it_is_written() {
    let mut heard = Heard::new();
    let digests: Vec<_> = [
        r#"{"eventTime": "2026-01-01T00:00:00Z", "dataset": {"namespace": "n", "name": "d", "facets": {"x": 1}}}"#,
        r#"{"dataset": {"facets": {"x": 1.0}, "name": "d", "namespace": "n"}, "eventTime": "2026-01-01T00:00:00Z"}"#,
        r#"{"eventTime": "2026-01-01T00:00:00Z", "dataset": {"namespace": "n", "name": "d", "facets": {"x": 2}}}"#,
    ]
    .map(|text| heard.hear(&serde_json::from_str(text).unwrap()).unwrap())
    .into();
    assert_eq!((heard.len(), digests[0] == digests[1], digests[0] == digests[2]), (2, true, false));
}

/// What flows, by name, at a moment or now.
fn holding(external: &External, at: Option<Micros>) -> Vec<(String, String)> {
    let holds = |flow: &&Flow| flow.spans.iter().any(|span| span.holds(at));
    let named = |end: End| name(external, end);
    let mut all: Vec<_> = external.flows().iter().filter(holds).map(|f| (named(f.from), named(f.to))).collect();
    all.sort();
    all
}

/// What is known of everything of which something is, by name.
fn known(external: &External) -> Vec<(String, String)> {
    told(external, |end| match end {
        End::Dataset(place) => external.datasets()[place as usize].facets.clone(),
        End::Job(place) => external.jobs()[place as usize].facets.clone(),
    })
}

/// And as of a moment.
fn known_at(heard: &Heard, at: Micros) -> Vec<(String, String)> {
    let then = heard.then(at);
    told(&heard.fold(), |end| match end {
        End::Dataset(place) => then.of(false, place).unwrap().clone(),
        End::Job(place) => then.of(true, place).unwrap().clone(),
    })
}

fn told(external: &External, facets: impl Fn(End) -> Facets) -> Vec<(String, String)> {
    let datasets = (0..external.datasets().len() as u32).map(End::Dataset);
    let all = datasets.chain((0..external.jobs().len() as u32).map(End::Job));
    let all = all.map(|end| (name(external, end), facets(end))).filter(|(_, facets)| !facets.is_empty());
    all.map(|(name, facets)| (name, Value::Object(facets).to_string())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_and_no_repetition_changes_the_graph(events in events(), seed in any::<u64>()) {
        let expected = folded(&events);
        let doubled: Vec<Value> = events.iter().chain(&events).cloned().collect();
        prop_assert_eq!(&folded(shuffled(&events, seed)), &expected);
        prop_assert_eq!(&folded(shuffled(&doubled, seed)), &expected);
    }

    /// What is known of symlinks and of which jobs stream has no history, so these are left out here.
    #[test]
    fn as_of_a_moment_it_is_the_graph_of_what_was_said_until_then(events in events(), second in 0i64..6) {
        let timeless = |event: &&Value| {
            let text = event.to_string();
            !text.contains("symlinks") && !text.contains("STREAMING")
        };
        let at = Micros(second * 1_000_000);
        let until = |event: &&Value| event["eventTime"].as_str().unwrap().parse::<Micros>().unwrap() <= at;
        let whole = folded(events.iter().filter(timeless));
        let then = folded(events.iter().filter(timeless).filter(until));
        prop_assert_eq!(holding(&whole, Some(at)), holding(&then, None));
    }

    /// And so is what was known; of the names that symlinks tie together there is no history.
    #[test]
    fn as_of_a_moment_is_known_what_was_said_until_then(events in events(), second in 0i64..6) {
        let timeless = |event: &&Value| !event.to_string().contains("symlinks");
        let at = Micros(second * 1_000_000);
        let until = |event: &&Value| event["eventTime"].as_str().unwrap().parse::<Micros>().unwrap() <= at;
        let mut heard = Heard::new();
        events.iter().filter(timeless).for_each(|event| _ = heard.hear(event).unwrap());
        let then = folded(events.iter().filter(timeless).filter(until));
        prop_assert_eq!(known_at(&heard, at), known(&then));
    }

    #[test]
    fn without_what_is_spent_it_is_the_same_graph_from_then_on(events in events(), second in 1i64..7) {
        let mut heard = Heard::new();
        let digests: Vec<_> = events.iter().map(|event| heard.hear(event).unwrap()).collect();
        let before = Micros(second * 1_000_000);
        let spent = heard.spent(before);
        let (whole, left) = (heard.fold(), folded(events.iter().zip(&digests).filter(|(_, d)| !spent.contains(d)).map(|(e, _)| e)));
        let mut kept = Heard::new();
        events.iter().zip(&digests).filter(|(_, d)| !spent.contains(d)).for_each(|(event, _)| _ = kept.hear(event).unwrap());
        for at in (second..8).map(|second| Some(Micros(second * 1_000_000))).chain([None]) {
            prop_assert_eq!(holding(&left, at), holding(&whole, at));
            if let Some(at) = at {
                prop_assert_eq!(known_at(&kept, at), known_at(&heard, at));
            }
        }
        prop_assert_eq!(known(&left), known(&whole));
    }
}

/// What a streaming run said of a job may be said again by one that failed; that it ended the rest is said by nobody else.
#[test]
fn who_ended_something_is_not_spent() {
    let streams = json!({"jobType": {"processingType": "STREAMING"}});
    let mut events = [
        of_job("j", 0, "r1", "START", &[], &["b"]),
        of_job("j", 4, "r2", "RUNNING", &[], &["a"]),
        of_job("j", 5, "r1", "ABORT", &[], &["a"]),
    ];
    events[2]["job"]["facets"] = streams;
    let mut heard = Heard::new();
    let digests: Vec<_> = events.iter().map(|event| heard.hear(event).unwrap()).collect();
    let spent = heard.spent(Micros(6_000_000));
    let left =
        folded(events.iter().zip(&digests).filter(|(_, digest)| !spent.contains(digest)).map(|(event, _)| event));
    assert_eq!(holding(&left, None), [("[n/j]".to_owned(), "s3://lake/a".to_owned())]);
    assert_eq!(holding(&heard.fold(), None), holding(&left, None));
}

#[test]
fn runs_that_another_followed_are_spent() {
    let told = |run: &str, second: i64, reads: &str| {
        [("START", second), ("COMPLETE", second + 1)].map(|(state, at)| of_job("j", at, run, state, &[reads], &["out"]))
    };
    let events = [told("r1", 0, "a"), told("r2", 10, "b"), told("r3", 20, "b"), told("r4", 30, "c")].concat();
    let spent = |second: i64| {
        let mut heard = Heard::new();
        let digests: Vec<_> = events.iter().map(|event| heard.hear(event).unwrap()).collect();
        let spent = heard.spent(Micros(second * 1_000_000));
        digests.iter().enumerate().filter(|(_, digest)| spent.contains(digest)).map(|(n, _)| n).collect::<Vec<_>>()
    };
    assert_eq!(spent(5), Vec::<usize>::new());
    // The first said last that `a` is read, until the second completed.
    assert_eq!(spent(11), Vec::<usize>::new());
    assert_eq!(spent(12), [0, 1]);
    assert_eq!(spent(25), [0, 1, 2, 3]);
    assert_eq!(spent(100), [0, 1, 2, 3, 4, 5]);
}
