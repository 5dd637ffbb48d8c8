//! Where events are written down until they are added up, by range of keys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::super::place::Slots;
use super::super::state::to_words;
use super::asked::{Asked, Flag, Form};
use super::cells::Cells;
use super::edges::Edges;
use super::scope::Scope;

/// How many slots a range should have, so that its tiles stay in the cache while they are worked on, and how many ranges
/// there should be at most, so that the ends of their chunks do too.
const SLOTS: usize = 512;
const RANGES: usize = 2048;

/// How long a chunk is, in words.
const CHUNK: usize = 512;

/// The events of a view by range of keys, from all its partitions.
pub(in super::super) struct Ledger {
    pub(super) view: String,
    pub(super) asked: Asked,
    pub(super) slots: Arc<dyn Slots>,
    pub(super) scope: Scope,
    pub(super) reservation: MemoryReservation,
    ranges: Vec<Mutex<Page>>,
}

/// The events of one range.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) chunks: Vec<Vec<u64>>,
    /// Those that have been added up, if any, and what was reserved for that.
    pub(super) cells: Option<Cells>,
    pub(super) reserved: usize,
    /// How many words the chunks take, and how many they may.
    words: usize,
    most: usize,
}

impl Ledger {
    /// An empty one.
    pub(in super::super) fn new(
        view: &str,
        asked: Asked,
        slots: Arc<dyn Slots>,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let (keys, count) = (slots.keys() as usize, slots.moments().len());
        let wanted = count.div_ceil(SLOTS).clamp(1, RANGES);
        let key_bits = keys.div_ceil(wanted).next_power_of_two().trailing_zeros();
        let scope = Scope::new(&asked, slots.as_ref(), key_bits);
        reservation.try_grow(scope.size())?;
        let mut ledger = Ledger { view: view.to_owned(), asked, slots, scope, reservation, ranges: Vec::new() };
        let page = |range| {
            let words = ledger.tiles(range) * ledger.asked.words();
            Mutex::new(Page { most: words.max(2 * CHUNK), ..Page::default() })
        };
        ledger.ranges = (0..keys.div_ceil(1 << key_bits)).map(page).collect();
        Ok(ledger)
    }

    /// How many ranges of keys there are.
    pub(super) fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// The keys of a range.
    pub(super) fn keys(&self, range: usize) -> std::ops::Range<u32> {
        let first = (range as u64) << self.scope.key_bits;
        let end = (first + (1 << self.scope.key_bits)).min(u64::from(self.slots.keys()));
        first as u32..end as u32
    }

    /// The slots of a range.
    pub(super) fn slots(&self, range: usize) -> std::ops::Range<usize> {
        let keys = self.keys(range);
        match keys.is_empty() {
            true => 0..0,
            false => self.slots.of(keys.start).start..self.slots.of(keys.end - 1).end,
        }
    }

    /// How many tiles a range has at most.
    fn tiles(&self, range: usize) -> usize {
        self.slots(range).len() * (1 + self.asked.frames.len())
    }

    /// How many words an event takes.
    pub(super) fn words(&self) -> usize {
        self.scope.words() + self.asked.values.len()
    }

    /// For one partition.
    pub(in super::super) fn writer(self: &Arc<Self>) -> Result<Writer> {
        let words = (CHUNK / self.words()).max(1) * self.words();
        self.reservation.try_grow(self.ranges.len() * words * size_of::<u64>())?;
        let open = self.ranges.iter().map(|_| Vec::new()).collect();
        Ok(Writer { ledger: Arc::clone(self), open, words, passing: Vec::new() })
    }

    /// Takes a chunk of events in.
    fn give(&self, range: usize, chunk: Vec<u64>) -> Result<()> {
        let bytes = chunk.capacity() * size_of::<u64>();
        if self.reservation.try_grow(bytes).is_err() {
            // States may take less than the events that are in them.
            for range in 0..self.ranges.len() {
                self.add_up(range, &mut self.page(range))?;
            }
            self.reservation.try_grow(bytes)?;
        }
        let mut page = self.page(range);
        page.words += chunk.capacity();
        page.chunks.push(chunk);
        if page.words > page.most {
            self.add_up(range, &mut page)?;
        }
        Ok(())
    }

    pub(super) fn page(&self, range: usize) -> MutexGuard<'_, Page> {
        // Whoever panicked has ended the query.
        self.ranges[range].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the events of a page to its states, and forgets them.
    fn add_up(&self, range: usize, page: &mut Page) -> Result<()> {
        if page.chunks.is_empty() {
            return Ok(());
        }
        let edges = Edges::new(&self.asked.frames, self.slots.as_ref(), self.keys(range), &self.scope);
        if page.cells.is_none() {
            let bytes = edges.tiles() * self.asked.words() * size_of::<u64>();
            self.reservation.try_grow(bytes)?;
            page.reserved = bytes;
        }
        self.absorb(page, &edges);
        Ok(())
    }

