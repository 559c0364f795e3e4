//! The contract's names for what stands by itself on the command line: `node show --name s1` is `node show s1`.
//!
//! Options carry the contract's names, and whoever knows those should not have to look up which of them is none.

use std::ffi::OsString;

/// A pair of words that begins a subcommand, and the option whose value stands by itself there.
const BY_PLACE: [(&str, &[&str], &str); 2] =
    [("node", &["add", "remove", "rm", "show"], "--name"), ("flow", &["remove", "rm", "show"], "--flow-id")];

/// The same command line with such a value at its place.
pub(super) fn by_place(arguments: Vec<OsString>) -> Vec<OsString> {
    let begins = |words: &[OsString]| {
        let [first, second] = words else { return None };
        let is_meant =
            |(noun, verbs, _): &&(&str, &[&str], &str)| first == noun && verbs.iter().any(|verb| second == verb);
        BY_PLACE.iter().find(is_meant).map(|(.., option)| *option)
    };
    let found = arguments.windows(2).enumerate().find_map(|(at, words)| Some((at + 2, begins(words)?)));
    let Some((behind, option)) = found else { return arguments };
    let assigned = format!("{option}=");
    let mut placed: Vec<OsString> = arguments.iter().take(behind).cloned().collect();
    let mut rest = arguments.into_iter().skip(behind).peekable();
    while let Some(argument) = rest.next() {
        if argument == option && rest.peek().is_some() {
            continue;
        }
        let value = argument.to_str().and_then(|argument| argument.strip_prefix(&assigned)).map(OsString::from);
        placed.push(value.unwrap_or(argument));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_as_an_option_stands_at_its_place_and_nothing_else_moves() {
        for (typed, meant) in [
            ("flumen node add --name s1 --datapath-id 1", "flumen node add s1 --datapath-id 1"),
            ("flumen --json node show --name=s1", "flumen --json node show s1"),
            ("flumen flow rm --flow-id a --flow-id=b", "flumen flow rm a b"),
            ("flumen flow show --flow-id", "flumen flow show --flow-id"),
            ("flumen flow install --flow-id a --node add", "flumen flow install --flow-id a --node add"),
            ("flumen node list --name s1", "flumen node list --name s1"),
        ] {
            let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
            assert_eq!(by_place(words(typed)), words(meant), "{typed}");
        }
    }
}
