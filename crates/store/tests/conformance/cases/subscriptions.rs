//! Subscriptions: who wants what, under a version that moves with them, and what becomes of what they are owed.

use domain::batch::Batch;
use domain::delivery::{Delivery, State, Status};
use domain::headers::Headers;
use domain::retry::RetryPolicy;
use domain::subscription::{Signing, Source, Subscription, Target, Terms, TypePattern};
use domain::template::Template;
use store::{Page, Store, StoreError, StoredSubscription};

use crate::make::{Make, at, attempt, becomes, by_node, change, failed_attempt, lane, user};
use crate::steps::{claim_one, current, owe, owe_and_claim, status, subscribe, version};

/// `stored` with everything changed that can be: its id, its user and the time it was made stay.
fn altered(stored: &StoredSubscription) -> StoredSubscription {
    let below = TypePattern::Below("github.".to_owned());
    let exactly = TypePattern::Exactly("task.done".parse().unwrap());
    let subscription = Subscription {
        target: Target::Pull { queue: "näht \"1\"".to_owned() },
        terms: Terms {
            event_types: vec![below, exactly, TypePattern::All],
            description: "what the\nbilling team's “queue” gets".to_owned(),
            // No filter at all, and kept all the same: what it means is not the store's business.
            filter: Some(serde_json::json!({ "data.x": { "$none": [1, "ß", null] } })),
            template: Some(Template::Teams),
            transform: Some(Source("(event) => null // \"ß\"\n".to_owned())),
            headers: Headers::new([("X-Team".to_owned(), "a \"b\"".to_owned())].into()).unwrap(),
            retry_policy: RetryPolicy::List(vec![1, 600]),
            retry_count: 2,
            timeout_seconds: 60,
            max_concurrency: 1_000,
            rate_limit_per_minute: Some(90),
            signing: Signing::Ed25519,
            ordering_key: Some("data.customer.id".parse().unwrap()),
            batch: Some(Batch { max_events: 7, max_wait_ms: 0 }),
            callback_of: Some([9; 16].into()),
        },
        is_active: false,
        paused: true,
        updated_at: at(99),
        ..stored.subscription.clone()
    };
    StoredSubscription { subscription, sealed_key: (0..=255).collect(), revision: stored.revision }
}

pub(crate) async fn a_subscription_comes_back_as_it_was_written(store: &dyn Store) {
    let make = &mut Make::new();
    let plain = make.subscription(at(1));
    let mut other = altered(&make.subscription(at(2)));
    other.subscription.user_id = None;
    for subscription in [&plain, &other] {
        store.create_subscription(subscription).await.unwrap();
        let read = store.subscription(subscription.subscription.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(subscription));
    }
    let mut routed = store.routes().await.unwrap().subscriptions;
    routed.sort_by_key(|stored| stored.subscription.id);
    assert_eq!(routed, [plain, other]);
    assert_eq!(store.subscription(make.subscription(at(3)).subscription.id).await.unwrap(), None);
}

pub(crate) async fn a_subscription_can_be_changed(store: &dyn Store) {
    let make = &mut Make::new();
    let (before, bystander) = (subscribe(store, make).await, subscribe(store, make).await);
    let mut after = altered(&before);
    assert!(store.change_subscription(&after, at(2)).await.unwrap());
    after.revision += 1;
    assert_eq!(store.subscription(before.subscription.id).await.unwrap(), Some(after));
    assert_eq!(store.subscription(bystander.subscription.id).await.unwrap(), Some(bystander));
}

pub(crate) async fn a_change_counts_only_on_top_of_what_it_has_seen(store: &dyn Store) {
    let make = &mut Make::new();
    let seen = subscribe(store, make).await;
    let (mut mine, mut theirs) = (seen.clone(), seen);
    mine.subscription.paused = true;
    theirs.subscription.terms.description = "theirs".to_owned();
    assert!(store.change_subscription(&theirs, at(2)).await.unwrap());
    assert!(!store.change_subscription(&mine, at(3)).await.unwrap());
    theirs.revision += 1;
    assert_eq!(store.subscription(theirs.subscription.id).await.unwrap(), Some(theirs));
}

