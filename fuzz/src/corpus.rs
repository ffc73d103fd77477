//! Bytes to begin from: the providers' fixtures, and what the program itself knows of senders.

use std::path::{Path, PathBuf};

use providers::scheme;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
struct Fixture {
    headers: std::collections::BTreeMap<String, String>,
    json: Option<Box<RawValue>>,
    text: Option<String>,
}

fn fixtures(provider: &str) -> Vec<Fixture> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/providers/fixtures").join(provider);
    // A provider may have none yet.
    let Ok(files) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    // In the same order wherever it runs, so that a seed repeats a run.
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

impl Fixture {
    fn body(&self) -> Vec<u8> {
        let json = self.json.as_ref().map(|json| json.get());
        json.or(self.text.as_deref()).unwrap_or_default().as_bytes().to_vec()
    }

    /// Headers, an empty line, and the body.
    fn whole(&self) -> Vec<u8> {
        let head: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        [head.as_bytes(), b"\n", &self.body()].concat()
    }
}

/// Bodies, behind the byte that says what their headers are.
pub fn of_provider(provider: &str) -> Vec<Vec<u8>> {
    let bodies = fixtures(provider).into_iter().map(|fixture| fixture.body());
    bodies.flat_map(|body| [0, 1].map(|control| [&[control], &body[..]].concat())).collect()
}

/// Requests with headers that get far.
pub fn of_requests() -> Vec<Vec<u8>> {
    const PROOFS: [&str; 6] = [
        "x-hub-signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000\n",
        "x-hub-signature: sha1=0000000000000000000000000000000000000000\n",
        "x-slack-request-timestamp: 1700000000\nx-slack-signature: v0=00\n",
        "webhook-id: msg_1\nwebhook-timestamp: 1700000000\nwebhook-signature: v1,AAAA v1,BBBB\n",
        "x-signature-timestamp: 1700000000\nx-signature-ed25519: 00\nunipile-auth: a\n",
        "authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UifQ.AAAA\n",
    ];
    let fixtures = providers::ALL.iter().flat_map(|provider| fixtures(provider.name()));
    let whole: Vec<_> = fixtures.map(|fixture| fixture.whole()).collect();
    PROOFS
        .iter()
        .enumerate()
        .map(|(at, proof)| [proof.as_bytes(), &whole[at % whole.len()]].concat())
        .collect()
}

/// Queries as a hub sends them.
pub fn of_queries() -> Vec<Vec<u8>> {
    let topic = "https%3A%2F%2Fwww.youtube.com%2Fxml%2Ffeeds%2Fvideos.xml%3Fchannel_id%3DUC1";
    ["subscribe", "unsubscribe", "denied"]
        .map(|mode| {
            format!(
                "hub.mode={mode}&hub.topic={topic}&hub.challenge=abc&hub.lease_seconds=432000&hub.reason=x"
            )
            .into_bytes()
        })
        .into()
}

/// Key sets with a token: that of RFC 7515, A.2, and one of nobody's.
pub fn of_key_sets() -> Vec<Vec<u8>> {
    let keys = r#"{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"one","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    vec![
        format!("{keys}\n\n{token}").into_bytes(),
        format!("{keys}\n\neyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.e30.AAAA").into_bytes(),
        br#"{"keys":[]}"#.to_vec(),
    ]
}

/// A request for each sender, behind the byte that names it.
pub fn of_senders() -> Vec<Vec<u8>> {
    let bodies: [&[u8]; 3] = [
        br#"{"signature":{"timestamp":"1700000000","token":"t"},"webhookTimestamp":1700000000000,"value":[{"clientState":"a"}],"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"AAAA"},"pspReference":"1"}}],"Type":"Notification","SigningCertURL":"https://sns.eu-west-1.amazonaws.com/a.pem","type":"url_verification","challenge":"c"}"#,
        b"content-type: application/x-www-form-urlencoded\n\na=1&b=x+y&a=2&mandrill_events=%5B%5D",
        b"x-hook-secret: s\nx-signature: t=1700000000,v1=00\nstripe-signature: t=1700000000,v1=00\n\n{}",
    ];
    let count = u8::try_from(scheme::senders().len()).unwrap_or(u8::MAX);
    let as_request = |body: &[u8]| {
        if body.starts_with(b"{") {
            [b"content-type: application/json\n\n", body].concat()
        } else {
            body.to_vec()
        }
    };
    let bodies = bodies.map(as_request);
    (0..count).map(|which| [&[which], &bodies[usize::from(which) % bodies.len()][..]].concat()).collect()
}

/// Each sender's verification, spelled out.
pub fn of_verifications() -> Vec<Vec<u8>> {
    scheme::senders().iter().map(|sender| serde_json::to_vec(&sender.verification).unwrap()).collect()
}

/// Filters with a document each.
pub fn of_filters() -> Vec<Vec<u8>> {
    let document: Value = serde_json::from_str(
        r#"{"type":"github.issues.opened","data":{"issue":{"comments":5,"labels":[{"name":"bug"}]},"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}}"#,
    )
    .unwrap();
    [
        r#"{"type":"github.issues.opened","data.issue":{"comments":{"$gte":3},"labels":{"$contains":{"name":"bug"}}}}"#,
        r#"{"$or":[{"data.text":{"$regex":"^(a+)+$"}},{"$not":{"data.text":{"$startsWith":"a"}}}]}"#,
        r#"{"data.issue.comments":{"$in":[1,5.0,"5"],"$exists":true,"$ne":null}}"#,
        r#"{"$and":[{"data.issue.labels.0.name":"bug"},{"data.nothing":{"$exists":false}}]}"#,
    ]
    .iter()
    .map(|filter| format!("{filter}\n\n{document}").into_bytes())
    .collect()
}
