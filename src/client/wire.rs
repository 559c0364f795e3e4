//! From an address to an open WebSocket: TCP, TLS with a daemon whose certificate is checked, the upgrade.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::connection::Shared;
use super::counters::Tally;
use super::error::AuthoritiesError;
use super::{CONNECT_TIMEOUT, Config, ConnectError, ConnectionState, MESSAGE_MAX};
use crate::contract::Subprotocol;
use crate::counted::Counted;

/// Where Linux systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a WebSocket can run on.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Whatever it runs on.
pub(super) type Wire = Box<dyn Io>;

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Counted<Wire, Arc<Tally>>>;

/// A connection, and what is spoken on it.
pub(super) struct Line {
    pub(super) socket: Socket,
    pub(super) subprotocol: Subprotocol,
}

/// How a stream to the daemon is had.
pub(super) trait Dial: Debug + Send + Sync {
    /// Makes one.
    fn dial<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<Wire, ConnectError>>;
}

/// Over the network.
#[derive(Debug)]
pub(super) struct Network;

impl Dial for Network {
    fn dial<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<Wire, ConnectError>> {
        Box::pin(async {
            let Config { url, authorities, .. } = config;
            let addresses: Vec<_> =
                tokio::net::lookup_host((url.host(), url.port())).await.map_err(ConnectError::Resolve)?.collect();
            let socket = TcpStream::connect(addresses.as_slice()).await.map_err(ConnectError::Tcp)?;
            // A request is one small write: it must not wait for the answer to the one before.
            socket.set_nodelay(true).map_err(ConnectError::Tcp)?;
            Ok(match url.is_secure() {
                true => secure(socket, url.host(), authorities.as_deref()).await?,
                false => Box::new(socket),
            })
        })
    }
}

/// Opens a connection, within [`CONNECT_TIMEOUT`].
pub(super) async fn open(dial: &dyn Dial, config: &Config, shared: &Shared) -> Result<Line, ConnectError> {
    let opening = async {
        let wire = dial.dial(config).await?;
        if config.token.is_some() {
            shared.states.enter(ConnectionState::Connected);
            shared.states.enter(ConnectionState::Authenticating);
        }
        upgrade(wire, config, shared).await
    };
    let line = timeout(CONNECT_TIMEOUT, opening).await.map_err(|_| ConnectError::Timeout)??;
    let has_token = config.token.is_some();
    shared.states.enter(if has_token { ConnectionState::Authenticated } else { ConnectionState::Connected });
    Ok(line)
}

async fn upgrade(wire: Wire, config: &Config, shared: &Shared) -> Result<Line, ConnectError> {
    let mut request = config.url.upgrade()?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(offer(config.subprotocol)));
    if let Some(token) = &config.token {
        headers.insert(header::AUTHORIZATION, token.authorization());
    }
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let wire = Counted::by(Arc::clone(&shared.tally), wire);
    match client_async_with_config(request, wire, Some(limits)).await {
        Ok((socket, response)) => {
            // The engine has seen to it that the daemon has chosen one of those that were offered.
            let chosen = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|name| name.to_str().ok());
            let subprotocol = chosen.and_then(|name| name.parse().ok()).unwrap_or_default();
            Ok(Line { socket, subprotocol })
        }
        Err(WsError::Http(response)) => Err(ConnectError::Http(response.status())),
        Err(WsError::Io(error)) => Err(ConnectError::Tcp(error)),
        Err(error) => Err(ConnectError::Handshake(Box::new(error))),
    }
}

/// What is offered, in the order of preference: every daemon knows JSON.
const fn offer(preferred: Subprotocol) -> &'static str {
    match preferred {
        Subprotocol::Json => "flumen.v1.json",
        Subprotocol::MessagePack => "flumen.v1.msgpack, flumen.v1.json",
    }
}

/// Makes sure that the other end is `host`, and speaks TLS with it. Without `authorities` those of the system count.
async fn secure(socket: TcpStream, host: &str, authorities: Option<&Path>) -> Result<Wire, ConnectError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let roots = match authorities {
        Some(path) => named_authorities(path)?,
        None => system_authorities(Path::new(SYSTEM_AUTHORITIES))?,
    };
    let config = versions.map_err(ConnectError::Tls)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| ConnectError::Tcp(io::Error::other(error)))?;
    match TlsConnector::from(Arc::new(config)).connect(name, socket).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(error.downcast().map_or_else(ConnectError::Tcp, ConnectError::Tls)),
    }
}

/// The authorities that somebody has named: each must be one that can be used.
fn named_authorities(path: &Path) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, error.into()))?;
    }
    if roots.is_empty() { Err(unusable(path, AuthoritiesError::None)) } else { Ok(roots) }
}

/// The authorities of the system: among so many, one that cannot be used is no reason to trust none.
fn system_authorities(path: &Path) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates(path)?);
    if usable == 0 { Err(unusable(path, AuthoritiesError::None)) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| unusable(path, error.into()))
}

fn unusable(path: &Path, reason: AuthoritiesError) -> ConnectError {
    ConnectError::Authorities { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// One in which nothing is where it should be.
    const STRANGE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    fn good() -> String {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
    }

    fn bundle(certificates: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), certificates.concat()).unwrap();
        file
    }

    #[test]
    fn a_strange_certificate_among_those_of_the_system_does_not_keep_the_others_from_being_trusted() {
        let file = bundle(&[STRANGE, &good(), STRANGE]);
        assert_eq!(system_authorities(file.path()).unwrap().len(), 1);
        let error = system_authorities(bundle(&[STRANGE]).path()).unwrap_err();
        assert!(matches!(error, ConnectError::Authorities { reason: AuthoritiesError::None, .. }), "{error}");
    }

    #[test]
    fn of_the_authorities_that_somebody_has_named_each_must_be_good_and_there_must_be_one() {
        assert_eq!(named_authorities(bundle(&[&good(), &good()]).path()).unwrap().len(), 2);
        let error = named_authorities(bundle(&[&good(), STRANGE]).path()).unwrap_err();
        assert!(matches!(error, ConnectError::Authorities { reason: AuthoritiesError::Unusable(_), .. }), "{error}");
        let error = named_authorities(bundle(&["-----BEGIN PRIVATE KEY-----\n"]).path()).unwrap_err();
        assert!(matches!(error, ConnectError::Authorities { reason: AuthoritiesError::Pem(_), .. }), "{error}");
        let error = named_authorities(bundle(&[]).path()).unwrap_err();
        assert!(matches!(error, ConnectError::Authorities { reason: AuthoritiesError::None, .. }), "{error}");
    }
}
