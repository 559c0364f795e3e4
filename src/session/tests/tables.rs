//! What a switch says, or does not say, of its flow tables.

use openflow::{
    Action, EthType, Instruction, MeterId, MultipartRequestBody, OxmField, OxmId, PortNo, QueueId,
    TableFeatureProperty as Property, TableFeatures, TypeId,
};

use super::*;

/// Table 3: takes flows by Ethernet type and VLAN, sends them out of ports and on to table 5, and writes the VLAN.
fn able() -> TableFeatures {
    table(
        3,
        vec![
            Property::Instructions(vec![TypeId::standard(1), TypeId::standard(4)]),
            Property::NextTables(vec![TableId(5), TableId(200)]),
            Property::ApplyActions(vec![TypeId::standard(0), TypeId::standard(25)]),
            Property::ApplySetField(vec![OxmId::basic(6, false, 2)]),
            Property::Match(vec![OxmId::basic(5, false, 2), OxmId::basic(6, true, 4)]),
            Property::InstructionsMiss(vec![TypeId::standard(6)]),
        ],
    )
}

fn table(id: u8, properties: Vec<Property>) -> TableFeatures {
    TableFeatures {
        table_id: TableId(id),
        name: "a table".into(),
        metadata_match: 0,
        metadata_write: 0,
        config: 0,
        max_entries: 2_000,
        properties,
    }
}

/// A switch that has answered everything but what its tables can do: the question's xid.
fn asked() -> (Script, Xid) {
    let (script, question) = described(Script::begin());
    (script, question.unwrap())
}

/// A switch that has answered everything but what its tables can do, and the question's xid, if it is out.
fn described(mut script: Script) -> (Script, Option<Xid>) {
    script.sent();
    script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let features = script.only_sent();
    script.reply(features.0, &features_reply());
    let mut question = None;
    for (xid, message) in script.sent() {
        match message {
            Message::MultipartRequest(request) if request.body == MultipartRequestBody::TableFeatures(Vec::new()) => {
                question = Some(xid);
            }
            _ => script.reply(xid, &Message::Error(ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_MULTIPART, Bytes::new()))),
        }
    }
    assert!(script.events().is_empty(), "the switch is not described yet");
    (script, question)
}

fn part(tables: Vec<TableFeatures>, more: bool) -> Message {
    Message::MultipartReply(MultipartReply { more, ..MultipartReplyBody::TableFeatures(tables).into() })
}

/// The tables of the switch that is ready now.
fn ready(script: &mut Script) -> Tables {
    match script.events().as_slice() {
        [Event::Ready(description)] => description.tables.clone(),
        other => panic!("expected a described switch, not {other:?}"),
    }
}

fn apply(actions: Vec<Action>) -> [Instruction; 1] {
    [Instruction::ApplyActions(actions)]
}

#[test]
fn a_switch_is_taken_at_its_word_about_what_its_tables_can_do() {
    let (mut script, xid) = asked();
    script.reply(xid, &part(vec![able()], true));
    assert!(script.events().is_empty());
    script.reply(xid, &part(vec![table(5, Vec::new())], false));
    let tables = ready(&mut script);
    assert_eq!(tables.get(TableId(3)).unwrap().max_entries, 2_000);

    let check = |table, flow_match: &Match, instructions: &[Instruction]| {
        tables.check(TableId(table), flow_match, instructions).map_err(|lack| lack.to_string())
    };
    let any = Match::any();
    let output = Action::output(PortNo(1));
    let vlan = Action::set_field(OxmField::VlanVid(openflow::Masked::exact(0x1005))).unwrap();
    let dscp = Action::set_field(OxmField::IpDscp(46)).unwrap();
    let ip = Match::builder().eth_type(EthType::IPV4).build().unwrap();
    let address = Match::builder().eth_type(EthType::IPV4).ipv4_src([10, 0, 0, 1].into()).build().unwrap();
    let refused = |words: &str| Err(words.to_owned());

    assert_eq!(check(3, &ip, &apply(vec![vlan, output.clone()])), Ok(()));
    assert_eq!(check(3, &any, &[Instruction::GotoTable(TableId(200))]), Ok(()));
    assert_eq!(check(4, &any, &[]), refused("the switch has no table 4"));
    assert_eq!(check(3, &address, &[]), refused("table 3 cannot match ipv4_src"));
    assert_eq!(
        check(3, &any, &[Instruction::Meter(MeterId(1))]),
        refused("table 3 does not have the instruction meter")
    );
    assert_eq!(
        check(3, &any, &apply(vec![Action::SetQueue(QueueId(1))])),
        refused("table 3 cannot apply the action set_queue")
    );
    assert_eq!(check(3, &any, &apply(vec![output, dscp.clone()])), refused("table 3 cannot set ip_dscp"));
    assert_eq!(check(3, &any, &[Instruction::GotoTable(TableId(4))]), refused("table 3 does not lead to table 4"));
    let everything = [Instruction::Meter(MeterId(1)), Instruction::GotoTable(TableId(9)), apply(vec![dscp])[0].clone()];
    assert_eq!(check(5, &address, &everything), Ok(()), "a table that leaves it out may be able to");
}

