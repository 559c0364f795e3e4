//! `flumen flow apply`: the flows of a file become the daemon's.
//!
//! They go out in batches, a few at a time, and are judged one by one. A flow that the file gives no id has one that is
//! made of what it asks; when the flow of that id has come to its end before, the next id is tried.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::to_raw_value;

use super::ask::{all_flows, failed, request, strange, understood};
use super::asked::{is_same, is_wanted};
use super::exit::{Exit, Failure};
use super::flow_file::{self, Item, SetName, derived_id};
use super::output::{Output, shown};
use super::{verdict, view};
use crate::client::{Client, InFlight, RequestError};
use crate::contract::{
    Atomic, Command, FlowId, FlowState, FlowView, GetFlow, Info, InstallFlow, InstallFlows, Limits, ListFlows,
    MAX_LIST_LIMIT, RemoveFlows, Reply, Report, Subprotocol, Wait, to_msgpack,
};

/// Flows in one message: enough that its overhead is small, few enough that progress is seen.
const BATCH: usize = 1_000;
/// Batches that are out at once: the daemon has the next before it has answered the last.
const OUT_AT_ONCE: usize = 4;
/// What one flow in an answer takes: itself, and on each node. It is more than it usually takes.
const TOLD_BYTES: (usize, usize) = (1_024, 512);
/// What a request takes beside its flows, at most.
const ENVELOPE: usize = 1_024;
/// Flows that are asked after one by one; of more, the list is read.
const FEW: usize = 32;
/// Troubles that are told one by one.
const TOLD: usize = 20;
/// How often the flow of one made id may have come to its end. Ids of what has ended are kept for a day.
const ROUNDS: u32 = 1_000;

/// What is to be applied.
#[derive(Debug)]
pub(super) struct Apply {
    pub(super) items: Vec<Item>,
    pub(super) atomic: Atomic,
    pub(super) dry_run: bool,
    pub(super) set: SetName,
    pub(super) prune: bool,
}

impl Apply {
    /// Installs the flows, removes those that are to be pruned, and judges the outcome.
    pub(super) async fn run(mut self, client: &Client, json: bool, output: &mut Output) -> Result<Exit, Failure> {
        let Reply::Info(info) = understood(&request(client, &Command::GetInfo).await?)? else { return Err(strange()) };
        flow_file::classify(&mut self.items, &info.traffic_types).map_err(|faults| wrong_file(&faults))?;
        let made = self.give_ids()?;
        let there = all_flows(client, ListFlows { limit: MAX_LIST_LIMIT, ..ListFlows::default() }).await?;
        if self.dry_run {
            self.tell_spent(client, &there, &made, &info, output).await?;
        }
        let wanted: HashMap<FlowId, Wait> =
            self.items.iter().filter_map(|item| Some((item.flow.flow_id.clone()?, item.flow.wait))).collect();
        let (flows, mut views) = self.missing(&there, &info);
        views.extend(self.install(client, flows, &info).await?);
        self.install_again(client, &mut views, made, &info).await?;
        let pruned = if self.prune { self.prune(client, there, &views, output).await? } else { Exit::Done };
        let verdict = self.tell(views, &wanted, json, output)?;
        Ok(if verdict == Exit::Done { pruned } else { verdict })
    }

    /// Gives an id to every flow that has none; those ids, and what they were made of.
    fn give_ids(&mut self) -> Result<HashMap<FlowId, InstallFlow>, Failure> {
        let (mut made, mut seen) = (HashMap::new(), HashMap::new());
        for Item { place, flow, .. } in &mut self.items {
            let id = match flow.flow_id.clone() {
                Some(id) => id,
                None => {
                    let id = derived_id(&self.set, flow, 1).map_err(|what| Failure::new(Exit::Usage, what))?;
                    made.insert(id.clone(), flow.clone());
                    flow.flow_id.insert(id).clone()
                }
            };
            if let Some(before) = seen.insert(id, place.clone()) {
                return Err(Failure::new(Exit::Usage, format!("{place} is the same flow as {before}")));
            }
        }
        Ok(made)
    }

    /// What is to be asked for, and the flows that the daemon has already just as they are asked for.
    fn missing(&self, there: &[FlowView], info: &Info) -> (Vec<InstallFlow>, Vec<FlowView>) {
        let there: HashMap<&FlowId, &FlowView> =
            there.iter().filter(|flow| is_wanted(flow.state)).map(|flow| (&flow.flow_id, flow)).collect();
        let (mut missing, mut same) = (Vec::new(), Vec::new());
        for Item { flow, .. } in &self.items {
            match flow.flow_id.as_ref().and_then(|id| there.get(id)) {
                Some(found) if is_same(flow, found, &info.traffic_types) => same.push((*found).clone()),
                _ => missing.push(flow.clone()),
            }
        }
        (missing, same)
    }

