//! Law 2: what serving computes from the newest rows at a moment is what training computes for that moment.

use asof_model::{Micros, Status};
use asof_query::{KnownMoment, Planner, ServedView, Serving, Stored, TrainingOptions, ViewStatuses, Wanted};
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray, UInt8Array, new_null_array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use std::sync::Arc;

use super::{accepted, at, integers, moments, project, run, strings};
use crate::project::Project;

/// What a request asks for.
struct Request {
    origin: Option<&'static str>,
    carrier: Option<&'static str>,
    distance: Option<f64>,
}

/// Looks the newest row of one key up, as the online store would.
fn look_up(project: &Project, view: &ServedView, key: Option<&str>, moment: Micros) -> (Vec<ArrayRef>, Status) {
    let definitions = project.definitions();
    let plan = Planner::new(&definitions, project).newest(&view.view, moment).expect("a plan");
    let rows = run(plan).expect("rows");
    let keys = rows.column_by_name(&view.entity_key.0[0].name).expect("the key").as_string::<i32>().clone();
    let row = key.and_then(|key| keys.iter().position(|k| k == Some(key)));
    let times =
        rows.column_by_name("__event_time").expect("the time").as_primitive::<TimestampMicrosecondType>().clone();
    let status = match row {
        None => Status::Missing,
        Some(row) if view.ttl.is_some_and(|ttl| times.value(row) < moment.0 - ttl.0) => Status::Expired,
        Some(_) => Status::Present,
    };
    let pick = |column: &ArrayRef| match (row, status) {
        (Some(row), Status::Present) => take(column, &UInt32Array::from(vec![row as u32]), None).expect("a row"),
        _ => new_null_array(column.data_type(), 1),
    };
    (view.columns.iter().map(|c| pick(rows.column_by_name(c).expect("a feature"))).collect(), status)
}

fn serve(project: &Project, serving: &Serving, request: &Request, moment: Micros) -> Vec<(ArrayRef, Status)> {
    let (mut inputs, mut statuses, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for view in &serving.views {
        let key = match view.from[0].as_str() {
            "origin" => request.origin,
            _ => request.carrier,
        };
        let (columns, status) = look_up(project, view, key, moment);
        inputs.extend(columns.iter().cloned());
        found.push(columns);
        statuses.push(ViewStatuses { row: UInt8Array::from(vec![status as u8]), windows: None });
    }
    inputs.push(Arc::new(Float64Array::from(vec![request.distance])));
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let input = RecordBatch::try_new_with_options(serving.input_schema(), inputs, &options).expect("the input schema");
    let features = serving.evaluate(&input).expect("features");
    // In parts it is the same: what is computed, and what stays where it was found.
    let wanted = serving.wanted().iter().map(|wanted| match wanted {
        Wanted::Stored(Stored { view, column }) => found[*view][*column].clone(),
        Wanted::Parameter(_) => Arc::new(Float64Array::from(vec![request.distance])),
    });
    for (i, computed) in serving.compute(wanted.collect(), 1).expect("features").into_iter().enumerate() {
        let stored = serving.stored(i).map(|stored| found[stored.view][stored.column].clone());
        assert_eq!(computed.xor(stored).as_ref(), Some(features.column(i)), "{i}");
    }
    let status = |i: usize| serving.statuses(i, features.column(i), &statuses).value(0);
    (0..features.num_columns())
        .map(|i| (features.column(i).clone(), Status::from_u8(status(i)).expect("a status")))
        .collect()
}

/// The same by a training set on a spine of one row.
fn train(project: &mut Project, request: &Request, minute: i64) -> RecordBatch {
    project.ingest(
        "departures",
        accepted(vec![
            ("id", integers(&[Some(0)])),
            ("origin", strings(&[request.origin])),
            ("carrier", strings(&[request.carrier])),
            ("sched", moments(&[Some(minute)])),
            ("miles", integers(&[request.distance.map(|d| d as i64)])),
        ]),
    );
    let definitions = project.definitions();
    let options = TrainingOptions { known_at: KnownMoment::EventTime, statuses: true };
    let plan = Planner::new(&definitions, &*project).training(&project.get("rides"), &options).expect("a plan");
    run(plan).expect("one row")
}

#[test]
fn serving_computes_what_training_computes() {
    let mut project = project();
    let definitions = project.definitions();
    let serving = Planner::new(&definitions, &project).serving(&project.get("inputs")).expect("compiled");
    let requests = [
        Request { origin: Some("a"), carrier: Some("x"), distance: Some(200.0) },
        Request { origin: Some("b"), carrier: Some("y"), distance: None },
        Request { origin: None, carrier: Some("x"), distance: Some(1.0) },
    ];
    for minute in [0, 5, 6, 10, 20, 40, 41, 60, 90, 91] {
        for request in &requests {
            let trained = train(&mut project, request, minute);
            let served = serve(&project, &serving, request, at(minute));
            for ((values, status), column) in served.into_iter().zip(&serving.features.0) {
                let name = &column.name;
                assert_eq!(&values, trained.column_by_name(name).expect(name), "{name} at {minute}");
                let why = trained.column_by_name(&format!("{name}__status")).expect(name).as_string::<i32>().value(0);
                assert_eq!(status.as_str(), why, "{name} at {minute}");
            }
        }
    }
}

#[test]
fn a_service_says_what_it_needs() {
    let project = project();
    let definitions = project.definitions();
    let serving = Planner::new(&definitions, &project).serving(&project.get("inputs")).expect("compiled");
    let names: Vec<_> = serving.input_schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["origin_weather.temp", "origin_weather.wind", "last_booking.seats", "distance"]);
    let stored = |view, column| Stored { view, column };
    let found: Vec<_> = (0..6).map(|i| serving.stored(i)).collect();
    assert_eq!(found, [Some(stored(0, 0)), Some(stored(0, 1)), None, None, None, None]);
    let parameter = Wanted::Parameter("distance".to_owned());
    let wanted = [Wanted::Stored(stored(0, 0)), Wanted::Stored(stored(0, 1)), Wanted::Stored(stored(1, 0)), parameter];
    assert_eq!(serving.wanted(), wanted);
    let text = |columns: &asof_model::Columns| columns.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    assert_eq!(text(&serving.keys), "origin VARCHAR, carrier VARCHAR");
    assert_eq!(text(&serving.request), "distance DOUBLE");
    assert_eq!(
        text(&serving.features),
        "temp DOUBLE, wind DOUBLE, booked BIGINT, mixed DOUBLE, rough BOOLEAN, half DOUBLE"
    );
    let depends: Vec<_> = (0..6).map(|i| serving.depends(i).to_vec()).collect();
    assert_eq!(depends, [vec![0], vec![0], vec![1], vec![0, 1], vec![0], vec![]]);
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let project = project();
    let definitions = project.definitions();
    let serving = Planner::new(&definitions, &project).serving(&project.get("inputs")).expect("compiled");
    let wrong = RecordBatch::try_from_iter([("x", Arc::new(StringArray::from(vec!["a"])) as ArrayRef)]);
    let error = serving.evaluate(&wrong.expect("one column")).expect_err("another schema");
    assert_eq!(error.code(), "internal");
}
