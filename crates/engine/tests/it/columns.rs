//! Lineage by column, over definitions as they are stored.

use asof_engine::{About, ColumnChange, Direction, LineageRequest, LogRequest, Rendering};
use asof_model::{Micros, Result};
use serde_json::Value;

use crate::world::{PROJECT, World, trips};

/// `reference`, or `reference.column`.
fn about(text: &str) -> (About, Option<String>) {
    match text.split_once('.') {
        Some((of, column)) => (About::Ours(of.parse().unwrap()), Some(column.to_owned())),
        None => (About::Ours(text.parse().unwrap()), None),
    }
}

pub(crate) fn request(text: &str, direction: Direction) -> LineageRequest {
    let (about, column) = about(text);
    LineageRequest {
        about,
        column,
        direction,
        depth: None,
        at: None,
        toward: None,
        toward_column: None,
        impact: None,
        rendering: Rendering::Tree,
    }
}

async fn asked(world: &World, request: LineageRequest) -> Result<String> {
    world.engine.lineage(&world.scope, request).await
}

async fn filled() -> World {
    let world = World::new().await;
    world.apply(PROJECT).await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0)), (2, "bob", 1, 20, None)]));
    world.ingest("trips", &file).await.unwrap();
    world.train("prices").await.unwrap();
    world.materialize(&["last_trip"], None).await.unwrap();
    world
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_feature_comes_from_columns_and_files() {
    let world = filled().await;
    let text = asked(&world, request("prices.estimate", Direction::Upstream)).await.unwrap();
    holds(
        &text,
        &[
            "prices@1.estimate (training set)\n",
            "pricing@1.estimate (feature service) [direct: identity]",
            "last_trip@1.fare (feature view) [direct: transformation]",
            "last_trip@1.driver (feature view) [indirect: join]",
            "last_trip@1.ended (feature view) [indirect: filter, sort]",
            "trips.fare (dataset) [direct: transformation]",
            "trips.ended (dataset) [indirect: sort]",
            "trips.csv.fare (file, ",
        ],
    );
    assert!(!text.contains("city"), "{text}");
    let text = asked(&world, request("trips.fare", Direction::Downstream)).await.unwrap();
    holds(
        &text,
        &[
            "trips.fare (dataset)\n",
            "last_trip@1.fare (feature view) [direct: identity]",
            "last_there@1.fare_there (feature view) [direct: identity]",
            "pricing@1.estimate (feature service) [direct: transformation]",
            "prices@1.label (training set) [direct: identity]",
            "prices@1 (built training set, 2 rows)",
        ],
    );
}

