//! Why an output has, or has not, a value (rule 6), for training and serving alike.
//!
//! A value that is there is *present*, whatever it was computed from. One that is not is *missing* if a view it
//! reads had no row, else *expired* if one had only rows older than its TTL, else *null*.

use std::sync::Arc;

use asof_model::Status;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, UInt8Array};
use datafusion::arrow::datatypes::{DataType, UInt8Type};
use datafusion::common::{Result as EngineResult, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The status of each row of an output, from its values and the statuses of the views it reads.
pub(crate) fn statuses(values: &dyn Array, views: &[&UInt8Array]) -> UInt8Array {
    let nulls = values.logical_nulls();
    let status = |row: usize| {
        let found = |status: Status| views.iter().any(|v| v.is_valid(row) && v.value(row) == status as u8);
        if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
            Status::Present
        } else if found(Status::Missing) {
            Status::Missing
        } else if found(Status::Expired) {
            Status::Expired
        } else {
            Status::Null
        }
    };
    (0..values.len()).map(|row| Some(status(row) as u8)).collect()
}

/// [`statuses`] as an expression that gives their names.
pub(crate) fn expression(value: Expr, views: impl IntoIterator<Item = Expr>) -> Expr {
    let function =
        ScalarUDF::new_from_impl(FeatureStatus { signature: Signature::variadic_any(Volatility::Immutable) });
    Arc::new(function).call(std::iter::once(value).chain(views).collect())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FeatureStatus {
    signature: Signature,
}

impl ScalarUDFImpl for FeatureStatus {
    fn name(&self) -> &str {
        "feature_status"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some((value, views)) = arrays.split_first() else { return exec_err!("a status is that of a value") };
        // Constants only: they are broadcast to one row, and so is the answer.
        let rows = if args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_))) { 1 } else { args.number_rows };
        let views: Vec<&UInt8Array> = views.iter().filter_map(|v| v.as_primitive_opt::<UInt8Type>()).collect();
        let names = statuses(value.as_ref(), &views);
        let names: StringArray = names.iter().map(|s| s.and_then(Status::from_u8).map(Status::as_str)).collect();
        let names: ArrayRef = Arc::new(names);
        if rows == 1 && names.len() == 1 {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&names, 0)?));
        }
        Ok(ColumnarValue::Array(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;

    fn check(value: Option<i64>, views: &[Status], expected: Status) {
        let views: Vec<_> = views.iter().map(|s| UInt8Array::from(vec![*s as u8])).collect();
        let found = statuses(&Int64Array::from(vec![value]), &views.iter().collect::<Vec<_>>());
        assert_eq!(Status::from_u8(found.value(0)), Some(expected));
    }

    #[test]
    fn the_worst_reason_explains_a_value_that_is_not_there() {
        use Status::*;
        check(Some(1), &[Missing, Expired], Present);
        check(None, &[Present, Expired, Missing], Missing);
        check(None, &[Present, Expired], Expired);
        check(None, &[Present], Null);
        check(None, &[], Null);
    }
}
