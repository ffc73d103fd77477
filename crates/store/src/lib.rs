//! What is kept: the log of events, the deliveries that are owed, and who wants them.
//!
//! **Promise.** This is the only crate that knows SQL. Behind one contract, [`Store`], stand SQLite ([`SqliteStore`]),
//! PostgreSQL ([`PostgresStore`]) and an in-memory model ([`model`]); one suite of tests runs on all three and says
//! what the contract means. What a method has answered `Ok` to survives `kill -9`.
//!
//! Read in this order: [`contract`](Store), `engine` (how the two SQL engines share it), `tables/` (statements that
//! read the same on both), `sqlite/` and `postgres/` (those that do not, with their texts in `sql/`).
//!
//! To add a statement:
//! 1. name it in the contract as the verb that calls it, and say in a case of the suite what it must do;
//! 2. write it in the model, which is the shortest way to say what it does;
//! 3. write it once in `tables/` if it reads the same on both engines, else side by side in `sql/sqlite/` and
//!    `sql/postgres/`, each saying why it differs. Name it in its file's `STATEMENTS`, and it is prepared on both
//!    engines by a test.

#![warn(missing_docs)]

mod contract;
mod ends;
mod engine;
mod hours;
mod migrate;
pub mod model;
mod notes;
pub mod one_core;
mod postgres;
mod rows;
mod sealed;
mod sql;
mod sqlite;
mod tables;

pub use contract::*;
pub use notes::{NOTE_BYTES_MAX, Notes};
pub use postgres::PostgresStore;
pub use sealed::{SealedIn, SealedSecret};
pub use sqlite::SqliteStore;
