//! What holds for every message.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod strategies;

use bytes::{Bytes, BytesMut};
use openflow::{FlowMod, Match, Message, Xid, split_frame};
use proptest::prelude::*;
use strategies::{flow_match, flow_mod, message, xid};

fn encoded(message: &Message, xid: Xid) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.freeze()
}

/// The same bytes with another length in the header.
fn with_length(bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::from(bytes);
    let length = u16::try_from(bytes.len()).unwrap();
    frame.get_mut(2..4).unwrap().copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_what_was_encoded_is_identity(message in message(), xid in xid()) {
        prop_assert_eq!(Message::decode(&encoded(&message, xid)), Ok((xid, message)));
    }

    #[test]
    fn no_strict_prefix_decodes_as_it_stands(message in message(), cut in any::<prop::sample::Index>()) {
        let frame = encoded(&message, Xid(1));
        prop_assert!(Message::decode(&frame.slice(..cut.index(frame.len()))).is_err());
    }

    #[test]
    fn a_prefix_with_its_length_put_right_decodes_to_something_shorter_or_not_at_all(
        message in message(),
        cut in any::<prop::sample::Index>(),
    ) {
        let frame = encoded(&message, Xid(1));
        let length = 8 + cut.index(frame.len() - 7);
        let prefix = with_length(&frame[..length.min(frame.len())]);
        if let Ok((xid, decoded)) = Message::decode(&prefix) {
            prop_assert_eq!(encoded(&decoded, xid), prefix);
        }
    }

    #[test]
    fn whatever_decodes_is_stable_after_one_encoding(
        message in message(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = BytesMut::from(&encoded(&message, Xid(1))[..]);
        for (place, value) in flips {
            let place = place.index(frame.len());
            frame[place] = value;
        }
        let frame = with_length(&frame);
        if let Ok((xid, decoded)) = Message::decode(&frame) {
            let again = encoded(&decoded, xid);
            prop_assert_eq!(again.len(), frame.len());
            prop_assert_eq!(Message::decode(&again), Ok((xid, decoded)));
        }
    }

    #[test]
    fn bytes_of_any_kind_decode_or_do_not_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 8..200), kind in 0..30_u8) {
        let mut frame = BytesMut::from(&bytes[..]);
        frame[0] = 4;
        frame[1] = kind;
        let _ = Message::decode(&with_length(&frame));
    }

    #[test]
    fn a_stream_is_cut_into_the_messages_that_were_put_into_it(messages in prop::collection::vec(message(), 1..5)) {
        let mut stream = BytesMut::new();
        for message in &messages {
            message.encode(Xid(7), &mut stream).unwrap();
        }
        for message in messages {
            let frame = split_frame(&mut stream).unwrap().unwrap();
            prop_assert_eq!(Message::decode(&frame), Ok((Xid(7), message)));
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn a_match_reads_back_from_its_text(flow_match in flow_match()) {
        // A mask of all ones and a mask of zeros have texts of their own meaning.
        let text = flow_match.to_string();
        let read = text.parse::<Match>();
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        prop_assert_eq!(read.unwrap().to_string(), text);
    }

    #[test]
    fn a_flow_mod_reads_back_from_its_text(flow_mod in flow_mod()) {
        let text = flow_mod.to_string();
        let read = text.parse::<FlowMod>();
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        prop_assert_eq!(read.unwrap().to_string(), text);
    }

    #[test]
    fn a_flow_reads_back_from_the_text_that_people_paste(flow_mod in flow_mod()) {
        let text = format!("{flow_mod:#}");
        let read = text.parse::<FlowMod>();
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        let read = read.unwrap();
        prop_assert_eq!(&format!("{read:#}"), &text);
        prop_assert_eq!((read.cookie, read.table_id, read.priority), (flow_mod.cookie, flow_mod.table_id, flow_mod.priority));
        prop_assert_eq!((read.idle_timeout, read.hard_timeout, read.flags), (flow_mod.idle_timeout, flow_mod.hard_timeout, flow_mod.flags));
    }

    #[test]
    fn text_of_any_kind_is_a_flow_or_not_but_never_a_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<FlowMod>();
    }
}
