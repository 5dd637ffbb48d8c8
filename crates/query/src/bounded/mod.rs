//! Functions whose values can be far larger than what they are given, each within a bound.
//!
//! The engine reserves no memory for what functions make, and a single call of `repeat` or `generate_series` can make
//! gigabytes of a few bytes; nobody could stop it in time. So these functions are wrapped where definitions are bound: how much a
//! call would make is worked out from its arguments first, and a call beyond [`MOST`] is refused as `out_of_memory`.
//! What is within it is what the engine's own function makes.
//!
//! A call is that of one batch of rows, 8192 at most: the bound is 16 KiB a row on average.
//!
//! - [`scalars`]: `repeat`, `lpad`, `rpad`, `array_repeat`, `array_resize`, `range`, `generate_series`.
//! - [`windows`]: `array_agg` and `string_agg` with `OVER`, where each row's value can hold all rows before it.
//!
//! Everything else makes at most a small multiple of what it is given, or reserves what it holds; together with whatever
//! slips through it is watched from outside (the engine's lookout on the process).

mod scalar;
mod window;

pub(crate) use scalar::scalars;
pub(crate) use window::windows;

use asof_model::memory::{Bytes, NOT_ENOUGH, exhausted};
use datafusion::error::{DataFusionError, Result};

/// The most that one call may make, in bytes.
const MOST: u64 = 128 << 20;

/// # Errors
/// `out_of_memory`, with a remedy of its own: a higher limit would not help.
fn check(function: &str, makes: u64, of: &str) -> Result<()> {
    if makes <= MOST {
        return Ok(());
    }
    let (makes, most) = (Bytes(makes), Bytes(MOST));
    let error = exhausted(&format!(
        "{NOT_ENOUGH}`{function}` would make {makes} of values for {of}, and it may take {most} at a time"
    ));
    let error =
        error.remedy("make shorter texts and lists, or fewer: this bound is the same for every limit of memory");
    Err(DataFusionError::External(Box::new(error)))
}
