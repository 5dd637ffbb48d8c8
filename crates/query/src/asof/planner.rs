//! From the logical to the physical join.
//!
//! The spine is planned on its own: as the root of a plan, on one partition. Inside a larger plan the engine would be
//! free to drop its `ORDER BY`, and to spread its filters over partitions whose batches come back in any order; then
//! the same training set would not be the same bytes when it is built again.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::ViewSide;
use super::error::Error;
use super::exec::{AsofJoinExec, KeyPair, ViewInput};
use super::logical::{AsofJoin, key_type};
use super::sequence::SequenceExec;

/// The engine's planner, knowing the as-of join.
#[derive(Debug)]
pub(super) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(AsofPlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

/// Plans [`AsofJoin`] nodes; for a session whose query planner has others to plan as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsofPlanner;

#[async_trait]
impl ExtensionPlanner for AsofPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _planning_ctx: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(join) = node.as_any().downcast_ref::<AsofJoin>() else { return Ok(None) };
        let spine = plan_spine(join.spine(), session).await?;
        let timestamp = join.spine().schema().index_of_column(join.timestamp())?;
        let views = join.views().iter().zip(join.ties()).zip(physical_inputs.iter().skip(1));
        let views = views
            .map(|((view, ties), input)| view_input(join.spine().schema(), view, ties, input))
            .collect::<Result<_>>()?;
        let schema = Arc::clone(UserDefinedLogicalNode::schema(join).inner());
        Ok(Some(Arc::new(AsofJoinExec::new(spine, timestamp, views, join.known_at(), schema))))
    }
}

async fn plan_spine(spine: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
    let state = session.as_any().downcast_ref::<SessionState>();
    let state = state.ok_or_else(|| Error::Defect("the session is not one of DataFusion's own".to_owned()))?;
    let config = state.config().clone().with_target_partitions(1);
    let alone = SessionStateBuilder::new_from_existing(state.clone()).with_config(config).build();
    let plan = alone.query_planner().create_physical_plan(spine, &alone).await?;
    let plan = plan.transform_up(|node| {
        let Some(coalesce) = node.downcast_ref::<CoalescePartitionsExec>() else { return Ok(Transformed::no(node)) };
        let all: Arc<dyn ExecutionPlan> = Arc::new(SequenceExec::new(Arc::clone(coalesce.input())));
        Ok(Transformed::yes(match coalesce.fetch() {
            Some(fetch) => Arc::new(GlobalLimitExec::new(all, 0, Some(fetch))),
            None => all,
        }))
    })?;
    Ok(Arc::new(SequenceExec::new(plan.data)))
}

fn view_input(spine: &DFSchema, view: &ViewSide, ties: &[Column], input: &Arc<dyn ExecutionPlan>) -> Result<ViewInput> {
    let schema = view.plan.schema();
    let optional = |column: &Option<Column>| column.as_ref().map(|c| schema.index_of_column(c)).transpose();
    let on = view.on.iter().map(|(left, right)| {
        let (left, right) = (spine.index_of_column(left)?, schema.index_of_column(right)?);
        let compared_as = key_type(spine.field(left).data_type(), schema.field(right).data_type());
        let compared_as = compared_as.ok_or_else(|| Error::Defect("keys of two types".to_owned()))?;
        Ok(KeyPair { spine: left, view: right, compared_as })
    });
    // A feature that decides ties is one of the features: it is required, so it was not pruned.
    let tie = |column: &Column| {
        let position = view.features.iter().position(|f| f == column);
        position.ok_or_else(|| Error::Defect(format!("`{column}` was pruned")).into())
    };
    Ok(ViewInput {
        alias: view.alias.clone(),
        input: Arc::clone(input),
        on: on.collect::<Result<_>>()?,
        timestamp: schema.index_of_column(&view.timestamp)?,
        known: optional(&view.known)?,
        superseded: optional(&view.superseded)?,
        seq: optional(&view.seq)?,
        ttl: view.ttl,
        features: view.features.iter().map(|c| schema.index_of_column(c)).collect::<Result<_>>()?,
        ties: ties.iter().map(tie).collect::<Result<_>>()?,
        windows: view.windows.iter().map(|call| call.renamed(|c| schema.index_of_column(c))).collect::<Result<_>>()?,
        found: true,
    })
}
