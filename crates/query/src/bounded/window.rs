//! Aggregates over windows that hold all that they have seen, once more for every row.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{WindowFunctionDefinition, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, LogicalPlan, ReversedUDAF, Signature,
};

use super::check;

/// The plan, with those aggregates of its windows within bounds that can make too much.
pub(crate) fn windows(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Window(_) => node.map_expressions(|expr| expr.transform_up(bounded_call)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn bounded_call(mut expr: Expr) -> Result<Transformed<Expr>> {
    if let Expr::WindowFunction(call) = &mut expr
        && let WindowFunctionDefinition::AggregateUDF(function) = &call.fun
        && matches!(function.name(), "array_agg" | "string_agg")
        && !function.inner().is::<Bounded>()
    {
        call.fun = WindowFunctionDefinition::AggregateUDF(bounded(function));
        return Ok(Transformed::yes(expr));
    }
    Ok(Transformed::no(expr))
}

fn bounded(function: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Bounded(AggregateUDF::clone(function))))
}

/// The engine's aggregate, whose accumulators look at what they have made.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded(AggregateUDF);

impl AggregateUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.0.inner().window_function_schema_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.0.inner().window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.0.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.0.is_nullable()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.coerce_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.0.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let accumulator = self.0.accumulator(args)?;
        Ok(Box::new(Metered { accumulator, function: self.0.name().to_owned(), rows: 0, made: 0 }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let accumulator = self.0.create_sliding_accumulator(args)?;
        Ok(Box::new(Metered { accumulator, function: self.0.name().to_owned(), rows: 0, made: 0 }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.0.reverse_udf() {
            ReversedUDAF::Reversed(function) => ReversedUDAF::Reversed(bounded(&function)),
            other => other,
        }
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.0.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.0.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.0.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }
}

/// An accumulator of one partition, and what its values take so far. All of them are held until the partition is done.
#[derive(Debug)]
struct Metered {
    accumulator: Box<dyn Accumulator>,
    function: String,
    rows: u64,
    made: u64,
}

impl Accumulator for Metered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.accumulator.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.rows += 1;
        let value = self.accumulator.evaluate()?;
        self.made += value.size() as u64;
        check(&self.function, self.made, &format!("{} rows of one partition of an OVER", self.rows))?;
        Ok(value)
    }

    fn size(&self) -> usize {
        self.accumulator.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.accumulator.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.accumulator.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.accumulator.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.accumulator.supports_retract_batch()
    }
}
