//! Statements that read the same on both engines, a file for each subject.

pub(crate) mod connections;
pub(crate) mod deliveries;
pub(crate) mod emails;
pub(crate) mod event_types;
pub(crate) mod hours;
pub(crate) mod inbox;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod nodes;
pub(crate) mod registrations;
pub(crate) mod rejections;
pub(crate) mod retention;
pub(crate) mod sealed;
pub(crate) mod sources;
pub(crate) mod subscriptions;
pub(crate) mod tasks;

#[cfg(test)]
use crate::sql::{Sql, Statement};

/// Statements that must not walk through all events, deliveries or attempts; and whether each may walk along their ids,
/// as a list does of which little is asked, or what is asked is plentiful.
#[cfg(test)]
pub(crate) fn served_by_indexes<S: Sql>() -> Vec<(Statement, bool)> {
    let lists = ["events", "deliveries"];
    let all = statements::<S>().into_iter().map(|statement| {
        let is_list = lists.contains(&statement.name);
        (statement, is_list)
    });
    all.chain(deliveries::narrow_filters().into_iter().map(|statement| (statement, false))).collect()
}

/// Every statement, for the test that prepares them on both engines.
#[cfg(test)]
pub(crate) fn statements<S: Sql>() -> Vec<Statement> {
    let of_each_file = [
        connections::STATEMENTS,
        deliveries::STATEMENTS,
        emails::STATEMENTS,
        event_types::STATEMENTS,
        hours::STATEMENTS,
        inbox::STATEMENTS,
        jobs::STATEMENTS,
        keys::STATEMENTS,
        log::STATEMENTS,
        nodes::STATEMENTS,
        registrations::STATEMENTS,
        retention::STATEMENTS,
        subscriptions::STATEMENTS,
        tasks::STATEMENTS,
    ];
    of_each_file
        .concat()
        .into_iter()
        .cloned()
        .chain(log::made::<S>())
        .chain([log::some()])
        .chain(deliveries::any_filter())
        .chain(jobs::any_filter())
        .chain(jobs::made::<S>())
        .chain(rejections::statements())
        .chain(sealed::statements())
        .chain(sources::STATEMENTS.iter().copied().cloned())
        .collect()
}
