//! Work that goes on for a while.

use domain::delivery::{Delivery, State, Status};
use domain::job::{self, Only, Standing};
use domain::{DeliveryId, Event, EventId};
use store::{Owed, Page, Past, Stepped, Store, StoredJob};

use crate::make::{Make, at, becomes, change, keyed, owing, plain, user};
use crate::steps::{ALL, current, keep, owe, status, subscribe, version};

pub(crate) async fn a_job_comes_back_as_it_was_written(store: &dyn Store) {
    let make = &mut Make::new();
    let mut job = make.job(at(1));
    assert_eq!(store.job(job.job.id).await.unwrap(), None);
    store.create_job(&job).await.unwrap();
    assert_eq!(store.job(job.job.id).await.unwrap(), Some(job.clone()));
    (job.node, job.cursor) = (Some(make.node()), [9; 16]);
    (job.job.total, job.job.done, job.job.failed) = (Some(12), 7, 5);
    job.job.fail("the subscription has gone", at(9));
    assert_eq!(store.step_job(&job, &[]).await.unwrap(), Stepped::Done);
    assert_eq!(store.job(job.job.id).await.unwrap(), Some(StoredJob { revision: 2, ..job.clone() }));
    assert!(store.create_job(&job).await.is_err(), "an id is given once");
}

pub(crate) async fn a_job_is_written_on_top_of_what_was_seen(store: &dyn Store) {
    let make = &mut Make::new();
    let (mut mine, gone) = (make.job(at(1)), make.job(at(1)));
    store.create_job(&mine).await.unwrap();
    let mut theirs = mine.clone();
    mine.job.done = 1;
    theirs.job.done = 2;
    assert_eq!(store.step_job(&theirs, &[]).await.unwrap(), Stepped::Done);
    assert_eq!(store.step_job(&mine, &[]).await.unwrap(), Stepped::Overtaken);
    assert_eq!(store.step_job(&gone, &[]).await.unwrap(), Stepped::Overtaken);
    assert_eq!(store.job(mine.job.id).await.unwrap().unwrap().job.done, 2);
}

pub(crate) async fn a_step_is_written_with_its_decisions_or_not_at_all(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 3).await;
    let mut job = make.job(at(1));
    store.create_job(&job).await.unwrap();
    let called_off = |delivery: &Delivery| change(delivery, becomes(delivery, State::Cancelled, Some(at(9))));
    job.job.done = 2;
    let stepped = store.step_job(&job, &[called_off(&owed[0]), called_off(&owed[1])]).await.unwrap();
    assert_eq!(stepped, Stepped::Done);
    assert_eq!(status(store, &owed[1]).await, Status::Cancelled);

    // One of two has moved on.
    let (again, third) = (called_off(&owed[1]), called_off(&owed[2]));
    assert_eq!(store.step_job(&job, &[third.clone(), again.clone()]).await.unwrap(), Stepped::Overtaken);
    job.revision += 1;
    job.job.done = 4;
    assert_eq!(store.step_job(&job, &[third, again]).await.unwrap(), Stepped::Conflict);
    assert_eq!(status(store, &owed[2]).await, Status::Pending);
    assert_eq!(store.job(job.job.id).await.unwrap().unwrap().job.done, 2);
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().total, 3);
}

pub(crate) async fn what_a_job_owes_is_written_with_its_progress(store: &dyn Store) {
    let make = &mut Make::new();
    let event = make.event(at(1));
    keep(store, vec![plain(event.clone())]).await;
    let subscription = subscribe(store, make).await;
    let (late, mut job) = (make.owed(&event, &subscription), make.job(at(1)));
    store.create_job(&job).await.unwrap();
    (job.job.done, job.cursor) = (1, event.id.into());
    let (deliveries, now) = ([late.clone()], version(store).await);
    let owed = store.owe(&deliveries, Only::Missing, now, Some(&job)).await.unwrap();
    assert_eq!(owed, Owed::Done(vec![late.id]));
    let written = store.job(job.job.id).await.unwrap().unwrap();
    assert_eq!((written.job.done, written.cursor, written.revision), (1, event.id.into(), 2));

    let again = [make.owed(&event, &subscription)];
    assert_eq!(store.owe(&again, Only::All, now, Some(&job)).await.unwrap(), Owed::Overtaken);
    assert_eq!(store.delivery(again[0].id).await.unwrap(), None);
    subscribe(store, make).await;
    assert_eq!(store.owe(&again, Only::All, now, Some(&written)).await.unwrap(), Owed::StaleRoutes);
    assert_eq!(store.job(job.job.id).await.unwrap(), Some(written));
}

