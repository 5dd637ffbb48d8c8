//! Models and what was imported: once each, for ever; and what an environment points at and did.

use asof_catalog::{ImportedManifest, Move, Registration};
use asof_model::run::{Item, Outcome, Verb};
use asof_model::{Digest, Micros, Model, Run, Version};

use crate::sample::{dataset, dev, memory, name, project, run, shown, view};

fn model(version: &str, number: u32) -> (Model, Run) {
    let item = Item::Model { name: name("fraud"), version: version.parse().unwrap() };
    let run = run(Verb::Register, 5, vec![], vec![item]);
    let model = Model {
        project: project(),
        name: name("fraud"),
        version: version.parse().unwrap(),
        training_set: name("delays"),
        number,
        content: Digest::of(b"rows"),
        service: dataset("flights", 1, "ts").pinned,
        uri: None,
        description: Some("for people".into()),
        registered: Micros(5),
        run: run.id,
    };
    (model, run)
}

#[tokio::test]
async fn a_model_is_there_once_with_its_run() {
    let catalog = memory().await;
    let (first, run) = model("7", 1);
    assert_eq!(catalog.register_model(&first, &run).await, Ok(Registration::New));
    let (other, late) = model("7", 2);
    assert_eq!(catalog.register_model(&other, &late).await, Ok(Registration::There(Box::new(first.clone()))));
    assert_eq!(catalog.run(late.id).await, Ok(None), "nothing was done, so nothing is on record");
    assert_eq!(catalog.model(&project(), &name("fraud"), &first.version).await, Ok(Some(first.clone())));
    // As it is written: these are two.
    let (padded, more) = model("07", 1);
    assert_eq!(catalog.register_model(&padded, &more).await, Ok(Registration::New));
    assert_eq!(catalog.models(&project(), None).await.map(|all| all.len()), Ok(2));
    assert_eq!(catalog.models(&project(), Some(&name("other"))).await, Ok(vec![]));
    assert_eq!(catalog.producer(&project(), &run.outputs[0]).await, Ok(Some(run)));
}

#[tokio::test]
async fn what_is_imported_is_there_whole_or_not_at_all() {
    let catalog = memory().await;
    let manifest = |number, content: &str| ImportedManifest {
        project: project(),
        name: name("delays"),
        number,
        digest: Digest::of(content.as_bytes()),
        body: format!("{{\"of\": \"{content}\"}}"),
    };
    let import = async |new: Vec<_>, manifests: Vec<_>| {
        let done = run(Verb::Import, 1, vec![], vec![]);
        catalog.import(new, manifests, &done).await.map(|written| (written, done.id))
    };
    let flights = dataset("flights", 3, "ts");
    let (written, first) = import(vec![flights.clone()], vec![manifest(1, "a"), manifest(4, "b")]).await.unwrap();
    assert!(written && catalog.run(first).await.unwrap().is_some());
    assert_eq!(catalog.versions(&project(), &name("flights")).await, Ok(vec![flights.clone()]), "with its number");
    assert_eq!(catalog.imported_numbers(&project(), &name("delays")).await, Ok(vec![1, 4]));
    assert_eq!(catalog.imported_manifest(&project(), &name("delays"), 4).await, Ok(Some("{\"of\": \"b\"}".to_owned())));
    let (written, again) = import(vec![flights.clone()], vec![manifest(1, "a")]).await.unwrap();
    assert!(!written && catalog.run(again).await.unwrap().is_none());
    // A manifest that does not fit takes the definition back.
    let refused = import(vec![dataset("weather", 1, "ts")], vec![manifest(1, "other")]).await;
    assert_eq!(shown(refused).0, "concurrent_apply");
    assert_eq!(catalog.versions(&project(), &name("weather")).await, Ok(vec![]));
    assert_eq!(catalog.imported_manifests(&project()).await.map(|all| all.len()), Ok(2));
}

#[tokio::test]
async fn what_was_pointed_at_since_a_moment_is_told_with_by_whom() {
    let catalog = memory().await;
    let versions = [1, 2, 3].map(|version| dataset("flights", version, &format!("ts{version}")));
    let mut from = None;
    for (at, version) in (1..).zip(&versions) {
        let moves = vec![Move { name: name("flights"), from, to: version.pinned.version }];
        let done = Run { finished: Some(Micros(at * 100)), ..run(Verb::Apply, at * 100, vec![], vec![]) };
        catalog.apply(&project(), &dev(), vec![version.clone()], vec![], moves, &done).await.unwrap();
        from = Some(version.pinned.version);
    }
    let pointed = async |since| {
        let all = catalog.pointed(&project(), Micros(since)).await.unwrap();
        all.into_iter().map(|(registered, _)| registered.pinned.version).collect::<Vec<_>>()
    };
    assert_eq!(pointed(0).await, [1, 2, 3].map(Version));
    assert_eq!(pointed(250).await, [2, 3].map(Version));
    assert_eq!(pointed(301).await, [3].map(Version));
}

#[tokio::test]
async fn what_a_removal_dropped_is_not_online() {
    let catalog = memory().await;
    let online = |generation| Item::Online {
        view: view("carrier_delays", 1, "SELECT 1", &[]).pinned,
        generation,
        rows: 1,
        at: Micros(1),
    };
    catalog.finish(&run(Verb::Materialize, 1, vec![], vec![online(1)])).await.unwrap();
    let mut removal = Run { outcome: Outcome::Running, ..run(Verb::Gc, 2, vec![online(1)], vec![]) };
    catalog.start(&removal).await.unwrap();
    assert_eq!(catalog.online(&project()).await, Ok(vec![online(1)]), "not before it is done");
    removal.outcome = Outcome::Done;
    catalog.finish(&removal).await.unwrap();
    assert_eq!(catalog.online(&project()).await, Ok(vec![]));
    let of = view("carrier_delays", 1, "SELECT 1", &[]).pinned;
    assert_eq!(
        catalog.last_generation(&of).await,
        Ok(Some(1)),
        "the next one is another one, also in a store made anew"
    );
    catalog.finish(&run(Verb::Materialize, 3, vec![], vec![online(2)])).await.unwrap();
    assert_eq!(catalog.online(&project()).await, Ok(vec![online(2)]));
}
