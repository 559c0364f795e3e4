//! Others write to the same switch: ours is repaired and theirs is left alone.

use std::time::Duration;

use openflow::{
    Action, DatapathId, FlowMod, FlowUpdateEvent, FlowUpdateFull, Instruction, Match, MatchForm, Message, PortNo,
    TableId,
};

use super::*;
use crate::contract::FlowState;
use crate::emulator::SwitchConfig;
use crate::programmer::TableMiss;
use crate::programmer::cookie::FlowNumber;
use crate::programmer::drift::MAX_WAITING;
use crate::programmer::engine::Config;
use crate::programmer::node::Sync;
use crate::session::Event;
use crate::southbound::{ConnectionId, Report};

fn delete_all() -> Message {
    Message::FlowMod(FlowMod::delete())
}

fn foreign(priority: u16) -> Message {
    Message::FlowMod(FlowMod { cookie: 7, priority, ..FlowMod::add() })
}

#[test]
fn a_flow_that_somebody_deletes_is_put_back_at_once() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.meddle(0, &[delete_all()]);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn every_rule_of_a_flow_is_put_back_when_all_are_deleted_or_changed_at_once() {
    for switch in [without_monitor(), SwitchConfig::new(DatapathId(1))] {
        let has_monitor = switch.flow_monitors;
        let mut world = World::connected_to(switch);
        let more = json!({"protocol": "udp", "destination_port": "5000-5100", "bidirectional": true});
        for (id, host) in [("a", 1), ("b", 2)] {
            world.ok("InstallFlow", voice_with(id, host, more.clone()));
        }
        let before = world.rules(0);
        for somebody in [Some(delete_all()), has_monitor.then(flood_all)].into_iter().flatten() {
            world.meddle(0, &[somebody]);
            assert_eq!((world.state("a"), world.state("b")), ("applied".to_owned(), "applied".to_owned()));
            assert_eq!(world.rules(0), before);
        }
    }
}

#[test]
fn what_was_applied_is_never_called_accepted_or_unknown_while_it_is_put_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice_with("a", 1, json!({"protocol": "udp", "destination_port": "5000-5100"})));
    let before = world.rules(0);
    world.begin_to_meddle(0, &[delete_all()]);
    let mut states = Vec::new();
    while world.step() {
        states.extend(world.engine.flows.iter().map(|(_, flow)| flow.state()));
    }
    states.dedup();
    assert_eq!(states, [FlowState::Drifted, FlowState::Applied]);
    assert_eq!(world.rules(0), before);
}

#[test]
fn a_flow_of_many_rules_that_is_deleted_again_and_again_is_held_and_then_restored_whole() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice_with("a", 1, json!({"protocol": "udp", "destination_port": "5000-5100"})));
    let before = world.rules(0);
    for _ in 0..3 {
        world.meddle(0, &[delete_all()]);
        assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before.clone()));
    }
    world.meddle(0, &[delete_all()]);
    assert_eq!((world.state("a"), world.rule_count(0)), ("drifted".to_owned(), 0));
    world.pass(Duration::from_secs(61));
    world.pass(Duration::from_secs(40));
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_flow_that_is_deleted_again_and_again_is_held_after_three_repairs_in_a_minute() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    for _ in 0..3 {
        world.meddle(0, &[delete_all()]);
        assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
    }
    world.meddle(0, &[delete_all()]);
    let flow = world.flow("a");
    assert_eq!((&flow["state"], &flow["nodes"][0]["reason"]), (&json!("drifted"), &json!("deleted")));
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn a_switch_that_restarts_again_and_again_gets_its_flows_back_every_time() {
    for switch in
        [SwitchConfig { bundles: false, ..SwitchConfig::new(DatapathId(1)) }, SwitchConfig::new(DatapathId(1))]
    {
        let mut world = World::connected_to(switch);
        world.ok("InstallFlow", voice("a", 1));
        for _ in 0..6 {
            world.restart_switch(0);
            assert_eq!(world.rule_count(0), 0);
            world.connect(0);
            assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
        }
    }
}

