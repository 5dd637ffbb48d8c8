//! Readers and publications at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Make;
use super::sample::{delays, journal, layout, numbers, publish, pushed, rows, view};
use crate::{Change, Entry, Push};

const KEYS: usize = 40;
const PUBLICATIONS: i64 = 25;
const PUSHES: i64 = 400;

/// Ends the readers, also when the publisher's test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every read, over two views and many keys, is of one generation of each, whole, and time goes forward.
///
/// Generation g holds the value g under every key, and every other generation lacks half of the keys.
pub fn readers_see_whole_generations(make: Make<'_>) {
    let store = make();
    let store = &*store;
    let views = [view("carrier_delays"), view("plane_history")];
    let names: Vec<String> = (0..KEYS).map(|n| format!("K{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let there = |generation: i64| if generation % 2 == 0 { KEYS } else { KEYS / 2 };
    let publish = |generation: i64| {
        let list: Vec<_> = names[..there(generation)].iter().map(|n| (*n, generation, generation, None)).collect();
        for view in &views {
            let published = publish(store, view, &layout(), &[rows(&list)]);
            assert_eq!(published.generation, generation as u64);
        }
    };
    publish(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = [0; 2];
                while !done.load(Ordering::Relaxed) {
                    let found =
                        store.get(&[delays(&views[0], &names), delays(&views[1], &names)]).expect("both are there");
                    for (found, seen) in found.iter().zip(&mut seen) {
                        let generation = found.generation as i64;
                        assert!(generation >= *seen, "{generation} after {seen}");
                        *seen = generation;
                        let value = |n| (n < there(generation)).then_some(generation);
                        assert_eq!(numbers(found), (0..KEYS).map(value).collect::<Vec<_>>());
                    }
                    // The first view is published first.
                    assert!(seen[0] >= seen[1], "{seen:?}");
                }
            });
        }
        let _ends = Ends(&done);
        (2..=PUBLICATIONS).for_each(publish);
    });
    views.iter().for_each(|view| assert_eq!(store.check(view), Ok(())));
}

/// Every read sees a push in all its views or in none, and never goes back. Meanwhile one of the views is published
/// again and again.
///
/// The n-th push gives the value n to one of few keys in both views; another publication has it too.
pub fn readers_see_whole_pushes(make: Make<'_>) {
    let store = make();
    let store = &*store;
    let views = [view("carrier_delays"), view("plane_history")];
    let names: Vec<String> = (0..KEYS).map(|n| format!("K{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let base: Vec<_> = names[..KEYS / 2].iter().map(|name| (*name, 0, 0, None)).collect();
    let base = pushed(&rows(&base), -(KEYS as i64));
    views.iter().for_each(|view| drop(publish(store, view, &layout(), std::slice::from_ref(&base))));
    let pushed_row = |n: i64| pushed(&rows(&[(names[n as usize % KEYS], n, n, None)]), n);
    let push = |n: i64| {
        let changes = views.iter().map(|view| Change { view: view.clone(), rows: pushed_row(n) }).collect();
        let entry = Entry { last: n, rows: 1, bytes: b"row".to_vec() };
        store.push(&[Push { journal: journal(), entry, once: None, changes }]).expect("a push that fits");
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    let found = store.get(&[delays(&views[0], &names), delays(&views[1], &names)]).expect("both");
                    let [first, second] = [numbers(&found[0]), numbers(&found[1])];
                    assert_eq!(first, second);
                    // Every push up to the newest is there.
                    let newest = first.iter().flatten().max().copied().unwrap_or_default();
                    assert!(newest >= seen, "{newest} after {seen}");
                    seen = newest;
                    for (key, value) in first.iter().enumerate() {
                        let last = (0..=newest).rev().find(|n| *n > 0 && *n as usize % KEYS == key);
                        assert_eq!(*value, last.or((key < KEYS / 2).then_some(0)), "key {key} at {newest}");
                    }
                }
            });
        }
        let _ends = Ends(&done);
        for n in 1..=PUSHES {
            push(n);
            if n % 50 == 0 {
                // All that was pushed so far, in the order of acceptance.
                let all: Vec<_> = (1..=n).map(pushed_row).collect();
                let batches = [std::slice::from_ref(&base), &all].concat();
                drop(publish(store, &views[1], &layout(), &batches));
            }
        }
    });
}
