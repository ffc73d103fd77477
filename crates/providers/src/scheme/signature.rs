//! Signatures over what a template describes: HMACs, hashes with a secret in them, and asymmetric ones.

use std::borrow::Cow;

use domain::Timestamp as Moment;
use http::HeaderName;
use jiff::fmt::rfc2822;
use serde::{Deserialize, Serialize};

use super::digest::{Encoding, Hash, KeyEncoding, is_same};
use super::json::{Path, text};
use super::key::{Asymmetric, PublicKey};
use super::request::Scope;
use super::template::{Template, Variable};
use super::{Fetch, FetchKind, Keys, Refusal, UNUSABLE_KEY};

/// Items of a list of signatures that are looked at. A sender that rotates its keys sends two or three.
const ITEMS_MAX: usize = 32;

/// Elements that may each carry a signature of their own. Adyen sends one.
const ELEMENTS_MAX: usize = 100;

/// Where a signature is, and what it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) by: SignedBy,
    pub(super) place: Place,
    /// The array whose elements are signed one by one. JSON paths then begin at the element.
    pub(super) each: Option<Path>,
    pub(super) encoding: Encoding,
    /// What stands before a signature. In a list, items without it are of a version that we do not know.
    pub(super) prefix: String,
    pub(super) separator: Option<String>,
    pub(super) pairs: Option<Pairs>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) id_headers: Vec<HeaderName>,
    pub(super) template: Template,
    /// The field of the query that holds the SHA-256 of the body, in hexadecimal, so that the URL covers it.
    pub(super) body_hash_query: Option<String>,
}

/// Who can have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignedBy {
    /// Whoever has the secret, as a key.
    Hmac { hash: Hash, key_encoding: KeyEncoding, key_prefix: String },
    /// Whoever has the secret, which the template mixes in.
    Hash(Hash),
    /// Whoever has the private half.
    Private { algorithm: Asymmetric, keys: PublicKeys },
}

/// Where public keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKeys {
    /// From whoever set up the source.
    Configured,
    /// From a key set at this URL.
    Set(String),
    /// From the certificate that a header names, at one of these hosts.
    Certificate { url_header: HeaderName, hosts: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Any of these.
    Headers(Vec<HeaderName>),
    Body(Path),
}

