//! What senders publish for those who check their requests: sets of keys, and certificates.
//!
//! A document is fetched when it is first needed, kept for as long as its server says, and fetched again when a request
//! names a key that is not in it. Strangers can cause all of this, so it is bounded: a fetch at a time for each
//! document, few for each host, and a failure is remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use providers::NotKeys;
use url::Url;

use crate::clock::Clock;
use crate::deliver::{Client, Failure, Page};
use crate::limits::{
    DOCUMENT_BYTES_MAX, DOCUMENT_FAILURE_REMEMBERED, DOCUMENT_FETCH_TIMEOUT, DOCUMENT_FETCHES_PER_MINUTE_MAX,
    DOCUMENT_HOSTS_MAX, DOCUMENT_KEPT, DOCUMENT_KEPT_LEAST, DOCUMENT_KEPT_MOST, DOCUMENT_REFETCHED_AFTER,
    DOCUMENTS_MAX,
};

/// Fetches documents, and remembers them.
#[derive(Debug)]
pub struct Documents {
    client: Client,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Arc<str>, Arc<Shelf>>>,
    budget: Mutex<Budget>,
}

/// A document as it was last fetched.
#[derive(Debug)]
pub struct Document {
    /// What it says.
    pub text: String,
    fetched_at: Duration,
    good_until: Duration,
}

/// Why there is no document.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoDocument {
    /// It could not be fetched.
    #[error(transparent)]
    NotFetched(#[from] Failure),
    /// It is not text.
    #[error("the document is not UTF-8")]
    NotText,
    /// It holds no key that could be used.
    #[error("the document is not what it should be: {0}")]
    NotKeys(#[from] NotKeys),
    /// It was asked for too often.
    #[error("documents of this host have been fetched too often; it is tried again within a minute")]
    TooOften,
}

/// The place of one document. Whoever fetches holds the lock, and the others wait for what comes of it.
#[derive(Debug, Default)]
struct Shelf {
    fetching: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    document: Option<Arc<Document>>,
    /// The last failure, and until when it counts.
    failure: Option<(NoDocument, Duration)>,
    used_at: Duration,
}

/// How often each host was asked in the current minute.
#[derive(Debug, Default)]
struct Budget {
    minute: u64,
    fetches: HashMap<String, u32>,
}

impl Documents {
    /// Documents that come through `client`.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, known: Mutex::default(), budget: Mutex::default() }
    }

    /// The document at `url`, fetched if there is no copy that is still good.
    ///
    /// # Errors
    /// It cannot be had now.
    pub async fn get(&self, url: &str) -> Result<Arc<Document>, NoDocument> {
        let shelf = self.shelf(url);
        if let Some(document) = shelf.good(self.clock.elapsed()) {
            return Ok(document);
        }
        self.fetch(url, &shelf, |state, now| state.document.clone().filter(|copy| copy.good_until > now))
            .await
    }

    /// The document at `url` in a newer copy than `old`, which lacks something. `None` where `old` is too fresh to be
    /// worth asking again.
    ///
    /// # Errors
    /// It cannot be had now.
    pub async fn get_newer(&self, url: &str, old: &Document) -> Result<Option<Arc<Document>>, NoDocument> {
        let is_newer = |copy: &Arc<Document>| copy.fetched_at > old.fetched_at;
        let shelf = self.shelf(url);
        if let Some(newer) = shelf.state().document.clone().filter(is_newer) {
            return Ok(Some(newer));
        }
        if self.clock.elapsed() < old.fetched_at + DOCUMENT_REFETCHED_AFTER {
            return Ok(None);
        }
        self.fetch(url, &shelf, |state, _| state.document.clone().filter(is_newer)).await.map(Some)
    }

    async fn fetch(
        &self,
        url: &str,
        shelf: &Shelf,
        is_there: impl Fn(&State, Duration) -> Option<Arc<Document>>,
    ) -> Result<Arc<Document>, NoDocument> {
        let _turn = shelf.fetching.lock().await;
        let now = self.clock.elapsed();
        {
            // Somebody may have fetched it, or failed to, while we waited for our turn.
            let state = shelf.state();
            if let Some(document) = is_there(&state, now) {
                return Ok(document);
            }
            if let Some((failure, until)) = &state.failure
                && *until > now
            {
                return Err(failure.clone());
            }
        }
        self.spend(url)?;
        let fetched = self.client.fetch(url, DOCUMENT_BYTES_MAX, DOCUMENT_FETCH_TIMEOUT).await;
        let read = fetched.map_err(NoDocument::from).and_then(|page| Document::read(&page, now));
        let mut state = shelf.state();
        match read {
            Ok(document) => {
                let document = Arc::new(document);
                (state.document, state.failure) = (Some(Arc::clone(&document)), None);
                Ok(document)
            }
            Err(failure) => {
                tracing::warn!(url, %failure, "a document that requests are checked against could not be fetched");
                state.failure = Some((failure.clone(), now + DOCUMENT_FAILURE_REMEMBERED));
                Err(failure)
            }
        }
    }

    /// The place of the document at `url`. Where there are too many, the one that was not needed for longest goes.
    fn shelf(&self, url: &str) -> Arc<Shelf> {
        let now = self.clock.elapsed();
        let mut known = lock(&self.known);
        let shelf = match known.get(url) {
            Some(shelf) => Arc::clone(shelf),
            None => {
                if known.len() >= DOCUMENTS_MAX {
                    let oldest = known.iter().min_by_key(|(_, shelf)| shelf.state().used_at);
                    if let Some(oldest) = oldest.map(|(url, _)| Arc::clone(url)) {
                        known.remove(&oldest);
                    }
                }
                let shelf = Arc::<Shelf>::default();
                known.insert(url.into(), Arc::clone(&shelf));
                shelf
            }
        };
        shelf.state().used_at = now;
        shelf
    }

    /// Counts a fetch from the host of `url`, if it may be made.
    fn spend(&self, url: &str) -> Result<(), NoDocument> {
        let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let minute = self.clock.elapsed().as_secs() / 60;
        let mut budget = lock(&self.budget);
        if budget.minute != minute {
            *budget = Budget { minute, ..Budget::default() };
        }
        if budget.fetches.len() >= DOCUMENT_HOSTS_MAX && !budget.fetches.contains_key(&host) {
            return Err(NoDocument::TooOften);
        }
        let fetches = budget.fetches.entry(host).or_default();
        *fetches += 1;
        if *fetches > DOCUMENT_FETCHES_PER_MINUTE_MAX { Err(NoDocument::TooOften) } else { Ok(()) }
    }
}

