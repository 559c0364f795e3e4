//! Messages that a switch may send at any time: too many of them, or not what they say.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn flow_removed(cookie: u64, reason: u8) -> Vec<u8> {
    let mut body = cookie.to_be_bytes().to_vec();
    body.resize(48, 0);
    body[10] = reason;
    body[40..44].copy_from_slice(&[0, 1, 0, 4]);
    raw(11, Xid(0), &body)
}

fn port_status() -> Vec<u8> {
    raw(12, Xid(0), &[0; 72])
}

/// A flood of this message at this rate for ten seconds, in reads of 64 KiB, while FLOW_MODs are in flight: memory
/// stays bounded (the trial sees to it), and the batch is confirmed at the end. How many of them were told as events.
fn flood(message: &[u8], a_second: usize) -> usize {
    let mut trial = Trial::begin(InFlight);
    let a_read = (64 << 10) / message.len();
    for _ in 0..10 {
        let mut left = a_second;
        while left > 0 {
            let count = left.min(a_read);
            trial.flood(&message.repeat(count), 1);
            left -= count;
        }
        trial.pass(SECOND / 10);
        trial.sent.clear();
    }
    let told = trial.events.len();
    assert_eq!(trial.settle(), ["confirmed"; 3]);
    told
}

#[test]
fn m67_a_flood_of_packets_is_counted_and_goes_nowhere() {
    let message = packet_in(64, 64);
    unasked(&message, Counters { packet_ins: 1, ..NOTHING });
    assert_eq!(flood(&message, 100_000), 0);
}

#[test]
fn m68_a_packet_shorter_or_longer_than_it_says_is_no_more_than_a_packet() {
    for (total_len, data) in [(1_500, 10), (0, 10), (u16::MAX, 0), (1, 65_000)] {
        unasked(&packet_in(total_len, data), Counters { packet_ins: 1, ..NOTHING });
    }
    for short in 8..32 {
        let code = if short < 24 { ErrorCode::BAD_REQUEST_BAD_LEN } else { ErrorCode::BAD_MATCH_BAD_LEN };
        malformed(&raw(10, NOBODY, &packet_in(64, 0)[8..short]), code);
    }
}

#[test]
fn m69_a_flow_removed_with_any_cookie_is_told_and_confirms_nothing() {
    for cookie in [0, 1, u64::MAX] {
        for state in [BeforeFeatures, InFlight] {
            let mut trial = Trial::begin(state);
            trial.give(&flow_removed(cookie, 2));
            trial.goes_on();
            let [Event::FlowRemoved(removed)] = trial.events.as_slice() else { panic!("{:?}", trial.events) };
            assert_eq!(removed.cookie, cookie);
        }
    }
}

#[test]
fn m69_a_flow_removed_for_an_unknown_reason_confirms_nothing() {
    let mut trial = Trial::begin(InFlight);
    trial.give(&flow_removed(1, 255));
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m69_a_flood_of_flow_removed_is_told_one_by_one() {
    assert_eq!(flood(&flow_removed(1, 0), 2_000), 20_000);
}

#[test]
fn m70_a_flapping_port_is_told_change_by_change() {
    assert_eq!(flood(&port_status(), 2_000), 20_000);
}

#[test]
fn m71_echo_requests_of_full_size_are_answered_while_the_peer_reads_the_answers() {
    let mut trial = Trial::begin(InFlight);
    let echo = echo_request(65_527);
    for _ in 0..100 {
        trial.give(&echo);
        assert_eq!(trial.sent.drain(..).count(), 1);
    }
    assert_eq!(trial.settle(), ["confirmed"; 3]);
}

#[test]
fn m71_a_peer_that_asks_without_reading_is_given_up_before_the_answers_take_memory() {
    for state in [BeforeFeatures, InFlight] {
        let mut trial = Trial::begin(state);
        trial.flood(&echo_request(65_527), 100_000);
        assert_eq!(trial.closed(), CloseReason::Flooded);
        assert_eq!(trial.session.counters().messages - trial.before.messages, 3, "two answers may wait");
    }
}

#[test]
fn m72_an_echo_reply_that_nobody_asked_for_is_counted() {
    unasked(&bytes_of(NOBODY, &Message::EchoReply(Echo { data: Bytes::new() })), STRAY_REPLY);
}

#[test]
fn m72_an_echo_reply_to_nothing_is_not_told_as_the_answer_to_a_question() {
    let mut trial = Trial::begin(InFlight);
    trial.session.handle_command(Command::Probe { within: SECOND }, trial.now);
    trial.look();
    trial.tell(NOBODY, &Message::EchoReply(Echo { data: Bytes::new() }));
    assert!(trial.events.is_empty());
    trial.pass(SECOND);
    assert_eq!(trial.closed(), CloseReason::Unresponsive);
}

#[test]
fn m73_a_flow_monitor_update_of_length_0_is_refused() {
    let preamble = [&0x4f4e_4600_u32.to_be_bytes()[..], &1870_u32.to_be_bytes()].concat();
    for length in [0, 1, 3, 200] {
        let update = [0, length, 0, 0, 0, 0, 0, 0];
        let bytes = multipart(NOBODY, 0xffff, false, &[&preamble[..], &update].concat());
        malformed(&bytes, ErrorCode::BAD_REQUEST_BAD_LEN);
    }
}
