//! Flows in a table of their own on Open vSwitch, between tables of somebody else.

use serde_json::json;

use crate::support::{Lab, within};

/// The rules of a bridge as Open vSwitch prints them, without counters and cookies.
fn dump(lab: &Lab) -> Vec<String> {
    let dump = lab.ovs.dump("s1");
    let without = |line: &str| {
        let fields = line.trim().split(", ").filter(|field| !field.starts_with("cookie="));
        fields.collect::<Vec<_>>().join(", ")
    };
    let mut lines: Vec<_> = dump.lines().filter(|line| line.contains("actions=")).map(without).collect();
    lines.sort();
    lines
}

#[test]
fn flows_sit_between_the_tables_of_somebody_else_and_leave_them_alone() {
    let Some(lab) = Lab::start(&["--qos-table", "2", "--next-table", "5"]) else { return };
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    lab.ovs.add_foreign_flow("s1", "table=0,priority=1,actions=goto_table:2");
    lab.ovs.add_foreign_flow("s1", "table=5,priority=1,actions=output:1");
    let before = dump(&lab);
    assert!(before.iter().any(|line| line.contains("table=2") && line.ends_with("actions=goto_table:5")), "{before:?}");
    let request = json!({"flow_id": "a", "source": "10.0.0.1", "destination": "10.0.0.2", "traffic_type": "voice"});
    let mut dry_run = request.clone();
    dry_run["dry_run"] = json!(true);
    let planned = client.install(&dry_run);
    let text = planned["nodes"][0]["flow_mods"][0]["text"].as_str().unwrap();
    assert!(text.contains("table=2") && text.ends_with("set_queue:6,goto_table:5"), "{text}");
    let flow = client.install(&request);
    assert_eq!((&flow["state"], &flow["nodes"][0]["table"]), (&json!("applied"), &json!(2)));
    let ours = |line: &&String| line.contains("nw_src=10.0.0.1");
    let installed = dump(&lab);
    let rule = installed.iter().find(ours).unwrap();
    assert!(rule.contains("table=2") && rule.ends_with("set_field:46->ip_dscp,set_queue:6,goto_table:5"), "{rule}");

    // It is put back, and nothing else is written, when somebody takes it away.
    lab.ovs.delete_flows("s1", "table=2,ip,nw_src=10.0.0.1");
    within(10, "the rule to be back", || (dump(&lab) == installed).then_some(()));
    client.wait_for_flow("a", "applied", 10);
    client.reply("RemoveFlow", json!({"flow_id": "a"}));
    assert_eq!(dump(&lab), before);
}
