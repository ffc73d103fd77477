//! Discord's webhooks: a line of content, and an embed.
//!
//! From docs.discord.com (Execute Webhook; Embed Limits; Allowed Mentions): content has 2,000 characters; of an embed
//! the description has 4,096, a field's value 1,024, the footer 2,048, and all of it 6,000. A backslash before any
//! punctuation takes its meaning away.

use serde_json::{Value, json};

use super::Message;
use super::text::{fit, laid_out};

const CONTENT_UNITS_MAX: usize = 2_000;
const DESCRIPTION_UNITS_MAX: usize = 4_096;
const FACT_UNITS_MAX: usize = 300;
const FENCE_BEFORE: &str = "```json\n";
const FENCE_AFTER: &str = "\n```";

pub(super) fn body(message: &Message<'_>) -> Value {
    let facts = message.facts.iter().map(
        |(name, fact)| json!({"name": name, "value": fit(fact, FACT_UNITS_MAX, escape), "inline": true}),
    );
    json!({
        "content": content(message),
        "embeds": [{
            "description": data(message),
            "fields": facts.collect::<Vec<_>>(),
            "footer": {"text": message.event.id},
            "timestamp": message.event.occurred_at,
        }],
        // Escapes do not keep `@everyone` from ringing; this does.
        "allowed_mentions": {"parse": []},
    })
}

fn content(message: &Message<'_>) -> String {
    let title = format!("**{}**", fit(message.title(), CONTENT_UNITS_MAX / 4, escape));
    let room = CONTENT_UNITS_MAX - title.len() - 1;
    let headline = message.headline.as_deref().map(|text| fit(text, room, escape));
    headline.map_or_else(|| title.clone(), |headline| format!("{title} {headline}"))
}

fn data(message: &Message<'_>) -> String {
    let room = DESCRIPTION_UNITS_MAX - FENCE_BEFORE.len() - FENCE_AFTER.len();
    let shown = fit(&laid_out(message.event.data.as_str(), room), room, escape_code);
    format!("{FENCE_BEFORE}{shown}{FENCE_AFTER}")
}

/// Also of colons, so that no address becomes a link and no word an emoji.
const fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '~' => Some("\\~"),
        '`' => Some("\\`"),
        '|' => Some("\\|"),
        '<' => Some("\\<"),
        '>' => Some("\\>"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '(' => Some("\\("),
        ')' => Some("\\)"),
        '#' => Some("\\#"),
        '-' => Some("\\-"),
        ':' => Some("\\:"),
        '@' => Some("\\@"),
        _ => None,
    }
}

/// Within a fence three backticks would end it: a space of no width stands between them.
const fn escape_code(letter: char) -> Option<&'static str> {
    match letter {
        '`' => Some("`\u{200b}"),
        _ => None,
    }
}
