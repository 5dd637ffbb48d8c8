//! A limit on memory that says what it is and who met it.
//!
//! What the limit counts is what operators reserve. Where they meet it they spill, if they can; only what cannot becomes
//! an error, and that one is told to a person: how much may be taken, and by what more was wanted.

use std::fmt;

use asof_model::memory::{Bytes, NOT_ENOUGH};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// A memory pool with errors for people.
#[derive(Debug)]
pub struct Budget<P> {
    pool: P,
    /// Who may take how much, as a sentence: `offline work may take 1 GiB`.
    rule: String,
}

impl<P: MemoryPool> Budget<P> {
    /// The pool has a limit of so many bytes; `who` is a subject, such as `offline work`.
    pub fn new(pool: P, who: &str, limit: usize) -> Self {
        Budget { pool, rule: format!("{who} may take {} of memory", Bytes(limit as u64)) }
    }
}

impl<P: MemoryPool> fmt::Display for Budget<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl<P: MemoryPool> MemoryPool for Budget<P> {
    fn name(&self) -> &str {
        "budget"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
    }

    /// # Errors
    /// Still the engine's own kind of error: operators that can spill look for it.
    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.pool.try_grow(reservation, additional).map_err(|_| {
            let (who, wanted) = (called(reservation.consumer().name()), Bytes(additional as u64));
            let (has, all) = (Bytes(reservation.size() as u64), Bytes(self.pool.reserved() as u64));
            let rule = &self.rule;
            DataFusionError::ResourcesExhausted(format!(
                "{NOT_ENOUGH}{rule}, and {who} wants {wanted} more than the {has} it has; {all} are taken in all"
            ))
        })
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

/// What a person calls an operator that reserves memory.
fn called(consumer: &str) -> String {
    let (kind, rest) = consumer.split_once('[').unwrap_or((consumer, ""));
    let within = rest.split_once(']').map_or(rest, |(within, _)| within);
    match kind {
        "AsofJoinExec" => match within {
            "spine" => "the spine".to_owned(),
            "index" => "the index of the spine's keys".to_owned(),
            view => match view.strip_prefix("windows of ") {
                Some(view) => format!("the as-of windows of `{view}`"),
                None => format!("view `{view}`"),
            },
        },
        "ExternalSorter" | "ExternalSorterMerge" | "TopK" | "SortPreservingMergeExec" => "a sort".to_owned(),
        _ if kind.contains("Aggregate") || kind.contains("Hash Agg") => "a GROUP BY, DISTINCT or aggregate".to_owned(),
        _ if kind.contains("Join") || kind.contains("SMJ") => "a join".to_owned(),
        _ if kind.contains("Repartition") => "rows on their way between threads".to_owned(),
        _ => format!("`{consumer}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::FairSpillPool;

    use super::*;

    #[test]
    fn whoever_meets_the_limit_is_named_with_all_that_matters() {
        let pool = FairSpillPool::new(64 << 20);
        let pool: Arc<dyn MemoryPool> = Arc::new(Budget::new(pool, "offline work", 64 << 20));
        let check = |consumer: &str, who: &str| {
            let reservation = MemoryConsumer::new(consumer).register(&pool);
            reservation.try_grow(48 << 20).unwrap();
            let error = reservation.try_grow(32 << 20).unwrap_err();
            let expected = format!(
                "not enough memory: offline work may take 64 MiB of memory, and {who} wants 32 MiB more than the 48 MiB \
                 it has; 48 MiB are taken in all"
            );
            assert!(matches!(error, DataFusionError::ResourcesExhausted(said) if said == expected), "{expected}");
        };
        check("AsofJoinExec[spine]", "the spine");
        check("AsofJoinExec[index]", "the index of the spine's keys");
        check("AsofJoinExec[carrier_delays]", "view `carrier_delays`");
        check("AsofJoinExec[windows of carrier_delays]", "the as-of windows of `carrier_delays`");
        check("ExternalSorter[0]", "a sort");
        check("PartialHashAggregateStream[1]", "a GROUP BY, DISTINCT or aggregate");
        check("HashJoinInput[0]", "a join");
        check("SomethingNew[7]", "`SomethingNew[7]`");
    }
}