/// A header of named values, such as `t=1,v1=ab,v1=cd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairs {
    pub(super) key_value_separator: String,
    pub(super) signature_keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timestamp {
    pub(super) place: TimestampPlace,
    pub(super) format: TimestampFormat,
    /// How far it may lie from now, either way; `None` where the sender's retries keep their first timestamp.
    pub(super) tolerance_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimestampPlace {
    /// The first of these that is there.
    Headers(Vec<HeaderName>),
    /// This one of the pairs.
    Key(String),
    /// There in the body.
    Body(Path),
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimestampFormat {
    #[default]
    #[serde(alias = "seconds")]
    S,
    #[serde(alias = "milliseconds")]
    Ms,
    Rfc3339,
    Rfc1123,
}

/// What a request brought with it.
#[derive(Default)]
struct Sent {
    signatures: Vec<Vec<u8>>,
    ts: Option<String>,
}

impl Signature {
    /// Checks that the request is signed, and about now where it says when.
    pub(super) fn check(
        &self,
        scope: &mut Scope<'_>,
        keys: &Keys<'_>,
        now: Moment,
    ) -> Result<Option<Moment>, Refusal> {
        if let Some(each) = &self.each {
            return self.check_each(each, scope, keys, now);
        }
        let sent = self.sent(scope)?;
        let signed_at = self.window(scope, sent.ts, now)?;
        scope.id = scope.request.first_header(&self.id_headers)?.map(str::to_owned);
        if let (None, Some(name)) = (&scope.id, self.id_headers.first()) {
            return Err(Refusal::MissingHeader(name.clone()));
        }
        self.body_in_url(scope)?;
        self.fits(scope, keys, &sent.signatures)?;
        Ok(signed_at)
    }

    /// Each element on its own: what is unsigned beside one that is signed would be believed with it.
    fn check_each(
        &self,
        each: &Path,
        scope: &Scope<'_>,
        keys: &Keys<'_>,
        now: Moment,
    ) -> Result<Option<Moment>, Refusal> {
        let elements =
            scope.json().and_then(|body| each.of(body)?.as_array()).ok_or(Refusal::UnreadableBody)?;
        if elements.is_empty() || elements.len() > ELEMENTS_MAX {
            return Err(Refusal::UnreadableBody);
        }
        let single = Self { each: None, ..self.clone() };
        for element in elements {
            let mut inner = Scope::of(scope.request);
            inner.element = Some(element);
            single.check(&mut inner, keys, now)?;
        }
        Ok(None)
    }

    fn sent(&self, scope: &Scope<'_>) -> Result<Sent, Refusal> {
        let mut sent = Sent::default();
        match &self.place {
            Place::Headers(names) => {
                let mut is_there = false;
                for name in names {
                    let Some(text) = scope.request.only_header(name)? else { continue };
                    is_there = true;
                    self.take(text, &mut sent)?;
                }
                if let (false, Some(name)) = (is_there, names.first()) {
                    return Err(Refusal::MissingHeader(name.clone()));
                }
            }
            Place::Body(path) => {
                let body = scope.json().ok_or(Refusal::UnreadableBody)?;
                let text = path.of(body).and_then(text).ok_or(Refusal::BadSignature)?;
                self.take(&text, &mut sent)?;
            }
        }
        if sent.signatures.is_empty() { Err(Refusal::BadSignature) } else { Ok(sent) }
    }

    /// Takes from `text` what it holds; what is not known is passed over.
    fn take(&self, text: &str, sent: &mut Sent) -> Result<(), Refusal> {
        let items: Vec<_> = match &self.separator {
            Some(separator) => text.split(&**separator).map(str::trim).take(ITEMS_MAX).collect(),
            None => vec![text],
        };
        for item in items {
            let signature = match &self.pairs {
                None => item,
                Some(pairs) => match item.split_once(&*pairs.key_value_separator) {
                    Some((key, value)) if pairs.signature_keys.iter().any(|name| name == key) => value,
                    Some((key, value)) if self.is_timestamp_key(key) => {
                        // Of two timestamps one would be checked and the other signed.
                        if sent.ts.replace(value.to_owned()).is_some() {
                            return Err(Refusal::NoTimestamp);
                        }
                        continue;
                    }
                    _ => continue,
                },
            };
            let digits = signature.strip_prefix(&*self.prefix);
            sent.signatures.extend(digits.and_then(|digits| self.encoding.decode(digits)));
        }
        Ok(())
    }

    fn is_timestamp_key(&self, key: &str) -> bool {
        let place = self.timestamp.as_ref().map(|timestamp| &timestamp.place);
        matches!(place, Some(TimestampPlace::Key(name)) if name == key)
    }

    /// Puts the timestamp into the scope, as it was sent, and checks that it is about now.
    fn window(
        &self,
        scope: &mut Scope<'_>,
        in_pairs: Option<String>,
        now: Moment,
    ) -> Result<Option<Moment>, Refusal> {
        let Some(timestamp) = &self.timestamp else { return Ok(None) };
        let written = match &timestamp.place {
            TimestampPlace::Key(_) => in_pairs,
            TimestampPlace::Headers(names) => scope.request.first_header(names)?.map(str::to_owned),
            TimestampPlace::Body(path) => scope.json().and_then(|body| path.of(body)).and_then(text),
        };
        if let (None, TimestampPlace::Headers(names)) = (&written, &timestamp.place) {
            return Err(names
                .first()
                .map_or(Refusal::NoTimestamp, |name| Refusal::MissingHeader(name.clone())));
        }
        let written = written.ok_or(Refusal::NoTimestamp)?;
        let signed_at = timestamp.format.read(&written).ok_or(Refusal::NoTimestamp)?;
        if let Some(seconds) = timestamp.tolerance_seconds
            && now.as_seconds().abs_diff(signed_at.as_seconds()) > seconds.into()
        {
            return Err(Refusal::Stale(seconds));
        }
        scope.ts = Some(written);
        Ok(Some(signed_at))
    }

    /// Where the URL carries the body's digest, the digest has to be right.
    fn body_in_url(&self, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        let Some(name) = &self.body_hash_query else { return Ok(()) };
        let written = scope.request.query_field(name);
        scope.is_body_in_url = written.is_some();
        let covers_body = scope.is_body_in_url || self.template.uses(&Variable::FormSorted);
        let is_right = written.is_none_or(|written| {
            let digest = Hash::Sha256.digest(&[&scope.request.body]);
            Encoding::Hex.decode(&written).is_some_and(|written| is_same(&written, &digest))
        });
        (covers_body && is_right).then_some(()).ok_or(Refusal::OtherBody)
    }

    /// Passes if one of `signatures` was made with one of `keys`.
    fn fits(&self, scope: &mut Scope<'_>, keys: &Keys<'_>, signatures: &[Vec<u8>]) -> Result<(), Refusal> {
        match &self.by {
            SignedBy::Hmac { hash, key_encoding, key_prefix } => {
                let message = self.message(scope)?;
                let keys = usable(keys, *key_encoding, key_prefix)?;
                any(keys.iter().map(|key| hash.mac(key, &message)), signatures)
            }
            SignedBy::Hash(hash) => {
                for secret in keys.secrets()? {
                    scope.secret = Some(secret.to_owned());
                    let digest = hash.digest(&self.message(scope)?);
                    if any([digest].into_iter(), signatures).is_ok() {
                        return Ok(());
                    }
                }
                Err(Refusal::BadSignature)
            }
            SignedBy::Private { algorithm, keys: origin } => {
                let public = origin.obtain(*algorithm, scope, keys)?;
                for message in self.messages(scope, keys)? {
                    let is_by = |key: &PublicKey| {
                        signatures.iter().any(|bytes| key.verify(*algorithm, &message, bytes))
                    };
                    if public.iter().any(is_by) {
                        return Ok(());
                    }
                }
                Err(Refusal::BadSignature)
            }
        }
    }

    pub(super) fn check_keys(&self, keys: &Keys<'_>) -> Result<(), Refusal> {
        if self.template.uses_secret() {
            keys.secrets().map(|_| ())?;
        }
        match &self.by {
            SignedBy::Hmac { key_encoding, key_prefix, .. } => {
                usable(keys, *key_encoding, key_prefix).map(|_| ())
            }
            SignedBy::Hash(_) => keys.secrets().map(|_| ()),
            SignedBy::Private { algorithm, keys: origin } => origin.check_keys(*algorithm, keys),
        }
    }

    /// What a private key may have signed: one text, or one for each secret where the template mixes those in.
    fn messages(&self, scope: &mut Scope<'_>, keys: &Keys<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
        if !self.template.uses_secret() {
            return Ok(vec![self.message(scope)?.concat()]);
        }
        let mut messages = Vec::new();
        for secret in keys.secrets()? {
            scope.secret = Some(secret.to_owned());
            messages.push(self.message(scope)?.concat());
        }
        Ok(messages)
    }

    /// The parts of the signed text. A JSON field that is not there counts as empty, as Adyen and others do it.
    pub(super) fn message<'s>(&'s self, scope: &'s Scope<'_>) -> Result<Vec<Cow<'s, [u8]>>, Refusal> {
        self.template.fill(scope, |missing| match missing {
            Variable::Json(_) if scope.json().is_some() => Ok(Cow::Borrowed(b"")),
            Variable::Json(_) | Variable::FormSorted | Variable::Form(_) => Err(Refusal::UnreadableBody),
            Variable::Header(name) => Err(Refusal::MissingHeader(name.clone())),
            _ => Err(Refusal::BadSignature),
        })
    }
}

