//! The main job, every verb once, through the wire.

use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Column, Doubles, Strings};
use asof_proto::jobs::v1::{
    ApplyCheckedRequest, ExportRequest, Format, MaterializeRequest, RebuildRequest, TrainRequest, VerifyLeakageRequest,
    VerifyServiceRequest, apply_checked_event, materialize_event, rebuild_event, train_event, verify_leakage_event,
    verify_service_event,
};
use asof_proto::leakage::v1::{Finding, Probe};
use asof_proto::lineage::v1::{ExplainRequest, LineageRequest, LogRequest};
use asof_proto::object::v1::Kind;
use asof_proto::registry::v1::{Effect, ListRequest, ShowRequest, SourceFile};
use asof_proto::serving::v1::{DescribeRequest, GetFeaturesRequest};
use futures::{StreamExt, TryStreamExt};

use crate::fixture::{DEFINITIONS, Fixture, WEATHER};

/// 2013-01-01T11:30:00Z.
const AT: i64 = 1_357_039_800_000_000;

fn entities(origins: &[&str], distance: f64) -> Vec<Column> {
    let origins = Strings { values: origins.iter().map(|o| (*o).to_owned()).collect() };
    let distances = Doubles { values: vec![distance; origins.values.len()] };
    let column = |name: &str, values| Column { name: name.into(), values: Some(values), ..Column::default() };
    vec![column("origin", Values::Strings(origins)), column("distance", Values::Doubles(distances))]
}

