//! What is said about a configuration that is wrong.

use insta::assert_snapshot;

use super::{Flags, KEY, TestFile, from_env, load};

fn errors_of(env: &[(&str, &str)]) -> String {
    from_env(env).unwrap_err().to_string()
}

/// What is wrong with the file, which goes by its name alone.
fn errors_in(file: &str) -> String {
    let file = TestFile::new(file);
    let directory = format!("{}/", file.directory.path().display());
    file.load().unwrap_err().to_string().replace(&directory, "")
}

#[test]
fn all_that_is_wrong_in_the_environment_is_said_at_once() {
    assert_snapshot!(errors_of(&[
        ("WAYSTATION_LISTEN", "8400"),
        ("WAYSTATION_DATABASE_URL", "mysql://root:hunter2@db/way"),
        ("WAYSTATION_SECRET_KEY", "hunter2"),
        ("API_URL", "ftp://example.com"),
        ("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "0"),
        ("WAYSTATION_INBOUND__TRUSTED_PROXY_DEPTH", "-1"),
        ("WAYSTATION_DELIVERY__ALLOW_HOSTS", "10.0.0.0/8 localhost"),
        ("WAYSTATION_RETENTION__EVENTS", "a month"),
        ("GITHUB_WEBHOOK_SECRET", "hunter2\u{FFFD}"),
        ("WAYSTATION_INBOUND", "1"),
        ("WAYSTATION_INBOUND_BODY_BYTES_MAX", "1"),
        ("WAYSTATION_LISTN", "127.0.0.1:1"),
        ("WAYSTATION_NONSENSE", "1"),
    ]), @r#"
    listen (environment variable WAYSTATION_LISTEN) must be an IP address and a port such as 127.0.0.1:8400, not "8400"
    database_url (environment variable WAYSTATION_DATABASE_URL) must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    secret_key (environment variable WAYSTATION_SECRET_KEY) must be 32 bytes in base64, such as `openssl rand -base64 32` makes, or several such with commas between, the newest first
    base_url (environment variable API_URL) must be an http or https URL such as https://hooks.example.com, not "ftp://example.com"
    inbound.rate_limit_per_15_minutes (environment variable WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES) must be a whole number from 1 to 4294967295, not "0"
    inbound.trusted_proxy_depth (environment variable WAYSTATION_INBOUND__TRUSTED_PROXY_DEPTH) must be a whole number, not "-1"
    delivery.allow_hosts (environment variable WAYSTATION_DELIVERY__ALLOW_HOSTS) must be a list of networks such as 10.0.0.0/8 or addresses such as 10.0.0.1, not "10.0.0.0/8 localhost"
    retention.events (environment variable WAYSTATION_RETENTION__EVENTS) must be a time such as 30d, 12h, 15m or 6s, not "a month"
    providers.github.webhook_secret (environment variable GITHUB_WEBHOOK_SECRET) must be UTF-8
    inbound (environment variable WAYSTATION_INBOUND) is a section and not a key
    inbound_body_bytes_max (environment variable WAYSTATION_INBOUND_BODY_BYTES_MAX) is not a known key; did you mean WAYSTATION_INBOUND__BODY_BYTES_MAX?
    listn (environment variable WAYSTATION_LISTN) is not a known key; did you mean WAYSTATION_LISTEN?
    nonsense (environment variable WAYSTATION_NONSENSE) is not a known key
    "#);
}

#[test]
fn what_is_wrong_in_the_file_has_a_line() {
    let errors = errors_in(
        "# The first line.
listen = 8400
admin_key = 1234
\"api.rate_limit_per_minute\" = 1

[inbound]
body_bytes_max = 1.5
rate_limit_per_minute = 1

[providers]
github.webhook_secret = ['hunter2', '']
gitlab.webhook_secret = 'hunter2'

[retenton]

[[realtime]]
",
    );
    assert_snapshot!(errors, @r#"
    listen (way.toml, line 2) must be an IP address and a port such as 127.0.0.1:8400, not 8400
    admin_key (way.toml, line 3) must be a text that is not empty
    inbound.body_bytes_max (way.toml, line 7) must be a whole number, not a fraction
    providers.github.webhook_secret (way.toml, line 11) must be a text that is not empty, or a list of such
    "api.rate_limit_per_minute" (way.toml, line 4) is not a known key; did you mean api.rate_limit_per_minute?
    inbound.rate_limit_per_minute (way.toml, line 8) is not a known key; did you mean inbound.rate_limit_per_15_minutes?
    providers.gitlab.webhook_secret (way.toml, line 12) is not a known key; did you mean providers.github.webhook_secret?
    retenton (way.toml, line 14) is not a known key; did you mean retention.events?
    realtime (way.toml, line 16) is a section and not a key
    "#);
}

#[test]
fn a_file_that_is_named_must_be_there_and_be_toml() {
    assert_snapshot!(errors_of(&[("WAYSTATION_CONFIG", "no/such.toml")]), @"no/such.toml (environment variable WAYSTATION_CONFIG) cannot be read: No such file or directory (os error 2)");
    let flags = Flags { config: Some("no/such.toml".into()), ..Flags::default() };
    assert_snapshot!(load(&flags, &[]).unwrap_err().to_string(), @"no/such.toml (flag --config) cannot be read: No such file or directory (os error 2)");
    assert_snapshot!(errors_in("\nadmin_key = hunter2"), @r#"way.toml, line 2, is not TOML: invalid string, expected `"`, `'`"#);
    assert_snapshot!(errors_in("listen = 'a'\nlisten = 'b'"), @"way.toml, line 2, is not TOML: duplicate key `listen` in document root");
}

#[test]
fn postgres_needs_the_secret_key() {
    let postgres = ("WAYSTATION_DATABASE_URL", "postgres://way@db/way");
    assert_snapshot!(errors_of(&[postgres]), @"secret_key is not set, and must be with PostgreSQL: every server on it needs the same key");
    let config = from_env(&[postgres, ("WAYSTATION_SECRET_KEY", KEY)]).unwrap();
    assert_eq!(config.secret_key.unwrap().newest(), b"0123456789abcdef0123456789abcdef");
}
