//! Wires the layers together: store, switches, programmer and front end, from start to orderly end.
//!
//! At the end the front end goes first, so that what is in flight is still answered; then the programmer, which has
//! the store write what is left; then the switches' connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::display;
use tracing::{error, info, warn};

use crate::config::{ClassSource, ServeConfig};
use crate::contract::Limits;
use crate::northbound::{self, NorthboundConfig};
use crate::programmer::{self, Programmer, Reclassed, StartError};
use crate::southbound::{REPORTS, Southbound, Tls, TlsError};
use crate::store::{Store, StoreError};
use crate::{session, shutdown};

/// How long the switches' connections have to end once everything else has.
const LAST_CONNECTIONS: Duration = Duration::from_secs(2);

/// How many connections may wait to be accepted, as far as the kernel allows (`net.core.somaxconn`). All switches of a
/// network come back at once; the library's own 128 would make most of them wait for their kernels to try again.
const BACKLOG: u32 = 16_384;

/// Why the daemon did not start, or ended early.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Who would have connected there.
        purpose: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The northbound listener would be open to others.
    #[error(transparent)]
    NotAdmitted(#[from] northbound::NotAdmitted),
    /// The southbound listener would be open to others.
    #[error(
        "refusing to accept switches on {0}: beyond loopback that needs mutual TLS (--openflow-cert, --openflow-key, \
         --openflow-ca); listen on 127.0.0.1, or pass --insecure to accept any switch that can reach the port"
    )]
    OpenToSwitches(SocketAddr),
    /// The certificates for switches cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate for clients cannot be used.
    #[error(transparent)]
    ClientTls(#[from] northbound::TlsError),
    /// The system does not tell about signals.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// The store cannot be used, or can no longer be trusted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The programmer could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl DaemonError {
    /// What an operator may try, where the error does not say it itself.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("a daemon may be running there already; --listen and --openflow choose other addresses")
            }
            Self::Store(StoreError::Io { .. } | StoreError::InUse { .. }) => {
                Some("--data or FLUMEN_DATA chooses another directory")
            }
            _ => None,
        }
    }
}

/// The addresses that a running daemon listens on, with the ports that the system chose where 0 was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// WebSocket and HTTP.
    pub northbound: SocketAddr,
    /// OpenFlow.
    pub openflow: SocketAddr,
}

