//! What the text of a request holds, before anything is known of its types.

use std::borrow::Cow;
use std::fmt;

use asof_engine::MAX_ENTITIES;
use asof_model::error::Place;
use asof_model::{Error, ErrorKind, Result};
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The most characters of the request that a message repeats.
const MAX_SHOWN: usize = 60;

/// A request. Exactly one of `service` and `model`, and one of `entities` and `columns` is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object: {\"service\": …, \"entities\": [{…}]}")]
pub(crate) struct Body<'a> {
    #[serde(borrow, default)]
    pub(crate) service: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) project: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) environment: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) entities: Option<Entities<'a>>,
    #[serde(borrow, default)]
    pub(crate) columns: Option<Members<'a, Vec<Cell<'a>>>>,
    #[serde(borrow, default)]
    pub(crate) at: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) event_times: bool,
    #[serde(default)]
    pub(crate) receipts: bool,
    #[serde(default)]
    pub(crate) row_errors: bool,
}

/// An object's members, in the order of the text; a name may come twice.
#[derive(Debug)]
pub(crate) struct Members<'a, T>(pub(crate) Vec<(Cow<'a, str>, T)>);

/// One object per entity. Of more than are answered only the number is kept.
#[derive(Debug)]
pub(crate) struct Entities<'a> {
    pub(crate) rows: Vec<Members<'a, Cell<'a>>>,
    pub(crate) count: usize,
}

/// One value, as JSON says it.
#[derive(Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// Beyond the integers; as JSON has it, it is a number like any other.
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Cell<'a>>),
}

/// Reads a request.
///
/// # Errors
/// `invalid_json` with its place, for what is not JSON or not a request.
pub(crate) fn parse(text: &[u8]) -> Result<Body<'_>> {
    serde_json::from_slice(text).map_err(|error| {
        let reason = error.to_string();
        // The place is told by itself.
        let reason = reason.split(" at line ").next().unwrap_or_default();
        let message = format!("the body is not a request for features: {reason}");
        let invalid = Error::new(ErrorKind::Invalid, "invalid_json", message)
            .remedy("send {\"service\": \"name@prod\", \"entities\": [{\"key\": …}]}; GET /openapi.json describes it");
        match place(text, error.line(), error.column()) {
            Some(place) => invalid.at(place),
            None => invalid,
        }
    })
}

/// A place in the body, with the text around it: a request is often one long line.
fn place(text: &[u8], line: usize, column: usize) -> Option<Place> {
    let shown = text.split(|byte| *byte == b'\n').nth(line.checked_sub(1)?)?;
    let from = column.saturating_sub(1).min(shown.len());
    let around = shown.get(from.saturating_sub(MAX_SHOWN)..from)?;
    Some(Place {
        file: "body".to_owned(),
        line: line as u64,
        column: column as u64,
        text: String::from_utf8_lossy(around).into_owned(),
        width: 1,
    })
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Members<'a, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each<'a, T>(std::marker::PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for Each<'a, T> {
            type Value = Members<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a member per key or parameter")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each(std::marker::PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entities<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entities<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list with an object per entity")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut rows = Vec::new();
                while rows.len() <= MAX_ENTITIES {
                    match list.next_element()? {
                        Some(row) => rows.push(row),
                        None => return Ok(Entities { count: rows.len(), rows }),
                    }
                }
                let mut count = rows.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Entities { rows, count })
            }
        }
        from.deserialize_seq(Each)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Cell<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value: a number, a text, true, false, null, or a list of values")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Cell::Null)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Cell::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Cell::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(value).map_or(Cell::Number(value as f64), Cell::Integer))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Cell::Number(value))
            }

            fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Cell::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Cell::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Cell::List(items))
            }
        }
        from.deserialize_any(One)
    }
}

/// A member's name, borrowed where the text has it without escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        from.deserialize_str(One)
    }
}
