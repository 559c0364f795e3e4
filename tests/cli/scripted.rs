//! The binary against a daemon that says exactly what the test wants it to say.

use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::binary::{Ended, compare_with_golden, flumen, run};

/// Serves one connection: answers the first request with `answer`, in which `ID` stands for the request's id.
/// `None` hangs up instead.
fn daemon(answer: Option<&str>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.map(str::to_owned);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, answer));
    });
    address
}

async fn serve(listener: std::net::TcpListener, answer: Option<String>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    #[expect(clippy::result_large_err, reason = "the signature is the WebSocket engine's")]
    let agree = |_: &Request, mut response: Response| {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("flumen.v1.json"));
        Ok::<_, ErrorResponse>(response)
    };
    let mut socket = accept_hdr_async(socket, agree).await.unwrap();
    let request = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let Some(answer) = answer else { return };
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    socket.send(Message::text(answer.replace("ID", request["id"].as_str().unwrap()))).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
}

fn reply(command: &str, payload: &str) -> String {
    format!(
        r#"{{"type":"Reply","id":"ID","command":"{command}","payload":{payload},"timestamp":"2026-11-21T02:30:00.123456Z"}}"#
    )
}

fn ask(arguments: &[&str], answer: Option<&str>) -> Ended {
    let url = format!("ws://{}", daemon(answer));
    run(flumen(arguments.iter().copied()).env("FLUMEN_URL", url))
}

#[test]
fn json_is_the_payload_byte_for_byte() {
    let payload = r#"{ "nodes" : [] ,  "later": 1.50 }"#;
    let ended = ask(&["--json", "node", "list"], Some(&reply("ListNodes", payload))).with(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (format!("{payload}\n").as_str(), ""));
}