    /// Warns of flows of the daemon that would be the answer instead of one that is installed, because they keep their
    /// ids. What has ended keeps none that is made: the next one is tried.
    async fn tell_spent(
        &self,
        client: &Client,
        there: &[FlowView],
        made: &HashMap<FlowId, InstallFlow>,
        info: &Info,
        output: &Output,
    ) -> Result<(), Failure> {
        let mut were: Vec<FlowView> = there.iter().filter(|flow| !is_wanted(flow.state)).cloned().collect();
        // The list leaves them out.
        for state in [FlowState::Removed, FlowState::Superseded] {
            let list = ListFlows { state: Some(state), limit: MAX_LIST_LIMIT, ..ListFlows::default() };
            were.extend(all_flows(client, list).await?);
        }
        let were: HashMap<&FlowId, &FlowView> = were.iter().map(|flow| (&flow.flow_id, flow)).collect();
        let is_followed = |flow: &FlowView| flow.state.is_ended() && made.contains_key(&flow.flow_id);
        self.items
            .iter()
            .filter_map(|Item { flow, .. }| Some((flow, *were.get(flow.flow_id.as_ref()?)?)))
            .filter(|(flow, found)| !is_followed(found) && is_same(flow, found, &info.traffic_types))
            .take(TOLD)
            .for_each(|(_, found)| output.warning(trouble(found)));
        Ok(())
    }

    /// Asks for the flows, and waits for the verdict on each.
    async fn install(&self, client: &Client, flows: Vec<InstallFlow>, info: &Info) -> Result<Vec<FlowView>, Failure> {
        let bar = progress(flows.len(), self.atomic);
        let mut views = Vec::with_capacity(flows.len());
        let mut out = VecDeque::new();
        let room = Room::new(&info.limits, client.subprotocol());
        for (flows, report) in self.batches(flows, &room)? {
            let command = Command::InstallFlows(InstallFlows { flows, atomic: self.atomic, report });
            if out.len() == OUT_AT_ONCE {
                self.receive(client, &mut out, &mut views, &bar).await?;
            }
            let in_flight = client.send(&command).await.map_err(|error| failed(&command, &error))?;
            out.push_back((command, in_flight));
        }
        while !out.is_empty() {
            self.receive(client, &mut out, &mut views, &bar).await?;
        }
        bar.finish_and_clear();
        Ok(views)
    }

    /// Takes the oldest answer.
    async fn receive(
        &self,
        client: &Client,
        out: &mut VecDeque<(Command, InFlight)>,
        views: &mut Vec<FlowView>,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let Some((command, in_flight)) = out.pop_front() else { return Ok(()) };
        let payload = in_flight.answer().await.map_err(|error| self.refused(&command, &error))?;
        let Reply::FlowsInstalled { mut flows, .. } = understood(&payload)? else { return Err(strange()) };
        flows.extend(not_among(client, &command, &flows).await?);
        bar.inc(flows.len().try_into().unwrap_or_default());
        views.extend(flows);
        Ok(())
    }

    /// Why there is no answer, with the place in the file that the daemon means.
    fn refused(&self, command: &Command, error: &RequestError) -> Failure {
        let failure = failed(command, error);
        match self.place(command, error) {
            Some(place) => Failure { what: format!("{place}: {}", failure.what), ..failure },
            None => failure,
        }
    }

    /// Where the flow stands that a path such as `payload.flows[17].nodes[0]` leads to.
    fn place(&self, command: &Command, error: &RequestError) -> Option<&str> {
        let (Command::InstallFlows(asked), RequestError::Refused(refusal)) = (command, error) else { return None };
        let (index, _) = refusal.path.as_deref()?.strip_prefix("payload.flows[")?.split_once(']')?;
        let id = asked.flows.get(index.parse::<usize>().ok()?)?.flow_id.as_ref()?;
        self.items.iter().find(|item| item.flow.flow_id.as_ref() == Some(id)).map(|item| item.place.as_str())
    }

