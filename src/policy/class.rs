//! The classes of traffic: a name for what packets are, and what a switch does to them.
//!
//! The built-in ones are the service classes of RFC 4594 with their code points, and the lower-effort class of
//! RFC 8622.

use std::borrow::Cow;

use thiserror::Error;

use super::limit::ClassLimit;
use super::shape::{Shape, shapes};
use crate::contract::{InstallFlow, PortRange, Protocol};

/// A class of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrafficClass {
    /// The name that requests say.
    pub name: Cow<'static, str>,
    /// What it is for, in a few words.
    pub description: Cow<'static, str>,
    /// The code point that its packets are marked with, 0 to 63.
    pub dscp: u8,
    /// The queue of the outgoing port that they wait in.
    pub queue: u32,
    /// The priority of its rules, where the request says none.
    pub default_priority: u16,
    /// What its flows may have on each switch, all of them together.
    pub limit: Option<ClassLimit>,
    /// What its packets are, where the request does not say.
    pub template: Template,
}

/// What packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Template {
    /// Their protocol; `None`: every one.
    pub protocol: Option<Protocol>,
    /// The ports that they come from.
    pub source_port: Option<PortRange>,
    /// The ports that they go to.
    pub destination_port: Option<PortRange>,
    /// They carry the class's mark already, set by somebody who is trusted: packets without it are not taken.
    pub trust_dscp: bool,
}

impl Template {
    /// What a request says by itself.
    #[must_use]
    pub fn of(request: &InstallFlow) -> Self {
        let InstallFlow { protocol, source_port, destination_port, .. } = *request;
        Self { protocol, source_port, destination_port, trust_dscp: false }
    }

    /// Whether it has ports only where its protocol has.
    #[must_use]
    pub fn is_lawful(&self) -> bool {
        let has_ports = self.source_port.is_some() || self.destination_port.is_some();
        !has_ports || self.protocol.is_some_and(Protocol::has_ports)
    }
}

impl TrafficClass {
    /// A class that does nothing special yet.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { name: Cow::Owned(name), ..class("", 0, 0, 1, "") }
    }

    /// What the packets of a request are: by its own word, or else by the class's. A request that names a protocol
    /// takes no ports from its class.
    #[must_use]
    pub fn packets(&self, request: &InstallFlow) -> Template {
        match request.protocol {
            Some(_) => Template { trust_dscp: self.template.trust_dscp, ..Template::of(request) },
            None => self.template,
        }
    }

    /// The name of its code point, if it has one.
    pub fn dscp_name(&self) -> Option<&'static str> {
        dscp_name(self.dscp)
    }
}

/// The name that the standards give a code point: `EF`, `AF41`, `CS6`, `LE`, and `DF` for the default.
pub const fn dscp_name(dscp: u8) -> Option<&'static str> {
    Some(match dscp {
        0 => "DF",
        1 => "LE",
        8 => "CS1",
        10 => "AF11",
        12 => "AF12",
        14 => "AF13",
        16 => "CS2",
        18 => "AF21",
        20 => "AF22",
        22 => "AF23",
        24 => "CS3",
        26 => "AF31",
        28 => "AF32",
        30 => "AF33",
        32 => "CS4",
        34 => "AF41",
        36 => "AF42",
        38 => "AF43",
        40 => "CS5",
        44 => "VOICE-ADMIT",
        46 => "EF",
        48 => "CS6",
        56 => "CS7",
        _ => return None,
    })
}

/// The code point of a name.
#[must_use]
pub fn dscp_by_name(name: &str) -> Option<u8> {
    (0..64).find(|dscp| dscp_name(*dscp) == Some(name))
}

/// A class that the program knows without being told.
const fn class(
    name: &'static str,
    dscp: u8,
    queue: u32,
    default_priority: u16,
    description: &'static str,
) -> TrafficClass {
    TrafficClass {
        name: Cow::Borrowed(name),
        description: Cow::Borrowed(description),
        dscp,
        queue,
        default_priority,
        limit: None,
        template: Template { protocol: None, source_port: None, destination_port: None, trust_dscp: false },
    }
}

/// The built-in classes, the most urgent first.
const BUILT_IN: [TrafficClass; 12] = [
    class("network_control", 48, 7, 48000, "routing protocols and other control of the network itself"),
    class("voice", 46, 6, 46000, "telephony: the voice itself"),
    class("signaling", 40, 5, 40000, "setting up and ending calls and sessions"),
    class("video", 34, 4, 34000, "multimedia conferencing that adapts to loss"),
    class("real_time_interactive", 32, 4, 32000, "interactive video and games that cannot adapt"),
    class("streaming", 26, 3, 26000, "streaming media that is buffered"),
    class("broadcast_video", 24, 3, 24000, "broadcast television and live events"),
    class("low_latency_data", 18, 2, 18000, "transactions that somebody waits for"),
    class("oam", 16, 2, 16000, "operation, administration and management of the network"),
    class("bulk", 10, 1, 10000, "high-throughput data that nobody waits for: backups, file transfer"),
    class("best_effort", 0, 0, 5000, "whatever has no class of its own"),
    class("background", 1, 0, 1000, "lower effort: what may starve when the network is busy"),
];

/// The classes that requests may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassTable {
    classes: Vec<TrafficClass>,
}

/// No class has the name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("traffic_type must be one of {}, not {name:?}", allowed.join(", "))]
pub struct UnknownClass {
    /// The name asked for.
    pub name: String,
    /// The names there are.
    pub allowed: Vec<Cow<'static, str>>,
}

