//! Requests for features and their answers as JSON, for those without gRPC.
//!
//! The words are those of the gRPC messages, and the values mean the same. What JSON cannot say exactly is text: a DECIMAL,
//! an integer beyond ±2^53 (many readers hold numbers as doubles), `NaN`, `Infinity` and `-Infinity`, a moment (RFC 3339),
//! a DATE, and BINARY (base64). An answer writes it so, and a request may; nothing is guessed, cut or rounded but a number
//! given for a REAL or DOUBLE, which is the nearest one.
//!
//! Costs: a request is parsed into one value of 24 bytes per JSON value, bounded by the size of its body; an answer is
//! written in one pass. Lists nest as deep as the type that is declared, texts as deep as the parser allows (128).

mod body;
mod columns;
mod error;
mod reply;

pub(crate) use body::parse;
pub(crate) use columns::to_batch_apart;
pub(crate) use error::from_error;
pub(crate) use reply::from_reply;
