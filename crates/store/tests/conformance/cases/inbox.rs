//! The inbox: what a step writes is written whole, and lists run from what is latest.

use std::sync::Arc;

use domain::conversation::Chat;
use domain::email::{Content, Email, Told, What};
use domain::{ConversationId, Event};
use futures::future::join_all;
use store::{
    Called, InboxStep, Latest, NewEvent, Page, Position, Store, StoredConversation, StoredEmail,
    StoredMessage, is_for_inbox,
};

use super::tasks::{KIND, claim};
use crate::make::{Make, at, user};
use crate::steps::keep;

/// Writes them as a step, which must be taken.
async fn kept(store: &dyn Store, conversations: &[StoredConversation], messages: &[StoredMessage]) {
    assert!(store.keep_inbox(&step(conversations, messages)).await.unwrap());
}

fn step(conversations: &[StoredConversation], messages: &[StoredMessage]) -> InboxStep {
    InboxStep { conversations: conversations.to_vec(), messages: messages.to_vec(), ..InboxStep::default() }
}

/// As it is there after it has been written once more.
fn written(stored: &StoredConversation) -> StoredConversation {
    StoredConversation { revision: stored.revision + 1, ..stored.clone() }
}

fn written_message(stored: &StoredMessage) -> StoredMessage {
    StoredMessage { revision: stored.revision + 1, ..stored.clone() }
}

pub(crate) async fn a_conversation_and_a_message_come_back_as_they_were_written(store: &dyn Store) {
    let make = &mut Make::new();
    let mut conversation = make.conversation(at(1));
    let mut message = make.message(&mut conversation, at(2));
    let inner = &mut conversation.conversation;
    inner.usecase = Some("support".to_owned());
    inner.config.callback_url = Some("https://example.com/".to_owned());
    inner.source = Some(Chat {
        provider: "unipile".to_owned(),
        account_id: "acc".to_owned(),
        chat_id: "chat".to_owned(),
    });
    message.message.provider_id = Some("mé1".to_owned());
    message.message.content = Some("a \u{0} b".to_owned());
    kept(store, std::slice::from_ref(&conversation), std::slice::from_ref(&message)).await;
    let (id, message_id) = (conversation.conversation.id, message.message.id);
    assert_eq!(store.conversation(id).await.unwrap(), Some(written(&conversation)));
    assert_eq!(store.message(message_id).await.unwrap(), Some(written_message(&message)));
    let called = store.message_called(id, "mé1").await.unwrap();
    assert_eq!(called, Some(written_message(&message)));
    assert_eq!(store.message_called(id, "m").await.unwrap(), None);
    assert_eq!(store.conversation(make.conversation(at(1)).conversation.id).await.unwrap(), None);

    let (mut conversation, mut message) = (written(&conversation), written_message(&message));
    conversation.conversation.mark_read(at(9));
    message.message.read_at = Some(at(9));
    kept(store, std::slice::from_ref(&conversation), std::slice::from_ref(&message)).await;
    assert_eq!(store.conversation(id).await.unwrap(), Some(written(&conversation)));
    assert_eq!(store.message(message_id).await.unwrap(), Some(written_message(&message)));
}

pub(crate) async fn a_step_is_written_whole_or_not_at_all(store: &dyn Store) {
    let make = &mut Make::new();
    let mut first = make.conversation(at(1));
    let message = make.message(&mut first, at(1));
    kept(store, std::slice::from_ref(&first), std::slice::from_ref(&message)).await;
    let second = make.conversation(at(2));
    let moved = |from, to| Some((Position(from), Position(to)));
    for (moved, conversations, messages) in [
        (None, vec![second.clone(), first.clone()], vec![]),
        (None, vec![second.clone()], vec![message.clone()]),
        (None, vec![second.clone(), StoredConversation { revision: 7, ..first.clone() }], vec![]),
        (moved(5, 6), vec![second.clone()], vec![]),
    ] {
        let called = vec![Called { kind: KIND.to_owned(), subject: "x".to_owned(), at: at(1) }];
        let step = InboxStep { moved, conversations, messages, called, ..InboxStep::default() };
        assert!(!store.keep_inbox(&step).await.unwrap());
        assert_eq!(store.conversation(second.conversation.id).await.unwrap(), None);
    }
    assert_eq!(store.inbox_position().await.unwrap(), Position::START);
    assert_eq!(store.next_task_at(KIND).await.unwrap(), None);
    let step = InboxStep { moved: moved(0, 6), ..step(std::slice::from_ref(&second), &[]) };
    assert!(store.keep_inbox(&step).await.unwrap());
    assert_eq!(store.inbox_position().await.unwrap(), Position(6));
}

