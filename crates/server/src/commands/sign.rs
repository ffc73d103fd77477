//! `waystation sign`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;
use providers::RawRequest;

use super::sender::MessageArgs;

/// Print the headers with which a sender would send a body
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One header a line. Where the sender signs in the URL, that follows as a line `URL: …`; where it signs in the body, an empty
line and the body to send.

Examples:
  waystation sign github --secret S --body push.json
  waystation sign twilio --secret S --body sms.txt --url https://hooks.example.com/in/abc \\
      --header 'Content-Type: application/x-www-form-urlencoded'")]
pub(crate) struct Args {
    #[command(flatten)]
    message: MessageArgs,
    /// The message's id, where the sender signs one [default: a new one]
    #[arg(long)]
    id: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let MessageArgs { sender, secret, .. } = &args.message;
    let draft = args.message.request()?;
    let signed = sender.sign(secret, args.id.as_deref(), draft.clone(), args.message.time())?;
    io::stdout().write_all(&told(&draft, &signed)?)?;
    Ok(())
}

/// What `signed` has that `draft` lacks.
fn told(draft: &RawRequest, signed: &RawRequest) -> Result<Vec<u8>> {
    let mut text = String::new();
    for (name, value) in &signed.headers {
        if draft.headers.get(name) != Some(value) {
            writeln!(text, "{}: {}", capitalised(name.as_str()), value.to_str()?)?;
        }
    }
    if signed.url != draft.url {
        writeln!(text, "URL: {}", signed.url)?;
    }
    let mut told = text.into_bytes();
    if signed.body != draft.body {
        told.push(b'\n');
        told.extend_from_slice(&signed.body);
    }
    Ok(told)
}

/// `x-hub-signature-256` as people write it. The name means the same in any case, and the Standard Webhooks
/// specification writes its own in lower case.
fn capitalised(name: &str) -> String {
    if name.starts_with("webhook-") {
        return name.to_owned();
    }
    let mut begins_word = true;
    let spelled = name.chars().map(|c| {
        let c = if begins_word { c.to_ascii_uppercase() } else { c };
        begins_word = c == '-';
        c
    });
    spelled.collect()
}
