//! Views whose every row comes from one row of one dataset: they can follow a push at once.
//!
//! Such a view's plan is a chain of projections and filters over the scan of its dataset, the very one that training
//! runs; here its expressions are compiled once, and then applied to batches without an engine around them. What mixes
//! rows (`GROUP BY`, joins, windows), and what lets a later row take an earlier one back (revisions), waits for
//! materialization instead, and [`Planner::row_wise`] says so.

use std::sync::Arc;

use asof_model::definition::KnownAt;
use asof_model::{Definition, Kind, Pinned, Registered, Result};
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Column, DFSchemaRef};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use super::{Planner, Tiled, execution_error, not_a, planning_error};
use crate::asof::KnownMoment;
use crate::stack::deep;
use crate::visibility::SEQ;

/// A view over one dataset, ready to be applied to its rows. Free of any engine state.
#[derive(Debug)]
pub struct RowWise {
    /// The view.
    pub view: Pinned,
    /// The dataset.
    pub dataset: Pinned,
    scan: SchemaRef,
    steps: Vec<Step>,
    outputs: Outputs,
}

/// What is made of the rows of the view.
#[derive(Debug)]
enum Outputs {
    /// These columns; the last one is the order of acceptance.
    Columns(Vec<Output>),
    /// What is kept of rows and windows, and the name of the order of acceptance.
    Tiled(Box<Tiled>, String),
}

/// What becomes of some rows of the dataset.
#[derive(Debug)]
pub struct ViewRow {
    /// The view's key columns, then [`EVENT_TIME`](crate::asof::EVENT_TIME) and where the view has it the known-at time,
    /// under the names given to [`RowWise::apply`], then its features; of a view with as-of windows what [`Tiled::events`] gives.
    pub rows: RecordBatch,
    /// For each of them, which of the given rows it came from.
    pub from: Vec<usize>,
}

#[derive(Debug)]
enum Step {
    Keep(Arc<dyn PhysicalExpr>),
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
}

#[derive(Debug)]
struct Output {
    role: Role,
    column: usize,
}

#[derive(Debug)]
enum Role {
    EventTime,
    Known,
    Named(String),
}

/// Whether a view can follow its dataset row by row.
#[derive(Debug)]
pub enum Following {
    /// It can.
    RowWise(Box<RowWise>),
    /// It waits for materialization, because of this.
    Waits(String),
}

