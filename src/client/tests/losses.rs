//! Every way in which a connection can be lost, and what comes of what was in flight.

use super::*;
use crate::contract::GetNode;

fn is_unknown(answer: &Answer) -> bool {
    matches!(answer, Err(RequestError::OutcomeUnknown(_)))
}

#[tokio::test(start_paused = true)]
async fn what_has_an_id_is_asked_again_in_its_order_and_what_has_none_is_not_known() {
    let (client, mut door, mut peer) = connected().await;
    let commands = [
        install(Some("a")),
        install(None),
        add_node("s1"),
        remove_flow("b"),
        Command::GetNode(GetNode { name: "s1".parse().unwrap() }),
    ];
    let mut sent = Vec::new();
    let mut asked = Vec::new();
    for command in &commands {
        sent.push(client.send(command).await.unwrap());
        asked.push(peer.next().await);
    }
    drop(peer);
    let mut peer = door.accept().await;
    let mut again = Vec::new();
    for _ in 0..4 {
        again.push(peer.next().await);
        peer.reply(&again[again.len() - 1], json!({"n": again.len()})).await;
    }
    asked.remove(2);
    assert_eq!(again, asked, "the same requests with the same ids of flows, and AddNode not among them");
    let mut answers = Vec::new();
    for request in sent {
        answers.push(request.answer().await);
    }
    assert!(is_unknown(&answers.remove(2)));
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().get(), json!({"n": n + 1}).to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_asked_again() {
    let (client, mut door, mut peer) = connected().await;
    drop(client.send(&install(Some("given-up"))).await.unwrap());
    let kept = client.send(&install(Some("kept"))).await.unwrap();
    peer.next().await;
    peer.next().await;
    drop(peer);
    let mut peer = door.accept().await;
    let again = peer.next().await;
    assert_eq!(again["payload"]["flow_id"], "kept");
    peer.reply(&again, json!({})).await;
    kept.answer().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_there_is_no_connection_waits_for_one() {
    let (client, mut door) = start(config());
    let early = client.send(&add_node("s1")).await.unwrap();
    door.refuse().await;
    door.refuse().await;
    let later = client.send(&add_node("s2")).await.unwrap();
    let mut peer = door.accept().await;
    for name in ["s1", "s2"] {
        let request = peer.next().await;
        assert_eq!(request["payload"]["name"], name);
        peer.reply(&request, json!({})).await;
    }
    early.answer().await.unwrap();
    later.answer().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_waits_double_from_one_second_to_thirty_and_begin_again_when_the_daemon_was_heard() {
    let (client, mut door, peer) = connected().await;
    let wait = async |door: &mut Door| {
        let begun = tokio::time::Instant::now();
        let attempt = door.knock().await;
        (begun.elapsed().as_secs_f64(), attempt)
    };
    drop(peer);
    for step in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
        let (waited, attempt) = wait(&mut door).await;
        assert!((step * 0.75..=step * 1.25 + 0.01).contains(&waited), "{waited} s at the step of {step} s");
        attempt.send(Err(refused())).unwrap_or_else(|_| panic!("nobody waits"));
    }
    let mut peer = door.accept().await;
    let asked = client.send(&Command::GetInfo).await.unwrap();
    let request = peer.next().await;
    peer.reply(&request, json!({})).await;
    asked.answer().await.unwrap();
    drop(peer);
    let (waited, _) = wait(&mut door).await;
    assert!(waited <= 1.26, "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_lets_in_and_hangs_up_is_not_asked_ever_faster() {
    let (_client, mut door, peer) = connected().await;
    drop(peer);
    let begun = tokio::time::Instant::now();
    for _ in 0..5 {
        drop(door.pipe().await);
        drop(Peer::upgrade(door.pipe().await).await);
    }
    assert!(begun.elapsed() > Duration::from_secs(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_everything_ends_with_the_reason() {
    let (client, mut door, mut peer) = connected_with(Config { reconnect: Reconnect::at_most(2), ..config() }).await;
    let in_doubt = client.send(&install(Some("a"))).await.unwrap();
    peer.next().await;
    drop(peer);
    door.refuse().await;
    let unsent = client.send(&install(Some("b"))).await.unwrap();
    door.refuse().await;
    let reason = Lost::Unreachable("connection refused".to_owned());
    assert!(matches!(in_doubt.answer().await, Err(RequestError::OutcomeUnknown(lost)) if lost == reason));
    assert!(matches!(unsent.answer().await, Err(RequestError::NotSent(lost)) if lost == reason));
    assert!(matches!(client.request(&Command::GetInfo).await, Err(RequestError::NotSent(lost)) if lost == reason));
    assert_eq!(client.loss(), Some(reason));
    assert!(client.events().is_none());
}

#[tokio::test(start_paused = true)]
async fn without_reconnects_a_loss_is_the_end_and_says_how_it_came() {
    for (code, number) in [(CloseCode::Away, 1001), (CloseCode::Again, 1013), (CloseCode::Policy, 1008)] {
        let config = Config { reconnect: Reconnect::at_most(0), ..config() };
        let (client, _door, mut peer) = connected_with(config).await;
        let request = client.send(&install(None)).await.unwrap();
        peer.next().await;
        peer.close(code).await;
        let goodbye = Lost::ByDaemon { code: number, reason: "as the script says".to_owned() };
        assert!(matches!(request.answer().await, Err(RequestError::OutcomeUnknown(lost)) if lost == goodbye));
        assert_eq!(client.loss(), Some(goodbye));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_token_is_no_longer_taken_gives_up() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let (client, mut door, mut peer) = connected().await;
        let request = client.send(&install(None)).await.unwrap();
        peer.next().await;
        peer.close(CloseCode::Policy).await;
        door.answer(status).await;
        assert!(matches!(request.answer().await, Err(RequestError::OutcomeUnknown(Lost::LockedOut(_)))));
        assert!(matches!(client.loss(), Some(Lost::LockedOut(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_full_or_behind_a_broken_proxy_is_tried_again() {
    let (client, mut door, mut peer) = connected().await;
    let request = client.send(&install(None)).await.unwrap();
    peer.next().await;
    drop(peer);
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        door.answer(status).await;
    }
    let mut peer = door.accept().await;
    let again = peer.next().await;
    peer.reply(&again, json!({})).await;
    request.answer().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_daemon_took_offence_at_is_not_sent_again() {
    for code in [CloseCode::Size, CloseCode::Protocol, CloseCode::Invalid, CloseCode::Unsupported] {
        let (client, mut door, mut peer) = connected().await;
        let request = client.send(&install(None)).await.unwrap();
        peer.next().await;
        peer.close(code).await;
        assert!(is_unknown(&request.answer().await), "{code:?}");
        // The client itself goes on.
        let mut peer = door.accept().await;
        let next = client.send(&get_flow("next")).await.unwrap();
        let asked = peer.next().await;
        assert_eq!(asked["type"], "GetFlow");
        peer.reply(&asked, json!({})).await;
        next.answer().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_every_connection_down_comes_to_its_end() {
    let (client, mut door, mut peer) = connected().await;
    let poison = client.send(&install(Some("poison"))).await.unwrap();
    peer.next().await;
    for _ in 0..LOSSES_MAX {
        drop(peer);
        peer = door.accept().await;
        assert_eq!(peer.next().await["payload"]["flow_id"], "poison");
    }
    drop(peer);
    assert!(is_unknown(&poison.answer().await));
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_given_up_after_its_ping_and_found_again() {
    let (client, mut door, peer) = connected().await;
    let begun = tokio::time::Instant::now();
    // It takes everything and says nothing: pings are answered only by who reads.
    door.knock().await;
    assert!((6.7..=7.3).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert_eq!(client.state(), ConnectionState::Reconnecting);
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_held_up_by_a_request_is_given_the_time_that_the_request_has() {
    let (client, mut door, _peer) = connected().await;
    let Command::InstallFlow(mut slow) = install(Some("slow")) else { unreachable!() };
    slow.timeout_ms = 60_000;
    let _waiting = client.send(&Command::InstallFlow(slow)).await.unwrap();
    let begun = tokio::time::Instant::now();
    door.knock().await;
    assert!((70.0..=72.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_not_excused_by_what_was_asked_after_the_ping() {
    let (client, mut door, _peer) = connected().await;
    let begun = tokio::time::Instant::now();
    let asking = async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(client.send(&Command::GetInfo).await.unwrap());
        }
    };
    tokio::select! {
        _ = door.knock() => {}
        () = asking => {}
        () = tokio::time::sleep(Duration::from_secs(120)) => panic!("it is taken to be there"),
    }
    assert!((6.7..=7.3).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_answers_pings_is_kept_and_its_round_trip_is_known() {
    let (client, mut door, mut peer) = connected().await;
    let serving = tokio::spawn(async move { peer.maybe_next().await });
    assert!(tokio::time::timeout(Duration::from_secs(600), door.knock()).await.is_err());
    assert!(client.counters().round_trip.is_some());
    assert_eq!(client.counters().connections, 1);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_or_closed_leaves_whatever_it_was_doing() {
    // While it waits for the next attempt, while the attempt is under way, and while it is connected.
    let (client, mut door, peer) = connected().await;
    drop(peer);
    door.refuse().await;
    client.close().await;
    assert!(door.0.recv().await.is_none(), "the task is gone");
    let (client, mut door) = start(config());
    let attempt = door.knock().await;
    drop(client);
    assert!(door.0.recv().await.is_none());
    drop(attempt);
    let (client, mut door, mut peer) = connected().await;
    drop(client);
    assert!(peer.maybe_next().await.is_none());
    drop(peer);
    assert!(door.0.recv().await.is_none());
}
