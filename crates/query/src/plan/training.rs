//! A training set: the spine, as it is, then the features as of each of its rows.

use std::sync::Arc;

use asof_model::definition::TrainingSet;
use asof_model::{Definition, Kind, Registered, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as EngineResult, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::view::side;
use super::windows::{self, WindowedView};
use super::{Planner, TrainingOptions, not_a, planning_error};
use crate::asof::asof_join;
use crate::kept::kept;
use crate::service::{BoundService, REQUEST, status};
use crate::stack::deep;
use crate::syntax;
use crate::visibility::Revisions;

/// What qualifies the spine's columns inside the plan. No view's alias begins with an underscore.
const SPINE: &str = "__spine";

/// What is put behind a feature's name for its status.
const STATUS_SUFFIX: &str = "__status";

impl Planner<'_> {
    /// A training set's rows: the spine's columns untouched and in order, then the service's features in its
    /// order, each followed by its status where the options say so.
    ///
    /// The spine's datasets are read at their latest revisions, whatever `known_at` says: labels are usually
    /// learned after the features they are to be predicted from.
    ///
    /// # Errors
    /// `nothing_ingested`, `revisions_mixed`, and those of binding.
    pub fn training(&self, registered: &Registered, options: &TrainingOptions) -> Result<LogicalPlan> {
        let set: &TrainingSet = match &registered.definition {
            Definition::TrainingSet(set) => set,
            other => return Err(not_a(registered, Kind::TrainingSet, other.kind())),
        };
        let service = self.service(self.input(registered, &set.features)?)?;
        let spine = self.spine(registered, set)?;
        let kept = spine.schema().columns();
        self.features(&service, spine, &set.timestamp, kept, options)
    }

    /// What training gives for these rows, and nothing of the rows themselves: the service's features in its order, each
    /// followed by its status where the options say so. The rows have the service's keys and parameters by name, and
    /// the moment of each in `timestamp`, whose name is not one of theirs.
    ///
    /// # Errors
    /// Those of [`Planner::training`].
    pub fn training_of(
        &self,
        service: &Registered,
        rows: RecordBatch,
        timestamp: &str,
        options: &TrainingOptions,
    ) -> Result<LogicalPlan> {
        let service = self.service(service)?;
        let scan = || {
            let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
            LogicalPlanBuilder::scan(SPINE, provider_as_source(Arc::new(table)), None)?.build()
        };
        self.features(&service, scan().map_err(planning_error)?, timestamp, Vec::new(), options)
    }

    /// For each row of a spine the columns that are kept of it, then its features.
    fn features(
        &self,
        service: &BoundService,
        spine: LogicalPlan,
        timestamp: &str,
        kept: Vec<Column>,
        options: &TrainingOptions,
    ) -> Result<LogicalPlan> {
        let spine_schema = spine.schema().clone();
        let mut sides = Vec::with_capacity(service.views.len());
        let mut windowed = Vec::with_capacity(service.views.len());
        for view in &service.views {
            let rows = self.view(&view.view, options.known_at)?;
            let on = view.from.iter().map(|from| spine_column(from)).zip(view.key.names()).collect();
            let definition = view.definition();
            let computed = WindowedView::new(view, rows.windows.clone());
            sides.push(side(rows, definition, &view.alias, on, &computed.features, definition.ttl, &computed.calls)?);
            windowed.push(computed);
        }
        let joined = asof_join(spine, spine_column(timestamp), sides, options.known_at)?;
        let joined = windows::computed(joined, &spine_schema.columns(), &windowed).map_err(planning_error)?;
        let spine = kept.into_iter().map(|column| {
            let name = column.name.clone();
            Expr::Column(column).alias(name)
        });
        let mut projected: Vec<Expr> = spine.collect();
        for output in &service.outputs {
            let value = over_spine(output.expression.clone(), service, &spine_schema).map_err(planning_error)?;
            projected.push(value.clone().alias(&output.name));
            if options.statuses {
                let views = output.reads.iter().map(|i| windowed[*i].status(&output.columns));
                let views = views.collect::<EngineResult<Vec<_>>>().map_err(planning_error)?;
                projected.push(status::expression(value, views).alias(format!("{}{STATUS_SUFFIX}", output.name)));
            }
        }
        let plan = LogicalPlanBuilder::from(joined).project(projected).and_then(LogicalPlanBuilder::build);
        plan.map_err(planning_error)
    }

    fn spine(&self, registered: &Registered, set: &TrainingSet) -> Result<LogicalPlan> {
        let rows = || {
            let (query, text) = syntax::reread(registered, &set.query)?;
            self.rows(registered, &query, &text, Revisions::Latest, 0)
        };
        let relation = deep(rows)?;
        let schema = relation.plan.schema();
        let hidden = [&relation.hidden.seq, &relation.hidden.superseded];
        let visible = schema.columns().into_iter().filter(|c| !hidden.iter().any(|h| h.as_ref() == Some(c)));
        let projected: Vec<_> = visible.map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(relation.plan.clone())
            .project(projected)
            .and_then(|plan| plan.alias(SPINE))
            .and_then(LogicalPlanBuilder::build);
        plan.map_err(planning_error)
    }
}

pub(super) fn spine_column(name: &str) -> Column {
    Column::new(Some(TableReference::bare(SPINE)), name)
}

/// A service's expression with the spine's columns for the request's parameters, in the parameters' types.
fn over_spine(expression: Expr, service: &BoundService, spine: &DFSchema) -> EngineResult<Expr> {
    let replaced = expression.transform(|e| match e {
        Expr::Column(column) if column.relation.as_ref().is_some_and(|r| r.table() == REQUEST) => {
            let column = spine_column(&column.name);
            let given = spine.data_type(&column)?;
            let declared = service.request.get(&column.name).map_or(given, |c| &c.data_type);
            Ok(Transformed::yes(kept(Expr::Column(column.clone()), given, declared)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(replaced.data)
}
