//! Exact numbers that can be added to, one per group.

use std::collections::HashMap;
use std::ops::Range;

use super::number::Number;
use super::short::Short;
use super::words;

/// What a number outside the window costs about, in bytes: its place in the map and its words.
const ASIDE: usize = 96;

/// One exact number per group.
///
/// All groups have the same **window** of 64-bit words around the point, side by side in one vector: a number is a
/// fixed-point integer in two's complement. What does not fit into the window, an outlier or a carry out of its top, is
/// kept **aside**, exactly as well, so that one outlier does not cost every group a word. Once that has happened
/// so often that a wider window is cheaper, the window is widened. The layout depends on the order in which values
/// came; the numbers, which are the sum of both parts, do not.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    groups: usize,
    /// The place of the window's lowest word: it counts 2^(64 · low).
    low: i32,
    /// How many words the window has.
    width: usize,
    words: Vec<u64>,
    aside: HashMap<usize, Number<'static>>,
    /// How often something was put aside since the window has this width.
    put_aside: usize,
}

impl Columns {
    /// Zeros, with this window at first.
    pub(super) fn new(groups: usize, window: Range<i32>) -> Self {
        let width = window.len();
        let words = vec![0; groups * width];
        Columns { groups, low: window.start, width, words, aside: HashMap::new(), put_aside: 0 }
    }

    /// Adds `value · 2^(64 · place)`.
    #[inline]
    pub(super) fn add(&mut self, group: usize, place: i32, value: i128) {
        let at = i64::from(place) - i64::from(self.low);
        // Nearly always the window is of two words: one addition.
        if let ([low, high], 0 | 1) = (self.window_mut(group), at) {
            let moved =
                if at == 0 { Some(value) } else { i64::try_from(value).ok().map(|value| i128::from(value) << 64) };
            if let Some(moved) = moved {
                let before = (u128::from(*high) << 64 | u128::from(*low)) as i128;
                let (sum, overflows) = before.overflowing_add(moved);
                (*low, *high) = (sum as u64, (sum >> 64) as u64);
                if overflows {
                    self.carry(group, if value < 0 { -1 } else { 1 });
                }
                return;
            }
        }
        self.add_array(group, place, [value as u64, (value >> 64) as u64]);
    }

    /// Adds `words · 2^(64 · place)`.
    #[inline]
    pub(super) fn add_array<const N: usize>(&mut self, group: usize, place: i32, words: [u64; N]) {
        // Words that only repeat the sign do no harm where there is room for them, and looking for them takes time.
        let room = self.low <= place && place + N as i32 <= self.high();
        self.add_words(group, place, if room { &words } else { &words[..words::needed(&words)] });
    }

    /// Adds a number.
    pub(super) fn add_number(&mut self, group: usize, number: &Number) {
        self.add_words(group, number.low(), number.words());
    }

