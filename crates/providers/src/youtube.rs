//! YouTube: videos of a channel, pushed by Google's WebSub hub.
//!
//! Sources: developers.google.com, "Subscribe to Push Notifications" of the YouTube Data API (the feed); W3C WebSub,
//! sections 5 (how the hub asks back) and 7 (how it signs). Neither publishes a vector for the signature; its parts
//! have theirs in RFC 2202 and RFC 4231.

mod atom;
mod playlists;
mod register;

use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::HeaderName;
use ring::hmac;
use serde_json::json;
use url::Url;

use self::atom::{Deletion, Item, Video};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::gmail::GOOGLE_OAUTH;
use crate::oauth::{OAuth, identity};
use crate::{
    Asked, CannotSign, Confirmation, Decision, Described, Inbound, InboundEvent, Known, Owner, Profile,
    Provider, RawRequest, Recurrence, Refusal, Reply, Setting, SettingKind, Settings, Unreadable, Unsigned,
    Verified, Wish,
};

const SECRET: Setting = Setting::new("webhook_secret", "YOUTUBE_WEBHOOK_SECRET", SettingKind::Secret);

const SIGNATURE: &str = "x-hub-signature";

/// The longest lease that the hub has been seen to grant. The address it is granted at is no secret, and whoever
/// pretends to grant a longer one would keep us from renewing.
const LEASE_SECONDS_MAX: u32 = 10 * 24 * 3_600;

/// Bytes of a challenge, and of a reason. Challenges have about twenty.
const CHALLENGE_BYTES_MAX: usize = 1_024;

/// A video that was published so long before it was changed has been there before, or has been forgotten.
const PUBLICATION_IS_NEWS: Duration = Duration::from_secs(30 * 24 * 3_600);

pub(crate) struct YouTube;

impl Provider for YouTube {
    fn profile(&self) -> Profile {
        Profile { name: "youtube", paths: &["/youtube/{user}"], settings: &[SECRET] }
    }

