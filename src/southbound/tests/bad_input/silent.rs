//! Peers that let this side wait, in each state: a deadline ends the wait, and nobody else's.

use super::*;
use crate::session::bad_input::{multipart, raw};

/// Shorter than in earnest, and long enough for the good switch on a busy machine.
fn hasty() -> session::Config {
    let seconds = Duration::from_secs;
    session::Config {
        handshake: seconds(2),
        idle: seconds(1),
        dead: seconds(6),
        barrier: seconds(2),
        barrier_dead: seconds(3),
        read: seconds(2),
        ..session::Config::default()
    }
}

#[tokio::test]
async fn m03_m18_m29_a_peer_that_falls_silent_is_given_up_in_every_state_and_no_other() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, hasty()).await;
        let mut peers = Vec::new();
        for state in STATES {
            // The front of a message of the largest size, and nothing at all.
            for front in [&[OFP_VERSION, 2, 0xff, 0xff][..], &[]] {
                let mut peer = scene.peer(state).await;
                peer.send(front).await;
                peers.push(peer);
            }
        }
        for mut peer in peers {
            read_to_end(&mut peer.stream).await;
        }
        scene.assert_undisturbed().await;
    }
}

#[tokio::test]
async fn m45_a_reply_that_stops_in_the_middle_fails_its_read_and_no_more() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, hasty()).await;
        let mut peer = scene.peer(State::InFlight).await;
        peer.send(&multipart(peer.xids.read, 1, true, &[])).await;
        peer.say(peer.xids.barrier, &Message::BarrierReply).await;
        let (own, _) = peer.ready.clone().unwrap();
        let read = async {
            loop {
                match scene.stage.report().await {
                    Report::Happened { connection, event: Event::FlowsRead { result, .. } } => {
                        assert_eq!((connection, result), (own, Err(session::ReadError::Timeout)));
                        return;
                    }
                    Report::Happened { event: Event::Closed(reason), .. } => panic!("{reason}"),
                    _ => {}
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = peer.answer_echoes() => panic!("the connection ended"),
        }
        scene.assert_undisturbed().await;
    }
}

#[tokio::test]
async fn m65_a_barrier_that_is_never_answered_ends_its_connection_and_no_other() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, hasty()).await;
        let mut peer = scene.peer(State::InFlight).await;
        peer.answer_echoes().await;
        let (outcomes, reason) = peer.end(&mut scene.stage).await;
        assert!(outcomes.len() >= 3 && outcomes.iter().all(|outcome| *outcome == "unknown"), "{outcomes:?}");
        assert_eq!(reason, Some(CloseReason::BarrierUnanswered));
        scene.assert_undisturbed().await;
    }
}

#[tokio::test]
async fn m71_a_peer_that_asks_without_reading_is_given_up_over_tls_too() {
    for transport in TRANSPORTS {
        for state in [State::BeforeFeatures, State::InFlight] {
            let mut scene = Scene::new(transport, session::Config::default()).await;
            let mut peer = scene.peer(state).await;
            let echo = raw(2, NOBODY, &[0; 65_527]);
            let flood = async { while peer.stream.write_all(&echo).await.is_ok() {} };
            tokio::time::timeout(PATIENCE, flood).await.expect("the flood ends");
            scene.assert_undisturbed().await;
        }
    }
}

impl Peer {
    /// Answers echo requests and nothing else, until the stream ends.
    async fn answer_echoes(&mut self) {
        while let Some((xid, message)) = self.next().await {
            if let Message::EchoRequest(echo) = message {
                self.say(xid, &Message::EchoReply(echo)).await;
            }
        }
    }
}
