//! Rows in any order, sorted by key within a bound of memory.
//!
//! Rows are gathered in one buffer; when it is full it is sorted and written to disk as a **run**. At the end the
//! runs are merged. Of several values of one key comes out what [`merged`] makes of them.
//! Costs one extra writing and reading of the rows when they outgrow the buffer, and nothing on disk when they don't.
//!
//! Sorting is stable and runs are merged in the order they were written, so that "written last" keeps its meaning.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use asof_online::merged;

use crate::cleaning::WIDTH;
use crate::error::Error;

/// Gathers rows.
#[derive(Debug)]
pub(crate) struct Sorter {
    folder: PathBuf,
    budget: usize,
    /// Keys and rows one after the other, in the order they came.
    bytes: Vec<u8>,
    rows: Vec<Place>,
    runs: Vec<PathBuf>,
}

/// Where one key and its row are in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    key: u32,
    row: u32,
}

impl Place {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..][..self.key as usize]
    }

    fn row(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start + self.key as usize..][..self.row as usize]
    }
}

impl Sorter {
    /// Runs go to `folder`, which exists, once `budget` bytes are gathered.
    pub(crate) fn new(folder: &Path, budget: usize) -> Self {
        Sorter { folder: folder.to_owned(), budget, bytes: Vec::new(), rows: Vec::new(), runs: Vec::new() }
    }

    /// Whether no row was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.runs.is_empty()
    }

    /// Adds a row. Both parts are shorter than 4 GiB, as the codec sees to.
    pub(crate) fn push(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        let held = self.bytes.len() + self.rows.len() * size_of::<Place>();
        if !self.rows.is_empty() && held + key.len() + row.len() > self.budget {
            self.spill()?;
        }
        self.rows.push(Place { start: self.bytes.len(), key: key.len() as u32, row: row.len() as u32 });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(row);
        Ok(())
    }

    /// Hands out every key once, in order, with its row.
    pub(crate) fn finish(mut self, mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        if self.runs.is_empty() {
            return self.in_order(each);
        }
        self.spill()?;
        let opened = self.runs.iter().enumerate().filter_map(|(n, path)| Head::open(n, path).transpose());
        let mut heads: BinaryHeap<Head> = opened.collect::<Result<_, _>>()?;
        let mut held: Option<(Vec<u8>, Vec<u8>)> = None;
        while let Some(mut head) = heads.peek_mut() {
            match &mut held {
                Some((key, row)) if *key == head.key => {
                    let all = merge(key, [row.as_slice(), &head.row].into_iter())?.into_owned();
                    *row = all;
                }
                Some((key, row)) => {
                    each(key, row)?;
                    std::mem::swap(key, &mut head.key);
                    std::mem::swap(row, &mut head.row);
                }
                None => held = Some((std::mem::take(&mut head.key), std::mem::take(&mut head.row))),
            }
            if !head.advance()? {
                PeekMut::pop(head);
            }
        }
        held.map_or(Ok(()), |(key, row)| each(&key, &row))
    }

    /// Hands out what is in the buffer, in order, and empties it.
    fn in_order(&mut self, mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let bytes = &self.bytes;
        self.rows.sort_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
        for same in self.rows.chunk_by(|a, b| a.key(bytes) == b.key(bytes)) {
            if let Some(place) = same.first() {
                let key = place.key(bytes);
                each(key, &merge(key, same.iter().map(|place| place.row(bytes)))?)?;
            }
        }
        self.bytes.clear();
        self.rows.clear();
        Ok(())
    }

    fn spill(&mut self) -> Result<(), Error> {
        let path = self.folder.join(format!("run-{}", self.runs.len()));
        let written = |path: &Path| Error::file("writing", path);
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&path).map_err(written(&path))?);
        self.in_order(|key, row| {
            let lengths = [(key.len() as u32).to_le_bytes(), (row.len() as u32).to_le_bytes()];
            let parts = [lengths.as_flattened(), key, row];
            parts.iter().try_for_each(|part| file.write_all(part)).map_err(written(&path))
        })?;
        file.flush().map_err(written(&path))?;
        self.runs.push(path);
        Ok(())
    }
}

