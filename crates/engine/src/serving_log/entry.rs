//! An entry, as a row of the table and back.
//!
//! | column | |
//! |---|---|
//! | `logged_at` | when it was answered |
//! | `service`, `digest` | the version that answered |
//! | `moment` | the moment that was answered for |
//! | `rows` | how many entities were answered |
//! | `request` | keys and parameters, an Arrow IPC stream of one batch |
//! | `answer` | each feature, and behind it its status as `<feature>__status`; an Arrow IPC stream of one batch |
//! | `receipts` | JSON, by view: alias, version, run, moment of publication, event times in microseconds |
//! | `accepted` | JSON, by dataset: up to which number of acceptance pushed rows were there before the reading, and had begun to be written after it |
//! | `dropped` | how many requests before this one were to be logged, and were not |
//!
//! Arrow IPC keeps every bit of every value; JSON could not say which NaN it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use asof_model::schema::timestamp;
use asof_model::{Error, ErrorKind, Micros, Name, Pinned, Result, RunId, Status};
use asof_online::Published;
use serde::{Deserialize, Serialize};

use super::Handed;
use crate::equal::{status_of, without_failed};
use crate::serve::ServingPlan;
use crate::{GetReply, ServedFeature, ServedRows};

/// What the rows of a view rested on, besides its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ground {
    /// Whether it follows what is pushed.
    pub(crate) follows: bool,
    /// When the first of the rows that its run read, and that did not count yet, begins to; none where all did, or where it does
    /// not follow and so nobody looked.
    pub(crate) due: Option<Micros>,
}

impl Ground {
    pub(super) fn of(published: &Published) -> Self {
        let basis = published.basis.as_ref();
        Ground { follows: basis.is_some(), due: basis.and_then(|basis| basis.due) }
    }
}

/// What one view contributed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Receipt {
    alias: String,
    view: Pinned,
    run: RunId,
    at: Micros,
    /// None where it was published anew while it was read.
    ground: Option<Ground>,
    event_times: Vec<Option<i64>>,
}

/// How far the pushes to a dataset had come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Accepted {
    before: i64,
    after: i64,
}

/// An entry that was read back.
pub(crate) struct Entry {
    /// Keys and parameters, in the types that the service declares.
    pub(crate) request: RecordBatch,
    pub(crate) reply: GetReply,
    pub(crate) accepted: BTreeMap<Name, (i64, i64)>,
    pub(crate) grounds: Vec<Option<Ground>>,
}

impl Entry {
    /// Whether rows were pushed, or a view was published, while it was read: then it cannot be told which rows were there.
    pub(crate) fn is_moving(&self) -> bool {
        self.accepted.values().any(|(before, after)| before != after) || self.grounds.contains(&None)
    }
}

/// The columns of the table.
pub(crate) mod columns {
    pub(crate) const LOGGED_AT: &str = "logged_at";
    pub(crate) const SERVICE: &str = "service";
    pub(crate) const DIGEST: &str = "digest";
    pub(crate) const MOMENT: &str = "moment";
    pub(crate) const ROWS: &str = "rows";
    pub(crate) const REQUEST: &str = "request";
    pub(crate) const ANSWER: &str = "answer";
    pub(crate) const RECEIPTS: &str = "receipts";
    pub(crate) const ACCEPTED: &str = "accepted";
    pub(crate) const DROPPED: &str = "dropped";
}

/// Entries as rows of the table; none where no row was answered. The last tells how many were dropped.
pub(crate) fn encode(entries: &[Handed], dropped: u64) -> Result<Option<RecordBatch>> {
    let rows = entries.iter().map(Row::of).collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    let Some(last) = rows.len().checked_sub(1) else { return Ok(None) };
    let times = |of: fn(&Row) -> Micros| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of(row).0));
        Arc::new(times.with_data_type(timestamp()))
    };
    let texts = |of: fn(&Row) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let bytes = |of: fn(&Row) -> &[u8]| -> ArrayRef { Arc::new(BinaryArray::from_iter_values(rows.iter().map(of))) };
    let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
    let dropped = (0..=last).map(|row| if row == last { dropped } else { 0 });
    let batch = RecordBatch::try_from_iter([
        (columns::LOGGED_AT, times(|row| row.logged_at)),
        (columns::SERVICE, texts(|row| &row.service)),
        (columns::DIGEST, texts(|row| &row.digest)),
        (columns::MOMENT, times(|row| row.moment)),
        (columns::ROWS, Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.rows))) as ArrayRef),
        (columns::REQUEST, bytes(|row| &row.request)),
        (columns::ANSWER, bytes(|row| &row.answer)),
        (columns::RECEIPTS, texts(|row| &row.receipts)),
        (columns::ACCEPTED, texts(|row| &row.accepted)),
        (columns::DROPPED, Arc::new(Int64Array::from_iter_values(dropped)) as ArrayRef),
    ]);
    batch.map(Some).map_err(Error::internal)
}

/// A row of the table.
struct Row {
    logged_at: Micros,
    service: String,
    digest: String,
    moment: Micros,
    rows: i64,
    request: Vec<u8>,
    answer: Vec<u8>,
    receipts: String,
    accepted: String,
}