impl Document {
    fn read(page: &Page, now: Duration) -> Result<Self, NoDocument> {
        let text = std::str::from_utf8(&page.body).map_err(|_| NoDocument::NotText)?.to_owned();
        let kept = page.max_age.unwrap_or(DOCUMENT_KEPT).clamp(DOCUMENT_KEPT_LEAST, DOCUMENT_KEPT_MOST);
        Ok(Self { text, fetched_at: now, good_until: now + kept })
    }
}

impl Shelf {
    fn good(&self, now: Duration) -> Option<Arc<Document>> {
        self.state().document.clone().filter(|copy| copy.good_until > now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::deliver::Guard;
    use crate::testing::ManualClock;

    /// Publishes a document that counts how often it was asked for; with `head` before it.
    async fn publisher(head: &'static str, size: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let publishing = async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                let _request = stream.read(&mut [0; 4_096]).await;
                let body = format!("{}{number}", "0".repeat(size - 1));
                let answer = format!(
                    "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(publishing);
        (url, asked)
    }

    fn documents() -> (Documents, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let client = Client::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()])).unwrap();
        (Documents::new(client, Arc::<ManualClock>::clone(&clock)), clock)
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_while_it_is_good() {
        let (url, asked) = publisher("200 OK\r\ncache-control: max-age=600", 1).await;
        let (documents, clock) = documents();
        let all = futures::future::join_all((0..10).map(|_| documents.get(&url))).await;
        assert!(all.into_iter().all(|document| document.unwrap().text == "1"));
        clock.move_by(Duration::from_secs(599));
        assert_eq!(documents.get(&url).await.unwrap().text, "1");
        clock.move_by(Duration::from_secs(1));
        assert_eq!(documents.get(&url).await.unwrap().text, "2");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_lacks_a_key_is_fetched_again_but_not_at_once() {
        let (url, asked) = publisher("200 OK", 1).await;
        let (documents, clock) = documents();
        let old = documents.get(&url).await.unwrap();
        assert!(documents.get_newer(&url, &old).await.unwrap().is_none());
        clock.move_by(DOCUMENT_REFETCHED_AFTER);
        let newer = documents.get_newer(&url, &old).await.unwrap().unwrap();
        assert_eq!(newer.text, "2");
        let same = documents.get_newer(&url, &old).await.unwrap().unwrap();
        assert_eq!((&*same.text, asked.load(Ordering::Relaxed)), ("2", 2));
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_a_while() {
        let (url, asked) = publisher("500 No", 1).await;
        let (documents, clock) = documents();
        for _ in 0..5 {
            assert!(matches!(documents.get(&url).await, Err(NoDocument::NotFetched(_))));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.move_by(DOCUMENT_FAILURE_REMEMBERED);
        assert!(documents.get(&url).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn redirects_and_long_documents_are_refused() {
        let (url, _) = publisher("302 Found\r\nlocation: http://127.0.0.1/", 1).await;
        let (other, _) = publisher("200 OK", DOCUMENT_BYTES_MAX + 1).await;
        let (documents, _) = documents();
        for url in [url, other, "http://192.0.2.1/".to_owned(), "nothing".to_owned()] {
            assert!(matches!(documents.get(&url).await, Err(NoDocument::NotFetched(_))), "{url}");
        }
    }

    #[tokio::test]
    async fn one_host_is_asked_so_often_and_no_more() {
        let (url, asked) = publisher("200 OK", 1).await;
        let (documents, clock) = documents();
        for number in 0..DOCUMENT_FETCHES_PER_MINUTE_MAX {
            documents.get(&format!("{url}/{number}")).await.unwrap();
        }
        assert!(matches!(documents.get(&format!("{url}/one")).await, Err(NoDocument::TooOften)));
        assert_eq!(asked.load(Ordering::Relaxed), DOCUMENT_FETCHES_PER_MINUTE_MAX as usize);
        clock.move_by(Duration::from_secs(60));
        documents.get(&format!("{url}/two")).await.unwrap();
        assert!(lock(&documents.known).len() <= DOCUMENTS_MAX);
    }
}
