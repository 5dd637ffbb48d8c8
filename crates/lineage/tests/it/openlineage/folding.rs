//! What makes an edge, what ends it, and what does not.

use serde_json::{Value, json};

use super::{columns, dataset, event, flows, folded, holding, of_job};

fn check(events: &[Value], expected: &[&str]) {
    assert_eq!(flows(&folded(events)), expected);
}

/// An output that says what its columns are made of.
fn with_columns(name: &str, facet: Value) -> Value {
    let mut output = dataset(name);
    output["facets"] = json!({"columnLineage": facet});
    output
}

fn made_of(column: &str, from: &str, field: &str) -> Value {
    json!({"fields": {column: {"inputFields": [{"namespace": "s3://lake", "name": from, "field": field}]}}})
}

#[test]
fn a_complete_run_is_what_holds() {
    check(
        &[event(1, "r", "START", &["a"], &[]), event(3, "r", "COMPLETE", &[], &["b"])],
        &["s3://lake/a > [n/j] (1.. r COMPLETE)", "[n/j] > s3://lake/b (3.. r COMPLETE)"],
    );
}

#[test]
fn a_start_may_be_missing_and_so_may_the_end() {
    check(&[event(3, "r", "COMPLETE", &["a"], &[])], &["s3://lake/a > [n/j] (3.. r COMPLETE)"]);
    check(&[event(1, "r", "START", &["a"], &[])], &["s3://lake/a > [n/j] (1.. r START)"]);
}

#[test]
fn only_complete_ends_what_an_earlier_run_said() {
    let first = event(1, "r1", "COMPLETE", &["a"], &["b"]);
    let kept = ["s3://lake/a > [n/j]", "[n/j] > s3://lake/b"];
    for state in ["START", "RUNNING", "OTHER", "FAIL", "ABORT"] {
        let external = folded(&[first.clone(), event(2, "r2", state, &["c"], &[])]);
        let now = holding(&external, None);
        assert!(kept.iter().all(|edge| now.contains(&(*edge).to_owned())), "{state}: {now:?}");
        assert_eq!(now.len(), 3, "{state} says what it reads");
    }
    // Who failed, or is not done, is no better witness than who is.
    check(
        &[first.clone(), event(2, "r2", "FAIL", &[], &["b"]), event(3, "r3", "START", &["a"], &[])],
        &["s3://lake/a > [n/j] (1.. r1 COMPLETE)", "[n/j] > s3://lake/b (1.. r1 COMPLETE)"],
    );
    check(
        &[first, event(2, "r2", "COMPLETE", &["c"], &["b"])],
        &[
            "s3://lake/a > [n/j] (1..2 r1 COMPLETE)",
            "s3://lake/c > [n/j] (2.. r2 COMPLETE)",
            "[n/j] > s3://lake/b (1.. r2 COMPLETE)",
        ],
    );
}

#[test]
fn what_was_ended_is_there_as_of_then_and_may_come_back() {
    let runs = [
        event(1, "r1", "COMPLETE", &["a"], &["b"]),
        event(5, "r2", "COMPLETE", &["c"], &["b"]),
        event(9, "r3", "COMPLETE", &["a"], &["b"]),
    ];
    let external = folded(&runs);
    let check = |at: Option<i64>, inputs: &[&str]| {
        let read: Vec<_> = holding(&external, at).into_iter().filter(|flow| flow.ends_with("[n/j]")).collect();
        let expected: Vec<_> = inputs.iter().map(|input| format!("s3://lake/{input} > [n/j]")).collect();
        assert_eq!(read, expected, "{at:?}");
    };
    check(Some(0), &[]);
    check(Some(1), &["a"]);
    check(Some(4), &["a"]);
    check(Some(5), &["c"]);
    check(Some(9), &["a"]);
    check(None, &["a"]);
}

