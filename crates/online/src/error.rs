//! What can go wrong, and what the user is told.

use asof_model::name::nearest;
use asof_model::{ErrorKind as Kind, Pinned};

/// What can go wrong in any online store. Backends add their own and reuse these, so that the same trouble
/// has the same code everywhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Read before it was ever published.
    #[error("{} has not been materialized: there are no rows of it online", .0.reference())]
    NotMaterialized(Box<Pinned>),
    /// A value that the view does not have.
    #[error("{view} has no column `{column}` online")]
    UnknownColumn {
        /// The view.
        view: String,
        /// As asked for.
        column: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Keys that do not fit the view's entity.
    #[error("keys do not fit {view}: {reason}")]
    KeyMismatch {
        /// The view.
        view: String,
        /// In what they differ.
        reason: String,
    },
    /// A layout without a key.
    #[error("{view} has no key column")]
    NoKey {
        /// The view.
        view: String,
    },
    /// A key of a type that does not equal itself reliably.
    #[error("{view}: `{column}` cannot be part of a key")]
    UnsupportedKey {
        /// The view.
        view: String,
        /// Name and type.
        column: String,
    },
    /// A value of a type that is not normal.
    #[error("{view}: `{column}` cannot be stored online")]
    UnsupportedType {
        /// The view.
        view: String,
        /// Name and type.
        column: String,
    },
    /// One name twice in a layout.
    #[error("{view} has two columns named `{column}`")]
    DuplicateColumn {
        /// The view.
        view: String,
        /// The name.
        column: String,
    },
    /// A batch that is not of the layout.
    #[error("rows do not fit the layout of {view}: {reason}")]
    LayoutMismatch {
        /// The view.
        view: String,
        /// In what they differ.
        reason: String,
    },
    /// A row without a moment.
    #[error("row {row} written to {view} has no event time")]
    NullEventTime {
        /// The view.
        view: String,
        /// Its number in the batch, from 0.
        row: usize,
    },
    /// A row or an answer beyond what offsets of 32 bits reach.
    #[error("{view}: {what} is larger than 2 GiB")]
    TooLarge {
        /// The view.
        view: String,
        /// What grew so large.
        what: &'static str,
    },
    /// Rows to be added to what is visible no more.
    #[error("something else was published of {view} while rows were to be added to it")]
    Overtaken {
        /// The view.
        view: String,
    },
    /// Bytes in a format of another version of Asof.
    #[error("rows of {view} are in format {found}, and this version reads format {known}")]
    OtherFormat {
        /// The view.
        view: String,
        /// The stored version byte.
        found: u8,
        /// The version that is read here.
        known: u8,
    },
    /// Stored bytes are not what was written.
    #[error("the online rows of {view} are damaged: {reason}")]
    Damaged {
        /// The view.
        view: String,
        /// What was seen.
        reason: String,
    },
}

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        let told = |kind, code| asof_model::Error::new(kind, code, error.to_string());
        let again = |view: &str| format!("asof materialize {}", view.split('@').next().unwrap_or(view));
        match &error {
            Error::NotMaterialized(view) => {
                // That very version: another one may be current.
                told(Kind::Precondition, "not_materialized").remedy(format!("asof materialize {}", view.reference()))
            }
            Error::UnknownColumn { column, known, .. } => {
                let told = told(Kind::NotFound, "unknown_column");
                match nearest(column, known.iter().map(String::as_str)) {
                    Some(near) => told.remedy(format!("did you mean `{near}`?")),
                    None => told.remedy(format!("it has: {}", known.join(", "))),
                }
            }
            Error::KeyMismatch { .. } => told(Kind::Invalid, "key_mismatch"),
            Error::NoKey { .. } | Error::UnsupportedKey { .. } => {
                told(Kind::Invalid, "unsupported_key").remedy("keys are integers, strings, booleans, dates or binary")
            }
            Error::UnsupportedType { .. } => told(Kind::Invalid, "unsupported_type"),
            Error::DuplicateColumn { .. } => {
                told(Kind::Invalid, "duplicate_column").remedy("give one of them another name with AS")
            }
            Error::LayoutMismatch { .. } => told(Kind::Internal, "layout_mismatch"),
            Error::NullEventTime { .. } => told(Kind::Internal, "null_event_time"),
            Error::TooLarge { .. } => told(Kind::Invalid, "row_too_large"),
            Error::Overtaken { view } => told(Kind::Unavailable, "publication_overtaken").remedy(again(view)),
            Error::OtherFormat { view, .. } => told(Kind::Precondition, "other_format").remedy(again(view)),
            Error::Damaged { view, .. } => told(Kind::Corrupt, "online_damaged").remedy(again(view)),
        }
    }
}
