//! How definitions on the wire are shown.

use asof_model::Kind;
use asof_proto::object::v1::{self as object, Pinned};
use serde_json::{Value, json};

/// The kind's number on the wire.
pub(crate) fn wire_kind(kind: Kind) -> object::Kind {
    match kind {
        Kind::Dataset => object::Kind::Dataset,
        Kind::Entity => object::Kind::Entity,
        Kind::FeatureView => object::Kind::FeatureView,
        Kind::FeatureService => object::Kind::FeatureService,
        Kind::TrainingSet => object::Kind::TrainingSet,
    }
}

fn kind(pinned: &Pinned) -> Option<Kind> {
    Kind::ALL.into_iter().find(|k| wire_kind(*k) == pinned.kind())
}

/// `feature view`; of a kind this client does not know, `object`.
pub(crate) fn words(pinned: &Pinned) -> &'static str {
    kind(pinned).map_or("object", Kind::words)
}

/// `carrier_delays@1`.
pub(crate) fn reference(pinned: &Pinned) -> String {
    format!("{}@{}", pinned.name, pinned.version)
}

/// `feature view carrier_delays@1`.
pub(crate) fn titled(pinned: &Pinned) -> String {
    format!("{} {}", words(pinned), reference(pinned))
}

/// The reference that means this version whatever happens: `flights/departure_delay@3`.
pub(crate) fn exact(pinned: &Pinned) -> String {
    if pinned.project.is_empty() { reference(pinned) } else { format!("{}/{}", pinned.project, reference(pinned)) }
}

/// All of it.
pub(crate) fn json(pinned: &Pinned) -> Value {
    json!({
        "kind": kind(pinned).map(Kind::as_str),
        "project": pinned.project,
        "name": pinned.name,
        "version": pinned.version,
        "digest": pinned.digest,
    })
}

/// All of it, or null.
pub(crate) fn json_option(pinned: Option<&Pinned>) -> Value {
    pinned.map(json).unwrap_or(Value::Null)
}

/// A column: name, type, whether it may be null.
pub(crate) fn column_json(column: &object::Column) -> Value {
    json!({ "name": column.name, "type": column.r#type, "nullable": column.nullable })
}

/// `tailnum VARCHAR`.
pub(crate) fn column_text(column: &object::Column) -> String {
    format!("{} {}{}", column.name, column.r#type, if column.nullable { "" } else { " NOT NULL" })
}
