//! Microsoft Teams: a message with an Adaptive Card, as incoming webhooks and the workflows that follow them take it.
//!
//! From learn.microsoft.com (Create an Incoming Webhook; Format cards) and adaptivecards.io (RichTextBlock, TextRun):
//! a message has 28 KB, of which others found some 21 KB to be safe; a `TextBlock` and a `Fact` read Markdown, and a
//! `TextRun` does not. So foreign text stands in text runs alone, and needs no escapes.

use serde_json::{Value, json};

use super::Message;
use super::text::{fit, laid_out, plain};

const TITLE_UNITS_MAX: usize = 200;
const HEADLINE_UNITS_MAX: usize = 1_000;
const FACT_UNITS_MAX: usize = 300;
/// Each is at most three bytes of the message.
const DATA_UNITS_MAX: usize = 3_000;
/// Each takes some hundred bytes more than its text.
const DATA_LINES_MAX: usize = 40;

pub(super) fn body(message: &Message<'_>) -> Value {
    let title =
        run(&fit(message.title(), TITLE_UNITS_MAX, plain), &json!({"weight": "Bolder", "size": "Medium"}));
    let mut blocks = vec![paragraph(&[title], "Default")];
    let headline = message.headline.as_deref().map(|text| fit(text, HEADLINE_UNITS_MAX, plain));
    blocks.extend(headline.map(|text| paragraph(&[run(&text, &json!({}))], "Small")));
    blocks.extend(message.facts.iter().map(|(name, fact)| fact_block(name, fact)));
    blocks.push(fact_block("Time", &message.event.occurred_at.to_string()));
    blocks.push(fact_block("Event", &message.event.id.to_string()));
    blocks.extend(data_blocks(message));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": blocks,
                "msteams": {"width": "Full"},
            },
        }],
    })
}

fn fact_block(name: &str, fact: &str) -> Value {
    let name = run(&format!("{name}: "), &json!({"weight": "Bolder"}));
    paragraph(&[name, run(&fit(fact, FACT_UNITS_MAX, plain), &json!({}))], "None")
}

/// A block for each line: within a text run line ends and indents are lost on some clients.
fn data_blocks(message: &Message<'_>) -> Vec<Value> {
    let shown = fit(&laid_out(message.event.data.as_str(), DATA_UNITS_MAX), DATA_UNITS_MAX, plain);
    let mut lines: Vec<_> = shown.lines().take(DATA_LINES_MAX).map(indented).collect();
    if shown.lines().nth(DATA_LINES_MAX).is_some() {
        lines.push("…".to_owned());
    }
    let spacing = std::iter::once("Medium").chain(std::iter::repeat("None"));
    let runs = lines.iter().map(|line| run(line, &json!({"fontType": "Monospace", "size": "Small"})));
    runs.zip(spacing).map(|(run, spacing)| paragraph(&[run], spacing)).collect()
}

/// The line with spaces that are kept.
fn indented(line: &str) -> String {
    let text = line.trim_start_matches(' ');
    "\u{a0}".repeat(line.len() - text.len()) + text
}

fn paragraph(runs: &[Value], spacing: &str) -> Value {
    json!({"type": "RichTextBlock", "spacing": spacing, "inlines": runs})
}

fn run(text: &str, look: &Value) -> Value {
    let mut run = look.clone();
    run["type"] = "TextRun".into();
    run["text"] = text.into();
    run
}
