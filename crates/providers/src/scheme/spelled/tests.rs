//! What is a verification, and what is none.

use serde_json::json;

use super::*;
use crate::scheme::senders;

fn spelled(value: serde_json::Value) -> Result<Verification, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn a_verification_is_spelled_out_and_shown_as_it_was() {
    let written = json!({
        "type": "hmac", "algorithm": "sha512", "header": "X-Sig", "encoding": "base64", "prefix": "v1=",
        "timestamp_header": "X-Time", "template": "{ts}.{body}", "tolerance_seconds": 60,
        "event_type": "{json:kind}", "delivery_id": "{header:X-Id}",
    });
    let verification = spelled(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&verification).unwrap(), written);
    for sender in senders() {
        let shown = serde_json::to_value(&sender.verification).unwrap();
        assert_eq!(spelled(shown).unwrap(), sender.verification, "{}", sender.name);
    }
}

#[test]
fn what_is_inconsistent_is_refused_by_name() {
    let base = json!({"type": "hmac", "header": "X-Sig"});
    assert!(spelled(base.clone()).is_ok());
    for (field, changes) in [
        ("type", json!({"type": null})),
        ("unknown variant `hmacc`", json!({"type": "hmacc"})),
        ("unknown field `heaer`", json!({"heaer": "X"})),
        ("header", json!({"header": null})),
        ("header", json!({"header": []})),
        ("header", json!({"header": "X Sig"})),
        ("header", json!({"header": vec!["X"; 17]})),
        ("signature_path", json!({"signature_path": "a.b"})),
        ("signature_path", json!({"header": null, "signature_path": "a..b"})),
        ("prefix", json!({"prefix": ""})),
        ("prefix", json!({"prefix": "x".repeat(257)})),
        ("template", json!({"template": "{bdy}"})),
        ("template", json!({"template": "{ts}.{body}"})),
        ("template", json!({"template": "constant"})),
        ("template", json!({"template": "{secret}{body}"})),
        ("template", json!({"timestamp_header": "X-Time"})),
        ("template", json!({"type": "hash"})),
        ("tolerance_seconds", json!({"tolerance_seconds": 300})),
        (
            "tolerance_seconds",
            json!({"timestamp_header": "X-T", "template": "{ts}{body}", "tolerance_seconds": 604_801}),
        ),
        ("timestamp_format", json!({"timestamp_format": "ms"})),
        (
            "timestamp_header",
            json!({"timestamp_header": "X-T", "timestamp_path": "t", "template": "{ts}{body}"}),
        ),
        ("id_header", json!({"template": "{id}{body}"})),
        ("id_header", json!({"id_header": "X-Id"})),
        ("signature_keys", json!({"timestamp_key": "t", "template": "{ts}{body}"})),
        ("timestamp_key", json!({"timestamp_key": "v1", "signature_keys": "v1", "template": "{ts}{body}"})),
        ("each", json!({"each": "items"})),
        ("query", json!({"query": "token"})),
        ("algorithms", json!({"algorithms": ["HS256"]})),
        ("jwks_url", json!({"jwks_url": "https://a.example"})),
        ("key_encoding", json!({"type": "ed25519", "key_encoding": "hex"})),
        ("key_encoding", json!({"type": "hash", "template": "{secret}{body}", "key_encoding": "hex"})),
        ("jwks_url", json!({"type": "ed25519", "jwks_url": "http://a.example"})),
        ("certificate_hosts", json!({"type": "rsa", "certificate_url_header": "X-Cert"})),
        ("certificate_url_header", json!({"type": "rsa", "certificate_hosts": "a.example"})),
        ("algorithm", json!({"type": "rsa", "algorithm": "md5"})),
        ("algorithm", json!({"type": "ecdsa", "algorithm": "sha256"})),
        ("algorithms", json!({"type": "jwt"})),
        ("algorithms", json!({"type": "jwt", "algorithms": ["HS256", "RS256"]})),
        ("algorithms", json!({"type": "jwt", "algorithms": ["HS256"], "jwks_url": "https://a.example"})),
        ("unknown variant `none`", json!({"type": "jwt", "algorithms": ["none"]})),
        ("encoding", json!({"type": "jwt", "algorithms": ["HS256"], "encoding": "hex"})),
        ("header", json!({"type": "jwt", "algorithms": ["HS256"], "header": null})),
        ("header", json!({"type": "token", "query": "t"})),
        ("prefix", json!({"type": "token", "header": null, "query": "t", "prefix": "x"})),
        ("header", json!({"type": "basic"})),
        ("header", json!({"type": "aws_sns"})),
        ("event_type", json!({"event_type": "{secret}"})),
        ("delivery_id", json!({"delivery_id": "{hmac_sha256_hex(body)}"})),
        ("issuer", json!({"issuer": "them"})),
        ("any_of", json!({"any_of": []})),
        ("any_of", json!({"type": null, "header": null, "any_of": [{"type": "basic"}]})),
        (
            "any_of",
            json!({"type": null, "header": null, "any_of": [{"type": "basic"}, {"type": "basic", "event_type": "x"}]}),
        ),
    ] {
        let mut value = base.clone();
        value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let error = spelled(value).unwrap_err();
        assert!(error.starts_with(field), "{field} {changes}: {error}");
    }
}
