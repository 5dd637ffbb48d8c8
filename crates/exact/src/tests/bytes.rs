//! States as bytes.

use proptest::prelude::*;

use super::float;
use crate::{Error, Integers, Sketches, Sums};

fn sum(values: &[f64]) -> Vec<u8> {
    let mut sums = Sums::new(1);
    values.iter().for_each(|value| sums.add(0, *value));
    let mut bytes = Vec::new();
    sums.encode(0, &mut bytes);
    bytes
}

fn sketch(values: &[f64]) -> Vec<u8> {
    let mut sketches = Sketches::new(1);
    values.iter().for_each(|value| sketches.add(0, *value));
    let mut bytes = Vec::new();
    sketches.encode(0, &mut bytes);
    bytes
}

fn integer(value: i128) -> Vec<u8> {
    let mut integers = Integers::new(1);
    integers.add(0, value);
    let mut bytes = Vec::new();
    integers.encode(0, &mut bytes);
    bytes
}

/// Reads bytes as each kind of state; says what was read, written again, and what was left.
fn read(bytes: &[u8]) -> [Result<(Vec<u8>, usize), Error>; 3] {
    let (mut sums, mut integers, mut sketches) = (Sums::new(1), Integers::new(1), Sketches::new(1));
    let mut again = [Vec::new(), Vec::new(), Vec::new()];
    let mut rest = [bytes; 3];
    let read = [sums.decode(0, &mut rest[0]), integers.decode(0, &mut rest[1]), sketches.decode(0, &mut rest[2])];
    sums.encode(0, &mut again[0]);
    integers.encode(0, &mut again[1]);
    sketches.encode(0, &mut again[2]);
    let mut both = again.into_iter().zip(rest);
    read.map(|read| {
        let (again, rest) = both.next().unwrap_or_default();
        read.map(|()| (again, rest.len()))
    })
}

fn state() -> impl Strategy<Value = Vec<u8>> {
    let values = || proptest::collection::vec(float(), 0..10);
    prop_oneof![
        values().prop_map(|values| sum(&values)),
        values().prop_map(|values| sketch(&values)),
        any::<i128>().prop_map(integer),
        any::<i8>().prop_map(|value| integer(value.into())),
    ]
}

/// What was written once must be read for ever: change the version, never these.
#[test]
fn stored_states_keep_their_form() {
    let golden = [
        (sum(&[]), "21 00"),
        (sum(&[1.0]), "21 02 00 01"),
        (sum(&[-1.0]), "21 02 00 ff"),
        (sum(&[128.0]), "21 04 00 80 00"),
        (sum(&[12.5, 0.25, -256.0]), "21 06 01 c0 0c ff"),
        (sum(&[0.1]), "21 0e 0d 9a 99 99 99 99 99 19"),
        (sum(&[1e300, 1.0, -1e300]), "21 02 00 01"),
        (sum(&[1.0, f64::NAN, f64::INFINITY, f64::INFINITY]), "21 03 00 01 02 04 00"),
        (integer(0), "11 00"),
        (integer(-3), "11 01 00 fd"),
        (integer(1 << 64), "11 01 10 01"),
        (integer(i64::MAX.into()), "11 08 00 ff ff ff ff ff ff ff 7f"),
        (sketch(&[]), "31 00"),
        (sketch(&[1.0]), "31 01 00 00 00 00 00 00 f0 3f 00 00 00 00 00 00 f0 3f 80 ff 07 01"),
        (
            sketch(&[-0.0, 2.0, 2.01, f64::NAN]),
            "31 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 f8 7f 00 01 80 80 04 02 e0 ff 03 01",
        ),
    ];
    for (found, expected) in golden {
        let found = found.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        assert_eq!(found, expected);
    }
}

