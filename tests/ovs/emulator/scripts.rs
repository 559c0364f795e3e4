//! Conversations about groups, meters, bundles and flow monitors, which are told apart too well by random messages: most
//! of those would be refused.

use openflow::{
    Action, Band, BandKind, Bucket, BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleId, EthType,
    Experimenter, FlowMod, FlowModFlags, FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowStatsRequest,
    GroupId, GroupMod, GroupModCommand, GroupType, Instruction, Match, MatchForm, Message, MeterFlags, MeterId,
    MeterMod, MeterModCommand, MeterRequest, MultipartRequestBody, PortNo, TableId, Xid,
};

/// Three flows for a table of two that makes room by itself, before the eyes of a monitor.
///
/// The monitor asks for deletions only: Open vSwitch 3.1 does not tell of a flow that is added in the place of another
/// that it evicts, and the emulator does.
pub(crate) fn eviction() -> Vec<Message> {
    let deletions = FlowMonitorRequest {
        id: 1,
        flags: FlowMonitorFlags::DELETE | FlowMonitorFlags::OWN,
        out_port: PortNo::ANY,
        table_id: TableId::ALL,
        flow_match: Match::any(),
        form: MatchForm::Whole,
    };
    vec![
        ask(MultipartRequestBody::FlowMonitor(vec![deletions])),
        Message::FlowMod(flow(1, output(1))),
        Message::FlowMod(FlowMod { hard_timeout: 600, ..flow(2, output(1)) }),
        Message::FlowMod(flow(3, output(1))),
        all_flows(),
    ]
}

/// What to say, and about what. A message is sent with its place in the list as its xid, counted from 1.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<Message>)> {
    vec![
        ("groups", groups()),
        ("meters", meters()),
        ("a bundle that works", bundle_that_works()),
        ("bundles that fail", bundles_that_fail()),
        ("flow monitors", flow_monitors()),
    ]
}

fn flow(priority: u16, instructions: Vec<Instruction>) -> FlowMod {
    FlowMod { priority, instructions, ..FlowMod::add() }
}

fn output(port: u32) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(vec![Action::output(PortNo(port))])]
}

fn to_group(group: u32) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(vec![Action::Group(GroupId(group))])]
}

fn ask(body: MultipartRequestBody) -> Message {
    Message::MultipartRequest(body.into())
}

fn all_flows() -> Message {
    ask(MultipartRequestBody::Flow(FlowStatsRequest::default()))
}

fn groups() -> Vec<Message> {
    let group = |command, group_type, group_id, buckets: Vec<Bucket>| {
        Message::GroupMod(GroupMod { command, group_type, group_id: GroupId(group_id), buckets })
    };
    let bucket = |action| Bucket { actions: vec![action], ..Bucket::default() };
    let out = || bucket(Action::output(PortNo(1)));
    let weighed = || Bucket { weight: 5, ..out() };
    let watching = || Bucket { watch_port: PortNo(1), ..out() };
    use GroupModCommand::{Add, Delete, Modify};
    use GroupType::{All, FastFailover, Indirect, Select};
    vec![
        group(Add, All, 1, vec![out(), bucket(Action::output(PortNo(2)))]),
        group(Add, All, 1, vec![out()]),
        group(Modify, All, 2, vec![out()]),
        group(Add, Select, 2, vec![weighed()]),
        group(Add, Indirect, 3, vec![out()]),
        group(Add, Indirect, 4, vec![out(), out()]),
        group(Add, FastFailover, 5, vec![watching()]),
        group(Add, All, 0xffff_ff01, vec![out()]),
        Message::FlowMod(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1, to_group(1)) }),
        Message::FlowMod(flow(2, to_group(2))),
        Message::FlowMod(flow(3, to_group(9))),
        ask(MultipartRequestBody::GroupDesc),
        group(Modify, All, 1, vec![out()]),
        Message::FlowMod(FlowMod { out_group: GroupId(2), ..FlowMod::delete() }),
        all_flows(),
        group(Delete, All, 1, vec![]),
        group(Delete, All, 77, vec![]),
        all_flows(),
        ask(MultipartRequestBody::GroupDesc),
        group(Delete, All, GroupId::ALL.0, vec![]),
        ask(MultipartRequestBody::GroupDesc),
    ]
}

