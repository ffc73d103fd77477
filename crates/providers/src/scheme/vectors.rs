//! Witnesses from outside: what senders have published, and what their own libraries make or accept.
//!
//! An entry of `senders.toml` is `confirmed` if and only if it is named here.

use domain::Timestamp;
use http::{HeaderName, Method};

use super::*;

/// What was given to the senders' libraries, at this moment.
const BODY: &str =
    r#"{"id":"evt_1","type":"thing.happened","text":"naïve ☃","webhookTimestamp":1700000000000}"#;
const SECRET: &str = "a test secret";
const AT: i64 = 1_700_000_000;
const URL: &str = "https://hooks.example.com/in/abc?x=1";

/// A request that a sender has signed.
struct Witness {
    sender: &'static str,
    request: RawRequest,
    secrets: Vec<String>,
    public_keys: Vec<String>,
    fetched: Vec<Fetched>,
    at: i64,
}

impl Witness {
    /// A POST of [`BODY`], under [`SECRET`], at [`AT`].
    fn of(sender: &'static str) -> Self {
        Self {
            sender,
            request: RawRequest::post(URL, BODY),
            secrets: vec![SECRET.to_owned()],
            public_keys: Vec::new(),
            fetched: Vec::new(),
            at: AT,
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.request.headers.insert(name, value.parse().unwrap());
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.request.body = body.to_owned().into();
        self
    }

    fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    fn url(mut self, url: &str) -> Self {
        self.request.url = url.to_owned();
        self
    }

    fn secret(mut self, secret: &str) -> Self {
        self.secrets = vec![secret.to_owned()];
        self
    }

    fn public_key(mut self, key: &str) -> Self {
        self.secrets.clear();
        self.public_keys = vec![key.to_owned()];
        self
    }

    fn at(mut self, seconds: i64) -> Self {
        self.at = seconds;
        self
    }

    fn verify(&self, request: &RawRequest, secrets: &[String]) -> Result<(), Refusal> {
        let keys =
            Keys { secrets, public_keys: &self.public_keys, fetched: &self.fetched, verify_token: None };
        sender(self.sender).unwrap().verify(request, &keys, Timestamp::from_seconds(self.at)).map(|_| ())
    }

    /// It is believed, and would not be with one more byte or under another secret.
    fn holds(self) {
        assert_eq!(self.verify(&self.request, &self.secrets), Ok(()), "{}", self.sender);
        let mut longer = self.request.clone();
        longer.body = [&self.request.body[..], b"&x=1"].concat().into();
        assert!(self.verify(&longer, &self.secrets).is_err(), "{} covers the body", self.sender);
        let other: Vec<_> =
            self.secrets.iter().map(|secret| format!("{}0a", &secret[..secret.len() - 2])).collect();
        assert!(self.secrets.is_empty() || self.verify(&self.request, &other).is_err(), "{}", self.sender);
    }
}

#[test]
fn confirmed_means_that_a_witness_is_here() {
    let here = include_str!("vectors.rs");
    for sender in senders() {
        let is_here = here.contains(&format!("Witness::of({:?})", sender.name));
        assert_eq!(sender.confirmed, is_here, "{}", sender.name);
    }
}

/// docs.github.com, "Validating webhook deliveries".
#[test]
fn github_has_published_this() {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    Witness::of("github")
        .secret("It's a Secret to Everybody")
        .header("X-Hub-Signature-256", signature)
        .body("Hello, World!")
        .holds();
}

/// docs.slack.dev, "Verifying requests from Slack".
#[test]
fn slack_has_published_this() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    Witness::of("slack")
        .secret("8f742231b10e8888abcd99yyyzzz85a5")
        .header("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")
        .header("X-Slack-Request-Timestamp", "1531420618")
        .body(body)
        .at(1_531_420_618)
        .holds();
}