pub(crate) async fn a_subscription_and_its_start_are_there_together(store: &dyn Store) {
    let make = &mut Make::new();
    let before = version(store).await;
    let (subscription, job) = (make.subscription(at(1)), make.job(at(1)));
    store.create_started_subscription(&subscription, &job).await.unwrap();
    assert!(version(store).await > before);
    let id = subscription.subscription.id;
    assert_eq!(store.subscription(id).await.unwrap(), Some(subscription));
    assert_eq!(store.running_jobs(ALL).await.unwrap(), [job]);
}

pub(crate) async fn jobs_are_listed_and_go_when_they_have_ended(store: &dyn Store) {
    let make = &mut Make::new();
    let mut jobs: Vec<StoredJob> = (1..=4).map(|second| make.job(at(second))).collect();
    jobs[1].job.owner_id = None;
    jobs[2].job.owner_id = Some(user("bob"));
    for job in &jobs {
        store.create_job(job).await.unwrap();
    }
    let ids = |jobs: Vec<StoredJob>| jobs.into_iter().map(|job| job.job.id).collect::<Vec<_>>();
    let made: Vec<_> = jobs.iter().map(|job| job.job.id).collect();
    assert_eq!(ids(store.jobs(None, &Page::first(3)).await.unwrap()), [made[3], made[2], made[1]]);
    let older = Page { before: Some(made[3]), limit: ALL };
    assert_eq!(ids(store.jobs(Some(&user("alice")), &older).await.unwrap()), [made[0]]);
    assert_eq!(ids(store.running_jobs(2).await.unwrap()), made[..2]);

    for index in [0, 2] {
        jobs[index].job.complete(at(9));
        assert_eq!(store.step_job(&jobs[index], &[]).await.unwrap(), Stepped::Done);
    }
    assert_eq!(ids(store.running_jobs(ALL).await.unwrap()), [made[1], made[3]]);
    assert_eq!(store.remove_ended_jobs(at(3), ALL).await.unwrap(), 1);
    assert_eq!(ids(store.jobs(None, &Page::first(ALL)).await.unwrap()), [made[3], made[2], made[1]]);
    assert_eq!(store.remove_ended_jobs(at(9), ALL).await.unwrap(), 1);
}

