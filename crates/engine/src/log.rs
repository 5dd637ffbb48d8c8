//! `log`: the runs, newest first.

use asof_catalog::RunFilter;
use asof_model::run::{Run, Verb};
use asof_model::{Reference, Result};

use crate::{Engine, Scope};

/// Which runs to tell of.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    /// Only those that read or made this.
    pub about: Option<Reference>,
    /// Only those of this verb.
    pub verb: Option<Verb>,
    /// At most so many; none means all.
    pub limit: Option<usize>,
}

impl Engine {
    /// Runs, newest first.
    ///
    /// # Errors
    /// `unknown_name` for a name that was never declared.
    pub async fn log(&self, scope: &Scope, request: LogRequest) -> Result<Vec<Run>> {
        let project = request.about.as_ref().and_then(|r| r.project.as_ref()).unwrap_or(&scope.project);
        if let Some(reference) = &request.about {
            self.definition(scope, reference).await?;
        }
        let filter = RunFilter {
            verb: request.verb,
            item: request.about.as_ref().map(|r| r.name.clone()),
            limit: request.limit,
            ..RunFilter::default()
        };
        self.catalog().runs(project, filter).await
    }
}
