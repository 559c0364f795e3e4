//! Connections that break, switches that restart, daemons that die: nothing acknowledged is lost, and what is not known
//! is called unknown until it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openflow::{DatapathId, FlowMod, Message};

use super::*;
use crate::emulator::{Fault, SwitchConfig};
use crate::programmer::node::Sync;
use crate::southbound::Origin;

#[test]
fn a_flow_for_a_switch_that_is_away_is_accepted_at_once_and_applied_when_it_comes() {
    let mut world = World::new(1);
    world.add_node(1);
    assert_eq!(world.ok("InstallFlow", voice("a", 1))["flow"]["state"], "accepted");
    world.connect(0);
    assert_eq!(world.state("a"), "applied");
    assert_eq!(world.rule_count(0), 1);
}

#[test]
fn a_cut_before_the_barrier_reply_makes_unknown_and_the_reconnect_resolves_it() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = world.ask("InstallFlow", voice("a", 1));
    assert_eq!(world.answer(ticket), None);
    world.restart_connection();
    let answer = world.answer(ticket).unwrap();
    assert_eq!(answer["flow"]["state"], "unknown");
    assert!(answer["flow"]["nodes"][0]["reason"].as_str().unwrap().contains("connection"), "{answer}");
    world.connect(0);
    assert_eq!(world.state("a"), "applied");
    assert!(world.flow("a")["nodes"][0]["verified_at"].is_string(), "it was found on the switch");
}

#[test]
fn a_silent_barrier_is_unknown_after_5_seconds_and_never_applied_before_its_reply() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = world.ask("InstallFlow", voice_with("a", 1, json!({"timeout_ms": 60_000})));
    world.pass(Duration::from_millis(4_999));
    assert_eq!(world.answer(ticket), None);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "unknown");
}

#[test]
fn a_flow_that_became_unknown_while_the_switch_stayed_is_found_out_by_reading_its_tables() {
    let mut world = World::connected();
    let ticket = world.send("InstallFlow", voice("a", 1));
    world.refuse_barriers(true);
    let answer = loop {
        assert!(world.step(), "there is no answer");
        if let Some(answer) = world.answer(ticket) {
            break answer;
        }
    };
    world.refuse_barriers(false);
    assert_eq!(answer["flow"]["state"], "unknown");
    assert_eq!(world.state("a"), "applied");
    assert!(world.flow("a")["nodes"][0]["verified_at"].is_string());
}

#[test]
fn flows_whose_barrier_reply_was_lost_are_read_back_when_the_switch_answers_others() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::DropBarrierReplies { every: 2 }], Origin::Accepted);
    let tickets = ["a", "b", "c"].map(|id| (id, world.ask("InstallFlow", voice(id, id.as_bytes()[0]))));
    world.pass(Duration::from_millis(4_999));
    let before: Vec<_> = tickets.iter().map(|(_, ticket)| world.answer(*ticket)).collect();
    assert!(before.iter().any(Option::is_none), "one of the replies is lost");
    world.pass(Duration::from_millis(1));
    world.pass(Duration::from_millis(1));
    for (id, _) in tickets {
        assert_eq!(world.state(id), "applied");
    }
    assert_eq!((world.rule_count(0), world.node("s1")["state"].clone()), (3, json!("connected")));
    assert!(tickets.iter().any(|(id, _)| world.flow(id)["nodes"][0]["verified_at"].is_string()), "by reading");
}

#[test]
fn a_request_that_times_out_is_answered_in_the_state_of_the_moment_and_ends_well() {
    let mut world = World::new(1);
    world.add_node(1);
    let connection = world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    let ticket = world.ask("InstallFlow", voice_with("a", 1, json!({"timeout_ms": 100})));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "accepted");
    world.cut(connection);
    world.connect(0);
    assert_eq!(world.state("a"), "applied");
}

