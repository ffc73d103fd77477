//! `crash`: kills the real binary at random moments, or leaves it in the middle of requests, and compares
//! ledgers.

use std::process::ExitCode;

use bench::crash::{Options, Trial, run};
use bench::interrupt::exit_code;
use clap::{Parser, Subcommand};

/// Kills waystation with SIGKILL at random moments under load, and checks that no acknowledged event is lost
#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
    /// How many times it is killed
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Instead of killing the program, disconnect from it in the middle of requests
    Disconnects {
        /// How many clients leave
        #[arg(long, default_value_t = 1000)]
        count: usize,
    },
    /// Instead, follow live streams that break off, under kills and stops; on PostgreSQL on two nodes
    Streams {
        /// How many times a client breaks off
        #[arg(long, default_value_t = 1000)]
        breaks: usize,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = Command::parse();
    let trial = match command.mode {
        Some(Mode::Disconnects { count }) => Trial::Disconnects { count },
        Some(Mode::Streams { breaks }) => Trial::Streams { breaks },
        None => Trial::Kills { rounds: command.rounds },
    };
    exit_code(run(&command.options, trial).await)
}
