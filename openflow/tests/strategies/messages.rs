//! Whole messages of every type.

use openflow::{
    AsyncConfig, AsyncMask, Band, BandKind, Bucket, BufferId, BundleAdd, BundleControl, BundleFlags, BundleId,
    BundleProperty, Capabilities, ControllerRole, DatapathId, Echo, ErrorMsg, Experimenter, FeaturesReply, FixedText,
    FlowMonitorCancel, FlowRemoved, GroupMod, GroupModCommand, GroupType, Hello, HelloElement, Message, MeterFlags,
    MeterMod, MeterModCommand, PacketIn, PacketOut, PacketQueue, Port, PortConfig, PortFeatures, PortMod, PortState,
    PortStatus, QueueGetConfigReply, QueueGetConfigRequest, QueueProperty, RawExperimenter, RoleMsg, SwitchConfig,
    TableMod,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::multiparts::{multipart_reply, multipart_request};
use super::{actions, flow_match, flow_mod, group, mac, meter, octets, port, queue, table, xid};

/// Any message but a bundle in a bundle.
pub(crate) fn message() -> BoxedStrategy<Message> {
    let bundle_add = (any::<u32>(), any::<u16>(), xid(), plain(), vec(bundle_property(), 0..3)).prop_map(
        |(bundle_id, flags, xid, message, properties)| {
            let (bundle_id, flags, message) = (BundleId(bundle_id), BundleFlags(flags), Box::new(message));
            Message::Experimenter(Experimenter::BundleAdd(BundleAdd { bundle_id, flags, xid, message, properties }))
        },
    );
    prop_oneof![12 => plain(), 1 => bundle_add].boxed()
}

fn plain() -> BoxedStrategy<Message> {
    let role = || (role(), any::<u64>()).prop_map(|(role, generation_id)| RoleMsg { role, generation_id });
    prop_oneof![
        vec(hello_element(), 0..3).prop_map(|elements| Message::Hello(Hello { elements, ..Hello::default() })),
        (any::<u16>(), any::<u16>(), octets(80)).prop_map(|(error_type, code, data)| Message::Error(ErrorMsg {
            error_type,
            code,
            data
        })),
        octets(40).prop_map(|data| Message::EchoRequest(Echo { data })),
        octets(40).prop_map(|data| Message::EchoReply(Echo { data })),
        experimenter().prop_map(Message::Experimenter),
        prop_oneof![
            Just(Message::FeaturesRequest),
            Just(Message::GetConfigRequest),
            Just(Message::BarrierRequest),
            Just(Message::BarrierReply),
            Just(Message::GetAsyncRequest),
        ],
        features().prop_map(Message::FeaturesReply),
        switch_config().prop_map(Message::GetConfigReply),
        switch_config().prop_map(Message::SetConfig),
        packet_in().prop_map(Message::PacketIn),
        flow_removed().prop_map(Message::FlowRemoved),
        (any::<u8>(), one_port())
            .prop_map(|(reason, desc)| Message::PortStatus(PortStatus { reason: reason.into(), desc })),
        (any::<u32>(), port(), actions(), octets(60)).prop_map(|(buffer_id, in_port, actions, data)| {
            Message::PacketOut(PacketOut { buffer_id: BufferId(buffer_id), in_port, actions, data })
        }),
        flow_mod().prop_map(Message::FlowMod),
        group_mod().prop_map(Message::GroupMod),
        port_mod().prop_map(Message::PortMod),
        (table(), any::<u32>()).prop_map(|(table_id, config)| Message::TableMod(TableMod { table_id, config })),
        multipart_request().prop_map(Message::MultipartRequest),
        multipart_reply().prop_map(Message::MultipartReply),
        port().prop_map(|port| Message::QueueGetConfigRequest(QueueGetConfigRequest { port })),
        (port(), vec(packet_queue(), 0..4))
            .prop_map(|(port, queues)| Message::QueueGetConfigReply(QueueGetConfigReply { port, queues })),
        role().prop_map(Message::RoleRequest),
        role().prop_map(Message::RoleReply),
        async_config().prop_map(Message::GetAsyncReply),
        async_config().prop_map(Message::SetAsync),
        meter_mod().prop_map(Message::MeterMod),
    ]
    .boxed()
}

fn hello_element() -> impl Strategy<Value = HelloElement> {
    let unknown = (2..=u16::MAX, octets(9));
    prop_oneof![
        vec(any::<u32>(), 0..3).prop_map(HelloElement::VersionBitmap),
        unknown.prop_map(|(element_type, data)| HelloElement::Unknown { element_type, data }),
    ]
}

fn experimenter() -> impl Strategy<Value = Experimenter> {
    let control = (any::<u32>(), any::<u16>(), any::<u16>(), vec(bundle_property(), 0..3));
    prop_oneof![
        control.prop_map(|(bundle_id, control_type, flags, properties)| {
            Experimenter::BundleControl(BundleControl {
                bundle_id: BundleId(bundle_id),
                control_type: control_type.into(),
                flags: BundleFlags(flags),
                properties,
            })
        }),
        any::<u32>().prop_map(|id| Experimenter::FlowMonitorCancel(FlowMonitorCancel { id })),
        Just(Experimenter::FlowMonitorPaused),
        Just(Experimenter::FlowMonitorResumed),
        (any::<u32>(), any::<u32>(), octets(30)).prop_map(|(experimenter, exp_type, data)| {
            Experimenter::Other(RawExperimenter { experimenter, exp_type, data })
        }),
    ]
}

fn bundle_property() -> impl Strategy<Value = BundleProperty> {
    (any::<u16>(), octets(20)).prop_map(|(property_type, data)| BundleProperty { property_type, data })
}

fn features() -> impl Strategy<Value = FeaturesReply> {
    (any::<u64>(), any::<u32>(), any::<u8>(), any::<u8>(), any::<u32>(), any::<u32>()).prop_map(
        |(datapath_id, n_buffers, n_tables, auxiliary_id, capabilities, reserved)| FeaturesReply {
            datapath_id: DatapathId(datapath_id),
            n_buffers,
            n_tables,
            auxiliary_id,
            capabilities: Capabilities(capabilities),
            reserved,
        },
    )
}

fn switch_config() -> impl Strategy<Value = SwitchConfig> {
    (any::<u16>(), any::<u16>()).prop_map(|(flags, miss_send_len)| SwitchConfig { flags, miss_send_len })
}

fn packet_in() -> impl Strategy<Value = PacketIn> {
    (any::<u32>(), any::<u16>(), any::<u8>(), table(), any::<u64>(), flow_match(), octets(80)).prop_map(
        |(buffer_id, total_len, reason, table_id, cookie, flow_match, data)| PacketIn {
            buffer_id: BufferId(buffer_id),
            total_len,
            reason: reason.into(),
            table_id,
            cookie,
            flow_match,
            data,
        },
    )
}

fn flow_removed() -> impl Strategy<Value = FlowRemoved> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>());
    let counters = (any::<u64>(), any::<u64>(), any::<u64>());
    (numbers, counters, any::<u8>(), table(), flow_match()).prop_map(
        |(numbers, counters, reason, table_id, flow_match)| {
            let (priority, idle_timeout, hard_timeout, duration_sec, duration_nsec) = numbers;
            let (cookie, packet_count, byte_count) = counters;
            FlowRemoved {
                cookie,
                priority,
                reason: reason.into(),
                table_id,
                duration_sec,
                duration_nsec,
                idle_timeout,
                hard_timeout,
                packet_count,
                byte_count,
                flow_match,
            }
        },
    )
}

