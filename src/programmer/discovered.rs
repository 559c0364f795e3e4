//! Switches that dialled in without having been added: shown, and left alone.

use std::collections::{BTreeMap, HashMap};

use openflow::{DatapathId, PortReason, PortStatus};

use crate::contract::{NodeName, Timestamp};
use crate::session::{CloseReason, Description, MAX_PORTS};
use crate::southbound::ConnectionId;

/// Discovered nodes at a time; each costs a connection and its description.
pub(super) const MAX_DISCOVERED: usize = 1_024;

/// A switch that nobody asked for. It lives as long as its connection.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) connection: ConnectionId,
    pub(super) since: Timestamp,
    pub(super) description: Box<Description>,
}

/// All of them, by datapath id.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    guests: BTreeMap<u64, Guest>,
    connections: HashMap<ConnectionId, DatapathId>,
}

impl Discovered {
    /// Takes one in.
    ///
    /// # Errors
    /// Why it is turned away: there are too many, or one with its datapath id is there.
    pub(super) fn admit(&mut self, datapath_id: DatapathId, guest: Guest) -> Result<(), CloseReason> {
        if self.guests.contains_key(&datapath_id.0) {
            return Err(CloseReason::DuplicateDatapathId);
        }
        if self.guests.len() >= MAX_DISCOVERED {
            let reason = format!("{MAX_DISCOVERED} switches that nobody added are connected, and no more may be");
            return Err(CloseReason::NotAdmitted(reason));
        }
        self.connections.insert(guest.connection, datapath_id);
        self.guests.insert(datapath_id.0, guest);
        Ok(())
    }

    /// A port of the one on this connection came, went or changed.
    pub(super) fn port_changed(&mut self, connection: ConnectionId, status: PortStatus) {
        let datapath_id = self.connections.get(&connection);
        let Some(guest) = datapath_id.and_then(|id| self.guests.get_mut(&id.0)) else { return };
        let ports = &mut guest.description.ports;
        ports.retain(|port| port.port_no != status.desc.port_no);
        if status.reason != PortReason::Delete && ports.len() < MAX_PORTS {
            ports.push(status.desc);
        }
    }

    /// The one with this datapath id leaves, to be registered.
    pub(super) fn take(&mut self, datapath_id: DatapathId) -> Option<Guest> {
        let guest = self.guests.remove(&datapath_id.0)?;
        self.connections.remove(&guest.connection);
        Some(guest)
    }

    /// The one on this connection has left.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<(DatapathId, Guest)> {
        let datapath_id = self.connections.remove(&connection)?;
        Some((datapath_id, self.guests.remove(&datapath_id.0)?))
    }

    /// The one with this datapath id.
    pub(super) fn get(&self, datapath_id: DatapathId) -> Option<&Guest> {
        self.guests.get(&datapath_id.0)
    }

    /// The name of the one on this connection.
    pub(super) fn named_on(&self, connection: ConnectionId) -> Option<NodeName> {
        self.connections.get(&connection)?.to_string().parse().ok()
    }

    /// The one that goes by this name.
    pub(super) fn named(&self, name: &NodeName) -> Option<(DatapathId, &Guest)> {
        let text = name.as_str();
        let lawful = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = u64::from_str_radix(text, 16).ok().filter(|_| lawful)?;
        Some((DatapathId(id), self.guests.get(&id)?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DatapathId, &Guest)> {
        self.guests.iter().map(|(id, guest)| (DatapathId(*id), guest))
    }
}
