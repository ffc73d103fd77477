//! Who is asking, and what of it they may touch.

use crate::UserId;

/// What a bearer may touch: all, or one user's things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The operator: everything, of every user and of none.
    Admin,
    /// One user's things and nothing else.
    User(UserId),
}

/// The bearer asked for what is not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It is somebody else's.
    #[error("this belongs to another user")]
    Anothers,
    /// It is no single user's.
    #[error("this is for the admin key alone")]
    Operators,
}

impl Access {
    /// The user who asks; `None`: the operator.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Self::Admin => None,
            Self::User(user) => Some(user),
        }
    }

    /// Passes if a thing that belongs to `owner` (`None`: to no single user) may be touched.
    ///
    /// # Errors
    /// It belongs to another user, or to nobody and the bearer is no operator.
    pub fn check(&self, owner: Option<&UserId>) -> Result<(), Forbidden> {
        match (self, owner) {
            (Self::Admin, _) => Ok(()),
            (Self::User(user), Some(owner)) if user == owner => Ok(()),
            (Self::User(_), Some(_)) => Err(Forbidden::Anothers),
            (Self::User(_), None) => Err(Forbidden::Operators),
        }
    }

    /// Whose things a list shows when `wanted` was asked for: `None` is everyone's.
    ///
    /// # Errors
    /// A user asked for another user's things.
    pub fn narrow(&self, wanted: Option<UserId>) -> Result<Option<UserId>, Forbidden> {
        match (self, wanted) {
            (Self::Admin, wanted) => Ok(wanted),
            (Self::User(user), None) => Ok(Some(user.clone())),
            (Self::User(user), Some(wanted)) if *user == wanted => Ok(Some(wanted)),
            (Self::User(_), Some(_)) => Err(Forbidden::Anothers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_touches_their_own_things_only() {
        let (alice, bob): (UserId, UserId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let access = Access::User(alice.clone());
        assert_eq!(access.check(Some(&alice)), Ok(()));
        assert_eq!(access.check(Some(&bob)), Err(Forbidden::Anothers));
        assert_eq!(access.check(None), Err(Forbidden::Operators));
        assert_eq!(access.narrow(None), Ok(Some(alice)));
        assert_eq!(access.narrow(Some(bob.clone())), Err(Forbidden::Anothers));
        assert_eq!(Access::Admin.check(None), Ok(()));
        assert_eq!(Access::Admin.narrow(Some(bob.clone())), Ok(Some(bob)));
    }
}
