//! The columns of a published view.

use asof_model::digest::Hasher;
use asof_model::schema::{is_key_type, sql_type};
use asof_model::{Columns, Digest};
use serde::{Deserialize, Serialize};

use crate::row::Shape;
use crate::tiles::Tiles;
use crate::{Error, key, row};

/// The column of a written batch that says when each row happened: a timestamp in microseconds, UTC.
pub const EVENT_TIME: &str = "__event_time";
/// The column of a written batch that says when each row was learned, as a timestamp in microseconds, UTC. It may be
/// left out, and be null: then that was when it happened.
pub const KNOWN: &str = "__known";
/// The column of a written batch with the order in which the dataset accepted each row, `BIGINT`. It may be left out.
pub const SEQ: &str = "__seq";

/// The columns of a view's rows in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// The key columns, in the entity's order; at least one.
    pub key: Columns,
    /// All others, in the view's order. A name that is also a key column may not be among them.
    pub values: Columns,
    /// What the view's as-of windows are read from, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<Tiles>,
}

impl Layout {
    /// Covers names, types and order of the columns and the version of both codecs: rows of equal
    /// fingerprints are laid out alike. Nullability is not covered: it changes no byte.
    pub fn fingerprint(&self) -> Digest {
        let mut hasher = Hasher::new("asof.online.layout.v1");
        hasher.part(&[key::VERSION, row::VERSION]);
        for columns in [&self.key, &self.values] {
            hasher.part(&(columns.0.len() as u64).to_le_bytes());
            for column in &columns.0 {
                hasher.part(column.name.as_bytes()).part(sql_type(&column.data_type).as_bytes());
            }
        }
        if let Some(tiles) = &self.tiles {
            tiles.fingerprint(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether rows of this layout can be stored.
    pub(crate) fn validate(&self, view: &str) -> Result<(), Error> {
        if self.key.0.is_empty() {
            return Err(Error::NoKey { view: view.into() });
        }
        if let Some(column) = self.key.0.iter().find(|c| !is_key_type(&c.data_type)) {
            return Err(Error::UnsupportedKey { view: view.into(), column: column.to_string() });
        }
        if let Some(column) = self.values.0.iter().find(|c| Shape::of(&c.data_type).is_none()) {
            return Err(Error::UnsupportedType { view: view.into(), column: column.to_string() });
        }
        let mut names = std::collections::HashSet::from([EVENT_TIME, KNOWN, SEQ]);
        match self.key.names().chain(self.values.names()).find(|name| !names.insert(name)) {
            Some(name) => Err(Error::DuplicateColumn { view: view.into(), column: name.into() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use asof_model::Column;

    use super::*;

    fn columns(list: &[(&str, DataType)]) -> Columns {
        Columns(list.iter().map(|(name, t)| Column::new(*name, t.clone())).collect())
    }

    fn layout(key: &[(&str, DataType)], values: &[(&str, DataType)]) -> Layout {
        Layout { key: columns(key), values: columns(values), tiles: None }
    }

    #[test]
    fn the_fingerprint_covers_names_types_order_and_role() {
        use DataType::*;
        let base = layout(&[("k", Int64)], &[("a", Int32), ("b", Utf8)]);
        for other in [
            layout(&[("q", Int64)], &[("a", Int32), ("b", Utf8)]),
            layout(&[("k", Int32)], &[("a", Int32), ("b", Utf8)]),
            layout(&[("k", Int64)], &[("b", Utf8), ("a", Int32)]),
            layout(&[("k", Int64)], &[("a", Int64), ("b", Utf8)]),
            layout(&[("k", Int64), ("a", Int32)], &[("b", Utf8)]),
        ] {
            assert_ne!(base.fingerprint(), other.fingerprint());
        }
        let mut not_null = base.clone();
        not_null.values.0[0].nullable = false;
        assert_eq!(base.fingerprint(), not_null.fingerprint());
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        use DataType::*;
        let check = |layout: Layout, code: &str| {
            let error = asof_model::Error::from(layout.validate("v@1").unwrap_err());
            assert_eq!(error.code(), code);
            assert!(error.message().contains("v@1"), "{error}");
        };
        check(layout(&[], &[("a", Int32)]), "unsupported_key");
        check(layout(&[("k", Float64)], &[]), "unsupported_key");
        check(layout(&[("k", Int64)], &[("a", Null)]), "unsupported_type");
        check(layout(&[("k", Int64)], &[("k", Int64)]), "duplicate_column");
        check(layout(&[("k", Int64)], &[(EVENT_TIME, Int64)]), "duplicate_column");
    }
}
