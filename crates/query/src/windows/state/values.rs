//! Values of any type as bytes that compare as the values do, and back.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::internal_err;
use datafusion::error::Result;
use std::sync::Arc;

/// A value, encoded.
pub(super) type Bytes = Box<[u8]>;

/// What encodes the values of one type.
pub(super) struct Encoding {
    converter: RowConverter,
}

impl Encoding {
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        Ok(Encoding { converter: RowConverter::new(vec![SortField::new(data_type.clone())])? })
    }

    pub(super) fn encode(&self, values: &ArrayRef) -> Result<Rows> {
        Ok(self.converter.convert_columns(std::slice::from_ref(values))?)
    }

    /// One value per item, null for none.
    pub(super) fn decode<'a>(
        &self,
        values: impl Iterator<Item = Option<&'a [u8]>>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        let null = self.encode(&datafusion::arrow::array::new_null_array(data_type, 1))?;
        let parser = self.converter.parser();
        let rows = values.map(|value| parser.parse(value.unwrap_or_else(|| null.row(0).data())));
        match self.converter.convert_rows(rows)?.pop() {
            Some(column) => Ok(column),
            None => internal_err!("one column was encoded"),
        }
    }
}

/// Floats of which equal ones have equal bytes: one zero and one NaN. Other values as they are.
pub(in super::super) fn canonical(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float64 => {
            let one = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
            let values: Float64Array = values.as_primitive::<Float64Type>().unary(one);
            Arc::new(values)
        }
        DataType::Float32 => {
            let one = |v: f32| if v.is_nan() { f32::NAN } else { v + 0.0 };
            let values: Float32Array = values.as_primitive::<Float32Type>().unary(one);
            Arc::new(values)
        }
        _ => Arc::clone(values),
    }
}
