//! Counts of different values.

use proptest::prelude::*;

use crate::registers::{Registers, hash, register};

fn of(values: impl IntoIterator<Item = u64>) -> Registers {
    let mut registers = Registers::new(1);
    values.into_iter().for_each(|value| registers.add(0, hash(&value.to_be_bytes())));
    registers
}

fn bytes(registers: &Registers) -> Vec<u8> {
    let mut out = Vec::new();
    registers.encode(0, &mut out);
    out
}

#[test]
fn few_are_counted_as_they_are_and_many_within_the_error() {
    let check = |count: u64, error: f64| {
        let found = of(0..count).count(0);
        assert!((found as f64 - count as f64).abs() <= error * count as f64, "{found} of {count}");
    };
    check(0, 0.0);
    check(1, 0.0);
    check(10, 0.0);
    check(100, 0.02);
    check(1_000, 0.05);
    check(20_000, 0.05);
    check(300_000, 0.05);
}

#[test]
fn the_hash_is_fixed_for_ever() {
    assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
    assert_eq!((register(0), register(u64::MAX)), ((0, 53), (4095, 1)));
}

#[test]
fn what_was_not_written_so_is_refused() {
    let check = |bytes: &[u8]| {
        let mut registers = of([7]);
        assert!(registers.decode(0, &mut &bytes[..]).is_err(), "{bytes:?}");
        assert_eq!(registers.count(0), 1);
    };
    check(&[]);
    check(&[0x42, 0]); // of another kind
    check(&[0x41, 1]); // ends early
    check(&[0x41, 1, 0, 0]); // an untouched register
    check(&[0x41, 1, 0, 54]); // more zeros than there are bits
    check(&[0x41, 1, 0x80, 0x20, 1]); // register 4096
    check(&[0x41, 2, 5, 1, 0, 1]); // the same one twice
    assert_eq!(Registers::new(1).decode(0, &mut &[0x41, 2, 5, 1, 1, 53][..]), Ok(()));
}

proptest! {
    #[test]
    fn neither_order_nor_parts_matter_to_the_byte(values in proptest::collection::vec(0..3000u64, 0..400), cut: prop::sample::Index) {
        let whole = of(values.iter().copied());
        let cut = cut.index(values.len() + 1);
        let (left, right) = values.split_at(cut);
        let mut merged = of(right.iter().rev().copied());
        merged.absorb(&of(left.iter().copied()));
        prop_assert_eq!(bytes(&merged), bytes(&whole));
        let mut read = Registers::new(1);
        for part in [left, right, left] {
            let (written, mut behind) = (bytes(&of(part.iter().copied())), &b""[..]);
            let more = [&written[..], b"next"].concat();
            let mut rest = &more[..];
            read.decode(0, &mut rest).unwrap();
            std::mem::swap(&mut behind, &mut rest);
            prop_assert_eq!(behind, b"next");
        }
        prop_assert_eq!(bytes(&read), bytes(&whole));
        prop_assert_eq!(read.count(0), whole.count(0));
    }
}
