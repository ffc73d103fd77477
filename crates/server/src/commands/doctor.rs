//! `waystation doctor`: probes a live set-up. It asks, and changes nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Timestamp;
use engine::clock::{Clock as _, SystemClock};
use engine::remote::{Answer, Caller};
use http::header::DATE;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Host, Url};

use super::server::{Output, Query, Server};
use super::table::text;
use crate::config::{BaseUrl, Config, Flags};

/// Probe a running server: does it answer, is it reached where it says, and what needs somebody?
///
/// Each line is a check: ok, a warning where somebody should look, or failed where it cannot work so. The exit code is
/// 1 where a check has failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    output: Output,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.output.server.flags()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// What a check has found. One that could not be made has failed.
type Found = Result<(Verdict, String)>;

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let server = args.output.server.connect(config)?;
    let mut report = Report { is_json: args.output.json, findings: Vec::new() };
    if report.add("server", server_answers(&server).await) && report.add("key", key_opens(&server).await) {
        report.add("clock", clocks_agree(&server).await);
        // Of another server this configuration knows nothing.
        if args.output.server.is_of_configuration() {
            report.add("address", address_is_reached(config.base_url.as_ref()).await);
        }
        report.add("connections", connections_are_well(&server).await);
        report.add("registrations", registrations_are_well(&server).await);
        report.add("endpoints", endpoints_are_well(&server).await);
        report.add("door", door_is_quiet(&server).await);
    }
    report.end()
}

/// What has been found so far. Each finding is printed as it comes, unless it is all to be JSON.
struct Report {
    is_json: bool,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
}

impl Report {
    /// Whether the check has not failed.
    fn add(&mut self, check: &'static str, found: Found) -> bool {
        let (verdict, detail) = found.unwrap_or_else(|error| (Verdict::Failed, format!("{error:#}")));
        if !self.is_json {
            let verdict = format!("{verdict:?}").to_lowercase();
            println!("{verdict:<7}  {check:<13}  {}", text(&json!(detail)));
        }
        self.findings.push(Finding { check, verdict, detail });
        verdict != Verdict::Failed
    }

    fn end(self) -> Result<()> {
        if self.is_json {
            println!("{}", serde_json::to_string(&json!({ "checks": self.findings }))?);
        }
        let failed = self.findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count();
        ensure!(failed == 0, "{failed} of {} checks failed", self.findings.len());
        Ok(())
    }
}

/// What a server says of itself.
#[derive(Deserialize)]
struct Health {
    version: String,
}

/// Bytes of what a server says of itself; what is longer is somebody else's page.
const HEALTH_BYTES_MAX: usize = 64 * 1_024;

/// Asks as anybody may: the address may be somebody else's, who must not see our key.
async fn health(base: &str) -> Result<(Answer, Health)> {
    let url: Uri = format!("{base}/health").parse().context("this makes no address")?;
    let answer = Caller::default().get(&url, None, HEALTH_BYTES_MAX).await?;
    let health = serde_json::from_slice(&answer.body).ok();
    let health = health.with_context(|| format!("what answers at {url} is no Waystation"))?;
    Ok((answer, health))
}

async fn server_answers(server: &Server) -> Found {
    let (answer, Health { version }) = health(server.base()).await?;
    let ours = env!("CARGO_PKG_VERSION");
    Ok(match answer.status {
        StatusCode::OK if version == ours => {
            (Verdict::Ok, format!("{} answers, version {version}, with its store in reach", server.base()))
        }
        StatusCode::OK => {
            let detail = format!("{} is version {version}, and this program {ours}", server.base());
            (Verdict::Warning, detail)
        }
        _ => (Verdict::Failed, format!("the store of {} is out of reach: its log says why", server.base())),
    })
}

async fn key_opens(server: &Server) -> Found {
    let (status, answer) = server.look("/api/keys?limit=1").await?;
    Ok(match status {
        StatusCode::OK => (Verdict::Ok, "it is the operator's".to_owned()),
        StatusCode::FORBIDDEN => {
            (Verdict::Ok, "it is one user's: only their things are looked at".to_owned())
        }
        _ => {
            let problem: Value = serde_json::from_str(&answer).unwrap_or_default();
            (Verdict::Failed, format!("it is answered {status}: {}", text(&problem["detail"])))
        }
    })
}

/// Seconds that two clocks may be apart: a date has whole ones, and an answer takes its time.
const APART_SECONDS_MAX: u64 = 3;

/// Seconds apart that are too many: most senders' signatures hold for minutes, and users' tokens for little longer.
const FAR_APART_SECONDS: u64 = 60;

async fn clocks_agree(server: &Server) -> Found {
    let (answer, _) = health(server.base()).await?;
    let date = answer.headers.get(DATE).and_then(|date| Timestamp::parse_http_date(date.to_str().ok()?));
    let (there, here) = (date.context("the server tells no date")?, SystemClock::new().now());
    let apart = here.since(there).max(there.since(here)).as_secs();
    Ok(match apart {
        ..=APART_SECONDS_MAX => (Verdict::Ok, "the server's agrees with this machine's".to_owned()),
        _ => {
            let verdict = if apart < FAR_APART_SECONDS { Verdict::Warning } else { Verdict::Failed };
            let detail =
                "the server's and this machine's are {} s apart: signatures and tokens hold for minutes";
            (verdict, detail.replace("{}", &apart.to_string()))
        }
    })
}