fn meters() -> Vec<Message> {
    let meter = |command, meter_id, flags, bands: Vec<Band>| {
        Message::MeterMod(MeterMod { command, flags, meter_id: MeterId(meter_id), bands })
    };
    let drop = |rate| Band { rate, burst_size: 0, kind: BandKind::Drop };
    let remark = Band { kind: BandKind::DscpRemark { prec_level: 1 }, ..drop(1000) };
    let through = |meter| {
        let mut instructions = output(1);
        instructions.push(Instruction::Meter(MeterId(meter)));
        Message::FlowMod(flow(u16::try_from(meter).unwrap_or(0), instructions))
    };
    let config = || ask(MultipartRequestBody::MeterConfig(MeterRequest { meter_id: MeterId::ALL }));
    use MeterModCommand::{Add, Delete, Modify};
    vec![
        meter(Add, 1, MeterFlags::KBPS, vec![drop(5000)]),
        meter(Add, 1, MeterFlags::KBPS, vec![drop(5000)]),
        meter(Add, 2, MeterFlags::KBPS, vec![remark]),
        meter(Modify, 2, MeterFlags::KBPS, vec![drop(1)]),
        meter(Modify, 1, MeterFlags::PKTPS, vec![drop(100)]),
        meter(Add, 0, MeterFlags::KBPS, vec![drop(1)]),
        meter(Add, 3, MeterFlags::KBPS, vec![drop(7)]),
        config(),
        through(1),
        through(2),
        through(3),
        all_flows(),
        meter(Delete, 1, MeterFlags::KBPS, vec![]),
        meter(Delete, 9, MeterFlags::KBPS, vec![]),
        all_flows(),
        config(),
        ask(MultipartRequestBody::MeterConfig(MeterRequest { meter_id: MeterId(9) })),
        meter(Delete, MeterId::ALL.0, MeterFlags::KBPS, vec![]),
        config(),
        all_flows(),
    ]
}

const ATOMIC: BundleFlags = BundleFlags::ATOMIC;

fn control(bundle: u32, control_type: BundleControlType, flags: BundleFlags) -> Message {
    let control = BundleControl { bundle_id: BundleId(bundle), control_type, flags, properties: Vec::new() };
    Message::Experimenter(Experimenter::BundleControl(control))
}

/// Adds a message to a bundle; `place` is where that stands in the list.
fn bundled(bundle: u32, place: u32, flags: BundleFlags, message: Message) -> Message {
    let add = BundleAdd {
        bundle_id: BundleId(bundle),
        flags,
        xid: Xid(place),
        message: Box::new(message),
        properties: Vec::new(),
    };
    Message::Experimenter(Experimenter::BundleAdd(add))
}

fn bundle_that_works() -> Vec<Message> {
    let remove_all = FlowMod { table_id: TableId::ALL, ..FlowMod::delete() };
    vec![
        Message::FlowMod(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(9, output(1)) }),
        control(1, BundleControlType::OpenRequest, ATOMIC),
        bundled(1, 3, ATOMIC, Message::FlowMod(flow(1, output(1)))),
        bundled(1, 4, ATOMIC, Message::FlowMod(remove_all)),
        bundled(1, 5, ATOMIC, Message::FlowMod(flow(2, output(2)))),
        all_flows(),
        control(1, BundleControlType::CloseRequest, ATOMIC),
        control(1, BundleControlType::CommitRequest, ATOMIC),
        all_flows(),
        control(2, BundleControlType::OpenRequest, ATOMIC),
        bundled(2, 11, ATOMIC, Message::FlowMod(flow(3, output(1)))),
        control(2, BundleControlType::DiscardRequest, ATOMIC),
        // A bundle is opened by its first message, and committed without being closed.
        bundled(3, 13, ATOMIC, Message::FlowMod(flow(4, output(1)))),
        control(3, BundleControlType::CommitRequest, ATOMIC),
        all_flows(),
    ]
}

