//! The end: wait until nothing is owed any more, then compare what was answered, stored and delivered.
//!
//! Every GUID was sent until it was answered, even when an answer was lost on the way. So the three sets must
//! be the same, event for event: nothing lost, nothing stuck, nothing from nowhere.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::book::Entries;
use super::world::{USER, World};
use crate::api::Statistics;
use crate::github::Pushes;

const QUIET_WITHIN: Duration = Duration::from_secs(90);
const QUIET_POLL: Duration = Duration::from_millis(250);
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// How many ids of one kind are named in a violation.
const IDS_SHOWN: usize = 10;

const UNSETTLED: [&str; 3] = ["pending", "processing", "retrying"];
/// Nothing here should ever end like this.
const UNWANTED: [&str; 3] = ["failed", "cancelled", "held"];

/// Prints the verdict; a violation is an error that lists them all.
pub(super) async fn judge(world: &mut World) -> Result<()> {
    let mut violations = unquiet(world).await?;
    let listed = world.api.event_ids(USER, "github.push").await?;
    violations.extend(unequal(&world.book().entries(), &listed, &world.sender.pushes));
    violations.append(&mut world.book().entries().violations);
    if violations.is_empty() {
        world.program.stop().await?;
        print_summary(world);
        return Ok(());
    }
    bail!("{} violations:\n  {}\n{}", violations.len(), violations.join("\n  "), world.program.log_tail())
}

/// Waits until every delivery is settled; what is not, or ended badly, is a violation.
async fn unquiet(world: &World) -> Result<Vec<String>> {
    let started_at = Instant::now();
    let mut shown_at = started_at;
    while !is_quiet(world).await? {
        if started_at.elapsed() > QUIET_WITHIN {
            println!("not quiet after {QUIET_WITHIN:?}");
            return left_over(world).await;
        }
        if shown_at.elapsed() > PROGRESS_EVERY {
            shown_at = Instant::now();
            println!("waiting for {} events to be received", world.book().owed());
        }
        sleep(QUIET_POLL).await;
    }
    println!("quiet after {:.1} s", started_at.elapsed().as_secs_f64());
    left_over(world).await
}

async fn left_over(world: &World) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for status in UNSETTLED.into_iter().chain(UNWANTED) {
        let ids = world.api.deliveries_in(status, IDS_SHOWN).await?;
        if !ids.is_empty() {
            violations.push(format!("deliveries left {status}: {} …", ids.join(" ")));
        }
    }
    let count = world.book().entries().answered.len() as u64;
    let statistics = world.api.statistics(&world.subscription.id).await?;
    if statistics != (Statistics { total: count, successful: count, failed: 0 }) {
        violations.push(format!("{count} events were answered, but the statistics say {statistics:?}"));
    }
    Ok(violations)
}

async fn is_quiet(world: &World) -> Result<bool> {
    for status in UNSETTLED {
        if !world.api.deliveries_in(status, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    let statistics = world.api.statistics(&world.subscription.id).await?;
    Ok(statistics.successful == world.book().entries().answered.len() as u64)
}

/// Answered = stored = delivered, each event under one GUID and with the data that was sent under it.
fn unequal(entries: &Entries, listed: &[String], pushes: &Pushes) -> Vec<String> {
    let stored: HashSet<&str> = listed.iter().map(String::as_str).collect();
    let answered: HashSet<&str> = entries.answered.values().map(|answered| &*answered.event_id).collect();
    let delivered: HashSet<&str> =
        entries.delivered.iter().filter(|(_, delivered)| delivered.succeeded).map(|(id, _)| &**id).collect();
    let mut violations = Vec::new();
    if listed.len() != stored.len() {
        violations.push(format!(
            "{} events are listed, only {} of them distinct",
            listed.len(),
            stored.len()
        ));
    }
    if answered.len() != entries.answered.len() {
        let (guids, events) = (entries.answered.len(), answered.len());
        violations.push(format!("{guids} GUIDs became only {events} events"));
    }
    violations.extend(beyond(&answered, &delivered, "answered 200 and never delivered"));
    violations.extend(beyond(&answered, &stored, "answered 200 and not stored"));
    violations.extend(beyond(&stored, &answered, "stored, though no GUID leads to them"));
    violations.extend(beyond(&delivered, &answered, "delivered, though no GUID leads to them"));
    violations.extend(beyond(
        &swapped(entries, pushes),
        &HashSet::new(),
        "delivered with another event's data",
    ));
    violations
}

fn swapped<'a>(entries: &'a Entries, pushes: &Pushes) -> HashSet<&'a str> {
    let swapped = entries.answered.values().filter(|answered| {
        let delivered = entries.delivered.get(&answered.event_id);
        delivered.is_some_and(|delivered| *delivered.after != *pushes.get(answered.push).after())
    });
    swapped.map(|answered| &*answered.event_id).collect()
}

/// What is in one set and not in the other, as a violation.
fn beyond(these: &HashSet<&str>, those: &HashSet<&str>, what: &str) -> Option<String> {
    let extra: Vec<&str> = these.difference(those).copied().collect();
    let shown = extra[..extra.len().min(IDS_SHOWN)].join(" ");
    (!extra.is_empty()).then(|| format!("{} events {what}: {shown}", extra.len()))
}

