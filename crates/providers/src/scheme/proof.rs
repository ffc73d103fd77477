//! What makes a request believed: one of four kinds of proof, or any of several.

use super::jwt::Jwt;
use super::request::Scope;
use super::signature::Signature;
use super::template::Variable;
use super::token::Token;
use super::{Keys, Refusal, UNUSABLE_KEY, sns};
use domain::Timestamp;
use http::HeaderName;

/// A verification that is consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// The sender signed what a template describes.
    Signature(Box<Signature>),
    /// The sender wrote a signed token about the request.
    Jwt(Box<Jwt>),
    /// The sender knows a secret, and shows it.
    Token(Token),
    /// Amazon's notification service, whose rules are its own.
    Sns,
    /// Whichever holds.
    AnyOf(Vec<Proof>),
}

impl Proof {
    /// Checks the request in `scope`, and leaves there the id and timestamp that it found. Answers the timestamp.
    pub(super) fn check(
        &self,
        scope: &mut Scope<'_>,
        keys: &Keys<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        match self {
            Self::Signature(signature) => signature.check(scope, keys, now),
            Self::Jwt(jwt) => jwt.check(scope, keys, now),
            Self::Token(token) => token.check(scope, keys).map(|()| None),
            Self::Sns => sns::check(scope, keys),
            Self::AnyOf(proofs) => check_any(proofs, scope, keys, now),
        }
    }

    pub(super) fn signs_url(&self) -> bool {
        match self {
            Self::Signature(signature) => [Variable::Url, Variable::Path, Variable::Query]
                .iter()
                .any(|part| signature.template.uses(part)),
            Self::AnyOf(proofs) => proofs.iter().any(Self::signs_url),
            Self::Jwt(_) | Self::Token(_) | Self::Sns => false,
        }
    }

    pub(super) fn id_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Signature(signature) => signature.id_headers.first(),
            Self::AnyOf(proofs) => proofs.iter().find_map(Self::id_header),
            Self::Jwt(_) | Self::Token(_) | Self::Sns => None,
        }
    }

    pub(super) fn secret_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Token(token) => token.header(),
            Self::AnyOf(proofs) => proofs.iter().find_map(Self::secret_header),
            Self::Signature(_) | Self::Jwt(_) | Self::Sns => None,
        }
    }

    /// Whether `keys` would do.
    pub(super) fn check_keys(&self, keys: &Keys<'_>) -> Result<(), Refusal> {
        match self {
            Self::Signature(signature) => signature.check_keys(keys),
            Self::Jwt(jwt) => jwt.check_keys(keys),
            Self::Token(_) | Self::Sns => keys.secrets().map(|_| ()),
            Self::AnyOf(proofs) => {
                let mut checked = proofs.iter().map(|proof| proof.check_keys(keys));
                checked.find(Result::is_ok).unwrap_or_else(|| {
                    let unusable = proofs.iter().any(|proof| proof.check_keys(keys) == Err(UNUSABLE_KEY));
                    Err(if unusable { UNUSABLE_KEY } else { Refusal::NoKey })
                })
            }
        }
    }
}

/// Passes with the first proof that holds. If none does, the refusal of the one that came furthest says most.
fn check_any(
    proofs: &[Proof],
    scope: &mut Scope<'_>,
    keys: &Keys<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let mut furthest = Refusal::NoKey;
    for proof in proofs {
        scope.forget();
        match proof.check(scope, keys, now) {
            Ok(signed_at) => return Ok(signed_at),
            Err(refusal) if refusal.reach() >= furthest.reach() => furthest = refusal,
            Err(_) => {}
        }
    }
    Err(furthest)
}
