//! The commands: one type for each payload, and [`Command`] for all of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::access::Authenticate;
use super::error::Invalid;
use super::event::{Subscribe, Subscription, Unsubscribe};
use super::install::{InstallFlow, Wait, is_default};
use super::name::{DatapathId, FlowId, NodeName, OvsdbAddress, SwitchAddress};
use super::queues::SetQueues;
use super::reply::FlowState;
use super::strict::{Object, objects, present, unique_map, whole};
use super::text::words;

/// How many flows `ListFlows` returns when the request does not say.
pub const DEFAULT_LIST_LIMIT: u32 = 1000;
/// How many it returns at most: a page stays well below the outbound bound of a connection.
pub const MAX_LIST_LIMIT: u32 = 10_000;

/// How many ids of flows `RemoveFlows` takes: some seconds of the daemon's time. A filter takes any number.
pub const MAX_FLOW_IDS: usize = 1 << 18;

words! {
    /// The names of the commands.
    pub enum CommandName {
        /// Registers a switch.
        AddNode = "AddNode",
        /// Forgets a switch.
        RemoveNode = "RemoveNode",
        /// Shows every node.
        ListNodes = "ListNodes",
        /// Shows one node.
        GetNode = "GetNode",
        /// Installs a flow.
        InstallFlow = "InstallFlow",
        /// Installs many.
        InstallFlows = "InstallFlows",
        /// Removes a flow.
        RemoveFlow = "RemoveFlow",
        /// Removes many.
        RemoveFlows = "RemoveFlows",
        /// Shows flows, a page at a time.
        ListFlows = "ListFlows",
        /// Shows one flow with its counters.
        GetFlow = "GetFlow",
        /// Begins to tell of changes.
        Subscribe = "Subscribe",
        /// Ends it.
        Unsubscribe = "Unsubscribe",
        /// Shows a token.
        Authenticate = "Authenticate",
        /// Sets the queues of a port.
        SetQueues = "SetQueues",
        /// Shows what the daemon is.
        GetInfo = "GetInfo",
    }
}

/// A request, lawful in itself: what is left to check needs the daemon's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Registers a switch.
    AddNode(AddNode),
    /// Forgets a switch.
    RemoveNode(RemoveNode),
    /// Shows every node.
    ListNodes,
    /// Shows one node.
    GetNode(GetNode),
    /// Installs a flow.
    InstallFlow(Box<InstallFlow>),
    /// Installs many.
    InstallFlows(InstallFlows),
    /// Removes a flow.
    RemoveFlow(RemoveFlow),
    /// Removes many.
    RemoveFlows(RemoveFlows),
    /// Shows flows, a page at a time.
    ListFlows(ListFlows),
    /// Shows one flow with its counters.
    GetFlow(GetFlow),
    /// Begins to tell of changes.
    Subscribe(Subscribe),
    /// Ends it.
    Unsubscribe(Unsubscribe),
    /// Shows a token.
    Authenticate(Authenticate),
    /// Sets the queues of a port.
    SetQueues(SetQueues),
    /// Shows what the daemon is.
    GetInfo,
}

impl Command {
    /// The `type` of the request.
    pub const fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Which command it is.
    pub const fn kind(&self) -> CommandName {
        match self {
            Self::AddNode(_) => CommandName::AddNode,
            Self::RemoveNode(_) => CommandName::RemoveNode,
            Self::ListNodes => CommandName::ListNodes,
            Self::GetNode(_) => CommandName::GetNode,
            Self::InstallFlow(_) => CommandName::InstallFlow,
            Self::InstallFlows(_) => CommandName::InstallFlows,
            Self::RemoveFlow(_) => CommandName::RemoveFlow,
            Self::RemoveFlows(_) => CommandName::RemoveFlows,
            Self::ListFlows(_) => CommandName::ListFlows,
            Self::GetFlow(_) => CommandName::GetFlow,
            Self::Subscribe(_) => CommandName::Subscribe,
            Self::Unsubscribe(_) => CommandName::Unsubscribe,
            Self::Authenticate(_) => CommandName::Authenticate,
            Self::SetQueues(_) => CommandName::SetQueues,
            Self::GetInfo => CommandName::GetInfo,
        }
    }

    /// What it changes of the subscriptions of the connection that carries it.
    pub fn subscription(&self) -> Option<Subscription> {
        match self {
            Self::Subscribe(request) => Some(Subscription::Begin(request.clone())),
            Self::Unsubscribe(request) => Some(Subscription::End(request.clone())),
            _ => None,
        }
    }

    /// Reads the payload of the command `name`, field by field; [`Command::check`] sees to the rest.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(name: CommandName, payload: D) -> Result<Self, D::Error> {
        fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(payload: D) -> Result<T, D::Error> {
            Object::deserialize(payload).map(|Object(value)| value)
        }

