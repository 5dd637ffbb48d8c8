//! Pointers: whatever moves them in whatever order, their history leads to where they are.

use std::collections::{BTreeMap, HashMap};

use asof_catalog::{Catalog, Move, PointerMove, WHO, WHY, standing};
use asof_model::run::Verb;
use asof_model::{Micros, Name, Run, Version};
use futures::future::join_all;
use proptest::prelude::*;

use crate::sample::{apply, dataset, memory, name, project, run, shown, to, with};

const NAMES: [&str; 3] = ["a", "b", "c"];
const ENVIRONMENTS: [&str; 2] = ["staging", "prod"];

/// Where the pointers of an environment are.
type Pointers = BTreeMap<&'static str, u32>;

/// What happens: to the n-th of environments, names and writers.
#[derive(Clone, Debug)]
enum Step {
    /// A writer looks where an environment's pointers are.
    Look { writer: usize, environment: usize },
    /// It moves some of them from where it saw them, in a run of this verb.
    Move { writer: usize, verb: Verb, to: BTreeMap<usize, u32> },
    /// Somebody takes back the last move of a name.
    Rollback { environment: usize, name: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let verb = prop_oneof![Just(Verb::Apply), Just(Verb::Promote)];
    let to = proptest::collection::btree_map(0..3usize, 1..4u32, 1..4);
    prop_oneof![
        3 => (0..2usize, 0..2usize).prop_map(|(writer, environment)| Step::Look { writer, environment }),
        4 => (0..2usize, verb, to).prop_map(|(writer, verb, to)| Step::Move { writer, verb, to }),
        2 => (0..2usize, 0..3usize).prop_map(|(environment, name)| Step::Rollback { environment, name }),
    ]
}

/// Three versions of each name, and nothing points at them.
async fn versions() -> Catalog {
    let catalog = memory().await;
    let all = NAMES.iter().flat_map(|name| (1..4).map(move |version| dataset(name, version, &format!("t{version}"))));
    apply(&catalog, all.collect(), vec![]).await.unwrap();
    catalog
}

async fn check(steps: Vec<Step>) {
    let catalog = versions().await;
    let mut now: [Pointers; 2] = Default::default();
    let mut seen: [(usize, Pointers); 2] = Default::default();
    // Of each pointer, where the moves that stand came from.
    let mut stands: HashMap<(usize, &str), Vec<Option<u32>>> = HashMap::new();
    let mut then: Vec<(Micros, [Pointers; 2])> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let second = 10 + i64::try_from(number).unwrap();
        match step {
            Step::Look { writer, environment } => seen[writer] = (environment, now[environment].clone()),
            Step::Move { writer, verb, to: targets } => {
                let (environment, seen) = seen[writer].clone();
                let targets: Vec<_> = targets.into_iter().map(|(place, version)| (NAMES[place], version)).collect();
                let moves = targets.iter().map(|(name, version)| to(name, seen.get(name).copied(), *version));
                let moving = run(verb, second, vec![], vec![]);
                let in_there = name(ENVIRONMENTS[environment]);
                let moved = catalog.move_pointers(&project(), &in_there, moves.collect(), &moving).await;
                let moving = targets.iter().filter(|(name, version)| now[environment].get(name) != Some(version));
                let moving: Vec<_> = moving.collect();
                if moving.iter().all(|(name, _)| now[environment].get(name) == seen.get(name)) {
                    assert_eq!(moved, Ok(!moving.is_empty()));
                    for (name, version) in moving.into_iter().copied() {
                        let from = now[environment].insert(name, version);
                        stands.entry((environment, name)).or_default().push(from);
                    }
                } else {
                    let expected = if verb == Verb::Apply { "concurrent_apply" } else { "pointer_moved" };
                    assert_eq!(shown(moved).0, expected);
                }
            }
            Step::Rollback { environment, name: place } => {
                let of = NAMES[place];
                let in_there = name(ENVIRONMENTS[environment]);
                let history = catalog.pointer_history(&project(), &in_there, &name(of)).await.unwrap();
                let stack = stands.entry((environment, of)).or_default();
                let last = standing(&history);
                assert_eq!(last.map(|last| last.from.map(|from| from.0)), stack.last().copied());
                if let Some(PointerMove { from: Some(before), to: at, .. }) = last {
                    let back = vec![Move { name: name(of), from: Some(*at), to: *before }];
                    let moving = run(Verb::Rollback, second, vec![], vec![]);
                    assert_eq!(catalog.move_pointers(&project(), &in_there, back, &moving).await, Ok(true));
                    stack.pop();
                    now[environment].insert(of, before.0);
                }
            }
        }
        then.push((Micros(second * 1_000_000 + 5), now.clone()));
    }
    for (place, environment) in ENVIRONMENTS.into_iter().map(name).enumerate() {
        for of in NAMES {
            let mut at = None;
            for moved in catalog.pointer_history(&project(), &environment, &name(of)).await.unwrap().iter().rev() {
                assert_eq!(moved.from, at, "each move begins where the one before it ended");
                at = Some(moved.to);
            }
            assert_eq!(at.map(|at| at.0), now[place].get(of).copied(), "{of} in {environment}");
            let current = catalog.current(&project(), &environment, &name(of)).await.unwrap();
            assert_eq!(current.map(|current| current.pinned.version), at);
        }
        for (moment, pointers) in &then {
            assert_eq!(at(&catalog, &environment, *moment).await, pointers[place], "{environment} at {moment}");
        }
    }
}

