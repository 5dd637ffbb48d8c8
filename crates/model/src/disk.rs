//! What disks fail with, wherever it comes to light.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, Kind};

/// The error of a read or a write that failed so. What is none of the disk's usual troubles is internal.
pub fn failed(kind: io::ErrorKind, message: String) -> Error {
    match kind {
        full if is_full(full) => Error::new(Kind::Unavailable, "storage_full", message)
            .remedy("make room and try again: work beyond its memory needs some, too, in `tmp` of the store"),
        io::ErrorKind::PermissionDenied => Error::new(Kind::Precondition, "permission_denied", message),
        _ => Error::internal(message),
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The same for what a library reports, where a failed read or write is at the bottom of it.
pub fn within(error: &(dyn StdError + 'static)) -> Option<Error> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let io = causes.filter_map(|error| error.downcast_ref::<io::Error>()).last()?;
    // What libraries say around a full disk is no help to anybody.
    let message = if is_full(io.kind()) { format!("a file could not be written: {io}") } else { error.to_string() };
    Some(failed(io.kind(), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_at_the_bottom() {
        #[derive(Debug)]
        struct Sorting(io::Error);
        impl std::fmt::Display for Sorting {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("cannot sort")
            }
        }
        impl StdError for Sorting {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let full = within(&Sorting(io::ErrorKind::StorageFull.into())).unwrap();
        assert_eq!((full.code(), full.kind()), ("storage_full", Kind::Unavailable));
        assert_eq!(full.message(), "a file could not be written: no storage space");
        let other = within(&Sorting(io::ErrorKind::UnexpectedEof.into())).unwrap();
        assert_eq!(other.kind(), Kind::Internal);
        assert_eq!(within(&std::fmt::Error), None);
    }
}
