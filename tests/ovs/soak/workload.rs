//! What clients ask: plain flows and odd ones, batches, removals, repetitions, conflicts, and requests that are wrong.

use std::collections::VecDeque;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::expectation::CLASSES;

/// A command and its payload.
pub(super) type Request = (&'static str, Value);

/// Nodes whose tables are large.
pub(super) const ROOMY: [&str; 5] = ["s1", "s2", "s3", "s4", "s5"];
/// The node whose table 0 takes no more than [`NARROW_LIMIT`] rules.
pub(super) const NARROW: &str = "s6";
pub(super) const NARROW_LIMIT: usize = 40;

/// Flows of one client at a time, about: the more there are the more it removes.
const FLOWS: usize = 60;

/// Places that several flows want.
const CONTESTED: u32 = 12;

/// One client's wishes.
#[derive(Debug)]
pub(super) struct Workload {
    rng: Rng,
    name: String,
    next: u32,
    /// Flows that were asked for, and neither refused nor removed since.
    flows: VecDeque<Flow>,
}

#[derive(Debug)]
struct Flow {
    request: Value,
    is_acknowledged: bool,
}

impl Flow {
    fn id(&self) -> &Value {
        &self.request["flow_id"]
    }
}

impl Workload {
    pub(super) fn new(name: &str, seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), name: name.to_owned(), next: 0, flows: VecDeque::new() }
    }

    /// A number of requests that leave together.
    pub(super) fn burst(&mut self) -> Vec<Request> {
        (0..self.rng.usize(8..40)).map(|_| self.request()).collect()
    }

    fn request(&mut self) -> Request {
        let is_full = self.rng.usize(0..2 * FLOWS) < self.flows.len();
        match self.rng.u32(0..100) {
            0..=2 => self.wrong(),
            3..=10 => self.repetition(),
            11..=18 if !is_full => self.batch(),
            _ if is_full => self.removal(),
            _ => ("InstallFlow", self.flow()),
        }
    }

    /// A new flow.
    fn flow(&mut self) -> Value {
        self.next += 1;
        let (number, rng) = (self.next, &mut self.rng);
        let class = rng.choice(CLASSES).unwrap().0;
        let host = |client: &str| {
            let client = client.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(7).wrapping_add(byte.into())) % 64;
            format!("10.{}.{}.{}", 64 + client, number / 250 % 250, number % 250 + 1)
        };
        let mut flow = json!({
            "flow_id": format!("{}-{number}", self.name), "source": host(&self.name), "destination": "10.0.0.2",
            "traffic_type": class, "nodes": roomy_nodes(rng),
        });
        match rng.u32(0..20) {
            0 => flow["bidirectional"] = json!(true),
            1 => (flow["protocol"], flow["destination_port"]) = (json!("udp"), json!("5060-5070")),
            2 => flow["forward"] = json!("drop"),
            3 => {
                flow["source"] = json!(format!("2001:db8::{number:x}"));
                flow["destination"] = json!(format!("2001:db8:{:x}::/48", self.name.len()));
            }
            4 => flow["hard_timeout"] = json!(rng.u32(1..=4)),
            5 => flow["idle_timeout"] = json!(rng.u32(1..=4)),
            6 => flow["nodes"] = json!([NARROW]),
            7 | 8 => {
                flow["source"] = json!(format!("10.200.0.{}", rng.u32(1..=CONTESTED)));
                flow["traffic_type"] = json!("bulk");
                flow["replace"] = json!(rng.bool());
            }
            _ => {}
        }
        if rng.u32(0..4) == 0 {
            flow["wait"] = json!("accepted");
        }
        flow["timeout_ms"] = json!(rng.choice([200, 1_000, 5_000]).unwrap());
        self.flows.push_back(Flow { request: flow.clone(), is_acknowledged: false });
        flow
    }

    fn batch(&mut self) -> Request {
        let flows: Vec<_> = (0..self.rng.usize(2..30)).map(|_| self.flow()).collect();
        ("InstallFlows", json!({"flows": flows}))
    }

    /// The same flow again: the same answer is expected.
    fn repetition(&mut self) -> Request {
        let known = self.known();
        ("InstallFlow", known.unwrap_or_else(|| self.flow()))
    }

    fn removal(&mut self) -> Request {
        if self.rng.u32(0..8) > 0 {
            let at = self.rng.usize(0..self.flows.len());
            let flow = self.flows.remove(at).unwrap();
            return ("RemoveFlow", json!({"flow_id": flow.id()}));
        }
        // A list with an id that means nothing is an error.
        let is_certain = |flow: &Flow| flow.is_acknowledged && flow.request["nodes"] != json!([NARROW]);
        let (removed, kept) = std::mem::take(&mut self.flows)
            .into_iter()
            .partition::<VecDeque<_>, _>(|flow| is_certain(flow) && self.rng.u32(0..4) == 0);
        self.flows = kept;
        let ids: Vec<_> = removed.iter().map(|flow| flow.id().clone()).collect();
        if ids.is_empty() { ("InstallFlow", self.flow()) } else { ("RemoveFlows", json!({"flow_ids": ids})) }
    }

    /// A request that must be refused.
    fn wrong(&mut self) -> Request {
        let Some(mut flow) = self.known() else { return ("InstallFlow", self.flow()) };
        match self.rng.u32(0..4) {
            // Another flow under an id that is taken.
            0 => flow["dscp"] = json!(63),
            kind => {
                flow["flow_id"] = json!(format!("{}-wrong", self.name));
                match kind {
                    1 => flow["traffic_type"] = json!("nonsense"),
                    2 => flow["colour"] = json!("blue"),
                    _ => flow["nodes"] = json!(["nowhere"]),
                }
            }
        }
        ("InstallFlow", flow)
    }

    /// A flow that was acknowledged.
    fn known(&mut self) -> Option<Value> {
        let known: Vec<_> = self.flows.iter().filter(|flow| flow.is_acknowledged).collect();
        self.rng.choice(known).map(|flow| flow.request.clone())
    }

    /// Hears what came of a request.
    pub(super) fn answered(&mut self, (command, payload): &Request, answer: &Value) {
        let is_refused = answer["type"] == "Error";
        let asked = match *command {
            "InstallFlow" => std::slice::from_ref(payload),
            "InstallFlows" => payload["flows"].as_array().unwrap(),
            _ => return,
        };
        let answers = match &answer["payload"] {
            Value::Object(reply) if reply.contains_key("flows") => reply["flows"].as_array().unwrap().clone(),
            reply => vec![reply["flow"].clone()],
        };
        let is_kept =
            |id: &Value| answers.iter().any(|flow| flow["flow_id"] == *id && !flow["nodes"][0]["cookie"].is_null());
        for request in asked {
            let own = |flow: &Flow| flow.request == *request;
            if let Some(flow) = self.flows.iter_mut().find(|flow| own(flow)).filter(|_| is_kept(&request["flow_id"])) {
                flow.is_acknowledged = true;
            } else if is_refused || !is_kept(&request["flow_id"]) {
                self.flows.retain(|flow| !own(flow));
            }
        }
    }

    /// Flows to be asked for once more: those that are not listed any more, and some of the others.
    pub(super) fn repetitions(&mut self, is_listed: impl Fn(&str) -> bool) -> Vec<Request> {
        let mut is_due = |flow: &&Flow| !is_listed(flow.id().as_str().unwrap()) || self.rng.u32(0..4) == 0;
        self.flows.iter().filter(|flow| is_due(flow)).map(|flow| ("InstallFlow", flow.request.clone())).collect()
    }
}

fn roomy_nodes(rng: &mut Rng) -> Vec<&'static str> {
    let mut nodes = ROOMY.to_vec();
    rng.shuffle(&mut nodes);
    nodes.truncate(rng.usize(1..=3));
    nodes
}
