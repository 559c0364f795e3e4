//! The point of it all: desired flows, what each switch has confirmed of them, and the way from one to the other.

use tokio::sync::{mpsc, oneshot};

use crate::contract::{Command, ErrorBody, Reply};

/// What happens to a switch that dials in without having been added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admission {
    /// It appears as a discovered node, to which nothing is written.
    #[default]
    Discover,
    /// It is registered at once, named by its datapath id.
    Adopt,
    /// It is refused.
    Registered,
}

/// The rule of priority 0 that a registered node gets in table 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableMiss {
    /// Packets that no flow takes are forwarded as an ordinary switch would.
    #[default]
    Normal,
    /// They are dropped.
    Drop,
    /// They are sent to the controller.
    Controller,
    /// No such rule is written.
    None,
}

/// The one answer to a command.
pub type Answer = Result<Reply, ErrorBody>;

/// The daemon is shutting down: the command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct Closed;

/// A command on its way in, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// A handle on the programmer: cheap to clone, good for any number of callers.
#[derive(Debug, Clone)]
pub struct Programmer {
    inbox: mpsc::Sender<Request>,
}

impl Programmer {
    /// A handle whose commands go to `inbox`.
    pub(crate) const fn new(inbox: mpsc::Sender<Request>) -> Self {
        Self { inbox }
    }

    /// Queues a command; waits while the inbox is full. The receiver yields exactly one answer, or is closed when
    /// the daemon shuts down first.
    ///
    /// # Errors
    /// [`Closed`] when the programmer has stopped.
    pub async fn submit(&self, command: Command) -> Result<oneshot::Receiver<Answer>, Closed> {
        let (answer, receiver) = oneshot::channel();
        self.inbox.send(Request { command, answer }).await.map_err(|_| Closed)?;
        Ok(receiver)
    }
}
