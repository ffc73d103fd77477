//! What a subscription's requests are signed with: its key, and for a while the ones before it.

use std::fmt::Write as _;

use domain::signing::{KeyPair, Secret};
use domain::subscription::Signing;
use domain::{SubscriptionId, Timestamp};
use store::StoredSubscription;
use zeroize::Zeroizing;

use crate::limits::FORMER_KEYS_MAX;
use crate::vault::{DoesNotOpen, Vault};

/// A subscription's keys.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    /// The one that its owner was last given.
    pub newest: SigningKey,
    /// Those before it, the newest first.
    former: Vec<Former>,
}

/// One key.
#[derive(Debug, Clone)]
pub enum SigningKey {
    /// Standard Webhooks v1.
    Secret(Secret),
    /// Standard Webhooks v1a.
    KeyPair(KeyPair),
}

/// A key that has been replaced.
#[derive(Debug, Clone)]
struct Former {
    key: SigningKey,
    /// It signs before this, and not from then on.
    until: Timestamp,
}

impl SigningKeys {
    /// This secret alone.
    #[must_use]
    pub const fn shared(secret: Secret) -> Self {
        Self::only(SigningKey::Secret(secret))
    }

    /// This key, with none before it.
    #[must_use]
    pub const fn only(newest: SigningKey) -> Self {
        Self { newest, former: Vec::new() }
    }

    /// A fresh key of the wanted kind, with none before it.
    pub fn generate(signing: Signing, rng: &mut impl rand::CryptoRng) -> Self {
        Self::only(SigningKey::generate(signing, rng))
    }

    /// A fresh key takes the place of the newest. It, and whatever came before it, sign until `until` at the latest.
    pub fn rotate(
        &mut self,
        signing: Signing,
        now: Timestamp,
        until: Timestamp,
        rng: &mut impl rand::CryptoRng,
    ) {
        let replaced = std::mem::replace(&mut self.newest, SigningKey::generate(signing, rng));
        self.former.insert(0, Former { key: replaced, until });
        for former in &mut self.former {
            former.until = former.until.min(until);
        }
        self.former.retain(|former| now < former.until);
        self.former.truncate(FORMER_KEYS_MAX);
    }

    /// The keys that sign at `now`, the newest first.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        let former = self.former.iter().filter(move |former| now < former.until).map(|former| &former.key);
        std::iter::once(&self.newest).chain(former)
    }

    /// Seals the keys for the subscription they belong to: the newest, then a line for each other, with its end in
    /// microseconds.
    #[must_use]
    pub fn seal(&self, vault: &Vault, id: SubscriptionId) -> Vec<u8> {
        let mut text = self.newest.reveal();
        for Former { key, until } in &self.former {
            // Writing to a text does not fail.
            let _ = write!(text, "\n{} {}", until.as_micros(), *key.reveal());
        }
        vault.seal(&id.to_string(), text.as_bytes())
    }

    /// Opens the keys of `stored`.
    ///
    /// # Errors
    /// They were sealed under another key of the vault, or altered.
    pub fn open(vault: &Vault, stored: &StoredSubscription) -> Result<Self, DoesNotOpen> {
        let opened = vault.open(&stored.subscription.id.to_string(), &stored.sealed_key)?;
        let text = std::str::from_utf8(&opened).map_err(|_| DoesNotOpen)?;
        let signing = stored.subscription.terms.signing;
        let mut lines = text.lines();
        let newest = SigningKey::parse(signing, lines.next().unwrap_or_default())?;
        let former = lines.map(|line| Former::parse(signing, line)).collect::<Result<_, _>>()?;
        Ok(Self { newest, former })
    }
}

impl Former {
    fn parse(signing: Signing, line: &str) -> Result<Self, DoesNotOpen> {
        let (until, key) = line.split_once(' ').ok_or(DoesNotOpen)?;
        let until = until.parse().map(Timestamp::from_micros).map_err(|_| DoesNotOpen)?;
        Ok(Self { key: SigningKey::parse(signing, key)?, until })
    }
}

