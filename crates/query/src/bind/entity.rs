//! Entities: key columns that can be compared.

use asof_model::definition::Entity;
use asof_model::schema::{is_key_type, sql_type};

use super::{Bound, Problem};
use crate::fault::{At, Fault};
use crate::syntax::Written;

pub(super) fn bind(entity: &Entity, written: &Written) -> Result<Bound, Fault> {
    for (index, column) in entity.key.0.iter().enumerate() {
        if !is_key_type(&column.data_type) {
            return Err(Problem::ColumnType {
                column: column.name.clone(),
                found: sql_type(&column.data_type),
                purpose: "a key",
                wanted: "an integer, VARCHAR, BOOLEAN, DATE or BINARY",
            }
            .at(written.item("KEY", index)));
        }
    }
    Ok(Bound { inputs: Vec::new(), columns: entity.key.clone() })
}
