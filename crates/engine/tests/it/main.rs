//! The verbs over real tables and a catalog in memory: what a user sees of the engine, without the wire.

mod equal;
mod record;
mod refuse;
mod world;
