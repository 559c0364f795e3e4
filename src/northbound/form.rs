//! Answers as they are written, and how long they may be: a client never has to wait for more than the bound on what
//! waits for it.
//!
//! A batch whose answer could never be sent is refused before anything of it is installed. Where that cannot be told
//! beforehand, the answer leaves out flows and says how many: what was done is told in any case.

use tokio_tungstenite::tungstenite::Message;

use super::subprotocol::Subprotocol;
use crate::contract::{Command, CommandName, ErrorBody, ErrorCode, FlowState, InstallFlow, Reply, Report, RequestId};
use crate::programmer::Answer;

/// Answers with more than these are written where nobody else waits for the thread: some 100 microseconds of work.
const LONG_FLOWS: usize = 100;
const LONG_NODES: usize = 10;

/// How much longer than the least a flow in an answer usually is: it has a cookie, times, addresses.
const USUAL: usize = 2;

/// How the answers of a connection are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) subprotocol: Subprotocol,
    /// How long an answer may be, in bytes.
    pub(super) limit: usize,
}

/// An answer as it is written.
#[derive(Debug)]
pub(super) struct WrittenAnswer {
    pub(super) id: RequestId,
    pub(super) command: CommandName,
    pub(super) outcome: Option<ErrorCode>,
    pub(super) message: Message,
}

/// What a flow in an answer takes at least, beside its id and the names of its nodes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Least {
    flow: usize,
    node: usize,
}

impl Least {
    const fn of(subprotocol: Subprotocol) -> Self {
        match subprotocol {
            Subprotocol::Json => Self { flow: 195, node: 132 },
            Subprotocol::MessagePack => Self { flow: 148, node: 88 },
        }
    }

    /// The same for the flow that a request asks for. Where the request names no node, there is at least one.
    fn bytes(self, flow: &InstallFlow) -> usize {
        let id = flow.flow_id.as_ref().map_or(1, |id| id.as_str().len());
        let on_node = |name: usize| self.node + name;
        let nodes = flow
            .nodes
            .as_ref()
            .map_or_else(|| on_node(1), |nodes| nodes.iter().map(|name| on_node(name.as_str().len())).sum());
        self.flow + id + nodes
    }
}

impl Form {
    /// Whether the answer to a command can be sent, as far as that is known before it is carried out.
    ///
    /// # Errors
    /// `too_large`, when it surely cannot.
    pub(super) fn foresee(self, command: &Command) -> Result<(), ErrorBody> {
        let Command::InstallFlows(request) = command else { return Ok(()) };
        if request.report == Report::Problems {
            return Ok(());
        }
        let (least, count) = (Least::of(self.subprotocol), request.flows.len());
        let bytes: usize = request.flows.iter().map(|flow| least.bytes(flow)).sum();
        if bytes <= self.limit {
            return Ok(());
        }
        let fitting = (self.limit / USUAL).saturating_mul(count) / bytes;
        let message = format!(
            "the answer would tell of {count} flows, in at least {bytes} bytes of the {} that it may have: nothing was \
             installed; ask with \"report\": \"problems\", or for about {} flows at a time",
            self.limit,
            fitting.max(1)
        );
        Err(ErrorBody::new(ErrorCode::TooLarge, message).at("payload.flows"))
    }

    /// Writes an answer.
    pub(super) fn write(self, id: RequestId, command: CommandName, answer: Answer) -> WrittenAnswer {
        let error = match answer {
            Ok(reply) => match self.reply(&id, command, reply) {
                Ok(message) => return WrittenAnswer { id, command, outcome: None, message },
                Err(error) => error,
            },
            Err(error) => error,
        };
        let outcome = Some(error.code);
        let message = self.subprotocol.error(Some(id.clone()), error);
        WrittenAnswer { id, command, outcome, message }
    }

