//! How a verification is written down: one flat list of parameters, of which each kind takes some.

use http::HeaderName;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::Verification;
use super::digest::{Encoding, Hash, KeyEncoding};
use super::json::Path;
use super::jwt::{self, Jwt};
use super::key::{Asymmetric, EcdsaForm};
use super::proof::Proof;
use super::signature::{
    Pairs, Place, PublicKeys, Signature, SignedBy, Timestamp, TimestampFormat, TimestampPlace,
};
use super::template::{Template, Variable};
use super::token::{Token, TokenPlace};

#[cfg(test)]
mod tests;

/// Names in one list. DocuSign, which has the most, signs with up to ten keys in as many headers.
const NAMES_MAX: usize = 16;

/// Bytes of a prefix, separator or other short text.
const SHORT_BYTES_MAX: usize = 256;

/// The longest time that a signature may stay good: a week, as long as the most patient senders retry.
const TOLERANCE_SECONDS_MAX: u32 = 7 * 24 * 3_600;

/// Seconds that a timestamp may lie from now where nothing else is said; what most senders ask for.
const TOLERANCE_SECONDS: u32 = 300;

/// Alternatives of one verification.
const ALTERNATIVES_MAX: usize = 4;

/// A verification as a person writes it, in TOML or JSON. Which parameters go together is checked on the way to
/// a [`Verification`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Spelled {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    any_of: Option<Vec<Spelled>>,
    algorithm: Option<Hash>,
    #[serde(alias = "signature_header")]
    header: Option<OneOrMore>,
    signature_path: Option<String>,
    each: Option<String>,
    encoding: Option<Encoding>,
    prefix: Option<String>,
    #[serde(alias = "pair_separator")]
    separator: Option<String>,
    key_value_separator: Option<String>,
    timestamp_key: Option<String>,
    signature_keys: Option<OneOrMore>,
    timestamp_header: Option<OneOrMore>,
    timestamp_path: Option<String>,
    timestamp_format: Option<TimestampFormat>,
    tolerance_seconds: Option<u32>,
    id_header: Option<OneOrMore>,
    template: Option<String>,
    body_hash_query: Option<String>,
    key_encoding: Option<KeyEncoding>,
    key_prefix: Option<String>,
    jwks_url: Option<String>,
    certificate_url_header: Option<String>,
    certificate_hosts: Option<OneOrMore>,
    algorithms: Option<Vec<jwt::Algorithm>>,
    issuer: Option<String>,
    audience: Option<String>,
    body_hash_claim: Option<String>,
    max_age_seconds: Option<u32>,
    query: Option<String>,
    body_path: Option<String>,
    event_type: Option<String>,
    delivery_id: Option<String>,
}

/// What kind of verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Hmac,
    Hash,
    Ed25519,
    Rsa,
    Ecdsa,
    Jwt,
    Token,
    Basic,
    AwsSns,
    AnyOf,
}

impl Kind {
    fn takes(self, name: &str) -> bool {
        let is_private = matches!(self, Self::Ed25519 | Self::Rsa | Self::Ecdsa);
        let is_signature = is_private || matches!(self, Self::Hmac | Self::Hash);
        match name {
            "type" | "event_type" | "delivery_id" => true,
            "any_of" => self == Self::AnyOf,
            "algorithm" => matches!(self, Self::Hmac | Self::Hash | Self::Rsa),
            "header" | "prefix" => is_signature || matches!(self, Self::Jwt | Self::Token),
            "encoding" => is_signature || self == Self::Jwt,
            "key_encoding" | "key_prefix" => matches!(self, Self::Hmac | Self::Jwt),
            "jwks_url" => is_private || self == Self::Jwt,
            "certificate_url_header" | "certificate_hosts" => is_private,
            "algorithms" | "issuer" | "audience" | "body_hash_claim" | "max_age_seconds" => self == Self::Jwt,
            "query" | "body_path" => self == Self::Token,
            // The rest says what a signature is over, and where it stands.
            _ => is_signature,
        }
    }
}