fn bundles_that_fail() -> Vec<Message> {
    let other = BundleFlags::ORDERED;
    vec![
        Message::FlowMod(flow(9, output(1))),
        // The second flow is refused, so the first is taken back, and what was replaced and deleted returns.
        bundled(1, 2, ATOMIC, Message::FlowMod(FlowMod { cookie: 5, ..flow(9, output(3)) })),
        bundled(1, 3, ATOMIC, Message::FlowMod(FlowMod::delete())),
        bundled(1, 4, ATOMIC, Message::FlowMod(flow(1, output(1)))),
        bundled(1, 5, ATOMIC, Message::FlowMod(flow(2, to_group(9)))),
        control(1, BundleControlType::CommitRequest, ATOMIC),
        all_flows(),
        control(2, BundleControlType::CommitRequest, ATOMIC),
        control(2, BundleControlType::DiscardRequest, ATOMIC),
        control(2, BundleControlType::CloseRequest, ATOMIC),
        control(2, BundleControlType::OpenRequest, ATOMIC),
        control(2, BundleControlType::OpenRequest, ATOMIC),
        control(3, BundleControlType::OpenRequest, ATOMIC),
        control(3, BundleControlType::CloseRequest, other),
        control(4, BundleControlType::OpenRequest, ATOMIC),
        control(4, BundleControlType::CloseRequest, ATOMIC),
        bundled(4, 17, ATOMIC, Message::FlowMod(flow(1, output(1)))),
        control(4, BundleControlType::CommitRequest, ATOMIC),
        control(5, BundleControlType::OpenRequest, ATOMIC),
        control(5, BundleControlType::CommitRequest, other),
        control(6, BundleControlType::OpenRequest, ATOMIC),
        bundled(6, 22, ATOMIC, Message::BarrierRequest),
        bundled(6, 99, ATOMIC, Message::FlowMod(flow(1, output(1)))),
        control(6, BundleControlType::CommitReply, ATOMIC),
        all_flows(),
    ]
}

fn flow_monitors() -> Vec<Message> {
    let monitor = |id, flags, table_id, flow_match| {
        let request =
            FlowMonitorRequest { id, flags, out_port: PortNo::ANY, table_id, flow_match, form: MatchForm::Whole };
        ask(MultipartRequestBody::FlowMonitor(vec![request]))
    };
    let cancel = |id| Message::Experimenter(Experimenter::FlowMonitorCancel(FlowMonitorCancel { id }));
    let ipv4 = || Match::builder().eth_type(EthType::IPV4).build().unwrap_or_default();
    // A monitor that is there twice, or not there, is refused with an error that Open vSwitch 3.1 cannot write down in
    // OpenFlow 1.3, so there is nothing to compare.
    use FlowMonitorFlags as F;
    let everything = F::INITIAL | F::ADD | F::DELETE | F::MODIFY | F::ACTIONS | F::OWN;
    vec![
        Message::FlowMod(flow(1, output(1))),
        monitor(7, everything, TableId::ALL, Match::any()),
        Message::FlowMod(FlowMod { cookie: 3, hard_timeout: 99, ..flow(2, output(1)) }),
        Message::FlowMod(FlowMod { cookie: 4, ..flow(2, output(1)) }),
        Message::FlowMod(FlowMod { priority: 2, instructions: output(2), ..FlowMod::modify_strict() }),
        Message::FlowMod(FlowMod { priority: 2, instructions: output(2), ..FlowMod::modify_strict() }),
        Message::FlowMod(FlowMod { priority: 2, ..FlowMod::delete_strict() }),
        cancel(7),
        Message::FlowMod(flow(3, output(1))),
        monitor(8, F::ADD | F::DELETE, TableId(0), ipv4()),
        Message::FlowMod(flow(4, output(1))),
        Message::FlowMod(FlowMod { flow_match: ipv4(), ..flow(5, output(1)) }),
        Message::FlowMod(FlowMod { flow_match: ipv4(), table_id: TableId(1), ..flow(5, output(1)) }),
        Message::FlowMod(FlowMod { flow_match: ipv4(), instructions: output(2), ..FlowMod::modify() }),
        Message::FlowMod(FlowMod::delete()),
    ]
}
