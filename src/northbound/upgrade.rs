//! The WebSocket handshake (RFC 6455, section 4.2): who may upgrade, and to which subprotocol.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::Server;
use super::auth::{Denied, Grant};
use super::http::{Ends, Response, empty, sentence};
use super::subprotocol::Subprotocol;
use crate::contract::Role;

/// What is said to somebody who offers only subprotocols that are not known here.
const NO_SUBPROTOCOL: &str =
    "the subprotocols here are flumen.v1.json, which is also the default when none is offered, and flumen.v1.msgpack";

/// The status of a refusal, and a sentence that says why.
type Refusal = (StatusCode, &'static str);

/// The answer to a request to upgrade: 101 with who it is and how they talk, or an error that says why not.
pub(super) fn respond<B>(
    request: &Request<B>,
    ends: Ends,
    server: &Server,
    is_reserved: bool,
) -> (Response, Option<(Grant, Subprotocol)>) {
    match accept(request, ends, server, is_reserved) {
        Ok((response, accepted)) => (response, Some(accepted)),
        Err((status, reason)) => {
            let mut response = sentence(status, reason);
            if status == StatusCode::UPGRADE_REQUIRED {
                let headers = response.headers_mut();
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            (response, None)
        }
    }
}

fn accept<B>(
    request: &Request<B>,
    ends: Ends,
    server: &Server,
    is_reserved: bool,
) -> Result<(Response, (Grant, Subprotocol)), Refusal> {
    let headers = request.headers();
    let mut response = create_response_with_body(request, empty).map_err(|error| refusal(&error))?;
    if has_body(headers) {
        return Err((StatusCode::BAD_REQUEST, "a request to upgrade has no body"));
    }
    let subprotocol = if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let chosen = Subprotocol::choose(headers).ok_or((StatusCode::BAD_REQUEST, NO_SUBPROTOCOL))?;
        let name = HeaderValue::from_static(chosen.as_str());
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        chosen
    } else {
        Subprotocol::Json
    };
    let grant = server.auth.at_upgrade(headers, request.uri().query(), ends.peer.ip()).map_err(denial)?;
    if is_reserved && grant.role() != Some(Role::Admin) {
        let reason = "the connections that are left are kept for admins who show their token with the upgrade";
        return Err((StatusCode::SERVICE_UNAVAILABLE, reason));
    }
    Ok((response, (grant, subprotocol)))
}

/// Why somebody does not get in.
fn denial(denied: Denied) -> Refusal {
    match denied {
        Denied::Wrong => (StatusCode::UNAUTHORIZED, "the token is not one that is known here"),
        Denied::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from this address; wait a second"),
        Denied::InQuery => (
            StatusCode::UNAUTHORIZED,
            "a token in the address would end up in logs; send it in the Authorization header",
        ),
    }
}

/// A body would be taken for the first frames.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// What is wrong with a handshake, for people.
fn refusal(error: &WebSocketError) -> Refusal {
    let WebSocketError::Protocol(error) = error else {
        return (StatusCode::BAD_REQUEST, "this is not a WebSocket handshake");
    };
    match error {
        ProtocolError::MissingConnectionUpgradeHeader | ProtocolError::MissingUpgradeWebSocketHeader => {
            (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: connect to it with ws://")
        }
        // RFC 6455, 4.4: the versions that the server has go into the response.
        ProtocolError::MissingSecWebSocketVersionHeader => {
            (StatusCode::UPGRADE_REQUIRED, "the version of the WebSocket protocol here is 13")
        }
        ProtocolError::MissingSecWebSocketKey | ProtocolError::InvalidSecWebSocketKey => {
            (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64")
        }
        ProtocolError::WrongHttpVersion => (StatusCode::BAD_REQUEST, "a WebSocket handshake needs HTTP/1.1"),
        _ => (StatusCode::BAD_REQUEST, "this is not a WebSocket handshake"),
    }
}
