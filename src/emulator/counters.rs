//! What the switch has counted, in the structures of the multipart replies.

use std::time::Instant;

use openflow::{
    Action, BandStats, BucketCounter, FlowStats, GroupId, GroupStats, MeterId, MeterStats, Port, PortStats, TableId,
    TableStats,
};

use super::datapath::Datapath;
use super::flow_table::{FlowEntry, Rule};
use super::group_table::Group;
use super::meter_table::Meter;
use super::program;

/// A flow with its counters.
pub(super) fn flow_stats(table_id: TableId, rule: &Rule, entry: &FlowEntry, now: Instant) -> FlowStats {
    let (duration_sec, duration_nsec) = age(entry.created, now);
    FlowStats {
        table_id,
        duration_sec,
        duration_nsec,
        priority: rule.priority,
        idle_timeout: entry.idle_timeout,
        hard_timeout: entry.hard_timeout,
        flags: entry.flags,
        cookie: entry.cookie,
        packet_count: entry.packet_count,
        byte_count: entry.byte_count,
        flow_match: rule.pattern.to_match(),
        instructions: entry.instructions.to_vec(),
    }
}

/// A table: every packet that was counted was looked up and matched.
pub(super) fn table_stats(datapath: &Datapath, table_id: TableId) -> TableStats {
    let flows = datapath.flows_in(table_id);
    let (active_count, packets) =
        flows.fold((0, 0), |(count, packets), (_, _, entry)| (count + 1, packets + entry.packet_count));
    TableStats { table_id, active_count, lookup_count: packets, matched_count: packets }
}

/// A group, with the number of flows and groups that use it.
pub(super) fn group_stats(datapath: &Datapath, group_id: GroupId, group: &Group, now: Instant) -> GroupStats {
    let flows = datapath.flows_in(TableId::ALL);
    let by_flows = flows.filter(|(_, _, entry)| program::uses_group(&entry.instructions, group_id));
    let buckets = datapath.groups.values().flat_map(|other| &other.buckets);
    let by_groups = buckets.filter(|bucket| bucket.actions.contains(&Action::Group(group_id)));
    let (duration_sec, duration_nsec) = age(group.created, now);
    GroupStats {
        group_id,
        ref_count: saturated(by_flows.count() + by_groups.count()),
        packet_count: 0,
        byte_count: 0,
        duration_sec,
        duration_nsec,
        bucket_stats: group.buckets.iter().map(|_| BucketCounter { packet_count: 0, byte_count: 0 }).collect(),
    }
}

/// A meter, with the number of flows that use it.
pub(super) fn meter_stats(datapath: &Datapath, meter_id: MeterId, meter: &Meter, now: Instant) -> MeterStats {
    let uses = |entry: &FlowEntry| program::meters(&entry.instructions).any(|used| used == meter_id);
    let (duration_sec, duration_nsec) = age(meter.created, now);
    MeterStats {
        meter_id,
        flow_count: saturated(datapath.flows_in(TableId::ALL).filter(|(_, _, entry)| uses(entry)).count()),
        packet_in_count: 0,
        byte_in_count: 0,
        duration_sec,
        duration_nsec,
        band_stats: meter.bands.iter().map(|_| BandStats { packet_band_count: 0, byte_band_count: 0 }).collect(),
    }
}

/// A port through which nothing came or went.
pub(super) fn idle_port(port: &Port) -> PortStats {
    PortStats {
        port_no: port.port_no,
        rx_packets: 0,
        tx_packets: 0,
        rx_bytes: 0,
        tx_bytes: 0,
        rx_dropped: 0,
        tx_dropped: 0,
        rx_errors: 0,
        tx_errors: 0,
        rx_frame_err: 0,
        rx_over_err: 0,
        rx_crc_err: 0,
        collisions: 0,
        duration_sec: 0,
        duration_nsec: 0,
    }
}

/// Seconds, and nanoseconds beyond them.
pub(super) fn age(since: Instant, now: Instant) -> (u32, u32) {
    let age = now.saturating_duration_since(since);
    (u32::try_from(age.as_secs()).unwrap_or(u32::MAX), age.subsec_nanos())
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
