//! `flumen flow diff`: what a file wants beside what the daemon has.
//!
//! A flow with an id is compared with the daemon's of that id, one without with any that asks the same.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::value::to_raw_value;

use super::apply::wrong_file;
use super::ask::{all_flows, request, strange, understood};
use super::asked::{self, is_on_nodes, is_same, key};
use super::exit::{Exit, Failure};
use super::flow_file::{self, Item};
use super::output::{Output, Tone, shown};
use crate::client::Client;
use crate::contract::{
    Command, FlowId, FlowState, FlowView, InstallFlow, ListFlows, MAX_LIST_LIMIT, Reply, TrafficTypeView,
};

/// What is different, flow by flow.
#[derive(Debug, Default, Serialize)]
struct Difference {
    /// The file has it, the daemon has not.
    missing: Vec<InstallFlow>,
    /// The daemon has it, the file has not.
    extra: Vec<InstallFlow>,
    /// Both have the id, and ask differently.
    changed: Vec<Changed>,
    /// As the file has it, and not applied.
    unsettled: Vec<Unsettled>,
}

#[derive(Debug, Serialize)]
struct Changed {
    flow_id: FlowId,
    file: InstallFlow,
    daemon: InstallFlow,
}

#[derive(Debug, Serialize)]
struct Unsettled {
    flow_id: FlowId,
    state: FlowState,
}

/// Prints the difference; exit 0 if there is none, 1 if there is one.
pub(super) async fn run(
    client: &Client,
    mut items: Vec<Item>,
    json: bool,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Reply::Info(info) = understood(&request(client, &Command::GetInfo).await?)? else { return Err(strange()) };
    flow_file::classify(&mut items, &info.traffic_types).map_err(|faults| wrong_file(&faults))?;
    let there = all_flows(client, ListFlows { limit: MAX_LIST_LIMIT, ..ListFlows::default() }).await?;
    let wanted = items.into_iter().map(|item| item.flow).collect();
    let difference = compare(wanted, &there, &info.traffic_types);
    if json {
        let payload = to_raw_value(&difference).map_err(|error| Failure::new(Exit::No, error.to_string()))?;
        output.line(payload.get())?;
    } else {
        output.data(difference.lines(output))?;
    }
    Ok(if difference.is_empty() { Exit::Done } else { Exit::No })
}

fn compare(wanted: Vec<InstallFlow>, there: &[FlowView], classes: &[TrafficTypeView]) -> Difference {
    let mut by_id: BTreeMap<&FlowId, &FlowView> =
        there.iter().filter(|flow| is_there(flow)).map(|flow| (&flow.flow_id, flow)).collect();
    let mut difference = Difference::default();
    let (with_id, without): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|flow| flow.flow_id.is_some());
    for flow in with_id {
        let found = flow.flow_id.as_ref().and_then(|id| by_id.remove(id));
        difference.meet(flow, found, classes);
    }
    let mut by_content: HashMap<String, Vec<&FlowView>> = HashMap::new();
    for flow in by_id.values().rev() {
        by_content.entry(key(&asked::request(flow), classes)).or_default().push(flow);
    }
    for flow in without {
        let alike = by_content.get_mut(&key(&flow, classes));
        let at = alike.as_ref().and_then(|alike| alike.iter().rposition(|found| is_on_nodes(&flow, found)));
        let found = alike.zip(at).map(|(alike, at)| alike.remove(at));
        if let Some(found) = found {
            by_id.remove(&found.flow_id);
        }
        difference.meet(flow, found, classes);
    }
    difference.extra =
        by_id.values().filter(|flow| flow.state != FlowState::Rejected).map(|flow| asked::request(flow)).collect();
    difference
}

/// A rejected flow is there to be looked at.
fn is_there(flow: &FlowView) -> bool {
    asked::is_wanted(flow.state) || flow.state == FlowState::Rejected
}

impl Difference {
    fn is_empty(&self) -> bool {
        let Self { missing, extra, changed, unsettled } = self;
        missing.is_empty() && extra.is_empty() && changed.is_empty() && unsettled.is_empty()
    }

    /// A flow of the file and what the daemon has of it.
    fn meet(&mut self, flow: InstallFlow, found: Option<&FlowView>, classes: &[TrafficTypeView]) {
        let Some(found) = found else { return self.missing.push(flow) };
        if !is_same(&flow, found, classes) {
            self.changed.push(Changed { flow_id: found.flow_id.clone(), file: flow, daemon: asked::request(found) });
        } else if found.state != FlowState::Applied {
            self.unsettled.push(Unsettled { flow_id: found.flow_id.clone(), state: found.state });
        }
    }

    fn lines(&self, output: &Output) -> String {
        let mut text = String::new();
        let mut line = |tone, mark: char, what: &str| {
            text.push_str(&output.paint(tone, format_args!("{mark} {}", shown(what))).to_string());
            text.push('\n');
        };
        self.missing.iter().for_each(|flow| line(Tone::Good, '+', &written(flow)));
        self.extra.iter().for_each(|flow| line(Tone::Bad, '-', &written(flow)));
        for Changed { flow_id, file, daemon } in &self.changed {
            line(Tone::Doubtful, '~', flow_id.as_str());
            line(Tone::Bad, ' ', &format!("  - {}", written(daemon)));
            line(Tone::Good, ' ', &format!("  + {}", written(file)));
        }
        for Unsettled { flow_id, state } in &self.unsettled {
            line(Tone::Doubtful, '!', &format!("{flow_id} is {state}"));
        }
        text
    }
}

/// A flow in one line: as its payload is written.
fn written(flow: &InstallFlow) -> String {
    serde_json::to_string(flow).unwrap_or_default()
}
