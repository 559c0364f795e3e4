//! The task around one [`Agent`]: connects, reads and writes, and connects again.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::agent::Agent;
use super::queues::Mark;
use super::session::CloseReason;
use super::{Address, Command, Ovsdb, Report, Stream, Target};
use crate::backoff::Backoff;

/// The time a connection has to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The first room for what the database says; the framing bounds a message.
const READ: usize = 16 << 10;

/// The agent, and all that it has to do with beside its connection.
struct Task {
    agent: Agent,
    key: u32,
    ovsdb: Ovsdb,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
}

/// The owner does not want to hear more.
struct Stopped;

pub(super) async fn run(
    ovsdb: Ovsdb,
    key: u32,
    target: Target,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
) {
    let Target { address, datapath_id, installation, wanted } = target;
    let agent = Agent::new(Mark::new(installation, datapath_id), wanted);
    let mut task = Task { agent, key, ovsdb, commands, stop };
    let mut backoff = Backoff::new();
    loop {
        let secure = task.ovsdb.secure.clone();
        let connecting = async {
            let made = tokio::time::timeout(CONNECT, connect(&address)).await;
            match made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| error.to_string())? {
                Made::Plain(stream) => Ok(stream),
                Made::ToSecure(stream) => secure(stream, datapath_id).await,
            }
        };
        let ended = match task.until(connecting).await {
            Ok(Ok(stream)) => task.drive(stream).await,
            Ok(Err(reason)) => {
                debug!(key, reason, "a switch's database is not connected");
                task.agent.handle_disconnected(reason);
                Ok(())
            }
            Err(Stopped) => return,
        };
        if task.agent.was_reached() {
            backoff.reset();
        }
        if ended.is_err() || task.until(tokio::time::sleep(backoff.wait())).await.is_err() {
            return;
        }
    }
}

/// A connection, before TLS.
enum Made {
    Plain(Box<dyn Stream>),
    ToSecure(TcpStream),
}

async fn connect(address: &Address) -> io::Result<Made> {
    Ok(match address {
        Address::Unix(path) => Made::Plain(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Made::Plain(Box::new(stream))
        }
        Address::Ssl(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Made::ToSecure(stream)
        }
    })
}

impl Task {
    /// Serves the agent until something is done.
    async fn until<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut something = pin!(something);
        loop {
            if let Some(done) = self.step(something.as_mut()).await? {
                return Ok(done);
            }
        }
    }

    /// Serves the agent once, or sees `something` done.
    async fn step<T>(&mut self, something: impl Future<Output = T>) -> Result<Option<T>, Stopped> {
        while let Some(news) = self.agent.poll_news() {
            self.ovsdb.reports.send(Report { key: self.key, news }).await.map_err(|_| Stopped)?;
        }
        let deadline = self.agent.poll_timeout();
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = something => return Ok(Some(done)),
            command = self.commands.recv() => self.agent.handle_command(command.ok_or(Stopped)?, Instant::now()),
            () = due => self.agent.handle_timeout(Instant::now()),
            () = self.stop.cancelled() => return Err(Stopped),
        }
        Ok(None)
    }

    /// One connection from beginning to end.
    async fn drive(&mut self, stream: Box<dyn Stream>) -> Result<(), Stopped> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut input, mut output) = (BytesMut::with_capacity(READ), BytesMut::new());
        // What was written may still be in the hands of TLS.
        let mut is_unflushed = false;
        self.agent.handle_connected(Instant::now());
        while self.agent.is_up() {
            // What is not written yet stays with the session, which bounds it.
            if output.is_empty() {
                self.agent.poll_transmit(&mut output);
            }
            let has_output = is_unflushed || !output.is_empty();
            let writing = async {
                if !output.is_empty() {
                    is_unflushed = true;
                    writer.write_buf(&mut output).await?;
                }
                writer.flush().await?;
                is_unflushed = false;
                Ok(1)
            };
            let exchange = async {
                tokio::select! {
                    read = reader.read_buf(&mut input) => read,
                    written = writing, if has_output => written,
                }
            };
            match self.step(exchange).await? {
                Some(Ok(0)) => self.agent.handle_broken(CloseReason::Closed),
                Some(Err(error)) => self.agent.handle_broken(CloseReason::Broken(error.kind())),
                Some(Ok(_)) | None => {}
            }
            self.agent.handle_input(&mut input, Instant::now());
        }
        Ok(())
    }
}