#[test]
fn a_held_flow_is_repaired_again_when_the_minute_is_over() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    for _ in 0..4 {
        world.meddle(0, &[delete_all()]);
    }
    assert_eq!(world.state("a"), "drifted");
    world.pass(Duration::from_secs(61));
    world.pass(Duration::from_secs(40));
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

/// Somebody makes every rule flood.
fn flood_all() -> Message {
    let flood = vec![Instruction::ApplyActions(vec![Action::Output { port: PortNo::FLOOD, max_len: 0 }])];
    Message::FlowMod(FlowMod { command: openflow::FlowModCommand::Modify, instructions: flood, ..FlowMod::add() })
}

fn without_monitor() -> SwitchConfig {
    SwitchConfig { flow_monitors: false, ..SwitchConfig::new(DatapathId(1)) }
}

#[test]
fn a_flow_whose_actions_somebody_changes_is_restored_at_once_where_there_is_a_flow_monitor() {
    let mut world = World::connected();
    assert_eq!(world.node("s1")["capabilities"]["flow_monitor"], true);
    world.ok("InstallFlow", voice("a", 1));
    let before = world.rules(0);
    world.meddle(0, &[flood_all()]);
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_flow_whose_actions_somebody_changes_is_found_by_the_next_read_where_there_is_none() {
    let mut world = World::connected_to(without_monitor());
    world.ok("InstallFlow", voice("a", 1));
    let before = world.rules(0);
    world.meddle(0, &[flood_all()]);
    assert_ne!(world.rules(0), before);
    world.pass(Duration::from_secs(38));
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
}

#[test]
fn a_deletion_is_repaired_at_once_without_a_flow_monitor_too() {
    let mut world = World::connected_to(without_monitor());
    world.ok("InstallFlow", voice("a", 1));
    world.meddle(0, &[delete_all()]);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn a_foreign_rule_written_over_ours_is_drift_and_is_written_over_again() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let ours = world.rules(0);
    let entry = world.switches[0].flows(world.now).remove(0);
    let over = FlowMod { cookie: 9, priority: entry.priority, flow_match: entry.flow_match, ..FlowMod::add() };
    world.meddle(0, &[Message::FlowMod(over)]);
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), ours));
}

#[test]
fn when_a_foreign_table_miss_rule_goes_ours_takes_its_place() {
    let mut world = World::with(Config { table_miss: TableMiss::Normal, ..config() }, 1);
    world.meddle(0, &[foreign(0)]);
    world.add_node(1);
    world.connect(0);
    world.meddle(0, &[delete_all()]);
    assert!(world.rules(0).concat().ends_with("priority=0 actions=NORMAL"), "{:?}", world.rules(0));
    assert_eq!(world.node("s1")["warnings"], json!([]));
}

#[test]
fn foreign_rules_are_never_touched() {
    let mut world = World::new(1);
    world.meddle(0, &[foreign(5), foreign(50_000)]);
    let theirs = world.rules(0);
    world.add_node(1);
    let first = world.connect(0);
    world.ok("InstallFlow", voice("a", 1));
    world.cut(first);
    world.connect(0);
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!((world.rules(0), world.rule_count(0)), (theirs, 2));
}

#[test]
fn the_table_miss_rule_is_written_kept_and_of_the_kind_that_was_asked_for() {
    for (table_miss, actions) in [
        (TableMiss::Normal, "actions=NORMAL"),
        (TableMiss::Drop, "actions=drop"),
        (TableMiss::Controller, "actions=CONTROLLER:65535"),
    ] {
        let mut world = World::with(Config { table_miss, ..config() }, 1);
        world.add_node(1);
        world.connect(0);
        let rules = world.rules(0);
        assert!(rules.len() == 1 && rules[0].contains("priority=0") && rules[0].ends_with(actions), "{rules:?}");
        world.meddle(0, &[delete_all()]);
        assert_eq!(world.rules(0), rules, "it is repaired");
        world.config.table_miss = TableMiss::None;
        world.restart();
        world.connect(0);
        assert_eq!(world.rule_count(0), 0, "without one, ours goes");
    }
}

