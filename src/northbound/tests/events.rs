//! Subscriptions: who is told what, in which order, and what becomes of those who do not listen.

use std::collections::BTreeMap;

use super::*;
use crate::contract::{Alarm, AlarmKind, EventPayload, FlowStats, Stats, Timestamp, Topic};

/// A daemon whose programmer has told so much on every topic before anybody asked.
pub(super) async fn daemon(config: NorthboundConfig, standing: u64) -> Daemon {
    let (daemon, mut requests) = Daemon::start(config).await;
    tokio::spawn(async move {
        while let Some(Request { command, answer, .. }) = requests.recv().await {
            let _ = answer.send(answer_at(&command, standing));
        }
    });
    daemon
}

/// The answer where so much was told on every topic before.
pub(super) fn answer_at(command: &Command, standing: u64) -> Result<Reply, ErrorBody> {
    let topics = match command {
        Command::Subscribe(request) => &request.topics,
        Command::Unsubscribe(request) => &request.topics,
        other => return answer_to(other),
    };
    let topics: BTreeMap<Topic, u64> = topics.iter().map(|topic| (*topic, standing)).collect();
    Ok(Reply::Subscribed { topics, epoch: EPOCH.to_owned() })
}

const EPOCH: &str = "e1";

pub(super) fn alarm(seq: u64, message: &str) -> News {
    let alarm = Alarm { alarm: AlarmKind::Drift, node: None, flow_id: None, message: message.to_owned() };
    News { topic: Topic::Alarms, seq, at: Timestamp::now(), payload: Some(EventPayload::Alarm(alarm)) }
}

fn stats(seq: u64, flow: &str, packets: u64) -> News {
    let flow = FlowStats {
        flow_id: flow.parse().unwrap(),
        node: "s1".parse().unwrap(),
        packets,
        bytes: 0,
        packets_per_second: 0,
        bits_per_second: 0,
    };
    let payload = EventPayload::Stats(Stats { flows: vec![flow], nodes: Vec::new() });
    News { topic: Topic::Stats, seq, at: Timestamp::now(), payload: Some(payload) }
}

/// Asks and gives the answer.
async fn ask(client: &mut Client, command: &str, payload: Value) -> Value {
    let text = serde_json::json!({"type": command, "id": "s", "payload": payload}).to_string();
    client.send(Message::text(text)).await.unwrap();
    receive(client).await
}

async fn subscribe(client: &mut Client, payload: Value) {
    assert_eq!(ask(client, "Subscribe", payload).await["type"], "Reply");
}

fn alarms() -> Value {
    serde_json::json!({"topics": ["alarms"]})
}

async fn tell(daemon: &Daemon, news: impl IntoIterator<Item = News>) {
    for news in news {
        daemon.told.send(news).await.unwrap();
    }
}

#[tokio::test]
async fn an_event_comes_as_the_contract_says_after_the_reply() {
    let daemon = daemon(NorthboundConfig::default(), 6).await;
    let mut client = daemon.client().await;
    let reply = ask(&mut client, "Subscribe", alarms()).await;
    assert_eq!(
        (&reply["payload"]["topics"], &reply["payload"]["epoch"]),
        (&serde_json::json!({"alarms": 6}), &EPOCH.into())
    );
    tell(&daemon, [alarm(7, "hello")]).await;
    let event = receive(&mut client).await;
    let keys: Vec<&String> = event.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["epoch", "payload", "seq", "timestamp", "topic", "type"]);
    assert_eq!((&event["type"], &event["topic"], &event["seq"]), (&"Event".into(), &"alarms".into(), &7.into()));
    assert_eq!(event["payload"], serde_json::json!({"alarm": "drift", "message": "hello"}));
}

