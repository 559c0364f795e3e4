//! From a request to rules: what exactly a switch is to compare packets with, and what it is to do with them.
//!
//! A request becomes the product of its families, directions, masked source ports and masked destination ports. All of
//! its rules do the same, so it does not matter which of them a packet that fits two of them meets.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter;

use openflow::{
    Action, EthType, Instruction, IpProto, Match, MatchBuilder, MatchError, OxmField, PortNo, QueueId, TableId,
};
use thiserror::Error;

use super::class::{Template, TrafficClass, UnknownClass};
use super::pipeline::Pipeline;
use super::port_range::{MaskedPort, masked_ports};
use crate::contract::{Endpoint, ErrorCode, Forward, InstallFlow, PortRange, Protocol};

/// Rules that one request may become: the most awkward ranges for both ports make 784, and nothing sensible
/// makes more.
pub const MAX_RULES: usize = 1024;

/// The ports of a request that names none: every one.
const EVERY_PORT: &[MaskedPort] = &[MaskedPort { value: 0, mask: 0 }];

/// One entry of a flow table, as far as the request decides it: its owner adds cookie and timeouts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The table.
    pub table_id: TableId,
    /// Its precedence over other rules that match.
    pub priority: u16,
    /// The packets that it takes.
    pub flow_match: Match,
    /// What is done with them; dropping them needs none.
    pub instructions: Vec<Instruction>,
}

/// What makes a rule the same rule: a switch holds one with this table, priority and match at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleId {
    /// The table.
    pub table_id: TableId,
    /// The priority.
    pub priority: u16,
    /// The match.
    pub flow_match: Match,
}

impl Rule {
    /// What makes it the same rule as another.
    pub fn id(&self) -> RuleId {
        RuleId { table_id: self.table_id, priority: self.priority, flow_match: self.flow_match.clone() }
    }
}

/// Why a request has no rules.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompileError {
    /// It names a class that there is not.
    #[error(transparent)]
    UnknownClass(#[from] UnknownClass),
    /// It would become more rules than [`MAX_RULES`].
    #[error(
        "{field} makes {rules} rules of this request, and at most {MAX_RULES} are allowed: choose rounder port ranges, or fewer"
    )]
    TooManyRules {
        /// The field that contributes most.
        field: &'static str,
        /// How many.
        rules: usize,
    },
    /// A field of the match or of an action is unlawful, which no lawful request and class lead to.
    #[error("the rules would be unlawful: {0}")]
    Unlawful(#[from] MatchError),
}

impl CompileError {
    /// The code that a client is answered with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownClass(_) => ErrorCode::InvalidRequest,
            Self::TooManyRules { .. } => ErrorCode::TooLarge,
            Self::Unlawful(_) => ErrorCode::Internal,
        }
    }

    /// The field of the request that is to blame, if one is.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::UnknownClass(_) => Some("traffic_type"),
            Self::TooManyRules { field, .. } => Some(field),
            Self::Unlawful(_) => None,
        }
    }
}

/// The rules of a request for traffic of a class in table 0, none of them twice.
///
/// # Errors
/// A [`CompileError`] that names the field to blame.
pub fn compile(request: &InstallFlow, class: &TrafficClass) -> Result<Vec<Rule>, CompileError> {
    compile_in(Pipeline::default(), request, class)
}

/// The same for switches whose tables are used in another way.
///
/// # Errors
/// A [`CompileError`] that names the field to blame.
pub fn compile_in(pipeline: Pipeline, request: &InstallFlow, class: &TrafficClass) -> Result<Vec<Rule>, CompileError> {
    let priority = request.priority.unwrap_or(class.default_priority);
    let mut matches = matches(request, class)?;
    if request.bidirectional {
        let mut seen = HashSet::with_capacity(matches.len());
        matches.retain(|flow_match| seen.insert(flow_match.clone()));
    }
    let instructions = iter::repeat_n(instructions(pipeline, request, class)?, matches.len());
    let rules = matches.into_iter().zip(instructions).map(|(flow_match, instructions)| Rule {
        table_id: pipeline.qos_table(),
        priority,
        flow_match,
        instructions,
    });
    Ok(rules.collect())
}

