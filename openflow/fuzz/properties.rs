//! What the fuzz targets assert of any bytes; `cargo test` replays their corpus against the same functions.

use bytes::{Bytes, BytesMut};
use openflow::{FlowMod, FrameError, Message, split_frame};

/// Whatever decodes is encoded to as many bytes, which decode to the same and are encoded to the same; it prints.
pub(crate) fn message(data: &[u8]) {
    let frame = with_length(data);
    let Ok((xid, decoded)) = Message::decode(&frame) else { return };
    let encode = |message: &Message| {
        let mut out = BytesMut::new();
        message.encode(xid, &mut out).expect("it was not longer before");
        out.freeze()
    };
    let first = encode(&decoded);
    assert_eq!(first.len(), frame.len(), "{decoded:?}");
    let (again, same) = Message::decode(&first).expect("what is encoded decodes");
    assert_eq!((again, &same), (xid, &decoded));
    assert_eq!(encode(&same), first);
    assert!(!decoded.to_string().is_empty());
}

/// A stream is cut into the same messages however it arrives, and nothing is lost.
pub(crate) fn stream(data: &[u8]) {
    let Some((step, data)) = data.split_first() else { return };
    let cut = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match split_frame(&mut buffer) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Err(error)),
                }
            }
        }
        (frames, Ok(buffer.len()))
    };
    let whole = cut(&mut [data].into_iter());
    let pieces = cut(&mut data.chunks(usize::from(*step).max(1)));
    assert_eq!(whole.0, pieces.0);
    match (&whole.1, &pieces.1) {
        (Ok(left), Ok(other)) => assert_eq!((left, other), (&(data.len() - total(&whole.0)), left)),
        (Err(FrameError::Short(length)), Err(other)) => assert_eq!(FrameError::Short(*length), *other),
        (one, other) => panic!("{one:?} in one piece, {other:?} in many"),
    }
}

/// Whatever reads as a flow prints, and what is printed reads and prints the same.
pub(crate) fn flow_text(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(flow) = text.parse::<FlowMod>() else { return };
    let printed = flow.to_string();
    match printed.parse::<FlowMod>() {
        Ok(again) => assert_eq!(again.to_string(), printed, "{text}"),
        Err(error) => panic!("{text}\n{printed}\n{error}"),
    }
}

fn total(frames: &[Bytes]) -> usize {
    frames.iter().map(Bytes::len).sum()
}

/// The bytes with version and length put right, so that the interesting parts are reached.
fn with_length(data: &[u8]) -> Bytes {
    let mut frame = BytesMut::from(data.get(..data.len().min(65_535)).unwrap_or_default());
    let length = u16::try_from(frame.len()).unwrap_or(u16::MAX);
    if let Some([version, _, high, low, ..]) = frame.first_chunk_mut::<8>() {
        *version = 4;
        [*high, *low] = length.to_be_bytes();
    }
    frame.freeze()
}