impl Row {
    /// None where no row was answered.
    fn of(logged: &Handed) -> Result<Option<Row>> {
        let (reply, request) = without_failed(logged.reply.clone(), &logged.request)?;
        if request.num_rows() == 0 {
            return Ok(None);
        }
        let receipts = reply.views.iter().zip(&logged.grounds).map(|(view, ground)| Receipt {
            alias: view.alias.clone(),
            view: view.view.clone(),
            run: view.run,
            at: view.at,
            ground: *ground,
            event_times: view.event_times.iter().collect(),
        });
        let accepted = logged
            .accepted
            .iter()
            .map(|(name, (before, after))| (name.to_string(), Accepted { before: *before, after: *after }));
        let json = |value: serde_json::Result<String>| value.map_err(Error::internal);
        Ok(Some(Row {
            logged_at: logged.logged_at,
            service: reply.service.reference(),
            digest: reply.service.digest.to_string(),
            moment: reply.at,
            rows: i64::try_from(request.num_rows()).map_err(Error::internal)?,
            request: to_ipc(&logged.plan.declared(&request)?)?,
            answer: to_ipc(&answer(&reply)?)?,
            receipts: json(serde_json::to_string(&receipts.collect::<Vec<_>>()))?,
            accepted: json(serde_json::to_string(&accepted.collect::<BTreeMap<_, _>>()))?,
        }))
    }
}

/// Each feature, and its status behind it.
fn answer(reply: &GetReply) -> Result<RecordBatch> {
    let schema = reply.features.schema();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for ((field, values), details) in schema.fields().iter().zip(reply.features.columns()).zip(&reply.details) {
        let status = |status: u8| Status::from_u8(status).unwrap_or(Status::Failed).as_str();
        let statuses: StringArray = details.statuses.values().iter().map(|s| Some(status(*s))).collect();
        fields.push(Field::new(field.name(), values.data_type().clone(), true));
        fields.push(Field::new(format!("{}__status", field.name()), DataType::Utf8, false));
        arrays.extend([values.clone(), Arc::new(statuses) as ArrayRef]);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::internal)
}

/// A row of the table that this very service answered, read back.
///
/// # Errors
/// `corrupt_serving_log` where it is not what was written.
pub(crate) fn decode(rows: &RecordBatch, row: usize, plan: &ServingPlan) -> Result<Entry> {
    let column = |name: &str| rows.column_by_name(name).ok_or_else(|| corrupt(format!("it has no column `{name}`")));
    let bytes = |name: &str| Ok::<_, Error>(column(name)?.as_binary_opt::<i32>().map(|c| c.value(row).to_vec()));
    let text = |name: &str| Ok::<_, Error>(column(name)?.as_string_opt::<i32>().map(|c| c.value(row).to_owned()));
    let time = |name: &str| {
        let times = column(name)?.as_primitive_opt::<TimestampMicrosecondType>();
        times.map(|times| Micros(times.value(row))).ok_or_else(|| corrupt(format!("`{name}` holds no times")))
    };
    let wrong = |name: &str| corrupt(format!("`{name}` is of another type"));
    let request = from_ipc(&bytes(columns::REQUEST)?.ok_or_else(|| wrong(columns::REQUEST))?)?;
    let answer = from_ipc(&bytes(columns::ANSWER)?.ok_or_else(|| wrong(columns::ANSWER))?)?;
    let receipts = text(columns::RECEIPTS)?.ok_or_else(|| wrong(columns::RECEIPTS))?;
    let receipts: Vec<Receipt> = serde_json::from_str(&receipts).map_err(corrupt)?;
    let accepted = text(columns::ACCEPTED)?.ok_or_else(|| wrong(columns::ACCEPTED))?;
    let accepted: BTreeMap<Name, Accepted> = serde_json::from_str(&accepted).map_err(corrupt)?;
    let serving = &plan.serving;
    let features = serving.features.0.len();
    if answer.num_columns() != 2 * features || receipts.len() != serving.views.len() {
        return Err(corrupt(format!("an entry has not the features of {}", serving.service.reference())));
    }
    let details = (0..features).map(|feature| {
        let statuses = answer.column(2 * feature + 1).as_string_opt::<i32>();
        let statuses = statuses.ok_or_else(|| wrong(columns::ANSWER))?;
        let numbers = statuses.iter().map(|s| s.and_then(status_of).unwrap_or(Status::Failed) as u8);
        let statuses = UInt8Array::from_iter_values(numbers);
        Ok(ServedFeature { views: serving.depends(feature).to_vec(), statuses })
    });
    let details = details.collect::<Result<_>>()?;
    let values: Vec<_> = (0..features).map(|feature| 2 * feature).collect();
    let grounds = receipts.iter().map(|receipt| receipt.ground).collect();
    let views = receipts.into_iter().map(|receipt| ServedRows {
        alias: receipt.alias,
        view: receipt.view,
        event_times: receipt.event_times.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(timestamp()),
        run: receipt.run,
        at: receipt.at,
    });
    let reply = GetReply {
        service: serving.service.clone(),
        at: time(columns::MOMENT)?,
        features: answer.project(&values).map_err(Error::internal)?,
        details,
        views: views.collect(),
        errors: Vec::new(),
        warnings: Arc::clone(&plan.warnings),
    };
    let accepted = accepted.into_iter().map(|(name, one)| (name, (one.before, one.after))).collect();
    Ok(Entry { request, reply, accepted, grounds })
}

/// How many were dropped before each of the rows, added up.
pub(crate) fn dropped(rows: &RecordBatch) -> u64 {
    let column = rows.column_by_name(columns::DROPPED).and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.map_or(0, |counts| counts.iter().flatten().map(i64::unsigned_abs).sum())
}

fn to_ipc(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref()).map_err(Error::internal)?;
    writer.write(batch).and_then(|()| writer.finish()).map_err(Error::internal)?;
    drop(writer);
    Ok(bytes)
}

fn from_ipc(bytes: &[u8]) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(bytes, None).map_err(corrupt)?;
    reader.next().ok_or_else(|| corrupt("an entry holds no rows"))?.map_err(corrupt)
}

/// The table is not as it was written.
pub(crate) fn corrupt(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, "corrupt_serving_log", format!("the serving log cannot be read: {why}"))
        .remedy("set the folder serving_log of the store aside; a new one is begun with the next entry")
}