#[test]
fn tables_in_a_row_that_are_alike_are_kept_once() {
    let (mut script, xid) = asked();
    let leads_on = |id: u8| table(id, vec![Property::NextTables((id + 1..254).map(TableId).collect())]);
    script.reply(xid, &part((0..100).map(leads_on).collect(), true));
    script.reply(xid, &part((100..254).map(leads_on).collect(), false));
    let tables = ready(&mut script);
    let same = |id| std::ptr::eq(tables.get(TableId(0)).unwrap(), tables.get(TableId(id)).unwrap());
    assert!(same(1) && same(99) && same(100) && same(253) && tables.get(TableId(254)).is_none());
    let goto = |from, to| tables.check(TableId(from), &Match::any(), &[Instruction::GotoTable(TableId(to))]);
    assert_eq!((goto(0, 253), goto(252, 253)), (Ok(()), Ok(())));
    for (from, to) in [(0, 254), (7, 7), (7, 3), (253, 254)] {
        assert!(goto(from, to).is_err(), "from {from} to {to}");
    }
}

#[test]
fn a_switch_that_refuses_to_say_what_its_tables_can_do_may_be_able_to_do_anything() {
    let (mut script, xid) = asked();
    script.reply(xid, &part(vec![able()], true));
    script.reply(xid, &table_full());
    let tables = ready(&mut script);
    assert_eq!(tables, Tables::default());
    assert_eq!(tables.check(TableId(200), &Match::any(), &[Instruction::Meter(MeterId(1))]), Ok(()));
}

#[test]
fn a_switch_that_never_says_what_its_tables_can_do_is_ready_after_3_seconds() {
    let (mut script, xid) = asked();
    script.pass(Duration::from_millis(1_500));
    script.reply(xid, &part(vec![able()], true));
    assert_eq!(
        script.session.poll_timeout(),
        Some(script.now + Duration::from_millis(1_500)),
        "parts do not prolong it"
    );
    script.pass(Duration::from_millis(1_499));
    assert!(script.events().is_empty());
    script.pass(Duration::from_millis(1));
    assert_eq!(ready(&mut script), Tables::default(), "half an answer is none");
    script.reply(xid, &part(vec![table(5, Vec::new())], false));
    assert!(script.events().is_empty() && script.session.counters().stray_replies == 1);
}

#[test]
fn nonsense_about_tables_is_no_answer_and_no_reason_to_refuse_the_switch() {
    let nonsense: [fn(Xid) -> BytesMut; 3] = [
        |xid| bytes_of(xid, &part(vec![able(), able()], true)),
        |xid| bytes_of(xid, &part_of_ports()),
        |xid| {
            let mut bytes = bytes_of(xid, &part(vec![able()], false));
            bytes[16..18].copy_from_slice(&[0, 0]);
            bytes
        },
    ];
    for bytes in nonsense {
        let (mut script, xid) = asked();
        script.raw(&bytes(xid));
        assert_eq!(ready(&mut script), Tables::default());
    }
}

#[test]
fn a_silent_switch_is_not_saved_by_what_it_says_of_its_tables() {
    let mut script = Script::begin();
    script.sent();
    script.reply(Xid(9), &Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let features = script.only_sent();
    script.reply(features.0, &features_reply());
    script.pass(Duration::from_secs(10));
    assert_eq!(script.close_reason(), CloseReason::HandshakeTimeout);
}

fn part_of_ports() -> Message {
    Message::MultipartReply(MultipartReplyBody::PortDesc(Vec::new()).into())
}

fn bytes_of(xid: Xid, message: &Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    message.encode(xid, &mut bytes).unwrap();
    bytes
}

/// A switch whose tables are asked for when its owner says so.
fn held() -> Script {
    let mut script = Script::begin();
    script.session = script.session.holding_tables();
    assert!(!script.session.wants_tables());
    let (mut script, question) = described(script);
    assert!(question.is_none() && script.session.wants_tables() && script.sent().is_empty());
    script
}

#[test]
fn tables_are_asked_for_when_the_owner_says_so_and_once() {
    let mut script = held();
    // The time of the handshake counts from here anew: the wait is not the fault of the switch.
    script.pass(Duration::from_millis(9_999));
    let now = script.now;
    script.session.ask_tables(now);
    script.session.ask_tables(now);
    assert!(script.session.is_reading_tables() && !script.session.wants_tables());
    let (xid, Message::MultipartRequest(_)) = script.only_sent() else { panic!("expected a question") };
    script.pass(Duration::from_millis(2_999));
    script.reply(xid, &part(vec![able()], false));
    assert_eq!(ready(&mut script).get(TableId(3)).unwrap().max_entries, 2_000);
    assert!(!script.session.is_reading_tables());
}

#[test]
fn a_switch_whose_tables_are_not_asked_for_in_time_is_ready_without_them() {
    let mut script = held();
    script.pass(Duration::from_millis(9_999));
    assert!(script.events().is_empty());
    script.pass(Duration::from_millis(1));
    assert_eq!(ready(&mut script), Tables::default());
    let now = script.now;
    script.session.ask_tables(now);
    assert!(script.sent().is_empty(), "it is too late");
}
