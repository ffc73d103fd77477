//! Who wants an event for what it holds: filters are asked, and ordering keys read, before the event is committed.
//!
//! One filter can take a tenth of a second over one event, and reading a large document takes as long; the commit is
//! everybody's. So nothing looks into an event there. What takes a moment is done at once, in the task of whoever
//! brings the event. What takes longer is done in turns that users share, and only their own events wait for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use domain::filter::Filter;
use domain::limits::FILTER_STEPS_MAX;
use domain::order::OrderingKey;
use domain::{Event, SubscriptionId, UserId};
use futures::future::{self, Either};
use serde_json::Value;
use store::RoutesVersion;

use crate::limits::{
    MATCHED_AT_ONCE_BYTES_MAX, MATCHED_AT_ONCE_STEPS, MATCHING_STEPS_MAX, MATCHING_WAIT_MAX,
};
use crate::routes::{Route, RouteTable, Routes};
use crate::turns::Turns;

/// Asks those who look into events.
#[derive(Debug, Clone)]
pub struct Matching {
    routes: Arc<RouteTable>,
    turns: Arc<Turns>,
}

/// What one who looks into an event says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is wanted, in this line if in any.
    Wanted(Option<OrderingKey>),
    /// It is not.
    Unwanted,
    /// Nobody can tell.
    Unknown(Why),
}

impl Answer {
    /// The line in which it stands, where it is wanted and stands in one.
    #[must_use]
    pub const fn line(self) -> Option<OrderingKey> {
        match self {
            Self::Wanted(line) => line,
            Self::Unwanted | Self::Unknown(_) => None,
        }
    }
}

/// Why nobody can tell whether an event is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The filter is too much work for this event.
    #[error(
        "the filter takes more than {FILTER_STEPS_MAX} steps for this event: make its regexes or lists shorter"
    )]
    TooHard,
    /// All filters together are.
    #[error("the filters that look into this event take more than {MATCHING_STEPS_MAX} steps together")]
    TooMany,
    /// Others were asked for too long.
    #[error("the filter had to wait for too long until it was asked")]
    TooLate,
}

/// What is said of some events by those who look into them.
#[derive(Debug)]
pub(crate) struct Said {
    /// Those who were asked were all there were at this version,
    version: RoutesVersion,
    /// for each event.
    answers: Vec<Answers>,
}

type Answers = HashMap<SubscriptionId, (Arc<Route>, Answer)>;

impl Said {
    /// Whether all of `routes` that look into such an event, the one at `place`, have been asked.
    pub(crate) fn is_all(&self, event: &Event, place: usize, routes: &Routes) -> bool {
        let is_known = |route: &Arc<Route>| !route.looks_inside() || self.find(route, place).is_some();
        self.version == routes.version || routes.concerned(event).all(is_known)
    }

    /// What `route` says of the event at `place`.
    pub(crate) fn by(&self, route: &Arc<Route>, place: usize) -> Answer {
        let unasked = if route.looks_inside() { Answer::Unknown(Why::TooLate) } else { Answer::Wanted(None) };
        self.find(route, place).unwrap_or(unasked)
    }

    /// Whoever has changed since has not been asked.
    fn find(&self, route: &Arc<Route>, place: usize) -> Option<Answer> {
        let (asked, answer) = self.answers.get(place)?.get(&route.subscription.id)?;
        Arc::ptr_eq(asked, route).then_some(*answer)
    }
}

impl Matching {
    pub(crate) fn new(routes: Arc<RouteTable>) -> Self {
        Self { routes, turns: Arc::new(Turns::of_cores()) }
    }

    /// Asks all who look into such events, as they are now. Most often nobody does.
    pub(crate) fn ask<'e, I>(&self, events: I) -> impl Future<Output = Said>
    where
        I: Iterator<Item = &'e Arc<Event>> + Clone,
    {
        let routes = self.routes.current();
        let mut those_concerned = events.clone().flat_map(|event| routes.concerned(event));
        if those_concerned.any(|route| route.looks_inside()) {
            drop(those_concerned);
            return Either::Right(Box::pin(self.ask_each(events, routes)));
        }
        Either::Left(future::ready(Said { version: routes.version, answers: Vec::new() }))
    }

