//! Accepts switches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, error};

use super::connection::{self, Ended, Link};
use super::tally::Refusal;
use super::{Origin, Shared};

/// The pause after a failed accept, which is nearly always a lack of file descriptors: trying at once would spin.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let shutdown = shared.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                let tracker = shared.tracker.clone();
                tracker.spawn(async move {
                    match serve(stream, peer, &shared).await {
                        Ok(Ended { reason, .. }) => debug!(%peer, %reason, "switch connection ended"),
                        Err(reason) => shared.refuse(reason, &peer),
                    }
                });
            }
            Err(error) => {
                error!(%error, "cannot accept switches");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection from beginning to end, over TLS where there are certificates.
async fn serve(stream: TcpStream, peer: SocketAddr, shared: &Shared) -> Result<Ended, Refusal> {
    let _place = shared.places.try_acquire().map_err(|_| Refusal::TooMany)?;
    connection::configure(&stream);
    let link = |identity| Link { connection: shared.next_connection(), peer, origin: Origin::Accepted, identity };
    let Some(tls) = &shared.tls else {
        return Ok(connection::drive(stream, link(None), shared, &shared.shutdown).await);
    };
    let (stream, identity) = tls.accept(stream).await?;
    Ok(connection::drive(stream, link(Some(identity)), shared, &shared.shutdown).await)
}
