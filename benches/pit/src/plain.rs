//! The same question asked of DataFusion itself, in SQL as one writes it where there is no as-of join: the newest
//! event time for each spine row, then the event that has it. Right as long as no two events of a key have one time.

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::job::Job;
use crate::{Result, asof, tables};

const QUESTION: &str = "
    WITH newest AS (
        SELECT spine.id, max(events.ts) AS ts
        FROM spine JOIN events ON spine.key = events.key AND events.ts <= spine.ts
        GROUP BY spine.id
    )
    SELECT spine.*, events.* EXCLUDE (key, ts)
    FROM spine LEFT JOIN newest ON spine.id = newest.id
    LEFT JOIN events ON spine.key = events.key AND newest.ts = events.ts";

/// Runs the job as often as asked, a line for each run.
pub(crate) async fn run(job: Job) -> Result<()> {
    for _ in 0..job.repeat {
        let config = SessionConfig::new().with_target_partitions(job.partitions);
        let context = SessionContext::new_with_config_rt(config, job.environment(None)?);
        asof::measured(&job, &context, plan(&context, &job)).await?;
    }
    Ok(())
}

async fn plan(context: &SessionContext, job: &Job) -> Result<LogicalPlan> {
    let [view] = &job.views[..] else { return Err("plain SQL is asked about one view".into()) };
    if view.ttl.is_some() {
        return Err("plain SQL is asked about a view without a time to live".into());
    }
    for (name, path) in [("spine", &job.spine), ("events", &view.path)] {
        context.register_table(name, tables::rows(context, path).await?.into_view())?;
    }
    Ok(context.sql(QUESTION).await?.into_unoptimized_plan())
}
