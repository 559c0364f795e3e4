//! Asks the daemon, shows the answer, and judges it by the contract's exit codes.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;

use super::check::{Ask, Question};
use super::exit::{Exit, Failure};
use super::output::{Output, shown};
use super::unreachable::{SHOW_A_TOKEN, unreachable};
use super::{diff, export, verdict, view};
use crate::client::{Client, Lost, RequestError};
use crate::contract::{Command, ErrorBody, ErrorCode, FlowView, ListFlows, OnConflict, Reply, Subprotocol};

/// How long an answer may take beyond what the command itself asks to wait: a daemon that is stuck must not hold a
/// script for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs one question from connection to goodbye.
pub(super) async fn run(ask: Ask, output: &mut Output) -> Result<Exit, Failure> {
    let Ask { connection, json, question } = ask;
    // Many flows are shorter in MessagePack, and more of them fit in one message.
    let is_bulk = matches!(question, Question::Apply(_));
    let subprotocol = if is_bulk { Subprotocol::MessagePack } else { Subprotocol::Json };
    let client = connection.open(subprotocol).await.map_err(|error| unreachable(&connection.url, &error))?;
    let exit = answer(&client, question, json, output).await;
    client.close().await;
    exit
}

async fn answer(client: &Client, question: Question, json: bool, output: &mut Output) -> Result<Exit, Failure> {
    match question {
        Question::Command(command) => one(client, &command, json, view::reply, output).await,
        Question::Queues(node) => one(client, &Command::GetNode(node), json, view::queues, output).await,
        Question::Classes => one(client, &Command::GetInfo, json, view::classes, output).await,
        Question::AllFlows(list) => {
            let flows = all_flows(client, list).await?;
            output.data(view::flows(&flows, output))?;
            Ok(Exit::Done)
        }
        Question::Apply(apply) => apply.run(client, json, output).await,
        Question::Diff(items) => diff::run(client, items, json, output).await,
        Question::Export(list, form) => export::run(client, list, form, output).await,
    }
}

/// One command, one answer: as it came for a program, as `view` has it for a person.
async fn one(
    client: &Client,
    command: &Command,
    json: bool,
    view: fn(&Command, &Reply, &Output) -> String,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let payload = request(client, command).await?;
    if json {
        output.line(payload.get())?;
    }
    let reply = understood(&payload)?;
    if !json {
        output.data(view(command, &reply, output))?;
    }
    Ok(verdict::judge(command, &reply, output))
}

/// Every page. Where one is longer than the daemon may send, the next ones are half as long.
pub(super) async fn all_flows(client: &Client, mut list: ListFlows) -> Result<Vec<FlowView>, Failure> {
    let mut all = Vec::new();
    loop {
        let command = Command::ListFlows(list.clone());
        let payload = match in_time(client, &command).await? {
            Err(RequestError::Refused(refusal)) if refusal.code == ErrorCode::TooLarge && list.limit > 1 => {
                list.limit /= 2;
                continue;
            }
            answer => answer.map_err(|error| failed(&command, &error))?,
        };
        let Reply::Flows { flows, next_cursor } = understood(&payload)? else { return Err(strange()) };
        all.extend(flows);
        match next_cursor {
            Some(cursor) => list.cursor = Some(cursor),
            None => return Ok(all),
        }
    }
}

pub(super) async fn request(client: &Client, command: &Command) -> Result<Box<RawValue>, Failure> {
    in_time(client, command).await?.map_err(|error| failed(command, &error))
}

/// The answer, if it comes before a daemon must be taken to be stuck.
async fn in_time(client: &Client, command: &Command) -> Result<Result<Box<RawValue>, RequestError>, Failure> {
    let own_ms = match command {
        Command::InstallFlow(install) => install.timeout_ms,
        Command::InstallFlows(install) => install.timeout_ms().unwrap_or_default(),
        _ => 0,
    };
    timeout(Duration::from_millis(own_ms.into()) + PATIENCE, client.request(command)).await.map_err(|_| {
        let what = format!("the daemon has not answered {} in time: the outcome is not known", command.name());
        Failure::new(Exit::No, what)
    })
}

pub(super) fn understood(payload: &RawValue) -> Result<Reply, Failure> {
    serde_json::from_str(payload.get()).map_err(|_| strange())
}

pub(super) fn strange() -> Failure {
    let what = "the daemon's answer is not one that this flumen understands";
    Failure::new(Exit::No, what).hint("compare 'flumen --version' with the daemon's; --json prints the answer as it is")
}

pub(super) fn failed(command: &Command, error: &RequestError) -> Failure {
    let exit = if matches!(error, RequestError::NotSent(_)) { Exit::Unreachable } else { Exit::No };
    let failure = Failure::new(exit, shown(&error.to_string()));
    match error {
        RequestError::Refused(refusal) => match hint_for(command, refusal) {
            Some(hint) => failure.hint(hint),
            None => failure,
        },
        RequestError::NotSent(Lost::LockedOut(_)) => failure.hint(SHOW_A_TOKEN),
        RequestError::NotSent(_) => failure.hint("nothing was done; asking again is harmless"),
        RequestError::OutcomeUnknown(_) => match command {
            Command::InstallFlow(install) if install.flow_id.is_some() => {
                failure.hint("the outcome is not known; asking again with the same --flow-id does nothing twice")
            }
            Command::InstallFlow(_) | Command::InstallFlows(_) => {
                failure.hint("the outcome is not known; 'flumen flow list' shows what there is")
            }
            _ => failure.hint("the outcome is not known; asking again is harmless"),
        },
        RequestError::Encode(_) | RequestError::Strange(_) => failure,
    }
}

fn hint_for(command: &Command, refusal: &ErrorBody) -> Option<&'static str> {
    let of_nodes = matches!(command, Command::GetNode(_) | Command::RemoveNode(_));
    let of_queues = matches!(command, Command::SetQueues(_));
    let of_flows = matches!(command, Command::GetFlow(_) | Command::RemoveFlow(_));
    // Where conflicts are only warned of, what has no field is a rule whose place is taken.
    let place_is_taken = refusal.path.is_none()
        && matches!(command, Command::InstallFlow(install) if install.on_conflict == OnConflict::Warn);
    let about_class = refusal.path.as_deref().is_some_and(|path| path.ends_with("traffic_type"));
    match refusal.code {
        ErrorCode::NotFound if matches!(command, Command::InstallFlow(_) | Command::InstallFlows(_)) => {
            Some("'flumen node list' shows the nodes there are, and 'flumen node add' registers one")
        }
        ErrorCode::Conflict if place_is_taken => {
            Some("--replace takes that rule's place, and with another --priority there is room for both")
        }
        ErrorCode::NotFound if of_nodes => Some("'flumen node list' shows the nodes there are"),
        ErrorCode::NotFound if of_queues => {
            Some("'flumen node list' and 'flumen node show' tell of nodes and their ports")
        }
        ErrorCode::NotFound if of_flows => Some("'flumen flow list' shows the flows there are"),
        ErrorCode::InvalidRequest if about_class => Some("'flumen classes' shows the traffic types there are"),
        ErrorCode::Unavailable if matches!(command, Command::RemoveNode(_)) => {
            Some("'--flows leave' leaves its flows on the switch and removes the node")
        }
        ErrorCode::Unauthenticated => Some(SHOW_A_TOKEN),
        _ => None,
    }
}
