//! Those who stream: over a WebSocket, through a stock library, or as a reader of server-sent events.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::split_head;
use super::{until, within};

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Socket,
    Events,
}

pub(crate) const TRANSPORTS: [Transport; 2] = [Transport::Socket, Transport::Events];

/// What is streamed to whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) token: String,
    pub(crate) cursor: Option<String>,
    pub(crate) types: Vec<&'static str>,
    pub(crate) user: Option<&'static str>,
}

impl Wanted {
    pub(crate) fn of(token: &str) -> Self {
        Self { token: token.to_owned(), ..Self::default() }
    }

    pub(crate) fn from(&self, cursor: &str) -> Self {
        Self { cursor: Some(cursor.to_owned()), ..self.clone() }
    }

    pub(crate) fn types(&self, types: &[&'static str]) -> Self {
        Self { types: types.to_vec(), ..self.clone() }
    }
}

/// An open stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Socket(Box<Socket>),
    Events(Events),
}

impl Stream {
    /// Opens it and asks for what is wanted.
    pub(crate) async fn open(transport: Transport, address: SocketAddr, wanted: &Wanted) -> Self {
        Self::try_open(transport, address, wanted).await.expect("it is let in")
    }

    /// `None` where nobody is there, or nobody is let in.
    pub(crate) async fn try_open(transport: Transport, address: SocketAddr, wanted: &Wanted) -> Option<Self> {
        match transport {
            Transport::Socket => {
                let mut socket = Socket::open(address, "/api/realtime/ws", &[]).await.ok()?;
                socket.hello(wanted).await;
                Some(Self::Socket(Box::new(socket)))
            }
            Transport::Events => Some(Self::Events(Events::open(address, wanted, &[]).await.ok()?)),
        }
    }

    /// The next frame; `None` once there are no more.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        within("a frame", async {
            match self {
                Self::Socket(socket) => socket.read().await,
                Self::Events(events) => events.read().await,
            }
        })
        .await
    }

    /// The next frame, which must be this.
    pub(crate) async fn expect(&mut self, t: &str) -> Value {
        let frame = self.next().await;
        let frame = frame.unwrap_or_else(|| panic!("the stream ended before {t}"));
        assert_eq!(frame["t"], t, "{frame}");
        frame
    }

    /// The next event, whatever is said before it.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if frame["t"] == "event" {
                return frame;
            }
            assert!(["ready", "heartbeat"].contains(&frame["t"].as_str().unwrap()), "{frame}");
        }
    }

    /// Why it ends, whatever is said before; the stream ends with that.
    pub(crate) async fn bye(&mut self) -> Value {
        loop {
            let frame = self.next().await.expect("a stream says why it ends");
            if frame["t"] == "bye" {
                assert_eq!(self.next().await, None);
                return frame;
            }
        }
    }
}

/// A WebSocket.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

impl Socket {
    /// The status, where it is refused.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.map_err(|_| 0_u16)?;
        match within("the handshake", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(refused)) => Err(refused.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    pub(crate) async fn hello(&mut self, wanted: &Wanted) {
        let mut hello = json!({ "t": "hello", "v": 1 });
        let fields = hello.as_object_mut().unwrap();
        if !wanted.token.is_empty() {
            fields.insert("token".to_owned(), json!(wanted.token));
        }
        fields.extend(wanted.cursor.as_ref().map(|cursor| ("cursor".to_owned(), json!(cursor))));
        fields.extend(wanted.user.map(|user| ("user_id".to_owned(), json!(user))));
        if !wanted.types.is_empty() {
            fields.insert("types".to_owned(), json!(wanted.types));
        }
        self.say(&hello).await;
    }

    pub(crate) async fn say(&mut self, frame: &Value) {
        // One who has been sent away finds that out by reading.
        let _gone = self.0.send(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn read(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) => {}
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for the ack of this number, whatever is said before.
    pub(crate) async fn ack(&mut self, id: u64) -> Value {
        loop {
            let frame = within("an ack", self.read()).await.expect("the stream goes on");
            if frame["t"] == "ack" && frame["id"] == id {
                return frame;
            }
        }
    }
}

/// A reader of server-sent events.
#[derive(Debug)]
pub(crate) struct Events {
    stream: TcpStream,
    /// Bytes of chunks that are not whole.
    raw: Vec<u8>,
    text: String,
    has_ended: bool,
}

impl Events {
    /// The status, where it is refused.
    pub(crate) async fn open(
        address: SocketAddr,
        wanted: &Wanted,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let mut query = format!("types={}", wanted.types.join(","));
        for (name, value) in [("cursor", wanted.cursor.as_deref()), ("user_id", wanted.user)] {
            query += &value.map(|value| format!("&{name}={value}")).unwrap_or_default();
        }
        let mut request = format!("GET /api/realtime/sse?{query} HTTP/1.1\r\nhost: {address}\r\n");
        if !wanted.token.is_empty() {
            request += &format!("authorization: Bearer {}\r\n", wanted.token);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(address).await.map_err(|_| 0_u16)?;
        stream.write_all(format!("{request}\r\n").as_bytes()).await.map_err(|_| 0_u16)?;
        let mut raw = Vec::new();
        let head = within("the head of a stream", async {
            loop {
                if let Some((head, body)) = split_head(&raw) {
                    return Ok((head, body.to_vec()));
                }
                if stream.read_buf(&mut raw).await.map_err(|_| 0_u16)? == 0 {
                    return Err(0_u16);
                }
            }
        });
        let (head, body) = head.await?;
        match head.split(' ').nth(1).unwrap() {
            "200" => assert!(head.contains("text/event-stream"), "{head}"),
            status => return Err(status.parse().unwrap()),
        }
        Ok(Self { stream, raw: body, text: String::new(), has_ended: false })
    }

    /// The next event's data; `None` once the answer has ended or broken off.
    pub(crate) async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(self.take(&event));
            }
            while !self.has_ended && self.dechunk() {}
            if self.text.contains("\n\n") {
                continue;
            }
            if self.has_ended || self.stream.read_buf(&mut self.raw).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn take(&mut self, event: &str) -> Value {
        let mut data = Vec::new();
        let mut id = None;
        for line in event.lines() {
            match line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")) {
                ("id", value) => id = Some(value.to_owned()),
                ("data", value) => data.push(value),
                other => panic!("a line of an event: {other:?}"),
            }
        }
        let frame: Value = serde_json::from_str(&data.join("\n")).unwrap();
        assert_eq!(id.as_deref(), frame["cursor"].as_str(), "the id is the frame's cursor");
        frame
    }

    /// Takes one whole chunk; false if there is none. The last is empty.
    fn dechunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n") else { return false };
        let length = std::str::from_utf8(&self.raw[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if self.raw.len() < line + 2 + length + 2 {
            return false;
        }
        self.has_ended = length == 0;
        self.text += std::str::from_utf8(&self.raw[line + 2..line + 2 + length]).unwrap();
        self.raw.drain(..line + 2 + length + 2);
        true
    }
}

/// A number among the metrics, once it is what is waited for.
pub(crate) async fn metric_when(
    client: &super::client::Client,
    name: &str,
    is_so: impl Fn(f64) -> bool + Copy,
) -> f64 {
    until(name, || async {
        let metrics = client.get("/metrics").await;
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.filter(|value| is_so(*value))
    })
    .await
}
