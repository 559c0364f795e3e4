//! Large batches, cut into parts: the programmer has a few parts of each at a time, and of all of them together no more
//! than it does in the time that anybody else's request may wait.
//!
//! Whose turn it is ([`Turns`]) goes round: a batch that has had a part taken queues up behind the others. A part that
//! waits long for its switch gives its turn back, so that a switch that does not answer holds up nobody else's.
//!
//! A batch outlives the connection that it came on. So there is room for so many flows of batches and no more, and whoever
//! sends another is not read from until it fits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::Server;
use super::turns::Turns;
use super::writer::unavailable;
use crate::contract::{Atomic, ErrorBody, FlowState, FlowView, InstallFlow, InstallFlows, Reply};
use crate::programmer::{Answer, Checked, Closed, Part, Programmer, Step, Terms, TrailSender};

/// Flows in a part: a millisecond or two of the programmer's time.
const PART: usize = 256;
/// Parts of one batch that are under way at a time: enough that neither the programmer nor the disk nor the switch waits
/// for the next while nobody else asks for anything.
const AHEAD: usize = 5;
/// How long a part keeps its turn at most.
const TURN: Duration = Duration::from_millis(20);

/// A batch that is under way.
struct Batch {
    client: SocketAddr,
    programmer: Programmer,
    turns: Arc<Turns>,
}

/// Whether a batch is done in parts. Flows that stand or fall together are one piece.
pub(super) fn is_large(request: &InstallFlows) -> bool {
    request.atomic == Atomic::None && request.flows.len() > PART
}

/// Begins as soon as there is room for it. What was begun is carried out whether or not anybody waits for the answer.
pub(super) async fn begin(
    server: &Server,
    client: SocketAddr,
    request: InstallFlows,
    trail: Option<TrailSender>,
) -> oneshot::Receiver<Answer> {
    let weight = u32::try_from(request.flows.len()).unwrap_or(u32::MAX).min(server.config.batch_flows);
    let room = Arc::clone(&server.room).acquire_many_owned(weight).await;
    let (answer, receiver) = oneshot::channel();
    let batch = Batch { client, programmer: server.programmer.clone(), turns: Arc::clone(&server.turns) };
    server.spawn(async move {
        let (whole, steps) = batch.run(request, trail.is_some()).await;
        // Whoever asked may have gone away meanwhile.
        let _ = trail.map(|trail| trail.send(steps));
        let _ = answer.send(whole);
        drop(room);
    });
    receiver
}

impl Batch {
    /// The answer, and what was sent to switches where that is wanted.
    async fn run(self, request: InstallFlows, is_followed: bool) -> (Answer, Vec<Step>) {
        let (wait, timeout_ms) = (request.wait(), request.timeout_ms().unwrap_or(0));
        let InstallFlows { flows, report, .. } = request;
        let due = Instant::now() + Duration::from_millis(timeout_ms.into());
        match self.check(flows).await {
            Ok(parts) => self.install(parts, Terms { report, wait, due }, is_followed).await,
            Err(error) => (Err(error), Vec::new()),
        }
    }

    /// Checks all of it before any of it is installed.
    async fn check(&self, flows: Vec<InstallFlow>) -> Result<Vec<Checked>, ErrorBody> {
        let mut under_way = FuturesOrdered::new();
        let mut checked = Vec::with_capacity(flows.len().div_ceil(PART));
        for part in parts(flows) {
            if under_way.len() == AHEAD {
                checked.extend(under_way.next().await.transpose()?);
            }
            let answer = self.programmer.check(part).await.map_err(unavailable)?;
            under_way.push_back(async move { answer.await.unwrap_or_else(|_| Err(unavailable(Closed))) });
        }
        while let Some(part) = under_way.next().await {
            checked.push(part?);
        }
        Ok(checked)
    }

