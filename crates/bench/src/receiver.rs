//! A subscriber's endpoint: takes deliveries on keep-alive connections, notes each, and answers as it is
//! told.
//!
//! Like the load generator it shares its cores with the server under test, so it does no more than it must.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::http::{BUFFER_BYTES, content_length};

/// More than the program ever opens to one endpoint, even while connections of a killed one linger.
const CONNECTIONS_MAX: usize = 4096;
const HEADER_FIELDS_MAX: usize = 64;
const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One delivery as it arrived. A header that was missing is an empty text.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub at: Instant,
    pub webhook_id: &'a str,
    pub webhook_timestamp: &'a str,
    pub webhook_signature: &'a str,
    /// `X-Webhook-Signature`
    pub plain_signature: &'a str,
    /// `X-Webhook-Delivery`
    pub delivery_id: &'a str,
    pub body: &'a [u8],
}

/// What the receiver answers, and after how long.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub status: u16,
    pub delay: Duration,
}

impl Reply {
    pub const OK: Self = Self { status: 200, delay: Duration::ZERO };
}

/// Notes arrivals and decides the answers.
pub trait Ledger: Send + Sync + 'static {
    fn arrived(&self, arrival: &Arrival<'_>) -> Reply;
}

/// A listening receiver; dropping it closes its port and connections.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Receiver {
    pub async fn start(ledger: Arc<impl Ledger>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for deliveries")?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, ledger)).abort_handle();
        Ok(Self { address, accepting })
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, ledger: Arc<impl Ledger>) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if serving.len() < CONNECTIONS_MAX => {
                if let Ok((stream, _)) = accepted {
                    serving.spawn(serve(stream, Arc::clone(&ledger)));
                }
            }
            // A connection that ends, even in the middle of a request, is a normal thing: servers get killed
            // here.
            Some(_) = serving.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, ledger: Arc<impl Ledger>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = Vec::with_capacity(BUFFER_BYTES);
    loop {
        while let Some((reply, consumed)) = take(&incoming, &*ledger)? {
            incoming.drain(..consumed);
            answer(&mut stream, reply).await?;
        }
        ensure!(incoming.len() < REQUEST_BYTES_MAX, "a delivery beyond {REQUEST_BYTES_MAX} bytes");
        if stream.read_buf(&mut incoming).await? == 0 {
            return Ok(());
        }
    }
}

/// Takes one whole request from the front of `bytes`: the answer to give, and how many bytes it was.
fn take(bytes: &[u8], ledger: &impl Ledger) -> Result<Option<(Reply, usize)>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(body_at) = request.parse(bytes)? else { return Ok(None) };
    let end = body_at + content_length(request.headers)?.context("a delivery without Content-Length")?;
    if bytes.len() < end {
        return Ok(None);
    }
    let mut arrival = Arrival {
        at: Instant::now(),
        webhook_id: "",
        webhook_timestamp: "",
        webhook_signature: "",
        plain_signature: "",
        delivery_id: "",
        body: &bytes[body_at..end],
    };
    for field in &*request.headers {
        arrival.note(field);
    }
    Ok(Some((ledger.arrived(&arrival), end)))
}

impl<'a> Arrival<'a> {
    fn note(&mut self, field: &httparse::Header<'a>) {
        let place = match field.name {
            name if name.eq_ignore_ascii_case("webhook-id") => &mut self.webhook_id,
            name if name.eq_ignore_ascii_case("webhook-timestamp") => &mut self.webhook_timestamp,
            name if name.eq_ignore_ascii_case("webhook-signature") => &mut self.webhook_signature,
            name if name.eq_ignore_ascii_case("x-webhook-signature") => &mut self.plain_signature,
            name if name.eq_ignore_ascii_case("x-webhook-delivery") => &mut self.delivery_id,
            _ => return,
        };
        *place = std::str::from_utf8(field.value).unwrap_or_default();
    }
}

async fn answer(stream: &mut TcpStream, reply: Reply) -> Result<()> {
    if !reply.delay.is_zero() {
        sleep(reply.delay).await;
    }
    if reply.status == 200 {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    } else {
        let head = format!("HTTP/1.1 {} As Told\r\ncontent-length: 0\r\n\r\n", reply.status);
        stream.write_all(head.as_bytes()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::http::Connection;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Ledger for Notes {
        fn arrived(&self, arrival: &Arrival<'_>) -> Reply {
            let mut notes = self.0.lock().expect("no holder panics");
            notes.push(format!("{} {} {}", arrival.webhook_id, arrival.delivery_id, arrival.body.len()));
            Reply { status: if notes.len() == 1 { 500 } else { 200 }, ..Reply::OK }
        }
    }

    #[tokio::test]
    async fn deliveries_are_noted_and_answered_as_told() {
        let notes = Arc::new(Notes::default());
        let receiver = Receiver::start(Arc::clone(&notes)).await.expect("it listens");
        let mut connection = Connection::open(receiver.address).await.expect("it accepts");
        let request =
            b"POST /hook HTTP/1.1\r\nWebhook-Id: evt_1\r\nx-webhook-delivery: dlv_1\r\ncontent-length: 2\r\n\r\n{}";
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(connection.exchange(request).await.expect("an answer").status);
        }
        assert_eq!(statuses, [500, 200, 200]);
        assert_eq!(*notes.0.lock().expect("no holder panics"), ["evt_1 dlv_1 2"; 3]);
    }
}
