//! Who has granted what, and what goes wrong next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use tokio::sync::watch;

use crate::chats::Sent;
use crate::pushing::Pushing;
use crate::vendor::{Rotation, Vendor};

/// Everything that the stand-ins know.
pub struct World {
    now: Box<dyn Fn() -> i64 + Send + Sync>,
    data: Mutex<Data>,
    /// How many calls to token endpoints may still be answered; the others wait.
    answers_left: watch::Sender<usize>,
    /// How many calls wait.
    held: watch::Sender<usize>,
    pushing: Pushing,
}

/// Tokens of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Opens the API.
    pub access: String,
    /// Gets the next ones.
    pub refresh: String,
}

/// What goes wrong with a call to a token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not acted on, and answered with this status; for 429 with a `Retry-After` of two minutes.
    Status(u16),
    /// It is acted on, and the answer breaks off.
    AnswerLost,
    /// The application is said to be unknown.
    UnknownApplication,
}

#[derive(Default)]
pub(crate) struct Data {
    /// By provider: the account of whoever is asked next to grant access.
    accounts: HashMap<&'static str, String>,
    codes: HashMap<String, Asked>,
    /// By access token and by refresh token.
    grants: Vec<Grant>,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    /// How often each account's tokens have been refreshed.
    refreshes: BTreeMap<(&'static str, String), u32>,
    /// Calls to token endpoints, answered or not.
    calls: HashMap<&'static str, u32>,
    tokens_made: u64,
    pub(crate) discord: crate::discord::Users,
    pub(crate) github: crate::github::Activities,
    pub(crate) gmail: crate::gmail::Mailboxes,
    pub(crate) slack: crate::slack::Workspace,
    pub(crate) spotify: crate::spotify::Plays,
    pub(crate) youtube: crate::youtube::Playlists,
    /// By provider: calls to its API for what has happened.
    api_calls: HashMap<&'static str, u32>,
    api_faults: HashMap<&'static str, VecDeque<u16>>,
    /// Calls that have shown a token that had expired.
    stale_calls: u32,
    /// Messages that were sent, the first first.
    sent: Vec<Sent>,
    /// Nobody else is to see these.
    secrets: Vec<String>,
}

/// What a user was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) vendor: &'static Vendor,
    pub(crate) account: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) scope: String,
    pub(crate) expires_at: i64,
}

struct Grant {
    vendor: &'static Vendor,
    account: String,
    scope: String,
    access: String,
    access_until: i64,
    refresh: String,
    consented_at: i64,
    refreshed: u32,
    is_revoked: bool,
    /// Its access token is not taken any more; the next will be.
    is_forgotten: bool,
}

/// Tokens as a token endpoint hands them out.
pub(crate) struct Given {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scope: String,
    pub(crate) account: String,
}

/// Seconds for which a code is good (GitHub's and Slack's, the longest).
const CODE_SECONDS: i64 = 600;