pub(crate) async fn an_id_is_given_once(store: &dyn Store) {
    let make = &mut Make::new();
    let first = subscribe(store, make).await;
    let before = version(store).await;
    let refused = store.create_subscription(&altered(&first)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(store.subscription(first.subscription.id).await.unwrap(), Some(first));
    assert_eq!(version(store).await, before);
}

pub(crate) async fn subscriptions_are_listed_from_the_newest(store: &dyn Store) {
    let make = &mut Make::new();
    let mut all = Vec::new();
    for (second, owner) in (0..).zip([Some("alice"), Some("bob"), None, Some("alice"), Some("alice")]) {
        let mut stored = make.subscription(at(second));
        stored.subscription.user_id = owner.map(user);
        store.create_subscription(&stored).await.unwrap();
        all.push(stored);
    }
    let listed = store.subscriptions(None, &Page::first(10)).await.unwrap();
    assert!(listed.iter().eq(all.iter().rev()));
    let alice = user("alice");
    let page = store.subscriptions(Some(&alice), &Page::first(2)).await.unwrap();
    assert_eq!(page, [all[4].clone(), all[3].clone()]);
    let before = Some(all[3].subscription.id);
    let rest = store.subscriptions(Some(&alice), &Page { before, limit: 2 }).await.unwrap();
    assert_eq!(rest, all[..1]);
}

/// What a subscription may be owed: pending, retrying, being processed, and three that have ended.
async fn one_of_each(store: &dyn Store, make: &mut Make, to: &StoredSubscription) -> Vec<Delivery> {
    let owed = owe(store, make, to, 6).await;
    let states = [
        State::Pending { due_at: at(1) },
        State::Retrying { due_at: at(70) },
        State::Processing(by_node(make.node(), at(90))),
        State::Success,
        State::Failed,
        State::Cancelled,
    ];
    let mut all = Vec::new();
    for (owed, state) in owed.iter().zip(states) {
        let ends_at = matches!(state, State::Success | State::Failed | State::Cancelled).then(|| at(9));
        let now = becomes(owed, state, ends_at);
        store.change(&[change(owed, now.clone())]).await.unwrap();
        all.push(now);
    }
    all
}

pub(crate) async fn a_pause_holds_what_waits_until_it_ends(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = subscribe(store, make).await;
    let bystander = subscribe(store, make).await;
    let elsewhere = owe(store, make, &bystander, 1).await.remove(0);
    let mut expected = one_of_each(store, make, &subscription).await;

    subscription.subscription.paused = true;
    store.change_subscription(&subscription, at(20)).await.unwrap();
    expected[0].state = State::Held;
    expected[1].state = State::Held;
    for delivery in &expected {
        assert_eq!(current(store, delivery.id).await, *delivery);
    }
    let claim = by_node(make.node(), at(99));
    assert_eq!(store.claim(&[lane(&subscription, 9)], &claim, at(80)).await.unwrap(), []);

    subscription.subscription.paused = false;
    subscription.revision += 1;
    store.change_subscription(&subscription, at(30)).await.unwrap();
    expected[0].state = State::Pending { due_at: at(30) };
    expected[1].state = State::Pending { due_at: at(30) };
    for delivery in &expected {
        assert_eq!(current(store, delivery.id).await, *delivery);
    }
    assert_eq!(current(store, elsewhere.id).await, elsewhere);
}

pub(crate) async fn what_is_inactive_or_paused_stays_held(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 1).await.remove(0);
    let steps = [(false, false, Status::Held), (false, true, Status::Held), (true, true, Status::Held)];
    for (is_active, paused, expected) in steps.into_iter().chain([(true, false, Status::Pending)]) {
        subscription.subscription.is_active = is_active;
        subscription.subscription.paused = paused;
        assert!(store.change_subscription(&subscription, at(20)).await.unwrap());
        subscription.revision += 1;
        assert_eq!(status(store, &owed).await, expected);
    }
}

pub(crate) async fn a_change_of_terms_leaves_what_waits_alone(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = subscribe(store, make).await;
    let owed = one_of_each(store, make, &subscription).await;
    subscription.subscription.terms.description = "renamed".to_owned();
    store.change_subscription(&subscription, at(20)).await.unwrap();
    for delivery in owed {
        assert_eq!(current(store, delivery.id).await, delivery);
    }
}

pub(crate) async fn deleting_calls_off_what_is_open(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = subscribe(store, make).await;
    let held = owe(store, make, &subscription, 1).await.remove(0);
    subscription.subscription.paused = true;
    store.change_subscription(&subscription, at(10)).await.unwrap();
    let before = one_of_each(store, make, &subscription).await;
    let bystander = subscribe(store, make).await;
    let elsewhere = owe(store, make, &bystander, 1).await.remove(0);

    assert!(store.delete_subscription(subscription.subscription.id, at(20)).await.unwrap());
    assert_eq!(store.subscription(subscription.subscription.id).await.unwrap(), None);
    for open in [&held, &before[0], &before[1], &before[2]] {
        let expected = becomes(open, State::Cancelled, Some(at(20)));
        assert_eq!(current(store, open.id).await, expected);
    }
    for ended in &before[3..] {
        assert_eq!(current(store, ended.id).await, *ended);
    }
    assert_eq!(current(store, elsewhere.id).await, elsewhere);
    let late = change(&before[2], becomes(&before[2], State::Success, Some(at(21))));
    assert_eq!(store.change(&[late]).await.unwrap(), [false], "whoever was trying comes too late");
}

pub(crate) async fn deleting_keeps_the_history(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &subscription).await;
    let retrying = becomes(&claimed, State::Retrying { due_at: at(2) }, None);
    let first = failed_attempt(&claimed, 1, at(1));
    let failed = store::Change { attempt: Some(first.clone()), ..change(&claimed, retrying) };
    store.change(&[failed]).await.unwrap();
    let claimed = claim_one(store, &subscription, &by_node(make.node(), at(60)), at(2)).await.delivery;
    let done = becomes(&claimed, State::Success, Some(at(3)));
    let second = attempt(&claimed, 2, at(2));
    let settled = store::Change { attempt: Some(second.clone()), ..change(&claimed, done) };
    store.change(&[settled]).await.unwrap();
    let before = store.statistics(claimed.subscription_id).await.unwrap();

    store.delete_subscription(claimed.subscription_id, at(4)).await.unwrap();
    assert_eq!(store.attempts(claimed.id).await.unwrap(), [first, second]);
    assert_eq!(store.statistics(claimed.subscription_id).await.unwrap(), before);
    assert!(store.event(claimed.event_id).await.unwrap().is_some());
}
