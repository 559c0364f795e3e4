//! RFC 6455 section by section, in bytes: what is sent to a connection whose desk sends back what it is handed, and what
//! must come back. Autobahn asks more of the same; this asks it everywhere.

use super::autobahn::echoes;
use super::*;

/// What must come back.
enum Back {
    /// Exactly these bytes, and the answer to our Close.
    Bytes(Vec<u8>),
    /// A Close with this code, and the end.
    Close(u16),
    /// A Close without a code, and the end.
    PlainClose,
    /// Exactly these bytes, then a Close with this code, and the end.
    Then(Vec<u8>, u16),
}

use Back::{Bytes, Close, PlainClose, Then};

/// A masked frame, its payload as short as it can be told.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame of the server.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, 0, payload.len()), payload.to_vec()].concat()
}

fn header(first: u8, mask: u8, length: usize) -> Vec<u8> {
    match length {
        short @ 0..126 => vec![first, mask | short as u8],
        middle @ 126..0x1_0000 => [vec![first, mask | 126], (middle as u16).to_be_bytes().to_vec()].concat(),
        long => [vec![first, mask | 127], (long as u64).to_be_bytes().to_vec()].concat(),
    }
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    masked(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Each case: the section, what it is about, what is sent, what comes back.
fn cases() -> Vec<(&'static str, String, Vec<u8>, Back)> {
    let mut cases: Vec<(&'static str, String, Vec<u8>, Back)> = Vec::new();
    let mut case = |section, what: &str, sent: Vec<u8>, back| cases.push((section, what.to_owned(), sent, back));
    case("5.1", "a frame that is not masked", plain(0x81, b"Hello"), Close(1002));
    let (asked, told) = (masked(0x82, b"a").repeat(200), plain(0x82, b"a").repeat(200));
    case("7.1.7", "what was answered before a violation", [asked, plain(0x82, b"b")].concat(), Then(told, 1002));
    for bit in [0x40, 0x20, 0x10] {
        case("5.2", &format!("the reserved bit {bit:#x}"), masked(0x81 | bit, b"Hello"), Close(1002));
    }
    for opcode in (3..=7).chain(11..=15) {
        case("5.2", &format!("the reserved opcode {opcode}"), masked(0x80 | opcode, b""), Close(1002));
    }
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 100_000] {
        let text = vec![b'*'; length];
        case("5.2", &format!("a text of {length} bytes"), masked(0x81, &text), Bytes(plain(0x81, &text)));
        let binary = vec![0xfe; length];
        case("5.2", &format!("{length} bytes"), masked(0x82, &binary), Bytes(plain(0x82, &binary)));
    }
    let rfcs_own = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    case("5.3", "the masked Hello of 5.7", rfcs_own, Bytes(vec![0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]));
    let split = [masked(0x01, b"Hel"), masked(0x80, b"lo")].concat();
    case("5.4", "a text in two fragments", split, Bytes(plain(0x81, b"Hello")));
    let many = [masked(0x02, b""), masked(0x00, b"a").repeat(1_000), masked(0x80, b"")].concat();
    case("5.4", "a thousand fragments and two empty ones", many, Bytes(plain(0x82, &[b'a'; 1_000])));
    let between = [masked(0x01, b"Hel"), masked(0x89, b"x"), masked(0x80, b"lo")].concat();
    let pong_first = [plain(0x8a, b"x"), plain(0x81, b"Hello")].concat();
    case("5.4", "a ping between fragments", between, Bytes(pong_first));
    case("5.4", "a continuation of nothing", masked(0x80, b"x"), Close(1002));
    let after_the_end = [masked(0x81, b"a"), masked(0x80, b"b")].concat();
    case("5.4", "a continuation behind the end", after_the_end, Then(plain(0x81, b"a"), 1002));
    let inside = [masked(0x01, b"a"), masked(0x81, b"b")].concat();
    case("5.4", "a message inside another", inside, Close(1002));
    for opcode in [0x08, 0x09, 0x0a] {
        case("5.5", &format!("opcode {opcode} in fragments"), masked(opcode, b""), Close(1002));
        case("5.5", &format!("opcode {opcode} of 126 bytes"), masked(0x80 | opcode, &[3; 126]), Close(1002));
    }
    case("5.5.1", "a Close without a code", masked(0x88, b""), PlainClose);
    case("5.5.1", "a Close of one byte", masked(0x88, b"\x03"), Close(1002));
    case("5.5.1", "a Close with a reason", close(1000, "done"), Close(1000));
    let after_close = [close(1000, ""), masked(0x81, b"late")].concat();
    case("5.5.1", "nothing is answered behind a Close", after_close, Close(1000));
    case("5.5.2", "the masked ping of 5.7", masked(0x89, b"Hello"), Bytes(plain(0x8a, b"Hello")));
    case("5.5.2", "a ping of 125 bytes", masked(0x89, &[0; 125]), Bytes(plain(0x8a, &[0; 125])));
    case("5.5.3", "a pong that nobody asked for", masked(0x8a, b"x"), Bytes(Vec::new()));
    case("5.6", "an empty text and empty data", [masked(0x81, b""), masked(0x82, b"")].concat(), {
        Bytes([plain(0x81, b""), plain(0x82, b"")].concat())
    });
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        case("7.4", &format!("a Close with {code}"), close(code, ""), Close(code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        case("7.4", &format!("a Close with {code}"), close(code, ""), Close(1002));
    }
    let words = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}-\u{20ac}-\u{10348}";
    case("8.1", "text of all lengths", masked(0x81, words.as_bytes()), Bytes(plain(0x81, words.as_bytes())));
    let cut: Vec<u8> = words.bytes().enumerate().flat_map(|(at, byte)| masked(u8::from(at == 0), &[byte])).collect();
    let cut = [cut, masked(0x80, b"")].concat();
    case("8.1", "the same, cut within its characters", cut, Bytes(plain(0x81, words.as_bytes())));
    for wrong in [b"\xff".as_slice(), b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80", b"\xe2\x82"] {
        case("8.1", &format!("{wrong:x?} as text"), masked(0x81, wrong), Close(1007));
        let reason = [&1000_u16.to_be_bytes(), wrong].concat();
        case("8.1", &format!("{wrong:x?} as a reason"), masked(0x88, &reason), Close(1007));
    }
    cases
}

#[tokio::test]
async fn w08_every_section_of_rfc_6455_is_kept() {
    let (address, _serving) = echoes(NorthboundConfig::default()).await;
    for (section, what, sent, back) in cases() {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(handshake("").as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(within(socket.read_u8()).await.unwrap());
        }
        socket.write_all(&sent).await.unwrap();
        let mut received = Vec::new();
        if let Bytes(expected) = &back {
            received.resize(expected.len(), 0);
            within(socket.read_exact(&mut received)).await.unwrap();
            assert!(received == *expected, "{section}, {what}: {received:x?}");
            received.clear();
            socket.write_all(&close(1000, "")).await.unwrap();
        }
        // A reset behind the last byte is as good an end as any.
        let _ = within(socket.read_to_end(&mut received)).await;
        match back {
            Bytes(_) => assert_eq!(received, [0x88, 2, 0x03, 0xe8], "{section}, {what}"),
            Close(code) => {
                let told = received.get(2..4).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
                assert_eq!((received.first(), told), (Some(&0x88), Some(code)), "{section}, {what}: {received:x?}");
            }
            PlainClose => assert_eq!(received, [0x88, 0], "{section}, {what}"),
            Then(before, code) => {
                let (told, rest) = received.split_at_checked(before.len()).unwrap_or((&received, &[]));
                assert!(told == before, "{section}, {what}: {told:x?}");
                let code_told = rest.get(2..4).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
                assert_eq!((rest.first(), code_told), (Some(&0x88), Some(code)), "{section}, {what}: {rest:x?}");
            }
        }
    }
}
