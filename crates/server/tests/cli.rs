//! The program as it is used from a shell: what it prints, and the code it exits with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const GITHUB_BODY: &str = "Hello, World!";
const GITHUB_HEADER: &str =
    "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const STANDARD_TIME: &str = "1614265330";
const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
const STANDARD_HEADERS: [&str; 3] = [
    "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp: 1614265330",
    "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
];

const ED25519_SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const ED25519_PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

/// What one run of the program did.
#[derive(Debug, PartialEq)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program in an empty directory, with nothing in its environment but `env`.
fn run_in(env: &[(&str, &str)], arguments: &[&str], input: &str) -> Ran {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_waystation"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that never reads its input may be gone before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Ran {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn run(arguments: &[&str], input: &str) -> Ran {
    run_in(&[], arguments, input)
}

fn good(stdout: &str) -> Ran {
    Ran { code: 0, stdout: stdout.to_owned(), stderr: String::new() }
}

fn failed(stderr: &str) -> Ran {
    Ran { code: 1, stdout: String::new(), stderr: format!("error: {stderr}\n") }
}

#[test]
fn github_signs_and_verifies_its_own_vector() {
    let sign = ["sign", "github", "--secret", GITHUB_SECRET, "--body", "-"];
    assert_eq!(run(&sign, GITHUB_BODY), good(&format!("{GITHUB_HEADER}\n")));
    let verify = ["verify", "github", "--secret", GITHUB_SECRET, "--body", "-"];
    let signed = [&verify[..], &["--header", GITHUB_HEADER]].concat();
    assert_eq!(run(&signed, GITHUB_BODY), good("the signature is good\n"));
    assert_eq!(run(&signed, "Hello, World?"), failed("the signature does not fit"));
    assert_eq!(run(&verify, GITHUB_BODY), failed("the header x-hub-signature-256 is missing"));
}

#[test]
fn standard_webhooks_signs_and_verifies_the_published_vector() {
    let message = ["standard-webhooks", "--secret", STANDARD_SECRET, "--body", "-"];
    let sign = [&["sign"], &message[..], &["--id", STANDARD_ID, "--timestamp", STANDARD_TIME]].concat();
    assert_eq!(run(&sign, STANDARD_BODY), good(&format!("{}\n", STANDARD_HEADERS.join("\n"))));

    let headers = STANDARD_HEADERS.map(|header| ["--header", header]).concat();
    let verify = [&["verify"], &message[..], &headers].concat();
    let then = [&verify[..], &["--timestamp", STANDARD_TIME]].concat();
    assert_eq!(run(&then, STANDARD_BODY), good("the signature is good\n"));
    assert_eq!(run(&then, "{}"), failed("no signature in webhook-signature fits"));
    assert_eq!(run(&verify, STANDARD_BODY), failed("webhook-timestamp is more than 300 seconds from now"));
    assert_eq!(
        run(&then[..then.len() - 4], STANDARD_BODY),
        failed("the header webhook-signature is missing"),
        "without the last header and the time"
    );
}

#[test]
fn ed25519_takes_the_seed_to_sign_and_the_public_key_to_verify() {
    let sign = ["sign", "standard-webhooks", "--secret", ED25519_SEED, "--body", "-"];
    let signed = run(&sign, STANDARD_BODY);
    assert!(signed.stdout.contains("\nwebhook-signature: v1a,"), "{signed:?}");
    let headers: Vec<_> = signed.stdout.lines().flat_map(|header| ["--header", header]).collect();
    let verify = ["verify", "standard-webhooks", "--secret", ED25519_PUBLIC, "--body", "-"];
    let verify = [&verify[..], &headers].concat();
    assert_eq!(run(&verify, STANDARD_BODY), good("the signature is good\n"));
    assert_eq!(run(&verify, "{}"), failed("no signature in webhook-signature fits"));
}

