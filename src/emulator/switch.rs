//! An OpenFlow 1.3 switch in memory, without sockets and without a clock.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use openflow::{
    ControllerRole, ErrorCode, FlowMod, FlowStats, Header, Match, Message, MeterConfig, PacketIn, Port, PortNo,
    TableId, Xid, split_frame,
};

use super::change::Changes;
use super::channel::{Channel, ChannelId, Phase};
use super::config::SwitchConfig;
use super::datapath::Datapath;
use super::dispatch::Turn;
use super::flow_table::Rule;
use super::journal::{Journal, JournalEntry};
use super::notify;
use super::pattern::Pattern;
use super::role::Asynchronous;
use super::statistics;

/// A switch and its connections to controllers.
///
/// It does no I/O and reads no clock. A driver opens a channel for each connection and then, in any order and as often
/// as it likes: gives what it read to [`handle_input`](Self::handle_input), writes what
/// [`poll_transmit`](Self::poll_transmit) gives until there is none, and calls
/// [`handle_timeout`](Self::handle_timeout) when the time of [`poll_timeout`](Self::poll_timeout) has come. Whatever
/// happens on one channel can put output into others. When [`is_closed`](Self::is_closed) says so, and when its
/// connection is gone, the driver closes the channel.
///
/// Flows, groups and meters live as long as the switch, whoever is connected: this is a switch in secure mode.
#[derive(Debug)]
pub struct Switch {
    datapath: Datapath,
    channels: BTreeMap<ChannelId, Channel>,
    next_channel: u32,
    journal: Journal,
    /// The changes of the operation under way; empty between two.
    changes: Changes,
    /// Whether a channel has got output from what happened on another one.
    stirred: bool,
}

impl Switch {
    /// A switch with empty tables and no connection.
    pub fn new(config: SwitchConfig) -> Self {
        Self {
            journal: Journal::new(config.journal),
            datapath: Datapath::new(config),
            channels: BTreeMap::new(),
            next_channel: 0,
            changes: Changes::default(),
            stirred: false,
        }
    }

    /// What kind of switch it is.
    pub fn config(&self) -> &SwitchConfig {
        &self.datapath.config
    }

    /// Opens a connection that the switch dialled; the switch says HELLO.
    pub fn open(&mut self, now: Instant) -> ChannelId {
        self.open_channel(false, now)
    }

    /// Opens a connection that the controller dialled. As with Open vSwitch, it carries no asynchronous messages before
    /// SET_CONFIG with a `miss_send_len` other than 0.
    pub fn open_dialled(&mut self, now: Instant) -> ChannelId {
        self.open_channel(true, now)
    }

    fn open_channel(&mut self, dialled: bool, now: Instant) -> ChannelId {
        let id = ChannelId(self.next_channel);
        self.next_channel += 1;
        self.channels.insert(id, Channel::open(&self.datapath.config, dialled, now));
        id
    }

    /// Forgets a connection and all that belonged to it alone.
    pub fn close(&mut self, id: ChannelId) {
        self.channels.remove(&id);
    }

    /// Takes whole messages off the front of the input as long as there is room for the answers.
    pub fn handle_input(&mut self, id: ChannelId, input: &mut BytesMut, now: Instant) {
        while self.wants_input(id) {
            match split_frame(input) {
                Ok(Some(message)) => self.handle_message(id, &message, now),
                Ok(None) => return,
                Err(_) => self.hang_up(id),
            }
        }
    }

    /// Handles one whole message.
    pub fn handle_message(&mut self, id: ChannelId, message: &Bytes, now: Instant) {
        let watched = self.watched();
        let (Some(channel), Some(header)) = (self.channels.get_mut(&id), Header::peek(message)) else { return };
        self.changes.start(watched);
        let mut turn = Turn {
            datapath: &mut self.datapath,
            channel,
            changes: &mut self.changes,
            journal: &mut self.journal,
            message,
            xid: header.xid,
            now,
            promoted: false,
        };
        turn.handle();
        if turn.promoted {
            self.demote_masters_but(id);
        }
        self.publish(Some((id, header.xid)), now);
    }

    /// Whether the switch would take input of this connection now.
    pub fn wants_input(&self, id: ChannelId) -> bool {
        self.channels.get(&id).is_some_and(Channel::wants_input)
    }

    /// Whether nothing more will come of this connection.
    pub fn is_closed(&self, id: ChannelId) -> bool {
        self.channels.get(&id).is_none_or(|channel| channel.phase == Phase::Closed && channel.output.is_empty())
    }

    /// Appends to `output` what the switch has to say; nothing if it has nothing.
    pub fn poll_transmit(&mut self, id: ChannelId, output: &mut BytesMut) {
        if let Some(channel) = self.channels.get_mut(&id) {
            output.unsplit(std::mem::take(&mut channel.output));
            channel.resume_monitors(&self.datapath);
        }
    }

