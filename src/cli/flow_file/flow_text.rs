//! Lines in the syntax of ovs-ofctl: `priority=46000,udp,nw_dst=10.0.2.9,tp_dst=5004,actions=set_field:46->ip_dscp,NORMAL`.
//!
//! A line becomes the request whose rule it is; one that no request leads to is refused, with the part that is in the
//! way. The mark names the class of traffic, whose queue is used where the line sets none. A cookie is not kept:
//! Flumen gives its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use openflow::{
    Action, EthType, FlowMod, FlowModCommand, FlowModFlags, Instruction, IpProto, Masked, OxmField, PortNo, TableId,
};

use super::{Fault, Item};
use crate::contract::{Endpoint, Forward, InstallFlow, PortRange, Protocol, TrafficTypeView};

/// The class of what is dropped: nobody sees its mark.
const DROPPED: &str = "best_effort";

/// Reads the lines; blank ones, comments and the headline of a dump are left out.
#[expect(clippy::unnecessary_wraps, reason = "the readers of all forms look alike")]
pub(super) fn read(text: &str) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let lines =
        text.lines().enumerate().map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()));
    let flows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("OFPST_FLOW reply"));
    Ok(flows
        .map(|(number, line)| {
            let place = format!("line {number}");
            let flow =
                line.parse::<FlowMod>().map_err(|error| error.to_string()).and_then(|flow_mod| request(&flow_mod));
            let flow = flow.map_err(|what| Fault::new(&place, what))?;
            flow.check().map_err(|invalid| Fault::new(&place, invalid.message))?;
            Ok(Item { place, flow, class_by_mark: true })
        })
        .collect())
}

/// The class that marks as the item does, the one with its queue if there are several.
pub(super) fn classify(item: &mut Item, classes: &[TrafficTypeView]) -> Result<(), Fault> {
    let Item { flow, place, .. } = item;
    let Some(dscp) = flow.dscp else {
        if flow.forward == Forward::Drop {
            DROPPED.clone_into(&mut flow.traffic_type);
            return Ok(());
        }
        let what = "sets no DSCP, and every flow is marked: add set_field:N->ip_dscp, 0 for best effort";
        return Err(Fault::new(place.as_str(), what));
    };
    let marks = || classes.iter().filter(|class| class.dscp == dscp);
    let class = marks().find(|class| Some(class.queue) == flow.queue).or_else(|| marks().next());
    let class = class.ok_or_else(|| {
        Fault::new(
            place.as_str(),
            format!("marks with DSCP {dscp}, and no class of traffic does; 'flumen classes' lists them"),
        )
    })?;
    class.name.clone_into(&mut flow.traffic_type);
    Ok(())
}

/// The request that a rule stands for, its class left open.
fn request(flow_mod: &FlowMod) -> Result<InstallFlow, String> {
    if flow_mod.command != FlowModCommand::Add {
        return Err(format!("is {}: a file says what is wanted, so only flows that are added", flow_mod.command));
    }
    if flow_mod.table_id != TableId(0) {
        return Err(format!("is for table {}: Flumen writes to table 0", flow_mod.table_id.0));
    }
    if flow_mod.flags.contains(FlowModFlags::CHECK_OVERLAP) {
        return Err("has check_overlap: say --on-conflict refuse instead".to_owned());
    }
    if flow_mod.priority == 0 {
        return Err("has priority 0, which is the table-miss rule's: 1 to 65535 are for flows".to_owned());
    }
    let mut flow = InstallFlow::new(Endpoint::Any, Endpoint::Any, "");
    flow.priority = Some(flow_mod.priority);
    flow.idle_timeout = flow_mod.idle_timeout;
    flow.hard_timeout = flow_mod.hard_timeout;
    let mut family = None;
    for field in flow_mod.flow_match.fields() {
        read_field(field, &mut flow, &mut family)?;
    }
    let Some(family) = family else { return Err("matches more than IP: add ip or ipv6".to_owned()) };
    any_of_family(&mut flow, family);
    for instruction in &flow_mod.instructions {
        read_instruction(instruction, &mut flow)?;
    }
    if flow_mod.instructions.is_empty() {
        flow.forward = Forward::Drop;
    }
    Ok(flow)
}

