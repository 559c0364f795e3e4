//! Ports and queues.

use openflow::{PacketQueue, Port, PortMod, PortStats, QueueProperty, QueueStats};
use serde_json::{Value, json};

use super::{experimenter, flags, hex, list, word};

pub(super) fn port(port: &Port) -> Value {
    json!({
        "port_no": word(port.port_no), "hw_addr": port.hw_addr.to_string(), "name": port.name.to_string(),
        "config": flags(port.config), "state": flags(port.state), "curr": flags(port.curr),
        "advertised": flags(port.advertised), "supported": flags(port.supported), "peer": flags(port.peer),
        "curr_speed": port.curr_speed, "max_speed": port.max_speed,
    })
}

pub(super) fn port_mod(port_mod: &PortMod) -> Value {
    json!({
        "port_no": word(port_mod.port_no), "hw_addr": port_mod.hw_addr.to_string(),
        "config": flags(port_mod.config), "mask": flags(port_mod.mask), "advertise": flags(port_mod.advertise),
    })
}

pub(super) fn port_stats(stats: &PortStats) -> Value {
    json!({
        "port_no": word(stats.port_no), "rx_packets": stats.rx_packets, "tx_packets": stats.tx_packets,
        "rx_bytes": stats.rx_bytes, "tx_bytes": stats.tx_bytes, "rx_dropped": stats.rx_dropped,
        "tx_dropped": stats.tx_dropped, "rx_errors": stats.rx_errors, "tx_errors": stats.tx_errors,
        "rx_frame_err": stats.rx_frame_err, "rx_over_err": stats.rx_over_err, "rx_crc_err": stats.rx_crc_err,
        "collisions": stats.collisions, "duration_sec": stats.duration_sec, "duration_nsec": stats.duration_nsec,
    })
}

pub(super) fn queue_stats(stats: &QueueStats) -> Value {
    json!({
        "port_no": word(stats.port_no), "queue_id": word(stats.queue_id), "tx_bytes": stats.tx_bytes,
        "tx_packets": stats.tx_packets, "tx_errors": stats.tx_errors, "duration_sec": stats.duration_sec,
        "duration_nsec": stats.duration_nsec,
    })
}

pub(super) fn packet_queue(queue: &PacketQueue) -> Value {
    json!({
        "queue_id": word(queue.queue_id), "port": word(queue.port), "properties": list(&queue.properties, property),
    })
}

fn property(property: &QueueProperty) -> Value {
    match property {
        QueueProperty::MinRate(rate) => json!({ "type": "MIN_RATE", "rate": rate }),
        QueueProperty::MaxRate(rate) => json!({ "type": "MAX_RATE", "rate": rate }),
        QueueProperty::Experimenter { experimenter: id, data } => {
            json!({ "type": "EXPERIMENTER", "experimenter": experimenter(*id), "data": hex(data) })
        }
        QueueProperty::Unknown { property, data } => json!({ "type": property, "data": hex(data) }),
    }
}