    async fn ask_each(&self, events: impl Iterator<Item = &Arc<Event>>, routes: Arc<Routes>) -> Said {
        let questions: Vec<_> = events.map(|event| Question::among(event, &routes)).collect();
        let answers = questions.iter().map(Question::too_late).collect();
        let mut said = Said { version: routes.version, answers };
        let asked = async {
            for (answers, question) in said.answers.iter_mut().zip(questions) {
                self.answer(question, answers).await;
                // Each takes a moment only, and there may be a thousand.
                tokio::task::yield_now().await;
            }
        };
        let _in_time = tokio::time::timeout(MATCHING_WAIT_MAX, asked).await;
        said
    }

    /// What `route` says of events of a wanted type, one after the other: of as many as fit into
    /// [`MATCHING_STEPS_MAX`](crate::limits::MATCHING_STEPS_MAX), and of at least one.
    pub(crate) async fn ask_in_order(&self, route: &Arc<Route>, events: &[Arc<Event>]) -> Vec<Answer> {
        let (mut answers, mut spent) = (Vec::with_capacity(events.len()), 0);
        for event in events {
            if spent >= MATCHING_STEPS_MAX {
                break;
            }
            let question = Question::of(Arc::clone(event), [Arc::clone(route)]);
            let mut found = question.too_late();
            spent += self.answer(question, &mut found).await;
            let found = found.remove(&route.subscription.id);
            answers.push(found.map_or(Answer::Wanted(None), |(_, answer)| answer));
            tokio::task::yield_now().await;
        }
        answers
    }

    /// What a filter says that `user` tries out.
    ///
    /// # Errors
    /// It cannot tell.
    pub async fn try_out(
        &self,
        user: Option<&UserId>,
        filter: Filter,
        event: Arc<Event>,
    ) -> Result<bool, Why> {
        let decided = self.in_turn(user, move || {
            let mut steps = FILTER_STEPS_MAX;
            filter.decide(&event.document(), &mut steps).ok_or(Why::TooHard)
        });
        tokio::time::timeout(MATCHING_WAIT_MAX, decided).await.ok().flatten().ok_or(Why::TooLate)?
    }

    /// Works on a question until all have answered; the steps that were taken in turns.
    async fn answer(&self, mut question: Question, answers: &mut Answers) -> usize {
        question.begin();
        while !question.is_answered() {
            let user = question.event.user_id.clone();
            let worked = self.in_turn(user.as_ref(), move || {
                question.go_on();
                question
            });
            let Some(worked) = worked.await else { return MATCHING_STEPS_MAX };
            question = worked;
        }
        answers.extend(question.answers);
        MATCHING_STEPS_MAX - question.steps
    }

    /// Does some work where it holds up nobody, in a turn of `user`'s; `None` if it came to grief.
    async fn in_turn<A: Send + 'static>(
        &self,
        user: Option<&UserId>,
        work: impl FnOnce() -> A + Send + 'static,
    ) -> Option<A> {
        let turn = self.turns.take(user).await?;
        let worked = tokio::task::spawn_blocking(move || {
            // Kept until the end, also when nobody waits for it any more.
            let _turn = turn;
            work()
        });
        worked.await.ok()
    }
}

/// An event, and those who are asked about it.
#[derive(Debug)]
struct Question {
    event: Arc<Event>,
    /// Made when the first looks.
    document: Option<Value>,
    unasked: VecDeque<Arc<Route>>,
    answers: Answers,
    /// What is left of [`MATCHING_STEPS_MAX`].
    steps: usize,
}

impl Question {
    fn among(event: &Arc<Event>, routes: &Routes) -> Self {
        Self::of(Arc::clone(event), routes.concerned(event).cloned())
    }

