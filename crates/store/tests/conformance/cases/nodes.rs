//! Nodes: each says again and again that it lives, and is forgotten only while it is silent.

use domain::NodeId;
use futures::future::join_all;
use store::Store;

use crate::make::Make;

/// How often `node` has said that it lives; `None` while nothing is known of it.
async fn beat_of(store: &dyn Store, node: NodeId) -> Option<i64> {
    let nodes = store.nodes().await.unwrap();
    nodes.iter().find(|(known, _)| *known == node).map(|&(_, beat)| beat)
}

pub(crate) async fn a_beat_counts_up(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (make.node(), make.node());
    assert_eq!(store.nodes().await.unwrap(), []);
    store.beat(one).await.unwrap();
    store.beat(other).await.unwrap();
    let before = beat_of(store, one).await.unwrap();
    let of_other = beat_of(store, other).await;
    store.beat(one).await.unwrap();
    assert_eq!(beat_of(store, one).await, Some(before + 1));
    assert_eq!(beat_of(store, other).await, of_other);
    assert_eq!(store.nodes().await.unwrap().len(), 2);
}

pub(crate) async fn no_beat_is_lost_among_many(store: &dyn Store) {
    let node = Make::new().node();
    store.beat(node).await.unwrap();
    let before = beat_of(store, node).await.unwrap();
    for beat in join_all((0..16).map(|_| store.beat(node))).await {
        beat.unwrap();
    }
    assert_eq!(beat_of(store, node).await, Some(before + 16));
}

pub(crate) async fn only_a_silent_node_is_forgotten(store: &dyn Store) {
    let make = &mut Make::new();
    let (node, other) = (make.node(), make.node());
    store.beat(node).await.unwrap();
    store.beat(other).await.unwrap();
    let seen = beat_of(store, node).await.unwrap();
    store.beat(node).await.unwrap();
    assert!(!store.forget_node(node, seen).await.unwrap(), "it has said since that it lives");
    assert!(store.forget_node(node, seen + 1).await.unwrap());
    assert!(!store.forget_node(node, seen + 1).await.unwrap(), "it is forgotten already");
    assert_eq!(beat_of(store, node).await, None);
    assert!(beat_of(store, other).await.is_some());
}
