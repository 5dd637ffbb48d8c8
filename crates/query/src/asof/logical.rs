//! The as-of join as a logical node: checked when made, and pruned by the optimizer like any other.
//!
//! The optimizer may take columns away from the inputs, never filter them: a predicate on the output, pushed
//! into a view, would change which row wins. What a node needs is named by [`expressions`]; features are
//! not, and so those that disappear from a view's plan disappear from the output with it.
//!
//! [`expressions`]: UserDefinedLogicalNodeCore::expressions

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use asof_model::schema::{common_key_type, normal, sql_type, timestamp};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, Result as EngineResult, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::error::Error;
use super::{EVENT_TIME, KnownMoment, STATUS, ViewSide};
use crate::windows::WindowCall;

/// One spine joined to any number of views. Plain data: everything is in the fields and the inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AsofJoin {
    spine: LogicalPlan,
    timestamp: Column,
    views: Vec<ViewSide>,
    /// For each view the columns that decide between rows equal in (event time, known, seq); empty where no two can be.
    ties: Vec<Vec<Column>>,
    known_at: KnownMoment,
    schema: DFSchemaRef,
}

impl AsofJoin {
    /// Resolves all columns and checks types.
    pub(super) fn try_new(
        spine: LogicalPlan,
        timestamp: Column,
        views: Vec<ViewSide>,
        known_at: KnownMoment,
    ) -> Result<Self, Error> {
        let (timestamp, field) = resolve(spine.schema(), &timestamp)?;
        check_moment(&timestamp, field)?;
        let views = views.into_iter().map(|view| resolve_view(spine.schema(), view)).collect::<Result<Vec<_>, _>>()?;
        let ties =
            views.iter().map(|v| if !v.unique && may_tie(v) { v.features.clone() } else { Vec::new() }).collect();
        Self::assemble(spine, timestamp, views, ties, known_at)
    }

    fn assemble(
        spine: LogicalPlan,
        timestamp: Column,
        views: Vec<ViewSide>,
        ties: Vec<Vec<Column>>,
        known_at: KnownMoment,
    ) -> Result<Self, Error> {
        let schema = output_schema(spine.schema(), &views)?;
        Ok(AsofJoin { spine, timestamp, views, ties, known_at, schema })
    }

    /// The rows to be enriched.
    pub fn spine(&self) -> &LogicalPlan {
        &self.spine
    }

    /// The spine's column that says as of when.
    pub fn timestamp(&self) -> &Column {
        &self.timestamp
    }

    /// The views, each with the features that are still read.
    pub fn views(&self) -> &[ViewSide] {
        &self.views
    }

    /// For each view the features that decide ties.
    pub(super) fn ties(&self) -> &[Vec<Column>] {
        &self.ties
    }

    /// By when rows must have been known.
    pub fn known_at(&self) -> KnownMoment {
        self.known_at
    }
}

fn resolve<'a>(schema: &'a DFSchema, column: &Column) -> Result<(Column, &'a FieldRef), Error> {
    let (qualifier, field) = schema.qualified_field_from_column(column)?;
    Ok((Column::new(qualifier.cloned(), field.name()), field))
}

fn check_moment(column: &Column, field: &Field) -> Result<(), Error> {
    match field.data_type() {
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => Ok(()),
        other => Err(Error::not_a_moment(&column.flat_name(), other)),
    }
}