    /// What belongs together is one message; the rest is cut so that each message stays below half the daemon's limit,
    /// and its answer too.
    fn batches(&self, flows: Vec<InstallFlow>, room: &Room) -> Result<Vec<(Vec<InstallFlow>, Report)>, Failure> {
        let (mut batches, mut batch, mut asked, mut told) = (Vec::new(), Vec::new(), 0, 0);
        let report = |told| if told > room.told / 2 { Report::Problems } else { Report::All };
        let is_cut = self.atomic == Atomic::None;
        for flow in flows {
            let (bytes, answer) = (room.takes(&flow)?, told_bytes(&flow));
            let is_full = batch.len() == BATCH || asked + bytes > room.asked / 2 || told + answer > room.told / 2;
            if is_cut && is_full && !batch.is_empty() {
                batches.push((std::mem::take(&mut batch), report(told)));
                (asked, told) = (0, 0);
            }
            asked += bytes;
            told += answer;
            batch.push(flow);
        }
        if !is_cut && asked + ENVELOPE > room.asked {
            let what = format!(
                "flows that are applied together are one message, and that of these {} would take {asked} bytes of the {} \
                 that the daemon allows: give it fewer, or start it with a greater {}",
                batch.len(),
                room.asked,
                room.option
            );
            return Err(Failure::new(Exit::No, what));
        }
        if !batch.is_empty() {
            batches.push((batch, report(told)));
        }
        Ok(batches)
    }

    /// Asks once more for each flow whose made id belongs to one that has ended, by the next id.
    async fn install_again(
        &self,
        client: &Client,
        views: &mut Vec<FlowView>,
        mut made: HashMap<FlowId, InstallFlow>,
        info: &Info,
    ) -> Result<(), Failure> {
        for round in 2..=ROUNDS {
            let ended: Vec<FlowView> =
                views.extract_if(.., |view| view.state.is_ended() && made.contains_key(&view.flow_id)).collect();
            let ended: Vec<InstallFlow> = ended.iter().filter_map(|view| made.remove(&view.flow_id)).collect();
            if ended.is_empty() {
                return Ok(());
            }
            let mut again = Vec::with_capacity(ended.len());
            for flow in ended {
                let id = derived_id(&self.set, &flow, round).map_err(|what| Failure::new(Exit::Usage, what))?;
                made.insert(id.clone(), flow.clone());
                again.push(InstallFlow { flow_id: Some(id), ..flow });
            }
            views.extend(self.install(client, again, info).await?);
        }
        Ok(())
    }

    /// Removes the flows of the set that the file no longer has.
    async fn prune(
        &self,
        client: &Client,
        there: Vec<FlowView>,
        views: &[FlowView],
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let kept: HashSet<&FlowId> = views.iter().map(|view| &view.flow_id).collect();
        let is_left_over = |flow: &FlowView| self.set.made(&flow.flow_id) && !kept.contains(&flow.flow_id);
        let left_over: Vec<FlowId> = there
            .into_iter()
            .filter(|flow| is_left_over(flow) && !flow.state.is_ended() && flow.state != FlowState::Removing)
            .map(|flow| flow.flow_id)
            .collect();
        if left_over.is_empty() {
            return Ok(Exit::Done);
        }
        if self.dry_run {
            left_over.iter().for_each(|id| output.note(format_args!("would remove {}", shown(id.as_str()))));
            return Ok(Exit::Done);
        }
        output.note(format_args!("removing {} that the file no longer has", left_over.len()));
        let mut exit = Exit::Done;
        for ids in left_over.chunks(BATCH) {
            let command = Command::RemoveFlows(RemoveFlows { flow_ids: Some(ids.to_vec()), ..RemoveFlows::default() });
            let reply = understood(&request(client, &command).await?)?;
            if verdict::judge(&command, &reply, output) != Exit::Done {
                exit = Exit::No;
            }
        }
        Ok(exit)
    }

    /// The payload of one Reply for a program, what a person should know, and the verdict.
    fn tell(
        &self,
        flows: Vec<FlowView>,
        wanted: &HashMap<FlowId, Wait>,
        json: bool,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let mut summary = BTreeMap::new();
        flows.iter().for_each(|flow| *summary.entry(flow.state).or_default() += 1);
        let is_done = |flow: &FlowView| match (self.dry_run, wanted.get(&flow.flow_id)) {
            (true, _) => is_wanted(flow.state) || flow.state == FlowState::Planned,
            (false, Some(Wait::Accepted)) => matches!(flow.state, FlowState::Accepted | FlowState::Applied),
            (false, _) => flow.state == FlowState::Applied,
        };
        let troubled: Vec<&FlowView> = flows.iter().filter(|flow| !is_done(flow)).collect();
        flows
            .iter()
            .flat_map(|flow| &flow.warnings)
            .take(TOLD)
            .for_each(|warning| output.warning(shown(&warning.message)));
        // What would be refused is planned all the same, with the reason.
        flows
            .iter()
            .filter(|flow| flow.state == FlowState::Planned)
            .flat_map(|flow| flow.nodes.iter().filter_map(move |node| Some((&flow.flow_id, node.error.as_ref()?))))
            .take(TOLD)
            .for_each(|(id, error)| output.warning(format_args!("{}: {}", shown(id.as_str()), shown(&error.message))));
        for flow in troubled.iter().take(TOLD) {
            output.error(trouble(flow));
        }
        if troubled.len() > TOLD {
            output.error(format_args!("and {} more that are not as they were asked for", troubled.len() - TOLD));
        }
        let exit = if troubled.is_empty() { Exit::Done } else { Exit::No };
        if json {
            let payload = to_raw_value(&Reply::FlowsInstalled { flows, summary, left_out: 0 });
            output.line(payload.map_err(|error| Failure::new(Exit::No, error.to_string()))?.get())?;
        } else {
            if self.dry_run {
                output.data(view::flow_mods(&flows))?;
            }
            if flows.is_empty() {
                output.note("The file has no flows.");
            } else {
                output.data(view::summary(&summary, output))?;
            }
        }
        Ok(exit)
    }
}