/// In the header, in the header under a form, and in the body.
#[test]
fn senders_sign_where_they_do() {
    let stripe = ["stripe", "--secret", "s", "--body", "-", "--timestamp", "1700000000"];
    let signed = run(&[&["sign"], &stripe[..]].concat(), "{}");
    let header = signed.stdout.trim_end();
    assert!(header.starts_with("Stripe-Signature: t=1700000000,v1="), "{signed:?}");
    let verify = [&["verify"], &stripe[..], &["--header", header]].concat();
    assert_eq!(run(&verify, "{}"), good("the signature is good\n"));
    assert_eq!(run(&verify, "[]"), failed("the signature does not fit"));
    assert_eq!(
        run(&[&verify[..], &["--timestamp", "1700000301"]].concat(), "{}").code,
        2,
        "one time is enough"
    );

    let twilio = [
        "twilio",
        "--secret",
        "12345",
        "--body",
        "-",
        "--url",
        "https://example.com/myapp.php?foo=1&bar=2",
        "--header",
        "Content-Type: application/x-www-form-urlencoded",
    ];
    // Twilio's own example.
    let form =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212";
    let signed = run(&[&["sign"], &twilio[..]].concat(), form);
    assert_eq!(signed, good("X-Twilio-Signature: L/OH5YylLD5NRKLltdqwSvS0BnU=\n"));

    let mailgun = ["mailgun", "--secret", "s", "--body", "-", "--timestamp", "1700000000"];
    let signed = run(&[&["sign"], &mailgun[..]].concat(), r#"{"signature":{"token":"t"}}"#);
    let body = signed.stdout.strip_prefix('\n').unwrap();
    assert_eq!(run(&[&["verify"], &mailgun[..]].concat(), body), good("the signature is good\n"));
}

#[test]
fn private_keys_sign_and_public_ones_verify() {
    const P256: &str = include_str!("../../providers/src/scheme/keys/p256.pem");
    const P256_PUBLIC: &str = include_str!("../../providers/src/scheme/keys/p256.pub.pem");
    const RSA: &str = include_str!("../../providers/src/scheme/keys/rsa.pem");
    const RSA_PUBLIC: &str = include_str!("../../providers/src/scheme/keys/rsa.pub.pem");
    for (sender, private, public) in [
        ("sendgrid", P256, P256_PUBLIC),
        ("highlevel", RSA, RSA_PUBLIC),
        ("telnyx", ED25519_SEED, ED25519_PUBLIC),
        ("discord", ED25519_SEED, ED25519_PUBLIC),
    ] {
        let signed = run(&["sign", sender, "--secret", private, "--body", "-"], "{}");
        assert_eq!(signed.code, 0, "{sender}: {}", signed.stderr);
        let headers: Vec<_> = signed.stdout.lines().flat_map(|header| ["--header", header]).collect();
        let verify = [&["verify", sender, "--secret", public, "--body", "-"], &headers[..]].concat();
        assert_eq!(run(&verify, "{}"), good("the signature is good\n"), "{sender}");
        assert_eq!(run(&verify, "{ }").code, 1, "{sender}");
    }
    let forged = ["sign", "aws-sns", "--secret", "s", "--body", "-"];
    assert_eq!(run(&forged, "{}"), failed("only the sender itself can sign such a request"));
}

#[test]
fn a_sender_that_signs_its_url_must_be_told_it() {
    let sign = ["sign", "square", "--secret", "s", "--body", "-"];
    assert_eq!(run(&sign, "{}"), failed("Square signs the URL too: say with --url what it knows"));
}

#[test]
fn gmails_token_is_held_against_published_keys() {
    let directory = TempDir::new().unwrap();
    let keys = directory.path().join("certs.json");
    let (account, audience) = ("push@way.iam.gserviceaccount.com", "https://hooks.example.com/gmail");
    let (token, published) = google_token(account, audience);
    std::fs::write(&keys, published).unwrap();
    let verify = |account: &str, audience: &str, keys: Option<&str>| {
        let bearer = format!("Authorization: Bearer {token}");
        let all =
            ["verify", "gmail", "--secret", account, "--url", audience, "--body", "-", "--header", &bearer];
        let keys: Vec<_> = keys.into_iter().flat_map(|file| ["--keys", file]).collect();
        run(&[&all[..], &["--timestamp", "1700000000"], &keys].concat(), "{}")
    };
    let file = keys.to_str();
    assert_eq!(verify(account, audience, file), good("the signature is good\n"));
    assert_eq!(
        verify("mallory@example.com", audience, file),
        failed("the token's service account is not the expected one")
    );
    assert_eq!(
        verify(account, "https://elsewhere.example.com", file),
        failed("the token's audience is not the expected one")
    );
    let without = verify(account, audience, None);
    assert!(without.code == 1 && without.stderr.contains("--keys"), "{without:?}");
}

/// A token as Google signs them, and the key set that belongs to it.
fn google_token(account: &str, audience: &str) -> (String, String) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    let key = RsaKeyPair::from_pkcs8(include_bytes!("../../providers/src/testing/issuer.pk8")).unwrap();
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    let [n, e] = [public.n, public.e].map(|number| BASE64URL.encode(number));
    let published =
        serde_json::json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "kid": "one", "n": n, "e": e }] });
    let claims = serde_json::json!({
        "iss": "https://accounts.google.com", "aud": audience, "email": account, "email_verified": true,
        "iat": 1_699_999_940, "exp": 1_700_003_540,
    });
    let header = serde_json::json!({ "alg": "RS256", "kid": "one", "typ": "JWT" });
    let [header, claims] = [header, claims].map(|part| BASE64URL.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
    (format!("{signed}.{}", BASE64URL.encode(signature)), published.to_string())
}

