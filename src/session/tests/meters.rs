//! METER_MODs, and what meters are and count.

use openflow::{MeterConfig, MeterFlags, MeterId, MeterMod, MeterModCommand, MeterStats};

use super::*;

fn meter_mod(id: u32) -> MeterMod {
    MeterMod { command: MeterModCommand::Add, flags: MeterFlags::KBPS, meter_id: MeterId(id), bands: Vec::new() }
}

#[test]
fn a_meter_mod_is_confirmed_by_the_barrier_after_it_and_refused_by_an_error_before() {
    let mut script = Script::ready();
    let mods = vec![(Token(1), meter_mod(1)), (Token(2), meter_mod(2))];
    script.session.handle_command(Command::Meter(mods), script.now);
    let sent = script.sent();
    let [(_, Message::MeterMod(_)), (second, Message::MeterMod(_)), (barrier, Message::BarrierRequest)] = &sent[..]
    else {
        panic!("{sent:?}")
    };
    let error = ErrorMsg::new(ErrorCode::METER_MOD_FAILED_OUT_OF_METERS, Bytes::new());
    script.reply(*second, &Message::Error(error));
    assert_eq!(script.outcomes(), []);
    script.reply(*barrier, &Message::BarrierReply);
    assert_eq!(script.outcomes(), [(1, "confirmed"), (2, "refused")]);
}

#[test]
fn meters_leave_behind_the_flows_that_were_asked_for_before_them() {
    let mut script = Script::ready();
    let flow_mods = vec![(Token(1), FlowMod::delete())];
    script.session.handle_command(Command::Program(flow_mods), script.now);
    script.session.handle_command(Command::Meter(vec![(Token(2), meter_mod(2))]), script.now);
    let sent: Vec<_> = script.sent().into_iter().map(|(_, message)| message.message_type()).collect();
    let expected = [Message::FlowMod(FlowMod::delete()), Message::MeterMod(meter_mod(2)), Message::BarrierRequest];
    assert_eq!(sent, expected.map(|message| message.message_type()));
}

#[test]
fn a_meter_mod_before_the_handshake_and_after_the_end_is_not_sent() {
    let mut script = Script::ready();
    script.session.handle_disconnect(CloseReason::PeerClosed);
    script.session.handle_command(Command::Meter(vec![(Token(1), meter_mod(1))]), script.now);
    script.session.handle_command(Command::ReadMeters { token: Token(2) }, script.now);
    let events = script.events();
    assert!(
        matches!(&events[1..], [
        Event::Settled(settled),
        Event::MetersRead { token: Token(2), result: Err(ReadError::ConnectionLost) },
    ] if matches!(settled[..], [Settlement { token: Token(1), xid: None, outcome: Outcome::NotSent }])),
        "{events:?}"
    );
}

#[test]
fn meters_and_their_counters_are_read_in_parts_and_only_by_their_own_kind() {
    let reply = |more, body| Message::MultipartReply(MultipartReply { more, reserved: 0, body });
    let config = MeterConfig { flags: MeterFlags::KBPS, meter_id: MeterId(7), bands: Vec::new() };
    let mut script = Script::ready();
    script.session.handle_command(Command::ReadMeters { token: Token(1) }, script.now);
    let (xid, question) = script.only_sent();
    assert!(matches!(question, Message::MultipartRequest(request)
        if request.body == openflow::MultipartRequestBody::MeterConfig(openflow::MeterRequest { meter_id: MeterId::ALL })));
    script.reply(xid, &reply(true, MultipartReplyBody::MeterConfig(vec![config.clone()])));
    script.reply(xid, &reply(false, MultipartReplyBody::MeterConfig(vec![config])));
    let events = script.events();
    assert!(matches!(&events[..], [Event::MetersRead { token: Token(1), result: Ok(all) }] if all.len() == 2));

    let stats = MeterStats {
        meter_id: MeterId(7),
        flow_count: 1,
        packet_in_count: 2,
        byte_in_count: 3,
        duration_sec: 0,
        duration_nsec: 0,
        band_stats: Vec::new(),
    };
    let command = || Command::ReadMeterStats { token: Token(2), meter_id: MeterId(7) };
    script.session.handle_command(command(), script.now);
    let (xid, _) = script.only_sent();
    script.reply(xid, &reply(false, MultipartReplyBody::Meter(vec![stats])));
    let events = script.events();
    assert!(matches!(&events[..], [Event::MeterStatsRead { token: Token(2), result: Ok(all) }] if all.len() == 1));

    script.session.handle_command(command(), script.now);
    let (xid, _) = script.only_sent();
    script.reply(xid, &reply(false, MultipartReplyBody::MeterConfig(Vec::new())));
    let events = script.events();
    assert!(matches!(&events[..], [Event::MeterStatsRead { result: Err(ReadError::MixedTypes), .. }]));
}
