//! Why a request is not believed, whoever was to have sent it.

use http::HeaderName;

use crate::scheme::Fetch;

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without a key nothing can be checked, and what is not checked is not accepted.
    #[error("no secret or public key is configured")]
    NoKey,
    /// What is configured is no key that this sender could have used.
    #[error("the key that is configured is not {0}")]
    BadKey(&'static str),
    /// The named header is absent.
    #[error("the header {0} is missing")]
    MissingHeader(HeaderName),
    /// The named header is there more than once.
    #[error("the header {0} is there more than once")]
    RepeatedHeader(HeaderName),
    /// The named header is too long, or not plain text.
    #[error("the header {0} is too long or not plain text")]
    UnreadableHeader(HeaderName),
    /// The signature is in the body, or over a part of it, and the body is not of that shape.
    #[error("the body is not of the shape that is signed")]
    UnreadableBody,
    /// There is no timestamp where it should be, or it is none.
    #[error("the timestamp is missing, or not in the sender's format")]
    NoTimestamp,
    /// The token, or whatever else shows a secret, is not one of ours.
    #[error("the token is not the expected one")]
    BadToken,
    /// The bearer is no token of the kind that the provider sends.
    #[error("the bearer is no token signed with RS256")]
    NotAToken,
    /// The timestamp is too far from now: a replay, or a clock that is wrong.
    #[error("the timestamp is more than {0} seconds from now")]
    Stale(u32),
    /// The token is not in force yet, or no longer.
    #[error("the token has expired, or does not hold yet")]
    Expired,
    /// The token is genuine, and for or by somebody else.
    #[error("the token's {0} is not the expected one")]
    WrongClaim(&'static str),
    /// It comes from a place that is not on the list of those allowed.
    #[error("the {0} is not among those allowed")]
    NotAllowed(&'static str),
    /// The digest that was signed is not the body's.
    #[error("the body is not the one that was signed")]
    OtherBody,
    /// The signature is not under any of our keys.
    #[error("the signature does not fit")]
    BadSignature,
    /// The certificate is where this sender keeps none.
    #[error("the certificate is not at one of the sender's hosts")]
    ForeignCertificate,
    /// The key that has signed is not among those known: the document that they are from may be older than the key.
    #[error("the key is not among those that the sender publishes")]
    UnknownKey,
    /// Nothing can be said before this is fetched.
    #[error("the sender's key at {} has not been fetched", .0.url)]
    KeyNeeded(Fetch),
}

impl Refusal {
    /// How far the check came: of several refusals the one that came furthest says most.
    pub(crate) const fn reach(&self) -> u8 {
        match self {
            Self::NoKey => 0,
            Self::BadKey(_) => 1,
            Self::MissingHeader(_) => 2,
            Self::UnreadableBody => 3,
            Self::NoTimestamp | Self::BadToken | Self::NotAToken => 4,
            Self::RepeatedHeader(_) | Self::UnreadableHeader(_) | Self::Stale(_) => 5,
            Self::BadSignature | Self::OtherBody => 6,
            Self::Expired
            | Self::WrongClaim(_)
            | Self::NotAllowed(_)
            | Self::ForeignCertificate
            | Self::UnknownKey => 7,
            Self::KeyNeeded(_) => 8,
        }
    }
}
