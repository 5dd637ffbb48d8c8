//! One lookup on its way through a backend: keys out, values in, answer out.

use asof_model::Result;

use crate::key::Keys;
use crate::row::Projection;
use crate::tiles::Asked;
use crate::{Codec, Decoded, Found, Lookup, Published, Windows};

/// A lookup with its keys encoded and its columns found.
#[derive(Debug)]
pub struct Reading<'a> {
    codec: &'a Codec,
    projection: Projection,
    /// Those of rows, then of the tiles of their windows, row after row.
    keys: Keys,
    rows: usize,
    windows: Option<(&'a Windows, Asked)>,
}

impl<'a> Reading<'a> {
    /// Prepares a lookup against rows of `codec`, with each key behind the backend's `prefix`.
    ///
    /// # Errors
    /// `unknown_column`, `key_mismatch`.
    pub fn new(codec: &'a Codec, lookup: &'a Lookup<'_>, prefix: &[u8]) -> Result<Self> {
        let projection = codec.projection(&lookup.columns)?;
        let mut keys = codec.keys(&lookup.keys, prefix)?;
        let rows = keys.len();
        let windows = lookup.windows.as_ref().map(|windows| Ok::<_, crate::Error>((windows, codec.asked(windows)?)));
        let windows = windows.transpose()?;
        if let Some((_, asked)) = &windows {
            let suffixes: Vec<_> = asked.keys.iter().map(|key| key.to_bytes()).collect();
            (0..rows).for_each(|row| suffixes.iter().for_each(|suffix| keys.add(row, suffix)));
        }
        Ok(Reading { codec, projection, keys, rows, windows })
    }

    /// The keys to be read, those with a null part among them as none.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The answer, from what the backend found under each of [`keys`](Self::keys), in order.
    ///
    /// # Errors
    /// `other_format`, `online_damaged`, `row_too_large`.
    pub fn found<R: AsRef<[u8]>>(&self, published: &Published, values: &[Option<R>]) -> Result<Found> {
        let rows = values.iter().take(self.rows).enumerate();
        let rows: Vec<_> = rows.map(|(n, row)| Some((self.keys.get(n)?, row.as_ref()?.as_ref()))).collect();
        let Decoded { event_times, mut counts_from, values: columns } =
            self.codec.decode(&self.projection, rows.into_iter())?;
        let mut windows = None;
        if let Some((asked_for, asked)) = &self.windows {
            let (cells, latest) = self.codec.cells(asked, asked_for, &self.keys, self.rows, values)?;
            counts_from = counts_from.max(latest);
            windows = Some(cells);
        }
        let Published { generation, run, at, .. } = *published;
        Ok(Found { generation, run, at, counts_from, event_times, values: columns, windows })
    }
}
