//! In whose name and where a verb works.

use asof_model::Name;

/// The project, and the environment whose pointers a name without a selector follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The project.
    pub project: Name,
    /// The environment.
    pub environment: Name,
}
