//! What can be wrong with the functions over as-of windows.

use asof_model::{Error, ErrorKind};
use datafusion::error::DataFusionError;

use crate::fault::At;

/// A function that cannot be computed over an as-of window, or not in this way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0} is not an aggregate, so it has no value over an as-of window")]
    NotAnAggregate(String),
    #[error("{function} cannot be computed over an as-of window: {reason}")]
    Unmergeable { function: String, reason: &'static str, remedy: &'static str },
    #[error("{function} of {found} cannot be computed over an as-of window")]
    Type { function: String, found: String, remedy: &'static str },
    #[error("`{column}` comes from an as-of window, so it cannot be {purpose}: that belongs to a row")]
    NotOfARow { column: String, purpose: String },
    #[error("`{0}` mixes an as-of window with a subquery")]
    Subquery(String),
    #[error("an as-of window stands beneath something that makes rows of its own, such as unnest")]
    Beneath,
    #[error("{0}")]
    Defect(String),
}

impl At for Problem {}

impl Problem {
    /// The function that is at fault, where it is one.
    pub(crate) fn function(&self) -> Option<&str> {
        match self {
            Problem::NotAnAggregate(function)
            | Problem::Unmergeable { function, .. }
            | Problem::Type { function, .. } => Some(function),
            Problem::NotOfARow { .. } | Problem::Subquery(_) | Problem::Beneath | Problem::Defect(_) => None,
        }
    }

    /// The output column that is at fault, where it is one.
    pub(crate) fn column(&self) -> Option<&str> {
        match self {
            Problem::NotOfARow { column, .. } | Problem::Subquery(column) => Some(column),
            _ => None,
        }
    }
}

/// A sum that does not fit its type, found while a plan runs.
pub(super) fn overflow(view: &str, written: &str, data_type: &str) -> DataFusionError {
    let message = format!("view `{view}`: a sum does not fit {data_type}: {written}");
    let error = Error::new(ErrorKind::Invalid, "sum_overflow", message)
        .remedy("CAST what is summed to DECIMAL(38,0) or DOUBLE");
    DataFusionError::External(Box::new(error))
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        let message = problem.to_string();
        let error = |kind, code| Error::new(kind, code, message.clone());
        match problem {
            Problem::NotAnAggregate(_) => error(ErrorKind::Invalid, "window_function")
                .remedy("say PARTITION BY and ORDER BY, and it is computed at the event rows"),
            Problem::Unmergeable { remedy, .. } => error(ErrorKind::Invalid, "window_function").remedy(remedy),
            Problem::Type { remedy, .. } => error(ErrorKind::Invalid, "window_function").remedy(remedy),
            Problem::NotOfARow { .. } => error(ErrorKind::Invalid, "window_column")
                .remedy("take it from a column, or compute it in a view of its own"),
            Problem::Subquery(_) => error(ErrorKind::Unsupported, "unsupported_sql")
                .remedy("join what the subquery gives in FROM, or compute it in a column of its own"),
            Problem::Beneath => error(ErrorKind::Unsupported, "unsupported_sql")
                .remedy("make the rows in a subquery in FROM, or in a view of its own"),
            Problem::Defect(_) => Error::internal(message),
        }
    }
}
