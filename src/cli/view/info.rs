//! The daemon and its classes of traffic for people.

use super::super::table::{Cell, Table, pairs};
use super::Output;
use crate::contract::{Info, TrafficTypeView};

pub(super) fn info(info: &Info, output: &Output) -> String {
    let limits = &info.limits;
    pairs(
        [
            ("version", Cell::from(&info.version)),
            ("uptime", Cell::from(duration(info.uptime))),
            ("largest message", Cell::from(bytes(limits.message_bytes))),
            ("largest message in MessagePack", Cell::from(bytes(limits.msgpack_message_bytes))),
            ("outbound queue", Cell::from(format!("{} a client", bytes(limits.outbound_bytes)))),
            ("in flight", Cell::from(format!("{} requests a client", limits.requests_in_flight))),
            ("clients", Cell::from(format!("{} at most", limits.connections))),
            ("discovered nodes", Cell::from(format!("{} at most", limits.discovered_nodes))),
            ("traffic types", Cell::from(format!("{} ('flumen classes' shows them)", info.traffic_types.len()))),
        ],
        output,
    )
}

/// The classes of traffic, the most important first.
pub(super) fn classes(classes: &[TrafficTypeView], output: &Output) -> String {
    let mut table = Table::new(&["TRAFFIC TYPE", "DSCP", "", "QUEUE", "PRIORITY", "RATE", "PACKETS"]);
    for class in classes {
        table.row([
            Cell::from(&class.name),
            Cell::from(class.dscp),
            Cell::from(class.dscp_name.as_deref().unwrap_or_default()),
            Cell::from(class.queue),
            Cell::from(class.priority),
            Cell::from(class.rate_limit.map(|limit| format!("{} kbit/s", limit.rate_kbps)).unwrap_or_default()),
            Cell::from(packets(class)),
        ]);
    }
    table.render(output)
}

/// What the packets of a class are.
fn packets(class: &TrafficTypeView) -> String {
    let TrafficTypeView { protocol, source_port, destination_port, trust_dscp, .. } = class;
    let protocol = protocol.map(|protocol| protocol.to_string());
    let from = source_port.map(|port| format!("from {port}"));
    let to = destination_port.map(|port| format!("to {port}"));
    let marked = trust_dscp.then(|| "marked already".to_owned());
    [protocol, from, to, marked].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The two largest units.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0x10_0000.. if bytes.is_multiple_of(0x10_0000) => format!("{} MiB", bytes >> 20),
        0x400.. if bytes.is_multiple_of(0x400) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_two_largest_units() {
        assert_eq!(
            [0, 59, 60, 3_599, 3_600, 86_399, 90_000].map(duration),
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min", "1 d 1 h"]
        );
    }

    #[test]
    fn sizes_are_shown_in_whole_units() {
        assert_eq!([16, 2_048, 1 << 20, 32 << 20].map(bytes), ["16 bytes", "2 KiB", "1 MiB", "32 MiB"]);
    }
}
