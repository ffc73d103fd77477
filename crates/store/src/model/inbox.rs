//! Conversations and their messages.

use domain::{ConversationId, EmailId, MessageId, UserId};

use super::{Data, paged};
use crate::{
    Called, InboxStep, Latest, Logged, Page, Position, StoredConversation, StoredEmail, StoredMessage,
    is_for_inbox,
};

impl Data {
    pub(super) fn read_inbox_log(&self, after: Position, limit: u32) -> Vec<Logged> {
        let followed = self.read_log(after, u32::MAX).into_iter();
        followed.filter(|logged| is_for_inbox(&logged.event.event_type)).take(limit as usize).collect()
    }

    pub(super) fn keep_inbox(&mut self, step: &InboxStep) -> bool {
        if !self.is_current(step) {
            return false;
        }
        if let Some((_, to)) = step.moved {
            self.inbox_position = to.0;
        }
        for stored in &step.conversations {
            let next = StoredConversation { revision: stored.revision + 1, ..stored.clone() };
            self.conversations.insert(stored.conversation.id, next);
        }
        for stored in &step.messages {
            let next = StoredMessage { revision: stored.revision + 1, ..stored.clone() };
            self.messages.insert(stored.message.id, next);
        }
        for stored in &step.emails {
            let next = StoredEmail { revision: stored.revision + 1, ..stored.clone() };
            self.emails.insert(stored.email.id, next);
        }
        for Called { kind, subject, at } in &step.called {
            if !self.ring_task(kind, subject, *at) {
                self.add_task(kind, subject, *at);
            }
        }
        true
    }

    fn is_current(&self, step: &InboxStep) -> bool {
        let is_there = step.moved.is_none_or(|(from, _)| from.0 == self.inbox_position);
        let conversations = step.conversations.iter().all(|stored| {
            let known = self.conversations.get(&stored.conversation.id);
            known.map_or(0, |known| known.revision) == stored.revision
        });
        let messages = step.messages.iter().all(|stored| {
            let message = &stored.message;
            let provider_id = message.provider_id.as_deref().filter(|_| stored.revision == 0);
            let called = provider_id.and_then(|id| self.message_called(message.conversation_id, id));
            let known = self.messages.get(&message.id).map_or(0, |known| known.revision);
            called.is_none() && known == stored.revision
        });
        let emails = step.emails.iter().all(|stored| {
            self.emails.get(&stored.email.id).map_or(0, |known| known.revision) == stored.revision
        });
        is_there && conversations && messages && emails
    }

    pub(super) fn conversations(
        &self,
        user: Option<&UserId>,
        page: &Page<Latest<ConversationId>>,
    ) -> Vec<StoredConversation> {
        let is_theirs =
            |stored: &&StoredConversation| user.is_none_or(|user| stored.conversation.user_id == *user);
        let mut theirs: Vec<_> = self.conversations.values().filter(is_theirs).cloned().collect();
        theirs.sort_by_key(|stored| std::cmp::Reverse(stored.place()));
        paged(theirs.into_iter(), page, StoredConversation::place)
    }

    pub(super) fn email_called(&self, user: &UserId, provider_id: &str) -> Option<&StoredEmail> {
        let is_it =
            |stored: &&StoredEmail| stored.email.user_id == *user && stored.email.provider_id == provider_id;
        self.emails.values().find(is_it)
    }

    pub(super) fn emails(
        &self,
        user: Option<&UserId>,
        thread_id: Option<&str>,
        page: &Page<Latest<EmailId>>,
    ) -> Vec<StoredEmail> {
        let is_meant = |stored: &&StoredEmail| {
            let thread_id = thread_id.filter(|_| user.is_some());
            user.is_none_or(|user| stored.email.user_id == *user)
                && thread_id.is_none_or(|thread_id| stored.email.thread_id == thread_id)
        };
        let mut meant: Vec<_> = self.emails.values().filter(is_meant).cloned().collect();
        meant.sort_by_key(|stored| std::cmp::Reverse(stored.place()));
        paged(meant.into_iter(), page, StoredEmail::place)
    }

    pub(super) fn message_called(
        &self,
        conversation: ConversationId,
        provider_id: &str,
    ) -> Option<&StoredMessage> {
        let is_it = |stored: &&StoredMessage| {
            let message = &stored.message;
            message.conversation_id == conversation && message.provider_id.as_deref() == Some(provider_id)
        };
        self.messages.values().find(is_it)
    }

    pub(super) fn messages(
        &self,
        conversation: ConversationId,
        page: &Page<Latest<MessageId>>,
    ) -> Vec<StoredMessage> {
        let is_listed = |stored: &&StoredMessage| {
            stored.message.conversation_id == conversation && stored.message.is_known
        };
        let mut listed: Vec<_> = self.messages.values().filter(is_listed).cloned().collect();
        listed.sort_by_key(|stored| std::cmp::Reverse(stored.place()));
        paged(listed.into_iter(), page, StoredMessage::place)
    }

    pub(super) fn sending_messages(&self, conversation: ConversationId, limit: u32) -> Vec<StoredMessage> {
        let is_meant = |stored: &&StoredMessage| {
            stored.message.conversation_id == conversation && stored.message.is_sending
        };
        self.messages.values().filter(is_meant).take(limit as usize).cloned().collect()
    }
}