#[test]
fn a_request_with_no_time_to_wait_is_answered_as_soon_as_the_disk_has_it() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let ticket = world.ask("InstallFlow", voice_with("a", 1, json!({"timeout_ms": 0})));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.answer(ticket), None, "no state could be told");
    world.write_one();
    assert_eq!(world.answer(ticket).unwrap()["flow"]["state"], "accepted");
}

#[test]
fn a_disk_that_does_not_answer_is_told_as_a_timeout() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let ticket = world.ask("InstallFlow", voice_with("a", 1, json!({"timeout_ms": 100})));
    world.pass(Duration::from_millis(100));
    world.pass(Duration::from_millis(4_999));
    assert_eq!(world.answer(ticket), None);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.answer(ticket).unwrap()["error"]["code"], "timeout");
}

#[test]
fn wait_accepted_is_answered_by_the_disk_alone() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    assert_eq!(world.ok("InstallFlow", voice_with("a", 1, json!({"wait": "accepted"})))["flow"]["state"], "accepted");
}

#[test]
fn applied_stays_applied_while_the_switch_is_away_and_its_flows_come_back_with_it() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    world.restart_switch(0);
    assert_eq!(world.node("s1")["state"], "disconnected");
    assert_eq!(world.state("a"), "applied");
    assert_eq!(world.rule_count(0), 0, "the switch lost its flows");
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 2));
}

#[test]
fn flows_come_back_in_a_bundle_and_one_that_is_refused_then_does_not_keep_the_others_away() {
    for bundles in [true, false] {
        let config = SwitchConfig { bundles, table_limit: 5, ..SwitchConfig::new(DatapathId(1)) };
        let mut world = World::connected_to(config);
        assert_eq!(world.node("s1")["capabilities"]["bundles"], bundles);
        for host in 1..=5 {
            world.ok("InstallFlow", voice(&format!("f{host}"), host));
        }
        world.restart_switch(0);
        let squatter = FlowMod { cookie: 7, priority: 1, ..FlowMod::add() };
        world.meddle(0, &[Message::FlowMod(squatter)]);
        world.connect(0);
        let states: Vec<_> = (1..=5).map(|host| world.state(&format!("f{host}"))).collect();
        assert_eq!(states.iter().filter(|state| *state == "applied").count(), 4, "{states:?}");
        assert_eq!(states.iter().filter(|state| *state == "rejected").count(), 1, "{states:?}");
        assert_eq!(world.rule_count(0), 5);
        assert_eq!(world.node("s1")["state"], "connected");
    }
}

#[test]
fn a_removal_during_the_restoring_bundle_comes_after_it() {
    let mut world = World::connected();
    for host in 1..=3 {
        world.ok("InstallFlow", voice(&format!("f{host}"), host));
    }
    world.restart_switch(0);
    world.connect_until_restoring(0);
    let removal = world.send("RemoveFlow", json!({"flow_id": "f2"}));
    let replacement = world.send("InstallFlow", voice_with("g", 3, json!({"replace": true})));
    let fresh = world.send("InstallFlow", voice("h", 9));
    world.run();
    assert_eq!(world.answer(removal).unwrap()["flow"]["state"], "removed");
    assert_eq!(world.answer(replacement).unwrap()["flow"]["state"], "applied");
    assert_eq!(world.answer(fresh).unwrap()["flow"]["state"], "applied");
    assert_eq!(
        (world.state("f1"), world.state("f3"), world.rule_count(0)),
        ("applied".to_owned(), "superseded".to_owned(), 3)
    );
}

#[test]
fn a_daemon_that_dies_knows_afterwards_what_it_acknowledged_before() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let before = world.rules(0);
    world.restart();
    assert_eq!(world.state("a"), "applied");
    assert_eq!(world.node("s1")["state"], "registered");
    world.connect(0);
    assert_eq!((world.state("a"), world.rules(0)), ("applied".to_owned(), before));
    let again = world.ok("InstallFlow", voice("a", 1));
    assert_eq!(again["flow"]["state"], "applied");
}

