//! One apply after another.

use asof_catalog::{PointerMove, WHO, WHY};
use asof_model::run::{Item, Verb};
use asof_model::{Kind, Micros, Version};

use crate::sample::{apply, dataset, dev, memory, name, owned, project, registered, run, shown, to, view, with};

#[tokio::test]
async fn what_was_applied_is_current() {
    let (flights, weather) = (dataset("flights", 1, "ts"), dataset("weather", 1, "ts"));
    let catalog = with(vec![flights.clone(), weather]).await;
    assert_eq!(catalog.current(&project(), &dev(), &name("flights")).await, Ok(Some(flights)));
    assert_eq!(catalog.current(&project(), &name("prod"), &name("flights")).await, Ok(None));
    assert_eq!(catalog.current(&name("other"), &dev(), &name("flights")).await, Ok(None));
}

#[tokio::test]
async fn what_is_read_may_come_with_what_reads_it_in_any_order() {
    let flights = dataset("flights", 1, "ts");
    let delays = view("delays", 1, "SELECT 1", &[&flights]);
    let catalog = with(vec![delays.clone(), flights.clone()]).await;
    assert_eq!(catalog.closure(std::slice::from_ref(&delays.pinned)).await, Ok(vec![flights, delays]));
}

#[tokio::test]
async fn what_is_read_must_be_there() {
    let delays = view("delays", 1, "SELECT 1", &[&dataset("flights", 1, "ts")]);
    let catalog = memory().await;
    let (code, text) = shown(apply(&catalog, vec![delays], vec![]).await);
    assert_eq!(code, "internal", "{text}");
    assert_eq!(catalog.names(&project()).await, Ok(vec![]));
}

#[tokio::test]
async fn remarks_change_in_place_and_nothing_else_does() {
    let catalog = with(vec![owned("flights", 1, "ts", "ops")]).await;
    let mut renamed = owned("flights", 1, "ts", "data");
    renamed.created = Micros(99);
    let again = run(Verb::Apply, 2, vec![], vec![]);
    catalog.apply(&project(), &dev(), vec![], vec![renamed.clone()], vec![], &again).await.unwrap();
    let stored = catalog.current(&project(), &dev(), &name("flights")).await.unwrap().unwrap();
    assert_eq!(stored.definition, renamed.definition);
    assert_eq!(stored.created, Micros(7));

    let other = dataset("flights", 1, "other");
    let refused =
        catalog.apply(&project(), &dev(), vec![], vec![other], vec![], &run(Verb::Apply, 3, vec![], vec![])).await;
    assert_eq!(shown(refused).0, "concurrent_apply");
}

#[tokio::test]
async fn an_apply_that_was_overtaken_changes_nothing() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let check = async |new, moves, expected: &str| {
        let attempt = run(Verb::Apply, 2, vec![], vec![]);
        let weather = dataset("weather", 1, "ts");
        let result = catalog.apply(&project(), &dev(), vec![weather, new], vec![], moves, &attempt).await;
        let (code, text) = shown(result);
        assert_eq!(code, "concurrent_apply");
        assert!(text.contains(expected), "{text}");
        assert_eq!(catalog.names(&project()).await, Ok(vec![(name("flights"), Kind::Dataset)]));
        assert_eq!(catalog.run(attempt.id).await, Ok(None));
    };
    check(dataset("flights", 1, "other"), vec![], "flights@1 has another content now").await;
    check(dataset("flights", 2, "ts"), vec![], "flights@2 is registered as version 1 already").await;
    check(
        dataset("flights", 2, "other"),
        vec![to("flights", None, 2)],
        "`flights` is at flights@1, the plan found it nowhere",
    )
    .await;
    check(
        dataset("flights", 2, "other"),
        vec![to("weather", Some(1), 1)],
        "`weather` is nowhere, the plan found it at weather@1",
    )
    .await;
}

#[tokio::test]
async fn the_same_apply_twice_is_one() {
    let flights = dataset("flights", 1, "ts");
    let catalog = with(vec![flights.clone()]).await;
    apply(&catalog, vec![flights.clone()], vec![to("flights", None, 1)]).await.unwrap();
    assert_eq!(catalog.versions(&project(), &name("flights")).await, Ok(vec![flights]));
    assert_eq!(catalog.pointer_history(&project(), &dev(), &name("flights")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_move_to_where_it_starts_holds_the_plan_to_what_it_saw() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    apply(&catalog, vec![], vec![to("flights", Some(1), 1)]).await.unwrap();
    apply(&catalog, vec![dataset("flights", 2, "other")], vec![to("flights", Some(1), 2)]).await.unwrap();
    assert_eq!(shown(apply(&catalog, vec![], vec![to("flights", Some(1), 1)]).await).0, "concurrent_apply");
}

#[tokio::test]
async fn a_name_keeps_its_kind() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let (code, text) = shown(apply(&catalog, vec![view("flights", 2, "SELECT 1", &[])], vec![]).await);
    assert_eq!(code, "name_taken");
    assert!(text.contains("`flights` is a dataset in this project; a feature view cannot take its name"), "{text}");
}

#[tokio::test]
async fn a_pointer_moves_only_to_what_exists() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let (code, text) = shown(apply(&catalog, vec![], vec![to("flights", Some(1), 2)]).await);
    assert_eq!((code, text.as_str()), ("unknown_version", "there is no `flights@2`\n  help: there is flights@1"));
}