    /// Installs the parts, and puts their answers together. After an error nothing more is begun.
    async fn install(&self, parts: Vec<Checked>, terms: Terms, is_followed: bool) -> (Answer, Vec<Step>) {
        let mut parts = parts.into_iter();
        let mut next = parts.next();
        let mut under_way = FuturesOrdered::new();
        let mut answer = Whole::default();
        let take_turn = || Arc::clone(&self.turns).take(self.client);
        let mut turn = Box::pin(take_turn());
        loop {
            tokio::select! {
                Some(part) = under_way.next() => {
                    if !answer.add(part) {
                        next = None;
                        // Whoever still queued would be given a turn, and not use it.
                        turn = Box::pin(take_turn());
                    }
                }
                // The semaphore is never closed.
                Ok(taken) = &mut turn, if next.is_some() && under_way.len() < AHEAD => {
                    turn = Box::pin(take_turn());
                    let Some(part) = next.take() else { continue };
                    next = parts.next();
                    let (sender, trail) = is_followed.then(oneshot::channel).unzip();
                    match self.programmer.install(part, terms, sender).await {
                        Ok(answer) => under_way.push_back(settle(answer, trail, taken)),
                        Err(closed) => {
                            answer.add((Err(unavailable(closed)), Vec::new()));
                            next = None;
                        }
                    }
                }
                else => return answer.finish(),
            }
        }
    }
}

/// The flows in parts.
fn parts(flows: Vec<InstallFlow>) -> impl Iterator<Item = Part> {
    let mut flows = flows.into_iter();
    (0..).step_by(PART).map_while(move |first| {
        let flows: Vec<_> = flows.by_ref().take(PART).collect();
        (!flows.is_empty()).then_some(Part { flows, first })
    })
}

/// Waits for the answer to a part, for a while with the turn that it was given.
async fn settle(
    mut answer: oneshot::Receiver<Answer>,
    trail: Option<oneshot::Receiver<Vec<Step>>>,
    turn: OwnedSemaphorePermit,
) -> (Answer, Vec<Step>) {
    let answered = match timeout(TURN, &mut answer).await {
        Ok(answered) => answered,
        Err(_) => {
            drop(turn);
            answer.await
        }
    };
    // The trail comes before the answer.
    let steps = trail.and_then(|mut trail| trail.try_recv().ok()).unwrap_or_default();
    (answered.unwrap_or_else(|_| Err(unavailable(Closed))), steps)
}

/// The answer to all parts so far.
#[derive(Default)]
struct Whole {
    flows: Vec<FlowView>,
    summary: BTreeMap<FlowState, u64>,
    error: Option<ErrorBody>,
    steps: Vec<Step>,
}

impl Whole {
    /// Adds the answer to a part; false when the whole has failed.
    fn add(&mut self, (part, steps): (Answer, Vec<Step>)) -> bool {
        self.steps.extend(steps);
        match part {
            Ok(Reply::FlowsInstalled { flows, summary, .. }) => {
                self.flows.extend(flows);
                summary.into_iter().for_each(|(state, count)| *self.summary.entry(state).or_default() += count);
            }
            Ok(_) => {}
            Err(error) => drop(self.error.get_or_insert(error)),
        }
        self.error.is_none()
    }