/// One text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// A verification that contradicts itself, or lacks something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Inconsistent {
    /// The parameter that is at fault.
    pub field: String,
    /// What about it, and what would do.
    pub why: String,
}

fn wrong<T>(field: &str, why: impl Into<String>) -> Result<T, Inconsistent> {
    Err(Inconsistent { field: field.to_owned(), why: why.into() })
}

impl TryFrom<Spelled> for Verification {
    type Error = Inconsistent;

    fn try_from(spelled: Spelled) -> Result<Self, Inconsistent> {
        let proof = spelled.proof()?;
        let event_type = description("event_type", spelled.event_type.as_deref())?;
        let delivery_id = description("delivery_id", spelled.delivery_id.as_deref())?;
        Ok(Self { proof, event_type, delivery_id, spelled: Box::new(spelled) })
    }
}

/// As it was written, without the parameters that were left out.
impl Serialize for Verification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serde_json::to_value(&*self.spelled).map_err(serde::ser::Error::custom)?;
        drop_nulls(&mut written);
        written.serialize(serializer)
    }
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Where an event's type or id stands. The secret must not leak into either.
fn description(field: &str, written: Option<&str>) -> Result<Option<Template>, Inconsistent> {
    let template = written.map(|written| template(field, written)).transpose()?;
    if template.as_ref().is_some_and(Template::uses_secret) {
        return wrong(field, "must not be made from the secret");
    }
    Ok(template)
}

impl Spelled {
    fn proof(&self) -> Result<Proof, Inconsistent> {
        let Some(kind) = self.kind.or(self.any_of.as_ref().map(|_| Kind::AnyOf)) else {
            return wrong(
                "type",
                "is missing: hmac, hash, ed25519, rsa, ecdsa, jwt, token, basic, aws_sns or any_of",
            );
        };
        self.refuse_what_is_not_for(kind)?;
        match kind {
            Kind::Hmac | Kind::Hash | Kind::Ed25519 | Kind::Rsa | Kind::Ecdsa => {
                self.signature(kind).map(|signature| Proof::Signature(Box::new(signature)))
            }
            Kind::Jwt => self.jwt().map(|jwt| Proof::Jwt(Box::new(jwt))),
            Kind::Token | Kind::Basic => self.token(kind).map(Proof::Token),
            Kind::AwsSns => Ok(Proof::Sns),
            Kind::AnyOf => self.alternatives().map(Proof::AnyOf),
        }
    }

    /// A parameter that its kind does not look at is a misunderstanding, and might be one about security.
    fn refuse_what_is_not_for(&self, kind: Kind) -> Result<(), Inconsistent> {
        let written = serde_json::to_value(self).unwrap_or_default();
        let mut names = written.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        match names.find(|(name, _)| !kind.takes(name)) {
            Some((name, _)) => wrong(name, "means nothing for this type"),
            None => Ok(()),
        }
    }

    fn alternatives(&self) -> Result<Vec<Proof>, Inconsistent> {
        let spelled = self.any_of.as_deref().unwrap_or_default();
        if spelled.len() < 2 || spelled.len() > ALTERNATIVES_MAX {
            return wrong("any_of", format!("takes 2 to {ALTERNATIVES_MAX} verifications"));
        }
        for one in spelled {
            if one.any_of.is_some() || one.event_type.is_some() || one.delivery_id.is_some() {
                return wrong(
                    "any_of",
                    "event_type, delivery_id and any_of stand outside, not within an alternative",
                );
            }
        }
        spelled.iter().map(Self::proof).collect()
    }

    fn signature(&self, kind: Kind) -> Result<Signature, Inconsistent> {
        let signature = Signature {
            by: self.signed_by(kind)?,
            place: self.place()?,
            each: path("each", self.each.as_deref())?,
            encoding: self.encoding.unwrap_or(match kind {
                Kind::Rsa | Kind::Ecdsa => Encoding::Base64,
                _ => Encoding::Hex,
            }),
            prefix: short("prefix", self.prefix.as_deref())?.unwrap_or_default(),
            separator: self.separator()?,
            pairs: self.pairs()?,
            timestamp: self.timestamp()?,
            id_headers: headers("id_header", self.id_header.as_ref())?,
            template: template("template", self.template.as_deref().unwrap_or("{body}"))?,
            body_hash_query: short("body_hash_query", self.body_hash_query.as_deref())?,
        };
        self.judge(&signature, kind)?;
        Ok(signature)
    }

