//! What a request for features brings: one column for each key and parameter of the service, in the types it declares.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, Schema};
use asof_model::schema::{common_key_type, sql_type};
use asof_model::{Column, Error, ErrorKind, Result, name};

use crate::rows::Rows;
use crate::serve::{MAX_ENTITIES, ServingPlan};

impl ServingPlan {
    /// The request's columns, each cast to the type that the service declares.
    pub(crate) fn accept(&self, given: &RecordBatch, rows: &mut Rows) -> Result<Given<'_>> {
        let count = given.num_rows();
        if count > MAX_ENTITIES {
            let message = format!("{count} entities in one request; at most {MAX_ENTITIES} are answered");
            return Err(Error::new(ErrorKind::Invalid, "too_many_entities", message).remedy("split the request"));
        }
        let service = &self.serving.service;
        let schema = given.schema();
        let mut seen = BTreeSet::new();
        for field in schema.fields() {
            if self.request.get(field.name()).is_none() {
                let message = format!("`{}` is not a key or parameter of {}", field.name(), service.reference());
                let error = Error::new(ErrorKind::NotFound, "unknown_column", message);
                return Err(match name::nearest(field.name(), self.request.names()) {
                    Some(near) => error.remedy(format!("did you mean `{near}`?")),
                    None => error.remedy(format!("it takes: {}", self.wanted())),
                });
            }
            if !seen.insert(field.name()) {
                let message = format!("`{}` is given twice to {}", field.name(), service.reference());
                return Err(Error::new(ErrorKind::Invalid, "duplicate_column", message).remedy("give it once"));
            }
        }
        let columns = self.request.0.iter().map(|column| {
            let given = given.column_by_name(&column.name).ok_or_else(|| {
                let message =
                    format!("`{}` is missing: {} needs it{}", column.name, service.reference(), self.used_by(column));
                Error::new(ErrorKind::Invalid, "missing_column", message)
                    .remedy(format!("give all of: {}", self.wanted()))
            })?;
            Ok((column.name.as_str(), self.convert(given, column, rows)?))
        });
        Ok(Given(columns.collect::<Result<_>>()?))
    }

    /// The request's columns as the service declares them, in its order.
    pub(crate) fn declared(&self, given: &RecordBatch) -> Result<RecordBatch> {
        let accepted = self.accept(given, &mut Rows::together())?;
        let fields = self.request.0.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let arrays = self.request.names().map(|name| accepted.column(name)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(given.num_rows()));
        RecordBatch::try_new_with_options(schema, arrays, &options).map_err(Error::internal)
    }

    fn convert(&self, given: &ArrayRef, column: &Column, rows: &mut Rows) -> Result<ArrayRef> {
        let (from, to) = (given.data_type(), &column.data_type);
        if from == to {
            return Ok(given.clone());
        }
        if from.is_null() {
            return Ok(new_null_array(to, given.len()));
        }
        let is_key = self.serving.keys.get(&column.name).is_some();
        let lossless = common_key_type(from, to).is_some() || (!is_key && from.is_numeric() && to.is_numeric());
        let wrong = |reason: String| {
            let message = format!("`{}` must be {}, {reason}", column.name, sql_type(to));
            Error::new(ErrorKind::Invalid, "wrong_type", message)
        };
        if !lossless {
            return Err(wrong(format!("not {}", sql_type(from))));
        }
        rows.cast(given, to, wrong)
    }

    fn wanted(&self) -> String {
        self.request.0.iter().map(Column::to_string).collect::<Vec<_>>().join(", ")
    }

    /// ` as the key of plane_history`, for messages.
    fn used_by(&self, column: &Column) -> String {
        let users = self.serving.views.iter().filter(|v| v.from.contains(&column.name)).map(|v| v.alias.as_str());
        match users.collect::<Vec<_>>().as_slice() {
            [] => " as a request parameter".to_owned(),
            users => format!(" as the key of {}", users.join(", ")),
        }
    }
}

/// Accepted request columns, by name.
pub(crate) struct Given<'a>(Vec<(&'a str, ArrayRef)>);

impl Given<'_> {
    /// Whether each row has a value in all of these.
    pub(crate) fn has_key(&self, names: &[String], rows: usize) -> Result<BooleanArray> {
        let all = BooleanArray::from(vec![true; rows]);
        names.iter().try_fold(all, |all, name| {
            let there = arrow::compute::is_not_null(&self.column(name)).map_err(Error::internal)?;
            arrow::compute::and(&all, &there).map_err(Error::internal)
        })
    }

    pub(crate) fn column(&self, name: &str) -> ArrayRef {
        let found = self.0.iter().find(|(n, _)| *n == name).map(|(_, column)| column.clone());
        found.expect("a plan asks only for columns that its request declares")
    }
}
