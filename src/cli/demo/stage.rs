//! What the demonstration plays on: a daemon, a switch that dials it, and a client, all in this process and all over
//! sockets of the loopback interface.
//!
//! Tasks: `daemon` and those of the switch; [`Stage::clear`] ends them through one token and waits for them. When the
//! demonstration breaks off, they end with the process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use openflow::DatapathId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::exit::{Exit, Failure};
use crate::client::{Client, Config, Url};
use crate::config::ServeConfig;
use crate::daemon::{self, DaemonError, Listening};
use crate::emulator::{self, EmulatedSwitch, MissingPorts, SwitchConfig};

/// The switch's ports are 1 to this.
pub(super) const PORTS: u32 = 4;
pub(super) const DATAPATH_ID: DatapathId = DatapathId(0xd1);

/// How long any one thing may take here. It takes milliseconds; whoever waits so long sees that something is broken.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Enough of the last FLOW_MODs to find the ones that belong to a request.
const JOURNAL: usize = 64;

pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) switch: EmulatedSwitch,
    pub(super) listening: Listening,
    daemon: JoinHandle<Result<(), DaemonError>>,
    shutdown: CancellationToken,
    /// Goes with its contents when the stage is dropped.
    _data: ScratchDirectory,
}

impl Stage {
    /// Starts everything, in the order in which it depends on each other.
    pub(super) async fn set() -> Result<Self, Failure> {
        let data = ScratchDirectory::new().map_err(|error| {
            broken(format!(
                "cannot make a directory in {} for the daemon's state: {error}",
                std::env::temp_dir().display()
            ))
        })?;
        let shutdown = CancellationToken::new();
        let (daemon, listening) = start_daemon(data.path(), &shutdown).await?;
        let url = parse_url(listening.northbound)?;
        let client = Client::connect(Config::new(url.clone()))
            .await
            .map_err(|error| broken(format!("no connection: {error}")))?;
        let config = SwitchConfig {
            missing_ports: MissingPorts::Refuse,
            journal: JOURNAL,
            ..SwitchConfig::new(DATAPATH_ID).with_ports(PORTS)
        };
        let switch = emulator::connect(listening.openflow.to_string(), config, shutdown.clone());
        Ok(Self { client, url, switch, listening, daemon, shutdown, _data: data })
    }

    /// Says goodbye and waits until everybody has gone.
    pub(super) async fn clear(self) -> Result<(), Failure> {
        self.client.close().await;
        self.shutdown.cancel();
        self.switch.stopped().await;
        match timeout(PATIENCE, self.daemon).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(broken(format!("the daemon ended with an error: {error}"))),
            Ok(Err(error)) => Err(broken(format!("the daemon's task failed: {error}"))),
            Err(_) => Err(broken("the daemon did not end when it was told to")),
        }
    }
}

/// The demonstration itself did not work: that is never the answer it shows.
pub(super) fn broken(what: impl Into<String>) -> Failure {
    Failure::new(Exit::No, format!("the demonstration broke off: {}", what.into()))
}

async fn start_daemon(
    data: &Path,
    shutdown: &CancellationToken,
) -> Result<(JoinHandle<Result<(), DaemonError>>, Listening), Failure> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config =
        ServeConfig { listen: any_port, openflow: any_port, data: Some(data.to_owned()), ..ServeConfig::default() };
    let (ready, is_ready) = oneshot::channel();
    let daemon = tokio::spawn(daemon::run(config, shutdown.clone(), |listening| {
        // Nobody waits any more only if the demonstration has broken off.
        let _ = ready.send(listening);
    }));
    match timeout(PATIENCE, is_ready).await {
        Ok(Ok(listening)) => Ok((daemon, listening)),
        Ok(Err(_)) => Err(match daemon.await {
            Ok(Err(error)) => broken(format!("the daemon did not start: {error}")),
            _ => broken("the daemon did not start"),
        }),
        Err(_) => Err(broken("the daemon did not start in time")),
    }
}

fn parse_url(address: SocketAddr) -> Result<Url, Failure> {
    format!("ws://{address}/v1/ws").parse().map_err(|error| broken(format!("{address}: {error}")))
}

/// A new directory among the temporary files, removed with what is in it.
struct ScratchDirectory(PathBuf);

impl ScratchDirectory {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("flumen-demo-{:016x}", fastrand::u64(..)));
        // Fails if it is there already: nobody else's files are ever used or removed.
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // What cannot be removed is a few kilobytes where temporary files are cleaned up anyway.
        let _ = fs::remove_dir_all(&self.0);
    }
}