async fn address_is_reached(base_url: Option<&BaseUrl>) -> Found {
    let Some(base_url) = base_url.map(ToString::to_string) else {
        let detail = "base_url (WEBHOOK_BASE_URL) is not set: providers cannot be told where to push, nor users \
                      where to return to";
        return Ok((Verdict::Warning, detail.to_owned()));
    };
    Ok(match health(&base_url).await {
        // Some routers let nobody inside in at the front.
        Err(error) => (Verdict::Warning, format!("{base_url} is not reached from here: {error:#}")),
        Ok(_) if is_open_to_eavesdroppers(&base_url) => {
            (Verdict::Warning, format!("{base_url} is reached, but without TLS: secrets pass in the clear"))
        }
        Ok(_) => (Verdict::Ok, format!("{base_url} is reached")),
    })
}

fn is_open_to_eavesdroppers(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_local
}

async fn connections_are_well(server: &Server) -> Found {
    let is_well = |connection: &Value| matches!(connection["state"].as_str(), Some("active" | "pending"));
    let say = |connection: &Value| {
        let cell = |field: &str| text(&connection[field]);
        format!("{} of {} ({}): {}", cell("provider"), cell("user_id"), cell("state"), cell("state_reason"))
    };
    all_are_well(server, "/api/connections", is_well, say).await
}

async fn registrations_are_well(server: &Server) -> Found {
    let is_well = |one: &Value| !matches!(one["state"].as_str(), Some("failed" | "expired"));
    let say = |registration: &Value| {
        let cell = |field: &str| text(&registration[field]);
        format!("{} {} ({}): {}", cell("provider"), cell("target"), cell("state"), cell("state_reason"))
    };
    all_are_well(server, "/api/webhooks/list", is_well, say).await
}

async fn endpoints_are_well(server: &Server) -> Found {
    let is_well = |endpoint: &Value| endpoint["is_active"] == true && endpoint["failing_since"].is_null();
    let say = |endpoint: &Value| {
        let since = match &endpoint["failing_since"] {
            Value::Null => "deactivated".to_owned(),
            since => format!("failing since {}", text(since)),
        };
        format!("{} ({}): {since}", text(&endpoint["url"]), text(&endpoint["subscription_id"]))
    };
    all_are_well(server, "/api/webhooks/health", is_well, say).await
}

/// As many of each list as are looked at, the newest.
const LOOKED_AT_MAX: usize = 1_000;

async fn all_are_well(
    server: &Server,
    path: &str,
    is_well: impl Fn(&Value) -> bool,
    say: impl Fn(&Value) -> String,
) -> Found {
    let all = server.values(path, &Query::default(), LOOKED_AT_MAX).await?;
    let unwell: Vec<&Value> = all.iter().filter(|one| !is_well(one)).collect();
    Ok(match (all.len(), unwell.len()) {
        (0, _) => (Verdict::Ok, "there are none".to_owned()),
        (all, 0) => (Verdict::Ok, format!("{all}, all well")),
        (all, some) => (Verdict::Warning, format!("{some} of {all}: {}", first_of(&unwell, say))),
    })
}

/// Refusals that are looked at, the newest: a page of them.
const REFUSALS_MAX: usize = 200;

/// How long ago somebody refused is still news.
const NEWS: Duration = Duration::from_secs(3_600);

async fn door_is_quiet(server: &Server) -> Found {
    let (status, answer) = server.look(&format!("/api/rejections?limit={REFUSALS_MAX}")).await?;
    if status == StatusCode::FORBIDDEN {
        return Ok((Verdict::Ok, "only the operator sees who was refused".to_owned()));
    }
    let hour_ago = SystemClock::new().now().minus(NEWS);
    let is_news =
        |at: &Value| at.as_str().is_some_and(|at| Timestamp::parse(at).is_ok_and(|at| at > hour_ago));
    let listed: Value = serde_json::from_str(&answer)?;
    let refused = listed["data"].as_array().with_context(|| format!("the list is answered {status}"))?;
    let refused: Vec<&Value> = refused.iter().filter(|one| is_news(&one["time"])).collect();
    let say = |one: &Value| format!("{} ({})", text(&one["route"]), text(&one["detail"]));
    if refused.is_empty() {
        return Ok((Verdict::Ok, "nobody was refused in the last hour".to_owned()));
    }
    let or_more = if refused.len() == REFUSALS_MAX { " or more" } else { "" };
    let detail = format!("{}{or_more} refused in the last hour: {}", refused.len(), first_of(&refused, say));
    Ok((Verdict::Warning, detail))
}

/// Things that are named, where there are more.
const NAMED_MAX: usize = 3;

fn first_of(things: &[&Value], say: impl Fn(&Value) -> String) -> String {
    let named: Vec<String> = things.iter().take(NAMED_MAX).map(|thing| say(thing)).collect();
    let more = match things.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    named.join("; ") + &more
}
