//! Reads actions and instructions: `meter:1,set_field:46->ip_dscp,set_queue:1,NORMAL`.

use super::parse::{FlowTextFault, Parsed, Span};
use super::parse_match::field;
use crate::action::{Action, ExperimenterAction};
use crate::flow_match::MatchError;
use crate::instruction::{ExperimenterInstruction, Instruction};
use crate::number::{EthType, GroupId, MeterId, QueueId, TableId};
use crate::port::PortNo;

/// Reads what stands behind `actions=`.
pub(super) fn instructions(span: Span<'_>) -> Parsed<Vec<Instruction>> {
    let pieces = span.pieces(is_separator)?;
    if let [only] = pieces[..]
        && only.text == "drop"
    {
        return Ok(Vec::new());
    }
    let mut slots: [Option<Instruction>; 7] = Default::default();
    let mut actions = Vec::new();
    for piece in pieces {
        let Some((slot, instruction)) = instruction(piece)? else {
            actions.push(action(piece)?);
            continue;
        };
        match slots.get_mut(slot) {
            Some(free @ None) => *free = Some(instruction),
            _ => return piece.fail(FlowTextFault::Instruction),
        }
    }
    if !actions.is_empty() {
        match &mut slots[APPLY] {
            None => slots[APPLY] = Some(Instruction::ApplyActions(actions)),
            Some(_) => return span.fail(FlowTextFault::Instruction),
        }
    }
    Ok(slots.into_iter().flatten().collect())
}

/// The place of the actions that are run at once among the instructions.
const APPLY: usize = 1;

fn is_separator(character: char) -> bool {
    character == ',' || character.is_whitespace()
}

/// Reads an instruction and says when a switch runs it; `None` if it is an action.
fn instruction(piece: Span<'_>) -> Parsed<Option<(usize, Instruction)>> {
    let (word, argument) = piece.word_and_argument()?;
    let argument = argument.unwrap_or(Span::new(""));
    Ok(Some(match word.text {
        "meter" => (0, Instruction::Meter(argument.number().map(MeterId)?)),
        "apply_actions" => (APPLY, Instruction::ApplyActions(actions(argument)?)),
        "clear_actions" => (2, Instruction::ClearActions),
        "write_actions" => (3, Instruction::WriteActions(actions(argument)?)),
        "write_metadata" => {
            let (metadata, mask) = match argument.split_once(|character| character == '/') {
                None => (argument.number()?, u64::MAX),
                Some((metadata, mask)) => (metadata.number()?, mask.number()?),
            };
            (4, Instruction::WriteMetadata { metadata, mask })
        }
        "goto_table" => (5, Instruction::GotoTable(argument.number().map(TableId)?)),
        "instruction" => {
            let (experimenter, data) = experimenter(argument)?;
            (6, Instruction::Experimenter(ExperimenterInstruction { experimenter, data }))
        }
        _ => return Ok(None),
    }))
}

/// Reads a list of actions.
fn actions(span: Span<'_>) -> Parsed<Vec<Action>> {
    let pieces = span.pieces(is_separator)?;
    if let [only] = pieces[..]
        && only.text == "drop"
    {
        return Ok(Vec::new());
    }
    pieces.into_iter().map(action).collect()
}

/// Reads one action.
fn action(piece: Span<'_>) -> Parsed<Action> {
    let (word, argument) = piece.word_and_argument()?;
    let Some(argument) = argument else { return plain(word) };
    Ok(match word.text.to_ascii_lowercase().as_str() {
        "output" => Action::output(argument.port()?),
        "controller" => Action::Output { port: PortNo::CONTROLLER, max_len: max_len(argument)? },
        "set_mpls_ttl" => Action::SetMplsTtl(argument.number()?),
        "push_vlan" => Action::PushVlan(argument.number().map(EthType)?),
        "push_mpls" => Action::PushMpls(argument.number().map(EthType)?),
        "pop_mpls" => Action::PopMpls(argument.number().map(EthType)?),
        "push_pbb" => Action::PushPbb(argument.number().map(EthType)?),
        "set_queue" => Action::SetQueue(argument.number().map(QueueId)?),
        "group" => Action::Group(argument.number().map(GroupId)?),
        "mod_nw_ttl" => Action::SetNwTtl(argument.number()?),
        "set_field" => set_field(argument)?,
        "experimenter" => {
            let (experimenter, data) = experimenter(argument)?;
            Action::Experimenter(ExperimenterAction { experimenter, data })
        }
        "instruction" | "write_actions" | "apply_actions" => return word.fail(FlowTextFault::Instruction),
        _ => return word.fail(FlowTextFault::UnknownAction),
    })
}

/// Reads an action without an argument.
fn plain(word: Span<'_>) -> Parsed<Action> {
    Ok(match word.text.to_ascii_lowercase().as_str() {
        "copy_ttl_out" => Action::CopyTtlOut,
        "copy_ttl_in" => Action::CopyTtlIn,
        "dec_mpls_ttl" => Action::DecMplsTtl,
        "pop_vlan" | "strip_vlan" => Action::PopVlan,
        "dec_ttl" => Action::DecNwTtl,
        "pop_pbb" => Action::PopPbb,
        "drop" => return word.fail(FlowTextFault::DropAndMore),
        _ => match word.port() {
            Ok(port) => Action::output(port),
            Err(_) => return word.fail(FlowTextFault::UnknownAction),
        },
    })
}

/// How much of a packet the controller gets: a number, or `max_len=` and a number.
fn max_len(argument: Span<'_>) -> Parsed<u16> {
    argument.strip_prefix("max_len=").unwrap_or(argument).number()
}

/// Reads `value->field`.
fn set_field(argument: Span<'_>) -> Parsed<Action> {
    let Some((value, name)) = argument.split_once(|character| character == '>') else {
        return argument.fail(FlowTextFault::BadValue);
    };
    let Some(value) = value.strip_suffix("-") else { return argument.fail(FlowTextFault::BadValue) };
    let value = match name.text {
        "oxm" => value.word_and_argument()?.1.unwrap_or(value),
        _ => value,
    };
    let Some(field) = field(name.text, value)? else { return name.fail(FlowTextFault::UnknownWord) };
    Action::set_field(field).or_else(|flaw| match flaw {
        MatchError::NotSettable { .. } if value.text.contains('/') => value.fail(FlowTextFault::NoMask),
        flaw => value.fail(FlowTextFault::Match(flaw)),
    })
}

/// Reads an experimenter, and bytes behind a comma.
fn experimenter(argument: Span<'_>) -> Parsed<(u32, bytes::Bytes)> {
    match argument.split_once(|character| character == ',') {
        None => Ok((argument.number()?, bytes::Bytes::new())),
        Some((experimenter, data)) => Ok((experimenter.number()?, data.bytes()?)),
    }
}
