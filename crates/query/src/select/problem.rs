//! What can be wrong with a SELECT once its names have a meaning.

use asof_model::{Error, ErrorKind};

use crate::fault::At;

/// A mistake in an expression or in what a SELECT gives.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no column {column}")]
    UnknownColumn { column: String, near: Option<String>, known: Vec<String> },
    #[error("column `{column}` is ambiguous: {} have it", .candidates.join(" and "))]
    AmbiguousColumn { column: String, candidates: Vec<String> },
    #[error("there is no function `{name}`")]
    UnknownFunction { name: String, near: Option<String> },
    #[error("`{0}` gives another value each time it is computed, so the result would depend on when that is")]
    Unstable(String),
    #[error("{0}")]
    Types(String),
    #[error("{0}")]
    Invalid(String, Option<String>),
    #[error("{0}")]
    Unsupported(String),
    #[error("the column `{0}` has no name of its own")]
    UnnamedColumn(String),
    #[error("the column `{0}` comes out twice")]
    DuplicateColumn(String),
    #[error("`{0}` is the name of a column that Asof keeps for itself")]
    ReservedColumn(String),
    #[error("column `{0}` has the type {1}, which Asof does not keep")]
    UnsupportedType(String, String),
}

impl At for Problem {}

/// At most this many columns are listed where none is near.
const LISTED: usize = 12;

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        use Problem::*;
        let message = problem.to_string();
        let error = |kind, code| Error::new(kind, code, message.clone());
        let invalid = |code| error(ErrorKind::Invalid, code);
        match problem {
            UnknownColumn { near: Some(near), .. } => {
                error(ErrorKind::NotFound, "unknown_column").remedy(format!("did you mean `{near}`?"))
            }
            UnknownColumn { known, .. } if known.is_empty() => error(ErrorKind::NotFound, "unknown_column"),
            UnknownColumn { known, .. } => error(ErrorKind::NotFound, "unknown_column").remedy(format!(
                "there are: {}{}",
                known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", "),
                if known.len() > LISTED { ", …" } else { "" }
            )),
            AmbiguousColumn { candidates, .. } => {
                invalid("ambiguous_column").remedy(format!("write {}", candidates.join(" or ")))
            }
            UnknownFunction { near, .. } => match near {
                Some(near) => error(ErrorKind::NotFound, "unknown_function").remedy(format!("did you mean `{near}`?")),
                None => error(ErrorKind::NotFound, "unknown_function"),
            },
            Unstable(_) => invalid("unstable_function")
                .remedy("compute it from a column, or bring it as a request parameter"),
            Types(_) => invalid("type_mismatch").remedy("CAST one of them"),
            Invalid(_, Some(remedy)) => invalid("invalid_query").remedy(remedy),
            Invalid(_, None) => invalid("invalid_query"),
            Unsupported(_) => error(ErrorKind::Unsupported, "unsupported_sql"),
            UnnamedColumn(_) => invalid("unnamed_column").remedy("give it a name with AS"),
            DuplicateColumn(_) => invalid("duplicate_column").remedy("rename one of them with AS"),
            ReservedColumn(_) => invalid("reserved_column")
                .remedy("names that begin with `__` or end with `__status`, `_seq` and `_superseded` are reserved"),
            UnsupportedType(_, _) => invalid("unsupported_type").remedy(
                "cast it to BOOLEAN, an integer, REAL, DOUBLE, DECIMAL, VARCHAR, BINARY, DATE, TIMESTAMP or an array of these",
            ),
        }
    }
}
