//! A new key for everything that is sealed.
//!
//! It may go on beside servers that know both keys: a secret is replaced only while it is still what was read, and what
//! somebody else writes meanwhile, perhaps under the former key, is met on the next round.

use std::time::Duration;

use store::{SealedIn, Store, StoreError};

use crate::vault::{DoesNotOpen, Vault};

/// Secrets that are read at a time.
const PAGE: u32 = 200;

/// How often everything is looked at, at most: after the first time only what has changed meanwhile is left.
const ROUNDS_MAX: u32 = 5;

/// Between two rounds, for what is just being written under a former key.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of the secrets of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resealed {
    /// All that there are.
    pub all: u64,
    /// Those that were sealed anew.
    pub anew: u64,
}

/// Why not everything is sealed under the newest key.
#[derive(Debug, thiserror::Error)]
pub enum NotResealed {
    /// One does not open under any key that is known.
    #[error(
        "the secret of {row} does not open under any key in secret_key: name the one it was sealed under as well"
    )]
    DoesNotOpen {
        /// The id of its row.
        row: String,
    },
    /// Somebody goes on sealing under a former key.
    #[error(
        "{0} are still being sealed under a former key: does a server run that has another first key in secret_key?"
    )]
    NeverEnds(&'static str),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals every secret of a kind under the newest key of `vault`.
///
/// # Errors
/// Why some are not. What was sealed anew stays so, and the same again goes on.
pub async fn reseal(store: &dyn Store, vault: &Vault, within: SealedIn) -> Result<Resealed, NotResealed> {
    let mut anew = 0;
    for _ in 0..ROUNDS_MAX {
        let round = reseal_once(store, vault, within).await?;
        anew += round.anew;
        if round.anew == 0 {
            return Ok(Resealed { all: round.all, anew });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(NotResealed::NeverEnds(within.name()))
}

async fn reseal_once(store: &dyn Store, vault: &Vault, within: SealedIn) -> Result<Resealed, NotResealed> {
    let (mut done, mut after) = (Resealed::default(), [0; 16]);
    loop {
        let page = store.sealed_secrets(within, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.id;
        for secret in page.iter().filter(|secret| !secret.sealed.is_empty()) {
            done.all += 1;
            let row = secret.row();
            match vault.reseal(&row, &secret.sealed) {
                Ok(None) => {}
                Ok(Some(sealed)) => {
                    done.anew += 1;
                    store.reseal(secret, &sealed).await?;
                }
                Err(DoesNotOpen) => return Err(NotResealed::DoesNotOpen { row }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use store::Page;
    use store::model::Model;

    use super::*;
    use crate::testing::subscription;

    async fn store_under(vault: &Vault) -> Model {
        let store = Model::new();
        for _ in 0..3 {
            let mut stored = subscription(None);
            stored.sealed_key = vault.seal(&stored.subscription.id.to_string(), b"whsec_x");
            store.create_subscription(&stored).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn everything_is_sealed_anew_once() {
        let former = Vault::new(&[7; 32]);
        let store = store_under(&former).await;
        let vault = Vault::new(&[8; 32]).with_former([&[7; 32]]);
        let reseal = || reseal(&store, &vault, SealedIn::Subscriptions);
        assert_eq!(reseal().await.unwrap(), Resealed { all: 3, anew: 3 });
        assert_eq!(reseal().await.unwrap(), Resealed { all: 3, anew: 0 });
        for stored in store.subscriptions(None, &Page::first(9)).await.unwrap() {
            let row = stored.subscription.id.to_string();
            assert!(former.open(&row, &stored.sealed_key).is_err());
            assert_eq!(Vault::new(&[8; 32]).open(&row, &stored.sealed_key).unwrap().as_slice(), b"whsec_x");
        }
    }

    #[tokio::test]
    async fn a_secret_under_an_unknown_key_is_named_and_nothing_is_lost() {
        let store = store_under(&Vault::new(&[1; 32])).await;
        let before = store.sealed_secrets(SealedIn::Subscriptions, [0; 16], 9).await.unwrap();
        let refused = reseal(&store, &Vault::new(&[8; 32]), SealedIn::Subscriptions).await.unwrap_err();
        assert!(refused.to_string().contains("sub_"), "{refused}");
        assert_eq!(store.sealed_secrets(SealedIn::Subscriptions, [0; 16], 9).await.unwrap(), before);
    }
}
