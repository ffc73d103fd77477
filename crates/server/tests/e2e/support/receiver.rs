//! A subscriber's endpoint: notes each request byte for byte, and answers as it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::client::{find_header, read_headers, split_head};
use super::within;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    /// The request line.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How to answer one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With this status.
    Status(u16),
    /// With a header too.
    WithHeader(u16, &'static str, String),
    /// With a body too.
    WithBody(u16, Vec<u8>),
    /// With 200, once it is told to.
    When(Arc<Notify>),
    /// Never.
    Hang,
    /// With one byte after another, for ever.
    Drip,
    /// With this many bytes.
    Flood(u64),
    /// With fewer bytes than were announced, and the end.
    Short,
    /// With more bytes than were announced, which look like the next answer, and no end.
    Excess,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    arrivals: mpsc::UnboundedReceiver<Delivered>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Script {
    next: Mutex<VecDeque<Reply>>,
    /// What it answers when nothing else is said.
    always: Mutex<Reply>,
    arrived: mpsc::UnboundedSender<Delivered>,
}

impl Receiver {
    /// Answers 200 unless it is told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (next, always) = (Mutex::default(), Mutex::new(Reply::Status(200)));
        let script = Arc::new(Script { next, always, arrived });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&script))).abort_handle();
        Self { address, script, arrivals, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?of=tests", self.address)
    }

    /// Answers the next request like this; several are queued.
    pub(crate) fn then(&self, reply: Reply) -> &Self {
        self.script.next.lock().unwrap().push_back(reply);
        self
    }

    /// Answers every request like this for which nothing else is queued.
    pub(crate) fn always(&self, reply: Reply) {
        *self.script.always.lock().unwrap() = reply;
    }

    /// Answers the next request only once the answer is told to go.
    pub(crate) fn then_when_told(&self) -> Arc<Notify> {
        let go = Arc::new(Notify::new());
        self.then(Reply::When(Arc::clone(&go)));
        go
    }

    /// Waits for a request.
    pub(crate) async fn next(&mut self) -> Delivered {
        within("a delivery", self.arrivals.recv()).await.unwrap()
    }

    /// What has arrived and was not yet looked at. What might still be under way is the caller's to think of.
    pub(crate) fn rest(&mut self) -> Vec<Delivered> {
        std::iter::from_fn(|| self.arrivals.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Delivered {
    pub(crate) fn header(&self, name: &str) -> &str {
        find_header(&self.headers, name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        find_header(&self.headers, name).is_some()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The event's id.
    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let script = Arc::clone(&script);
        // A connection that breaks is a normal thing here.
        connections.spawn(async move { serve(stream, &script).await.ok() });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(delivered) = read(&mut stream, &mut bytes).await? {
        let reply = script.next.lock().unwrap().pop_front();
        let reply = reply.unwrap_or_else(|| script.always.lock().unwrap().clone());
        let _test_is_over = script.arrived.send(delivered);
        if !answer(&mut stream, reply).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads one request; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<Option<Delivered>> {
    loop {
        if let Some((head, body)) = split_head(bytes) {
            let headers = read_headers(&head);
            let length = find_header(&headers, "content-length").and_then(|length| length.parse().ok());
            let length: usize = length.expect("every delivery says how long it is");
            if body.len() >= length {
                let body = body[..length].to_vec();
                bytes.drain(..head.len() + 4 + length);
                let line = head.lines().next().unwrap_or_default().to_owned();
                return Ok(Some(Delivered { line, headers, body }));
            }
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Answers; false if the connection is then of no more use.
async fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<bool> {
    match reply {
        Reply::Status(status) => whole(stream, status, "", b"").await,
        Reply::WithHeader(status, name, value) => {
            whole(stream, status, &format!("{name}: {value}\r\n"), b"").await
        }
        Reply::WithBody(status, body) => whole(stream, status, "", &body).await,
        Reply::When(told) => {
            told.notified().await;
            whole(stream, 200, "", b"").await
        }
        Reply::Hang => std::future::pending().await,
        Reply::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b".").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Reply::Flood(length) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..length / 65_536 {
                stream.write_all(&[b'.'; 65_536]).await?;
            }
            Ok(true)
        }
        Reply::Excess => {
            let next = b"HTTP/1.1 500 Not Asked For\r\ncontent-length: 0\r\n\r\n";
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(&[head.as_slice(), next].concat()).await?;
            Ok(true)
        }
        Reply::Short => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await?;
            Ok(false)
        }
    }
}

async fn whole(stream: &mut TcpStream, status: u16, header: &str, body: &[u8]) -> std::io::Result<bool> {
    let head = format!("HTTP/1.1 {status} As Told\r\n{header}content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    Ok(true)
}
