//! The table-miss rule, of priority 0 in table 0: what becomes of packets that no flow takes. A switch has one; when it
//! is somebody else's it is left alone and reported.

use openflow::{Action, FlowStats, FlowUpdateFull, Instruction, Match, PortNo, TableId};
use tracing::warn;

use super::TableMiss;
use super::cookie::{FlowNumber, Hex};
use super::engine::Engine;
use super::node::{Job, Node, NodeId};
use crate::session::{Outcome, describe};

impl Engine {
    /// Judges what a read of the switch found in its place.
    pub(super) fn reconcile_table_miss(&mut self, id: NodeId, ours: Option<&FlowStats>, foreign: Option<&FlowStats>) {
        let wanted = self.config.table_miss;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if let Some(foreign) = foreign {
            return report_foreign(node, foreign.cookie);
        }
        node.warnings.remove("table-miss");
        match (wanted, ours) {
            (TableMiss::None, Some(_)) => self.push_job(id, Job::DeleteTableMiss),
            (TableMiss::None, None) => {}
            (wanted, Some(entry)) if entry.instructions == instructions(wanted) => {}
            (_, _) => self.push_job(id, Job::WriteTableMiss),
        }
    }

    /// Ours was deleted.
    pub(super) fn table_miss_gone(&mut self, id: NodeId) {
        let is_wanted = self.config.table_miss != TableMiss::None;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if is_wanted && node.leaving.is_none() && node.may_repair_table_miss(self.now) {
            self.push_job(id, Job::WriteTableMiss);
        }
    }

    /// Somebody has written it: ours with other actions is written again.
    pub(super) fn table_miss_changed(&mut self, id: NodeId, update: &FlowUpdateFull) {
        let is_ours = self.tag.number(update.cookie) == Some(FlowNumber::TABLE_MISS);
        let is_as_wanted = update.instructions == instructions(self.config.table_miss);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if !is_ours {
            report_foreign(node, update.cookie);
        } else if !is_as_wanted && node.may_repair_table_miss(self.now) {
            self.push_job(id, Job::WriteTableMiss);
        }
    }

    pub(super) fn table_miss_settled(&mut self, id: NodeId, outcome: &Outcome) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        match outcome {
            Outcome::Refused(error) => {
                let warning = format!("the switch refused the table-miss rule: {}", describe(error));
                warn!(node = %node.request.name, "{warning}");
                node.warnings.insert("table-miss", warning);
            }
            Outcome::Confirmed => {
                node.warnings.remove("table-miss");
            }
            Outcome::Unknown(_) | Outcome::RolledBack(_) | Outcome::NotSent | Outcome::Unencodable => {}
        }
    }
}

/// Whether this is the place of the table-miss rule.
pub(super) fn is_table_miss(table_id: TableId, priority: u16, flow_match: &Match) -> bool {
    table_id == TableId(0) && priority == 0 && *flow_match == Match::any()
}

/// Tells of a table-miss rule of somebody else, once.
fn report_foreign(node: &mut Node, cookie: u64) {
    let warning = format!("a table-miss rule of somebody else (cookie {}) is left alone", Hex(cookie));
    if node.warnings.insert("table-miss", warning.clone()).as_ref() != Some(&warning) {
        warn!(node = %node.request.name, "{warning}");
    }
}

/// What the table-miss rule does.
pub(super) fn instructions(table_miss: TableMiss) -> Vec<Instruction> {
    /// OFPCML_NO_BUFFER: the whole packet.
    const WHOLE_PACKET: u16 = 0xffff;
    let output = match table_miss {
        TableMiss::Normal => Action::Output { port: PortNo::NORMAL, max_len: 0 },
        TableMiss::Controller => Action::Output { port: PortNo::CONTROLLER, max_len: WHOLE_PACKET },
        TableMiss::Drop | TableMiss::None => return Vec::new(),
    };
    vec![Instruction::ApplyActions(vec![output])]
}
