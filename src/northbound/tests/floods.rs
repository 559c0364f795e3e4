//! Clients that send without end: fragments, pings, pongs, closes, bytes one by one.

use super::*;

/// Reads what the daemon sends until it says goodbye, and gives its code.
async fn code(socket: &mut TcpStream) -> u16 {
    loop {
        let [first, length] = [within(socket.read_u8()).await.unwrap(), within(socket.read_u8()).await.unwrap()];
        let mut payload = vec![0; usize::from(length)];
        within(socket.read_exact(&mut payload)).await.unwrap();
        if first == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

/// Writes the same again and again until the daemon has enough.
async fn flood(socket: &mut TcpStream, bytes: &[u8]) -> u16 {
    let (mut reading, mut writing) = socket.split();
    let write = async {
        while writing.write_all(bytes).await.is_ok() {
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    };
    let read = async {
        loop {
            let [first, length] = [reading.read_u8().await.unwrap(), reading.read_u8().await.unwrap()];
            let mut payload = vec![0; usize::from(length)];
            reading.read_exact(&mut payload).await.unwrap();
            if first == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    };
    within(async {
        tokio::select! {
            code = read => code,
            code = write => code,
        }
    })
    .await
}

#[tokio::test]
async fn w07_a_flood_of_pings_or_pongs_is_ended_with_1008_and_others_are_served() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    for first in [0x89, 0x8a] {
        let mut socket = daemon.raw_client().await;
        assert_eq!(flood(&mut socket, &[first, 0x80, 0, 0, 0, 0]).await, 1008);
    }
    let mut client = daemon.client().await;
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
}

#[tokio::test]
async fn w07_a_hundred_pings_in_a_second_are_answered() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut client = daemon.client().await;
    for _ in 0..100 {
        client.send(Message::Ping("x".into())).await.unwrap();
    }
    client.send(list_nodes("a")).await.unwrap();
    loop {
        match within(client.next()).await.unwrap().unwrap() {
            Message::Pong(_) => {}
            Message::Text(text) => break assert!(text.contains("Reply")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn w07_the_hundred_and_first_of_a_second_is_ended_with_1008_whatever_they_are() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    for (pings, pongs) in [(101, 0), (0, 101), (50, 51)] {
        let mut socket = daemon.raw_client().await;
        let (ping, pong) = ([0x89, 0x81, 0, 0, 0, 0, b'x'], [0x8a, 0x80, 0, 0, 0, 0]);
        socket.write_all(&[ping.repeat(pings), pong.repeat(pongs)].concat()).await.unwrap();
        let mut received = Vec::new();
        within(socket.read_to_end(&mut received)).await.unwrap();
        let close = received.iter().position(|byte| *byte == 0x88).unwrap();
        let (answers, goodbye) = received.split_at(close);
        assert!(answers.chunks(3).all(|frame| frame == [0x8a, 1, b'x']), "{answers:x?}");
        assert!(answers.len() <= pings * 3, "no more is written than was asked for");
        assert_eq!(u16::from_be_bytes([goodbye[2], goodbye[3]]), 1008);
    }
}

#[tokio::test]
async fn w07_a_second_close_changes_nothing() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.raw_client().await;
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8].repeat(1_000)).await.unwrap();
    assert_eq!(code(&mut socket).await, 1000);
    assert_eq!(read_to_end(&mut socket).await, "", "one goodbye is enough");
}

#[tokio::test]
async fn w05_empty_fragments_without_end_are_ended_with_1008() {
    let config = NorthboundConfig { message_timeout: Duration::from_millis(300), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    let mut socket = daemon.raw_client().await;
    socket.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(flood(&mut socket, &[0x00, 0x80, 0, 0, 0, 0]).await, 1008);
}

#[tokio::test]
async fn w05_a_message_that_never_ends_is_ended_with_1008_also_with_pings_inside() {
    let config = NorthboundConfig { message_timeout: Duration::from_millis(300), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    let mut socket = daemon.raw_client().await;
    socket.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'{', 0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(code(&mut socket).await, 1008);
}

#[tokio::test]
async fn w05_a_client_that_only_answers_pings_may_stay() {
    let config = NorthboundConfig {
        message_timeout: Duration::from_millis(60),
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_millis(200),
        ..NorthboundConfig::default()
    };
    let daemon = Daemon::answering(config).await;
    let mut client = daemon.client().await;
    for _ in 0..4 {
        assert!(matches!(within(client.next()).await, Some(Ok(Message::Ping(_)))));
    }
    client.send(list_nodes("a")).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
}

#[tokio::test]
async fn w05_the_fragments_of_a_message_that_is_too_big_in_sum_are_ended_with_1009() {
    let daemon = Daemon::answering(NorthboundConfig { message_bytes: 1_000, ..NorthboundConfig::default() }).await;
    let mut socket = daemon.raw_client().await;
    socket.write_all(&[frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 600])].concat()).await.unwrap();
    assert_eq!(code(&mut socket).await, 1009);
}
