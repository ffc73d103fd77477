//! What somebody may be shown. Nothing of the log is handed out without a [`Scope`], and only a [`Grant`] makes one.

use domain::access::Forbidden;
use domain::subscription::TypePattern;
use domain::{Access, Event, Timestamp, UserId};
use store::KeyDigest;

/// What a key, a token or a browser's session opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose things.
    pub access: Access,
    /// Where it names any: only streams, and only of events of these types.
    pub types: Option<Vec<TypePattern>>,
    /// It is good before this, and not from then on; `None`: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// The key that it rests on, which may be revoked; `None` for a token and for the key of the configuration.
    pub key: Option<KeyDigest>,
}

/// Which events a stream shows: of whom, and of which types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `None`: everyone's, and nobody's.
    user: Option<UserId>,
    /// What the grant allows.
    allowed: Option<Vec<TypePattern>>,
    /// What was asked for.
    wanted: Vec<TypePattern>,
}

impl Grant {
    /// What opens `access` without bounds.
    #[must_use]
    pub const fn of(access: Access) -> Self {
        Self { access, types: None, expires_at: None, key: None }
    }

    /// The scope of a stream of `types` (empty: all but the operational ones), narrowed to `user` where one is named.
    ///
    /// # Errors
    /// The grant is another user's.
    pub fn scope(&self, user: Option<UserId>, types: Vec<TypePattern>) -> Result<Scope, Forbidden> {
        let user = self.access.narrow(user)?;
        let wanted = if types.is_empty() { vec![TypePattern::All] } else { types };
        Ok(Scope { user, allowed: self.types.clone(), wanted })
    }

    /// The one user whose things it opens; `None` for the operator.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match &self.access {
            Access::Admin => None,
            Access::User(user) => Some(user),
        }
    }
}

impl Scope {
    /// Whether it shows `event`.
    #[must_use]
    pub fn shows(&self, event: &Event) -> bool {
        let is_one_of = |types: &[TypePattern]| types.iter().any(|types| types.matches(&event.event_type));
        self.covers(event.user_id.as_ref())
            && is_one_of(&self.wanted)
            && self.allowed.as_deref().is_none_or(is_one_of)
    }

    /// Whether what belongs to `user` (`None`: to nobody) may be shown at all.
    #[must_use]
    pub fn covers(&self, user: Option<&UserId>) -> bool {
        self.user.is_none() || self.user.as_ref() == user
    }

    /// The one user whose events it shows; `None`: everyone's.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Whether it shows what is passed on without being kept, such as that somebody types. A token that names types of
    /// events opens nothing else.
    #[must_use]
    pub const fn hears_ephemera(&self) -> bool {
        self.allowed.is_none()
    }

    /// Whether it asks for `name` by that very name.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.wanted
            .iter()
            .any(|types| matches!(types, TypePattern::Exactly(exactly) if exactly.as_str() == name))
    }

    /// The same for a newer grant of the same user.
    pub(crate) fn renewed(&self, grant: &Grant) -> Result<Self, Forbidden> {
        let renewed = grant.scope(self.user.clone(), self.wanted.clone())?;
        // One who saw everything must not be left with less under the same stream, nor one user with more.
        if renewed.user == self.user { Ok(renewed) } else { Err(Forbidden::Anothers) }
    }
}
