use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + second)
}

fn conversation() -> Conversation {
    let user: UserId = "alice".parse().unwrap();
    let chat = Chat { provider: "unipile".into(), account_id: "acc_1".into(), chat_id: "chat_1".into() };
    let id = chat.conversation_id(&user);
    Conversation { source: Some(chat), ..Conversation::new(id, user, "WHATSAPP".into(), at(0)) }
}

fn arrival(content: &str, is_own: bool) -> What {
    What::Arrived(Box::new(Arrival {
        content: content.into(),
        content_type: ContentType::Text,
        filename: None,
        kind: Kind::UserInput,
        metadata: json!({ "n": 1 }),
        is_own,
        is_sending: false,
    }))
}

fn change(what: What, second: i64) -> Change {
    Change { what, by: "bob".into(), at: at(second), kept_at: at(second + 1_000) }
}

/// What becomes of a conversation in which such things are told of its messages, in this order.
fn told(changes: &[(usize, Change)]) -> (Conversation, Vec<Message>, Vec<News>) {
    let mut conversation = conversation();
    let mut messages: Vec<Message> = (0..3)
        .map(|n| {
            let provider_id = format!("m{n}");
            let id = conversation.message_id(&provider_id);
            Message::unknown(id, conversation.id, &conversation.channel, Some(provider_id))
        })
        .collect();
    let mut news = Vec::new();
    for (index, change) in changes {
        news.extend(apply(&mut conversation, &mut messages[*index], change));
    }
    (conversation, messages, news)
}

fn any_what() -> impl Strategy<Value = What> {
    let reacted = (prop::sample::select(vec!["", "👍", "❤"]), any::<bool>());
    prop_oneof![
        prop::sample::select(vec!["a", "b", "c"])
            .prop_map(|content| What::Edited { content: content.into() }),
        Just(What::Deleted),
        reacted.prop_map(|(emoji, is_gone)| What::Reacted { emoji: emoji.into(), is_gone }),
        Just(What::Delivered),
        Just(What::Read),
        prop::sample::select(vec![Status::Received, Status::Processed, Status::Failed])
            .prop_map(What::Processed),
    ]
}

/// What is told, each of one of the messages.
type Tale = Vec<(usize, Change)>;

/// Whatever may be told of three messages, of which each arrives once, and the same in another order.
fn any_order() -> impl Strategy<Value = (Tale, Tale)> {
    let by = prop::sample::select(vec!["bob", "carol"]);
    let happened = (0..3_usize, any_what(), 0..6_i64, 0..6_i64, by);
    let happened = happened.prop_map(|(index, what, second, kept, by)| {
        (index, Change { what, by: by.into(), at: at(second), kept_at: at(kept) })
    });
    let arrivals = (prop::collection::vec(any::<bool>(), 3), prop::collection::vec(0..6_i64, 3));
    (arrivals, prop::collection::vec(happened, 0..12)).prop_flat_map(|((own, times), mut changes)| {
        let arrived = own.iter().zip(times).enumerate();
        changes.extend(
            arrived.map(|(index, (&is_own, second))| (index, change(arrival("as it came", is_own), second))),
        );
        (Just(changes.clone()), Just(changes).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn any_order_of_the_same_changes_ends_in_the_same((changes, shuffled) in any_order()) {
        let (first, second) = (told(&changes), told(&shuffled));
        prop_assert_eq!(&first.0, &second.0);
        prop_assert_eq!(&first.1, &second.1);
    }

    #[test]
    fn what_is_told_again_changes_nothing((changes, again) in any_order()) {
        let once = told(&changes);
        let twice = told(&[changes, again].concat());
        prop_assert_eq!((&once.0, &once.1), (&twice.0, &twice.1));
    }

    #[test]
    fn the_unread_are_those_of_others_that_nobody_has_read((changes, _) in any_order()) {
        let (conversation, messages, _) = told(&changes);
        let unread = messages.iter().filter(|message| message.is_unread()).count();
        prop_assert_eq!(conversation.unread_count as usize, unread);
        let last = messages.iter().map(|message| message.occurred_at).max();
        prop_assert_eq!(conversation.last_message_at, last);
    }

    #[test]
    fn each_message_is_new_at_most_once_and_what_was_taken_back_says_nothing((changes, _) in any_order()) {
        let (_, messages, news) = told(&changes);
        let new = news.iter().filter(|&&news| news == News::New).count();
        prop_assert!(new <= 3);
        for message in messages.iter().filter(|message| message.deleted_at.is_some()) {
            prop_assert_eq!((&message.content, &message.filename), (&None, &None));
        }
    }
}

#[test]
fn what_has_been_seen_counts_no_more_and_what_comes_late_was_seen_too() {
    let mut conversation = conversation();
    let add = |conversation: &mut Conversation, name: &str, second| {
        let id = conversation.message_id(name);
        let mut message = Message::unknown(id, conversation.id, "WHATSAPP", Some(name.into()));
        apply(conversation, &mut message, &change(arrival("Hi", false), second));
        message
    };
    let mut first = add(&mut conversation, "m1", 10);
    add(&mut conversation, "m2", 20);
    assert_eq!((conversation.unread_count, conversation.last_message_at), (2, Some(at(20))));
    assert!(conversation.mark_read(at(30)) && !conversation.mark_read(at(31)));
    add(&mut conversation, "late", 15);
    assert_eq!(conversation.unread_count, 0);
    add(&mut conversation, "m3", 25);
    assert_eq!(conversation.unread_count, 1);
    assert_eq!(apply(&mut conversation, &mut first, &change(What::Read, 40)), [News::Read]);
    assert_eq!(conversation.unread_count, 1, "it was not counted any more");
}

#[test]
fn the_news_are_what_has_changed() {
    let changes = |what: Vec<What>| -> Vec<(usize, Change)> {
        what.into_iter().zip(1..).map(|(what, second)| (0, change(what, second))).collect()
    };
    let arrived = || arrival("Hi", false);
    let edited = || What::Edited { content: "Ho".into() };
    let news = |what| told(&changes(what)).2;
    assert_eq!(news(vec![edited(), What::Read, arrived()]), [News::New]);
    assert_eq!(
        news(vec![arrived(), arrived(), edited(), What::Read, What::Read]),
        [News::New, News::Edited, News::Read]
    );
    assert_eq!(news(vec![What::Deleted, arrived(), edited()]), []);
    assert_eq!(news(vec![arrived(), What::Deleted, What::Delivered]), [News::New, News::Deleted]);
    let like = |is_gone| What::Reacted { emoji: "👍".into(), is_gone };
    assert_eq!(
        news(vec![arrived(), like(false), like(false), like(true)]),
        [News::New, News::Reaction, News::Reaction]
    );
    let processed = || What::Processed(Status::Processed);
    assert_eq!(news(vec![arrived(), processed(), processed()]), [News::New, News::Processed]);
}

#[test]
fn a_message_is_written_and_read_to_the_microsecond() {
    let kept_at = Timestamp::from_micros(1_700_000_000_123_456);
    let mut change = change(arrival("Hi", false), 1);
    change.kept_at = kept_at;
    let (conversation, messages, _) = told(&[(0, change)]);
    let text = serde_json::to_string(&(&conversation, &messages[0])).unwrap();
    let read: (Conversation, Message) = serde_json::from_str(&text).unwrap();
    assert_eq!(read, (conversation, messages[0].clone()));
    let shown = serde_json::to_value(messages[0].shown()).unwrap();
    assert_eq!(
        (&shown["created_at"], &shown["type"]),
        (&json!("2023-11-14T22:13:20.123Z"), &json!("USER_INPUT"))
    );
}
