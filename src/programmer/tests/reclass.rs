//! Classes of traffic that change while the daemon runs: switches go from the old rules to the new ones at once, or
//! nothing changes at all.

use openflow::{DatapathId, FlowMod, Match, Message};

use super::*;
use crate::contract::RateLimit;
use crate::emulator::SwitchConfig;
use crate::policy::{ClassLimit, ClassTable, Exceed, TrafficClass};
use crate::programmer::cookie::Purpose;
use crate::programmer::engine::Config;
use crate::programmer::{ReclassError, Reclassed};

impl World {
    /// The classes change, and nothing else has happened yet.
    fn begin_reclass(&mut self, classes: &ClassTable) -> Result<Reclassed, ReclassError> {
        let result = self.engine.reclass(classes.clone());
        if result.is_ok() {
            self.config.classes = classes.clone();
        }
        result
    }

    /// The classes change, and everything happens that can.
    fn reclass(&mut self, classes: &ClassTable) -> Reclassed {
        let reclassed = self.begin_reclass(classes).unwrap();
        self.run();
        self.pass(std::time::Duration::from_secs(2));
        reclassed
    }

    /// The states that the flow was told to be in, in order.
    fn told(&self, id: &str) -> Vec<String> {
        let views = self.news.iter().filter_map(|news| serde_json::to_value(news.payload.as_ref()?).ok());
        let of_flow = views.filter(|view| view["flow"]["flow_id"] == id);
        of_flow.filter_map(|view| view["flow"]["state"].as_str().map(str::to_owned)).collect()
    }
}

/// The built-in classes, voice among them as it is changed.
fn voice_as(change: impl FnOnce(&mut TrafficClass)) -> ClassTable {
    let mut classes = ClassTable::built_in();
    let mut voice = classes.get("voice").unwrap().clone();
    change(&mut voice);
    classes.put(voice);
    classes
}

fn limited_voice(rate_kbps: u32) -> ClassTable {
    let rate = RateLimit { rate_kbps, burst_kb: None };
    voice_as(|voice| voice.limit = Some(ClassLimit { rate, exceed: Exceed::Drop }))
}

/// What the switch's rules have for priority and mark.
fn marks(world: &World, switch: usize) -> Vec<(u16, bool)> {
    let rules = world.switches[switch].flows(world.now);
    rules.iter().map(|rule| (rule.priority, rule.to_string().contains("set_field:44->ip_dscp"))).collect()
}

#[test]
fn flows_of_a_changed_class_are_planned_anew_and_others_stay_as_they_are() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice_with("own", 2, json!({"dscp": 46, "priority": 7})));
    world.ok("InstallFlow", voice_with("bulk", 3, json!({"traffic_type": "bulk"})));
    let others = world.switches[0].flows(world.now).len();
    let reclassed = world.reclass(&voice_as(|voice| (voice.dscp, voice.default_priority) = (44, 45000)));
    assert_eq!(reclassed, Reclassed { flows: 1, nodes: 1 });
    assert_eq!(world.rule_count(0), others);
    let mut marks = marks(&world, 0);
    marks.sort_unstable();
    assert_eq!(marks, [(7, false), (10000, false), (45000, true)]);
    let flow = world.flow("a");
    assert_eq!((&flow["state"], &flow["dscp"], &flow["priority"]), (&json!("applied"), &json!(44), &json!(45000)));
    let info = world.ok("GetInfo", json!({}))["traffic_types"].clone();
    let voice = info.as_array().unwrap().iter().find(|class| class["name"] == "voice").unwrap();
    assert_eq!(voice["dscp"], 44);
}

#[test]
fn a_change_of_class_is_told_as_accepted_and_then_applied() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("Subscribe", json!({"topics": ["flows"]}));
    world.news.clear();
    world.reclass(&voice_as(|voice| voice.dscp = 44));
    assert_eq!(world.told("a"), ["accepted", "applied"]);
}

