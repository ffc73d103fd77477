//! What happens by itself.

mod rescue;
mod retention;

pub(crate) use rescue::Rescuer;
pub use retention::Ages;
pub(crate) use retention::Sweeper;