    /// Adds the events of a page to its states, and forgets them. The memory of the states is reserved.
    pub(super) fn absorb(&self, page: &mut Page, edges: &Edges) {
        let cells = page.cells.get_or_insert_with(|| Cells::new(&self.asked.cells, edges.tiles()));
        cells.absorb(&self.asked.cells, &page.chunks, self.words(), edges, &self.scope);
        page.chunks.clear();
        self.reservation.shrink(std::mem::take(&mut page.words) * size_of::<u64>());
    }
}

/// Writes the events of one partition down.
pub(in super::super) struct Writer {
    ledger: Arc<Ledger>,
    /// A chunk for each range.
    open: Vec<Vec<u64>>,
    /// How many words of events fit into a chunk.
    words: usize,
    /// The rows of a batch that may be in a window.
    passing: Vec<u32>,
}

impl Writer {
    /// Writes the rows of a batch down: for each the number of its key, if it has one below [`Slots::keys`], and its time.
    pub(in super::super) fn absorb(&mut self, keys: &[u32], times: &Int64Array, rows: &RecordBatch) -> Result<()> {
        let ledger = Arc::clone(&self.ledger);
        let (scope, asked) = (&ledger.scope, &ledger.asked);
        // First which rows, then what of them: a branch on what nobody can foretell costs more than a store.
        self.passing.resize(keys.len(), 0);
        let (known, mut passing) = (ledger.slots.keys(), 0);
        for (row, (key, time)) in keys.iter().zip(times.values()).enumerate() {
            self.passing[passing] = row as u32;
            passing += usize::from(*key < known && scope.may_hold(*key, *time));
        }
        self.passing.truncate(passing);
        if times.null_count() > 0 {
            self.passing.retain(|row| times.is_valid(*row as usize));
        }
        let flags = flags(&asked.flags, rows);
        let values = asked.values.iter().map(|value| words(rows.column(value.column), value.form));
        let values = values.collect::<Result<Vec<_>>>()?;
        let head = scope.words();
        for row in self.passing.iter().map(|row| *row as usize) {
            let (key, time) = (keys[row], times.value(row));
            let range = scope.range(key);
            let chunk = &mut self.open[range];
            if chunk.capacity() == 0 {
                chunk.reserve_exact(self.words);
            }
            let packed = scope.pack(key, time, flags.of(row));
            match values.as_slice() {
                // As a rule: one call instead of three.
                [words] if head == 1 => chunk.extend_from_slice(&[packed[0], words[row]]),
                values => {
                    chunk.extend_from_slice(&packed[..head]);
                    chunk.extend(values.iter().map(|words| words[row]));
                }
            }
            if chunk.len() == self.words {
                ledger.give(range, std::mem::take(chunk))?;
            }
        }
        Ok(())
    }

    /// Hands over what has been written.
    pub(in super::super) fn finish(self) -> Result<()> {
        self.ledger.reservation.shrink(self.open.len() * self.words * size_of::<u64>());
        let mut open = self.open.into_iter().enumerate().filter(|(_, chunk)| !chunk.is_empty());
        open.try_for_each(|(range, chunk)| self.ledger.give(range, chunk))
    }
}

/// The flags of a batch's rows: those that all have, and those of each.
struct Flags {
    all: u64,
    each: Vec<u16>,
}

impl Flags {
    fn of(&self, row: usize) -> u64 {
        self.all | self.each.get(row).map_or(0, |flags| u64::from(*flags))
    }
}

fn flags(asked: &[Flag], rows: &RecordBatch) -> Flags {
    let mut flags = Flags { all: 0, each: Vec::new() };
    for (bit, flag) in asked.iter().enumerate() {
        let (Flag::Valid(column) | Flag::True(column)) = flag;
        let column = rows.column(*column);
        let condition = match flag {
            Flag::Valid(_) => None,
            Flag::True(_) => column.as_boolean_opt(),
        };
        if condition.is_none() && column.logical_null_count() == 0 {
            flags.all |= 1 << bit;
            continue;
        }
        let nulls = column.logical_nulls();
        flags.each.resize(rows.num_rows(), 0);
        for (row, flags) in flags.each.iter_mut().enumerate() {
            let has = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                && condition.is_none_or(|condition| condition.value(row));
            *flags |= u16::from(has) << bit;
        }
    }
    flags
}

/// The words of a column; what is null has any.
fn words(column: &ArrayRef, form: Form) -> Result<ScalarBuffer<u64>> {
    let words = match form {
        Form::Integer => to_words(column)?.values().inner().clone(),
        Form::Float => cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().values().inner().clone(),
    };
    Ok(ScalarBuffer::new(words, 0, column.len()))
}
