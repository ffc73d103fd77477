//! What receivers are sent: whole messages as their pages want them, and the worst that an event can hold.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::FIELDS;
use crate::document::tests::event;

/// What each receiver does something with.
const HOSTILE: &str =
    "<!channel> <@U1> @everyone <@&1> & ``` **x** [here](https://evil.example) :smile: \\ \u{202e}\u{0}";

fn body(template: Template, event: &Event) -> Value {
    serde_json::from_str(&template.body(event)).unwrap()
}

fn units(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

fn saying(text: &str) -> Event {
    let mut event = event("alert.raised", &json!({"message": text, "n": 1}).to_string());
    event.user_id =
        text.chars().filter(|letter| !letter.is_control()).take(30).collect::<String>().parse().ok();
    event
}

fn example() -> Event {
    event("payment.failed", r#"{"amount":12.50,"title":"Card declined"}"#)
}

#[test]
fn slack_gets_a_text_and_blocks() {
    let id = example().id;
    assert_eq!(
        body(Template::Slack, &example()),
        json!({
            "text": "payment.failed: Card declined",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "payment.failed", "emoji": false}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "Card declined", "verbatim": true}},
                {"type": "section", "text": {
                    "type": "mrkdwn",
                    "text": "```{\n  \"amount\": 12.50,\n  \"title\": \"Card declined\"\n}```",
                    "verbatim": true,
                }},
                {"type": "context", "elements": [{
                    "type": "mrkdwn",
                    "text": format!("*Source* github · *User* alice · 2023-11-14T22:13:20.000Z · {id}"),
                    "verbatim": true,
                }]},
            ],
            "unfurl_links": false,
            "unfurl_media": false,
        })
    );
}

#[test]
fn discord_gets_content_and_an_embed_and_rings_nobody() {
    assert_eq!(
        body(Template::Discord, &example()),
        json!({
            "content": "**payment.failed** Card declined",
            "embeds": [{
                "description": "```json\n{\n  \"amount\": 12.50,\n  \"title\": \"Card declined\"\n}\n```",
                "fields": [
                    {"name": "Source", "value": "github", "inline": true},
                    {"name": "User", "value": "alice", "inline": true},
                ],
                "footer": {"text": example().id},
                "timestamp": "2023-11-14T22:13:20.000Z",
            }],
            "allowed_mentions": {"parse": []},
        })
    );
}

#[test]
fn teams_gets_a_card_in_a_message() {
    let body = body(Template::Teams, &example());
    assert_eq!((&body["type"], body["attachments"].as_array().unwrap().len()), (&json!("message"), 1));
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    assert_eq!(
        teams_lines(&body),
        [
            "payment.failed",
            "Card declined",
            "Source: github",
            "User: alice",
            "Time: 2023-11-14T22:13:20.000Z",
            &format!("Event: {}", example().id),
            "{",
            "\u{a0}\u{a0}\"amount\": 12.50,",
            "\u{a0}\u{a0}\"title\": \"Card declined\"",
            "}",
        ]
    );
}

#[test]
fn others_get_a_text_and_the_event_byte_for_byte() {
    let data = r#"{"id": 123456789012345678901234567890, "x":1.0,"x":2}"#;
    let written = Template::Generic.body(&event("task.created", data));
    assert!(written.contains(&format!("\"data\":{data}")), "{written}");
    let body = body(Template::Generic, &example());
    assert_eq!(
        (&body["title"], &body["text"]),
        (&json!("payment.failed"), &json!("payment.failed: Card declined"))
    );
    let document = example().document();
    for field in FIELDS {
        assert_eq!(body["event"][field], document[field], "{field}");
    }
}