#[test]
fn a_state_of_another_kind_or_time_is_refused() {
    for (bytes, kind) in [(sum(&[1.0]), 0x21), (integer(1), 0x11), (sketch(&[1.0]), 0x31), (vec![0x22, 0], 0x22)] {
        let refused = read(&bytes).into_iter().filter(|read| *read == Err(Error::OtherVersion(kind))).count();
        assert_eq!(refused, if kind == 0x22 { 3 } else { 2 });
    }
    let error = asof_model::Error::from(Error::OtherVersion(0x22));
    assert_eq!(error.code(), "corrupt_state");
}

/// What nothing is ever written as. Each would be a second form of a state, or none.
#[test]
fn another_form_is_refused() {
    let one = "00 00 00 00 00 00 f0 3f";
    let (more, zero) = ("01 00 00 00 00 00 f0 3f", "00 00 00 00 00 00 00 80");
    let refused = [
        // Numbers with a byte too many: at the bottom, and at the top of either sign.
        "21 04 00 00 01".to_owned(),
        "21 04 00 01 00".to_owned(),
        "21 04 00 ff ff".to_owned(),
        // Numbers beyond any sum, and with a fraction where there is none.
        "21 02 80 08 01".to_owned(),
        "21 02 81 08 01".to_owned(),
        "21 82 80 80 80 80 80 80 80 80 01 00 01".to_owned(),
        "11 01 01 01".to_owned(),
        // Counts with a byte too many, or more bits than they have.
        "21 82 00 00 01".to_owned(),
        "21 02 80 80 80 80 80 80 80 80 80 02 01".to_owned(),
        // Not finite, but with nothing that is not.
        "21 03 00 01 00 00 00".to_owned(),
        // Too short.
        "21".to_owned(),
        "21 04 00 01".to_owned(),
        "21 03 00 01 02".to_owned(),
        format!("31 01 {one}"),
        // Bins of nothing, beyond all, between infinity and NaN, and twice.
        format!("31 01 {one} {one} 80 ff 07 00"),
        format!("31 01 {one} {one} c2 ff 0f 01"),
        format!("31 02 {one} {one} 80 ff 07 01 c1 80 04 01"),
        format!("31 02 {one} {one} 80 ff 07 01 00 01"),
        // Least and greatest values in other bins, in the wrong order, different for one value, and a zero with a sign.
        format!("31 01 {one} {one} 82 ff 07 01"),
        format!("31 01 {more} {one} 80 ff 07 02"),
        format!("31 01 {one} {more} 80 ff 07 01"),
        format!("31 01 {zero} {zero} 00 01"),
    ];
    let read = |form: &str| {
        let bytes: Vec<u8> = form.split(' ').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        read(&bytes)
    };
    for form in refused {
        let damaged = read(&form).iter().filter(|read| matches!(read, Err(Error::Damaged(_)))).count();
        assert_eq!(damaged, 1, "{form}");
    }
    // What is refused above is well formed but for that.
    assert!(read("21 02 ff 07 01")[0].is_ok());
    assert!(read(&format!("31 01 {one} {more} 80 ff 07 02"))[2].is_ok());
    assert!(read("31 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 f0 3f 00 01 c0 ff 03 01")[2].is_ok());
}

proptest! {
    #[test]
    fn states_stand_behind_one_another(first in state(), second in state()) {
        let both = [first.clone(), second.clone()].concat();
        let found: Vec<_> = read(&both).into_iter().flatten().collect();
        prop_assert_eq!(found, vec![(first, second.len())]);
    }

    #[test]
    fn whatever_is_read_has_one_form(
        mut bytes in state(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in any::<usize>(),
    ) {
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 8));
        for (again, rest) in read(&bytes).into_iter().flatten() {
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest]);
        }
    }

    #[test]
    fn noise_stops_nobody(
        kind in proptest::sample::select(vec![0x11u8, 0x21, 0x31]),
        mut noise in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        noise.insert(0, kind);
        for (again, rest) in read(&noise).into_iter().flatten() {
            prop_assert_eq!(&again[..], &noise[..noise.len() - rest]);
        }
    }
}
