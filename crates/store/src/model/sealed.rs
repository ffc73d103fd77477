//! Sealed secrets.

use super::Data;
use crate::{SealedIn, SealedSecret};

impl Data {
    pub(super) fn sealed_secrets(&self, within: SealedIn, after: [u8; 16], limit: u32) -> Vec<SealedSecret> {
        let all: Vec<([u8; 16], &Vec<u8>)> = match within {
            SealedIn::Subscriptions => {
                self.subscriptions.iter().map(|(id, stored)| ((*id).into(), &stored.sealed_key)).collect()
            }
            SealedIn::Sources => {
                self.sources.iter().map(|(id, stored)| ((*id).into(), &stored.sealed_keys)).collect()
            }
            SealedIn::Connections => {
                self.connections.iter().map(|(id, stored)| ((*id).into(), &stored.sealed_tokens)).collect()
            }
            SealedIn::Registrations => {
                self.registrations.iter().map(|(id, stored)| ((*id).into(), &stored.sealed_secrets)).collect()
            }
        };
        let page = all.into_iter().filter(|(id, _)| *id > after).take(limit as usize);
        page.map(|(id, sealed)| SealedSecret { within, id, sealed: sealed.clone() }).collect()
    }

    pub(super) fn reseal(&mut self, secret: &SealedSecret, sealed: &[u8]) -> bool {
        let lies_at = match secret.within {
            SealedIn::Subscriptions => {
                self.subscriptions.get_mut(&secret.id.into()).map(|stored| &mut stored.sealed_key)
            }
            SealedIn::Sources => {
                self.sources.get_mut(&secret.id.into()).map(|stored| &mut stored.sealed_keys)
            }
            SealedIn::Connections => {
                self.connections.get_mut(&secret.id.into()).map(|stored| &mut stored.sealed_tokens)
            }
            SealedIn::Registrations => {
                self.registrations.get_mut(&secret.id.into()).map(|stored| &mut stored.sealed_secrets)
            }
        };
        let Some(known) = lies_at.filter(|known| **known == secret.sealed) else { return false };
        sealed.clone_into(known);
        true
    }
}
