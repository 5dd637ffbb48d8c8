//! Which tiles an event is in, and which a window is read from.

use super::Tiles;

/// The level byte of the tile of all events.
const ENDLESS: u8 = u8::MAX;

/// One tile of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TileKey {
    level: u8,
    number: i64,
}

/// A window: the events behind its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The grain of its start, microseconds; one of the levels.
    pub hop: i64,
    /// Events at this time and before are not in it, those behind are; a multiple of the hop. None: all events.
    pub start: Option<i64>,
}

impl TileKey {
    /// How many bytes it has.
    pub(crate) const WIDTH: usize = 9;

    /// The tiles that an event of this time is in.
    pub(crate) fn all(tiles: &Tiles, time: i64) -> impl Iterator<Item = TileKey> {
        let number = move |level: i64| (time.saturating_sub(1)).div_euclid(level.max(1));
        let levels = tiles.levels.iter().enumerate();
        let keys = levels.map(move |(n, level)| TileKey { level: n as u8, number: number(*level) });
        keys.chain(tiles.endless.then_some(TileKey { level: ENDLESS, number: 0 }))
    }

    /// Whether it is the tile of all events.
    pub(crate) fn is_endless(self) -> bool {
        self.level == ENDLESS
    }

    /// Whether all of it lies at or before a moment. The key is its entity's and its own.
    pub(crate) fn ends_by(tiles: &Tiles, key: &[u8], until: i64) -> bool {
        let Some([level, number @ ..]) = key.last_chunk::<{ Self::WIDTH }>() else { return false };
        let Some(level) = tiles.levels.get(usize::from(*level)) else { return false };
        let number = i64::from_be_bytes(*number) ^ i64::MIN;
        number.saturating_add(1).saturating_mul(*level) <= until
    }

    /// Its bytes, which stand behind the key of its entity.
    pub(crate) fn to_bytes(self) -> [u8; Self::WIDTH] {
        let mut bytes = [self.level; Self::WIDTH];
        // Turned round at the sign, so that bytes compare as numbers.
        bytes[1..].copy_from_slice(&(self.number ^ i64::MIN).to_be_bytes());
        bytes
    }
}

/// The tiles that windows at one moment are read from, each once, and which windows each is part of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) keys: Vec<TileKey>,
    /// For each key the numbers of the spans.
    pub(crate) spans: Vec<Vec<usize>>,
}

impl Asked {
    /// For windows that end at this moment. Nothing has happened behind it.
    pub(crate) fn new(tiles: &Tiles, spans: &[Span], at: i64) -> Self {
        let mut asked = Asked::default();
        for (number, span) in spans.iter().enumerate() {
            match span.start {
                None => asked.add(TileKey { level: ENDLESS, number: 0 }, number),
                Some(start) => asked.range(tiles, span.hop, start, at, number),
            }
        }
        asked
    }

    fn range(&mut self, tiles: &Tiles, hop: i64, start: i64, at: i64, span: usize) {
        let first = tiles.levels.iter().position(|level| *level == hop).unwrap_or_default();
        let mut from = start;
        while from < at {
            // The largest tile that begins here; the last one reaches beyond the moment.
            let fits = |(_, level): &(usize, &i64)| from.rem_euclid(**level) == 0;
            let Some((n, level)) = tiles.levels.iter().enumerate().skip(first).rev().find(fits) else { return };
            self.add(TileKey { level: n as u8, number: from.div_euclid(*level) }, span);
            match from.checked_add(*level) {
                Some(next) => from = next,
                None => return,
            }
        }
    }

    fn add(&mut self, key: TileKey, span: usize) {
        match self.keys.iter().position(|known| *known == key) {
            Some(known) => self.spans[known].push(span),
            None => {
                self.keys.push(key);
                self.spans.push(vec![span]);
            }
        }
    }
}
