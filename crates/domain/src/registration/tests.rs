use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

const DAY: u64 = 24 * 3_600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds as i64)
}

fn rng() -> SmallRng {
    SmallRng::seed_from_u64(1)
}

fn registration() -> Registration {
    Registration {
        id: RegistrationId::new(at(0), &mut rng()),
        user_id: None,
        provider: "github".to_owned(),
        basis: Basis::Application,
        target: "acme/shop".to_owned(),
        url: "https://way.test/api/webhooks/github/alice".to_owned(),
        place: "acme/shop".to_owned(),
        events: Vec::new(),
        config: None,
        external_id: None,
        state: State::Pending,
        state_reason: None,
        progress: Progress::default(),
        expires_at: None,
        due_at: Some(at(0)),
        created_at: at(0),
        updated_at: at(0),
    }
}

fn passing(retry_after: Option<u64>) -> Failure {
    Failure::Passing { reason: "503".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
}

#[test]
fn what_stays_is_looked_after_daily() {
    let mut registration = registration();
    registration.set_up(SetUp { external_id: Some("1".to_owned()), expires_at: None }, at(0), &mut rng());
    assert_eq!((registration.state, registration.expires_at), (State::Active, None));
    let due_at = registration.due_at.unwrap();
    assert!(due_at <= at(DAY) && due_at >= at(DAY * 9 / 10));
}

#[test]
fn what_expires_is_renewed_daily_or_when_a_fifth_of_its_life_is_left() {
    for (lives, latest) in [(7 * DAY, DAY), (DAY, DAY * 8 / 10), (600, 480)] {
        let mut registration = registration();
        let set_up = SetUp { external_id: None, expires_at: Some(at(lives)) };
        registration.set_up(set_up, at(0), &mut rng());
        let due_at = registration.due_at.unwrap();
        assert!(due_at <= at(latest) && due_at >= at(latest * 9 / 10), "{lives}: {due_at}");
    }
}

#[test]
fn a_lease_is_renewed_at_four_fifths_of_what_was_granted_for_sure() {
    let mut registration = registration();
    registration.asked(at(0));
    assert_eq!(registration.state, State::Pending);
    assert!(registration.is_asked(at(3_599)) && !registration.is_asked(at(3_600)));
    assert!(!registration.is_confirmed());
    registration.confirmed(Duration::from_secs(10 * DAY), at(1), &mut rng());
    assert!(registration.is_confirmed());
    // Two words of one question: one of them may be a stranger's.
    registration.confirmed(Duration::from_secs(5 * DAY), at(2), &mut rng());
    registration.confirmed(Duration::from_secs(10 * DAY), at(3), &mut rng());
    assert_eq!((registration.state, registration.expires_at), (State::Active, Some(at(5 * DAY + 2))));
    let due_at = registration.due_at.unwrap();
    assert!(due_at <= at(4 * DAY + 3) && due_at >= at(4 * DAY * 9 / 10), "{due_at}");
    // A new question: its first answer counts.
    registration.asked(at(4 * DAY));
    registration.confirmed(Duration::from_secs(10 * DAY), at(4 * DAY), &mut rng());
    assert_eq!(registration.expires_at, Some(at(14 * DAY)));
}

#[test]
fn who_does_not_ask_back_is_asked_again_less_and_less_often() {
    let mut registration = registration();
    let mut now = at(0);
    for (quarters, reason) in [(1, None), (2, Some(NOT_ASKED_BACK)), (4, Some(NOT_ASKED_BACK))] {
        registration.asked(now);
        let due_at = now.plus(Duration::from_secs(900 * quarters));
        assert_eq!((registration.due_at, registration.state_reason.as_deref()), (Some(due_at), reason));
        now = due_at;
    }
    registration.confirmed(Duration::from_secs(DAY), now, &mut rng());
    assert_eq!((registration.state_reason.as_deref(), registration.progress.failures), (None, 0));
    registration.asked(now.plus(Duration::from_secs(DAY)));
    registration.asked(now.plus(Duration::from_secs(DAY + 900)));
    assert_eq!(registration.state, State::Expired);
}

#[test]
fn a_denial_brings_the_next_question_forward_and_never_puts_it_off() {
    let mut registration = registration();
    registration.asked(at(0));
    registration.confirmed(Duration::from_secs(5 * DAY), at(0), &mut rng());
    let mut due_at = registration.due_at;
    for second in 0..100 {
        registration.denied("no such feed", at(second), &mut rng());
        assert!(registration.due_at <= due_at);
        due_at = registration.due_at;
    }
    assert!(due_at <= Some(at(33)));
    assert_eq!(registration.state, State::Active, "a stranger may have said it");
}

#[test]
fn what_may_pass_is_tried_again_and_a_refusal_rests() {
    let mut registration = registration();
    registration.failed(&passing(None), at(0), &mut rng());
    assert_eq!((registration.state, registration.state_reason.as_deref()), (State::Pending, Some("503")));
    let due_at = registration.due_at.unwrap();
    assert!(due_at >= at(30) && due_at <= at(33));
    registration.failed(&passing(Some(7_200)), at(0), &mut rng());
    assert_eq!(registration.due_at, Some(at(7_200)));
    for _ in 0..100 {
        registration.failed(&passing(None), at(0), &mut rng());
    }
    assert!(registration.due_at.unwrap() <= at(3_960));
    registration.failed(&Failure::Refused("no such repository".to_owned()), at(0), &mut rng());
    assert_eq!((registration.state, registration.due_at), (State::Failed, Some(at(6 * 3_600))));
    registration.set_up(SetUp::default(), at(1), &mut rng());
    assert_eq!((registration.state_reason, registration.progress.failures), (None, 0));
}

#[test]
fn one_that_cannot_be_renewed_is_active_until_it_expires() {
    let mut registration = registration();
    registration.set_up(SetUp { external_id: None, expires_at: Some(at(100)) }, at(0), &mut rng());
    registration.failed(&passing(None), at(99), &mut rng());
    assert_eq!(registration.state, State::Active);
    registration.failed(&passing(None), at(100), &mut rng());
    assert_eq!(registration.state, State::Expired);
}

#[test]
fn removing_goes_on_until_it_is_done_or_over() {
    let mut registration = registration();
    registration.unwanted(at(5));
    assert_eq!((registration.state, registration.due_at), (State::Removing, Some(at(5))));
    registration.failed(&Failure::Refused("no".to_owned()), at(6), &mut rng());
    assert_eq!(registration.state, State::Removing);
    registration.unwanted(at(1_000));
    assert!(!registration.is_past_removing(at(7 * DAY + 4)));
    assert!(registration.is_past_removing(at(7 * DAY + 5)));
    registration.expires_at = Some(at(100));
    assert!(registration.is_past_removing(at(100)) && !registration.is_past_removing(at(99)));
    registration.wanted(at(50));
    assert_eq!((registration.state, registration.due_at), (State::Pending, Some(at(50))));
}

#[test]
fn a_basis_reads_what_it_writes() {
    let connection = Basis::Connection(ConnectionId::new(at(0), &mut rng()));
    let source = Basis::Source(SourceId::new(at(0), &mut rng()));
    for basis in [Basis::Application, connection, source] {
        assert_eq!(basis.to_string().parse(), Ok(basis));
    }
    assert!("sub_1".parse::<Basis>().is_err());
}
