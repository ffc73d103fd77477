//! Slack's incoming webhooks: a text for notifications, and blocks.
//!
//! From docs.slack.dev (formatting message text; Block Kit's header, section and context blocks): `&`, `<` and `>`
//! are escaped as entities, and nothing else can be; a header has 150 characters and a section 3,000; Slack cuts
//! `text` beyond 40,000 and asks for 4,000. All blocks of a message together fail from some 13,000 on, which no page
//! says.

use serde_json::{Value, json};

use super::Message;
use super::text::{fit, laid_out};

const HEADER_UNITS_MAX: usize = 150;
const HEADLINE_UNITS_MAX: usize = 2_000;
const SECTION_UNITS_MAX: usize = 3_000;
const FACT_UNITS_MAX: usize = 300;
const FENCE: &str = "```";

pub(super) fn body(message: &Message<'_>) -> Value {
    let title = fit(message.title(), HEADER_UNITS_MAX, escape);
    let headline = message.headline.as_deref().map(|text| fit(text, HEADLINE_UNITS_MAX, escape));
    let text = headline.as_ref().map_or_else(|| title.clone(), |headline| format!("{title}: {headline}"));
    let header = json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}});
    let mut blocks = vec![header];
    blocks.extend(headline.map(|headline| section(&headline)));
    blocks.push(section(&data(message)));
    blocks.push(json!({"type": "context", "elements": [mrkdwn(&facts(message))]}));
    // A link within an event is not worth a preview, and its address not a request.
    json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

/// `verbatim`: names of channels and people in foreign text are no mentions.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn data(message: &Message<'_>) -> String {
    let room = SECTION_UNITS_MAX - 2 * FENCE.len();
    let shown = fit(&laid_out(message.event.data.as_str(), room), room, escape_code);
    format!("{FENCE}{shown}{FENCE}")
}

fn facts(message: &Message<'_>) -> String {
    let facts =
        message.facts.iter().map(|(name, fact)| format!("*{name}* {}", fit(fact, FACT_UNITS_MAX, escape)));
    let origin = [message.event.occurred_at.to_string(), message.event.id.to_string()];
    facts.chain(origin).collect::<Vec<_>>().join(" · ")
}

const fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Within a fence three backticks would end it: a space of no width stands between them.
const fn escape_code(letter: char) -> Option<&'static str> {
    match letter {
        '`' => Some("`\u{200b}"),
        _ => escape(letter),
    }
}
