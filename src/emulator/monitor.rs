//! Flow monitors: a controller is told of every flow that comes, changes or goes (the ONF extension for OpenFlow 1.3).
//!
//! When more than [`PAUSE_ABOVE`] bytes wait for a controller, its monitors pause. When it has read them all it gets
//! what it missed in one go: each flow that is new, or that changed, in the state that it then has. Deletions are never
//! held back, but for flows that the controller has not heard of.

use openflow::{
    ErrorCode, Experimenter, FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateEvent,
    FlowUpdateFull, GroupId, MatchForm, Message, MultipartReplyBody, TableId, Xid,
};

use super::change::{Cause, Change, Changes, FlowChange};
use super::channel::Channel;
use super::datapath::Datapath;
use super::dispatch::Turn;
use super::flow_table::{FlowEntry, Rule, Selection};
use super::pattern::Pattern;
use super::statistics::send_parts;

/// How much may wait for a controller before its monitors pause, as in Open vSwitch.
const PAUSE_ABOVE: usize = 128 * 1024;

/// Updates that nobody asked for just now have no transaction.
const UNASKED: Xid = Xid(0);

/// `OFPRR_EVICTION` of OpenFlow 1.4: flow monitors tell it in 1.3 already.
const EVICTION: u16 = 5;

/// The errors of the extension, as experimenter errors.
const MONITOR_EXISTS: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 1871);
const UNKNOWN_MONITOR: ErrorCode = ErrorCode::new(ErrorCode::EXPERIMENTER, 1873);

/// What a controller wants to hear of.
#[derive(Debug)]
pub(super) struct Monitor {
    flags: FlowMonitorFlags,
    table_id: TableId,
    selection: Selection,
}

impl Monitor {
    fn new(request: &FlowMonitorRequest) -> Self {
        let selection = Selection {
            pattern: Pattern::of(&request.flow_match),
            priority: None,
            cookie: 0,
            cookie_mask: 0,
            out_port: request.out_port,
            out_group: GroupId::ANY,
        };
        Self { flags: request.flags, table_id: request.table_id, selection }
    }

    fn watches(&self, table_id: TableId, rule: &Rule, entry: &FlowEntry) -> bool {
        (self.table_id == TableId::ALL || self.table_id == table_id) && self.selection.takes(rule, entry)
    }
}

impl Turn<'_> {
    /// Starts monitors, and reports the flows that are there if that is asked for.
    pub(super) fn start_monitors(&mut self, requests: &[FlowMonitorRequest]) -> Result<(), ErrorCode> {
        for request in requests {
            if request.table_id != TableId::ALL && request.table_id.0 >= self.datapath.config.n_tables {
                return Err(ErrorCode::BAD_REQUEST_BAD_TABLE_ID);
            }
            if self.channel.monitors.contains_key(&request.id) {
                return Err(MONITOR_EXISTS);
            }
        }
        let mut updates = Vec::new();
        for request in requests {
            let monitor = Monitor::new(request);
            if monitor.flags.contains(FlowMonitorFlags::INITIAL) {
                let there = self.datapath.flows_in(request.table_id);
                let watched = there.filter(|(id, rule, entry)| monitor.watches(*id, rule, entry));
                let with_actions = monitor.flags.contains(FlowMonitorFlags::ACTIONS);
                updates
                    .extend(watched.map(|(id, rule, entry)| {
                        full_update(FlowUpdateEvent::Added, 0, id, rule, entry, with_actions)
                    }));
            }
            self.channel.monitors.insert(request.id, monitor);
        }
        send_parts(self.channel, self.xid, &updates, MultipartReplyBody::FlowMonitor)
    }

    /// Stops a monitor.
    pub(super) fn cancel_monitor(&mut self, cancel: &FlowMonitorCancel) -> Result<(), ErrorCode> {
        self.channel.monitors.remove(&cancel.id).map(drop).ok_or(UNKNOWN_MONITOR)
    }
}

impl Channel {
    /// Reports changes to the monitors of this controller; `own` is the transaction if they were its own doing. True if
    /// there was anything to report.
    pub(super) fn report(&mut self, changes: &Changes, own: Option<Xid>) -> bool {
        if self.monitors.is_empty() {
            return false;
        }
        let mut abbreviated = false;
        let mut updates = Vec::new();
        for change in changes.iter() {
            let Change::Flow(change) = change else { continue };
            let Some(flags) = self.interest_in(change) else { continue };
            match own {
                Some(xid) if !flags.contains(FlowMonitorFlags::OWN) && self.paused_at.is_none() => {
                    if !std::mem::replace(&mut abbreviated, true) {
                        updates.push(FlowUpdate::Abbreviated(xid));
                    }
                }
                _ => updates.extend(self.update(change, flags)),
            }
        }
        if updates.is_empty() {
            return false;
        }
        // An update always fits a message: the flow came in one.
        let _ = send_parts(self, UNASKED, &updates, MultipartReplyBody::FlowMonitor);
        true
    }

