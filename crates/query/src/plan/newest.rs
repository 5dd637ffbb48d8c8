//! The newest row of each key of a view: what goes online.

use std::sync::Arc;

use asof_model::definition::KnownAt;
use asof_model::{Kind, Micros, Registered, Result};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::view::side;
use super::{Planner, not_a, planning_error};
use crate::asof::{EVENT_TIME, KnownMoment, STATUS, asof_join};
use asof_model::{Definition, Status};

/// What qualifies the keys that are asked for.
const KEYS: &str = "__keys";
/// The column with the moment asked about.
const AT: &str = "__at";
/// What qualifies the rows found.
const ROWS: &str = "__rows";
/// The column that says when the row found was learned.
pub(super) const KNOWN: &str = "__known";
/// The column with the order in which the row found was accepted.
pub(super) const ACCEPTED: &str = "__seq";

impl Planner<'_> {
    /// For each key of a view the row that counts at `at`, whatever the TTL: the key's columns, `__event_time`, then
    /// the view's features; last, where the view's rows have them, when each was learned (`__known`) and its order of
    /// acceptance (`__seq`). Keys with a null, and those without a row by then, are left out. It is the as-of
    /// join itself, with every key of the view at that moment for a spine.
    ///
    /// # Errors
    /// `windows_trained_only`, and those of [`Planner::view`].
    pub fn newest(&self, registered: &Registered, at: Micros) -> Result<LogicalPlan> {
        self.newest_of(registered, at, None)
    }

    /// The same for some keys, each of them once; in their order.
    ///
    /// # Errors
    /// Those of [`Planner::newest`].
    pub fn newest_among(
        &self,
        registered: &Registered,
        at: Micros,
        keys: Arc<dyn TableProvider>,
    ) -> Result<LogicalPlan> {
        self.newest_of(registered, at, Some(keys))
    }

    /// The keys of a view's rows that are whole, one a row.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn keys(&self, registered: &Registered) -> Result<LogicalPlan> {
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let keys: Vec<&str> = entity.columns.names().collect();
        whole_keys(&rows.plan, &keys).and_then(LogicalPlanBuilder::build).map_err(planning_error)
    }

    fn newest_of(
        &self,
        registered: &Registered,
        at: Micros,
        among: Option<Arc<dyn TableProvider>>,
    ) -> Result<LogicalPlan> {
        let view = match &registered.definition {
            Definition::FeatureView(view) => view,
            other => return Err(not_a(registered, Kind::FeatureView, other.kind())),
        };
        crate::refuse_windows(registered, "reduced to its newest rows")?;
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let keys: Vec<&str> = entity.columns.names().collect();
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let spine = match among {
            None => whole_keys(&rows.plan, &keys).and_then(LogicalPlanBuilder::distinct),
            Some(table) => LogicalPlanBuilder::scan(KEYS, provider_as_source(table), None),
        };
        let spine = spine.and_then(|spine| at_moment(spine, &keys, at)).map_err(planning_error)?;
        let features: Vec<_> = crate::features(view, registered, entity).names().map(str::to_owned).collect();
        let on = keys.iter().map(|key| (of(KEYS, key), *key)).collect();
        let known = match &view.known_at {
            KnownAt::Column(known) => Some((known.clone(), KNOWN)),
            KnownAt::Silent | KnownAt::Never => None,
        };
        let stamps: Vec<_> =
            known.into_iter().chain(rows.hidden.seq.iter().map(|c| (c.name.clone(), ACCEPTED))).collect();
        let picked: Vec<_> = features.iter().cloned().chain(stamps.iter().map(|(name, _)| name.clone())).collect();
        let side = side(rows, view, ROWS, on, &picked, None, &[])?;
        let joined = asof_join(spine, of(KEYS, AT), vec![side], KnownMoment::EventTime)?;
        let found = Expr::Column(of(ROWS, STATUS)).eq(lit(Status::Present as u8));
        let columns = (keys.iter().map(|key| of(KEYS, key)))
            .chain([of(ROWS, EVENT_TIME)])
            .chain(features.iter().map(|feature| of(ROWS, feature)));
        let projected = columns.map(|c| Expr::Column(c.clone()).alias(&c.name));
        let stamps = stamps.iter().map(|(name, alias)| Expr::Column(of(ROWS, name)).alias(*alias));
        let projected: Vec<_> = projected.chain(stamps).collect();
        let plan = LogicalPlanBuilder::from(joined)
            .filter(found)
            .and_then(|plan| plan.project(projected))
            .and_then(LogicalPlanBuilder::build);
        plan.map_err(planning_error)
    }
}

fn of(qualifier: &str, name: &str) -> Column {
    Column::new(Some(TableReference::bare(qualifier)), name)
}

/// Every key that a view has rows for, as often as it has.
fn whole_keys(rows: &LogicalPlan, keys: &[&str]) -> datafusion::common::Result<LogicalPlanBuilder> {
    let key = |name: &&str| Expr::Column(Column::new_unqualified(*name));
    let complete = keys.iter().map(|k| key(k).is_not_null()).reduce(Expr::and).unwrap_or(lit(true));
    LogicalPlanBuilder::from(rows.clone()).filter(complete)?.project(keys.iter().map(key))
}

/// Keys at one moment.
fn at_moment(spine: LogicalPlanBuilder, keys: &[&str], at: Micros) -> datafusion::common::Result<LogicalPlan> {
    let key = |name: &&str| Expr::Column(Column::new_unqualified(*name));
    let moment = lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    spine.project(keys.iter().map(key).chain([moment.alias(AT)]))?.alias(KEYS)?.build()
}