impl World {
    pub(crate) fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let (answers_left, held) = (watch::Sender::new(usize::MAX), watch::Sender::new(0));
        let pushing = Pushing::default();
        Self { now: Box::new(now), data: Mutex::default(), answers_left, held, pushing }
    }

    /// The time, in seconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        (self.now)()
    }

    /// What is set up so that the providers push.
    #[must_use]
    pub fn pushing(&self) -> &Pushing {
        &self.pushing
    }

    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever is asked next at `vendor` has this account.
    pub fn next_account(&self, vendor: &'static str, account: &str) {
        self.data().accounts.insert(vendor, account.to_owned());
    }

    /// Grants access to an account, as if its user had been asked.
    ///
    /// # Panics
    /// There is no such provider here.
    pub fn grant(&self, vendor: &str, account: &str) -> Pair {
        let vendor = Vendor::named(vendor).expect("a provider that grants by OAuth");
        let given = self.data().grant(vendor, account, "", self.now());
        Pair { access: given.access, refresh: given.refresh.unwrap_or_default() }
    }

    /// All that is secret and was handed out here or told to the stand-ins: tokens, codes, states, verifiers of codes,
    /// and what is signed with.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.data().secrets.clone()
    }

    pub(crate) fn note_secret(&self, secret: Option<&str>) {
        self.data().secrets.extend(secret.map(str::to_owned));
    }

    /// The user takes the grant back.
    pub fn revoke(&self, vendor: &str, account: &str) {
        for grant in self.data().grants.iter_mut().filter(|grant| grant.is_of(vendor, account)) {
            grant.is_revoked = true;
        }
    }

    /// The next call to the token endpoint of `application` goes wrong; those told before come before.
    pub fn fail_next(&self, application: &'static str, fault: Fault) {
        self.data().faults.entry(application).or_default().push_back(fault);
    }

    /// How often the tokens of each account of `vendor` have been refreshed.
    #[must_use]
    pub fn refreshes(&self, vendor: &str) -> BTreeMap<String, u32> {
        let data = self.data();
        let of_vendor = data.refreshes.iter().filter(|((of, _), _)| *of == vendor);
        of_vendor.map(|((_, account), &count)| (account.clone(), count)).collect()
    }

    /// How often the token endpoint of `application` was called.
    #[must_use]
    pub fn token_calls(&self, application: &str) -> u32 {
        self.data().calls.get(application).copied().unwrap_or_default()
    }

    /// The messages that were taken, the first first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.data().sent.clone()
    }

    /// Takes a message; what it is called.
    pub(crate) fn keep_message(&self, chat_id: String, text: String) -> String {
        let mut data = self.data();
        let message_id = format!("sent-{}", data.sent.len() + 1);
        data.sent.push(Sent { chat_id, text, message_id: message_id.clone() });
        message_id
    }

    /// Takes a message to a channel; its time there, which is what it is called.
    pub(crate) fn post_message(&self, channel: String, text: String) -> String {
        let seconds = self.now();
        let mut data = self.data();
        let message_id = format!("{seconds}.{:06}", data.sent.len() + 1);
        data.sent.push(Sent { chat_id: channel, text, message_id: message_id.clone() });
        message_id
    }

    /// Whether this access token opens the API now.
    #[must_use]
    pub fn opens(&self, vendor: &str, access: &str) -> bool {
        self.account_of(vendor, access).is_some()
    }

    /// After `count` more answers, calls to token endpoints wait before they are acted on.
    pub fn hold_after(&self, count: usize) {
        self.answers_left.send_replace(count);
    }

    /// Lets all that waits go on.
    pub fn release(&self) {
        self.answers_left.send_replace(usize::MAX);
    }

    /// Waits until so many calls wait. A call whose caller has gone waits no more.
    pub async fn held(&self, count: usize) {
        let mut held = self.held.subscribe();
        let _open = held.wait_for(|held| *held == count).await;
    }

    /// How often the API of `vendor` was asked for what has happened.
    #[must_use]
    pub fn api_calls(&self, vendor: &str) -> u32 {
        self.data().api_calls.get(vendor).copied().unwrap_or_default()
    }

    /// The next such call to the API of `vendor` is answered with this status, and where it is 429 with a `Retry-After`
    /// of half a minute.
    pub fn fail_next_api_call(&self, vendor: &'static str, status: u16) {
        self.data().api_faults.entry(vendor).or_default().push_back(status);
    }

    /// So many such calls go well before the next that was told to fail.
    pub fn pass_api_calls(&self, vendor: &'static str, count: usize) {
        self.data().api_faults.entry(vendor).or_default().extend(std::iter::repeat_n(200, count));
    }

    /// Counts a call; with what status it fails, if it does.
    pub(crate) fn count_api_call(&self, vendor: &'static str) -> Option<StatusCode> {
        let mut data = self.data();
        *data.api_calls.entry(vendor).or_default() += 1;
        let status = data.api_faults.get_mut(vendor)?.pop_front().filter(|&status| status != 200)?;
        Some(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// How many calls have shown a token after its time.
    #[must_use]
    pub fn stale_calls(&self) -> u32 {
        self.data().stale_calls
    }

    /// The access tokens of an account open nothing from now on, though their time has not come.
    pub fn forget_access(&self, vendor: &str, account: &str) {
        for grant in self.data().grants.iter_mut().filter(|grant| grant.is_of(vendor, account)) {
            grant.is_forgotten = true;
        }
    }

    /// Waits for its turn to be acted on.
    pub(crate) async fn take_turn(&self) {
        let mut left = self.answers_left.subscribe();
        if self.is_turn_taken() {
            return;
        }
        let _waiting = Waiting::new(&self.held);
        while left.changed().await.is_ok() && !self.is_turn_taken() {}
    }

    fn is_turn_taken(&self) -> bool {
        let mut is_taken = false;
        self.answers_left.send_if_modified(|left| {
            is_taken = *left > 0;
            let is_counted = is_taken && *left != usize::MAX;
            *left -= usize::from(is_counted);
            is_counted
        });
        is_taken
    }

    pub(crate) fn count_call(&self, application: &'static str) {
        *self.data().calls.entry(application).or_default() += 1;
    }

    pub(crate) fn next_fault(&self, application: &str) -> Option<Fault> {
        self.data().faults.get_mut(application)?.pop_front()
    }

    pub(crate) fn account_asked(&self, vendor: &str) -> String {
        self.data().accounts.get(vendor).cloned().unwrap_or_else(|| "alice".to_owned())
    }

    pub(crate) fn issue_code(&self, asked: Asked) -> String {
        let mut data = self.data();
        let code = data.make("code-");
        data.codes.insert(code.clone(), asked);
        data.secrets.push(code.clone());
        code
    }

    pub(crate) fn code_expires_at(&self) -> i64 {
        self.now() + CODE_SECONDS
    }

    /// What a code was issued for. It is good once.
    pub(crate) fn take_code(&self, application: &str, code: &str) -> Option<Asked> {
        let asked = self.data().codes.remove(code)?;
        (asked.vendor.application == application && self.now() < asked.expires_at).then_some(asked)
    }

    pub(crate) fn grant_asked(&self, asked: &Asked) -> Given {
        self.data().grant(asked.vendor, &asked.account, &asked.scope, self.now())
    }

    /// Fresh tokens for a refresh token that is still good.
    pub(crate) fn refresh(&self, application: &str, refresh: &str) -> Option<Given> {
        self.data().refresh(application, refresh, self.now())
    }

    /// Whose this access token is, if it opens the API now.
    pub(crate) fn account_of(&self, vendor: &str, access: &str) -> Option<String> {
        let now = self.now();
        let mut data = self.data();
        let is_it = |grant: &&Grant| grant.vendor.name == vendor && grant.access == access;
        let grant = data.grants.iter().find(is_it)?;
        if now >= grant.access_until {
            data.stale_calls += 1;
            return None;
        }
        let is_good = !grant.is_revoked && !grant.is_forgotten;
        is_good.then(|| grant.account.clone())
    }
}

impl Grant {
    fn is_of(&self, vendor: &str, account: &str) -> bool {
        self.vendor.name == vendor && self.account == account
    }

    fn can_be_refreshed(&self, now: i64) -> bool {
        let is_over = self.vendor.consent_seconds.is_some_and(|seconds| now >= self.consented_at + seconds);
        !self.is_revoked && !is_over
    }
}

impl Data {
    fn make(&mut self, prefix: &str) -> String {
        self.tokens_made += 1;
        format!("{prefix}{:020}", self.tokens_made)
    }

    fn grant(&mut self, vendor: &'static Vendor, account: &str, scope: &str, now: i64) -> Given {
        let (access, refresh) = (self.make(vendor.prefix), self.make("refresh-"));
        self.secrets.extend([access.clone(), refresh.clone()]);
        let given = Given {
            access: access.clone(),
            refresh: Some(refresh.clone()),
            scope: scope.to_owned(),
            account: account.to_owned(),
        };
        self.grants.push(Grant {
            vendor,
            account: account.to_owned(),
            scope: scope.to_owned(),
            access,
            access_until: now + vendor.access_seconds,
            refresh,
            consented_at: now,
            refreshed: 0,
            is_revoked: false,
            is_forgotten: false,
        });
        given
    }

    fn refresh(&mut self, application: &str, refresh: &str, now: i64) -> Option<Given> {
        let (body, next) = (self.make(""), self.make("refresh-"));
        let is_it = |grant: &&mut Grant| grant.vendor.application == application && grant.refresh == refresh;
        let grant = self.grants.iter_mut().find(is_it).filter(|grant| grant.can_be_refreshed(now))?;
        let (vendor, access) = (grant.vendor, format!("{}{body}", grant.vendor.prefix));
        grant.refreshed += 1;
        grant.is_forgotten = false;
        let rotates = match vendor.rotation {
            Rotation::Never => false,
            Rotation::Always => true,
            Rotation::EverySecondTime => grant.refreshed % 2 == 0,
        };
        (grant.access, grant.access_until) = (access.clone(), now + vendor.access_seconds);
        if rotates {
            grant.refresh.clone_from(&next);
        }
        let given = Given {
            access,
            refresh: rotates.then_some(next),
            scope: grant.scope.clone(),
            account: grant.account.clone(),
        };
        self.secrets.extend(std::iter::once(given.access.clone()).chain(given.refresh.clone()));
        *self.refreshes.entry((vendor.name, given.account.clone())).or_default() += 1;
        Some(given)
    }
}

/// Counts who waits, for as long as they do.
struct Waiting<'w>(&'w watch::Sender<usize>);

impl<'w> Waiting<'w> {
    fn new(held: &'w watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}
