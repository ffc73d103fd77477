//! `waystation sign`.

use std::io::{self, Write as _};

use anyhow::Result;

use super::sender::MessageArgs;

/// Print the headers with which a sender would send a body
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  waystation sign github --secret S --body push.json")]
pub(crate) struct Args {
    #[command(flatten)]
    message: MessageArgs,
    /// The message's id, where the sender signs one [default: a new one]
    #[arg(long)]
    id: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let MessageArgs { sender, secret, .. } = &args.message;
    let headers = sender.sign(secret, args.id.as_deref(), &args.message.body()?, args.message.time())?;
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    io::stdout().write_all(lines.as_bytes())?;
    Ok(())
}