pub(crate) fn one_port() -> impl Strategy<Value = Port> {
    let features = || any::<u32>().prop_map(PortFeatures);
    let all = (features(), features(), features(), features());
    (port(), mac(), any::<[u8; 16]>(), any::<[u32; 4]>(), all).prop_map(
        |(port_no, hw_addr, name, numbers, features)| {
            let [config, state, curr_speed, max_speed] = numbers;
            let (curr, advertised, supported, peer) = features;
            let (config, state) = (PortConfig(config), PortState(state));
            let name = FixedText(name);
            Port { port_no, hw_addr, name, config, state, curr, advertised, supported, peer, curr_speed, max_speed }
        },
    )
}

fn port_mod() -> impl Strategy<Value = PortMod> {
    (port(), mac(), any::<[u32; 3]>()).prop_map(|(port_no, hw_addr, [config, mask, advertise])| PortMod {
        port_no,
        hw_addr,
        config: PortConfig(config),
        mask: PortConfig(mask),
        advertise: PortFeatures(advertise),
    })
}

pub(crate) fn group_type() -> impl Strategy<Value = GroupType> {
    prop_oneof![Just(GroupType::All), Just(GroupType::Select), Just(GroupType::Indirect), Just(GroupType::FastFailover)]
}

pub(crate) fn bucket() -> impl Strategy<Value = Bucket> {
    (any::<u16>(), port(), group(), actions()).prop_map(|(weight, watch_port, watch_group, actions)| Bucket {
        weight,
        watch_port,
        watch_group,
        actions,
    })
}

