//! Columns as the schema of a Delta table, and back.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use asof_model::{Columns, Result};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;

use crate::SEQ;
use crate::failure::Failure;

/// The Arrow schema of the data files: the visible columns, and the sequence number last.
pub(crate) fn physical(visible: &Columns) -> SchemaRef {
    let visible = visible.to_arrow();
    let seq = Arc::new(Field::new(SEQ, DataType::Int64, false));
    Arc::new(Schema::new(visible.fields().iter().cloned().chain([seq]).collect::<Vec<_>>()))
}

/// The schema of the Delta table with these visible columns.
pub(super) fn delta(visible: &Columns) -> Result<StructType> {
    let schema: StructType = physical(visible).as_ref().try_into_kernel().map_err(Failure::Arrow)?;
    Ok(schema)
}

/// The visible columns of a Delta table's schema.
pub(super) fn visible(schema: &Schema) -> Result<Columns> {
    let mut columns = Columns::from_arrow(schema)?;
    columns.0.retain(|column| column.name != SEQ);
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType::*;
    use asof_model::Column;
    use asof_model::schema::{parse_sql_type, timestamp};
    use deltalake::kernel::engine::arrow_conversion::TryIntoArrow as _;

    #[test]
    fn every_normal_type_comes_back_as_it_was() {
        let list = parse_sql_type("DOUBLE[]").unwrap();
        let types = [
            Boolean,
            Int8,
            Int16,
            Int32,
            Int64,
            Float32,
            Float64,
            Utf8,
            Binary,
            Date32,
            timestamp(),
            Decimal128(10, 2),
            list,
        ];
        let columns = types.into_iter().enumerate().map(|(i, t)| Column::new(format!("c{i}"), t)).collect();
        let mut columns = Columns(columns);
        columns.0[0].nullable = false;
        let arrow: Schema = (&delta(&columns).unwrap()).try_into_arrow().unwrap();
        assert_eq!(visible(&arrow).unwrap(), columns);
    }
}
