//! The protocols, and the one place that names backends.
//!
//! - [`Config`] reads the settings, [`open`] takes the store for this process alone and builds the engine over
//!   it, [`Server`] answers gRPC, and HTTP with JSON on the same port, and [`embedded`] is the same server inside the
//!   caller's process, so that there is one code path whether or not somebody runs a daemon.
//! - Messages end here: `convert` turns each into the words of `model`, one file per resource, and checks
//!   what nobody checked before. Input never panics, and what it may cost is bounded before it is paid.
//! - A failed call carries its errors in full in the details of its status: see [`codes`].
//!
//! Costs: a call is decoded and answered on the serving runtime; long work runs in the engine's own. Uploads and
//! exports pass through files under the store's `tmp` folder, never whole through memory.
//!
//! Deliberately absent: who may do what. Until there are tokens, whoever reaches the port may do everything,
//! which is why it listens on the loopback address unless told otherwise.

pub mod codes;
pub mod config;
mod convert;
mod deadline;
mod embedded;
mod events;
mod greeting;
mod http;
mod lock;
mod open;
mod parented;
mod server;
mod service;
mod spool;
mod telling;

pub use config::{Config, Overrides};
pub use convert::column::{from_batch, to_batch};
pub use embedded::embedded;
pub use lock::StoreLock;
pub use open::{Ending, Opened, SetAside, open, set_aside};
pub use parented::PARENT_RUN;
pub use server::Server;
pub use telling::Delivered;
