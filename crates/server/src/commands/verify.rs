//! `waystation verify`.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use http::{HeaderName, HeaderValue};
use providers::RawRequest;

use super::sender::MessageArgs;

/// Check the signature of a request: exit code 0, or 1 with the reason why not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  waystation verify github --secret S --body push.json --header 'X-Hub-Signature-256: sha256=…'")]
pub(crate) struct Args {
    #[command(flatten)]
    message: MessageArgs,
    /// A header of the request, once for each
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let MessageArgs { sender, secret, .. } = &args.message;
    let headers = args.headers.iter().cloned().collect();
    let request = RawRequest { headers, body: args.message.body()?.into(), inflated: None };
    sender.verify(secret, &request, args.message.time())?;
    writeln!(io::stdout(), "the signature is good")?;
    Ok(())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("a header is written as 'Name: value'")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}