/// The vector of all reference libraries of Standard Webhooks, and of Svix's documents.
fn standard(witness: Witness, headers: [&'static str; 3]) {
    let other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    witness
        .secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .header(headers[0], "msg_p5jXN8AQM9LWM0D4loKWxJek")
        .header(headers[1], "1614265330")
        .header(headers[2], &format!("{other} {} {good} {other}", other.replace("v1", "v2")))
        .body(r#"{"test": 2432232314}"#)
        .at(1_614_265_330)
        .holds();
}

const STANDARD: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

#[test]
fn the_reference_libraries_of_standard_webhooks_publish_this() {
    standard(Witness::of("standard-webhooks"), STANDARD);
}

#[test]
fn svix_has_published_this_for_those_who_send_through_it() {
    standard(Witness::of("svix"), SVIX);
    standard(Witness::of("svix"), STANDARD);
    standard(Witness::of("resend"), SVIX);
    standard(Witness::of("clerk"), SVIX);
}

/// Accepted by `verify_webhook` of composio's Python package. A key that was decoded from base64 is another key.
#[test]
fn composios_library_accepts_this() {
    let body = r#"{"id":"msg_test123","timestamp":"2023-11-14T22:13:20.000Z","type":"composio.trigger.message","metadata":{"log_id":"log-123","trigger_slug":"GMAIL_NEW_GMAIL_MESSAGE","trigger_id":"ti_1","connected_account_id":"ca_1","auth_config_id":"ac_1","user_id":"user-456"},"data":{"message_id":"18c0","thread_id":"18c0"}}"#;
    for (secret, signature) in [
        ("test-webhook-secret-12345", "v1,/l3f07/Yx+POXgjuXSd2RPY67HL6Xbl4Nylr4oFqPOk="),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,hd72L0yjjJAIriQhcrhzy7IvBOGOYay+kcHNHuJGz7U="),
    ] {
        Witness::of("composio")
            .secret(secret)
            .header("webhook-id", "msg_test123")
            .header("webhook-timestamp", "1700000000")
            .header("webhook-signature", signature)
            .body(body)
            .holds();
    }
}

/// Signed with the key of RFC 8032, 7.1, test 2; Discord's own libraries for Python and JavaScript accept it.
#[test]
fn discords_libraries_accept_this() {
    Witness::of("discord")
        .public_key("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        .header("X-Signature-Ed25519", "8cf1f3e3414de24e026d8049dceb6f3d35f1eec1943decc5b6f5d67bca2955ee5fd6eeb010222fcd03d01ec4440940ba89e810b45de7435a2028e4a8c5ad6e07")
        .header("X-Signature-Timestamp", "1729262573")
        .body(r#"{"version":1,"application_id":"1234560123453231555","type":0}"#)
        .holds();
}

/// The tests of Twilio's libraries for PHP and Python: form, repeated fields, JSON.
#[test]
fn twilios_libraries_are_tested_with_this() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let twilio = |signature: &str| {
        Witness::of("twilio").secret("12345").url(url).header("X-Twilio-Signature", signature)
    };
    twilio("RSOYDt4T1cUTdK1PDd93/VVr8B8=")
        .form("To=%2B18005551212&From=%2B14158675309&Digits=1234&Caller=%2B14158675309&CallSid=CA1234567890ABCDE")
        .holds();
    twilio("IK+Dwps556ElfBT0I3Rgjkr1wJU=")
        .form("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234")
        .holds();
    let digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    twilio("a9nBmqA0ju/hNViExpshrM61xv4=")
        .url(&format!("{url}&bodySHA256={digest}"))
        .body(r#"{"property": "value", "boolean": true}"#)
        .holds();
}

/// The tests of @sanity/webhook.
#[test]
fn sanitys_library_is_tested_with_this() {
    for (secret, signature, body) in [
        ("test", "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0", r#"{"_id":"resume"}"#),
        (
            "try-me",
            "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA",
            r#"{"title":"GROQ-Hooks are neat"}"#,
        ),
    ] {
        Witness::of("sanity").secret(secret).header("sanity-webhook-signature", signature).body(body).holds();
    }
}

/// Adyen's example for webhooks of payments, which the tests of its libraries use too.
#[test]
fn adyen_has_published_this() {
    let body = r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},"amount":{"value":1130,"currency":"EUR"},"pspReference":"7914073381342284","eventCode":"AUTHORISATION","eventDate":"2019-05-06T17:15:34.121+02:00","merchantAccountCode":"TestMerchant","operations":["CANCEL","CAPTURE","REFUND"],"merchantReference":"TestPayment-1407325143704","paymentMethod":"visa","success":"true"}}]}"#;
    let key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
    Witness::of("adyen").secret(key).body(body).holds();
    let dearer = Witness::of("adyen").secret(key).body(&body.replace("1130", "1131"));
    assert!(dearer.verify(&dearer.request, &dearer.secrets).is_err());
}

