//! `flumen demo`: three flows asked for over WebSocket, one OpenFlow switch, and the switch's own verdicts.
//!
//! Nothing is acted: the daemon is the one of `flumen serve`, the switch dials it over TCP and answers by the
//! specification, the client is the one of every other subcommand. What is printed as FLOW_MOD is what the switch
//! received, and the last step compares the switch's table with what the daemon says of it.

mod page;
mod stage;

use std::time::{Duration, Instant};

use openflow::ErrorCode;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use self::page::Page;
use self::stage::{DATAPATH_ID, PATIENCE, PORTS, Stage, broken};
use super::exit::{Exit, Failure};
use super::output::{Output, Tone};
use super::view;
use crate::contract::{
    AddNode, Command, DatapathId, Endpoint, FlowId, FlowState, FlowView, Forward, GetNode, InstallFlow, ListFlows,
    NodeKind, NodeName, NodeState, NodeView, PortRange, Protocol, Reason, Reply,
};

/// A port that the switch does not have.
const MISSING_PORT: u32 = 77;
/// How often is looked whether the node is connected.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Runs the demonstration; done only if every verdict is as it should be.
pub(super) async fn run(output: &mut Output) -> Result<Exit, Failure> {
    let mut page = Page::new(output, "Flumen: ask for flows over WebSocket, hear what the OpenFlow switch said")?;
    let stage = Stage::set().await?;
    introduce(&stage, &mut page)?;
    add_node(&stage, &mut page).await?;
    let mut verdicts = Vec::new();
    for scene in scenes().map_err(|reason| broken(reason.to_string()))? {
        verdicts.push(play(scene, &stage, &mut page).await?);
    }
    let held = compare(&verdicts, &stage, &mut page).await?;
    stage.clear().await?;
    match held {
        Ok(()) => {
            page.end(Tone::Good, "As it should be: 2 flows applied, 1 rejected, and the switch's table agrees.")?;
            page.next("Next: 'flumen serve' in one terminal, 'flumen node add --help' in another.")?;
            Ok(Exit::Done)
        }
        Err(what) => Err(Failure::new(Exit::No, what)),
    }
}

fn introduce(stage: &Stage, page: &mut Page<'_>) -> Result<(), Failure> {
    page.step("A daemon and a switch, on loopback")?;
    page.entry("daemon", &stage.url.to_string())?;
    let (id, openflow) = (DATAPATH_ID, stage.listening.openflow);
    page.entry("switch", &format!("datapath id {id}, ports 1 to {PORTS}, dials {openflow}"))
}

/// Step: the node is added and comes up.
async fn add_node(stage: &Stage, page: &mut Page<'_>) -> Result<(), Failure> {
    page.step("Add the switch as a node")?;
    let name = node_name().map_err(|reason| broken(reason.to_string()))?;
    let command = Command::AddNode(AddNode {
        name: name.clone(),
        kind: NodeKind::default(),
        datapath_id: Some(DatapathId(DATAPATH_ID.0)),
        address: None,
        ovsdb: None,
        labels: Default::default(),
    });
    let started = Instant::now();
    let (text, _) = ask(stage, &command).await?;
    page.entry("request", &text)?;
    let node = timeout(PATIENCE, connected(stage, name)).await;
    let node = node.map_err(|_| broken("the switch did not connect in time"))??;
    for entry in stage.switch.journal() {
        page.entry("FLOW_MOD", &entry.text)?;
    }
    let verdict =
        format!("{} after {}: {} ports, {} tables", node.state, took(started), node.ports.len(), tables(&node));
    page.toned(Tone::Good, "verdict", &verdict)
}

