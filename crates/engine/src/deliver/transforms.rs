//! Subscriptions' transforms, run for code that must not block.

use std::sync::Arc;
use std::thread;

use domain::UserId;
use transform::{Failed, NotATransform, Program, Runners, Transform, Transformed};

use crate::limits::TRANSFORM_WAIT_MAX;
use crate::turns::Turns;

/// Runs transforms, as many at once as there are cores, in turns that users share.
#[derive(Debug, Clone)]
pub struct Transforms {
    runners: Arc<Runners>,
    /// Taken before a thread is: who waits for a runner must not hold one of those that others block.
    turns: Arc<Turns>,
}

impl Transforms {
    /// Transforms that run in processes of `program`.
    #[must_use]
    pub fn new(program: Program) -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from);
        Self { runners: Arc::new(Runners::new(program, count)), turns: Arc::new(Turns::new(count)) }
    }

    /// Checks that a source is a function, in a turn of `user`'s.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub async fn compile(&self, user: Option<&UserId>, source: String) -> Result<Transform, NotATransform> {
        self.ask(user, move |runners| runners.compile(&source)).await?
    }

    /// Runs a transform of `user`'s on an event, a JSON document.
    ///
    /// # Errors
    /// Why there is no request.
    pub async fn run(
        &self,
        user: Option<&UserId>,
        transform: &Transform,
        event: String,
    ) -> Result<Transformed, Failed> {
        let transform = transform.clone();
        self.ask(user, move |runners| runners.run(&transform, &event)).await?
    }

    async fn ask<A: Send + 'static>(
        &self,
        user: Option<&UserId>,
        question: impl FnOnce(&Runners) -> A + Send + 'static,
    ) -> Result<A, Failed> {
        let turn = tokio::time::timeout(TRANSFORM_WAIT_MAX, self.turns.take(user)).await;
        let turn = turn.ok().flatten();
        let turn = turn.ok_or_else(|| Failed::Unavailable("too many others are waiting".to_owned()))?;
        let runners = Arc::clone(&self.runners);
        let asked = tokio::task::spawn_blocking(move || {
            // Kept until the answer is there, also when nobody waits for it any more.
            let _turn = turn;
            question(&runners)
        });
        asked.await.map_err(|_| Failed::Crashed)
    }
}