/// What the daemon allows one message to take.
struct Room {
    subprotocol: Subprotocol,
    /// A request, in bytes, and the daemon's option for it.
    asked: usize,
    option: &'static str,
    /// An answer, in bytes.
    told: usize,
}

impl Room {
    fn new(limits: &Limits, subprotocol: Subprotocol) -> Self {
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let (asked, option) = match subprotocol {
            Subprotocol::Json => (limits.message_bytes, "--message-bytes"),
            Subprotocol::MessagePack => (limits.msgpack_message_bytes, "--msgpack-message-bytes"),
        };
        Self { subprotocol, asked: bytes(asked), option, told: bytes(limits.outbound_bytes) }
    }

    /// What a flow takes in a request.
    fn takes(&self, flow: &InstallFlow) -> Result<usize, Failure> {
        match self.subprotocol {
            Subprotocol::Json => match to_raw_value(flow) {
                Ok(text) => Ok(text.get().len()),
                Err(error) => Err(Failure::new(Exit::No, error.to_string())),
            },
            Subprotocol::MessagePack => Ok(to_msgpack(flow).len()),
        }
    }
}

/// What a flow takes in an answer, or rather more.
fn told_bytes(flow: &InstallFlow) -> usize {
    let (each, on_node) = TOLD_BYTES;
    each + on_node * flow.nodes.as_ref().map_or(1, Vec::len)
}

/// The flows that an answer had no room for: a few one by one, many out of the list of all.
async fn not_among(client: &Client, command: &Command, told: &[FlowView]) -> Result<Vec<FlowView>, Failure> {
    let Command::InstallFlows(InstallFlows { flows, .. }) = command else { return Ok(Vec::new()) };
    let told: HashSet<&FlowId> = told.iter().map(|flow| &flow.flow_id).collect();
    let ids = flows.iter().filter_map(|flow| flow.flow_id.as_ref());
    let mut missing: HashSet<&FlowId> = ids.filter(|id| !told.contains(id)).collect();
    let mut views = Vec::new();
    if missing.len() > FEW {
        views = all_flows(client, ListFlows { limit: MAX_LIST_LIMIT, ..ListFlows::default() }).await?;
        views.retain(|view| missing.remove(&view.flow_id));
    }
    for flow_id in missing {
        let payload = request(client, &Command::GetFlow(GetFlow { flow_id: flow_id.clone() })).await?;
        let Reply::Flow { flow } = understood(&payload)? else { return Err(strange()) };
        views.push(*flow);
    }
    Ok(views)
}

/// A bar on a terminal, where there is something to wait for.
fn progress(flows: usize, atomic: Atomic) -> ProgressBar {
    if flows <= BATCH || atomic != Atomic::None || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(flows.try_into().unwrap_or_default());
    match ProgressStyle::with_template("{wide_bar} {pos} of {len} flows, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn trouble(flow: &FlowView) -> String {
    let id = shown(flow.flow_id.as_str());
    if flow.state.is_ended() {
        return format!("{id}: the id stays that of a flow that is {}, for a day: use another flow_id", flow.state);
    }
    match flow.nodes.iter().find(|node| node.state == flow.state) {
        Some(node) => format!("{id}: {}", verdict::trouble(node)),
        None => format!("{id}: {}", flow.state),
    }
}

/// Faults that show only when the daemon's classes are known.
pub(super) fn wrong_file(faults: &[flow_file::Fault]) -> Failure {
    let lines: Vec<String> = faults.iter().take(TOLD).map(|fault| shown(&fault.to_string())).collect();
    Failure::new(Exit::Usage, lines.join("\nerror: "))
}
