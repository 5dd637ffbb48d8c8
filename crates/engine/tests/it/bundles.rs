//! Bundles: from one deployment to another, whole or not at all; and what is rebuilt there.

use std::path::Path;
use std::sync::Arc;

use asof_engine::{
    About, Author, Direction, ExportRequest, ImportReport, ImportRequest, LineageRequest, LogRequest, Rendering,
};
use asof_lineage::openlineage::canonical;
use asof_model::Result;
use asof_model::run::{Item, Verb};
use asof_offline::Quiet;
use serde_json::Value;

use crate::models::{register, trained};
use crate::world::{PROJECT, World, trips};

async fn export(world: &World, references: &[&str], training_sets: bool) -> Vec<u8> {
    let references = references.iter().map(|reference| reference.parse().unwrap()).collect();
    world.engine.export_bundle(&world.scope, ExportRequest { references, training_sets }).await.unwrap().bundle
}

async fn import(world: &World, bundle: &[u8], dry_run: bool) -> Result<ImportReport> {
    let bundle = bundle.to_vec();
    let request = ImportRequest { bundle, called: "b.json".into(), dry_run, author: Author::default() };
    world.engine.import_bundle(&world.scope, request).await
}

/// Every version there is, with its digest.
async fn versions(world: &World) -> Vec<asof_model::Pinned> {
    let mut all = Vec::new();
    for (name, _) in world.catalog.names(&world.scope.project).await.unwrap() {
        all.extend(world.catalog.versions(&world.scope.project, &name).await.unwrap().into_iter().map(|r| r.pinned));
    }
    all
}

#[tokio::test]
async fn what_is_exported_arrives_with_its_numbers_and_digests() {
    let from = trained().await;
    from.apply(&PROJECT.replace("fare * 2", "fare * 3")).await.unwrap();
    let bundle = export(&from, &["prices"], false).await;
    let to = World::new().await;
    let dry = import(&to, &bundle, true).await.unwrap();
    assert_eq!((dry.run, dry.new.len(), versions(&to).await.len()), (None, 7, 0));
    let report = import(&to, &bundle, false).await.unwrap();
    assert!(report.run.is_some() && report.there.is_empty());
    let there = versions(&to).await;
    // The service and the training set have version 2 only: the gap stays.
    assert!(
        there.iter().all(|pinned| ["pricing", "prices"].contains(&pinned.name.as_str()) == (pinned.version.0 == 2))
    );
    let known = versions(&from).await;
    assert!(there.iter().all(|pinned| known.contains(pinned)), "{there:?}");
    let runs = to.engine.log(&to.scope, LogRequest::default()).await.unwrap();
    assert_eq!((runs.len(), runs[0].verb, runs[0].outputs.len()), (1, Verb::Import, 7));
    assert!(matches!(&runs[0].inputs[..], [Item::File { url, .. }] if url == "b.json"));
    // No environment points at it yet.
    let error = to.engine.show(&to.scope, &"pricing".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "not_in_environment");

    let again = import(&to, &bundle, false).await.unwrap();
    assert_eq!((again.run, again.new.len(), again.there.len()), (None, 0, 7));
    // The older version can still come, and the next one counts on from the highest.
    let older = import(&to, &export(&from, &["pricing@1"], false).await, false).await.unwrap();
    assert_eq!(older.new.iter().map(|p| p.reference()).collect::<Vec<_>>(), ["pricing@1"]);
    to.apply(&PROJECT.replace("fare * 2", "fare * 4")).await.unwrap();
    assert!(versions(&to).await.iter().any(|pinned| pinned.reference() == "pricing@3"));
}

/// A bundle with something changed, as somebody would who knows how to compute its digest.
fn changed(bundle: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bundle).unwrap();
    change(&mut value);
    value.as_object_mut().unwrap().remove("digest");
    let digest = canonical::digest(&value).to_string();
    value["digest"] = digest.into();
    serde_json::to_vec(&value).unwrap()
}

