//! Over TLS: who is let in, and why the others are not.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::*;
use crate::southbound::tls::SwitchVerifier;

/// The datapath id that the good switch has, and its certificate's name.
const DATAPATH_ID: u64 = 0xa1;
const NAME: &str = "dpid-00000000000000a1";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// An authority for both sides, and this side's certificate in files.
pub(super) struct Pki {
    authority: Authority,
    dir: TempDir,
    allow_1_2: bool,
}

/// A certificate with its key.
#[derive(Clone)]
pub(super) struct Certified {
    certificate: CertificateDer<'static>,
    key: Arc<PrivateKeyDer<'static>>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn certified(params: &CertificateParams, authority: &Authority) -> Certified {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Certified { certificate: certificate.into(), key: Arc::new(key.into()) }
}

impl Pki {
    pub(super) fn new() -> Self {
        let pki = Self { authority: authority(), dir: tempfile::tempdir().unwrap(), allow_1_2: false };
        pki.write(&pki.authority);
        pki
    }

    /// Writes this side's files, as this authority signs them.
    fn write(&self, authority: &Authority) {
        let key = KeyPair::generate().unwrap();
        let certificate = params("flumen").signed_by(&key, authority).unwrap();
        std::fs::write(self.path("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(self.path("ca.pem"), authority.pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn load(&self) -> Arc<Tls> {
        let files = TlsFiles {
            certificate: self.path("cert.pem"),
            key: self.path("key.pem"),
            authorities: self.path("ca.pem"),
            allow_1_2: self.allow_1_2,
        };
        Arc::new(Tls::load(files).unwrap())
    }

    pub(super) fn switch(&self, name: &str) -> Certified {
        certified(&params(name), &self.authority)
    }

    /// How a switch with this certificate, or none, dials in.
    fn dialer(&self, versions: &[&'static SupportedProtocolVersion], shown: Option<&Certified>) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = roots(&self.authority);
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(SwitchVerifier { roots, provider: Arc::clone(&provider) });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match shown {
            Some(Certified { certificate, key }) => {
                config.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        Arc::new(config).into()
    }

    /// A switch of TLS 1.3 with this certificate; refusals show only when it reads.
    pub(super) async fn dial(&self, stage: &Stage, shown: Option<&Certified>) -> TlsStream<TcpStream> {
        self.dialer(&[&rustls::version::TLS13], shown).connect(name(), stage.dial().await).await.unwrap()
    }
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    Arc::new(roots)
}

fn name() -> ServerName<'static> {
    ServerName::try_from("flumen").unwrap()
}

/// A switch with this certificate is refused for this reason, nothing is reported of it, and one that is connected does
/// not notice.
async fn refused(shown: Option<Certified>, pki: &Pki, reason: Refusal) {
    let mut stage = Stage::with(Some(pki.load())).await;
    behave(0xc3, pki.dial(&stage, Some(&pki.switch("dpid-00000000000000c3"))).await);
    let (_, _, commands) = stage.connected().await;
    let mut stream = pki.dial(&stage, shown.as_ref()).await;
    read_to_end(&mut stream).await;
    stage.refused(reason).await;
    assert!(stage.reports.try_recv().is_err());
    confirm(&mut stage, &commands, 10).await;
}

#[tokio::test]
async fn a_switch_with_its_own_certificate_connects_over_tls_1_3() {
    let pki = Pki::new();
    let mut stage = Stage::with(Some(pki.load())).await;
    let stream = pki.dial(&stage, Some(&pki.switch(NAME))).await;
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    behave(DATAPATH_ID, stream);
    assert_eq!(stage.connected().await.1, DatapathId(DATAPATH_ID));
}

#[tokio::test]
async fn m74_plaintext_is_refused() {
    let pki = Pki::new();
    let stage = Stage::with(Some(pki.load())).await;
    let mut stream = stage.dial().await;
    let hello = Message::Hello(openflow::Hello::with_versions(&[OFP_VERSION]));
    stream.write_all(&bytes_of(&hello)).await.unwrap();
    read_to_end(&mut stream).await;
    stage.refused(Refusal::NotTls).await;
}

#[tokio::test(start_paused = true)]
async fn m75_a_handshake_that_stalls_is_given_up() {
    let pki = Pki::new();
    let stage = Stage::with(Some(pki.load())).await;
    for beginning in [&[][..], &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]] {
        let mut stream = stage.dial().await;
        stream.write_all(beginning).await.unwrap();
        read_to_end(&mut stream).await;
    }
    stage.counted(|totals| totals.refused_for(Refusal::Timeout) == 2).await;
}

#[tokio::test]
async fn m76_the_certificate_of_another_switch_is_refused() {
    let pki = Pki::new();
    let mut stage = Stage::with(Some(pki.load())).await;
    behave(0xb2, pki.dial(&stage, Some(&pki.switch(NAME))).await);
    stage.refused(Refusal::WrongDatapathId).await;
    assert!(stage.reports.try_recv().is_err());
}

#[tokio::test]
async fn m76_a_certificate_that_names_no_datapath_id_is_refused() {
    let pki = Pki::new();
    for name in ["switch-1", "dpid-a1", "dpid-+0000000000000a1", "dpid-00000000000000a1.example.com"] {
        if let Ok(params) = CertificateParams::new(vec![name.to_owned()]) {
            refused(Some(certified(&params, &pki.authority)), &pki, Refusal::NoDatapathId).await;
        }
    }
}

#[tokio::test]
async fn m77_an_expired_certificate_and_one_not_valid_yet_are_refused() {
    let pki = Pki::new();
    for (from, to) in [(2001, 2002), (2091, 2092)] {
        let mut params = params(NAME);
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        refused(Some(certified(&params, &pki.authority)), &pki, Refusal::Expired).await;
    }
}

#[tokio::test]
async fn m77_a_certificate_signed_by_itself_or_by_a_stranger_is_refused() {
    let pki = Pki::new();
    refused(Some(certified(&params(NAME), &authority())), &pki, Refusal::UnknownIssuer).await;
    let key = KeyPair::generate().unwrap();
    let certificate = params(NAME).self_signed(&key).unwrap().into();
    refused(Some(Certified { certificate, key: Arc::new(key.into()) }), &pki, Refusal::UnknownIssuer).await;
}

#[tokio::test]
async fn m77_a_certificate_for_servers_only_and_none_at_all_are_refused() {
    let pki = Pki::new();
    let mut params = params(NAME);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    refused(Some(certified(&params, &pki.authority)), &pki, Refusal::WrongPurpose).await;
    refused(None, &pki, Refusal::NoCertificate).await;
}

#[tokio::test]
async fn m78_tls_1_2_is_refused_unless_it_is_allowed() {
    let mut pki = Pki::new();
    let certified = pki.switch(NAME);
    let dialer = pki.dialer(&[&rustls::version::TLS12], Some(&certified));
    let stage = Stage::with(Some(pki.load())).await;
    assert!(dialer.connect(name(), stage.dial().await).await.is_err());
    stage.refused(Refusal::Incompatible).await;

    pki.allow_1_2 = true;
    let mut stage = Stage::with(Some(pki.load())).await;
    behave(DATAPATH_ID, dialer.connect(name(), stage.dial().await).await.unwrap());
    stage.connected().await;
    behave(DATAPATH_ID, pki.dial(&stage, Some(&certified)).await);
    stage.connected().await;
}

#[tokio::test]
async fn m79_nothing_is_resumed_and_there_is_no_early_data() {
    let pki = Pki::new();
    let mut stage = Stage::with(Some(pki.load())).await;
    let dialer = pki.dialer(&[&rustls::version::TLS13], Some(&pki.switch(NAME)));
    for _ in 0..2 {
        let stream = dialer.connect(name(), stage.dial().await).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert!(!stream.get_ref().1.is_early_data_accepted());
        behave(DATAPATH_ID, stream);
        stage.connected().await;
    }
}

#[tokio::test]
async fn m80_a_flood_of_key_updates_ends_its_connection_and_no_other() {
    let pki = Pki::new();
    let mut stage = Stage::with(Some(pki.load())).await;
    behave(DATAPATH_ID, pki.dial(&stage, Some(&pki.switch(NAME))).await);
    stage.connected().await;
    let mut attacker = pki.dial(&stage, Some(&pki.switch("dpid-00000000000000b2"))).await;
    for _ in 0..200 {
        attacker.get_mut().1.refresh_traffic_keys().unwrap();
    }
    let _ = attacker.flush().await;
    read_to_end(&mut attacker).await;
    assert!(stage.reports.try_recv().is_err(), "the other one is still there");
}

#[tokio::test]
async fn new_certificates_are_taken_without_a_restart() {
    let pki = Pki::new();
    let tls = pki.load();
    let mut stage = Stage::with(Some(Arc::clone(&tls))).await;
    let old = pki.switch(NAME);
    behave(DATAPATH_ID, pki.dial(&stage, Some(&old)).await);
    stage.connected().await;

    std::fs::write(pki.path("cert.pem"), "no certificate").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Empty(_))));
    behave(DATAPATH_ID, pki.dial(&stage, Some(&old)).await);
    stage.connected().await;

