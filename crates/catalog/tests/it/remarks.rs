//! What people say of versions: kept once, with a run, and never more than was said.

use asof_catalog::{Approval, Catalog, Deprecation, RunFilter};
use asof_model::run::Verb;
use asof_model::{Micros, Registered, Run, Version};

use crate::sample::{dataset, name, project, run, with};

fn approval(of: &Registered, environment: &str, who: &str, recorded: &Run) -> Approval {
    Approval {
        environment: name(environment),
        name: of.pinned.name.clone(),
        version: of.pinned.version,
        digest: of.pinned.digest,
        who: who.to_owned(),
        why: String::new(),
        at: recorded.started,
        run: recorded.id,
    }
}

async fn approve(catalog: &Catalog, of: &Registered, environment: &str, who: &str, second: i64) -> bool {
    let recorded = run(Verb::Approve, second, vec![], vec![]);
    catalog.approve(&project(), &approval(of, environment, who, &recorded), &recorded).await.unwrap()
}

async fn runs(catalog: &Catalog, verb: Verb) -> usize {
    let filter = RunFilter { verb: Some(verb), ..RunFilter::default() };
    catalog.runs(&project(), filter).await.unwrap().len()
}

#[tokio::test]
async fn one_person_approves_once_for_one_environment() {
    let (first, second) = (dataset("a", 1, "t"), dataset("a", 2, "u"));
    let catalog = with(vec![first.clone()]).await;
    crate::sample::apply(&catalog, vec![second.clone()], vec![]).await.unwrap();
    assert!(approve(&catalog, &first, "prod", "ada", 2).await);
    assert!(!approve(&catalog, &first, "prod", "ada", 3).await);
    assert!(approve(&catalog, &first, "prod", "bob", 4).await);
    assert!(approve(&catalog, &first, "staging", "ada", 5).await);
    assert!(approve(&catalog, &second, "prod", "ada", 6).await);
    let all = catalog.approvals(&project(), &name("a")).await.unwrap();
    let told: Vec<_> = all.iter().map(|a| (a.version.0, a.environment.as_str(), a.who.as_str(), a.at.0)).collect();
    let second_of = |second: i64| second * 1_000_000;
    let expected = [
        (1, "prod", "ada", second_of(2)),
        (1, "prod", "bob", second_of(4)),
        (1, "staging", "ada", second_of(5)),
        (2, "prod", "ada", second_of(6)),
    ];
    assert_eq!(told, expected);
    assert!(all[0].is_of(&first.pinned) && !all[3].is_of(&first.pinned));
    // What was said before left no run either.
    assert_eq!(runs(&catalog, Verb::Approve).await, 4);
    assert_eq!(catalog.approvals(&project(), &name("b")).await.unwrap(), []);
}

#[tokio::test]
async fn a_remark_is_replaced_and_taken_back() {
    let catalog = with(vec![dataset("a", 1, "t"), dataset("b", 1, "t")]).await;
    let say = async |of: &str, why: &str, successor: Option<&str>, second| {
        let recorded = run(Verb::Deprecate, second, vec![], vec![]);
        let remark = Deprecation {
            name: name(of),
            version: Version(1),
            why: why.to_owned(),
            successor: successor.map(str::to_owned),
            who: Some("ada".to_owned()),
            at: Micros(second),
            run: recorded.id,
        };
        catalog.deprecate(&project(), &remark, &recorded).await.unwrap()
    };
    assert!(say("b", "old", None, 1).await);
    assert!(say("a", "old", None, 2).await);
    assert!(!say("a", "old", None, 3).await, "just that was said before");
    assert!(say("a", "old", Some("b@1"), 4).await);
    let told = async || {
        let all = catalog.deprecations(&project()).await.unwrap().into_iter();
        all.map(|d| (d.name.to_string(), d.why, d.successor, d.at.0)).collect::<Vec<_>>()
    };
    let b = || ("b".to_owned(), "old".to_owned(), None, 1);
    assert_eq!(told().await, [("a".to_owned(), "old".to_owned(), Some("b@1".to_owned()), 4), b()]);
    let undo = async |second| {
        let recorded = run(Verb::Deprecate, second, vec![], vec![]);
        catalog.undo_deprecation(&project(), &name("a"), Version(1), &recorded).await.unwrap()
    };
    assert!(undo(5).await);
    assert!(!undo(6).await);
    assert_eq!(told().await, [b()]);
    assert_eq!(runs(&catalog, Verb::Deprecate).await, 4);
}