#[test]
fn a_switch_with_bundles_goes_from_the_old_rules_to_the_new_ones_at_once() {
    let mut world = World::connected();
    for host in 1..=40 {
        world.ok("InstallFlow", voice_with(&format!("f{host}"), host, json!({"bidirectional": true})));
    }
    world.begin_reclass(&voice_as(|voice| (voice.dscp, voice.default_priority) = (44, 45000))).unwrap();
    let (old, new) = (vec![(46000, false); 80], vec![(45000, true); 80]);
    let mut has_changed = false;
    while world.step() {
        let now = marks(&world, 0);
        assert!(now == old || now == new, "{now:?}");
        has_changed |= now == new;
    }
    assert!(has_changed);
}

#[test]
fn a_switch_without_bundles_has_a_rule_for_every_flow_at_any_time() {
    let mut world = World::connected_to(SwitchConfig { bundles: false, ..super::world::switch(1) });
    for host in 1..=20 {
        world.ok("InstallFlow", voice(&format!("f{host}"), host));
    }
    world.begin_reclass(&voice_as(|voice| voice.default_priority = 45000)).unwrap();
    while world.step() {
        let mut matches: Vec<Match> =
            world.switches[0].flows(world.now).into_iter().map(|rule| rule.flow_match).collect();
        matches.sort_by_key(ToString::to_string);
        matches.dedup();
        assert_eq!(matches.len(), 20);
    }
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(world.rule_count(0), 20);
    assert_eq!(world.state("f1"), "applied");
}

#[test]
fn a_class_that_flows_have_cannot_go_and_the_refusal_names_them() {
    let mut world = World::with(Config { classes: with_gold(), ..config() }, 1);
    world.add_node(1);
    world.connect(0);
    for host in 1..=5 {
        world.ok("InstallFlow", voice_with(&format!("g{host}"), host, json!({"traffic_type": "gold"})));
    }
    let error = world.begin_reclass(&ClassTable::built_in()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the class gold is gone, and flows have it: g1, g2, g3 and 2 more; remove these flows first, or keep the class"
    );
    assert_eq!(
        world.ok("InstallFlow", voice_with("g6", 6, json!({"traffic_type": "gold"})))["flow"]["state"],
        "applied"
    );
    world.ok("RemoveFlows", json!({"traffic_type": "gold"}));
    assert_eq!(world.reclass(&ClassTable::built_in()), Reclassed { flows: 0, nodes: 0 });
    let error = world.error("InstallFlow", voice_with("g7", 7, json!({"traffic_type": "gold"})));
    assert_eq!(error["path"], "payload.traffic_type");
}

fn with_gold() -> ClassTable {
    let mut classes = ClassTable::built_in();
    classes.put(TrafficClass { default_priority: 45500, ..TrafficClass::new("gold".to_owned()) });
    classes
}

#[test]
fn classes_by_which_two_flows_want_one_place_are_refused_and_nothing_changes() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice_with("b", 1, json!({"traffic_type": "bulk"})));
    let before = world.rules(0);
    let error = world.begin_reclass(&voice_as(|voice| voice.default_priority = 10000)).unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("flow a would have the same table, priority and match as flow b on node s1: 10000"));
    world.run();
    assert_eq!((world.rules(0), world.state("a")), (before, "applied".to_owned()));
    assert_eq!(world.flow("a")["priority"], 46000);
}

#[test]
fn classes_by_which_a_flow_wants_the_place_of_a_foreign_rule_are_refused() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    let rule = world.switches[0].flows(world.now).remove(0);
    let foreign = FlowMod { cookie: 0x77, priority: 9, flow_match: rule.flow_match, ..FlowMod::add() };
    world.meddle(0, &[Message::FlowMod(foreign)]);
    let error = world.begin_reclass(&voice_as(|voice| voice.default_priority = 9)).unwrap_err();
    assert!(error.to_string().contains("a foreign rule (cookie 0x0000000000000077) on node s1"), "{error}");
}