    fn signed_by(&self, kind: Kind) -> Result<SignedBy, Inconsistent> {
        let hash = self.algorithm.unwrap_or(Hash::Sha256);
        let (key_encoding, key_prefix) = self.shared_key()?;
        let algorithm = match kind {
            Kind::Ed25519 => Asymmetric::Ed25519,
            Kind::Ecdsa => Asymmetric::Ecdsa(EcdsaForm::Der),
            Kind::Rsa if hash == Hash::Md5 => return wrong("algorithm", "RSA over MD5 has been forged"),
            Kind::Rsa => Asymmetric::Rsa(hash),
            Kind::Hash => return Ok(SignedBy::Hash(hash)),
            _ => return Ok(SignedBy::Hmac { hash, key_encoding, key_prefix }),
        };
        Ok(SignedBy::Private { algorithm, keys: self.public_keys()? })
    }

    fn shared_key(&self) -> Result<(KeyEncoding, String), Inconsistent> {
        let prefix = short("key_prefix", self.key_prefix.as_deref())?.unwrap_or_default();
        Ok((self.key_encoding.unwrap_or_default(), prefix))
    }

    fn public_keys(&self) -> Result<PublicKeys, Inconsistent> {
        if let Some(url) = &self.jwks_url {
            if self.certificate_url_header.is_some() || self.certificate_hosts.is_some() {
                return wrong("jwks_url", "excludes certificate_url_header and certificate_hosts");
            }
            let url = Url::parse(url).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
            return match url {
                Some(url) => Ok(PublicKeys::Set(url.into())),
                None => wrong("jwks_url", "is an https:// URL"),
            };
        }
        match (&self.certificate_url_header, &self.certificate_hosts) {
            (None, None) => Ok(PublicKeys::Configured),
            (Some(header), Some(hosts)) => Ok(PublicKeys::Certificate {
                url_header: header_name("certificate_url_header", header)?,
                hosts: hosts.all("certificate_hosts")?.to_vec(),
            }),
            (Some(_), None) => {
                wrong("certificate_hosts", "is missing: else whoever sends chooses the certificate")
            }
            (None, Some(_)) => wrong("certificate_url_header", "is missing"),
        }
    }

    fn place(&self) -> Result<Place, Inconsistent> {
        match (&self.header, &self.signature_path) {
            (Some(_), None) => Ok(Place::Headers(headers("header", self.header.as_ref())?)),
            (None, Some(written)) => match path("signature_path", Some(written))? {
                Some(path) => Ok(Place::Body(path)),
                None => wrong("signature_path", "is empty"),
            },
            (Some(_), Some(_)) => wrong("signature_path", "excludes header"),
            (None, None) => wrong("header", "is missing: where is the signature?"),
        }
    }

    fn separator(&self) -> Result<Option<String>, Inconsistent> {
        let separator = short("separator", self.separator.as_deref())?;
        // Pairs are a list already.
        Ok(separator.or_else(|| self.signature_keys.as_ref().map(|_| ",".to_owned())))
    }

    fn pairs(&self) -> Result<Option<Pairs>, Inconsistent> {
        let Some(keys) = &self.signature_keys else {
            if self.timestamp_key.is_some() || self.key_value_separator.is_some() {
                return wrong("signature_keys", "is missing: which of the pairs are signatures?");
            }
            return Ok(None);
        };
        let signature_keys = keys.all("signature_keys")?.to_vec();
        let key_value_separator = short("key_value_separator", self.key_value_separator.as_deref())?;
        let timestamp_key = short("timestamp_key", self.timestamp_key.as_deref())?;
        if timestamp_key.as_ref().is_some_and(|key| signature_keys.contains(key)) {
            return wrong("timestamp_key", "is one of signature_keys");
        }
        Ok(Some(Pairs {
            key_value_separator: key_value_separator.unwrap_or_else(|| "=".to_owned()),
            signature_keys,
        }))
    }

