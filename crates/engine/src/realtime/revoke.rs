//! Notices that a key was revoked, here or at another node, on which live connections rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::{KeyDigest, Store};
use tokio_util::sync::CancellationToken;

/// The keys that live connections rest on.
#[derive(Debug)]
pub(crate) struct Keys {
    store: Arc<dyn Store>,
    watched: Mutex<HashMap<KeyDigest, Watched>>,
}

#[derive(Debug)]
struct Watched {
    connections: usize,
    revoked: CancellationToken,
}

/// A connection's interest in its key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    keys: Arc<Keys>,
    digest: KeyDigest,
    pub(crate) revoked: CancellationToken,
}

impl Keys {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, watched: Mutex::default() }
    }

    /// Watches the key with that digest.
    pub(crate) fn watch(self: &Arc<Self>, digest: KeyDigest) -> Watch {
        let mut watched = self.lock();
        let new = || Watched { connections: 0, revoked: CancellationToken::new() };
        let known = watched.entry(digest).or_insert_with(new);
        known.connections += 1;
        Watch { keys: Arc::clone(self), digest, revoked: known.revoked.clone() }
    }

    /// Asks for each key whether it is still there. Where that cannot be told it counts as there.
    pub(crate) async fn look(&self) {
        let digests: Vec<KeyDigest> = self.lock().keys().copied().collect();
        for digest in digests {
            match self.store.key(&digest).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    if let Some(watched) = self.lock().remove(&digest) {
                        watched.revoked.cancel();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "it cannot be told whether keys were revoked");
                    return;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyDigest, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.keys.lock();
        if let Some(known) = watched.get_mut(&self.digest) {
            known.connections = known.connections.saturating_sub(1);
            if known.connections == 0 {
                watched.remove(&self.digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{KeyId, Timestamp};
    use store::ApiKey;
    use store::model::Model;

    use super::*;
    use crate::chance;

    #[tokio::test]
    async fn whoever_rests_on_a_revoked_key_is_told() {
        let store: Arc<dyn Store> = Arc::new(Model::new());
        let now = Timestamp::from_seconds(1);
        let key = |digest: u8| ApiKey {
            id: KeyId::new(now, &mut chance::rng()),
            name: "a key".to_owned(),
            user_id: None,
            digest: [digest; 32],
            created_at: now,
        };
        let (kept, revoked) = (key(1), key(2));
        store.create_key(&kept).await.unwrap();
        store.create_key(&revoked).await.unwrap();
        let keys = Arc::new(Keys::new(Arc::clone(&store)));
        let watches = [&kept, &revoked, &revoked].map(|key| keys.watch(key.digest));
        keys.look().await;
        assert!(watches.iter().all(|watch| !watch.revoked.is_cancelled()));
        store.delete_key(revoked.id).await.unwrap();
        keys.look().await;
        assert_eq!(watches.each_ref().map(|watch| watch.revoked.is_cancelled()), [false, true, true]);
        drop(watches);
        assert!(keys.lock().is_empty());
    }
}
