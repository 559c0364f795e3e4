//! `flumen decode`: what people and programs see of hex, of a file of messages and of a packet capture.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use openflow::Hex;
use serde_json::Value;

use crate::binary::{Ended, compare_with_golden, flumen, run};

const ECHO: &[u8] = b"\x04\x02\x00\x0c\x00\x00\x00\x2aping";
const BARRIER: &[u8] = b"\x04\x14\x00\x08\x00\x00\x00\x2b";

/// A session of this program with Open vSwitch 3.1.0, captured by tcpdump on the loopback interface.
const SESSION: &str = "tests/cli/captures/session.pcap";

/// Runs `flumen decode` with these bytes in a file.
fn decode(arguments: &[&str], input: &[u8]) -> Ended {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    let arguments = ["decode"].into_iter().chain(arguments.iter().copied());
    run(flumen(arguments).stdin(fs::File::open(file.path()).unwrap()))
}

/// The messages of the codec's vectors, which are of every type there is.
fn vectors() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("openflow/tests/vectors");
    let mut lines = String::new();
    for file in ["osken.hex", "ovs.hex", "spec.hex"] {
        let text = fs::read_to_string(directory.join(file)).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            lines.push_str(line.split_once(' ').unwrap().1);
            lines.push('\n');
        }
    }
    lines
}

#[test]
fn hex_is_shown_message_by_message() {
    let ended = decode(&[], b"# a comment\n\n04 02 000c 0000002a 70696e67\r\n041400080000002B").with(0);
    let expected =
        "OFPT_ECHO_REQUEST (OF1.3) (xid=0x2a): 4 bytes of payload\nOFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):\n";
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (expected, ""));
}

#[test]
fn hex_may_begin_with_0x_and_what_is_wrong_keeps_its_place() {
    let ended = decode(&[], b"0x0402000c0000002a70696e67\n 0X 041400080000002b\n0x04zz\n040x\n").with(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "OFPT_ECHO_REQUEST (OF1.3) (xid=0x2a): 4 bytes of payload",
            "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):",
            "line 3: not hex: at byte 4: not a hexadecimal digit",
            "line 4: not hex: at byte 3: not a hexadecimal digit",
        ]
    );
}

#[test]
fn a_line_without_end_is_passed_over_and_not_kept() {
    let long = vec![b'0'; (1 << 20) + 1];
    let ended = decode(&[], &[&long, &b"\n#"[..], &long, b"\n", Hex(BARRIER).to_string().as_bytes()].concat()).with(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines, ["line 1: the line is longer than 1048576 bytes", "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):"]);
    let fits = format!("{}{}\n", Hex(BARRIER), " ".repeat((1 << 20) - 17));
    assert_eq!(decode(&[], fits.as_bytes()).with(0).stdout, "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):\n");
}

#[test]
fn a_hello_is_shown_with_its_own_version() {
    let hello = b"060000100000000100010008000000 52
0100000800000002
";
    let shown = decode(&[], hello).with(0).stdout;
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("OFPT")).collect();
    assert_eq!(lines, ["OFPT_HELLO (OF1.5) (xid=0x1):", "OFPT_HELLO (OF1.0) (xid=0x2):"]);
}

#[test]
fn messages_are_shown_alike_from_hex_and_from_their_bytes() {
    let bytes = [ECHO, BARRIER].concat();
    let from_bytes = decode(&[], &bytes).with(0);
    let from_hex = decode(&[], format!("{}\n{}\n", Hex(ECHO), Hex(BARRIER)).as_bytes()).with(0);
    assert_eq!(from_bytes.stdout, from_hex.stdout);
    assert_eq!(decode(&[], Hex(&bytes).to_string().as_bytes()).with(0).stdout, from_hex.stdout, "both on one line");
}

#[test]
fn what_is_no_message_is_told_with_its_place_and_the_rest_goes_on() {
    let ended = decode(&[], b"0402000c0000002a70696e67\n04zz\n04020009\n0463000800000001\n041400080000002b\n").with(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "OFPT_ECHO_REQUEST (OF1.3) (xid=0x2a): 4 bytes of payload",
            "line 2: not hex: at byte 2: not a hexadecimal digit",
            "line 3: it ends inside a message: 4 of 8 bytes are there",
            "line 4: not a message: BAD_REQUEST/BAD_TYPE: the type of the message is not supported in message, 0 bytes \
             before the end",
            "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):",
        ]
    );
    assert_eq!(ended.stderr, "error: 3 of 5 could not be decoded\n");
}

#[test]
fn in_a_file_of_messages_decoding_goes_on_where_messages_begin_again() {
    let bytes = [ECHO, b"no message at all", BARRIER, &ECHO[..5]].concat();
    let ended = decode(&[], &bytes).with(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines[1..],
        [
            "byte 12: no header of a message: 17 bytes skipped to the next that can be one",
            "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):",
            "byte 37: it ends inside a message: 5 of 8 bytes are there",
        ]
    );
}

