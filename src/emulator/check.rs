//! What a switch refuses before it touches a table: instructions and actions that it could not carry out.

use openflow::{Action, ErrorCode, Instruction, Match, OxmField, PortNo, TableId};

use super::config::MissingPorts;
use super::datapath::Datapath;
use super::program;

impl Datapath {
    /// Whether a flow of this table can have these instructions, whatever else there is in the switch.
    pub(super) fn check_instructions(
        &self,
        flow_match: &Match,
        instructions: &[Instruction],
        table_id: TableId,
    ) -> Result<(), ErrorCode> {
        instructions.iter().try_for_each(|instruction| match instruction {
            // > "The table-id must be greater than the current table-id" (section 5.9).
            Instruction::GotoTable(next) if *next <= table_id || next.0 >= self.config.n_tables => {
                Err(ErrorCode::BAD_INSTRUCTION_BAD_TABLE_ID)
            }
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => {
                self.check_actions(actions)?;
                check_fields(flow_match, actions)
            }
            Instruction::Experimenter(_) => Err(ErrorCode::BAD_INSTRUCTION_BAD_EXPERIMENTER),
            Instruction::GotoTable(_)
            | Instruction::ClearActions
            | Instruction::WriteMetadata { .. }
            | Instruction::Meter(_) => Ok(()),
        })?;
        instructions.iter().try_for_each(|instruction| match instruction {
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => check_ttl(flow_match, actions),
            _ => Ok(()),
        })
    }

    /// Whether packets can be treated like this.
    pub(super) fn check_actions(&self, actions: &[Action]) -> Result<(), ErrorCode> {
        actions.iter().try_for_each(|action| match action {
            Action::Output { port, .. } => self.check_out_port(*port),
            Action::Experimenter(_) => Err(ErrorCode::BAD_ACTION_BAD_EXPERIMENTER),
            _ => Ok(()),
        })
    }

    /// Whether the groups and meters that a flow would use exist. A switch finds that out when it changes a flow: a
    /// modify that finds none to change is not refused.
    pub(super) fn check_references(&self, instructions: &[Instruction]) -> Result<(), ErrorCode> {
        if program::meters(instructions).any(|meter| !self.meters.contains_key(&meter)) {
            return Err(ErrorCode::METER_MOD_FAILED_INVALID_METER);
        }
        if program::groups(program::actions(instructions)).any(|group| !self.groups.contains_key(&group)) {
            return Err(ErrorCode::BAD_ACTION_BAD_OUT_GROUP);
        }
        Ok(())
    }

    /// A port that can never be there is refused by every switch; for one that might come see [`MissingPorts`].
    fn check_out_port(&self, port: PortNo) -> Result<(), ErrorCode> {
        let acceptable = match port {
            PortNo(0) | PortNo::ANY | PortNo::TABLE => false,
            reserved if reserved > PortNo::MAX => true,
            real => self.config.missing_ports == MissingPorts::Accept || self.port(real).is_some(),
        };
        acceptable.then_some(()).ok_or(ErrorCode::BAD_ACTION_BAD_OUT_PORT)
    }
}

/// Whether packets that match have the fields that the actions set.
fn check_fields(flow_match: &Match, actions: &[Action]) -> Result<(), ErrorCode> {
    before_the_kind_changes(actions).try_for_each(|action| match action {
        Action::SetField(set) => check_field(flow_match, set.field()),
        _ => Ok(()),
    })
}

/// Whether packets that match have a TTL, if the actions count on it. Open vSwitch looks at this last.
fn check_ttl(flow_match: &Match, actions: &[Action]) -> Result<(), ErrorCode> {
    before_the_kind_changes(actions).try_for_each(|action| match action {
        // A TTL is where a DSCP is.
        Action::SetNwTtl(_) | Action::DecNwTtl => check_field(flow_match, &OxmField::IpDscp(0)),
        _ => Ok(()),
    })
}

fn check_field(flow_match: &Match, field: &OxmField) -> Result<(), ErrorCode> {
    flow_match.admits(field).map_err(|_| ErrorCode::BAD_ACTION_MATCH_INCONSISTENT)
}

/// The actions up to the first that pushes or pops a header and so makes another kind of packet, of which the match
/// says nothing.
fn before_the_kind_changes(actions: &[Action]) -> impl Iterator<Item = &Action> {
    actions.iter().take_while(|action| {
        !matches!(
            action,
            Action::PushVlan(_)
                | Action::PopVlan
                | Action::PushMpls(_)
                | Action::PopMpls(_)
                | Action::PushPbb(_)
                | Action::PopPbb
        )
    })
}
