//! `bench`: one table of what the real binary reaches, beside a bare HTTP server measured in the same run.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use bench::machine::raise_file_limit;
use bench::measure::{self, Options};
use bench::scratch::Scratch;
use bench::{bare, interrupt};
use clap::{Parser, Subcommand};

/// What users run, so what the bare server runs too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures waystation beside a bare HTTP server in the same run
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Command {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Be the bare HTTP server (the benchmark starts it by itself)
    Bare {
        #[arg(long)]
        listen: SocketAddr,
    },
}

fn main() -> ExitCode {
    interrupt::exit_code(run(&Command::parse()))
}

fn run(command: &Command) -> Result<()> {
    match &command.mode {
        // The same runtime as the program's: as many worker threads as cores.
        Some(Mode::Bare { listen }) => tokio::runtime::Runtime::new()?.block_on(bare::serve(*listen)),
        // One thread for generator and receiver: all the cores there are should be the server's to use.
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(bench(&command.options)),
    }
}

async fn bench(options: &Options) -> Result<()> {
    raise_file_limit();
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build of the benchmark: neither its rates nor its ratios mean anything");
    }
    let scratch = Scratch::new(options.scratch.as_deref(), options.postgres_url.clone())?;
    let measured = interrupt::until_interrupted(Box::pin(measure::run(options, &scratch))).await;
    scratch.clear().await?;
    let report = measured?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
