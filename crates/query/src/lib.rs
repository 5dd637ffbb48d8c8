//! SQL text to definitions, and definitions to plans.
//!
//! - [`parse`] reads definitions from files, with a place for every mistake ([`Statement`]).
//! - [`bind`] gives names their meaning, checks types, and says what applying would change ([`Change`]).
//! - [`Planner`] turns registered definitions into DataFusion plans over pinned snapshots: a view's rows, a
//!   training set, a view's newest rows, and the compiled form of a service ([`Serving`]). Training and
//!   serving evaluate the same bound expressions (law 2).
//! - [`flows`] says what a definition's columns are made of.
//! - [`asof`] is the operator that joins views to a spine as of each row's moment; [`windows`] are aggregates over
//!   what had happened by then; [`visibility`] decides which rows of a dataset count at a moment.
//!
//! It does no I/O: tables are handed in ([`Tables`]), and so is the moment. Binding and planning recurse
//! over the text's structure; nesting is bounded before parsing, and the work is done on a deep stack, so that no
//! text can exhaust one.

pub mod asof;
pub mod visibility;
pub mod windows;

mod bind;
mod bounded;
mod columns;
mod fault;
mod features;
mod kept;
mod plan;
mod reading;
mod select;
mod service;
mod session;
mod stack;
mod syntax;
mod text;

pub use asof::KnownMoment;
pub use bind::{Change, ClauseChange, Effect, Registry, bind, difference};
pub use columns::flows;
pub use features::features;
pub use plan::{
    Contributing, Contribution, Contributor, Definitions, Following, Moments, Planner, Question, RowWise, ServedView,
    ServedWindows, Serving, Stored, Tables, Tiled, Timeline, TrainingOptions, ViewRow, ViewRows, ViewStatuses, Wanted,
    execution_error,
};
pub use reading::{Tally, Watch, spine_rows};
pub use session::session_state;
pub use syntax::windows::{has_windows, refuse as refuse_windows};
pub use syntax::{Statement, parse};
pub use text::Source;
pub use windows::{States, TileCell, TileKind, Tiling};
