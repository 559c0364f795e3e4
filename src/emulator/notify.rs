//! What the switch says unasked: FLOW_REMOVED, PORT_STATUS, and the updates of flow monitors.

use std::collections::BTreeMap;
use std::time::Instant;

use openflow::{FlowModFlags, FlowRemoved, Message, PortReason, PortStatus, Xid};

use super::change::{Change, Changes, FlowChange};
use super::channel::{Channel, ChannelId};
use super::counters::age;
use super::role::Asynchronous;

/// Tells every controller that listens what has changed, and says whether any of them but the origin was told.
pub(super) fn publish(
    channels: &mut BTreeMap<ChannelId, Channel>,
    changes: &Changes,
    origin: Option<(ChannelId, Xid)>,
    change_number: u64,
    now: Instant,
) -> bool {
    let mut stirred = false;
    let other = |id: ChannelId| origin.is_none_or(|(origin, _)| origin != id);
    for change in changes.iter() {
        let Some((kind, reason, message)) = notice(change, now) else { continue };
        for (&id, channel) in channels.iter_mut().filter(|(_, channel)| channel.hears(kind, reason)) {
            channel.notify(&message);
            stirred |= other(id);
        }
    }
    for (&id, channel) in channels {
        let own = origin.filter(|(origin, _)| *origin == id).map(|(_, xid)| xid);
        stirred |= channel.report(changes, own) && other(id);
        channel.pause_monitors(change_number);
    }
    stirred
}

/// The asynchronous message that a change leads to, if it leads to one.
fn notice(change: &Change, now: Instant) -> Option<(Asynchronous, u8, Message)> {
    match change {
        Change::Flow(change) => {
            let removed = flow_removed(change, now)?;
            Some((Asynchronous::FlowRemoved, removed.reason.into(), Message::FlowRemoved(removed)))
        }
        Change::Group { .. } => None,
        Change::Port { before, after } => {
            let reason = match (before, after) {
                (None, _) => PortReason::Add,
                (Some(_), None) => PortReason::Delete,
                (Some(_), Some(_)) => PortReason::Modify,
            };
            let desc = after.clone().or_else(|| before.clone())?;
            Some((Asynchronous::PortStatus, reason.into(), Message::PortStatus(PortStatus { reason, desc })))
        }
    }
}

/// Only of a flow that asked for it, and not if another took its place.
fn flow_removed(change: &FlowChange, now: Instant) -> Option<FlowRemoved> {
    let reason = change.cause.reason()?;
    let entry = change.before.as_ref().filter(|entry| entry.flags.contains(FlowModFlags::SEND_FLOW_REM))?;
    let (duration_sec, duration_nsec) = age(entry.created, now);
    Some(FlowRemoved {
        cookie: entry.cookie,
        priority: change.rule.priority,
        reason,
        table_id: change.table_id,
        duration_sec,
        duration_nsec,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        packet_count: entry.packet_count,
        byte_count: entry.byte_count,
        flow_match: change.rule.pattern.to_match(),
    })
}