#[test]
fn a_flow_under_way_when_the_daemon_died_is_unknown_until_the_switch_is_read() {
    let mut world = World::new(1);
    world.add_node(1);
    world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.ask("InstallFlow", voice("a", 1));
    world.restart();
    assert_eq!(world.state("a"), "unknown");
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 1));
}

#[test]
fn a_flow_that_was_not_on_disk_when_the_daemon_died_is_swept_off_the_switch() {
    let mut world = World::connected();
    world.disk(Disk::Lags);
    let ticket = world.ask("InstallFlow", voice("a", 1));
    assert_eq!((world.answer(ticket), world.rule_count(0)), (None, 1));
    world.disk = Disk::Writes;
    world.restart();
    assert_eq!(world.error("GetFlow", json!({"flow_id": "a"}))["code"], "not_found");
    world.connect(0);
    assert_eq!(world.rule_count(0), 0, "it was never acknowledged, and its cookie is ours");
    assert_eq!(world.ok("InstallFlow", voice("b", 1))["flow"]["state"], "applied");
}

#[test]
fn cookies_are_not_used_again_after_a_restart() {
    // Also one that went to the switch before the disk knew of it.
    for disk in [Disk::Writes, Disk::Lags] {
        let mut world = World::connected();
        world.disk(disk);
        world.ask("InstallFlow", voice("a", 1));
        let first = world.switches[0].flows(world.now)[0].cookie;
        world.restart();
        world.disk(Disk::Writes);
        world.connect(0);
        let flow = world.ok("InstallFlow", voice("b", 2))["flow"].clone();
        let second = u64::from_str_radix(&flow["nodes"][0]["cookie"].as_str().unwrap()[2..], 16).unwrap();
        assert_eq!(first >> 48, second >> 48, "the tag of the installation stays");
        assert_ne!(first, second);
    }
}

#[test]
fn a_removal_asked_for_while_the_switch_is_away_happens_when_it_is_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart();
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removing");
    world.restart();
    assert_eq!(world.state("a"), "removing");
    world.connect(0);
    assert_eq!((world.state("a"), world.rule_count(0)), ("removed".to_owned(), 0));
}

#[test]
fn a_flow_that_never_left_is_removed_without_its_switch() {
    let mut world = World::new(1);
    world.add_node(1);
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(world.ok("RemoveFlow", json!({"flow_id": "a"}))["flow"]["state"], "removed");
}

#[test]
fn requests_made_while_the_first_read_is_under_way_are_neither_lost_nor_doubled() {
    let mut world = World::new(1);
    world.add_node(1);
    let early = world.send("InstallFlow", voice("early", 1));
    world.connect_until(0, |sync| matches!(sync, Sync::Reading { .. }));
    let late = world.send("InstallFlow", voice("late", 2));
    world.run();
    for ticket in [early, late] {
        assert!(world.answer(ticket).is_some());
    }
    assert_eq!((world.state("early"), world.state("late")), ("applied".to_owned(), "applied".to_owned()));
    assert_eq!(world.rule_count(0), 2);
}

/// Cutting the connection at every `stride`th byte, in either direction, while a batch of flows is under way, until it is
/// through before the cut. All cores take part. Prints how many cuts there were, and what came of the flows at them.
fn cut(fault: fn(u64) -> Fault, flows: u8, stride: usize) {
    let next = AtomicU64::new(0);
    let work = || {
        let mut told = BTreeMap::new();
        loop {
            let cut = next.fetch_add(1, Ordering::Relaxed);
            if !cut_at(fault, cut * stride as u64, flows, &mut told) {
                // What lies behind is through before the cut as well.
                return (cut, told);
            }
        }
    };
    let mut told = BTreeMap::new();
    let mut cuts = u64::MAX;
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (first_through, its) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            cuts = cuts.min(first_through);
            for (state, count) in its {
                *told.entry(state).or_insert(0) += count;
            }
        }
    });
    println!("cut {cuts} times, every {stride} bytes; {flows} flows each, told as {told:?}");
    assert!(cuts * stride as u64 > u64::from(flows) * 8, "the cuts hit the conversation: {cuts} of them");
}

