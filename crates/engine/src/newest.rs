//! When the newest row of a view happened.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use asof_model::{Error, Micros, Registered, Result};
use asof_offline::Progress;
use asof_query::{Definitions, Planner};
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use futures::TryStreamExt;

use crate::Engine;
use crate::datasets::Pins;

impl Engine {
    /// The newest event time of a view's rows that is not after `until`. Costs reading the times of all its rows.
    pub(crate) async fn newest_event(
        &self,
        view: &Registered,
        definitions: &Definitions,
        pins: &Pins,
        until: Micros,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Micros>> {
        let timeline = Planner::new(definitions, pins).timeline(view)?;
        let column = timeline.plan.schema().columns().get(timeline.times.timestamp).cloned();
        let column = column.ok_or_else(|| Error::internal("a view has no time"))?;
        let bound = lit(ScalarValue::TimestampMicrosecond(Some(until.0), Some("UTC".into())));
        let plan = LogicalPlanBuilder::from(timeline.plan)
            .filter(Expr::Column(column.clone()).lt_eq(bound))
            .and_then(|rows| rows.aggregate(Vec::<Expr>::new(), vec![max(Expr::Column(column))]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(asof_query::execution_error)?;
        let (engine, progress) = (self.clone(), Arc::clone(progress));
        let stage = format!("times of {}", view.pinned.name);
        let work = async move {
            let (stream, making) = engine.stream(plan, &progress, stage).await?;
            let batches: Vec<_> = stream.try_collect().await.map_err(asof_query::execution_error)?;
            making.all_read();
            let newest = batches.iter().filter(|batch| batch.num_rows() > 0).find_map(|batch| {
                let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>()?;
                times.is_valid(0).then(|| Micros(times.value(0)))
            });
            Ok(newest)
        };
        self.workshop().run(work).await
    }
}