#[test]
fn a_table_miss_rule_of_somebody_else_is_left_alone_and_reported() {
    let mut world = World::with(Config { table_miss: TableMiss::Normal, ..config() }, 1);
    world.meddle(0, &[foreign(0)]);
    world.add_node(1);
    world.connect(0);
    let node = world.node("s1");
    assert!(node["warnings"][0].as_str().unwrap().contains("0x0000000000000007"), "{node}");
    assert_eq!(world.rule_count(0), 1);
    world.pass(Duration::from_secs(38));
    assert_eq!(world.node("s1")["warnings"], node["warnings"], "what is still so is not told as if it were new");
}

#[test]
fn a_timeout_of_its_own_ends_a_flow_and_it_is_not_put_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice_with("a", 1, json!({"hard_timeout": 10})));
    world.pass(Duration::from_secs(11));
    assert_eq!((world.state("a"), world.rule_count(0)), ("expired".to_owned(), 0));
    world.pass(Duration::from_secs(60));
    assert_eq!((world.state("a"), world.rule_count(0)), ("expired".to_owned(), 0));
}

#[test]
fn a_timeout_that_passed_while_the_switch_was_away_ends_the_flow_too() {
    let mut world = World::new(1);
    world.add_node(1);
    let connection = world.connect(0);
    world.ok("InstallFlow", voice_with("a", 1, json!({"hard_timeout": 10})));
    world.ok("InstallFlow", voice("b", 2));
    world.cut(connection);
    world.pass(Duration::from_secs(11));
    world.switches[0].handle_timeout(world.now);
    world.connect(0);
    assert_eq!(
        (world.state("a"), world.state("b"), world.rule_count(0)),
        ("expired".to_owned(), "applied".to_owned(), 1)
    );
}

#[test]
fn only_what_carries_our_tag_and_belongs_to_no_flow_is_swept() {
    for switch in [without_monitor(), SwitchConfig::new(DatapathId(1))] {
        let mut world = World::connected_to(switch);
        let flow = world.ok("InstallFlow", voice("a", 1))["flow"].clone();
        let cookie = u64::from_str_radix(&flow["nodes"][0]["cookie"].as_str().unwrap()[2..], 16).unwrap();
        let stray = FlowMod { cookie: cookie + 1_000, priority: 3, flow_match: Match::any(), ..FlowMod::add() };
        world.meddle(0, &[Message::FlowMod(stray), foreign(4)]);
        world.pass(Duration::from_secs(38));
        assert_eq!(world.rule_count(0), 2, "{:?}", world.rules(0));
    }
}

#[test]
fn every_rule_of_a_flow_that_somebody_deletes_is_put_back() {
    for switch in [SwitchConfig::new(DatapathId(1)), without_monitor()] {
        let mut world = World::connected_to(switch);
        let flow = voice_with("a", 1, json!({"protocol": "udp", "destination_port": "1-65534"}));
        world.ok("InstallFlow", flow);
        assert_eq!(world.rule_count(0), 16);
        world.meddle(0, &[delete_all()]);
        world.pass(Duration::from_millis(1));
        assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 16));
    }
}

