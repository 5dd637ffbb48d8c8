//! All rows of a view, each with what decides which of a key is the newest: for who chooses among them himself.

use asof_model::definition::{KnownAt, View};
use asof_model::{Definition, Kind, Micros, Registered, Result};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::newest::{ACCEPTED, KNOWN};
use super::{Planner, not_a, planning_error};
use crate::asof::{EVENT_TIME, KnownMoment};

impl Planner<'_> {
    /// The rows of a view without as-of windows that have a whole key and an event time, all of them, or those that count
    /// only after a moment. Columns are those of [`Planner::newest`].
    ///
    /// They say nothing of revisions: it is for views of which [`Planner::row_wise`] says that they can follow.
    ///
    /// # Errors
    /// `windows_trained_only`, and those of [`Planner::view`].
    pub fn stamped(&self, registered: &Registered, after: Option<Micros>) -> Result<LogicalPlan> {
        let view = match &registered.definition {
            Definition::FeatureView(view) => view,
            other => return Err(not_a(registered, Kind::FeatureView, other.kind())),
        };
        crate::refuse_windows(registered, "reduced to its newest rows")?;
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let features = crate::features(view, registered, entity);
        let columns = (entity.columns.names().map(|key| (key, key)))
            .chain([(view.timestamp.as_str(), EVENT_TIME)])
            .chain(features.names().map(|feature| (feature, feature)))
            .chain(known(view).map(|known| (known, KNOWN)))
            .chain(rows.hidden.seq.iter().map(|seq| (seq.name.as_str(), ACCEPTED)));
        let columns: Vec<_> = columns.map(|(name, alias)| column(name).alias(alias)).collect();
        let plan = LogicalPlanBuilder::from(rows.plan)
            .filter(counting(view, entity, after))
            .and_then(|plan| plan.project(columns))
            .and_then(LogicalPlanBuilder::build);
        plan.map_err(planning_error)
    }
}

/// Whether a row can ever count; and whether it does only after a moment.
pub(super) fn counting(view: &View, entity: &Registered, after: Option<Micros>) -> Expr {
    let whole = entity.columns.names().map(|key| column(key).is_not_null());
    let counts = whole.fold(column(&view.timestamp).is_not_null(), Expr::and);
    let Some(after) = after else { return counts };
    let moment = || lit(ScalarValue::TimestampMicrosecond(Some(after.0), Some("UTC".into())));
    let times = [Some(view.timestamp.as_str()), known(view)].into_iter().flatten();
    match times.map(|time| column(time).gt(moment())).reduce(Expr::or) {
        Some(later) => counts.and(later),
        None => counts,
    }
}

fn known(view: &View) -> Option<&str> {
    match &view.known_at {
        KnownAt::Column(known) => Some(known),
        KnownAt::Silent | KnownAt::Never => None,
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
