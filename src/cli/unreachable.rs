//! A daemon that cannot be reached: why, in a network engineer's words, and what to try.

use std::io;

use rustls::CertificateError;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::exit::{Exit, Failure};
use super::output::shown;
use crate::client::{ConnectError, Url};

pub(super) const SHOW_A_TOKEN: &str = "show a token that the daemon knows with --token-file FILE or FLUMEN_TOKEN";

/// How a command ends that finds no daemon at `url`.
pub(super) fn unreachable(url: &Url, error: &ConnectError) -> Failure {
    if error.is_refusal() {
        let what = format!("the daemon at {url} does not let you in: {error}");
        return Failure::new(Exit::No, what).hint(SHOW_A_TOKEN);
    }
    let what = format!("cannot reach the daemon at {url}: {}", reason(error));
    Failure::new(Exit::Unreachable, what).hint(hint(url, error))
}

/// The reason, without the system's error number and the names of types.
fn reason(error: &ConnectError) -> String {
    match error {
        ConnectError::Tcp(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused, nothing listens there".to_owned(),
            io::ErrorKind::HostUnreachable => "no route to that host".to_owned(),
            io::ErrorKind::NetworkUnreachable => "no route to that network".to_owned(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "the other side hung up".to_owned(),
            io::ErrorKind::TimedOut => "no answer".to_owned(),
            _ => error.to_string(),
        },
        ConnectError::Handshake(error) if matches!(**error, WsError::Protocol(ProtocolError::HttparseError(_))) => {
            "what answers there is not a Flumen daemon: it does not speak HTTP".to_owned()
        }
        ConnectError::Tls(rustls::Error::InvalidMessage(_)) => "what answers there does not speak TLS".to_owned(),
        ConnectError::Tls(rustls::Error::InvalidCertificate(error)) => reason_of_certificate(error),
        other => other.to_string(),
    }
}

fn reason_of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate comes from an authority that is not trusted here".to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate names an authority that is trusted here, and has not that one's signature".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<_> = presented.iter().map(|name| shown(bare(name))).collect();
            format!("its certificate is for {}, not for that name", names.join(", "))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is not for that name".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        error if is_authority(error) => "its certificate is an authority's own, which is not for a daemon".to_owned(),
        other => format!("its certificate is not good: {other}"),
    }
}

/// A name out of `DnsName("localhost")` or `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// Whether a certificate that may sign others was shown for a daemon.
fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(error) if error.0.to_string() == "CaUsedAsEndEntity")
}

fn hint(url: &Url, error: &ConnectError) -> String {
    let (host, port) = (url.host(), url.port());
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match error {
        ConnectError::Tcp(_) if !url.names_port() => {
            let scheme = if url.is_secure() { "wss" } else { "ws" };
            format!("that is port {port}; a daemon listens on 8653 by default: --url {scheme}://{host}:8653")
        }
        ConnectError::Tcp(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "start it with 'flumen serve', or say where it is with --url or FLUMEN_URL".to_owned()
        }
        ConnectError::Tls(rustls::Error::InvalidMessage(_)) => {
            format!("a daemon without TLS is reached by --url ws://{host}:{port}")
        }
        ConnectError::Tls(rustls::Error::InvalidCertificate(error)) => hint_about_certificate(error).to_owned(),
        ConnectError::Authorities { .. } => {
            "--ca FILE names the authorities to trust, in PEM; without it the system's count".to_owned()
        }
        ConnectError::Http(StatusCode::NOT_FOUND) => {
            "a daemon's WebSocket is at the path /v1/ws, which --url may leave out".to_owned()
        }
        ConnectError::Handshake(_) if !url.is_secure() => format!(
            "a daemon with TLS is reached by --url wss://{host}:{port}; its port is 8653 by default, and 6653 is for switches"
        ),
        ConnectError::Handshake(_) | ConnectError::Http(_) | ConnectError::Tls(_) => {
            "the WebSocket port is 8653 by default; 6653 is for switches".to_owned()
        }
        ConnectError::Resolve(_) | ConnectError::Tcp(_) | ConnectError::Timeout => {
            "say where the daemon is with --url or FLUMEN_URL".to_owned()
        }
    }
}

fn hint_about_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => "--ca FILE names the authority that it comes from, in PEM",
        CertificateError::BadSignature => {
            "--ca FILE names another authority of the same name: take the one that it comes from"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "--url takes the name that the certificate is for"
        }
        error if is_authority(error) => "make it with basicConstraints=CA:FALSE, or have an authority sign another",
        _ => "the daemon needs another; it reads --tls-cert and --tls-key again at SIGHUP",
    }
}
