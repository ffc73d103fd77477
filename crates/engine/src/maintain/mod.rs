//! What happens by itself.

mod alerts;
mod rescue;
mod retention;

pub(crate) use alerts::{Backlog, Observer};
pub(crate) use rescue::Rescuer;
pub use retention::Ages;
pub(crate) use retention::Sweeper;
