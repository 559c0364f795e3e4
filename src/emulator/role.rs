//! Roles, and which asynchronous messages go to whom.

use openflow::{AsyncConfig, AsyncMask, ControllerRole, ErrorCode, Message, RoleMsg};

use super::channel::Channel;
use super::dispatch::Turn;

/// What ROLE_REPLY says for the generation id before any controller gave one.
const NO_GENERATION: u64 = u64::MAX;

impl Turn<'_> {
    /// Answers ROLE_REQUEST. A controller that becomes master makes slaves of the other masters, which the switch does
    /// after the turn.
    ///
    /// A master or a slave gives the number of its election, and an older one than the newest is stale. Older means
    /// that the difference as a signed number is negative, so the count may wrap around (section "Multiple Controllers").
    pub(super) fn role_request(&mut self, request: &RoleMsg) -> Result<(), ErrorCode> {
        let generation = &mut self.datapath.generation_id;
        match request.role {
            ControllerRole::NoChange => {}
            ControllerRole::Equal => self.channel.role = ControllerRole::Equal,
            ControllerRole::Master | ControllerRole::Slave => {
                let distance = |newest: u64| request.generation_id.wrapping_sub(newest).cast_signed();
                if generation.is_some_and(|newest| distance(newest) < 0) {
                    return Err(ErrorCode::ROLE_REQUEST_FAILED_STALE);
                }
                *generation = Some(request.generation_id);
                self.channel.role = request.role;
                self.promoted = request.role == ControllerRole::Master;
            }
        }
        let generation_id = generation.unwrap_or(NO_GENERATION);
        self.reply(&Message::RoleReply(RoleMsg { role: self.channel.role, generation_id }))
    }

    /// A slave may look and not change: `OFPBRC_IS_SLAVE` answers what would (section "Multiple Controllers").
    pub(super) fn may_write(&self) -> Result<(), ErrorCode> {
        match self.channel.role {
            ControllerRole::Slave => Err(ErrorCode::BAD_REQUEST_IS_SLAVE),
            ControllerRole::NoChange | ControllerRole::Equal | ControllerRole::Master => Ok(()),
        }
    }
}

/// A kind of asynchronous message, with the field of [`AsyncConfig`] that says who gets it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asynchronous {
    PacketIn,
    FlowRemoved,
    PortStatus,
}

impl Channel {
    /// Whether an asynchronous message with this reason goes to the controller.
    pub(super) fn hears(&self, kind: Asynchronous, reason: u8) -> bool {
        // Open vSwitch counts a controller that it did not dial as an administrator, who is told nothing before
        // SET_CONFIG has asked for packets.
        if !self.is_ready() || (self.dialled && self.miss_send_len == 0) {
            return false;
        }
        let mask = match kind {
            Asynchronous::PacketIn => &self.async_config.packet_in_mask,
            Asynchronous::FlowRemoved => &self.async_config.flow_removed_mask,
            Asynchronous::PortStatus => &self.async_config.port_status_mask,
        };
        let mask = if self.role == ControllerRole::Slave { mask.slave } else { mask.master };
        mask.checked_shr(u32::from(reason)).unwrap_or(0) & 1 == 1
    }
}

/// What a controller hears as long as it did not ask for something else: a slave only of ports (section "Multiple Controllers").
pub(super) fn default_async_config() -> AsyncConfig {
    AsyncConfig {
        packet_in_mask: AsyncMask { master: 0b011, slave: 0 },
        port_status_mask: AsyncMask { master: 0b111, slave: 0b111 },
        flow_removed_mask: AsyncMask { master: 0b1111, slave: 0 },
    }
}
