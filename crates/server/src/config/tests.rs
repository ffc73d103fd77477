mod wrong;

use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn load(flags: &Flags, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(flags, env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
}

fn from_env(env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    load(&Flags::default(), env)
}

/// A configuration file that is there for as long as the test.
struct TestFile {
    directory: TempDir,
}

impl TestFile {
    fn new(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("way.toml"), text).unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("way.toml")
    }

    fn flags(&self) -> Flags {
        Flags { config: Some(self.path()), ..Flags::default() }
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        load(&self.flags(), &[])
    }
}

/// What is set for a provider's first setting.
fn secrets_of<'c>(config: &'c Config, provider: &str) -> &'c [String] {
    let (_, settings) = config.providers.by_name().find(|(name, _)| *name == provider).unwrap();
    settings.get(providers::by_name(provider).unwrap().settings()[0].key)
}

fn origin<'c>(config: &'c Config, key: &str) -> &'c str {
    &config.settings().iter().find(|setting| setting.key == key).unwrap().origin
}

#[test]
fn everything_has_a_default() {
    let config = from_env(&[]).unwrap();
    let lines: Vec<_> =
        config.settings().iter().map(|setting| format!("{} {}", setting.key, setting.value)).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    listen "127.0.0.1:8400"
    database_url "sqlite:waystation-data/waystation.db"
    admin_key null
    secret_key null
    base_url null
    inbound.rate_limit_per_15_minutes 1000
    inbound.concurrency_per_address_max 1024
    inbound.body_bytes_max 5242880
    inbound.trusted_proxy_depth 0
    api.rate_limit_per_minute 6000
    delivery.allow_hosts []
    delivery.deactivate_after "5d"
    retention.events "30d"
    retention.by_type ""
    retention.deliveries "30d"
    retention.attempts "30d"
    retention.rejections "7d"
    alerts.window "5m"
    alerts.attempts_min 20
    alerts.error_rate_percent 50
    alerts.latency_ms 5000
    alerts.retry_spike_factor 5
    alerts.backlog 1000
    realtime.heartbeat_seconds 25
    realtime.streams_max 25000
    realtime.streams_per_user_max 20000
    portal.allowed_origins []
    connections.refresh_every_seconds 300
    connections.refresh_ahead_seconds 600
    poll.github_seconds 21600
    poll.slack_seconds 14400
    poll.gmail_seconds 3600
    poll.composio_seconds 0
    poll.discord_seconds 14400
    poll.youtube_seconds 7200
    poll.spotify_seconds 1800
    backend.fetch_emails_url null
    providers.github.webhook_secret null
    providers.slack.signing_secret null
    providers.gmail.pubsub_service_account null
    providers.gmail.pubsub_audience null
    providers.gmail.pubsub_subscriptions null
    providers.gmail.jwks_url "https://www.googleapis.com/oauth2/v3/certs"
    providers.composio.webhook_secret null
    providers.unipile.webhook_secret null
    providers.discord.public_key null
    providers.youtube.webhook_secret null
    providers.github.client_id null
    providers.github.client_secret null
    providers.github.authorize_url "https://github.com/login/oauth/authorize"
    providers.github.token_url "https://github.com/login/oauth/access_token"
    providers.github.api_base "https://api.github.com"
    providers.slack.client_id null
    providers.slack.client_secret null
    providers.slack.authorize_url "https://slack.com/oauth/v2/authorize"
    providers.slack.token_url "https://slack.com/api/oauth.v2.access"
    providers.slack.api_base "https://slack.com"
    providers.gmail.client_id null
    providers.gmail.client_secret null
    providers.gmail.authorize_url "https://accounts.google.com/o/oauth2/v2/auth"
    providers.gmail.token_url "https://oauth2.googleapis.com/token"
    providers.gmail.api_base "https://gmail.googleapis.com"
    providers.unipile.api_key null
    providers.unipile.dsn null
    providers.unipile.api_base null
    providers.discord.client_id null
    providers.discord.client_secret null
    providers.discord.authorize_url "https://discord.com/oauth2/authorize"
    providers.discord.token_url "https://discord.com/api/oauth2/token"
    providers.discord.api_base "https://discord.com"
    providers.youtube.client_id null
    providers.youtube.client_secret null
    providers.youtube.authorize_url "https://accounts.google.com/o/oauth2/v2/auth"
    providers.youtube.token_url "https://oauth2.googleapis.com/token"
    providers.youtube.api_base "https://youtube.googleapis.com"
    providers.spotify.client_id null
    providers.spotify.client_secret null
    providers.spotify.authorize_url "https://accounts.spotify.com/authorize"
    providers.spotify.token_url "https://accounts.spotify.com/api/token"
    providers.spotify.api_base "https://api.spotify.com"
    providers.gmail.pubsub_topic null
    providers.gmail.project_id null
    providers.composio.api_key null
    providers.composio.api_base "https://backend.composio.dev"
    providers.discord.bot_token null
    providers.youtube.hub_url "https://pubsubhubbub.appspot.com/subscribe"
    providers.youtube.feed_url "https://www.youtube.com/xml/feeds/videos.xml"
    "#);
    assert!(config.settings().iter().all(|setting| setting.origin == "default"));
    assert!(secrets_of(&config, "github").is_empty());
}

