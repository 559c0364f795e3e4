//! What can go wrong for a client: no connection, a connection that ended, a daemon that said no.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::contract::ErrorBody;

/// Why there is no connection. It does not name the address: the caller knows it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host name means nothing.
    #[error("the host name cannot be resolved: {0}")]
    Resolve(#[source] io::Error),
    /// Nobody answers, or somebody hangs up.
    #[error("{0}")]
    Tcp(#[source] io::Error),
    /// The authorities that the daemon's certificate is to come from cannot be used.
    #[error("cannot use the authorities in {}: {reason}", .path.display())]
    Authorities {
        /// Where they are.
        path: PathBuf,
        /// What is wrong with them.
        #[source]
        reason: AuthoritiesError,
    },
    /// Who answers does not speak TLS, or has a certificate that is not good for the address.
    #[error("{0}")]
    Tls(#[source] rustls::Error),
    /// [`CONNECT_TIMEOUT`](super::CONNECT_TIMEOUT) has passed.
    #[error("no answer within {} s", super::CONNECT_TIMEOUT.as_secs())]
    Timeout,
    /// An HTTP server that did not upgrade to a WebSocket.
    #[error("the answer was HTTP {0}")]
    Http(StatusCode),
    /// Something that does not speak WebSocket, or not Flumen's subprotocol.
    #[error("what answers there is not a Flumen daemon: {0}")]
    Handshake(#[source] Box<WsError>),
}

impl ConnectError {
    /// The daemon is there and does not let this client in.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Http(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }
}

/// Why authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The file cannot be read, or is not PEM.
    #[error("{0}")]
    Pem(#[from] pem::Error),
    /// One of the certificates is none that an authority can have.
    #[error("{0}")]
    Unusable(#[from] rustls::Error),
    /// There is no certificate in the file that can be used.
    #[error("there is no certificate in it that can be used")]
    None,
}

/// Why a request has no Reply.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The daemon's Error.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// It was sent, the connection ended before its answer, and it could not be asked again: whether the daemon has
    /// done it is not known.
    #[error("the connection was lost before the answer came: {0}")]
    OutcomeUnknown(#[source] Lost),
    /// It was not sent: nothing was done.
    #[error("it was not sent: {0}")]
    NotSent(#[source] Lost),
    /// The command cannot be written as JSON. Nothing was sent.
    #[error("the command cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The Reply is not one that this client knows. What was asked was done.
    #[error("the answer is not understood: {0}")]
    Strange(#[source] serde_json::Error),
}

/// How a connection ended, or why there is no other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Closed by this client.
    #[error("it was closed by this side")]
    Closed,
    /// The daemon said goodbye, with the code and reason of RFC 6455, section 7.4.
    #[error("the daemon closed it with {code}{}{reason}", if .reason.is_empty() { "" } else { ": " })]
    ByDaemon {
        /// The close code.
        code: u16,
        /// The reason in the daemon's words.
        reason: String,
    },
    /// It ended without a goodbye.
    #[error("it broke ({0})")]
    Broken(String),
    /// The daemon sent nothing after a ping, for as long as it was given.
    #[error("the daemon is silent")]
    Silent,
    /// The daemon sent what this client cannot understand.
    #[error("the daemon sent what is not the protocol: {0}")]
    Protocol(String),
    /// The daemon does not go on with a subscription.
    #[error("the daemon does not go on with a subscription: {0}")]
    NotResumed(ErrorBody),
    /// No other connection could be made, in as many attempts as there may be.
    #[error("no other connection could be made: {0}")]
    Unreachable(String),
    /// The daemon does not let this client in any more.
    #[error("the daemon does not let this client in any more: {0}")]
    LockedOut(String),
}

impl Lost {
    /// Whether another connection would be no better.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Closed | Self::Protocol(_) | Self::LockedOut(_))
    }

    /// Whether the daemon took offence at what this client had sent: sending it again would be no better.
    pub(super) fn blames_us(&self) -> bool {
        let Self::ByDaemon { code, .. } = self else { return false };
        let blames =
            |code| matches!(code, CloseCode::Protocol | CloseCode::Unsupported | CloseCode::Invalid | CloseCode::Size);
        blames(CloseCode::from(*code))
    }
}

impl From<WsError> for Lost {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Io(error) => Self::Broken(error.to_string()),
            // Our own goodbye is told by whoever said it.
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<Option<CloseFrame>> for Lost {
    fn from(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self::ByDaemon { code: frame.code.into(), reason: frame.reason.to_string() },
            // RFC 6455, section 7.4.1: 1005 stands for a close frame without a code.
            None => Self::ByDaemon { code: 1005, reason: String::new() },
        }
    }
}
