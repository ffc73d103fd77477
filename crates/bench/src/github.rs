//! GitHub push deliveries as GitHub would send them, prebuilt.
//!
//! The signature covers the body and not the headers, so a set of signed requests is made once and each is
//! sent many times over with a fresh `X-GitHub-Delivery`: every request is a new event to the server, and
//! costs the generator a copy and 36 patched bytes, and 6 more where they are of many users.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Enough that a server cannot live off one cached body, few enough to stay in the processor's cache.
pub const PUSHES_PREPARED: usize = 1024;

/// Stands where the GUID goes; 36 bytes, like every GUID.
const GUID_PLACEHOLDER: &str = "00000000-0000-0000-0000-000000000000";

/// Stands where a user's number goes, if there are many.
const NUMBER_PLACEHOLDER: &str = "000000";

/// As many as the placeholder has numbers for.
pub const USERS_MAX: u64 = 1_000_000;

/// A set of signed push requests, and the source of their GUIDs.
#[derive(Debug)]
pub struct Pushes {
    prepared: Vec<Push>,
    by_after: HashMap<Box<str>, usize>,
    next: AtomicU64,
    /// How many users they are of, one chosen for each request; `None`: all of one, by name.
    users: Option<u64>,
}

/// One signed request.
#[derive(Debug)]
pub struct Push {
    request: Vec<u8>,
    guid_at: usize,
    /// Where the number of one of many users goes.
    number_at: usize,
    /// The JSON that was signed: what a delivery's `data` must equal.
    pub data: Value,
}

/// GitHub's id of one delivery, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid([u8; 36]);

impl Pushes {
    /// `first` sets where the sequence of GUIDs starts; two sets with far-apart starts never share one.
    pub fn prepare(address: SocketAddr, user: &str, secret: &str, first: u64) -> Self {
        let prepared: Vec<Push> =
            (0..PUSHES_PREPARED).map(|index| Push::sign(address, user, secret, index)).collect();
        let by_after =
            prepared.iter().enumerate().map(|(index, push)| (push.after().into(), index)).collect();
        Self { prepared, by_after, next: AtomicU64::new(first), users: None }
    }

    /// The same for up to [`USERS_MAX`] users, whose names are `prefix`, a dash and a number.
    pub fn of_many_users(address: SocketAddr, prefix: &str, users: u64, secret: &str, first: u64) -> Self {
        let user = format!("{prefix}-{NUMBER_PLACEHOLDER}");
        Self { users: Some(users.clamp(1, USERS_MAX)), ..Self::prepare(address, &user, secret, first) }
    }

    /// Writes the next request into `request` and says its GUID.
    pub fn write_next(&self, request: &mut Vec<u8>) -> Guid {
        let (number, index) = self.take_number();
        let (guid, push) = (Guid::from_number(number), &self.prepared[index]);
        push.write(&guid, request);
        if let Some(users) = self.users {
            push.write_user(scatter(number) % users, request);
        }
        guid
    }

    /// A fresh GUID and the index of the request that goes with it.
    pub fn next(&self) -> (Guid, usize) {
        let (number, index) = self.take_number();
        (Guid::from_number(number), index)
    }

    fn take_number(&self) -> (u64, usize) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, (number % PUSHES_PREPARED as u64) as usize)
    }

    pub fn get(&self, index: usize) -> &Push {
        &self.prepared[index]
    }

    /// The request whose commit this is.
    pub fn find(&self, after: &str) -> Option<&Push> {
        self.by_after.get(after).map(|index| &self.prepared[*index])
    }
}

impl Push {
    fn sign(address: SocketAddr, user: &str, secret: &str, index: usize) -> Self {
        let data = push_event(index);
        let body = data.to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let request = format!(
            "POST /api/webhooks/github/{user} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: GitHub-Hookshot/044aadd\r\n\
             Accept: */*\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Hook-ID: 292430182\r\nX-GitHub-Delivery: {GUID_PLACEHOLDER}\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let guid_at = request.find(GUID_PLACEHOLDER).expect("the placeholder was just written");
        let number_at =
            "POST /api/webhooks/github/".len() + user.len().saturating_sub(NUMBER_PLACEHOLDER.len());
        Self { request: request.into_bytes(), guid_at, number_at, data }
    }

    /// The commit that this push leads to, which names it: no two prepared pushes share one.
    pub fn after(&self) -> &str {
        self.data["after"].as_str().unwrap_or_default()
    }

    /// Writes the whole request, under this GUID, into `request`.
    pub fn write(&self, guid: &Guid, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.request);
        request[self.guid_at..self.guid_at + guid.0.len()].copy_from_slice(&guid.0);
    }

