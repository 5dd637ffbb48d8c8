//! Views with as-of windows, online: what is kept of their rows, and their features out of that.

use std::sync::Arc;

use asof_model::definition::{KnownAt, View};
use asof_model::schema::normal;
use asof_model::{Columns, Definition, Error, ErrorKind, Kind, Micros, Registered, Result};
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{not, nullif};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use super::stamped::counting;
use super::view::{ViewRows, ViewWindows};
use super::{Planner, execution_error, not_a, planning_error};
use crate::asof::KnownMoment;
use crate::kept::kept;
use crate::windows::{Computed, States, Tiling};

/// A view with as-of windows, as its rows are kept online.
#[derive(Clone, Debug)]
pub struct Tiled {
    /// The states of its windows.
    pub tiling: Tiling,
    /// What is kept of the newest row of each key: the features that come from no window, and hidden columns.
    pub values: Columns,
    /// The entity's key.
    key: Vec<String>,
    timestamp: String,
    seq: Option<String>,
    computed: Vec<Computed>,
}

/// Of a view, or why it cannot be kept online.
pub(super) type Keeping = Result<Tiled, String>;

impl Planner<'_> {
    /// A view with as-of windows as it is kept online; none for one without.
    ///
    /// # Errors
    /// `windows_trained_only` with the reason, and those of [`Planner::view`].
    pub fn tiled(&self, registered: &Registered) -> Result<Option<Tiled>> {
        if !crate::has_windows(registered)? {
            return Ok(None);
        }
        let rows = self.view(registered, KnownMoment::EventTime)?;
        match self.tiled_rows(registered, &rows)? {
            Ok(tiled) => Ok(Some(tiled)),
            Err(reason) => {
                let message = format!("{} cannot be brought online: {reason}", registered.pinned.reference());
                Err(Error::new(ErrorKind::Unsupported, "windows_trained_only", message)
                    .remedy("train on it: CREATE TRAINING SET … FEATURES a service that reads it"))
            }
        }
    }

    pub(super) fn tiled_rows(&self, registered: &Registered, rows: &ViewRows) -> Result<Keeping> {
        let view = view(registered)?;
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        if matches!(view.known_at, KnownAt::Column(_)) {
            return Ok(Err(
                "its rows become known later (KNOWN AT), and windows over such are not kept online yet".into()
            ));
        }
        if rows.hidden.superseded.is_some() {
            return Ok(Err("revisions take rows back, and windows over such are not kept online yet".into()));
        }
        let schema = Arc::clone(rows.plan.schema());
        let ViewWindows { calls, computed, beside } = &rows.windows;
        let calls = calls.iter().map(|call| call.renamed(|column| schema.index_of_column(column)));
        let calls = calls.collect::<Result<Vec<_>, _>>().map_err(planning_error)?;
        let tiling = match Tiling::new(&calls, schema.as_arrow()) {
            Ok(tiling) => tiling,
            Err(reason) => return Ok(Err(reason)),
        };
        let features = crate::features(view, registered, entity);
        let is_computed = |name: &str| computed.iter().any(|computed| computed.name == name);
        let mut values = Columns(features.0.into_iter().filter(|column| !is_computed(&column.name)).collect());
        for name in beside {
            let found = schema.as_arrow().field_with_name(name).map_err(Error::internal)?.data_type();
            let Some(data_type) = normal(found) else {
                return Ok(Err(format!("a column of the type {found} stands beside its windows")));
            };
            values.0.push(asof_model::Column::new(name, data_type));
        }
        Ok(Ok(Tiled {
            tiling,
            values,
            key: entity.columns.names().map(str::to_owned).collect(),
            timestamp: view.timestamp.clone(),
            seq: rows.hidden.seq.as_ref().map(|seq| seq.name.clone()),
            computed: computed.clone(),
        }))
    }

    /// The events of a view, those with a whole key and a time, for [`Tiled::events`]: all of them, or those that count only
    /// after a moment.
    ///
    /// # Errors
    /// Those of [`Planner::view`].
    pub fn events(&self, registered: &Registered, after: Option<Micros>) -> Result<LogicalPlan> {
        let view = view(registered)?;
        let entity = self.input_of_kind(registered, Kind::Entity)?;
        let rows = self.view(registered, KnownMoment::EventTime)?;
        let counting = counting(view, entity, after);
        let plan = LogicalPlanBuilder::from(rows.plan).filter(counting).and_then(LogicalPlanBuilder::build);
        plan.map_err(planning_error)
    }
}

fn view(registered: &Registered) -> Result<&View> {
    match &registered.definition {
        Definition::FeatureView(view) => Ok(view),
        other => Err(not_a(registered, Kind::FeatureView, other.kind())),
    }
}