    /// The sender chooses the method. Google's hub still takes SHA-1, which is sound as an HMAC.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signature = request.needed(SIGNATURE)?;
        let secrets = known.settings.get(SECRET.key);
        if secrets.is_empty() {
            return Err(Refusal::NoKey);
        }
        let (method, digits) = signature.split_once('=').ok_or(Refusal::BadSignature)?;
        let algorithm = algorithm(method).ok_or(Refusal::BadSignature)?;
        let code = hex::decode(digits).map_err(|_| Refusal::BadSignature)?;
        let fits = secrets.iter().any(|secret| {
            let key = hmac::Key::new(algorithm, secret.as_bytes());
            hmac::verify(&key, &request.body, &code).is_ok()
        });
        fits.then_some(Verified(request)).ok_or(Refusal::BadSignature)
    }

    /// A feed without entries says "go and fetch", which the poller does anyway.
    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let text =
            std::str::from_utf8(request.body()).map_err(|_| Unreadable::NotXml("not UTF-8".to_owned()))?;
        if text.trim().is_empty() {
            return Ok(Inbound::Reply(Reply::ignored()));
        }
        let items = atom::read(text)?;
        if items.is_empty() {
            return Ok(Inbound::Reply(Reply::ignored()));
        }
        let event = |item| match item {
            Item::Video(video) => changed(&video),
            Item::Deleted(deletion) => deleted(&deletion),
        };
        Ok(Inbound::Events(items.into_iter().map(event).collect()))
    }

    fn asks_first(&self) -> bool {
        true
    }

    fn confirm(&self, query: &str, asked: &[Asked]) -> Option<Confirmation> {
        let field = |name: &str| only(query, name);
        let (mode, topic) = (field("hub.mode")?, field("hub.topic")?);
        let of_topic = |wish: Option<Wish>| {
            let is_it = |asked: &&Asked| wish.is_none_or(|wish| asked.wish == wish);
            asked.iter().filter(is_it).find(|asked| is_same_topic(&asked.topic, &topic))
        };
        let (asked, decision) = match mode.as_str() {
            "subscribe" => {
                let lease = field("hub.lease_seconds").and_then(|seconds| seconds.parse().ok());
                let lease_seconds = lease.map(|seconds: u32| seconds.min(LEASE_SECONDS_MAX));
                (of_topic(Some(Wish::Subscribe))?, Decision::Granted { lease_seconds })
            }
            "unsubscribe" => (of_topic(Some(Wish::Unsubscribe))?, Decision::Ended),
            "denied" => {
                let reason = field("hub.reason").unwrap_or_default();
                (of_topic(None)?, Decision::Denied { reason })
            }
            _ => return None,
        };
        let answer = match decision {
            Decision::Denied { .. } => String::new(),
            _ => field("hub.challenge").filter(|challenge| !challenge.is_empty())?,
        };
        Some(Confirmation { topic: asked.topic.clone(), decision, reply: Reply::text(answer) })
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let code = hex::encode(hmac::sign(&key, unsigned.body));
        Ok(vec![(HeaderName::from_static(SIGNATURE), format!("sha1={code}"))])
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

fn algorithm(method: &str) -> Option<hmac::Algorithm> {
    match method {
        "sha1" => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Some(hmac::HMAC_SHA256),
        "sha384" => Some(hmac::HMAC_SHA384),
        "sha512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// A feed does not say whether a video is new. The first news of it is that it was published; what comes of it later is
/// an update, known by another time.
fn changed(video: &Video) -> InboundEvent {
    let [published, updated] =
        [&video.published, &video.updated].map(|time| time.as_deref().and_then(moment));
    let update = updated.map(|at| Recurrence {
        event_type: EventType::from_words(["youtube.video.updated"]),
        dedupe_id: format!("updated:{}:{at}", video.id),
    });
    let is_old = published.zip(updated).is_some_and(|(from, to)| to.since(from) > PUBLICATION_IS_NEWS);
    let first = Recurrence {
        event_type: EventType::from_words(["youtube.video.published"]),
        dedupe_id: format!("video:{}", video.id),
    };
    let (Recurrence { event_type, dedupe_id }, recurrence) = match update {
        Some(update) if is_old => (update, None),
        update => (first, update),
    };
    InboundEvent {
        event_type,
        dedupe_id,
        recurrence,
        owner: Owner::Path,
        occurred_at: updated.or(published),
        data: Json::trusted(
            json!({
                "video_id": video.id, "channel_id": video.channel_id, "title": video.title,
                "published": video.published, "updated": video.updated,
            })
            .to_string(),
        ),
        is_whole_body: false,
    }
}

fn deleted(deletion: &Deletion) -> InboundEvent {
    let when = deletion.when.as_deref();
    InboundEvent {
        event_type: EventType::from_words(["youtube.video.deleted"]),
        dedupe_id: format!("deleted:{}:{}", deletion.id, when.unwrap_or_default()),
        recurrence: None,
        owner: Owner::Path,
        occurred_at: when.and_then(moment),
        data: Json::trusted(
            json!({ "video_id": deletion.id, "channel_id": deletion.channel_id, "deleted": when })
                .to_string(),
        ),
        is_whole_body: false,
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok()
}

/// A field of a query that is there once.
fn only(query: &str, name: &str) -> Option<String> {
    let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name);
    let (_, value) = values.next()?;
    let is_good = values.next().is_none() && value.len() <= CHALLENGE_BYTES_MAX;
    is_good.then(|| value.into_owned())
}

/// Google writes the address of one feed in two ways, and does not always answer in the one that it was asked in.
fn is_same_topic(asked: &str, topic: &str) -> bool {
    asked == topic || channel_of(asked).is_some_and(|channel| channel_of(topic) == Some(channel))
}

fn channel_of(topic: &str) -> Option<String> {
    let url = Url::parse(topic).ok()?;
    let is_feed = matches!(url.host_str(), Some("www.youtube.com" | "youtube.com"))
        && matches!(url.path(), "/feeds/videos.xml" | "/xml/feeds/videos.xml");
    only(url.query().filter(|_| is_feed)?, "channel_id").filter(|channel| !channel.is_empty())
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "youtube.video.published",
        "A channel published a video",
        r#"{"video_id":"dQw4w9WgXcQ","channel_id":"UC1","title":"The door","published":"2026-11-21T09:30:00+00:00","updated":"2026-11-21T09:30:20+00:00"}"#,
    ),
    Described::new(
        "youtube.video.updated",
        "A video's title or description was changed",
        r#"{"video_id":"dQw4w9WgXcQ","channel_id":"UC1","title":"The door, mended","published":"2026-11-21T09:30:00+00:00","updated":"2026-11-22T10:00:00+00:00"}"#,
    ),
    Described::new(
        "youtube.video.deleted",
        "A video was deleted, or made private",
        r#"{"video_id":"dQw4w9WgXcQ","channel_id":"UC1","deleted":"2026-11-23T10:00:00+00:00"}"#,
    ),
];

static OAUTH: OAuth = OAuth { scopes: &["https://www.googleapis.com/auth/youtube.readonly"], ..GOOGLE_OAUTH };

impl Connectable for YouTube {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    /// The application is Google's, for Gmail and for this.
    fn settings(&self) -> &'static [Setting] {
        application_settings!("GOOGLE", "YOUTUBE": "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token", "https://youtube.googleapis.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        let url = api_url(settings, "/youtube/v3/channels?part=id&mine=true");
        Some(ApiCall::get(url).bearer(token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/items/0/id", now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, read_at, request};

    const BODY: &str = r#"<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry><id>yt:video:VIDEO_ID</id><yt:videoId>VIDEO_ID</yt:videoId><yt:channelId>CHANNEL_ID</yt:channelId><title>Video title</title></entry></feed>"#;
    const TOPIC: &str = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1";

    fn verify(secret: &str, signature: &str, body: &str) -> Result<(), Refusal> {
        testing::verify(&YouTube, &request(&[(SIGNATURE, signature)], body.to_owned()), secret, 0)
    }

    fn read(body: &str) -> Vec<InboundEvent> {
        match read_at(&YouTube, &[("content-type", "application/atom+xml")], body, 0).unwrap() {
            Inbound::Events(events) => events,
            Inbound::Reply(reply) => panic!("{reply:?}"),
        }
    }

    fn entry(published: &str, updated: &str) -> String {
        let times = format!("<published>{published}</published><updated>{updated}</updated></entry>");
        BODY.replace("</entry>", &times)
    }

    fn asked(wish: Wish) -> Vec<Asked> {
        vec![Asked { topic: TOPIC.to_owned(), wish }]
    }

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        let signature = "sha1=daf3c0e561cb7866a859073e302776b46aa8e2b1";
        assert_eq!(verify("websub-test-secret", signature, BODY), Ok(()));
        let signed = testing::signed(&YouTube, "websub-test-secret", None, BODY.as_bytes(), 0);
        assert_eq!(signed.header(SIGNATURE), Some(signature));
        assert_nothing_may_be_altered(&YouTube, &signed, "websub-test-secret", 0);
    }

    /// RFC 2202 and RFC 4231, test case 2 of each.
    #[test]
    fn each_method_is_checked_and_no_other() {
        let verify = |signature: &str| verify("Jefe", signature, "what do ya want for nothing?");
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        for signature in [
            "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            &format!("sha256={sha256}"),
            "sha384=af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ] {
            assert_eq!(verify(signature), Ok(()), "{signature}");
            assert!(verify(&signature[..signature.len() - 2]).is_err());
        }
        for signature in [
            "",
            "sha1=",
            "=",
            sha256,
            &format!("sha224={sha256}"),
            &format!("SHA256={sha256}"),
            &format!("sha1={sha256}"),
            &format!("md5={sha256}"),
        ] {
            assert_eq!(verify(signature), Err(Refusal::BadSignature), "{signature}");
        }
    }

    #[test]
    fn a_video_is_published_first_and_updated_later() {
        let body = entry("2015-03-06T21:40:57+00:00", "2015-03-09T19:05:24.552394234+00:00");
        let [event] = read(&body).try_into().unwrap();
        assert_eq!(event.event_type.as_str(), "youtube.video.published");
        assert_eq!((event.dedupe_id.as_str(), event.owner), ("video:VIDEO_ID", Owner::Path));
        assert_eq!(event.occurred_at.unwrap().to_string(), "2015-03-09T19:05:24.552Z");
        let update = event.recurrence.unwrap();
        assert_eq!(update.event_type.as_str(), "youtube.video.updated");
        assert_eq!(update.dedupe_id, "updated:VIDEO_ID:2015-03-09T19:05:24.552Z");
        let data: Value = serde_json::from_str(event.data.as_str()).unwrap();
        let expected = json!({
            "video_id": "VIDEO_ID", "channel_id": "CHANNEL_ID", "title": "Video title",
            "published": "2015-03-06T21:40:57+00:00", "updated": "2015-03-09T19:05:24.552394234+00:00",
        });
        assert_eq!(data, expected);
        assert!(!event.is_whole_body, "the XML is kept beside it");
    }

    #[test]
    fn an_old_video_was_not_published_just_now() {
        let [event] = read(&entry("2015-03-06T21:40:57Z", "2016-03-09T19:05:24Z")).try_into().unwrap();
        assert_eq!(event.event_type.as_str(), "youtube.video.updated");
        assert_eq!(event.recurrence, None);
        let [event] = read(BODY).try_into().unwrap();
        assert_eq!((event.recurrence, event.occurred_at), (None, None), "nothing says when");
    }

    #[test]
    fn a_deletion_names_its_channel_in_another_way() {
        let body = r#"<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
            <at:deleted-entry ref="yt:video:VIDEO_ID" when="2016-01-02T03:04:05.123+00:00">
            <link href="https://www.youtube.com/watch?v=VIDEO_ID"/>
            <at:by><name>Channel title</name><uri>https://www.youtube.com/channel/UC1</uri></at:by>
            </at:deleted-entry></feed>"#;
        let [event] = read(body).try_into().unwrap();
        assert_eq!(event.event_type.as_str(), "youtube.video.deleted");
        assert_eq!(event.dedupe_id, "deleted:VIDEO_ID:2016-01-02T03:04:05.123+00:00");
        assert_eq!(event.occurred_at.unwrap().to_string(), "2016-01-02T03:04:05.123Z");
        let data: Value = serde_json::from_str(event.data.as_str()).unwrap();
        assert_eq!(data["channel_id"], "UC1");
        assert_eq!(data["video_id"], "VIDEO_ID");
    }

    #[test]
    fn an_empty_body_or_feed_is_good_and_no_event() {
        for body in ["", " \n", r#"<feed xmlns="http://www.w3.org/2005/Atom"/>"#] {
            let Ok(Inbound::Reply(reply)) = read_at(&YouTube, &[], body, 0) else { panic!("{body}") };
            assert_eq!(reply, Reply::ignored());
        }
    }

    #[test]
    fn what_was_asked_for_is_confirmed_with_the_challenge() {
        let query = "hub.mode=subscribe&hub.topic=https%3A%2F%2Fwww.youtube.com%2Ffeeds%2Fvideos.xml%3Fchannel_id%3DUC1&hub.challenge=12%2B34&hub.lease_seconds=432000";
        let confirmed = YouTube.confirm(query, &asked(Wish::Subscribe)).unwrap();
        assert_eq!(confirmed.topic, TOPIC, "as we wrote it");
        assert_eq!(confirmed.decision, Decision::Granted { lease_seconds: Some(432_000) });
        assert_eq!((confirmed.reply.status.as_u16(), confirmed.reply.body.as_str()), (200, "12+34"));
        assert!(confirmed.reply.content_type.starts_with("text/plain"));
        let for_ever = query.replace("432000", "4294967295");
        let confirmed = YouTube.confirm(&for_ever, &asked(Wish::Subscribe)).unwrap();
        assert_eq!(confirmed.decision, Decision::Granted { lease_seconds: Some(864_000) });
        let ended = query.replace("subscribe", "unsubscribe");
        assert_eq!(YouTube.confirm(&ended, &asked(Wish::Unsubscribe)).unwrap().decision, Decision::Ended);
    }

    #[test]
    fn a_denial_is_heard_whatever_was_asked() {
        let query = format!("hub.mode=denied&hub.topic={TOPIC}&hub.reason=no+such+feed");
        let denied = YouTube.confirm(&query, &asked(Wish::Subscribe)).unwrap();
        assert_eq!(denied.decision, Decision::Denied { reason: "no such feed".to_owned() });
        assert_eq!(denied.reply, Reply::text(""));
        assert_eq!(YouTube.confirm(&query, &[]), None);
    }

    #[test]
    fn what_was_not_asked_for_is_not_confirmed() {
        let good = format!("hub.mode=subscribe&hub.topic={TOPIC}&hub.challenge=1234");
        assert!(YouTube.confirm(&good, &asked(Wish::Subscribe)).is_some());
        assert_eq!(YouTube.confirm(&good, &[]), None);
        assert_eq!(YouTube.confirm(&good, &asked(Wish::Unsubscribe)), None);
        for (from, to) in [
            ("UC1", "UC2"),
            ("UC1", "UC1%26channel_id%3DUC1"),
            ("www.youtube.com", "www.example.com"),
            ("videos.xml", "other.xml"),
            ("=subscribe", "=unsubscribe"),
            ("=subscribe", "=publish"),
            ("hub.mode", "mode"),
            ("hub.topic", "topic"),
            ("hub.challenge=1234", ""),
            ("hub.challenge=1234", "hub.challenge="),
            ("hub.challenge=1234", "hub.challenge=1234&hub.challenge=5678"),
            ("1234", &"1".repeat(1_025)),
        ] {
            let other = good.replace(from, to);
            assert_eq!(YouTube.confirm(&other, &asked(Wish::Subscribe)), None, "{other}");
        }
    }
}
