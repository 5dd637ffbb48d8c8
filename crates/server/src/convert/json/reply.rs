//! An answer as JSON text, column by column.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow::temporal_conversions::date32_to_datetime;
use asof_engine::{GetReply, ServedFeature, ServedRows};
use asof_model::schema::sql_type;
use asof_model::{Error, Micros, Pinned, Result, Status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::error::one;
use crate::convert::column::normalized;
use crate::convert::serving::Details;

/// The integers that a double holds exactly, as do those between them and zero.
const EXACT: i64 = 1 << 53;

/// # Errors
/// `unsupported_type` for a feature that cannot be sent.
pub(crate) fn from_reply(reply: &GetReply, details: Details) -> Result<Vec<u8>> {
    let values = reply.features.num_rows() * reply.features.num_columns();
    let mut json = Json(Vec::with_capacity(512 + 32 * values));
    json.raw("{\"service\":");
    json.pinned(&reply.service)?;
    json.raw(",\"at\":");
    json.moment(reply.at)?;
    json.raw(",\"features\":{");
    let schema = reply.features.schema();
    let features = schema.fields().iter().zip(reply.features.columns()).zip(&reply.details);
    for (index, ((field, array), feature)) in features.enumerate() {
        json.separate(index);
        json.scalar(field.name())?;
        json.feature(field.name(), array, feature, reply, details)?;
    }
    json.raw("}");
    if details.event_times || details.receipts {
        json.raw(",\"views\":[");
        for (index, rows) in reply.views.iter().enumerate() {
            json.separate(index);
            json.view(rows, details)?;
        }
        json.raw("]");
    }
    if details.row_errors {
        json.raw(",\"errors\":[");
        for (index, bad) in reply.errors.iter().enumerate() {
            json.separate(index);
            let mut error = one(&bad.error);
            error["row"] = bad.row.into();
            json.scalar(&error)?;
        }
        json.raw("]");
    }
    if !reply.warnings.is_empty() {
        json.raw(",\"warnings\":[");
        for (index, warning) in reply.warnings.iter().enumerate() {
            json.separate(index);
            json.raw("{\"code\":");
            json.scalar(warning.code)?;
            json.raw(",\"message\":");
            json.scalar(&warning.message)?;
            json.raw("}");
        }
        json.raw("]");
    }
    json.raw("}");
    Ok(json.0)
}

/// The text so far.
struct Json(Vec<u8>);

impl Json {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A comma before all but the first.
    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.0.push(b',');
        }
    }

    fn scalar<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut self.0, value).map_err(Error::internal)
    }

    /// Something that needs no escapes, as a text.
    fn plain(&mut self, text: impl std::fmt::Display) -> Result<()> {
        write!(self.0, "\"{text}\"").map_err(Error::internal)
    }

    fn moment(&mut self, moment: Micros) -> Result<()> {
        self.plain(moment)
    }

    fn pinned(&mut self, pinned: &Pinned) -> Result<()> {
        let Pinned { kind, project, name, version, digest } = pinned;
        let kind = kind.as_str();
        let written = write!(
            self.0,
            "{{\"kind\":\"{kind}\",\"project\":\"{project}\",\"name\":\"{name}\",\"version\":{version},\
             \"digest\":\"{digest}\"}}"
        );
        written.map_err(Error::internal)
    }

    fn feature(
        &mut self,
        name: &str,
        array: &ArrayRef,
        feature: &ServedFeature,
        reply: &GetReply,
        details: Details,
    ) -> Result<()> {
        let array = normalized(name, array)?;
        self.raw(":{\"type\":");
        self.scalar(&sql_type(array.data_type()))?;
        self.raw(",\"values\":");
        self.values(&array)?;
        self.raw(",\"statuses\":[");
        for (row, status) in feature.statuses.values().iter().enumerate() {
            self.separate(row);
            self.plain(Status::from_u8(*status).map_or("failed", Status::as_str))?;
        }
        self.raw("]");
        if details.event_times || details.receipts {
            self.raw(",\"views\":[");
            let aliases = feature.views.iter().filter_map(|view| reply.views.get(*view));
            for (index, rows) in aliases.enumerate() {
                self.separate(index);
                self.scalar(&rows.alias)?;
            }
            self.raw("]");
        }
        self.raw("}");
        Ok(())
    }

    fn view(&mut self, rows: &ServedRows, details: Details) -> Result<()> {
        self.raw("{\"alias\":");
        self.scalar(&rows.alias)?;
        if details.event_times {
            self.raw(",\"event_times\":[");
            for (row, time) in rows.event_times.iter().enumerate() {
                self.separate(row);
                match time {
                    Some(time) => self.moment(Micros(time))?,
                    None => self.raw("null"),
                }
            }
            self.raw("]");
        }
        if details.receipts {
            self.raw(",\"view\":");
            self.pinned(&rows.view)?;
            self.raw(",\"run\":");
            self.plain(rows.run)?;
            self.raw(",\"materialized_at\":");
            self.moment(rows.at)?;
        }
        self.raw("}");
        Ok(())
    }

    /// The values of a column of a normal type.
    fn values(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            DataType::Boolean => {
                let values = array.as_boolean();
                self.each(array, |json, row| json.scalar(&values.value(row)))
            }
            DataType::Int8 => {
                let values = array.as_primitive::<Int8Type>().values();
                self.each(array, |json, row| json.scalar(&values[row]))
            }
            DataType::Int16 => {
                let values = array.as_primitive::<Int16Type>().values();
                self.each(array, |json, row| json.scalar(&values[row]))
            }
            DataType::Int32 => {
                let values = array.as_primitive::<Int32Type>().values();
                self.each(array, |json, row| json.scalar(&values[row]))
            }
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>().values();
                self.each(array, |json, row| match values[row] {
                    value if (-EXACT..=EXACT).contains(&value) => json.scalar(&value),
                    value => json.plain(value),
                })
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                self.each(array, |json, row| match values[row] {
                    value if value.is_finite() => json.scalar(&value),
                    value => json.scalar(not_finite(f64::from(value))),
                })
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                self.each(array, |json, row| match values[row] {
                    value if value.is_finite() => json.scalar(&value),
                    value => json.scalar(not_finite(value)),
                })
            }
            DataType::Utf8 => {
                let values = array.as_string::<i32>();
                self.each(array, |json, row| json.scalar(values.value(row)))
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                self.each(array, |json, row| json.plain(STANDARD.encode(values.value(row))))
            }
            DataType::Date32 => {
                let values = array.as_primitive::<Date32Type>().values();
                self.each(array, |json, row| match date32_to_datetime(values[row]) {
                    Some(moment) => json.plain(moment.date()),
                    None => json.plain(format_args!("{} days", values[row])),
                })
            }
            DataType::Timestamp(_, _) => {
                let values = array.as_primitive::<TimestampMicrosecondType>().values();
                self.each(array, |json, row| json.moment(Micros(values[row])))
            }
            DataType::Decimal128(_, _) => {
                let values = array.as_primitive::<Decimal128Type>();
                self.each(array, |json, row| json.plain(values.value_as_string(row)))
            }
            DataType::List(_) => {
                let values = array.as_list::<i32>();
                self.each(array, |json, row| json.values(&values.value(row)))
            }
            other => Err(Error::internal(format!("{other} is not a normal type"))),
        }
    }

    /// `[…]`, null where there is no value.
    fn each(&mut self, array: &ArrayRef, write: impl Fn(&mut Json, usize) -> Result<()>) -> Result<()> {
        self.raw("[");
        for row in 0..array.len() {
            self.separate(row);
            if array.is_valid(row) {
                write(self, row)?;
            } else {
                self.raw("null");
            }
        }
        self.raw("]");
        Ok(())
    }
}

fn not_finite(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}
