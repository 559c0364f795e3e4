//! The tables `[classes.NAME]` of the configuration file.
//!
//! A class that is built in keeps what its table does not say; a new one has to say its mark and its priority.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{Reader, number};
use crate::contract::{PortRange, Protocol, RateLimit};
use crate::policy::{ClassLimit, ClassTable, Exceed, TrafficClass, dscp_by_name, dscp_name};

/// The keys of a class.
const KEYS: &str =
    "description, dscp, queue, priority, rate_limit, protocol, source_port, destination_port and trust_dscp";

/// The keys of a rate limit.
const LIMIT_KEYS: &str = "rate_kbps, burst_kb and exceed";

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// A value, where it is and what it is called.
struct Field<'a, 'i> {
    path: String,
    value: &'a Spanned<DeValue<'i>>,
}

/// Reads the classes into the table.
pub(super) fn read(tables: &DeTable<'_>, classes: &mut ClassTable, reader: &mut Reader<'_>) {
    for (key, value) in tables {
        let name: &str = key.get_ref();
        let path = format!("classes.{name}");
        if !is_name(name) {
            let message = format!("{path:?}: the name of a class is 1 to {LONGEST_NAME} of a-z, 0-9, \"_\" and \"-\"");
            reader.fault(key.span(), message);
            continue;
        }
        let DeValue::Table(table) = value.get_ref() else {
            reader.fault(key.span(), format!("{path} must be a table"));
            continue;
        };
        let built_in = classes.get(name).ok().cloned();
        let lacks: Vec<_> = ["dscp", "priority"].into_iter().filter(|key| !table.contains_key(*key)).collect();
        if built_in.is_none() && !lacks.is_empty() {
            reader.fault(key.span(), format!("{path} is a new class and needs {}", lacks.join(" and ")));
        }
        let class = read_class(&path, table, built_in.unwrap_or_else(|| TrafficClass::new(name.to_owned())), reader);
        if !class.template.is_lawful() {
            let message = format!("{path}: source_port and destination_port need protocol to be tcp, udp or sctp");
            reader.fault(key.span(), message);
        }
        classes.put(class);
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn read_class(path: &str, table: &DeTable<'_>, mut class: TrafficClass, reader: &mut Reader<'_>) -> TrafficClass {
    for (key, value) in table {
        let key_name: &str = key.get_ref();
        let field = Field { path: format!("{path}.{key_name}"), value };
        match key_name {
            "description" => {
                if let Some(text) = field.text("a string", reader) {
                    class.description = text.to_owned().into();
                }
            }
            "dscp" => field.dscp(reader).into_iter().for_each(|dscp| class.dscp = dscp),
            "queue" => field.whole(0..=0xffff_fffe, reader).into_iter().for_each(|queue| class.queue = queue),
            "priority" => {
                let priority = field.whole(1..=0xffff, reader);
                priority.into_iter().for_each(|priority| class.default_priority = priority);
            }
            "rate_limit" => class.limit = field.limit(reader),
            "protocol" => class.template.protocol = field.word(Protocol::ALL, Protocol::as_str, reader),
            "source_port" => class.template.source_port = field.ports(reader),
            "destination_port" => class.template.destination_port = field.ports(reader),
            "trust_dscp" => match value.get_ref() {
                DeValue::Boolean(trust) => class.template.trust_dscp = *trust,
                _ => field.wrong("true or false", reader),
            },
            _ => reader.fault(key.span(), format!("{} is not a key of a class: there are {KEYS}", field.path)),
        }
    }
    class
}

impl Field<'_, '_> {
    fn wrong(&self, allowed: impl Display, reader: &mut Reader<'_>) {
        reader.fault(self.value.span(), format!("{} must be {allowed}", self.path));
    }

    fn text(&self, allowed: &str, reader: &mut Reader<'_>) -> Option<&str> {
        let text = self.value.get_ref().as_str();
        if text.is_none() {
            self.wrong(allowed, reader);
        }
        text
    }

    fn whole<T: TryFrom<i64>>(&self, range: RangeInclusive<i64>, reader: &mut Reader<'_>) -> Option<T> {
        let found = number(self.value.get_ref()).filter(|number| range.contains(number));
        if found.is_none() {
            self.wrong(format_args!("a whole number from {} to {}", range.start(), range.end()), reader);
        }
        T::try_from(found?).ok()
    }

    /// One of the words of a closed vocabulary.
    fn word<T: Copy>(&self, all: &[T], as_str: fn(T) -> &'static str, reader: &mut Reader<'_>) -> Option<T> {
        let text = self.value.get_ref().as_str();
        let found = all.iter().copied().find(|word| Some(as_str(*word)) == text);
        if found.is_none() {
            let words: Vec<String> = all.iter().map(|word| format!("{:?}", as_str(*word))).collect();
            self.wrong(format_args!("one of {}", words.join(", ")), reader);
        }
        found
    }

    /// A code point by its number or by its name.
    fn dscp(&self, reader: &mut Reader<'_>) -> Option<u8> {
        let value = self.value.get_ref();
        let by_number = number(value).and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64);
        let found = by_number.or_else(|| dscp_by_name(value.as_str()?));
        if found.is_none() {
            let names: Vec<_> = (0..64).filter_map(dscp_name).collect();
            self.wrong(format_args!("a number from 0 to 63, or one of {}", names.join(", ")), reader);
        }
        found
    }

    /// A port or a range of them.
    fn ports(&self, reader: &mut Reader<'_>) -> Option<PortRange> {
        let value = self.value.get_ref();
        let text = value.as_str().map(str::to_owned).or_else(|| number(value).map(|number| number.to_string()));
        let found = text.and_then(|text| PortRange::from_str(&text).ok());
        if found.is_none() {
            self.wrong("a port from 0 to 65535, or a range such as \"5060-5070\"", reader);
        }
        found
    }

    fn limit(&self, reader: &mut Reader<'_>) -> Option<ClassLimit> {
        let DeValue::Table(table) = self.value.get_ref() else {
            self.wrong("a table such as { rate_kbps = 5000 }", reader);
            return None;
        };
        let (mut rate_kbps, mut burst_kb, mut exceed) = (None, None, Exceed::Drop);
        for (key, value) in table {
            let key_name: &str = key.get_ref();
            let field = Field { path: format!("{}.{key_name}", self.path), value };
            match key_name {
                "rate_kbps" => rate_kbps = field.whole(1..=0xffff_ffff, reader),
                "burst_kb" => burst_kb = field.whole(1..=0xffff_ffff, reader),
                "exceed" => exceed = field.word(Exceed::ALL, Exceed::as_str, reader).unwrap_or_default(),
                _ => {
                    let message = format!("{} is not a key of a rate limit: there are {LIMIT_KEYS}", field.path);
                    reader.fault(key.span(), message);
                }
            }
        }
        if !table.contains_key("rate_kbps") {
            reader.fault(self.value.span(), format!("{} needs rate_kbps", self.path));
        }
        Some(ClassLimit { rate: RateLimit { rate_kbps: rate_kbps?, burst_kb }, exceed })
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn class(text: &str, name: &str) -> TrafficClass {
        let (file, faults) = file::read(text);
        assert_eq!(faults, []);
        file.classes.get(name).unwrap().clone()
    }

    #[test]
    fn a_built_in_class_keeps_what_its_table_does_not_say() {
        let built_in = ClassTable::built_in().get("voice").unwrap().clone();
        assert_eq!(class("[classes.voice]\n", "voice"), built_in);
        let changed = class("[classes.voice]\ndscp = 44\nqueue = 3\n", "voice");
        assert_eq!(changed, TrafficClass { dscp: 44, queue: 3, ..built_in });
    }

    #[test]
    fn a_new_class_has_everything_that_its_table_says() {
        let text = "[classes.sip]\ndescription = \"calls\"\ndscp = \"CS3\"\nqueue = 2\npriority = 20000\n\
                    protocol = \"udp\"\nsource_port = 5060\ndestination_port = \"5060-5070\"\ntrust_dscp = true\n\
                    rate_limit = { rate_kbps = 5000, burst_kb = 500, exceed = \"remark\" }\n";
        let sip = class(text, "sip");
        assert_eq!((&*sip.name, &*sip.description, sip.dscp), ("sip", "calls", 24));
        assert_eq!((sip.queue, sip.default_priority), (2, 20000));
        let template = sip.template;
        assert_eq!((template.protocol, template.trust_dscp), (Some(Protocol::Udp), true));
        assert_eq!(template.source_port, Some(PortRange::single(5060)));
        assert_eq!(template.destination_port, Some(PortRange { first: 5060, last: 5070 }));
        let rate = RateLimit { rate_kbps: 5000, burst_kb: Some(500) };
        assert_eq!(sip.limit, Some(ClassLimit { rate, exceed: Exceed::Remark }));
    }

    /// What a class says, and what the complaint says.
    const WRONG: [(&str, &str); 17] = [
        ("dscp = 64", "classes.voice.dscp must be a number from 0 to 63, or one of DF, LE, CS1,"),
        ("dscp = -1", "from 0 to 63"),
        ("dscp = \"ef\"", "EF, CS6, CS7"),
        ("dscp = 4.6", "from 0 to 63"),
        ("queue = 4294967295", "classes.voice.queue must be a whole number from 0 to 4294967294"),
        ("priority = 0", "classes.voice.priority must be a whole number from 1 to 65535"),
        ("priority = \"1\"", "from 1 to 65535"),
        ("protocol = \"ip\"", "must be one of \"tcp\", \"udp\", \"sctp\", \"icmp\""),
        ("protocol = \"udp\"\nsource_port = 65536", "a port from 0 to 65535, or a range such as \"5060-5070\""),
        ("protocol = \"icmp\"\nsource_port = 1", "need protocol to be tcp, udp or sctp"),
        ("destination_port = 1", "need protocol to be tcp, udp or sctp"),
        ("trust_dscp = 1", "must be true or false"),
        ("description = 1", "must be a string"),
        ("rate_limit = 5000", "must be a table such as { rate_kbps = 5000 }"),
        ("rate_limit = { burst_kb = 1 }", "classes.voice.rate_limit needs rate_kbps"),
        ("rate_limit = { rate_kbps = 0 }", "a whole number from 1 to 4294967295"),
        ("colour = 1", "classes.voice.colour is not a key of a class: there are description, dscp, queue"),
    ];

    #[test]
    fn what_is_wrong_is_told_with_what_is_allowed() {
        for (wrong, complaint) in WRONG {
            let (_, faults) = file::read(&format!("[classes.voice]\n{wrong}\n"));
            let [fault] = &faults[..] else { panic!("{wrong}: {faults:?}") };
            assert!(fault.message.contains(complaint), "{wrong}: {fault}");
            assert!(fault.line <= 3);
        }
    }

    #[test]
    fn everything_wrong_is_found_at_once() {
        let text =
            "[classes.voice]\ndscp = 64\nqueue = -1\n[classes.gold]\nqueue = 1\n[classes.\"a b\"]\n[classes]\nx=1\n";
        let (_, faults) = file::read(&text.replace("[classes]\nx=1\n", ""));
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 6], "{faults:?}");
        let message = |line| &faults.iter().find(|fault| fault.line == line).unwrap().message;
        assert_eq!(message(4), "classes.gold is a new class and needs dscp and priority");
        assert!(message(6).contains("a-z, 0-9"));
    }
}
