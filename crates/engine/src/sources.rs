//! Custom sources: anybody who signs may have an address of their own, and its events are kept like all others.

mod intake;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::{SourceId, Timestamp, UserId};
use ipnet::IpNet;
use providers::scheme::{Fetched, Keys, Sender, Verification, sender};
use serde::{Deserialize, Serialize};
use store::{KeyDigest, SourcesVersion, Store, StoreError, StoredSource};

use crate::clock::Clock;
use crate::deliver::Client;
use crate::documents::Documents;
use crate::log::Log;
use crate::shared::Shared;
use crate::vault::{DoesNotOpen, Vault};

pub use intake::{Read, Refused, Unkept};

/// A source, ready for work.
#[derive(Debug)]
pub struct Source {
    /// Its name in events.
    pub id: SourceId,
    /// Whose events come in here; `None`: nobody's in particular.
    pub user_id: Option<UserId>,
    /// How it is spoken to.
    pub terms: SourceTerms,
    /// What its requests are checked against.
    pub keys: SourceKeys,
    /// What is stored of it.
    pub stored: StoredSource,
    /// Who speaks, where that is somebody known.
    sender: Option<&'static Sender>,
}

/// How a source is spoken to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTerms {
    /// Who speaks.
    pub speaker: Speaker,
    /// The URL that its sender knows, where that is not the one that we would say.
    pub public_url: Option<String>,
    /// Where its requests may come from; from anywhere where none is named.
    pub allow_ips: Vec<IpNet>,
}

/// Who speaks at a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// A sender that is known, by its name.
    Sender(String),
    /// Somebody else, who signs like this.
    Verification(Box<Verification>),
    /// YouTube, for this channel: it is registered, and comes in where YouTube's pushes do.
    Channel(String),
}

/// What a source's requests are checked against.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceKeys {
    /// Shared secrets, any of which may have been used.
    pub secrets: Vec<String>,
    /// The sender's public keys.
    pub public_keys: Vec<String>,
    /// What a handshake must show, where it is not the secret.
    pub verify_token: Option<String>,
}

impl SourceTerms {
    /// The sender, if it is one that is known.
    #[must_use]
    pub fn sender(&self) -> Option<&'static Sender> {
        match &self.speaker {
            Speaker::Sender(name) => sender(name),
            Speaker::Verification(_) | Speaker::Channel(_) => None,
        }
    }

    /// How requests are verified; `None` where the sender is not known any more.
    #[must_use]
    pub fn verification(&self) -> Option<&Verification> {
        match &self.speaker {
            Speaker::Sender(name) => sender(name).map(|sender| &sender.verification),
            Speaker::Verification(verification) => Some(verification),
            Speaker::Channel(_) => None,
        }
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// It was written by another program.
    pub fn read(stored: &StoredSource) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&stored.terms)
    }
}

impl SourceKeys {
    /// The keys, with what was fetched.
    #[must_use]
    pub fn with<'k>(&'k self, fetched: &'k [Fetched]) -> Keys<'k> {
        Keys {
            secrets: &self.secrets,
            public_keys: &self.public_keys,
            verify_token: self.verify_token.as_deref(),
            fetched,
        }
    }

    /// Seals the keys for the source that they belong to.
    #[must_use]
    pub fn seal(&self, vault: &Vault, id: SourceId) -> Vec<u8> {
        let text = serde_json::to_vec(self).expect("texts can be written as JSON");
        vault.seal(&id.to_string(), &text)
    }

    /// Opens the keys of `stored`.
    ///
    /// # Errors
    /// They were sealed under another key of the vault, or altered.
    pub fn open(vault: &Vault, stored: &StoredSource) -> Result<Self, DoesNotOpen> {
        let opened = vault.open(&stored.id.to_string(), &stored.sealed_keys)?;
        serde_json::from_slice(&opened).map_err(|_| DoesNotOpen)
    }
}