/// The secrets as keys. Those that cannot be read are passed over while there is one that can.
pub(super) fn usable(keys: &Keys<'_>, encoding: KeyEncoding, prefix: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    let keys = keys.secrets()?;
    let keys: Vec<_> =
        keys.filter_map(|secret| encoding.decode(secret.strip_prefix(prefix).unwrap_or(secret))).collect();
    if keys.is_empty() { Err(UNUSABLE_KEY) } else { Ok(keys) }
}

fn any(mut codes: impl Iterator<Item = Vec<u8>>, signatures: &[Vec<u8>]) -> Result<(), Refusal> {
    let fits = codes.any(|code| signatures.iter().any(|signature| is_same(&code, signature)));
    fits.then_some(()).ok_or(Refusal::BadSignature)
}

impl PublicKeys {
    pub(super) fn check_keys(&self, algorithm: Asymmetric, keys: &Keys<'_>) -> Result<(), Refusal> {
        match self {
            Self::Configured => configured(algorithm, keys).map(|_| ()),
            Self::Set(_) | Self::Certificate { .. } => Ok(()),
        }
    }

    /// The keys that may have signed, from what is configured or was fetched.
    pub(super) fn obtain(
        &self,
        algorithm: Asymmetric,
        scope: &Scope<'_>,
        keys: &Keys<'_>,
    ) -> Result<Vec<PublicKey>, Refusal> {
        let found: Vec<_> = match self {
            Self::Configured => return configured(algorithm, keys),
            Self::Set(url) => {
                let fetch = Fetch { url: url.clone(), kind: FetchKind::KeySet };
                PublicKey::read_all(algorithm, keys.found(fetch)?)
            }
            Self::Certificate { url_header, hosts } => {
                let url = scope.request.needed_header(url_header)?;
                let fetch = Fetch::certificate(url, hosts)?;
                PublicKey::read_all(algorithm, keys.found(fetch)?)
            }
        };
        if found.is_empty() { Err(UNUSABLE_KEY) } else { Ok(found) }
    }
}

