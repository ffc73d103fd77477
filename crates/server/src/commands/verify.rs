//! `waystation verify`.

use std::io::{self, Write as _};

use anyhow::Result;

use super::sender::{KeysArgs, MessageArgs};

/// Check the signature of a request: exit code 0, or 1 with the reason why not
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waystation verify github --secret S --body push.json --header 'X-Hub-Signature-256: sha256=…'
  curl -o certs.json https://www.googleapis.com/oauth2/v3/certs
  waystation verify gmail --secret push@project.iam.gserviceaccount.com --url https://hooks.example.com/api/webhooks/gmail \\
      --keys certs.json --body push.json --header 'Authorization: Bearer …'")]
pub(crate) struct Args {
    #[command(flatten)]
    message: MessageArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let MessageArgs { sender, secret, .. } = &args.message;
    sender.verify(secret, &args.keys, &args.message.request()?, args.message.time())?;
    writeln!(io::stdout(), "the signature is good")?;
    Ok(())
}