#[test]
fn a_headline_is_the_best_text_that_is_there() {
    let headline = |data: &str| Message::of(&event("a", data)).headline;
    assert_eq!(headline(r#"{"title":"t","message":"m"}"#).as_deref(), Some("m"));
    assert_eq!(headline(r#"{"title":" t\n","message":"  ","text":7}"#).as_deref(), Some("t"));
    for silent in ["{}", "[1]", "7", "null", r#"{"name":"x"}"#] {
        assert_eq!(headline(silent), None, "{silent}");
    }
    for template in Template::ALL {
        assert!(template.body(&event("a.b", "null")).contains("a.b"));
    }
}

#[test]
fn a_template_is_named_as_it_is_written() {
    for template in Template::ALL {
        assert_eq!(serde_json::to_value(template).unwrap(), template.as_str());
        assert_eq!(serde_json::from_value::<Template>(json!(template.as_str())).unwrap(), template);
    }
}

#[test]
fn hostile_text_is_shown_and_does_nothing() {
    let event = saying(HOSTILE);
    let slack = Template::Slack.body(&event);
    assert!(!slack.contains(['<', '>']) && slack.contains("&lt;!channel&gt; &lt;@U1&gt;"), "{slack}");
    let data = &body(Template::Slack, &event)["blocks"][2]["text"]["text"];
    assert_eq!(data.as_str().unwrap().matches("```").count(), 2, "the fence is whole: {data}");
    let discord = body(Template::Discord, &event);
    assert!(discord["content"].as_str().unwrap().contains(r"\[here\]\(https\://evil.example\) \:smile\:"));
    assert_eq!(discord["embeds"][0]["description"].as_str().unwrap().matches("```").count(), 2);
    for template in Template::ALL {
        let text = template.body(&event);
        let shown =
            if template == Template::Generic { text.split("\"event\"").next().unwrap() } else { &text };
        assert!(!shown.contains('\u{202e}') && !shown.contains("\\u0000\""), "{shown}");
    }
}

/// The most of everything that an event may have.
fn longest() -> Vec<Event> {
    ["x", "&", "`", "\"", "\\", "é", "字", "😀", "\n", "\0", "*"]
        .into_iter()
        .flat_map(|letter| {
            let text = letter.repeat(60_000);
            let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
            let entries: Vec<_> = (0..3_000).map(|n| json!({ letter: n })).collect();
            let mut event = saying(&text);
            event.event_type = "a".repeat(128).parse().unwrap();
            event.source = text.clone().into();
            event.user_id = "<".repeat(128).parse().ok();
            [event.data.as_str().to_owned(), deep, json!({"title": text, "entries": entries}).to_string()]
                .map(|data| Event { data: crate::event::Json::from_text(&data).unwrap(), ..event.clone() })
        })
        .collect()
}

#[test]
fn no_message_is_longer_than_its_receiver_takes() {
    for event in longest() {
        assert_within_limits(&event);
    }
}

fn assert_within_limits(event: &Event) {
    let slack = body(Template::Slack, event);
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(units(&slack["text"]) <= 4_000 && units(&blocks[0]["text"]["text"]) <= 150);
    let texts: Vec<_> =
        blocks.iter().flat_map(|block| [&block["text"]["text"], &block["elements"][0]["text"]]).collect();
    let lengths: Vec<_> = texts.into_iter().filter(|text| text.is_string()).map(units).collect();
    assert!(lengths.iter().all(|&length| (1..=3_000).contains(&length)), "{lengths:?}");
    assert!(lengths.iter().sum::<usize>() <= 6_500, "all blocks together fail from 13,000 on");

    let discord = body(Template::Discord, event);
    let embed = &discord["embeds"][0];
    assert!((1..=2_000).contains(&units(&discord["content"])) && units(&embed["description"]) <= 4_096);
    let fields =
        embed["fields"].as_array().unwrap().iter().flat_map(|field| [&field["name"], &field["value"]]);
    let fields: Vec<_> = fields.map(units).collect();
    assert!(fields.iter().all(|&length| (1..=256).contains(&length) || length <= 1_024));
    assert!(
        units(&embed["description"]) + units(&embed["footer"]["text"]) + fields.iter().sum::<usize>()
            <= 6_000
    );

    let teams = Template::Teams.body(event);
    assert!(teams.len() <= 21_000, "{} bytes", teams.len());
    assert!(units(&body(Template::Generic, event)["text"]) <= 4_000);
}

fn teams_lines(body: &Value) -> Vec<String> {
    let blocks = body["attachments"][0]["content"]["body"].as_array().unwrap();
    let line = |block: &Value| {
        assert_eq!(block["type"], "RichTextBlock");
        let runs = block["inlines"].as_array().unwrap();
        assert!(runs.iter().all(|run| run["type"] == "TextRun"), "anything else reads Markdown");
        runs.iter().map(|run| run["text"].as_str().unwrap()).collect()
    };
    blocks.iter().map(line).collect()
}

/// What a person reads in Slack.
fn read_in_slack(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What a person reads in Discord.
fn read_in_discord(text: &str) -> String {
    let (mut read, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        read.push(if letter == '\\' {
            letters.next().expect("a backslash stands before something")
        } else {
            letter
        });
    }
    read
}

proptest! {
    #[test]
    fn people_read_what_was_said(text in "[ -~é😀]{1,200}") {
        let said = text.trim();
        prop_assume!(!said.is_empty());
        let event = saying(&text);
        let slack = body(Template::Slack, &event);
        prop_assert_eq!(read_in_slack(slack["blocks"][1]["text"]["text"].as_str().unwrap()), said);
        let discord = body(Template::Discord, &event);
        prop_assert_eq!(read_in_discord(discord["content"].as_str().unwrap()), format!("**alert.raised** {said}"));
        prop_assert_eq!(&teams_lines(&body(Template::Teams, &event))[1], said);
    }

    #[test]
    fn any_event_makes_messages_within_the_limits(text: String, data in proptest::collection::vec("\\PC{0,40}", 0..5)) {
        let mut event = event("a.b", &json!({"text": text, "list": data}).to_string());
        event.source = text.into();
        assert_within_limits(&event);
    }
}
