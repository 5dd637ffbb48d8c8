//! What fails that no change of the data would mend: disks, stores, engines and their libraries.

use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use asof_model::{Error, ErrorKind, disk};
use datafusion::error::DataFusionError;
use deltalake::DeltaTableError;
use parquet::errors::ParquetError;
use tokio::task::JoinError;

/// Something outside the data failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    ObjectStore(#[from] object_store::Error),
    #[error(transparent)]
    Delta(#[from] DeltaTableError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Engine(#[from] DataFusionError),
    #[error("a thread of the offline store stopped: {0}")]
    Thread(#[from] JoinError),
}

/// For `map_err`: the failure of work on this file.
pub(crate) fn of_file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
    let path = path.into();
    move |source| Failure::File { path, source }
}

/// Carries an error of ours through an engine that only knows its own.
pub(crate) fn through_engine(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let message = failure.to_string();
        match failure {
            Failure::File { source, .. } | Failure::Io(source) => disk::failed(source.kind(), message),
            Failure::ObjectStore(error) => of_store(&error, message),
            Failure::Delta(DeltaTableError::ObjectStore { source }) => of_store(&source, message),
            Failure::Delta(error) => Error::internal(format!("Delta table: {error}")),
            Failure::Arrow(error) => {
                ours_within(&error).or_else(|| disk::within(&error)).unwrap_or_else(|| Error::internal(error))
            }
            Failure::Parquet(error) => {
                ours_within(&error).or_else(|| disk::within(&error)).unwrap_or_else(|| Error::internal(error))
            }
            Failure::Engine(error) => of_engine(&error),
            Failure::Thread(error) => Error::internal(error),
        }
    }
}

fn of_store(error: &object_store::Error, message: String) -> Error {
    use object_store::Error as E;
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Error::new(ErrorKind::Precondition, "permission_denied", message)
        }
        E::Generic { source, .. } => match source.downcast_ref::<io::Error>() {
            Some(io) => disk::failed(io.kind(), message),
            None => Error::new(ErrorKind::Unavailable, "storage_unavailable", message),
        },
        _ => Error::internal(message),
    }
}

fn of_engine(error: &DataFusionError) -> Error {
    if let Some(ours) = ours_within(error) {
        return ours;
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(why) => asof_model::memory::exhausted(why),
        _ => disk::within(error).unwrap_or_else(|| Error::internal(error)),
    }
}

/// The error of ours that an engine wrapped, if that is what it reports.
fn ours_within(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        next = match error.downcast_ref::<DataFusionError>() {
            // These do not (all) name what they wrap as their source.
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
            _ => match error.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => error.source(),
            },
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_survives_the_engine() {
        let ours = Error::new(ErrorKind::Invalid, "bad_value", "row 3");
        let wrapped = DataFusionError::Shared(std::sync::Arc::new(through_engine(ours.clone()).context("sorting")));
        assert_eq!(Error::from(Failure::from(wrapped)), ours);
        let nested = DataFusionError::from(ArrowError::ExternalError(Box::new(through_engine(ours.clone()))));
        assert_eq!(Error::from(Failure::from(nested)), ours);
    }

    #[test]
    fn a_full_disk_may_be_tried_again_and_a_defect_may_not() {
        let full = Failure::File { path: "a".into(), source: io::ErrorKind::StorageFull.into() };
        assert_eq!(Error::from(full).kind(), ErrorKind::Unavailable);
        let spilling = || io::Error::from(io::ErrorKind::StorageFull);
        let full = Failure::Engine(DataFusionError::from(spilling()).context("sort"));
        assert_eq!(Error::from(full).code(), "storage_full");
        let full = Failure::Parquet(ParquetError::External(Box::new(spilling())));
        assert_eq!(Error::from(full).code(), "storage_full");
        assert_eq!(Error::from(Failure::Engine(DataFusionError::Plan("x".into()))).kind(), ErrorKind::Internal);
        let exhausted = Failure::Engine(DataFusionError::ResourcesExhausted("x".into()).context("sort"));
        assert_eq!(Error::from(exhausted).code(), "out_of_memory");
    }
}
