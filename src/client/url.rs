//! Where a daemon is: `ws://HOST[:PORT][/PATH]`, or `wss://` with TLS.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{Uri, uri};

use super::ConnectError;

/// The path of the WebSocket endpoint, taken when the address names none.
const PATH: &str = "/v1/ws";

/// A daemon's WebSocket address. Printing it leaves out the query, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
}

/// Why a text is not the address of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL at all.
    #[error("it must look like ws://HOST:PORT{PATH}")]
    Syntax,
    /// A scheme other than `ws` and `wss`.
    #[error("the daemon is reached by WebSocket: it must start with ws:// or wss://")]
    Scheme,
    /// `user:password@`.
    #[error("a user name or password has no place in it; a token goes into --token-file or FLUMEN_TOKEN")]
    UserInfo,
}

impl Url {
    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port; 80 or 443 where the address names none, as for every `ws://` or `wss://`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is reached by TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether the address itself names a port.
    pub fn names_port(&self) -> bool {
        self.uri.port().is_some()
    }

    /// The HTTP request that asks for the upgrade.
    pub(super) fn upgrade(&self) -> Result<Request, ConnectError> {
        (&self.uri).into_client_request().map_err(|error| ConnectError::Handshake(Box::new(error)))
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let Some((scheme, _)) = text.split_once("://") else { return Err(UrlError::Syntax) };
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(UrlError::Scheme),
        };
        let mut parts = text.parse::<Uri>().map_err(|_| UrlError::Syntax)?.into_parts();
        let authority = parts.authority.as_ref().ok_or(UrlError::Syntax)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match (authority.port_u16(), authority.as_str().strip_prefix(authority.host())) {
            (Some(port), _) => port,
            (None, Some("")) if is_secure => 443,
            (None, Some("")) => 80,
            (None, _) => return Err(UrlError::Syntax),
        };
        if host.is_empty() || port == 0 {
            return Err(UrlError::Syntax);
        }
        if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = Some(uri::PathAndQuery::from_static(PATH));
        }
        let uri = Uri::from_parts(parts).map_err(|_| UrlError::Syntax)?;
        Ok(Self { uri, host, port, is_secure })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_address_is_taken_as_it_is() {
        let url: Url = "ws://127.0.0.1:8653/v1/ws".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.names_port()), ("127.0.0.1", 8653, true));
        assert_eq!(url.to_string(), "ws://127.0.0.1:8653/v1/ws");
    }

    #[test]
    fn path_and_port_may_be_left_out() {
        let url: Url = "ws://controller.example".parse().unwrap();
        assert_eq!((url.port(), url.names_port()), (80, false));
        assert_eq!(url.to_string(), "ws://controller.example/v1/ws");
        assert_eq!("ws://c:1/".parse::<Url>().unwrap().to_string(), "ws://c:1/v1/ws");
        assert_eq!("ws://c:1/proxy/ws".parse::<Url>().unwrap().to_string(), "ws://c:1/proxy/ws");
    }

    #[test]
    fn an_address_with_tls_has_the_port_of_https() {
        let url: Url = "WSS://controller.example".parse().unwrap();
        assert_eq!((url.port(), url.is_secure()), (443, true));
        assert_eq!(url.to_string(), "wss://controller.example/v1/ws");
        assert!(!"ws://controller.example".parse::<Url>().unwrap().is_secure());
    }

    #[test]
    fn an_ipv6_host_loses_its_brackets_only_for_the_resolver() {
        let url: Url = "ws://[::1]:8653".parse().unwrap();
        assert_eq!(url.host(), "::1");
        assert_eq!(url.to_string(), "ws://[::1]:8653/v1/ws");
    }

    #[test]
    fn a_query_is_never_printed() {
        let url: Url = "ws://c:1/v1/ws?token=secret".parse().unwrap();
        assert!(!url.to_string().contains("secret"));
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_the_reason() {
        for (text, error) in [
            ("127.0.0.1:8653", UrlError::Syntax),
            ("", UrlError::Syntax),
            ("ws://", UrlError::Syntax),
            ("ws://:8653", UrlError::Syntax),
            ("ws://host:0", UrlError::Syntax),
            ("ws://host:65536", UrlError::Syntax),
            ("ws://host:abc", UrlError::Syntax),
            ("ws://two words", UrlError::Syntax),
            ("wss://", UrlError::Syntax),
            ("http://host", UrlError::Scheme),
            ("ws://user:password@host", UrlError::UserInfo),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }
}
