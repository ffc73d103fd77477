//! A connection's tokens, as they are sealed.

use domain::ConnectionId;
use providers::api::Token;
use serde::{Deserialize, Serialize};
use store::StoredConnection;
use zeroize::Zeroizing;

use super::{DoesNotOpen, Vault};

/// What opens an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Opens its API; `None` where somebody else holds the tokens.
    pub access_token: Option<Token>,
    /// Gets the next ones.
    pub refresh_token: Option<Token>,
}

/// As it lies in the vault.
#[derive(Serialize, Deserialize)]
struct Written {
    access_token: Option<String>,
    refresh_token: Option<String>,
}

impl Tokens {
    pub(super) fn seal(&self, vault: &Vault, id: ConnectionId) -> Vec<u8> {
        let text = |token: &Option<Token>| token.as_ref().map(|token| token.reveal().to_owned());
        let written =
            Written { access_token: text(&self.access_token), refresh_token: text(&self.refresh_token) };
        let text = Zeroizing::new(serde_json::to_vec(&written).expect("texts can be written as JSON"));
        vault.seal(&id.to_string(), &text)
    }

    pub(super) fn open(vault: &Vault, stored: &StoredConnection) -> Result<Self, DoesNotOpen> {
        let opened = vault.open(&stored.connection.id.to_string(), &stored.sealed_tokens)?;
        let written: Written = serde_json::from_slice(&opened).map_err(|_| DoesNotOpen)?;
        let token = |text: Option<String>| text.map(Token::new);
        Ok(Self { access_token: token(written.access_token), refresh_token: token(written.refresh_token) })
    }

    /// These, with the refresh token of `former` where a provider has sent no new one: that one is still good.
    pub(super) fn or_refresh_token_of(mut self, former: &Self) -> Self {
        self.refresh_token = self.refresh_token.or_else(|| former.refresh_token.clone());
        self
    }
}
