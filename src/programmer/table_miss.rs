//! The table-miss rule, of priority 0 in the table of the flows: what becomes of packets that no flow takes. A switch has one; when it
//! is somebody else's it is left alone and reported.

use openflow::{Action, FlowStats, FlowUpdateFull, Instruction, Match, PortNo, TableId};
use tracing::warn;

use super::TableMiss;
use super::cookie::{FlowNumber, Hex};
use super::engine::Engine;
use super::node::{Job, Node, NodeId};
use crate::policy::Pipeline;
use crate::session::{Outcome, UnknownReason, describe};

impl Engine {
    /// Judges what a read of the switch found in its place.
    pub(super) fn reconcile_table_miss(&mut self, id: NodeId, ours: Option<&FlowStats>, foreign: Option<&FlowStats>) {
        let wanted = self.config.table_miss;
        let instructions = self.table_miss_instructions();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if let Some(foreign) = foreign {
            return report_foreign(node, foreign.cookie);
        }
        node.warnings.remove("table-miss");
        match (wanted, ours) {
            (TableMiss::None, Some(_)) => self.push_job(id, Job::DeleteTableMiss),
            (TableMiss::None, None) => {}
            (_, Some(entry)) if entry.instructions == instructions => {}
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
        let is_as_wanted = update.instructions == self.table_miss_instructions();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if !is_ours {
            report_foreign(node, update.cookie);
        } else if !is_as_wanted && node.may_repair_table_miss(self.now) {
            self.push_job(id, Job::WriteTableMiss);
        }
    }

    /// Whether this is the place of the table-miss rule.
    pub(super) fn is_table_miss(&self, table_id: TableId, priority: u16, flow_match: &Match) -> bool {
        is_table_miss(self.config.pipeline, table_id, priority, flow_match)
    }

    /// What the table-miss rule does.
    pub(super) fn table_miss_instructions(&self) -> Vec<Instruction> {
        /// OFPCML_NO_BUFFER: the whole packet.
        const WHOLE_PACKET: u16 = 0xffff;
        match self.config.table_miss {
            TableMiss::Normal => self.config.pipeline.ordinary(Vec::new()),
            TableMiss::Controller => {
                let output = Action::Output { port: PortNo::CONTROLLER, max_len: WHOLE_PACKET };
                vec![Instruction::ApplyActions(vec![output])]
            }
            TableMiss::Drop | TableMiss::None => Vec::new(),
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
            Outcome::Unknown(UnknownReason::BarrierSkipped) => self.read_soon(id),
            Outcome::Unknown(_) | Outcome::RolledBack(_) | Outcome::NotSent | Outcome::Unencodable => {}
        }
    }
}

/// Whether this is the place of the table-miss rule.
pub(super) fn is_table_miss(pipeline: Pipeline, table_id: TableId, priority: u16, flow_match: &Match) -> bool {
    table_id == pipeline.qos_table() && priority == 0 && *flow_match == Match::any()
}

/// Tells of a table-miss rule of somebody else, once.
fn report_foreign(node: &mut Node, cookie: u64) {
    let warning = format!("a table-miss rule of somebody else (cookie {}) is left alone", Hex(cookie));
    if node.warnings.insert("table-miss", warning.clone()).as_ref() != Some(&warning) {
        warn!(node = %node.request.name, "{warning}");
    }
}
