//! Multipart requests and replies.

use openflow::{
    ExperimenterMultipart, ExperimenterProperty, MultipartReply, MultipartReplyBody, MultipartRequest,
    MultipartRequestBody, OxmId, TableFeatureProperty, TableFeatures, TypeId,
};
use serde_json::{Value, json};

use super::{bits64, experimenter, flow, group, hex, list, port, word};

pub(super) fn request(request: &MultipartRequest) -> Value {
    use MultipartRequestBody as B;
    let body = match &request.body {
        B::Desc | B::Table | B::GroupDesc | B::GroupFeatures | B::MeterFeatures | B::PortDesc => json!({}),
        B::Flow(request) | B::Aggregate(request) => flow::flow_stats_request(request),
        B::PortStats(request) => json!({ "port_no": word(request.port_no) }),
        B::Queue(request) => json!({ "port_no": word(request.port_no), "queue_id": word(request.queue_id) }),
        B::Group(request) => json!({ "group_id": word(request.group_id) }),
        B::Meter(request) | B::MeterConfig(request) => json!({ "meter_id": word(request.meter_id) }),
        B::TableFeatures(tables) => json!({ "tables": list(tables, table_features) }),
        B::FlowMonitor(monitors) => json!({ "monitors": list(monitors, flow::flow_monitor) }),
        B::Experimenter(body) => of_experimenter(body),
    };
    with_flags(body, request.more, request.reserved)
}

pub(super) fn reply(reply: &MultipartReply) -> Value {
    use MultipartReplyBody as B;
    let body = match &reply.body {
        B::Desc(desc) => json!({
            "mfr_desc": desc.mfr_desc.to_string(), "hw_desc": desc.hw_desc.to_string(),
            "sw_desc": desc.sw_desc.to_string(), "serial_num": desc.serial_num.to_string(),
            "dp_desc": desc.dp_desc.to_string(),
        }),
        B::Flow(flows) => json!({ "flows": list(flows, flow::flow_stats) }),
        B::Aggregate(sum) => json!({
            "packet_count": sum.packet_count, "byte_count": sum.byte_count, "flow_count": sum.flow_count,
        }),
        B::Table(tables) => json!({ "tables": list(tables, |table| json!({
            "table_id": word(table.table_id), "active_count": table.active_count,
            "lookup_count": table.lookup_count, "matched_count": table.matched_count,
        })) }),
        B::PortStats(ports) => json!({ "ports": list(ports, port::port_stats) }),
        B::Queue(queues) => json!({ "queues": list(queues, port::queue_stats) }),
        B::Group(groups) => json!({ "groups": list(groups, group::group_stats) }),
        B::GroupDesc(groups) => json!({ "groups": list(groups, group::group_desc) }),
        B::GroupFeatures(features) => group::group_features(features),
        B::Meter(meters) => json!({ "meters": list(meters, group::meter_stats) }),
        B::MeterConfig(meters) => json!({ "meters": list(meters, group::meter_config) }),
        B::MeterFeatures(features) => group::meter_features(features),
        B::TableFeatures(tables) => json!({ "tables": list(tables, table_features) }),
        B::PortDesc(ports) => json!({ "ports": list(ports, port::port) }),
        B::FlowMonitor(updates) => json!({ "updates": list(updates, flow::flow_update) }),
        B::Experimenter(body) => of_experimenter(body),
    };
    with_flags(body, reply.more, reply.reserved)
}

/// The body, whether more parts follow, and the other flags if there are any.
fn with_flags(mut body: Value, more: bool, reserved: u16) -> Value {
    body["more"] = more.into();
    if reserved != 0 {
        body["reserved"] = reserved.into();
    }
    body
}

fn of_experimenter(body: &ExperimenterMultipart) -> Value {
    json!({
        "experimenter": experimenter(body.experimenter), "exp_type": body.exp_type, "data": hex(&body.data),
    })
}

fn table_features(table: &TableFeatures) -> Value {
    json!({
        "table_id": word(table.table_id), "name": table.name.to_string(),
        "metadata_match": bits64(table.metadata_match), "metadata_write": bits64(table.metadata_write),
        "config": table.config, "max_entries": table.max_entries, "properties": list(&table.properties, property),
    })
}

fn property(property: &TableFeatureProperty) -> Value {
    use TableFeatureProperty as P;
    let (name, values) = match property {
        P::Instructions(ids) => ("INSTRUCTIONS", list(ids, type_id)),
        P::InstructionsMiss(ids) => ("INSTRUCTIONS_MISS", list(ids, type_id)),
        P::NextTables(tables) => ("NEXT_TABLES", list(tables, |table| table.0.into())),
        P::NextTablesMiss(tables) => ("NEXT_TABLES_MISS", list(tables, |table| table.0.into())),
        P::WriteActions(ids) => ("WRITE_ACTIONS", list(ids, type_id)),
        P::WriteActionsMiss(ids) => ("WRITE_ACTIONS_MISS", list(ids, type_id)),
        P::ApplyActions(ids) => ("APPLY_ACTIONS", list(ids, type_id)),
        P::ApplyActionsMiss(ids) => ("APPLY_ACTIONS_MISS", list(ids, type_id)),
        P::Match(ids) => ("MATCH", list(ids, oxm_id)),
        P::Wildcards(ids) => ("WILDCARDS", list(ids, oxm_id)),
        P::WriteSetField(ids) => ("WRITE_SETFIELD", list(ids, oxm_id)),
        P::WriteSetFieldMiss(ids) => ("WRITE_SETFIELD_MISS", list(ids, oxm_id)),
        P::ApplySetField(ids) => ("APPLY_SETFIELD", list(ids, oxm_id)),
        P::ApplySetFieldMiss(ids) => ("APPLY_SETFIELD_MISS", list(ids, oxm_id)),
        P::Experimenter(property) => ("EXPERIMENTER", experimenter_property(property)),
        P::ExperimenterMiss(property) => ("EXPERIMENTER_MISS", experimenter_property(property)),
    };
    json!({ "type": name, "values": values })
}

/// The number of an action or instruction; an experimenter's with what follows it.
fn type_id(id: &TypeId) -> Value {
    match id.data.is_empty() {
        true => id.number.into(),
        false => json!({ "type": id.number, "data": hex(&id.data) }),
    }
}

fn oxm_id(id: &OxmId) -> Value {
    json!({
        "class": id.class(), "field": id.field(), "has_mask": id.has_mask(), "length": id.length(),
        "experimenter": id.experimenter().map(experimenter),
    })
}

fn experimenter_property(property: &ExperimenterProperty) -> Value {
    json!({
        "experimenter": experimenter(property.experimenter), "exp_type": property.exp_type,
        "data": hex(&property.data),
    })
}