#[test]
fn a_run_that_ends_late_says_all_that_it_ever_said() {
    // The one that began first ends last, and said what it reads when it began.
    let runs = [
        event(1, "slow", "START", &["a"], &["b"]),
        event(2, "quick", "COMPLETE", &["c"], &["b"]),
        event(3, "slow", "COMPLETE", &[], &[]),
    ];
    let external = folded(&runs);
    let inputs = |at| holding(&external, at).into_iter().filter(|f| f.ends_with("[n/j]")).collect::<Vec<_>>();
    assert_eq!(inputs(Some(1)), ["s3://lake/a > [n/j]"]);
    assert_eq!(inputs(Some(2)), ["s3://lake/c > [n/j]"]);
    assert_eq!(inputs(None), ["s3://lake/a > [n/j]"]);
}

#[test]
fn who_says_nothing_ends_nothing() {
    let runs = [event(1, "r1", "COMPLETE", &["a"], &["b"]), event(2, "r2", "COMPLETE", &[], &[])];
    assert_eq!(holding(&folded(&runs), None).len(), 2);
}

#[test]
fn jobs_do_not_end_each_others_edges() {
    let runs = [of_job("one", 1, "r1", "COMPLETE", &["a"], &["b"]), of_job("two", 2, "r2", "COMPLETE", &["c"], &["b"])];
    assert_eq!(holding(&folded(&runs), None).len(), 4);
}

#[test]
fn events_of_one_moment_happen_in_their_natural_order() {
    // As Airflow sends them.
    let runs = [
        event(5, "r2", "COMPLETE", &["c"], &[]),
        event(5, "r2", "START", &["c", "d"], &[]),
        event(5, "r1", "START", &["a"], &[]),
    ];
    let expected = ["s3://lake/c > [n/j]", "s3://lake/d > [n/j]"];
    assert_eq!(holding(&folded(&runs), None), expected);
}

#[test]
fn a_streaming_job_is_what_it_says_it_is() {
    let facets = json!({"jobType": {"processingType": "STREAMING", "integration": "FLINK"}});
    let streaming = |mut event: Value, says_so: bool| {
        if says_so {
            event["job"]["facets"] = facets.clone();
        }
        event
    };
    let runs = [
        streaming(event(1, "r", "START", &["a", "b"], &["x"]), true),
        // A sign of life.
        streaming(event(2, "r", "RUNNING", &[], &[]), true),
        // It need not say so each time.
        streaming(event(3, "r", "RUNNING", &["b"], &["x"]), false),
        streaming(event(4, "r", "FAIL", &["c"], &["x"]), true),
    ];
    let external = folded(&runs);
    let inputs = |at| holding(&external, at).into_iter().filter(|f| f.ends_with("[n/j]")).collect::<Vec<_>>();
    assert_eq!(inputs(Some(2)), ["s3://lake/a > [n/j]", "s3://lake/b > [n/j]"]);
    assert_eq!(inputs(Some(3)), ["s3://lake/b > [n/j]"]);
    assert_eq!(inputs(None), ["s3://lake/b > [n/j]", "s3://lake/c > [n/j]"]);
}

#[test]
fn columns_make_edges_without_inputs() {
    let mut run = event(1, "r", "COMPLETE", &[], &[]);
    run["outputs"] = json!([with_columns("b", made_of("y", "a", "x"))]);
    let external = folded([&run]);
    assert_eq!(holding(&external, None), ["s3://lake/a > [n/j]", "[n/j] > s3://lake/b"]);
    assert_eq!(columns(&external), ["s3://lake/a:x > s3://lake/b:y  [j] (1.. r COMPLETE)"]);
}

#[test]
fn a_facet_that_is_deleted_takes_columns_back() {
    let output = |second, run, state, facet| {
        let mut run = event(second, run, state, &["a"], &[]);
        run["outputs"] = json!([with_columns("b", facet)]);
        run
    };
    let said = output(1, "r1", "COMPLETE", made_of("y", "a", "x"));
    let gone = output(2, "r2", "RUNNING", json!({"_deleted": true}));
    let external = folded([&said, &gone]);
    assert_eq!(columns(&external), ["s3://lake/a:x > s3://lake/b:y  [j] (1..2 r1 COMPLETE)"]);
    assert_eq!(holding(&external, None).len(), 2, "the datasets still flow");
    let facets = &external.datasets()[1].facets;
    assert!(facets.is_empty(), "{facets:?}");
}

