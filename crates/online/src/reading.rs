//! One lookup on its way through a backend: keys out, rows in, answer out.

use asof_model::Result;

use crate::key::Keys;
use crate::row::Projection;
use crate::{Codec, Decoded, Found, Lookup, Published};

/// A lookup with its keys encoded and its columns found.
#[derive(Debug)]
pub struct Reading<'a> {
    codec: &'a Codec,
    projection: Projection,
    keys: Keys,
}

impl<'a> Reading<'a> {
    /// Prepares a lookup against rows of `codec`, with each key behind the backend's `prefix`.
    ///
    /// # Errors
    /// `unknown_column`, `key_mismatch`.
    pub fn new(codec: &'a Codec, lookup: &Lookup<'_>, prefix: &[u8]) -> Result<Self> {
        let projection = codec.projection(&lookup.columns)?;
        Ok(Reading { codec, projection, keys: codec.keys(&lookup.keys, prefix)? })
    }

    /// The keys to be read, those with a null part among them as none.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The answer, from what the backend found under each of [`keys`](Self::keys), in order.
    ///
    /// # Errors
    /// `other_format`, `online_damaged`, `row_too_large`.
    pub fn found<R: AsRef<[u8]>>(&self, published: &Published, rows: &[Option<R>]) -> Result<Found> {
        let rows = rows.iter().enumerate().map(|(n, row)| Some((self.keys.get(n)?, row.as_ref()?.as_ref())));
        let Decoded { event_times, counts_from, values } = self.codec.decode(&self.projection, rows)?;
        let Published { generation, run, at, .. } = *published;
        Ok(Found { generation, run, at, counts_from, event_times, values })
    }
}