    fn of(event: Arc<Event>, routes: impl IntoIterator<Item = Arc<Route>>) -> Self {
        let unasked = routes.into_iter().filter(|route| route.looks_inside()).collect();
        Self { event, document: None, unasked, answers: Answers::new(), steps: MATCHING_STEPS_MAX }
    }

    fn is_answered(&self) -> bool {
        self.unasked.is_empty()
    }

    /// What stands where nobody gets to ask.
    fn too_late(&self) -> Answers {
        let late =
            |route: &Arc<Route>| (route.subscription.id, (Arc::clone(route), Answer::Unknown(Why::TooLate)));
        self.unasked.iter().map(late).collect()
    }

    /// Asks as many as take a moment.
    fn begin(&mut self) {
        let mut steps = MATCHED_AT_ONCE_STEPS;
        while self.event.data.as_str().len() <= MATCHED_AT_ONCE_BYTES_MAX {
            let Some(route) = self.unasked.front().cloned() else { return };
            let Some(answer) = route.answer(self.document(), &mut steps) else { return };
            self.unasked.pop_front();
            self.answers.insert(route.subscription.id, (route, answer));
        }
    }

    /// Asks as many as fit into a turn, and at least one.
    fn go_on(&mut self) {
        let mut spent = 0;
        while spent < STEPS_OF_A_TURN {
            let Some(route) = self.unasked.pop_front() else { return };
            let allowed = FILTER_STEPS_MAX.min(self.steps);
            let mut left = allowed;
            let why = if allowed < FILTER_STEPS_MAX { Why::TooMany } else { Why::TooHard };
            let answer = route.answer(self.document(), &mut left).unwrap_or(Answer::Unknown(why));
            self.steps -= allowed - left;
            spent += allowed - left;
            self.answers.insert(route.subscription.id, (route, answer));
        }
    }

    fn document(&mut self) -> &Value {
        self.document.get_or_insert_with(|| self.event.document())
    }
}

