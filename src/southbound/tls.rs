//! TLS to switches, mutual: this side shows its certificate and demands the switch's, whoever made the connection.
//!
//! A switch's certificate is pinned to its datapath id by name: one of its DNS names is `dpid-` and the 16 hexadecimal
//! digits (`ovs-pki req+sign dpid-00000000000000a1 switch` makes such a one), and the datapath id in FEATURES_REPLY
//! must be a named one. So a switch can be nobody else, whatever address it has.
//!
//! TLS 1.3, and 1.2 where the configuration allows it. Nothing is resumed and there is no early data (0-RTT): every
//! connection proves its certificate anew, also after a [`Tls::reload`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openflow::DatapathId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::tally::Refusal;

/// The time a TLS handshake has.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What a datapath id follows in a certificate's DNS name.
const PREFIX: &str = "dpid-";

/// Where the certificates are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// This side's certificate, and those between it and the authority that switches trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that sign switches' certificates.
    pub authorities: PathBuf,
    /// Whether TLS 1.2 is allowed beside 1.3.
    pub allow_1_2: bool,
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file has no certificate.
    #[error("there is no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// An authority's certificate cannot be used.
    #[error("cannot trust the authorities in {}: {source}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The authorities make no verifier.
    #[error("cannot check the certificates of switches: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// Certificate and key do not go together.
    #[error("cannot use the certificate with its key: {0}")]
    Certificate(#[from] rustls::Error),
}

/// Both ends of TLS with the certificates of this daemon.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    ends: RwLock<Ends>,
}

#[derive(Clone)]
struct Ends {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ends")
    }
}

/// The datapath ids that a switch's certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(Vec<DatapathId>);

impl Identity {
    pub(super) fn allows(&self, datapath_id: DatapathId) -> bool {
        self.0.contains(&datapath_id)
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Tls {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A [`TlsError`] when they cannot be read or used.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let ends = RwLock::new(Ends::load(&files)?);
        Ok(Self { files, ends })
    }

    /// Reads the certificates again. Connections to come use the new ones; those that exist keep theirs.
    ///
    /// # Errors
    /// A [`TlsError`] when they cannot be read or used: the old ones stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let ends = Ends::load(&self.files)?;
        *self.ends.write().unwrap_or_else(PoisonError::into_inner) = ends;
        Ok(())
    }

    fn ends(&self) -> Ends {
        self.ends.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handshake with a switch that connected.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Identity), Refusal> {
        let handshake = self.ends().acceptor.accept(stream);
        identified(tokio::time::timeout(HANDSHAKE, async { handshake.await.map(TlsStream::from) }).await)
    }

    /// The handshake with a switch that was dialled.
    pub(super) async fn connect(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Identity), Refusal> {
        // A switch is known by its datapath id, not by the address at which it was found.
        let Ok(peer) = stream.peer_addr() else { return Err(Refusal::Broken) };
        let handshake = self.ends().connector.connect(ServerName::from(peer.ip()), stream);
        identified(tokio::time::timeout(HANDSHAKE, async { handshake.await.map(TlsStream::from) }).await)
    }
}

type Handshaken = Result<io::Result<TlsStream<TcpStream>>, tokio::time::error::Elapsed>;

fn identified(done: Handshaken) -> Result<(TlsStream<TcpStream>, Identity), Refusal> {
    let stream = done.map_err(|_| Refusal::Timeout)?.map_err(|error| refusal(&error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).ok_or(Refusal::NoCertificate)?;
    let identity = identity(certificate).ok_or(Refusal::NoDatapathId)?;
    Ok((stream, identity))
}

/// The datapath ids among a certificate's DNS names; `None` when there is none.
fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let ids: Vec<_> = certificate.valid_dns_names().filter_map(datapath_id).collect();
    (!ids.is_empty()).then_some(Identity(ids))
}

fn datapath_id(name: &str) -> Option<DatapathId> {
    let digits = name.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
    let digits = digits.and_then(|_| name.get(PREFIX.len()..)).filter(|digits| digits.len() == 16)?;
    // `from_str_radix` would take a sign.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
        .map(DatapathId)
}

/// What a failed handshake was about.
fn refusal(error: &io::Error) -> Refusal {
    use CertificateError as C;
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return Refusal::Broken;
    };
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            Refusal::NotTls
        }
        rustls::Error::NoCertificatesPresented => Refusal::NoCertificate,
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => Refusal::Expired,
            // A signature is bad when the issuer has the name of a trusted one and another key.
            C::UnknownIssuer | C::BadSignature => Refusal::UnknownIssuer,
            C::InvalidPurpose | C::InvalidPurposeContext { .. } => Refusal::WrongPurpose,
            _ => Refusal::BadCertificate,
        },
        rustls::Error::PeerIncompatible(_) => Refusal::Incompatible,
        _ => Refusal::Broken,
    }
}

impl Ends {
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&'static SupportedProtocolVersion] = if files.allow_1_2 {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        } else {
            &[&rustls::version::TLS13]
        };
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|source| TlsError::File { path: files.key.clone(), source })?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.authorities)? {
            let path = || files.authorities.clone();
            roots.add(authority).map_err(|source| TlsError::Authority { path: path(), source })?;
        }
        let roots = Arc::new(roots);

        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build()?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;

        let verifier = Arc::new(SwitchVerifier { roots, provider: Arc::clone(&provider) });
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key)?;
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::File { path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect();
    let found = found.map_err(wrong)?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}

/// Checks the certificate of a dialled switch as that of one which connects: by its authority, its time and its
/// purpose. Not by the address, which a certificate of a switch does not name; its datapath id follows in FEATURES_REPLY.
#[derive(Debug)]
pub(super) struct SwitchVerifier {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SwitchVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
