//! What a verb tells while it works: the rows that its plans read, of as many as are expected, then the rows that are made
//! of them.

use std::sync::Arc;

use asof_offline::Progress;
use asof_query::{Tally, Watch, spine_rows};
use datafusion::physical_plan::ExecutionPlan;

/// Counts what plans read, under the name of a stage.
pub(crate) fn tally(progress: &Arc<dyn Progress>, stage: impl Into<String>) -> Tally {
    Tally::new(Arc::new(Reading { progress: Arc::clone(progress), stage: stage.into() }))
}

struct Reading {
    progress: Arc<dyn Progress>,
    stage: String,
}

impl Watch for Reading {
    fn read(&self, rows: u64, expected: Option<u64>) {
        self.progress.advance(&self.stage, rows, expected);
    }
}

/// What comes after the reading. An as-of join gives its first row when it has read the last, and as many as its
/// spine has.
pub(crate) struct Making {
    progress: Arc<dyn Progress>,
    tally: Tally,
    plan: Arc<dyn ExecutionPlan>,
}

impl Making {
    pub(crate) fn new(progress: &Arc<dyn Progress>, tally: Tally, plan: Arc<dyn ExecutionPlan>) -> Self {
        Making { progress: Arc::clone(progress), tally, plan }
    }

    /// Nothing more will be read.
    pub(crate) fn all_read(&self) {
        self.tally.finish();
    }
}

impl Progress for Making {
    fn advance(&self, stage: &str, done: u64, total: Option<u64>) {
        // While nothing is made, it is read.
        if done > 0 {
            self.all_read();
            self.progress.advance(stage, done, total.or_else(|| spine_rows(&self.plan)));
        }
    }
}
