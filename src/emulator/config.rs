//! What kind of switch the emulator plays.

use std::sync::Arc;
use std::time::Duration;

use openflow::{DatapathId, MacAddr, OFP_VERSION, Port, PortConfig, PortFeatures, PortNo, PortState};

/// The properties of an emulated switch. Cheap to clone: what is large is shared.
///
/// ```
/// use flumen::emulator::SwitchConfig;
/// use openflow::DatapathId;
///
/// let config = SwitchConfig { table_limit: 5, ..SwitchConfig::new(DatapathId(1)) };
/// ```
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// The id in FEATURES_REPLY.
    pub datapath_id: DatapathId,
    /// What the switch says of itself in the multipart reply DESC.
    pub description: Arc<Description>,
    /// The ports that it has from the start.
    pub ports: Arc<[Port]>,
    /// The number of flow tables, the first of which is 0.
    pub n_tables: u8,
    /// The number of flows that fit into one table.
    pub table_limit: usize,
    /// What happens to a flow that does not fit.
    pub when_full: WhenFull,
    /// What happens to an action that names a port which the switch does not have.
    pub missing_ports: MissingPorts,
    /// The protocol versions that the switch speaks; it has to speak 1.3 with a controller to get past HELLO.
    pub versions: Arc<[u8]>,
    /// Whether HELLO lists the versions in a bitmap, as it should since 1.3.1.
    pub version_bitmap: bool,
    /// The number of groups, and of meters, that the switch can have.
    pub group_limit: usize,
    /// See `group_limit`.
    pub meter_limit: usize,
    /// Whether meters that were added are there: a switch that says yes to them and has none is a fault in the field.
    pub keeps_meters: bool,
    /// Whether meters can mark packets, which Open vSwitch's cannot.
    pub dscp_remark_bands: bool,
    /// Whether the switch knows the ONF extension for bundles (experimenter messages 2300 and 2301).
    pub bundles: bool,
    /// Whether the switch knows the ONF extension for flow monitors (experimenter messages 1870 to 1872).
    pub flow_monitors: bool,
    /// How long a connection is idle before the switch sends ECHO_REQUEST, and how long the answer may take.
    pub inactivity_probe: Option<Duration>,
    /// How many of the last FLOW_MODs the journal keeps; 0 costs nothing.
    pub journal: usize,
    /// How long the switch waits between two attempts to reach its controller.
    pub backoff: Backoff,
}

impl SwitchConfig {
    /// The port numbers that a switch has if nobody says otherwise.
    const DEFAULT_PORTS: u32 = 4;

    /// A switch as Open vSwitch would be, with four ports and no limits that matter.
    pub fn new(datapath_id: DatapathId) -> Self {
        Self {
            datapath_id,
            description: Arc::default(),
            ports: (1..=Self::DEFAULT_PORTS).map(|number| port(datapath_id, number)).collect(),
            n_tables: 254,
            table_limit: 1_000_000,
            when_full: WhenFull::Refuse,
            missing_ports: MissingPorts::Accept,
            versions: Arc::new([OFP_VERSION]),
            version_bitmap: true,
            group_limit: 65_536,
            meter_limit: 65_536,
            keeps_meters: true,
            dscp_remark_bands: false,
            bundles: true,
            flow_monitors: true,
            inactivity_probe: None,
            journal: 0,
            backoff: Backoff::default(),
        }
    }

    /// The same switch with `count` ports, numbered from 1.
    #[must_use]
    pub fn with_ports(self, count: u32) -> Self {
        Self { ports: (1..=count).map(|number| port(self.datapath_id, number)).collect(), ..self }
    }
}

/// The strings of `ofp_desc`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "ofp_desc")]
pub struct Description {
    /// `mfr_desc`.
    pub manufacturer: String,
    /// `hw_desc`.
    pub hardware: String,
    /// `sw_desc`.
    pub software: String,
    /// `serial_num`.
    pub serial_number: String,
    /// `dp_desc`.
    pub datapath: String,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            manufacturer: "Flumen".to_owned(),
            hardware: "emulated OpenFlow 1.3 switch".to_owned(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            serial_number: "None".to_owned(),
            datapath: "None".to_owned(),
        }
    }
}

/// What a switch does with a flow that finds its table full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Answers FLOW_MOD_FAILED/TABLE_FULL.
    Refuse,
    /// Makes room without a word: the flow whose timeout is next goes, else the oldest.
    Evict,
}

/// What a switch does with an action that names a port which it does not have.
///
/// If the port may come later, a switch may either drop the packets silently or refuse the flow mod, says section 6.4
/// of the specification. Both kinds of switch exist; Open vSwitch is of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPorts {
    /// Accepts the flow.
    Accept,
    /// Answers BAD_ACTION/BAD_OUT_PORT.
    Refuse,
}

/// Waiting times that double from the first to the last; a connection that lived longer than the last starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub last: Duration,
}

impl Default for Backoff {
    /// The times of Open vSwitch: 1, 2, 4, 8, 8 seconds.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), last: Duration::from_secs(8) }
    }
}

/// A port that is up, as fast as an ordinary one, with an address of its own.
fn port(datapath_id: DatapathId, number: u32) -> Port {
    let [.., id_high, id_low] = datapath_id.0.to_be_bytes();
    let [.., number_high, number_low] = number.to_be_bytes();
    Port {
        port_no: PortNo(number),
        hw_addr: MacAddr([0x02, 0xf1, id_high, id_low, number_high, number_low]),
        name: format!("port{number}").as_str().into(),
        config: PortConfig(0),
        state: PortState::LIVE,
        curr: PortFeatures(0),
        advertised: PortFeatures(0),
        supported: PortFeatures(0),
        peer: PortFeatures(0),
        curr_speed: 1_000_000,
        max_speed: 1_000_000,
    }
}
