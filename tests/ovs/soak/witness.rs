//! Listens to both ends of an OpenFlow connection and says which cookies the switch has confirmed. It reads the bytes
//! by the specification's offsets and shares nothing with the product's codec.

use std::collections::BTreeMap;

const EXPERIMENTER: u8 = 4;
const FLOW_MOD: u8 = 14;
const MULTIPART_REPLY: u8 = 19;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
const ONF: u32 = 0x4f4e_4600;
const BUNDLE_CONTROL: u32 = 2300;
const BUNDLE_ADD: u32 = 2301;
const COMMIT_REQUEST: u16 = 4;
const COMMIT_REPLY: u16 = 5;
/// OFPMP_FLOW.
const FLOW: u16 = 1;
/// OFPFC_ADD.
const ADD: u8 = 0;

/// What one connection has said: a reply on another one confirms nothing of it.
#[derive(Debug, Default)]
pub(super) struct Witness {
    down: Vec<u8>,
    up: Vec<u8>,
    /// Cookies that were sent and not confirmed.
    sent: Vec<u64>,
    /// The same in bundles that are not committed.
    bundled: BTreeMap<u32, Vec<u64>>,
    /// What a barrier reply or a commit reply with this transaction id confirms.
    awaited: BTreeMap<u32, Vec<u64>>,
}

impl Witness {
    /// The daemon sends this.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.down.extend_from_slice(bytes);
        while let Some(message) = cut(&mut self.down) {
            match message[1] {
                FLOW_MOD => self.sent.extend(added(&message)),
                BARRIER_REQUEST => {
                    let cookies = std::mem::take(&mut self.sent);
                    self.awaited.insert(u32_at(&message, 4), cookies);
                }
                EXPERIMENTER if u32_at(&message, 8) == ONF => self.sent_bundle(&message),
                _ => {}
            }
        }
    }

    fn sent_bundle(&mut self, message: &[u8]) {
        let bundle = u32_at(message, 16);
        match u32_at(message, 12) {
            BUNDLE_ADD => self.bundled.entry(bundle).or_default().extend(message.get(24..).and_then(added)),
            BUNDLE_CONTROL if u16_at(message, 20) == COMMIT_REQUEST => {
                let cookies = self.bundled.remove(&bundle).unwrap_or_default();
                self.awaited.insert(u32_at(message, 4), cookies);
            }
            _ => {}
        }
    }

    /// The switch sends this; returns the cookies that it confirms.
    pub(super) fn heard(&mut self, bytes: &[u8]) -> Vec<u64> {
        self.up.extend_from_slice(bytes);
        let mut confirmed = Vec::new();
        while let Some(message) = cut(&mut self.up) {
            let is_commit = || {
                (u32_at(&message, 8), u32_at(&message, 12)) == (ONF, BUNDLE_CONTROL)
                    && u16_at(&message, 20) == COMMIT_REPLY
            };
            match message[1] {
                BARRIER_REPLY => confirmed.extend(self.awaited.remove(&u32_at(&message, 4)).unwrap_or_default()),
                EXPERIMENTER if is_commit() => {
                    confirmed.extend(self.awaited.remove(&u32_at(&message, 4)).unwrap_or_default());
                }
                MULTIPART_REPLY if u16_at(&message, 8) == FLOW => confirmed.extend(listed(&message[16..])),
                _ => {}
            }
        }
        confirmed
    }
}

/// Cuts the first whole message off a stream.
fn cut(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*stream.get(2)?, *stream.get(3)?])).max(8);
    (stream.len() >= length).then(|| stream.drain(..length).collect())
}

/// The cookie of a FLOW_MOD that adds a rule.
fn added(message: &[u8]) -> Option<u64> {
    (message.get(25) == Some(&ADD)).then(|| u64_at(message, 8))
}

/// The cookies of the entries of a flow statistics reply.
fn listed(mut entries: &[u8]) -> Vec<u64> {
    let mut cookies = Vec::new();
    while entries.len() >= 56 {
        cookies.push(u64_at(entries, 24));
        let length = usize::from(u16_at(entries, 0)).clamp(56, entries.len());
        entries = &entries[length..];
    }
    cookies
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |field| u16::from_be_bytes(field.try_into().unwrap()))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |field| u32::from_be_bytes(field.try_into().unwrap()))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |field| u64::from_be_bytes(field.try_into().unwrap()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, xid: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + body.len()).unwrap();
        [&[4, kind, 0, length, 0, 0, 0, xid], body].concat()
    }

    fn flow_mod(cookie: u8, command: u8) -> Vec<u8> {
        let mut body = vec![0; 48];
        (body[7], body[17]) = (cookie, command);
        message(FLOW_MOD, 1, &body)
    }

    #[test]
    fn a_barrier_reply_confirms_what_was_added_before_its_request_and_nothing_else() {
        let mut witness = Witness::default();
        witness.sent(&[flow_mod(1, ADD), flow_mod(9, 4), message(BARRIER_REQUEST, 7, &[]), flow_mod(2, ADD)].concat());
        let replies = [message(BARRIER_REPLY, 8, &[]), message(BARRIER_REPLY, 7, &[])];
        assert_eq!(replies.map(|reply| witness.heard(&reply)), [vec![], vec![1]]);
    }

    #[test]
    fn a_bundle_is_confirmed_by_its_commit_and_a_rule_that_is_read_by_being_read() {
        let mut witness = Witness::default();
        let control =
            |kind: u8, xid| message(EXPERIMENTER, xid, &[0x4f, 0x4e, 0x46, 0, 0, 0, 8, 252, 0, 0, 0, 5, 0, kind, 0, 0]);
        let head = [0x4f, 0x4e, 0x46, 0, 0, 0, 8, 253, 0, 0, 0, 5, 0, 0, 0, 0];
        witness.sent(&message(EXPERIMENTER, 1, &[&head[..], &flow_mod(3, ADD)].concat()));
        witness.sent(&control(4, 9));
        assert!(witness.heard(&control(1, 9)).is_empty());
        assert_eq!(witness.heard(&control(5, 9)), [3]);
        let mut entry = vec![0; 56];
        (entry[1], entry[31]) = (56, 4);
        let reply = message(MULTIPART_REPLY, 1, &[&[0, 1, 0, 0, 0, 0, 0, 0], &entry[..], &entry].concat());
        assert_eq!(witness.heard(&reply), [4, 4]);
    }
}
