//! `waystation jobs`, and how other commands begin one and watch it.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;
use domain::JobId;
use engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::server::{Output, Query, Server};
use super::table::{Columns, ID, print_fields, print_list, text, time};
use crate::config::{Config, Flags};

/// Watch and cancel replays and work in bulk
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List jobs, the newest first
    List(List),
    /// Show one job
    Show(One),
    /// Call a job off; what it has done stays done
    Cancel(One),
}

#[derive(Debug, clap::Args)]
struct List {
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its id, as the list shows it
    id: JobId,
    #[command(flatten)]
    output: Output,
}

/// How a job is begun.
#[derive(Debug, clap::Args)]
pub(super) struct Begin {
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Begin without asking
    #[arg(long, short)]
    yes: bool,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::List(list) => &list.output,
            Action::Show(one) | Action::Cancel(one) => &one.output,
        };
        output.server.flags()
    }
}

const COLUMNS: Columns =
    &[("ID", ID), ("KIND", 11), ("STATE", 9), ("DONE", 17), ("FAILED", 8), ("CREATED", 19)];

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let shown = match &args.action {
        Action::List(List { limit, output }) => {
            let listed = output.server.connect(config)?.list("/api/jobs", &Query::default(), *limit).await?;
            return print_list(&listed, output.json, COLUMNS, row);
        }
        Action::Show(One { id, output }) => {
            (output.server.connect(config)?.get(&format!("/api/jobs/{id}")).await?, output.json)
        }
        Action::Cancel(One { id, output }) => {
            let server = output.server.connect(config)?;
            (server.post(&format!("/api/jobs/{id}/cancel"), &json!({})).await?, output.json)
        }
    };
    let (shown, json) = shown;
    if json {
        println!("{shown}");
        return Ok(());
    }
    let fields =
        ["id", "kind", "user_id", "state", "total", "done", "failed", "error", "created_at", "finished_at"];
    print_fields(&serde_json::from_str(&shown)?, &fields);
    Ok(())
}

fn row(job: &Value) -> Vec<String> {
    let cell = |field: &str| text(&job[field]);
    vec![cell("id"), cell("kind"), cell("state"), progress(job), cell("failed"), time(&job["created_at"])]
}

fn progress(job: &Value) -> String {
    format!("{}/{}", text(&job["done"]), text(&job["total"]))
}

/// Counts what is to be done, asks, begins it, and shows how it goes on. `of` is what it is done to, and the word for
/// that.
pub(super) async fn begin(
    how: &Begin,
    output: &Output,
    config: &Config,
    path: &str,
    mut what: Value,
    (things, done): (&str, &str),
) -> Result<()> {
    let server = output.server.connect(config)?;
    what["dry_run"] = true.into();
    let counted = server.post(path, &what).await?;
    let count =
        serde_json::from_str::<Value>(&counted)?["count"].as_u64().context("the server did not count")?;
    if how.dry_run {
        match output.json {
            true => println!("{counted}"),
            false => println!("{count} {things} would be {done}"),
        }
        return Ok(());
    }
    if !how.yes {
        ask(&format!("{count} {things} will be {done}"))?;
    }
    what["dry_run"] = false.into();
    let begun = server.post(path, &what).await?;
    see_through(&server, &begun, how.no_wait, output.json, |job| {
        let failed = match job["failed"].as_u64() {
            Some(0) | None => String::new(),
            Some(failed) => format!("; {failed} could not be"),
        };
        format!("{} of {} {things} {done}{failed}", text(&job["done"]), text(&job["total"]))
    })
    .await
}

/// Watches the job that has `begun` to its end, unless nobody is to wait for it, and says how it went: as `said`, or as
/// JSON.
pub(super) async fn see_through(
    server: &Server,
    begun: &str,
    no_wait: bool,
    json: bool,
    said: impl FnOnce(&Value) -> String,
) -> Result<()> {
    let parsed: Value = serde_json::from_str(begun)?;
    let id = parsed["job_id"].as_str().context("the server did not name the job")?;
    if no_wait {
        match json {
            true => println!("{begun}"),
            false => println!("{id} has begun; `waystation jobs show {id}` tells how it goes on"),
        }
        return Ok(());
    }
    let job = watch(server, id).await?;
    match json {
        true => println!("{job}"),
        false => println!("{}", said(&job)),
    }
    let state = text(&job["state"]);
    ensure!(state == "completed", "{id} is {state}: {}", text(&job["error"]));
    Ok(())
}

/// Passes if whoever sits there says yes.
fn ask(what: &str) -> Result<()> {
    if !stdin().is_terminal() {
        bail!("{what}: pass --yes to begin, or --dry-run to count only");
    }
    eprint!("{what}. Go on? [y/N] ");
    stderr().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was begun");
    Ok(())
}

/// How often somebody who waits is told how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Waits until the job has ended. Who interrupts this does not end the job.
async fn watch(server: &Server, id: &str) -> Result<Value> {
    let (clock, has_terminal) = (SystemClock::new(), stderr().is_terminal());
    if has_terminal {
        eprintln!("{id} goes on without you; `waystation jobs cancel {id}` calls it off");
    }
    loop {
        let job: Value = serde_json::from_str(&server.get(&format!("/api/jobs/{id}")).await?)?;
        if has_terminal {
            eprint!("\r{} done ", progress(&job));
            stderr().flush()?;
        }
        if job["state"] != "running" {
            if has_terminal {
                eprintln!();
            }
            return Ok(job);
        }
        clock.sleep(LOOK_EVERY).await;
    }
}
