//! Ports and queues as `ovs-ofctl` writes them.

use std::fmt::{self, Display};

use super::{Bits, Duration};
use crate::message::{PacketQueue, PortMod, PortReason, PortStatus};
use crate::multipart::{PortStats, QueueStats};
use crate::port::{Port, PortConfig, PortFeatures, PortState};
use crate::queue_property::QueueProperty;

impl Display for PortConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["PORT_DOWN", "", "NO_RECV", "", "", "NO_FWD", "NO_PACKET_IN"];
        Bits { bits: self.0, names: &names }.fmt(f)
    }
}

impl Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bits { bits: self.0, names: &["LINK_DOWN", "BLOCKED", "LIVE"] }.fmt(f)
    }
}

impl Display for PortFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speeds = ["10MB-HD", "10MB-FD", "100MB-HD", "100MB-FD", "1GB-HD", "1GB-FD", "10GB-FD", "40GB-FD"];
        let others = ["100GB-FD", "1TB-FD", "OTHER", "COPPER", "FIBER", "AUTO_NEG", "AUTO_PAUSE", "AUTO_PAUSE_ASYM"];
        Bits { bits: self.0, names: &[speeds, others].concat() }.fmt(f)
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}({}): addr:{}", self.port_no, self.name, self.hw_addr)?;
        writeln!(f, "     config:     {}", self.config)?;
        writeln!(f, "     state:      {}", self.state)?;
        let features = [
            ("current:    ", self.curr),
            ("advertised: ", self.advertised),
            ("supported:  ", self.supported),
            ("peer:       ", self.peer),
        ];
        for (name, features) in features.iter().filter(|(_, features)| features.0 != 0) {
            writeln!(f, "     {name}{features}")?;
        }
        write!(f, "     speed: {} Mbps now, {} Mbps max", self.curr_speed / 1000, self.max_speed / 1000)
    }
}

impl Display for PortStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.desc)
    }
}

impl Display for PortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Delete => "DEL",
            Self::Modify => "MOD",
            Self::Unknown(reason) => return reason.fmt(f),
        })
    }
}

impl Display for PortMod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "port: {}: addr:{}", self.port_no, self.hw_addr)?;
        writeln!(f, "     config: {}", self.config)?;
        writeln!(f, "     mask:   {}", self.mask)?;
        match self.advertise {
            PortFeatures(0) => write!(f, "     advertise: UNCHANGED"),
            features => write!(f, "     advertise: {features}"),
        }
    }
}

/// A counter; a switch that does not count says all ones.
struct Counter(u64);

impl Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == u64::MAX { f.write_str("?") } else { self.0.fmt(f) }
    }
}

impl Display for PortStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = Counter;
        match self.port_no.is_reserved() {
            true => write!(f, "  port {}: rx ", self.port_no)?,
            false => write!(f, "  port {:2}: rx ", self.port_no.0)?,
        }
        write!(f, "pkts={}, bytes={}, ", c(self.rx_packets), c(self.rx_bytes))?;
        write!(f, "drop={}, errs={}, ", c(self.rx_dropped), c(self.rx_errors))?;
        writeln!(f, "frame={}, over={}, crc={}", c(self.rx_frame_err), c(self.rx_over_err), c(self.rx_crc_err))?;
        write!(f, "           tx pkts={}, bytes={}, ", c(self.tx_packets), c(self.tx_bytes))?;
        write!(f, "drop={}, errs={}, coll={}", c(self.tx_dropped), c(self.tx_errors), c(self.collisions))?;
        if self.duration_sec != u32::MAX {
            let duration = Duration { sec: self.duration_sec, nsec: self.duration_nsec };
            write!(f, "\n           duration={duration}")?;
        }
        Ok(())
    }
}

impl Display for QueueStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = Counter;
        write!(f, "  port {} queue {}: ", self.port_no, self.queue_id)?;
        write!(f, "bytes={}, pkts={}, ", c(self.tx_bytes), c(self.tx_packets))?;
        write!(f, "errors={}, duration=", c(self.tx_errors))?;
        match self.duration_sec {
            u32::MAX => f.write_str("?"),
            sec => Duration { sec, nsec: self.duration_nsec }.fmt(f),
        }
    }
}

impl Display for PacketQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queue {}:", self.queue_id.0)?;
        self.properties.iter().try_for_each(|property| write!(f, " {property}"))
    }
}

impl Display for QueueProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, rate) = match self {
            Self::MinRate(rate) => ("min_rate", rate),
            Self::MaxRate(rate) => ("max_rate", rate),
            Self::Experimenter { experimenter, data } => {
                return write!(f, "experimenter({experimenter:#010x}, {} bytes)", data.len());
            }
            Self::Unknown { property, data } => return write!(f, "property({property}, {} bytes)", data.len()),
        };
        match rate {
            0..=1000 => write!(f, "{name}:{}.{}%", rate / 10, rate % 10),
            _ => write!(f, "{name}:(disabled)"),
        }
    }
}
