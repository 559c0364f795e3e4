//! Multipart requests and replies of every type.

use openflow::{
    AggregateStats, BandStats, BucketCounter, ByGroupType, Desc, ExperimenterMultipart, ExperimenterProperty,
    FixedText, FlowModFlags, FlowMonitorFlags, FlowMonitorRequest, FlowStats, FlowStatsRequest, FlowUpdate,
    FlowUpdateFull, GroupDesc, GroupFeatures, GroupStats, GroupStatsRequest, MatchForm, MeterConfig, MeterFeatures,
    MeterFlags, MeterRequest, MeterStats, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
    OxmId, PortStats, PortStatsRequest, QueueStats, QueueStatsRequest, TableFeatureProperty, TableFeatures, TableStats,
    TypeId,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::messages::{band, bucket, group_type, one_port};
use super::{flow_match, group, instructions, meter, octets, port, queue, table, xid};

pub(crate) fn multipart_request() -> impl Strategy<Value = MultipartRequest> {
    use MultipartRequestBody as B;
    let body = prop_oneof![
        prop_oneof![
            Just(B::Desc),
            Just(B::Table),
            Just(B::GroupDesc),
            Just(B::GroupFeatures),
            Just(B::MeterFeatures),
            Just(B::PortDesc)
        ],
        flow_request().prop_map(B::Flow),
        flow_request().prop_map(B::Aggregate),
        port().prop_map(|port_no| B::PortStats(PortStatsRequest { port_no })),
        (port(), queue()).prop_map(|(port_no, queue_id)| B::Queue(QueueStatsRequest { port_no, queue_id })),
        group().prop_map(|group_id| B::Group(GroupStatsRequest { group_id })),
        meter().prop_map(|meter_id| B::Meter(MeterRequest { meter_id })),
        meter().prop_map(|meter_id| B::MeterConfig(MeterRequest { meter_id })),
        vec(table_features(), 0..3).prop_map(B::TableFeatures),
        vec(monitor_request(), 0..3).prop_map(B::FlowMonitor),
        experimenter().prop_map(B::Experimenter),
    ];
    (any::<bool>(), any::<u16>().prop_map(|flags| flags & !1), body)
        .prop_map(|(more, reserved, body)| MultipartRequest { more, reserved, body })
}

pub(crate) fn multipart_reply() -> impl Strategy<Value = MultipartReply> {
    use MultipartReplyBody as B;
    let body = prop_oneof![
        desc().prop_map(|desc| B::Desc(Box::new(desc))),
        vec(flow_stats(), 0..3).prop_map(B::Flow),
        any::<(u64, u64, u32)>().prop_map(|(packet_count, byte_count, flow_count)| {
            B::Aggregate(AggregateStats { packet_count, byte_count, flow_count })
        }),
        vec(table_stats(), 0..4).prop_map(B::Table),
        vec(port_stats(), 0..4).prop_map(B::PortStats),
        vec(queue_stats(), 0..4).prop_map(B::Queue),
        vec(group_stats(), 0..4).prop_map(B::Group),
        vec(group_desc(), 0..4).prop_map(B::GroupDesc),
        any::<[u32; 10]>().prop_map(|numbers| B::GroupFeatures(group_features(numbers))),
        vec(meter_stats(), 0..4).prop_map(B::Meter),
        vec(meter_config(), 0..4).prop_map(B::MeterConfig),
        any::<(u32, u32, u32, u8, u8)>().prop_map(|(max_meter, band_types, capabilities, max_bands, max_color)| {
            B::MeterFeatures(MeterFeatures { max_meter, band_types, capabilities, max_bands, max_color })
        }),
        vec(table_features(), 0..3).prop_map(B::TableFeatures),
        vec(one_port(), 0..4).prop_map(B::PortDesc),
        vec(flow_update(), 0..4).prop_map(B::FlowMonitor),
        experimenter().prop_map(B::Experimenter),
    ];
    (any::<bool>(), any::<u16>().prop_map(|flags| flags & !1), body).prop_map(|(more, reserved, body)| MultipartReply {
        more,
        reserved,
        body,
    })
}

fn experimenter() -> impl Strategy<Value = ExperimenterMultipart> {
    (any::<u32>(), any::<u32>(), octets(40)).prop_map(|(experimenter, exp_type, data)| ExperimenterMultipart {
        experimenter,
        exp_type,
        data,
    })
}

fn desc() -> impl Strategy<Value = Desc> {
    fn text<const N: usize>() -> impl Strategy<Value = FixedText<N>> {
        vec(any::<u8>(), N).prop_map(|octets| FixedText(octets.try_into().unwrap()))
    }
    (text(), text(), text(), text(), text()).prop_map(|(mfr_desc, hw_desc, sw_desc, serial_num, dp_desc)| Desc {
        mfr_desc,
        hw_desc,
        sw_desc,
        serial_num,
        dp_desc,
    })
}

fn flow_request() -> impl Strategy<Value = FlowStatsRequest> {
    (table(), port(), group(), any::<u64>(), any::<u64>(), flow_match()).prop_map(
        |(table_id, out_port, out_group, cookie, cookie_mask, flow_match)| FlowStatsRequest {
            table_id,
            out_port,
            out_group,
            cookie,
            cookie_mask,
            flow_match,
        },
    )
}

fn flow_stats() -> impl Strategy<Value = FlowStats> {
    let counters = (any::<u64>(), any::<u64>(), any::<u64>());
    (table(), any::<[u32; 2]>(), any::<[u16; 4]>(), counters, flow_match(), instructions()).prop_map(
        |(table_id, durations, numbers, counters, flow_match, instructions)| {
            let [duration_sec, duration_nsec] = durations;
            let [priority, idle_timeout, hard_timeout, flags] = numbers;
            let (cookie, packet_count, byte_count) = counters;
            FlowStats {
                table_id,
                duration_sec,
                duration_nsec,
                priority,
                idle_timeout,
                hard_timeout,
                flags: FlowModFlags(flags),
                cookie,
                packet_count,
                byte_count,
                flow_match,
                instructions,
            }
        },
    )
}

fn table_stats() -> impl Strategy<Value = TableStats> {
    (table(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
        |(table_id, active_count, lookup_count, matched_count)| TableStats {
            table_id,
            active_count,
            lookup_count,
            matched_count,
        },
    )
}

fn port_stats() -> impl Strategy<Value = PortStats> {
    (port(), any::<[u64; 12]>(), any::<[u32; 2]>()).prop_map(|(port_no, counters, [duration_sec, duration_nsec])| {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = counters;
        PortStats {
            port_no,
            rx_packets: a,
            tx_packets: b,
            rx_bytes: c,
            tx_bytes: d,
            rx_dropped: e,
            tx_dropped: f,
            rx_errors: g,
            tx_errors: h,
            rx_frame_err: i,
            rx_over_err: j,
            rx_crc_err: k,
            collisions: l,
            duration_sec,
            duration_nsec,
        }
    })
}

fn queue_stats() -> impl Strategy<Value = QueueStats> {
    (port(), queue(), any::<[u64; 3]>(), any::<[u32; 2]>()).prop_map(|(port_no, queue_id, counters, durations)| {
        let [tx_bytes, tx_packets, tx_errors] = counters;
        let [duration_sec, duration_nsec] = durations;
        QueueStats { port_no, queue_id, tx_bytes, tx_packets, tx_errors, duration_sec, duration_nsec }
    })
}

fn group_stats() -> impl Strategy<Value = GroupStats> {
    let counter =
        (any::<u64>(), any::<u64>()).prop_map(|(packet_count, byte_count)| BucketCounter { packet_count, byte_count });
    (group(), any::<[u32; 3]>(), any::<u64>(), any::<u64>(), vec(counter, 0..3)).prop_map(
        |(group_id, numbers, packet_count, byte_count, bucket_stats)| {
            let [ref_count, duration_sec, duration_nsec] = numbers;
            GroupStats { group_id, ref_count, packet_count, byte_count, duration_sec, duration_nsec, bucket_stats }
        },
    )
}

fn group_desc() -> impl Strategy<Value = GroupDesc> {
    (group_type(), group(), vec(bucket(), 0..3)).prop_map(|(group_type, group_id, buckets)| GroupDesc {
        group_type,
        group_id,
        buckets,
    })
}

fn group_features([types, capabilities, a, b, c, d, e, f, g, h]: [u32; 10]) -> GroupFeatures {
    let max_groups = ByGroupType { all: a, select: b, indirect: c, fast_failover: d };
    let actions = ByGroupType { all: e, select: f, indirect: g, fast_failover: h };
    GroupFeatures { types, capabilities, max_groups, actions }
}

fn meter_stats() -> impl Strategy<Value = MeterStats> {
    let band = (any::<u64>(), any::<u64>())
        .prop_map(|(packet_band_count, byte_band_count)| BandStats { packet_band_count, byte_band_count });
    (meter(), any::<[u32; 3]>(), any::<u64>(), any::<u64>(), vec(band, 0..3)).prop_map(
        |(meter_id, numbers, packet_in_count, byte_in_count, band_stats)| {
            let [flow_count, duration_sec, duration_nsec] = numbers;
            MeterStats { meter_id, flow_count, packet_in_count, byte_in_count, duration_sec, duration_nsec, band_stats }
        },
    )
}

fn meter_config() -> impl Strategy<Value = MeterConfig> {
    (any::<u16>(), meter(), vec(band(), 0..3)).prop_map(|(flags, meter_id, bands)| MeterConfig {
        flags: MeterFlags(flags),
        meter_id,
        bands,
    })
}

fn type_ids() -> impl Strategy<Value = Vec<TypeId>> {
    vec((any::<u16>(), octets(8)).prop_map(|(number, data)| TypeId { number, data }), 0..4)
}

fn oxm_ids() -> impl Strategy<Value = Vec<OxmId>> {
    let id = prop_oneof![
        (0..128_u8, any::<bool>(), any::<u8>()).prop_map(|(field, mask, length)| OxmId::basic(field, mask, length)),
        (any::<u32>(), 0..128_u8, any::<bool>(), any::<u8>())
            .prop_map(|(id, field, mask, length)| OxmId::of_experimenter(id, field, mask, length)),
    ];
    vec(id, 0..4)
}

fn table_property() -> impl Strategy<Value = TableFeatureProperty> {
    use TableFeatureProperty as P;
    let experimenter = || {
        (any::<u32>(), any::<u32>(), octets(9)).prop_map(|(experimenter, exp_type, data)| ExperimenterProperty {
            experimenter,
            exp_type,
            data,
        })
    };
    prop_oneof![
        type_ids().prop_map(P::Instructions),
        type_ids().prop_map(P::InstructionsMiss),
        vec(table(), 0..9).prop_map(P::NextTables),
        vec(table(), 0..9).prop_map(P::NextTablesMiss),
        type_ids().prop_map(P::WriteActions),
        type_ids().prop_map(P::WriteActionsMiss),
        type_ids().prop_map(P::ApplyActions),
        type_ids().prop_map(P::ApplyActionsMiss),
        oxm_ids().prop_map(P::Match),
        oxm_ids().prop_map(P::Wildcards),
        oxm_ids().prop_map(P::WriteSetField),
        oxm_ids().prop_map(P::WriteSetFieldMiss),
        oxm_ids().prop_map(P::ApplySetField),
        oxm_ids().prop_map(P::ApplySetFieldMiss),
        experimenter().prop_map(P::Experimenter),
        experimenter().prop_map(P::ExperimenterMiss),
    ]
}

fn table_features() -> impl Strategy<Value = TableFeatures> {
    (table(), any::<[u8; 32]>(), any::<[u64; 2]>(), any::<[u32; 2]>(), vec(table_property(), 0..5)).prop_map(
        |(table_id, name, [metadata_match, metadata_write], [config, max_entries], properties)| TableFeatures {
            table_id,
            name: FixedText(name),
            metadata_match,
            metadata_write,
            config,
            max_entries,
            properties,
        },
    )
}

fn form() -> impl Strategy<Value = MatchForm> {
    prop_oneof![Just(MatchForm::Whole), Just(MatchForm::Bare)]
}

fn monitor_request() -> impl Strategy<Value = FlowMonitorRequest> {
    (any::<u32>(), any::<u16>(), port(), table(), flow_match(), form()).prop_map(
        |(id, flags, out_port, table_id, flow_match, form)| FlowMonitorRequest {
            id,
            flags: FlowMonitorFlags(flags),
            out_port,
            table_id,
            flow_match,
            form,
        },
    )
}

fn flow_update() -> impl Strategy<Value = FlowUpdate> {
    let event = any::<u16>().prop_filter("an update without a flow", |event| *event != 3);
    let full = (event, any::<[u16; 4]>(), table(), any::<u64>(), flow_match(), form(), instructions()).prop_map(
        |(event, numbers, table_id, cookie, flow_match, form, instructions)| {
            let [reason, priority, idle_timeout, hard_timeout] = numbers;
            FlowUpdateFull {
                event: event.into(),
                reason,
                priority,
                idle_timeout,
                hard_timeout,
                table_id,
                cookie,
                flow_match,
                form,
                instructions,
            }
        },
    );
    prop_oneof![3 => full.prop_map(FlowUpdate::Full), 1 => xid().prop_map(FlowUpdate::Abbreviated)]
}
