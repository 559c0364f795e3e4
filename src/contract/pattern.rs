//! Regular expressions for the texts that are not free, as their schemas have them.
//!
//! They are in the dialect that JSON Schema recommends (a subset of ECMA-262), and say the same as the parsers beside
//! whose types they stand: a test compares the two.

use schemars::{Schema, json_schema};

/// The schema of a string that matches one of the patterns as a whole.
pub(super) fn one_of(description: &str, patterns: &[String]) -> Schema {
    let pattern = format!("^({})$", patterns.join("|"));
    json_schema!({"type": "string", "description": description, "pattern": pattern})
}

/// Whole numbers from 0 to `max` in decimal digits, leading zeros left out.
pub(super) fn decimal(max: u64) -> String {
    let digits = max.to_string();
    let mut patterns = Vec::new();
    if digits.len() > 1 {
        patterns.push(format!("[1-9][0-9]{{0,{}}}", digits.len() - 2));
    }
    // As many digits as the highest: the first that is smaller leaves the rest free.
    for (place, digit) in digits.bytes().map(|digit| digit - b'0').enumerate() {
        let lowest = u8::from(place == 0 && digits.len() > 1);
        let rest = digits.len() - place - 1;
        if digit > lowest {
            let head = &digits[..place];
            patterns.push(format!("{head}{}{}", range(lowest, digit - 1), repeated("[0-9]", rest)));
        }
    }
    patterns.push(digits.clone());
    if digits.len() > 1 {
        patterns.push("0".to_owned());
    }
    format!("({})", patterns.join("|"))
}

fn range(first: u8, last: u8) -> String {
    if first == last { first.to_string() } else { format!("[{first}-{last}]") }
}

fn repeated(what: &str, times: usize) -> String {
    match times {
        0 => String::new(),
        1 => what.to_owned(),
        _ => format!("{what}{{{times}}}"),
    }
}

/// An IPv4 address: four numbers without leading zeros.
pub(super) fn ipv4() -> String {
    let octet = decimal(255);
    format!(r"({octet}\.){{3}}{octet}")
}

/// An IPv6 address, RFC 3986, appendix A: `IPv6address`.
pub(super) fn ipv6() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("({group}:{group}|{})", ipv4());
    let mut forms = vec![format!("({group}:){{6}}{last}")];
    // Before the `::` up to `before` groups, behind it the rest.
    for before in 0..=5_usize {
        let head = match before {
            0 => String::new(),
            1 => format!("({group})?"),
            _ => format!("(({group}:){{0,{}}}{group})?", before - 1),
        };
        let tail = repeated(&format!("({group}:)"), 5 - before);
        forms.push(format!("{head}::{tail}{last}"));
    }
    forms.push(format!("(({group}:){{0,5}}{group})?::{group}"));
    forms.push(format!("(({group}:){{0,6}}{group})?::"));
    // RFC 3986 needs no form for all eight groups but the first, whose `last` has two of them.
    format!("({})", forms.join("|"))
}

/// `HOST:PORT`: a name, an IPv4 address, or an IPv6 address in brackets, and a port that is not 0. How long a name is as
/// a whole is not in the pattern.
pub(super) fn host_port() -> String {
    let label = "[A-Za-z0-9_][A-Za-z0-9_-]{0,62}";
    // What is all digits and dots must be an address.
    let name = format!(r"(?![0-9.]+:){label}(\.{label})*");
    format!(r"({}|{name}|\[{}\]):0*(?!0+$){}", ipv4(), ipv6(), decimal(65535))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jsonschema::Validator;
    use proptest::prelude::*;
    use schemars::JsonSchema;
    use serde_json::json;

    use super::super::{DatapathId, Endpoint, OvsdbAddress, PortRange, SwitchAddress};

    fn validator<T: JsonSchema>() -> Validator {
        jsonschema::validator_for(schemars::schema_for!(T).as_value()).unwrap()
    }

    static ENDPOINT: LazyLock<Validator> = LazyLock::new(validator::<Endpoint>);
    static SWITCH_ADDRESS: LazyLock<Validator> = LazyLock::new(validator::<SwitchAddress>);
    static OVSDB_ADDRESS: LazyLock<Validator> = LazyLock::new(validator::<OvsdbAddress>);
    static DATAPATH_ID: LazyLock<Validator> = LazyLock::new(validator::<DatapathId>);
    static PORT_RANGE: LazyLock<Validator> = LazyLock::new(validator::<PortRange>);

    /// Texts in which everything that a pattern decides about occurs, mostly right and a little wrong.
    fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(pieces), 0..12).prop_map(|list| list.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn addresses_match_the_pattern_where_they_parse(
            text in pieces(&["0", "1", "25", "255", "256", "00", ".", ".", ".", ":", ":", "::", "a", "ffff", "F", "g", "any"]),
            length in proptest::option::of(pieces(&["0", "3", "12", "32", "128", "9", "-", "+"])),
        ) {
            let text = length.map_or(text.clone(), |length| format!("{text}/{length}"));
            let parsed = text.parse::<Endpoint>();
            // Bits beyond the prefix are for the parser alone.
            let lawful = parsed.as_ref().map_or_else(|reason| reason.to_string().contains("host bits"), |_| true);
            prop_assert_eq!(ENDPOINT.is_valid(&json!(text)), lawful, "{}: {:?}", text, parsed);
        }

        #[test]
        fn addresses_of_switches_match_the_pattern_where_they_parse(
            scheme in proptest::sample::select(vec!["tcp:", "tls:", "ssl:", "unix:", "tcp", ""]),
            host in pieces(&["a", "A-b", "_", "-", ".", ".", "1", "10", "255", "[", "]", "::1", "fe80::", "é", " "]),
            port in pieces(&["0", "1", "65535", "65536", "6", "+", ""]),
        ) {
            let text = format!("{scheme}{host}:{port}");
            prop_assert_eq!(
                SWITCH_ADDRESS.is_valid(&json!(text)), text.parse::<SwitchAddress>().is_ok(), "{}", text
            );
            prop_assert_eq!(
                OVSDB_ADDRESS.is_valid(&json!(text)), text.parse::<OvsdbAddress>().is_ok(), "{}", text
            );
        }

        #[test]
        fn datapath_ids_and_ports_match_the_pattern_where_they_parse(
            text in pieces(&["0", "0x", "a1", "F", ":", "18446744073709551615", "18446744073709551616", "65535", "65536",
                "00000000", "-", "5060", "00:00:00:00:00:00:00:a1", "g", "6"]),
        ) {
            let id = DATAPATH_ID.is_valid(&json!(text));
            prop_assert_eq!(id, text.parse::<DatapathId>().is_ok(), "{}", text);
            // Which of two ports is the higher is for the parser alone.
            let parsed = text.parse::<PortRange>();
            let lawful = parsed.as_ref().map_or_else(|reason| reason.to_string().contains("above its last"), |_| true);
            prop_assert_eq!(PORT_RANGE.is_valid(&json!(text)), lawful, "{}: {:?}", text, parsed);
        }
    }
}
