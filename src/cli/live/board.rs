//! What a live view knows: the nodes, the flows and what they carry, brought up to date by events.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use crate::contract::{EventPayload, FlowId, FlowState, FlowView, NodeName, NodeState, NodeView, Stats};

/// Samples that are kept of a flow's rate.
pub(in crate::cli) const HISTORY: usize = 240;

/// Flows that are kept: some 500 bytes each. Those beyond are counted and not shown.
pub(in crate::cli) const FLOWS_MAX: usize = 100_000;

/// A node.
#[derive(Debug, Clone)]
pub(in crate::cli) struct NodeLine {
    pub(in crate::cli) state: NodeState,
    pub(in crate::cli) datapath_id: String,
    pub(in crate::cli) rate: Rate,
}

/// A flow.
#[derive(Debug, Clone)]
pub(in crate::cli) struct FlowLine {
    pub(in crate::cli) state: FlowState,
    pub(in crate::cli) ends: String,
    pub(in crate::cli) traffic_type: String,
    pub(in crate::cli) nodes: Vec<(NodeName, FlowState)>,
    rates: BTreeMap<NodeName, Rate>,
    /// Bits a second, the newest last.
    pub(in crate::cli) history: VecDeque<u64>,
}

/// What something carries in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Rate {
    pub(in crate::cli) bits: u64,
    pub(in crate::cli) packets: u64,
}

impl FlowLine {
    fn new(flow: &FlowView) -> Self {
        Self {
            state: flow.state,
            ends: format!("{} > {}", flow.source, flow.destination),
            traffic_type: flow.traffic_type.clone(),
            nodes: flow.nodes.iter().map(|node| (node.node.clone(), node.state)).collect(),
            rates: BTreeMap::new(),
            history: VecDeque::new(),
        }
    }

    /// That on the busiest node: the switches of a path count the same packets.
    pub(in crate::cli) fn rate(&self) -> Rate {
        self.rates.values().copied().max().unwrap_or_default()
    }
}

/// Everything that there is, as one list after the other told it.
#[derive(Debug)]
pub(in crate::cli) struct Listing {
    pub(in crate::cli) nodes: Vec<NodeView>,
    pub(in crate::cli) flows: Vec<FlowView>,
    /// There are more flows than are kept.
    pub(in crate::cli) is_partial: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub(in crate::cli) struct Board {
    pub(in crate::cli) nodes: BTreeMap<NodeName, NodeLine>,
    pub(in crate::cli) flows: BTreeMap<FlowId, FlowLine>,
    pub(in crate::cli) is_partial: bool,
    /// What events have told since a listing was begun: they know better than the list.
    told: Option<(BTreeSet<NodeName>, HashSet<FlowId>)>,
}

/// The order of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) enum Order {
    #[default]
    Rate,
    State,
    Id,
}

impl Order {
    pub(in crate::cli) const fn next(self) -> Self {
        match self {
            Self::Rate => Self::State,
            Self::State => Self::Id,
            Self::Id => Self::Rate,
        }
    }

    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::State => "state",
            Self::Id => "id",
        }
    }
}

impl Board {
    /// A listing is begun.
    pub(in crate::cli) fn expect_listing(&mut self) {
        self.told = Some(Default::default());
    }

    /// It is there.
    pub(in crate::cli) fn list(&mut self, listing: Listing) {
        let (told_nodes, told_flows) = self.told.take().unwrap_or_default();
        self.nodes.retain(|name, _| told_nodes.contains(name));
        for node in listing.nodes.iter().filter(|node| !told_nodes.contains(&node.name)) {
            self.put_node(node);
        }
        let mut before = std::mem::take(&mut self.flows);
        self.flows = before.extract_if(.., |id, _| told_flows.contains(id)).collect();
        for flow in listing.flows.iter().filter(|flow| !told_flows.contains(&flow.flow_id)) {
            let kept = before.remove(&flow.flow_id);
            self.put_flow(flow, kept);
        }
        self.is_partial = listing.is_partial;
    }

