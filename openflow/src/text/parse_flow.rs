//! Reads flows: `priority=100,tcp,nw_src=10.0.0.0/24,actions=set_queue:1,NORMAL`.

use std::str::FromStr;

use super::parse::{FlowTextFault, ParseFlowError, Parsed, Span};
use super::parse_action::instructions;
use super::parse_match::MatchText;
use crate::message::{FlowMod, FlowModCommand, FlowModFlags};
use crate::number::{BufferId, GroupId, TableId};

impl FromStr for FlowMod {
    type Err = ParseFlowError;

    /// Reads a flow as `ovs-ofctl add-flow` does, a line of `ovs-ofctl dump-flows`, or what [`FlowMod`] itself
    /// prints, which opens with a command; without one the flow is added.
    ///
    /// A flow that is added or changed has `actions=`. The counters and ages of a dump are read and forgotten.
    ///
    /// ```
    /// # use openflow::FlowMod;
    /// let flow: FlowMod = "priority=100,tcp,nw_src=10.0.0.0/24,actions=set_queue:1,NORMAL".parse()?;
    /// assert_eq!(flow.to_string(), "ADD priority=100,tcp,nw_src=10.0.0.0/24 actions=set_queue:1,NORMAL");
    /// # Ok::<(), openflow::ParseFlowError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, ParseFlowError> {
        let whole = Span::new(text).trim();
        let (command, rest) = command(whole);
        let mut flow = match command {
            FlowModCommand::Add => Self::add(),
            FlowModCommand::Modify => Self::modify(),
            FlowModCommand::ModifyStrict => Self::modify_strict(),
            FlowModCommand::Delete => Self { table_id: TableId(0), ..Self::delete() },
            FlowModCommand::DeleteStrict => Self::delete_strict(),
        };
        let (settings, actions) = match rest.split_before_word("actions=") {
            Some((settings, actions)) => (settings, Some(actions)),
            None => (rest, None),
        };
        let mut fields = MatchText::default();
        for piece in settings.pieces(|character| character == ',' || character.is_whitespace())? {
            if !fields.read(piece)? {
                set(&mut flow, piece)?;
            }
        }
        flow.flow_match = fields.finish(settings)?;
        match (actions, command) {
            (Some(actions), _) => flow.instructions = instructions(actions)?,
            (None, FlowModCommand::Delete | FlowModCommand::DeleteStrict) => {}
            (None, _) => return rest.fail(FlowTextFault::NoActions),
        }
        Ok(flow)
    }
}

/// The command at the front of the text, and the rest.
fn command(whole: Span<'_>) -> (FlowModCommand, Span<'_>) {
    use FlowModCommand as C;
    let commands = [C::Add, C::Modify, C::ModifyStrict, C::Delete, C::DeleteStrict];
    if let Some((word, rest)) = whole.split_once(char::is_whitespace)
        && let Some(command) = commands.into_iter().find(|command| command.to_string() == word.text)
    {
        return (command, rest);
    }
    (C::Add, whole)
}

/// Reads a setting that is not a field of the match.
fn set(flow: &mut FlowMod, piece: Span<'_>) -> Parsed<()> {
    let (word, value) = piece.word_and_argument()?;
    let Some(value) = value else {
        flow.flags = flow.flags | flag(word)?;
        return Ok(());
    };
    match word.text {
        "priority" => flow.priority = value.number()?,
        "table" => flow.table_id = value.number().map(TableId)?,
        "idle_timeout" | "idle" => flow.idle_timeout = value.number()?,
        "hard_timeout" | "hard" => flow.hard_timeout = value.number()?,
        "out_port" => flow.out_port = value.port()?,
        "out_group" => {
            flow.out_group = match value.text {
                "ANY" | "any" => GroupId::ANY,
                "ALL" | "all" => GroupId::ALL,
                _ => GroupId(value.number()?),
            }
        }
        "buf" => flow.buffer_id = value.number().map(BufferId)?,
        "cookie" => match value.split_once(|character| character == '/') {
            None => flow.cookie = value.number()?,
            Some((cookie, mask)) => {
                flow.cookie = cookie.number()?;
                flow.cookie_mask = if mask.text == "-1" { u64::MAX } else { mask.number()? };
            }
        },
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" => {}
        _ => return word.fail(FlowTextFault::UnknownWord),
    }
    Ok(())
}

fn flag(word: Span<'_>) -> Parsed<FlowModFlags> {
    Ok(match word.text {
        "send_flow_rem" => FlowModFlags::SEND_FLOW_REM,
        "check_overlap" => FlowModFlags::CHECK_OVERLAP,
        "reset_counts" => FlowModFlags::RESET_COUNTS,
        "no_packet_counts" => FlowModFlags::NO_PKT_COUNTS,
        "no_byte_counts" => FlowModFlags::NO_BYT_COUNTS,
        _ => return word.fail(FlowTextFault::UnknownWord),
    })
}
