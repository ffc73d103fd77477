//! A database that goes away and comes back.

use serde_json::json;

use crate::support::client::Answer;
use crate::support::database::Engine;
use crate::support::proxy::Proxy;
use crate::support::receiver::{Receiver, Reply};
use crate::support::sender::github;
use crate::support::until;
use crate::support::world::{GITHUB, World};

/// A server whose way to its database can be cut.
async fn behind_a_proxy() -> (World, Proxy) {
    let mut world = World::start(Engine::Postgres).await;
    let mut url = url::Url::parse(&world.home.database_url()).unwrap();
    let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let proxy = Proxy::start(upstream).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    world.program.kill().await;
    world.launch = world.launch.env("WAYSTATION_DATABASE_URL", url.as_str());
    world.program = world.launch.start().await;
    world.receiver = Receiver::start().await;
    (world, proxy)
}

fn assert_unavailable(answer: &Answer) {
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn without_its_store_it_accepts_nothing_and_recovers_by_itself_on_postgres() {
    let (mut world, mut proxy) = behind_a_proxy().await;
    world.subscribe(&json!({ "retry_policy": [2] })).await;
    world.receiver.then(Reply::Status(500));
    let owed = world.publish(&json!("before")).await;
    world.delivery_when(&owed, "retrying").await;
    assert_eq!(world.receiver.next().await.id(), owed);

    proxy.cut().await;
    let (client, admin) = (world.program.anyone(), world.admin());
    let event = json!({ "type": "task.created", "user_id": "alice", "data": {} });
    for _ in 0..2 {
        let (received, published, read, healthy, alive) = tokio::join!(
            client.send(github(GITHUB, "during", b"{}")),
            admin.post("/api/events", &event),
            admin.get("/api/events"),
            client.get("/health/ready"),
            client.get("/health/live"),
        );
        [received, published, read].iter().for_each(assert_unavailable);
        assert_eq!((healthy.status, alive.status), (503, 200));
    }
    assert!(world.receiver.rest().is_empty(), "what cannot be claimed is not sent");

    proxy.mend().await;
    until("events are accepted again", || async {
        let answer = client.send(github(GITHUB, "during", b"{}")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let mut delivered = vec![world.receiver.next().await.id().to_owned()];
    delivered.push(world.receiver.next().await.id().to_owned());
    assert!(delivered.contains(&owed), "{delivered:?}");
    assert_eq!(world.delivery_when(&owed, "success").await["attempt_count"], 2);
    assert_eq!(client.get("/health").await.status, 200);
}

#[tokio::test]
async fn what_was_delivered_while_the_store_was_away_is_written_down_later_on_postgres() {
    let (mut world, mut proxy) = behind_a_proxy().await;
    world.subscribe(&json!({ "timeout_seconds": 60 })).await;
    let go = world.receiver.then_when_told();
    let id = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
    proxy.cut().await;
    go.notify_one();
    assert_unavailable(&world.admin().get("/api/events").await);
    proxy.mend().await;
    until("it can be read again", || async {
        (world.admin().get("/api/events").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.delivery_when(&id, "success").await["attempt_count"], 1);
    assert!(world.receiver.rest().is_empty(), "nothing is sent twice");
}