pub(crate) async fn a_message_has_its_providers_id_once(store: &dyn Store) {
    let make = &mut Make::new();
    let (mut one, mut other) = (make.conversation(at(1)), make.conversation(at(1)));
    let mut messages =
        [make.message(&mut one, at(1)), make.message(&mut one, at(2)), make.message(&mut other, at(1))];
    for message in &mut messages {
        message.message.provider_id = Some("m1".to_owned());
    }
    let [first, again, elsewhere] = messages;
    kept(store, &[one, other], &[first.clone(), elsewhere]).await;
    assert!(!store.keep_inbox(&step(&[], std::slice::from_ref(&again))).await.unwrap());
    assert_eq!(store.message(again.message.id).await.unwrap(), None);
}

pub(crate) async fn what_is_called_for_comes_with_the_step(store: &dyn Store) {
    let called = |at| vec![Called { kind: KIND.to_owned(), subject: "msg".to_owned(), at }];
    let step = |at| InboxStep { called: called(at), ..InboxStep::default() };
    assert!(store.keep_inbox(&step(at(5))).await.unwrap());
    let claimed = claim(store, 10, at(5)).await.remove(0);
    assert_eq!(claimed.subject, "msg");
    // Whoever does it is not disturbed, and it is done once more.
    assert!(store.keep_inbox(&step(at(6))).await.unwrap());
    assert_eq!(claim(store, 10, at(6)).await, []);
    assert!(store.keep_task(&claimed, at(50), "half done").await.unwrap());
    assert!(store.settle_task(&claimed, at(90), "done").await.unwrap());
    let again = claim(store, 10, at(6)).await.remove(0);
    assert_eq!(again.memory, "done");
    assert!(store.settle_task(&again, at(90), "").await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(90)));
}

pub(crate) async fn conversations_are_listed_from_the_latest_message(store: &dyn Store) {
    let make = &mut Make::new();
    let mut all: Vec<_> = (1..=5).map(|second| make.conversation(at(second))).collect();
    all[4].conversation.user_id = user("bob");
    let said = [3, 7, 7, 0, 9];
    let mut messages = Vec::new();
    for (conversation, second) in all.iter_mut().zip(said).filter(|(_, second)| *second > 0) {
        messages.push(make.message(conversation, at(second)));
    }
    kept(store, &all, &messages).await;
    let mut expected: Vec<_> = all.iter().map(written).collect();
    expected.sort_by_key(|stored| std::cmp::Reverse(stored.place()));
    assert_eq!(expected.last().unwrap().conversation.last_message_at, None);
    assert_eq!(store.conversations(None, &Page::first(10)).await.unwrap(), expected);
    let alices = expected[1..].to_vec();
    let alice = user("alice");
    let mut walked: Vec<StoredConversation> = Vec::new();
    let mut page: Page<Latest<ConversationId>> = Page::first(1);
    while let [next] = &store.conversations(Some(&alice), &page).await.unwrap()[..] {
        page.before = Some(next.place().to_string().parse().unwrap());
        walked.push(next.clone());
    }
    assert_eq!(walked, alices);
}

pub(crate) async fn messages_that_have_come_in_are_listed_from_the_latest(store: &dyn Store) {
    let make = &mut Make::new();
    let (mut one, mut other) = (make.conversation(at(1)), make.conversation(at(1)));
    let mut messages: Vec<_> = [5, 9, 5, 2].map(|second| make.message(&mut one, at(second))).into();
    let mut unknown = make.message(&mut one, at(7));
    unknown.message.is_known = false;
    let elsewhere = make.message(&mut other, at(7));
    let all = [messages.clone(), vec![unknown, elsewhere]].concat();
    kept(store, &[one.clone(), other], &all).await;
    messages.sort_by_key(|stored| std::cmp::Reverse(stored.place()));
    let expected: Vec<_> = messages.iter().map(written_message).collect();
    let id = one.conversation.id;
    assert_eq!(store.messages(id, &Page::first(10)).await.unwrap(), expected);
    let page = Page { before: Some(expected[1].place()), limit: 1 };
    assert_eq!(store.messages(id, &page).await.unwrap(), expected[2..3]);
}

pub(crate) async fn what_waits_to_be_sent_is_found(store: &dyn Store) {
    let make = &mut Make::new();
    let mut conversation = make.conversation(at(1));
    let mut messages: Vec<_> = (1..=4).map(|second| make.message(&mut conversation, at(second))).collect();
    for message in &mut messages[..3] {
        message.message.is_sending = true;
    }
    kept(store, std::slice::from_ref(&conversation), &messages).await;
    let id = conversation.conversation.id;
    let expected: Vec<_> = messages[..2].iter().map(written_message).collect();
    assert_eq!(store.sending_messages(id, 2).await.unwrap(), expected);
    let mut sent = written_message(&messages[0]);
    sent.message.is_sending = false;
    kept(store, &[], &[sent]).await;
    assert_eq!(store.sending_messages(id, 10).await.unwrap().len(), 2);
}

