//! The as-of join, planned and run as for a training set.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use asof_offline::SEQ;
use asof_query::KnownMoment;
use asof_query::asof::{ViewSide, asof_join};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::common::collect;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use parquet::arrow::ArrowWriter;

use crate::job::{Job, OFFLINE, View};
use crate::{Result, measure, tables, training};

/// Runs the job as often as asked, a line for each run.
pub(crate) async fn run(job: Job) -> Result<()> {
    for _ in 0..job.repeat {
        let session = asof_query::session_state(job.environment(Some(OFFLINE))?, job.partitions);
        let context = SessionContext::new_with_state(session);
        measured(&job, &context, join(&context, &job)).await?;
    }
    Ok(())
}

/// Plans, runs and reports. The clock starts before planning, which opens the files.
pub(crate) async fn measured(
    job: &Job,
    context: &SessionContext,
    planned: impl Future<Output = Result<LogicalPlan>>,
) -> Result<()> {
    let work = async {
        let plan = context.execute_logical_plan(planned.await?).await?.create_physical_plan().await?;
        let rows = execute_stream(Arc::clone(&plan), context.task_ctx())?;
        let done = match &job.out {
            None => Done::Kept(collect(rows).await?),
            Some(folder) => Done::Written(training::write(folder, rows).await?),
        };
        Ok((done, plan))
    };
    let ((done, plan), cost) = measure::timed(work).await?;
    measure::report(cost, done.rows())?;
    if job.metrics {
        measure::complain(&DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(true).to_string());
    }
    match (&job.keep, done) {
        (Some(folder), Done::Kept(batches)) => keep(folder, &batches),
        _ => Ok(()),
    }
}

/// What became of the rows.
enum Done {
    Kept(Vec<RecordBatch>),
    Written(usize),
}

impl Done {
    fn rows(&self) -> usize {
        match self {
            Done::Kept(batches) => batches.iter().map(RecordBatch::num_rows).sum(),
            Done::Written(rows) => *rows,
        }
    }
}

/// The spine's columns and every feature of every view.
async fn join(context: &SessionContext, job: &Job) -> Result<LogicalPlan> {
    let spine = tables::rows(context, &job.spine).await?.alias("spine")?.into_unoptimized_plan();
    let mut columns = spine.schema().columns();
    let mut sides = Vec::with_capacity(job.views.len());
    for (number, view) in job.views.iter().enumerate() {
        let side = side(context, &format!("v{number}"), view).await?;
        columns.extend(side.features.iter().cloned());
        sides.push(side);
    }
    let joined = asof_join(spine, Column::new(Some("spine"), "ts"), sides, KnownMoment::EventTime)?;
    let columns = columns.into_iter().map(|column| {
        let name = column.name.clone();
        Expr::Column(column).alias(name)
    });
    Ok(LogicalPlanBuilder::from(joined).project(columns.collect::<Vec<_>>())?.build()?)
}

pub(crate) async fn side(context: &SessionContext, alias: &str, view: &View) -> Result<ViewSide> {
    let plan = tables::rows(context, &view.path).await?.alias(alias)?.into_unoptimized_plan();
    let column = |name: &str| Column::new(Some(alias), name);
    let columns = plan.schema().columns();
    let seq = columns.iter().find(|c| c.name == SEQ).cloned();
    let feature = |column: &Column| !["key", "ts", SEQ].contains(&column.name.as_str());
    Ok(ViewSide {
        alias: alias.to_owned(),
        plan,
        on: vec![(Column::new(Some("spine"), "key"), column("key"))],
        timestamp: column("ts"),
        known: None,
        superseded: None,
        seq,
        // The generator sees to it; rivals take any of two rows that tie.
        unique: true,
        windows: Vec::new(),
        ttl: view.ttl,
        features: columns.into_iter().filter(feature).collect(),
    })
}

fn keep(folder: &Path, batches: &[RecordBatch]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let Some(first) = batches.first() else { return Ok(()) };
    let mut writer = ArrowWriter::try_new(File::create(folder.join("result.parquet"))?, first.schema(), None)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(())
}
