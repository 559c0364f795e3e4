//! The audit log: who changed what, when, and what came of it.
//!
//! Each change is an event of the target [`TARGET`], which the daemon writes to a file of its own where it is asked to;
//! nobody else sees it. It names the request by its id, its flows by their ids and, as the switches know them, their
//! cookies and the transaction ids of the FLOW_MODs. A token is named by its name.

use std::net::SocketAddr;

use tracing::{enabled, info};

use super::auth::Grant;
use crate::contract::{Command, CommandName, ErrorBody, Reply, RequestId, Role};
use crate::programmer::Step;

/// The target of the events.
pub const TARGET: &str = "flumen::audit";

/// A change that was asked for.
#[derive(Debug)]
pub(super) struct Change {
    who: String,
    role: Option<Role>,
    peer: SocketAddr,
    id: RequestId,
    command: CommandName,
    subject: String,
    /// The programmer has it, and what came of it is not written down yet.
    is_open: bool,
}

impl Change {
    /// The change that a command is; none for a command that only reads, or when nobody keeps a log.
    pub(super) fn of(command: &Command, id: &RequestId, grant: &Grant, peer: SocketAddr) -> Option<Self> {
        if !enabled!(target: TARGET, tracing::Level::INFO) {
            return None;
        }
        let subject = match command {
            Command::AddNode(request) => request.name.to_string(),
            Command::RemoveNode(request) => request.name.to_string(),
            Command::InstallFlow(request) if request.dry_run => return None,
            Command::InstallFlow(request) => request.flow_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            Command::InstallFlows(request) => format!("{} flows", request.flows.len()),
            Command::RemoveFlow(request) => request.flow_id.to_string(),
            Command::RemoveFlows(request) => serde_json::to_string(request).unwrap_or_default(),
            command if command.role() > Some(Role::Viewer) => command.name().to_owned(),
            _ => return None,
        };
        let (who, role) = (grant.name().to_owned(), grant.role());
        Some(Self { who, role, peer, id: id.clone(), command: command.kind(), subject, is_open: false })
    }

    /// The programmer has it: from here on it has a line in any case.
    pub(super) fn submitted(&mut self) {
        self.is_open = true;
    }

    /// Writes down what came of it: one line for the whole, and one for each flow on each node.
    pub(super) fn settle(mut self, answer: &Result<Reply, ErrorBody>, trail: &[Step]) {
        self.is_open = false;
        self.write(answer.as_ref().map_or_else(|error| error.code.as_str(), |_| "ok"));
        let (who, id, command) = (&self.who, self.id.as_str(), self.command.as_str());
        for Step { flow_id, node, state, cookie, xids } in trail {
            let (flow_id, node, state) = (flow_id.as_str(), node.as_str(), state.as_str());
            let xids: Vec<String> = xids.iter().map(|xid| format!("{:#x}", xid.0)).collect();
            let xids = (!xids.is_empty()).then(|| xids.join(" "));
            let (cookie, xid) = (cookie.as_deref(), xids.as_deref());
            info!(target: TARGET, who, request_id = id, command, flow_id, node, cookie, xid, state);
        }
    }

    fn write(&self, outcome: &str) {
        let Self { who, peer, id, command, subject, .. } = self;
        let (role, id) = (self.role.map_or("none", Role::as_str), id.as_str());
        info!(target: TARGET, who, role, %peer, request_id = id, command = command.as_str(), subject, outcome);
    }
}

/// The daemon ends before the programmer has answered.
impl Drop for Change {
    fn drop(&mut self) {
        if self.is_open {
            self.write("unknown");
        }
    }
}