#[tokio::test]
async fn a_bundle_that_is_not_as_it_was_written_is_refused_whole() {
    let from = trained().await;
    let bundle = export(&from, &["prices@1"], false).await;
    let text = String::from_utf8(bundle.clone()).unwrap();
    let to = World::new().await;
    let of_other = Value::from("other");
    let cases = [
        (bundle[..bundle.len() / 2].to_vec(), "not_a_bundle", "it ends too early"),
        (b"{}".to_vec(), "not_a_bundle", "has no `asof_bundle`"),
        (b"\x00\x01".to_vec(), "not_a_bundle", "this is not a bundle"),
        (text.replace("fare * 2", "fare * 9").into_bytes(), "bundle_damaged", "not what its digest says"),
        (changed(&bundle, |b| b["asof_bundle"] = 2.into()), "other_format", "written by a newer Asof"),
        (changed(&bundle, |b| b["project"] = of_other), "not_of_this_project", "of project `other`, not of `test`"),
        (changed(&bundle, |b| b["unheard"] = 1.into()), "not_a_bundle", "unheard"),
        (
            changed(&bundle, |b| {
                let definitions = b["definitions"].as_array_mut().unwrap();
                let trips = definitions.iter_mut().find(|d| d["pinned"]["name"] == "trips").unwrap();
                trips["definition"]["timestamp"] = "fare".into();
            }),
            "bundle_damaged",
            "the content of trips@1 is not the one of its digest",
        ),
        (
            changed(&bundle, |b| drop(b["definitions"].as_array_mut().unwrap().remove(0))),
            "bundle_damaged",
            "which is not in it",
        ),
        (changed(&bundle, |b| b["training_sets"][0]["rows"] = "x".into()), "bundle_damaged", "a manifest"),
        (
            changed(&bundle, |b| b["training_sets"][0]["inputs"][0]["number"] = 7.into()),
            "bundle_damaged",
            "its digest is not that of its definition, snapshots and content",
        ),
    ];
    for (bundle, code, words) in cases {
        let error = import(&to, &bundle, false).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert_eq!(versions(&to).await, []);
}

#[tokio::test]
async fn a_number_that_is_taken_is_refused_with_what_differs() {
    let from = trained().await;
    let bundle = export(&from, &["prices"], false).await;
    let other = World::new().await;
    other.apply(&PROJECT.replace("fare * 2", "fare * 9")).await.unwrap();
    let before = versions(&other).await;
    let dry = import(&other, &bundle, true).await.unwrap();
    assert_eq!((dry.there.len(), dry.conflicts.len()), (5, 2), "{:?}", dry.conflicts);
    let error = import(&other, &bundle, false).await.unwrap_err();
    assert_eq!(error.code(), "import_conflict");
    assert!(error.message().contains("pricing@1: it is ") && error.message().contains("they differ in AS"), "{error}");
    assert_eq!(versions(&other).await, before);

    // The same content under another number would mean two things by one number.
    other.apply(PROJECT).await.unwrap();
    let renumbered = export(&other, &["pricing"], false).await;
    let error = import(&from, &renumbered, false).await.unwrap_err();
    assert!(error.message().contains("pricing@2: the same definition is pricing@1 here"), "{error}");
    // A name of another kind.
    let third = World::new().await;
    third.apply("CREATE ENTITY trips KEY (id BIGINT);").await.unwrap();
    let error = import(&third, &bundle, false).await.unwrap_err();
    assert!(error.message().contains("`trips` is an entity here, and a dataset there"), "{error}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_training_set_is_rebuilt_to_the_bit_on_another_machine() {
    let from = trained().await;
    let bundle = export(&from, &["prices"], true).await;
    let to = World::new().await;
    let report = import(&to, &bundle, false).await.unwrap();
    assert_eq!(report.training_sets.len(), 1);
    // No record of the run that built it is here, and yet it is told.
    let told = LineageRequest {
        about: About::Ours("prices@latest".parse().unwrap()),
        column: None,
        direction: Direction::Downstream,
        depth: None,
        at: None,
        toward: None,
        toward_column: None,
        impact: None,
        rendering: Rendering::Openlineage,
    };
    let told = to.engine.lineage(&to.scope, told).await.unwrap();
    let ends = |line: &&str| line.contains(r#""name":"train.prices""#) && line.contains(r#""eventType":"COMPLETE""#);
    assert_eq!(told.lines().filter(ends).count(), 1, "{told}");
    let set = "prices@1".parse().unwrap();
    let rebuild = async || to.engine.rebuild(&to.scope, &set, Arc::new(Quiet)).await;
    let error = rebuild().await.unwrap_err();
    assert_eq!(error.code(), "snapshots_missing");
    assert!(error.message().contains("trips@0 with the content "), "{error}");
    // Another snapshot of the same number is not it.
    to.apply(PROJECT).await.unwrap();
    let wrong = to.file("wrong.csv", &trips(&[(1, "ann", 0, 10, Some(5.5))]));
    to.ingest("trips", &wrong).await.unwrap();
    let error = rebuild().await.unwrap_err();
    assert!(error.message().contains(", and here it has "), "{error}");

    let folder = |world: &World| world.folder.path().join("store/datasets");
    std::fs::remove_dir_all(folder(&to)).unwrap();
    copy(&folder(&from), &folder(&to));
    let rebuilt = rebuild().await.unwrap();
    assert!(rebuilt.equal());
    // Its rows are elsewhere; a model that was trained on it is known here all the same.
    let error = to.engine.export(&to.scope, &set, asof_engine::ExportFormat::Csv, Vec::new()).await.unwrap_err();
    assert_eq!(error.code(), "rows_elsewhere");
    register(&to, "7", "prices@1").await.unwrap();
    let built = to.train("prices").await.unwrap();
    assert_eq!((built.manifest.number, built.manifest.content), (2, rebuilt.content), "its number is taken");
    assert_eq!(import(&to, &bundle, false).await.unwrap().training_sets_there.len(), 1);
}