#[tokio::test]
async fn every_move_is_kept() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let mut second = run(Verb::Apply, 9, vec![], vec![]);
    second.notes = [(WHO, "ada"), (WHY, "a better clock")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let (new, moves) = (vec![dataset("flights", 2, "other")], vec![to("flights", Some(1), 2)]);
    catalog.apply(&project(), &dev(), new, vec![], moves, &second).await.unwrap();
    let mut back = run(Verb::Apply, 8, vec![], vec![]);
    back.finished = None;
    catalog.apply(&project(), &dev(), vec![], vec![], vec![to("flights", Some(2), 1)], &back).await.unwrap();

    let history = catalog.pointer_history(&project(), &dev(), &name("flights")).await.unwrap();
    assert_eq!(history.len(), 3);
    let moved = |from, to, at, run, who: Option<&str>, why: &str| PointerMove {
        name: name("flights"),
        verb: Verb::Apply,
        from: Some(Version(from)),
        to: Version(to),
        at: Micros(at),
        run,
        who: who.map(str::to_owned),
        why: why.to_owned(),
    };
    assert_eq!(history[0], moved(2, 1, 8_000_000, back.id, None, "apply"));
    assert_eq!(history[1], moved(1, 2, 9_000_005, second.id, Some("ada"), "a better clock"));
    assert_eq!((history[2].from, history[2].to), (None, Version(1)));
}

#[tokio::test]
async fn the_run_is_there_with_what_it_made() {
    let catalog = memory().await;
    let flights = dataset("flights", 1, "ts");
    let made = Item::Definition(flights.pinned.clone());
    let applied = run(Verb::Apply, 1, vec![], vec![made.clone()]);
    catalog.apply(&project(), &dev(), vec![flights], vec![], vec![to("flights", None, 1)], &applied).await.unwrap();
    assert_eq!(catalog.producer(&project(), &made).await, Ok(Some(applied)));
}

#[tokio::test]
async fn environments_do_not_touch_each_other() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let prod = name("prod");
    let promoted = run(Verb::Apply, 2, vec![], vec![]);
    catalog.apply(&project(), &prod, vec![], vec![], vec![to("flights", None, 1)], &promoted).await.unwrap();
    apply(&catalog, vec![dataset("flights", 2, "other")], vec![to("flights", Some(1), 2)]).await.unwrap();
    let in_prod = catalog.current(&project(), &prod, &name("flights")).await.unwrap().unwrap();
    assert_eq!(in_prod.pinned.version, Version(1));
}

#[tokio::test]
async fn the_closure_holds_each_thing_once_and_what_is_read_first() {
    let flights = dataset("flights", 1, "ts");
    // A lattice: as many paths as there are ways down, 3^10, but only 30 views.
    let mut layers = vec![vec![flights.clone()]];
    for layer in 0..10 {
        let below: Vec<_> = layers[layer].iter().collect();
        let next = (0..3).map(|i| view(&format!("v{layer}_{i}"), 1, "SELECT 1", &below)).collect();
        layers.push(next);
    }
    let all: Vec<_> = layers.concat();
    let top = &layers[10][1];
    let catalog = with(all.clone()).await;
    let closure = catalog.closure(&[top.pinned.clone(), flights.pinned.clone()]).await.unwrap();
    assert_eq!(closure.len(), 1 + 9 * 3 + 1);
    for (place, registered) in closure.iter().enumerate() {
        for input in &registered.inputs {
            assert!(closure[..place].iter().any(|earlier| earlier.pinned == input.pinned));
        }
    }
    let stranger = registered(dataset("trains", 1, "ts").definition, 1, &[]);
    assert_eq!(shown(catalog.closure(&[stranger.pinned]).await).0, "unknown_name");
}

/// More than one statement holds.
#[tokio::test]
async fn many_definitions_are_there_whole_with_what_they_read_and_where_they_are() {
    let catalog = memory().await;
    let source = dataset("flights", 1, "ts");
    let views: Vec<_> = (0..130).map(|n| view(&format!("v{n:03}"), 1, &format!("SELECT {n}"), &[&source])).collect();
    let new: Vec<_> = [source.clone()].into_iter().chain(views.iter().cloned()).collect();
    let moves = |from| new.iter().map(|r| to(r.pinned.name.as_str(), from, 1)).collect::<Vec<_>>();
    assert_eq!(apply(&catalog, new.clone(), moves(None)).await, Ok(true));
    let whole = catalog.whole(&project()).await.unwrap();
    assert_eq!((whole.definitions.len(), whole.pointers.len()), (131, 131));
    for view in [&views[0], &views[49], &views[50], &views[129]] {
        assert_eq!(catalog.closure(std::slice::from_ref(&view.pinned)).await, Ok(vec![source.clone(), view.clone()]));
        assert_eq!(catalog.pointer_history(&project(), &dev(), &view.pinned.name).await.unwrap().len(), 1);
    }
    assert_eq!(apply(&catalog, new.clone(), moves(Some(1))).await, Ok(false));
}
