//! Bugs planted between the engine and its world, each of which the oracle must find: an oracle that cannot fail proves
//! nothing.

use openflow::{FlowMod, FlowModCommand};

use crate::contract::{self, Atomic, FlowState, Reply};
use crate::programmer::Answer;
use crate::programmer::cookie::{Purpose, from_token};
use crate::programmer::engine::Ticket;
use crate::session::{Command, Token};
use crate::store::Snapshot;

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// A batch is called durable and was not written.
    DropsCommit,
    /// The last flow that was stored is not there after a restart.
    ForgetsFlow,
    /// A FLOW_MOD is confirmed and was not carried out.
    DropsInstall,
    /// The deletion of a removed flow's rules is confirmed and was not carried out.
    ForgetsRemoval,
    /// Nor is that of rules that belong to no flow.
    SkipsSweep,
    /// Rules go out with other actions.
    ChangesActions,
    /// Rules go out under the cookie of another flow.
    ChangesCookie,
    /// Rules go out without their timeouts.
    DropsTimeouts,
    /// A deletion takes what others have in its table too.
    DeletesAll,
    /// What the switch has of others is written over.
    WritesOverOthers,
    /// A command is answered twice.
    AnswersTwice,
    /// A command is not answered.
    DropsAnswer,
    /// A flow that the switch refused is called applied.
    HidesRejection,
    /// An accepted flow is called applied.
    AnswersEarly,
    /// A flow that is being removed is called removed.
    RemovesEarly,
    /// Flows that go together are installed one by one.
    ForgetsAtomicity,
    /// A bundle that is to be discarded is committed.
    CommitsDiscarded,
}

impl Sabotage {
    pub(super) const ALL: [Self; 17] = [
        Self::DropsCommit,
        Self::ForgetsFlow,
        Self::DropsInstall,
        Self::ForgetsRemoval,
        Self::SkipsSweep,
        Self::ChangesActions,
        Self::ChangesCookie,
        Self::DropsTimeouts,
        Self::DeletesAll,
        Self::WritesOverOthers,
        Self::AnswersTwice,
        Self::DropsAnswer,
        Self::HidesRejection,
        Self::AnswersEarly,
        Self::RemovesEarly,
        Self::ForgetsAtomicity,
        Self::CommitsDiscarded,
    ];

    /// What becomes of a request.
    pub(super) fn request(self, request: &mut contract::Command) {
        if let (Self::ForgetsAtomicity, contract::Command::InstallFlows(request)) = (self, request) {
            request.atomic = Atomic::None;
        }
    }

    /// Whether a batch is really written.
    pub(super) fn writes(self, ticket: u64) -> bool {
        self != Self::DropsCommit || !ticket.is_multiple_of(3)
    }

    /// What a daemon finds on its disk.
    pub(super) fn snapshot(self, snapshot: &mut Snapshot) {
        if self == Self::ForgetsFlow {
            snapshot.flows.pop();
        }
    }

    /// What becomes of an order on its way to a session.
    pub(super) fn order(self, command: Command) -> Command {
        let spoil =
            |mods: Vec<(Token, FlowMod)>| mods.into_iter().map(|(token, flow_mod)| self.flow_mod(token, flow_mod));
        match command {
            Command::Program(mods) => Command::Program(spoil(mods).collect()),
            Command::Bundle(mods) => Command::Bundle(spoil(mods).collect()),
            Command::Prepare { bundle, mods } => Command::Prepare { bundle, mods: spoil(mods).collect() },
            Command::Discard { bundle } if self == Self::CommitsDiscarded => Command::Commit { bundle },
            other => other,
        }
    }

    fn flow_mod(self, token: Token, mut flow_mod: FlowMod) -> (Token, FlowMod) {
        let purpose = from_token(token).map(|(purpose, _)| purpose);
        let is_install = matches!(purpose, Some(Purpose::Install | Purpose::Bundled));
        let is_removal = purpose == Some(Purpose::Remove);
        let is_sweep = flow_mod.command == FlowModCommand::DeleteStrict && !is_removal;
        match self {
            Self::DropsInstall if is_install && flow_mod.cookie.is_multiple_of(3) => flow_mod = nothing(),
            Self::ForgetsRemoval if is_removal && flow_mod.cookie.is_multiple_of(3) => flow_mod = nothing(),
            Self::SkipsSweep if is_sweep => flow_mod = nothing(),
            Self::ChangesActions if is_install => flow_mod.instructions.clear(),
            Self::ChangesCookie if is_install => flow_mod.cookie += 1,
            Self::DropsTimeouts if is_install => (flow_mod.idle_timeout, flow_mod.hard_timeout) = (0, 0),
            Self::DeletesAll if is_removal => flow_mod = FlowMod { table_id: flow_mod.table_id, ..FlowMod::delete() },
            Self::WritesOverOthers if is_install => {
                flow_mod.command = FlowModCommand::Modify;
                flow_mod.flow_match = openflow::Match::any();
            }
            _ => {}
        }
        (token, flow_mod)
    }

    /// What becomes of answers.
    pub(super) fn answers(self, answers: &mut Vec<(Ticket, Answer)>) {
        match self {
            Self::AnswersTwice => {
                if let Some((ticket, answer)) =
                    answers.first().filter(|(ticket, _)| ticket.0.is_multiple_of(7)).cloned()
                {
                    answers.push((ticket, answer));
                }
            }
            Self::DropsAnswer => answers.retain(|(ticket, _)| !ticket.0.is_multiple_of(7)),
            Self::HidesRejection => rename(answers, FlowState::Rejected, FlowState::Applied),
            Self::AnswersEarly => rename(answers, FlowState::Accepted, FlowState::Applied),
            Self::RemovesEarly => rename(answers, FlowState::Removing, FlowState::Removed),
            _ => {}
        }
    }
}

fn rename(answers: &mut [(Ticket, Answer)], from: FlowState, to: FlowState) {
    for (_, answer) in answers {
        if let Ok(Reply::Flow { flow }) = answer {
            let states = flow.nodes.iter_mut().map(|node| &mut node.state).chain([&mut flow.state]);
            states.filter(|state| **state == from).for_each(|state| *state = to);
        }
    }
}

/// A FLOW_MOD that does nothing.
fn nothing() -> FlowMod {
    FlowMod { command: FlowModCommand::DeleteStrict, cookie: 1, cookie_mask: u64::MAX, ..FlowMod::delete() }
}
