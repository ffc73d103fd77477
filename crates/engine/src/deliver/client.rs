//! The only way out: a pooled HTTP client whose connections pass the guard.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::attempt::ErrorCode;
use hickory_resolver::TokioResolver;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service as _;

use super::connection::{Connection, Idle};
use super::guard::Guard;
use crate::limits::{CONNECTING_PER_HOST_MAX, CONNECTION_PROVEN_AFTER};
use crate::routes::Endpoint;
use crate::turns::Places;

/// Sends requests to addresses that the guard admits.
#[derive(Debug, Clone)]
pub struct Client {
    connector: HttpsConnector<Guarded>,
    guarded: Guarded,
    idle: Idle,
    /// To connect, by origin.
    places: Arc<Places<Arc<str>>>,
}

/// Why no request could be sent, or no answer read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, in words.
    pub message: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Client {
    /// A client behind `guard`.
    ///
    /// # Errors
    /// The system's resolver configuration cannot be read.
    pub fn new(guard: Guard) -> Result<Self, Failure> {
        let resolver = TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map_err(|error| Failure::new(ErrorCode::Dns, format!("no resolver: {error}")))?;
        Ok(Self::over(resolver, guard))
    }

    fn over(resolver: TokioResolver, guard: Guard) -> Self {
        let guarded = Guarded { resolver: Arc::new(resolver), guard };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(guarded.clone());
        let places = Arc::new(Places::new(CONNECTING_PER_HOST_MAX));
        Self { connector, guarded, idle: Idle::default(), places }
    }

    /// Sends a request and answers with the head of the response, and the connection that the rest of it comes over.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        let mut place = None;
        loop {
            while let Some(mut connection) = self.idle.take(&endpoint.origin).await {
                place = None;
                match connection.send(request).await {
                    Ok(response) => return Ok((connection, response)),
                    Err(mut error) => match error.take_message() {
                        // It was closed just then, and nothing was sent.
                        Some(unsent) => request = unsent,
                        None => return Err(explain(error.error())),
                    },
                }
            }
            // While it was waited for, a connection may have come free.
            if place.is_some() {
                break;
            }
            place = Some(self.places.take(&endpoint.origin).await);
        }
        let mut connection = self.connect(&endpoint.url).await?;
        let answered = {
            let mut sending = pin!(connection.send(request));
            // The receiver's system has opened it, but the receiver may not have seen it yet.
            let soon = timeout(CONNECTION_PROVEN_AFTER, &mut sending).await;
            drop(place);
            match soon {
                Ok(answered) => answered,
                Err(_) => sending.await,
            }
        };
        Ok((connection, answered.map_err(|error| explain(error.error()))?))
    }

    /// Keeps a connection for the next request, if the last answer has been read to its end.
    pub(super) async fn keep(&self, endpoint: &Endpoint, connection: Connection, now: Duration) {
        self.idle.keep(&endpoint.origin, connection, now).await;
    }

    /// Closes connections that have not been used for long.
    pub fn close_idle(&self, now: Duration) {
        self.idle.close_old(now);
    }

    async fn connect(&self, url: &Uri) -> Result<Connection, Failure> {
        let stream = self.connector.clone().call(url.clone()).await.map_err(|error| explain(&*error))?;
        Connection::over(stream).await.map_err(|error| explain(&error))
    }

    /// Resolves the host of `url` and checks it as a connection would.
    ///
    /// # Errors
    /// The name does not resolve, or no address of it may be called.
    pub async fn check(&self, url: &Uri) -> Result<(), Failure> {
        self.guarded.addresses(url).await.map(|_| ())
    }
}

/// Finds the cause that a person can do something about.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = Some(error);
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Failure::new(ErrorCode::Tls, format!("the connection could not be secured: {tls}"));
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && matches!(
                io.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            )
        {
            return Failure::new(ErrorCode::Connect, format!("cannot connect: {io}"));
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>()
            && hyper.is_parse_too_large()
        {
            return Failure::new(ErrorCode::ResponseTooLarge, "the answer's headers are too long");
        }
        last = error.to_string();
        // An I/O error keeps what it wraps to itself unless asked.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    Failure::new(ErrorCode::Protocol, format!("the connection broke off or did not speak HTTP: {last}"))
}

/// Opens connections to addresses that the guard admits, and to no others.
#[derive(Debug, Clone)]
struct Guarded {
    resolver: Arc<TokioResolver>,
    guard: Guard,
}

