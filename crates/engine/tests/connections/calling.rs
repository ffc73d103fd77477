//! Calls in a user's name go out with a token that is good, or not at all.

use std::time::Duration;

use domain::ConnectionId;
use domain::connection::{Granted, State};
use engine::Engine;
use engine::connections::{NewConnection, NotCalled, Tokens};
use providers::api::{CallFailure, Token};
use providers::connectable;
use sandbox::{Fault, Pair};

use crate::world::World;

/// Asks GitHub who the user of a connection is.
async fn who(node: &Engine, id: ConnectionId) -> Result<String, NotCalled> {
    let github = connectable("github").unwrap();
    let ask = |settings: &_, token: &_| github.ask_identity(settings, token).unwrap();
    node.connections.call_for(id, 10_000, ask, |answer, now| github.read_identity(answer, now)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_good_is_used_as_it_is() {
    let world = World::start().await;
    let node = world.node().await;
    let expires_at = world.now().plus(Duration::from_secs(60));
    let id = world.connect(&node.connections, "github", "octo", expires_at).await;
    assert_eq!(who(&node, id).await.unwrap(), "octo");
    assert!(world.sandbox.world().refreshes("github").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_expired_or_is_refused_is_refreshed_first() {
    let world = World::start().await;
    let node = world.node().await;
    let in_an_hour = world.now().plus(Duration::from_secs(3_600));
    let expired = world.connect(&node.connections, "github", "expired", in_an_hour).await;
    world.pass(3_600);
    assert_eq!(who(&node, expired).await.unwrap(), "expired");

    let Pair { refresh, .. } = world.sandbox.world().grant("github", "refused");
    let pair = Pair { access: "ghu_of_somebody_else".to_owned(), refresh };
    let refused = world.connect_pair(
        &node.connections,
        "github",
        "refused",
        pair,
        world.now().plus(Duration::from_secs(9_999)),
    );
    let refused = refused.await;
    assert_eq!(who(&node, refused).await.unwrap(), "refused");
    assert_eq!(who(&node, refused).await.unwrap(), "refused");
    let refreshes = world.sandbox.world().refreshes("github");
    assert_eq!((refreshes["expired"], refreshes["refused"]), (1, 1));
    assert_eq!(world.connection(refused).await.connection.state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_finds_out_that_the_grant_is_dead() {
    let world = World::start().await;
    let node = world.node().await;
    let in_an_hour = world.now().plus(Duration::from_secs(3_600));
    let id = world.connect(&node.connections, "github", "octo", in_an_hour).await;
    world.sandbox.world().revoke("github", "octo");
    assert!(matches!(who(&node, id).await, Err(NotCalled::NotInUse)));
    assert_eq!(world.connection(id).await.connection.state, State::NeedsReauth);

    // The same where there is nothing to refresh it with.
    let token = world.sandbox.world().grant("github", "for ever").access;
    let new = NewConnection {
        user_id: "alice".parse().unwrap(),
        provider: connectable("github").unwrap(),
        account_id: None,
        tokens: Tokens { access_token: Some(Token::new(token)), refresh_token: None },
        granted: Granted::default(),
        settings: None,
    };
    let id = node.connections.connect(new).await.unwrap().connection.id;
    assert_eq!(who(&node, id).await.unwrap(), "for ever");
    world.sandbox.world().revoke("github", "for ever");
    assert!(matches!(who(&node, id).await, Err(NotCalled::NotInUse)));
    assert_eq!(world.events("connection.needs_reauth").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_good_token_nothing_is_called() {
    let world = World::start().await;
    let node = world.node().await;
    let in_an_hour = world.now().plus(Duration::from_secs(3_600));
    let id = world.connect(&node.connections, "github", "octo", in_an_hour).await;
    world.pass(3_600);
    world.sandbox.world().fail_next("github", Fault::Status(503));
    let failed = who(&node, id).await;
    assert!(matches!(failed, Err(NotCalled::Failed(CallFailure::Passing { .. }))), "{failed:?}");
    assert!(who(&node, id).await.is_err());
    assert_eq!(world.sandbox.world().token_calls("github"), 1, "the next refresh waits for its time");
    world.pass(60);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(who(&node, id).await.unwrap(), "octo");
    node.connections.disconnect(&world.connection(id).await).await.unwrap();
    assert!(matches!(who(&node, id).await, Err(NotCalled::Gone)));
}
