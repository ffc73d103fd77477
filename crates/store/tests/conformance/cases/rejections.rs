//! What was refused: kept for a while, and never without end.

use store::{Page, REJECTIONS_PER_CALL_MAX, Rejection, Store};

use crate::make::{Make, at};

async fn all(store: &dyn Store) -> Vec<Rejection> {
    store.rejections(&Page::first(1_000)).await.unwrap()
}

/// As many as there are seconds, the oldest first.
async fn kept(store: &dyn Store, seconds: i64) -> Vec<Rejection> {
    let make = &mut Make::new();
    let rejections: Vec<_> = (0..seconds).map(|second| make.rejection(at(second))).collect();
    store.keep_rejections(&rejections).await.unwrap();
    rejections
}

pub(crate) async fn a_rejection_comes_back_as_it_was_written(store: &dyn Store) {
    let make = &mut Make::new();
    let odd = Rejection {
        source: None,
        detail: "“ß” 'quoted'".to_owned(),
        body: vec![0, 255, 13, 10, 39],
        ..make.rejection(at(1))
    };
    let empty = Rejection { route: String::new(), body: Vec::new(), ..make.rejection(at(2)) };
    store.keep_rejections(&[odd.clone(), empty.clone()]).await.unwrap();
    store.keep_rejections(&[]).await.unwrap();
    assert_eq!(all(store).await, [empty, odd]);
}

pub(crate) async fn rejections_are_listed_from_the_newest(store: &dyn Store) {
    let rejections = kept(store, 5).await;
    assert!(all(store).await.iter().eq(rejections.iter().rev()));
    let page = Page { before: Some(rejections[3].id), limit: 2 };
    assert_eq!(store.rejections(&page).await.unwrap(), [rejections[2].clone(), rejections[1].clone()]);
}

pub(crate) async fn the_oldest_rejections_go_by_age_and_by_number(store: &dyn Store) {
    let rejections = kept(store, 10).await;
    assert_eq!(store.forget_rejections(at(0), 10).await.unwrap(), 0, "none is older, and ten may stay");
    assert_eq!(store.forget_rejections(at(2), 100).await.unwrap(), 2);
    assert!(all(store).await.iter().eq(rejections[2..].iter().rev()));
    assert_eq!(store.forget_rejections(at(0), 5).await.unwrap(), 3);
    assert!(all(store).await.iter().eq(rejections[5..].iter().rev()));
    assert_eq!(store.forget_rejections(at(8), 4).await.unwrap(), 3, "whichever is the narrower");
    assert!(all(store).await.iter().eq(rejections[8..].iter().rev()));
    assert_eq!(store.forget_rejections(at(0), 0).await.unwrap(), 2);
    assert_eq!(all(store).await, []);
}

pub(crate) async fn too_many_rejections_at_once_are_none(store: &dyn Store) {
    let make = &mut Make::new();
    let mut many: Vec<_> = (0..=REJECTIONS_PER_CALL_MAX).map(|_| make.rejection(at(1))).collect();
    assert!(store.keep_rejections(&many).await.is_err());
    assert_eq!(all(store).await, []);
    many.pop();
    store.keep_rejections(&many).await.unwrap();
    assert_eq!(all(store).await.len(), REJECTIONS_PER_CALL_MAX);
}