    let renewed = Pki::new();
    pki.write(&renewed.authority);
    tls.reload().unwrap();
    behave(DATAPATH_ID, renewed.dial(&stage, Some(&renewed.switch(NAME))).await);
    stage.connected().await;
    let mut stranger = renewed.dial(&stage, Some(&old)).await;
    read_to_end(&mut stranger).await;
    stage.refused(Refusal::UnknownIssuer).await;
    assert!(stage.reports.try_recv().is_err(), "those that were there before still are");
}

/// A switch that listens with this certificate, and wants one of the same authority.
async fn listening(pki: &Pki, shown: Certified, datapath_id: u64) -> SwitchAddress {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&pki.authority), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![shown.certificate], shown.key.clone_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                behave(datapath_id, stream);
            }
        }
    });
    SwitchAddress { tls: true, host: "127.0.0.1".to_owned(), port }
}

#[tokio::test]
async fn a_dialled_switch_shows_its_certificate_too() {
    let pki = Pki::new();
    let mut stage = Stage::with(Some(pki.load())).await;
    let address = listening(&pki, pki.switch(NAME), DATAPATH_ID).await;
    assert_eq!(address.to_string(), format!("tls:127.0.0.1:{}", address.port));
    let _dial = stage.southbound.dial(address);
    assert_eq!(stage.connected().await.1, DatapathId(DATAPATH_ID));
}

