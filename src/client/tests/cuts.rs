//! A conversation that is cut after every byte, in either direction: nothing is done twice, nothing is told that is not
//! so, and everything ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// A stream that breaks after so many bytes.
#[derive(Debug)]
struct Cut {
    inner: DuplexStream,
    reads: usize,
    writes: usize,
}

impl AsyncRead for Cut {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.reads == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut bytes = vec![0; this.reads.min(buffer.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        this.reads -= part.filled().len();
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.writes == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = bytes.get(..this.writes).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
        this.writes -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// Plays the conversation with a first connection that breaks there; whether it was whole all the same.
async fn play(reads: usize, writes: usize) -> bool {
    let (client, mut door) = start(config());
    let commands = [
        install(Some("kept")),
        install(Some("gone")),
        add_node("s1"),
        install(None),
        remove_flow("gone"),
        get_flow("kept"),
    ];
    let mut model = Model::default();
    let ask = async {
        let mut sent = Vec::new();
        for command in &commands {
            sent.push(client.send(command).await.unwrap());
        }
        let mut answers = Vec::new();
        for request in sent {
            answers.push(request.answer().await);
        }
        drop(client);
        answers
    };
    let serve = async {
        let mut attempts = 1;
        let mut pipe = door.pipe_through(|inner| Cut { inner, reads, writes }).await;
        loop {
            model.serve(pipe).await;
            match door.0.recv().await {
                Some(attempt) => {
                    attempts += 1;
                    let (ours, theirs) = tokio::io::duplex(PIPE);
                    let wire: Wire = Box::new(theirs);
                    attempt.send(Ok(wire)).unwrap_or_else(|_| panic!("nobody waits"));
                    pipe = ours;
                }
                None => return attempts,
            }
        }
    };
    let (answers, attempts) = tokio::join!(ask, serve);
    let place = format!("cut after {reads} bytes read and {writes} written: {answers:?}");
    let added = match &answers[2] {
        Ok(_) => 1,
        Err(RequestError::OutcomeUnknown(_)) => model.nodes_added.min(1),
        Err(_) => panic!("{place}"),
    };
    assert_eq!(model.nodes_added, added, "{place}");
    for (n, answer) in answers.iter().enumerate().filter(|(n, _)| *n != 2) {
        assert!(answer.is_ok(), "request {n}, {place}");
    }
    assert_eq!(model.flows.len(), 2, "{place}: {:?}", model.flows);
    assert!(model.flows.contains("kept") && !model.flows.contains("gone"), "{place}");
    attempts == 1
}

#[tokio::test(start_paused = true)]
async fn wherever_what_the_client_writes_is_cut_everything_ends_truthfully() {
    let mut bytes = 0;
    while !play(usize::MAX, bytes).await {
        bytes += 1;
    }
    assert!(bytes > 500, "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn wherever_what_the_client_reads_is_cut_everything_ends_truthfully() {
    let mut bytes = 0;
    while !play(bytes, usize::MAX).await {
        bytes += 1;
    }
    assert!(bytes > 500, "{bytes}");
}