    /// When the switch wants to be called by [`handle_timeout`](Self::handle_timeout), if it does.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.config().inactivity_probe;
        let probes = self.channels.values().filter_map(|channel| channel.next_probe(probe?));
        let bundles = self.channels.values().filter_map(Channel::next_bundle_timeout);
        probes.chain(bundles).chain(self.datapath.next_deadline()).min()
    }

    /// Does what is due: flows whose time is over go, connections that are silent are probed or given up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(probe) = self.config().inactivity_probe {
            for channel in self.channels.values_mut() {
                channel.probe(probe, now);
            }
        }
        for channel in self.channels.values_mut() {
            channel.expire_bundles(now);
        }
        self.changes.start(self.watched());
        self.datapath.expire(now, &mut self.changes);
        self.publish(None, now);
    }

    /// Whether a controller has got past HELLO.
    pub fn is_connected(&self) -> bool {
        self.channels.values().any(|channel| channel.phase == Phase::Ready)
    }

    /// Its meters.
    pub fn meters(&self) -> Vec<MeterConfig> {
        self.datapath.meters.iter().map(|(id, meter)| meter.describe(*id)).collect()
    }

    /// All flows, as FLOW_STATS would report them: by table, then the highest priority first.
    pub fn flows(&self, now: Instant) -> Vec<FlowStats> {
        statistics::all_flows(&self.datapath, now)
    }

    /// How many flows there are.
    pub fn flow_count(&self) -> usize {
        self.datapath.tables().map(|(_, table)| table.len()).sum()
    }

    /// The last FLOW_MODs that arrived, the oldest first, each with what became of it.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.journal.entries()
    }

    /// Does to the tables what an administrator does at the switch itself: no controller asked for it, and those that
    /// watch are told.
    pub fn apply(&mut self, request: FlowMod, now: Instant) -> Result<(), ErrorCode> {
        self.changes.start(self.watched());
        let pattern = Pattern::of(&request.flow_match);
        let outcome = self.datapath.modify_flows(request, pattern, now, &mut self.changes);
        self.publish(None, now);
        outcome
    }

    /// Loses power and comes back: the same switch with empty tables. All connections end without a word.
    pub fn restart(&mut self) {
        self.datapath = Datapath::new(self.datapath.config.clone());
        for channel in self.channels.values_mut() {
            channel.output.clear();
            channel.phase = Phase::Closed;
        }
        self.stirred = true;
    }

    /// Pretends that a packet came which goes to the controllers: to those that hear of packets for this reason.
    pub fn packet_in(&mut self, packet: &PacketIn) {
        let message = Message::PacketIn(packet.clone());
        for channel in self.channels.values_mut() {
            if channel.hears(Asynchronous::PacketIn, packet.reason.into()) {
                channel.notify(&message);
                self.stirred = true;
            }
        }
    }

    /// Pretends that packets matched a flow; false if there is no such flow.
    pub fn count_traffic(
        &mut self,
        table_id: TableId,
        priority: u16,
        flow_match: &Match,
        packets: u64,
        bytes: u64,
        now: Instant,
    ) -> bool {
        let rule = Rule { priority, pattern: Pattern::of(flow_match) };
        self.datapath.count_traffic(table_id, &rule, packets, bytes, now)
    }

    /// Gives the switch a port, or other properties to one that it has; the controllers are told.
    pub fn set_port(&mut self, port: Port, now: Instant) {
        self.change_port(port.port_no, Some(port), now);
    }

    /// Takes a port away; the controllers are told.
    pub fn remove_port(&mut self, port_no: PortNo, now: Instant) {
        if self.datapath.port(port_no).is_some() {
            self.change_port(port_no, None, now);
        }
    }

    fn change_port(&mut self, port_no: PortNo, port: Option<Port>, now: Instant) {
        self.changes.start(false);
        self.datapath.set_port(port_no, port, &mut self.changes);
        self.publish(None, now);
    }

    /// Whether something that happened put output into a channel other than the one where it happened; asking resets.
    pub fn take_stir(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// Whether somebody wants to hear of every change of a flow.
    fn watched(&self) -> bool {
        self.channels.values().any(|channel| !channel.monitors.is_empty())
    }

    /// There is one master at a time: a new one makes a slave of the old one (section "Multiple Controllers").
    fn demote_masters_but(&mut self, id: ChannelId) {
        for (_, channel) in self.channels.iter_mut().filter(|(other, _)| **other != id) {
            if channel.role == ControllerRole::Master {
                channel.role = ControllerRole::Slave;
            }
        }
    }

    /// Ends a conversation that makes no sense any more.
    fn hang_up(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.phase = Phase::Closed;
        }
    }

    /// Tells the controllers what changed.
    fn publish(&mut self, origin: Option<(ChannelId, Xid)>, now: Instant) {
        if !self.changes.is_empty() {
            let number = self.datapath.change_number;
            self.stirred |= notify::publish(&mut self.channels, &self.changes, origin, number, now);
        }
    }
}
