//! What clients ask: requests that collide, repeat and contradict each other.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::contract::{Command, InstallFlow, parse_request};
use crate::policy::{self, ClassTable, Rule};

/// Flow ids in play: few, so that they are asked for again and again.
pub(super) const IDS: u32 = 10;

/// Bodies that one id is asked for with; the first of them most of the time.
const VARIANTS: u32 = 3;

/// What a flow id stands for in one request. The number of the queue tells which body a flow has: it is unique, and
/// does not decide the rule's place.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) id: String,
    pub(super) request: InstallFlow,
    pub(super) rules: Vec<Rule>,
}

impl Body {
    /// The body of a variant of an id: always the same one within a seed.
    pub(super) fn new(seed: u64, id: u32, variant: u32, switches: usize) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003) ^ u64::from(id * 16 + variant));
        let name = format!("f{id}");
        let queue = 100 + id * 10 + variant;
        let mut body = json!({
            "flow_id": name, "source": format!("10.0.0.{}", rng.u32(1..=8)), "destination": "10.9.0.1",
            "traffic_type": "voice", "queue": queue,
        });
        match rng.u32(0..10) {
            0 => body["bidirectional"] = json!(true),
            1 => (body["protocol"], body["destination_port"]) = (json!("udp"), json!("5001-5006")),
            2 => (body["source"], body["destination"]) = (json!("any"), json!("any")),
            3 => body["forward"] = json!("drop"),
            _ => {}
        }
        body["replace"] = json!(rng.bool());
        match rng.u32(0..12) {
            0 => body["hard_timeout"] = json!(rng.u32(3..40)),
            1 => body["idle_timeout"] = json!(rng.u32(3..40)),
            _ => {}
        }
        if rng.bool() {
            let mut nodes: Vec<_> = (1..=switches).map(|at| format!("s{at}")).collect();
            rng.shuffle(&mut nodes);
            nodes.truncate(rng.usize(1..=switches));
            body["nodes"] = json!(nodes);
        }
        let request = match command("InstallFlow", body) {
            Command::InstallFlow(request) => *request,
            other => panic!("{other:?}"),
        };
        let rules = policy::compile(&request, ClassTable::built_in().get("voice").unwrap()).unwrap();
        Self { id: name, request, rules }
    }

    pub(super) fn of_queue(seed: u64, queue: u32, switches: usize) -> Self {
        Self::new(seed, (queue - 100) / 10, queue % 10, switches)
    }

    pub(super) fn random(seed: u64, rng: &mut Rng, switches: usize) -> Self {
        let variant = if rng.u32(0..8) == 0 { rng.u32(1..VARIANTS) } else { 0 };
        Self::new(seed, rng.u32(0..IDS), variant, switches)
    }
}

/// A command as the wire would bring it.
pub(super) fn command(name: &str, payload: Value) -> Command {
    let text = json!({"type": name, "id": "1", "payload": payload}).to_string();
    parse_request(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}")).1
}

/// Something that a client may ask.
pub(super) fn request(seed: u64, rng: &mut Rng, switches: usize) -> Command {
    let id = format!("f{}", rng.u32(0..IDS));
    let node = format!("s{}", rng.usize(1..=switches));
    match rng.u32(0..100) {
        0..=49 => Command::InstallFlow(Box::new(install(seed, rng, switches))),
        50..=59 => {
            let flows: Vec<_> =
                (0..rng.usize(1..=4)).map(|_| serde_json::to_value(install(seed, rng, switches)).unwrap()).collect();
            let atomic = *rng.choice(&["none", "node", "all"]).unwrap();
            command("InstallFlows", json!({"atomic": atomic, "flows": flows}))
        }
        60..=71 => command("RemoveFlow", json!({"flow_id": id})),
        72..=73 => command("RemoveFlows", json!({"flow_ids": [id]})),
        74 => command("RemoveFlows", json!({"node": node})),
        75 => command("RemoveFlows", json!({"all": true})),
        76..=86 => command("GetFlow", json!({"flow_id": id})),
        87..=88 => command("ListFlows", json!({})),
        89 => command("ListNodes", json!({})),
        90..=91 => command("RemoveNode", json!({"name": node, "flows": "remove"})),
        92 => command("RemoveNode", json!({"name": node, "flows": "leave"})),
        _ => add_node(rng.usize(1..=switches)),
    }
}

pub(super) fn add_node(at: usize) -> Command {
    command("AddNode", json!({"name": format!("s{at}"), "datapath_id": format!("{at:016x}")}))
}

fn install(seed: u64, rng: &mut Rng, switches: usize) -> InstallFlow {
    let mut request = Body::random(seed, rng, switches).request;
    if rng.u32(0..3) == 0 {
        request.wait = crate::contract::Wait::Accepted;
    }
    request.timeout_ms = *rng.choice(&[100, 5_000, 60_000]).unwrap();
    request
}
