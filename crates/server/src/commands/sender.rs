//! Who signs, and how: what `sign` and `verify` share.

mod standard;

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use domain::Timestamp;
use http::{HeaderName, HeaderValue};
use providers::scheme::{self, Fetched, Keys, SigningKey};
use providers::{KeySet, Known, Provider, RawRequest, Refusal, Settings, Unsigned};

/// A message, and who is said to have sent it.
#[derive(Debug, clap::Args)]
pub(super) struct MessageArgs {
    /// Who sends
    #[arg(value_parser = sender(), hide_possible_values = true)]
    pub(super) sender: Sender,
    /// The secret that both sides know; user:password for basic authentication. For Ed25519, `sign` takes the seed and
    /// `verify` the public key, in hexadecimal; for RSA and ECDSA both take PEM. For Gmail, the service account's
    /// e-mail
    #[arg(long, allow_hyphen_values = true)]
    pub(super) secret: String,
    /// The file that holds the body, byte for byte; - for standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// When, in seconds since 1970, where the sender signs a time [default: now]
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    timestamp: Option<i64>,
    /// The URL that the sender knows, for those who sign it. For Gmail, the token's audience
    #[arg(long)]
    url: Option<String>,
    /// A header of the request, once for each
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The public keys of a sender that publishes them.
#[derive(Debug, clap::Args)]
pub(super) struct KeysArgs {
    /// The file with the sender's published keys, for those who sign under them: a JSON Web Key Set, or a certificate
    /// as PEM
    #[arg(long = "keys", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl MessageArgs {
    /// The request as far as it is known.
    pub(super) fn request(&self) -> Result<RawRequest> {
        if let Sender::Known(known) = self.sender {
            ensure!(
                self.url.is_some() || !known.verification.signs_url(),
                "{} signs the URL too: say with --url what it knows",
                known.title
            );
        }
        let headers = self.headers.iter().cloned().collect();
        let url = self.url.clone().unwrap_or_default();
        Ok(RawRequest { headers, ..RawRequest::post(url, self.body()?) })
    }

    fn body(&self) -> Result<Vec<u8>> {
        if self.body == Path::new("-") {
            let mut body = Vec::new();
            io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
            return Ok(body);
        }
        std::fs::read(&self.body).with_context(|| format!("{} cannot be read", self.body.display()))
    }

    pub(super) fn time(&self) -> Timestamp {
        self.timestamp.map_or_else(now, Timestamp::from_seconds)
    }
}

impl KeysArgs {
    fn read(&self) -> Result<String> {
        let path = self.file.as_ref();
        let path = path.context("this sender publishes its keys: save them and name the file with --keys")?;
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("a header is written as 'Name: value'")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

#[expect(clippy::disallowed_methods, reason = "no server runs here whose clock could be asked")]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(0).plus(since_epoch)
}

/// Somebody whose signatures are known.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    Provider(&'static dyn Provider),
    /// Whoever follows the Standard Webhooks specification, as this program does.
    StandardWebhooks,
    /// Anybody else who has an entry among the senders.
    Known(&'static scheme::Sender),
}

/// Every sender by its name, so that a typo is met with the name that was meant. Of two who know one name the first is
/// it.
fn sender() -> impl TypedValueParser<Value = Sender> {
    let known = scheme::senders().iter().filter(|sender| built_in(&sender.name).is_none());
    let known =
        known.map(|sender| PossibleValue::new(&*sender.name).aliases(sender.aliases.iter().map(|a| &**a)));
    let built_in_names = providers::ALL.iter().map(|provider| provider.name()).chain([standard::NAME]);
    PossibleValuesParser::new(built_in_names.map(PossibleValue::new).chain(known)).try_map(|name| {
        let known = || scheme::sender(&name).map(Sender::Known);
        built_in(&name).or_else(known).ok_or("there is no such sender")
    })
}

fn built_in(name: &str) -> Option<Sender> {
    let standard = (name == standard::NAME).then_some(Sender::StandardWebhooks);
    providers::by_name(name).map(Sender::Provider).or(standard)
}

impl Sender {
    /// The request as it would send it at `time`.
    pub(super) fn sign(
        self,
        secret: &str,
        id: Option<&str>,
        mut request: RawRequest,
        time: Timestamp,
    ) -> Result<RawRequest> {
        match self {
            Self::Provider(provider) => {
                for (name, value) in provider.sign(secret, &Unsigned { id, body: &request.body, at: time })? {
                    request.headers.insert(name, value.parse().context("this makes no header")?);
                }
                Ok(request)
            }
            Self::StandardWebhooks => {
                request.headers.extend(standard::sign(secret, id, &request.body, time)?);
                Ok(request)
            }
            Self::Known(known) => {
                if let (Some(id), Some(name)) = (id, known.verification.id_header()) {
                    request.headers.insert(name, id.parse().context("--id makes no header")?);
                }
                let random = ring::rand::SystemRandom::new();
                Ok(scheme::sign(&known.verification, SigningKey::new(secret), request, time, &random)?)
            }
        }
    }

