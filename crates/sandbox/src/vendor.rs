//! What is particular to each provider: how its tokens live, and how it says no.

use serde_json::{Value, json};

/// The application that every stand-in knows.
pub const CLIENT_ID: &str = "sandbox-client";
/// See [`CLIENT_ID`].
pub const CLIENT_SECRET: &str = "sandbox-client-secret";

/// A provider.
#[derive(Debug)]
pub struct Vendor {
    /// Its name, and the path of its API below the sandbox.
    pub name: &'static str,
    /// Whose application it takes, and the path of the OAuth endpoints: for Gmail and YouTube Google's.
    pub application: &'static str,
    /// Seconds that an access token lives.
    pub access_seconds: i64,
    /// What becomes of a refresh token that is used.
    pub rotation: Rotation,
    /// Seconds after consent at which every refresh token is dead.
    pub consent_seconds: Option<i64>,
    /// Whether the application may show itself by the header; by fields it always may where this is not `Only`.
    pub basic: Basic,
    /// Its words.
    pub words: Words,
    /// The status of a refusal.
    pub refusal_status: u16,
    /// How its access tokens begin.
    pub prefix: &'static str,
}

/// What becomes of a refresh token that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It goes on, and none comes with the answer.
    Never,
    /// It is dead, and so is the access token that came with it; a new one comes.
    Always,
    /// A new one comes every second time, and takes its place; else it goes on.
    EverySecondTime,
}

/// Whether an application may show itself by `Authorization: Basic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basic {
    /// It must not.
    No,
    /// It may.
    Also,
    /// It must.
    Only,
}

/// A provider's words for a refusal.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields say what each is for")]
pub struct Words {
    pub bad_code: &'static str,
    pub bad_refresh_token: &'static str,
    pub bad_client: &'static str,
}

const COMMON: Words =
    Words { bad_code: "invalid_grant", bad_refresh_token: "invalid_grant", bad_client: "invalid_client" };

/// Google's application, under each of its names.
const GOOGLE: Vendor = Vendor {
    name: "",
    application: "google",
    access_seconds: 3_599,
    rotation: Rotation::Never,
    consent_seconds: None,
    basic: Basic::No,
    words: COMMON,
    refusal_status: 400,
    prefix: "ya29.",
};

/// Every provider that grants by OAuth.
pub static VENDORS: &[Vendor] = &[
    // docs.github.com, "Refreshing user access tokens" and "Troubleshooting OAuth app access token request errors".
    Vendor {
        name: "github",
        application: "github",
        access_seconds: 28_800,
        rotation: Rotation::Always,
        consent_seconds: None,
        basic: Basic::No,
        words: Words {
            bad_code: "bad_verification_code",
            bad_refresh_token: "bad_refresh_token",
            bad_client: "incorrect_client_credentials",
        },
        refusal_status: 200,
        prefix: "ghu_",
    },
    // docs.slack.dev, `oauth.v2.access` and "Using token rotation".
    Vendor {
        name: "slack",
        application: "slack",
        access_seconds: 43_200,
        rotation: Rotation::Always,
        consent_seconds: None,
        basic: Basic::Also,
        words: Words {
            bad_code: "invalid_code",
            bad_refresh_token: "invalid_refresh_token",
            bad_client: "bad_client_secret",
        },
        refusal_status: 200,
        prefix: "xoxe.xoxb-",
    },
    // developers.google.com, "Using OAuth 2.0 for Web Server Applications".
    Vendor { name: "gmail", ..GOOGLE },
    Vendor { name: "youtube", ..GOOGLE },
    // docs.discord.com, "OAuth2".
    Vendor {
        name: "discord",
        application: "discord",
        access_seconds: 604_800,
        rotation: Rotation::Always,
        consent_seconds: None,
        basic: Basic::Also,
        words: COMMON,
        refusal_status: 400,
        prefix: "",
    },
    // developer.spotify.com, "Refreshing tokens": six months after consent it is over.
    Vendor {
        name: "spotify",
        application: "spotify",
        access_seconds: 3_600,
        rotation: Rotation::EverySecondTime,
        consent_seconds: Some(182 * 86_400),
        basic: Basic::Only,
        words: COMMON,
        refusal_status: 400,
        prefix: "BQ",
    },
];

impl Vendor {
    /// The provider of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VENDORS.iter().find(|vendor| vendor.name == name)
    }

    /// The one whose users are asked by `application` for `scope`: Google has one page for all that it offers.
    pub(crate) fn asked(application: &str, scope: &str) -> Option<&'static Self> {
        let mut offered = VENDORS.iter().filter(|vendor| vendor.application == application);
        let first = offered.next()?;
        Some(offered.find(|vendor| scope.contains(vendor.name)).unwrap_or(first))
    }

    /// How it says no, by status and body.
    pub(crate) fn refusal(&self, word: &str) -> (u16, Value) {
        match self.name {
            "github" => {
                let uri = "https://docs.github.com/apps/troubleshooting-authorization-request-errors";
                (200, json!({ "error": word, "error_description": "It was refused.", "error_uri": uri }))
            }
            "slack" => (200, json!({ "ok": false, "error": word })),
            _ if word == self.words.bad_client => {
                (401, json!({ "error": word, "error_description": "Unauthorized" }))
            }
            _ => (self.refusal_status, json!({ "error": word, "error_description": "Bad Request" })),
        }
    }

    /// How it grants, with a refresh token where one is handed out.
    pub(crate) fn grant(&self, access: &str, refresh: Option<&str>, scope: &str, account: &str) -> Value {
        let mut grant = match self.name {
            // Numbers as texts, as in the changelog of 2020.
            "github" => json!({
                "access_token": access, "expires_in": self.access_seconds.to_string(),
                "refresh_token_expires_in": "15897600", "scope": scope.replace(' ', ","), "token_type": "bearer",
            }),
            "slack" => json!({
                "ok": true, "access_token": access, "expires_in": self.access_seconds, "token_type": "bot",
                "scope": scope, "bot_user_id": "U0KRQLJ9H", "app_id": "A0KRD7HC3",
                "team": { "id": "T9TK3CUKW", "name": "Sandbox" }, "enterprise": null,
                "authed_user": { "id": account },
            }),
            _ => json!({
                "access_token": access, "expires_in": self.access_seconds, "scope": scope, "token_type": "Bearer",
            }),
        };
        if let Some(refresh) = refresh {
            grant["refresh_token"] = refresh.into();
        }
        grant
    }
}
