//! A conversation's callback: a subscription that comes and goes with the conversation's `callback_url`.

use domain::conversation::Conversation;
use domain::retry::RetryPolicy;
use domain::subscription::{Subscription, Target, Terms, TypePattern};
use serde_json::json;
use store::{StoreError, StoredSubscription};

use super::{Inbox, SOURCE};
use crate::chance;
use crate::keys::SigningKeys;
use crate::limits::INBOX_TRIES;

/// Seconds that a callback may take. Somebody waits for the answer, and a workflow may have to be run for it.
const TIMEOUT_SECONDS: u16 = 30;
/// Callbacks of one conversation at once.
const MAX_CONCURRENCY: u16 = 10;
/// Callbacks of one conversation within any minute.
const RATE_LIMIT_PER_MINUTE: u16 = 100;

impl Inbox {
    /// Makes the callback's subscription what the conversation says. It may be done again at any time.
    ///
    /// # Errors
    /// The store cannot be reached; the conversation's next change does it.
    pub async fn bind_callback(&self, conversation: &Conversation) -> Result<(), StoreError> {
        let id = conversation.callback_id();
        for _ in 0..INBOX_TRIES {
            let known = self.store.subscription(id).await?;
            let is_done = match (&conversation.config.callback_url, known) {
                (None, None) => return Ok(()),
                (None, Some(_)) => {
                    self.store.delete_subscription(id, self.clock.now()).await?;
                    true
                }
                (Some(url), None) => {
                    self.store.create_subscription(&self.callback(conversation, url)).await?;
                    true
                }
                (Some(url), Some(stored)) => self.direct(stored, url).await?,
            };
            if is_done {
                break;
            }
        }
        self.routes.refresh().await
    }

    /// Points a callback at `url`, and switches it on again.
    async fn direct(&self, mut stored: StoredSubscription, url: &str) -> Result<bool, StoreError> {
        let (target, now) = (Target::Push { url: url.to_owned() }, self.clock.now());
        let subscription = &mut stored.subscription;
        if subscription.target == target && subscription.is_active {
            return Ok(true);
        }
        (subscription.target, subscription.is_active, subscription.updated_at) = (target, true, now);
        self.store.change_subscription(&stored, now).await
    }

    fn callback(&self, conversation: &Conversation, url: &str) -> StoredSubscription {
        let (id, now) = (conversation.callback_id(), self.clock.now());
        let of_type = |name: &str| TypePattern::Exactly(domain::EventType::from_words([name]));
        let terms = Terms {
            event_types: vec![of_type("message.new"), of_type("message.processed")],
            description: format!("the callback of {}", conversation.id),
            filter: Some(json!({ "source": SOURCE, "data.conversation_id": conversation.id })),
            retry_policy: RetryPolicy::Conversation,
            retry_count: RetryPolicy::Conversation.natural_count(),
            timeout_seconds: TIMEOUT_SECONDS,
            max_concurrency: MAX_CONCURRENCY,
            rate_limit_per_minute: Some(RATE_LIMIT_PER_MINUTE),
            callback_of: Some(conversation.id),
            ..Terms::default()
        };
        let keys = SigningKeys::generate(terms.signing, &mut chance::rng());
        let subscription = Subscription {
            id,
            user_id: Some(conversation.user_id.clone()),
            target: Target::Push { url: url.to_owned() },
            terms,
            is_active: true,
            paused: false,
            created_at: now,
            updated_at: now,
        };
        StoredSubscription { subscription, sealed_key: keys.seal(&self.vault, id), revision: 0 }
    }
}