fn configured(algorithm: Asymmetric, keys: &Keys<'_>) -> Result<Vec<PublicKey>, Refusal> {
    let mut texts = keys.public_keys.iter().filter(|text| !text.is_empty()).peekable();
    if texts.peek().is_none() {
        return Err(Refusal::NoKey);
    }
    let found: Vec<_> = texts.flat_map(|text| PublicKey::read_all(algorithm, text)).collect();
    if found.is_empty() { Err(UNUSABLE_KEY) } else { Ok(found) }
}

impl TimestampFormat {
    pub(super) fn read(self, written: &str) -> Option<Moment> {
        match self {
            Self::S => written.parse().ok().map(Moment::from_seconds),
            Self::Ms => written.parse::<i64>().ok()?.checked_mul(1_000).map(Moment::from_micros),
            Self::Rfc3339 => Moment::parse(written).ok(),
            Self::Rfc1123 => {
                let moment = rfc2822::DateTimeParser::new().parse_timestamp(written).ok()?;
                Some(Moment::from_micros(moment.as_microsecond()))
            }
        }
    }

    pub(super) fn write(self, moment: Moment) -> String {
        match self {
            Self::S => moment.as_seconds().to_string(),
            Self::Ms => moment.as_millis().to_string(),
            Self::Rfc3339 => moment.to_string(),
            Self::Rfc1123 => jiff::Timestamp::from_second(moment.as_seconds())
                .ok()
                .and_then(|moment| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).ok())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_read_as_it_is_written() {
        let moment = Moment::from_seconds(1_700_000_000);
        for (format, written) in [
            (TimestampFormat::S, "1700000000"),
            (TimestampFormat::Ms, "1700000000000"),
            (TimestampFormat::Rfc3339, "2023-11-14T22:13:20.000Z"),
            (TimestampFormat::Rfc1123, "Tue, 14 Nov 2023 22:13:20 GMT"),
        ] {
            assert_eq!(format.write(moment), written);
            assert_eq!(format.read(written), Some(moment));
            for other in ["", "now", "1700000000.5", "99999999999999999999"] {
                assert_eq!(format.read(other), None, "{format:?} {other}");
            }
        }
        assert_eq!(
            TimestampFormat::Rfc3339.read("2020-01-01T00:00:00-07:00").unwrap().as_seconds(),
            1_577_862_000
        );
    }
}
