//! One ask on its way through a backend: keys out, values in, rows out.

use std::sync::Arc;

use asof_model::Result;

use crate::key::Keys;
use crate::tiles::Asked;
use crate::{Ask, Codec, Held, Published, Rows, Windows};

/// What a backend found under a key.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a, R> {
    /// In a slab, which has checked it.
    Held(Held<'a>),
    /// In its own store, where anything may have happened to it.
    Read(R),
}

/// An ask with its keys encoded.
#[derive(Debug)]
pub struct Reading<'a> {
    codec: &'a Arc<Codec>,
    /// Those of rows, then of the tiles of their windows, row after row.
    keys: Keys,
    rows: usize,
    windows: Option<(&'a Windows, Asked)>,
}

impl<'a> Reading<'a> {
    /// Prepares an ask against rows of `codec`, with each key behind the backend's `prefix`.
    ///
    /// # Errors
    /// `unknown_column` for windows of a view that has none, `key_mismatch`.
    pub fn new(codec: &'a Arc<Codec>, ask: &Ask<'a>, prefix: &[u8]) -> Result<Self> {
        let mut keys = codec.keys(ask.keys, prefix)?;
        let rows = keys.len();
        let windows = ask.windows.map(|windows| Ok::<_, crate::Error>((windows, codec.asked(windows)?)));
        let windows = windows.transpose()?;
        if let Some((_, asked)) = &windows {
            let suffixes: Vec<_> = asked.keys.iter().map(|key| key.to_bytes()).collect();
            (0..rows).for_each(|row| suffixes.iter().for_each(|suffix| keys.add(row, suffix)));
        }
        Ok(Reading { codec, keys, rows, windows })
    }

    /// The keys to be read, those with a null part among them as none.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The rows, from what the backend found under each of [`keys`](Self::keys), in order.
    ///
    /// # Errors
    /// `other_format`, `online_damaged`.
    pub fn found<R: AsRef<[u8]>>(&self, published: &Published, values: &[Option<Value<'_, R>>]) -> Result<Rows> {
        let windows = self
            .windows
            .as_ref()
            .map(|(asked_for, asked)| self.codec.cells(asked, asked_for, &self.keys, self.rows, values));
        Ok(Rows::new(self.codec, published, &self.keys, self.rows, values, windows.transpose()?)?)
    }
}

impl<'a, R: AsRef<[u8]>> Value<'a, R> {
    /// Its bytes, and whether they were checked.
    pub(crate) fn bytes(&self) -> (&[u8], bool) {
        match self {
            Value::Held(held) => (held.row(), true),
            Value::Read(bytes) => (bytes.as_ref(), false),
        }
    }
}