#[test]
fn a_capture_is_shown_with_time_direction_and_ends() {
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join(SESSION);
    let ended = run(&mut flumen(["decode", session.to_str().unwrap()])).with(0);
    compare_with_golden("decode-session.out", &ended.stdout);
    let json = run(&mut flumen(["decode", "--json", session.to_str().unwrap()])).with(0).stdout;
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["type"], "HELLO");
    assert_eq!(first["destination"], "127.0.0.1:6653");
    let tail = fs::read(&session).unwrap();
    let torn = decode(&[], &tail[..tail.len() - 1]).with(1);
    assert!(torn.stdout.ends_with("the capture breaks off: the capture ends inside a packet\n"), "{}", torn.stdout);
}

#[test]
fn every_message_there_is_has_its_json() {
    let ended = decode(&["--json"], vectors().as_bytes()).with(0);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Errors differ in their names alone, and the tables of a switch are long.
    let is_error = |line: &&str| line.contains(r#""type":"ERROR","message""#);
    let other = ended.stdout.lines().filter(|line| !is_error(line) && line.len() < 10_000);
    let golden = other.chain(ended.stdout.lines().find(is_error));
    compare_with_golden("decode.json", &(golden.collect::<Vec<_>>().join("\n") + "\n"));
    let mut types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), 30, "{types:?}");
}

#[test]
fn json_tells_what_is_wrong_too() {
    let ended = decode(&["--json"], b"0401\n040e000a000000010000\n").with(1);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[1]["line"]), (&1.into(), &2.into()));
    assert_eq!(lines[0]["error"]["message"], "it ends inside a message: 2 of 8 bytes are there");
    assert_eq!(lines[1]["error"]["structure"], "ofp_flow_mod");
    assert_eq!((&lines[1]["error"]["type"], &lines[1]["error"]["code"]), (&"BAD_REQUEST".into(), &"BAD_LEN".into()));
}

#[test]
fn messages_are_counted_by_type() {
    let lines = [ECHO, BARRIER, ECHO].map(|message| Hex(message).to_string()).join("\n") + "\n00\n";
    let ended = decode(&["--count"], lines.as_bytes()).with(1);
    let expected =
        "           2  ECHO_REQUEST\n           1  BARRIER_REQUEST\n           1  not decoded\n           4  in all\n";
    assert_eq!(ended.stdout, expected);
    assert_eq!(ended.stderr, "error: line 4: it ends inside a message: 1 of 8 bytes are there\n");
    let json = decode(&["--count", "--json"], lines.as_bytes()).with(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "decoded": 3, "undecodable": 1, "types": { "BARRIER_REQUEST": 1, "ECHO_REQUEST": 2 },
    });
    assert_eq!(json, expected);
}

#[test]
fn counting_tells_the_first_of_what_is_wrong_and_counts_the_others() {
    let ended = decode(&["--count"], "00\n".repeat(1000).as_bytes()).with(1);
    assert_eq!(ended.stderr.lines().count(), 10);
    assert!(ended.stdout.contains("1000  not decoded"));
}

#[test]
fn an_empty_input_has_no_messages_and_says_so() {
    let ended = decode(&[], b"").with(0);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", "standard input is empty: there is nothing to decode\n")
    );
}

#[test]
fn an_input_that_is_something_else_is_wrong_usage() {
    let ended = decode(&[], b"\x7fELF").with(2);
    assert_eq!(
        ended.stderr,
        "error: standard input is neither hex, nor OpenFlow messages, nor a packet capture: it begins with \"\\x7fELF\"\n\
         hint: if it is, say so with --form hex, messages or capture\n"
    );
    let ended = run(&mut flumen(["decode", "/does/not/exist"])).with(2);
    assert!(ended.stderr.starts_with("error: cannot open /does/not/exist: No such file"), "{}", ended.stderr);
    assert_eq!(
        decode(&["--form", "capture"], b"0402").with(1).stdout,
        "byte 0: the capture breaks off: neither pcap nor pcapng begins like this\n"
    );
}

#[test]
fn a_person_who_types_is_answered_line_by_line() {
    let mut command = flumen(["decode", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    for message in [ECHO, BARRIER, ECHO] {
        writeln!(stdin, "{}", Hex(message)).unwrap();
        assert!(stdout.next().unwrap().unwrap().starts_with("OFPT_"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_who_has_seen_enough_ends_an_input_without_end() {
    let mut endless = Command::new("yes").arg(Hex(BARRIER).to_string()).stdout(Stdio::piped()).spawn().unwrap();
    let mut child = flumen(["decode"]).stdin(endless.stdout.take().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(first, "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x2b):");
    assert!(child.wait().unwrap().success());
    endless.wait().unwrap();
}
