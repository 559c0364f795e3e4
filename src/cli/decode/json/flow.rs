//! Flows: matches, actions, instructions, and the messages about them.

use openflow::{
    Action, ExperimenterAction, FlowMod, FlowMonitorRequest, FlowRemoved, FlowStats, FlowStatsRequest, FlowUpdate,
    Instruction, Match, OxmField,
};
use serde_json::{Map, Value, json};

use super::{bits64, experimenter, flags, hex, list, word};

/// A field a key, with its value and the mask behind a slash.
pub(super) fn flow_match(flow_match: &Match) -> Value {
    let mut object = Map::new();
    let mut others = Vec::new();
    for field in flow_match.fields() {
        match field {
            OxmField::Raw(_) => others.push(raw(field)),
            _ => drop(object.insert(field.name().to_owned(), word(field.value()))),
        }
    }
    if !others.is_empty() {
        object.insert("others".to_owned(), others.into());
    }
    object.into()
}

/// A field that is none of the forty.
fn raw(field: &OxmField) -> Value {
    match field {
        OxmField::Raw(raw) => json!({
            "class": raw.class(), "field": raw.field(), "has_mask": raw.has_mask(), "body": hex(raw.body()),
        }),
        _ => Value::Null,
    }
}

pub(super) fn actions(actions: &[Action]) -> Value {
    list(actions, action)
}

fn action(action: &Action) -> Value {
    match action {
        Action::Output { port, max_len } => json!({ "type": "OUTPUT", "port": word(port), "max_len": max_len }),
        Action::CopyTtlOut => json!({ "type": "COPY_TTL_OUT" }),
        Action::CopyTtlIn => json!({ "type": "COPY_TTL_IN" }),
        Action::SetMplsTtl(ttl) => json!({ "type": "SET_MPLS_TTL", "mpls_ttl": ttl }),
        Action::DecMplsTtl => json!({ "type": "DEC_MPLS_TTL" }),
        Action::PushVlan(eth_type) => json!({ "type": "PUSH_VLAN", "ethertype": word(eth_type) }),
        Action::PopVlan => json!({ "type": "POP_VLAN" }),
        Action::PushMpls(eth_type) => json!({ "type": "PUSH_MPLS", "ethertype": word(eth_type) }),
        Action::PopMpls(eth_type) => json!({ "type": "POP_MPLS", "ethertype": word(eth_type) }),
        Action::SetQueue(queue_id) => json!({ "type": "SET_QUEUE", "queue_id": queue_id.0 }),
        Action::Group(group_id) => json!({ "type": "GROUP", "group_id": word(group_id) }),
        Action::SetNwTtl(ttl) => json!({ "type": "SET_NW_TTL", "nw_ttl": ttl }),
        Action::DecNwTtl => json!({ "type": "DEC_NW_TTL" }),
        Action::SetField(set_field) => match set_field.field() {
            field @ OxmField::Raw(_) => json!({ "type": "SET_FIELD", "field": raw(field) }),
            field => json!({ "type": "SET_FIELD", "field": field.name(), "value": word(field.value()) }),
        },
        Action::PushPbb(eth_type) => json!({ "type": "PUSH_PBB", "ethertype": word(eth_type) }),
        Action::PopPbb => json!({ "type": "POP_PBB" }),
        Action::Experimenter(ExperimenterAction { experimenter: id, data }) => {
            json!({ "type": "EXPERIMENTER", "experimenter": experimenter(*id), "data": hex(data) })
        }
    }
}

fn instructions(instructions: &[Instruction]) -> Value {
    list(instructions, instruction)
}