#[tokio::test]
async fn only_what_was_subscribed_to_comes_and_only_until_it_is_given_up() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut client = daemon.client().await;
    subscribe(&mut client, serde_json::json!({"topics": ["alarms", "ports"]})).await;
    let mut other = daemon.client().await;
    subscribe(&mut other, serde_json::json!({"topics": ["nodes"]})).await;
    tell(&daemon, [alarm(1, "a")]).await;
    assert_eq!(receive(&mut client).await["seq"], 1);
    ask(&mut client, "Unsubscribe", alarms()).await;
    tell(&daemon, [alarm(2, "b")]).await;
    for client in [&mut client, &mut other] {
        assert_eq!(ask(client, "ListNodes", serde_json::json!({})).await["command"], "ListNodes", "and no event");
    }
}

#[tokio::test]
async fn what_is_subscribed_to_and_given_up_at_once_is_given_up_whichever_is_answered_first() {
    let (daemon, mut requests) = Daemon::start(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    let mut asked = Vec::new();
    for (id, command) in [("a", "Subscribe"), ("b", "Unsubscribe")] {
        let text = serde_json::json!({"type": command, "id": id, "payload": alarms()}).to_string();
        client.send(Message::text(text)).await.unwrap();
        asked.push(within(requests.recv()).await.unwrap());
    }
    while let Some(Request { command, answer, .. }) = asked.pop() {
        answer.send(answer_at(&command, 0)).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!((&receive(&mut client).await["id"], &receive(&mut client).await["id"]), (&"a".into(), &"b".into()));
    assert!(daemon.get("/metrics").await.contains("\nflumen_subscriptions 0\n"));
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut first = daemon.client().await;
    subscribe(&mut first, alarms()).await;
    tell(&daemon, (1..=5).map(|seq| alarm(seq, "x"))).await;
    let epoch = receive(&mut first).await["epoch"].clone();
    drop(first);
    let mut back = daemon.client().await;
    let request = serde_json::json!({"topics": ["alarms"], "from_seq": {"alarms": 1}, "epoch": epoch});
    subscribe(&mut back, request).await;
    for seq in 1..=5 {
        assert_eq!(receive(&mut back).await["seq"], seq);
    }
}

#[tokio::test]
async fn a_client_from_before_a_restart_is_told_of_the_gap_first() {
    let daemon = daemon(NorthboundConfig::default(), 3).await;
    let mut client = daemon.client().await;
    let request = serde_json::json!({"topics": ["alarms"], "from_seq": {"alarms": 900}, "epoch": "the one before"});
    subscribe(&mut client, request).await;
    let event = receive(&mut client).await;
    assert_eq!(event["payload"], serde_json::json!({"gap": {"from": 1, "to": 3}}));
    tell(&daemon, [alarm(4, "x")]).await;
    assert_eq!(receive(&mut client).await["seq"], 4);
}

#[tokio::test]
async fn a_gap_from_before_a_restart_since_when_nothing_happened_is_before_the_first_number() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut client = daemon.client().await;
    let request = serde_json::json!({"topics": ["alarms"], "from_seq": {"alarms": 900}, "epoch": "the one before"});
    subscribe(&mut client, request).await;
    let event = receive(&mut client).await;
    assert_eq!((&event["payload"], &event["seq"]), (&serde_json::json!({"gap": {"from": 0, "to": 0}}), &0.into()));
    tell(&daemon, [alarm(1, "x")]).await;
    assert_eq!(receive(&mut client).await["seq"], 1);
}

#[tokio::test]
async fn what_is_gone_is_one_gap() {
    let daemon = daemon(NorthboundConfig::default(), 9).await;
    let mut client = daemon.client().await;
    let gone = News { topic: Topic::Alarms, seq: 9, at: Timestamp::now(), payload: None };
    tell(&daemon, [gone, alarm(10, "x")]).await;
    subscribe(&mut client, alarms()).await;
    let epoch = receive(&mut client).await["epoch"].clone();
    let request = serde_json::json!({"topics": ["alarms"], "from_seq": {"alarms": 4}, "epoch": epoch});
    subscribe(&mut client, request).await;
    let event = receive(&mut client).await;
    assert_eq!((&event["payload"], &event["seq"]), (&serde_json::json!({"gap": {"from": 4, "to": 9}}), &9.into()));
    assert_eq!(receive(&mut client).await["seq"], 10);
}

#[tokio::test]
async fn nobody_can_ask_for_what_has_not_been() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut client = daemon.client().await;
    subscribe(&mut client, alarms()).await;
    tell(&daemon, [alarm(1, "x")]).await;
    let epoch = receive(&mut client).await["epoch"].clone();
    let request = serde_json::json!({"topics": ["alarms"], "from_seq": {"alarms": 2}, "epoch": epoch});
    let error = ask(&mut client, "Subscribe", request).await["error"].clone();
    assert_eq!((&error["code"], &error["path"]), (&"invalid_request".into(), &"payload.from_seq.alarms".into()));
}