pub(crate) async fn a_span_is_walked_with_how_each_event_stands(store: &dyn Store) {
    let make = &mut Make::new();
    let (subscription, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let mut events: Vec<_> = (1..=6).map(|second| make.event(at(second))).collect();
    events[0].raw = Some(b"raw".to_vec());
    events[5].user_id = None;
    let state = |make: &mut Make, index: usize, state: State| Delivery {
        state,
        ..make.owed(&events[index], &subscription)
    };
    let called_off = state(make, 1, State::Cancelled);
    let given_up = [state(make, 2, State::Failed), state(make, 2, State::Cancelled)];
    let arrived = [state(make, 3, State::Failed), state(make, 3, State::Success)];
    let of_others = make.owed(&events[4], &other);
    let new = events.iter().cloned();
    let owed = [vec![], vec![called_off], given_up.into(), arrived.into(), vec![of_others], vec![]];
    keep(store, new.zip(owed).map(|(event, owed)| owing(event, owed)).collect()).await;

    let past = |after: EventId, last: EventId| Past {
        user_id: None,
        subscription_id: subscription.subscription.id,
        after,
        last,
    };
    let everything = past(EventId::first_at(at(0)), events[5].id);
    let walked = store.past_events(&everything, ALL).await.unwrap();
    let stand: Vec<_> = walked.iter().map(|past| (past.event.id, past.standing)).collect();
    use Standing::{Cancelled, Failed, Owed, Unknown};
    let standings = [Unknown, Cancelled, Failed, Owed, Unknown, Unknown];
    assert_eq!(stand, events.iter().map(|event| event.id).zip(standings).collect::<Vec<_>>());
    let first = &walked[0].event;
    assert_eq!((first.data.as_str(), first.raw.as_ref()), ("null", None), "what is large stays where it is");
    assert_eq!((&first.event_type, first.received_at), (&events[0].event_type, at(1)));

    let bytes = |event: &Event| event.data.as_str().len() as u64;
    assert!(walked.iter().zip(&events).all(|(past, event)| past.data_bytes == bytes(event)));

    let count = async |past: &Past, limit| store.past_events(past, limit).await.unwrap().len();
    assert_eq!(count(&everything, 2).await, 2);
    assert_eq!(count(&Past { user_id: Some(user("alice")), ..everything.clone() }, ALL).await, 5);
    assert_eq!(count(&past(events[1].id, events[3].id), ALL).await, 2, "after the one, up to the other");
    assert_eq!(count(&past(events[3].id, events[1].id), ALL).await, 0);
}

pub(crate) async fn each_filter_of_past_deliveries_finds_and_counts_what_it_means(store: &dyn Store) {
    let make = &mut Make::new();
    let (subscription, mut theirs) = (subscribe(store, make).await, make.subscription(at(0)));
    theirs.subscription.user_id = Some(user("bob"));
    store.create_subscription(&theirs).await.unwrap();
    let mut events: Vec<_> = (1..=4).map(|second| make.event(at(second))).collect();
    events[3].event_type = "task.deleted".parse().unwrap();
    let mut owed: Vec<_> = events.iter().map(|event| make.owed(event, &subscription)).collect();
    owed[1].state = State::Failed;
    owed[2].state = State::Held;
    let others = make.owed(&events[0], &theirs);
    let of_first = vec![owed[0].clone(), others.clone()];
    keep(store, vec![keyed("a", events[0].clone(), of_first)]).await;
    let rest = events[1..].iter().zip(&owed[1..]);
    keep(store, rest.map(|(event, owed)| owing(event.clone(), vec![owed.clone()])).collect()).await;

    let last = owed[3].id;
    let found = async |filter: &job::Filter| {
        let after = DeliveryId::first_at(at(0));
        let found = store.past_deliveries(filter, after, last, ALL).await.unwrap();
        assert_eq!(store.count_deliveries(filter, last).await.unwrap(), found.len() as u64);
        found.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    let any = job::Filter { statuses: Status::ALL.to_vec(), ..job::Filter::default() };
    let mut all = owed.iter().map(|owed| owed.id).chain([others.id]).collect::<Vec<_>>();
    all.sort();
    assert_eq!(found(&any).await, all, "the oldest first");
    let of = |statuses: &[Status]| job::Filter { statuses: statuses.to_vec(), ..any.clone() };
    assert_eq!(found(&of(&[Status::Failed, Status::Held])).await, [owed[1].id, owed[2].id]);
    assert!(found(&of(&[])).await.is_empty());
    assert_eq!(found(&job::Filter { owner_id: Some(user("bob")), ..any.clone() }).await, [others.id]);
    let theirs = Some(theirs.subscription.id);
    assert_eq!(found(&job::Filter { subscription_id: theirs, ..any.clone() }).await, [others.id]);
    let deleted = Some(events[3].event_type.clone());
    assert_eq!(found(&job::Filter { event_type: deleted, ..any.clone() }).await, [owed[3].id]);
    let span = job::Filter { since: Some(at(3)), until: Some(at(4)), ..any.clone() };
    assert_eq!(found(&span).await, [owed[2].id]);
    let next = store.past_deliveries(&any, all[0], last, 2).await.unwrap();
    assert_eq!(next.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), all[1..3]);
    assert_eq!(store.count_deliveries(&any, all[1]).await.unwrap(), 2);
    assert_eq!(next[0], current(store, next[0].id).await);
}
