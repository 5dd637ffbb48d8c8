//! `checks`: the rows that are there meet the CHECKs that are declared now.
//!
//! An ingest lets in no row that fails a CHECK; but CHECKs make no version, and one that was added later was never asked of
//! what was there. So all rows of the newest snapshot are looked at, former revisions too.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use asof_model::definition::Check;
use asof_model::{Definition, Error, ErrorKind, Pinned, Result};
use asof_offline::Progress;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use futures::TryStreamExt;

use super::{Answer, Question, Refusal, counted};
use crate::Engine;

impl Engine {
    pub(super) async fn ask_checks(&self, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Result<Answer> {
        let moving: Vec<Pinned> =
            (question.targets.iter().filter(|target| target.moves())).map(|target| target.to.pinned.clone()).collect();
        let (mut refusals, mut asked, mut seen) = (Vec::new(), 0, BTreeSet::new());
        for registered in self.catalog().closure(&moving).await? {
            let Definition::Dataset(dataset) = &registered.definition else { continue };
            if dataset.checks.is_empty() || !seen.insert(registered.pinned.name.clone()) {
                continue;
            }
            let pinned = &registered.pinned;
            self.land(&pinned.project, &pinned.name).await?;
            // Of a dataset without data nothing fails.
            let Some(snapshot) = self.offline().snapshot(&pinned.project, &pinned.name, None).await? else { continue };
            for check in &dataset.checks {
                asked += 1;
                let rows =
                    LogicalPlanBuilder::scan(pinned.name.as_str(), provider_as_source(snapshot.provider()?), None)
                        .and_then(LogicalPlanBuilder::build)
                        .map_err(asof_query::execution_error)?;
                if let Some(found) = self.failing(rows, check, progress).await? {
                    let reason = format!(
                        "has {} that {} CHECK {} ({}) in snapshot {}, such as {}",
                        counted(found.rows, "row"),
                        if found.rows == 1 { "fails" } else { "fail" },
                        check.name,
                        check.condition,
                        snapshot.number,
                        found.example
                    );
                    let remedy = format!(
                        "change CHECK {} if the rows are right, or ingest revisions of them into {}",
                        check.name, pinned.name
                    );
                    refusals.push(Refusal::about(Some(pinned), reason, remedy));
                }
            }
        }
        Ok(Answer { said: counted(asked, "CHECK"), refusals })
    }

    async fn failing(&self, rows: LogicalPlan, check: &Check, progress: &Arc<dyn Progress>) -> Result<Option<Failing>> {
        let bad = |error: datafusion::error::DataFusionError| {
            let message = format!("CHECK {} cannot be computed: {}", check.name, error.strip_backtrace());
            Error::new(ErrorKind::Invalid, "bad_check", message).remedy("change the condition and apply the dataset")
        };
        let condition = self.workshop().session().create_logical_expr(&check.condition, rows.schema()).map_err(bad)?;
        let columns: Vec<Expr> = condition
            .column_refs()
            .into_iter()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let failing = LogicalPlanBuilder::from(rows).filter(condition.is_false()).and_then(LogicalPlanBuilder::build);
        let failing = failing.map_err(bad)?;
        let counting = LogicalPlanBuilder::from(failing.clone())
            .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])
            .and_then(LogicalPlanBuilder::build)
            .map_err(bad)?;
        let stage = format!("CHECK {}", check.name);
        let counted = self.collected(counting, stage.clone(), progress).await?;
        let found = counted
            .iter()
            .filter(|batch| batch.num_rows() > 0)
            .find_map(|batch| batch.column(0).as_primitive_opt::<Int64Type>().map(|count| count.value(0)));
        let found = usize::try_from(found.unwrap_or(0)).unwrap_or_default();
        if found == 0 {
            return Ok(None);
        }
        let one = LogicalPlanBuilder::from(failing)
            .project(columns)
            .and_then(|rows| rows.limit(0, Some(1)))
            .and_then(LogicalPlanBuilder::build)
            .map_err(bad)?;
        let rows = self.collected(one, stage, progress).await?;
        let example = rows.iter().find(|batch| batch.num_rows() > 0).map(|batch| row_text(batch, 0));
        Ok(Some(Failing { rows: found, example: example.unwrap_or_default() }))
    }

    /// All rows of a plan that gives few.
    pub(super) async fn collected(
        &self,
        plan: LogicalPlan,
        stage: String,
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<RecordBatch>> {
        let (engine, progress) = (self.clone(), Arc::clone(progress));
        let work = async move {
            let (stream, making) = engine.stream(plan, &progress, stage).await?;
            let batches = stream.try_collect().await.map_err(asof_query::execution_error)?;
            making.all_read();
            Ok(batches)
        };
        self.workshop().run(work).await
    }
}

/// Rows that do not meet a condition.
struct Failing {
    rows: usize,
    example: String,
}

/// `fare = -1, driver = ann`
pub(super) fn row_text(batch: &RecordBatch, row: usize) -> String {
    let cells = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| {
        let value = match column.is_null(row) {
            true => "null".to_owned(),
            false => array_value_to_string(column, row).unwrap_or_default(),
        };
        format!("{} = {value}", field.name())
    });
    cells.collect::<Vec<_>>().join(", ")
}