/// Marks, queues and then forwards: what happens to a packet before it leaves is part of what leaves.
fn instructions(
    pipeline: Pipeline,
    request: &InstallFlow,
    class: &TrafficClass,
) -> Result<Vec<Instruction>, MatchError> {
    let mark = Action::set_field(OxmField::IpDscp(request.dscp.unwrap_or(class.dscp)))?;
    let queue = Action::SetQueue(QueueId(request.queue.unwrap_or(class.queue)));
    Ok(match request.forward {
        Forward::Drop => Vec::new(),
        Forward::Normal => pipeline.ordinary(vec![mark, queue]),
        Forward::Port(port) => vec![Instruction::ApplyActions(vec![mark, queue, Action::output(PortNo(port))])],
        Forward::Table(table) => {
            vec![Instruction::ApplyActions(vec![mark, queue]), Instruction::GotoTable(TableId(table))]
        }
    })
}

/// The matches of a request; those of the way back may be those of the way there again.
fn matches(request: &InstallFlow, class: &TrafficClass) -> Result<Vec<Match>, CompileError> {
    let Template { protocol, source_port, destination_port, trust_dscp } = class.packets(request);
    let source_ports = port_masks(source_port);
    let destination_ports = port_masks(destination_port);
    let dscp = trust_dscp.then_some(class.dscp);
    let families = families(request);
    let directions: &[Direction] =
        if request.bidirectional { &[Direction::There, Direction::Back] } else { &[Direction::There] };

    let rules = families.len() * directions.len() * source_ports.len() * destination_ports.len();
    if rules > MAX_RULES {
        let field = if source_ports.len() > destination_ports.len() { "source_port" } else { "destination_port" };
        return Err(CompileError::TooManyRules { field, rules });
    }

    let mut matches = Vec::with_capacity(rules);
    for family in families {
        for direction in directions {
            for source_port in &*source_ports {
                for destination_port in &*destination_ports {
                    let source = End { address: request.source, ports: *source_port };
                    let destination = End { address: request.destination, ports: *destination_port };
                    let (from, to) = match direction {
                        Direction::There => (source, destination),
                        Direction::Back => (destination, source),
                    };
                    matches.push(family.between(from, to, dscp, protocol)?);
                }
            }
        }
    }
    Ok(matches)
}

fn port_masks(range: Option<PortRange>) -> Cow<'static, [MaskedPort]> {
    range.map_or(Cow::Borrowed(EVERY_PORT), |range| Cow::Owned(masked_ports(range)))
}

/// Which way packets go.
#[derive(Debug, Clone, Copy)]
enum Direction {
    There,
    Back,
}

/// What packets of one rule have at one end.
#[derive(Debug, Clone, Copy)]
struct End {
    address: Endpoint,
    ports: MaskedPort,
}

/// A version of IP.
#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V6,
}

/// The families of a request: that of its addresses, or both where it names none.
fn families(request: &InstallFlow) -> &'static [Family] {
    match (request.source, request.destination) {
        (Endpoint::V4(_), _) | (_, Endpoint::V4(_)) => &[Family::V4],
        (Endpoint::V6(_), _) | (_, Endpoint::V6(_)) => &[Family::V6],
        (Endpoint::Any, Endpoint::Any) => &[Family::V4, Family::V6],
    }
}

impl Family {
    /// The match for packets of this family from one end to the other.
    fn between(self, from: End, to: End, dscp: Option<u8>, protocol: Option<Protocol>) -> Result<Match, MatchError> {
        let mut fields = Match::builder().eth_type(match self {
            Self::V4 => EthType::IPV4,
            Self::V6 => EthType::IPV6,
        });
        fields = match from.address {
            Endpoint::Any => fields,
            Endpoint::V4(net) => fields.ipv4_src_masked(net.network(), net.netmask()),
            Endpoint::V6(net) => fields.ipv6_src_masked(net.network(), net.netmask()),
        };
        fields = match to.address {
            Endpoint::Any => fields,
            Endpoint::V4(net) => fields.ipv4_dst_masked(net.network(), net.netmask()),
            Endpoint::V6(net) => fields.ipv6_dst_masked(net.network(), net.netmask()),
        };
        if let Some(dscp) = dscp {
            fields = fields.ip_dscp(dscp);
        }
        match protocol {
            None => fields,
            Some(protocol) => self.transport(fields, protocol, from.ports, to.ports),
        }
        .build()
    }

