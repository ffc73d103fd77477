//! What a provider signs with, as it is sealed beside a registration.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::chance;
use crate::vault::{DoesNotOpen, Vault};

/// How long a former secret counts after its successor was confirmed: what was signed before may still be on its way.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);

/// Former secrets that are kept. Each is of a question that the provider has not answered yet.
const FORMER_MAX: usize = 4;

/// The secrets of one registration.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Secrets {
    /// What the provider was told last, or has handed out.
    current: Option<String>,
    /// Whether `current` has been confirmed: then the next question comes with a new one.
    is_confirmed: bool,
    /// Whether somebody has chosen it. It then stays.
    is_fixed: bool,
    /// Those before, each with the end of its time once it is known.
    former: Vec<(String, Option<Timestamp>)>,
}

impl Secrets {
    /// One that somebody has chosen, or handed out.
    pub(super) fn fixed(secret: String) -> Self {
        Self { current: Some(secret), is_fixed: true, ..Self::default() }
    }

    /// What the provider is to be told now: a new one, unless it has not confirmed the last.
    pub(super) fn next_to_tell(&mut self, now: Timestamp) -> String {
        self.former.retain(|(_, until)| until.is_none_or(|until| now < until));
        if let Some(current) = self.current.clone().filter(|_| self.is_fixed || !self.is_confirmed) {
            return current;
        }
        let fresh = fresh();
        self.former.extend(self.current.replace(fresh.clone()).map(|former| (former, None)));
        let surplus = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..surplus);
        self.is_confirmed = false;
        fresh
    }

    /// The provider has confirmed what it was told last.
    pub(super) fn confirmed(&mut self, now: Timestamp) {
        self.is_confirmed = true;
        for (_, until) in &mut self.former {
            until.get_or_insert(now.plus(OVERLAP));
        }
    }

    /// All that count at `now`.
    pub(super) fn good(self, now: Timestamp) -> impl Iterator<Item = String> {
        let former = self.former.into_iter().filter(move |(_, until)| until.is_none_or(|until| now < until));
        self.current.into_iter().chain(former.map(|(secret, _)| secret))
    }

    /// The current one.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Seals them for the registration that they belong to. None are no bytes.
    pub(super) fn seal(&self, vault: &Vault, id: RegistrationId) -> Vec<u8> {
        if self.current.is_none() {
            return Vec::new();
        }
        let text = Zeroizing::new(serde_json::to_vec(self).expect("texts and times can be written as JSON"));
        vault.seal(&id.to_string(), &text)
    }

    /// Opens what was sealed for `id`.
    pub(super) fn open(vault: &Vault, id: RegistrationId, sealed: &[u8]) -> Result<Self, DoesNotOpen> {
        if sealed.is_empty() {
            return Ok(Self::default());
        }
        let opened = vault.open(&id.to_string(), sealed)?;
        serde_json::from_slice(&opened).map_err(|_| DoesNotOpen)
    }
}

/// 256 random bits, in fewer characters than a hub takes (WebSub, 5.1: 200 bytes).
fn fresh() -> String {
    let mut bytes = [0; 32];
    rand::Rng::fill_bytes(&mut chance::rng(), &mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn good(secrets: &Secrets, now: Timestamp) -> Vec<String> {
        let text = serde_json::to_string(secrets).unwrap();
        serde_json::from_str::<Secrets>(&text).unwrap().good(now).collect()
    }

    #[test]
    fn a_new_secret_takes_over_with_an_overlap_once_it_is_confirmed() {
        let mut secrets = Secrets::default();
        let first = secrets.next_to_tell(at(0));
        assert_eq!(secrets.next_to_tell(at(1)), first, "it has not been confirmed");
        secrets.confirmed(at(2));
        let second = secrets.next_to_tell(at(100));
        assert_ne!(first, second);
        assert_eq!(good(&secrets, at(1_000_000)), [second.clone(), first], "nobody has confirmed the second");
        secrets.confirmed(at(200));
        assert_eq!(good(&secrets, at(200 + 86_399)).len(), 2);
        assert_eq!(good(&secrets, at(200 + 86_400)), [second]);
    }

    #[test]
    fn what_never_ends_is_forgotten_at_last() {
        let mut secrets = Secrets::default();
        for day in 0..20 {
            secrets.next_to_tell(at(day));
            secrets.is_confirmed = true;
        }
        assert_eq!(good(&secrets, at(30)).len(), 1 + FORMER_MAX);
    }

    #[test]
    fn a_chosen_one_stays_and_is_sealed_for_its_registration() {
        let (vault, id) = (Vault::new(&[7; 32]), RegistrationId::new(at(0), &mut chance::rng()));
        let other = RegistrationId::new(at(0), &mut chance::rng());
        let mut secrets = Secrets::fixed("chosen".to_owned());
        secrets.confirmed(at(0));
        assert_eq!(secrets.next_to_tell(at(1)), "chosen");
        let sealed = secrets.seal(&vault, id);
        assert_eq!(Secrets::open(&vault, id, &sealed).unwrap().current(), Some("chosen"));
        assert!(Secrets::open(&vault, other, &sealed).is_err());
        assert!(Secrets::open(&vault, id, &Secrets::default().seal(&vault, id)).unwrap().current().is_none());
    }
}