#[tokio::test]
async fn statistics_come_once_an_interval_with_the_latest_word_on_each_flow() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut client = daemon.client().await;
    subscribe(&mut client, serde_json::json!({"topics": ["stats"], "interval_ms": 100})).await;
    tell(&daemon, [stats(1, "a", 1), stats(2, "b", 5), stats(3, "a", 2)]).await;
    let event = receive(&mut client).await;
    let counted: Vec<_> =
        event["payload"]["flows"].as_array().unwrap().iter().map(|flow| flow["packets"].clone()).collect();
    assert_eq!((&event["seq"], counted), (&1.into(), vec![2.into(), 5.into()]), "one event, and one number");
    tell(&daemon, [stats(4, "b", 6)]).await;
    let event = receive(&mut client).await;
    assert_eq!((&event["seq"], event["payload"]["flows"].as_array().unwrap().len()), (&2.into(), 1), "what changed");
}

#[tokio::test]
async fn statistics_are_numbered_without_a_hole_at_every_interval_and_the_replies_count_the_same() {
    let daemon = daemon(NorthboundConfig::default(), 40).await;
    let (mut quick, mut slow) = (daemon.client().await, daemon.client().await);
    let at = |interval_ms: u32| serde_json::json!({"topics": ["stats"], "interval_ms": interval_ms});
    for (client, interval_ms) in [(&mut quick, 100), (&mut slow, 500)] {
        let reply = ask(client, "Subscribe", at(interval_ms)).await;
        assert_eq!(reply["payload"]["topics"], serde_json::json!({"stats": 0}), "of this interval there were none");
    }
    let mut sample = 40;
    for number in 1..=6 {
        sample += 3;
        tell(&daemon, [stats(sample - 1, "a", sample), stats(sample, "b", sample)]).await;
        assert_eq!(receive(&mut quick).await["seq"], number);
    }
    for number in 1..=2 {
        assert_eq!(receive(&mut slow).await["seq"], number);
    }
    let reply = ask(&mut quick, "Unsubscribe", serde_json::json!({"topics": ["stats"]})).await;
    assert_eq!(reply["payload"]["topics"], serde_json::json!({"stats": 6}));
}

#[tokio::test]
async fn who_comes_back_to_statistics_is_told_of_a_gap_where_samples_were_missed() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let (mut first, mut other) = (daemon.client().await, daemon.client().await);
    subscribe(&mut first, serde_json::json!({"topics": ["stats"], "interval_ms": 100})).await;
    tell(&daemon, [stats(1, "a", 1)]).await;
    let epoch = receive(&mut first).await["epoch"].clone();
    // The programmer of these tests always says that there was nothing before, so somebody has to be there all the time.
    subscribe(&mut other, serde_json::json!({"topics": ["stats"], "interval_ms": 100})).await;
    drop(first);
    tell(&daemon, [News { topic: Topic::Stats, seq: 7, at: Timestamp::now(), payload: None }]).await;
    let event = receive(&mut other).await;
    assert_eq!((&event["payload"], &event["seq"]), (&serde_json::json!({"gap": {"from": 2, "to": 2}}), &2.into()));
    let mut back = daemon.client().await;
    let request = serde_json::json!({
        "topics": ["stats"], "interval_ms": 100, "from_seq": {"stats": 2}, "epoch": epoch
    });
    assert_eq!(ask(&mut back, "Subscribe", request).await["payload"]["topics"], serde_json::json!({"stats": 2}));
    assert_eq!(receive(&mut back).await["payload"], serde_json::json!({"gap": {"from": 2, "to": 2}}));
    tell(&daemon, [stats(8, "a", 2)]).await;
    for client in [&mut other, &mut back] {
        assert_eq!(receive(client).await["seq"], 3);
    }
}

