//! Rows of a file as rows of the dataset: columns put in their places, values converted, conditions held.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::cast::AsArray as _;
use arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use asof_model::definition::Dataset;
use asof_model::{Column, Result};

use super::checks::Checks;
use super::convert::{Floored, Unfit, text, typed};
use super::read::Raw;
use super::refusal::{Refusal, Row};
use super::shape::Shape;
use super::survey::FileColumns;
use crate::failure::Failure;

/// Fits the rows of one file to the dataset.
pub(crate) struct Fit {
    file: String,
    /// Whether texts may be values of another type, written down.
    is_text: bool,
    /// The visible columns.
    schema: SchemaRef,
    columns: Vec<(Column, From, Demand)>,
    checks: Arc<Checks>,
    /// Rows of the file so far.
    rows: u64,
    /// Rows with a time that was floored.
    pub(crate) floored: u64,
}

/// Where the values of a column come from.
enum From {
    /// The file's column of that place.
    File(usize),
    /// One value for all rows: an array of one.
    Constant(ArrayRef),
    /// Nowhere: null.
    Nowhere,
}

/// What a column may not be.
#[derive(Clone, Copy, PartialEq)]
enum Demand {
    Nothing,
    NotNull,
    Timestamp,
}

impl Fit {
    /// # Errors
    /// A column that may not be null is neither in the file nor set; a column is both; a constant is not of its type.
    pub(crate) fn new(
        definition: &Dataset,
        shape: &Shape,
        file: &FileColumns,
        is_text: bool,
        set: &BTreeMap<String, String>,
        checks: Arc<Checks>,
    ) -> Result<Self, Refusal> {
        let mut columns = Vec::with_capacity(shape.columns.0.len());
        for column in &shape.columns.0 {
            let name = &column.name;
            let demand = match () {
                () if *name == definition.timestamp => Demand::Timestamp,
                () if !column.nullable || shape.not_null.contains(name) => Demand::NotNull,
                () => Demand::Nothing,
            };
            let from = match (file.position(name), set.get(name)) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::Set(format!("--set {name}: {} has the column already", file.file)));
                }
                (Some(at), None) => From::File(at),
                (None, Some(text)) => From::Constant(constant(column, text)?),
                (None, None) => From::Nowhere,
            };
            let why = match demand {
                Demand::Timestamp => Some("which is the TIMESTAMP"),
                Demand::NotNull => Some("which is NOT NULL"),
                Demand::Nothing if definition.key.contains(name) => Some("which is part of the KEY"),
                Demand::Nothing => None,
            };
            if let (From::Nowhere, Some(why)) = (&from, why) {
                return Err(Refusal::MissingColumn { file: file.file.clone(), column: name.clone(), why });
            }
            columns.push((column.clone(), from, demand));
        }
        Ok(Fit {
            file: file.file.clone(),
            is_text,
            schema: Arc::new(shape.columns.to_arrow()),
            columns,
            checks,
            rows: 0,
            floored: 0,
        })
    }

    /// Rows of the dataset, in the order of the file.
    ///
    /// # Errors
    /// The first value of the first column that does not fit, a null where none may be, a failed check.
    pub(crate) fn apply(&mut self, raw: Raw) -> Result<RecordBatch> {
        let at = |row: usize| Row {
            file: self.file.clone(),
            row: self.rows + row as u64 + 1,
            line: raw.lines.as_ref().and_then(|lines| lines.get(row).copied()),
        };
        let mut floored = Floored::default();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, from, demand) in &self.columns {
            let array = match from {
                From::File(index) => {
                    let array = &raw.columns[*index];
                    let converted = match array.as_string_opt::<i32>() {
                        Some(texts) if self.is_text => text::texts(texts, &column.data_type, &mut floored),
                        _ => typed(array, &column.data_type, &mut floored),
                    };
                    converted.map_err(|unfit| self.refusal(unfit, column, at))?
                }
                From::Constant(one) => repeat(one, raw.rows)?,
                From::Nowhere => new_null_array(&column.data_type, raw.rows),
            };
            if *demand != Demand::Nothing && array.null_count() > 0 {
                let row = (0..array.len()).find(|row| array.is_null(*row)).unwrap_or_default();
                let column = column.name.clone();
                return Err(match demand {
                    Demand::Timestamp => Refusal::NoTimestamp { at: at(row), column },
                    _ => Refusal::Null { at: at(row), column },
                }
                .into());
            }
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(Failure::from)?;
        if let Some(violation) = self.checks.violation(&batch)? {
            return Err(Refusal::Check {
                at: at(violation.row),
                check: violation.check.to_owned(),
                condition: violation.condition.to_owned(),
                values: violation.values,
            }
            .into());
        }
        self.rows += raw.rows as u64;
        self.floored += floored.count();
        Ok(batch)
    }

    /// How many rows the file had so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    fn refusal(&self, unfit: Unfit, column: &Column, at: impl Fn(usize) -> Row) -> Refusal {
        let (name, to) = (column.name.clone(), column.data_type.clone());
        match unfit {
            Unfit::Value(bad) => Refusal::NotA { at: at(bad.row), column: name, value: bad.value, to },
            Unfit::Type(found) => {
                let found = asof_model::schema::normal(&found).unwrap_or(found);
                let found = asof_model::schema::sql_type(&found);
                Refusal::WrongType { file: self.file.clone(), column: name, found, kept: to }
            }
        }
    }
}

fn constant(column: &Column, written: &str) -> Result<ArrayRef, Refusal> {
    let one = StringArray::from(vec![(!written.is_empty()).then_some(written)]);
    text::texts(&one, &column.data_type, &mut Floored::default()).map_err(|_| {
        let sql = asof_model::schema::sql_type(&column.data_type);
        Refusal::Set(format!("--set {}: {written:?} is not a {sql}", column.name))
    })
}

fn repeat(one: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    if one.data_type() == &DataType::Null || one.is_null(0) {
        return Ok(new_null_array(one.data_type(), rows));
    }
    let indices = arrow::array::UInt32Array::from(vec![0; rows]);
    Ok(arrow::compute::take(one, &indices, None).map_err(Failure::from)?)
}
