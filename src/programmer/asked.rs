//! What was asked of a flow, as it is kept for as long as the flow: in one allocation of some 40 bytes.
//!
//! An [`InstallFlow`] is made for being read and written as JSON, and takes ten times that. Most of it is looked at when
//! the flow is asked for and when it ends, so it is put together again when it is needed; what is needed more often is read
//! where it stands.
//!
//! ```text
//! fields (2)  kinds (2)  length of the class (2)  of the id (2)  [idle timeout (2)  hard timeout (2)]  class  id  the rest
//! ```
//! The rest is what the request has of its other fields, in the order of [`InstallFlow`]. Nothing outside this file knows
//! the form. The store keeps it as it is (`stored`), so what is written once means the same for ever: a new field gets a
//! new form of the record there.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Buf, BufMut};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::contract::{
    DEFAULT_TIMEOUT_MS, Endpoint, FlowId, Forward, InstallFlow, NodeName, OnConflict, PortRange, Protocol, RateLimit,
    Wait,
};

/// Bytes before the timeouts, and those that the timeouts take.
const HEADER: usize = 8;
const TIMEOUTS: usize = 4;

/// Which fields there are, and what those say that are only there or not.
mod field {
    pub(super) const FLOW_ID: u16 = 1;
    pub(super) const NODES: u16 = 1 << 1;
    pub(super) const PRIORITY: u16 = 1 << 2;
    pub(super) const SOURCE_PORT: u16 = 1 << 3;
    pub(super) const DESTINATION_PORT: u16 = 1 << 4;
    pub(super) const DSCP: u16 = 1 << 5;
    pub(super) const QUEUE: u16 = 1 << 6;
    pub(super) const RATE_LIMIT: u16 = 1 << 7;
    pub(super) const BURST: u16 = 1 << 8;
    pub(super) const BIDIRECTIONAL: u16 = 1 << 9;
    pub(super) const DRY_RUN: u16 = 1 << 10;
    pub(super) const REFUSE: u16 = 1 << 11;
    pub(super) const REPLACE: u16 = 1 << 12;
    pub(super) const ACCEPTED: u16 = 1 << 13;
    pub(super) const PATIENCE: u16 = 1 << 14;
    pub(super) const TIMEOUTS: u16 = 1 << 15;
}

/// A request and the id of its flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked(Box<[u8]>);

impl Asked {
    /// Keeps a request. The flow's id is the request's, or else one that was made for it.
    pub(super) fn new(id: &FlowId, request: &InstallFlow) -> Self {
        let InstallFlow {
            flow_id,
            nodes,
            source,
            destination,
            traffic_type,
            priority,
            protocol,
            source_port,
            destination_port,
            dscp,
            queue,
            rate_limit,
            forward,
            bidirectional,
            idle_timeout,
            hard_timeout,
            dry_run,
            on_conflict,
            replace,
            wait,
            timeout_ms,
        } = request;
        let traffic_type = short(traffic_type);
        let patience = Some(*timeout_ms).filter(|timeout_ms| *timeout_ms != DEFAULT_TIMEOUT_MS);
        let has_timeouts = (*idle_timeout, *hard_timeout) != (0, 0);
        let fields = [
            (flow_id.is_some(), field::FLOW_ID),
            (nodes.is_some(), field::NODES),
            (priority.is_some(), field::PRIORITY),
            (source_port.is_some(), field::SOURCE_PORT),
            (destination_port.is_some(), field::DESTINATION_PORT),
            (dscp.is_some(), field::DSCP),
            (queue.is_some(), field::QUEUE),
            (rate_limit.is_some(), field::RATE_LIMIT),
            (rate_limit.is_some_and(|limit| limit.burst_kb.is_some()), field::BURST),
            (*bidirectional, field::BIDIRECTIONAL),
            (*dry_run, field::DRY_RUN),
            (*on_conflict == OnConflict::Refuse, field::REFUSE),
            (*replace, field::REPLACE),
            (*wait == Wait::Accepted, field::ACCEPTED),
            (patience.is_some(), field::PATIENCE),
            (has_timeouts, field::TIMEOUTS),
        ];
        let fields = fields.into_iter().filter(|(is_there, _)| *is_there).fold(0, |fields, (_, bit)| fields | bit);

        let mut bytes = Vec::with_capacity(64 + traffic_type.len() + id.as_str().len());
        bytes.put_u16(fields);
        bytes.put_u8(end_kind(source) << 4 | end_kind(destination));
        bytes.put_u8(forward_kind(forward) << 4 | protocol_kind(*protocol));
        bytes.put_u16(length(traffic_type));
        bytes.put_u16(length(id.as_str()));
        if has_timeouts {
            bytes.put_u16(*idle_timeout);
            bytes.put_u16(*hard_timeout);
        }
        bytes.put_slice(traffic_type.as_bytes());
        bytes.put_slice(id.as_str().as_bytes());
        if let Some(nodes) = nodes {
            bytes.put_u32(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
            for node in nodes {
                bytes.put_u16(length(node.as_str()));
                bytes.put_slice(node.as_str().as_bytes());
            }
        }
        put_end(&mut bytes, source);
        put_end(&mut bytes, destination);
        priority.iter().for_each(|priority| bytes.put_u16(*priority));
        for PortRange { first, last } in source_port.iter().chain(destination_port) {
            bytes.put_u16(*first);
            bytes.put_u16(*last);
        }
        dscp.iter().for_each(|dscp| bytes.put_u8(*dscp));
        queue.iter().for_each(|queue| bytes.put_u32(*queue));
        if let Some(RateLimit { rate_kbps, burst_kb }) = rate_limit {
            bytes.put_u32(*rate_kbps);
            burst_kb.iter().for_each(|burst_kb| bytes.put_u32(*burst_kb));
        }
        match forward {
            Forward::Normal | Forward::Drop => {}
            Forward::Port(port) => bytes.put_u32(*port),
            Forward::Table(table) => bytes.put_u8(*table),
        }
        patience.into_iter().for_each(|timeout_ms| bytes.put_u32(timeout_ms));
        Self(bytes.into_boxed_slice())
    }

    /// Takes what was kept, and puts the request together. Nothing where [`Asked::new`] has not made the bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<(Self, InstallFlow)> {
        let asked = Self(bytes.into());
        let request = asked.read()?;
        asked.id_bytes().and_then(|id| std::str::from_utf8(id).ok()?.parse::<FlowId>().ok())?;
        Some((asked, request))
    }

