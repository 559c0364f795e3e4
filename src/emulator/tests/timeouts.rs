//! What happens by itself as time passes.

use openflow::{Echo, FlowModFlags, FlowRemovedReason, TableId};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn short_lived(idle_timeout: u16, hard_timeout: u16) -> FlowMod {
    FlowMod { idle_timeout, hard_timeout, flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) }
}

/// Why the only flow that went, went.
fn reason(said: &[(Xid, Message)]) -> FlowRemovedReason {
    let [(_, Message::FlowRemoved(removed))] = said else { panic!("{said:?}") };
    removed.reason
}

#[test]
fn a_hard_timeout_strikes_whether_the_flow_is_used_or_not() {
    let mut stage = Stage::ready(config());
    stage.apply(short_lived(5, 10));
    for _ in 0..9 {
        assert_eq!(stage.wait(SECOND), []);
        stage.switch.count_traffic(TableId(0), 1, &Match::any(), 1, 100, stage.now);
    }
    assert_eq!(reason(&stage.wait(SECOND)), FlowRemovedReason::HardTimeout);
    assert_eq!(stage.flows(), []);
}

#[test]
fn an_idle_timeout_counts_from_the_last_packet() {
    let mut stage = Stage::ready(config());
    stage.apply(short_lived(5, 0));
    stage.wait(4 * SECOND);
    stage.switch.count_traffic(TableId(0), 1, &Match::any(), 1, 100, stage.now);
    assert_eq!(stage.wait(4 * SECOND), []);
    assert_eq!(reason(&stage.wait(SECOND)), FlowRemovedReason::IdleTimeout);
}

#[test]
fn a_flow_that_was_replaced_or_deleted_does_not_expire() {
    let mut stage = Stage::ready(config());
    stage.apply(short_lived(0, 5));
    stage.apply(flow(1));
    stage.apply(FlowMod { priority: 2, hard_timeout: 5, ..flow(2) });
    stage.apply(FlowMod { priority: 2, ..FlowMod::delete_strict() });
    assert_eq!(stage.switch.poll_timeout(), None);
    assert_eq!(stage.wait(60 * SECOND), []);
    assert_eq!(stage.priorities(), [1]);
}

#[test]
fn flows_expire_while_nobody_is_connected() {
    let mut stage = Stage::ready(config());
    stage.apply(short_lived(0, 5));
    stage.switch.close(stage.channel);
    stage.wait(5 * SECOND);
    assert_eq!(stage.flows(), []);
}

#[test]
fn a_silent_controller_is_asked_and_then_left() {
    let mut stage = Stage::ready(SwitchConfig { inactivity_probe: Some(5 * SECOND), ..config() });
    let said = stage.wait(5 * SECOND);
    let [(_, Message::EchoRequest(_))] = said.as_slice() else { panic!("{said:?}") };
    stage.say(&Message::EchoReply(Echo::default()));
    assert_eq!(stage.wait(4 * SECOND), []);
    assert_eq!(stage.wait(SECOND).len(), 1);
    stage.wait(5 * SECOND);
    assert!(stage.switch.is_closed(stage.channel));
}

#[test]
fn a_controller_that_never_greets_is_left() {
    let mut stage = Stage::opened(SwitchConfig { inactivity_probe: Some(5 * SECOND), ..config() });
    stage.wait(5 * SECOND);
    assert!(stage.switch.is_closed(stage.channel));
}