/// So much is done in one turn before somebody else has theirs, and then the filter that is being asked.
const STEPS_OF_A_TURN: usize = FILTER_STEPS_MAX / 8;

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use domain::Timestamp;
    use domain::event::Json;
    use futures::FutureExt as _;
    use serde_json::json;
    use store::model::Model;
    use store::{Store, StoredSubscription};

    use super::*;
    use crate::testing::{event, subscription, vault};

    /// A filter that takes many steps over [`long`] and fewer than it may, or more than that.
    fn hard(is_too_hard: bool) -> Value {
        let many = json!({ "data.s": { "$regex": if is_too_hard { "[01]*1[01]{240}[b-y]" } else { "[01]*1[01]{20}[b-y]" } } });
        json!({ "$not": many })
    }

    fn long(user: &str) -> Arc<Event> {
        let data = Json::from_text(&json!({ "n": 1, "s": "01".repeat(20_000) }).to_string()).unwrap();
        let user_id = Some(user.parse().unwrap());
        Arc::new(Event { user_id, data, ..event("task.created", Timestamp::from_seconds(0)) })
    }

    struct World {
        store: Arc<Model>,
        matching: Matching,
    }

    impl World {
        async fn new() -> Self {
            let store = Arc::new(Model::new());
            let shared: Arc<dyn Store> = Arc::<Model>::clone(&store);
            let routes = RouteTable::load(shared, vault()).await.unwrap();
            Self { store, matching: Matching::new(Arc::new(routes)) }
        }

        async fn subscribe(&self, user: &str, filter: Option<Value>) -> StoredSubscription {
            let mut stored = subscription(None);
            stored.subscription.user_id = Some(user.parse().unwrap());
            stored.subscription.terms.filter = filter;
            self.store.create_subscription(&stored).await.unwrap();
            self.matching.routes.refresh().await.unwrap();
            stored
        }

        fn route(&self, of: &StoredSubscription) -> Arc<Route> {
            Arc::clone(self.matching.routes.current().get(of.subscription.id).unwrap())
        }
    }

    #[tokio::test]
    async fn filters_are_asked_of_each_event_and_believed_until_they_change() {
        let world = World::new().await;
        let plain = world.subscribe("alice", None).await;
        let mut some = world.subscribe("alice", Some(json!({ "data.n": 1 }))).await;
        let tedious = world.subscribe("alice", Some(hard(false))).await;
        let endless = world.subscribe("alice", Some(hard(true))).await;
        let short = Arc::new(event("task.created", Timestamp::from_seconds(0)));
        let events = [short, long("alice")];
        let said = world.matching.ask(events.iter()).await;
        let answers = |of: &StoredSubscription| [0, 1].map(|place| said.by(&world.route(of), place));
        let (yes, no) = (Answer::Wanted(None), Answer::Unwanted);
        assert_eq!(answers(&plain), [yes, yes]);
        assert_eq!(answers(&some), [no, yes]);
        assert_eq!(answers(&tedious), [yes, yes]);
        assert_eq!(answers(&endless), [yes, Answer::Unknown(Why::TooHard)]);

        let is_all = || said.is_all(&events[1], 1, &world.matching.routes.current());
        world.subscribe("alice", None).await;
        world.subscribe("bob", Some(hard(true))).await;
        assert!(is_all(), "nobody new looks into it");
        some.subscription.terms.filter = Some(json!({ "data.n": 2 }));
        assert!(world.store.change_subscription(&some, Timestamp::from_seconds(1)).await.unwrap());
        world.matching.routes.refresh().await.unwrap();
        assert!(!is_all());
        assert_eq!(said.by(&world.route(&some), 1), Answer::Unknown(Why::TooLate));
        assert_eq!(world.matching.ask_in_order(&world.route(&some), &events).await, [no, no]);
        let some_of_them =
            world.matching.ask_in_order(&world.route(&endless), &vec![Arc::clone(&events[1]); 20]).await;
        assert_eq!(
            some_of_them.len(),
            MATCHING_STEPS_MAX / FILTER_STEPS_MAX,
            "the others are left for later"
        );
    }

    #[tokio::test]
    async fn all_filters_of_an_event_together_are_bounded() {
        let world = World::new().await;
        for _ in 0..MATCHING_STEPS_MAX / FILTER_STEPS_MAX + 2 {
            world.subscribe("alice", Some(hard(true))).await;
        }
        let said = world.matching.ask([&long("alice")].into_iter()).await;
        let count =
            |why| said.answers[0].values().filter(|(_, answer)| *answer == Answer::Unknown(why)).count();
        assert_eq!(count(Why::TooHard), MATCHING_STEPS_MAX / FILTER_STEPS_MAX);
        assert_eq!(count(Why::TooMany), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whose_filter_waits_for_a_turn_waits_alone() {
        let world = World::new().await;
        let tedious = world.subscribe("mallory", Some(hard(false))).await;
        let plain = world.subscribe("alice", Some(json!({ "data.n": 1 }))).await;
        let turns: Vec<_> = std::iter::from_fn(|| {
            world.matching.turns.take(Some(&"mallory".parse().unwrap())).now_or_never().flatten()
        })
        .collect();
        assert!(!turns.is_empty());
        let event = long("mallory");
        let mut theirs = pin!(world.matching.ask([&event].into_iter()));
        assert!(futures::poll!(theirs.as_mut()).is_pending());
        let short = Json::from_text(r#"{"n":1}"#).unwrap();
        let others = Arc::new(Event { data: short, ..Event::clone(&long("alice")) });
        let said = world.matching.ask([&others].into_iter()).await;
        assert_eq!(said.by(&world.route(&plain), 0), Answer::Wanted(None));
        assert!(futures::poll!(theirs.as_mut()).is_pending(), "all turns are taken");
        // Nobody waits for ever.
        let said = theirs.await;
        assert_eq!(said.by(&world.route(&tedious), 0), Answer::Unknown(Why::TooLate));
        drop(turns);
        let said = world.matching.ask([&event].into_iter()).await;
        assert_eq!(said.by(&world.route(&tedious), 0), Answer::Wanted(None));
    }
}