/// One cut: each answer is true, and after the reconnect the switch has exactly the flows that are applied, none of them
/// unknown. False when the batch was through before it.
fn cut_at(fault: fn(u64) -> Fault, after: u64, flows: u8, told: &mut BTreeMap<String, u64>) -> bool {
    let mut world = World::new(1);
    world.add_node(1);
    let connection = world.connect_with(0, vec![fault(after)], Origin::Accepted);
    let tickets: Vec<_> = (1..=flows).map(|host| world.send("InstallFlow", voice(&format!("f{host}"), host))).collect();
    world.run();
    let was_cut = !world.is_open(connection);
    let rules = world.rules(0).concat();
    for ticket in tickets {
        let answer = world.answer(ticket).unwrap_or_else(|| panic!("no answer, cut after {after} bytes"));
        let state = answer["flow"]["state"].as_str().unwrap().to_owned();
        let allowed: &[&str] = if was_cut { &["applied", "unknown", "accepted"] } else { &["applied"] };
        assert!(allowed.contains(&state.as_str()), "{state} when cut after {after} bytes");
        if state == "applied" {
            let source = answer["flow"]["source"].as_str().unwrap();
            assert!(rules.contains(&format!("nw_src={source},")), "applied, cut after {after}");
        }
        *told.entry(state).or_default() += 1;
    }
    world.connect(0);
    for host in 1..=flows {
        assert_eq!(world.state(&format!("f{host}")), "applied", "after the reconnect, cut after {after} bytes");
    }
    assert_eq!(world.rule_count(0), usize::from(flows), "cut after {after} bytes");
    was_cut
}

#[test]
fn a_cut_at_every_byte_towards_the_switch_ends_truthfully() {
    cut(|after| Fault::CutInput { after }, 20, 1);
}

#[test]
fn a_cut_at_every_byte_from_the_switch_ends_truthfully() {
    cut(|after| Fault::CutOutput { after }, 20, 1);
}

/// Bytes between two cuts of the long batch in an ordinary run; `make cuts` cuts at every one.
const STRIDE: usize = 1_499;

fn stride() -> usize {
    std::env::var("FLUMEN_STRIDE").ok().and_then(|stride| stride.parse().ok()).unwrap_or(STRIDE)
}

#[test]
fn a_cut_in_a_batch_of_200_flows_towards_the_switch_ends_truthfully() {
    cut(|after| Fault::CutInput { after }, 200, stride());
}

#[test]
fn a_cut_in_a_batch_of_200_flows_from_the_switch_ends_truthfully() {
    cut(|after| Fault::CutOutput { after }, 200, stride().min(149));
}

#[test]
fn a_batch_of_which_a_flow_moves_again_before_the_last_one_has_settled_is_answered_once_the_disk_has_both() {
    let mut world = World::new(2);
    (1..=2).for_each(|id| world.add_node(id));
    let cut_soon = world.connect_with(0, vec![Fault::NoBarrierReply], Origin::Accepted);
    world.connect_with(1, vec![Fault::NoBarrierReply], Origin::Accepted);
    let flow = |id, host, node| voice_with(id, host, json!({"nodes": [node], "timeout_ms": 60_000}));
    let ticket = world.ask("InstallFlows", json!({"flows": [flow("a", 1, "s1"), flow("b", 2, "s2")]}));
    world.cut(cut_soon);
    world.disk(Disk::Lags);
    // The first flow was unknown and is applied, which the disk does not know yet when the second turns out to be unknown.
    world.connect(0);
    world.pass(Duration::from_secs(6));
    assert_eq!(world.answer(ticket), None);
    world.disk(Disk::Writes);
    let summary = world.answer(ticket).unwrap()["summary"].take();
    assert_eq!(summary, json!({"applied": 1, "unknown": 1}));
}
