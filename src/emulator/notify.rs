//! What the switch says unasked: FLOW_REMOVED and PORT_STATUS.

use std::collections::BTreeMap;
use std::time::Instant;

use openflow::{FlowModFlags, FlowRemoved, FlowRemovedReason, Message, Xid};

use super::change::{Cause, FlowChange};
use super::channel::{Channel, ChannelId};

/// Tells every controller that listens what has changed, and says whether any of them but the origin was told.
pub(super) fn publish(
    channels: &mut BTreeMap<ChannelId, Channel>,
    changes: &[FlowChange],
    origin: Option<(ChannelId, Xid)>,
    now: Instant,
) -> bool {
    let mut stirred = false;
    for change in changes {
        let Some(message) = flow_removed(change, now) else { continue };
        for (&id, channel) in channels.iter_mut().filter(|(_, channel)| channel.listens()) {
            channel.notify(&Message::FlowRemoved(message.clone()));
            stirred |= origin.is_none_or(|(origin, _)| origin != id);
        }
    }
    stirred
}

/// > "The OFPFF_SEND_FLOW_REM flag is set [...]: the switch must send a flow removed message when the flow entry expires
/// > or is deleted" (section 7.3.4.2).
fn flow_removed(change: &FlowChange, now: Instant) -> Option<FlowRemoved> {
    let reason = match change.cause {
        Cause::Added | Cause::Modified => return None,
        Cause::Removed(reason) => reason,
        Cause::Evicted => FlowRemovedReason::Delete,
    };
    let entry = change.before.as_ref().filter(|entry| entry.flags.contains(FlowModFlags::SEND_FLOW_REM))?;
    let age = now.saturating_duration_since(entry.created);
    Some(FlowRemoved {
        cookie: entry.cookie,
        priority: change.rule.priority,
        reason,
        table_id: change.table_id,
        duration_sec: u32::try_from(age.as_secs()).unwrap_or(u32::MAX),
        duration_nsec: age.subsec_nanos(),
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        packet_count: entry.packet_count,
        byte_count: entry.byte_count,
        flow_match: change.rule.pattern.to_match(),
    })
}
