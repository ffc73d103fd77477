use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::connect::{CONNECTABLE, connectable};
use crate::{SettingKind, Settings};

const NOW: i64 = 1_700_000_000;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

/// What a provider's application has by default, with an id and a secret.
fn settings(provider: &str) -> Settings {
    let all = connectable(provider).unwrap().settings().iter();
    all.fold(Settings::default(), |settings, setting| {
        let text = match setting.kind {
            SettingKind::Default(text) => text,
            SettingKind::Credential => "s3cret",
            _ => "id-1",
        };
        settings.with(setting.key, [text.to_owned()])
    })
}

fn oauth(provider: &str) -> (&'static OAuth, Application) {
    let oauth = connectable(provider).unwrap().oauth().unwrap();
    (oauth, Application::of(&settings(provider)).unwrap())
}

fn answer(status: u16, body: &serde_json::Value) -> ApiAnswer {
    let status = StatusCode::from_u16(status).unwrap();
    ApiAnswer { status, headers: HeaderMap::new(), body: body.to_string().into() }
}

fn read(provider: &str, status: u16, body: &serde_json::Value) -> Result<Grant, RefreshFailure> {
    oauth(provider).0.read_grant(&answer(status, body), now())
}

fn fields(call: &ApiCall) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

/// RFC 7636, appendix B, and what Slack's documents compute.
#[test]
fn the_challenge_is_that_of_the_standard() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_eq!(challenge("secretpassword"), "ldMBaaWcQYtSATMV_IG8mf3wp7A6EW80arYoSW80ntU");
}

#[test]
fn the_user_is_asked_in_each_providers_words() {
    let question = Question { redirect_uri: "https://way.example/cb?x=1", state: "st", verifier: "v" };
    let url = |provider| {
        let (oauth, application) = oauth(provider);
        Url::parse(&oauth.authorize_url(&application, &question).unwrap()).unwrap()
    };
    let has = |url: &Url, name: &str, value: &str| url.query_pairs().any(|(n, v)| n == name && v == value);
    for provider in CONNECTABLE.iter().filter(|provider| provider.oauth().is_some()) {
        let url = url(provider.name());
        assert!(has(&url, "client_id", "id-1") && has(&url, "state", "st"), "{url}");
        assert!(has(&url, "redirect_uri", "https://way.example/cb?x=1"), "{url}");
        assert!(!url.as_str().contains("s3cret") && !url.as_str().contains("verifier"), "{url}");
        let is_challenged = has(&url, "code_challenge_method", "S256");
        assert_eq!(is_challenged, ["github", "gmail", "youtube"].contains(&provider.name()), "{url}");
    }
    assert!(has(&url("gmail"), "access_type", "offline"));
    assert!(url("slack").query_pairs().any(|(name, value)| name == "scope" && value.contains(',')));
}

#[test]
fn the_application_shows_who_it_is_as_each_provider_wants() {
    for (provider, is_basic) in
        [("github", false), ("gmail", false), ("discord", false), ("slack", true), ("spotify", true)]
    {
        let (oauth, application) = oauth(provider);
        let call = oauth.refresh(&application, &Token::new("rt"));
        let fields = fields(&call);
        assert!(fields.contains(&("refresh_token".to_owned(), "rt".to_owned())));
        assert_eq!(fields.iter().any(|(name, _)| name == "client_secret"), !is_basic, "{provider}");
        let basic = call.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        // The pair of RFC 7617's kind: base64 of id-1:s3cret.
        assert_eq!(basic, is_basic.then_some(b"Basic aWQtMTpzM2NyZXQ=".as_slice()), "{provider}");
    }
}

#[test]
fn tokens_are_read_in_all_their_spellings() {
    // GitHub's changelog shows numbers as texts.
    let github = json!({ "access_token": "ghu_1", "expires_in": "28800", "refresh_token": "ghr_1", "scope": "repo,gist" });
    let grant = read("github", 200, &github).unwrap();
    assert_eq!(grant.granted.expires_at, Some(Timestamp::from_seconds(NOW + 28_800)));
    assert_eq!(grant.granted.scopes.unwrap(), ["repo", "gist"]);
    assert_eq!(grant.refresh_token.unwrap().reveal(), "ghr_1");
    // Google's refresh brings no refresh token.
    let google =
        json!({ "access_token": "ya29", "expires_in": 3599, "scope": "a b", "token_type": "Bearer" });
    let grant = read("gmail", 200, &google).unwrap();
    assert_eq!((grant.access_token.reveal(), grant.refresh_token), ("ya29", None));
    // Slack's user tokens lie beside those of the bot; where there is no bot they are all there is.
    let user = json!({ "id": "U1", "access_token": "xoxp", "refresh_token": "xoxe", "expires_in": 43200 });
    let grant = read("slack", 200, &json!({ "ok": true, "authed_user": user })).unwrap();
    assert_eq!(grant.access_token.reveal(), "xoxp");
    let both = json!({ "ok": true, "access_token": "xoxb", "authed_user": user });
    let grant = read("slack", 200, &both).unwrap();
    assert_eq!((grant.access_token.reveal(), grant.granted.expires_at), ("xoxb", None));
}