impl ClassTable {
    /// Where a request lies among others: its priority and the boxes of its packets, by its own word or its class's.
    #[must_use]
    pub fn layout(&self, request: &InstallFlow) -> (u16, Vec<Shape>) {
        let class = self.known(&request.traffic_type);
        let priority = request.priority.or_else(|| class.map(|class| class.default_priority)).unwrap_or_default();
        let packets = class.map_or_else(|| Template::of(request), |class| class.packets(request));
        (priority, shapes(request, packets))
    }

    /// The class with a name, if there is one.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<&TrafficClass> {
        self.iter().find(|class| class.name == name)
    }

    /// The built-in classes.
    pub fn built_in() -> Self {
        Self { classes: BUILT_IN.to_vec() }
    }

    /// Adds the class, or puts it in the place of the one with its name.
    pub fn put(&mut self, class: TrafficClass) {
        self.classes.retain(|other| other.name != class.name);
        let place = self.classes.partition_point(|other| other.default_priority >= class.default_priority);
        self.classes.insert(place, class);
    }

    /// The class with a name.
    ///
    /// # Errors
    /// [`UnknownClass`], which lists the names there are.
    pub fn get(&self, name: &str) -> Result<&TrafficClass, UnknownClass> {
        self.known(name).ok_or_else(|| UnknownClass {
            name: name.to_owned(),
            allowed: self.iter().map(|class| class.name.clone()).collect(),
        })
    }

    /// Every class, the most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = &TrafficClass> {
        self.classes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_class_is_found_by_its_name() {
        let table = ClassTable::built_in();
        assert_eq!(table.iter().count(), 12);
        for class in table.iter() {
            assert_eq!(table.get(&class.name), Ok(class));
        }
    }

    #[test]
    fn the_built_in_classes_mark_with_the_code_points_of_the_standards() {
        let table = ClassTable::built_in();
        let marks: Vec<_> = table.iter().map(|class| (&*class.name, class.dscp, class.dscp_name().unwrap())).collect();
        assert_eq!(
            marks,
            [
                ("network_control", 48, "CS6"),
                ("voice", 46, "EF"),
                ("signaling", 40, "CS5"),
                ("video", 34, "AF41"),
                ("real_time_interactive", 32, "CS4"),
                ("streaming", 26, "AF31"),
                ("broadcast_video", 24, "CS3"),
                ("low_latency_data", 18, "AF21"),
                ("oam", 16, "CS2"),
                ("bulk", 10, "AF11"),
                ("best_effort", 0, "DF"),
                ("background", 1, "LE"),
            ]
        );
    }

    #[test]
    fn a_more_urgent_class_has_the_higher_priority_and_no_lower_queue() {
        let table = ClassTable::built_in();
        let classes: Vec<_> = table.iter().collect();
        assert!(classes.is_sorted_by(|a, b| a.default_priority > b.default_priority && a.queue >= b.queue));
    }

    #[test]
    fn code_points_are_named_by_their_pattern() {
        for dscp in 0..64 {
            let expected = match (dscp >> 3, dscp & 0b111) {
                (0, 0) => Some("DF".to_owned()),
                (0, 1) => Some("LE".to_owned()),
                (5, 4) => Some("VOICE-ADMIT".to_owned()),
                (5, 6) => Some("EF".to_owned()),
                (class, 0) => Some(format!("CS{class}")),
                (class @ 1..=4, drop @ (2 | 4 | 6)) => Some(format!("AF{class}{}", drop / 2)),
                _ => None,
            };
            assert_eq!(dscp_name(dscp), expected.as_deref(), "{dscp}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = ClassTable::built_in().get("voip").unwrap_err();
        assert_eq!(
            error.to_string(),
            "traffic_type must be one of network_control, voice, signaling, video, real_time_interactive, streaming, \
             broadcast_video, low_latency_data, oam, bulk, best_effort, background, not \"voip\""
        );
        assert!(ClassTable::built_in().get("Voice").is_err(), "names are exact");
    }

    #[test]
    fn a_class_takes_its_place_by_its_priority_and_that_of_its_namesake() {
        let mut table = ClassTable::built_in();
        let gold = TrafficClass { default_priority: 45000, ..TrafficClass::new("gold".to_owned()) };
        table.put(gold.clone());
        table.put(TrafficClass { dscp: 7, ..gold });
        let names: Vec<_> = table.iter().map(|class| &*class.name).collect();
        assert_eq!((names[1], names[2], names[3]), ("voice", "gold", "signaling"));
        assert_eq!((names.len(), table.get("gold").unwrap().dscp), (13, 7));
    }

    #[test]
    fn a_name_stands_for_its_code_point() {
        assert_eq!((dscp_by_name("EF"), dscp_by_name("AF41"), dscp_by_name("ef")), (Some(46), Some(34), None));
    }

    #[test]
    fn a_request_without_a_protocol_takes_packets_as_its_class_says() {
        let template = Template {
            protocol: Some(Protocol::Udp),
            destination_port: Some(PortRange { first: 16384, last: 32767 }),
            trust_dscp: true,
            ..Template::default()
        };
        let voice = ClassTable::built_in().get("voice").unwrap().clone();
        let class = TrafficClass { template, ..voice };
        let matches = |request: &InstallFlow| {
            let rules = super::super::compile::compile(request, &class).unwrap();
            rules.iter().map(|rule| rule.flow_match.to_string()).collect::<Vec<_>>()
        };
        let open = InstallFlow::new("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), "voice");
        assert_eq!(matches(&open), ["udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=184,tp_dst=0x4000/0xc000"]);
        let own = InstallFlow { protocol: Some(Protocol::Tcp), ..open };
        assert_eq!(matches(&own), ["tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=184"]);
    }
}
