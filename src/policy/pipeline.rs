//! The flow tables that rules live in, and where packets go from there.

use openflow::{Action, Instruction, PortNo, TableId};
use thiserror::Error;

/// Where the rules of flows are, and which table comes after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pipeline {
    qos_table: TableId,
    next_table: Option<TableId>,
}

/// Tables that no switch can have in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoPipeline {
    /// Packets only go on to tables with a greater number.
    #[error("the next table must be greater than the table of the flows, {qos_table}, not {next_table}")]
    Backwards {
        /// The table of the flows.
        qos_table: u8,
        /// The one after it.
        next_table: u8,
    },
    /// A number that is no table's.
    #[error("tables are 0 to 254, not {0}")]
    NoTable(u8),
}

impl Default for Pipeline {
    /// Table 0, and then as an ordinary switch would.
    fn default() -> Self {
        Self { qos_table: TableId(0), next_table: None }
    }
}

impl Pipeline {
    /// Rules in one table, which ordinary traffic leaves for the next, if there is one.
    ///
    /// # Errors
    /// A [`NoPipeline`] when OpenFlow has no such tables.
    pub fn new(qos_table: u8, next_table: Option<u8>) -> Result<Self, NoPipeline> {
        let tables = [Some(qos_table), next_table].into_iter().flatten();
        if let Some(table) = tables.into_iter().find(|table| *table > TableId::MAX.0) {
            return Err(NoPipeline::NoTable(table));
        }
        match next_table {
            Some(next_table) if next_table <= qos_table => Err(NoPipeline::Backwards { qos_table, next_table }),
            _ => Ok(Self { qos_table: TableId(qos_table), next_table: next_table.map(TableId) }),
        }
    }

    /// The table that the rules of flows, and the table-miss rule, are in.
    #[must_use]
    pub const fn qos_table(self) -> TableId {
        self.qos_table
    }

    /// What sends a packet on its ordinary way, once `actions` are done with it: to the next table where there is one,
    /// and else as an ordinary switch would.
    #[must_use]
    pub fn ordinary(self, mut actions: Vec<Action>) -> Vec<Instruction> {
        match self.next_table {
            None => {
                actions.push(Action::output(PortNo::NORMAL));
                vec![Instruction::ApplyActions(actions)]
            }
            Some(next) if actions.is_empty() => vec![Instruction::GotoTable(next)],
            Some(next) => vec![Instruction::ApplyActions(actions), Instruction::GotoTable(next)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_only_go_on_to_greater_tables() {
        assert_eq!(Pipeline::new(0, None), Ok(Pipeline::default()));
        assert_eq!(Pipeline::new(3, Some(4)).map(Pipeline::qos_table), Ok(TableId(3)));
        for next_table in [2, 3] {
            let error = Pipeline::new(3, Some(next_table)).unwrap_err();
            assert_eq!(error, NoPipeline::Backwards { qos_table: 3, next_table });
        }
        assert_eq!(Pipeline::new(255, None), Err(NoPipeline::NoTable(255)));
        assert_eq!(Pipeline::new(0, Some(255)), Err(NoPipeline::NoTable(255)));
    }

    #[test]
    fn the_ordinary_way_is_normal_or_the_next_table() {
        let normal = Action::output(PortNo::NORMAL);
        assert_eq!(Pipeline::default().ordinary(Vec::new()), [Instruction::ApplyActions(vec![normal])]);
        let two = Pipeline::new(0, Some(1)).unwrap();
        assert_eq!(two.ordinary(Vec::new()), [Instruction::GotoTable(TableId(1))]);
    }
}
