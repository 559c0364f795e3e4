//! Flows print as `ovs-ofctl` prints them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use bytes::{Bytes, BytesMut};
use openflow::{FlowMod, FlowStats, Message};

/// Hexadecimal digits, two a byte.
fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The flow mods that Open vSwitch made, and its text for them.
fn flow_mods() -> Vec<(Bytes, FlowMod, &'static str)> {
    let lines = include_str!("vectors/flow_mod_text.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (bytes, text) = line.split_once('\t').unwrap();
            let frame = hex(bytes);
            match Message::decode(&frame) {
                Ok((_, Message::FlowMod(flow_mod))) => (frame, flow_mod, text),
                other => panic!("{text}: {other:?}"),
            }
        })
        .collect()
}

#[test]
fn a_flow_mod_of_open_vswitch_prints_as_open_vswitch_prints_it() {
    for (_, flow_mod, text) in flow_mods() {
        assert_eq!(flow_mod.to_string(), text);
    }
}

#[test]
fn a_flow_mod_of_open_vswitch_is_encoded_to_the_same_bytes() {
    for (frame, flow_mod, text) in flow_mods() {
        let (xid, _) = Message::decode(&frame).unwrap();
        let mut out = BytesMut::new();
        Message::FlowMod(flow_mod).encode(xid, &mut out).unwrap();
        assert_eq!(out, frame, "{text}");
    }
}

#[test]
fn no_strict_prefix_of_a_flow_mod_decodes() {
    for (frame, _, text) in flow_mods() {
        for length in 0..frame.len() {
            let mut prefix = BytesMut::from(&frame[..length]);
            if let Some(slot) = prefix.get_mut(2..4) {
                slot.copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            match Message::decode(&prefix.freeze()) {
                Err(_) => {}
                // A FLOW_MOD may have any number of instructions: cut between two of them it is another FLOW_MOD.
                Ok((_, Message::FlowMod(shorter))) => {
                    let (_, Message::FlowMod(whole)) = Message::decode(&frame).unwrap() else { unreachable!() };
                    assert!(whole.instructions.starts_with(&shorter.instructions), "{text} cut at {length}");
                }
                Ok(other) => panic!("{text} cut at {length} is {other:?}"),
            }
        }
    }
}

#[test]
fn a_flow_entry_prints_as_a_line_of_dump_flows() {
    let (_, flow_mod, _) = flow_mods().swap_remove(2);
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
