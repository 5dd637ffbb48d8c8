//! A stack that is deep enough.
//!
//! Reading, binding and planning recurse as deep as a text nests. The text is bounded, but a level can cost tens of
//! kilobytes, and on whose stack the caller stands is not ours to say: so that work gets a stack for the deepest text that is let
//! in, unless what it stands on has that much left. What does such work for many definitions stands on one deep stack for all of
//! them: making one for each is a system call and fresh pages each time, a fifth of what planning 1,000 definitions took.

/// What the deepest text needs, in bytes.
const NEEDED: usize = 64 << 20;

/// What is made; only what is touched takes memory. A little more than is needed, so that work within other work stays where it is.
const MADE: usize = NEEDED + (4 << 20);

/// Does some work on a deep stack.
pub(crate) fn deep<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(NEEDED, MADE, work)
}
