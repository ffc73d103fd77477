//! Where sealed secrets lie, for whoever seals them anew.

use domain::{ConnectionId, RegistrationId, SourceId, SubscriptionId};

/// The kinds of rows that hold a sealed secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedIn {
    /// What requests are signed with.
    Subscriptions,
    /// What a custom source's requests are checked with.
    Sources,
    /// What opens an account.
    Connections,
    /// What a provider signs with, where that is ours to say.
    Registrations,
}

/// A sealed secret, and the row that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Where it lies.
    pub within: SealedIn,
    /// The id of its row.
    pub id: [u8; 16],
    /// What nobody can read without the key; no bytes where there is no secret.
    pub sealed: Vec<u8>,
}

impl SealedIn {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Subscriptions, Self::Sources, Self::Connections, Self::Registrations];

    /// What people call them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscriptions => "subscriptions",
            Self::Sources => "sources",
            Self::Connections => "connections",
            Self::Registrations => "registrations",
        }
    }
}

impl SealedSecret {
    /// The id of its row as it is written, which is what the secret is bound to.
    #[must_use]
    pub fn row(&self) -> String {
        match self.within {
            SealedIn::Subscriptions => SubscriptionId::from(self.id).to_string(),
            SealedIn::Sources => SourceId::from(self.id).to_string(),
            SealedIn::Connections => ConnectionId::from(self.id).to_string(),
            SealedIn::Registrations => RegistrationId::from(self.id).to_string(),
        }
    }
}
