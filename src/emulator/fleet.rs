//! Many switches in one process, to load a controller with.
//!
//! They share what they have in common, and an idle one owns a few kilobytes: ten thousand fit anywhere. Each of them
//! needs a file descriptor. The tasks are those of [`EmulatedSwitch`], one for each switch, and end with the token.

use openflow::DatapathId;
use tokio_util::sync::CancellationToken;

use super::config::SwitchConfig;
use super::driver::EmulatedSwitch;
use super::misbehaviour::Fault;

/// Switches that dial the same controller.
#[derive(Clone, Debug)]
pub struct Fleet {
    switches: Vec<EmulatedSwitch>,
}

/// A count of what a fleet does and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetState {
    /// Switches whose controller has got past HELLO.
    pub connected: usize,
    /// Flows in all tables of all switches.
    pub flows: usize,
}

impl Fleet {
    /// Starts `count` switches like the template, whose datapath ids count up from its own.
    pub fn connect(controller: &str, count: u64, template: &SwitchConfig, shutdown: &CancellationToken) -> Self {
        Self::misbehaving(controller, count, template, &[], shutdown)
    }

    /// The same with these faults on every connection.
    pub fn misbehaving(
        controller: &str,
        count: u64,
        template: &SwitchConfig,
        faults: &[Fault],
        shutdown: &CancellationToken,
    ) -> Self {
        let like_template = |number| SwitchConfig {
            datapath_id: DatapathId(template.datapath_id.0.wrapping_add(number)),
            ..template.clone()
        };
        let start = |number| {
            let switch = EmulatedSwitch::new(like_template(number));
            switch.misbehave(faults.to_vec());
            switch.dial(controller, shutdown.clone());
            switch
        };
        Self { switches: (0..count).map(start).collect() }
    }

    /// The switches, by datapath id.
    pub fn switches(&self) -> &[EmulatedSwitch] {
        &self.switches
    }

    /// What they do and have now.
    pub fn state(&self) -> FleetState {
        self.switches.iter().fold(FleetState::default(), |state, switch| FleetState {
            connected: state.connected + usize::from(switch.is_connected()),
            flows: state.flows + switch.flow_count(),
        })
    }

    /// Waits until all of them have ended, after the token was cancelled.
    pub async fn stopped(&self) {
        for switch in &self.switches {
            switch.stopped().await;
        }
    }
}
