//! Messages that take effect together or not at all.

use openflow::{
    BundleAdd, BundleControl, BundleControlType as Control, BundleFlags, BundleId, Experimenter, FlowModFlags, GroupId,
    GroupMod, GroupModCommand, GroupType,
};

use super::*;

const ATOMIC: BundleFlags = BundleFlags::ATOMIC;

impl Stage {
    /// Opens, closes, commits or discards a bundle, and gives back all that the switch says.
    fn bundle(&mut self, bundle: u32, control_type: Control) -> Vec<(Xid, Message)> {
        let control =
            BundleControl { bundle_id: BundleId(bundle), control_type, flags: ATOMIC, properties: Vec::new() };
        self.say(&Message::Experimenter(Experimenter::BundleControl(control)))
    }

    /// Adds a message to a bundle.
    fn bundle_add(&mut self, bundle: u32, message: Message) -> Vec<(Xid, Message)> {
        let add = BundleAdd {
            bundle_id: BundleId(bundle),
            flags: ATOMIC,
            xid: Xid(self.last_xid + 1),
            message: Box::new(message),
            properties: Vec::new(),
        };
        self.say(&Message::Experimenter(Experimenter::BundleAdd(add)))
    }
}

/// The control message that was the whole answer.
fn answer(said: &[(Xid, Message)]) -> Control {
    let [(_, Message::Experimenter(Experimenter::BundleControl(control)))] = said else { panic!("{said:?}") };
    control.control_type
}

fn error_names(said: &[(Xid, Message)]) -> Vec<(u32, String)> {
    said.iter()
        .map(|(xid, message)| match message {
            Message::Error(error) => (xid.0, format!("{}/{}", error.type_name(), error.code_name())),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn nothing_of_a_bundle_is_there_before_the_commit_and_all_of_it_after() {
    let mut stage = Stage::ready(config());
    assert_eq!(answer(&stage.bundle(1, Control::OpenRequest)), Control::OpenReply);
    for priority in [1, 2] {
        assert_eq!(stage.bundle_add(1, Message::FlowMod(flow(priority))), []);
    }
    assert_eq!(answer(&stage.bundle(1, Control::CloseRequest)), Control::CloseReply);
    assert_eq!(stage.priorities(), [0; 0]);
    assert_eq!(answer(&stage.bundle(1, Control::CommitRequest)), Control::CommitReply);
    assert_eq!(stage.priorities(), [2, 1]);
}

#[test]
fn a_bundle_that_fails_leaves_everything_as_it_was() {
    let mut stage = Stage::ready(SwitchConfig { table_limit: 3, ..config() });
    let kept = [
        FlowMod { cookie: 7, idle_timeout: 60, flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) },
        FlowMod { cookie: 8, ..flow(2) },
    ];
    kept.iter().for_each(|flow_mod| stage.apply(flow_mod.clone()));
    let group = GroupMod {
        command: GroupModCommand::Add,
        group_type: GroupType::All,
        group_id: GroupId(1),
        buckets: Vec::new(),
    };
    let before = stage.flows();
    for message in [
        Message::FlowMod(FlowMod { cookie: 9, ..flow(1) }),
        Message::FlowMod(FlowMod { instructions: output(3), ..FlowMod::modify() }),
        Message::FlowMod(FlowMod { priority: 2, ..FlowMod::delete_strict() }),
        Message::GroupMod(group),
        Message::FlowMod(flow(3)),
        Message::FlowMod(flow(4)),
    ] {
        stage.bundle_add(1, message);
    }
    stage.bundle_add(1, Message::FlowMod(flow(5)));
    let culprit = stage.last_xid;
    let said = stage.bundle(1, Control::CommitRequest);
    let expected =
        [(culprit, "FLOW_MOD_FAILED/TABLE_FULL".to_owned()), (stage.last_xid, "BUNDLE_FAILED/MSG_FAILED".to_owned())];
    assert_eq!(error_names(&said), expected);
    assert_eq!(stage.flows(), before);
    let to_group = vec![Instruction::ApplyActions(vec![Action::Group(GroupId(1))])];
    assert_eq!(
        stage.refused(FlowMod { instructions: to_group, ..flow(3) }),
        ErrorCode::BAD_ACTION_BAD_OUT_GROUP,
        "the group has gone too"
    );
    let said = stage.wait(Duration::from_secs(60));
    assert!(matches!(said.as_slice(), [(_, Message::FlowRemoved(_))]), "the timeout of the flow is back: {said:?}");
}

#[test]
fn the_error_of_a_bundled_message_quotes_that_message() {
    let mut stage = Stage::ready(SwitchConfig { table_limit: 0, ..config() });
    stage.bundle_add(1, Message::FlowMod(flow(1)));
    let mut inner = BytesMut::new();
    Message::FlowMod(flow(1)).encode(Xid(stage.last_xid), &mut inner).unwrap();
    let said = stage.bundle(1, Control::CommitRequest);
    let Message::Error(error) = &said[0].1 else { panic!("{said:?}") };
    assert_eq!(error.data[..], inner[..64]);
}

#[test]
fn only_what_stands_after_a_failed_bundle_is_told_to_the_controller() {
    let mut stage = Stage::ready(SwitchConfig { table_limit: 1, ..config() });
    stage.apply(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) });
    for message in [FlowMod::delete(), flow(2), flow(3)] {
        stage.bundle_add(1, Message::FlowMod(message));
    }
    let said = stage.bundle(1, Control::CommitRequest);
    assert_eq!(error_names(&said).len(), 2);
}

