//! Who signs, and how: what `sign` and `verify` share.

mod standard;

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::Timestamp;
use providers::{Known, Provider, RawRequest, Settings, Unsigned};

/// A message, and who is said to have sent it.
#[derive(Debug, clap::Args)]
pub(super) struct MessageArgs {
    /// Who sends
    #[arg(value_parser = sender())]
    pub(super) sender: Sender,
    /// The secret that both sides know. For Ed25519, `sign` takes the seed and `verify` the public key, in hexadecimal
    #[arg(long)]
    pub(super) secret: String,
    /// The file that holds the body, byte for byte; - for standard input
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// When, in seconds since 1970, where the sender signs a time [default: now]
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    timestamp: Option<i64>,
}

impl MessageArgs {
    pub(super) fn body(&self) -> Result<Vec<u8>> {
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
}

/// Every sender by its name, so that the help can list them and a typo is met with the name that was meant.
fn sender() -> impl TypedValueParser<Value = Sender> {
    let names = providers::ALL.iter().map(|provider| provider.name()).chain([standard::NAME]);
    PossibleValuesParser::new(names)
        .map(|name| providers::by_name(&name).map_or(Sender::StandardWebhooks, Sender::Provider))
}

impl Sender {
    /// The headers that it would send with `body` at `time`, by their usual spelling.
    pub(super) fn sign(
        self,
        secret: &str,
        id: Option<&str>,
        body: &[u8],
        time: Timestamp,
    ) -> Result<Vec<(String, String)>> {
        match self {
            Self::Provider(provider) => {
                let headers = provider.sign(secret, &Unsigned { id, body, at: time })?;
                Ok(headers.into_iter().map(|(name, value)| (capitalised(name.as_str()), value)).collect())
            }
            Self::StandardWebhooks => Ok(standard::sign(secret, id, body, time)?),
        }
    }

    /// Passes if it sent `request` at about `now`.
    pub(super) fn verify(self, secret: &str, request: &RawRequest, now: Timestamp) -> Result<()> {
        match self {
            Self::Provider(provider) => {
                let settings = Settings::default().with(provider.settings()[0].key, [secret.to_owned()]);
                provider.verify(request, &Known { settings: &settings, keys: None }, now)?;
                Ok(())
            }
            Self::StandardWebhooks => standard::verify(secret, request, now),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider(provider) => provider.name(),
            Self::StandardWebhooks => standard::NAME,
        })
    }
}

/// `x-hub-signature-256` as people write it. The name means the same in any case.
fn capitalised(name: &str) -> String {
    let mut begins_word = true;
    let spelled = name.chars().map(|c| {
        let c = if begins_word { c.to_ascii_uppercase() } else { c };
        begins_word = c == '-';
        c
    });
    spelled.collect()
}