impl SigningKey {
    fn generate(signing: Signing, rng: &mut impl rand::CryptoRng) -> Self {
        match signing {
            Signing::Standard => Self::Secret(Secret::generate(rng)),
            Signing::Ed25519 => Self::KeyPair(KeyPair::generate(rng)),
        }
    }

    fn parse(signing: Signing, text: &str) -> Result<Self, DoesNotOpen> {
        match signing {
            Signing::Standard => Secret::parse(text).map(Self::Secret),
            Signing::Ed25519 => KeyPair::parse(text).map(Self::KeyPair),
        }
        .map_err(|_| DoesNotOpen)
    }

    fn reveal(&self) -> Zeroizing<String> {
        match self {
            Self::Secret(secret) => Zeroizing::new(secret.reveal().to_owned()),
            Self::KeyPair(pair) => pair.reveal(),
        }
    }

    /// The Standard Webhooks signature, with its version.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        match self {
            Self::Secret(secret) => secret.sign(id, timestamp, body),
            Self::KeyPair(pair) => pair.sign(id, timestamp, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::subscription::{Subscription, Target, Terms};

    use super::*;
    use crate::chance;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn stored(signing: Signing, keys: &SigningKeys, vault: &Vault) -> StoredSubscription {
        let id = SubscriptionId::new(at(0), &mut chance::rng());
        let subscription = Subscription {
            id,
            user_id: None,
            target: Target::Push { url: "https://example.com/".to_owned() },
            terms: Terms { signing, ..Terms::default() },
            is_active: true,
            paused: false,
            created_at: at(0),
            updated_at: at(0),
        };
        StoredSubscription { subscription, sealed_key: keys.seal(vault, id), revision: 0 }
    }

    fn texts(keys: &SigningKeys, now: i64) -> Vec<String> {
        keys.at(at(now)).map(|key| key.reveal().to_string()).collect()
    }

    #[test]
    fn the_replaced_sign_too_until_their_end() {
        for signing in [Signing::Standard, Signing::Ed25519] {
            let rng = &mut chance::rng();
            let mut keys = SigningKeys::generate(signing, rng);
            let first = keys.newest.reveal().to_string();
            keys.rotate(signing, at(10), at(20), rng);
            let second = keys.newest.reveal().to_string();
            assert_eq!(texts(&keys, 19), [second.clone(), first.clone()]);
            assert_eq!(texts(&keys, 20), std::slice::from_ref(&second));
            keys.rotate(signing, at(15), at(30), rng);
            let third = keys.newest.reveal().to_string();
            assert_eq!(texts(&keys, 19), [third.clone(), second.clone(), first]);
            assert_eq!(texts(&keys, 29), [third.clone(), second]);
            assert_eq!(texts(&keys, 30), [third]);
            keys.rotate(signing, at(16), at(16), rng);
            assert_eq!(texts(&keys, 16).len(), 1, "no overlap ends all of them");
        }
    }

    #[test]
    fn keys_come_back_as_they_were_sealed() {
        let vault = Vault::new(&[7; 32]);
        for signing in [Signing::Standard, Signing::Ed25519] {
            let rng = &mut chance::rng();
            let mut keys = SigningKeys::generate(signing, rng);
            for _ in 0..10 {
                keys.rotate(signing, at(10), at(20), rng);
            }
            let opened = SigningKeys::open(&vault, &stored(signing, &keys, &vault)).unwrap();
            assert_eq!(texts(&opened, 19), texts(&keys, 19));
            assert_eq!(texts(&opened, 19).len(), 1 + FORMER_KEYS_MAX);
            assert_eq!(texts(&opened, 20).len(), 1);
            let debug = format!("{opened:?}");
            assert!(texts(&keys, 19).iter().all(|text| !debug.contains(text.as_str())), "{debug}");
        }
    }
}
