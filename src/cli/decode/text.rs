//! Messages for people, as `ovs-ofctl ofp-print` writes them.

use std::fmt::{self, Write};

use super::listing::Decoded;
use super::place::{Place, Trouble};
use super::tally::Tally;

/// Appends a message; in a capture with its time and who sent it to whom.
pub(super) fn message(out: &mut String, place: &Place, decoded: &Decoded) {
    if let Place::Packet { time, source, destination, .. } = place {
        if let Some(time) = time {
            append(out, format_args!("{time} "));
        }
        append(out, format_args!("{source} > {destination} "));
    }
    // The first version, 1.0, is 1 on the wire.
    let minor = decoded.version.saturating_sub(1);
    // Version and transaction stand behind the name, which a colon ends.
    let name = out.len();
    append(out, format_args!("{}", decoded.message));
    let colon = out.get(name..).and_then(|text| text.find(':')).map_or(out.len(), |colon| name + colon);
    out.insert_str(colon, &format!(" (OF1.{}) (xid={:#x})", minor, decoded.xid.0));
    out.push('\n');
}

/// Appends what is no message.
pub(super) fn trouble(out: &mut String, place: &Place, trouble: &Trouble) {
    append(out, format_args!("{place}: {trouble}\n"));
}

/// Appends the counts.
pub(super) fn tally(out: &mut String, tally: &Tally) {
    for (name, count) in tally.types() {
        append(out, format_args!("{count:>12}  {name}\n"));
    }
    if tally.undecodable > 0 {
        append(out, format_args!("{:>12}  not decoded\n", tally.undecodable));
    }
    append(out, format_args!("{:>12}  in all\n", tally.decoded() + tally.undecodable));
}

fn append(out: &mut String, text: fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = out.write_fmt(text);
}