    /// What is to be kept.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The request, as it was asked.
    pub(super) fn request(&self) -> InstallFlow {
        self.read().unwrap_or_else(|| unreachable!("it was made of a request, or looked at when it came"))
    }

    fn read(&self) -> Option<InstallFlow> {
        let mut bytes = self.rest()?;
        let has = |bit| self.has(bit);
        let (ends, kinds) = (self.byte(2), self.byte(3));
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let request = InstallFlow {
            flow_id: if has(field::FLOW_ID) { Some(text(self.id_bytes()?)?.parse().ok()?) } else { None },
            nodes: if has(field::NODES) { Some(get_nodes(&mut bytes)?) } else { None },
            source: get_end(ends >> 4, &mut bytes)?,
            destination: get_end(ends & 0xf, &mut bytes)?,
            traffic_type: text(self.texts().get(..self.class_length())?)?.to_owned(),
            priority: if has(field::PRIORITY) { Some(bytes.try_get_u16().ok()?) } else { None },
            protocol: get_protocol(kinds & 0xf)?,
            source_port: if has(field::SOURCE_PORT) { Some(get_ports(&mut bytes)?) } else { None },
            destination_port: if has(field::DESTINATION_PORT) { Some(get_ports(&mut bytes)?) } else { None },
            dscp: if has(field::DSCP) { Some(bytes.try_get_u8().ok()?) } else { None },
            queue: if has(field::QUEUE) { Some(bytes.try_get_u32().ok()?) } else { None },
            rate_limit: if has(field::RATE_LIMIT) { Some(get_limit(has(field::BURST), &mut bytes)?) } else { None },
            forward: get_forward(kinds >> 4, &mut bytes)?,
            bidirectional: has(field::BIDIRECTIONAL),
            idle_timeout: self.idle_timeout(),
            hard_timeout: self.hard_timeout(),
            dry_run: has(field::DRY_RUN),
            on_conflict: if has(field::REFUSE) { OnConflict::Refuse } else { OnConflict::Warn },
            replace: has(field::REPLACE),
            wait: if has(field::ACCEPTED) { Wait::Accepted } else { Wait::Applied },
            timeout_ms: if has(field::PATIENCE) { bytes.try_get_u32().ok()? } else { DEFAULT_TIMEOUT_MS },
        };
        bytes.is_empty().then_some(request)
    }

    /// The id of the flow.
    pub(super) fn id(&self) -> &str {
        text(self.id_bytes().unwrap_or_default())
    }

    fn id_bytes(&self) -> Option<&[u8]> {
        self.texts().get(self.class_length()..self.class_length() + self.id_length())
    }

    /// The same, to be given away.
    pub(super) fn flow_id(&self) -> FlowId {
        self.id().parse().unwrap_or_else(|_| unreachable!("it was a lawful id"))
    }

    /// The class of traffic.
    pub(super) fn traffic_type(&self) -> &str {
        text(self.texts().get(..self.class_length()).unwrap_or_default())
    }

