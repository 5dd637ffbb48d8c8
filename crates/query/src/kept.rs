//! Values in the types that are kept: casts, except where a cast would not say what SEMANTICS.md says.
//!
//! Moments finer than a microsecond are floored, before 1970 too; a cast, and `date_trunc` of a constant, would
//! round those towards 1970. It is written with the engine's own operators, so that it folds and travels as any
//! other expression.

use asof_model::schema::timestamp;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, cast, lit, when};

/// `value`, which is a `from`, as a `to`.
pub(crate) fn kept(value: Expr, from: &DataType, to: &DataType) -> Result<Expr> {
    match (from, to) {
        _ if from == to => Ok(value),
        (DataType::Timestamp(TimeUnit::Nanosecond, _), to) if *to == timestamp() => floored(value),
        _ => Ok(cast(value, to.clone())),
    }
}

/// Nanoseconds floored to microseconds. Division rounds towards zero, so below it a remainder costs one more.
fn floored(nanoseconds: Expr) -> Result<Expr> {
    let nanoseconds = cast(nanoseconds, DataType::Int64);
    let rest = nanoseconds.clone() % lit(1_000_i64);
    let borrowed = when(rest.lt(lit(0_i64)), lit(1_i64)).otherwise(lit(0_i64))?;
    Ok(cast(nanoseconds / lit(1_000_i64) - borrowed, timestamp()))
}
