//! What GitHub tells of: its events, and the actions that each may have.
//!
//! Names and actions are those of GitHub's OpenAPI document of webhooks (npm `@octokit/openapi-webhooks`, 12.1.0) and of
//! its examples (npm `@octokit/webhooks-examples`, 7.6.1), which know a few more. One that is not here is delivered all the
//! same; only the catalogue does not know it.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::Described;

/// Every type: an event, or each of its actions where it has any.
pub(super) static EVENT_TYPES: LazyLock<Vec<Described>> =
    LazyLock::new(|| KINDS.iter().flat_map(Kind::types).collect());

/// An event as GitHub's header names it.
struct Kind {
    name: &'static str,
    actions: &'static [&'static str],
    /// What it is about; a sentence where it has no actions.
    about: &'static str,
    /// What its payload holds of its own.
    example: &'static str,
    /// What its payload holds besides.
    place: &'static str,
}

/// Most happens in a repository; `sender` is whoever did it.
const REPOSITORY: &str =
    r#","repository":{"id":1,"full_name":"octo/hello"},"sender":{"id":2,"login":"alice"}"#;
const ORGANIZATION: &str = r#","organization":{"id":3,"login":"octo"},"sender":{"id":2,"login":"alice"}"#;
const SENDER: &str = r#","sender":{"id":2,"login":"alice"}"#;
const NOWHERE: &str = "";

impl Kind {
    fn types(&self) -> Vec<Described> {
        if self.actions.is_empty() {
            return vec![self.described(format!("github.{}", self.name), self.about.to_owned(), "")];
        }
        let of_action = |action: &&str| {
            let description = format!("{}: {}", self.about, action.replace('_', " "));
            let begins = format!(r#""action":"{action}","#);
            self.described(format!("github.{}.{action}", self.name), description, &begins)
        };
        self.actions.iter().map(of_action).collect()
    }

    fn described(&self, event_type: String, description: String, begins: &str) -> Described {
        let example = format!("{{{begins}{}{}}}", self.example, self.place);
        Described {
            event_type: Cow::Owned(event_type),
            description: Cow::Owned(description),
            example: Cow::Owned(example),
        }
    }
}

const fn kind(
    name: &'static str,
    place: &'static str,
    actions: &'static [&'static str],
    about: &'static str,
    example: &'static str,
) -> Kind {
    Kind { name, actions, about, example, place }
}

