//! Subscriptions over losses, and readers that are slow.

use super::*;
use crate::contract::{EventPayload, Subscribe, Topic, Unsubscribe};

fn subscribe() -> Command {
    Command::Subscribe(Subscribe { interval_ms: 700, ..Subscribe::to([Topic::Alarms]) })
}

/// A client that has subscribed to `alarms` in epoch `one`, of which two events have been.
async fn subscribed() -> (Client, Door, Peer, mpsc::Receiver<Event>) {
    let (client, door, mut peer) = connected().await;
    let events = client.events().unwrap();
    let asked = client.send(&subscribe()).await.unwrap();
    let request = peer.next().await;
    peer.reply(&request, json!({"topics": {"alarms": 2}, "epoch": "one"})).await;
    asked.answer().await.unwrap();
    (client, door, peer, events)
}

async fn seqs(events: &mut mpsc::Receiver<Event>, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(events.recv().await.unwrap().seq);
    }
    seqs
}

#[tokio::test(start_paused = true)]
async fn a_subscription_goes_on_behind_the_last_event_that_came() {
    let (_client, mut door, mut peer, mut events) = subscribed().await;
    peer.alarm("one", 3).await;
    peer.alarm("one", 4).await;
    assert_eq!(seqs(&mut events, 2).await, [3, 4]);
    drop(peer);
    let mut peer = door.accept().await;
    let resumed = peer.next().await;
    assert_eq!(
        resumed["payload"],
        json!({"topics": ["alarms"], "from_seq": {"alarms": 5}, "epoch": "one", "interval_ms": 700})
    );
    peer.reply(&resumed, json!({"topics": {"alarms": 6}, "epoch": "one"})).await;
    peer.alarm("one", 5).await;
    peer.alarm("one", 6).await;
    assert_eq!(seqs(&mut events, 2).await, [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_lost_again_before_it_goes_on_begins_at_the_same_place() {
    let (_client, mut door, peer, mut events) = subscribed().await;
    drop(peer);
    for _ in 0..3 {
        let mut peer = door.accept().await;
        assert_eq!(peer.next().await["payload"]["from_seq"], json!({"alarms": 3}));
    }
    let mut peer = door.accept().await;
    let resumed = peer.next().await;
    // Between the reply and its events, too.
    peer.reply(&resumed, json!({"topics": {"alarms": 9}, "epoch": "one"})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(peer);
    let mut peer = door.accept().await;
    let resumed = peer.next().await;
    assert_eq!(resumed["payload"]["from_seq"], json!({"alarms": 3}));
    peer.reply(&resumed, json!({"topics": {"alarms": 9}, "epoch": "one"})).await;
    peer.alarm("one", 3).await;
    assert_eq!(seqs(&mut events, 1).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_was_started_again_tells_of_a_gap_and_its_numbers_count_from_then_on() {
    let (_client, mut door, peer, mut events) = subscribed().await;
    drop(peer);
    let mut peer = door.accept().await;
    let resumed = peer.next().await;
    peer.reply(&resumed, json!({"topics": {"alarms": 1}, "epoch": "two"})).await;
    peer.event("two", 1, json!({"gap": {"from": 3, "to": 7}})).await;
    peer.alarm("two", 2).await;
    let gap = events.recv().await.unwrap();
    assert!(matches!(gap.payload, EventPayload::Gap { gap } if (gap.from, gap.to) == (3, 7)));
    let event = events.recv().await.unwrap();
    assert_eq!((event.seq, event.epoch.as_str()), (2, "two"));
    drop(peer);
    let resumed = door.accept().await.next().await;
    assert_eq!(resumed["payload"]["from_seq"], json!({"alarms": 3}));
    assert_eq!(resumed["payload"]["epoch"], "two");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_go_on_is_left_and_asked_again_later() {
    let (_client, mut door, peer, mut events) = subscribed().await;
    drop(peer);
    let begun = tokio::time::Instant::now();
    for _ in 0..4 {
        let mut peer = door.accept().await;
        let request = peer.next().await;
        peer.refuse(&request, "overloaded").await;
    }
    let mut peer = door.accept().await;
    assert!(begun.elapsed() > Duration::from_secs(20), "the waits have doubled: {:?}", begun.elapsed());
    let resumed = peer.next().await;
    peer.reply(&resumed, json!({"topics": {"alarms": 3}, "epoch": "one"})).await;
    peer.alarm("one", 3).await;
    assert_eq!(seqs(&mut events, 1).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn what_is_unsubscribed_from_or_was_refused_does_not_go_on() {
    let (client, mut door, mut peer, _events) = subscribed().await;
    let refused = client.send(&Command::Subscribe(Subscribe::to([Topic::Flows]))).await.unwrap();
    let request = peer.next().await;
    peer.refuse(&request, "overloaded").await;
    assert!(refused.answer().await.is_err());
    let ended = client.send(&Command::Unsubscribe(Unsubscribe { topics: vec![Topic::Alarms] })).await.unwrap();
    let request = peer.next().await;
    peer.reply(&request, json!({"topics": {"alarms": 2}, "epoch": "one"})).await;
    ended.answer().await.unwrap();
    drop(peer);
    let mut peer = door.accept().await;
    let _asked = client.send(&Command::GetInfo).await.unwrap();
    assert_eq!(peer.next().await["type"], "GetInfo");
}

#[tokio::test(start_paused = true)]
async fn a_subscribe_in_flight_at_a_loss_is_asked_again() {
    let (client, mut door, mut peer) = connected().await;
    let mut events = client.events().unwrap();
    let asked = client.send(&subscribe()).await.unwrap();
    peer.next().await;
    drop(peer);
    let mut peer = door.accept().await;
    let request = peer.next().await;
    peer.reply(&request, json!({"topics": {"alarms": 0}, "epoch": "one"})).await;
    peer.alarm("one", 1).await;
    asked.answer().await.unwrap();
    assert_eq!(seqs(&mut events, 1).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_finds_a_gap_and_nobody_waits_for_it() {
    let (client, _door, mut peer, mut events) = subscribed().await;
    let last = 3 + EVENTS_MAX as u64 + 9;
    for seq in 3..=last {
        peer.alarm("one", seq).await;
    }
    // The answer behind the events is there although nobody has read one of them.
    let asked = client.send(&Command::GetInfo).await.unwrap();
    let request = peer.next().await;
    peer.reply(&request, json!({})).await;
    asked.answer().await.unwrap();
    let first_missed = 3 + EVENTS_MAX as u64;
    let kept = seqs(&mut events, EVENTS_MAX).await;
    assert_eq!((kept[0], kept[EVENTS_MAX - 1]), (3, first_missed - 1));
    // It is told without another event having to come.
    let missed = events.recv().await.unwrap();
    assert!(
        matches!(missed.payload, EventPayload::Gap { gap } if (gap.from, gap.to) == (first_missed, last)),
        "{missed:?}"
    );
    let text: Value = serde_json::from_str(&missed.text).unwrap();
    assert_eq!(
        (&text["type"], &text["seq"], &text["payload"]["gap"]["to"]),
        (&json!("Event"), &json!(last), &json!(last))
    );
    peer.alarm("one", last + 1).await;
    assert_eq!(seqs(&mut events, 1).await, [last + 1]);
}

#[tokio::test(start_paused = true)]
async fn who_reads_the_events_from_now_on_keeps_them_when_a_slow_reader_before_is_dropped() {
    let (client, _door, mut peer, slow) = subscribed().await;
    let last = 3 + EVENTS_MAX as u64;
    for seq in 3..=last {
        peer.alarm("one", seq).await;
    }
    // The one before is owed a gap.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut events = client.events().unwrap();
    drop(slow);
    tokio::time::sleep(Duration::from_secs(1)).await;
    peer.alarm("one", last + 1).await;
    assert_eq!(seqs(&mut events, 1).await, [last + 1]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_a_slow_reader_is_owed_has_the_numbers_of_one_start_of_the_daemon() {
    let (_client, mut door, mut peer, mut events) = subscribed().await;
    for seq in 3..=3 + EVENTS_MAX as u64 {
        peer.alarm("one", seq).await;
    }
    drop(peer);
    let mut peer = door.accept().await;
    let resumed = peer.next().await;
    peer.reply(&resumed, json!({"topics": {"alarms": 2}, "epoch": "two"})).await;
    peer.event("two", 2, json!({"gap": {"from": 1, "to": 2}})).await;
    peer.alarm("two", 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    seqs(&mut events, EVENTS_MAX).await;
    let missed = events.recv().await.unwrap();
    assert_eq!(missed.epoch, "two");
    assert!(matches!(missed.payload, EventPayload::Gap { gap } if (gap.from, gap.to) == (1, 3)), "{missed:?}");
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_client() {
    let (client, _door, _peer, mut events) = subscribed().await;
    client.close().await;
    assert!(events.recv().await.is_none());
}
