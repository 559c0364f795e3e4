//! Switches that lie, lag, forget and come all at once; clocks that jump; answers that come too late.

use std::time::Duration;

use openflow::{DatapathId, FlowMod, Message};

use super::*;
use crate::emulator::{Fault, Switch, SwitchConfig, WhenFull};
use crate::programmer::cookie::{FlowNumber, Purpose, token};
use crate::programmer::flow::Stage;
use crate::programmer::node::WINDOW;
use crate::programmer::reads::RECONCILING;
use crate::session::{Event, Outcome, Settlement};
use crate::southbound::{Origin, Report};

fn without_monitor() -> SwitchConfig {
    SwitchConfig { flow_monitors: false, ..SwitchConfig::new(DatapathId(1)) }
}

#[test]
fn an_error_after_the_barrier_reply_turns_applied_into_rejected() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(SwitchConfig { table_limit: 1, ..SwitchConfig::new(DatapathId(1)) });
    world.add_node(1);
    world.connect_with(0, vec![Fault::ErrorsAfterBarrier], Origin::Accepted);
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    let flow = world.flow("b");
    assert_eq!((&flow["state"], &flow["nodes"][0]["error"]["code"]), (&json!("rejected"), &json!("TABLE_FULL")));
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn a_flow_that_the_switch_confirmed_and_does_not_have_is_found_by_the_next_read_and_put_there() {
    let mut world = World::new(1);
    world.switches[0] = Switch::new(without_monitor());
    world.add_node(1);
    world.connect_with(0, vec![Fault::DropFlows { every: 2 }], Origin::Accepted);
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(world.ok("InstallFlow", voice("b", 2))["flow"]["state"], "applied", "the switch says so");
    assert_eq!(world.rule_count(0), 1, "and it is not so");
    world.pass(Duration::from_secs(38));
    assert_eq!((world.state("b"), world.rule_count(0)), ("applied".to_owned(), 2));
}

#[test]
fn a_flow_that_makes_room_for_another_is_drifted_put_back_three_times_and_then_held() {
    let config = SwitchConfig { table_limit: 1, when_full: WhenFull::Evict, ..SwitchConfig::new(DatapathId(1)) };
    let mut world = World::connected_to(config);
    world.ok("InstallFlow", voice("a", 1));
    let squatter = |priority| Message::FlowMod(FlowMod { cookie: 7, priority, ..FlowMod::add() });
    for priority in 1..=3 {
        world.meddle(0, &[squatter(priority)]);
        assert_eq!(world.state("a"), "applied", "put back after eviction {priority}");
    }
    world.meddle(0, &[squatter(4)]);
    assert_eq!(world.state("a"), "drifted");
    assert_eq!(world.flow("a")["nodes"][0]["reason"], "evicted");
}

#[test]
fn flows_that_a_switch_flushed_while_nobody_was_connected_come_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let before = world.rules(0);
    world.restart_connection();
    world.meddle(0, &[Message::FlowMod(FlowMod::delete())]);
    assert_eq!(world.rule_count(0), 0);
    world.connect(0);
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_read_that_breaks_off_changes_nothing_on_the_switch() {
    let config = SwitchConfig { journal: 100, ..SwitchConfig::new(DatapathId(1)) };
    let mut world = World::connected_to(config);
    for host in 1..=5 {
        world.ok("InstallFlow", voice(&format!("f{host}"), host));
    }
    let written = world.switches[0].journal().len();
    let mut broken = 0;
    for after in (0..2_000).step_by(3) {
        world.restart_connection();
        let connection = world.connect_with(0, vec![Fault::CutOutput { after }], Origin::Accepted);
        broken += u64::from(!world.is_open(connection));
        assert_eq!(world.switches[0].journal().len(), written, "cut after {after} bytes");
        assert!((1..=5).all(|host| world.state(&format!("f{host}")) == "applied"), "cut after {after} bytes");
    }
    assert!(broken > 400, "the cuts hit the answer: {broken}");
}

#[test]
fn what_an_old_connection_says_late_confirms_nothing_on_the_new_one() {
    let mut world = World::new(1);
    world.add_node(1);
    let old = world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.cut(old);
    let new = world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = world.ask("InstallFlow", voice("a", 1));
    let number = FlowNumber::new(1).unwrap();
    let settled = |connection| Report::Happened {
        connection,
        event: Event::Settled(vec![Settlement {
            token: token(Purpose::Install, number),
            xid: None,
            outcome: Outcome::Confirmed,
        }]),
    };
    world.engine.handle_report(settled(old));
    world.run();
    assert_eq!((world.answer(ticket), world.state("a")), (None, "accepted".to_owned()));
    world.engine.handle_report(settled(new));
    world.run();
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "applied");
}

