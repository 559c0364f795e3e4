//! `RemoveNode`: what is ours goes off the switch first, or is left there, and then the node is forgotten.

use super::cookie::FlowNumber;
use super::engine::{Engine, Output, Ticket};
use super::flow::{Reason, Stage};
use super::inventory::switch_address;
use super::node::{Job, Leaving, Link, Node, NodeId, Sync};
use crate::contract::{ErrorBody, ErrorCode, FlowsOnRemoval, NodeName, RemoveNode};
use crate::session::{CloseReason, Command, Outcome, UnknownReason, describe};

/// What is said of a removal whose outcome is not known.
pub(super) const UNCONFIRMED: &str =
    "the switch has not confirmed that the node's flows are gone; they are removed as soon as it lets us";

/// What is said of a removal that waits for a switch to which nothing may be written yet.
pub(super) const UNRECORDED: &str = "the disk has no room to write down that the switch has been connected, and so nothing may be sent to it; try again later";

impl Engine {
    pub(super) fn remove_node(&mut self, ticket: Ticket, request: &RemoveNode) {
        let Some(id) = self.names.get(&request.name).copied() else {
            return self.answer(ticket, Err(self.unknown_node(&request.name)));
        };
        if let Some(error) = self.has_no_room() {
            return self.answer(ticket, Err(error));
        }
        let Some(node) = self.nodes.get(&id) else { return };
        match (request.flows, &node.link) {
            (FlowsOnRemoval::Leave, _) if !matches!(node.leaving, Some(Leaving::Going(_))) => {
                self.stay(id, "another RemoveNode left the flows on the switch");
                self.forget_node(ticket, id);
            }
            (_, _) if node.leaving.is_some() => self.answer(ticket, Err(being_removed(&request.name))),
            (_, Link::Never | Link::Lost) if node.was_seen => {
                let message = format!(
                    "node {} is away, so its flows cannot be taken off the switch now; try again when it is connected, \
                     or leave them there with \"flows\": \"leave\"",
                    request.name
                );
                self.answer(ticket, Err(ErrorBody::new(ErrorCode::Unavailable, message)));
            }
            (_, _) if !node.queues.wanted.is_empty() => self.clear_queues(ticket, id, request.clone()),
            (_, Link::Up(_)) => self.wipe(ticket, id),
            // What never left this side can simply go.
            (_, Link::Never | Link::Lost) => self.forget_node(ticket, id),
        }
    }

    /// Deletes all that is ours at once, instead of whatever was to be sent.
    fn wipe(&mut self, ticket: Ticket, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.leaving = Some(Leaving::Wiping(ticket));
        node.clear_queues();
        node.meters.iter_mut().for_each(|meter| {
            meter.users.clear();
            meter.parked.clear();
        });
        let flows: Vec<FlowNumber> = node.flows.iter().collect();
        if let Some(live) = node.live_mut() {
            live.deferred.clear();
        }
        [Job::Wipe, Job::Synced].into_iter().for_each(|job| self.push_job(id, job));
        for number in flows {
            self.change_placement(number, id, |placement| {
                placement.stage = Stage::Removing;
                (placement.queued, placement.aside) = (true, false);
            });
        }
    }

    /// What became of the deletion of all that is ours.
    pub(super) fn wiped(&mut self, id: NodeId, outcome: &Outcome) {
        match outcome {
            Outcome::Confirmed => {
                if let Some(Leaving::Wiping(ticket)) = self.nodes.get(&id).and_then(|node| node.leaving) {
                    self.forget_node(ticket, id);
                }
            }
            Outcome::Refused(error) => {
                self.stay(id, format!("the switch refused to delete the flows: {}", describe(error)));
            }
            Outcome::Unknown(UnknownReason::BarrierOverdue) => {}
            Outcome::Unknown(_) | Outcome::RolledBack(_) | Outcome::NotSent | Outcome::Unencodable => {
                self.stay(id, UNCONFIRMED);
            }
        }
    }

