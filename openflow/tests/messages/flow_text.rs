//! Flows print as `ovs-ofctl` prints them.

use bytes::{Bytes, BytesMut};
use openflow::{FlowMod, FlowStats, Match, Message, SwitchConfig, TableId, parse_hex};

/// A flow mod that Open vSwitch made.
struct Vector {
    frame: Bytes,
    flow_mod: FlowMod,
    /// What Open vSwitch prints for it.
    printed: &'static str,
    /// What was typed to make it.
    typed: &'static str,
}

fn vectors() -> Vec<Vector> {
    let lines = include_str!("../vectors/flow_mod_text.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [bytes, printed, typed] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let frame = parse_hex(bytes).unwrap();
            match Message::decode(&frame) {
                Ok((_, Message::FlowMod(flow_mod))) => Vector { frame, flow_mod, printed, typed },
                other => panic!("{printed}: {other:?}"),
            }
        })
        .collect()
}

#[test]
fn a_flow_mod_of_open_vswitch_prints_as_open_vswitch_prints_it() {
    for Vector { flow_mod, printed, .. } in vectors() {
        assert_eq!(flow_mod.to_string(), printed);
    }
}

#[test]
fn a_flow_mod_of_open_vswitch_is_encoded_to_the_same_bytes() {
    for Vector { frame, flow_mod, printed, .. } in vectors() {
        let (xid, _) = Message::decode(&frame).unwrap();
        let mut out = BytesMut::new();
        Message::FlowMod(flow_mod).encode(xid, &mut out).unwrap();
        assert_eq!(out, frame, "{printed}");
    }
}

#[test]
fn what_is_printed_reads_back() {
    for Vector { flow_mod, printed, .. } in vectors() {
        assert_eq!(printed.parse::<FlowMod>().map_err(|error| error.to_string()), Ok(flow_mod), "{printed}");
    }
}

#[test]
fn what_is_typed_means_what_open_vswitch_makes_of_it() {
    for Vector { flow_mod, typed, .. } in vectors() {
        assert_eq!(typed.parse::<FlowMod>().map_err(|error| error.to_string()), Ok(flow_mod), "{typed}");
    }
}

#[test]
fn a_line_of_dump_flows_reads_as_the_flow_that_it_shows() {
    let line = " cookie=0x1, duration=5.1s, table=2, n_packets=7, n_bytes=8, idle_timeout=9, idle_age=3, \
                send_flow_rem priority=100,ip,nw_src=10.0.0.0/24 actions=NORMAL";
    let flow: FlowMod = line.parse().unwrap();
    assert_eq!(
        flow.to_string(),
        "ADD table:2 priority=100,ip,nw_src=10.0.0.0/24 cookie:0x1 idle:9 send_flow_rem actions=NORMAL"
    );
}

#[test]
fn a_flow_without_a_table_is_of_the_first_and_a_delete_that_is_built_of_all() {
    for command in ["", "MOD ", "MOD_STRICT ", "DEL ", "DEL_STRICT "] {
        let flow: FlowMod = format!("{command}actions=drop").parse().unwrap();
        assert_eq!(flow.table_id, TableId(0), "{command}");
    }
    let built = [FlowMod::add(), FlowMod::modify(), FlowMod::modify_strict(), FlowMod::delete_strict()];
    assert!(built.iter().all(|flow| flow.table_id == TableId(0)));
    assert_eq!(FlowMod::delete().table_id, TableId::ALL);
}

#[test]
fn actions_are_applied_with_and_without_the_word() {
    let [named, plain] = ["apply_actions(set_queue:1,NORMAL)", "set_queue:1,NORMAL"]
        .map(|actions| format!("table=1,ip,actions={actions}").parse::<FlowMod>().unwrap());
    assert_eq!(named, plain);
}

#[test]
fn dl_vlan_says_no_tag_with_all_ones() {
    let none: FlowMod = "dl_vlan=0xffff,actions=drop".parse().unwrap();
    assert_eq!(none.flow_match, Match::builder().vlan_none().build().unwrap());
    let five: FlowMod = "dl_vlan=5,actions=drop".parse().unwrap();
    assert_eq!(five.flow_match, Match::builder().vlan_vid(5).build().unwrap());
    assert!("dl_vlan=4096,actions=drop".parse::<FlowMod>().is_err());
}

