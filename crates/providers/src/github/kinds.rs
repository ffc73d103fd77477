//! The catalogue of GitHub's events, from `kinds.toml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::Described;

/// Every type: an event, or each of its actions where it has any.
pub(super) static EVENT_TYPES: LazyLock<Vec<Described>> =
    LazyLock::new(|| KINDS.iter().flat_map(|(name, kind)| kind.types(name)).collect());

/// By the name in GitHub's header.
static KINDS: LazyLock<BTreeMap<String, Kind>> =
    LazyLock::new(|| toml::from_str(include_str!("kinds.toml")).expect("a test reads the same file"));

/// An event, as the file describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    about: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    place: Place,
    example: String,
}

/// Most happens in a repository.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    #[default]
    Repository,
    Organization,
    /// Nowhere in particular, but somebody has done it.
    Sender,
    Nowhere,
}

impl Kind {
    fn types(&self, name: &str) -> Vec<Described> {
        if self.actions.is_empty() {
            return vec![self.described(format!("github.{name}"), self.about.clone(), "")];
        }
        let of_action = |action: &String| {
            let description = format!("{}: {}", self.about, action.replace('_', " "));
            let begins = format!(r#""action":"{action}","#);
            self.described(format!("github.{name}.{action}"), description, &begins)
        };
        self.actions.iter().map(of_action).collect()
    }

    fn described(&self, event_type: String, description: String, begins: &str) -> Described {
        let example = format!("{{{begins}{}{}}}", self.example, self.place.in_payload());
        Described {
            event_type: Cow::Owned(event_type),
            description: Cow::Owned(description),
            example: Cow::Owned(example),
        }
    }
}

impl Place {
    /// How a payload ends that comes from there.
    const fn in_payload(self) -> &'static str {
        match self {
            Self::Repository => {
                r#","repository":{"id":1,"full_name":"octo/hello"},"sender":{"id":2,"login":"alice"}"#
            }
            Self::Organization => {
                r#","organization":{"id":3,"login":"octo"},"sender":{"id":2,"login":"alice"}"#
            }
            Self::Sender => r#","sender":{"id":2,"login":"alice"}"#,
            Self::Nowhere => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 58 of which GitHub publishes examples.
    const WITH_EXAMPLES: &str = "branch_protection_rule check_run check_suite code_scanning_alert commit_comment \
        create delete dependabot_alert deploy_key deployment deployment_review deployment_status discussion \
        discussion_comment fork github_app_authorization gollum installation installation_repositories \
        issue_comment issues label marketplace_purchase member membership merge_group meta milestone organization \
        org_block package page_build ping project project_card project_column projects_v2_item public \
        pull_request pull_request_review pull_request_review_comment pull_request_review_thread push release \
        repository_dispatch repository repository_import repository_vulnerability_alert security_advisory \
        sponsorship star status team team_add watch workflow_dispatch workflow_job workflow_run";

    #[test]
    fn every_kind_is_there() {
        let names: Vec<_> = WITH_EXAMPLES.split_whitespace().collect();
        assert_eq!(names.len(), 58);
        for name in names {
            assert!(KINDS.contains_key(name), "{name}");
        }
    }
}