fn group_mod() -> impl Strategy<Value = GroupMod> {
    let command = prop_oneof![Just(GroupModCommand::Add), Just(GroupModCommand::Modify), Just(GroupModCommand::Delete)];
    (command, group_type(), group(), vec(bucket(), 0..3))
        .prop_map(|(command, group_type, group_id, buckets)| GroupMod { command, group_type, group_id, buckets })
}

pub(crate) fn band() -> impl Strategy<Value = Band> {
    let kind = prop_oneof![
        Just(BandKind::Drop),
        any::<u8>().prop_map(|prec_level| BandKind::DscpRemark { prec_level }),
        (any::<u32>(), octets(9)).prop_map(|(experimenter, data)| BandKind::Experimenter { experimenter, data }),
    ];
    (any::<u32>(), any::<u32>(), kind).prop_map(|(rate, burst_size, kind)| Band { rate, burst_size, kind })
}

fn meter_mod() -> impl Strategy<Value = MeterMod> {
    let command = prop_oneof![Just(MeterModCommand::Add), Just(MeterModCommand::Modify), Just(MeterModCommand::Delete)];
    (command, any::<u16>(), meter(), vec(band(), 0..3)).prop_map(|(command, flags, meter_id, bands)| MeterMod {
        command,
        flags: MeterFlags(flags),
        meter_id,
        bands,
    })
}

fn packet_queue() -> impl Strategy<Value = PacketQueue> {
    let property = prop_oneof![
        any::<u16>().prop_map(QueueProperty::MinRate),
        any::<u16>().prop_map(QueueProperty::MaxRate),
        (any::<u32>(), octets(9)).prop_map(|(experimenter, data)| QueueProperty::Experimenter { experimenter, data }),
        (3..0xffff_u16, octets(9)).prop_map(|(property, data)| QueueProperty::Unknown { property, data }),
    ];
    (queue(), port(), vec(property, 0..3)).prop_map(|(queue_id, port, properties)| PacketQueue {
        queue_id,
        port,
        properties,
    })
}

fn role() -> impl Strategy<Value = ControllerRole> {
    prop_oneof![
        Just(ControllerRole::NoChange),
        Just(ControllerRole::Equal),
        Just(ControllerRole::Master),
        Just(ControllerRole::Slave)
    ]
}

fn async_config() -> impl Strategy<Value = AsyncConfig> {
    any::<[u32; 6]>().prop_map(|[a, b, c, d, e, f]| AsyncConfig {
        packet_in_mask: AsyncMask { master: a, slave: b },
        port_status_mask: AsyncMask { master: c, slave: d },
        flow_removed_mask: AsyncMask { master: e, slave: f },
    })
}