#[test]
fn facets_are_kept_as_they_came_and_the_newest_stands() {
    let with = |second, facets: Value| {
        let mut run = event(second, "r", "RUNNING", &[], &[]);
        run["job"]["facets"] = facets;
        run
    };
    let strange = json!({"whoKnows": {"deep": [1, {"er": 2.5}]}});
    let events =
        [with(1, strange.clone()), with(3, json!({"owner": {"_deleted": true}})), with(2, json!({"owner": 1}))];
    let external = folded(&events);
    assert_eq!(Value::Object(external.jobs()[0].facets.clone()), strange);
}

#[test]
fn what_is_declared_without_a_run_stands_beside_the_runs() {
    let declared = |second, inputs: Value| {
        json!({"eventTime": format!("1970-01-01T00:00:0{second}Z"), "job": {"namespace": "n", "name": "j"},
            "inputs": inputs, "outputs": []})
    };
    let events = [
        declared(1, json!([dataset("a")])),
        event(2, "r", "COMPLETE", &["b"], &[]),
        declared(3, json!([dataset("c")])),
    ];
    assert_eq!(holding(&folded(&events), Some(2)), ["s3://lake/a > [n/j]", "s3://lake/b > [n/j]"]);
    assert_eq!(holding(&folded(&events), None), ["s3://lake/b > [n/j]", "s3://lake/c > [n/j]"]);
}

#[test]
fn a_dataset_may_say_itself_what_it_is_made_of() {
    let says = |second, facet| json!({"eventTime": format!("1970-01-01T00:00:0{second}Z"), "dataset": with_columns("b", facet)});
    let events = [says(1, made_of("y", "a", "x")), says(2, made_of("y", "c", "x"))];
    let external = folded(&events);
    assert_eq!(holding(&external, Some(1)), ["s3://lake/a > s3://lake/b"]);
    assert_eq!(holding(&external, None), ["s3://lake/c > s3://lake/b"]);
    let taken_back = says(3, json!({"_deleted": true}));
    assert_eq!(holding(&folded(events.iter().chain([&taken_back])), None), Vec::<String>::new());
}

#[test]
fn names_that_symlinks_tie_together_are_one_dataset() {
    let symlink = |name: &str, namespace: &str, to: &str| {
        let mut input = dataset(name);
        input["facets"] = json!({"symlinks": {"identifiers": [{"namespace": namespace, "name": to, "type": "TABLE"}]}});
        input
    };
    let mut run = event(1, "r", "COMPLETE", &[], &["out"]);
    run["inputs"] = json!([
        symlink("raw/tx", "hive://m:9083", "raw.tx"),
        {"namespace": "s3a://lake/", "name": "/raw/tx/"},
        {"namespace": "hive://m:9083", "name": "raw.tx"},
    ]);
    let external = folded([&run]);
    assert_eq!(holding(&external, None), ["s3://lake/raw/tx > [n/j]", "[n/j] > s3://lake/out"]);
    let tx = external.datasets().iter().find(|dataset| dataset.name.name == "raw/tx").unwrap();
    assert_eq!(tx.also.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hive://m:9083/raw.tx"]);

    // Taken back, they are two.
    let mut gone = symlink("raw/tx", "x", "y");
    gone["facets"]["symlinks"] = json!({"_deleted": true});
    let gone = json!({"eventTime": "1970-01-02", "dataset": gone});
    assert_eq!(holding(&folded([&run, &gone]), None).len(), 3);
}

#[test]
fn a_parent_ties_jobs_together() {
    let mut run = event(1, "r", "COMPLETE", &["a"], &[]);
    run["run"]["facets"] = json!({"parent": {"run": {"runId": "p"}, "job": {"namespace": "n", "name": "dag"}}});
    let external = folded([&run]);
    let jobs: Vec<_> = external.jobs().iter().map(|job| (job.name.name.as_str(), job.part_of.len())).collect();
    assert_eq!(jobs, [("dag", 0), ("j", 1)]);
}
