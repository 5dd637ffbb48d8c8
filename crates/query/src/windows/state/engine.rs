//! An aggregate of the engine's, through its own accumulator: a group per node that holds something, and at the end
//! the groups on the way from each leaf to the root merged into the slot's own.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt32Array, UInt64Array, new_empty_array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};

use super::super::place::{Placed, Slots};
use super::super::Argument;
use super::Batch;
use super::tree::{each_slot, places};

/// Which aggregate, of what.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Aggregate {
    pub(in super::super) function: Arc<AggregateUDF>,
    pub(in super::super) arguments: Vec<Argument<usize>>,
    /// The types of the arguments.
    pub(in super::super) types: Vec<DataType>,
    pub(in super::super) distinct: bool,
    pub(in super::super) ignore_nulls: bool,
    /// Whether each slot's events come together, in their order: then there is nothing to merge.
    pub(in super::super) in_order: bool,
}

/// Merged at a time, in pairs of a slot and a node.
const PAIRS: usize = 8192;

/// The states of one aggregate.
pub(in super::super) struct Engine {
    aggregate: Aggregate,
    expression: Arc<AggregateFunctionExpr>,
    groups: Box<dyn GroupsAccumulator>,
    /// The group of each node that holds something.
    nodes: HashMap<usize, usize>,
}

impl Engine {
    pub(super) fn new(aggregate: Aggregate) -> Result<Self> {
        let expression = Arc::new(expression(&aggregate)?);
        let groups = accumulator(&expression)?;
        Ok(Engine { aggregate, expression, groups, nodes: HashMap::new() })
    }

    pub(super) fn absorb(&mut self, placed: &[Placed], batch: &Batch<'_>) -> Result<()> {
        let (mut rows, mut groups) = (Vec::with_capacity(placed.len()), Vec::with_capacity(placed.len()));
        for placed in placed {
            for place in places(placed) {
                let next = self.nodes.len();
                rows.push(placed.row);
                groups.push(*self.nodes.entry(place).or_insert(next));
            }
        }
        let rows = UInt32Array::from(rows);
        let values = self.aggregate.arguments.iter().map(|argument| match argument {
            Argument::Column(input) => Ok(take(&batch.inputs[*input], &rows, None)?),
            Argument::Constant(value) => value.to_array_of_size(groups.len()),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        self.groups.update_batch(&values, &groups, None, self.nodes.len())
    }

    pub(super) fn merge(&mut self, mut other: Engine) -> Result<()> {
        let states = other.groups.state(EmitTo::All)?;
        let mut groups = vec![0; other.nodes.len()];
        for (place, group) in other.nodes {
            let next = self.nodes.len();
            groups[group] = *self.nodes.entry(place).or_insert(next);
        }
        self.groups.merge_batch(&states, &groups, self.nodes.len())
    }

    /// Per slot.
    pub(in super::super) fn finish(&mut self, slots: &dyn Slots) -> Result<ArrayRef> {
        if self.aggregate.in_order { self.by_leaf(slots) } else { self.by_path(slots) }
    }

    /// Each slot's own group; an empty one for a slot without events.
    fn by_leaf(&mut self, slots: &dyn Slots) -> Result<ArrayRef> {
        let empty = self.nodes.len();
        self.groups.update_batch(&self.nothing()?, &[], None, empty + 1)?;
        let all = self.groups.evaluate(EmitTo::All)?;
        let mut chosen = vec![empty as u64; slots.moments().len()];
        each_slot(slots, |slot, mut path| {
            let leaf = path.next().and_then(|leaf| self.nodes.get(&leaf));
            chosen[slot] = leaf.map_or(empty as u64, |group| *group as u64);
        });
        Ok(take(&all, &UInt64Array::from(chosen), None)?)
    }

    /// The groups of each slot's path, merged.
    fn by_path(&mut self, slots: &dyn Slots) -> Result<ArrayRef> {
        let count = slots.moments().len();
        let states = self.groups.state(EmitTo::All)?;
        let mut merged = accumulator(&self.expression)?;
        merged.update_batch(&self.nothing()?, &[], None, count)?;
        let (mut rows, mut into) = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
        let mut pairs = Vec::new();
        each_slot(slots, |slot, path| {
            pairs.extend(path.filter_map(|place| Some((*self.nodes.get(&place)? as u64, slot))));
        });
        for pairs in pairs.chunks(PAIRS) {
            rows.clear();
            into.clear();
            rows.extend(pairs.iter().map(|(row, _)| *row));
            into.extend(pairs.iter().map(|(_, slot)| *slot));
            let rows = UInt64Array::from(rows.clone());
            let part = states.iter().map(|state| Ok(take(state, &rows, None)?)).collect::<Result<Vec<_>>>()?;
            merged.merge_batch(&part, &into, count)?;
        }
        merged.evaluate(EmitTo::All)
    }

    /// Arguments without rows.
    fn nothing(&self) -> Result<Vec<ArrayRef>> {
        Ok(self.aggregate.types.iter().map(new_empty_array).collect())
    }

    pub(super) fn size(&self) -> usize {
        self.groups.size() + 2 * self.nodes.capacity() * size_of::<(usize, usize)>()
    }
}

fn expression(aggregate: &Aggregate) -> Result<AggregateFunctionExpr> {
    let fields = aggregate.types.iter().enumerate().map(|(n, t)| Field::new(format!("a{n}"), t.clone(), true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arguments = aggregate.arguments.iter().enumerate().map(|(n, argument)| match argument {
        Argument::Column(_) => Arc::new(Column::new(schema.field(n).name(), n)) as Arc<dyn PhysicalExpr>,
        Argument::Constant(value) => Arc::new(Literal::new(value.clone())),
    });
    AggregateExprBuilder::new(Arc::clone(&aggregate.function), arguments.collect())
        .schema(schema.clone())
        .alias(aggregate.function.name())
        .with_distinct(aggregate.distinct)
        .with_ignore_nulls(aggregate.ignore_nulls)
        .build()
}

fn accumulator(expression: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if expression.groups_accumulator_supported() {
        return expression.create_groups_accumulator();
    }
    let expression = Arc::clone(expression);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || expression.create_accumulator())))
}

/// The type of a constant argument.
pub(in super::super) fn type_of(argument: &Argument<usize>, types: &[DataType]) -> DataType {
    match argument {
        Argument::Column(input) => types[*input].clone(),
        Argument::Constant(value) => ScalarValue::data_type(value),
    }
}
