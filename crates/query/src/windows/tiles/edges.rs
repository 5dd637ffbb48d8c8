//! The tiles of some keys: time cut wherever a window of the key begins or ends.
//!
//! Each tile reaches from one edge, exclusive, to the next, inclusive, as windows do: those of a key are numbered in order
//! and begin with what is not after its first edge. An event is in one tile, and a window is a run of them.

use std::ops::Range;

use super::super::Frame;
use super::super::place::Slots;
use super::scope::Scope;

/// The tiles of a range of keys, numbered through.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// Where each tile ends, counted as the scope does.
    ends: Vec<u64>,
    /// The first tile of each key, and at the end how many tiles there are.
    keys: Vec<u32>,
    /// For each slot the first tile of its key, and the tile behind the one that ends at its moment.
    slots: Vec<(u32, u32)>,
    /// For each frame and slot the first tile of the window.
    firsts: Vec<Vec<u32>>,
}

impl Edges {
    /// The tiles of these keys.
    pub(super) fn new(frames: &[Frame], slots: &dyn Slots, keys: Range<u32>, scope: &Scope) -> Self {
        let count: usize = keys.clone().map(|key| slots.of(key).len()).sum();
        let mut edges = Edges {
            ends: Vec::with_capacity(count * (frames.len() + 1)),
            keys: Vec::with_capacity(keys.len() + 1),
            slots: Vec::with_capacity(count),
            firsts: frames.iter().map(|_| Vec::with_capacity(count)).collect(),
        };
        let mut starts = frames.iter().map(|frame| Starts::new(*frame)).collect::<Vec<_>>();
        for key in keys {
            edges.push(&slots.moments()[slots.of(key)], &mut starts, scope);
        }
        edges.keys.push(edges.ends.len() as u32);
        edges
    }

    /// Cuts the time of one key: merges its moments and the starts of its windows, which both only go forward.
    fn push(&mut self, moments: &[i64], starts: &mut [Starts], scope: &Scope) {
        let origin = self.ends.len() as u32;
        self.keys.push(origin);
        for (starts, firsts) in starts.iter_mut().zip(&mut self.firsts) {
            starts.begin(moments, scope);
            // What reaches back for ever begins with the key's first tile.
            firsts.extend(std::iter::repeat_n(origin, starts.at));
        }
        for moment in moments {
            let moment = scope.since(*moment);
            loop {
                let end = starts.iter().map(|starts| starts.next).fold(moment, u64::min);
                self.ends.push(end);
                let behind = self.ends.len() as u32;
                for (starts, firsts) in starts.iter_mut().zip(&mut self.firsts) {
                    while starts.next == end && starts.at < moments.len() {
                        firsts.push(behind);
                        starts.step(moments, scope);
                    }
                }
                if end == moment {
                    self.slots.push((origin, behind));
                    break;
                }
            }
        }
    }

    /// How many there are.
    pub(super) fn tiles(&self) -> usize {
        self.ends.len()
    }

    /// The tiles of each key.
    pub(super) fn by_key(&self) -> impl Iterator<Item = Range<usize>> {
        self.keys.windows(2).map(|ends| ends[0] as usize..ends[1] as usize)
    }

    /// The tile of an event: in a key's tiles the first that does not end before it; none if it comes after all.
    #[inline]
    pub(super) fn tile(&self, key: usize, time: u64) -> Option<u32> {
        let (first, end) = (self.keys[key], self.keys[key + 1]);
        let ends = &self.ends[first as usize..end as usize];
        // The standard library halves without branches, which would be taken wrongly every second time.
        let before = ends.partition_point(|end| *end < time) as u32;
        (first + before < end).then_some(first + before)
    }

    /// For each slot the window of one frame: the first tile of its key, the first of the window, and the one behind its last.
    pub(super) fn windows(&self, frame: usize) -> impl Iterator<Item = Window> + Clone {
        let slots = self.slots.iter().zip(&self.firsts[frame]);
        slots.map(|((origin, end), first)| Window {
            origin: *origin as usize,
            first: *first as usize,
            end: *end as usize,
        })
    }
}

/// A window as a run of tiles; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The first tile of the key.
    pub(super) origin: usize,
    pub(super) first: usize,
    pub(super) end: usize,
}

/// The starts of one frame's windows along a key's moments.
struct Starts {
    frame: Frame,
    /// The number of the moment whose window comes next.
    at: usize,
    /// Its start, counted as the scope does; beyond all moments if there is none.
    next: u64,
}

impl Starts {
    fn new(frame: Frame) -> Self {
        Starts { frame, at: 0, next: u64::MAX }
    }

    /// Goes to the first window of a key that has a start.
    fn begin(&mut self, moments: &[i64], scope: &Scope) {
        self.at = moments.iter().take_while(|moment| self.frame.start(**moment).is_none()).count();
        self.aim(moments, scope);
    }

    fn step(&mut self, moments: &[i64], scope: &Scope) {
        self.at += 1;
        self.aim(moments, scope);
    }

    fn aim(&mut self, moments: &[i64], scope: &Scope) {
        let start = moments.get(self.at).and_then(|moment| self.frame.start(*moment));
        self.next = start.map_or(u64::MAX, |start| scope.since(start));
    }
}