#[test]
fn two_classes_may_change_places() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice_with("b", 1, json!({"traffic_type": "video"})));
    let mut classes = voice_as(|voice| voice.default_priority = 34000);
    let video = classes.get("video").unwrap().clone();
    classes.put(TrafficClass { default_priority: 46000, ..video });
    assert_eq!(world.reclass(&classes).flows, 2);
    assert_eq!(world.rule_count(0), 2);
    for id in ["a", "b"] {
        assert_eq!(world.state(id), "applied");
        world.ok("RemoveFlow", json!({"flow_id": id}));
    }
    assert_eq!(world.rule_count(0), 0);
}

#[test]
fn a_limit_comes_and_changes_and_goes_with_its_class() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.ok("InstallFlow", voice("b", 2));
    world.reclass(&limited_voice(9000));
    assert_eq!(world.meters(0), [(1, 9000, 9000)]);
    assert_eq!(world.rules(0).iter().filter(|rule| rule.contains("meter:1")).count(), 2);
    world.reclass(&limited_voice(5000));
    assert_eq!(world.meters(0), [(1, 5000, 5000)]);
    assert_eq!((world.state("a"), world.rule_count(0)), ("applied".to_owned(), 2));
    world.begin_reclass(&ClassTable::built_in()).unwrap();
    while world.step() {
        assert_eq!(world.rule_count(0), 2, "rules do not go with their meter");
    }
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 2));
    assert!(!world.rules(0).iter().any(|rule| rule.contains("meter")));
    assert_eq!(world.state("b"), "applied");
}

#[test]
fn a_limit_that_a_switch_cannot_enforce_is_refused_for_all() {
    let mut world = World::with(config(), 2);
    world.switches[1] = crate::emulator::Switch::new(SwitchConfig { meter_limit: 0, ..super::world::switch(2) });
    (1..=2).for_each(|node| world.add_node(node));
    for switch in 0..2 {
        world.connect(switch);
    }
    world.ok("InstallFlow", voice("a", 1));
    let error = world.begin_reclass(&limited_voice(5000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node s2 could not do flow a as its class would be: the rate limit of voice cannot be enforced: \
         the switch has no meters"
    );
    world.run();
    assert_eq!((world.meters(0), world.state("a")), (vec![], "applied".to_owned()));
}

#[test]
fn a_switch_that_is_away_gets_the_new_rules_when_it_is_back() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart_connection();
    world.reclass(&voice_as(|voice| voice.default_priority = 45000));
    assert_eq!((world.state("a"), marks(&world, 0)), ("accepted".to_owned(), vec![(46000, false)]));
    world.connect(0);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!((world.state("a"), marks(&world, 0)), ("applied".to_owned(), vec![(45000, false)]));
}

#[test]
fn a_flow_that_is_removed_in_the_middle_leaves_no_rule_of_either_class() {
    for steps in 0..12 {
        let mut world = World::connected();
        world.ok("InstallFlow", voice_with("a", 1, json!({"bidirectional": true})));
        world.begin_reclass(&voice_as(|voice| voice.default_priority = 45000)).unwrap();
        world.steps(steps);
        let removal = world.send("RemoveFlow", json!({"flow_id": "a"}));
        let answer = loop {
            if let Some(answer) = world.answer(removal) {
                break answer;
            }
            assert!(world.step(), "there is no answer");
        };
        assert_eq!((&answer["flow"]["state"], world.rule_count(0)), (&json!("removed"), 0), "after {steps} steps");
    }
}