#[test]
fn flags_are_over_environment_over_file() {
    let file =
        TestFile::new("listen = '127.0.0.1:1'\nbase_url = 'http://file'\n[inbound]\nbody_bytes_max = 1");
    let env = [("WAYSTATION_LISTEN", "127.0.0.1:2"), ("WEBHOOK_BASE_URL", "http://env")];
    let config = load(&Flags { listen: Some("127.0.0.1:3".into()), ..file.flags() }, &env).unwrap();
    assert_eq!((config.listen.port(), origin(&config, "listen")), (3, "flag --listen"));
    assert_eq!(config.base_url.as_ref().unwrap().to_string(), "http://env");
    assert_eq!(origin(&config, "base_url"), "environment variable WEBHOOK_BASE_URL");
    assert_eq!(config.inbound.body_bytes_max, 1);
    assert_eq!(origin(&config, "inbound.body_bytes_max"), format!("{}, line 4", file.path().display()));
    assert_eq!(origin(&config, "inbound.trusted_proxy_depth"), "default");

    let config = load(&file.flags(), &env).unwrap();
    assert_eq!(
        (config.listen.port(), origin(&config, "listen")),
        (2, "environment variable WAYSTATION_LISTEN")
    );
    assert_eq!(file.load().unwrap().listen.port(), 1);
}