pub(crate) async fn the_inbox_follows_what_it_is_about_and_nothing_else(store: &dyn Store) {
    let make = &mut Make::new();
    let types = [
        ("unipile.message_received", true),
        ("unipile.mail_received", true),
        ("unipile.new_relation", false),
        ("unipile.account_status", false),
        ("slack.message", true),
        ("slack.messages", true),
        ("slack.reaction_added", true),
        ("slack.app_mention", false),
        ("message.new", true),
        ("message.send", true),
        ("messages.new", false),
        ("email.received", true),
        ("emails", false),
        ("read.mark", true),
        ("read.marks", false),
        ("gmail.notification", false),
    ];
    let of_type = |(event_type, _): (&str, bool)| {
        let event = Event { event_type: event_type.parse().unwrap(), ..make.event(at(1)) };
        NewEvent { event: Arc::new(event), dedupe_key: None, deliveries: Vec::new() }
    };
    keep(store, types.map(of_type).into()).await;
    let followed = store.read_inbox_log(Position::START, 100).await.unwrap();
    let names: Vec<_> = followed.iter().map(|logged| logged.event.event_type.as_str()).collect();
    let expected: Vec<_> =
        types.iter().filter(|(_, is_followed)| *is_followed).map(|(name, _)| *name).collect();
    assert_eq!(names, expected);
    for (event_type, is_followed) in types {
        assert_eq!(is_for_inbox(&event_type.parse().unwrap()), is_followed, "{event_type}");
    }
    let rest = store.read_inbox_log(followed[1].position, 3).await.unwrap();
    assert_eq!(rest, followed[2..5]);
}

pub(crate) async fn of_eight_steps_at_once_one_is_taken(store: &dyn Store) {
    let make = &mut Make::new();
    let conversation = make.conversation(at(1));
    kept(store, std::slice::from_ref(&conversation), &[]).await;
    let conversation = written(&conversation);
    let moved = Some((Position::START, Position(1)));
    let follow = InboxStep { moved, ..InboxStep::default() };
    let write = step(&[conversation], &[]);
    for step in [&follow, &write] {
        let taken = join_all((0..8).map(|_| store.keep_inbox(step))).await;
        assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    }
}

/// An e-mail that came in at `second`.
fn email(of: &str, message_id: &str, thread_id: &str, second: i64) -> StoredEmail {
    let told = Told {
        what: What::Sent,
        at: at(second),
        mailbox: None,
        message_id: message_id.to_owned(),
        thread_id: None,
        in_reply_to: None,
        content: Content { subject: Some("Ü \u{0}".to_owned()), ..Content::default() },
    };
    StoredEmail { email: Email::new(user(of), thread_id.to_owned(), &told), revision: 0 }
}

pub(crate) async fn emails_are_written_found_and_listed(store: &dyn Store) {
    let all = [
        email("alice", "m1", "t1", 1),
        email("alice", "m2", "t2", 3),
        email("alice", "m3", "t1", 2),
        email("bob", "m1", "t1", 4),
    ];
    let step = InboxStep { emails: all.to_vec(), ..InboxStep::default() };
    assert!(store.keep_inbox(&step).await.unwrap());
    assert!(!store.keep_inbox(&step).await.unwrap(), "they are there already");
    let written = |stored: &StoredEmail| StoredEmail { revision: stored.revision + 1, ..stored.clone() };
    assert_eq!(store.email(all[0].email.id).await.unwrap(), Some(written(&all[0])));
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(store.email_called(&bob, "m1").await.unwrap(), Some(written(&all[3])));
    assert_eq!(store.email_called(&bob, "m2").await.unwrap(), None);
    let listed = async |user, thread, page: Page<_>| {
        let found = store.emails(user, thread, &page).await.unwrap();
        found.into_iter().map(|stored| stored.email.provider_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None, Page::first(9)).await, ["m1", "m2", "m3", "m1"]);
    assert_eq!(listed(Some(&alice), None, Page::first(2)).await, ["m2", "m3"]);
    let before = Some(all[2].place());
    assert_eq!(listed(Some(&alice), None, Page { before, limit: 9 }).await, ["m1"]);
    assert_eq!(listed(Some(&alice), Some("t1"), Page::first(9)).await, ["m3", "m1"]);

    let mut moved = written(&all[0]);
    (moved.email.thread_id, moved.email.deleted_at) = ("t2".to_owned(), Some(at(9)));
    let step = InboxStep { emails: vec![moved.clone()], ..InboxStep::default() };
    assert!(store.keep_inbox(&step).await.unwrap() && !store.keep_inbox(&step).await.unwrap());
    assert_eq!(store.email(moved.email.id).await.unwrap(), Some(written(&moved)));
    assert_eq!(listed(Some(&alice), Some("t2"), Page::first(9)).await, ["m2", "m1"]);
}