/// The tests of Box's libraries. Either key is enough.
#[test]
fn boxs_libraries_are_tested_with_this() {
    let body = r#"{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234567890","type":"file","name":"Test.txt"}}"#;
    for key in ["SamplePrimaryKey", "SampleSecondaryKey"] {
        Witness::of("box")
            .secret(key)
            .header("box-delivery-timestamp", "2020-01-01T00:00:00-07:00")
            .header("box-signature-primary", "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=")
            .header("box-signature-secondary", "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=")
            .body(body)
            .at(1_577_862_000)
            .holds();
    }
}

/// The tests of SendGrid's libraries. The line break at the end is signed.
#[test]
fn sendgrids_libraries_are_tested_with_this() {
    let body = concat!(
        r#"[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]"#,
        "\r\n"
    );
    Witness::of("sendgrid")
        .public_key("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==")
        .header("X-Twilio-Email-Event-Webhook-Signature", "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=")
        .header("X-Twilio-Email-Event-Webhook-Timestamp", "1600112502")
        .body(body)
        .holds();
}

/// Square's documents, "Verify and validate an event notification".
#[test]
fn square_has_published_this() {
    Witness::of("square")
        .secret("asdf1234")
        .url("https://example.com/webhook")
        .header("x-square-hmacsha256-signature", "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og=")
        .body(r#"{"hello":"world"}"#)
        .holds();
}

/// HubSpot's documents, "v1 request validation" and "v2 request validation".
#[test]
fn hubspot_has_published_this() {
    let body = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;
    let secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    Witness::of("hubspot-v1")
        .secret(secret)
        .header("X-HubSpot-Signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")
        .body(body)
        .holds();
    let mut get = Witness::of("hubspot-v2")
        .secret(secret)
        .url("https://www.example.com/webhook_uri")
        .header("X-HubSpot-Signature", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e")
        .body("");
    get.request.method = Method::GET;
    get.holds();
}

/// `Signature.get_signature` of hubspot-api-client.
#[test]
fn hubspots_library_makes_this() {
    Witness::of("hubspot-v2")
        .header("X-HubSpot-Signature", "6f522005bad73f70d03b3f948177da2738c4a87e1c299f2de7ed043c5378ff2c")
        .holds();
    Witness::of("hubspot-v3")
        .header("X-HubSpot-Signature-v3", "Kzkd7Bher/Hb8Wa5EF7OxAPfo9xFZm47idJG/jKVouA=")
        .header("X-HubSpot-Request-Timestamp", "1700000000000")
        .holds();
}

/// `WebhookSignature.verify_header` of stripe, for Python.
#[test]
fn stripes_library_accepts_this() {
    let signature = "t=1700000000,v1=0a46ab9576ce546fc3622f3a068d0827def0868d04bf820767d09c1c096ae3b9";
    Witness::of("stripe").header("Stripe-Signature", signature).holds();
}

/// `verify_header` of workos, for Python. There is a space after the comma.
#[test]
fn workos_library_accepts_this() {
    let signature = "t=1700000000000, v1=ceea7ca4d872d54bb906d252400baa35589bb6b70c0f01b88e99d08d653aad80";
    Witness::of("workos").header("WorkOS-Signature", signature).holds();
}

/// `webhook_signature_matches` of openai, for Python.
#[test]
fn openais_library_accepts_this() {
    Witness::of("openai")
        .secret("whsec_YSB0ZXN0IHNlY3JldCBvZiBzb21lIGxlbmd0aA==")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", "1700000000")
        .header("webhook-signature", "v1,gz/TuB+S8XReR6SB+B68FcX8APhbG5x6Nu/R2K6wKtE=")
        .holds();
}

/// `SignatureValidator` of line-bot-sdk, for Python.
#[test]
fn lines_library_accepts_this() {
    let signature = "JBpSd/1YhXLMxUHvVH2TE/XV+IH22Nw25KYeCc7HTyo=";
    Witness::of("line").header("X-Line-Signature", signature).holds();
}

/// `verify_webhook_signature` of razorpay, for Python.
#[test]
fn razorpays_library_accepts_this() {
    let signature = "241a5277fd588572ccc541ef547d9313f5d5f881f6d8dc36e4a61e09cec74f2a";
    Witness::of("razorpay").header("X-Razorpay-Signature", signature).holds();
}

/// `validate_webhook` of pusher, for Python.
#[test]
fn pushers_library_accepts_this() {
    Witness::of("pusher")
        .header("X-Pusher-Signature", "d93a4caefc18857f93e732602595678d853b03a1d485089dd31778ff4c7cef5b")
        .body(r#"{"time_ms":1700000000000,"events":[{"name":"channel_occupied","channel":"c"}]}"#)
        .holds();
}

/// `verify_webhook_signature` of telnyx, for Python; the key is that of RFC 8032, 7.1, test 2.
#[test]
fn telnyxs_library_accepts_this() {
    Witness::of("telnyx")
        .public_key("PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=")
        .header(
            "telnyx-signature-ed25519",
            "XD0x1qFizbjz4vsO99iws1ys/rZrjqNL16CQ+BBllF8WopYajnZ2su5XxAcvSNCcvOy4K5ccMNIgwSvLt4d9BA==",
        )
        .header("telnyx-timestamp", "1700000000")
        .holds();
}

/// `isSignatureValid` of @paddle/paddle-node-sdk.
#[test]
fn paddles_library_accepts_this() {
    let signature = "ts=1700000000;h1=5e3775ce4a6cd0297f505bc68fd510c0c61453f5591cb739ad0150395b37de21";
    Witness::of("paddle").header("Paddle-Signature", signature).holds();
}

/// `LinearWebhookClient.verify` of @linear/sdk.
#[test]
fn linears_library_accepts_this() {
    let signature = "241a5277fd588572ccc541ef547d9313f5d5f881f6d8dc36e4a61e09cec74f2a";
    Witness::of("linear").header("Linear-Signature", signature).holds();
}

/// `validateEvent` of @polar-sh/sdk: the key is the secret's text.
#[test]
fn polars_library_accepts_this() {
    Witness::of("polar")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", "1700000000")
        .header("webhook-signature", "v1,vHpo9jdAGxuI/8O3E6p0dMZCx17OlgmO5RhAdCLwsUc=")
        .body(r#"{"type":"unknown"}"#)
        .holds();
}

/// `verifySignature` of webflow-api.
#[test]
fn webflows_library_accepts_this() {
    Witness::of("webflow")
        .header("x-webflow-signature", "b9728b1a3e6af1a0b6f1ae2346e6741a7d5522bd4315d00968f6d094fab5462d")
        .header("x-webflow-timestamp", "1700000000000")
        .holds();
}

/// `verifySignature` of @mux/mux-node.
#[test]
fn muxs_library_accepts_this() {
    let signature = "t=1700000000,v1=0a46ab9576ce546fc3622f3a068d0827def0868d04bf820767d09c1c096ae3b9";
    Witness::of("mux").header("mux-signature", signature).holds();
}

/// `constructEvent` of @elevenlabs/elevenlabs-js.
#[test]
fn elevenlabs_library_accepts_this() {
    let signature = "t=1700000000,v0=0a46ab9576ce546fc3622f3a068d0827def0868d04bf820767d09c1c096ae3b9";
    Witness::of("elevenlabs").header("ElevenLabs-Signature", signature).holds();
}

/// `webhooks.validate` of @shopify/shopify-api.
#[test]
fn shopifys_library_accepts_this() {
    let signature = "JBpSd/1YhXLMxUHvVH2TE/XV+IH22Nw25KYeCc7HTyo=";
    Witness::of("shopify").header("X-Shopify-Hmac-SHA256", signature).holds();
}

/// Signed with `openssl dgst -sign` and the key of `keys/`; AWS's sns-validator, for JavaScript, accepts it.
#[test]
fn the_validator_of_amazon_accepts_this() {
    for (version, signature) in super::sns::tests::SNS {
        let body = super::sns::tests::notification(version, signature).to_string();
        let mut witness = Witness::of("aws-sns").secret(super::sns::tests::TOPIC).body(&body);
        let url = "https://sns.us-west-2.amazonaws.com/cert.pem".to_owned();
        witness.fetched = vec![Fetched { url, text: super::tests::RSA_CERTIFICATE.to_owned() }];
        witness.holds();
    }
}