/// `any` with `any` would mean both families, and a rule is of one.
fn any_of_family(flow: &mut InstallFlow, family: EthType) {
    if flow.source == Endpoint::Any && flow.destination == Endpoint::Any {
        flow.source = match family {
            EthType::IPV6 => Endpoint::V6(Ipv6Net::default()),
            _ => Endpoint::V4(Ipv4Net::default()),
        };
    }
}

fn read_field(field: &OxmField, flow: &mut InstallFlow, family: &mut Option<EthType>) -> Result<(), String> {
    match field {
        OxmField::EthType(eth_type @ (EthType::IPV4 | EthType::IPV6)) => *family = Some(*eth_type),
        OxmField::IpProto(protocol) => {
            flow.protocol = Some(match *protocol {
                IpProto::TCP => Protocol::Tcp,
                IpProto::UDP => Protocol::Udp,
                IpProto::SCTP => Protocol::Sctp,
                IpProto::ICMP | IpProto::ICMPV6 => Protocol::Icmp,
                other => return Err(format!("matches IP protocol {other}: a flow is of tcp, udp, sctp, icmp or all")),
            });
        }
        OxmField::Ipv4Src(address) => flow.source = prefix_v4(address)?,
        OxmField::Ipv4Dst(address) => flow.destination = prefix_v4(address)?,
        OxmField::Ipv6Src(address) => flow.source = prefix_v6(address)?,
        OxmField::Ipv6Dst(address) => flow.destination = prefix_v6(address)?,
        OxmField::TcpSrc(port) | OxmField::UdpSrc(port) | OxmField::SctpSrc(port) => {
            flow.source_port = Some(range(port)?);
        }
        OxmField::TcpDst(port) | OxmField::UdpDst(port) | OxmField::SctpDst(port) => {
            flow.destination_port = Some(range(port)?);
        }
        other => {
            return Err(format!("matches {}: a flow matches IP addresses, protocol and ports", other.name()));
        }
    }
    Ok(())
}

fn prefix_v4(address: &Masked<Ipv4Addr>) -> Result<Endpoint, String> {
    let mask = address.mask().unwrap_or(Ipv4Addr::BROADCAST);
    let net = Ipv4Net::with_netmask(address.value(), mask);
    net.map(Endpoint::V4).map_err(|_| format!("has the mask {mask}, which is no prefix"))
}

fn prefix_v6(address: &Masked<Ipv6Addr>) -> Result<Endpoint, String> {
    let mask = address.mask().unwrap_or(Ipv6Addr::from_bits(u128::MAX));
    let net = Ipv6Net::with_netmask(address.value(), mask);
    net.map(Endpoint::V6).map_err(|_| format!("has the mask {mask}, which is no prefix"))
}

/// A masked port is a range where the mask is a prefix.
fn range(port: &Masked<u16>) -> Result<PortRange, String> {
    let (first, mask) = (port.value(), port.mask().unwrap_or(u16::MAX));
    if mask.leading_ones() + mask.trailing_zeros() != u16::BITS {
        return Err(format!("has the port mask {mask:#06x}, which is no range"));
    }
    Ok(PortRange { first, last: first | !mask })
}

fn read_instruction(instruction: &Instruction, flow: &mut InstallFlow) -> Result<(), String> {
    match instruction {
        Instruction::ApplyActions(actions) => {
            let mut sent = false;
            for action in actions {
                if sent {
                    return Err("does something after it sends the packet: a flow sends it once, at the end".to_owned());
                }
                match action {
                    Action::SetField(set) if matches!(set.field(), OxmField::IpDscp(_)) => {
                        if let OxmField::IpDscp(dscp) = set.field() {
                            flow.dscp = Some(*dscp);
                        }
                    }
                    Action::SetQueue(queue) => flow.queue = Some(queue.0),
                    Action::Output { port: PortNo::NORMAL, .. } => sent = true,
                    Action::Output { port, .. } => {
                        flow.forward = Forward::Port(port.0);
                        sent = true;
                    }
                    other => return Err(format!("has the action {other}: a flow marks, queues and forwards")),
                }
            }
            if !sent {
                flow.forward = Forward::Drop;
            }
        }
        Instruction::GotoTable(table) => flow.forward = Forward::Table(table.0),
        Instruction::Meter(_) => return Err("has a meter: a rate limit is written as JSON, YAML or CSV".to_owned()),
        other => return Err(format!("has {other}: a flow marks, queues and forwards")),
    }
    Ok(())
}