#[test]
fn a_flow_that_is_under_way_when_its_class_changes_ends_as_the_class_is_now() {
    for steps in 0..8 {
        let mut world = World::connected();
        let install = world.send("InstallFlow", voice("a", 1));
        let together = json!({"atomic": "node", "flows": [voice("b", 2), voice("c", 3)]});
        let batch = world.send("InstallFlows", together);
        world.steps(steps);
        world.reclass(&voice_as(|voice| voice.default_priority = 45000));
        assert_eq!(marks(&world, 0), vec![(45000, false); 3], "after {steps} steps");
        assert_eq!(world.answer(install).unwrap()["flow"]["state"], "applied");
        assert_eq!(world.answer(batch).unwrap()["summary"], json!({"applied": 2}));
        for id in ["a", "b", "c"] {
            assert_eq!(world.state(id), "applied", "after {steps} steps");
        }
    }
}

#[test]
fn a_daemon_that_dies_in_the_middle_ends_with_the_classes_that_it_starts_with() {
    for steps in 0..14 {
        let mut world = World::connected();
        world.ok("InstallFlow", voice("a", 1));
        world.ok("InstallFlow", voice_with("own", 2, json!({"rate_limit": {"rate_kbps": 100}})));
        world.begin_reclass(&limited_voice(5000)).unwrap();
        world.steps(steps);
        world.restart();
        world.connect(0);
        world.pass(std::time::Duration::from_secs(2));
        let rates: Vec<_> = world.meters(0).iter().map(|(_, rate, _)| *rate).collect();
        assert_eq!((rates, world.rule_count(0)), (vec![100, 5000], 2), "after {steps} steps");
        assert_eq!((world.state("a"), world.state("own")), ("applied".to_owned(), "applied".to_owned()));
        world.ok("RemoveFlow", json!({"flow_id": "a"}));
        world.ok("RemoveFlow", json!({"flow_id": "own"}));
        assert_eq!((world.meters(0), world.rule_count(0)), (vec![], 0), "after {steps} steps");
    }
}

#[test]
fn a_limit_that_is_gone_from_the_file_at_a_restart_takes_no_rule_along() {
    let mut world = World::with(Config { classes: limited_voice(5000), ..config() }, 1);
    world.add_node(1);
    world.connect(0);
    world.ok("InstallFlow", voice("a", 1));
    world.config.classes = ClassTable::built_in();
    world.restart();
    world.open(0, Vec::new(), crate::southbound::Origin::Accepted);
    while world.step() {
        assert_eq!(world.rule_count(0), 1);
    }
    assert_eq!(world.meters(0), []);
    assert!(!world.rules(0)[0].contains("meter"));
}

#[test]
fn a_flow_that_the_switch_refuses_as_its_class_is_now_is_rejected_and_leaves_nothing() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.refused = Some(Purpose::Bundled);
    world.reclass(&voice_as(|voice| voice.default_priority = 45000));
    world.refused = None;
    assert_eq!((world.state("a"), world.rule_count(0)), ("rejected".to_owned(), 0));
}

#[test]
fn a_node_of_which_the_switch_has_another_version_is_judged_when_it_comes() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.restart_connection();
    let without = SwitchConfig { meter_limit: 0, ..SwitchConfig::new(DatapathId(1)) };
    world.reclass(&limited_voice(5000));
    world.switches[0] = crate::emulator::Switch::new(SwitchConfig { n_tables: 8, ..without });
    world.connect(0);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!((world.state("a"), world.rule_count(0)), ("rejected".to_owned(), 0));
}

#[test]
fn a_flow_that_is_applied_after_a_crash_in_the_middle_of_a_change_of_its_class_stays_so() {
    let mut world = World::connected();
    world.ok("InstallFlow", voice("a", 1));
    world.begin_reclass(&voice_as(|voice| voice.dscp = 44)).unwrap();
    world.steps(1);
    world.restart();
    assert_eq!(world.state("a"), "unknown", "the disk knows that it is to be another one");
    world.connect(0);
    assert_eq!((world.state("a"), marks(&world, 0)), ("applied".to_owned(), vec![(46000, true)]));
    world.restart();
    assert_eq!(world.state("a"), "applied");
}