#[test]
fn a_wall_clock_that_jumps_makes_nothing_late_early_or_expired() {
    for hours in [-48, 48] {
        let mut world = World::new(1);
        world.add_node(1);
        world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
        let ticket = world.ask("InstallFlow", voice_with("a", 1, json!({"timeout_ms": 60_000, "hard_timeout": 600})));
        world.set_clock(hours);
        world.pass(Duration::from_millis(4_999));
        assert_eq!(world.answer(ticket), None, "by {hours} h");
        world.pass(Duration::from_millis(1));
        assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "unknown", "by {hours} h");
        world.restart_connection();
        world.connect(0);
        world.set_clock(hours);
        world.restart_connection();
        world.connect(0);
        assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1), "by {hours} h");
    }
}

#[test]
fn a_switch_that_takes_nothing_has_a_thousand_flow_mods_under_way_and_delays_no_other() {
    let mut world = World::new(2);
    world.add_node(1);
    world.add_node(2);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.connect(1);
    let flow = |number: u32, node: &str| {
        json!({"source": format!("10.1.{}.{}", number / 256, number % 256), "destination": "any", "traffic_type": "voice",
               "nodes": [node]})
    };
    for number in 0..3_000 {
        world.send("InstallFlow", flow(number, "s1"));
    }
    let other = world.ask("InstallFlow", flow(0, "s2"));
    assert_eq!(world.answer(other).unwrap()["flow"]["state"], "applied");
    assert_eq!(world.rule_count(0), usize::try_from(WINDOW).unwrap());
}

#[test]
fn of_a_hundred_switches_that_come_at_once_sixty_four_are_brought_up_to_date_at_a_time() {
    const SWITCHES: usize = 100;
    let mut world = World::new(SWITCHES as u64);
    (1..=SWITCHES as u64).for_each(|id| world.add_node(id));
    world.ok("InstallFlow", voice("a", 1));
    for at in 0..SWITCHES {
        world.open(at, Vec::new(), Origin::Accepted);
    }
    let mut most = 0;
    while world.step() {
        most = most.max(world.engine.reads.reconciling());
        assert!(most <= RECONCILING, "{most} at a time");
    }
    assert_eq!(most, RECONCILING);
    assert_eq!(world.state("a"), "applied");
    assert!((0..SWITCHES).all(|at| world.rule_count(at) == 1));
}

#[test]
fn a_switch_that_goes_while_it_is_brought_up_to_date_gives_its_turn_to_the_next() {
    // They fall silent when they have said who they are and not yet what they have.
    let is_left_reading = |after: &u64| {
        let mut world = World::new(1);
        world.add_node(1);
        world.connect_with(0, vec![Fault::Silent { after: *after }], Origin::Accepted);
        world.node("s1")["state"] == "connecting"
    };
    let after = (0..).find(is_left_reading).unwrap();
    let mut world = World::new(RECONCILING as u64 + 1);
    (1..=RECONCILING as u64 + 1).for_each(|id| world.add_node(id));
    let silent: Vec<_> =
        (0..RECONCILING).map(|at| world.open(at, vec![Fault::Silent { after }], Origin::Accepted)).collect();
    world.run();
    world.connect(RECONCILING);
    let last = format!("s{}", RECONCILING + 1);
    assert_eq!(world.node(&last)["state"], "connecting");
    world.cut(silent[0]);
    assert_eq!(world.node(&last)["state"], "connected");
}

#[test]
fn a_refused_flow_is_neither_rejected_nor_removed_before_a_switch_that_went_away_has_let_go_of_its_rules() {
    for is_removed in [false, true] {
        let mut world = World::new(1);
        world.switches[0] = Switch::new(SwitchConfig { table_limit: 1, ..SwitchConfig::new(DatapathId(1)) });
        world.add_node(1);
        let connection = world.connect(0);
        world.send("InstallFlow", voice_with("a", 1, json!({"bidirectional": true})));
        let is_undoing =
            |world: &World| world.engine.flows.iter().any(|(_, flow)| flow.placements[0].stage == Stage::Undoing);
        while !is_undoing(&world) {
            assert!(world.step(), "the second rule is not refused");
        }
        world.cut(connection);
        assert_eq!((world.state("a"), world.rule_count(0)), ("accepted".to_owned(), 1));
        if is_removed {
            assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removing");
        }
        world.connect(0);
        let end = if is_removed { "removed" } else { "rejected" };
        assert_eq!((world.state("a"), world.rule_count(0)), (end.to_owned(), 0));
    }
}
