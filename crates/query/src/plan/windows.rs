//! Columns that come from as-of windows, above the as-of join: a view's features again, as a service knows them.

use asof_model::Status;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::training::spine_column;
use super::view::ViewWindows;
use crate::asof::{EVENT_TIME, STATUS};
use crate::kept::kept;
use crate::service::BoundView;
use crate::windows::{Computed, WindowCall};

/// A view of a service, with the windows that the service needs of it.
pub(super) struct WindowedView<'a> {
    view: &'a BoundView,
    /// The columns that the join is to give of its rows: all its features that are columns of rows, since they decide
    /// ties, and those from which others are computed beside windows.
    pub(super) features: Vec<String>,
    /// The windows that the features in use need.
    pub(super) calls: Vec<WindowCall>,
    /// The features that come from windows.
    computed: Vec<Computed>,
}

impl<'a> WindowedView<'a> {
    pub(super) fn new(view: &'a BoundView, windows: ViewWindows) -> Self {
        let ViewWindows { calls, computed, beside } = windows;
        let is_computed = |name: &str| computed.iter().any(|c| c.name == name);
        let plain = view.features.names().filter(|name| !is_computed(name)).map(str::to_owned);
        let features = plain.chain(beside).collect();
        let used: Vec<&Computed> = computed.iter().filter(|c| view.used.contains(&c.name)).collect();
        let needs =
            |call: &WindowCall| used.iter().any(|c| c.expression.column_refs().iter().any(|r| r.name == call.name));
        let calls = calls.into_iter().filter(needs).collect();
        WindowedView { view, features, calls, computed }
    }

    fn of(&self, name: &str) -> Column {
        Column::new(Some(TableReference::bare(self.view.alias.as_str())), name)
    }

    /// The view's features as columns of the join: those of rows as they are, those in use of windows computed.
    fn outputs(&self, joined: &DFSchema) -> Result<Vec<Expr>> {
        let mut outputs = Vec::new();
        for feature in &self.view.features.0 {
            let Some(computed) = self.computed.iter().find(|c| c.name == feature.name) else {
                outputs.push(Expr::Column(self.of(&feature.name)));
                continue;
            };
            if self.view.used.contains(&feature.name) {
                let value = self.value(computed)?;
                let found = value.get_type(joined)?;
                let value = kept(value, &found, &feature.data_type)?;
                outputs.push(value.alias_qualified(Some(self.view.alias.as_str()), &feature.name));
            }
        }
        outputs.extend([EVENT_TIME, STATUS].map(|name| Expr::Column(self.of(name))));
        Ok(outputs)
    }

    /// The value of a column, null where the spine's key is.
    fn value(&self, computed: &Computed) -> Result<Expr> {
        let expression = computed.expression.clone().transform(|e| match e {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(self.of(&column.name)))),
            other => Ok(Transformed::no(other)),
        })?;
        when(self.has_key(), expression.data).end()
    }

    /// Whether the spine's row has a key at all.
    fn has_key(&self) -> Expr {
        let keys = self.view.from.iter().map(|from| Expr::Column(spine_column(from)).is_not_null());
        keys.reduce(Expr::and).unwrap_or_else(|| lit(true))
    }

    /// Why something that reads these columns has no value because of this view. What windows alone give is there for
    /// every key (rule 6 and the TTL are about rows).
    pub(super) fn status(&self, columns: &[Column]) -> Result<Expr> {
        let own = |c: &&Column| c.relation.as_ref().is_some_and(|r| r.table() == self.view.alias);
        let of_row =
            |c: &Column| self.computed.iter().find(|computed| computed.name == c.name).is_none_or(|c| c.reads_row);
        if columns.iter().filter(own).any(of_row) {
            return Ok(Expr::Column(self.of(STATUS)));
        }
        when(self.has_key(), lit(Status::Present as u8)).otherwise(lit(Status::Missing as u8))
    }
}

/// Puts what comes from windows above the join, under the names that a service knows.
pub(super) fn computed(joined: LogicalPlan, spine: &[Column], views: &[WindowedView<'_>]) -> Result<LogicalPlan> {
    if views.iter().all(|view| view.computed.is_empty()) {
        return Ok(joined);
    }
    let mut outputs: Vec<Expr> = spine.iter().cloned().map(Expr::Column).collect();
    for view in views {
        outputs.extend(view.outputs(joined.schema())?);
    }
    LogicalPlanBuilder::from(joined).project(outputs)?.build()
}