    fn finish(self) -> (Answer, Vec<Step>) {
        let Self { flows, summary, error, steps } = self;
        (error.map_or(Ok(Reply::FlowsInstalled { flows, summary, left_out: 0 }), Err), steps)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::mpsc;

    use super::*;
    use crate::contract::{Endpoint, ErrorCode, Report};
    use crate::northbound::turns::PARTS;
    use crate::programmer::Slice;

    const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    /// A way to a programmer that the test plays itself.
    fn batch(turns: &Arc<Turns>) -> (Batch, mpsc::Receiver<Slice>) {
        let (sender, slices) = mpsc::channel(64);
        let programmer = Programmer::with_slices(mpsc::channel(1).0, sender);
        (Batch { client: CLIENT, programmer, turns: Arc::clone(turns) }, slices)
    }

    fn turns(parts: u32) -> Arc<Turns> {
        Arc::new(Turns::new(parts))
    }

    fn request(flows: usize) -> InstallFlows {
        let flow = InstallFlow::new(Endpoint::Any, Endpoint::Any, "voice");
        InstallFlows { flows: vec![flow; flows], atomic: Atomic::None, report: Report::Problems }
    }

    async fn run(batch: Batch, flows: usize) -> Answer {
        batch.run(request(flows), false).await.0
    }

    fn applied(flows: usize) -> Answer {
        let summary = BTreeMap::from([(FlowState::Applied, flows as u64)]);
        Ok(Reply::FlowsInstalled { flows: Vec::new(), summary, left_out: 0 })
    }

    fn refused(message: &'static str) -> ErrorBody {
        ErrorBody::new(ErrorCode::NotFound, message)
    }

    /// Says yes to every check, until a part is to be installed.
    async fn pass_checks(slices: &mut mpsc::Receiver<Slice>) -> (Checked, oneshot::Sender<Answer>) {
        loop {
            match slices.recv().await.unwrap() {
                Slice::Check(part, answer) => answer.send(Ok(Checked::untested(part))).unwrap(),
                Slice::Install(part, _, answer, _) => return (part, answer),
            }
        }
    }

    #[tokio::test]
    async fn all_of_a_batch_is_checked_before_any_of_it_is_installed_and_the_answer_is_one() {
        let (batch, mut slices) = batch(&turns(PARTS));
        let count = 3 * PART + 1;
        let answer = tokio::spawn(run(batch, count));
        let (mut checked, mut installed) = (0, 0);
        while installed < count {
            match slices.recv().await.unwrap() {
                Slice::Check(part, answer) => {
                    assert_eq!((part.first, installed), (checked, 0));
                    checked += part.flows.len();
                    answer.send(Ok(Checked::untested(part))).unwrap();
                }
                Slice::Install(part, _, answer, _) => {
                    assert_eq!((part.first(), checked), (installed, count));
                    installed += part.len();
                    answer.send(applied(part.len())).unwrap();
                }
            }
        }
        assert_eq!(answer.await.unwrap(), applied(count));
    }

    #[tokio::test]
    async fn one_flow_that_could_never_be_installed_refuses_the_whole_before_any_of_it_is() {
        let (batch, mut slices) = batch(&turns(PARTS));
        let answer = tokio::spawn(run(batch, 20 * PART));
        while let Some(slice) = slices.recv().await {
            match slice {
                Slice::Check(part, answer) if part.first == 5 * PART => drop(answer.send(Err(refused("no")))),
                Slice::Check(part, answer) => drop(answer.send(Ok(Checked::untested(part)))),
                Slice::Install(..) => panic!("nothing is to be installed"),
            }
        }
        assert_eq!(answer.await.unwrap(), Err(refused("no")));
    }

    #[tokio::test]
    async fn after_a_part_that_fails_nothing_more_is_begun() {
        let (batch, mut slices) = batch(&turns(PARTS));
        let answer = tokio::spawn(run(batch, 20 * PART));
        let (_, first) = pass_checks(&mut slices).await;
        let mut begun = vec![first];
        while begun.len() < AHEAD {
            begun.push(pass_checks(&mut slices).await.1);
        }
        for (number, part) in begun.into_iter().enumerate() {
            part.send(if number == 0 { Err(refused("gone")) } else { applied(PART) }).unwrap();
        }
        assert!(slices.recv().await.is_none(), "and nothing more was");
        assert_eq!(answer.await.unwrap(), Err(refused("gone")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_has_failed_keeps_no_turn_from_the_others() {
        let turns = turns(1);
        let (failing, mut of_failing) = batch(&turns);
        let (other, mut of_other) = batch(&turns);
        let first = tokio::spawn(run(failing, 3 * PART));
        let (_, part) = pass_checks(&mut of_failing).await;
        // The second part gets the turn that the first has given back, and is never answered.
        let (_, never) = pass_checks(&mut of_failing).await;
        part.send(Err(refused("gone"))).unwrap();
        tokio::spawn(run(other, 1));
        let installed = timeout(Duration::from_secs(60), pass_checks(&mut of_other)).await;
        assert!(installed.is_ok(), "the other one never had its turn");
        never.send(applied(PART)).unwrap();
        assert_eq!(first.await.unwrap(), Err(refused("gone")));
    }

    #[tokio::test]
    async fn turns_go_round_among_batches() {
        let turns = turns(1);
        let (first, mut of_first) = batch(&turns);
        let (second, mut of_second) = batch(&turns);
        tokio::spawn(run(first, 4 * PART));
        let (_, part) = pass_checks(&mut of_first).await;
        tokio::spawn(run(second, 4 * PART));
        let mut waiting = Box::pin(pass_checks(&mut of_second));
        // It is checked, and queues up.
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        part.send(applied(PART)).unwrap();
        // The first one had queued up again before the second came.
        let (_, part) = pass_checks(&mut of_first).await;
        part.send(applied(PART)).unwrap();
        let (_, part) = waiting.await;
        assert!(of_first.try_recv().is_err(), "the first one has had its turn");
        part.send(applied(PART)).unwrap();
        pass_checks(&mut of_first).await;
        assert!(of_second.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_whose_switch_does_not_answer_holds_up_nobody_else() {
        let turns = turns(1);
        let (stuck, mut of_stuck) = batch(&turns);
        let (other, mut of_other) = batch(&turns);
        let begun = tokio::time::Instant::now();
        let first = tokio::spawn(run(stuck, 1));
        let (_, never) = pass_checks(&mut of_stuck).await;
        let second = tokio::spawn(run(other, 1));
        let (_, part) = pass_checks(&mut of_other).await;
        assert!(begun.elapsed() >= TURN);
        part.send(applied(1)).unwrap();
        assert_eq!(second.await.unwrap(), applied(1));
        never.send(applied(1)).unwrap();
        assert_eq!(first.await.unwrap(), applied(1), "its own answer still comes");
    }

    #[tokio::test(start_paused = true)]
    async fn w15_of_however_many_batches_only_so_many_parts_are_ahead_of_anybody_else() {
        const BATCHES: usize = 30;
        let turns = turns(PARTS);
        let (sender, mut slices) = mpsc::channel(4 * BATCHES);
        for _ in 0..BATCHES {
            let programmer = Programmer::with_slices(mpsc::channel(1).0, sender.clone());
            tokio::spawn(run(Batch { client: CLIENT, programmer, turns: Arc::clone(&turns) }, 4 * PART));
        }
        let (mut installing, mut most, mut installed) = (VecDeque::new(), 0, 0);
        while installed < 4 * BATCHES {
            match next(&mut slices).await {
                Some(Slice::Check(part, answer)) => answer.send(Ok(Checked::untested(part))).unwrap(),
                Some(Slice::Install(part, _, answer, _)) => {
                    installing.push_back((part, answer));
                    most = most.max(installing.len());
                }
                None => {
                    let (part, answer) = installing.pop_front().expect("a part that something waits for");
                    answer.send(applied(part.len())).unwrap();
                    installed += 1;
                }
            }
        }
        assert_eq!(most, PARTS as usize, "parts that somebody else would wait for");
    }

    /// What comes without anything else being done.
    async fn next(slices: &mut mpsc::Receiver<Slice>) -> Option<Slice> {
        for _ in 0..1_000 {
            if let Ok(slice) = slices.try_recv() {
                return Some(slice);
            }
            tokio::task::yield_now().await;
        }
        None
    }
}