        Ok(match name {
            CommandName::AddNode => Self::AddNode(object(payload)?),
            CommandName::RemoveNode => Self::RemoveNode(object(payload)?),
            CommandName::ListNodes => object(payload).map(|Nothing {}| Self::ListNodes)?,
            CommandName::GetNode => Self::GetNode(object(payload)?),
            CommandName::InstallFlow => Self::InstallFlow(object(payload)?),
            CommandName::InstallFlows => Self::InstallFlows(object(payload)?),
            CommandName::RemoveFlow => Self::RemoveFlow(object(payload)?),
            CommandName::RemoveFlows => Self::RemoveFlows(object(payload)?),
            CommandName::ListFlows => Self::ListFlows(object(payload)?),
            CommandName::GetFlow => Self::GetFlow(object(payload)?),
            CommandName::Subscribe => Self::Subscribe(object(payload)?),
            CommandName::Unsubscribe => Self::Unsubscribe(object(payload)?),
            CommandName::Authenticate => Self::Authenticate(object(payload)?),
            CommandName::SetQueues => Self::SetQueues(object(payload)?),
            CommandName::GetInfo => object(payload).map(|Nothing {}| Self::GetInfo)?,
        })
    }

    /// Checks the rules between the fields of the payload. A parsed command has passed it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::AddNode(payload) => payload.check(),
            Self::InstallFlow(payload) => payload.check(),
            Self::InstallFlows(payload) => payload.check(),
            Self::RemoveFlows(payload) => payload.check(),
            Self::ListFlows(payload) => payload.check(),
            Self::Subscribe(payload) => payload.check(),
            Self::Unsubscribe(payload) => payload.check(),
            Self::SetQueues(payload) => payload.check(),
            Self::RemoveNode(_)
            | Self::ListNodes
            | Self::GetNode(_)
            | Self::RemoveFlow(_)
            | Self::GetFlow(_)
            | Self::Authenticate(_)
            | Self::GetInfo => Ok(()),
        }
    }
}

/// Serializes the payload alone; `{}` where there is none.
impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AddNode(payload) => payload.serialize(serializer),
            Self::RemoveNode(payload) => payload.serialize(serializer),
            Self::GetNode(payload) => payload.serialize(serializer),
            Self::InstallFlow(payload) => payload.serialize(serializer),
            Self::InstallFlows(payload) => payload.serialize(serializer),
            Self::RemoveFlow(payload) => payload.serialize(serializer),
            Self::RemoveFlows(payload) => payload.serialize(serializer),
            Self::ListFlows(payload) => payload.serialize(serializer),
            Self::GetFlow(payload) => payload.serialize(serializer),
            Self::Subscribe(payload) => payload.serialize(serializer),
            Self::Unsubscribe(payload) => payload.serialize(serializer),
            Self::Authenticate(payload) => payload.serialize(serializer),
            Self::SetQueues(payload) => payload.serialize(serializer),
            Self::ListNodes | Self::GetInfo => Nothing {}.serialize(serializer),
        }
    }
}

/// The payload of a command that needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The payload of `AddNode`: at least one of `datapath_id` and `address`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["datapath_id"]}, {"required": ["address"]}]))]
pub struct AddNode {
    /// The node's name.
    pub name: NodeName,
    /// What kind of node it is.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "openflow"))]
    pub kind: NodeKind,
    /// The switch's datapath id: it connects to the daemon.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub datapath_id: Option<DatapathId>,
    /// Where the daemon connects to the switch.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub address: Option<SwitchAddress>,
    /// Where the switch's database listens.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ovsdb: Option<OvsdbAddress>,
    /// What the operator wants to remember of it.
    #[serde(default, deserialize_with = "unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl AddNode {
    fn check(&self) -> Result<(), Invalid> {
        if self.datapath_id.is_none() && self.address.is_none() {
            let predicate = "is required unless address is given: the switch connects to us, or we connect to it";
            return Err(Invalid::new("datapath_id", predicate));
        }
        Ok(())
    }
}

words! {
    /// What kind of node it is.
    #[derive(Default)]
    pub enum NodeKind {
        /// An OpenFlow 1.3 switch.
        #[default]
        OpenFlow = "openflow",
    }
}

/// The payload of `RemoveNode`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveNode {
    /// The node's name.
    pub name: NodeName,
    /// What becomes of our flows on it.
    #[serde(default)]
    pub flows: FlowsOnRemoval,
}

words! {
    /// What becomes of the flows on a node that is removed.
    #[derive(Default)]
    pub enum FlowsOnRemoval {
        /// They are taken off the switch first.
        #[default]
        Remove = "remove",
        /// They stay on the switch, and are nobody's any more.
        Leave = "leave",
    }
}

