//! What a controller hears that watches the flows of a switch.

use openflow::{
    Experimenter, FlowMonitorCancel, FlowMonitorFlags as Flags, FlowMonitorRequest, FlowUpdate,
    FlowUpdateEvent as Event, MatchForm, MultipartReplyBody, MultipartRequestBody, TableId,
};

use super::*;

const EVERYTHING: Flags = Flags(Flags::ADD.0 | Flags::DELETE.0 | Flags::MODIFY.0 | Flags::ACTIONS.0 | Flags::OWN.0);

fn monitor(id: u32, flags: Flags) -> Message {
    let request = FlowMonitorRequest {
        id,
        flags,
        out_port: PortNo::ANY,
        table_id: TableId::ALL,
        flow_match: Match::any(),
        form: MatchForm::Whole,
    };
    Message::MultipartRequest(MultipartRequestBody::FlowMonitor(vec![request]).into())
}

/// Event and priority of each update, or the xid of an abbreviated one, or what was said of the monitor itself.
#[derive(Debug, PartialEq)]
enum Heard {
    Full(Event, u16),
    Own(u32),
    Paused,
    Resumed,
}

fn updates(said: Vec<(Xid, Message)>) -> Vec<Heard> {
    let mut heard = Vec::new();
    for (_, message) in said {
        match message {
            Message::MultipartReply(reply) => {
                let MultipartReplyBody::FlowMonitor(updates) = reply.body else { panic!("{reply:?}") };
                heard.extend(updates.into_iter().map(|update| match update {
                    FlowUpdate::Full(full) => Heard::Full(full.event, full.priority),
                    FlowUpdate::Abbreviated(xid) => Heard::Own(xid.0),
                }));
            }
            Message::Experimenter(Experimenter::FlowMonitorPaused) => heard.push(Heard::Paused),
            Message::Experimenter(Experimenter::FlowMonitorResumed) => heard.push(Heard::Resumed),
            other => panic!("{other:?}"),
        }
    }
    heard
}

#[test]
fn a_monitor_can_begin_with_what_is_there() {
    let mut stage = Stage::ready(config());
    stage.apply(flow(1));
    assert_eq!(updates(stage.say(&monitor(1, Flags::INITIAL | EVERYTHING))), [Heard::Full(Event::Added, 1)]);
    assert_eq!(updates(stage.say(&monitor(2, EVERYTHING))), []);
}

#[test]
fn a_flow_is_followed_from_its_coming_to_its_end() {
    let mut stage = Stage::ready(config());
    stage.say(&monitor(1, EVERYTHING));
    let short_lived = FlowMod { hard_timeout: 5, ..flow(1) };
    assert_eq!(updates(stage.say(&Message::FlowMod(short_lived))), [Heard::Full(Event::Added, 1)]);
    let change = Message::FlowMod(FlowMod { instructions: output(2), ..FlowMod::modify() });
    assert_eq!(updates(stage.say(&change)), [Heard::Full(Event::Modified, 1)]);
    assert_eq!(updates(stage.say(&change)), [], "it is like that already");
    assert_eq!(updates(stage.wait(Duration::from_secs(5))), [Heard::Full(Event::Deleted, 1)]);
}

#[test]
fn what_a_controller_does_itself_is_told_in_short() {
    let mut stage = Stage::ready(config());
    stage.say(&monitor(1, Flags(EVERYTHING.0 & !Flags::OWN.0)));
    let one = stage.channel;
    assert_eq!(updates(stage.say(&Message::FlowMod(flow(1)))), [Heard::Own(stage.last_xid)]);
    stage.channel = stage.switch.open(stage.now);
    stage.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    stage.apply(flow(2));
    stage.channel = one;
    assert_eq!(updates(stage.hear()), [Heard::Full(Event::Added, 2)]);
}

#[test]
fn a_monitor_hears_only_of_what_it_asked_for() {
    let mut stage = Stage::ready(config());
    stage.say(&monitor(1, Flags::DELETE | Flags::OWN));
    assert_eq!(updates(stage.say(&Message::FlowMod(flow(1)))), []);
    assert_eq!(updates(stage.say(&Message::FlowMod(FlowMod::delete()))), [Heard::Full(Event::Deleted, 1)]);
    let cancel = Message::Experimenter(Experimenter::FlowMonitorCancel(FlowMonitorCancel { id: 1 }));
    assert_eq!(stage.say(&cancel), []);
    stage.apply(flow(1));
    assert_eq!(updates(stage.say(&Message::FlowMod(FlowMod::delete()))), []);
}

#[test]
fn a_controller_that_does_not_read_is_told_later_what_it_missed() {
    let mut stage = Stage::ready(config());
    stage.apply(flow(1));
    stage.apply(FlowMod { cookie: 1, ..flow(2) });
    stage.say(&monitor(1, EVERYTHING));
    let mut bytes = BytesMut::new();
    let mut add = |flow_mod: FlowMod| Message::FlowMod(flow_mod).encode(Xid(1), &mut bytes).unwrap();
    // So much that the monitor pauses; then a change, a deletion of what it knows, and of what it does not know.
    (10_000..12_000).for_each(|priority| add(flow(priority)));
    add(FlowMod { priority: 1, instructions: output(2), ..FlowMod::modify_strict() });
    add(FlowMod { priority: 2, ..FlowMod::delete_strict() });
    add(FlowMod { priority: 11_999, ..FlowMod::delete_strict() });
    stage.switch.handle_input(stage.channel, &mut bytes, stage.now);
    assert!(bytes.is_empty());

    let before = updates(stage.hear());
    let paused = before.iter().position(|heard| *heard == Heard::Paused).unwrap();
    assert!(before[..paused].iter().all(|heard| matches!(heard, Heard::Full(Event::Added, _))));
    assert_eq!(before[paused + 1..], [Heard::Full(Event::Deleted, 2)], "deletions are not held back");

    let after = updates(stage.hear());
    let (last, missed) = after.split_last().unwrap();
    assert_eq!(*last, Heard::Resumed);
    assert_eq!(missed.iter().filter(|heard| **heard == Heard::Full(Event::Modified, 1)).count(), 1);
    let added = missed.iter().filter(|heard| matches!(heard, Heard::Full(Event::Added, _))).count();
    assert_eq!(added, missed.len() - 1);
    assert_eq!(paused + added, 1999, "every flow is told of once, but for the one that came and went meanwhile");
    assert_eq!(updates(stage.say(&Message::FlowMod(flow(5)))), [Heard::Full(Event::Added, 5)]);
}
