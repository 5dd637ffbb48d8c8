//! As-of windows, planned and run as for a training set: sum, count, mean and maximum over three lengths of time.

use asof_model::Micros;
use asof_model::time::{DAY, SECOND};
use asof_query::KnownMoment;
use asof_query::asof::{ViewSide, asof_join};
use asof_query::windows::{Argument, Frame, Measure, WindowCall};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;

use crate::job::{Job, OFFLINE};
use crate::{Result, asof, tables};

const HOUR: i64 = 3600 * SECOND;

/// Name, length and hop of each window: the hops are those of SEMANTICS.
const WINDOWS: [(&str, i64, i64); 3] = [("1h", HOUR, HOUR / 12), ("7d", 7 * DAY, HOUR), ("30d", 30 * DAY, DAY)];

/// Runs the job as often as asked, a line for each run.
pub(crate) async fn run(job: Job) -> Result<()> {
    for _ in 0..job.repeat {
        let session = asof_query::session_state(job.environment(Some(OFFLINE))?, job.partitions);
        let context = SessionContext::new_with_state(session);
        asof::measured(&job, &context, windows(&context, &job)).await?;
    }
    Ok(())
}

/// The spine's `id` and the results.
async fn windows(context: &SessionContext, job: &Job) -> Result<LogicalPlan> {
    let [view] = job.views.as_slice() else { return Err("windows are over one view".into()) };
    let spine = tables::rows(context, &job.spine).await?.alias("spine")?.into_unoptimized_plan();
    let side = asof::side(context, "v", view).await?;
    let value = side.features.first().cloned().ok_or("the view has no feature")?;
    let calls: Vec<_> = WINDOWS.iter().flat_map(|window| calls(*window, &value)).collect();
    let spine_column = |name: &str| Column::new(Some("spine"), name);
    let results = calls.iter().map(|call| Column::new(Some("v"), &call.name));
    let outputs: Vec<_> = std::iter::once(spine_column("id")).chain(results).collect();
    let side = ViewSide { features: Vec::new(), windows: calls, ..side };
    let joined = asof_join(spine, spine_column("ts"), vec![side], KnownMoment::EventTime)?;
    let outputs = outputs.into_iter().map(|column| {
        let name = column.name.clone();
        Expr::Column(column).alias(name)
    });
    Ok(LogicalPlanBuilder::from(joined).project(outputs.collect::<Vec<_>>())?.build()?)
}

fn calls((name, length, hop): (&str, i64, i64), value: &Column) -> [WindowCall; 4] {
    let call = |function: &str, measure, data_type| WindowCall {
        name: format!("{function}_{name}"),
        written: format!("{function}({value})"),
        measure,
        arguments: vec![Argument::Column(value.clone())],
        filter: None,
        frame: Frame::Range { width: Micros(length), hop: Micros(hop) },
        data_type,
    };
    [
        call("sum", Measure::Sum, DataType::Float64),
        call("count", Measure::Count, DataType::Int64),
        call("avg", Measure::Mean, DataType::Float64),
        call("max", Measure::Extreme { greatest: true }, DataType::Float64),
    ]
}
