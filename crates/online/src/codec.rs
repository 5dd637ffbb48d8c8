//! The rows of one view as keys and values of bytes.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use asof_model::schema::{normal, sql_type, timestamp};
use asof_model::{Micros, Pinned};

use crate::key::{KeyCodec, Keys};
use crate::row::{RowCodec, Source, Stamp};
use crate::tiles::{self, Asked, Cells, Events, Gathered, Tile, TileKey};
use crate::{EVENT_TIME, Error, KNOWN, Layout, SEQ, Value, Windows};

/// A layout compiled once: it encodes batches for writing and lookups for reading, and decodes rows.
///
/// Errors name the view it was made for. It holds no rows and may be shared by threads.
#[derive(Debug)]
pub struct Codec {
    view: String,
    layout: Layout,
    keys: KeyCodec,
    rows: RowCodec,
}

impl Codec {
    /// For the rows of one view.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::UnsupportedKey`], [`Error::UnsupportedType`], [`Error::DuplicateColumn`].
    pub fn new(view: &Pinned, layout: &Layout) -> Result<Self, Error> {
        let view = view.reference();
        layout.validate(&view)?;
        let rows = RowCodec::new(&view, layout)?;
        Ok(Codec { keys: KeyCodec::new(&view, layout), rows, layout: layout.clone(), view })
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Hands every row of a batch that has a whole key to `each`, as key behind `prefix` and row; where the view has windows
    /// and the batch the columns that their tiles are of, also tiles, each key once. All are only lent. See [`Publication::write`](crate::Publication::write) for what the batch holds.
    ///
    /// # Errors
    /// [`Error::LayoutMismatch`], [`Error::NullEventTime`], [`Error::TooLarge`], and those of `each`.
    pub fn encode<E: From<Error>>(
        &self,
        batch: &RecordBatch,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let key: Vec<_> =
            (self.layout.key.0.iter()).map(|c| self.column(batch, &c.name, &c.data_type)).collect::<Result<_, _>>()?;
        let keys = self.keys.encode(&key, prefix)?;
        let stamps = self.stamps(batch)?;
        let values: Vec<Source> = (self.layout.values.0.iter().enumerate())
            .map(|(n, c)| Ok(self.rows.source(n, &self.column(batch, &c.name, &c.data_type)?)))
            .collect::<Result<_, Error>>()?;
        let mut row = Vec::new();
        for n in 0..batch.num_rows() {
            if let (Some(key), Some(prefixed)) = (keys.get(n), keys.prefixed(n)) {
                self.rows.encode(key, stamps.of(n), &values, n, &mut row)?;
                each(prefixed, &row)?;
            }
        }
        let Some(tiles) = self.layout.tiles.as_ref().filter(|tiles| tiles.are_in(batch)) else { return Ok(()) };
        let events = Events::new(tiles, |cell| self.column(batch, &cell.input, &cell.kind.input_type()))?;
        let mut gathered = Gathered::new();
        for n in 0..batch.num_rows() {
            if let Some(key) = keys.get(n) {
                events.add(n, key, stamps.of(n), &mut gathered).map_err(|reason| self.damaged(reason))?;
            }
        }
        let mut prefixed = prefix.to_vec();
        for (key, tile) in gathered {
            prefixed.truncate(prefix.len());
            prefixed.extend_from_slice(&key);
            row.clear();
            tile.write(&key, &mut row);
            each(&prefixed, &row)?;
        }
        Ok(())
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged { view: self.view.clone(), reason: reason.to_owned() }
    }

    /// The windows that are asked for, and the keys of the tiles that they are read from.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] for a view without windows.
    pub(crate) fn asked(&self, windows: &Windows) -> Result<Asked, Error> {
        let Some(tiles) = &self.layout.tiles else {
            let (view, column) = (self.view.clone(), "an as-of window".to_owned());
            return Err(Error::UnknownColumn { view, column, known: Vec::new() });
        };
        Ok(Asked::new(tiles, &windows.spans, windows.at.0))
    }

    /// The states of windows of so many rows, from what was found under the keys of their tiles. These lie behind the rows'
    /// own, row after row. Also the latest event time in any of them.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(crate) fn cells<R: AsRef<[u8]>>(
        &self,
        asked: &Asked,
        windows: &Windows,
        keys: &Keys,
        rows: usize,
        found: &[Option<Value<'_, R>>],
    ) -> Result<(Cells, Option<Micros>), Error> {
        let tiles = self.layout.tiles.as_ref().ok_or_else(|| self.damaged("it has no windows"))?;
        let mut cells = Cells::new(tiles, rows, windows.spans.len());
        let mut latest = None;
        let places = (0..rows).flat_map(|row| asked.spans.iter().map(move |spans| (row, spans)));
        for ((place, found), (row, spans)) in found.iter().enumerate().skip(rows).zip(places) {
            let (Some(key), Some(tile)) = (keys.get(place), found) else { continue };
            let time = cells.add(key, tile.bytes(), row, spans).map_err(|reason| self.damaged(reason))?;
            latest = latest.max(Some(Micros(time)));
        }
        Ok((cells, latest))
    }

    /// Whether this is a tile, and of events at or before a moment alone.
    pub fn is_over(&self, key: &[u8], value: &[u8], until: Micros) -> bool {
        let tiles = self.layout.tiles.as_ref().filter(|_| value.first() == Some(&tiles::VERSION));
        tiles.is_some_and(|tiles| TileKey::ends_by(tiles, key, until.0))
    }

    /// Encodes the keys of a lookup, each behind `prefix`.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`].
    pub fn keys(&self, arrays: &[ArrayRef], prefix: &[u8]) -> Result<Keys, Error> {
        self.keys.encode(arrays, prefix)
    }

    /// Where columns are among the values of the layout, in the order given.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`].
    pub fn positions<'a>(&self, columns: impl IntoIterator<Item = &'a String>) -> Result<Vec<usize>, Error> {
        columns.into_iter().map(|name| self.rows.position(name)).collect()
    }

