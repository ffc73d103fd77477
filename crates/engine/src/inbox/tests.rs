use std::time::Duration;

use domain::alert::Rules;
use domain::conversation::{ContentType, Kind};
use serde_json::json;
use store::{Logged, Page, StoredMessage};

use super::work::Work;
use super::*;
use crate::connections::Care;
use crate::testing::Parts;

/// Two nodes over one store, and what writes their log.
struct Nodes {
    store: Arc<dyn Store>,
    one: Inbox,
    other: Inbox,
    _supervisor: Supervisor,
}

async fn nodes() -> Nodes {
    let parts = Parts::new(Rules::default(), &[]).await;
    let (log, committer) = Log::new(&parts.shared, parts.deliverer);
    parts.shared.supervisor.spawn(async move { committer.run().await });
    let care = Care {
        refresh_every: Duration::ZERO,
        refresh_ahead: Duration::ZERO,
        poll_every: std::collections::HashMap::new(),
    };
    let connections = Arc::new(Connections::new(&parts.shared, log.clone(), care));
    // Neither hears of the other's events.
    let inbox = || {
        let shared = Shared { advance: Advance::default(), ..parts.shared.clone() };
        Inbox::new(&shared, Arc::clone(&connections), log.clone())
    };
    let (one, other) = (inbox(), inbox());
    Nodes { store: parts.store, one, other, _supervisor: parts.shared.supervisor }
}

impl Nodes {
    /// Unipile tells of a message.
    async fn told(&self, kind: &str, message: &str) {
        let at = Timestamp::from_seconds(1_700_000_000);
        let data = json!({
            "account_id": "acc", "account_type": "WHATSAPP", "chat_id": "chat", "message_id": message,
            "message": "Hi", "sender": { "attendee_provider_id": "bob" },
        });
        let event = Event {
            id: EventId::new(at, &mut chance::rng()),
            event_type: EventType::from_words(["unipile", kind]),
            user_id: Some("alice".parse().unwrap()),
            source: "unipile".into(),
            provider: Some("unipile".into()),
            occurred_at: at,
            received_at: at,
            data: Json::trusted(data.to_string()),
            raw: None,
        };
        self.one.keep_events(vec![(Arc::new(event), None)]).await.unwrap();
    }

    async fn followed(&self) {
        while self.one.follow_on().await.unwrap() {}
    }

    async fn events(&self, event_type: &str) -> Vec<Logged> {
        let mut events = self.store.read_log(Position::START, 1_000).await.unwrap();
        events.retain(|logged| logged.event.event_type.as_str() == event_type);
        events
    }

    async fn conversation(&self) -> StoredConversation {
        let mut all = self.store.conversations(None, &Page::first(10)).await.unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn messages(&self) -> Vec<StoredMessage> {
        let id = self.conversation().await.conversation.id;
        self.store.messages(id, &Page::first(100)).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_told_but_not_written_when_the_program_ended_is_told_once() {
    let nodes = nodes().await;
    nodes.told("message_received", "m1").await;
    nodes.told("message_read", "m1").await;
    // As far as it comes before it ends.
    let mut work = Work::new(nodes.store.as_ref());
    for logged in nodes.store.read_inbox_log(Position::START, 10).await.unwrap() {
        work.take(&logged.event).await.unwrap();
    }
    nodes.one.tell(work.tellings).await.unwrap();
    assert_eq!(nodes.store.conversations(None, &Page::first(10)).await.unwrap(), []);

    nodes.followed().await;
    let (new, read) = (nodes.events("message.new").await, nodes.events("message.read").await);
    assert_eq!((new.len(), read.len()), (1, 1));
    let [message] = &nodes.messages().await[..] else { panic!("one message") };
    assert!(new[0].event.data.as_str().contains(&message.message.id.to_string()));
    assert_eq!(nodes.conversation().await.conversation.unread_count, 0);
}

#[tokio::test]
async fn of_two_nodes_that_are_after_the_same_each_event_counts_once() {
    let nodes = nodes().await;
    for n in 0..200 {
        nodes.told("message_received", &format!("m{n}")).await;
    }
    let follow = async |inbox: &Inbox| while inbox.follow_on().await.unwrap() {};
    tokio::join!(follow(&nodes.one), follow(&nodes.other));
    assert_eq!(nodes.events("message.new").await.len(), 200);
    assert_eq!(nodes.conversation().await.conversation.unread_count, 200);
}

#[tokio::test]
async fn an_answer_whose_event_alone_was_kept_is_said_and_sent_all_the_same() {
    let nodes = nodes().await;
    nodes.told("message_received", "m1").await;
    nodes.followed().await;
    let conversation = nodes.conversation().await;
    let post = || Post {
        content: "Good evening".to_owned(),
        content_type: ContentType::Text,
        filename: None,
        kind: Kind::UserInput,
        metadata: json!({}),
        key: Some("k".to_owned()),
    };
    let posted = nodes.one.post(&conversation, post(), "alice".to_owned()).await.unwrap();
    assert!(posted.is_sending && posted.is_own);

    // The same log over a store that was not written: another's inbox of the same events.
    let others = self::nodes().await;
    others.told("message_received", "m1").await;
    others.followed().await;
    let event = nodes.events("message.new").await.pop().unwrap().event;
    others.one.keep_events(vec![(event, None)]).await.unwrap();
    others.followed().await;
    let messages = others.messages().await;
    let recovered = messages.iter().find(|stored| stored.message.id == posted.id).unwrap();
    assert_eq!(recovered.message, posted);
    let due = others.store.next_task_at(super::send::SEND).await.unwrap();
    assert_eq!(due, Some(posted.created_at));
    let again = others.one.post(&conversation, post(), "alice".to_owned()).await.unwrap();
    assert_eq!(again.id, posted.id, "under its key it is the first");
    assert_eq!(others.events("message.new").await.len(), 2);
}

#[tokio::test]
async fn what_the_store_never_takes_holds_nothing_up() {
    let nodes = nodes().await;
    let at = Timestamp::from_seconds(1_700_000_000);
    let nonsense = |event_type: &str, data: &str| Event {
        id: EventId::new(at.plus(Duration::from_secs(1)), &mut chance::rng()),
        event_type: event_type.parse().unwrap(),
        user_id: Some("alice".parse().unwrap()),
        source: SOURCE.into(),
        provider: None,
        occurred_at: at,
        received_at: at,
        data: Json::from_text(data).unwrap(),
        raw: None,
    };
    for (event_type, data) in [
        ("message.new", "[]"),
        ("message.new", r#"{"message":{}}"#),
        ("message.sent", "7"),
        ("read.mark", r#"{"conversation_id":7}"#),
        ("read.mark", r#"{"conversation_id":"cnv_00000000000000000000000000000000"}"#),
        ("email.received", r#"{"message_id":[]}"#),
    ] {
        nodes.one.keep_events(vec![(Arc::new(nonsense(event_type, data)), None)]).await.unwrap();
    }
    nodes.told("message_received", "m1").await;
    nodes.followed().await;
    assert_eq!(nodes.messages().await.len(), 1);
}