#[test]
fn errors_are_told_apart_whatever_their_status() {
    let rejected = |provider, status, error: &str| {
        let failure = read(provider, status, &json!({ "ok": false, "error": error })).unwrap_err();
        failure == RefreshFailure::Rejected(error.to_owned())
    };
    assert!(rejected("github", 200, "bad_refresh_token"));
    assert!(rejected("slack", 200, "invalid_refresh_token"));
    for provider in ["gmail", "youtube", "discord", "spotify"] {
        assert!(rejected(provider, 400, "invalid_grant"), "{provider}");
    }
    for (provider, status, error) in [
        ("github", 200, "incorrect_client_credentials"),
        ("slack", 200, "bad_client_secret"),
        ("gmail", 401, "invalid_client"),
        ("discord", 401, "invalid_client"),
        ("spotify", 400, "invalid_client"),
    ] {
        let failure = read(provider, status, &json!({ "error": error })).unwrap_err();
        assert_eq!(failure, RefreshFailure::Application(error.to_owned()), "{provider}");
    }
    for (status, error) in [(500, "server_error"), (503, ""), (429, "rate_limited"), (400, "something_new")] {
        let failure = read("gmail", status, &json!({ "error": error })).unwrap_err();
        assert!(matches!(failure, RefreshFailure::Passing { .. }), "{status} {error}: {failure:?}");
    }
}

#[test]
fn a_success_without_a_token_is_a_lost_answer() {
    for body in [json!({}), json!({ "access_token": "" }), json!([]), json!({ "authed_user": {} })] {
        assert!(matches!(read("github", 200, &body), Err(RefreshFailure::Lost(_))), "{body}");
    }
}

#[test]
fn a_provider_may_ask_for_patience() {
    let mut busy = answer(429, &json!({ "error": "rate_limited" }));
    busy.headers.insert("retry-after", HeaderValue::from_static("120"));
    let failure = oauth("spotify").0.read_grant(&busy, now()).unwrap_err();
    let expected = Some(std::time::Duration::from_secs(120));
    assert!(matches!(failure, RefreshFailure::Passing { retry_after, .. } if retry_after == expected));
}

#[test]
fn each_account_has_its_own_name() {
    for (provider, body, expected) in [
        ("github", json!({ "login": "octocat", "id": 1 }), "octocat"),
        ("slack", json!({ "ok": true, "team_id": "T1", "user_id": "U1" }), "U1"),
        ("gmail", json!({ "emailAddress": "Alice@Example.com", "historyId": "1" }), "alice@example.com"),
        ("youtube", json!({ "items": [{ "id": "UC1" }] }), "UC1"),
        ("discord", json!({ "id": "80351110224678912", "username": "nelly" }), "80351110224678912"),
        ("spotify", json!({ "id": "alice" }), "alice"),
    ] {
        let provider = connectable(provider).unwrap();
        assert!(provider.ask_identity(&settings(provider.name()), &Token::new("t")).is_some());
        assert_eq!(provider.read_identity(&answer(200, &body), now()).unwrap(), expected);
        let refused = provider.read_identity(&answer(401, &json!({})), now());
        assert!(matches!(refused, Err(CallFailure::TokenRefused(_))), "{expected}");
        assert!(provider.read_identity(&answer(200, &json!({ "ok": true })), now()).is_err());
    }
    let dead = answer(200, &json!({ "ok": false, "error": "token_revoked" }));
    let slack = connectable("slack").unwrap();
    assert_eq!(slack.read_identity(&dead, now()), Err(CallFailure::TokenRefused("token_revoked".to_owned())));
}

proptest! {
    /// Whatever a provider answers, it is a grant or a failure, and no failure repeats what may be a token.
    #[test]
    fn any_answer_can_be_read(status in 100_u16..600, body in "[ -~]{0,80}", secret in "[A-Za-z0-9]{65,80}") {
        for provider in CONNECTABLE {
            let Some(oauth) = provider.oauth() else { continue };
            let status = StatusCode::from_u16(status).unwrap();
            for body in [Bytes::from(body.clone()), json!({ "error": secret, "access_token": 5 }).to_string().into()] {
                let answer = ApiAnswer { status, headers: HeaderMap::new(), body };
                if let Err(failure) = oauth.read_grant(&answer, now()) {
                    prop_assert!(!failure.to_string().contains(&secret));
                }
                let _ = provider.read_identity(&answer, now());
            }
        }
    }
}
