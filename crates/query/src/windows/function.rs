//! Which functions have a value over an as-of window.
//!
//! | function | state | why its answer is one and the same |
//! |---|---|---|
//! | `count`, `sum`, `avg`, `var*`, `stddev*` | exact sums | integers: floats are summed without rounding, rounded once |
//! | `min`, `max`, `bool_and`, `bool_or` | the extreme | a maximum in a total order (NaN is the greatest float) |
//! | `first_value`, `last_value` | the row | ordered by (event time, known, seq) |
//! | `count(DISTINCT …)` | the values | a set |
//! | `approx_distinct` | HyperLogLog registers | maxima; the hash is our own, so no upgrade changes it |
//! | `approx_percentile_cont`, `approx_median` | DDSketch bins | counts; within 1 % of the value |
//! | [`MERGES`] | the engine's | they do not depend on the order in which they merge |
//! | anything, `ROWS n PRECEDING` | the rows | they are given to the function in their order |
//!
//! What else there is depends on the order in which states merge (`corr`, `covar*`, `regr*`: floats that are rounded
//! on the way), keeps every value (`array_agg`, `string_agg`), or names no row in particular (`any_value`).

use std::sync::Arc;

use asof_model::schema::sql_type;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunctionDefinition, WindowFunctionParams};
use datafusion::logical_expr::{AggregateUDF, Expr};

use super::{Frame, Measure, Problem};

/// Aggregates of the engine whose states merge in any order to the same answer.
const MERGES: [&str; 4] = ["bit_and", "bit_or", "bit_xor", "median"];

/// What is computed, and of how many leading arguments; the rest are constants of the function.
pub(super) struct Understood {
    pub(super) measure: Measure,
    pub(super) columns: usize,
}

/// What a marked function computes. `types` are those of its arguments.
pub(super) fn understand(
    function: &WindowFunctionDefinition,
    params: &WindowFunctionParams,
    types: &[DataType],
    frame: Frame,
) -> Result<Understood, Problem> {
    let ignore_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let name = function.name();
    let end = |last| understood(Measure::End { last, ignore_nulls }, 1);
    let aggregate = match function {
        WindowFunctionDefinition::WindowUDF(_) => {
            return match name {
                "first_value" => end(false),
                "last_value" => end(true),
                _ => Err(Problem::NotAnAggregate(name.to_owned())),
            };
        }
        WindowFunctionDefinition::AggregateUDF(aggregate) => aggregate,
    };
    let exact = || match types.first() {
        Some(DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Decimal128(_, _)) => Ok(()),
        found => Err(of_type(name, found, "CAST it to BIGINT, DOUBLE or DECIMAL")),
    };
    if params.distinct {
        return match name {
            "count" if types.len() == 1 => understood(Measure::CountDistinct, 1),
            // They are the same of all values as of the different ones.
            "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "approx_distinct" => {
                let plain = WindowFunctionParams { distinct: false, ..params.clone() };
                understand(function, &plain, types, frame)
            }
            _ => engines(aggregate, true, ignore_nulls, frame),
        };
    }
    match name {
        "count" if is_count_of_rows(&params.args) => understood(Measure::Count, 0),
        "count" if types.len() == 1 => understood(Measure::Count, 1),
        "sum" => exact().and_then(|()| understood(Measure::Sum, 1)),
        "avg" => exact().and_then(|()| understood(Measure::Mean, 1)),
        "var" | "var_samp" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop" => {
            if types.first() != Some(&DataType::Float64) {
                return Err(of_type(name, types.first(), "CAST it to DOUBLE"));
            }
            let spread = Measure::Spread { sample: !name.ends_with("_pop"), root: name.starts_with("stddev") };
            understood(spread, 1)
        }
        "min" | "bool_and" => understood(Measure::Extreme { greatest: false }, 1),
        "max" | "bool_or" => understood(Measure::Extreme { greatest: true }, 1),
        "approx_distinct" => understood(Measure::ApproxDistinct, 1),
        "approx_median" => quantile(name, types, 0.5),
        "approx_percentile_cont" => match params.args.as_slice() {
            [_, share] => match constant(share).and_then(|v| v.cast_to(&DataType::Float64).ok()) {
                Some(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => quantile(name, types, share),
                _ => Err(unmergeable(
                    name,
                    "its share is not a constant from 0 to 1",
                    "write approx_percentile_cont(x, 0.9)",
                )),
            },
            _ => Err(unmergeable(name, "it has a fixed error of 1 % here", "write approx_percentile_cont(x, 0.9)")),
        },
        _ => engines(aggregate, false, ignore_nulls, frame),
    }
}

fn understood(measure: Measure, columns: usize) -> Result<Understood, Problem> {
    Ok(Understood { measure, columns })
}

fn quantile(name: &str, types: &[DataType], share: f64) -> Result<Understood, Problem> {
    match types.first() {
        Some(t) if t.is_numeric() => understood(Measure::Quantile(share.to_bits()), 1),
        found => Err(of_type(name, found, "CAST it to DOUBLE")),
    }
}

/// `count(*)` is `count` of a constant.
fn is_count_of_rows(arguments: &[Expr]) -> bool {
    arguments.iter().all(|argument| constant(argument).is_some_and(|value| !value.is_null()))
}

/// The value of a literal, cast or not.
pub(super) fn constant(expression: &Expr) -> Option<ScalarValue> {
    match expression {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        _ => None,
    }
}

/// A function of the engine's own.
fn engines(
    function: &Arc<AggregateUDF>,
    distinct: bool,
    ignore_nulls: bool,
    frame: Frame,
) -> Result<Understood, Problem> {
    let name = function.name();
    const BOUND: &str = "bound them: OVER (ROWS 10 PRECEDING)";
    let reason = match name {
        _ if matches!(frame, Frame::Rows(_)) => None,
        _ if MERGES.contains(&name) && !distinct => None,
        "array_agg" | "string_agg" | "nth_value" => Some(("it keeps every row of the window", BOUND)),
        "percentile_cont" => Some(("it keeps every row of the window", "approx_percentile_cont(x, 0.9) is within 1 %")),
        "any_value" => Some(("it names no row in particular", "take first_value or last_value")),
        _ if distinct => {
            Some(("its state does not say which values it has seen", "leave DISTINCT out, or count(DISTINCT …)"))
        }
        _ => Some((
            "its answer would depend on the order in which rows come",
            "over the last n rows it has one: OVER (ROWS 10 PRECEDING)",
        )),
    };
    match reason {
        None => {
            let measure = Measure::Engine { function: Arc::clone(function), distinct, ignore_nulls };
            Ok(Understood { measure, columns: usize::MAX })
        }
        Some((reason, remedy)) => Err(unmergeable(name, reason, remedy)),
    }
}

fn unmergeable(name: &str, reason: &'static str, remedy: &'static str) -> Problem {
    Problem::Unmergeable { function: name.to_owned(), reason, remedy }
}

fn of_type(name: &str, found: Option<&DataType>, remedy: &'static str) -> Problem {
    let found = found.map_or("nothing".to_owned(), sql_type);
    Problem::Type { function: name.to_owned(), found, remedy }
}
