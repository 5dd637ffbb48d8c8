//! The session in which plans are optimized and run.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use crate::asof::with_asof;
use crate::select::OPTIONS;

/// A session that runs plans on this many partitions, within an environment's memory and spill folder. The
/// settings that give text its meaning are those under which it was bound.
pub fn session_state(environment: Arc<RuntimeEnv>, partitions: usize) -> SessionState {
    // Rows come out in the spine's order (SEMANTICS), and dealing a plan's batches out to partitions in turn would
    // shuffle what stands above an as-of join, because DataFusion knows no order that is not a sort order.
    let config = SessionConfig::from((**OPTIONS).clone())
        .with_target_partitions(partitions.max(1))
        .with_round_robin_repartition(false);
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(environment).with_default_features();
    with_asof(builder).build()
}
