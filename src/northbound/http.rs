//! One connection from its first byte: an HTTP request, and the WebSocket that it may turn into.
//!
//! Every connection serves one request, and that within [`handshake_timeout`], so that a slow client holds
//! its slot no longer than that.
//!
//! [`handshake_timeout`]: super::NorthboundConfig::handshake_timeout

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;

use super::auth::Grant;
use super::subprotocol::Subprotocol;
use super::{Server, metrics, upgrade, websocket};
use crate::contract::{Command, Reply};

/// More than any browser sends.
const MAX_HEADERS: usize = 100;
/// Room for the request line and all headers: hyper's least.
const HEADER_BYTES: usize = 8 << 10;
/// How long `/readyz` and `/metrics` wait for the programmer.
pub(super) const PROGRAMMER_TIMEOUT: Duration = Duration::from_secs(1);

/// Who talks to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// A WebSocket to be.
#[derive(Debug)]
struct Upgraded {
    upgrade: OnUpgrade,
    grant: Grant,
    subprotocol: Subprotocol,
}

pub(super) type Response = hyper::Response<Full<Bytes>>;

/// Serves the connection to its end. One that is reserved is kept for admins. The request is to be there by the deadline.
pub(super) async fn serve_connection<S>(socket: S, ends: Ends, server: &Server, is_reserved: bool, deadline: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = ends.peer;
    let _open = server.metrics.connection();
    let upgraded = Mutex::new(None);
    let service = service_fn(|request| async {
        let mut response = respond(request, ends, server, is_reserved, &upgraded).await;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadline.saturating_duration_since(Instant::now()))
        .max_headers(MAX_HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    // That bounds the headers; as much again bounds the response.
    let last = deadline + server.handshake_timeout(is_reserved);
    let served = async {
        tokio::select! {
            served = timeout_at(last, connection) => served,
            () = overdue(server) => Ok(Ok(())),
        }
    };
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return debug!(%peer, %error, "a request failed"),
        Err(_) => return debug!(%peer, "a request took too long"),
    }
    let upgraded: Option<Upgraded> = upgraded.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some(Upgraded { upgrade, grant, subprotocol }) = upgraded else { return };
    match upgrade.await {
        Ok(io) => websocket::run(TokioIo::new(io), peer, grant, subprotocol, server).await,
        Err(error) => debug!(%peer, %error, "the upgrade failed"),
    }
}

/// Ends when a request that was made before the shutdown has had its time.
async fn overdue(server: &Server) {
    server.shutdown.cancelled().await;
    sleep(PROGRAMMER_TIMEOUT).await;
}

/// Routes one request. A WebSocket's future connection is left in `upgraded`.
async fn respond(
    mut request: Request<Incoming>,
    ends: Ends,
    server: &Server,
    is_reserved: bool,
    upgraded: &Mutex<Option<Upgraded>>,
) -> Response {
    if let Err(reason) = server.origins.admit_host(request.headers(), request.version(), ends.local) {
        return sentence(StatusCode::BAD_REQUEST, reason);
    }
    if let Err(reason) = server.origins.admit_origin(request.headers(), ends.local) {
        return sentence(StatusCode::FORBIDDEN, reason);
    }
    let path = request.uri().path();
    let is_websocket = path == "/v1/ws";
    if !is_websocket && !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return sentence(StatusCode::NOT_FOUND, "nothing here: there are /v1/ws, /healthz, /readyz and /metrics");
    }
    if request.method() != Method::GET && (is_websocket || request.method() != Method::HEAD) {
        let mut response = sentence(StatusCode::METHOD_NOT_ALLOWED, "only GET works here");
        let allowed = if is_websocket { "GET" } else { "GET, HEAD" };
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    match path {
        "/healthz" => sentence(StatusCode::OK, "alive"),
        "/readyz" => readiness(server).await,
        "/metrics" => exposition(server).await,
        _ => {
            let (response, accepted) = upgrade::respond(&request, ends, server, is_reserved);
            if let Some((grant, subprotocol)) = accepted {
                let upgrade = hyper::upgrade::on(&mut request);
                let next = Upgraded { upgrade, grant, subprotocol };
                *upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
            }
            response
        }
    }
}

/// Ready is who answers: the programmer does so once its store is loaded.
async fn readiness(server: &Server) -> Response {
    if server.shutdown.is_cancelled() {
        return sentence(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    match ask(server, Command::GetInfo).await {
        Some(_) => sentence(StatusCode::OK, "ready"),
        None => sentence(StatusCode::SERVICE_UNAVAILABLE, "the programmer does not answer"),
    }
}

async fn exposition(server: &Server) -> Response {
    let survey = timeout(PROGRAMMER_TIMEOUT, server.programmer.survey()).await.ok().flatten().unwrap_or_default();
    let switches = server.programmer.switch_totals();
    let text = server.metrics.render(&survey, server.hub.subscriptions(), switches.as_ref());
    let mut response = hyper::Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

/// The programmer's reply, if it gives one in time.
async fn ask(server: &Server, command: Command) -> Option<Reply> {
    let answer = async { server.programmer.submit(command).await.ok()?.await.ok()?.ok() };
    timeout(PROGRAMMER_TIMEOUT, answer).await.ok().flatten()
}

/// A response of one sentence.
pub(super) fn sentence(status: StatusCode, text: &str) -> Response {
    let mut response = hyper::Response::new(Full::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(super) fn empty() -> Full<Bytes> {
    Full::default()
}
