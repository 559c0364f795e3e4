//! `flumen decode` as typed.

use std::path::PathBuf;

use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  One message, or many, one a line:
    echo 0400000800000001 | flumen decode

  What went over the wire between a switch and its controller:
    tcpdump -i any -w openflow.pcap port 6653
    flumen decode openflow.pcap
    tcpdump -i any -U -w - port 6653 | flumen decode

  The flows of every FLOW_MOD, for a program:
    flumen decode --json openflow.pcap | jq -c 'select(.type == \"FLOW_MOD\") | .message'

Exit status:
  0  every message was decoded
  1  a message was not, or the input broke off
  2  wrong usage, or the input cannot be read";

/// Show OpenFlow 1.3 messages: hex, a file of messages, or a packet capture
///
/// What the input is, is seen from its first bytes. Packet captures are those of tcpdump and Wireshark (pcap and
/// pcapng); the OpenFlow connections in them are put together from their TCP segments. What is no message is reported
/// with its place and the reason, and the rest goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Decode {
    /// The file; standard input if there is none, or if it is `-`
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// What the input is
    #[arg(long, value_name = "FORM", default_value = "auto")]
    pub(crate) form: Form,
    /// Decode every message, and only count them by type
    #[arg(long)]
    pub(crate) count: bool,
}

/// The form of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// As the first bytes say
    Auto,
    /// Hexadecimal digits, one message a line of 1 MiB at most; blanks may stand between bytes and 0x in front, and
    /// lines that begin with # are skipped
    Hex,
    /// The bytes of messages, one after the other
    Messages,
    /// A packet capture, pcap or pcapng
    Capture,
}
