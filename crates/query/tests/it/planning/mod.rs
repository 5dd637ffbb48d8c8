//! From text to values: training sets, newest rows and serving over small tables.

mod equal;
mod failing;
mod leakage;
mod training;

use std::sync::Arc;

use asof_model::Micros;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::context::SessionContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;

use crate::asof::RUNTIME;
use crate::project::Project;

/// Minutes as moments.
pub(crate) fn moments(minutes: &[Option<i64>]) -> ArrayRef {
    let micros: TimestampMicrosecondArray = minutes.iter().map(|m| m.map(|m| m * 60_000_000)).collect();
    Arc::new(micros.with_timezone("UTC"))
}

pub(crate) fn at(minute: i64) -> Micros {
    Micros(minute * 60_000_000)
}

pub(crate) fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(crate) fn doubles(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

pub(crate) fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// Rows of a dataset, accepted in this order.
pub(crate) fn accepted(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let rows = columns[0].1.len() as i64;
    let seq: ArrayRef = Arc::new((0..rows).map(Some).collect::<Int64Array>());
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, values)| (name, values, true)).chain([("_seq", seq, true)]),
    )
    .expect("columns of one length")
}

/// Runs a plan as the engine does.
pub(crate) fn run(plan: LogicalPlan) -> asof_model::Result<RecordBatch> {
    let state = asof_query::session_state(Arc::new(RuntimeEnv::default()), 2);
    let context = SessionContext::new_with_state(state);
    let schema = plan.schema().inner().clone();
    let batches = RUNTIME.block_on(async {
        let frame = context.execute_logical_plan(plan).await.map_err(asof_query::execution_error)?;
        frame.collect().await.map_err(asof_query::execution_error)
    })?;
    Ok(concat_batches(&batches.first().map_or(schema, RecordBatch::schema), &batches).expect("one schema"))
}

pub(crate) fn shown(rows: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(rows)).expect("printable").to_string()
}

/// Weather that expires, bookings that are corrected, a service over both.
pub(crate) fn project() -> Project {
    let mut project = Project::with(
        "CREATE DATASET weather (station VARCHAR, at TIMESTAMP, temp DOUBLE, wind DOUBLE) TIMESTAMP at;
         CREATE DATASET bookings (flight BIGINT, carrier VARCHAR, at TIMESTAMP, seen TIMESTAMP, seats BIGINT)
           TIMESTAMP at KNOWN AT seen KEY (flight);
         CREATE DATASET departures (id BIGINT, origin VARCHAR, carrier VARCHAR, sched TIMESTAMP, miles BIGINT) TIMESTAMP sched;
         CREATE ENTITY station KEY (station VARCHAR);
         CREATE ENTITY carrier KEY (carrier VARCHAR);
         CREATE FEATURE VIEW raw_weather ENTITY station TIMESTAMP at AS SELECT * FROM weather WHERE wind < 500;
         CREATE FEATURE VIEW station_weather ENTITY station TIMESTAMP at TTL INTERVAL '30 minutes'
           AS SELECT station, at, temp, wind, upper(station) AS loud FROM raw_weather;
         CREATE FEATURE VIEW last_booking ENTITY carrier TIMESTAMP at KNOWN AT seen
           AS SELECT carrier, at, seen, seats, flight FROM bookings;
         CREATE FEATURE SERVICE inputs REQUEST (distance DOUBLE) AS
           SELECT origin_weather.temp, wind, coalesce(seats, 0) AS booked, seats * 2 + temp AS mixed,
                  distance > 100 AND wind > 10 AS rough, distance / 2 AS half
           FROM station_weather(origin) AS origin_weather, last_booking;
         CREATE TRAINING SET rides FEATURES inputs TIMESTAMP sched AS
           SELECT id, origin, carrier, sched, miles AS distance FROM departures ORDER BY id;",
    );
    project.ingest(
        "weather",
        accepted(vec![
            ("station", strings(&[Some("a"), Some("a"), Some("b"), Some("a"), Some("a"), None])),
            ("at", moments(&[Some(0), Some(10), Some(5), Some(10), Some(60), Some(1)])),
            ("temp", doubles(&[Some(1.0), Some(2.0), None, Some(3.0), Some(4.0), Some(5.0)])),
            ("wind", doubles(&[Some(9.0), Some(11.0), Some(12.0), Some(13.0), Some(14.0), Some(15.0)])),
        ]),
    );
    // Flight 1 is corrected at minute 20, flight 2 is learned of late.
    project.ingest(
        "bookings",
        accepted(vec![
            ("flight", integers(&[Some(1), Some(1), Some(2)])),
            ("carrier", strings(&[Some("x"), Some("x"), Some("x")])),
            ("at", moments(&[Some(5), Some(5), Some(8)])),
            ("seen", moments(&[Some(6), Some(20), Some(40)])),
            ("seats", integers(&[Some(100), Some(150), Some(200)])),
        ]),
    );
    project.ingest(
        "departures",
        accepted(vec![
            ("id", integers(&[Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(5)])),
            ("origin", strings(&[Some("a"), Some("a"), Some("b"), Some("a"), None, Some("a"), Some("a")])),
            ("carrier", strings(&[Some("x"), Some("x"), Some("x"), Some("y"), Some("x"), Some("x"), Some("x")])),
            ("sched", moments(&[Some(4), Some(10), Some(30), Some(50), Some(70), Some(61), Some(61)])),
            ("miles", integers(&[Some(50), Some(200), Some(200), None, Some(200), Some(300), Some(300)])),
        ]),
    );
    project
}
