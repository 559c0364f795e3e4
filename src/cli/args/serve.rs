//! `flumen serve` as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::limits::Limits;
use crate::config::{DEFAULT_LISTEN, DEFAULT_OPENFLOW};
use crate::contract::RateLimit;

const EXAMPLES: &str = "\
Examples:
  Everything on loopback, state in ~/.local/state/flumen:
    flumen serve

  A lab, where switches and clients on the network are trusted:
    flumen serve --listen 0.0.0.0:8653 --openflow 0.0.0.0:6653 --insecure

  Clients on the network, each with a token:
    flumen token add noc --role operator > noc.token
    flumen serve --listen 0.0.0.0:8653 --tls-cert cert.pem --tls-key key.pem
    flumen --url wss://controller.example:8653 --token-file noc.token flow list

  Switches on the network, with certificates made by ovs-pki:
    ovs-pki init; ovs-pki req+sign flumen controller
    ovs-pki req+sign dpid-00000000000000a1 switch    # for the switch with this datapath id
    flumen serve --openflow 0.0.0.0:6653 --openflow-cert flumen-cert.pem \\
      --openflow-key flumen-privkey.pem --openflow-ca /var/lib/openvswitch/pki/switchca/cacert.pem

  Everything from a file, which 'flumen config show' writes with its defaults:
    flumen config show > flumen.toml
    flumen serve --config flumen.toml

  Take in every switch that dials in, leave their table-miss rules alone:
    flumen serve --admission adopt --table-miss none";

/// Run the daemon until SIGINT or SIGTERM
///
/// Clients connect by WebSocket (--listen), switches by OpenFlow 1.3 (--openflow). Beyond loopback both need
/// protection, or --insecure. The log goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Read options and classes of traffic from this TOML file; the command line and the environment go before it.
    /// SIGHUP reads the classes again
    #[arg(long, value_name = "FILE", env = "FLUMEN_CONFIG", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Where WebSocket and HTTP clients connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN, value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// The certificate for clients, in PEM: they then connect with wss:// and https://. SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
    /// The token file, written by 'flumen token' [default: tokens in the data directory]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tokens: Option<PathBuf>,
    /// Take a token also from the address (?token=…), where proxies and browsers may keep it
    #[arg(long)]
    pub(crate) query_tokens: bool,
    /// Where switches connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_OPENFLOW, value_parser = address)]
    pub(crate) openflow: SocketAddr,
    /// This daemon's certificate for switches, in PEM; switches then speak TLS and show theirs. SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires_all = ["openflow_key", "openflow_ca"], value_hint = clap::ValueHint::FilePath)]
    pub(crate) openflow_cert: Option<PathBuf>,
    /// The private key of --openflow-cert
    #[arg(long, value_name = "FILE", requires = "openflow_cert", value_hint = clap::ValueHint::FilePath)]
    pub(crate) openflow_key: Option<PathBuf>,
    /// The authorities that sign switches' certificates; each names its switch: dpid-00000000000000a1
    #[arg(long, value_name = "FILE", requires = "openflow_cert", value_hint = clap::ValueHint::FilePath)]
    pub(crate) openflow_ca: Option<PathBuf>,
    /// Allow switches TLS 1.2 beside 1.3
    #[arg(long, requires = "openflow_cert")]
    pub(crate) openflow_tls12: bool,
    /// Directory of the durable state [default: ~/.local/state/flumen]
    #[arg(long, value_name = "DIR", env = "FLUMEN_DATA", hide_env_values = true, value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// What happens to a switch that was not added
    #[arg(long, value_name = "POLICY", default_value = "discover")]
    pub(crate) admission: Admission,
    /// The rule of priority 0 that each node gets, for packets that no flow takes
    #[arg(long, value_name = "RULE", default_value = "normal")]
    pub(crate) table_miss: TableMiss,
    /// The flow table that the rules of flows and the rule of priority 0 are in
    #[arg(long, value_name = "TABLE", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=254))]
    pub(crate) qos_table: u8,
    /// The flow table after it, for switches that do not forward by themselves: "normal" then sends packets there, marked
    /// and queued, and so does the rule of priority 0
    #[arg(long, value_name = "TABLE", value_parser = clap::value_parser!(u8).range(..=254))]
    pub(crate) next_table: Option<u8>,
    /// What all flows of a traffic type together may have on each node, those with a limit of their own left out: a rate
    /// in kbit/s, and a burst in kilobits where it matters; may be given again
    #[arg(long = "class-limit", value_name = "TYPE=KBPS[:KB]", value_parser = class_limit)]
    pub(crate) class_limits: Vec<(String, RateLimit)>,
    /// A web origin whose pages may connect, beside the daemon's own address; may be given again
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Allow both listeners beyond loopback without tokens and TLS
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Append every change to this file: who, what, when and what came of it, one JSON object a line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) audit_log: Option<PathBuf>,
    /// How many threads serve, beside the one that writes the store [default: one for every two processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Die there, for tests: a place and the number of its passing
    #[arg(long, value_name = "PLACE:N", hide = true)]
    pub(crate) crash_at: Option<crate::crash::CrashAt>,
    /// What to log: a level (error, warn, info, debug, trace) or a filter by module
    #[arg(long, value_name = "FILTER", env = "FLUMEN_LOG", hide_env_values = true, default_value = "info", value_parser = log_filter)]
    pub(crate) log: String,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8653 or [::1]:8653")
}

/// A filter for the log that means something.
fn log_filter(text: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(text).map(|_| text.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Admission {
    /// Show it as a discovered node and write nothing to it
    Discover,
    /// Register it at once, named by its datapath id
    Adopt,
    /// Refuse it
    Registered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableMiss {
    /// Forward as an ordinary switch would
    Normal,
    /// Drop
    Drop,
    /// Send to the controller
    Controller,
    /// Write no such rule
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs: one object a line
    Json,
}

/// `voice=5000`, `voice=5000:800`.
fn class_limit(text: &str) -> Result<(String, RateLimit), String> {
    let wrong = || format!("{text:?} is not TYPE=KBPS or TYPE=KBPS:KB, such as voice=5000:800");
    let (class, limit) = text.split_once('=').ok_or_else(wrong)?;
    let (rate, burst) = match limit.split_once(':') {
        Some((rate, burst)) => (rate, Some(burst)),
        None => (limit, None),
    };
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(wrong);
    let limit = RateLimit { rate_kbps: number(rate)?, burst_kb: burst.map(number).transpose()? };
    Ok((class.to_owned(), limit))
}
