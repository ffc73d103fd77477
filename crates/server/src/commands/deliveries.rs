//! `waystation deliveries`.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use domain::{DeliveryId, EventType, SubscriptionId, UserId};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::jobs::{Begin, begin};
use super::server::{Moment, Output, Query};
use super::table::{Columns, ID, print_fields, print_list, table, text, time};
use crate::config::{Config, Flags};

/// Show what is owed and how it went, and set it going once more
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List deliveries, the newest first
    List(List),
    /// Show one delivery with its attempts
    Show(One),
    /// Retry a delivery that has failed or was cancelled
    Retry(One),
    /// Call a delivery off
    Cancel(One),
    /// Retry or cancel all that a filter means: counted first, then done by a job
    Bulk(Bulk),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its id, as the list shows it
    id: DeliveryId,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  waystation deliveries bulk retry --since 1d --type task.created --dry-run"
)]
struct Bulk {
    /// What is done to them
    action: What,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Set what has failed going once more
    Retry,
    /// Call off what is still to come
    Cancel,
}

/// Which deliveries.
#[derive(Debug, clap::Args)]
struct Filter {
    /// pending, processing, retrying, held, success, failed or cancelled
    #[arg(long)]
    status: Option<String>,
    /// Of this subscription
    #[arg(long, value_name = "ID")]
    subscription: Option<SubscriptionId>,
    /// Carrying events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// Of this user's subscriptions
    #[arg(long)]
    user: Option<UserId>,
    /// Made at or after: a time, a day, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Made before
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::List(list) => &list.output,
            Action::Show(one) | Action::Retry(one) | Action::Cancel(one) => &one.output,
            Action::Bulk(bulk) => &bulk.output,
        };
        output.server.flags()
    }
}

const COLUMNS: Columns =
    &[("ID", ID), ("STATUS", 10), ("TYPE", 18), ("TRIES", 7), ("CREATED", 19), ("ERROR", 25)];

/// Of one event's deliveries, which differ in who gets them.
const COLUMNS_OF_EVENT: Columns =
    &[("ID", ID), ("STATUS", 10), ("TRIES", 7), ("SUBSCRIPTION", ID), ("ERROR", 22)];

const ATTEMPTS: Columns = &[("#", 4), ("AT", 19), ("TRIGGER", 9), ("MS", 9), ("STATUS", 6), ("ERROR", 60)];

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    match &args.action {
        Action::List(List { filter, limit, output }) => {
            let listed =
                output.server.connect(config)?.list("/api/deliveries", &filter.query(), *limit).await?;
            print_list(&listed, output.json, COLUMNS, row)
        }
        Action::Show(one) => show(one, config).await,
        Action::Retry(one) => change(one, "retry", config).await,
        Action::Cancel(one) => change(one, "cancel", config).await,
        Action::Bulk(Bulk { action, filter, begin: how, output }) => {
            let (action, done) = match action {
                What::Retry => ("retry", "retried"),
                What::Cancel => ("cancel", "cancelled"),
            };
            let what = json!({ "action": action, "filter": filter.object() });
            begin(how, output, config, "/api/deliveries/bulk", what, ("deliveries", done)).await
        }
    }
}

async fn show(one: &One, config: &Config) -> Result<()> {
    let shown = one.output.server.connect(config)?.get(&format!("/api/deliveries/{}", one.id)).await?;
    if one.output.json {
        println!("{shown}");
        return Ok(());
    }
    let shown: Value = serde_json::from_str(&shown)?;
    print_fields(
        &shown,
        &[
            "id",
            "status",
            "event_id",
            "event_type",
            "subscription_id",
            "user_id",
            "trigger",
            "attempt_count",
            "max_attempts",
            "next_attempt_at",
            "created_at",
            "completed_at",
            "error",
        ],
    );
    if let Value::String(url) = &shown["request"]["url"] {
        println!("\nPOST {}\n{}", text(&json!(url)), text(&shown["request"]["body"]));
    }
    let attempts = shown["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |attempt: &Value| {
        let cell = |field: &str| text(&attempt[field]);
        let at = time(&attempt["at"]);
        vec![cell("number"), at, cell("trigger"), cell("duration_ms"), cell("response_status"), cell("error")]
    };
    print!("\n{}", table(ATTEMPTS, &attempts.iter().map(row).collect::<Vec<_>>()));
    if let Some(Value::String(body)) = attempts.last().map(|attempt| &attempt["response_body"])
        && !body.is_empty()
    {
        println!("\nThe last answer:\n{}", text(&json!(body)));
    }
    Ok(())
}

async fn change(one: &One, how: &str, config: &Config) -> Result<()> {
    let server = one.output.server.connect(config)?;
    let changed = server.post(&format!("/api/deliveries/{}/{how}", one.id), &json!({})).await?;
    print_changed(&changed, one.output.json)
}

/// Prints one event's deliveries.
pub(super) fn print_of_event(deliveries: &[Box<RawValue>]) -> Result<()> {
    print_list(deliveries, false, COLUMNS_OF_EVENT, |delivery| {
        vec![
            text(&delivery["id"]),
            text(&delivery["status"]),
            tries(delivery),
            text(&delivery["subscription_id"]),
            error(delivery),
        ]
    })
}

/// Says what a delivery is now.
pub(super) fn print_changed(delivery: &str, json: bool) -> Result<()> {
    if json {
        println!("{delivery}");
        return Ok(());
    }
    let delivery: Value = serde_json::from_str(delivery)?;
    println!("{} is {}", text(&delivery["id"]), text(&delivery["status"]));
    Ok(())
}

fn row(delivery: &Value) -> Vec<String> {
    let cell = |field: &str| text(&delivery[field]);
    vec![
        cell("id"),
        cell("status"),
        cell("event_type"),
        tries(delivery),
        time(&delivery["created_at"]),
        error(delivery),
    ]
}

fn tries(delivery: &Value) -> String {
    format!("{}/{}", text(&delivery["attempt_count"]), text(&delivery["max_attempts"]))
}

fn error(delivery: &Value) -> String {
    delivery["error"].as_str().map_or_else(String::new, |_| text(&delivery["error"]))
}

impl Filter {
    fn fields(&self) -> [(&'static str, Option<String>); 6] {
        [
            ("status", self.status.clone()),
            ("subscription_id", self.subscription.map(|id| id.to_string())),
            ("event_type", self.event_type.as_ref().map(|event_type| event_type.as_str().to_owned())),
            ("user_id", self.user.as_ref().map(ToString::to_string)),
            ("since", self.since.map(|since| since.to_string())),
            ("until", self.until.map(|until| until.to_string())),
        ]
    }

    fn query(&self) -> Query {
        self.fields().into_iter().fold(Query::default(), |query, (name, value)| query.and(name, value))
    }

    fn object(&self) -> Value {
        let fields = self.fields().into_iter();
        fields.filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
    }
}