    /// Whether the request has a rate limit of its own.
    pub(super) fn has_rate_limit(&self) -> bool {
        self.has(field::RATE_LIMIT)
    }

    pub(super) fn idle_timeout(&self) -> u16 {
        if self.has(field::TIMEOUTS) { self.word(HEADER) } else { 0 }
    }

    pub(super) fn hard_timeout(&self) -> u16 {
        if self.has(field::TIMEOUTS) { self.word(HEADER + 2) } else { 0 }
    }

    fn has(&self, bit: u16) -> bool {
        self.word(0) & bit != 0
    }

    fn class_length(&self) -> usize {
        self.word(4).into()
    }

    fn id_length(&self) -> usize {
        self.word(6).into()
    }

    /// The class, the id and the rest.
    fn texts(&self) -> &[u8] {
        let from = if self.has(field::TIMEOUTS) { HEADER + TIMEOUTS } else { HEADER };
        self.0.get(from..).unwrap_or_default()
    }

    fn rest(&self) -> Option<&[u8]> {
        self.texts().get(self.class_length() + self.id_length()..)
    }

    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.byte(at), self.byte(at + 1)])
    }
}

/// A class that there is has a short name; one that a flow had that has ended may be any text.
fn short(class: &str) -> &str {
    class.get(..class.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default()
}

/// Ids and the names of nodes are bounded far below it.
fn length(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or_else(|_| unreachable!("names are short"))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|_| unreachable!("it was text"))
}

fn end_kind(end: &Endpoint) -> u8 {
    match end {
        Endpoint::Any => 0,
        Endpoint::V4(_) => 1,
        Endpoint::V6(_) => 2,
    }
}

fn put_end(bytes: &mut Vec<u8>, end: &Endpoint) {
    match end {
        Endpoint::Any => {}
        Endpoint::V4(net) => {
            bytes.put_u32(net.addr().to_bits());
            bytes.put_u8(net.prefix_len());
        }
        Endpoint::V6(net) => {
            bytes.put_u128(net.addr().to_bits());
            bytes.put_u8(net.prefix_len());
        }
    }
}

fn get_end(kind: u8, bytes: &mut &[u8]) -> Option<Endpoint> {
    Some(match kind {
        0 => Endpoint::Any,
        1 => {
            let address = Ipv4Addr::from_bits(bytes.try_get_u32().ok()?);
            Endpoint::V4(Ipv4Net::new(address, bytes.try_get_u8().ok()?).ok()?)
        }
        2 => {
            let address = Ipv6Addr::from_bits(bytes.try_get_u128().ok()?);
            Endpoint::V6(Ipv6Net::new(address, bytes.try_get_u8().ok()?).ok()?)
        }
        _ => return None,
    })
}

fn forward_kind(forward: &Forward) -> u8 {
    match forward {
        Forward::Normal => 0,
        Forward::Drop => 1,
        Forward::Port(_) => 2,
        Forward::Table(_) => 3,
    }
}

fn get_forward(kind: u8, bytes: &mut &[u8]) -> Option<Forward> {
    Some(match kind {
        0 => Forward::Normal,
        1 => Forward::Drop,
        2 => Forward::Port(bytes.try_get_u32().ok()?),
        3 => Forward::Table(bytes.try_get_u8().ok()?),
        _ => return None,
    })
}

/// Without a protocol: a number that none has.
const NO_PROTOCOL: u8 = 0xf;

/// Its place among all of them.
fn protocol_kind(protocol: Option<Protocol>) -> u8 {
    protocol.map_or(NO_PROTOCOL, |protocol| protocol as u8)
}

fn get_protocol(kind: u8) -> Option<Option<Protocol>> {
    if kind == NO_PROTOCOL { Some(None) } else { Protocol::ALL.get(usize::from(kind)).copied().map(Some) }
}

fn get_nodes(bytes: &mut &[u8]) -> Option<Vec<NodeName>> {
    let count = bytes.try_get_u32().ok()?;
    let name = |_| std::str::from_utf8(get_short(bytes)?).ok()?.parse().ok();
    (0..count).map(name).collect()
}

/// Bytes behind their number, in two bytes.
pub(super) fn get_short<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = bytes.try_get_u16().ok()?;
    take(bytes, length.into())
}

/// So many bytes.
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn get_limit(has_burst: bool, bytes: &mut &[u8]) -> Option<RateLimit> {
    let rate_kbps = bytes.try_get_u32().ok()?;
    Some(RateLimit { rate_kbps, burst_kb: if has_burst { Some(bytes.try_get_u32().ok()?) } else { None } })
}

