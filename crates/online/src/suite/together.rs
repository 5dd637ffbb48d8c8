//! Readers and publications at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Make;
use super::sample::{delays, layout, numbers, publish, rows, view};

const KEYS: usize = 40;
const PUBLICATIONS: i64 = 25;

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