/// The one result in a stream of events.
macro_rules! result {
    ($events:expr, $variant:path) => {{
        let mut events = $events.into_inner();
        let mut results = Vec::new();
        while let Some(event) = events.next().await {
            if let Some($variant(result)) = event.unwrap().event {
                results.push(result);
            }
        }
        assert_eq!(results.len(), 1);
        results.remove(0)
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_answers_through_the_wire() {
    let fixture = Fixture::new().await;

    // Definitions: all new, and applied again all unchanged.
    let applied = fixture.apply(DEFINITIONS).await.unwrap();
    assert!(!applied.run.is_empty() && applied.changes.iter().all(|c| c.effect() == Effect::Created));
    let again = fixture.apply(DEFINITIONS).await.unwrap();
    assert!(again.run.is_empty() && again.changes.iter().all(|c| c.effect() == Effect::Unchanged));

    // Data: uploaded once, recognised the second time by content.
    let ingested = fixture.upload("weather", "some/weather.csv", WEATHER).await.unwrap();
    assert_eq!((ingested.rows, ingested.files, ingested.snapshot.is_some()), (3, 1, true));
    let again = fixture.upload("weather", "renamed.csv", WEATHER).await.unwrap();
    assert_eq!((again.rows, again.snapshot, again.skipped.len()), (0, None, 1));
    assert_eq!((again.skipped[0].url.as_str(), again.skipped[0].since), ("renamed.csv", ingested.snapshot));
    assert!(fixture.holds_no_uploads(), "uploads stay behind");
    fixture.upload("flights", "flights.csv", crate::fixture::FLIGHTS).await.unwrap();

    // A training set, built once, exported, and the same when computed again.
    let train = TrainRequest { name: "delays".into(), statuses: true, ..TrainRequest::default() };
    let trained = result!(fixture.jobs().train(train.clone()).await.unwrap(), train_event::Event::Result);
    let set = trained.training_set.unwrap();
    assert_eq!((trained.built, set.number, set.rows), (true, 1, 3));
    assert_eq!(set.snapshots.keys().collect::<Vec<_>>(), ["flights", "weather"]);
    let again = result!(fixture.jobs().train(train).await.unwrap(), train_event::Event::Result);
    assert!(!again.built);
    let export = ExportRequest { scope: None, reference: "delays".into(), format: Format::Csv.into() };
    let chunks: Vec<_> = fixture.jobs().export(export).await.unwrap().into_inner().try_collect().await.unwrap();
    let csv = String::from_utf8(chunks.into_iter().flat_map(|c| c.bytes).collect()).unwrap();
    let expected = [
        "origin,sched_dep,distance,late,temp,temp__status,risky,risky__status",
        "JFK,2013-01-01T10:30:00Z,1400.0,true,-1.5,present,true,present",
        "EWR,2013-01-01T12:00:00Z,500.0,false,,null,false,present",
        "JFK,2013-01-02T12:00:00Z,1400.0,false,,expired,,expired",
    ];
    assert_eq!(csv.lines().collect::<Vec<_>>(), expected);
    let rebuild = RebuildRequest { scope: None, reference: "delays@1".into() };
    let rebuilt = result!(fixture.jobs().rebuild(rebuild).await.unwrap(), rebuild_event::Event::Result);
    assert!(rebuilt.equal && rebuilt.content == set.content);

    // Serving.
    let materialize = MaterializeRequest { at: Some(AT), ..MaterializeRequest::default() };
    let materialized =
        result!(fixture.jobs().materialize(materialize).await.unwrap(), materialize_event::Event::Result);
    assert_eq!((materialized.views.len(), materialized.views[0].rows, materialized.views[0].at), (1, 2, AT));
    let describe = DescribeRequest { service: "departure_delay".into(), ..DescribeRequest::default() };
    let signature = fixture.serving().describe(describe).await.unwrap().into_inner();
    let names = |columns: &[asof_proto::object::v1::Column]| {
        columns.iter().map(|c| format!("{} {}", c.name, c.r#type)).collect::<Vec<_>>()
    };
    assert_eq!(names(&signature.request), ["origin VARCHAR", "distance DOUBLE"]);
    assert_eq!(names(&signature.features), ["temp DOUBLE", "risky BOOLEAN"]);
    let get = GetFeaturesRequest {
        service: "departure_delay@1".into(),
        columns: entities(&["JFK", "EWR", "XXX"], 1400.0),
        at: Some(AT),
        event_times: true,
        receipts: true,
        ..GetFeaturesRequest::default()
    };
    let reply = fixture.serving().get_features(get).await.unwrap().into_inner();
    assert_eq!(reply.service, signature.service);
    let temp = &reply.features[0];
    let values = temp.values.clone().unwrap();
    assert_eq!(
        (values.name.as_str(), values.r#type.as_str(), values.validity.as_slice()),
        ("temp", "DOUBLE", &[0b001][..])
    );
    assert_eq!(values.values, Some(Values::Doubles(Doubles { values: vec![2.5, 0.0, 0.0] })));
    assert_eq!(temp.statuses, [0, 1, 2]);
    assert_eq!((reply.views[0].alias.as_str(), &temp.views[..]), ("airport_weather", &[0][..]));
    assert_eq!(reply.views[0].run, materialized.views[0].run);
    assert_eq!(reply.views[0].event_times.as_ref().map(|c| c.validity.clone()), Some(vec![0b011]));

    // What is served is what training gives.
    let verify = VerifyServiceRequest { service: "departure_delay@1".into(), ..VerifyServiceRequest::default() };
    let verified = result!(fixture.jobs().verify_service(verify).await.unwrap(), verify_service_event::Event::Result);
    let compared = verified.compared.unwrap();
    assert_eq!((compared.service, compared.at), (signature.service.clone(), AT));
    // Two rows of the training set, which are one by its keys, and two airports.
    assert_eq!((compared.rows, compared.failed, compared.differing), (4, 0, 0));

    // No view tells the future; one that does is not applied.
    let verify = VerifyLeakageRequest { reference: "departure_delay".into(), ..VerifyLeakageRequest::default() };
    let verified = result!(fixture.jobs().verify_leakage(verify).await.unwrap(), verify_leakage_event::Event::Result);
    assert_eq!((verified.views.len(), verified.views[0].rows), (1, 3));
    assert_eq!((verified.views[0].finding(), &verified.views[0].leak), (Finding::Clean, &None));
    let leaking =
        "CREATE FEATURE VIEW daily ENTITY airport TIMESTAMP day AS SELECT origin, date_trunc('day', time_hour) AS day,
        max(temp) AS warmest FROM weather GROUP BY origin, date_trunc('day', time_hour);";
    let sources = vec![SourceFile { path: "daily.sql".into(), text: leaking.into() }];
    let probe = Some(Probe { samples: None, at: vec![AT - 3_600_000_000] });
    let apply = ApplyCheckedRequest { sources, probe, ..ApplyCheckedRequest::default() };
    let applied = result!(fixture.jobs().apply_checked(apply).await.unwrap(), apply_checked_event::Event::Result);
    assert_eq!((applied.refused, applied.run.as_str(), applied.changes.len()), (true, "", 1));
    let leak = applied.views[0].leak.clone().unwrap();
    assert_eq!((leak.at, leak.moments, &leak.features[..]), (AT - 3_600_000_000, 1, &["warmest".to_owned()][..]));
    assert_eq!(leak.row.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["origin", "day"]);
    let shown = |column: &Option<Column>| column.clone().and_then(|c| c.values);
    let warmest = |values: Vec<f64>| Some(Values::Doubles(Doubles { values }));
    assert_eq!(shown(&leak.differences[0].with_all), warmest(vec![2.5]));
    assert_eq!(shown(&leak.differences[0].cut_off), warmest(vec![-1.5]));

    // Where it came from.
    let explain = ExplainRequest {
        service: "departure_delay@1".into(),
        columns: entities(&["JFK"], 1400.0),
        at: Some(AT),
        ..ExplainRequest::default()
    };
    let explained = fixture.lineage().explain(explain).await.unwrap().into_inner();
    let origin = &explained.origins[0];
    assert_eq!(origin.run.as_ref().map(|r| (r.verb.as_str(), r.state.as_str())), Some(("materialize", "done")));
    assert_eq!(origin.snapshots[0].dataset, "weather");
    assert!(
        origin.snapshots[0].files[0].url.contains("weather.csv")
            && origin.query.to_lowercase().contains("from weather")
    );

    // What there is and what was done.
    let listed = fixture
        .registry()
        .list(ListRequest { kind: Kind::FeatureView.into(), ..ListRequest::default() })
        .await
        .unwrap();
    let listed = listed.into_inner().listings;
    assert_eq!((listed.len(), listed[0].online, listed[0].current), (1, Some(AT), true));
    let show = |reference: &str| ShowRequest { scope: None, reference: reference.into() };
    let shown = fixture.registry().show(show("weather")).await.unwrap().into_inner();
    assert_eq!(shown.snapshot.map(|s| s.rows), Some(3));
    let shown = fixture.registry().show(show("delays@1")).await.unwrap().into_inner();
    assert_eq!(shown.training_set, Some(set));
    let log = LogRequest { verb: "ingest".into(), limit: 1, ..LogRequest::default() };
    let runs = fixture.lineage().log(log).await.unwrap().into_inner().runs;
    assert_eq!((runs.len(), runs[0].verb.as_str(), runs[0].project.as_str()), (1, "ingest", "flights"));
    let lineage = LineageRequest { reference: "delays@1".into(), ..LineageRequest::default() };
    let tree = fixture.lineage().lineage(lineage).await.unwrap().into_inner().text;
    assert!(tree.contains("airport_weather@1") && tree.contains("weather.csv"), "{tree}");
}
