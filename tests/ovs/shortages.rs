//! What runs out: places in a table that makes room by itself, and room on the disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::expectation::rules;
use crate::installs::{cookie, flow_rules, install_applied};
use crate::support::{Client, Daemon, Lab, Ovs, eventually, have, have_root, within};

/// Flows that there is no room for on a full disk.
const MANY: usize = 20_000;

/// Flows that are there before.
const SOME: usize = 50;

#[test]
fn a_flow_that_open_vswitch_evicts_is_put_back_three_times_and_then_held() {
    let Some((lab, mut client)) = Lab::with_one_node() else { return };
    // The table-miss rule and one more. Open vSwitch evicts only what ends by itself some day.
    lab.ovs.limit_tables("s1", 1, 2, "evict");
    let request = json!({"flow_id": "f", "source": "10.0.0.1", "destination": "any", "traffic_type": "voice",
                         "hard_timeout": 600});
    let expected = install_applied(&mut client, &request, &["s1"]);
    for repair in 1..=3 {
        lab.ovs.add_foreign_flow("s1", &format!("priority={repair},udp,hard_timeout=500,actions=drop"));
        within(10, "the flow to be back", || (flow_rules(&lab.ovs, "s1") == expected).then_some(()));
        client.wait_for_flow("f", "applied", 10);
    }
    lab.ovs.add_foreign_flow("s1", "priority=9,udp,hard_timeout=500,actions=drop");
    let flow = client.wait_for_flow("f", "drifted", 10);
    assert_eq!(flow["nodes"][0]["reason"], "evicted", "{flow}");
    assert_eq!(lab.ovs.rules_of_priority("s1", 9).len(), 1, "their rule is left alone");
}

fn request(number: usize) -> Value {
    json!({"flow_id": format!("f-{number}"), "source": format!("10.9.{}.{}", number / 256, number % 256),
           "destination": "10.0.0.2", "traffic_type": "bulk"})
}

/// Takes all the room that there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
}

/// Asks for flows until the disk has no room for one more; how many there are then.
fn install_until_full(client: &mut Client) -> usize {
    for number in SOME..MANY {
        let answer = client.ask("InstallFlow", request(number));
        if answer["type"] == "Error" {
            assert_eq!(answer["error"]["code"], "unavailable", "{answer}");
            return number;
        }
        assert_eq!(answer["payload"]["flow"]["state"], "applied", "{answer}");
    }
    panic!("the disk takes {MANY} flows");
}

#[test]
fn a_disk_without_room_refuses_what_is_new_and_loses_nothing_that_was_acknowledged() {
    if !have_root() || !have(&["unshare", "nsenter", "mount"]) {
        return;
    }
    let Some(ovs) = Ovs::start() else { return };
    let mut lab = Lab { ovs, daemon: Daemon::start_on_small_disk(24) };
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    (0..SOME).for_each(|number| assert_eq!(client.install(&request(number))["state"], "applied"));
    let filler = lab.daemon.beside_the_store("filler");
    fill(&filler);
    let acknowledged = install_until_full(&mut client);
    let expected = |client: &mut Client, count: usize| -> BTreeSet<_> {
        (0..count)
            .flat_map(|number| {
                let flow = client.flow(&format!("f-{number}"));
                assert_eq!(flow["state"], "applied", "{flow}");
                rules(&request(number), cookie(&flow["nodes"][0]))
            })
            .collect()
    };
    // The one that was refused leaves the switch, unless only its verdict found no room.
    let mut before = expected(&mut client, acknowledged);
    let has_settled = eventually(10, || {
        let refused = client.ask("GetFlow", json!({"flow_id": format!("f-{acknowledged}")}));
        if refused["type"] == "Reply" {
            before.extend(rules(&request(acknowledged), cookie(&refused["payload"]["flow"]["nodes"][0])));
        }
        (flow_rules(&lab.ovs, "s1") == before).then_some(())
    });
    assert!(has_settled.is_some(), "{:?} is not {before:?}", flow_rules(&lab.ovs, "s1"));
    // Without room, what is there is repaired all the same.
    lab.ovs.delete_flows("s1", "ip");
    within(10, "the rules to be back", || (flow_rules(&lab.ovs, "s1") == before).then_some(()));
    std::fs::remove_file(&filler).unwrap();
    within(10, "the refused flow to be taken", || {
        (client.ask("InstallFlow", request(acknowledged))["type"] == "Reply").then_some(())
    });
    let after = expected(&mut client, acknowledged + 1);
    lab.daemon.kill_and_restart();
    let mut client = lab.daemon.client();
    client.wait_for_node("s1", "connected", 15);
    assert_eq!(expected(&mut client, acknowledged + 1), after);
    assert_eq!(flow_rules(&lab.ovs, "s1"), after);
}
