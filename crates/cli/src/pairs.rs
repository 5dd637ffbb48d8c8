//! `key=value`, as typed.

use std::collections::BTreeSet;

use crate::failure::{Failure, Result};

/// One `key=value`, or `key:=null`.
///
/// The first `=` parts key and value, so a value may hold more of them. The value is taken as it is: nothing
/// after `=` is the empty text, and the word `null` is a text like any other. Null itself is `key:=null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The name of a key column or parameter.
    pub(crate) key: String,
    /// Its value as text; none is null.
    pub(crate) value: Option<String>,
}

impl std::str::FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write it as key=value")?;
        let (key, value) = match key.strip_suffix(':') {
            Some(key) if value == "null" => (key, None),
            Some(_) => return Err("after `:=` stands null and nothing else; for a value write key=value".to_owned()),
            None => (key, Some(value.to_owned())),
        };
        if key.is_empty() {
            return Err("the key is missing: write it as key=value".to_owned());
        }
        Ok(Pair { key: key.to_owned(), value })
    }
}

/// Refuses a key given twice: one of the values would be dropped in silence.
///
/// # Errors
/// Wrong usage.
pub(crate) fn distinct(pairs: &[Pair]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|pair| !seen.insert(&pair.key)) {
        Some(pair) => Err(Failure::usage(format!("`{}` is given twice", pair.key), "give each key once")),
        None => Ok(()),
    }
}

/// Beside a model no service is named: what stands in its place is the first pair.
///
/// # Errors
/// Wrong usage where it is no pair.
pub(crate) fn without_service(first: Option<String>, pairs: &mut Vec<Pair>) -> Result<()> {
    if let Some(first) = first {
        let pair = first.parse().map_err(|why: String| {
            Failure::usage(format!("`{first}` beside --model is no key: {why}"), "name a service or a model")
        })?;
        pairs.insert(0, pair);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_typed() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let expected = expected.map(|(key, value)| Pair { key: key.into(), value: value.map(Into::into) });
            assert_eq!(text.parse::<Pair>().ok(), expected, "{text}");
        };
        check("origin=JFK", Some(("origin", Some("JFK"))));
        check("a=b=c", Some(("a", Some("b=c"))));
        check("a=", Some(("a", Some(""))));
        check("a=null", Some(("a", Some("null"))));
        check("a:=null", Some(("a", None)));
        check("a:=1", None);
        check("origin", None);
        check("=JFK", None);
    }

    #[test]
    fn a_key_is_given_once() {
        let pairs = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<Pair>>();
        assert!(distinct(&pairs(&["a=1", "b=1"])).is_ok());
        assert!(matches!(distinct(&pairs(&["a=1", "a:=null"])), Err(Failure::Usage(_))));
    }
}
