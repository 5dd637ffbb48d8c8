//! How views are kept online, as `plan` and `show` tell it.

use asof_proto::registry::v1::Upkeep;
use asof_proto::registry::v1::upkeep::How;
use serde_json::{Value, json};

use crate::failure::Result;
use crate::out::{Out, Paint};
use crate::pinned;

/// A line per view.
pub(crate) fn print(out: &mut Out, views: &[Upkeep]) -> Result<()> {
    views.iter().try_for_each(|upkeep| {
        let name = upkeep.view.as_ref().map(pinned::reference).unwrap_or_default();
        let paint = match &upkeep.how {
            Some(How::Never(_)) => Paint::Yellow,
            _ => Paint::Dim,
        };
        out.painted(paint, format!("  {name} {}", text(upkeep)))
    })
}

/// What is said of one view.
pub(crate) fn text(upkeep: &Upkeep) -> String {
    match &upkeep.how {
        Some(How::Increments(dataset)) => format!("is materialized in increments of {dataset}"),
        Some(How::Whole(why)) => format!("is materialized whole each time: {why}"),
        Some(How::Never(why)) => format!("cannot be materialized: {why}"),
        Some(How::Unknown(why)) => format!("is materialized in a way that is not known yet: {why}"),
        None => "is materialized in a way that this version does not know".to_owned(),
    }
}

/// All of it.
pub(crate) fn json(upkeep: &Upkeep) -> Value {
    let (how, dataset, why) = match &upkeep.how {
        Some(How::Increments(dataset)) => ("increments", Some(dataset), None),
        Some(How::Whole(why)) => ("whole", None, Some(why)),
        Some(How::Never(why)) => ("never", None, Some(why)),
        Some(How::Unknown(why)) => ("unknown", None, Some(why)),
        None => ("unknown", None, None),
    };
    json!({ "view": pinned::json_option(upkeep.view.as_ref()), "materialized": how, "dataset": dataset, "why": why })
}