    /// Passes if it sent `request` at about `now`.
    pub(super) fn verify(
        self,
        secret: &str,
        keys: &KeysArgs,
        request: &RawRequest,
        now: Timestamp,
    ) -> Result<()> {
        match self {
            Self::Provider(provider) => verify_provider(provider, secret, keys, request, now),
            Self::StandardWebhooks => standard::verify(secret, request, now),
            Self::Known(known) => verify_known(known, secret, keys, request, now),
        }
    }
}

/// Of what a provider must be told the first is the secret, and the second, where there is one, the URL.
fn verify_provider(
    provider: &dyn Provider,
    secret: &str,
    keys: &KeysArgs,
    request: &RawRequest,
    now: Timestamp,
) -> Result<()> {
    let required = provider.settings().iter().filter(|setting| setting.is_required());
    let told = [secret, &request.url].into_iter().filter(|text| !text.is_empty());
    let settings = required
        .zip(told)
        .fold(Settings::default(), |settings, (setting, text)| settings.with(setting.key, [text.to_owned()]));
    let defaults = provider.settings().iter().filter_map(|setting| match setting.kind {
        providers::SettingKind::Default(text) => Some((setting.key, text)),
        _ => None,
    });
    let settings = defaults.fold(settings, |settings, (key, text)| settings.with(key, [text.to_owned()]));
    let keys = match provider.key_document(&settings) {
        Some(_) => Some(KeySet::parse(keys.read()?.as_bytes())?),
        None => None,
    };
    provider.verify(request, &Known { settings: &settings, keys: keys.as_ref(), now })?;
    Ok(())
}

/// A public key is taken for one, and never for a secret: anybody could sign with it.
fn verify_known(
    known: &scheme::Sender,
    secret: &str,
    keys: &KeysArgs,
    request: &RawRequest,
    now: Timestamp,
) -> Result<()> {
    let told = [secret.to_owned()];
    let public = Keys { public_keys: &told, ..Keys::default() };
    let is_known = |keys: &Keys<'_>| known.verification.check_keys(keys).is_ok();
    let is_public = is_known(&public) && !is_known(&Keys::default());
    let mut under = if is_public { public } else { Keys::secrets_only(&told) };
    match known.verify(request, &under, now) {
        Err(Refusal::KeyNeeded(fetch)) => {
            let fetched = [Fetched { url: fetch.url, text: keys.read()? }];
            under.fetched = &fetched;
            known.verify(request, &under, now)?;
        }
        verified => {
            verified?;
        }
    }
    Ok(())
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider(provider) => provider.name(),
            Self::StandardWebhooks => standard::NAME,
            Self::Known(known) => &known.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is text, hexadecimal and base64 at once, so that it is a key of every sender's.
    const SECRET: &str = "c0ffee00c0ffee00";

    /// A body in which each sender finds what it signs.
    const BODY: &str = r#"{"signature":{"timestamp":"1700000000","token":"t"},"webhookTimestamp":1700000000000,
        "value":[{}],"notificationItems":[{"NotificationRequestItem":{"additionalData":{}}}]}"#;

    /// Those whom nobody else can sign as, or only with private keys.
    const WITH_PRIVATE_KEYS: [&str; 8] =
        ["aws-sns", "discord", "fal-ai", "highlevel", "paypal", "plaid", "sendgrid", "telnyx"];

    fn request(body: &'static str, is_form: bool) -> RawRequest {
        let mut request = RawRequest::post("https://hooks.example.com/in/abc", body);
        if is_form {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers.insert(http::header::CONTENT_TYPE, form);
        }
        request
    }

    #[test]
    fn every_sender_that_shares_a_secret_signs_and_verifies() {
        let (now, keys) = (Timestamp::from_seconds(1_700_000_000), KeysArgs { file: None });
        for known in scheme::senders() {
            let sender = built_in(&known.name).unwrap_or(Sender::Known(known));
            if WITH_PRIVATE_KEYS.contains(&&*known.name) {
                assert!(sender.sign(SECRET, None, request(BODY, false), now).is_err(), "{sender:?}");
                continue;
            }
            let draft = match &*known.name {
                // It signs nothing but forms.
                "mandrill" => request("a=1&b=2", true),
                _ => request(BODY, false),
            };
            let signed = sender.sign(SECRET, Some("msg_1"), draft, now);
            let signed = signed.unwrap_or_else(|error| panic!("{sender:?}: {error}"));
            let verify = |secret: &str| sender.verify(secret, &keys, &signed, now);
            assert!(verify(SECRET).is_ok(), "{sender:?}: {:?}", verify(SECRET));
            assert!(verify("c0ffee00c0ffee11").is_err(), "{sender:?} under another secret");
        }
    }

    #[test]
    fn published_keys_come_from_a_file() {
        let fal = Sender::Known(scheme::sender("fal-ai").unwrap());
        let keys = KeysArgs { file: None };
        let now = Timestamp::from_seconds(1_700_000_000);
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let signed = fal.sign(seed, None, request(BODY, false), now).unwrap();
        let refused = fal.verify("", &keys, &signed, now).unwrap_err().to_string();
        assert!(refused.contains("--keys"), "{refused}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let x = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        std::fs::write(file.path(), set).unwrap();
        let keys = KeysArgs { file: Some(file.path().to_owned()) };
        assert!(fal.verify("", &keys, &signed, now).is_ok());
    }
}
