//! The classes of traffic: a name for what packets are, and what a switch does to them.
//!
//! The built-in ones are the service classes of RFC 4594 with their code points, and the lower-effort class of
//! RFC 8622.

use std::borrow::Cow;

use thiserror::Error;

use super::limit::ClassLimit;
use crate::contract::InstallFlow;

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
}

impl TrafficClass {
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
    /// The priority of a request: its own, or that of its class.
    pub fn priority_of(&self, request: &InstallFlow) -> u16 {
        let of_class = || self.get(&request.traffic_type).ok().map(|class| class.default_priority);
        request.priority.or_else(of_class).unwrap_or_default()
    }

    /// The built-in classes.
    pub fn built_in() -> Self {
        Self { classes: BUILT_IN.to_vec() }
    }

    /// The same classes, one of them with a limit that its flows share on each switch.
    ///
    /// # Errors
    /// [`UnknownClass`] when there is none of that name.
    pub fn with_limit(mut self, name: &str, limit: ClassLimit) -> Result<Self, UnknownClass> {
        let limited = TrafficClass { limit: Some(limit), ..self.get(name)?.clone() };
        self.classes.iter_mut().filter(|class| class.name == name).for_each(|class| *class = limited.clone());
        Ok(self)
    }

    /// The class with a name.
    ///
    /// # Errors
    /// [`UnknownClass`], which lists the names there are.
    pub fn get(&self, name: &str) -> Result<&TrafficClass, UnknownClass> {
        self.iter().find(|class| class.name == name).ok_or_else(|| UnknownClass {
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
}
