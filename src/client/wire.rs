//! The stream below the WebSocket: TCP, or TLS with a daemon whose certificate is checked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where Linux systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a WebSocket can run on.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Either of the two.
pub(super) type Wire = Box<dyn Io>;

/// Makes sure that the other end is `host`, and speaks TLS with it. Without `authorities` those of the system count.
pub(super) async fn secure(socket: TcpStream, host: &str, authorities: Option<&Path>) -> io::Result<Wire> {
    let path = authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
    let unusable = |reason: &dyn std::fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("cannot use the authorities in {}: {reason}", path.display()),
        )
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, socket).await?))
}
