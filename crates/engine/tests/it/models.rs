//! Models: registered once, served what they were trained on, and in the graph.

use asof_engine::{
    About, Author, Direction, GetRequest, LineageRequest, LogRequest, RegisterRequest, RegisteredModel, Rendering,
};
use asof_model::run::{Item, Verb};
use asof_model::time::SECOND;
use asof_model::{Micros, Result};
use serde_json::Value;

use crate::world::{PROJECT, World, request, trips};

pub(crate) async fn register(world: &World, version: &str, trained_on: &str) -> Result<RegisteredModel> {
    let request = RegisterRequest {
        name: "fraud".parse().unwrap(),
        version: version.parse().unwrap(),
        trained_on: trained_on.parse().unwrap(),
        uri: Some("s3://models/fraud".into()),
        description: None,
        author: Author { who: Some("ada".into()), why: None },
    };
    world.engine.register_model(&world.scope, request).await
}

/// A project with one training set, and rows online.
pub(crate) async fn trained() -> World {
    let world = World::new().await;
    world.clock.set(Micros(60 * SECOND));
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0)), (2, "bob", 1, 20, None)]));
    world.ingest("trips", &file).await.unwrap();
    world.train("prices").await.unwrap();
    world.materialize(&["last_trip", "last_there"], None).await.unwrap();
    world
}

#[tokio::test]
async fn a_version_of_a_model_never_means_another_training_set() {
    let world = trained().await;
    let first = register(&world, "7", "prices@1").await.unwrap();
    assert!(first.run.is_some());
    assert_eq!((first.model.number, first.model.service.reference().as_str()), (1, "pricing@1"));
    let again = register(&world, "7", "prices").await.unwrap();
    assert_eq!((again.run, &again.model), (None, &first.model));

    let more = world.file("more.csv", &trips(&[(3, "ann", 0, 15, Some(9.0))]));
    world.ingest("trips", &more).await.unwrap();
    world.train("prices").await.unwrap();
    let error = register(&world, "7", "prices@2").await.unwrap_err();
    assert_eq!(error.code(), "model_exists");
    assert!(error.message().contains("trained on prices@1, not prices@2"), "{error}");
    register(&world, "2026-11-01-a", "prices@2").await.unwrap();
    let there = world.engine.models(&world.scope, None).await.unwrap();
    assert_eq!(there.iter().map(|model| model.reference()).collect::<Vec<_>>(), ["fraud@7", "fraud@2026-11-01-a"]);
    let error = register(&world, "8", "prices@3").await.unwrap_err();
    assert_eq!(error.code(), "unknown_training_set");

    let only = LogRequest { verb: Some(Verb::Register), ..LogRequest::default() };
    let runs = world.engine.log(&world.scope, only).await.unwrap();
    assert_eq!(runs.len(), 2);
    let model = |version: &str| Item::Model { name: "fraud".parse().unwrap(), version: version.parse().unwrap() };
    assert_eq!(runs[1].outputs, [model("7")]);
    assert!(matches!(&runs[1].inputs[..], [Item::TrainingSet { number: 1, .. }, Item::Definition(_)]));
    assert_eq!(runs[1].notes["who"], "ada");
}

#[tokio::test]
async fn a_model_is_served_the_features_that_it_was_trained_on() {
    let world = trained().await;
    register(&world, "7", "prices@1").await.unwrap();
    let by = |text: &str| text.parse::<asof_model::ModelReference>().unwrap();
    let get = async |service| {
        let rows = request(&[(Some("ann"), Some(0), 1.0)]);
        world.engine.get(&world.scope, GetRequest { service, rows, at: Some(Micros(60 * SECOND)) }).await.unwrap()
    };
    // The service goes on; what the model is served does not.
    world.apply(&PROJECT.replace("fare * 2 + distance", "fare * 3 + distance")).await.unwrap();
    let current = get("pricing".parse().unwrap()).await;
    for reference in ["fraud@7", "model:fraud@7", "test/fraud@7", "fraud@7"] {
        let reply = get(world.engine.service_of_model(&world.scope, &by(reference)).await.unwrap()).await;
        assert_eq!((current.service.version.0, reply.service.version.0), (2, 1), "{reference}");
        let schema = reply.features.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["fare", "last_trip", "fare_there", "estimate"], "labels are no features");
        assert_ne!(reply.features.column(3), current.features.column(3));
    }
    let error = world.engine.service_of_model(&world.scope, &by("fraud@8")).await.unwrap_err();
    assert_eq!((error.code(), error.remedy_text()), ("unknown_model", Some("there is fraud@7")));
    let error = world.engine.service_of_model(&world.scope, &by("frau@7")).await.unwrap_err();
    assert_eq!(error.remedy_text(), Some("did you mean `fraud`?"));

    let shown = world.engine.show_model(&world.scope, &by("fraud@7")).await.unwrap();
    assert_eq!((shown.features.0.len(), shown.request.0.len(), shown.offline.len()), (4, 3, 0));
    assert_eq!(shown.manifest.map(|manifest| manifest.number), Some(1));
}

/// The ids of all nodes around something.
async fn around(world: &World, about: About, direction: Direction, at: Option<Micros>) -> Vec<String> {
    let request = LineageRequest {
        about,
        column: None,
        direction,
        depth: None,
        at,
        toward: None,
        toward_column: None,
        impact: None,
        rendering: Rendering::Json,
    };
    let text = world.engine.lineage(&world.scope, request).await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    document["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lineage_leads_from_a_source_file_to_a_model_and_back() {
    let world = trained().await;
    let before = Micros(2_000_000_000_000);
    world.clock.set(Micros(2_000_000_000_001));
    register(&world, "2026-11-01-a", "prices@1").await.unwrap();
    let model = "asof://test/model/fraud@2026-11-01-a".to_owned();
    let about = || About::Model("fraud@2026-11-01-a".parse().unwrap());
    let upstream = around(&world, about(), Direction::Upstream, None).await;
    for id in [
        "asof://test/built_training_set/prices@1",
        "asof://test/feature_service/pricing@1",
        "asof://test/snapshot/trips@0",
    ] {
        assert!(upstream.contains(&id.to_owned()), "{id} in {upstream:?}");
    }
    let file = upstream.iter().find(|id| id.contains("trips.csv#")).expect("the file").clone();
    let place = About::Outside(file.split('#').next().unwrap().to_owned());
    let downstream = around(&world, place, Direction::Downstream, None).await;
    assert!(downstream.contains(&model), "{downstream:?}");
    // Its version looks like that of nothing else here, so it need not be called a model.
    register(&world, "7", "prices@1").await.unwrap();
    assert_eq!(
        around(&world, About::Ours("fraud@7".parse().unwrap()), Direction::Upstream, None).await.len(),
        upstream.len()
    );
    let service = || About::Ours("pricing@1".parse().unwrap());
    assert!(!around(&world, service(), Direction::Downstream, Some(before)).await.contains(&model));
    assert!(around(&world, service(), Direction::Downstream, None).await.contains(&model));
}

#[tokio::test]
async fn a_column_of_a_model_is_the_feature_that_it_is_served() {
    let world = trained().await;
    register(&world, "7", "prices@1").await.unwrap();
    let asked = async |column: &str| {
        let request = crate::columns::request(&format!("fraud@7.{column}"), Direction::Upstream);
        world.engine.lineage(&world.scope, request).await
    };
    let fare = asked("fare").await.unwrap();
    assert!(fare.starts_with("pricing@1.fare (feature service)") && fare.contains("trips.fare (dataset)"), "{fare}");
    assert_eq!(asked("fares").await.unwrap_err().code(), "unknown_column");
}