#[test]
fn a_discarded_bundle_and_one_of_a_lost_connection_are_forgotten() {
    let mut stage = Stage::ready(config());
    stage.bundle_add(1, Message::FlowMod(flow(1)));
    assert_eq!(answer(&stage.bundle(1, Control::DiscardRequest)), Control::DiscardReply);
    stage.bundle_add(2, Message::FlowMod(flow(1)));
    stage.switch.close(stage.channel);
    stage.channel = stage.switch.open(stage.now);
    stage.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    for bundle in [1, 2] {
        let said = stage.bundle(bundle, Control::CommitRequest);
        assert_eq!(error_names(&said)[0].1, "BUNDLE_FAILED/BAD_ID");
    }
    assert_eq!(stage.flows(), []);
}

#[test]
fn a_bundle_is_forgotten_after_ten_idle_seconds() {
    let mut stage = Stage::ready(config());
    stage.bundle_add(1, Message::FlowMod(flow(1)));
    stage.wait(Duration::from_secs(9));
    stage.bundle_add(1, Message::FlowMod(flow(2)));
    stage.wait(Duration::from_secs(9));
    assert_eq!(answer(&stage.bundle(1, Control::CommitRequest)), Control::CommitReply);
    stage.bundle_add(1, Message::FlowMod(flow(3)));
    stage.wait(Duration::from_secs(10));
    assert_eq!(error_names(&stage.bundle(1, Control::CommitRequest))[0].1, "BUNDLE_FAILED/BAD_ID");
}

#[test]
fn a_switch_without_bundles_does_not_know_them() {
    let mut stage = Stage::ready(SwitchConfig { bundles: false, ..config() });
    let said = stage.bundle(1, Control::OpenRequest);
    assert_eq!(error_names(&said)[0].1, "BAD_REQUEST/BAD_EXPERIMENTER");
}

#[test]
fn the_journal_has_the_flow_mods_of_a_bundle_once_it_is_committed() {
    let mut stage = Stage::ready(SwitchConfig { journal: 10, table_limit: 1, ..config() });
    stage.bundle_add(1, Message::FlowMod(flow(1)));
    stage.bundle_add(1, Message::FlowMod(flow(2)));
    assert_eq!(stage.switch.journal(), []);
    stage.bundle(1, Control::CommitRequest);
    let refusals: Vec<_> = stage.switch.journal().iter().map(|entry| entry.refusal).collect();
    assert_eq!(refusals, [None, Some(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL)]);
}
