use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

fn connection() -> Connection {
    Connection {
        id: ConnectionId::new(at(0), &mut SmallRng::seed_from_u64(1)),
        user_id: "alice".parse().unwrap(),
        provider: "github".to_owned(),
        account_id: "alice-gh".to_owned(),
        state: State::Active,
        state_reason: None,
        scopes: vec!["repo".to_owned()],
        expires_at: Some(at(3_600)),
        authorized_at: at(0),
        refresh: Refresh::default(),
        settings: Settings::default(),
        last_sync_at: None,
        removed_at: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn rejected() -> RefreshFailure {
    RefreshFailure::Rejected("bad_refresh_token".to_owned())
}

#[test]
fn is_refreshed_ahead_of_its_expiry() {
    let connection = connection();
    let ahead = Duration::from_secs(600);
    assert_eq!(connection.refresh_due_at(ahead, true), Some(at(3_000)));
    assert_eq!(connection.refresh_due_at(ahead, false), Some(at(3_600)), "nothing can be done before");
    let endless = Connection { expires_at: None, ..connection.clone() };
    assert_eq!(endless.refresh_due_at(ahead, true), None);
    let dead = Connection { state: State::NeedsReauth, ..connection };
    assert_eq!(dead.refresh_due_at(ahead, true), None);
}

#[test]
fn a_rejected_token_is_given_up_at_once() {
    let mut connection = connection();
    assert!(!connection.begin_refresh(at(3_000)));
    let next = connection.refresh_failed(&rejected(), false, at(3_001), &mut SmallRng::seed_from_u64(1));
    assert_eq!(next, Next::GiveUp);
    assert_eq!(connection.state, State::NeedsReauth);
    assert_eq!(connection.state_reason.as_deref(), Some("bad_refresh_token"));
}

#[test]
fn a_lost_answer_is_the_reason_when_the_old_token_is_dead() {
    let (mut connection, rng) = (connection(), &mut SmallRng::seed_from_u64(1));
    assert!(!connection.begin_refresh(at(3_000)));
    let lost = RefreshFailure::Lost("the connection broke off".to_owned());
    let Next::TryAt(again) = connection.refresh_failed(&lost, false, at(3_001), rng) else {
        panic!("it may not have reached the provider")
    };
    let was_lost = connection.begin_refresh(again);
    assert!(was_lost);
    assert_eq!(connection.refresh_failed(&rejected(), was_lost, again, rng), Next::GiveUp);
    let reason = connection.state_reason.unwrap();
    assert!(reason.contains("was lost") && reason.contains("bad_refresh_token"), "{reason}");
}

#[test]
fn a_death_between_asking_and_writing_down_is_a_lost_answer() {
    let mut connection = connection();
    assert!(!connection.begin_refresh(at(3_000)));
    // The node dies here; another finds the row.
    assert!(connection.begin_refresh(at(3_060)));
}

#[test]
fn a_providers_wish_lengthens_the_gap_and_never_beyond_a_day() {
    let rng = &mut SmallRng::seed_from_u64(1);
    for (asked, least, most) in [(0, 30, 33), (300, 300, 300), (u64::MAX, 86_400, 86_400)] {
        let failure = RefreshFailure::Passing {
            reason: "429".to_owned(),
            retry_after: Some(Duration::from_secs(asked)),
        };
        let Next::TryAt(next) = connection().refresh_failed(&failure, false, at(0), rng) else { panic!() };
        assert!((at(least)..=at(most)).contains(&next), "{asked}: {next}");
    }
}

#[test]
fn authorising_again_heals_everything() {
    let mut connection = connection();
    connection.give_up("invalid_grant".to_owned(), at(1));
    connection.authorized(Granted { expires_at: Some(at(9_000)), scopes: Some(vec![]) }, at(5));
    assert_eq!((connection.state, connection.state_reason), (State::Active, None));
    assert_eq!((connection.expires_at, connection.scopes), (Some(at(9_000)), vec![]));
    assert_eq!(connection.refresh, Refresh::default());
}

#[test]
fn a_poll_that_goes_well_heals_what_a_poll_has_hurt_and_no_more() {
    let mut connection = connection();
    connection.degrade("503".to_owned(), at(1));
    assert!(connection.polled(at(2)));
    assert_eq!(connection.state, State::Active);
    assert!(!connection.polled(at(2)), "it is well already");
    let busy = RefreshFailure::Passing { reason: "503".to_owned(), retry_after: None };
    connection.refresh_failed(&busy, false, at(3), &mut SmallRng::seed_from_u64(1));
    assert!(!connection.polled(at(4)), "its tokens are still not fresh");
    assert_eq!(connection.state, State::Degraded);
}

/// What may happen to a refresh.
fn any_failure() -> impl Strategy<Value = RefreshFailure> {
    prop_oneof![
        Just(RefreshFailure::Rejected("invalid_grant".to_owned())),
        Just(RefreshFailure::Application("invalid_client".to_owned())),
        any::<Option<u32>>().prop_map(|seconds| RefreshFailure::Passing {
            reason: "503".to_owned(),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        }),
        Just(RefreshFailure::Lost("timeout".to_owned())),
    ]
}

proptest! {
    /// Only a rejection ends the grant; all else is tried again, later and later, and never at once.
    #[test]
    fn only_a_rejection_ends_it(failures in proptest::collection::vec(any_failure(), 1..40), seed: u64) {
        let (mut connection, rng) = (connection(), &mut SmallRng::seed_from_u64(seed));
        let mut now = at(3_000);
        for failure in failures {
            let was_lost = connection.begin_refresh(now);
            let next = connection.refresh_failed(&failure, was_lost, now, rng);
            let is_rejected = matches!(failure, RefreshFailure::Rejected(_));
            prop_assert_eq!(next == Next::GiveUp, is_rejected);
            prop_assert_eq!(connection.state == State::NeedsReauth, is_rejected);
            prop_assert!(connection.state_reason.is_some());
            let Next::TryAt(next) = next else { return Ok(()) };
            prop_assert!(next >= now.plus(Duration::from_secs(30)));
            prop_assert!(next <= now.plus(Duration::from_secs(86_400)));
            prop_assert_eq!(connection.state, State::Degraded);
            now = next;
        }
    }

    /// Once an answer was lost, that stays known until there are fresh tokens.
    #[test]
    fn a_loss_is_remembered(passing in 0..10_u32, seed: u64) {
        let (mut connection, rng) = (connection(), &mut SmallRng::seed_from_u64(seed));
        connection.begin_refresh(at(0));
        connection.refresh_failed(&RefreshFailure::Lost("timeout".to_owned()), false, at(1), rng);
        for second in 0..passing {
            let was_lost = connection.begin_refresh(at(i64::from(second)));
            prop_assert!(was_lost);
            let busy = RefreshFailure::Passing { reason: "503".to_owned(), retry_after: None };
            connection.refresh_failed(&busy, was_lost, at(i64::from(second)), rng);
        }
        connection.refreshed(Granted::default(), at(100));
        prop_assert!(!connection.begin_refresh(at(200)));
    }
}