impl Guarded {
    async fn addresses(&self, url: &Uri) -> Result<Vec<SocketAddr>, Failure> {
        let is_encrypted = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default();
        let port = url.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let found = self.resolve(host).await?;
        let admitted: Vec<_> =
            found.iter().filter(|&&address| self.guard.admits(address, is_encrypted)).collect();
        if admitted.is_empty() {
            let scheme = if is_encrypted { "" } else { " without encryption" };
            let message = format!("{host} is at {}, which may not be called{scheme}", listed(&found));
            return Err(Failure::new(ErrorCode::BlockedAddress, message));
        }
        Ok(admitted.into_iter().map(|&address| SocketAddr::new(address, port)).collect())
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse() {
            return Ok(vec![address]);
        }
        let found = self.resolver.lookup_ip(host).await;
        found.map(|addresses| addresses.iter().collect()).map_err(|error| {
            let has_none = error.is_no_records_found() || error.is_nx_domain();
            let why = if has_none { "it has no address".to_owned() } else { error.to_string() };
            Failure::new(ErrorCode::Dns, format!("{host} does not resolve: {why}"))
        })
    }

    async fn connect(self, url: Uri) -> Result<TokioIo<TcpStream>, Failure> {
        let mut failure = Failure::new(ErrorCode::Connect, "there is no address to connect to");
        for address in self.addresses(&url).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Requests are written whole; waiting for more to send only delays them.
                    let _slower = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => {
                    failure =
                        Failure::new(ErrorCode::Connect, format!("cannot connect to {address}: {error}"));
                }
            }
        }
        Err(failure)
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

