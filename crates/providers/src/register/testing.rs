//! Holds conversations in tests: what is asked, and what is answered, line by line.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use super::*;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// What is wanted, by a user who has an account `octo`.
pub(crate) fn wanted(target: &str, url: &str, settings: &[(&'static str, &str)]) -> Wanted {
    let add = |all: Settings, &(key, text): &(&'static str, &str)| all.with(key, [text.to_owned()]);
    Wanted {
        settings: settings.iter().fold(Settings::default(), add),
        account_id: "octo".to_owned(),
        target: target.to_owned(),
        url: url.to_owned(),
        events: Vec::new(),
        config: None,
        external_id: None,
        secret: None,
    }
}

pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> ApiAnswer {
    let header =
        |&(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
    ApiAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Goes on with a conversation: it must ask for `line` (method and URL), and is answered; with what was sent.
pub(crate) fn told_then(step: Step, line: &str, answered: &ApiAnswer) -> (Value, Result<Step, CallFailure>) {
    let Step::Ask(ask) = step else { panic!("it is over: {step:?}") };
    assert_eq!(format!("{} {}", ask.call.method, ask.call.url), line);
    let sent = serde_json::from_slice(&ask.call.body).unwrap_or(Value::Null);
    (sent, ask.answered(answered, NOW))
}

/// The same where all goes well and nobody looks at what was sent.
pub(crate) fn then(step: Step, line: &str, answered: &ApiAnswer) -> Step {
    told_then(step, line, answered).1.unwrap()
}

pub(crate) fn done(step: Step) -> Done {
    match step {
        Step::Done(done) => done,
        Step::Ask(ask) => panic!("it goes on: {ask:?}"),
    }
}
