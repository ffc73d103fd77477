//! Starting: what a first start prints, and what a start that cannot be says.

use std::io::{Seek as _, SeekFrom, Write as _};

use crate::support::database::{Engine, Home, execute};
use crate::support::on_each_database;
use crate::support::program::{Ended, Launch};
use crate::support::until;

on_each_database! {
    the_admin_key_is_printed_at_the_first_start_only
    a_database_of_a_newer_schema_is_left_alone
}

/// Passes if the program said one clear sentence and no more, and that holds all of `words`.
fn assert_refuses(ended: &Ended, words: &[&str]) {
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    let line = ended.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{ended:?}"));
    assert!(line.starts_with("error: ") && !line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in: {line}");
    }
    for noise in ["backtrace", "panicked", "Error {", "Os {"] {
        assert!(!line.contains(noise), "{line}");
    }
}

async fn sqlite() -> (Home, Launch) {
    let home = Home::make(Engine::Sqlite).await;
    let launch = Launch::on(&home);
    (home, launch)
}

async fn the_admin_key_is_printed_at_the_first_start_only(engine: Engine) {
    let home = Home::make(engine).await;
    let launch = Launch::on(&home).without("WAYSTATION_ADMIN_KEY");
    let program = launch.start().await;
    // The curl to try comes last.
    until("all is said", || async { program.said().contains("curl").then_some(()) }).await;
    let said = program.said();
    let key = said.split_whitespace().find(|word| word.starts_with("wsk_")).unwrap().to_owned();
    assert_eq!(program.bearer(&key).get("/api/keys").await.status, 200);
    assert!(said.contains(&format!("http://{}", program.address)), "{said}");
    program.stop().await;

    let program = launch.start().await;
    until("all is said", || async { program.said().contains("curl").then_some(()) }).await;
    assert!(!program.said().contains("wsk_"), "{}", program.said());
    assert_eq!(program.bearer(&key).get("/api/keys").await.status, 200, "the key is good for ever");
    assert!(!program.logged().contains(&key), "a log is read by many");
}

