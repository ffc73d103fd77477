//! Unipile: what is written to the accounts that it holds.
//!
//! Source: developer.unipile.com, "New messages webhook".

use serde_json::json;

use crate::clock::iso_millis;
use crate::world::World;

impl World {
    /// Somebody writes to an account.
    pub fn write_to(&self, account: &str, message: &str, words: &str) {
        self.tell_webhooks(
            "messaging",
            &json!({
                "event": "message_received", "account_id": account, "account_type": "WHATSAPP",
                "account_info": { "type": "WHATSAPP", "user_id": "own" }, "chat_id": "chat_bob",
                "message_id": message, "message": words, "timestamp": iso_millis(self.now() * 1_000),
                "is_sender": false, "sender": { "attendee_id": "att_bob", "attendee_provider_id": "bob" },
                "attendees": [], "attachments": [],
            }),
        );
    }
}