    fn transport(self, fields: MatchBuilder, protocol: Protocol, from: MaskedPort, to: MaskedPort) -> MatchBuilder {
        match (protocol, self) {
            (Protocol::Tcp, _) => {
                fields.ip_proto(IpProto::TCP).tcp_src_masked(from.value, from.mask).tcp_dst_masked(to.value, to.mask)
            }
            (Protocol::Udp, _) => {
                fields.ip_proto(IpProto::UDP).udp_src_masked(from.value, from.mask).udp_dst_masked(to.value, to.mask)
            }
            (Protocol::Sctp, _) => {
                fields.ip_proto(IpProto::SCTP).sctp_src_masked(from.value, from.mask).sctp_dst_masked(to.value, to.mask)
            }
            (Protocol::Icmp, Self::V4) => fields.ip_proto(IpProto::ICMP),
            (Protocol::Icmp, Self::V6) => fields.ip_proto(IpProto::ICMPV6),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::class::ClassTable;
    use super::*;
    use crate::contract::RateLimit;

    /// A request for a class, everything else left out.
    fn request(source: &str, destination: &str, traffic_type: &str) -> InstallFlow {
        InstallFlow::new(source.parse().unwrap(), destination.parse().unwrap(), traffic_type)
    }

    fn rules(request: &InstallFlow) -> Vec<Rule> {
        compile(request, ClassTable::built_in().get(&request.traffic_type).unwrap()).unwrap()
    }

    fn matches(request: &InstallFlow) -> Vec<Match> {
        rules(request).into_iter().map(|rule| rule.flow_match).collect()
    }

    fn ports(first: u16, last: u16) -> Option<PortRange> {
        Some(PortRange { first, last })
    }

    fn ipv4() -> MatchBuilder {
        Match::builder().eth_type(EthType::IPV4)
    }

    fn ipv6() -> MatchBuilder {
        Match::builder().eth_type(EthType::IPV6)
    }

    fn dscp(dscp: u8) -> Action {
        Action::set_field(OxmField::IpDscp(dscp)).unwrap()
    }

    #[test]
    fn a_voice_flow_is_marked_queued_and_forwarded() {
        let request = InstallFlow { priority: Some(1001), ..request("10.1.1.0/24", "10.2.1.7", "voice") };
        let flow_match = ipv4()
            .ipv4_src_masked(Ipv4Addr::new(10, 1, 1, 0), Ipv4Addr::new(255, 255, 255, 0))
            .ipv4_dst(Ipv4Addr::new(10, 2, 1, 7))
            .build()
            .unwrap();
        let actions = vec![dscp(46), Action::SetQueue(QueueId(6)), Action::output(PortNo::NORMAL)];
        let rule = Rule {
            table_id: TableId(0),
            priority: 1001,
            flow_match,
            instructions: vec![Instruction::ApplyActions(actions)],
        };
        assert_eq!(rules(&request), [rule]);
    }

    #[test]
    fn every_class_marks_and_queues_at_its_own_priority() {
        for class in ClassTable::built_in().iter() {
            let [rule] = &rules(&request("10.0.0.1", "10.0.0.2", &class.name))[..] else { panic!("{class:?}") };
            assert_eq!(rule.priority, class.default_priority);
            let actions =
                vec![dscp(class.dscp), Action::SetQueue(QueueId(class.queue)), Action::output(PortNo::NORMAL)];
            assert_eq!(rule.instructions, [Instruction::ApplyActions(actions)]);
        }
    }

    #[test]
    fn a_request_overrides_what_the_class_says() {
        let request = InstallFlow {
            dscp: Some(0),
            queue: Some(3),
            priority: Some(7),
            ..request("10.0.0.1", "10.0.0.2", "voice")
        };
        let [rule] = &rules(&request)[..] else { panic!() };
        assert_eq!(rule.priority, 7);
        let actions = vec![dscp(0), Action::SetQueue(QueueId(3)), Action::output(PortNo::NORMAL)];
        assert_eq!(rule.instructions, [Instruction::ApplyActions(actions)]);
    }

    #[test]
    fn forwarding_comes_after_marking() {
        let mark = [dscp(46), Action::SetQueue(QueueId(6))];
        let apply = |last: &[Action]| Instruction::ApplyActions([&mark, last].concat());
        for (forward, expected) in [
            (Forward::Normal, vec![apply(&[Action::output(PortNo::NORMAL)])]),
            (Forward::Port(2), vec![apply(&[Action::output(PortNo(2))])]),
            (Forward::Table(4), vec![apply(&[]), Instruction::GotoTable(TableId(4))]),
            (Forward::Drop, vec![]),
        ] {
            let request = InstallFlow { forward, ..request("10.0.0.1", "any", "voice") };
            assert_eq!(rules(&request)[0].instructions, expected, "{forward:?}");
        }
    }

    #[test]
    fn any_takes_the_family_of_the_other_end_and_both_where_there_is_none() {
        let source = ipv4().ipv4_src(Ipv4Addr::new(10, 0, 0, 1)).build().unwrap();
        assert_eq!(matches(&request("10.0.0.1", "any", "voice")), [source]);
        let destination = ipv6().ipv6_dst("2001:db8::9".parse().unwrap()).build().unwrap();
        assert_eq!(matches(&request("any", "2001:db8::9", "voice")), [destination]);
        assert_eq!(matches(&request("any", "any", "voice")), [ipv4().build().unwrap(), ipv6().build().unwrap()]);
    }

    #[test]
    fn a_prefix_of_no_bits_is_a_family_and_no_field() {
        assert_eq!(matches(&request("0.0.0.0/0", "any", "voice")), [ipv4().build().unwrap()]);
        assert_eq!(matches(&request("any", "::/0", "voice")), [ipv6().build().unwrap()]);
    }

    #[test]
    fn icmp_is_icmpv6_on_ipv6() {
        let request = InstallFlow { protocol: Some(Protocol::Icmp), ..request("any", "any", "oam") };
        let v4 = ipv4().ip_proto(IpProto::ICMP).build().unwrap();
        let v6 = ipv6().ip_proto(IpProto::ICMPV6).build().unwrap();
        assert_eq!(matches(&request), [v4, v6]);
    }

    #[test]
    fn port_ranges_become_the_product_of_their_masked_ports() {
        let request = InstallFlow {
            protocol: Some(Protocol::Udp),
            source_port: ports(5060, 5061),
            destination_port: ports(16384, 16386),
            ..request("10.0.0.1", "any", "voice")
        };
        let end = || ipv4().ipv4_src(Ipv4Addr::new(10, 0, 0, 1)).ip_proto(IpProto::UDP).udp_src_masked(5060, 0xfffe);
        let first = end().udp_dst_masked(16384, 0xfffe).build().unwrap();
        let last = end().udp_dst(16386).build().unwrap();
        assert_eq!(matches(&request), [first, last]);
    }

    #[test]
    fn each_protocol_has_ports_of_its_own() {
        let with = |protocol| InstallFlow {
            protocol: Some(protocol),
            source_port: ports(1, 1),
            destination_port: ports(2, 2),
            ..request("10.0.0.1", "any", "voice")
        };
        let ip = |protocol| ipv4().ipv4_src(Ipv4Addr::new(10, 0, 0, 1)).ip_proto(protocol);
        let tcp = ip(IpProto::TCP).tcp_src(1).tcp_dst(2).build().unwrap();
        let udp = ip(IpProto::UDP).udp_src(1).udp_dst(2).build().unwrap();
        let sctp = ip(IpProto::SCTP).sctp_src(1).sctp_dst(2).build().unwrap();
        assert_eq!(matches(&with(Protocol::Tcp)), [tcp]);
        assert_eq!(matches(&with(Protocol::Udp)), [udp]);
        assert_eq!(matches(&with(Protocol::Sctp)), [sctp]);
    }

    #[test]
    fn every_port_is_no_field() {
        let request = InstallFlow {
            protocol: Some(Protocol::Tcp),
            destination_port: ports(0, 65535),
            ..request("0.0.0.0/0", "any", "voice")
        };
        assert_eq!(matches(&request), [ipv4().ip_proto(IpProto::TCP).build().unwrap()]);
    }

    #[test]
    fn the_way_back_has_addresses_and_ports_swapped() {
        let request = InstallFlow {
            protocol: Some(Protocol::Tcp),
            source_port: ports(1, 1),
            destination_port: ports(2, 2),
            bidirectional: true,
            ..request("10.0.0.1", "10.0.0.2", "voice")
        };
        let [a, b] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let tcp = || ipv4().ip_proto(IpProto::TCP);
        let there = tcp().ipv4_src(a).ipv4_dst(b).tcp_src(1).tcp_dst(2).build().unwrap();
        let back = tcp().ipv4_src(b).ipv4_dst(a).tcp_src(2).tcp_dst(1).build().unwrap();
        assert_eq!(matches(&request), [there, back]);
        let [there, back] = &rules(&request)[..] else { panic!() };
        assert_eq!(there.instructions, back.instructions);
    }

    #[test]
    fn a_way_back_that_is_the_way_there_is_no_second_rule() {
        let both = InstallFlow { bidirectional: true, ..request("10.0.0.0/8", "10.0.0.0/8", "voice") };
        assert_eq!(matches(&both).len(), 1);
        let partly = InstallFlow {
            protocol: Some(Protocol::Udp),
            source_port: ports(8, 8),
            destination_port: ports(8, 9),
            bidirectional: true,
            ..request("any", "10.0.0.0/8", "voice")
        };
        assert_eq!(matches(&partly).len(), 2);
        let partly = InstallFlow {
            source: "10.0.0.0/8".parse().unwrap(),
            source_port: ports(7, 8),
            destination_port: ports(8, 8),
            ..partly
        };
        assert_eq!(matches(&partly).len(), 3, "7 to 8, 8 to 8 and 8 to 7");
        let ids: HashSet<RuleId> = rules(&partly).iter().map(Rule::id).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn too_many_rules_are_refused_with_the_field_that_makes_most_of_them() {
        let class = ClassTable::built_in();
        let voice = class.get("voice").unwrap();
        let wide = InstallFlow {
            protocol: Some(Protocol::Udp),
            source_port: ports(0x4001, 0xbffe),
            destination_port: ports(0x4002, 0xbffe),
            ..request("10.0.0.1", "any", "voice")
        };
        assert_eq!(compile(&wide, voice).unwrap().len(), 28 * 27);
        let error = compile(&InstallFlow { bidirectional: true, ..wide }, voice).unwrap_err();
        assert_eq!(error, CompileError::TooManyRules { field: "source_port", rules: 2 * 28 * 27 });
        assert_eq!((error.code(), error.field()), (ErrorCode::TooLarge, Some("source_port")));
        assert_eq!(
            error.to_string(),
            "source_port makes 1512 rules of this request, and at most 1024 are allowed: choose rounder port ranges, or fewer"
        );
    }

    #[test]
    fn a_rate_limit_is_the_meters_affair_and_leaves_the_rules_as_they_are() {
        let unlimited = request("10.0.0.1", "any", "voice");
        let rate_limit = Some(RateLimit { rate_kbps: 1000, burst_kb: None });
        assert_eq!(rules(&InstallFlow { rate_limit, ..unlimited.clone() }), rules(&unlimited));
    }

    #[test]
    fn an_unknown_class_blames_the_traffic_type() {
        let error = CompileError::from(ClassTable::built_in().get("voip").unwrap_err());
        assert_eq!((error.code(), error.field()), (ErrorCode::InvalidRequest, Some("traffic_type")));
    }
}
