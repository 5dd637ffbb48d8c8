//! What can be wrong with an as-of join, and how the user hears of it.

use asof_model::ErrorKind as Kind;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

/// Why an as-of join cannot be planned or run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Keys that can never be equal, or are not allowed as keys.
    #[error(
        "`{view}.{view_column}` is {view_type} and `{spine_column}` is {spine_type}: they cannot be compared as keys"
    )]
    KeyTypes { view: String, view_column: String, view_type: String, spine_column: String, spine_type: String },
    /// A moment that is not one.
    #[error("`{column}` is {data_type}, not a timestamp or a date")]
    NotAMoment { column: String, data_type: String },
    /// Two output columns of one name.
    #[error("the columns of the spine and of the views cannot be told apart: {0}")]
    Ambiguous(String),
    /// A spine row without a moment. Rows count from 1.
    #[error("row {row} of the spine has no `{column}`")]
    NullMoment { column: String, row: usize },
    /// A moment that microseconds cannot say. Rows of the spine count from 1; those of a view have no number.
    #[error("{}the time {value} in `{column}` is out of range", row.map(|row| format!("row {row}: ")).unwrap_or_default())]
    OutOfRange { column: String, value: String, row: Option<usize> },
    /// More rows than can be numbered.
    #[error("the spine has more than {} rows", u32::MAX - 1)]
    SpineTooLong,
    /// A defect of whoever planned the join.
    #[error("as-of join: {0}")]
    Defect(String),
    /// A failure of the query engine.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
}

impl Error {
    /// Whether memory was refused: by us, or by the plan of a view, to which we leave more when we hold less.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Error::Engine(error) if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)))
    }

    pub(super) fn not_a_moment(column: &str, data_type: &DataType) -> Self {
        Error::NotAMoment { column: column.to_owned(), data_type: asof_model::schema::sql_type(data_type) }
    }
}

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let invalid = |code, remedy: &str| asof_model::Error::new(Kind::Invalid, code, message.clone()).remedy(remedy);
        match error {
            Error::KeyTypes { .. } => {
                invalid("key_type", "cast one side to the type of the other; floats are never keys")
            }
            Error::NotAMoment { .. } => invalid("column_type", "cast it to TIMESTAMP"),
            Error::Ambiguous(_) => invalid("ambiguous_column", "rename one of them with AS"),
            Error::NullMoment { .. } => {
                invalid("null_timestamp", "leave rows without a time out: add WHERE … IS NOT NULL")
            }
            Error::OutOfRange { .. } => {
                invalid("time_out_of_range", "times must lie between the years -290308 and 294246")
            }
            Error::SpineTooLong => invalid("spine_too_long", "split the spine and build several training sets"),
            Error::Defect(_) => asof_model::Error::internal(message),
            Error::Engine(error) => from_engine(error),
        }
    }
}

/// Takes one of our errors out of the engine's wrapping; what is not ours is a failure of the machine.
fn from_engine(error: DataFusionError) -> asof_model::Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<asof_model::Error>() {
            Ok(ours) => *ours,
            Err(other) => asof_model::Error::internal(other),
        },
        other => asof_model::Error::internal(other),
    }
}

/// While a plan runs, errors travel through the query engine, as an `External` [`asof_model::Error`].
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(error) => error,
            ours => DataFusionError::External(Box::new(asof_model::Error::from(ours))),
        }
    }
}