    /// The number of a group.
    pub(super) fn total(&self, group: usize) -> Number<'_> {
        let window = Number::lent(self.low, self.window(group));
        match self.aside(group) {
            None => window,
            Some(aside) => {
                let mut total = window.into_owned();
                total.add(aside);
                total
            }
        }
    }

    /// What one group has and another, if there is one, has not; none where that does not fit into 128 bits, or is kept aside.
    #[inline]
    pub(super) fn between(&self, from: Option<usize>, upto: usize) -> Option<Short> {
        if !self.aside.is_empty()
            && (self.aside.contains_key(&upto) || from.is_some_and(|f| self.aside.contains_key(&f)))
        {
            return None;
        }
        let more = self.window(upto);
        let Some(from) = from else { return Short::of(more, self.low) };
        let less = self.window(from);
        if let ([low, high], [less_low, less_high]) = (more, less) {
            let value = |low: &u64, high: &u64| (u128::from(*high) << 64 | u128::from(*low)) as i128;
            return Short::new(value(low, high).checked_sub(value(less_low, less_high))?, 64 * self.low);
        }
        const MOST: usize = 4;
        if self.width > MOST {
            return None;
        }
        // One word more than both, so that nothing is lost.
        let (mut difference, mut borrow) = ([0; MOST + 1], false);
        let (sign, less_sign) = (words::sign(more), words::sign(less));
        for (at, word) in difference.iter_mut().enumerate() {
            let [more, less] =
                [(more, sign), (less, less_sign)].map(|(words, sign)| words.get(at).copied().unwrap_or(sign));
            (*word, borrow) = more.borrowing_sub(less, borrow);
        }
        Short::of(&difference, self.low)
    }

    /// Makes each of these groups the total of itself and those of them before it.
    pub(super) fn run(&mut self, groups: Range<usize>) {
        for group in groups.skip(1) {
            self.merge_group(group, group - 1);
        }
    }

    /// Adds the number of one group to that of another.
    pub(super) fn merge_group(&mut self, into: usize, from: usize) {
        let (to, start) = (into * self.width, from * self.width);
        let signs = [into, from].map(|group| words::sign(self.window(group)));
        let mut carry = false;
        for at in 0..self.width {
            let more = self.words[start + at];
            (self.words[to + at], carry) = self.words[to + at].carrying_add(more, carry);
        }
        // Before anything may widen the window.
        let lost = words::lost(signs[0], signs[1], words::sign(self.window(into)));
        let aside = self.aside(from).cloned();
        if lost != 0 {
            self.carry(into, lost);
        }
        if let Some(aside) = aside {
            self.add_number(into, &aside);
        }
    }

    /// Adds all numbers of others, group by group.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.widen(other.low..other.low + other.width as i32);
        for group in 0..other.groups {
            let window = other.window(group);
            if window.iter().any(|word| *word != 0) {
                self.add_words(group, other.low, window);
            }
        }
        for (group, aside) in &other.aside {
            self.add_number(*group, aside);
        }
    }

    /// Memory held, in bytes. While the window is widened, both are there for a moment.
    pub(super) fn size(&self) -> usize {
        size_of_val(self.words.as_slice()) + self.aside.capacity() * ASIDE
    }

    fn window(&self, group: usize) -> &[u64] {
        &self.words[group * self.width..][..self.width]
    }

    fn window_mut(&mut self, group: usize) -> &mut [u64] {
        &mut self.words[group * self.width..][..self.width]
    }

    fn high(&self) -> i32 {
        self.low + self.width as i32
    }

    fn aside(&self, group: usize) -> Option<&Number<'static>> {
        // Usually nothing is aside, and asking a map that is empty still costs a hash.
        if self.aside.is_empty() { None } else { self.aside.get(&group) }
    }

    /// Adds `words · 2^(64 · low)`: into the window if they fit, else aside.
    #[inline]
    fn add_words(&mut self, group: usize, low: i32, words: &[u64]) {
        if self.low <= low && low + words.len() as i32 <= self.high() {
            let at = (low - self.low) as usize;
            let lost = words::add(self.window_mut(group), at, words);
            if lost != 0 {
                self.carry(group, lost);
            }
        } else {
            self.put_aside(group, low, words);
        }
    }

    /// Gives a group what it lost above its highest word.
    #[cold]
    fn carry(&mut self, group: usize, lost: i64) {
        self.put_aside(group, self.high(), &[lost as u64]);
    }

    #[cold]
    fn put_aside(&mut self, group: usize, low: i32, words: &[u64]) {
        self.put_aside += 1;
        let high = low + words.len() as i32;
        let wider = self.low.min(low)..self.high().max(high);
        let price = (wider.len() - self.width) * size_of::<u64>() * self.groups;
        if self.put_aside * ASIDE > price {
            self.widen(wider);
            self.add_words(group, low, words);
        } else {
            self.keep_aside(group, &Number::lent(low, words));
        }
    }

    fn keep_aside(&mut self, group: usize, number: &Number) {
        let aside = self.aside.entry(group).or_default();
        aside.add(number);
        if aside.is_zero() {
            self.aside.remove(&group);
        }
    }

    /// Makes the window hold these places too, and brings in what was aside and now fits.
    fn widen(&mut self, window: Range<i32>) {
        let (low, high) = (self.low.min(window.start), self.high().max(window.end));
        let width = (high - low) as usize;
        if width == self.width {
            return;
        }
        let mut words = Vec::with_capacity(self.groups * width);
        let below = (self.low - low) as usize;
        for group in 0..self.groups {
            let narrow = self.window(group);
            words.resize(group * width + below, 0);
            words.extend_from_slice(narrow);
            words.resize((group + 1) * width, words::sign(narrow));
        }
        (self.low, self.width, self.words, self.put_aside) = (low, width, words, 0);
        for (group, number) in std::mem::take(&mut self.aside) {
            let fits = low <= number.low() && number.low() + number.words().len() as i32 <= high;
            let lost = match fits {
                true => words::add(self.window_mut(group), (number.low() - low) as usize, number.words()),
                false => 0,
            };
            match (fits, lost) {
                (true, 0) => {}
                (true, lost) => self.keep_aside(group, &Number::new(high, vec![lost as u64])),
                (false, _) => self.keep_aside(group, &number),
            }
        }
    }
}
