//! Beside flows: which asynchronous messages the switch sends, whether it has bundles and a flow monitor, and in which
//! role this controller is.

use std::collections::VecDeque;

use openflow::{
    AsyncConfig, AsyncMask, BundleControl, BundleControlType, BundleFlags, BundleId, ControllerRole, ErrorCode,
    ErrorMsg, Experimenter, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, Match, MatchForm, Message,
    MultipartRequestBody, PortNo, RoleMsg, SwitchConfig, TableId, Xid,
};

use super::event::Event;

/// Bytes of a packet that go to the controller with a PACKET_IN. A value above 0 is what makes Open vSwitch send
/// FLOW_REMOVED and PORT_STATUS on a connection that it did not make itself.
const MISS_SEND_LEN: u16 = 128;

/// Every reason that OpenFlow 1.3 has for PORT_STATUS (7.4.3), FLOW_REMOVED (7.4.2) and PACKET_IN (7.4.1).
const EVERY_PORT_STATUS: u32 = 0b111;
const EVERY_FLOW_REMOVED: u32 = 0b1111;
const EVERY_PACKET_IN: u32 = 0b111;

/// The bundle that is opened to see whether the switch can, and discarded.
const PROBE: BundleId = BundleId(u32::MAX);

/// The one flow monitor of a connection.
const MONITOR: u32 = 1;

/// What a session has asked of the switch beside flows, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Control {
    bundle_probe: Option<Xid>,
    monitor: Monitor,
    role: Role,
}

#[derive(Debug, Clone, Default)]
enum Monitor {
    #[default]
    Off,
    Asked(Xid),
    On,
}

/// The role of this controller. EQUAL is what every connection begins with (OpenFlow 1.3.5, 6.3.6).
#[derive(Debug, Clone)]
enum Role {
    Held(ControllerRole),
    Claimed {
        xid: Xid,
        role: ControllerRole,
    },
    /// Refused: whatever was held before, nothing is written until a claim succeeds.
    Refused,
}

impl Default for Role {
    fn default() -> Self {
        Self::Held(ControllerRole::Equal)
    }
}

/// SET_CONFIG and SET_ASYNC, as [`super::Command::Control`] wants them.
pub(super) fn settings(packet_in: bool) -> [Message; 2] {
    let packet_ins = if packet_in { EVERY_PACKET_IN } else { 0 };
    [
        Message::SetConfig(SwitchConfig { flags: 0, miss_send_len: MISS_SEND_LEN }),
        Message::SetAsync(AsyncConfig {
            packet_in_mask: AsyncMask { master: packet_ins, slave: 0 },
            port_status_mask: AsyncMask { master: EVERY_PORT_STATUS, slave: EVERY_PORT_STATUS },
            flow_removed_mask: AsyncMask { master: EVERY_FLOW_REMOVED, slave: EVERY_FLOW_REMOVED },
        }),
    ]
}

/// Opens the bundle that is only a question.
pub(super) fn bundle_probe() -> Message {
    bundle_control(PROBE, BundleControlType::OpenRequest)
}

/// What is said about a bundle of FLOW_MODs: ordered, and all or none.
pub(super) fn bundle_control(bundle_id: BundleId, control_type: BundleControlType) -> Message {
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    Message::Experimenter(Experimenter::BundleControl(BundleControl {
        bundle_id,
        control_type,
        flags,
        properties: Vec::new(),
    }))
}

/// Asks for every change that somebody else makes, with what the flow does then.
pub(super) fn monitor_request() -> Message {
    let flags = FlowMonitorFlags::ADD | FlowMonitorFlags::DELETE | FlowMonitorFlags::MODIFY | FlowMonitorFlags::ACTIONS;
    let request = FlowMonitorRequest {
        id: MONITOR,
        flags,
        out_port: PortNo::ANY,
        table_id: TableId::ALL,
        flow_match: Match::any(),
        form: MatchForm::Whole,
    };
    let body = MultipartRequestBody::FlowMonitor(vec![request]);
    Message::MultipartRequest(body.into())
}

