//! A small HTTP/1.1 client over bare sockets. It can say what no well-behaved client says.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

/// Somebody who asks one server under one bearer, or none.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    bearer: Option<String>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_chunked: bool,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, bearer: Option<&str>) -> Self {
        Self { address, bearer: bearer.map(str::to_owned) }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("PATCH", path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Request::new("DELETE", path)).await
    }

    /// All pages of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (mut all, mut next) = (Vec::new(), format!("{path}{mark}limit=200"));
        loop {
            let page = self.get(&next).await.ok();
            all.extend_from_slice(page["data"].as_array().unwrap());
            let Some(cursor) = page["next_cursor"].as_str() else { return all };
            next = format!("{path}{mark}limit=200&cursor={cursor}");
        }
    }

    /// Sends under the client's bearer, which must be answered.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let path = request.path.clone();
        let request = match &self.bearer {
            Some(bearer) => request.header("authorization", &format!("Bearer {bearer}")),
            None => request,
        };
        let answer = self.exchange(&request.bytes()).await;
        answer.unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// Sends bytes on a connection of their own and reads what comes back; `None` if that is no whole answer.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Option<Answer> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let (mut reading, mut writing) = stream.into_split();
        let write = async {
            // Who refuses a body does not read it to its end.
            let _refused = writing.write_all(bytes).await;
        };
        let read = async {
            let mut answer = Vec::new();
            let _reset = reading.read_to_end(&mut answer).await;
            answer
        };
        let ((), answer) = within("an answer", async { tokio::join!(write, read) }).await;
        Answer::read(&answer)
    }
}

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        let headers = vec![("connection".to_owned(), "close".to_owned())];
        Self { method, path: path.to_owned(), headers, body: Vec::new(), is_chunked: false }
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in pieces, without saying beforehand how long it is.
    pub(crate) fn chunked(mut self) -> Self {
        self.is_chunked = true;
        self
    }

    /// The request as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes += "host: waystation.test\r\n";
        }
        for (name, value) in &self.headers {
            bytes += &format!("{name}: {value}\r\n");
        }
        if self.is_chunked {
            let mut bytes = (bytes + "transfer-encoding: chunked\r\n\r\n").into_bytes();
            for piece in self.body.chunks(64 * 1_024) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            return bytes;
        }
        bytes += &format!("content-length: {}\r\n\r\n", self.body.len());
        [bytes.into_bytes(), self.body.clone()].concat()
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, body) = split_head(bytes)?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let answer = Self { status, headers: read_headers(&head), body: body.to_vec() };
        let announced = answer.header("content-length").and_then(|length| length.parse().ok());
        (announced.is_none_or(|length: usize| length == body.len())).then_some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The JSON of an answer that is no refusal.
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?} {}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Passes if it is a whole problem document of this status and code; answers with its detail.
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let document = self.json();
        assert_eq!((&document["status"], &document["code"]), (&status.into(), &code.into()), "{text}");
        for field in ["type", "title", "detail"] {
            assert!(document[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {text}");
        }
        document["detail"].as_str().unwrap().to_owned()
    }
}

/// Splits a message into its head, as text, and its body so far; `None` while the head is not whole.
pub(crate) fn split_head(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 4..]))
}

pub(crate) fn read_headers(head: &str) -> Vec<(String, String)> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

pub(crate) fn find_header<'h>(headers: &'h [(String, String)], wanted: &str) -> Option<&'h str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
}
