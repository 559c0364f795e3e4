//! What would be sent for a flow, and what of it is not quite as asked.

use bytes::BytesMut;
use openflow::{Message, MeterId, MeterModCommand, Xid};

use super::cookie::FlowNumber;
use super::engine::Engine;
use super::meter::Owner;
use super::node::{Node, NodeId};
use super::outbox;
use crate::contract::{FlowModView, FlowNodeView, InstallFlow, MeterView, Warning, WarningKind};
use crate::policy::{Limit, Rule, Scope};

impl Engine {
    /// The messages for a node in the order of sending, under the cookie and behind the meter that the flow has or, if
    /// nothing else is asked for before, would get.
    pub(super) fn preview(
        &self,
        id: NodeId,
        request: &InstallFlow,
        rules: &[Rule],
        view: FlowNodeView,
    ) -> FlowNodeView {
        let number = request.flow_id.as_ref().and_then(|flow_id| self.flows.by_id(flow_id.as_str()));
        let number = number.or_else(|| self.next_flow_number()).unwrap_or(FlowNumber::TABLE_MISS);
        let mut messages = Vec::new();
        let mut meter = None;
        if let Some(limit) = self.limit_of(request)
            && let Some(node) = self.nodes.get(&id).filter(|node| node.live().is_some())
            && let Ok((shape, _)) = self.meter_on(id, &limit)
        {
            let there = node.meters.get(&match limit.scope {
                Scope::Flow => Owner::Flow(number),
                Scope::Class => Owner::Class(request.traffic_type.clone()),
            });
            let meter_id = there.map_or_else(|| node.meters.next_id(), |meter| meter.id);
            if there.is_none() {
                let request = shape.request(MeterModCommand::Add, meter_id);
                messages.push(message_view(format!("{request:#}"), &Message::MeterMod(request)));
            }
            meter = Some((limit, meter_id));
        }
        for rule in rules.iter().cloned() {
            let rule = match &meter {
                Some((_, meter_id)) => rule.metered(*meter_id),
                None => rule,
            };
            let flow_mod = outbox::add(rule, self.tag.cookie(number), (request.idle_timeout, request.hard_timeout));
            messages.push(message_view(format!("{flow_mod:#}"), &Message::FlowMod(flow_mod)));
        }
        FlowNodeView {
            flow_mods: Some(messages),
            meter: meter.map(|(limit, meter_id)| meter_view(&limit, meter_id)),
            ..view
        }
    }

    /// What switches that are there do not quite do as asked.
    pub(super) fn substitutes(&self, request: &InstallFlow, nodes: &[FlowNodeView]) -> Vec<Warning> {
        let Some(limit) = self.limit_of(request) else { return Vec::new() };
        let mut warnings = Vec::new();
        for view in nodes {
            let Some(id) = self.names.get(&view.node).copied() else { continue };
            if self.nodes.get(&id).and_then(Node::live).is_none() {
                continue;
            }
            let Ok((_, substitutes)) = self.meter_on(id, &limit) else { continue };
            warnings.extend(substitutes.into_iter().map(|substitute| Warning {
                kind: WarningKind::Substitute,
                flow_id: None,
                cookie: None,
                node: Some(view.node.clone()),
                message: format!("on node {}: {substitute}", view.node),
            }));
        }
        warnings
    }
}

/// A meter as the flows behind it see it.
pub(super) fn meter_view(limit: &Limit, meter_id: MeterId) -> MeterView {
    MeterView {
        meter_id: meter_id.0,
        shared: limit.scope == Scope::Class,
        rate_kbps: limit.rate.rate_kbps,
        burst_kb: limit.rate.burst_kb,
        exceeding_packets: None,
        exceeding_bytes: None,
    }
}

fn message_view(text: String, message: &Message) -> FlowModView {
    let mut bytes = BytesMut::new();
    let hex = match message.encode(Xid(0), &mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(error) => error.to_string(),
    };
    FlowModView { text, hex }
}