fn instruction(instruction: &Instruction) -> Value {
    match instruction {
        Instruction::GotoTable(table_id) => json!({ "type": "GOTO_TABLE", "table_id": word(table_id) }),
        Instruction::WriteMetadata { metadata, mask } => {
            json!({ "type": "WRITE_METADATA", "metadata": bits64(*metadata), "metadata_mask": bits64(*mask) })
        }
        Instruction::WriteActions(list) => json!({ "type": "WRITE_ACTIONS", "actions": actions(list) }),
        Instruction::ApplyActions(list) => json!({ "type": "APPLY_ACTIONS", "actions": actions(list) }),
        Instruction::ClearActions => json!({ "type": "CLEAR_ACTIONS" }),
        Instruction::Meter(meter_id) => json!({ "type": "METER", "meter_id": word(meter_id) }),
        Instruction::Experimenter(instruction) => json!({
            "type": "EXPERIMENTER", "experimenter": experimenter(instruction.experimenter),
            "data": hex(&instruction.data),
        }),
    }
}

/// A FLOW_MOD; `text` is the flow as `ovs-ofctl add-flow` reads it.
pub(super) fn flow_mod(flow_mod: &FlowMod) -> Value {
    json!({
        "command": word(flow_mod.command), "table_id": word(flow_mod.table_id), "priority": flow_mod.priority,
        "cookie": bits64(flow_mod.cookie), "cookie_mask": bits64(flow_mod.cookie_mask),
        "idle_timeout": flow_mod.idle_timeout, "hard_timeout": flow_mod.hard_timeout,
        "buffer_id": word(flow_mod.buffer_id), "out_port": word(flow_mod.out_port),
        "out_group": word(flow_mod.out_group), "flags": flags(flow_mod.flags),
        "match": flow_match(&flow_mod.flow_match), "instructions": instructions(&flow_mod.instructions),
        "text": format!("{flow_mod:#}"),
    })
}

pub(super) fn flow_removed(removed: &FlowRemoved) -> Value {
    json!({
        "reason": word(removed.reason), "table_id": word(removed.table_id), "priority": removed.priority,
        "cookie": bits64(removed.cookie), "duration_sec": removed.duration_sec,
        "duration_nsec": removed.duration_nsec, "idle_timeout": removed.idle_timeout,
        "hard_timeout": removed.hard_timeout, "packet_count": removed.packet_count,
        "byte_count": removed.byte_count, "match": flow_match(&removed.flow_match),
    })
}

/// An entry of a FLOW reply; `text` is its line of `ovs-ofctl dump-flows`.
pub(super) fn flow_stats(stats: &FlowStats) -> Value {
    json!({
        "table_id": word(stats.table_id), "priority": stats.priority, "cookie": bits64(stats.cookie),
        "duration_sec": stats.duration_sec, "duration_nsec": stats.duration_nsec,
        "idle_timeout": stats.idle_timeout, "hard_timeout": stats.hard_timeout, "flags": flags(stats.flags),
        "packet_count": stats.packet_count, "byte_count": stats.byte_count,
        "match": flow_match(&stats.flow_match), "instructions": instructions(&stats.instructions),
        "text": stats.to_string(),
    })
}

pub(super) fn flow_stats_request(request: &FlowStatsRequest) -> Value {
    json!({
        "table_id": word(request.table_id), "out_port": word(request.out_port), "out_group": word(request.out_group),
        "cookie": bits64(request.cookie), "cookie_mask": bits64(request.cookie_mask),
        "match": flow_match(&request.flow_match),
    })
}

pub(super) fn flow_monitor(request: &FlowMonitorRequest) -> Value {
    json!({
        "id": request.id, "flags": request.flags.0, "out_port": word(request.out_port),
        "table_id": word(request.table_id), "match": flow_match(&request.flow_match),
    })
}

pub(super) fn flow_update(update: &FlowUpdate) -> Value {
    match update {
        FlowUpdate::Abbreviated(xid) => json!({ "event": "ABBREV", "xid": xid.0 }),
        FlowUpdate::Full(update) => json!({
            "event": word(update.event), "reason": update.reason, "table_id": word(update.table_id),
            "priority": update.priority, "idle_timeout": update.idle_timeout, "hard_timeout": update.hard_timeout,
            "cookie": bits64(update.cookie), "match": flow_match(&update.flow_match),
            "instructions": instructions(&update.instructions),
        }),
    }
}