pub(super) fn role_request(role: ControllerRole, generation_id: u64) -> Message {
    Message::RoleRequest(RoleMsg { role, generation_id })
}

impl Control {
    /// Whether the switch takes FLOW_MODs from this controller: not before ROLE_REPLY, and not as SLAVE.
    pub(super) fn may_write(&self) -> bool {
        match self.role {
            Role::Held(ControllerRole::Slave) | Role::Claimed { .. } | Role::Refused => false,
            Role::Held(_) => true,
        }
    }

    pub(super) fn probed_bundles(&mut self, xid: Xid) {
        self.bundle_probe = Some(xid);
    }

    pub(super) fn asked_to_monitor(&mut self, xid: Xid) {
        self.monitor = Monitor::Asked(xid);
    }

    pub(super) fn claimed(&mut self, xid: Xid, role: ControllerRole) {
        self.role = Role::Claimed { xid, role };
    }

    /// The switch has opened the bundle that was only a question: discards it. False for any other.
    pub(super) fn handle_bundle_reply(&mut self, xid: Xid, events: &mut VecDeque<Event>) -> Option<Message> {
        self.bundle_probe.take_if(|probe| *probe == xid)?;
        events.push_back(Event::Bundles(true));
        Some(bundle_control(PROBE, BundleControlType::DiscardRequest))
    }

    /// Takes what a flow monitor tells; false when there is none.
    pub(super) fn handle_updates(&mut self, xid: Xid, updates: Vec<FlowUpdate>, events: &mut VecDeque<Event>) -> bool {
        match self.monitor {
            Monitor::Off => return false,
            Monitor::Asked(asked) if asked == xid => {
                self.monitor = Monitor::On;
                events.push_back(Event::Monitoring(true));
            }
            Monitor::Asked(_) | Monitor::On => {}
        }
        let foreign = updates.into_iter().filter_map(|update| match update {
            FlowUpdate::Full(update) => Some(update),
            FlowUpdate::Abbreviated(_) => None,
        });
        let foreign: Vec<_> = foreign.collect();
        if !foreign.is_empty() {
            events.push_back(Event::FlowUpdates(foreign));
        }
        true
    }

    /// Takes a ROLE_REPLY; false when none was asked for, or it grants something else.
    pub(super) fn handle_role_reply(&mut self, xid: Xid, granted: &RoleMsg, events: &mut VecDeque<Event>) -> bool {
        match self.role {
            Role::Claimed { xid: claimed, role } if claimed == xid && granted.role == role => {
                self.role = Role::Held(role);
                events.push_back(Event::RoleGranted(role));
                true
            }
            Role::Claimed { .. } | Role::Held(_) | Role::Refused => false,
        }
    }

    /// Finds what an error answers: a claim, or a question about an extension.
    pub(super) fn handle_error(&mut self, xid: Xid, error: &ErrorMsg, events: &mut VecDeque<Event>) -> bool {
        if self.bundle_probe.take_if(|probe| *probe == xid).is_some() {
            events.push_back(Event::Bundles(false));
            return true;
        }
        if matches!(self.monitor, Monitor::Asked(asked) if asked == xid) {
            self.monitor = Monitor::Off;
            events.push_back(Event::Monitoring(false));
            return true;
        }
        if matches!(self.role, Role::Claimed { xid: claimed, .. } if claimed == xid) {
            self.role = Role::Refused;
            let is_stale = error.error_code() == ErrorCode::ROLE_REQUEST_FAILED_STALE;
            events.push_back(Event::RoleRefused { is_stale, error: Box::new(error.clone()) });
            return true;
        }
        false
    }
}

/// Whether a switch that has seen the generation id `seen` takes `offered`: OpenFlow 1.3.5, 6.3.6, compares their
/// difference as a signed number, so that ids may wrap.
#[must_use]
pub fn is_generation_current(seen: u64, offered: u64) -> bool {
    offered.wrapping_sub(seen).cast_signed() >= 0
}
