//! Two answers, to the bit.
//!
//! Values are compared in Arrow's row format, which keeps every bit: NaNs of different payload differ, and so do 0 and −0.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{cast, filter, filter_record_batch, take_record_batch};
use arrow::datatypes::{Field, Schema};
use arrow::row::{RowConverter, Rows, SortField};
use asof_model::schema::{normal, timestamp};
use asof_model::{Error, Micros, Result, Status};

use super::{Answered, Mismatch};
use crate::{GetReply, ServedFeature};

/// What training gives for some rows.
pub(super) struct Trained {
    /// Keys and parameters.
    pub(super) rows: RecordBatch,
    /// Each feature followed by its status.
    pub(super) features: RecordBatch,
}

impl Trained {
    fn value(&self, feature: usize) -> &ArrayRef {
        self.features.column(2 * feature)
    }

    fn status(&self, feature: usize, row: usize) -> &str {
        self.features.column(2 * feature + 1).as_string::<i32>().value(row)
    }

    /// What differs in rows that do, feature by feature: the first so many.
    pub(super) fn mismatches(&self, reply: &GetReply, rows: &[usize], most: usize) -> Result<Vec<Mismatch>> {
        let mut found = Vec::new();
        for (feature, details) in reply.details.iter().enumerate() {
            let pair = Pair::new(self, reply, feature)?;
            found
                .extend(rows.iter().filter(|row| !pair.same(self, details, feature, **row)).map(|row| (*row, feature)));
        }
        // Row by row, as they are read.
        found.sort_unstable();
        found.truncate(most);
        found.into_iter().map(|(row, feature)| self.mismatch(reply, row, feature)).collect()
    }

    /// One feature of one row, in both answers.
    pub(super) fn mismatch(&self, reply: &GetReply, row: usize, feature: usize) -> Result<Mismatch> {
        let name = reply.features.schema_ref().field(feature).name().clone();
        let details = &reply.details[feature];
        let views = details.views.iter().filter_map(|view| reply.views.get(*view));
        Ok(Mismatch {
            request: taken(&self.rows, &[row])?,
            at: reply.at,
            served: Answered {
                value: one(&name, reply.features.column(feature), row)?,
                status: Status::from_u8(details.statuses.value(row)),
            },
            trained: Answered {
                value: one(&name, self.value(feature), row)?,
                status: status_of(self.status(feature, row)),
            },
            feature: name,
            receipts: views.map(|view| (view.alias.clone(), view.receipt(row))).collect(),
        })
    }
}

/// Which rows differ in each of some features.
pub(super) fn differing_in(reply: &GetReply, trained: &Trained, features: &[usize]) -> Result<Vec<(usize, usize)>> {
    fits(reply, trained)?;
    let mut found = Vec::new();
    for feature in features {
        let pair = Pair::new(trained, reply, *feature)?;
        let details = &reply.details[*feature];
        let rows = (0..trained.features.num_rows()).filter(|row| !pair.same(trained, details, *feature, *row));
        found.extend(rows.map(|row| (row, *feature)));
    }
    found.sort_unstable();
    Ok(found)
}

/// Which rows differ in some feature.
pub(super) fn differing(reply: &GetReply, trained: &Trained) -> Result<Vec<usize>> {
    fits(reply, trained)?;
    let rows = trained.features.num_rows();
    let mut different = vec![false; rows];
    for (feature, details) in reply.details.iter().enumerate() {
        let pair = Pair::new(trained, reply, feature)?;
        for (row, different) in different.iter_mut().enumerate() {
            *different |= !pair.same(trained, details, feature, row);
        }
    }
    Ok((0..rows).filter(|row| different[*row]).collect())
}

/// Both are of the same rows and features.
fn fits(reply: &GetReply, trained: &Trained) -> Result<()> {
    let (served, rows) = (&reply.features, trained.features.num_rows());
    if served.num_rows() == rows && 2 * served.num_columns() == trained.features.num_columns() {
        return Ok(());
    }
    let message = format!(
        "{} rows of {} features were served, and {rows} of {} computed",
        served.num_rows(),
        served.num_columns(),
        trained.features.num_columns() / 2
    );
    Err(Error::internal(message))
}

/// Both columns of one feature.
struct Pair {
    served: Rows,
    trained: Rows,
}

impl Pair {
    fn new(trained: &Trained, reply: &GetReply, feature: usize) -> Result<Self> {
        let (served, trained) = (plain(reply.features.column(feature))?, plain(trained.value(feature))?);
        if served.data_type() != trained.data_type() {
            let message = format!("{} is served, and {} computed", served.data_type(), trained.data_type());
            return Err(Error::internal(message));
        }
        let converter = RowConverter::new(vec![SortField::new(served.data_type().clone())]).map_err(Error::internal)?;
        let rows = |column| converter.convert_columns(&[column]).map_err(Error::internal);
        Ok(Pair { served: rows(served)?, trained: rows(trained)? })
    }

    fn same(&self, trained: &Trained, details: &ServedFeature, feature: usize, row: usize) -> bool {
        let status = Status::from_u8(details.statuses.value(row));
        self.served.row(row) == self.trained.row(row) && status == status_of(trained.status(feature, row))
    }
}

/// A column in the one type that Asof keeps for its values.
pub(crate) fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    match normal(column.data_type()) {
        Some(normal) if normal != *column.data_type() => cast(column, &normal).map_err(Error::internal),
        _ => Ok(column.clone()),
    }
}

pub(crate) fn status_of(name: &str) -> Option<Status> {
    (0..).map_while(Status::from_u8).find(|status| status.as_str() == name)
}

pub(crate) fn one(name: &str, column: &ArrayRef, row: usize) -> Result<RecordBatch> {
    let field = Field::new(name, column.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column.slice(row, 1)]).map_err(Error::internal)
}

/// Some rows.
pub(crate) fn taken(rows: &RecordBatch, which: &[usize]) -> Result<RecordBatch> {
    let places: UInt32Array = which.iter().map(|row| *row as u32).collect();
    take_record_batch(rows, &places).map_err(Error::internal)
}

/// The rows with a moment, the same one for all.
pub(crate) fn at_moment(rows: &RecordBatch, name: &str, at: Micros) -> Result<RecordBatch> {
    let moments = TimestampMicrosecondArray::from(vec![at.0; rows.num_rows()]).with_data_type(timestamp());
    let moment = Arc::new(Field::new(name, timestamp(), true));
    let fields = rows.schema().fields().iter().cloned().chain([moment]).collect::<Vec<_>>();
    let columns = rows.columns().iter().cloned().chain([Arc::new(moments) as ArrayRef]).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(Error::internal)
}

/// A reply, and the rows asked for, without those that could not be answered.
pub(crate) fn without_failed(mut reply: GetReply, rows: &RecordBatch) -> Result<(GetReply, RecordBatch)> {
    if reply.errors.is_empty() {
        return Ok((reply, rows.clone()));
    }
    let mut answered = vec![true; rows.num_rows()];
    reply.errors.iter().for_each(|bad| answered[bad.row] = false);
    let answered = BooleanArray::from(answered);
    reply.features = filter_record_batch(&reply.features, &answered).map_err(Error::internal)?;
    for feature in &mut reply.details {
        let statuses = filter(&feature.statuses, &answered).map_err(Error::internal)?;
        feature.statuses = statuses.as_primitive().clone();
    }
    for view in &mut reply.views {
        let times = filter(&view.event_times, &answered).map_err(Error::internal)?;
        view.event_times = times.as_primitive().clone();
    }
    reply.errors.clear();
    Ok((reply, filter_record_batch(rows, &answered).map_err(Error::internal)?))
}