    /// Makes what [`Push::write`] has written a request for that user of many.
    fn write_user(&self, mut number: u64, request: &mut [u8]) {
        for digit in request[self.number_at..].iter_mut().take(NUMBER_PLACEHOLDER.len()).rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

impl Guid {
    /// Scattered rather than counted up: ids that arrive in order would flatter every index they enter.
    fn from_number(number: u64) -> Self {
        let bytes = (u128::from(scatter(number)) << 64 | u128::from(scatter(!number))).to_be_bytes();
        let mut text = *b"00000000-0000-0000-0000-000000000000";
        let mut digits = hex_digits(&bytes);
        for place in text.iter_mut().filter(|place| **place != b'-') {
            *place = digits.next().unwrap_or(b'0');
        }
        Self(text)
    }
}

impl std::fmt::Display for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or(GUID_PLACEHOLDER))
    }
}

fn hex_digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
}

/// SplitMix64's finaliser: a bijection, so that different numbers stay different.
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// About 800 bytes in the shape of GitHub's `push` payload.
pub fn push_event(index: usize) -> Value {
    let after = hex::encode(&Sha256::digest(format!("after {index}"))[..20]);
    let before = hex::encode(&Sha256::digest(format!("before {index}"))[..20]);
    json!({
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "compare": format!("https://github.com/octo-org/hello-world/compare/{}...{}", &before[..12], &after[..12]),
        "forced": false,
        "repository": {
            "id": 186_853_002, "name": "hello-world", "full_name": "octo-org/hello-world", "private": false,
            "owner": { "login": "octo-org", "id": 6_811_672 }, "default_branch": "main",
        },
        "pusher": { "name": "octocat", "email": "octocat@example.com" },
        "sender": { "login": "octocat", "id": 583_231, "type": "User", "site_admin": false },
        "head_commit": {
            "id": after,
            "message": format!("Keep it logically awesome, part {index}"),
            "timestamp": "2026-01-15T09:30:00+01:00",
            "author": { "name": "Mona Lisa", "email": "octocat@example.com", "username": "octocat" },
            "added": ["docs/journey.md"], "removed": [], "modified": ["src/receive.rs", "README.md"],
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn pushes() -> Pushes {
        Pushes::prepare(([127, 0, 0, 1], 8400).into(), "alice", "It's a Secret to Everybody", 7)
    }

    #[test]
    fn guids_differ_and_look_like_guids() {
        let guids: HashSet<String> =
            (0..10_000).map(|number| Guid::from_number(number).to_string()).collect();
        assert_eq!(guids.len(), 10_000);
        assert!(guids.iter().all(|guid| guid.split('-').map(str::len).eq([8, 4, 4, 4, 12])));
    }

    #[test]
    fn a_request_carries_its_guid_and_an_honest_length() {
        let pushes = pushes();
        let mut request = Vec::new();
        let guid = pushes.write_next(&mut request);
        let text = String::from_utf8(request).expect("requests are text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("X-GitHub-Delivery: {guid}\r\n")));
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!((700..1000).contains(&body.len()), "{} bytes", body.len());
    }

    #[test]
    fn requests_of_many_users_are_of_each_of_them() {
        let address = ([127, 0, 0, 1], 8400).into();
        let pushes = Pushes::of_many_users(address, "some", 12, "It's a Secret to Everybody", 7);
        let mut request = Vec::new();
        let mut user = || {
            pushes.write_next(&mut request);
            let text = std::str::from_utf8(&request).expect("requests are text");
            text.split(' ').nth(1).expect("a path").to_owned()
        };
        let users: HashSet<String> = (0..500).map(|_| user()).collect();
        assert_eq!(users, (0..12).map(|number| format!("/api/webhooks/github/some-{number:06}")).collect());
    }
}
