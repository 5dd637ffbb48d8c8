//! Which entities are asked for: drawn evenly, from a fixed seed.

/// How requests look.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Shape {
    /// Entities that there are; their keys are 0, 1, 2, …
    #[arg(long)]
    entities: u64,
    /// Entities per request.
    #[arg(long, default_value_t = 1)]
    pub(crate) rows: usize,
}

/// At least so many keys are drawn before they repeat: far more rows than a processor's caches hold.
const DRAWN: usize = 1 << 18;
/// And at least so many requests.
const REQUESTS: usize = 1 << 10;

impl Shape {
    /// The keys of each request, in turn.
    pub(crate) fn requests(&self) -> Vec<Vec<i64>> {
        let mut state = 0x6f6e_6c69_6e65;
        let count = (DRAWN / self.rows.max(1)).max(REQUESTS);
        (0..count).map(|_| (0..self.rows).map(|_| (next(&mut state) % self.entities) as i64).collect()).collect()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
