//! What can be wrong with a view over revised datasets, and how the user hears of it.

use asof_model::ErrorKind as Kind;
use datafusion::error::DataFusionError;

/// Why real rows cannot be put into a plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Rows that are superseded at different moments would be mixed.
    #[error(
        "{what} mixes rows of `{table}`, which has KEY and KNOWN AT: the answer would change with the moment it is asked for"
    )]
    RevisionsMixed { table: String, what: &'static str },
    /// A column of the user's is called like a hidden one.
    #[error("`{0}` is a reserved column name")]
    Reserved(String),
    /// What was declared is not in the table.
    #[error("dataset `{dataset}` has no column `{column}`")]
    NoColumn { dataset: String, column: String },
    /// What the lookup of relations failed with.
    #[error(transparent)]
    Relation(#[from] asof_model::Error),
    /// A failure of the query engine.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
}

impl From<Error> for asof_model::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::RevisionsMixed { .. } => asof_model::Error::new(Kind::Unsupported, "revisions_mixed", message)
                .remedy("say KNOWN AT NONE to use each fact's latest revision, or let the view give one row per row of the dataset"),
            Error::Reserved(_) => asof_model::Error::new(Kind::Invalid, "reserved_column", message).remedy("give the column another name with AS"),
            Error::NoColumn { .. } => asof_model::Error::new(Kind::NotFound, "unknown_column", message)
                .remedy("ingest data that has it, or declare the dataset without it"),
            Error::Relation(error) => error,
            Error::Engine(error) => asof_model::Error::internal(error),
        }
    }
}
