//! A slab against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn built(rows: &BTreeMap<Vec<u8>, Vec<u8>>, budget: &Budget) -> Result<Slab, usize> {
    let mut builder = SlabBuilder::new(budget);
    rows.iter().for_each(|(key, row)| builder.put(key, row));
    builder.finish()
}

/// What a look says, as the map would say it: none where it leads elsewhere.
fn said<'a>(slab: &'a Slab, key: &[u8]) -> Option<Option<&'a [u8]>> {
    match slab.look(key) {
        Look::Here(held) => Some(Some(held.row())),
        Look::Nothing(_) => Some(None),
        Look::Elsewhere => None,
    }
}

proptest! {
    #[test]
    fn it_says_what_a_map_says_until_a_key_is_pushed(
        rows in proptest::collection::btree_map(
            proptest::collection::vec(0u8..3, 0..6), proptest::collection::vec(any::<u8>(), 0..40), 0..200),
        pushed in proptest::collection::btree_set(proptest::collection::vec(0u8..3, 0..6), 0..20),
        asked in proptest::collection::vec(proptest::collection::vec(0u8..3, 0..6), 0..50),
    ) {
        let slab = built(&rows, &Budget::new(1 << 20)).unwrap();
        prop_assert_eq!(slab.keys(), rows.len());
        let asked: Vec<_> = asked.iter().chain(rows.keys()).chain(&pushed).collect();
        for key in &asked {
            prop_assert_eq!(said(&slab, key), Some(rows.get(*key).map(Vec::as_slice)));
        }
        let before: Vec<_> = asked.iter().map(|key| slab.look(key)).collect();
        pushed.iter().for_each(|key| slab.outdate(key));
        for (key, before) in asked.iter().zip(before) {
            let said = said(&slab, key);
            prop_assert_eq!(slab.still(before), said.is_some());
            match rows.get(*key) {
                Some(row) => prop_assert_eq!(said, (!pushed.contains(*key)).then_some(Some(row.as_slice()))),
                // Of a key that is not here a filter may say that it was pushed when it was not.
                None => prop_assert!(said.is_none() || (said == Some(None) && !pushed.contains(*key))),
            }
        }
    }
}

#[test]
fn many_rows_and_a_huge_one_lie_in_several_chunks() {
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> =
        (0..100_000u32).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 100 + n as usize % 50])).collect();
    rows.insert(b"huge".to_vec(), vec![7; 3 * CHUNK]);
    rows.insert(b"huge and last".to_vec(), vec![8; CHUNK]);
    let slab = built(&rows, &Budget::new(usize::MAX)).unwrap();
    assert!(slab.chunks.len() > 4);
    for (key, row) in &rows {
        assert_eq!(said(&slab, key), Some(Some(row.as_slice())));
    }
    assert_eq!(said(&slab, b"hug"), Some(None));
}

#[test]
fn the_budget_is_kept_and_given_back() {
    let rows: BTreeMap<Vec<u8>, Vec<u8>> = (0..1000u32).map(|n| (n.to_be_bytes().to_vec(), vec![0; 100])).collect();
    let budget = Budget::new(300_000);
    let first = built(&rows, &budget).unwrap();
    assert!((124_000..141_000).contains(&first.bytes()), "{}", first.bytes());
    assert_eq!(budget.left(), 300_000 - first.bytes());
    let second = built(&rows, &budget).unwrap();
    let mut third = SlabBuilder::new(&budget);
    rows.iter().for_each(|(key, row)| third.put(key, row));
    assert!(!third.is_open());
    let needed = third.finish().unwrap_err();
    assert!((124_000..140_000).contains(&needed), "{needed}");
    assert_eq!(budget.left(), 300_000 - first.bytes() - second.bytes());
    drop((first, second));
    assert_eq!(budget.left(), 300_000);
    assert!(!SlabBuilder::new(&Budget::new(0)).is_open());
}

#[test]
fn it_is_worn_when_an_eighth_was_pushed_and_then_rarely_led_elsewhere() {
    let key = |n: u32| n.to_be_bytes().to_vec();
    let rows: BTreeMap<Vec<u8>, Vec<u8>> = (0..80_000).map(|n| (key(n), vec![0; 8])).collect();
    let slab = built(&rows, &Budget::new(1 << 24)).unwrap();
    (0..5_000).for_each(|n| slab.outdate(&key(n)));
    // The same ones again count once.
    (0..5_000).for_each(|n| slab.outdate(&key(n)));
    (0..6_000).for_each(|n| slab.outdate(&key(1_000_000 + n)));
    assert!(!slab.is_worn());
    slab.outdate(&key(1_000_000));
    assert!(slab.is_worn());
    let elsewhere = (2_000_000..2_010_000).filter(|n| said(&slab, &key(*n)).is_none()).count();
    assert!(elsewhere < 1_500, "{elsewhere}");
}