async fn at(catalog: &Catalog, environment: &Name, moment: Micros) -> Pointers {
    let listed = catalog.list_at(&project(), environment, None, moment).await.unwrap();
    let pointers = listed.into_iter().map(|listed| {
        assert!(listed.current);
        let pinned = listed.registered.pinned;
        (NAMES.into_iter().find(|name| *name == pinned.name.as_str()).unwrap(), pinned.version.0)
    });
    pointers.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_leaves_a_history_that_leads_to_the_pointers(
        steps in proptest::collection::vec(step(), 1..30)
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}

/// A run that is done, in somebody's name.
fn by(who: &str, verb: Verb, second: i64) -> Run {
    let notes = [(WHO, who), (WHY, "it is time")].map(|(note, text)| (note.to_owned(), text.to_owned()));
    Run { notes: notes.into(), ..run(verb, second, vec![], vec![]) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_promotes_one_wins_and_the_other_is_told_by_whom() {
    let catalog = versions().await;
    let prod = name("prod");
    let first = vec![to("a", None, 1), to("b", None, 1)];
    catalog.move_pointers(&project(), &prod, first, &by("ada", Verb::Promote, 2)).await.unwrap();
    let promotes = [("bob", 2), ("cleo", 3)].map(|(who, version)| {
        let (catalog, prod) = (catalog.clone(), prod.clone());
        tokio::spawn(async move {
            // One name moves in any case: all or nothing.
            let moves = vec![to("c", None, version), to("a", Some(1), version), to("b", Some(1), version)];
            catalog.move_pointers(&project(), &prod, moves, &by(who, Verb::Promote, 3)).await
        })
    });
    let ended: Vec<_> = join_all(promotes).await.into_iter().map(|ended| ended.unwrap()).collect();
    let (won, version) = if ended[0].is_ok() { ("bob", 2) } else { ("cleo", 3) };
    let lost = ended.into_iter().filter(|ended| ended.is_err()).collect::<Vec<_>>();
    assert_eq!(lost.len(), 1);
    let (code, text) = shown(lost.into_iter().next().unwrap());
    assert_eq!(code, "pointer_moved");
    assert!(text.contains(&format!("{won} moved it there at ")) && text.contains("because: it is time"), "{text}");
    for of in ["a", "b", "c"] {
        let current = catalog.current(&project(), &prod, &name(of)).await.unwrap();
        assert_eq!(current.map(|current| current.pinned.version), Some(Version(version)), "{of}");
    }
    assert_eq!(catalog.moves(&project(), &prod, None).await.unwrap().len(), 5);
}

#[tokio::test]
async fn an_apply_that_a_promote_overtook_is_told_by_whom() {
    let catalog = with(vec![dataset("a", 1, "t1")]).await;
    let dev = name("dev");
    apply(&catalog, vec![dataset("a", 2, "t2")], vec![]).await.unwrap();
    catalog.move_pointers(&project(), &dev, vec![to("a", Some(1), 2)], &by("ada", Verb::Promote, 2)).await.unwrap();
    let (code, text) = shown(apply(&catalog, vec![dataset("a", 3, "t3")], vec![to("a", Some(1), 3)]).await);
    assert_eq!(code, "concurrent_apply");
    assert!(text.contains("ada moved it there at") && text.contains("(promote)"), "{text}");
    assert_eq!(catalog.versions(&project(), &name("a")).await.unwrap().len(), 2, "nothing is left of it");
}

#[tokio::test]
async fn moves_of_an_environment_are_told_newest_first_and_so_many() {
    let catalog = versions().await;
    let prod = name("prod");
    let promote = async |second, moves| {
        catalog.move_pointers(&project(), &prod, moves, &by("ada", Verb::Promote, second)).await.unwrap()
    };
    assert!(promote(2, vec![to("b", None, 1), to("a", None, 1)]).await);
    assert!(promote(3, vec![to("a", Some(1), 3)]).await);
    assert!(!promote(4, vec![to("a", Some(3), 3)]).await, "what moves nothing is not there");
    let told = async |limit| {
        let moves = catalog.moves(&project(), &prod, limit).await.unwrap();
        moves.iter().map(|moved| format!("{} {}", moved.name, moved.to)).collect::<Vec<_>>()
    };
    assert_eq!(told(None).await, ["a 3", "a 1", "b 1"]);
    assert_eq!(told(Some(1)).await, ["a 3"]);
    assert_eq!(catalog.moves(&project(), &name("dev"), None).await, Ok(vec![]));
}
