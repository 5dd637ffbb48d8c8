//! What can be wrong with a text before any name in it has a meaning.

use asof_model::{Error, ErrorKind};

use super::limits;
use crate::fault::At;

/// What can be written.
const DEFINITIONS: &str = "a definition is CREATE DATASET, ENTITY, FEATURE VIEW, FEATURE SERVICE or TRAINING SET";

/// A mistake in the text of a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    Syntax(String),
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: String, found: String, near: Option<String> },
    #[error("{0} is not something that a definition creates")]
    UnknownKind(String, Option<&'static str>),
    #[error("{object} has no clause {found}")]
    UnknownClause { object: &'static str, found: String, near: Option<&'static str>, clauses: &'static [&'static str] },
    #[error("{0} is given twice")]
    RepeatedClause(&'static str),
    #[error("{object} `{name}` says no {clause}")]
    MissingClause { object: &'static str, name: String, clause: &'static str, example: &'static str },
    #[error("{0}")]
    InvalidName(Error),
    #[error("column `{0}` is named twice")]
    DuplicateColumn(String),
    #[error("`{0}` is the name of a column that Asof keeps for itself")]
    ReservedColumn(String),
    #[error("{0} is not a type that Asof keeps")]
    UnsupportedType(String),
    #[error("{0}")]
    InvalidInterval(String),
    #[error("the definition has {0} bytes")]
    TooLong(usize),
    #[error("the definition is nested too deeply")]
    TooDeep,
    #[error("an expression has too many terms")]
    TooWide,
    #[error("a definition cannot contain {0}")]
    NotAllowed(&'static str),
    #[error("a window that starts from `{0}` is not understood")]
    InheritedWindow(String),
    #[error("{0}")]
    WindowFrame(String),
    #[error("an as-of window stands among the columns of the view's own SELECT, not here")]
    WindowPlace,
    #[error("a SELECT with as-of windows cannot have {0}: its rows are not what comes out")]
    WindowBeside(&'static str),
    #[error("a window function within another one, and one of them over an as-of window")]
    WindowNested,
    #[error("{0} WITHIN GROUP cannot be computed over an as-of window")]
    WindowGroup(String),
    #[error("SLIDE must divide a day or be whole days, so that hops meet at midnight")]
    Slide,
    #[error("SLIDE says how windows over a time slide, and the view has none")]
    SlideAlone,
}

impl At for Problem {}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        use Problem::*;
        let message = problem.to_string();
        let error = |code| Error::new(ErrorKind::Invalid, code, message.clone());
        match problem {
            Unreadable(_) | Syntax(_) => error("syntax"),
            Unexpected { near, expected, .. } => match near {
                Some(word) => error("syntax").remedy(format!("did you mean {word}?")),
                None if expected == "CREATE" => error("syntax").remedy(DEFINITIONS),
                None => error("syntax"),
            },
            UnknownKind(_, near) => error("unknown_kind").remedy(match near {
                Some(kind) => format!("did you mean CREATE {kind}?"),
                None => DEFINITIONS.to_owned(),
            }),
            UnknownClause { near, clauses, .. } => error("unknown_clause").remedy(match near {
                Some(clause) => format!("did you mean {clause}?"),
                None => format!("its clauses are {}", clauses.join(", ")),
            }),
            RepeatedClause(_) => error("repeated_clause").remedy("say it once"),
            MissingClause { example, .. } => error("missing_clause").remedy(format!("add {example}")),
            InvalidName(error) => error,
            DuplicateColumn(_) => error("duplicate_column").remedy("give each column its own name"),
            ReservedColumn(_) => {
                error("reserved_column").remedy("names that begin with `__`, `_seq` and `_superseded` are reserved")
            }
            UnsupportedType(_) => error("unsupported_type").remedy(
                "types are BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, REAL, DOUBLE, DECIMAL(p,s), VARCHAR, BINARY, DATE, \
                 TIMESTAMP, and arrays of these (BIGINT[])",
            ),
            InvalidInterval(_) => {
                error("invalid_interval").remedy("write it as INTERVAL '3 hours' or '1 day 12 hours'")
            }
            TooLong(_) => error("text_too_long")
                .remedy(format!("at most {} KiB; split it into several views", limits::MAX_BYTES / 1024)),
            TooDeep => error("nested_too_deep").remedy(format!(
                "at most {} levels; name the inner parts with WITH … AS or in views of their own",
                limits::MAX_DEPTH
            )),
            TooWide => error("nested_too_deep").remedy(format!(
                "at most {} words and signs without a comma or parenthesis; a list (x IN (…)) has no such bound",
                limits::MAX_RUN
            )),
            InheritedWindow(name) => Error::new(ErrorKind::Unsupported, "unsupported_sql", message.clone())
                .remedy(format!("repeat the PARTITION BY and ORDER BY of `{name}`, or say OVER {name} as it is")),
            WindowFrame(_) => error("window_frame")
                .remedy("write RANGE INTERVAL '7 days' PRECEDING, ROWS 10 PRECEDING, or OVER () for all rows so far"),
            WindowPlace => error("window_place").remedy(
                "say PARTITION BY and ORDER BY, and it is computed at the event rows; or move it up into the view's SELECT",
            ),
            WindowBeside(what) => error("window_place")
                .remedy(format!("do the {what} in a subquery in FROM, or in a view of its own")),
            WindowNested => error("window_place").remedy("say PARTITION BY and ORDER BY of the inner one, in a subquery"),
            WindowGroup(_) => error("window_function")
                .remedy("approx_percentile_cont(x, 0.9) is within 1 % of the value, in any order of the rows"),
            Slide => error("invalid_slide").remedy("for example 5 minutes, 1 hour, 6 hours, 1 day or 7 days"),
            SlideAlone => error("invalid_slide").remedy("leave it out"),
            NotAllowed(_) => error("not_allowed").remedy("a definition is one SELECT over the names it gives"),
        }
    }
}