    /// Pauses if too much waits for the controller.
    pub(super) fn pause_monitors(&mut self, change_number: u64) {
        if !self.monitors.is_empty() && self.paused_at.is_none() && self.output.len() > PAUSE_ABOVE {
            self.paused_at = Some(change_number);
            self.notify(&Message::Experimenter(Experimenter::FlowMonitorPaused));
        }
    }

    /// Goes on, after the controller has read everything, with what it missed.
    pub(super) fn resume_monitors(&mut self, datapath: &Datapath) {
        if !self.output.is_empty() {
            return;
        }
        let Some(paused_at) = self.paused_at.take() else { return };
        let mut updates = Vec::new();
        for (table_id, rule, entry) in datapath.flows_in(TableId::ALL) {
            if entry.changed_by <= paused_at {
                continue;
            }
            let event = if entry.added_by > paused_at { FlowUpdateEvent::Added } else { FlowUpdateEvent::Modified };
            let wanted = wanted(event);
            let flags =
                self.combined(|monitor| monitor.flags.contains(wanted) && monitor.watches(table_id, rule, entry));
            if let Some(flags) = flags {
                let with_actions = flags.contains(FlowMonitorFlags::ACTIONS);
                updates.push(full_update(event, 0, table_id, rule, entry, with_actions));
            }
        }
        if !updates.is_empty() {
            let _ = send_parts(self, UNASKED, &updates, MultipartReplyBody::FlowMonitor);
        }
        self.notify(&Message::Experimenter(Experimenter::FlowMonitorResumed));
    }

    /// The flags of all monitors that want to hear of this change, if any does.
    fn interest_in(&self, change: &FlowChange) -> Option<FlowMonitorFlags> {
        let wanted = wanted(event(change.cause));
        self.combined(|monitor| {
            let watches = |entry: &Option<FlowEntry>| {
                entry.as_ref().is_some_and(|entry| monitor.watches(change.table_id, &change.rule, entry))
            };
            monitor.flags.contains(wanted) && (watches(&change.before) || watches(&change.after))
        })
    }

    fn combined(&self, wants: impl Fn(&Monitor) -> bool) -> Option<FlowMonitorFlags> {
        self.monitors.values().filter(|monitor| wants(monitor)).map(|monitor| monitor.flags).reduce(|a, b| a | b)
    }

    /// What there is to say of a change, which is nothing if nothing changed or the monitors pause.
    fn update(&self, change: &FlowChange, flags: FlowMonitorFlags) -> Option<FlowUpdate> {
        let entry = change.after.as_ref().or(change.before.as_ref())?;
        let same = |before: &FlowEntry| change.cause == Cause::Modified && before.instructions == entry.instructions;
        if change.before.as_ref().is_some_and(same) {
            return None;
        }
        let event = event(change.cause);
        let known = |paused_at: u64| event == FlowUpdateEvent::Deleted && entry.added_by <= paused_at;
        if self.paused_at.is_some_and(|paused_at| !known(paused_at)) {
            return None;
        }
        let reason = match change.cause {
            Cause::Added | Cause::Modified => 0,
            Cause::Removed(reason) => u16::from(u8::from(reason)),
            Cause::Evicted => EVICTION,
        };
        let with_actions = flags.contains(FlowMonitorFlags::ACTIONS);
        Some(full_update(event, reason, change.table_id, &change.rule, entry, with_actions))
    }
}

fn event(cause: Cause) -> FlowUpdateEvent {
    match cause {
        Cause::Added => FlowUpdateEvent::Added,
        Cause::Modified => FlowUpdateEvent::Modified,
        Cause::Removed(_) | Cause::Evicted => FlowUpdateEvent::Deleted,
    }
}

/// The flag of monitors that want to hear of an event.
fn wanted(event: FlowUpdateEvent) -> FlowMonitorFlags {
    match event {
        FlowUpdateEvent::Added => FlowMonitorFlags::ADD,
        FlowUpdateEvent::Modified => FlowMonitorFlags::MODIFY,
        FlowUpdateEvent::Deleted | FlowUpdateEvent::Unknown(_) => FlowMonitorFlags::DELETE,
    }
}

fn full_update(
    event: FlowUpdateEvent,
    reason: u16,
    table_id: TableId,
    rule: &Rule,
    entry: &FlowEntry,
    with_actions: bool,
) -> FlowUpdate {
    FlowUpdate::Full(FlowUpdateFull {
        event,
        reason,
        priority: rule.priority,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        table_id,
        cookie: entry.cookie,
        flow_match: rule.pattern.to_match(),
        form: MatchForm::Whole,
        instructions: if with_actions { entry.instructions.to_vec() } else { Vec::new() },
    })
}
