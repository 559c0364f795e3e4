//! The body of every message.

use openflow::{
    AsyncConfig, AsyncMask, BundleProperty, ErrorMsg, Experimenter, FeaturesReply, Hello, HelloElement, Message,
    PacketIn, PacketOut, RoleMsg, SwitchConfig,
};
use serde_json::{Value, json};

use super::{bare, bits64, experimenter, flags, flow, group, hex, list, multipart, port, word};

/// The fields of the body; an empty object if there is none.
pub(super) fn body(message: &Message) -> Value {
    match message {
        Message::Hello(hello) => json!({ "elements": list(&hello.elements, element), "versions": versions(hello) }),
        Message::Error(error) => error_msg(error),
        Message::EchoRequest(echo) | Message::EchoReply(echo) => json!({ "data": hex(&echo.data) }),
        Message::Experimenter(message) => experimenter_body(message),
        Message::FeaturesReply(features) => features_reply(features),
        Message::GetConfigReply(config) | Message::SetConfig(config) => switch_config(config),
        Message::PacketIn(packet) => packet_in(packet),
        Message::FlowRemoved(removed) => flow::flow_removed(removed),
        Message::PortStatus(status) => json!({ "reason": word(status.reason), "desc": port::port(&status.desc) }),
        Message::PacketOut(packet) => packet_out(packet),
        Message::FlowMod(flow_mod) => flow::flow_mod(flow_mod),
        Message::GroupMod(group_mod) => group::group_mod(group_mod),
        Message::PortMod(port_mod) => port::port_mod(port_mod),
        Message::TableMod(table) => json!({ "table_id": word(table.table_id), "config": table.config }),
        Message::MultipartRequest(request) => multipart::request(request),
        Message::MultipartReply(reply) => multipart::reply(reply),
        Message::QueueGetConfigRequest(request) => json!({ "port": word(request.port) }),
        Message::QueueGetConfigReply(reply) => {
            json!({ "port": word(reply.port), "queues": list(&reply.queues, port::packet_queue) })
        }
        Message::RoleRequest(role) | Message::RoleReply(role) => role_msg(role),
        Message::GetAsyncReply(config) | Message::SetAsync(config) => async_config(config),
        Message::MeterMod(meter_mod) => group::meter_mod(meter_mod),
        Message::FeaturesRequest
        | Message::GetConfigRequest
        | Message::BarrierRequest
        | Message::BarrierReply
        | Message::GetAsyncRequest => json!({}),
    }
}

fn element(element: &HelloElement) -> Value {
    match element {
        HelloElement::VersionBitmap(bitmap) => json!({ "type": "VERSIONBITMAP", "bitmaps": bitmap }),
        HelloElement::Unknown { element_type, data } => json!({ "type": element_type, "data": hex(data) }),
    }
}

/// The numbers of the versions, if the peer sent a bitmap.
fn versions(hello: &Hello) -> Option<Vec<u32>> {
    hello.versions().map(|versions| (0..32).filter(|version| versions & 1 << version != 0).collect())
}

fn error_msg(error: &ErrorMsg) -> Value {
    json!({
        "type": error.type_name(), "code": error.code_name(), "sentence": error.sentence(), "data": hex(&error.data),
        "failed": error.failed().map(|header| json!({ "type": header.message_type, "xid": header.xid.0 })),
    })
}

fn experimenter_body(message: &Experimenter) -> Value {
    match message {
        Experimenter::BundleControl(control) => json!({
            "name": "BUNDLE_CONTROL", "bundle_id": control.bundle_id.0, "type": u16::from(control.control_type),
            "flags": flags(control.flags), "properties": list(&control.properties, bundle_property),
        }),
        Experimenter::BundleAdd(add) => json!({
            "name": "BUNDLE_ADD_MESSAGE", "bundle_id": add.bundle_id.0, "flags": flags(add.flags),
            "xid": add.xid.0, "type": bare(add.message.type_name()), "message": body(&add.message),
            "properties": list(&add.properties, bundle_property),
        }),
        Experimenter::FlowMonitorCancel(cancel) => json!({ "name": "FLOW_MONITOR_CANCEL", "id": cancel.id }),
        Experimenter::FlowMonitorPaused => json!({ "name": "FLOW_MONITOR_PAUSED" }),
        Experimenter::FlowMonitorResumed => json!({ "name": "FLOW_MONITOR_RESUMED" }),
        Experimenter::Other(other) => json!({
            "experimenter": experimenter(other.experimenter), "exp_type": other.exp_type, "data": hex(&other.data),
        }),
    }
}

fn bundle_property(property: &BundleProperty) -> Value {
    json!({ "type": property.property_type, "data": hex(&property.data) })
}

fn features_reply(features: &FeaturesReply) -> Value {
    json!({
        "datapath_id": features.datapath_id.to_string(), "n_buffers": features.n_buffers,
        "n_tables": features.n_tables, "auxiliary_id": features.auxiliary_id,
        "capabilities": flags(features.capabilities),
    })
}

fn switch_config(config: &SwitchConfig) -> Value {
    json!({ "flags": config.flags, "miss_send_len": config.miss_send_len })
}

fn packet_in(packet: &PacketIn) -> Value {
    json!({
        "buffer_id": word(packet.buffer_id), "total_len": packet.total_len, "reason": word(packet.reason),
        "table_id": word(packet.table_id), "cookie": bits64(packet.cookie),
        "match": flow::flow_match(&packet.flow_match), "data": hex(&packet.data),
    })
}

fn packet_out(packet: &PacketOut) -> Value {
    json!({
        "buffer_id": word(packet.buffer_id), "in_port": word(packet.in_port),
        "actions": flow::actions(&packet.actions), "data": hex(&packet.data),
    })
}

fn role_msg(role: &RoleMsg) -> Value {
    json!({ "role": word(role.role), "generation_id": bits64(role.generation_id) })
}

fn async_config(config: &AsyncConfig) -> Value {
    let mask = |mask: &AsyncMask| json!({ "master": mask.master, "slave": mask.slave });
    json!({
        "packet_in_mask": mask(&config.packet_in_mask), "port_status_mask": mask(&config.port_status_mask),
        "flow_removed_mask": mask(&config.flow_removed_mask),
    })
}
