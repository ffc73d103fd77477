//! Live streams of the log.

mod cursor;
mod scope;

pub use cursor::{Cursor, NotACursor};
pub use scope::{Grant, Scope};