async fn connected(stage: &Stage, name: NodeName) -> Result<NodeView, Failure> {
    let command = Command::GetNode(GetNode { name });
    loop {
        match ask(stage, &command).await?.1 {
            Reply::Node { node } if node.state == NodeState::Connected => return Ok(*node),
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

/// A flow that is asked for, and the verdict that it should get.
struct Scene {
    title: &'static str,
    request: InstallFlow,
    expected: Expected,
}

/// What the switch should say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Applied,
    /// With this error.
    Rejected(ErrorCode),
}

/// What became of a scene.
struct Verdict {
    expected: Expected,
    flow: FlowView,
    /// What the switch itself answered to the scene's FLOW_MODs: the errors among them.
    refusals: Vec<ErrorCode>,
}

fn scenes() -> Result<[Scene; 3], Reason> {
    let nodes = Some(vec![node_name()?]);
    let flow = |id: &str, source: &str, destination: &str, traffic_type: &str| -> Result<InstallFlow, Reason> {
        let (flow_id, nodes): (FlowId, _) = (id.parse()?, nodes.clone());
        let (source, destination): (Endpoint, Endpoint) = (source.parse()?, destination.parse()?);
        Ok(InstallFlow { flow_id: Some(flow_id), nodes, ..InstallFlow::new(source, destination, traffic_type) })
    };
    Ok([
        Scene {
            title: "Voice between two sites: marked EF, queue 6",
            request: InstallFlow {
                protocol: Some(Protocol::Udp),
                destination_port: Some(PortRange { first: 5_004, last: 5_007 }),
                ..flow("voice", "10.0.1.0/24", "10.0.2.0/24", "voice")?
            },
            expected: Expected::Applied,
        },
        Scene {
            title: "Video over IPv6, both ways: marked AF41, queue 4",
            request: InstallFlow { bidirectional: true, ..flow("video", "fd00:1::/64", "fd00:2::9", "video")? },
            expected: Expected::Applied,
        },
        Scene {
            title: "A backup out of port 77, which the switch does not have",
            request: InstallFlow { forward: Forward::Port(MISSING_PORT), ..flow("backup", "10.0.9.7", "any", "bulk")? },
            expected: Expected::Rejected(ErrorCode::BAD_ACTION_BAD_OUT_PORT),
        },
    ])
}

/// Step: one flow from the request to the verdict.
async fn play(scene: Scene, stage: &Stage, page: &mut Page<'_>) -> Result<Verdict, Failure> {
    page.step(scene.title)?;
    let before = stage.switch.journal().len();
    let started = Instant::now();
    let (text, reply) = ask(stage, &Command::InstallFlow(Box::new(scene.request))).await?;
    let took = took(started);
    let Reply::Flow { flow } = reply else { return Err(broken("the answer to InstallFlow is not a flow")) };
    page.entry("request", &text)?;
    let received: Vec<_> = stage.switch.journal().into_iter().skip(before).collect();
    for entry in &received {
        page.entry("FLOW_MOD", &entry.text)?;
    }
    let error = flow.nodes.iter().find_map(|node| node.error.as_ref());
    let verdict = match error {
        Some(error) => {
            format!("{} by the switch after {took}: {} {}: {}", flow.state, error.error_type, error.code, error.message)
        }
        None if flow.state == FlowState::Applied => {
            format!("{} after {took}: the switch's barrier reply, and no error", flow.state)
        }
        None => format!("{} after {took}", flow.state),
    };
    page.toned(view::tone(flow.state), "verdict", &verdict)?;
    let refusals = received.into_iter().filter_map(|entry| entry.refusal).collect();
    Ok(Verdict { expected: scene.expected, flow: *flow, refusals })
}

/// Last steps: the switch's table, the daemon's list, and whether they agree with each other and with the verdicts.
async fn compare(verdicts: &[Verdict], stage: &Stage, page: &mut Page<'_>) -> Result<Result<(), String>, Failure> {
    page.step("What is in the switch now")?;
    let table = stage.switch.flows();
    for flow in &table {
        page.entry("flow", &flow.to_string())?;
    }
    let cookies: Vec<u64> = table.iter().map(|flow| flow.cookie).collect();
    page.step("What the daemon says of it (ListFlows)")?;
    let (_, reply) = ask(stage, &Command::ListFlows(ListFlows::default())).await?;
    let Reply::Flows { flows, .. } = reply else { return Err(broken("the answer to ListFlows is not a list")) };
    let list = view::flows(&flows, page.output());
    page.table(&list)?;
    Ok(verdicts.iter().try_for_each(|verdict| check(verdict, &flows, &cookies)))
}

/// One verdict against what was expected, what the daemon lists and the cookies of the rules that the switch has.
fn check(verdict: &Verdict, listed: &[FlowView], cookies: &[u64]) -> Result<(), String> {
    let Verdict { expected, flow, refusals } = verdict;
    let (id, state) = (&flow.flow_id, flow.state);
    let [node] = flow.nodes.as_slice() else {
        return Err(format!("{id} is on {} nodes, not on one", flow.nodes.len()));
    };
    if !listed.iter().any(|other| other.flow_id == *id && other.state == state) {
        return Err(format!("{id} is not listed as {state}"));
    }
    let rules = cookies.iter().filter(|cookie| node.cookie == Some(format!("0x{cookie:016x}"))).count();
    let held = match (*expected, state, &node.error) {
        (Expected::Applied, FlowState::Applied, None) => {
            rules > 0 && rules == node.rules as usize && refusals.is_empty()
        }
        (Expected::Rejected(code), FlowState::Rejected, Some(error)) => {
            let named = (Some(error.error_type.as_str()), Some(error.code.as_str()));
            rules == 0 && refusals.contains(&code) && named == (code.type_name(), code.code_name())
        }
        _ => false,
    };
    if held {
        return Ok(());
    }
    Err(format!("{id} is {state} with {rules} rules in the switch, which is not as it should be"))
}

/// Asks the daemon; returns what was sent, too.
async fn ask(stage: &Stage, command: &Command) -> Result<(String, Reply), Failure> {
    let wrong = |error| broken(format!("{}: {error}", command.name()));
    let request = stage.client.send(command).await.map_err(wrong)?;
    let text = request.text().into_owned();
    let payload: Box<RawValue> = timeout(PATIENCE, request.answer())
        .await
        .map_err(|_| broken(format!("{}: no answer in time", command.name())))?
        .map_err(wrong)?;
    let reply = serde_json::from_str(payload.get()).map_err(|error| broken(format!("{}: {error}", command.name())))?;
    Ok((text, reply))
}

fn node_name() -> Result<NodeName, Reason> {
    "s1".parse()
}

fn tables(node: &NodeView) -> u8 {
    node.tables.unwrap_or_default()
}

fn took(started: Instant) -> String {
    format!("{:.1} ms", started.elapsed().as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COOKIE: u64 = 7;
    const BAD_OUT_PORT: Expected = Expected::Rejected(ErrorCode::BAD_ACTION_BAD_OUT_PORT);

    fn flow(state: &str, error: serde_json::Value) -> FlowView {
        let node = json!({
            "node": "s1", "datapath_id": null, "state": state, "cookie": format!("0x{COOKIE:016x}"), "table": 0,
            "rules": 1, "error": error, "applied_at": null, "verified_at": null
        });
        serde_json::from_value(json!({
            "flow_id": "f", "state": state, "source": "any", "destination": "any", "traffic_type": "voice",
            "priority": 1, "forward": "normal", "bidirectional": false, "idle_timeout": 0, "hard_timeout": 0,
            "nodes": [node]
        }))
        .unwrap()
    }

    fn applied() -> FlowView {
        flow("applied", json!(null))
    }

    fn rejected(code: &str) -> FlowView {
        flow("rejected", json!({ "type": "BAD_ACTION", "code": code, "message": "" }))
    }

    /// Whether the verdict holds with this many of the flow's rules in the switch.
    fn holds(expected: Expected, flow: FlowView, refusals: &[ErrorCode], listed: &[FlowView], rules: usize) -> bool {
        let cookies = [vec![1], vec![COOKIE; rules]].concat();
        check(&Verdict { expected, flow, refusals: refusals.to_vec() }, listed, &cookies).is_ok()
    }

    #[test]
    fn an_applied_flow_is_listed_and_in_the_switch() {
        assert!(holds(Expected::Applied, applied(), &[], &[applied()], 1));
        assert!(!holds(Expected::Applied, applied(), &[], &[applied()], 0), "it is not in the switch");
        assert!(!holds(Expected::Applied, applied(), &[], &[applied()], 2), "the switch has more of it");
        assert!(!holds(Expected::Applied, applied(), &[], &[], 1), "it is not listed");
        assert!(
            !holds(Expected::Applied, applied(), &[ErrorCode::BAD_ACTION_BAD_OUT_PORT], &[applied()], 1),
            "it was refused"
        );
        assert!(!holds(Expected::Applied, rejected("BAD_OUT_PORT"), &[], &[rejected("BAD_OUT_PORT")], 0));
    }

    #[test]
    fn a_rejected_flow_is_refused_by_the_switch_itself_and_not_in_it() {
        let (refused, listed) = ([ErrorCode::BAD_ACTION_BAD_OUT_PORT], [rejected("BAD_OUT_PORT")]);
        assert!(holds(BAD_OUT_PORT, rejected("BAD_OUT_PORT"), &refused, &listed, 0));
        assert!(!holds(BAD_OUT_PORT, rejected("BAD_OUT_PORT"), &[], &listed, 0), "the switch never said so");
        assert!(!holds(BAD_OUT_PORT, rejected("BAD_OUT_PORT"), &refused, &listed, 1), "it is in the switch");
        assert!(!holds(BAD_OUT_PORT, rejected("BAD_TYPE"), &refused, &[rejected("BAD_TYPE")], 0), "another error");
        assert!(!holds(BAD_OUT_PORT, applied(), &[], &[applied()], 1));
    }
}