    /// Whether a row is what was written under this key (without a prefix), by its version, checksum and layout.
    ///
    /// # Errors
    /// [`Error::OtherFormat`], [`Error::Damaged`].
    pub fn verify(&self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        if row.first() == Some(&tiles::VERSION) {
            return Tile::read(key, row).map(drop).map_err(|reason| self.damaged(reason));
        }
        self.rows.verify(key, row)
    }

    pub(crate) fn rows(&self) -> &RowCodec {
        &self.rows
    }

    /// The stamps of a batch, the event times all there.
    fn stamps(&self, batch: &RecordBatch) -> Result<Stamps, Error> {
        let times = self.column(batch, EVENT_TIME, &timestamp())?;
        let times = times.as_primitive::<TimestampMicrosecondType>().clone();
        if let Some(row) = (0..times.len()).find(|row| times.is_null(*row)) {
            return Err(Error::NullEventTime { view: self.view.clone(), row });
        }
        let known = batch.column_by_name(KNOWN).map(|_| self.column(batch, KNOWN, &timestamp())).transpose()?;
        let known = known.map(|known| known.as_primitive::<TimestampMicrosecondType>().clone());
        let seqs = batch.column_by_name(SEQ).map(|_| self.column(batch, SEQ, &DataType::Int64)).transpose()?;
        Ok(Stamps { times, known, seqs: seqs.map(|seqs| seqs.as_primitive::<Int64Type>().clone()) })
    }

    /// A column of a batch in the layout's type. Other Arrow types of the same normal type are converted.
    fn column(&self, batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<ArrayRef, Error> {
        let mismatch = |reason| Error::LayoutMismatch { view: self.view.clone(), reason };
        let array = batch.column_by_name(name).ok_or_else(|| mismatch(format!("there is no column `{name}`")))?;
        if array.data_type() == wanted {
            return Ok(array.clone());
        }
        // Lists may differ in what their elements are called: their normal types are equal then.
        if normal(array.data_type()) != normal(wanted) {
            let (wanted, given) = (sql_type(wanted), sql_type(array.data_type()));
            return Err(mismatch(format!("`{name}` is {wanted}, and {given} was written")));
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, wanted, &strict).map_err(|e| mismatch(format!("`{name}`: {e}")))
    }
}

/// What the rows of a batch are ordered by.
struct Stamps {
    times: TimestampMicrosecondArray,
    known: Option<TimestampMicrosecondArray>,
    seqs: Option<Int64Array>,
}

impl Stamps {
    fn of(&self, row: usize) -> Stamp {
        let event_time = self.times.value(row);
        let known =
            self.known.as_ref().filter(|known| known.is_valid(row)).map_or(event_time, |known| known.value(row));
        let seq = self.seqs.as_ref().filter(|seqs| seqs.is_valid(row)).map_or(0, |seqs| seqs.value(row));
        Stamp { event_time: Micros(event_time), known: Micros(known), seq }
    }
}