#[test]
fn a_switch_that_makes_up_strays_without_end_is_not_followed_without_end() {
    let mut world = World::connected();
    let cookie = world.engine.tag.cookie(FlowNumber::new(1 << 40).unwrap());
    let stray = |n: usize| FlowUpdateFull {
        event: FlowUpdateEvent::Added,
        reason: 0,
        priority: u16::try_from(n % 60_000).unwrap() + 1,
        idle_timeout: 0,
        hard_timeout: 0,
        table_id: TableId(u8::try_from(n / 60_000).unwrap()),
        cookie,
        flow_match: Match::any(),
        form: MatchForm::Whole,
        instructions: Vec::new(),
    };
    let event = Event::FlowUpdates((0..MAX_WAITING + 1_000).map(stray).collect());
    world.engine.handle_report(Report::Happened { connection: ConnectionId(1), event });
    assert_eq!(world.engine.nodes.values().map(|node| node.queue.len()).max(), Some(MAX_WAITING));
    world.run();
    assert_eq!(world.node("s1")["state"], "connected");
}

#[test]
fn a_rule_under_the_cookie_of_a_flow_that_has_no_such_rule_is_swept() {
    for switch in [without_monitor(), SwitchConfig::new(DatapathId(1))] {
        let mut world = World::connected_to(switch);
        world.ok("InstallFlow", voice("a", 1));
        let ours = world.switches[0].flows(world.now).remove(0);
        let stray = FlowMod { cookie: ours.cookie, priority: 3, flow_match: Match::any(), ..FlowMod::add() };
        world.meddle(0, &[Message::FlowMod(stray)]);
        world.pass(Duration::from_secs(38));
        assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1), "{:?}", world.rules(0));
    }
}

#[test]
fn a_flow_of_which_a_rule_has_run_out_is_not_made_whole_by_a_restart() {
    let mut world = World::connected();
    let both_ways = json!({"idle_timeout": 10, "bidirectional": true});
    world.ok("InstallFlow", voice_with("a", 1, both_ways));
    assert_eq!(world.rule_count(0), 2);
    world.pass(Duration::from_secs(6));
    world.count_traffic(0, 0);
    world.pass(Duration::from_secs(5));
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
    world.restart();
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn a_rule_under_the_cookie_of_a_flow_that_moves_while_the_switch_is_read_is_swept_too() {
    for goes in [true, false] {
        let mut world = World::connected();
        world.ok("InstallFlow", voice("a", 1));
        let ours = world.switches[0].flows(world.now).remove(0);
        world.cut(ConnectionId(1));
        let stray = FlowMod { cookie: ours.cookie, priority: 3, flow_match: Match::any(), ..FlowMod::add() };
        world.meddle(0, &[Message::FlowMod(stray)]);
        world.connect_until(0, |sync| matches!(sync, Sync::Reading { .. }));
        if goes {
            world.ask("RemoveFlow", json!({"flow_id": "a"}));
        } else {
            world.ok("InstallFlow", voice_with("b", 1, json!({"replace": true})));
        }
        assert_eq!(world.rule_count(0), usize::from(!goes), "{:?}", world.rules(0));
    }
}

#[test]
fn a_flow_of_which_somebody_takes_a_place_before_it_was_ever_there_comes_whole() {
    let mut world = World::new(1);
    world.add_node(1);
    world.ok("InstallFlow", voice_with("a", 1, json!({"bidirectional": true})));
    world.connect_until(0, |sync| matches!(sync, Sync::Reading { .. }));
    let request = world.engine.flows.iter().next().unwrap().1.asked.request();
    let rule = world.engine.rules_of(&request).remove(0);
    let theirs = FlowUpdateFull {
        event: FlowUpdateEvent::Added,
        reason: 0,
        priority: rule.priority,
        idle_timeout: 0,
        hard_timeout: 0,
        table_id: rule.table_id,
        cookie: 7,
        flow_match: rule.flow_match,
        form: MatchForm::Whole,
        instructions: Vec::new(),
    };
    let event = Event::FlowUpdates(vec![theirs]);
    world.engine.handle_report(Report::Happened { connection: ConnectionId(1), event });
    world.run();
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 2));
    world.restart();
    assert_eq!(world.state("a"), "applied", "and the disk knows that");
}
