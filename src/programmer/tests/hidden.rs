//! What is called hidden gets no packet: flows of random shapes on an emulated switch, and every packet of a small world
//! looked up in the rules that it has.

use std::collections::{BTreeMap, BTreeSet};

use openflow::{EthType, IpProto, Masked, Match, OxmField};
use proptest::prelude::*;

use super::*;

/// A packet of a world that is small enough to try all of it.
#[derive(Debug, Clone, Copy)]
struct Packet {
    source: u32,
    destination: u32,
    protocol: IpProto,
    destination_port: u16,
}

/// The ports that the ranges of the flows begin and end at.
const PORTS: [u16; 5] = [0, 3, 4, 7, 8];

fn world_of_packets() -> impl Iterator<Item = Packet> {
    let ends = (0..8_u32).flat_map(|source| (0..8_u32).map(move |destination| (source, destination)));
    ends.flat_map(|(source, destination)| {
        [IpProto::TCP, IpProto::UDP].into_iter().flat_map(move |protocol| {
            PORTS.into_iter().map(move |destination_port| Packet {
                source: address(source),
                destination: address(destination),
                protocol,
                destination_port,
            })
        })
    })
}

/// 10.0.0.0 and its first seven neighbours.
fn address(host: u32) -> u32 {
    0x0a00_0000 | host
}

/// What a switch does: field by field.
fn takes(flow_match: &Match, packet: Packet) -> bool {
    let is_in = |masked: &Masked<std::net::Ipv4Addr>, address: u32| {
        address & masked.mask().map_or(u32::MAX, u32::from) == u32::from(masked.value())
    };
    let is_port = |masked: &Masked<u16>| packet.destination_port & masked.mask().unwrap_or(u16::MAX) == masked.value();
    flow_match.fields().iter().all(|field| match field {
        OxmField::EthType(eth_type) => *eth_type == EthType::IPV4,
        OxmField::IpProto(protocol) => *protocol == packet.protocol,
        OxmField::Ipv4Src(masked) => is_in(masked, packet.source),
        OxmField::Ipv4Dst(masked) => is_in(masked, packet.destination),
        OxmField::TcpDst(masked) => packet.protocol == IpProto::TCP && is_port(masked),
        OxmField::UdpDst(masked) => packet.protocol == IpProto::UDP && is_port(masked),
        other => panic!("{other:?}"),
    })
}

/// An end of a flow: a prefix of the small world, or all there is.
fn end() -> impl Strategy<Value = String> {
    (0..8_u32, 28..=32_u32).prop_map(|(host, length)| match length {
        28 => "any".to_owned(),
        length => {
            let network = address(host) & (u32::MAX << (32 - length));
            format!("{}/{length}", std::net::Ipv4Addr::from(network))
        }
    })
}

fn request() -> impl Strategy<Value = Value> {
    let ports = (prop::sample::select(&PORTS[..]), prop::sample::select(&PORTS[..]));
    let protocol = prop::option::of((prop::sample::select(&["tcp", "udp"][..]), prop::option::of(ports)));
    (end(), end(), 1..4_u16, protocol).prop_map(|(source, destination, priority, protocol)| {
        let mut request = json!({"source": source, "destination": destination, "traffic_type": "voice",
            "priority": priority});
        if let Some((protocol, ports)) = protocol {
            request["protocol"] = json!(protocol);
            if let Some((a, b)) = ports {
                request["destination_port"] = json!(format!("{}-{}", a.min(b), a.max(b)));
            }
        }
        request
    })
}

/// The flows that the answers to an install call hidden: this one, or others.
fn hidden_by(flow: &Value) -> BTreeSet<String> {
    let warnings = flow["warnings"].as_array().unwrap().iter();
    let hidden = warnings.filter_map(|warning| match warning["kind"].as_str().unwrap() {
        "hidden" => flow["flow_id"].as_str(),
        "hides" => warning["flow_id"].as_str(),
        _ => None,
    });
    hidden.map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_flow_that_is_called_hidden_gets_no_packet_and_one_that_alone_takes_all_of_it_is_named(
        requests in prop::collection::vec(request(), 2..10)
    ) {
        let mut world = World::connected();
        let (mut hidden, mut cookies) = (BTreeSet::new(), BTreeMap::new());
        for (number, mut request) in requests.into_iter().enumerate() {
            request["flow_id"] = json!(format!("f{number}"));
            let ticket = world.ask("InstallFlow", request);
            let answer = world.answer(ticket).unwrap();
            // Two that want the same place are a conflict.
            let Some(flow) = answer.get("flow") else { continue };
            hidden.extend(hidden_by(flow));
            let cookie = flow["nodes"][0]["cookie"].as_str().unwrap().trim_start_matches("0x");
            cookies.insert(u64::from_str_radix(cookie, 16).unwrap(), flow["flow_id"].as_str().unwrap().to_owned());
        }
        let rules = world.switches[0].flows(world.now);
        // By flow: how many packets its rules would take, those that it gets, and who else of a higher priority takes them.
        let mut would: BTreeMap<&str, u32> = BTreeMap::new();
        let mut taken_before: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for packet in world_of_packets() {
            let matching: BTreeSet<_> = rules.iter().filter(|rule| takes(&rule.flow_match, packet))
                .map(|rule| (rule.priority, cookies[&rule.cookie].as_str())).collect();
            let highest = matching.last().map(|(priority, _)| *priority);
            for (priority, flow) in &matching {
                *would.entry(*flow).or_default() += 1;
                prop_assert!(
                    Some(*priority) != highest || !hidden.contains(*flow),
                    "{flow} is called hidden and gets {packet:?}"
                );
                for (_, other) in matching.iter().filter(|(other, _)| other > priority) {
                    *taken_before.entry((*flow, *other)).or_default() += 1;
                }
            }
        }
        // Ends beyond the small world are not tried, so that only flows within it can be judged the other way.
        for ((flow, other), count) in taken_before {
            let is_whole = world.flow(flow)["source"] != "any" && world.flow(flow)["destination"] != "any"
                && world.flow(flow)["protocol"].is_string() && world.flow(flow)["destination_port"].is_string();
            if is_whole && count == would[flow] && covers_ports(&world.flow(other), &world.flow(flow)) {
                prop_assert!(hidden.contains(flow), "{other} takes all of {flow}, and nobody says so");
            }
        }
    }
}

/// Whether one flow takes every port of another: those between the ports that are tried, too.
fn covers_ports(outer: &Value, inner: &Value) -> bool {
    let range = |flow: &Value| -> Option<(u16, u16)> {
        let text = flow["destination_port"].as_str()?;
        let (first, last) = text.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    match (range(outer), range(inner)) {
        (None, _) => outer["destination_port"].is_null(),
        (Some((a, b)), Some((first, last))) => a <= first && last <= b,
        (Some(_), None) => false,
    }
}