impl Source {
    fn read(vault: &Vault, stored: StoredSource) -> Result<Self, String> {
        let keys = SourceKeys::open(vault, &stored).map_err(|error| error.to_string())?;
        let terms = SourceTerms::read(&stored).map_err(|error| error.to_string())?;
        let sender = terms.sender();
        if terms.verification().is_none() {
            return Err("its sender is not known to this program".to_owned());
        }
        Ok(Self { id: stored.id, user_id: stored.user_id.clone(), terms, keys, sender, stored })
    }

    /// The sender's name; `custom` where the verification is spelled out.
    #[must_use]
    pub fn sender_name(&self) -> &'static str {
        self.sender.map_or(CUSTOM, |sender| sender.name.as_str())
    }
}

/// What the events of a source with a verification of its own begin with.
pub const CUSTOM: &str = "custom";

/// Every source that takes requests, by the digest of the token in its address.
#[derive(Debug)]
struct Table {
    version: SourcesVersion,
    /// Active or not.
    count: usize,
    by_token: HashMap<KeyDigest, Address>,
}

#[derive(Debug)]
struct Address {
    source: Arc<Source>,
    /// For the token before the current one: until when it is good.
    until: Option<Timestamp>,
}

/// The sources, and what comes in at them.
#[derive(Debug)]
pub struct Sources {
    table: ArcSwap<Table>,
    store: Arc<dyn Store>,
    vault: Vault,
    clock: Arc<dyn Clock>,
    client: Client,
    documents: Arc<Documents>,
    log: Log,
}

impl Sources {
    /// Reads all sources.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn load(
        shared: &Shared,
        documents: Arc<Documents>,
        log: Log,
    ) -> Result<Self, StoreError> {
        let Shared { store, vault, clock, client, .. } = shared.clone();
        let table = ArcSwap::from_pointee(Table::read(store.as_ref(), &vault).await?);
        Ok(Self { table, store, vault, clock, client, documents, log })
    }

    /// The source at the address whose token has this digest.
    #[must_use]
    pub fn at(&self, token: &KeyDigest) -> Option<Arc<Source>> {
        let table = self.table.load();
        let address = table.by_token.get(token)?;
        let is_good = address.until.is_none_or(|until| self.clock.now() < until);
        is_good.then(|| Arc::clone(&address.source))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.load().count
    }

    /// Reads all sources again if they have changed, here or at another node.
    ///
    /// # Errors
    /// The store cannot be read; the sources stay as they were.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if self.store.sources_version().await? == self.table.load().version {
            Ok(())
        } else {
            self.reload().await
        }
    }

    /// Reads all sources again.
    ///
    /// # Errors
    /// The store cannot be read; the sources stay as they were.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let table = Arc::new(Table::read(self.store.as_ref(), &self.vault).await?);
        // Two readings may end in either order; the later version wins.
        self.table.rcu(|current| Arc::clone(if current.version > table.version { current } else { &table }));
        Ok(())
    }
}

impl Table {
    async fn read(store: &dyn Store, vault: &Vault) -> Result<Self, StoreError> {
        let (version, stored) = store.every_source().await?;
        let mut table = Self { version, count: stored.len(), by_token: HashMap::with_capacity(stored.len()) };
        for stored in stored.into_iter().filter(|stored| stored.is_active) {
            if SourceTerms::read(&stored).is_ok_and(|terms| matches!(terms.speaker, Speaker::Channel(_))) {
                continue;
            }
            let id = stored.id;
            match Source::read(vault, stored) {
                Ok(source) => table.add(source),
                // One bad row must not keep the others from taking requests.
                Err(error) => tracing::error!(source = %id, %error, "left out"),
            }
        }
        Ok(table)
    }

    fn add(&mut self, source: Source) {
        let source = Arc::new(source);
        if let Some((digest, until)) = source.stored.previous_token {
            self.by_token.insert(digest, Address { source: Arc::clone(&source), until: Some(until) });
        }
        self.by_token.insert(source.stored.token, Address { source, until: None });
    }
}

impl std::fmt::Debug for SourceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.with(&[]).fmt(f)
    }
}