fn resolve_view(spine: &DFSchema, view: ViewSide) -> Result<ViewSide, Error> {
    let schema = view.plan.schema();
    let moment = |column: &Column| -> Result<Column, Error> {
        let (column, field) = resolve(schema, column)?;
        check_moment(&column, field)?;
        Ok(column)
    };
    let plain = |column: &Column| Ok::<_, Error>(resolve(schema, column)?.0);
    if view.on.is_empty() {
        return Err(Error::Defect(format!("no key for `{}`", view.alias)));
    }
    let on = (view.on.iter())
        .map(|(left, right)| {
            let ((left, left_field), (right, right_field)) = (resolve(spine, left)?, resolve(schema, right)?);
            key_type(left_field.data_type(), right_field.data_type()).ok_or_else(|| Error::KeyTypes {
                view: view.alias.clone(),
                view_column: right.name.clone(),
                view_type: sql_type(right_field.data_type()),
                spine_column: left.name.clone(),
                spine_type: sql_type(left_field.data_type()),
            })?;
            Ok((left, right))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let seq = view.seq.as_ref().map(plain).transpose()?;
    if let Some(seq) = &seq
        && !resolve(schema, seq)?.1.data_type().is_integer()
    {
        return Err(Error::Defect(format!("`{seq}` is not an integer")));
    }
    Ok(ViewSide {
        on,
        timestamp: moment(&view.timestamp)?,
        known: view.known.as_ref().map(moment).transpose()?,
        superseded: view.superseded.as_ref().map(moment).transpose()?,
        seq,
        features: view.features.iter().map(plain).collect::<Result<_, _>>()?,
        windows: view.windows.iter().map(|call| call.renamed(plain)).collect::<Result<_, _>>()?,
        alias: view.alias,
        unique: view.unique,
        ttl: view.ttl,
        plan: view.plan,
    })
}

/// The type in which two key columns are compared.
pub(super) fn key_type(left: &DataType, right: &DataType) -> Option<DataType> {
    common_key_type(&normal(left)?, &normal(right)?)
}

/// Whether two rows of one key may be equal in (event time, known, seq): there is no `seq`, or something above
/// the scan may have repeated it.
fn may_tie(view: &ViewSide) -> bool {
    let mut repeats = view.seq.is_none();
    // The closure never fails.
    let _ = view.plan.apply(|node| {
        repeats |= match node {
            LogicalPlan::Join(join) => !matches!(
                join.join_type,
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::RightSemi | JoinType::RightAnti
            ),
            LogicalPlan::TableScan(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Window(_) => false,
            _ => true,
        };
        Ok(if repeats { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    repeats
}

fn output_schema(spine: &DFSchema, views: &[ViewSide]) -> Result<DFSchemaRef, Error> {
    let mut fields: Vec<(Option<TableReference>, FieldRef)> =
        spine.iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
    for view in views {
        let alias = Some(TableReference::bare(view.alias.as_str()));
        for feature in &view.features {
            let (_, field) = view.plan.schema().qualified_field_from_column(feature)?;
            fields.push((alias.clone(), Arc::new(field.as_ref().clone().with_nullable(true))));
        }
        for call in &view.windows {
            fields.push((alias.clone(), Arc::new(Field::new(&call.name, call.data_type.clone(), true))));
        }
        fields.push((alias.clone(), Arc::new(Field::new(EVENT_TIME, timestamp(), true))));
        fields.push((alias, Arc::new(Field::new(STATUS, DataType::UInt8, false))));
    }
    let schema = DFSchema::new_with_metadata(fields, spine.metadata().clone());
    Ok(Arc::new(schema.map_err(|e| Error::Ambiguous(e.strip_backtrace()))?))
}

impl UserDefinedLogicalNodeCore for AsofJoin {
    fn name(&self) -> &str {
        "AsofJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        std::iter::once(&self.spine).chain(self.views.iter().map(|v| &v.plan)).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let mut columns = vec![&self.timestamp];
        for (view, ties) in self.views.iter().zip(&self.ties) {
            columns.extend(view.on.iter().flat_map(|(left, right)| [left, right]));
            columns.push(&view.timestamp);
            columns.extend([&view.known, &view.superseded, &view.seq].into_iter().flatten());
            columns.extend(ties);
            columns.extend(view.windows.iter().flat_map(WindowCall::columns));
        }
        columns.into_iter().cloned().map(Expr::Column).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsofJoin: as of {}, known at {}", self.timestamp, self.known_at)?;
        for view in &self.views {
            let on: Vec<_> = view.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
            write!(f, "; {} on {}", view.alias, on.join(", "))?;
            if let Some(ttl) = view.ttl {
                write!(f, " ttl {}us", ttl.0)?;
            }
            for call in &view.windows {
                write!(f, " {} over {}", call.written, call.frame)?;
            }
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> EngineResult<Self> {
        let mut exprs = exprs.into_iter();
        let mut column = || match exprs.next() {
            Some(Expr::Column(column)) => Ok(column),
            other => Err(Error::Defect(format!("expected a column, found {other:?}"))),
        };
        let mut inputs = inputs.into_iter();
        let mut input = || inputs.next().ok_or_else(|| Error::Defect("an input is missing".to_owned()));
        let (spine, timestamp) = (input()?, column()?);
        let (mut views, mut all_ties) = (Vec::with_capacity(self.views.len()), Vec::with_capacity(self.views.len()));
        for (view, ties) in self.views.iter().zip(&self.ties) {
            let plan = input()?;
            let on = view.on.iter().map(|_| Ok((column()?, column()?))).collect::<Result<_, Error>>()?;
            let timestamp = column()?;
            let mut optional = |c: &Option<Column>| c.as_ref().map(|_| column()).transpose();
            let (known, superseded, seq) = (optional(&view.known)?, optional(&view.superseded)?, optional(&view.seq)?);
            all_ties.push(ties.iter().map(|_| column()).collect::<Result<_, _>>()?);
            let windows = view.windows.iter().map(|call| call.renamed(|_| column())).collect::<Result<_, _>>()?;
            let features = view.features.iter().filter(|f| plan.schema().has_column(f)).cloned().collect();
            views.push(ViewSide {
                alias: view.alias.clone(),
                plan,
                on,
                timestamp,
                known,
                superseded,
                seq,
                unique: view.unique,
                ttl: view.ttl,
                features,
                windows,
            });
        }
        Ok(Self::assemble(spine, timestamp, views, all_ties, self.known_at)?)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // Where each output column comes from: the number of the input and the column there.
        let mut origins: Vec<Option<(usize, usize)>> =
            (0..self.spine.schema().fields().len()).map(|i| Some((0, i))).collect();
        for (n, view) in self.views.iter().enumerate() {
            for feature in &view.features {
                origins.push(Some((n + 1, view.plan.schema().maybe_index_of_column(feature)?)));
            }
            origins.extend(view.windows.iter().map(|_| None).chain([None, None]));
        }
        let mut needed = vec![Vec::new(); self.views.len() + 1];
        for output in output_columns {
            if let Some((input, column)) = origins.get(*output)? {
                needed[*input].push(*column);
            }
        }
        for columns in &mut needed {
            columns.sort_unstable();
            columns.dedup();
        }
        Some(needed)
    }
}

/// Required of logical nodes; there is no order among joins.
impl PartialOrd for AsofJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}
