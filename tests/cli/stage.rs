//! A daemon and emulated switches of its own for each test, in this process, on ports that are free.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use flumen::config::{ClientLimits, ServeConfig};
use flumen::daemon::{self, Listening};
use flumen::emulator::{self, Backoff, EmulatedSwitch, SwitchConfig};
use openflow::DatapathId;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::binary::{Ended, PATIENCE, flumen, run};

pub(crate) struct Stage {
    pub(crate) listening: Listening,
    shutdown: CancellationToken,
    runtime: Runtime,
}

impl Stage {
    pub(crate) fn set() -> Self {
        Self::allowing(ClientLimits::default())
    }

    /// A daemon that allows its clients so much.
    pub(crate) fn allowing(client_limits: ClientLimits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shutdown = CancellationToken::new();
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = ServeConfig { listen: any_port, openflow: any_port, client_limits, ..ServeConfig::default() };
        let (ready, is_ready) = mpsc::channel();
        runtime.spawn(daemon::run(config, shutdown.clone(), move |listening| ready.send(listening).unwrap()));
        let listening = is_ready.recv_timeout(PATIENCE).unwrap();
        Self { listening, shutdown, runtime }
    }

    /// A switch that dials the daemon until its token is cancelled.
    pub(crate) fn switch(&self, datapath_id: u64, table_limit: usize) -> (EmulatedSwitch, CancellationToken) {
        let _inside = self.runtime.enter();
        let token = self.shutdown.child_token();
        let first = std::time::Duration::from_millis(20);
        let config = SwitchConfig {
            table_limit,
            journal: 64,
            backoff: Backoff { first, last: first },
            ..SwitchConfig::new(DatapathId(datapath_id))
        };
        (emulator::connect(self.listening.openflow.to_string(), config, token.clone()), token)
    }

    /// Runs the binary against the daemon.
    pub(crate) fn flumen(&self, line: &str) -> Ended {
        let url = format!("ws://{}", self.listening.northbound);
        run(flumen(line.split_whitespace()).env("FLUMEN_URL", url))
    }

    /// Runs the binary against the daemon, beside the test.
    pub(crate) fn start(&self, line: &str) -> JoinHandle<Ended> {
        let url = format!("ws://{}", self.listening.northbound);
        let mut command = flumen(line.split_whitespace());
        command.env("FLUMEN_URL", url);
        std::thread::spawn(move || run(&mut command))
    }

    /// Waits until so many topics are subscribed to.
    pub(crate) fn wait_for_subscriptions(&self, count: usize) {
        let (started, wanted) = (Instant::now(), format!("flumen_subscriptions {count}"));
        while started.elapsed() < PATIENCE {
            let mut socket = TcpStream::connect(self.listening.northbound).unwrap();
            socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            if std::io::read_to_string(socket).unwrap().lines().any(|line| line == wanted) {
                return;
            }
        }
        panic!("not {count} subscriptions");
    }

    /// Waits until `flumen node list` shows the node in this state.
    pub(crate) fn wait_for(&self, node: &str, state: &str) {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let list = self.flumen("node list").with(0).stdout;
            let row = list.lines().find(|line| line.split_whitespace().next() == Some(node));
            if row.is_some_and(|row| row.split_whitespace().nth(1) == Some(state)) {
                return;
            }
        }
        panic!("{node} is not {state}");
    }

    /// A node with a switch behind it, connected.
    pub(crate) fn connected(
        &self,
        name: &str,
        datapath_id: u64,
        table_limit: usize,
    ) -> (EmulatedSwitch, CancellationToken) {
        let switch = self.switch(datapath_id, table_limit);
        self.flumen(&format!("node add {name} --datapath-id {datapath_id}")).with(0);
        self.wait_for(name, "connected");
        switch
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