    fn timestamp(&self) -> Result<Option<Timestamp>, Inconsistent> {
        let places = [
            self.timestamp_header.is_some().then(|| {
                headers("timestamp_header", self.timestamp_header.as_ref()).map(TimestampPlace::Headers)
            }),
            short("timestamp_key", self.timestamp_key.as_deref())?.map(|key| Ok(TimestampPlace::Key(key))),
            path("timestamp_path", self.timestamp_path.as_deref())?
                .map(|path| Ok(TimestampPlace::Body(path))),
        ];
        let mut places = places.into_iter().flatten();
        let (place, more) = (places.next().transpose()?, places.next());
        if more.is_some() {
            return wrong(
                "timestamp_header",
                "timestamp_header, timestamp_key and timestamp_path exclude each other",
            );
        }
        let Some(place) = place else {
            for (field, is_there) in [
                ("tolerance_seconds", self.tolerance_seconds.is_some()),
                ("timestamp_format", self.timestamp_format.is_some()),
            ] {
                if is_there {
                    return wrong(field, "needs timestamp_header, timestamp_key or timestamp_path");
                }
            }
            return Ok(None);
        };
        let tolerance_seconds = self.tolerance_seconds.unwrap_or(TOLERANCE_SECONDS);
        if tolerance_seconds > TOLERANCE_SECONDS_MAX {
            return wrong("tolerance_seconds", format!("is at most {TOLERANCE_SECONDS_MAX}; 0 is no limit"));
        }
        let format = self.timestamp_format.unwrap_or_default();
        Ok(Some(Timestamp {
            place,
            format,
            tolerance_seconds: (tolerance_seconds > 0).then_some(tolerance_seconds),
        }))
    }

    /// What no single parameter shows.
    fn judge(&self, signature: &Signature, kind: Kind) -> Result<(), Inconsistent> {
        let template = &signature.template;
        let signs_ts = template.uses(&Variable::Ts);
        let ts_is_in_body =
            signature.timestamp.as_ref().is_some_and(|rule| matches!(rule.place, TimestampPlace::Body(_)));
        if signs_ts && signature.timestamp.is_none() {
            return wrong(
                "template",
                "uses {ts}, but no timestamp_header, timestamp_key or timestamp_path says where it is",
            );
        }
        if signature.timestamp.is_some() && !signs_ts && !ts_is_in_body {
            return wrong("template", "leaves out {ts}: a timestamp that is not signed proves nothing");
        }
        if template.uses(&Variable::Id) == signature.id_headers.is_empty() {
            return wrong("id_header", "goes together with {id} in the template");
        }
        let covers_body = template.holes().any(|hole| hole.variable.is_of_body());
        if !covers_body && signature.body_hash_query.is_none() {
            return wrong("template", "leaves out the body: anybody could replace it");
        }
        match kind {
            Kind::Hash if !template.uses(&Variable::Secret) => {
                wrong("template", "leaves out {secret}: anybody can hash the rest")
            }
            Kind::Hmac if template.uses_secret() => {
                wrong("template", "the secret is the key of an hmac and does not belong into the text")
            }
            _ if signature.each.is_some() && !matches!(signature.place, Place::Body(_)) => {
                wrong("each", "goes together with signature_path")
            }
            _ if signature.each.is_some() && signature.timestamp.is_some() => {
                wrong("each", "excludes a timestamp")
            }
            _ => Ok(()),
        }
    }