#[tokio::test]
async fn w13_more_subscriptions_than_allowed_are_refused_until_others_leave() {
    let config = NorthboundConfig { subscriptions: 2, ..NorthboundConfig::default() };
    let daemon = daemon(config, 0).await;
    let mut first = daemon.client().await;
    subscribe(&mut first, serde_json::json!({"topics": ["alarms", "flows"]})).await;
    let mut second = daemon.client().await;
    assert_eq!(ask(&mut second, "Subscribe", alarms()).await["error"]["code"], "overloaded");
    ask(&mut first, "Unsubscribe", alarms()).await;
    subscribe(&mut second, alarms()).await;
    assert!(daemon.get("/metrics").await.contains("\nflumen_subscriptions 2\n"));
}

#[tokio::test]
async fn w13_one_connection_holds_each_topic_once_however_often_it_asks() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut client = daemon.client().await;
    for _ in 0..100 {
        subscribe(&mut client, serde_json::json!({"topics": ["alarms", "flows", "nodes", "ports", "stats"]})).await;
    }
    assert!(daemon.get("/metrics").await.contains("\nflumen_subscriptions 5\n"));
    tell(&daemon, [alarm(1, "once")]).await;
    assert_eq!(receive(&mut client).await["seq"], 1);
    assert_eq!(ask(&mut client, "ListNodes", serde_json::json!({})).await["command"], "ListNodes");
    drop(client);
    let is_left = async { while !daemon.get("/metrics").await.contains("\nflumen_subscriptions 0\n") {} };
    within(is_left).await;
}

#[tokio::test]
async fn w12_a_subscriber_that_reads_nothing_is_let_go_and_delays_nobody() {
    let config = NorthboundConfig {
        stall_timeout: Duration::from_millis(200),
        close_linger: Duration::from_millis(100),
        ..NorthboundConfig::default()
    };
    let daemon = daemon(config, 0).await;
    let mut stuck = daemon.raw_client().await;
    stuck.write_all(&frame(0x81, br#"{"type":"Subscribe","id":"a","payload":{"topics":["alarms"]}}"#)).await.unwrap();
    let mut good = daemon.client().await;
    subscribe(&mut good, alarms()).await;
    let text = "x".repeat(10_000);
    // Far more than the kernel holds for a client.
    for seq in 1..=2_000 {
        tell(&daemon, [alarm(seq, &text)]).await;
        assert_eq!(receive(&mut good).await["seq"], seq);
    }
    let is_let_go = async { while !daemon.get("/metrics").await.contains("\nflumen_subscriptions 1\n") {} };
    within(is_let_go).await;
}

#[tokio::test]
async fn w12_a_subscriber_that_falls_behind_gets_one_gap_and_then_what_is_there() {
    let daemon = daemon(NorthboundConfig::default(), 0).await;
    let mut slow = daemon.client().await;
    subscribe(&mut slow, alarms()).await;
    let mut quick = daemon.client().await;
    subscribe(&mut quick, alarms()).await;
    let text = "x".repeat(50_000);
    let last = 1_000;
    for seq in 1..=last {
        tell(&daemon, [alarm(seq, &text)]).await;
        assert_eq!(receive(&mut quick).await["seq"], seq);
    }
    let (mut expected, mut gaps) = (1, 0);
    while expected <= last {
        let event = receive(&mut slow).await;
        match event["payload"].get("gap") {
            Some(gap) => {
                assert_eq!(gap["from"], expected);
                (expected, gaps) = (gap["to"].as_u64().unwrap() + 1, gaps + 1);
            }
            None => {
                assert_eq!(event["seq"], expected);
                expected += 1;
            }
        }
    }
    assert_eq!(gaps, 1);
}
