//! OpenLineage. In: what other tools say that their jobs read and wrote. Out: runs of ours, said so that they understand ([`out`]).
//!
//! **Promises.** The graph is a function of the set of events: whatever order they come in, and however often, it is the
//! same ([`Heard::fold`]). It keeps its history: everything in it holds from a moment to a moment. What is not
//! understood of an event is no reason to refuse it.
//!
//! **Costs.** A fold takes time in the number of events and of what they say (it sorts them), and memory in what they say, not in
//! their text. Facets are kept once per job and dataset as long as they say the same.
//!
//! **Deliberately not here.** No storage and no transport: events come as JSON values that somebody else keeps. Symlinks have
//! no history: two names are one dataset, or are not, at all times.

pub mod canonical;
mod columns;
pub mod designs;
mod event;
mod external;
mod facets;
mod fold;
mod heard;
mod history;
mod naming;
pub mod out;
pub mod out_columns;
mod past;
mod places;
mod spent;
mod telling;

pub use columns::Transformation;
pub use event::{About, Dataset, Event, Facets, Job, State};
pub use external::{ColumnFlow, End, External, ExternalDataset, ExternalJob, Flow, Span};
pub(crate) use facets::DEFINITION;
pub use facets::{PARENT_RUN, parent_run};
pub use heard::{Heard, Times};
pub use history::{ToldRun, ToldVersion};
pub use naming::Name;
pub use past::Then;
pub use places::Places;
