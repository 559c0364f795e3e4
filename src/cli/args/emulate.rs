//! `flumen emulate` as typed.

use std::time::Duration;

use clap::value_parser;

use crate::contract::DatapathId;
use crate::emulator::Fault;

const EXAMPLES: &str = "\
Examples:
  One switch for a daemon on this machine:
    flumen emulate --connect 127.0.0.1:6653

  A hundred, with datapath ids 1 to 100 and room for 1000 flows each:
    flumen emulate --switches 100 --table-limit 1000 --connect 127.0.0.1:6653

  One that loses every tenth flow without a word, and takes 20 ms for each message:
    flumen emulate --fault drop-flows=10 --fault slow=20 --connect 127.0.0.1:6653";

/// Play OpenFlow 1.3 switches that dial a controller, until SIGINT or SIGTERM
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Emulate {
    /// The controller they dial
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) connect: String,
    /// How many switches
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) switches: u32,
    /// The first one's datapath id; the others count up from it
    #[arg(long, value_name = "ID", default_value = "0000000000000001")]
    pub(crate) datapath_id: DatapathId,
    /// How many ports each has, numbered from 1
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true)]
    pub(crate) ports: u16,
    /// How many flows fit into each table; the next is refused with TABLE_FULL
    #[arg(long, value_name = "N", default_value_t = 1_000_000, allow_negative_numbers = true)]
    pub(crate) table_limit: u32,
    /// Misbehave on purpose, on every connection; may be given again
    ///
    /// torn: what it says comes byte by byte. slow=MS: each message takes so long. silent=N: it goes dead after N messages.
    /// drop-flows=N: every Nth FLOW_MOD is lost. no-barrier-reply, drop-barrier-replies=N, wrong-barrier-xid: barriers are
    /// not answered, every Nth is not, or they are with another xid. late-errors: errors come after the barrier reply.
    /// twice: errors and barrier replies come twice. barrier-first=MS: barriers are answered at once, all else so much
    /// later. cut-input=N, cut-output=N: the connection breaks after N bytes from or to the controller.
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    pub(crate) faults: Vec<Fault>,
}

/// `torn`, `slow=20`.
fn fault(text: &str) -> Result<Fault, String> {
    const ALLOWED: &str = "torn, slow=MS, silent=N, drop-flows=N, no-barrier-reply, drop-barrier-replies=N, \
                           wrong-barrier-xid, late-errors, twice, barrier-first=MS, cut-input=N or cut-output=N";
    let (name, number) = match text.split_once('=') {
        Some((name, number)) => match number.parse::<u64>() {
            Ok(number) => (name, Some(number)),
            Err(_) => return Err(format!("{number:?} is not a number")),
        },
        None => (text, None),
    };
    Ok(match (name, number) {
        ("torn", None) => Fault::Torn,
        ("slow", Some(milliseconds)) => Fault::Slow(Duration::from_millis(milliseconds)),
        ("silent", Some(after)) => Fault::Silent { after },
        ("drop-flows", Some(every @ 1..)) => Fault::DropFlows { every },
        ("no-barrier-reply", None) => Fault::NoBarrierReply,
        ("drop-barrier-replies", Some(every @ 1..)) => Fault::DropBarrierReplies { every },
        ("wrong-barrier-xid", None) => Fault::WrongBarrierXid,
        ("late-errors", None) => Fault::ErrorsAfterBarrier,
        ("twice", None) => Fault::Twice,
        ("barrier-first", Some(milliseconds)) => Fault::BarrierFirst(Duration::from_millis(milliseconds)),
        ("cut-input", Some(after)) => Fault::CutInput { after },
        ("cut-output", Some(after)) => Fault::CutOutput { after },
        _ => return Err(format!("must be {ALLOWED}")),
    })
}

fn host_port(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "must be HOST:PORT (an IPv6 address in brackets, port 1 to 65535)";
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0) => Ok(text.to_owned()),
        _ => Err(ALLOWED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_their_names_and_numbers() {
        let lag = Duration::from_millis(20);
        for (text, expected) in [
            ("torn", Fault::Torn),
            ("slow=20", Fault::Slow(lag)),
            ("silent=7", Fault::Silent { after: 7 }),
            ("drop-flows=10", Fault::DropFlows { every: 10 }),
            ("no-barrier-reply", Fault::NoBarrierReply),
            ("drop-barrier-replies=2", Fault::DropBarrierReplies { every: 2 }),
            ("wrong-barrier-xid", Fault::WrongBarrierXid),
            ("late-errors", Fault::ErrorsAfterBarrier),
            ("twice", Fault::Twice),
            ("barrier-first=20", Fault::BarrierFirst(lag)),
            ("cut-input=0", Fault::CutInput { after: 0 }),
            ("cut-output=18446744073709551615", Fault::CutOutput { after: u64::MAX }),
        ] {
            assert_eq!(fault(text), Ok(expected));
        }
        for text in ["", "slow", "torn=1", "drop-flows=0", "slow=-1", "slow=1s", "cut-input=18446744073709551616"] {
            assert!(fault(text).is_err(), "{text}");
        }
    }
}
