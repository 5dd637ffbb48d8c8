//! The as-of join as a physical node: one partition out; the spine in one, each view in any number of partitions. Or, where
//! the inputs are partitioned by key (`by_key`), each partition on its own.

use std::fmt;
use std::sync::Arc;

use asof_model::Micros;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::error::Error;
use super::lean::lean;
use super::stream::Run;
use super::{KnownMoment, by_key};
use crate::windows::WindowCall;

/// A pair of key columns, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Position in the spine.
    pub spine: usize,
    /// Position in the view.
    pub view: usize,
    /// The type in which they are compared.
    pub compared_as: DataType,
}

/// One view, as the operator reads it. Columns are positions in `input`.
#[derive(Clone, Debug)]
pub struct ViewInput {
    /// Its alias, for people.
    pub alias: String,
    /// Its rows, in any order and any number of partitions.
    pub input: Arc<dyn ExecutionPlan>,
    /// Its key.
    pub on: Vec<KeyPair>,
    /// Event time.
    pub timestamp: usize,
    /// When a row became known; null means at its event time.
    pub known: Option<usize>,
    /// When a row was superseded; null means never.
    pub superseded: Option<usize>,
    /// The order of acceptance.
    pub seq: Option<usize>,
    /// How long a row counts.
    pub ttl: Option<Micros>,
    /// The columns that come out.
    pub features: Vec<usize>,
    /// Which of `features` (positions in that list) decide between rows equal in (event time, known, seq).
    pub ties: Vec<usize>,
    /// Aggregates over as-of windows of the rows.
    pub windows: Vec<WindowCall<usize>>,
    /// Whether event time and status come out.
    pub found: bool,
}

impl ViewInput {
    /// How many columns come out.
    pub(super) fn width(&self) -> usize {
        self.features.len() + self.windows.len() + if self.found { 2 } else { 0 }
    }
}

/// See [`crate::asof`]. Plain data besides its inputs, so that it can be sent elsewhere.
#[derive(Debug)]
pub struct AsofJoinExec {
    spine: Arc<dyn ExecutionPlan>,
    timestamp: usize,
    views: Vec<ViewInput>,
    known_at: KnownMoment,
    /// Whether each partition of the inputs is joined on its own.
    by_key: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AsofJoinExec {
    /// `timestamp` is a position in `spine`, which must have one partition and keep its order in it. `schema` is the
    /// spine's fields, then for each view its features, results of windows and, where wanted, event time and status.
    pub fn new(
        spine: Arc<dyn ExecutionPlan>,
        timestamp: usize,
        views: Vec<ViewInput>,
        known_at: KnownMoment,
        schema: SchemaRef,
    ) -> Self {
        let (properties, metrics) = (Arc::new(properties(schema, 1)), ExecutionPlanMetricsSet::new());
        AsofJoinExec { spine, timestamp, views, known_at, by_key: false, properties, metrics }
    }

    /// The same, joining each of so many partitions of its inputs on its own.
    pub(super) fn over(self, partitions: usize) -> Self {
        AsofJoinExec { by_key: true, properties: Arc::new(properties(self.schema(), partitions)), ..self }
    }

    /// Whether each partition of the inputs is joined on its own: they are partitioned by the key.
    pub fn is_by_key(&self) -> bool {
        self.by_key
    }

    /// The rows to be enriched.
    pub fn spine(&self) -> &Arc<dyn ExecutionPlan> {
        &self.spine
    }

    /// The position in the spine of the column that says as of when.
    pub fn timestamp(&self) -> usize {
        self.timestamp
    }

    /// The views.
    pub fn views(&self) -> &[ViewInput] {
        &self.views
    }

    /// By when rows must have been known.
    pub fn known_at(&self) -> KnownMoment {
        self.known_at
    }
}

fn properties(schema: SchemaRef, partitions: usize) -> PlanProperties {
    PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Final,
        Boundedness::Bounded,
    )
}

impl DisplayAs for AsofJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spine = self.spine.schema();
        write!(f, "AsofJoinExec: as_of={}, known_at={}", spine.field(self.timestamp).name(), self.known_at)?;
        if self.by_key {
            f.write_str(", by key")?;
        }
        for view in &self.views {
            let schema = view.input.schema();
            let on: Vec<_> = view
                .on
                .iter()
                .map(|on| format!("{} = {}", spine.field(on.spine).name(), schema.field(on.view).name()))
                .collect();
            let features: Vec<_> = view.features.iter().map(|i| schema.field(*i).name().as_str()).collect();
            write!(f, ", {}=[on={}, features={}", view.alias, on.join(" and "), features.join(" "))?;
            if let Some(ttl) = view.ttl {
                write!(f, ", ttl={}us", ttl.0)?;
            }
            for call in &view.windows {
                write!(f, ", {} over {}", call.written, call.frame)?;
            }
            if !view.found {
                f.write_str(", windows only")?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for AsofJoinExec {
    fn name(&self) -> &str {
        "AsofJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        std::iter::once(&self.spine).chain(self.views.iter().map(|v| &v.input)).collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let by_key = if self.by_key { by_key::distributions(&self.spine, &self.views).ok() } else { None };
        match by_key {
            Some(keys) => InputDistributionRequirements::co_partitioned(keys),
            None => {
                let any = vec![Distribution::UnspecifiedDistribution; 1 + self.views.len()];
                InputDistributionRequirements::new(any)
            }
        }
    }

    /// Views gain from partitions; to repartition the spine would lose its order.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        std::iter::once(false).chain(self.views.iter().map(|_| true)).collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut children = children.into_iter();
        let mut next = || children.next().ok_or_else(|| Error::Defect("an input is missing".to_owned()));
        let spine = next()?;
        let views = self
            .views
            .iter()
            .map(|view| Ok(ViewInput { input: next()?, ..view.clone() }))
            .collect::<Result<_, Error>>()?;
        let join = AsofJoinExec::new(spine, self.timestamp, views, self.known_at, self.schema());
        Ok(Arc::new(if self.by_key { join.partitioned()? } else { join }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute),
        )
    }

    /// Event time and status of a view of which only windows are wanted are left out: then no row need be found.
    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        lean(self, projection)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.properties.output_partitioning().partition_count() {
            return Err(Error::Defect(format!("no partition {partition}")).into());
        }
        let run = Run {
            spine: Arc::clone(&self.spine),
            timestamp: self.timestamp,
            views: self.views.clone(),
            known_at: self.known_at,
            schema: self.schema(),
            partition: self.by_key.then_some(partition),
            context,
            metrics: self.metrics.clone(),
        };
        let output = stream::once(async { run.start().await.map_err(DataFusionError::from) }).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), output)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