#[test]
fn the_daemons_error_ends_with_1_in_its_own_words() {
    let error = r#"{"code":"overloaded","message":"come back later"}"#;
    let answer = format!(r#"{{"type":"Error","id":"ID","error":{error},"timestamp":"2026-11-21T02:30:00.123456Z"}}"#);
    let ended = ask(&["node", "list"], Some(&answer)).with(1);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", "error: come back later\n"));
}

#[test]
fn an_outcome_that_is_not_known_ends_with_1() {
    let ended = ask(&["--retries", "0", "flow", "remove", "voice"], None).with(1);
    assert!(ended.stderr.contains("the connection was lost before the answer came"), "{}", ended.stderr);
    assert!(ended.stderr.contains("the outcome is not known"), "{}", ended.stderr);
}

#[test]
fn an_answer_that_is_not_understood_ends_with_1() {
    let ended = ask(&["node", "list"], Some(&reply("ListNodes", r#"{"switches":[]}"#))).with(1);
    assert!(ended.stderr.contains("not one that this flumen understands"), "{}", ended.stderr);
}

/// The Reply to `InstallFlow` for a flow on one node in this state.
fn flow_in(state: &str) -> String {
    let flow = format!(
        r#""flow_id":"f","state":"{state}","source":"10.0.0.1","destination":"any","traffic_type":"voice","priority":1,
           "forward":"normal","bidirectional":false,"idle_timeout":0,"hard_timeout":0,"warnings":[]"#
    );
    let node = format!(
        r#"{{"node":"s1","datapath_id":null,"state":"{state}","cookie":null,"table":0,"rules":1,"error":null,
            "applied_at":null,"verified_at":null}}"#
    );
    reply("InstallFlow", &format!(r#"{{"flow":{{{flow},"nodes":[{node}]}}}}"#))
}

#[test]
fn the_exit_code_of_an_install_is_whether_what_was_asked_for_is_so() {
    let install = ["flow", "install", "--source", "10.0.0.1", "--destination", "any", "--traffic-type", "voice"];
    for (options, state, code) in [
        (&[][..], "applied", 0),
        (&[], "accepted", 1),
        (&[], "rejected", 1),
        (&[], "unknown", 1),
        (&[], "drifted", 1),
        (&[], "expired", 1),
        (&["--wait", "accepted"], "accepted", 0),
        (&["--wait", "accepted"], "applied", 0),
        (&["--wait", "accepted"], "rejected", 1),
        (&["--wait", "accepted"], "unknown", 1),
        (&["--dry-run"], "planned", 0),
        (&["--dry-run"], "applied", 1),
    ] {
        let ended = ask(&[&install[..], options].concat(), Some(&flow_in(state)));
        assert_eq!(ended.code, code, "{options:?} {state}");
        assert_eq!(ended.stderr.is_empty(), code == 0, "{options:?} {state}: {}", ended.stderr);
        assert!(ended.stdout.contains(state), "{options:?} {state}");
    }
}

#[test]
fn an_id_that_is_used_up_is_told_with_what_to_do_about_it() {
    let install = ["flow", "install", "--source", "10.0.0.1", "--destination", "any", "--traffic-type", "voice"];
    for state in ["removed", "expired", "superseded"] {
        let ended = ask(&install, Some(&flow_in(state))).with(1);
        assert!(ended.stderr.contains(state) && ended.stderr.contains("use another --flow-id"), "{}", ended.stderr);
    }
}

#[test]
fn a_dry_run_tells_what_would_be_in_the_way() {
    let install = ["flow", "install", "--source", "10.0.0.1", "--destination", "any", "--traffic-type", "voice"];
    let error = r#""error":{"type":"FLUMEN","code":"CONFLICT","message":"flow g has the same match"}"#;
    let answer = flow_in("planned").replace(r#""error":null"#, error);
    let ended = ask(&[&install[..], &["--dry-run"]].concat(), Some(&answer)).with(0);
    assert!(ended.stderr.contains("flow g has the same match"), "{}", ended.stderr);
}

#[test]
fn the_exit_code_of_a_removal_is_whether_it_is_off_the_switch() {
    for (state, code) in [("removed", 0), ("expired", 0), ("superseded", 0), ("removing", 1), ("unknown", 1)] {
        assert_eq!(ask(&["flow", "remove", "f"], Some(&flow_in(state))).code, code, "{state}");
        let summary = reply("RemoveFlows", &format!(r#"{{"summary":{{"{state}":2}}}}"#));
        assert_eq!(ask(&["flow", "remove", "--all"], Some(&summary)).code, code, "{state}");
    }
}

const NODE: &str = r#"{"name":"edge-1","kind":"openflow","datapath_id":"00000000000000a1","address":"tcp:192.0.2.7:6653",
    "ovsdb":null,"labels":{"rack":"7","site":"lab"},"state":"connected","manufacturer":"Nicira, Inc.",
    "hardware":"Open vSwitch","software":"3.1.0","tables":254,"ports":[
    {"number":1,"name":"eth1","up":true,"speed_kbps":10000000},{"number":2,"name":"eth2","up":false,"speed_kbps":0}],
    "capabilities":{"meters":true,"bands":["drop"],"queues":true,"bundles":true,"flow_monitor":false},
    "connected_since":"2026-11-21T02:30:00.123456Z","flows":{"applied":3,"rejected":1},
    "warnings":["table 0 has a table-miss rule of somebody else"]}"#;

const FLOW: &str = r#"{"flow_id":"sip","state":"rejected","source":"2001:db8:1::/64","destination":"2001:db8:2::9",
    "traffic_type":"signaling","priority":40000,"protocol":"udp","destination_port":"5060-5063","dscp":40,"queue":5,
    "rate_limit":{"rate_kbps":5000,"burst_kb":500},"forward":{"table":1},"bidirectional":true,"idle_timeout":300,
    "hard_timeout":0,"packets":12,"bytes":3456,"warnings":[],"nodes":[
    {"node":"edge-1","datapath_id":"00000000000000a1","state":"applied","cookie":"0x00010000000000ff","table":0,"rules":2,
    "error":null,"applied_at":"2026-11-21T02:30:00.123456Z","verified_at":null},
    {"node":"edge-2","datapath_id":"00000000000000a2","state":"rejected","cookie":"0x00010000000000ff","table":0,"rules":2,
    "error":{"type":"FLOW_MOD_FAILED","code":"TABLE_FULL","message":"the table is full"},"applied_at":null,
    "verified_at":null}]}"#;

const QUEUES: &str = r#"{"node":"edge-1","port":"eth1","number":1,"state":"accepted","max_rate_kbps":10000,"queues":[
    {"queue":0},{"queue":6,"min_rate_kbps":2000,"max_rate_kbps":5500,"priority":1,"burst_kb":64}],
    "warnings":["the switch has not said in time that it has taken the change: is ovs-vswitchd running?"]}"#;

#[test]
fn what_people_see_is_as_it_was_agreed() {
    for (name, line, payload) in [
        ("node-show.out", "node show edge-1", format!(r#"{{"node":{NODE}}}"#)),
        ("node-list.out", "node list", format!(r#"{{"nodes":[{NODE}]}}"#)),
        ("flow-show.out", "flow show sip", format!(r#"{{"flow":{FLOW}}}"#)),
        ("flow-list.out", "flow list", format!(r#"{{"flows":[{FLOW}],"next_cursor":null}}"#)),
    ] {
        let line: Vec<&str> = line.split_whitespace().collect();
        let ended = ask(&line, Some(&reply("Whatever", &payload))).with(0);
        assert_eq!(ended.stderr, "", "{name}");
        compare_with_golden(name, &ended.stdout);
    }
}

#[test]
fn queues_are_shown_and_their_exit_code_is_whether_the_switch_has_taken_them() {
    let set = ["queues", "set", "edge-1", "eth1", "--queue", "6"];
    let ended = ask(&set, Some(&reply("SetQueues", QUEUES))).with(1);
    assert!(ended.stderr.contains("the queues of eth1 are accepted"), "{}", ended.stderr);
    compare_with_golden("queues-set.out", &ended.stdout);
    ask(&set, Some(&reply("SetQueues", &QUEUES.replace("accepted", "applied")))).with(0);
    let none = r#"{"node":"edge-1","port":"eth1","number":null,"state":"applied","max_rate_kbps":null,"queues":[]}"#;
    let ended = ask(&["queues", "remove", "edge-1", "eth1"], Some(&reply("SetQueues", none))).with(0);
    assert_eq!(ended.stdout, "no queues on eth1\n");
}

#[test]
fn the_queues_of_a_node_are_shown_with_their_ports() {
    let queues =
        r#""speed_kbps":10000000,"max_rate_kbps":9000,"queues_state":"foreign","queues":[{"queue":0},{"queue":3}]"#;
    let node = NODE.replacen(r#""speed_kbps":10000000"#, queues, 1);
    let node = node.replace(r#""speed_kbps":0"#, r#""speed_kbps":0,"queues":[]"#);
    let show = ["queues", "show", "edge-1"];
    let ended = ask(&show, Some(&reply("GetNode", &format!(r#"{{"node":{node}}}"#)))).with(0);
    compare_with_golden("queues-show.out", &ended.stdout);
    let ended = ask(&["node", "show", "edge-1"], Some(&reply("GetNode", &format!(r#"{{"node":{node}}}"#)))).with(0);
    assert!(ended.stdout.contains("10 Gbit/s  0, 3"), "{}", ended.stdout);
    let ended = ask(&show, Some(&reply("GetNode", &format!(r#"{{"node":{NODE}}}"#)))).with(0);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("--ovsdb"), "{}", ended.stderr);
}

#[test]
fn a_reader_who_goes_away_changes_no_verdict() {
    for (state, code) in [("applied", 0), ("rejected", 1)] {
        let url = format!("ws://{}", daemon(Some(&flow_in(state))));
        let line = "flow install --source 10.0.0.1 --destination any --traffic-type voice";
        let mut child = flumen(line.split_whitespace());
        let mut child = child.env("FLUMEN_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{state}");
        assert!(!String::from_utf8_lossy(&ended.stderr).contains("pipe"), "{state}");
    }
}

#[test]
fn looking_at_a_rejected_flow_is_not_a_failure() {
    ask(&["flow", "show", "f"], Some(&flow_in("rejected"))).with(0);
}

#[test]
fn nothing_that_a_daemon_says_controls_the_terminal() {
    let evil = flow_in("applied").replace(r#""flow_id":"f""#, r#""flow_id":"\u001b[2Jf\r""#);
    let ended = ask(&["flow", "show", "f"], Some(&evil)).with(0);
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stdout.contains('\r'), "{:?}", ended.stdout);
    assert!(ended.stdout.contains(r"\u{1b}[2Jf\r"), "{:?}", ended.stdout);
}

#[test]
fn colours_come_only_when_asked_for() {
    let plain = ask(&["flow", "show", "f"], Some(&flow_in("rejected"))).with(0).stdout;
    assert!(!plain.contains('\u{1b}'));
    let coloured = ask(&["--color", "always", "flow", "show", "f"], Some(&flow_in("rejected"))).with(0).stdout;
    assert!(
        coloured.contains("\u{1b}[31mrejected") || coloured.contains("\u{1b}[1m\u{1b}[31mrejected"),
        "{coloured:?}"
    );
}
