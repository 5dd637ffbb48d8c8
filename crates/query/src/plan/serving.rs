//! A service, compiled for serving: what to look up, and the expressions to apply.

use std::collections::BTreeSet;
use std::sync::Arc;

use asof_model::{Columns, Error, ErrorKind, Micros, Pinned, Registered, Result};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt8Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
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
    wanted: Vec<Wanted>,
    wanted_input: SchemaRef,
}

/// A feature of a view: which view of the service, and which of its [`ServedView::columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The position of the view.
    pub view: usize,
    /// The position of the column.
    pub column: usize,
}

/// What a computed feature reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A feature of a view.
    Stored(Stored),
    /// A parameter of the request.
    Parameter(String),
}

#[derive(Debug)]
struct Compiled {
    expression: Arc<dyn PhysicalExpr>,
    /// Where it comes from, if it is a feature of a view as it is.
    stored: Option<Stored>,
    /// The same expression over what [`Serving::wanted`] names; none for what is stored.
    computed: Option<Arc<dyn PhysicalExpr>>,
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
        let expressions = service.outputs.iter().map(|output| {
            create_physical_expr(&output.expression, &service.input, &properties, &context).map_err(planning_error)
        });
        let expressions = expressions.collect::<Result<Vec<_>>>()?;
        let input = plain_input(&service.input);
        let used = service.views.iter().map(|view| view.used.len());
        let origins = origins(used, &service.request);
        let (narrow, chosen) = narrow(&expressions, &origins)?;
        let wanted_input = Arc::new(input.project(&chosen).map_err(Error::internal)?);
        let wanted = chosen.iter().filter_map(|n| origins.get(*n).cloned()).collect();
        let outputs = service.outputs.iter().zip(expressions).zip(narrow).map(|((output, expression), computed)| {
            let of_row = output.reads.iter().map(|view| {
                let ServedView { alias, windows, .. } = &views[*view];
                let own = output.columns.iter().filter(|c| c.relation.as_ref().is_some_and(|r| r.table() == alias));
                own.into_iter().any(|c| windows.as_ref().is_none_or(|windows| windows.is_of_row(&c.name)))
            });
            let (reads, of_row) = (output.reads.clone(), of_row.collect());
            let stored = stored(&expression, &origins);
            Compiled { expression, stored, computed, reads, of_row }
        });
        let outputs = outputs.collect();
        let features = service.columns();
        Ok(Serving {
            service: registered.pinned.clone(),
            keys: keys(&views)?,
            views,
            request: service.request.clone(),
            input,
            output: Arc::new(features.to_arrow()),
            features,
            outputs,
            wanted,
            wanted_input,
        })
    }
}

/// What each column of the input is, in order, given how many features of each view there are.
fn origins(used: impl Iterator<Item = usize>, request: &Columns) -> Vec<Wanted> {
    let of_view = |(view, used)| (0..used).map(move |column| Wanted::Stored(Stored { view, column }));
    let stored = used.enumerate().flat_map(of_view);
    stored.chain(request.names().map(|name| Wanted::Parameter(name.to_owned()))).collect()
}

/// The feature that an expression is, if it does nothing to it.
fn stored(expression: &Arc<dyn PhysicalExpr>, origins: &[Wanted]) -> Option<Stored> {
    match origins.get(expression.downcast_ref::<Column>()?.index())? {
        Wanted::Stored(stored) => Some(*stored),
        Wanted::Parameter(_) => None,
    }
}

/// Expressions that compute something, none for the others; and the columns that they read.
type Narrow = (Vec<Option<Arc<dyn PhysicalExpr>>>, Vec<usize>);

/// The same expressions over no more than the columns that they read.
fn narrow(expressions: &[Arc<dyn PhysicalExpr>], origins: &[Wanted]) -> Result<Narrow> {
    let computing = |expression: &Arc<dyn PhysicalExpr>| stored(expression, origins).is_none();
    let read = expressions.iter().filter(|e| computing(e)).flat_map(collect_columns).map(|column| column.index());
    let chosen: Vec<usize> = read.collect::<BTreeSet<_>>().into_iter().collect();
    let moved = |expression: &Arc<dyn PhysicalExpr>| {
        let expression = Arc::clone(expression).transform_up(|node| {
            let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let index = chosen.binary_search(&column.index()).unwrap_or_default();
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        });
        Ok(Some(expression.map_err(planning_error)?.data))
    };
    let narrow = expressions.iter().map(|e| if computing(e) { moved(e) } else { Ok(None) });
    Ok((narrow.collect::<Result<_>>()?, chosen))
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

    /// Whether the features of all views are columns of rows: then [`stored`](Self::stored) and [`compute`](Self::compute)
    /// give all features between them.
    pub fn is_of_rows(&self) -> bool {
        self.views.iter().all(|view| view.windows.is_none())
    }

    /// Where a feature comes from that is one of a view as it is.
    pub fn stored(&self, feature: usize) -> Option<Stored> {
        self.outputs.get(feature)?.stored
    }

    /// What the other features are computed from: the columns that [`Serving::compute`] takes, in order.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// The features that are not stored, each at its position: what [`Serving::evaluate`] gives for them, by the same
    /// expressions. Nothing where all are.
    ///
    /// # Errors
    /// `cannot_compute` where an expression fails on a value; `internal` for columns of other types.
    pub fn compute(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<Vec<Option<ArrayRef>>> {
        if self.outputs.iter().all(|output| output.computed.is_none()) {
            return Ok(Vec::new());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let input = RecordBatch::try_new_with_options(self.wanted_input.clone(), columns, &options);
        let input = input.map_err(Error::internal)?;
        let compute = |output: &Compiled| {
            let Some(expression) = &output.computed else { return Ok(None) };
            let value = expression.evaluate(&input).map_err(execution_error)?;
            value.into_array(rows).map(Some).map_err(execution_error)
        };
        self.outputs.iter().map(compute).collect()
    }

    /// The features as columns.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
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