    /// A Reply that is short enough.
    fn reply(self, id: &RequestId, command: CommandName, reply: Reply) -> Result<Message, ErrorBody> {
        let mut next = Some(reply);
        while let Some(reply) = next {
            let message = self.subprotocol.reply(id.clone(), command, &reply);
            if message.len() <= self.limit {
                return Ok(message);
            }
            next = shorter(reply);
        }
        Err(ErrorBody::new(ErrorCode::TooLarge, "the answer is too big to send; ask for less at a time"))
    }
}

/// The same with less in it: without the flows that are as they should be, or else without any.
fn shorter(reply: Reply) -> Option<Reply> {
    let Reply::FlowsInstalled { mut flows, summary, left_out } = reply else { return None };
    let before = flows.len();
    flows.retain(|flow| flow.state != FlowState::Applied);
    if flows.len() == before {
        flows.clear();
    }
    let fewer = before - flows.len();
    (fewer > 0).then_some(Reply::FlowsInstalled { flows, summary, left_out: left_out + fewer as u64 })
}

/// Whether writing it takes so long that others would notice.
pub(super) fn is_long(reply: &Reply) -> bool {
    match reply {
        Reply::Flows { flows, .. } | Reply::FlowsInstalled { flows, .. } => flows.len() > LONG_FLOWS,
        Reply::Nodes { nodes } => nodes.len() > LONG_NODES,
        Reply::Node { .. }
        | Reply::Flow { .. }
        | Reply::FlowsRemoved { .. }
        | Reply::Queues(_)
        | Reply::Authenticated { .. }
        | Reply::Subscribed { .. }
        | Reply::Info(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contract::{Atomic, Endpoint, FlowNodeView, FlowView, Forward, InstallFlows, from_msgpack, to_msgpack};

    const BOTH: [Subprotocol; 2] = [Subprotocol::Json, Subprotocol::MessagePack];

    fn bytes<T: serde::Serialize>(subprotocol: Subprotocol, value: &T) -> usize {
        match subprotocol {
            Subprotocol::Json => serde_json::to_string(value).unwrap().len(),
            Subprotocol::MessagePack => to_msgpack(value).len(),
        }
    }

    fn node() -> FlowNodeView {
        FlowNodeView {
            node: "n".parse().unwrap(),
            datapath_id: None,
            state: FlowState::Applied,
            cookie: None,
            table: 0,
            rules: 0,
            error: None,
            reason: None,
            applied_at: None,
            verified_at: None,
            meter: None,
            counters: None,
            flow_mods: None,
        }
    }

    /// No view is shorter.
    fn view(nodes: usize) -> FlowView {
        FlowView {
            flow_id: "f".parse().unwrap(),
            state: FlowState::Applied,
            source: Endpoint::Any,
            destination: Endpoint::Any,
            traffic_type: String::new(),
            priority: 0,
            protocol: None,
            source_port: None,
            destination_port: None,
            dscp: None,
            queue: None,
            rate_limit: None,
            forward: Forward::Drop,
            bidirectional: true,
            idle_timeout: 0,
            hard_timeout: 0,
            nodes: vec![node(); nodes],
            warnings: Vec::new(),
            packets: None,
            bytes: None,
        }
    }

    fn request(flows: usize, report: Report) -> Command {
        let flow = InstallFlow::new(Endpoint::Any, Endpoint::Any, "voice");
        Command::InstallFlows(InstallFlows { flows: vec![flow; flows], atomic: Atomic::None, report })
    }

    fn read(message: &Message) -> serde_json::Value {
        match message {
            Message::Text(text) => serde_json::from_str(text).unwrap(),
            Message::Binary(bytes) => from_msgpack(bytes).unwrap(),
            other => panic!("neither text nor binary: {other:?}"),
        }
    }

    fn installed(applied: usize, rejected: usize) -> Reply {
        let flow = |state| FlowView { state, ..view(1) };
        let flows = std::iter::repeat_n(flow(FlowState::Applied), applied);
        let flows = flows.chain(std::iter::repeat_n(flow(FlowState::Rejected), rejected)).collect();
        let summary = BTreeMap::from([(FlowState::Applied, applied as u64), (FlowState::Rejected, rejected as u64)]);
        Reply::FlowsInstalled { flows, summary, left_out: 0 }
    }

    #[test]
    fn what_a_flow_takes_at_least_in_an_answer_is_what_its_types_say() {
        for subprotocol in BOTH {
            let least = Least::of(subprotocol);
            assert_eq!(least.flow, bytes(subprotocol, &view(0)) - 1, "{subprotocol:?}");
            assert_eq!(least.node, bytes(subprotocol, &node()) - 1, "{subprotocol:?}");
            for nodes in 1..4 {
                let name = "n".parse().unwrap();
                let asked = InstallFlow {
                    flow_id: Some("f".parse().unwrap()),
                    nodes: Some(vec![name; nodes]),
                    ..InstallFlow::new(Endpoint::Any, Endpoint::Any, "")
                };
                assert!(least.bytes(&asked) <= bytes(subprotocol, &view(nodes)), "{subprotocol:?}");
            }
        }
    }

    #[test]
    fn a_batch_whose_answer_could_never_be_sent_is_refused_with_what_is_allowed() {
        for subprotocol in BOTH {
            let form = Form { subprotocol, limit: 100_000 };
            let Least { flow, node } = Least::of(subprotocol);
            let most = form.limit / (flow + node + 2);
            assert_eq!(form.foresee(&request(most, Report::All)), Ok(()));
            assert_eq!(form.foresee(&request(most + 1, Report::Problems)), Ok(()));
            let error = form.foresee(&request(most + 1, Report::All)).unwrap_err();
            assert_eq!((error.code, error.path.as_deref()), (ErrorCode::TooLarge, Some("payload.flows")));
            assert!(error.message.contains("nothing was installed"), "{}", error.message);
            assert!(error.message.contains("\"report\": \"problems\""), "{}", error.message);
            let fitting = format!("about {} flows at a time", most / 2);
            assert!(error.message.contains(&fitting), "{fitting}: {}", error.message);
        }
    }

    #[test]
    fn an_answer_that_is_too_long_leaves_out_what_is_applied_and_says_how_much() {
        for subprotocol in BOTH {
            let form = Form { subprotocol, limit: 2_000 };
            let written = form.write("a".parse().unwrap(), CommandName::InstallFlows, Ok(installed(10, 2)));
            assert!(written.message.len() <= form.limit);
            let payload = read(&written.message)["payload"].clone();
            assert_eq!(payload["summary"], serde_json::json!({"applied": 10, "rejected": 2}));
            assert_eq!((&payload["left_out"], payload["flows"].as_array().unwrap().len()), (&10.into(), 2));
            assert_eq!(payload["flows"][0]["state"], "rejected");
        }
    }

    #[test]
    fn an_answer_with_too_many_problems_still_has_its_summary() {
        for subprotocol in BOTH {
            let form = Form { subprotocol, limit: 1_000 };
            let written = form.write("a".parse().unwrap(), CommandName::InstallFlows, Ok(installed(5, 20)));
            assert_eq!(written.outcome, None);
            let payload = read(&written.message)["payload"].clone();
            assert_eq!(payload["summary"], serde_json::json!({"applied": 5, "rejected": 20}));
            assert_eq!((&payload["left_out"], &payload["flows"]), (&25.into(), &serde_json::json!([])));
        }
    }

    #[test]
    fn what_only_reads_is_refused_when_its_answer_is_too_long() {
        let form = Form { subprotocol: Subprotocol::Json, limit: 300 };
        let reply = Reply::Flows { flows: vec![view(1); 3], next_cursor: None };
        let written = form.write("a".parse().unwrap(), CommandName::ListFlows, Ok(reply));
        assert_eq!(written.outcome, Some(ErrorCode::TooLarge));
    }
}
