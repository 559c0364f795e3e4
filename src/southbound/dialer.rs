//! Dials one switch and stays connected to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::backoff::Backoff;
use super::connection::{self, Link};
use super::{Origin, Report, Shared, SwitchAddress};

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
        let failed = tokio::select! {
            failed = attempt(&address, &shared, &stop) => failed,
            () = stop.cancelled() => return,
        };
        match failed {
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

/// One connection from beginning to end. `Some` reason when it never became ready.
async fn attempt(address: &SwitchAddress, shared: &Arc<Shared>, stop: &CancellationToken) -> Option<String> {
    let Ok(_place) = shared.places.try_acquire() else { return Some("too many connections".to_owned()) };
    let target = (address.host.as_str(), address.port);
    let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Some(error.to_string()),
        Err(_) => return Some("no answer to the connection request".to_owned()),
    };
    let peer = match stream.peer_addr() {
        Ok(peer) => peer,
        Err(error) => return Some(error.to_string()),
    };
    let link = Link { connection: shared.next_connection(), peer, origin: Origin::Dialed(address.clone()) };
    let ended = connection::drive(stream, link, shared, stop).await;
    debug!(%address, reason = %ended.reason, "dialled connection ended");
    (!ended.was_ready).then(|| ended.reason.to_string())
}