/// All values of a key, which has a slot before it, as one.
pub(crate) fn merge<'a>(key: &[u8], values: impl Iterator<Item = &'a [u8]>) -> Result<Cow<'a, [u8]>, Error> {
    let damaged = || Error::Malformed("a value of a publication is not what was written".to_owned());
    merged(key.get(WIDTH..).unwrap_or_default(), values).ok_or_else(damaged)
}

/// The next row of a run. The greatest head is the one to come out first.
struct Head {
    key: Vec<u8>,
    row: Vec<u8>,
    number: usize,
    path: PathBuf,
    file: BufReader<File>,
    /// Bytes not read yet: bounds what a damaged length can make us allocate.
    left: u64,
}

impl Head {
    fn open(number: usize, path: &Path) -> Result<Option<Self>, Error> {
        let file = File::open(path).map_err(Error::file("opening", path))?;
        let left = file.metadata().map_err(Error::file("reading", path))?.len();
        let file = BufReader::with_capacity(1 << 18, file);
        let mut head = Head { key: Vec::new(), row: Vec::new(), number, path: path.to_owned(), file, left };
        Ok(head.advance()?.then_some(head))
    }

    /// Reads the next row; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        self.read().map_err(Error::file("reading", &self.path))
    }

    fn read(&mut self) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let [mut key, mut row] = [[0; 4]; 2];
        self.file.read_exact(&mut key)?;
        self.file.read_exact(&mut row)?;
        let (key, row) = (u32::from_le_bytes(key), u32::from_le_bytes(row));
        let length = 8 + u64::from(key) + u64::from(row);
        self.left = self.left.checked_sub(length).ok_or(io::ErrorKind::InvalidData)?;
        self.key.resize(key as usize, 0);
        self.row.resize(row as usize, 0);
        self.file.read_exact(&mut self.key)?;
        self.file.read_exact(&mut self.row)?;
        Ok(true)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.key, other.number).cmp(&(&self.key, self.number))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The part of a row that sorting looks at, and a mark.
    fn row(time: i64, mark: u8) -> Vec<u8> {
        let mut row = vec![2, 0, 0, 0, 0];
        [time, time, 0].iter().for_each(|part| row.extend_from_slice(&part.to_le_bytes()));
        row.push(mark);
        row
    }

    /// A key in some slot.
    fn slotted(key: u8) -> Vec<u8> {
        vec![0, 0, 0, 0, 0, 0, 0, 1, key]
    }

    fn check(rows: &[(u8, i64, u8)], budget: usize, runs: impl Fn(usize) -> bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path(), budget);
        let mut expected: BTreeMap<Vec<u8>, (i64, u8)> = BTreeMap::new();
        for (key, time, mark) in rows {
            sorter.push(&slotted(*key), &row(*time, *mark)).unwrap();
            let held = expected.entry(slotted(*key)).or_insert((*time, *mark));
            if *time >= held.0 {
                *held = (*time, *mark);
            }
        }
        assert!(runs(sorter.runs.len()), "{} runs", sorter.runs.len());
        let mut found = Vec::new();
        let keep = |key: &[u8], row: &[u8]| {
            found.push((key.to_vec(), row.to_vec()));
            Ok(())
        };
        sorter.finish(keep).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|(k, (time, mark))| (k, row(time, mark))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_come_out_once_in_order_with_their_newest_row() {
        check(&[], 100, |runs| runs == 0);
        let rows: Vec<_> = (0..1000u32).map(|n| ((n * 37 % 101) as u8, i64::from(n % 7), (n % 251) as u8)).collect();
        check(&rows, 1 << 20, |runs| runs == 0);
        check(&rows, 1 << 10, |runs| runs > 10);
        check(&rows, 0, |runs| runs == 999);
    }

    #[test]
    fn of_equal_times_the_row_written_last_comes_out() {
        let rows = [(1, 5, 1), (1, 5, 2), (1, 4, 3), (2, 0, 4), (1, 5, 5), (2, -1, 6)];
        check(&rows, 1 << 20, |runs| runs == 0);
        check(&rows, 0, |runs| runs == 5);
    }

    #[test]
    fn a_damaged_run_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path(), 0);
        (0..3).for_each(|n| sorter.push(&slotted(n), &row(0, n)).unwrap());
        std::fs::write(folder.path().join("run-0"), [0xFF; 30]).unwrap();
        assert!(sorter.finish(|_, _| Ok(())).is_err());
    }
}
