//! Functions of one row that make long texts and lists.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::ExprSchema;
use datafusion::error::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::check;

/// How the size of a value follows from the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// `repeat(text, times)`.
    Repeat,
    /// `lpad(text, length, …)`.
    Pad,
    /// `array_repeat(element, times)`.
    RepeatElement,
    /// `array_resize(list, length, …)`.
    Resize,
    /// `range(stop)`, `range(start, stop, step)`.
    Series,
}

/// These functions, those that can make too much within bounds.
pub(crate) fn scalars(functions: Vec<Arc<ScalarUDF>>) -> Vec<Arc<ScalarUDF>> {
    let bounded = |function: Arc<ScalarUDF>| {
        let growth = match function.name() {
            "repeat" => Growth::Repeat,
            "lpad" | "rpad" => Growth::Pad,
            "array_repeat" => Growth::RepeatElement,
            "array_resize" => Growth::Resize,
            "range" | "generate_series" => Growth::Series,
            _ => return function,
        };
        Arc::new(ScalarUDF::new_from_impl(Bounded { function: ScalarUDF::clone(&function), growth }))
    };
    functions.into_iter().map(bounded).collect()
}

/// The engine's function, after a look at its arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: ScalarUDF,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn is_nullable(&self, args: &[Expr], schema: &dyn ExprSchema) -> bool {
        #[expect(deprecated, reason = "a wrapper answers what it wraps does")]
        self.function.inner().is_nullable(args, schema)
    }

    fn is_strict(&self) -> bool {
        self.function.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Arguments that are all constant make one value.
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        // Where it cannot be told, the function itself says what is wrong with its arguments.
        let makes = self.growth.makes(&args.args, rows).unwrap_or_default();
        let of = if rows == 1 { "one row".to_owned() } else { format!("{rows} rows") };
        check(self.name(), makes, &of)?;
        self.function.invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.simplify(args, info)
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function.inner().conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.function.evaluate_bounds(input)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

impl Growth {
    /// In bytes, in all; none where the arguments do not fit.
    fn makes(self, args: &[ColumnarValue], rows: usize) -> Option<u64> {
        match (self, args) {
            (Growth::Repeat, [text, times]) => {
                let (lengths, times) = (Numbers::lengths(text)?, Numbers::of(times)?);
                sum(rows, |row| product(lengths.at(row)?, times.at(row)?))
            }
            (Growth::Pad, [_, to, ..]) => {
                let to = Numbers::of(to)?;
                sum(rows, |row| product(1, to.at(row)?))
            }
            (Growth::RepeatElement, [element, times]) => {
                let (sizes, times) = (Numbers::sizes(element)?, Numbers::of(times)?);
                sum(rows, |row| product(sizes.at(row)?, times.at(row)?))
            }
            (Growth::Resize, [list, to, fill @ ..]) => {
                let one = match (fill.first(), list.data_type()) {
                    (Some(fill), _) => Numbers::sizes(fill)?,
                    (None, DataType::List(item) | DataType::LargeList(item)) => {
                        Numbers::All(Some(width(item.data_type())))
                    }
                    (None, _) => return None,
                };
                let to = Numbers::of(to)?;
                sum(rows, |row| product(one.at(row)?, to.at(row)?))
            }
            (Growth::Series, [stop]) => {
                let stop = Numbers::of(stop)?;
                sum(rows, |row| series(0, stop.at(row)?, 1))
            }
            (Growth::Series, [start, stop, step @ ..]) => {
                let (start, stop) = (Numbers::of(start)?, Numbers::of(stop)?);
                let step = step.first().map_or(Some(Numbers::All(Some(1))), Numbers::of)?;
                sum(rows, |row| series(start.at(row)?, stop.at(row)?, step.at(row)?))
            }
            _ => None,
        }
    }
}

/// Over all rows; one with a null makes nothing.
fn sum(rows: usize, makes: impl Fn(usize) -> Option<u64>) -> Option<u64> {
    Some((0..rows).filter_map(makes).fold(0, u64::saturating_add))
}

/// What so many values of a size take.
fn product(size: i64, times: i64) -> Option<u64> {
    Some(u64::try_from(size).ok()?.saturating_mul(u64::try_from(times).ok()?))
}

/// What the numbers from one to another take, eight bytes each.
fn series(start: i64, stop: i64, step: i64) -> Option<u64> {
    let towards = if step > 0 { stop >= start } else { stop <= start };
    let steps = start.abs_diff(stop).checked_div(step.unsigned_abs())?;
    towards.then(|| steps.saturating_add(1).saturating_mul(8))
}

/// A number for each row.
enum Numbers {
    All(Option<i64>),
    Each(Int64Array),
}

impl Numbers {
    /// Integers as they are; times and steps of time in microseconds.
    fn of(value: &ColumnarValue) -> Option<Self> {
        Self::through(value, |array| match array.data_type() {
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let steps = array.as_primitive::<IntervalMonthDayNanoType>();
                Some(steps.unary::<_, Int64Type>(microseconds))
            }
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => {
                let moments = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
                Some(cast(&moments, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
            }
            _ => Some(cast(array, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone()),
        })
    }

    /// Of texts in bytes.
    fn lengths(value: &ColumnarValue) -> Option<Self> {
        Self::through(value, |array| {
            let lengths = length(array.as_ref()).ok()?;
            Some(cast(&lengths, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
        })
    }

    /// What each value takes, about; a null as much as an empty one.
    fn sizes(value: &ColumnarValue) -> Option<Self> {
        let is_text = matches!(value.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        match (is_text, value) {
            (true, _) => Self::lengths(value),
            (false, ColumnarValue::Array(array)) if array.data_type().primitive_width().is_none() => {
                let bytes = array.get_array_memory_size() / array.len().max(1);
                Some(Numbers::All(i64::try_from(bytes).ok()))
            }
            (false, ColumnarValue::Scalar(scalar)) => Some(Numbers::All(i64::try_from(scalar.size()).ok())),
            (false, value) => Some(Numbers::All(Some(width(&value.data_type())))),
        }
    }

    fn through(value: &ColumnarValue, convert: impl Fn(&ArrayRef) -> Option<Int64Array>) -> Option<Self> {
        match value {
            ColumnarValue::Array(array) => convert(array).map(Numbers::Each),
            ColumnarValue::Scalar(scalar) if scalar.is_null() => Some(Numbers::All(None)),
            ColumnarValue::Scalar(scalar) => {
                let one = convert(&scalar.to_array().ok()?)?;
                Some(Numbers::All(one.is_valid(0).then(|| one.value(0))))
            }
        }
    }

    fn at(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::All(number) => *number,
            Numbers::Each(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
        }
    }
}

/// A month counts as its fewest days: rather too many steps than too few.
fn microseconds(step: IntervalMonthDayNano) -> i64 {
    const DAY: i64 = 86_400_000_000;
    let days = i64::from(step.months) * 28 + i64::from(step.days);
    days.saturating_mul(DAY).saturating_add(step.nanoseconds / 1_000)
}

/// What a value of a type takes at least.
fn width(data_type: &DataType) -> i64 {
    let width =
        data_type.primitive_width().unwrap_or_else(|| new_null_array(data_type, 1).get_array_memory_size().min(8));
    width as i64
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{StringArray, TimestampMicrosecondArray};
    use datafusion::common::ScalarValue;

    use super::*;

    fn check(growth: Growth, args: &[ColumnarValue], rows: usize, expected: Option<u64>) {
        assert_eq!(growth.makes(args, rows), expected);
    }

    fn number(number: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(number)))
    }

    #[test]
    fn sizes_follow_from_the_arguments() {
        let texts = ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("ab"), None, Some("çç")])));
        check(Growth::Repeat, &[texts.clone(), number(10)], 3, Some(60));
        check(Growth::Repeat, &[texts.clone(), number(-1)], 3, Some(0));
        check(Growth::Repeat, &[texts.clone(), number(i64::MAX)], 3, Some(u64::MAX));
        check(Growth::Pad, &[texts.clone(), number(100)], 3, Some(300));
        check(Growth::RepeatElement, &[number(7), number(4)], 1, Some(4 * ScalarValue::Int64(Some(7)).size() as u64));
        check(Growth::Series, &[number(10)], 1, Some(88));
        check(Growth::Series, &[number(10), number(1), number(-3)], 2, Some(64));
        check(Growth::Series, &[number(10), number(1)], 1, Some(0));
        check(Growth::Series, &[number(i64::MIN), number(i64::MAX)], 1, Some(u64::MAX));
        check(Growth::Series, &[number(1), number(2), number(0)], 1, Some(0));
        let moments = |moments: Vec<i64>| ColumnarValue::Array(Arc::new(TimestampMicrosecondArray::from(moments)) as _);
        let day = IntervalMonthDayNano::new(0, 1, 0);
        let step = ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(day)));
        check(Growth::Series, &[moments(vec![0, 0]), moments(vec![864_000_000_000, 0]), step], 2, Some(96));
    }
}