/// Runs a daemon until `shutdown` is cancelled; `ready` is told the addresses once both listeners are open and the
/// store is read.
///
/// # Errors
/// A [`DaemonError`] when it cannot start, or when its store can no longer be trusted.
pub async fn run(
    config: ServeConfig,
    shutdown: CancellationToken,
    ready: impl FnOnce(Listening),
) -> Result<(), DaemonError> {
    northbound::admission(config.listen, config.tokens.as_deref(), config.insecure)?;
    if !is_loopback(config.openflow.ip()) && config.openflow_tls.is_none() && !config.insecure {
        return Err(DaemonError::OpenToSwitches(config.openflow));
    }
    let tls = config.openflow_tls.map(Tls::load).transpose()?.map(Arc::new);
    let north_tls = config.tls.map(northbound::Tls::load).transpose()?.map(Arc::new);
    let (north_listener, north_address) = listen(config.listen, "clients")?;
    let (switch_listener, switch_address) = listen(config.openflow, "switches")?;
    let data = config.data;
    let (store, snapshot) = match &data {
        Some(dir) => Store::open(dir)?,
        None => (Store::memory(), Default::default()),
    };
    let north_config = NorthboundConfig {
        origins: config.origins,
        tls: north_tls.clone(),
        tokens: config.tokens,
        query_tokens: config.query_tokens,
        ..config.client_limits.northbound()
    };
    let engine_config = programmer::Config {
        admission: config.admission,
        table_miss: config.table_miss,
        pipeline: config.pipeline,
        classes: config.classes,
        dial_tls: tls.is_some(),
        max_flows: programmer::MAX_FLOWS,
        patience: programmer::PATIENCE,
        bulk: programmer::BULK,
        many: programmer::MANY,
        limits: limits(&north_config),
    };

    let tracker = TaskTracker::new();
    let last = CancellationToken::new();
    let (reports_in, reports_out) = mpsc::channel(REPORTS);
    let switch_tls = tls.clone();
    let (class_readings, mut classes_due) = mpsc::channel(1);
    let class_source = config.class_source;
    let manager = config.manager;
    let renew = move || {
        manager.reload(|| reload(switch_tls.as_deref(), north_tls.as_deref()));
        // One that is due already reads what there is by then.
        let _ = class_readings.try_send(());
    };
    shutdown::on_hangup(&tracker, last.clone(), renew).map_err(DaemonError::Signals)?;
    let southbound = Southbound::start(
        session::Config::default(),
        Some(switch_listener),
        tls,
        reports_in,
        tracker.clone(),
        last.clone(),
    );
    let (programmer, news, work) =
        programmer::start(engine_config, store, &snapshot, southbound, reports_out, tracker.clone(), last.clone())
            .await?;
    drop(snapshot);
    let reclasser = programmer.clone();
    let stop = last.clone();
    tracker.spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(classes_due.recv()).await {
            reclass(class_source.as_ref(), &reclasser).await;
        }
    });
    let worker = tokio::spawn(work);
    let data = data.as_deref().map(|dir| display(dir.display()));
    info!(northbound = %north_address, openflow = %switch_address, data, "ready");
    ready(Listening { northbound: north_address, openflow: switch_address });
    manager.ready(&format!("clients at {north_address}, switches at {switch_address}"));
    let engine = programmer.clone();
    let answers = move || {
        let engine = engine.clone();
        async move { engine.survey().await.is_some() }
    };
    tracker.spawn(manager.accompany(answers, shutdown.clone(), last.clone()));

    // Whichever ends first ends the other: without its store the daemon answers nobody.
    let front = northbound::serve(north_listener, programmer, news, north_config, shutdown.clone());
    let mut worker = std::pin::pin!(worker);
    let mut front = std::pin::pin!(front);
    let early = tokio::select! {
        () = &mut front => None,
        ended = &mut worker => Some(ended),
    };
    shutdown.cancel();
    if early.is_some() {
        front.await;
    }
    last.cancel();
    let ended = match early {
        Some(ended) => ended,
        None => worker.await,
    };
    tracker.close();
    if tokio::time::timeout(LAST_CONNECTIONS, tracker.wait()).await.is_err() {
        warn!(left = tracker.len(), "connections to switches did not end in time");
    }
    info!("stopped");
    match ended {
        Ok(result) => Ok(result?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn listen(address: SocketAddr, purpose: &'static str) -> Result<(TcpListener, SocketAddr), DaemonError> {
    let failed = |source| DaemonError::Listen { address, purpose, source };
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A daemon that starts again takes the address of the one before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(failed)
}

/// The certificates may have been renewed on disk.
fn reload(switches: Option<&Tls>, clients: Option<&northbound::Tls>) {
    match switches.map(Tls::reload) {
        Some(Ok(())) => info!("read the certificates for switches again"),
        Some(Err(error)) => error!(%error, "the certificates for switches cannot be used; the old ones stay in use"),
        None => {}
    }
    match clients.map(northbound::Tls::reload) {
        Some(Ok(())) => info!("read the certificate for clients again"),
        Some(Err(error)) => error!(%error, "the certificate for clients cannot be used; the old one stays in use"),
        None => {}
    }
}

/// The classes of traffic may be others in the configuration file.
async fn reclass(source: Option<&ClassSource>, programmer: &Programmer) {
    match source.map(ClassSource::read) {
        Some(Ok(classes)) => match programmer.reclass(classes).await {
            Ok(Reclassed { flows, nodes }) => info!(flows, nodes, "read the classes of traffic again"),
            Err(error) => error!(%error, "the classes of traffic cannot be changed; the old ones stay in force"),
        },
        Some(Err(faults)) => {
            error!("the configuration file cannot be used; the old classes of traffic stay in force: {faults}");
        }
        None => {}
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn limits(config: &NorthboundConfig) -> Limits {
    Limits {
        message_bytes: config.message_bytes as u64,
        msgpack_message_bytes: config.msgpack_message_bytes as u64,
        outbound_bytes: config.outbound_bytes as u64,
        json_depth: u32::try_from(config.json_depth).unwrap_or(u32::MAX),
        requests_in_flight: config.requests_in_flight,
        connections: u32::try_from(config.connections).unwrap_or(u32::MAX),
        discovered_nodes: 0,
    }
}
