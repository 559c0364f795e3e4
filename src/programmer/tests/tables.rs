//! Flows in a table of their own, with another one after it: for switches that do not forward by themselves.

use openflow::{FlowMod, Instruction, Message, TableId};

use super::*;
use crate::policy::Pipeline;
use crate::programmer::TableMiss;
use crate::programmer::engine::Config;

/// A world with one node whose flows are in one table, and go on to another.
fn world(qos_table: u8, next_table: Option<u8>) -> World {
    let pipeline = Pipeline::new(qos_table, next_table).unwrap();
    let mut world = World::with(Config { pipeline, table_miss: TableMiss::Normal, ..config() }, 1);
    world.add_node(1);
    world.connect(0);
    world
}

/// Table and priority of each rule, and the table that it goes on to.
fn tables(world: &World) -> Vec<(u8, u16, Option<u8>)> {
    let next = |instructions: &[Instruction]| {
        instructions.iter().find_map(|instruction| match instruction {
            Instruction::GotoTable(table) => Some(table.0),
            _ => None,
        })
    };
    let mut tables: Vec<_> = world.switches[0]
        .flows(world.now)
        .iter()
        .map(|rule| (rule.table_id.0, rule.priority, next(&rule.instructions)))
        .collect();
    tables.sort_unstable();
    tables
}

#[test]
fn flows_and_the_rule_of_priority_0_are_in_the_table_and_go_on_to_the_next() {
    let mut world = world(2, Some(5));
    let flow = world.ok("InstallFlow", voice("a", 1))["flow"].clone();
    assert_eq!((&flow["state"], &flow["nodes"][0]["table"]), (&json!("applied"), &json!(2)));
    assert_eq!(tables(&world), [(2, 0, Some(5)), (2, 46000, Some(5))]);
    assert!(world.rules(0).iter().any(|rule| rule.contains("set_field:46->ip_dscp,set_queue:6,goto_table:5")));
    assert!(!world.rules(0).iter().any(|rule| rule.contains("NORMAL")));
    world.ok("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(tables(&world), [(2, 0, Some(5))]);
    world.ok("RemoveNode", json!({"name": "s1"}));
    assert_eq!(tables(&world), []);
}

#[test]
fn a_dry_run_shows_the_tables() {
    let mut world = world(2, Some(5));
    let planned = world.ok("InstallFlow", voice_with("a", 1, json!({"dry_run": true})))["flow"].clone();
    let text = planned["nodes"][0]["flow_mods"][0]["text"].as_str().unwrap();
    assert!(text.contains("table=2") && text.ends_with("goto_table:5"), "{text}");
}

#[test]
fn forward_says_another_way_and_only_ahead() {
    let mut world = world(2, Some(5));
    let forward = |to: Value| voice_with(&to.to_string(), 1, json!({"forward": to, "replace": true}));
    world.ok("InstallFlow", forward(json!({"table": 7})));
    assert_eq!(tables(&world)[1], (2, 46000, Some(7)));
    for to in [json!({"port": 1}), json!("drop")] {
        world.ok("InstallFlow", forward(to));
        assert_eq!(tables(&world)[1], (2, 46000, None));
    }
    for table in [0, 2] {
        let error = world.error("InstallFlow", forward(json!({"table": table})));
        assert_eq!((&error["code"], &error["path"]), (&json!("invalid_request"), &json!("payload.forward.table")));
        assert_eq!(
            error["message"],
            format!("forward must be to a table from 3 to 254, for flows are in table 2, not {table}")
        );
    }
}

#[test]
fn rules_of_others_are_in_the_way_in_the_same_table_only() {
    for (table, expected) in [(2, "conflict"), (0, "applied")] {
        let mut world = world(2, Some(5));
        let rule = {
            world.ok("InstallFlow", voice("model", 1));
            let rule = world.switches[0].flows(world.now).into_iter().find(|rule| rule.priority == 46000).unwrap();
            world.ok("RemoveFlow", json!({"flow_id": "model"}));
            rule
        };
        let foreign = |priority: u16| {
            Message::FlowMod(FlowMod {
                table_id: TableId(table),
                cookie: 7,
                priority,
                flow_match: rule.flow_match.clone(),
                ..FlowMod::add()
            })
        };
        world.meddle(0, &[foreign(46000), foreign(60000)]);
        let ticket = world.ask("InstallFlow", voice("a", 1));
        let answer = world.answer(ticket).unwrap();
        let verdict = answer["error"]["code"].as_str().or(answer["flow"]["state"].as_str()).unwrap();
        assert_eq!(verdict, expected, "table {table}");
        let warnings = world.ok("InstallFlow", voice_with("b", 1, json!({"priority": 9})))["flow"]["warnings"].clone();
        let is_hidden_by_foreign = warnings.as_array().unwrap().iter().any(|warning| warning["cookie"].is_string());
        assert_eq!(is_hidden_by_foreign, table == 2);
    }
}

#[test]
fn a_daemon_that_starts_with_other_tables_moves_the_rules_there() {
    let mut world = world(0, None);
    world.ok("InstallFlow", voice("a", 1));
    assert_eq!(tables(&world), [(0, 0, None), (0, 46000, None)]);
    world.config.pipeline = Pipeline::new(1, Some(2)).unwrap();
    world.restart();
    world.connect(0);
    assert_eq!(tables(&world), [(1, 0, Some(2)), (1, 46000, Some(2))]);
    assert_eq!(world.state("a"), "applied");
}

#[test]
fn a_limited_flow_and_a_batch_are_in_the_table_too() {
    let mut world = world(1, Some(2));
    let limited = voice_with("a", 1, json!({"rate_limit": {"rate_kbps": 100}}));
    world.ok("InstallFlows", json!({"atomic": "all", "flows": [limited, voice("b", 2)]}));
    assert_eq!(tables(&world), [(1, 0, Some(2)), (1, 46000, Some(2)), (1, 46000, Some(2))]);
    assert_eq!(world.rules(0).iter().filter(|rule| rule.contains("meter:1")).count(), 1);
}