#[test]
fn a_body_is_read_from_a_file_byte_for_byte() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("body.txt");
    std::fs::write(&path, GITHUB_BODY).unwrap();
    let sign = |path: &str| run(&["sign", "github", "--secret", GITHUB_SECRET, "--body", path], "");
    assert_eq!(sign(path.to_str().unwrap()), good(&format!("{GITHUB_HEADER}\n")));
    assert_eq!(sign("none.txt"), failed("none.txt cannot be read: No such file or directory (os error 2)"));
}

#[test]
fn check_shows_every_setting_but_no_secret() {
    let env = [("GITHUB_WEBHOOK_SECRET", "hunter2"), ("WAYSTATION_LISTEN", "127.0.0.1:1")];
    let ran = run_in(&env, &["check", "--database-url", "sqlite:other.db"], "");
    let line = |key: &str| {
        let line = ran.stdout.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(line("listen"), "listen 127.0.0.1:1 environment variable WAYSTATION_LISTEN");
    assert_eq!(line("database_url"), "database_url sqlite:other.db flag --database-url");
    assert_eq!(line("admin_key"), "admin_key (not set) default");
    assert_eq!(line("delivery"), "delivery.allow_hosts (none) default");
    assert!(line("providers.github").contains("(set) environment variable GITHUB_WEBHOOK_SECRET"));
    assert!(!ran.stdout.contains("hunter2"));
}

#[test]
fn check_speaks_json_too() {
    let ran = run_in(&[("WAYSTATION_DELIVERY__ALLOW_HOSTS", "10.0.0.1")], &["check", "--json"], "");
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(shown["inbound.body_bytes_max"]["value"], 5_242_880);
    assert_eq!(shown["admin_key"], serde_json::json!({ "value": null, "from": "default" }));
    assert_eq!(shown["delivery.allow_hosts"]["value"][0], "10.0.0.1/32");
}

#[test]
fn a_wrong_configuration_is_code_2_and_one_line_for_each_problem() {
    let env = [("WAYSTATION_LISTN", "1"), ("WAYSTATION_RETENTION__EVENTS", "soon")];
    for command in [&["check"][..], &["serve"], &[], &["migrate"], &["keys", "list"]] {
        let ran = run_in(&env, command, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        insta::allow_duplicates! { insta::assert_snapshot!(ran.stderr, @r#"
        error: retention.events (environment variable WAYSTATION_RETENTION__EVENTS) must be a time such as 30d, 12h, 15m or 6s, not "soon"
        error: listn (environment variable WAYSTATION_LISTN) is not a known key; did you mean WAYSTATION_LISTEN?
        "#) }
    }
    assert_eq!(
        run_in(&env, &["sign", "github", "--secret", "s", "--body", "-"], "").code,
        0,
        "it needs none"
    );
}

#[test]
fn a_wrong_command_line_is_code_2_and_says_what_was_meant() {
    let ran = run(&["sign", "githb", "--secret", "s", "--body", "-"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("standard-webhooks") && ran.stderr.contains("'github'"), "{}", ran.stderr);
    assert_eq!(run(&["serv"], "").code, 2);
    assert_eq!(
        run(&["verify", "github", "--secret", "s", "--body", "-", "--header", "no colon"], "").code,
        2
    );
    assert_eq!(run(&["token", "--user", "alice", "--ttl", "soon"], "").code, 2);
}

#[test]
fn what_makes_no_database_says_where_it_has_looked() {
    let nowhere = failed(
        "there is no database at waystation-data/waystation.db: start the server or run `waystation migrate` first, \
         or pass --database-url",
    );
    for command in [
        &["token", "--user", "alice"][..],
        &["keys", "list"],
        &["keys", "create", "--name", "worker"],
        &["rotate-key"],
    ] {
        assert_eq!(run(command, ""), nowhere, "{command:?}");
    }
    let key = [("WAYSTATION_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")];
    let token = run_in(&key, &["token", "--user", "alice"], "");
    assert_eq!((token.code, token.stdout.split('.').count()), (0, 3), "it needs none: {token:?}");
}

#[test]
fn every_command_explains_itself() {
    let help = run(&["--help"], "");
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("Examples:"));
    for command in [
        "serve",
        "demo",
        "check",
        "doctor",
        "migrate",
        "keys",
        "rotate-key",
        "token",
        "send",
        "listen",
        "subscriptions",
        "connections",
        "deliveries",
        "events",
        "replay",
        "jobs",
        "sign",
        "verify",
    ] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}");
        assert_eq!(run(&[command, "--help"], "").code, 0, "{command}");
    }
}
