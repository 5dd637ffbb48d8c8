//! A service, compiled for serving: what to look up, and the expressions to apply.

use std::sync::Arc;

use asof_model::{Columns, Error, ErrorKind, Micros, Pinned, Registered, Result};
use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions, UInt8Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use super::{Planner, ServedWindows, execution_error, planning_error};
use crate::service::{plain_input, status};

/// One view of a service, and how a request finds its rows.
#[derive(Clone, Debug)]
pub struct ServedView {
    /// Its alias in the service.
    pub alias: String,
    /// The view.
    pub view: Arc<Registered>,
    /// The entity's key columns.
    pub entity_key: Columns,
    /// For each of them the request's column that holds it.
    pub from: Vec<String>,
    /// The columns of its rows that are needed: of a view without as-of windows the features, as named in the view, in its
    /// order; of one with windows all that is kept of rows.
    pub columns: Vec<String>,
    /// How features come of those columns and of windows, where the view has as-of windows.
    pub windows: Option<Arc<ServedWindows>>,
    /// Why the view cannot be served, if it cannot.
    pub refused: Option<Error>,
    /// How long a row counts.
    pub ttl: Option<Micros>,
}

/// A service version, ready to compute. Cheap to share, and free of any engine state: [`Serving::evaluate`] costs the
/// expressions and nothing else.
#[derive(Debug)]
pub struct Serving {
    /// The service.
    pub service: Pinned,
    /// Its views.
    pub views: Vec<ServedView>,
    /// The parameters that a request brings.
    pub request: Columns,
    /// The request's columns that carry keys, each once.
    pub keys: Columns,
    /// What comes out.
    pub features: Columns,
    input: SchemaRef,
    output: SchemaRef,
    outputs: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    expression: Arc<dyn PhysicalExpr>,
    reads: Vec<usize>,
    /// Of each view it reads, whether it needs the newest row and not windows alone.
    of_row: Vec<bool>,
}

/// Why the values of one view are there or not, per row, as the numbers of [`asof_model::Status`].
#[derive(Clone, Debug)]
pub struct ViewStatuses {
    /// Of its newest row: present, missing or expired.
    pub row: UInt8Array,
    /// Of its windows: present, or missing where the key is null. None where the view has none.
    pub windows: Option<UInt8Array>,
}

impl Planner<'_> {
    /// Compiles a service: the very expressions that training projects. Of tables only the columns are looked at, and only
    /// of those that views with as-of windows read.
    ///
    /// # Errors
    /// Those of binding.
    pub fn serving(&self, registered: &Registered) -> Result<Serving> {
        let service = self.service(registered)?;
        let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let views = service.views.iter().map(|view| {
            let (mut columns, mut windows, mut refused) = (view.used.clone(), None, None);
            match self.tiled(&view.view) {
                Ok(None) => {}
                Ok(Some(tiled)) => {
                    columns = tiled.values.names().map(str::to_owned).collect();
                    windows = Some(Arc::new(tiled.serving(&view.view, &view.used)?));
                }
                // The service can be described, and trained on, all the same.
                Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Precondition) => {
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
            Ok(ServedView {
                alias: view.alias.clone(),
                view: view.view.clone(),
                entity_key: view.key.clone(),
                from: view.from.clone(),
                columns,
                windows,
                refused,
                ttl: view.definition().ttl,
            })
        });
        let views: Vec<ServedView> = views.collect::<Result<_>>()?;
        let outputs = service.outputs.iter().map(|output| {
            let expression = create_physical_expr(&output.expression, &service.input, &properties, &context);
            let of_row = output.reads.iter().map(|view| {
                let ServedView { alias, windows, .. } = &views[*view];
                let own = output.columns.iter().filter(|c| c.relation.as_ref().is_some_and(|r| r.table() == alias));
                own.into_iter().any(|c| windows.as_ref().is_none_or(|windows| windows.is_of_row(&c.name)))
            });
            let (reads, of_row) = (output.reads.clone(), of_row.collect());
            Ok(Compiled { expression: expression.map_err(planning_error)?, reads, of_row })
        });
        let outputs = outputs.collect::<Result<_>>()?;
        let features = service.columns();
        Ok(Serving {
            service: registered.pinned.clone(),
            keys: keys(&views)?,
            views,
            request: service.request.clone(),
            input: plain_input(&service.input),
            output: Arc::new(features.to_arrow()),
            features,
            outputs,
        })
    }
}

/// The request's key columns. One that serves keys of several integer widths has the widest.
fn keys(views: &[ServedView]) -> Result<Columns> {
    let mut keys = Columns::default();
    for (from, key) in views.iter().flat_map(|view| view.from.iter().zip(&view.entity_key.0)) {
        match keys.0.iter_mut().find(|k| k.name == *from) {
            None => keys.0.push(asof_model::Column::new(from, key.data_type.clone())),
            Some(known) if known.data_type == key.data_type => {}
            Some(known) => {
                let common = asof_model::schema::common_key_type(&known.data_type, &key.data_type);
                known.data_type = common.ok_or_else(|| {
                    let message = format!("`{from}` is the key of two entities whose types cannot be compared");
                    Error::new(asof_model::ErrorKind::Invalid, "key_type", message)
                        .remedy("map one of them from another column: view(column) AS alias")
                })?;
            }
        }
    }
    Ok(keys)
}

impl Serving {
    /// What [`Serving::evaluate`] takes: `alias.feature` for each view's needed features in order, then the
    /// request's parameters.
    pub fn input_schema(&self) -> SchemaRef {
        self.input.clone()
    }

    /// The features of each row. The caller has put nulls where a view has no row, or only an expired one.
    ///
    /// # Errors
    /// `cannot_compute` where an expression fails on a value; `internal` for a batch of another schema.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let (given, wanted) = (rows.schema(), &self.input);
        let fits = given.fields().len() == wanted.fields().len()
            && given.fields().iter().zip(wanted.fields()).all(|(g, w)| g.data_type() == w.data_type());
        if !fits {
            return Err(Error::internal(format!("{} takes {wanted}, not {given}", self.service.reference())));
        }
        let columns = self.outputs.iter().map(|output| {
            let value = output.expression.evaluate(rows).map_err(execution_error)?;
            value.into_array(rows.num_rows()).map_err(execution_error)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(Error::internal)
    }

    /// Positions of the views that a feature reads.
    pub fn depends(&self, feature: usize) -> &[usize] {
        self.outputs.get(feature).map_or(&[], |output| &output.reads)
    }

    /// Why each value of a feature is there or not, as the numbers of [`asof_model::Status`], given the same of all views.
    pub fn statuses(&self, feature: usize, values: &dyn Array, views: &[ViewStatuses]) -> UInt8Array {
        let Some(Compiled { reads, of_row, .. }) = self.outputs.get(feature) else {
            return status::statuses(values, &[]);
        };
        let read = reads.iter().zip(of_row).filter_map(|(view, of_row)| {
            let ViewStatuses { row, windows } = views.get(*view)?;
            Some(windows.as_ref().filter(|_| !of_row).unwrap_or(row))
        });
        status::statuses(values, &read.collect::<Vec<_>>())
    }
}