#[test]
fn what_a_switch_does_with_fragments_has_a_word() {
    for (flags, text) in [(0, "frags=normal"), (1, "frags=drop"), (2, "frags=reassemble"), (3, "flags=0x3")] {
        let config = SwitchConfig { flags, miss_send_len: 128 };
        assert_eq!(config.to_string(), format!("{text} miss_send_len=128"));
    }
}

#[test]
fn text_that_is_no_flow_is_refused_where_it_is_wrong() {
    for (text, expected) in [
        ("priority=100,ip", "at byte 0: `actions=` is missing"),
        ("priority=70000,actions=drop", "at byte 9: not a value of this word"),
        ("priority=-1,actions=drop", "at byte 9: not a value of this word"),
        ("foo=1,actions=drop", "at byte 0: neither a field nor a setting of a flow"),
        ("ip,foo,actions=drop", "at byte 3: neither a field nor a setting of a flow"),
        ("ip,tp_dst=80,actions=drop", "at byte 10: the protocol must be named first"),
        ("ip,nw_src=10.0.0.1/24,actions=drop", "at byte 10: the value has bits outside its mask"),
        ("ip,nw_src=10.0.0.0/33,actions=drop", "at byte 19: not a value of this word"),
        ("nw_src=10.0.0.0,actions=drop", "at byte 0: ipv4_src asks for eth_type 0x0800"),
        ("ip,ip,actions=drop", "at byte 0: eth_type stands twice"),
        ("actions=fly", "at byte 8: not an action"),
        ("actions=drop,output:1", "at byte 8: `drop` stands alone or not at all"),
        ("actions=output:", "at byte 15: not a value of this word"),
        ("actions=write_actions(output:1", "at byte 8: the parentheses do not match"),
        ("actions=output:1)", "at byte 16: the parentheses do not match"),
        ("actions=meter:1,meter:2", "at byte 16: this instruction cannot stand here"),
        ("actions=write_actions(meter:1)", "at byte 22: not an action"),
        ("actions=set_field:64->ip_dscp", "at byte 18: ip_dscp has 6 bits, the value has more"),
        ("actions=set_field:1->in_port", "at byte 18: in_port cannot be set, or not under a mask"),
        ("actions=set_field:10.0.0.0/8->ip_src", "at byte 18: no mask is possible here"),
        ("dl_vlan=1,dl_vlan=2,actions=drop", "at byte 10: an earlier word says something else of the VLAN tag"),
        (
            "dl_vlan=0xffff,dl_vlan_pcp=3,actions=drop",
            "at byte 15: an earlier word says something else of the VLAN tag",
        ),
        ("vlan_tci=0x2000/0x2000,actions=drop", "at byte 0: no mask is possible here"),
        ("vlan_tci=0x6000/0xe000,actions=drop", "at byte 0: vlan_pcp asks for vlan_vid with a tag"),
    ] {
        let error = text.parse::<FlowMod>().expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn a_flow_entry_prints_as_a_line_of_dump_flows() {
    let Vector { flow_mod, .. } = vectors().swap_remove(2);
    let mut entry = FlowStats {
        table_id: flow_mod.table_id,
        duration_sec: 7,
        duration_nsec: 0,
        priority: flow_mod.priority,
        idle_timeout: 10,
        hard_timeout: 20,
        flags: openflow::FlowModFlags::SEND_FLOW_REM,
        cookie: 0xabc,
        packet_count: 3,
        byte_count: 300,
        flow_match: flow_mod.flow_match,
        instructions: flow_mod.instructions,
    };
    let rest = "table=0, n_packets=3, n_bytes=300, idle_timeout=10, hard_timeout=20, send_flow_rem \
                priority=100,ip,nw_src=10.0.0.0/24 actions=set_queue:1,NORMAL";
    for (duration_nsec, duration) in [(0, "7s"), (5_000_000, "7.005s"), (123_456_789, "7.123456789s")] {
        entry.duration_nsec = duration_nsec;
        assert_eq!(entry.to_string(), format!("cookie=0xabc, duration={duration}, {rest}"));
    }
}
