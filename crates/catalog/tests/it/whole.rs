//! A project as a whole: what the questions one by one say, in two statements.

use asof_model::run::{Item, Verb};
use asof_model::{Digest, Selector};

use crate::sample::{apply, dataset, dev, name, project, run, to, view, with};

#[tokio::test]
async fn all_versions_and_all_pointers_are_there() {
    let (one, two) = (dataset("a", 1, "t"), dataset("a", 2, "u"));
    let catalog = with(vec![one.clone(), view("v", 1, "SELECT 1", &[&one])]).await;
    apply(&catalog, vec![two], vec![to("a", Some(1), 2)]).await.unwrap();
    let promoted = run(Verb::Promote, 2, vec![], vec![]);
    catalog.move_pointers(&project(), &name("prod"), vec![to("a", None, 1)], &promoted).await.unwrap();
    let whole = catalog.whole(&project()).await.unwrap();
    let mut expected = catalog.versions(&project(), &name("a")).await.unwrap();
    expected.extend(catalog.versions(&project(), &name("v")).await.unwrap());
    assert_eq!(whole.definitions, expected);
    let pointers: Vec<_> = whole.pointers.iter().map(|(e, n, v)| (e.as_str(), n.as_str(), v.0)).collect();
    assert_eq!(pointers, [("dev", "a", 2), ("dev", "v", 1), ("prod", "a", 1)]);
    for (environment, of, version) in &whole.pointers {
        let here = Selector::Environment(environment.clone());
        assert_eq!(catalog.select(&project(), of, &here).await.unwrap().pinned.version, *version);
    }
    assert!(catalog.whole(&name("other")).await.unwrap().definitions.is_empty());
}

#[tokio::test]
async fn what_was_built_of_a_definition_is_known_once_it_is_built() {
    let (one, other) = (dataset("a", 1, "t"), dataset("b", 1, "t"));
    let catalog = with(vec![one.clone(), other.clone()]).await;
    let set = |number| Item::TrainingSet { name: name("s"), number, content: Digest::of(b"s") };
    let read = |of: &asof_model::Registered| Item::Definition(of.pinned.clone());
    let built = run(Verb::Train, 2, vec![read(&one), read(&other)], vec![set(1)]);
    catalog.finish(&built).await.unwrap();
    // One that found what was built before made nothing.
    catalog.finish(&run(Verb::Train, 3, vec![read(&one)], vec![])).await.unwrap();
    catalog.finish(&run(Verb::Train, 4, vec![read(&one)], vec![set(2)])).await.unwrap();
    let mut unfinished = run(Verb::Train, 5, vec![read(&one)], vec![set(3)]);
    unfinished.outcome = asof_model::run::Outcome::Running;
    catalog.start(&unfinished).await.unwrap();
    let built = catalog.built_of(&project()).await.unwrap();
    let told: Vec<_> = built.iter().map(|((set, n), (of, v))| (set.as_str(), *n, of.as_str(), v.0)).collect();
    assert_eq!(told, [("s", 1, "a", 1), ("s", 1, "b", 1), ("s", 2, "a", 1)]);
    assert_eq!(catalog.current(&project(), &dev(), &name("a")).await.unwrap().unwrap().pinned, one.pinned);
}