#[tokio::test]
async fn what_a_crash_leaves_holds_no_secret() {
    let (_home, launch) = sqlite().await;
    let program = launch.start().await;
    let of_it = |what: &str| format!("/proc/{}/{what}", program.process_id());
    let limits = std::fs::read_to_string(of_it("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What is not to be dumped belongs to root, as far as anybody may look into it. Of root's own this says nothing.
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(of_it("environ")).unwrap());
    assert_eq!(owner, 0);
}

#[tokio::test]
async fn a_configured_admin_key_is_not_printed() {
    let (_home, launch) = sqlite().await;
    let program = launch.start().await;
    until("all is said", || async { program.said().contains("curl").then_some(()) }).await;
    assert!(!program.said().contains("admin-key-of-the-tests") && !program.said().contains("wsk_"));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (_home, launch) = sqlite().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let ended = launch.env("WAYSTATION_LISTEN", &taken.to_string()).run(&["serve"]).await;
    assert_refuses(&ended, &[&taken.to_string(), "--listen"]);
    drop(holder);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let (home, launch) = sqlite().await;
    let file = home.directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let below = file.join("data").join("waystation.db");
    let launch = launch.env("WAYSTATION_DATABASE_URL", &format!("sqlite:{}", below.display()));
    assert_refuses(&launch.run(&["serve"]).await, &["cannot make the data directory", "/file/data"]);
    let directory = home.directory.path().join("directory.db");
    std::fs::create_dir(&directory).unwrap();
    let launch = launch.env("WAYSTATION_DATABASE_URL", &format!("sqlite:{}", directory.display()));
    assert_refuses(&launch.run(&["serve"]).await, &["cannot open the database", "directory.db"]);
    let text = home.directory.path().join("text.db");
    std::fs::write(&text, "This is no database. ".repeat(100)).unwrap();
    let launch = launch.env("WAYSTATION_DATABASE_URL", &format!("sqlite:{}", text.display()));
    assert_refuses(&launch.run(&["serve"]).await, &["cannot open the database", "text.db"]);
}

#[tokio::test]
async fn an_unknown_key_is_named_with_its_place() {
    let (home, launch) = sqlite().await;
    let ended = launch.clone().env("WAYSTATION_LISTN", "127.0.0.1:0").run(&["serve"]).await;
    assert_refuses(&ended, &["listn", "environment variable WAYSTATION_LISTN", "WAYSTATION_LISTEN"]);
    let file = home.directory.path().join("settings.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\n\n[inbound]\nrate_limit = 5\n").unwrap();
    let ended = launch.run(&["serve", "--config", file.to_str().unwrap()]).await;
    assert_refuses(&ended, &["inbound.rate_limit", "settings.toml, line 4"]);
    std::fs::write(&file, "listen = \n").unwrap();
    let ended = launch.run(&["serve", "--config", file.to_str().unwrap()]).await;
    assert_refuses(&ended, &["settings.toml, line 1"]);
    let ended = launch.run(&["serve", "--config", "nowhere.toml"]).await;
    assert_refuses(&ended, &["nowhere.toml", "flag --config"]);
}

#[tokio::test]
async fn an_ill_formed_value_is_named_and_a_secret_one_is_not_shown() {
    let (_home, launch) = sqlite().await;
    for (name, value) in [
        ("WAYSTATION_LISTEN", "nowhere"),
        ("WAYSTATION_DELIVERY__ALLOW_HOSTS", "everywhere"),
        ("WAYSTATION_RETENTION__EVENTS", "soon"),
        ("WAYSTATION_INBOUND__BODY_BYTES_MAX", "-1"),
        ("WAYSTATION_DATABASE_URL", "mysql://localhost/db"),
    ] {
        assert_refuses(&launch.clone().env(name, value).run(&["serve"]).await, &[name]);
    }
    let ended = launch.env("WAYSTATION_SECRET_KEY", "c2hvcnQ=").run(&["serve"]).await;
    assert_refuses(&ended, &["WAYSTATION_SECRET_KEY", "32 bytes"]);
    assert!(!ended.stderr.contains("c2hvcnQ="), "{ended:?}");
}

async fn a_database_of_a_newer_schema_is_left_alone(engine: Engine) {
    let home = Home::make(engine).await;
    let launch = Launch::on(&home);
    launch.start().await.stop().await;
    match engine {
        Engine::Sqlite => write_user_version(&home, 999),
        Engine::Postgres => execute(&home.database_url(), "UPDATE schema_version SET version = 999").await,
    }
    for command in ["serve", "migrate"] {
        assert_refuses(&launch.run(&[command]).await, &["newer", "999"]);
    }
}

/// Writes what `PRAGMA user_version` reads: four bytes of a database's header.
fn write_user_version(home: &Home, version: u32) {
    let path = home.directory.path().join("waystation.db");
    let log = std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "a database that was closed well is in one file");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(60)).unwrap();
    file.write_all(&version.to_be_bytes()).unwrap();
}

#[tokio::test]
async fn a_second_server_on_the_same_sqlite_data_is_refused() {
    let (_home, launch) = sqlite().await;
    let mut program = launch.start().await;
    assert_refuses(&launch.run(&["serve"]).await, &["another waystation", "waystation.db"]);
    program.kill().await;
    launch.start().await.stop().await;
}

#[tokio::test]
async fn postgres_needs_a_secret_key() {
    let (_home, launch) = sqlite().await;
    let launch = launch.without("WAYSTATION_SECRET_KEY");
    let launch = launch.env("WAYSTATION_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    assert_refuses(&launch.run(&["serve"]).await, &["secret_key", "PostgreSQL"]);
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_named_without_its_password() {
    let (_home, launch) = sqlite().await;
    let launch = launch.env("WAYSTATION_DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none");
    let ended = launch.run(&["serve"]).await;
    assert_refuses(&ended, &["cannot open the database", "127.0.0.1:1"]);
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[tokio::test]
async fn another_secret_key_is_said_to_be_another() {
    let (home, launch) = sqlite().await;
    let program = launch.start().await;
    let terms = serde_json::json!({ "url": "http://127.0.0.1:1/", "event_types": ["*"], "user_id": "alice" });
    program.admin().post("/api/webhooks", &terms).await.ok();
    program.stop().await;
    let other = launch.env("WAYSTATION_SECRET_KEY", "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let program = other.start().await;
    let log = std::fs::read_to_string(home.directory.path().join("log.txt")).unwrap();
    assert!(log.contains("ERROR") && log.contains("sub_"), "{log}");
    program.stop().await;
}