    /// The node does not go after all. Its flows are to go nevertheless, as the next read of the switch finds them.
    pub(super) fn stay(&mut self, id: NodeId, message: impl Into<String>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(Leaving::Wiping(ticket)) = node.leaving else { return };
        node.leaving = None;
        self.look_at_flows_again(id);
        self.answer(ticket, Err(ErrorBody::new(ErrorCode::Unavailable, message.into())));
    }

    /// What is ours is off the switch, or is to be left there: the node goes as soon as the disk has forgotten it.
    fn forget_node(&mut self, ticket: Ticket, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.leaving = Some(Leaving::Going(ticket));
        node.clear_queues();
        super::record::delete_node(&mut self.batch, &node.request.name);
        self.going.push_back((self.next_commit, id));
    }

    /// Batches up to this one are on disk.
    pub(super) fn nodes_forgotten(&mut self, durable: u64) {
        while let Some((_, id)) = self.going.pop_front_if(|(commit, _)| *commit <= durable) {
            self.node_gone(id);
        }
    }

    /// Batches up to this one found no room: the nodes stay. Their flows are to go nevertheless.
    pub(super) fn nodes_not_forgotten(&mut self, last: u64, error: &ErrorBody) {
        while let Some((_, id)) = self.going.pop_front_if(|(commit, _)| *commit <= last) {
            let leaving = self.nodes.get_mut(&id).and_then(|node| node.leaving.take());
            if let Some(Leaving::Going(ticket) | Leaving::Wiping(ticket)) = leaving {
                self.answer(ticket, Err(error.clone()));
            }
            // What was to bring it up to date was dropped with the rest of its queue.
            if let Some(live) = self.nodes.get_mut(&id).and_then(Node::live_mut)
                && !live.has_synced()
            {
                live.sync = Sync::Unread;
            }
            self.look_at_flows_again(id);
        }
    }

    /// Nothing deletes the flows of the node any more: the next read of the switch finds what is left of them.
    fn look_at_flows_again(&mut self, id: NodeId) {
        let flows: Vec<FlowNumber> = self.nodes.get(&id).into_iter().flat_map(|node| node.flows.iter()).collect();
        for number in flows {
            if let Some(placement) = self.flows.get_mut(&number).and_then(|flow| flow.placement_mut(id)) {
                placement.queued = false;
            }
        }
        self.atoms.drop_queued(id);
        self.read_soon(id);
    }

    fn node_gone(&mut self, id: NodeId) {
        self.revision += 1;
        let reply = self.node_reply(id);
        let last_view = self.node_view(id);
        let Some(Node { request, datapath_id, flows, link, leaving, .. }) = self.nodes.remove(&id) else { return };
        self.names.remove(&request.name);
        if let Some(datapath_id) = datapath_id {
            self.datapaths.remove(&datapath_id);
        }
        if let Some(address) = &request.address {
            self.dialed.remove(&switch_address(address));
        }
        self.ready.remove(&id);
        self.forget_arrival(id);
        self.give_place(id);
        self.retired.insert(id, request.name.clone());
        for number in flows.iter() {
            self.change_placement(number, id, |placement| {
                if placement.stage != Stage::Removing {
                    placement.reason = Some(Reason::NodeRemoved);
                }
                placement.stage = Stage::Removed;
                placement.queued = false;
                placement.tally = Default::default();
            });
        }
        self.outputs.push_back(Output::HangUp { node: id });
        self.drop_queue_requests(id);
        if let Link::Up(live) = link {
            self.connections.remove(&live.connection);
            let contender = live.contender.inspect(|contender| drop(self.contenders.remove(contender)));
            for connection in std::iter::once(live.connection).chain(contender) {
                self.command(connection, Command::Close(CloseReason::Removed));
            }
        }
        self.tell_gone(id, last_view);
        if let Some(Leaving::Going(ticket) | Leaving::Wiping(ticket)) = leaving {
            self.answer_when_durable(ticket, Ok(reply));
        }
    }
}

/// The error for a node that is on its way out.
pub(super) fn being_removed(name: &NodeName) -> ErrorBody {
    ErrorBody::new(ErrorCode::Conflict, format!("node {name} is being removed")).at("payload.name")
}