impl Tiled {
    /// Events as they are written online: key, event time and (where it is asked for and kept) order of acceptance under these
    /// names, then what is kept of rows, then what is added to the states of windows.
    ///
    /// # Errors
    /// `internal` for rows of another plan.
    pub fn events(&self, rows: &RecordBatch, event_time: &str, seq: Option<&str>) -> Result<RecordBatch> {
        let column = |name: &str| {
            let found = rows.column_by_name(name).cloned();
            found.ok_or_else(|| Error::internal(format!("the rows of a view have no `{name}`")))
        };
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for name in &self.key {
            columns.push((name.clone(), column(name)?));
        }
        columns.push((event_time.to_owned(), column(&self.timestamp)?));
        if let (Some(name), Some(seq)) = (&self.seq, seq) {
            columns.push((seq.to_owned(), column(name)?));
        }
        for name in self.values.names() {
            columns.push((name.to_owned(), column(name)?));
        }
        columns.extend(self.tiling.inputs(rows).map_err(execution_error)?);
        let fields = columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(Error::internal)
    }

    /// Compiles the features that a service uses.
    pub(super) fn serving(&self, view: &Registered, used: &[String]) -> Result<ServedWindows> {
        let fields = self.values.0.iter().map(|c| Field::new(&c.name, c.data_type.clone(), true));
        let results = self.tiling.results_schema();
        let fields: Vec<_> = fields.chain(results.into_iter().map(|(name, t)| Field::new(name, t, true))).collect();
        let input: SchemaRef = Arc::new(Schema::new(fields));
        let schema = DFSchema::try_from(Schema::clone(&input)).map_err(planning_error)?;
        let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let features = used.iter().map(|name| {
            let computed = self.computed.iter().find(|computed| computed.name == *name);
            let expression = match computed {
                Some(computed) => unqualified(computed.expression.clone()),
                None => Expr::Column(Column::new_unqualified(name)),
            };
            let found = expression.get_type(&schema).map_err(planning_error)?;
            let wanted = view.columns.get(name).map_or(&found, |column| &column.data_type);
            let expression = kept(expression, &found, wanted).map_err(planning_error)?;
            let compiled = create_physical_expr(&expression, &schema, &properties, &context).map_err(planning_error)?;
            Ok(compiled)
        });
        let features = features.collect::<Result<Vec<_>>>()?;
        let rowless = self.computed.iter().filter(|computed| !computed.reads_row).map(|computed| computed.name.clone());
        let rowless = rowless.collect();
        Ok(ServedWindows { view: view.pinned.reference(), tiling: self.tiling.clone(), input, features, rowless })
    }
}

fn unqualified(expression: Expr) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = expression.clone().transform(|e| match e {
        Expr::Column(column) if column.relation.is_some() => {
            Ok(Transformed::yes(Expr::Column(Column::new(None::<TableReference>, column.name))))
        }
        other => Ok(Transformed::no(other)),
    });
    plain.map_or(expression, |plain| plain.data)
}

/// A view's features that a service uses, out of rows and the states of windows.
#[derive(Debug)]
pub struct ServedWindows {
    view: String,
    /// The windows.
    pub tiling: Tiling,
    input: SchemaRef,
    features: Vec<Arc<dyn PhysicalExpr>>,
    /// The view's features that come from windows alone.
    rowless: Vec<String>,
}

impl ServedWindows {
    /// Whether a feature needs the newest row, whose absence or age then explains why it has no value. What windows alone
    /// give is there for every key.
    pub(super) fn is_of_row(&self, feature: &str) -> bool {
        !self.rowless.iter().any(|name| name == feature)
    }

    /// The features, null where the key is. `values` are the columns kept of rows, null where there is no row that counts.
    ///
    /// # Errors
    /// `cannot_compute` where a sum does not fit its type or an expression fails.
    pub fn features(&self, values: &[ArrayRef], states: &dyn States, has_key: &BooleanArray) -> Result<Vec<ArrayRef>> {
        let rows = has_key.len();
        let results = self.tiling.results(&self.view, states, rows).map_err(execution_error)?;
        let columns = values.iter().cloned().chain(results.into_iter().map(|(_, column)| column)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(self.input.clone(), columns, &options).map_err(Error::internal)?;
        let hidden = not(has_key).map_err(Error::internal)?;
        let feature = |feature: &Arc<dyn PhysicalExpr>| {
            let value = feature.evaluate(&batch).map_err(execution_error)?;
            let value = value.into_array(rows).map_err(execution_error)?;
            nullif(&value, &hidden).map_err(Error::internal)
        };
        self.features.iter().map(feature).collect()
    }
}
