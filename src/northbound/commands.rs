//! The commands of a client: read, admitted, and handed to the programmer.

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio_tungstenite::tungstenite::Message;
use tracing::error;

use super::audit::Change;
use super::auth::{Denied, Grant};
use super::batch;
use super::progress::Credit;
use super::subprotocol::Frame;
use super::websocket::{Desk, Ending, Line};
use super::writer::{Handed, Submitted, unavailable};
use crate::contract::{Authenticate, Command, CommandName, ErrorBody, ErrorCode, Reply, RequestId, Role};

/// Where the commands of one connection are taken.
pub(super) struct Commands<'a> {
    line: Line<'a>,
    /// Who asks.
    granted: watch::Sender<Grant>,
    /// Lifted when that is known.
    credit: Credit,
}

impl Desk for Commands<'_> {
    async fn take(&self, message: Message, permit: OwnedSemaphorePermit) -> Result<Handed, Ending> {
        let frame = self.line.subprotocol.accept(message)?;
        Ok(self.submit(frame, permit).await)
    }
}

impl<'a> Commands<'a> {
    pub(super) fn new(line: Line<'a>, granted: watch::Sender<Grant>, credit: Credit) -> Self {
        Self { line, granted, credit }
    }

    /// Hands a request to the programmer, waiting while its inbox is full.
    async fn submit(&self, frame: Frame, permit: OwnedSemaphorePermit) -> Handed {
        let depth = self.line.server.config.json_depth;
        let parsed = if frame.is_long() { self.parse_aside(frame, depth).await } else { frame.parse(depth) };
        let (id, command) = match parsed {
            Ok((id, command)) if self.line.load.is_in_flight(&id) => {
                return self.refuse(Some(id), Some(command.kind()), in_flight(), permit);
            }
            Err((Some(id), _)) if self.line.load.is_in_flight(&id) => {
                return self.refuse(Some(id), None, in_flight(), permit);
            }
            Ok(request) => request,
            Err((id, error)) => return self.refuse(id, None, error, permit),
        };
        let name = command.kind();
        if let Command::Authenticate(request) = &command {
            return match self.authenticate(request) {
                Ok(reply) => {
                    self.line.server.metrics.answered(Some(name), None);
                    Handed::Written(self.line.subprotocol.reply(id, name, &reply), permit)
                }
                Err(error) => self.refuse(Some(id), Some(name), error, permit),
            };
        }
        let mut change = Change::of(&command, &id, &self.granted.borrow(), self.line.peer);
        let admitted = self.authorize(&command).and_then(|()| self.line.form().foresee(&command));
        if let Err(error) = admitted {
            let answer = Err(error.clone());
            change.into_iter().for_each(|change| change.settle(&answer, &[]));
            return self.refuse(Some(id), Some(name), error, permit);
        }
        self.line.load.begin(&id);
        let permit = self.line.load.extend(permit, &command).await;
        let follow_up = command.subscription();
        let (sender, trail) = change.as_ref().map(|_| oneshot::channel()).unzip();
        let submitted = match command {
            Command::InstallFlows(request) if batch::is_large(&request) => {
                Ok(batch::begin(self.line.server, self.line.peer, request, sender).await)
            }
            command => {
                self.line.server.turns.make_way(self.line.peer);
                self.line.server.programmer.submit_followed(command, sender).await
            }
        };
        match submitted {
            Ok(answer) => {
                change.iter_mut().for_each(Change::submitted);
                Handed::Submitted(Submitted { id, command: name, permit, change, trail, follow_up }, answer)
            }
            Err(closed) => {
                self.line.load.end(&id);
                self.refuse(Some(id), Some(name), unavailable(closed), permit)
            }
        }
    }

    /// Takes a token. From here on the connection is its holder's.
    fn authenticate(&self, request: &Authenticate) -> Result<Reply, ErrorBody> {
        let denied = match self.line.server.auth.check(request.token.reveal(), self.line.peer.ip()) {
            Ok(grant) => {
                let role = grant.role().unwrap_or(Role::Viewer);
                self.granted.send_replace(grant);
                self.credit.lift();
                return Ok(Reply::Authenticated { role });
            }
            Err(Denied::TooMany) => "too many wrong tokens from this address; wait a second",
            Err(Denied::Wrong | Denied::InQuery) => "the token is not one that is known here",
        };
        Err(ErrorBody::new(ErrorCode::Unauthenticated, denied).at("payload.token"))
    }

    /// Whether whoever asks may.
    fn authorize(&self, command: &Command) -> Result<(), ErrorBody> {
        let Some(needed) = command.role() else { return Ok(()) };
        match self.granted.borrow().role() {
            Some(role) if role >= needed => Ok(()),
            Some(role) => {
                let message = format!("{} is for the role {needed}; this token's is {role}", command.name());
                Err(ErrorBody::new(ErrorCode::Forbidden, message).at("type"))
            }
            None => {
                let message = "show a token first: with Authenticate, or with the upgrade";
                Err(ErrorBody::new(ErrorCode::Unauthenticated, message).at("type"))
            }
        }
    }

    /// Reads a long message on a thread of its own, as many at a time as half the processors can: the others are for whoever
    /// asks for less.
    async fn parse_aside(
        &self,
        frame: Frame,
        depth: usize,
    ) -> Result<(RequestId, Command), (Option<RequestId>, ErrorBody)> {
        let _place = self.line.server.parsers.acquire().await;
        let parsed = spawn_blocking(move || frame.parse(depth)).await;
        parsed.unwrap_or_else(|error| {
            error!(%error, "reading a message failed");
            Err((None, ErrorBody::new(ErrorCode::Internal, "the message could not be read")))
        })
    }

    /// A request that goes no further; its id and its command are known as far as they could be read.
    fn refuse(
        &self,
        id: Option<RequestId>,
        command: Option<CommandName>,
        error: ErrorBody,
        permit: OwnedSemaphorePermit,
    ) -> Handed {
        self.line.server.metrics.answered(command, Some(error.code));
        Handed::Written(self.line.subprotocol.error(id, error), permit)
    }
}

/// An id may come again when it is answered.
fn in_flight() -> ErrorBody {
    ErrorBody::new(ErrorCode::Conflict, "a request with this id is in flight on this connection").at("id")
}
