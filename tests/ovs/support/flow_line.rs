//! One line of `ovs-ofctl --no-stats --no-names dump-flows`, taken apart.

use std::collections::BTreeSet;

/// A rule as the switch has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) priority: u16,
    pub(crate) table: u8,
    pub(crate) cookie: u64,
    pub(crate) idle_timeout: u16,
    pub(crate) hard_timeout: u16,
    /// `send_flow_rem` and its like.
    pub(crate) flags: BTreeSet<String>,
    /// The match: `tcp`, `nw_src=10.0.0.0/24`, ...
    pub(crate) fields: BTreeSet<String>,
    /// In the switch's order.
    pub(crate) actions: Vec<String>,
}

impl Rule {
    /// Takes a line apart; `None` for the lines that hold no flow.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (head, actions) = line.trim().split_once("actions=")?;
        let mut rule = Self {
            priority: 32768,
            table: 0,
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: BTreeSet::new(),
            fields: BTreeSet::new(),
            actions: split_outside_parentheses(actions),
        };
        for word in head.split([',', ' ']).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("priority", value)) => rule.priority = value.parse().unwrap(),
                Some(("table", value)) => rule.table = value.parse().unwrap(),
                Some(("cookie", value)) => rule.cookie = hexadecimal(value),
                Some(("idle_timeout", value)) => rule.idle_timeout = value.parse().unwrap(),
                Some(("hard_timeout", value)) => rule.hard_timeout = value.parse().unwrap(),
                None if FLAGS.contains(&word) => drop(rule.flags.insert(word.to_owned())),
                _ => drop(rule.fields.insert(word.to_owned())),
            }
        }
        Some(rule)
    }
}

const FLAGS: [&str; 5] = ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"];

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).unwrap()
}

fn split_outside_parentheses(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts
}

#[test]
fn a_line_of_dump_flows_is_taken_apart() {
    let line = " cookie=0x12, table=3, idle_timeout=5, send_flow_rem priority=100,tcp,nw_src=10.0.0.0/24,\
                tp_dst=0x10/0xfff0 actions=set_field:46->ip_dscp,set_queue:6,resubmit(,1),NORMAL";
    let rule = Rule::parse(line).unwrap();
    assert_eq!((rule.cookie, rule.table, rule.priority, rule.idle_timeout), (0x12, 3, 100, 5));
    assert_eq!(rule.flags, BTreeSet::from(["send_flow_rem".to_owned()]));
    assert_eq!(rule.fields, ["tcp", "nw_src=10.0.0.0/24", "tp_dst=0x10/0xfff0"].map(str::to_owned).into());
    assert_eq!(rule.actions, ["set_field:46->ip_dscp", "set_queue:6", "resubmit(,1)", "NORMAL"]);
}

#[test]
fn a_line_without_actions_is_no_rule() {
    assert_eq!(Rule::parse("OFPST_FLOW reply (OF1.3) (xid=0x2):"), None);
}
