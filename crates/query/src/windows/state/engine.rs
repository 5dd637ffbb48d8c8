//! An aggregate of the engine's, through its own accumulator: a group per node that holds something, and at the end
//! the groups on the way from each leaf to the root merged into the slot's own.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, UInt32Array, UInt64Array};
use datafusion::arrow::compute::{cast, concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};

use super::super::Argument;
use super::super::place::{Placed, Slots};
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
        if other.nodes.is_empty() {
            return Ok(());
        }
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

    /// Each slot's own group.
    fn by_leaf(&mut self, slots: &dyn Slots) -> Result<ArrayRef> {
        let mut groups = vec![None; slots.moments().len()];
        each_slot(slots, |slot, mut path| groups[slot] = path.next().and_then(|leaf| self.nodes.get(&leaf).copied()));
        let all = if self.nodes.is_empty() { None } else { Some(self.groups.evaluate(EmitTo::All)?) };
        self.spread(all, &groups)
    }

    /// The groups of each slot's path, merged. A group is made for slots that have something only: accumulators take it
    /// that no group is without rows.
    fn by_path(&mut self, slots: &dyn Slots) -> Result<ArrayRef> {
        let mut groups = vec![None; slots.moments().len()];
        let mut pairs: Vec<(u64, usize)> = Vec::new();
        let mut count = 0;
        each_slot(slots, |slot, path| {
            for node in path.filter_map(|place| self.nodes.get(&place)) {
                let group = *groups[slot].get_or_insert(count);
                pairs.push((*node as u64, group));
                count = count.max(group + 1);
            }
        });
        if pairs.is_empty() {
            return self.spread(None, &groups);
        }
        let states = self.groups.state(EmitTo::All)?;
        let mut merged = accumulator(&self.expression)?;
        for pairs in pairs.chunks(PAIRS) {
            let nodes: UInt64Array = pairs.iter().map(|(node, _)| *node).collect::<Vec<_>>().into();
            let part = states.iter().map(|state| Ok(take(state, &nodes, None)?)).collect::<Result<Vec<_>>>()?;
            let into: Vec<usize> = pairs.iter().map(|(_, group)| *group).collect();
            // As many groups as have come up by now: they are numbered as they come.
            let known = pairs.iter().map(|(_, group)| group + 1).max().unwrap_or(0);
            merged.merge_batch(&part, &into, known)?;
        }
        let all = merged.evaluate(EmitTo::All)?;
        self.spread(Some(all), &groups)
    }

    /// The result of each slot's group, or that of no rows.
    fn spread(&self, results: Option<ArrayRef>, groups: &[Option<usize>]) -> Result<ArrayRef> {
        let nothing = self.expression.create_accumulator()?.evaluate()?.to_array()?;
        let Some(results) = results else {
            return Ok(take(&nothing, &UInt64Array::from(vec![0; groups.len()]), None)?);
        };
        let nothing = cast(&nothing, results.data_type())?;
        let behind = results.len() as u64;
        let all = concat(&[results.as_ref(), nothing.as_ref()])?;
        let chosen: Vec<u64> = groups.iter().map(|group| group.map_or(behind, |group| group as u64)).collect();
        Ok(take(&all, &UInt64Array::from(chosen), None)?)
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
