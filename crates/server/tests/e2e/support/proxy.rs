//! A wire that can be cut: TCP connections to a server, until somebody cuts them.

use std::net::{Ipv4Addr, SocketAddr};

use rand::RngExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Below the range that outgoing connections take their ports from: while nobody listens, a client that tries to
/// connect must not be given this very port and reach itself.
const PORTS: std::ops::Range<u16> = 10_000..18_000;

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    upstream: String,
    forwarding: Option<JoinHandle<()>>,
}

impl Proxy {
    /// To `upstream`, a host with its port.
    pub(crate) async fn start(upstream: String) -> Self {
        loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::rng().random_range(PORTS)));
            if let Ok(listener) = TcpListener::bind(address).await {
                let forwarding = tokio::spawn(forward(listener, upstream.clone()));
                return Self { address, upstream, forwarding: Some(forwarding) };
            }
        }
    }

    /// Breaks every connection, and refuses new ones.
    pub(crate) async fn cut(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
            // The sockets are closed once it has ended.
            let _aborted = forwarding.await;
        }
    }

    /// Leads elsewhere once it is mended.
    pub(crate) fn lead_to(&mut self, upstream: String) {
        self.upstream = upstream;
    }

    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.forwarding = Some(tokio::spawn(forward(listener, self.upstream.clone())));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

async fn forward(listener: TcpListener, upstream: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let upstream = upstream.clone();
        connections.spawn(async move {
            let mut far = TcpStream::connect(upstream).await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
    }
}
