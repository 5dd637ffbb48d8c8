//! Memory that is refused: when and how little never has a say in what a join answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asof_query::asof::with_asof;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use proptest::prelude::*;

use super::Cut;

/// Which growths of the join are refused, and how much memory there is said to be: that decides into how many parts a
/// spine is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// The number of the first.
    pub(crate) first: usize,
    /// How many come until the second, which is the last.
    pub(crate) then: usize,
    pub(crate) said: usize,
}

pub(crate) fn refused() -> impl Strategy<Value = Option<Refused>> {
    let said = prop_oneof![Just(1_usize), Just(1 << 10), Just(1 << 14), Just(1 << 24)];
    let refused = (0..30_usize, 1..300_usize, said).prop_map(|(first, then, said)| Refused { first, then, said });
    proptest::option::weighted(0.5, refused)
}

#[derive(Debug)]
struct Refusing {
    refused: Refused,
    asked: AtomicUsize,
    used: AtomicUsize,
}

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.refused)
    }
}

impl MemoryPool for Refusing {
    fn name(&self) -> &str {
        "refusing"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        // What the spill itself needs cannot be done without.
        let name = reservation.consumer().name();
        let of_the_join =
            name.starts_with("AsofJoinExec[") && !name.contains("[open files]") && !name.contains("[keys]");
        if of_the_join {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            if asked == self.refused.first || asked == self.refused.first + self.refused.then {
                return Err(DataFusionError::ResourcesExhausted(format!("growth {asked} of {name}")));
            }
        }
        self.grow(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        0
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.refused.said)
    }
}

pub(crate) fn refusing(refused: Refused) -> Arc<RuntimeEnv> {
    let pool = Refusing { refused, asked: AtomicUsize::new(0), used: AtomicUsize::new(0) };
    RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().expect("a runtime")
}

/// So many bytes, and a disk or none.
pub(super) fn limited(bytes: usize, disk: DiskManagerMode) -> SessionState {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(disk))
        .build_arc()
        .expect("a runtime");
    within(runtime, Cut { partitions: 2, batch_size: 256, ..super::WHOLE })
}

pub(crate) fn within(runtime: Arc<RuntimeEnv>, cut: Cut) -> SessionState {
    let config = SessionConfig::new().with_target_partitions(cut.partitions).with_batch_size(cut.batch_size);
    with_asof(SessionStateBuilder::new().with_default_features().with_config(config).with_runtime_env(runtime)).build()
}
