//! Jobs: work on many deliveries that goes on for a while, and can be watched and called off.

use serde::{Deserialize, Serialize};

use crate::delivery::Status;
use crate::{ConnectionId, DeliveryId, EventId, EventType, JobId, SubscriptionId, Timestamp, UserId};

/// Work that goes on for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Whose it is. `None`: the operator's.
    pub owner_id: Option<UserId>,
    /// What is to be done.
    pub work: Work,
    /// Where it stands.
    pub state: State,
    /// How many events or deliveries it is about, where somebody has counted them.
    pub total: Option<u64>,
    /// How many of them have been dealt with.
    pub done: u64,
    /// How many of them could not be.
    pub failed: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// A subscription is owed past events.
    Replay {
        /// Which subscription.
        subscription_id: SubscriptionId,
        /// Which of the events that it wants.
        only: Only,
        /// Of the events after this,
        after: EventId,
        /// up to this one.
        last: EventId,
    },
    /// A new subscription is owed what came in before it was there.
    Start {
        /// Which subscription.
        subscription_id: SubscriptionId,
        /// Events after this,
        after: EventId,
        /// up to the one that was the newest when the work began: what came in since is owed anyway.
        last: Option<EventId>,
    },
    /// The provider of a connection is asked for what is new.
    Sync {
        /// Which connection.
        connection_id: ConnectionId,
    },
    /// Deliveries are retried or called off.
    Bulk {
        /// What is done to them.
        action: Action,
        /// To which.
        filter: Filter,
        /// Up to this one.
        last: DeliveryId,
    },
}

/// Which past events are sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// Whatever was wanted.
    All,
    /// What was given up, and has not been sent or owed anew since.
    Failed,
    /// What was never owed.
    Missing,
}

/// How an event stands with a subscription, over all deliveries of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was never owed.
    Unknown,
    /// It was called off.
    Cancelled,
    /// It was given up.
    Failed,
    /// It has arrived, or is still to come.
    Owed,
}

/// What is done to many deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They are set going once more.
    Retry,
    /// They are called off.
    Cancel,
}

/// Which deliveries are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of a delivery")]
pub struct Filter {
    pub owner_id: Option<UserId>,
    pub subscription_id: Option<SubscriptionId>,
    /// One of these.
    pub statuses: Vec<Status>,
    pub event_type: Option<EventType>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is more to do.
    Running,
    /// All is done.
    Completed,
    /// It could not go on.
    Failed,
    /// It was called off; what it had done stays.
    Cancelled,
}

/// The job has ended already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job is {} already", .0.as_str())]
pub struct Ended(State);

impl Job {
    /// Work that is to begin.
    #[must_use]
    pub const fn new(
        id: JobId,
        owner_id: Option<UserId>,
        work: Work,
        total: Option<u64>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            owner_id,
            work,
            state: State::Running,
            total,
            done: 0,
            failed: 0,
            error: None,
            created_at: now,
            finished_at: None,
        }
    }

    /// There is no more to do.
    pub fn complete(&mut self, now: Timestamp) {
        self.total.get_or_insert(self.done + self.failed);
        self.end(State::Completed, now);
    }

    /// It cannot go on.
    pub fn fail(&mut self, why: impl Into<String>, now: Timestamp) {
        self.error = Some(why.into());
        self.end(State::Failed, now);
    }

    /// Calls it off. What it has done stays.
    ///
    /// # Errors
    /// It has ended already.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Ended> {
        if self.state != State::Running {
            return Err(Ended(self.state));
        }
        self.end(State::Cancelled, now);
        Ok(())
    }

    const fn end(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.finished_at = Some(now);
    }
}

impl Work {
    /// What kind of work it is, as the API shows it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "replay",
            Self::Start { .. } => "start",
            Self::Sync { .. } => "sync",
            Self::Bulk { action: Action::Retry, .. } => "bulk_retry",
            Self::Bulk { action: Action::Cancel, .. } => "bulk_cancel",
        }
    }
}

impl Only {
    /// Whether an event that stands like this is sent once more.
    #[must_use]
    pub fn takes(self, standing: Standing) -> bool {
        match self {
            Self::All => true,
            Self::Failed => standing == Standing::Failed,
            Self::Missing => standing == Standing::Unknown,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }
}

impl Standing {
    /// How an event stands whose deliveries have these statuses.
    #[must_use]
    pub fn of(statuses: impl IntoIterator<Item = Status>) -> Self {
        let standing = |status| match status {
            Status::Cancelled => Self::Cancelled,
            Status::Failed => Self::Failed,
            _ => Self::Owed,
        };
        statuses.into_iter().map(standing).max().unwrap_or(Self::Unknown)
    }
}

impl Action {
    /// Deliveries to which it can be done.
    #[must_use]
    pub const fn possible_for(self) -> &'static [Status] {
        match self {
            Self::Retry => &[Status::Failed, Status::Cancelled],
            Self::Cancel => &[Status::Pending, Status::Processing, Status::Retrying, Status::Held],
        }
    }

    /// Those that are meant when nobody says which: what was called off was called off on purpose.
    #[must_use]
    pub const fn meant_for(self) -> &'static [Status] {
        match self {
            Self::Retry => &[Status::Failed],
            Self::Cancel => self.possible_for(),
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stands_as_its_best_delivery_does() {
        use Status::*;
        for (statuses, standing) in [
            (&[][..], Standing::Unknown),
            (&[Cancelled], Standing::Cancelled),
            (&[Failed, Cancelled], Standing::Failed),
            (&[Failed, Pending], Standing::Owed),
            (&[Success, Failed, Cancelled], Standing::Owed),
        ] {
            assert_eq!(Standing::of(statuses.iter().copied()), standing, "{statuses:?}");
        }
    }

    #[test]
    fn each_replay_takes_what_its_name_says() {
        let takes = |only: Only| {
            let all = [Standing::Unknown, Standing::Cancelled, Standing::Failed, Standing::Owed];
            all.map(|standing| only.takes(standing))
        };
        assert_eq!(takes(Only::All), [true; 4]);
        assert_eq!(takes(Only::Failed), [false, false, true, false]);
        assert_eq!(takes(Only::Missing), [true, false, false, false]);
    }

    #[test]
    fn work_reads_as_it_was_written() {
        let moment = Timestamp::from_seconds(1);
        let bulk = Work::Bulk {
            action: Action::Cancel,
            filter: Filter { statuses: vec![Status::Held], since: Some(moment), ..Filter::default() },
            last: DeliveryId::first_at(moment),
        };
        let start = Work::Start {
            subscription_id: SubscriptionId::first_at(moment),
            after: EventId::first_at(moment),
            last: None,
        };
        let sync = Work::Sync { connection_id: ConnectionId::first_at(moment) };
        for work in [bulk, start, sync] {
            let text = serde_json::to_string(&work).unwrap();
            assert_eq!(serde_json::from_str::<Work>(&text).unwrap(), work, "{text}");
        }
    }

    #[test]
    fn what_has_ended_is_not_called_off() {
        let (now, later) = (Timestamp::from_seconds(1), Timestamp::from_seconds(2));
        let work = Work::Start {
            subscription_id: SubscriptionId::first_at(now),
            after: EventId::first_at(now),
            last: None,
        };
        let mut job = Job::new(JobId::first_at(now), None, work, None, now);
        job.done = 7;
        job.complete(later);
        assert_eq!((job.total, job.finished_at), (Some(7), Some(later)));
        assert_eq!(job.cancel(later), Err(Ended(State::Completed)));
    }
}
