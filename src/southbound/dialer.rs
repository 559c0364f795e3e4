//! Dials one switch and stays connected to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::connection::{self, Ended, Link};
use super::tally::Refusal;
use super::{NO_CERTIFICATES, Origin, Report, Shared, SwitchAddress};
use crate::backoff::Backoff;

/// The time a TCP connection has to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Keeps a switch dialled; dropping it hangs up.
#[derive(Debug)]
pub struct Dial {
    _stop: DropGuard,
}

pub(super) fn start(address: SwitchAddress, shared: &Arc<Shared>) -> Dial {
    let stop = shared.shutdown.child_token();
    shared.tracker.spawn(run(address, Arc::clone(shared), stop.clone()));
    Dial { _stop: stop.drop_guard() }
}

async fn run(address: SwitchAddress, shared: Arc<Shared>, stop: CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        match attempt(&address, &shared, &stop).await {
            None => backoff.reset(),
            Some(reason) => {
                debug!(%address, reason, "dialled switch not connected");
                if shared.reports.send(Report::DialFailed { address: address.clone(), reason }).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One connection from beginning to end, which it has even when it is stopped, so that the owner hears of it. `Some`
/// reason when it never became ready.
async fn attempt(address: &SwitchAddress, shared: &Arc<Shared>, stop: &CancellationToken) -> Option<String> {
    let Ok(_place) = shared.places.try_acquire() else { return Some(Refusal::TooMany.to_string()) };
    let tls = match &shared.tls {
        None if address.tls => return Some(NO_CERTIFICATES.to_owned()),
        tls => tls.as_ref().filter(|_| address.tls),
    };
    let target = (address.host.as_str(), address.port);
    let made = tokio::time::timeout(CONNECT, TcpStream::connect(target));
    let stream = match stop.run_until_cancelled(made).await? {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Some(error.to_string()),
        Err(_) => return Some("no answer to the connection request".to_owned()),
    };
    let peer = match stream.peer_addr() {
        Ok(peer) => peer,
        Err(error) => return Some(error.to_string()),
    };
    connection::configure(&stream);
    let origin = Origin::Dialed(address.clone());
    let link = |identity| Link { connection: shared.next_connection(), peer, origin, identity };
    let ended = if let Some(tls) = tls {
        match stop.run_until_cancelled(tls.connect(stream)).await? {
            Ok((stream, identity)) => connection::drive(stream, link(Some(identity)), shared, stop).await,
            Err(reason) => {
                shared.refuse(reason, address);
                return Some(reason.to_string());
            }
        }
    } else {
        connection::drive(stream, link(None), shared, stop).await
    };
    let Ended { reason, was_ready } = ended;
    debug!(%address, %reason, "dialled connection ended");
    (!was_ready).then(|| reason.to_string())
}