    fn jwt(&self) -> Result<Jwt, Inconsistent> {
        let algorithms = self.algorithms.clone().unwrap_or_default();
        let shared = algorithms.iter().filter(|algorithm| algorithm.is_shared()).count();
        if algorithms.is_empty() {
            return wrong("algorithms", "is missing, such as [\"RS256\"]");
        }
        if shared != 0 && (shared != algorithms.len() || self.jwks_url.is_some()) {
            return wrong(
                "algorithms",
                "shared secrets and public keys do not mix: a public key would pass as a secret",
            );
        }
        let [header] = &*headers("header", self.header.as_ref())? else {
            return wrong("header", "is one header");
        };
        let (key_encoding, key_prefix) = self.shared_key()?;
        let body_hash_claim = short("body_hash_claim", self.body_hash_claim.as_deref())?;
        if self.encoding.is_some() && body_hash_claim.is_none() {
            return wrong("encoding", "is that of body_hash_claim, which is missing");
        }
        Ok(Jwt {
            header: header.clone(),
            prefix: short("prefix", self.prefix.as_deref())?.unwrap_or_default(),
            algorithms,
            keys: self.public_keys()?,
            key_encoding,
            key_prefix,
            issuer: short("issuer", self.issuer.as_deref())?,
            audience: short("audience", self.audience.as_deref())?,
            body_hash_claim,
            body_hash_encoding: self.encoding.unwrap_or(Encoding::Hex),
            max_age_seconds: self.max_age_seconds,
        })
    }

    fn token(&self, kind: Kind) -> Result<Token, Inconsistent> {
        if kind == Kind::Basic {
            return Ok(Token { place: TokenPlace::Basic });
        }
        let header = headers("header", self.header.as_ref())?;
        let body = path("body_path", self.body_path.as_deref())?;
        let query = short("query", self.query.as_deref())?;
        let prefix = short("prefix", self.prefix.as_deref())?.unwrap_or_default();
        let place = match (&*header, query, body) {
            ([name], None, None) => TokenPlace::Header { name: name.clone(), prefix },
            ([], Some(_), None) | ([], None, Some(_)) if !prefix.is_empty() => {
                return wrong("prefix", "goes together with header");
            }
            ([], Some(name), None) => TokenPlace::Query(name),
            ([], None, Some(path)) => TokenPlace::Body(path),
            _ => return wrong("header", "a token is in one place: header, query or body_path"),
        };
        Ok(Token { place })
    }
}

impl OneOrMore {
    fn all(&self, field: &str) -> Result<&[String], Inconsistent> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        };
        if all.is_empty() || all.len() > NAMES_MAX {
            return wrong(field, format!("takes 1 to {NAMES_MAX} names"));
        }
        all.iter().try_for_each(|one| short(field, Some(one)).map(|_| ()))?;
        Ok(all)
    }
}

fn short(field: &str, text: Option<&str>) -> Result<Option<String>, Inconsistent> {
    match text {
        Some("") => wrong(field, "is empty"),
        Some(text) if text.len() > SHORT_BYTES_MAX => {
            wrong(field, format!("has at most {SHORT_BYTES_MAX} bytes"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn headers(field: &str, names: Option<&OneOrMore>) -> Result<Vec<HeaderName>, Inconsistent> {
    let names = names.map(|names| names.all(field)).transpose()?.unwrap_or_default();
    names.iter().map(|name| header_name(field, name)).collect()
}

fn header_name(field: &str, name: &str) -> Result<HeaderName, Inconsistent> {
    name.parse().or_else(|_| wrong(field, format!("{name:?} is no header's name")))
}

fn path(field: &str, written: Option<&str>) -> Result<Option<Path>, Inconsistent> {
    let Some(written) = short(field, written)? else { return Ok(None) };
    Path::parse(&written)
        .map(Some)
        .map_or_else(|| wrong(field, "is names and indices joined by dots, such as data.0.id"), Ok)
}

fn template(field: &str, written: &str) -> Result<Template, Inconsistent> {
    Template::parse(written).or_else(|error| wrong(field, error.to_string()))
}

impl Variable {
    /// Whether it says something of the body. That a JSON field is signed says nothing of the others, but that is for
    /// whoever spells it out to know.
    const fn is_of_body(&self) -> bool {
        matches!(self, Self::Body | Self::Json(_) | Self::FormSorted | Self::Form(_))
    }
}