/// The payload of `GetNode`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetNode {
    /// The node's name.
    pub name: NodeName,
}

/// The payload of `InstallFlows`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallFlows {
    /// What to install.
    #[serde(deserialize_with = "objects")]
    pub flows: Vec<InstallFlow>,
    /// What must succeed together.
    #[serde(default)]
    pub atomic: Atomic,
    /// Which flows the reply lists.
    #[serde(default)]
    pub report: Report,
}

impl InstallFlows {
    /// What the one answer waits for: that of the flow which waits for most.
    #[must_use]
    pub fn wait(&self) -> Wait {
        if self.flows.iter().any(|flow| flow.wait == Wait::Applied) { Wait::Applied } else { Wait::Accepted }
    }

    /// How long it waits at most, in milliseconds: as long as the most patient of the flows. `None` without flows.
    #[must_use]
    pub fn timeout_ms(&self) -> Option<u32> {
        self.flows.iter().map(|flow| flow.timeout_ms).max()
    }

    fn check(&self) -> Result<(), Invalid> {
        self.flows
            .iter()
            .enumerate()
            .try_for_each(|(index, flow)| flow.check().map_err(|invalid| invalid.below(&format!("flows[{index}]"))))
    }
}

words! {
    /// What must succeed together.
    #[derive(Default)]
    pub enum Atomic {
        /// Each flow for itself.
        #[default]
        None = "none",
        /// All or nothing on each switch.
        Node = "node",
        /// All switches or none.
        All = "all",
    }
}

words! {
    /// Which flows the reply to `InstallFlows` lists.
    #[derive(Default)]
    pub enum Report {
        /// Every one.
        #[default]
        All = "all",
        /// Those that are not `applied`.
        Problems = "problems",
    }
}

/// The payload of `RemoveFlow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFlow {
    /// The flow.
    pub flow_id: FlowId,
}

/// The payload of `RemoveFlows`: a list, or a filter of `node` and `traffic_type`, or all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["flow_ids"]},
    {"anyOf": [{"required": ["node"]}, {"required": ["traffic_type"]}]},
    {"required": ["all"], "properties": {"all": {"const": true}}},
]))]
pub struct RemoveFlows {
    /// These flows.
    #[schemars(length(max = MAX_FLOW_IDS))]
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub flow_ids: Option<Vec<FlowId>>,
    /// The flows on this node.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// The flows of this class.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub traffic_type: Option<String>,
    /// Every flow there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub all: bool,
}

impl RemoveFlows {
    fn check(&self) -> Result<(), Invalid> {
        if self.flow_ids.as_ref().is_some_and(|ids| ids.len() > MAX_FLOW_IDS) {
            let predicate =
                format!("must have at most {MAX_FLOW_IDS} ids; ask with more than one request, or with a filter");
            return Err(Invalid::new("flow_ids", &predicate));
        }
        let filtered = self.node.is_some() || self.traffic_type.is_some();
        match (&self.flow_ids, filtered, self.all) {
            (Some(_), false, false) | (None, true, false) | (None, false, true) => Ok(()),
            (None, false, false) => {
                Err(Invalid::new("flow_ids", "is required unless node, traffic_type or \"all\": true is given"))
            }
            (Some(_), _, _) => Err(Invalid::new("flow_ids", "cannot go with node, traffic_type or all")),
            (None, true, true) => Err(Invalid::new("all", "cannot go with node or traffic_type")),
        }
    }
}

/// The payload of `ListFlows`: a filter, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {
    "required": ["all"],
    "properties": {"all": {"const": true}},
    "anyOf": [{"required": ["node"]}, {"required": ["traffic_type"]}],
}))]
pub struct ListFlows {
    /// Only flows on this node.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Only flows of this class.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub traffic_type: Option<String>,
    /// Every flow there is, as without a filter: as `RemoveFlows` has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub all: bool,
    /// Only flows in this state.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub state: Option<FlowState>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many flows at most.
    #[serde(default = "default_list_limit", deserialize_with = "whole::<_, _, 1, 10_000>")]
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
}

impl ListFlows {
    fn check(&self) -> Result<(), Invalid> {
        if self.all && (self.node.is_some() || self.traffic_type.is_some()) {
            return Err(Invalid::new("all", "cannot go with node or traffic_type"));
        }
        Ok(())
    }
}

impl Default for ListFlows {
    fn default() -> Self {
        Self { node: None, traffic_type: None, all: false, state: None, cursor: None, limit: DEFAULT_LIST_LIMIT }
    }
}

fn default_list_limit() -> u32 {
    DEFAULT_LIST_LIMIT
}

/// The payload of `GetFlow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetFlow {
    /// The flow.
    pub flow_id: FlowId,
}
