//! Accepts switches.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{debug, error, warn};

use super::connection::{self, Link};
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
                    let Ok(_place) = shared.places.try_acquire() else {
                        return warn!(%peer, "refused a switch: too many connections");
                    };
                    let link = Link { connection: shared.next_connection(), peer, origin: Origin::Accepted };
                    let connection = link.connection;
                    let ended = connection::drive(stream, link, &shared, &shared.shutdown).await;
                    debug!(%peer, connection = connection.0, reason = %ended.reason, "switch connection ended");
                });
            }
            Err(error) => {
                error!(%error, "cannot accept switches");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