impl tower::Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;
    use hickory_resolver::config::{
        ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    };
    use rustls::CertificateError::{Expired, NotValidForName, UnknownIssuer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;

    const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

    /// A client whose names are resolved by a server that answers each question with the next of `answers`, and how
    /// many there were.
    async fn client_that_is_told(answers: Vec<Ipv4Addr>, guard: Guard) -> (Client, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let serving = async move {
            let mut query = [0; 512];
            while let Ok((_, from)) = socket.recv_from(&mut query).await {
                let reply = reply(&query, || {
                    let index = count.fetch_add(1, Ordering::Relaxed);
                    answers[index.min(answers.len() - 1)]
                });
                let _gone = socket.send_to(&reply, from).await;
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(serving);
        let mut connection = ConnectionConfig::udp();
        connection.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut resolver = TokioResolver::builder_with_config(config, Default::default());
        let options: &mut ResolverOpts = resolver.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        (Client::over(resolver.build().unwrap(), guard), asked)
    }

    /// An answer to a question for an IPv4 address; to any other, that there is none (RFC 1035, section 4).
    fn reply(query: &[u8], address: impl FnOnce() -> Ipv4Addr) -> Vec<u8> {
        let end_of_name = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap();
        let question = &query[12..end_of_name + 5];
        let is_v4 = query[end_of_name + 1..end_of_name + 3] == [0, 1];
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, is_v4.into(), 0, 0, 0, 0]);
        reply.extend_from_slice(question);
        if is_v4 {
            reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            reply.extend(address().octets());
        }
        reply
    }

    fn url(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_after_the_check_gains_nothing() {
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = inside.local_addr().unwrap().port();
        let (client, _) = client_that_is_told(vec![PUBLIC, Ipv4Addr::LOCALHOST], Guard::default()).await;
        let url = url(&format!("https://rebinds.example:{port}/"));
        client.check(&url).await.unwrap();
        let failure = client.connect(&url).await.err().unwrap();
        assert_eq!(failure.code, ErrorCode::BlockedAddress, "{failure}");
        assert!(inside.accept().now_or_never().is_none());
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_connected_to() {
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = inside.local_addr().unwrap().port();
        let guard = Guard::new(vec!["127.0.0.1/32".parse().unwrap()]);
        let answers = vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)];
        let (client, asked) = client_that_is_told(answers, guard).await;
        let url = url(&format!("http://rebinds.example:{port}/"));
        assert!(client.connect(&url).await.is_ok());
        assert_eq!(
            asked.load(Ordering::Relaxed),
            1,
            "nobody asks again between the check and the connection"
        );
        let failure = client.connect(&url).await.err().unwrap();
        assert_eq!(failure.code, ErrorCode::BlockedAddress, "and each connection is checked");
    }

    fn local_client() -> Client {
        Client::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()])).unwrap()
    }

    fn get(endpoint: &Endpoint) -> Request<Full<Bytes>> {
        let host = endpoint.host.clone();
        Request::get(endpoint.path.clone()).header(http::header::HOST, host).body(Full::default()).unwrap()
    }

    async fn is_stuck(waiting: impl Future) -> bool {
        tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err()
    }

    #[tokio::test]
    async fn few_connections_to_one_receiver_are_opened_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        let client = local_client();
        let mut sending: futures::stream::FuturesUnordered<_> =
            (0..2 * CONNECTING_PER_HOST_MAX).map(|_| client.send(&endpoint, get(&endpoint))).collect();
        // Nobody gets on until its greeting is answered.
        let mut greeted = Vec::new();
        let accept = async {
            for _ in 0..CONNECTING_PER_HOST_MAX {
                greeted.push(listener.accept().await.unwrap());
            }
            assert!(is_stuck(listener.accept()).await);
            greeted.pop();
            greeted.push(listener.accept().await.unwrap());
            assert!(is_stuck(listener.accept()).await);
        };
        let mut accept = pin!(accept);
        loop {
            tokio::select! {
                biased;
                () = &mut accept => break,
                Some(sent) = futures::StreamExt::next(&mut sending) => assert!(sent.is_err()),
            }
        }
    }

    #[tokio::test]
    async fn a_receiver_that_answers_nobody_holds_nobody_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let (client, count) = (local_client(), 2 * CONNECTING_PER_HOST_MAX);
        let sending = futures::future::join_all((0..count).map(|_| client.send(&endpoint, get(&endpoint))));
        let accept = async {
            let mut silent = Vec::new();
            while silent.len() < count {
                silent.push(listener.accept().await.unwrap());
            }
        };
        let all = timeout(Duration::from_secs(60), async {
            tokio::select! {
                biased;
                () = accept => {}
                _ = sending => panic!("nobody was answered"),
            }
        });
        all.await.expect("all come within a minute");
    }

    #[tokio::test]
    async fn whoever_waits_to_connect_takes_a_connection_that_has_come_free() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let client = local_client();
        let one_connection = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            loop {
                tokio::select! {
                    read = stream.read(&mut request) => assert!(read.unwrap() > 0),
                    other = listener.accept() => panic!("a second connection was opened: {other:?}"),
                }
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        };
        let both = async {
            let (connection, _) = client.send(&endpoint, get(&endpoint)).await.unwrap();
            let mut places = Vec::new();
            for _ in 0..CONNECTING_PER_HOST_MAX {
                places.push(client.places.take(&endpoint.origin).await);
            }
            let mut waiting = pin!(client.send(&endpoint, get(&endpoint)));
            assert!(is_stuck(&mut waiting).await);
            client.keep(&endpoint, connection, Duration::ZERO).await;
            drop(places);
            assert!(waiting.await.is_ok());
        };
        tokio::select! {
            () = both => {}
            () = one_connection => unreachable!(),
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_speak_tls_is_told_from_one_that_breaks_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(&format!("https://{}/", listener.local_addr().unwrap()));
        let plain = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _hello = stream.read(&mut [0; 1_024]).await;
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        };
        let client = local_client();
        let (connected, ()) = tokio::join!(client.connect(&url), plain);
        assert_eq!(connected.err().unwrap().code, ErrorCode::Tls);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_in_words() {
        let (client, _) = client_that_is_told(Vec::new(), Guard::new(Vec::new())).await;
        // Resolvers know by themselves that nothing is below it (RFC 6761).
        let failure = client.check(&url("https://nothing.invalid/")).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::Dns);
        assert_eq!(failure.message, "nothing.invalid does not resolve: it has no address");
    }

    #[test]
    fn a_refused_connection_did_not_break_off() {
        let failure = explain(&io::Error::other(io::Error::from(ErrorKind::ConnectionRefused)));
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (ErrorCode::Connect, "cannot connect: connection refused")
        );
        assert_eq!(explain(&io::Error::from(ErrorKind::ConnectionReset)).code, ErrorCode::Protocol);
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_named() {
        let named = [Expired, NotValidForName, UnknownIssuer].map(|error| {
            let error = rustls::Error::InvalidCertificate(error);
            let said = error.to_string();
            let failure = explain(&std::io::Error::other(error));
            assert_eq!(failure.code, ErrorCode::Tls);
            assert!(failure.message.ends_with(&said), "{failure}");
            failure.message
        });
        assert!(named[0] != named[1] && named[1] != named[2] && named[0] != named[2], "{named:?}");
    }
}
