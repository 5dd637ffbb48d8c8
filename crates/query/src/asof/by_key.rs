//! The join over inputs that are partitioned by key, for plans that run in several places.
//!
//! Rows of one key lie in one partition of the spine and in the partition of the same number of every view, so each
//! partition can be joined on its own. What comes out is the whole join's rows; the spine's order holds only within a
//! partition, and therefore one partition is the rule.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_expr::expressions::{Column, cast};
use datafusion::physical_expr::{Distribution, Partitioning, PhysicalExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::repartition::RepartitionExec;

use super::error::Error;
use super::exec::{AsofJoinExec, KeyPair, ViewInput};

impl AsofJoinExec {
    /// The same join with its inputs hashed over so many partitions, of which the join has as many then.
    ///
    /// # Errors
    /// Where the views have no key column in common: then no one hash serves them all.
    pub fn by_key(&self, partitions: usize) -> Result<AsofJoinExec> {
        let hashed = |input: &Arc<dyn ExecutionPlan>, keys| -> Result<Arc<dyn ExecutionPlan>> {
            Ok(Arc::new(RepartitionExec::try_new(Arc::clone(input), Partitioning::Hash(keys, partitions.max(1)))?))
        };
        let spine = hashed(self.spine(), spine_keys(self.spine(), self.views())?)?;
        let views = self.views().iter().map(|view| {
            let input = hashed(&view.input, view_keys(view, self.views())?)?;
            Ok(ViewInput { input, ..view.clone() })
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        AsofJoinExec::new(spine, self.timestamp(), views, self.known_at(), self.schema()).partitioned()
    }

    /// The same join, of inputs that are partitioned by the key already: by the same function of the key columns
    /// that all views have in common, each in the type in which it is compared.
    ///
    /// # Errors
    /// Where the inputs do not have equally many partitions, or the views have no key column in common.
    pub fn partitioned(self) -> Result<AsofJoinExec> {
        let partitions = self.spine().output_partitioning().partition_count();
        if self.views().iter().any(|view| view.input.output_partitioning().partition_count() != partitions) {
            return Err(Error::Defect("inputs by key have different numbers of partitions".to_owned()).into());
        }
        spine_keys(self.spine(), self.views())?;
        Ok(self.over(partitions))
    }
}

/// What the inputs must be partitioned by, the spine first.
pub(super) fn distributions(spine: &Arc<dyn ExecutionPlan>, views: &[ViewInput]) -> Result<Vec<Distribution>> {
    let spine = spine_keys(spine, views);
    let views_keys = views.iter().map(|view| view_keys(view, views));
    std::iter::once(spine).chain(views_keys).map(|keys| Ok(Distribution::KeyPartitioned(keys?))).collect()
}

/// The key columns that all views have in common, as they stand in the first one's key.
fn common(views: &[ViewInput]) -> Result<Vec<&KeyPair>, Error> {
    let same = |left: &KeyPair, right: &KeyPair| left.spine == right.spine && left.compared_as == right.compared_as;
    let in_all = |pair: &&KeyPair| views.iter().all(|view| view.on.iter().any(|on| same(on, pair)));
    let common: Vec<_> = views.iter().take(1).flat_map(|view| &view.on).filter(in_all).collect();
    match common.is_empty() {
        true => Err(Error::Defect("the views have no key column in common to be partitioned by".to_owned())),
        false => Ok(common),
    }
}

fn spine_keys(spine: &Arc<dyn ExecutionPlan>, views: &[ViewInput]) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    common(views)?.into_iter().map(|pair| compared(spine, pair.spine, pair)).collect()
}

fn view_keys(view: &ViewInput, views: &[ViewInput]) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    let keys = common(views)?.into_iter().map(|pair| {
        let own = view.on.iter().find(|on| on.spine == pair.spine && on.compared_as == pair.compared_as);
        let own = own.ok_or_else(|| Error::Defect("a key column of another view".to_owned()))?;
        compared(&view.input, own.view, pair)
    });
    keys.collect()
}

/// A key column in the type in which it is compared: equal keys of two widths have one hash.
fn compared(input: &Arc<dyn ExecutionPlan>, column: usize, pair: &KeyPair) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = input.schema();
    let column = Arc::new(Column::new(schema.field(column).name(), column));
    cast(column, &schema, pair.compared_as.clone())
}