#[test]
fn every_key_has_its_variable() {
    let values = [
        ("WAYSTATION_LISTEN", "[::1]:80", json!("[::1]:80")),
        ("WAYSTATION_DATABASE_URL", "sqlite:/x.db", json!("sqlite:/x.db")),
        ("WAYSTATION_ADMIN_KEY", "a", json!("(set)")),
        ("WAYSTATION_SECRET_KEY", KEY, json!("(set)")),
        ("WAYSTATION_BASE_URL", "https://x/way/", json!("https://x/way")),
        ("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "1", json!(1)),
        ("WAYSTATION_INBOUND__CONCURRENCY_PER_ADDRESS_MAX", "1", json!(1)),
        ("WAYSTATION_INBOUND__BODY_BYTES_MAX", "2", json!(2)),
        ("WAYSTATION_INBOUND__TRUSTED_PROXY_DEPTH", "3", json!(3)),
        ("WAYSTATION_API__RATE_LIMIT_PER_MINUTE", "4", json!(4)),
        ("WAYSTATION_DELIVERY__ALLOW_HOSTS", "127.0.0.0/8", json!(["127.0.0.0/8"])),
        ("WAYSTATION_DELIVERY__DEACTIVATE_AFTER", "3d", json!("3d")),
        ("WAYSTATION_RETENTION__EVENTS", "1d", json!("1d")),
        ("WAYSTATION_RETENTION__BY_TYPE", "github.*=7d,a.b=1h", json!("github.*=7d, a.b=1h")),
        ("WAYSTATION_RETENTION__DELIVERIES", "2h", json!("2h")),
        ("WAYSTATION_RETENTION__ATTEMPTS", "3m", json!("3m")),
        ("WAYSTATION_RETENTION__REJECTIONS", "4s", json!("4s")),
        ("WAYSTATION_ALERTS__WINDOW", "5s", json!("5s")),
        ("WAYSTATION_ALERTS__ATTEMPTS_MIN", "6", json!(6)),
        ("WAYSTATION_ALERTS__ERROR_RATE_PERCENT", "7", json!(7)),
        ("WAYSTATION_ALERTS__LATENCY_MS", "8", json!(8)),
        ("WAYSTATION_ALERTS__RETRY_SPIKE_FACTOR", "9", json!(9)),
        ("WAYSTATION_ALERTS__BACKLOG", "10", json!(10)),
        ("WAYSTATION_REALTIME__HEARTBEAT_SECONDS", "5", json!(5)),
        ("WAYSTATION_REALTIME__STREAMS_MAX", "6", json!(6)),
        ("WAYSTATION_REALTIME__STREAMS_PER_USER_MAX", "7", json!(7)),
        (
            "WAYSTATION_PORTAL__ALLOWED_ORIGINS",
            "https://a.test, http://b.test:81/",
            json!(["https://a.test", "http://b.test:81"]),
        ),
        ("WAYSTATION_CONNECTIONS__REFRESH_EVERY_SECONDS", "6", json!(6)),
        ("WAYSTATION_CONNECTIONS__REFRESH_AHEAD_SECONDS", "7", json!(7)),
        ("WAYSTATION_POLL__GITHUB_SECONDS", "9", json!(9)),
        ("WAYSTATION_POLL__SLACK_SECONDS", "13", json!(13)),
        ("WAYSTATION_POLL__GMAIL_SECONDS", "0", json!(0)),
        ("WAYSTATION_POLL__COMPOSIO_SECONDS", "12", json!(12)),
        ("WAYSTATION_POLL__DISCORD_SECONDS", "10", json!(10)),
        ("WAYSTATION_POLL__YOUTUBE_SECONDS", "11", json!(11)),
        ("WAYSTATION_POLL__SPOTIFY_SECONDS", "8", json!(8)),
        ("WAYSTATION_BACKEND__FETCH_EMAILS_URL", "https://app.test/", json!("https://app.test")),
        ("WAYSTATION_PROVIDERS__GITHUB__WEBHOOK_SECRET", "b", json!("(set)")),
        ("WAYSTATION_PROVIDERS__SLACK__SIGNING_SECRET", "c", json!("(set)")),
        (
            "WAYSTATION_PROVIDERS__GMAIL__PUBSUB_SERVICE_ACCOUNT",
            "v_pubsub_service_account",
            json!("v_pubsub_service_account"),
        ),
        ("WAYSTATION_PROVIDERS__GMAIL__PUBSUB_AUDIENCE", "v_pubsub_audience", json!("v_pubsub_audience")),
        (
            "WAYSTATION_PROVIDERS__GMAIL__PUBSUB_SUBSCRIPTIONS",
            "v_pubsub_subscriptions",
            json!("v_pubsub_subscriptions"),
        ),
        ("WAYSTATION_PROVIDERS__GMAIL__JWKS_URL", "v_jwks_url", json!("v_jwks_url")),
        ("WAYSTATION_PROVIDERS__COMPOSIO__WEBHOOK_SECRET", "v_webhook_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__UNIPILE__WEBHOOK_SECRET", "v_webhook_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__DISCORD__PUBLIC_KEY", "v_public_key", json!("v_public_key")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__WEBHOOK_SECRET", "v_webhook_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__GITHUB__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__GITHUB__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__GITHUB__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__GITHUB__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__GITHUB__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__SLACK__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__SLACK__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__SLACK__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__SLACK__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__SLACK__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__GMAIL__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__GMAIL__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__GMAIL__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__GMAIL__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__GMAIL__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__UNIPILE__API_KEY", "v_api_key", json!("(set)")),
        ("WAYSTATION_PROVIDERS__UNIPILE__DSN", "v_dsn", json!("v_dsn")),
        ("WAYSTATION_PROVIDERS__UNIPILE__API_BASE", "https://api.example", json!("https://api.example")),
        ("WAYSTATION_PROVIDERS__DISCORD__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__DISCORD__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__DISCORD__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__DISCORD__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__DISCORD__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__SPOTIFY__CLIENT_ID", "v_client_id", json!("v_client_id")),
        ("WAYSTATION_PROVIDERS__SPOTIFY__CLIENT_SECRET", "v_client_secret", json!("(set)")),
        ("WAYSTATION_PROVIDERS__SPOTIFY__AUTHORIZE_URL", "v_authorize_url", json!("v_authorize_url")),
        ("WAYSTATION_PROVIDERS__SPOTIFY__TOKEN_URL", "v_token_url", json!("v_token_url")),
        ("WAYSTATION_PROVIDERS__SPOTIFY__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__GMAIL__PUBSUB_TOPIC", "v_pubsub_topic", json!("v_pubsub_topic")),
        ("WAYSTATION_PROVIDERS__GMAIL__PROJECT_ID", "v_project_id", json!("v_project_id")),
        ("WAYSTATION_PROVIDERS__COMPOSIO__API_KEY", "v_api_key", json!("(set)")),
        ("WAYSTATION_PROVIDERS__COMPOSIO__API_BASE", "v_api_base", json!("v_api_base")),
        ("WAYSTATION_PROVIDERS__DISCORD__BOT_TOKEN", "v_bot_token", json!("(set)")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__HUB_URL", "v_hub_url", json!("v_hub_url")),
        ("WAYSTATION_PROVIDERS__YOUTUBE__FEED_URL", "v_feed_url", json!("v_feed_url")),
    ];
    let env: Vec<_> = values.iter().map(|&(name, value, _)| (name, value)).collect();
    let config = from_env(&env).unwrap();
    for (setting, (name, _, shown)) in config.settings().iter().zip(&values) {
        assert_eq!((&setting.value, &setting.origin), (shown, &format!("environment variable {name}")));
    }
    assert_eq!(config.settings().len(), values.len(), "a key is missing here");
}

#[test]
fn short_names_stand_for_longer_ones() {
    let base = |env: &[_]| from_env(env).unwrap().base_url.unwrap().to_string();
    let names = [
        ("API_URL", "http://alias"),
        ("WEBHOOK_BASE_URL", "http://short"),
        ("WAYSTATION_BASE_URL", "http://full"),
    ];
    assert_eq!(base(&names[..1]), "http://alias");
    assert_eq!(base(&names[..2]), "http://short");
    assert_eq!(base(&names), "http://full");

    let google = from_env(&[("GOOGLE_CLIENT_ID", "g"), ("GMAIL_AUTHORIZE_URL", "http://a")]).unwrap();
    let set = |provider, key| {
        let (_, settings) = google.providers.by_name().find(|(name, _)| *name == provider).unwrap();
        settings.first(key).map(str::to_owned).unwrap_or_default()
    };
    assert_eq!((set("gmail", "client_id"), set("youtube", "client_id")), ("g".to_owned(), "g".to_owned()));
    assert_eq!(set("gmail", "authorize_url"), "http://a");
    assert_ne!(set("youtube", "authorize_url"), "http://a");

    let secrets = [("GITHUB_WEBHOOK_SECRET", "007"), ("SLACK_SIGNING_SECRET", "[a, b]")];
    let config = from_env(&secrets).unwrap();
    assert_eq!(secrets_of(&config, "github"), ["007"], "a secret is text, whatever it looks like");
    assert_eq!(secrets_of(&config, "slack"), ["[a, b]"]);
}

#[test]
fn what_is_empty_or_meant_for_others_is_no_setting() {
    let others = ["WAYSTATION_URL", "WAYSTATION_KEY", "WAYSTATION_TEST_POSTGRES_URL", "GOOGLE_PROJECT_ID"];
    assert!(from_env(&others.map(|name| (name, "x"))).is_ok());
    let empty = ["WAYSTATION_LISTEN", "WAYSTATION_CONFIG", "API_URL", "WAYSTATION_BOGUS"];
    assert!(from_env(&empty.map(|name| (name, ""))).is_ok());
}

#[test]
fn a_list_of_networks_may_be_written_in_several_ways() {
    let nets = |text| from_env(&[("WAYSTATION_DELIVERY__ALLOW_HOSTS", text)]).unwrap().delivery.allow_hosts;
    let expected: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    for text in ["10.0.0.0/8,::1", "10.0.0.0/8 ::1/128", " 10.0.0.0/8, ::1 ", r#"["10.0.0.0/8", "::1"]"#] {
        assert_eq!(nets(text), expected, "{text}");
    }
    assert_eq!(nets("[]"), []);
    let file = TestFile::new("[delivery]\nallow_hosts = ['10.0.0.0/8', '::1']");
    assert_eq!(file.load().unwrap().delivery.allow_hosts, expected);
}

#[test]
fn several_secrets_may_be_active() {
    let config =
        TestFile::new("providers.github.webhook_secret = ['old', 'new, with a comma']").load().unwrap();
    assert_eq!(secrets_of(&config, "github"), ["old", "new, with a comma"]);
}

#[test]
fn no_secret_is_ever_shown() {
    let config = from_env(&[
        ("WAYSTATION_DATABASE_URL", "postgresql://way:hunter2@db/way?password=hunter2&sslmode=require"),
        ("WAYSTATION_ADMIN_KEY", "hunter2"),
        ("WAYSTATION_SECRET_KEY", KEY),
        ("GITHUB_WEBHOOK_SECRET", "hunter2"),
    ])
    .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
    assert_eq!(config.admin_key.unwrap().reveal(), "hunter2");
}