fn get_ports(bytes: &mut &[u8]) -> Option<PortRange> {
    Some(PortRange { first: bytes.try_get_u16().ok()?, last: bytes.try_get_u16().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> impl Strategy<Value = Endpoint> {
        prop_oneof![
            Just(Endpoint::Any),
            (any::<u32>(), 0..=32_u8)
                .prop_map(|(bits, length)| { Endpoint::V4(Ipv4Net::new_assert(bits.into(), length).trunc()) }),
            (any::<u128>(), 0..=128_u8)
                .prop_map(|(bits, length)| { Endpoint::V6(Ipv6Net::new_assert(bits.into(), length).trunc()) }),
        ]
    }

    fn ports() -> impl Strategy<Value = Option<PortRange>> {
        prop::option::of((any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) }))
    }

    fn forward() -> impl Strategy<Value = Forward> {
        prop_oneof![
            Just(Forward::Normal),
            Just(Forward::Drop),
            any::<u32>().prop_map(Forward::Port),
            any::<u8>().prop_map(Forward::Table),
        ]
    }

    prop_compose! {
        fn numbers()(
            priority in prop::option::of(any::<u16>()),
            dscp in prop::option::of(0..64_u8),
            queue in prop::option::of(any::<u32>()),
            rate_limit in prop::option::of((1..u32::MAX, prop::option::of(1..u32::MAX))),
            (idle_timeout, hard_timeout) in any::<(u16, u16)>(),
            timeout_ms in prop_oneof![Just(DEFAULT_TIMEOUT_MS), any::<u32>()],
        ) -> InstallFlow {
            InstallFlow {
                priority,
                dscp,
                queue,
                rate_limit: rate_limit.map(|(rate_kbps, burst_kb)| RateLimit { rate_kbps, burst_kb }),
                idle_timeout,
                hard_timeout,
                timeout_ms,
                ..InstallFlow::new(Endpoint::Any, Endpoint::Any, "")
            }
        }
    }

    prop_compose! {
        fn request()(
            numbers in numbers(),
            flow_id in prop::option::of("\\PC{1,128}"),
            nodes in prop::option::of(prop::collection::vec("[a-z.]{1,64}", 1..4)),
            ends in (end(), end(), "[a-z_]{1,20}"),
            protocol in prop::option::of(prop::sample::select(Protocol::ALL.to_vec())),
            ports in (ports(), ports()),
            forward in forward(),
            flags in any::<[bool; 5]>(),
        ) -> InstallFlow {
            InstallFlow {
                flow_id: flow_id.map(|id| id.parse().unwrap()),
                nodes: nodes.map(|nodes| nodes.iter().map(|name| name.parse().unwrap()).collect()),
                source: ends.0,
                destination: ends.1,
                traffic_type: ends.2,
                protocol,
                source_port: ports.0,
                destination_port: ports.1,
                forward,
                bidirectional: flags[0],
                dry_run: flags[1],
                on_conflict: if flags[2] { OnConflict::Refuse } else { OnConflict::Warn },
                replace: flags[3],
                wait: if flags[4] { Wait::Accepted } else { Wait::Applied },
                ..numbers
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_024))]

        #[test]
        fn a_request_comes_back_as_it_was_asked(request in request(), made in "[a-z]{1,20}") {
            let id = request.flow_id.clone().unwrap_or_else(|| made.parse().unwrap());
            let asked = Asked::new(&id, &request);
            prop_assert_eq!(asked.flow_id(), id);
            prop_assert_eq!(asked.traffic_type(), &request.traffic_type);
            prop_assert_eq!(asked.has_rate_limit(), request.rate_limit.is_some());
            prop_assert_eq!(asked.idle_timeout(), request.idle_timeout);
            prop_assert_eq!(asked.hard_timeout(), request.hard_timeout);
            prop_assert_eq!(asked.request(), request.clone());
            prop_assert_eq!(Asked::from_bytes(asked.as_bytes()), Some((asked, request)));
        }

        #[test]
        fn what_no_request_has_made_is_refused_or_a_request(
            request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
        ) {
            let mut bytes = Asked::new(&"id".parse().unwrap(), &request).as_bytes().to_vec();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
                prop_assert_eq!(Asked::from_bytes(&bytes), None);
            } else {
                bytes[at] = byte;
                if let Some((asked, request)) = Asked::from_bytes(&bytes) {
                    prop_assert_eq!(asked.request(), request);
                    prop_assert!(!asked.flow_id().as_str().is_empty());
                }
            }
        }
    }

    #[test]
    fn an_ordinary_request_takes_little() {
        let request = InstallFlow {
            flow_id: Some("call-123456".parse().unwrap()),
            protocol: Some(Protocol::Udp),
            destination_port: Some(PortRange::single(5060)),
            ..InstallFlow::new("10.1.2.3".parse().unwrap(), "10.200.0.1".parse().unwrap(), "voice")
        };
        assert_eq!(Asked::new(request.flow_id.as_ref().unwrap(), &request).0.len(), 38);
    }
}
