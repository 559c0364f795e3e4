//! RFC 6455 frame by frame: what is accepted, and the code that closes what is not.

use super::*;

/// The code of the Close that answers some bytes, behind which the connection ends.
async fn close_code_after(daemon: &Daemon, bytes: &[u8]) -> u16 {
    let mut socket = daemon.raw_client().await;
    socket.write_all(bytes).await.unwrap();
    let mut frame = Vec::new();
    within(socket.read_to_end(&mut frame)).await.unwrap();
    assert_eq!(frame[0], 0x88, "a Close: {frame:x?}");
    u16::from_be_bytes([frame[2], frame[3]])
}

#[tokio::test]
async fn each_violation_is_closed_with_its_code() {
    let config = NorthboundConfig { close_linger: Duration::from_millis(500), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    for (what, bytes, code) in [
        ("a binary frame", frame(0x82, b"{}"), 1003),
        ("text that is not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("a surrogate in UTF-8", frame(0x81, b"\xed\xa0\x80"), 1007),
        ("an unmasked frame", vec![0x81, 0x02, b'{', b'}'], 1002),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b"{}"), 1002),
        ("a reserved control opcode", frame(0x8b, b"{}"), 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a new message inside another", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("a ping in fragments", frame(0x09, b"x"), 1002),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), 1002),
        ("a Close of one byte", vec![0x88, 0x81, 0, 0, 0, 0, 3], 1002),
        ("a Close with a code that is not sent", vec![0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),
        ("a frame of 1 MiB and a byte", vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0], 1009),
        ("a frame of 2^63 bytes", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        (
            "fragments of 1 MiB and more",
            [frame(0x01, &[b' '; 60_000]), frame(0x00, &[b' '; 60_000]).repeat(17)].concat(),
            1009,
        ),
    ] {
        assert_eq!(close_code_after(&daemon, &bytes).await, code, "{what}");
    }
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_answered_and_one_byte_more_is_too_big() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let request = r#"{"type":"ListNodes","id":"a"}"#;
    let padded = |length: usize| Message::text(format!("{request}{}", " ".repeat(length - request.len())));
    let mut client = daemon.client().await;
    client.send(padded(1 << 20)).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
    client.send(padded((1 << 20) + 1)).await.unwrap();
    assert_eq!(goodbye(&mut client).await, CloseCode::Size);
}

#[tokio::test]
async fn a_ping_is_answered_between_the_fragments_of_a_message() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.raw_client().await;
    let message =
        [frame(0x01, br#"{"type":"ListNodes","#), frame(0x89, b"hi"), frame(0x00, b""), frame(0x80, br#""id":"a"}"#)];
    socket.write_all(&message.concat()).await.unwrap();
    let mut pong = [0; 4];
    within(socket.read_exact(&mut pong)).await.unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
    assert_eq!(within(socket.read_u8()).await.unwrap(), 0x81);
}

#[tokio::test]
async fn a_frame_that_comes_together_with_the_handshake_is_not_lost() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.socket().await;
    let bytes = [handshake("").as_bytes(), &frame(0x81, br#"{"type":"ListNodes","id":"early"}"#)].concat();
    socket.write_all(&bytes).await.unwrap();
    let mut received = Vec::new();
    while !received.windows(5).any(|window| window == b"early") {
        received.push(within(socket.read_u8()).await.unwrap());
    }
    assert!(received.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_frame_in_single_bytes_is_one_message() {
    let daemon = Daemon::answering(NorthboundConfig::default()).await;
    let mut socket = daemon.raw_client().await;
    for byte in frame(0x81, br#"{"type":"ListNodes","id":"a"}"#) {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(within(socket.read_u8()).await.unwrap(), 0x81);
}