fn print_summary(world: &World) {
    let entries = world.book().entries();
    let tally = entries.tally;
    println!(
        "{} events answered 200, as many stored, as many delivered, in {} arrivals",
        entries.answered.len(),
        tally.arrivals
    );
    println!(
        "{} requests got no answer ({} of those events had been stored), {} got 503; {} attempts were told to fail, {} \
         deliveries came again after success",
        tally.answers_lost,
        tally.stored_unanswered,
        tally.unavailable,
        tally.told_to_fail,
        tally.repeats_after_success
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::super::book::{Before, Book};
    use super::*;
    use crate::github::Guid;
    use crate::receiver::{Arrival, Ledger as _};

    struct Story {
        book: Book,
        pushes: Arc<Pushes>,
        listed: Vec<String>,
    }

    impl Story {
        fn new() -> Self {
            let pushes = Arc::new(Pushes::prepare(([127, 0, 0, 1], 8400).into(), USER, "secret", 0));
            Self { book: Book::new(1, USER, Arc::clone(&pushes)), pushes, listed: Vec::new() }
        }

        fn answered(&self, before: Before, status: &str, id: &str) -> (Guid, usize) {
            let (guid, push) = self.pushes.next();
            self.book.answered(guid, push, before, status, id);
            (guid, push)
        }

        fn arrived(&self, id: &str, delivery_id: &str, push: usize) {
            let data = &self.pushes.get(push).data;
            let body = serde_json::json!({ "id": id, "type": "github.push", "user_id": USER, "data": data });
            self.book.arrived(&Arrival {
                at: Instant::now(),
                webhook_id: id,
                webhook_timestamp: "",
                webhook_signature: "",
                plain_signature: "",
                delivery_id,
                body: body.to_string().as_bytes(),
            });
        }

        /// An event that goes as it should.
        fn whole(&mut self, id: &str) -> (Guid, usize) {
            let (guid, push) = self.answered(Before::Unknown, "accepted", id);
            self.arrived(id, "dlv_1", push);
            self.listed.push(id.to_owned());
            (guid, push)
        }

        fn violations(&self) -> String {
            let entries = self.book.entries();
            let mut violations = entries.violations.clone();
            violations.extend(unequal(&entries, &self.listed, &self.pushes));
            violations.join("; ")
        }
    }

    #[test]
    fn a_story_without_fault_has_no_violation() {
        let mut story = Story::new();
        let (guid, push) = story.whole("evt_1");
        story.book.answered(guid, push, Before::Stored, "duplicate", "evt_1");
        story.arrived("evt_1", "dlv_1", push);
        let (_, push) = story.answered(Before::Perhaps, "duplicate", "evt_2");
        story.arrived("evt_2", "dlv_2", push);
        story.listed.push("evt_2".to_owned());
        assert_eq!(story.violations(), "");
    }

    #[test]
    fn what_is_lost_or_invented_is_named() {
        let mut story = Story::new();
        story.answered(Before::Unknown, "accepted", "evt_lost");
        story.arrived("evt_invented", "dlv_9", 0);
        story.listed.push("evt_stray".to_owned());
        let violations = story.violations();
        for expected in [
            "1 events answered 200 and never delivered: evt_lost",
            "1 events answered 200 and not stored: evt_lost",
            "1 events stored, though no GUID leads to them: evt_stray",
            "1 events delivered, though no GUID leads to them: evt_invented",
        ] {
            assert!(violations.contains(expected), "{expected:?} is not in {violations:?}");
        }
    }

    #[test]
    fn answers_that_contradict_are_violations() {
        let mut story = Story::new();
        let (guid, push) = story.whole("evt_1");
        story.book.answered(guid, push, Before::Stored, "accepted", "evt_2");
        story.answered(Before::Unknown, "duplicate", "evt_1");
        let violations = story.violations();
        assert!(violations.contains("was answered accepted, though before it was Stored"), "{violations}");
        assert!(violations.contains("became two events, evt_1 and evt_2"), "{violations}");
        assert!(violations.contains("was answered duplicate, though before it was Unknown"), "{violations}");
        assert!(violations.contains("2 GUIDs became only 1 events"), "{violations}");
    }

    #[test]
    fn a_repeat_that_is_not_the_same_is_a_violation() {
        let mut story = Story::new();
        let (_, push) = story.whole("evt_1");
        story.arrived("evt_1", "dlv_other", push);
        story.arrived("evt_1", "dlv_1", push + 1);
        let violations = story.violations();
        assert!(violations.contains("arrived as dlv_1 and, the 2. time, as dlv_other"), "{violations}");
        assert!(violations.contains("arrived with another body the 3. time"), "{violations}");
    }

    #[test]
    fn data_of_another_event_is_a_violation() {
        let mut story = Story::new();
        let (_, push) = story.answered(Before::Unknown, "accepted", "evt_1");
        story.arrived("evt_1", "dlv_1", push + 1);
        story.listed.push("evt_1".to_owned());
        assert_eq!(story.violations(), "1 events delivered with another event's data: evt_1");
    }
}