#[tokio::test]
async fn what_would_break() {
    let world = filled().await;
    let drop = LineageRequest { impact: Some(ColumnChange::Drop), ..request("trips.trip", Direction::Both) };
    let text = asked(&world, drop.clone()).await.unwrap();
    holds(
        &text,
        &[
            "without trips.trip 3 definitions cannot be bound:\nlast_trip@1 (feature view)\n   trip   direct: identity\n",
            "pricing@1 (feature service)\n   last_trip   direct: identity\n",
            "prices@1 (training set)\n   last_trip   direct: identity\n",
            "prices@1 (built training set, 2 rows)\n",
        ],
    );
    let json = asked(&world, LineageRequest { rendering: Rendering::Json, ..drop }).await.unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["definitions"][0]["name"], "last_trip@1");
    assert_eq!(json["made"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said() {
    let world = filled().await;
    let code = async |request: LineageRequest| asked(&world, request).await.unwrap_err().code().to_owned();
    let error = asked(&world, request("trips.fares", Direction::Both)).await.unwrap_err();
    assert_eq!((error.code(), error.remedy_text()), ("unknown_column", Some("did you mean `fare`?")));
    assert_eq!(code(request("pricing.request.weight", Direction::Both)).await, "unknown_column");
    assert_eq!(code(request("trops.fare", Direction::Both)).await, "unknown_name");
    let whole = request("trips", Direction::Both);
    assert_eq!(code(LineageRequest { impact: Some(ColumnChange::Drop), ..whole.clone() }).await, "column_needed");
    let (toward, _) = about("prices");
    let to_a_thing = LineageRequest { toward: Some(toward), ..request("trips.fare", Direction::Downstream) };
    assert_eq!(code(to_a_thing).await, "column_needed");
    let text = asked(&world, request("pricing.request.distance", Direction::Downstream)).await.unwrap();
    assert!(text.contains("pricing@1.estimate (feature service) [direct: transformation]"), "{text}");
    let text = asked(&world, request("pricing.request.driver", Direction::Downstream)).await.unwrap();
    assert!(text.contains("pricing@1.fare (feature service) [indirect: join]"), "{text}");
}

#[tokio::test]
async fn columns_that_nobody_declared_are_looked_up() {
    let mut world = World::new().await;
    world.apply("CREATE DATASET trips TIMESTAMP ended; CREATE ENTITY driver KEY (driver VARCHAR);").await.unwrap();
    let file = world.file("trips.csv", &trips(&[(1, "ann", 0, 10, Some(5.0))]));
    world.ingest("trips", &file).await.unwrap();
    world
        .apply(
            "CREATE FEATURE VIEW all_of_it ENTITY driver TIMESTAMP ended AS SELECT * FROM trips WHERE city > 3;
             CREATE FEATURE VIEW one ENTITY driver TIMESTAMP ended AS SELECT driver, ended, fare + 1 AS more FROM all_of_it;",
        )
        .await
        .unwrap();
    // As after a restart: nothing is known of any column.
    world.reopen().await;
    let text = asked(&world, request("one.more", Direction::Upstream)).await.unwrap();
    holds(
        &text,
        &[
            "all_of_it@1.fare (feature view) [direct: transformation]",
            "trips.fare (dataset) [direct: identity]",
            "trips.city (dataset) [indirect: filter]",
        ],
    );
    let text = asked(&world, request("trips.fare", Direction::Downstream)).await.unwrap();
    assert!(text.contains("one@1.more"), "{text}");
}

#[tokio::test]
async fn as_of_then_columns_went_where_they_went_then() {
    let world = World::new().await;
    world.clock.set(Micros(10));
    world.apply(PROJECT).await.unwrap();
    world.clock.set(Micros(20));
    let later = PROJECT.replace("fare * 2 + distance AS estimate", "distance AS estimate");
    world.apply(&later).await.unwrap();
    let at = |at| LineageRequest { at: Some(Micros(at)), ..request("trips.fare", Direction::Downstream) };
    let then = asked(&world, at(15)).await.unwrap();
    assert!(then.contains("pricing@1.estimate") && !then.contains("pricing@2"), "{then}");
    let now = asked(&world, at(25)).await.unwrap();
    assert!(now.contains("pricing@2.fare ") && !now.contains("pricing@2.estimate"), "{now}");
}

#[tokio::test]
async fn events_say_what_columns_are_made_of() {
    let world = filled().await;
    let events = world.engine.log_events(&world.scope, LogRequest::default()).await.unwrap();
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let of = |job: &str| {
        let ends = events.iter().find(|e| e["job"]["name"] == job && e["eventType"] == "COMPLETE").unwrap();
        ends["outputs"][0]["facets"]["columnLineage"].clone()
    };
    let inputs = |facet: &Value, column: &str| -> Vec<String> {
        let fields = facet["fields"][column]["inputFields"].as_array().cloned().unwrap_or_default();
        fields
            .iter()
            .map(|input| {
                let how = input["transformations"].as_array().unwrap().iter();
                let how =
                    how.map(|how| format!("{}/{}", how["type"].as_str().unwrap(), how["subtype"].as_str().unwrap()));
                format!("{} {}", input["field"].as_str().unwrap(), how.collect::<Vec<_>>().join(" "))
            })
            .collect()
    };
    let trained = of("train.prices");
    assert_eq!(inputs(&trained, "label"), ["fare DIRECT/IDENTITY"]);
    assert_eq!(
        inputs(&trained, "estimate"),
        ["driver INDIRECT/JOIN", "ended INDIRECT/FILTER INDIRECT/SORT", "fare DIRECT/TRANSFORMATION"]
    );
    assert_eq!(inputs(&of("materialize.last_trip"), "fare"), ["fare DIRECT/IDENTITY"]);
    assert_eq!(inputs(&of("ingest.trips"), "fare"), ["fare DIRECT/IDENTITY"]);
}