#[tokio::test]
async fn a_dialled_switch_with_a_wrong_certificate_is_reported_as_not_reached() {
    let pki = Pki::new();
    let stranger = certified(&params(NAME), &authority());
    let another = pki.switch("dpid-00000000000000b2");
    for (shown, words) in [(stranger, "signed by nobody that is trusted"), (another, "its certificate is for")] {
        let mut stage = Stage::with(Some(pki.load())).await;
        let _dial = stage.southbound.dial(listening(&pki, shown, DATAPATH_ID).await);
        match stage.report().await {
            Report::DialFailed { reason, .. } => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn without_certificates_nothing_is_dialled_over_tls() {
    let mut stage = Stage::with(None).await;
    let address = SwitchAddress { tls: true, host: "127.0.0.1".to_owned(), port: 1 };
    let _dial = stage.southbound.dial(address);
    match stage.report().await {
        Report::DialFailed { reason, .. } => assert_eq!(reason, "this daemon has no certificates to dial with"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_are_missing_or_do_not_go_together_are_named() {
    let pki = Pki::new();
    let files = || TlsFiles {
        certificate: pki.path("cert.pem"),
        key: pki.path("key.pem"),
        authorities: pki.path("ca.pem"),
        allow_1_2: false,
    };
    let message = |files| Tls::load(files).unwrap_err().to_string();
    assert!(message(TlsFiles { key: pki.path("none.pem"), ..files() }).contains("none.pem"));
    assert!(message(TlsFiles { authorities: pki.path("key.pem"), ..files() }).contains("no certificate in"));
    std::fs::write(pki.path("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(message(TlsFiles { key: pki.path("other.pem"), ..files() }).contains("with its key"));
    let _: CertificateDer<'_> = CertificateDer::from_pem_file(pki.path("cert.pem")).unwrap();
}