impl Planner<'_> {
    /// How views would be kept online: row by row, or by waiting; all of them on one deep stack.
    ///
    /// # Errors
    /// Of each its own: `windows_trained_only`, and those of [`Planner::view`].
    pub fn kept_online(&self, views: &[Registered]) -> Vec<Result<Following>> {
        // What windows cannot be kept online is known there alone.
        deep(|| views.iter().map(|view| self.tiled(view).and_then(|_| self.row_wise(view))).collect())
    }

    /// How a view follows what is pushed. The tables need only have their schemas.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn row_wise(&self, registered: &Registered) -> Result<Following> {
        let Definition::FeatureView(view) = &registered.definition else {
            return Err(not_a(registered, Kind::FeatureView, registered.definition.kind()));
        };
        let mut inputs = Vec::new();
        self.datasets(registered, &mut inputs)?;
        let dataset = match inputs.as_slice() {
            [one] => Arc::clone(one),
            several => return Ok(waits(format!("it reads {} datasets", several.len()))),
        };
        if let Definition::Dataset(definition) = &dataset.definition
            && !definition.key.is_empty()
        {
            let name = &dataset.pinned.name;
            return Ok(waits(format!("rows of `{name}` have a KEY, and a revision can take an earlier row back")));
        }
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let mut steps = Vec::new();
        let scan = match descend(&rows.plan, &mut steps)? {
            Ok(scan) => scan,
            Err(reason) => return Ok(waits(reason)),
        };
        let Some(seq) = &rows.hidden.seq else {
            return Ok(waits("its rows do not keep the order in which the dataset accepted them"));
        };
        if !rows.windows.calls.is_empty() {
            let tiled = match self.tiled_rows(registered, &rows)? {
                Ok(tiled) => tiled,
                Err(reason) => return Ok(waits(reason)),
            };
            let (view, dataset) = (registered.pinned.clone(), dataset.pinned.clone());
            let seq = seq.name.clone();
            return Ok(Following::RowWise(Box::new(RowWise {
                view,
                dataset,
                scan,
                steps,
                outputs: Outputs::Tiled(Box::new(tiled), seq),
            })));
        }
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let schema = rows.plan.schema();
        let output = |role, name: &str| {
            let column = schema.index_of_column(&Column::new_unqualified(name)).map_err(planning_error)?;
            Ok(Output { role, column })
        };
        let named = |name: &str| output(Role::Named(name.to_owned()), name);
        let mut outputs = entity.columns.names().map(named).collect::<Result<Vec<_>>>()?;
        outputs.push(output(Role::EventTime, &view.timestamp)?);
        if let KnownAt::Column(known) = &view.known_at {
            outputs.push(output(Role::Known, known)?);
        }
        for feature in crate::features(view, registered, entity).names() {
            outputs.push(named(feature)?);
        }
        // The order of acceptance travels as the place of the row that it belongs to, and comes last.
        outputs.push(output(Role::Named(SEQ.to_owned()), &seq.name)?);
        let (view, dataset) = (registered.pinned.clone(), dataset.pinned.clone());
        Ok(Following::RowWise(Box::new(RowWise { view, dataset, scan, steps, outputs: Outputs::Columns(outputs) })))
    }

    /// The datasets that a view reads, itself or through other views, each once.
    /// The datasets that a definition reads, also through views.
    pub(super) fn datasets(&self, registered: &Registered, found: &mut Vec<Arc<Registered>>) -> Result<()> {
        for input in &registered.inputs {
            let input = self.definition(&input.pinned)?;
            match input.pinned.kind {
                Kind::Dataset if found.iter().all(|known| known.pinned != input.pinned) => {
                    found.push(Arc::clone(input))
                }
                Kind::FeatureView => self.datasets(input, found)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn waits(reason: impl Into<String>) -> Following {
    Following::Waits(reason.into())
}

/// Compiles a chain of projections and filters, innermost first. Gives the columns that its scan reads, or what else is
/// in the way.
fn descend(plan: &LogicalPlan, steps: &mut Vec<Step>) -> Result<Result<SchemaRef, String>> {
    let (input, step) = match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            return Ok(Ok(Arc::new(scan.projected_schema.as_arrow().clone())));
        }
        LogicalPlan::SubqueryAlias(alias) => return descend(&alias.input, steps),
        LogicalPlan::Filter(filter) => (&filter.input, Step::Keep(compiled(&filter.predicate, filter.input.schema())?)),
        LogicalPlan::Projection(projection) => {
            let input = projection.input.schema();
            let columns = projection.expr.iter().map(|expression| compiled(expression, input));
            let schema = Arc::new(projection.schema.as_arrow().clone());
            (&projection.input, Step::Project(columns.collect::<Result<_>>()?, schema))
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => return Ok(Err("it groups rows".to_owned())),
        LogicalPlan::Window(_) => return Ok(Err("it has OVER (PARTITION BY … or ORDER BY …)".to_owned())),
        LogicalPlan::Join(_) => return Ok(Err("it joins rows".to_owned())),
        LogicalPlan::Union(_) => return Ok(Err("it puts rows of several SELECTs together".to_owned())),
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => return Ok(Err("it sorts or limits rows".to_owned())),
        _ => return Ok(Err("its rows are not rows of one dataset, filtered and computed".to_owned())),
    };
    let scan = descend(input, steps)?;
    steps.push(step);
    Ok(scan)
}

fn compiled(expression: &Expr, input: &DFSchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    create_physical_expr(expression, input, &properties, &context).map_err(planning_error)
}

impl RowWise {
    /// The columns of the dataset that [`RowWise::apply`] takes, besides the order of acceptance: its own, as they were
    /// when this was made.
    pub fn reads(&self) -> impl Iterator<Item = &Field> {
        self.scan.fields().iter().map(Arc::as_ref).filter(|field| field.name() != SEQ)
    }

    /// The view's rows out of rows of the dataset.
    ///
    /// # Errors
    /// `cannot_compute` where an expression fails on a value; `internal` for a batch without the columns it reads.
    pub fn apply(&self, rows: &RecordBatch, event_time: &str, known: &str) -> Result<ViewRow> {
        let places: ArrayRef =
            Arc::new(datafusion::arrow::array::Int64Array::from_iter_values(0..rows.num_rows() as i64));
        let columns = self.scan.fields().iter().map(|field| {
            if field.name() == SEQ {
                return Ok(Arc::clone(&places));
            }
            let column = rows.column_by_name(field.name());
            column
                .cloned()
                .ok_or_else(|| asof_model::Error::internal(format!("pushed rows have no `{}`", field.name())))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut batch = batch(&self.scan, columns, rows.num_rows())?;
        for step in &self.steps {
            let count = batch.num_rows();
            let evaluate = |expression: &Arc<dyn PhysicalExpr>| {
                let value = expression.evaluate(&batch).map_err(execution_error)?;
                value.into_array(count).map_err(execution_error)
            };
            batch = match step {
                Step::Keep(predicate) => {
                    let kept: BooleanArray = as_boolean_array(&evaluate(predicate)?).map_err(execution_error)?.clone();
                    filter_record_batch(&batch, &kept).map_err(asof_model::Error::internal)?
                }
                Step::Project(columns, schema) => {
                    let columns = columns.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
                    self::batch(schema, columns, count)?
                }
            };
        }
        self.output(&batch, event_time, known)
    }

    fn output(&self, rows: &RecordBatch, event_time: &str, known: &str) -> Result<ViewRow> {
        let outputs = match &self.outputs {
            Outputs::Columns(outputs) => outputs,
            Outputs::Tiled(tiled, seq) => {
                let places =
                    rows.column_by_name(seq).ok_or_else(|| asof_model::Error::internal("rows have no order"))?;
                let places = datafusion::common::cast::as_int64_array(places).map_err(execution_error)?;
                let from = places.iter().map(|place| place.unwrap_or_default() as usize).collect();
                return Ok(ViewRow { rows: tiled.events(rows, event_time, None)?, from });
            }
        };
        let (place, outputs) = outputs.split_last().ok_or_else(|| asof_model::Error::internal("no outputs"))?;
        let places = rows.column(place.column);
        let places = datafusion::common::cast::as_int64_array(places).map_err(execution_error)?;
        let from = places.iter().map(|place| place.unwrap_or_default() as usize).collect();
        let mut fields = Vec::with_capacity(outputs.len());
        let mut columns = Vec::with_capacity(outputs.len());
        for output in outputs {
            let name = match &output.role {
                Role::EventTime => event_time,
                Role::Known => known,
                Role::Named(name) => name,
            };
            let column = rows.column(output.column);
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(Arc::clone(column));
        }
        let rows = batch(&Arc::new(Schema::new(fields)), columns, rows.num_rows())?;
        Ok(ViewRow { rows, from })
    }
}

/// A batch whose columns may be null wherever they come from.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = schema.fields().iter().zip(&columns);
    let fields = fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(asof_model::Error::internal)
}
