//! Which columns of a view are features.

use asof_model::definition::{KnownAt, View};
use asof_model::{Columns, Registered};

/// The features of a view: its columns except the entity's key, its timestamp and its known-at.
pub fn features(view: &View, registered: &Registered, entity: &Registered) -> Columns {
    among(view, &registered.columns, &entity.columns)
}

/// The features among a view's columns.
pub(crate) fn among(view: &View, columns: &Columns, key: &Columns) -> Columns {
    let is_known_at = |name: &str| matches!(&view.known_at, KnownAt::Column(known) if known == name);
    let is_feature = |name: &str| key.get(name).is_none() && name != view.timestamp && !is_known_at(name);
    Columns(columns.0.iter().filter(|c| is_feature(&c.name)).cloned().collect())
}