    /// An event has come. False when something was missed that only a new listing tells.
    pub(in crate::cli) fn take(&mut self, payload: &EventPayload) -> bool {
        match payload {
            EventPayload::Gap { .. } => return false,
            EventPayload::Node { node, removed } => {
                if let Some((nodes, _)) = &mut self.told {
                    nodes.insert(node.name.clone());
                }
                match removed {
                    true => drop(self.nodes.remove(&node.name)),
                    false => self.put_node(node),
                }
            }
            EventPayload::Flow { flow } => {
                if let Some((_, flows)) = &mut self.told {
                    flows.insert(flow.flow_id.clone());
                }
                let kept = self.flows.remove(&flow.flow_id);
                self.put_flow(flow, kept);
            }
            EventPayload::Stats(stats) => self.measure(stats),
            EventPayload::Port { .. } | EventPayload::Alarm(_) => {}
        }
        true
    }

    fn put_node(&mut self, node: &NodeView) {
        let rate = self.nodes.get(&node.name).map(|line| line.rate).unwrap_or_default();
        let datapath_id = node.datapath_id.clone().unwrap_or_default();
        self.nodes.insert(node.name.clone(), NodeLine { state: node.state, datapath_id, rate });
    }

    /// What has ended is shown no more.
    fn put_flow(&mut self, flow: &FlowView, kept: Option<FlowLine>) {
        if flow.state.is_ended() {
            return;
        }
        if self.flows.len() >= FLOWS_MAX {
            self.is_partial = true;
            return;
        }
        let mut line = FlowLine::new(flow);
        if let Some(FlowLine { rates, history, .. }) = kept {
            (line.rates, line.history) = (rates, history);
        }
        self.flows.insert(flow.flow_id.clone(), line);
    }

    fn measure(&mut self, stats: &Stats) {
        for flow in &stats.flows {
            if let Some(line) = self.flows.get_mut(&flow.flow_id) {
                let rate = Rate { bits: flow.bits_per_second, packets: flow.packets_per_second };
                line.rates.insert(flow.node.clone(), rate);
            }
        }
        for node in &stats.nodes {
            if let Some(line) = self.nodes.get_mut(&node.node) {
                line.rate = Rate { bits: node.bits_per_second, packets: node.packets_per_second };
            }
        }
    }

    /// An interval is over: the rates of the moment become history.
    pub(in crate::cli) fn tick(&mut self) {
        for line in self.flows.values_mut().filter(|line| !line.rates.is_empty()) {
            if line.history.len() == HISTORY {
                line.history.pop_front();
            }
            line.history.push_back(line.rate().bits);
        }
    }

    /// The flows in an order.
    pub(in crate::cli) fn ranking(&self, order: Order) -> Vec<(&FlowId, &FlowLine)> {
        let mut flows: Vec<_> = self.flows.iter().collect();
        match order {
            Order::Rate => flows.sort_by_key(|(_, line)| std::cmp::Reverse(line.rate())),
            Order::State => flows.sort_by_key(|(_, line)| line.state),
            Order::Id => {}
        }
        flows
    }

    /// How many flows are in each state.
    pub(in crate::cli) fn states(&self) -> BTreeMap<FlowState, u64> {
        let mut states = BTreeMap::new();
        self.flows.values().for_each(|line| *states.entry(line.state).or_default() += 1);
        states
    }

    /// The same for each node.
    pub(in crate::cli) fn states_by_node(&self) -> BTreeMap<&NodeName, BTreeMap<FlowState, u64>> {
        let mut nodes: BTreeMap<&NodeName, BTreeMap<FlowState, u64>> = BTreeMap::new();
        for (node, state) in self.flows.values().flat_map(|line| &line.nodes) {
            *nodes.entry(node).or_default().entry(*state).or_default() += 1;
        }
        nodes
    }
}
