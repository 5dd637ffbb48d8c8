//! The run of somebody else's that a call is part of: an orchestrator's task, as its caller names it. It is noted with the runs
//! that the call makes, and told with them.

use std::future::Future;

use asof_lineage::openlineage::parent_run;
use asof_model::Result;

tokio::task_local! {
    static PARENT: Option<Parent>;
}

/// Such a run, as `namespace/job/run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent(String);

impl Parent {
    /// # Errors
    /// `invalid_parent_run`.
    pub fn of(text: &str) -> Result<Parent> {
        parent_run(text).map(|text| Parent(text.to_owned()))
    }

    /// The one that the present call names.
    pub fn present() -> Option<Parent> {
        PARENT.try_with(Clone::clone).ok().flatten()
    }

    /// Does work as part of that run, or of none.
    pub fn with<W: Future>(parent: Option<Parent>, work: W) -> impl Future<Output = W::Output> {
        PARENT.scope(parent, work)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