const KINDS: &[Kind] = &[
    kind(
        "branch_protection_configuration",
        REPOSITORY,
        &["disabled", "enabled"],
        "All branch protections of a repository",
        r#""enterprise":{"id":5,"slug":"octo-works"}"#,
    ),
    kind(
        "branch_protection_rule",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A rule that protects branches",
        r#""rule":{"id":6,"name":"main","required_status_checks":["build"]}"#,
    ),
    kind(
        "check_run",
        REPOSITORY,
        &["completed", "created", "requested_action", "rerequested"],
        "One check of a commit",
        r#""check_run":{"id":7,"name":"build","head_sha":"6dcb09b5","status":"completed","conclusion":"success"}"#,
    ),
    kind(
        "check_suite",
        REPOSITORY,
        &["completed", "requested", "rerequested"],
        "All checks of a commit by one app",
        r#""check_suite":{"id":8,"head_branch":"main","head_sha":"6dcb09b5","status":"completed","conclusion":"success"}"#,
    ),
    kind(
        "code_scanning_alert",
        REPOSITORY,
        &["appeared_in_branch", "closed_by_user", "created", "fixed", "reopened", "reopened_by_user"],
        "A finding of code scanning",
        r#""alert":{"number":9,"state":"open","rule":{"id":"rust/unwrap","severity":"warning"}},"ref":"refs/heads/main","commit_oid":"6dcb09b5""#,
    ),
    kind(
        "commit_comment",
        REPOSITORY,
        &["created"],
        "A comment on a commit",
        r#""comment":{"id":10,"commit_id":"6dcb09b5","body":"Why this hinge?"}"#,
    ),
    kind(
        "create",
        REPOSITORY,
        &[],
        "A branch or tag was created",
        r#""ref":"mend-the-door","ref_type":"branch","master_branch":"main""#,
    ),
    kind(
        "custom_property",
        ORGANIZATION,
        &["created", "deleted", "promote_to_enterprise", "updated"],
        "A property that repositories may have",
        r#""definition":{"property_name":"team","value_type":"string"}"#,
    ),
    kind(
        "custom_property_values",
        REPOSITORY,
        &["updated"],
        "The properties of a repository",
        r#""new_property_values":[{"property_name":"team","value":"doors"}],"old_property_values":[]"#,
    ),
    kind(
        "delete",
        REPOSITORY,
        &[],
        "A branch or tag was deleted",
        r#""ref":"mend-the-door","ref_type":"branch""#,
    ),
    kind(
        "dependabot_alert",
        REPOSITORY,
        &["auto_dismissed", "auto_reopened", "created", "dismissed", "fixed", "reintroduced", "reopened"],
        "A dependency with a known weakness",
        r#""alert":{"number":11,"state":"open","security_advisory":{"ghsa_id":"GHSA-xxxx-xxxx-xxxx","severity":"high"}}"#,
    ),
    kind(
        "deploy_key",
        REPOSITORY,
        &["created", "deleted"],
        "A key that may deploy",
        r#""key":{"id":12,"title":"builder","read_only":true}"#,
    ),
    kind(
        "deployment",
        REPOSITORY,
        &["created"],
        "A deployment",
        r#""deployment":{"id":13,"sha":"6dcb09b5","ref":"main","environment":"production"}"#,
    ),
    kind(
        "deployment_protection_rule",
        REPOSITORY,
        &["requested"],
        "A decision on whether to deploy",
        r#""environment":"production","event":"push","deployment":{"id":13,"ref":"main"}"#,
    ),
    kind(
        "deployment_review",
        REPOSITORY,
        &["approved", "rejected", "requested"],
        "The review of a deployment",
        r#""environment":"production","workflow_run":{"id":14,"name":"deploy"}"#,
    ),
    kind(
        "deployment_status",
        REPOSITORY,
        &["created"],
        "News of a deployment",
        r#""deployment_status":{"id":15,"state":"success","environment":"production"},"deployment":{"id":13}"#,
    ),
    kind(
        "discussion",
        REPOSITORY,
        &[
            "answered",
            "category_changed",
            "closed",
            "created",
            "deleted",
            "edited",
            "labeled",
            "locked",
            "pinned",
            "reopened",
            "transferred",
            "unanswered",
            "unlabeled",
            "unlocked",
            "unpinned",
        ],
        "A discussion",
        r#""discussion":{"number":16,"title":"Which door next?","category":{"name":"Ideas"}}"#,
    ),
    kind(
        "discussion_comment",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A comment in a discussion",
        r#""comment":{"id":17,"body":"The cellar's"},"discussion":{"number":16}"#,
    ),
    kind(
        "fork",
        REPOSITORY,
        &[],
        "The repository was forked",
        r#""forkee":{"id":18,"full_name":"bob/hello"}"#,
    ),
    kind(
        "github_app_authorization",
        SENDER,
        &["revoked"],
        "What a user granted to an app",
        r#""installation":{"id":4}"#,
    ),
    kind(
        "gollum",
        REPOSITORY,
        &[],
        "Pages of the wiki were created or edited",
        r#""pages":[{"page_name":"Home","action":"edited","sha":"6dcb09b5"}]"#,
    ),
    kind(
        "installation",
        SENDER,
        &["created", "deleted", "new_permissions_accepted", "suspend", "unsuspend"],
        "The installation of an app",
        r#""installation":{"id":4,"account":{"login":"octo"}},"repositories":[{"id":1,"full_name":"octo/hello"}]"#,
    ),
    kind(
        "installation_repositories",
        SENDER,
        &["added", "removed"],
        "The repositories that an app may reach",
        r#""installation":{"id":4},"repositories_added":[{"id":1,"full_name":"octo/hello"}],"repositories_removed":[]"#,
    ),
    kind(
        "installation_target",
        SENDER,
        &["renamed"],
        "The account that an app is installed for",
        r#""installation":{"id":4},"account":{"id":3,"login":"octo-works"},"target_type":"Organization","changes":{"login":{"from":"octo"}}"#,
    ),
    kind(
        "issue_comment",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A comment on an issue or pull request",
        r#""comment":{"id":19,"body":"Oil it."},"issue":{"number":1,"title":"The door squeaks"}"#,
    ),
    kind(
        "issue_dependencies",
        REPOSITORY,
        &["blocked_by_added", "blocked_by_removed", "blocking_added", "blocking_removed"],
        "What an issue waits for",
        r#""blocked_issue":{"number":1},"blocking_issue":{"number":20}"#,
    ),
    kind(
        "issues",
        REPOSITORY,
        &[
            "assigned",
            "closed",
            "deleted",
            "demilestoned",
            "edited",
            "labeled",
            "locked",
            "milestoned",
            "opened",
            "pinned",
            "reopened",
            "transferred",
            "typed",
            "unassigned",
            "unlabeled",
            "unlocked",
            "unpinned",
            "untyped",
        ],
        "An issue",
        r#""issue":{"number":1,"title":"The door squeaks","state":"open","user":{"login":"alice"}}"#,
    ),
    kind(
        "label",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A label",
        r#""label":{"id":21,"name":"noise","color":"d73a4a"}"#,
    ),
    kind(
        "marketplace_purchase",
        SENDER,
        &["cancelled", "changed", "pending_change", "pending_change_cancelled", "purchased"],
        "A plan bought in the marketplace",
        r#""effective_date":"2026-11-21T00:00:00+00:00","marketplace_purchase":{"account":{"login":"octo"},"plan":{"id":22,"name":"Pro"}}"#,
    ),
    kind(
        "member",
        REPOSITORY,
        &["added", "edited", "removed"],
        "A collaborator of a repository",
        r#""member":{"id":23,"login":"bob"}"#,
    ),
    kind(
        "membership",
        ORGANIZATION,
        &["added", "removed"],
        "A member of a team",
        r#""scope":"team","member":{"id":23,"login":"bob"},"team":{"id":24,"slug":"doors"}"#,
    ),
    kind(
        "merge_group",
        REPOSITORY,
        &["checks_requested", "destroyed"],
        "A group in the merge queue",
        r#""merge_group":{"head_sha":"6dcb09b5","base_ref":"refs/heads/main"}"#,
    ),
    kind(
        "meta",
        REPOSITORY,
        &["deleted"],
        "The hook itself",
        r#""hook_id":25,"hook":{"type":"Repository","id":25,"name":"web","active":true,"events":["push"]}"#,
    ),
    kind(
        "milestone",
        REPOSITORY,
        &["closed", "created", "deleted", "edited", "opened"],
        "A milestone",
        r#""milestone":{"number":26,"title":"No more noise"}"#,
    ),
    kind(
        "org_block",
        ORGANIZATION,
        &["blocked", "unblocked"],
        "Somebody unwanted in the organisation",
        r#""blocked_user":{"id":27,"login":"mallory"}"#,
    ),
    kind(
        "organization",
        ORGANIZATION,
        &["deleted", "member_added", "member_invited", "member_removed", "renamed"],
        "An organisation",
        r#""membership":{"role":"member","state":"active","user":{"login":"bob"}}"#,
    ),
    kind(
        "package",
        REPOSITORY,
        &["published", "updated"],
        "A package",
        r#""package":{"id":28,"name":"hinge","package_type":"npm","package_version":{"version":"1.0.0"}}"#,
    ),
    kind(
        "page_build",
        REPOSITORY,
        &[],
        "The site of the repository was built",
        r#""id":29,"build":{"status":"built"}"#,
    ),
    kind(
        "personal_access_token_request",
        ORGANIZATION,
        &["approved", "cancelled", "created", "denied"],
        "A token that wants to reach the organisation",
        r#""personal_access_token_request":{"id":30,"owner":{"login":"bob"}},"installation":{"id":4}"#,
    ),
    kind(
        "ping",
        REPOSITORY,
        &[],
        "A hook was created, or somebody pinged it",
        r#""zen":"Keep it logically awesome.","hook_id":25,"hook":{"id":25,"active":true,"events":["push"]}"#,
    ),
    kind(
        "project",
        REPOSITORY,
        &["closed", "created", "deleted", "edited", "reopened"],
        "A classic project",
        r#""project":{"id":31,"name":"Doors"}"#,
    ),
    kind(
        "project_card",
        REPOSITORY,
        &["converted", "created", "deleted", "edited", "moved"],
        "A card of a classic project",
        r#""project_card":{"id":32,"note":"Buy oil"}"#,
    ),
    kind(
        "project_column",
        REPOSITORY,
        &["created", "deleted", "edited", "moved"],
        "A column of a classic project",
        r#""project_column":{"id":33,"name":"To do"}"#,
    ),
    kind(
        "projects_v2",
        ORGANIZATION,
        &["closed", "created", "deleted", "edited", "reopened"],
        "A project",
        r#""projects_v2":{"id":34,"title":"Doors"}"#,
    ),
    kind(
        "projects_v2_item",
        ORGANIZATION,
        &["archived", "converted", "created", "deleted", "edited", "reordered", "restored"],
        "An item of a project",
        r#""projects_v2_item":{"id":35,"content_type":"Issue"}"#,
    ),
    kind(
        "projects_v2_status_update",
        ORGANIZATION,
        &["created", "deleted", "edited"],
        "How a project fares",
        r#""projects_v2_status_update":{"id":36,"status":"ON_TRACK","body":"Half of them are silent."}"#,
    ),
    kind("public", REPOSITORY, &[], "The repository was made public", r#""installation":{"id":4}"#),
    kind(
        "pull_request",
        REPOSITORY,
        &[
            "assigned",
            "auto_merge_disabled",
            "auto_merge_enabled",
            "closed",
            "converted_to_draft",
            "demilestoned",
            "dequeued",
            "edited",
            "enqueued",
            "labeled",
            "locked",
            "milestoned",
            "opened",
            "ready_for_review",
            "reopened",
            "review_request_removed",
            "review_requested",
            "synchronize",
            "unassigned",
            "unlabeled",
            "unlocked",
        ],
        "A pull request",
        r#""number":2,"pull_request":{"number":2,"title":"Mend the door","state":"open","merged":false}"#,
    ),
    kind(
        "pull_request_review",
        REPOSITORY,
        &["dismissed", "edited", "submitted"],
        "The review of a pull request",
        r#""review":{"id":37,"state":"approved","body":"Silent at last."},"pull_request":{"number":2}"#,
    ),
    kind(
        "pull_request_review_comment",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A comment on the changes of a pull request",
        r#""comment":{"id":38,"path":"door.rs","body":"Left or right?"},"pull_request":{"number":2}"#,
    ),
    kind(
        "pull_request_review_thread",
        REPOSITORY,
        &["resolved", "unresolved"],
        "A thread of comments on a pull request",
        r#""thread":{"node_id":"PRT_1","comments":[]},"pull_request":{"number":2}"#,
    ),
    kind(
        "push",
        REPOSITORY,
        &[],
        "Commits or tags were pushed",
        r#""ref":"refs/heads/main","before":"0d1a26e6","after":"6dcb09b5","commits":[{"id":"6dcb09b5","message":"Mend the door"}],"pusher":{"name":"alice"}"#,
    ),
    kind(
        "registry_package",
        REPOSITORY,
        &["published", "updated"],
        "A package in the registry",
        r#""registry_package":{"id":28,"name":"hinge","package_version":{"version":"1.0.0"}}"#,
    ),
    kind(
        "release",
        REPOSITORY,
        &["created", "deleted", "edited", "prereleased", "published", "released", "unpublished"],
        "A release",
        r#""release":{"id":39,"tag_name":"v1.0.0","name":"Silence","draft":false,"prerelease":false}"#,
    ),
    kind(
        "repository",
        REPOSITORY,
        &[
            "archived",
            "created",
            "deleted",
            "edited",
            "privatized",
            "publicized",
            "renamed",
            "transferred",
            "unarchived",
        ],
        "A repository",
        r#""changes":{}"#,
    ),
    kind(
        "repository_advisory",
        REPOSITORY,
        &["published", "reported"],
        "A weakness in the repository",
        r#""repository_advisory":{"ghsa_id":"GHSA-xxxx-xxxx-xxxx","severity":"high","state":"published"}"#,
    ),
    kind(
        "repository_dispatch",
        REPOSITORY,
        &["deploy"],
        "What somebody sent by the API, under a word of their own",
        r#""branch":"main","client_payload":{"reason":"it is Friday"}"#,
    ),
    kind("repository_import", REPOSITORY, &[], "An import has ended, well or not", r#""status":"success""#),
    kind(
        "repository_ruleset",
        REPOSITORY,
        &["created", "deleted", "edited"],
        "A set of rules",
        r#""repository_ruleset":{"id":40,"name":"main","enforcement":"active"}"#,
    ),
    kind(
        "repository_vulnerability_alert",
        REPOSITORY,
        &["create", "dismiss", "reopen", "resolve"],
        "A dependency with a known weakness, as it was told before `dependabot_alert`",
        r#""alert":{"id":41,"affected_package_name":"hinge","severity":"high","state":"open"}"#,
    ),
    kind(
        "secret_scanning_alert",
        REPOSITORY,
        &["assigned", "created", "publicly_leaked", "reopened", "resolved", "unassigned", "validated"],
        "A secret in the repository",
        r#""alert":{"number":42,"secret_type":"npm_access_token","resolution":null}"#,
    ),
    kind(
        "secret_scanning_alert_location",
        REPOSITORY,
        &["created"],
        "A place where a secret stands",
        r#""alert":{"number":42},"location":{"type":"commit","details":{"path":"door.rs","start_line":7}}"#,
    ),
    kind(
        "secret_scanning_scan",
        REPOSITORY,
        &["completed"],
        "A search for secrets",
        r#""type":"backfill","source":"git","completed_at":"2026-11-21T09:30:00Z""#,
    ),
    kind(
        "security_advisory",
        NOWHERE,
        &["published", "updated", "withdrawn"],
        "A weakness that the world was told of",
        r#""security_advisory":{"ghsa_id":"GHSA-xxxx-xxxx-xxxx","summary":"Hinges fall off","severity":"high"}"#,
    ),
    kind(
        "security_and_analysis",
        REPOSITORY,
        &[],
        "Security features were switched on or off",
        r#""changes":{"from":{"security_and_analysis":{"secret_scanning":{"status":"disabled"}}}}"#,
    ),
    kind(
        "sponsorship",
        SENDER,
        &["cancelled", "created", "edited", "pending_cancellation", "pending_tier_change", "tier_changed"],
        "A sponsorship",
        r#""sponsorship":{"sponsor":{"login":"bob"},"tier":{"name":"$5 a month"}}"#,
    ),
    kind("star", REPOSITORY, &["created", "deleted"], "A star", r#""starred_at":"2026-11-21T09:30:00Z""#),
    kind(
        "status",
        REPOSITORY,
        &[],
        "The status of a commit changed",
        r#""id":43,"sha":"6dcb09b5","context":"build","state":"success","description":"All is well""#,
    ),
    kind(
        "sub_issues",
        REPOSITORY,
        &["parent_issue_added", "parent_issue_removed", "sub_issue_added", "sub_issue_removed"],
        "An issue within an issue",
        r#""parent_issue":{"number":1},"sub_issue":{"number":20}"#,
    ),
    kind(
        "team",
        ORGANIZATION,
        &["added_to_repository", "created", "deleted", "edited", "removed_from_repository"],
        "A team",
        r#""team":{"id":24,"name":"Doors","slug":"doors","privacy":"closed"}"#,
    ),
    kind(
        "team_add",
        REPOSITORY,
        &[],
        "A repository was given to a team",
        r#""team":{"id":24,"name":"Doors","slug":"doors"}"#,
    ),
    kind(
        "watch",
        REPOSITORY,
        &["started"],
        "Somebody who starred the repository, as it was told before `star`",
        r#""installation":{"id":4}"#,
    ),
    kind(
        "workflow_dispatch",
        REPOSITORY,
        &[],
        "Somebody started a workflow by hand",
        r#""ref":"refs/heads/main","workflow":".github/workflows/deploy.yml","inputs":{"environment":"production"}"#,
    ),
    kind(
        "workflow_job",
        REPOSITORY,
        &["completed", "in_progress", "queued", "waiting"],
        "A job of a workflow",
        r#""workflow_job":{"id":44,"run_id":14,"name":"build","status":"completed","conclusion":"success"}"#,
    ),
    kind(
        "workflow_run",
        REPOSITORY,
        &["completed", "in_progress", "requested"],
        "A run of a workflow",
        r#""workflow_run":{"id":14,"name":"build","head_branch":"main","status":"completed","conclusion":"success"},"workflow":{"id":45,"path":".github/workflows/build.yml"}"#,
    ),
];

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
            assert!(KINDS.iter().any(|kind| kind.name == name), "{name}");
        }
        assert!(KINDS.is_sorted_by_key(|kind| kind.name), "so that one is found");
    }
}
