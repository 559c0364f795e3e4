//! What `flumen serve` can be told: every option of the daemon, checked, with its default.
//!
//! The command line and the configuration file fill a [`ServeConfig`]; nothing below this layer reads the environment
//! or the command line.

mod classes;
pub mod file;
mod limits;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

pub use self::limits::ClientLimits;
pub use crate::northbound::{AUDIT_TARGET, TlsFiles as ClientTlsFiles};
pub use crate::policy::{ClassTable, Pipeline};
pub use crate::programmer::{Admission, TableMiss};
pub use crate::service::Manager;
pub use crate::southbound::TlsFiles;

/// The northbound default: WebSocket and HTTP on loopback.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8653);
/// The southbound default: OpenFlow's registered port, on loopback.
pub const DEFAULT_OPENFLOW: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6653);

/// Reads the classes of traffic again, or says everything that is wrong with them.
#[derive(Clone)]
pub struct ClassSource(Arc<dyn Fn() -> Result<ClassTable, String> + Send + Sync>);

impl ClassSource {
    /// A source that reads so.
    pub fn new(read: impl Fn() -> Result<ClassTable, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The classes as they are now.
    ///
    /// # Errors
    /// What is wrong with them, a line each.
    pub fn read(&self) -> Result<ClassTable, String> {
        (self.0)()
    }
}

impl fmt::Debug for ClassSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClassSource")
    }
}

/// The options of one daemon.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where WebSocket and HTTP clients connect.
    pub listen: SocketAddr,
    /// Where switches connect.
    pub openflow: SocketAddr,
    /// Certificates for switches: with them every switch speaks TLS and shows its own.
    pub openflow_tls: Option<TlsFiles>,
    /// The certificate with which clients speak TLS.
    pub tls: Option<ClientTlsFiles>,
    /// The token file. While there is a token in it, every client must show one.
    pub tokens: Option<PathBuf>,
    /// A token may also come in the query of the address.
    pub query_tokens: bool,
    /// The directory of the durable store; created when missing. `None` keeps the state in memory only.
    pub data: Option<PathBuf>,
    /// What happens to a switch that dials in without having been added.
    pub admission: Admission,
    /// The rule of priority 0 that a registered node gets.
    pub table_miss: TableMiss,
    /// The tables of the switches that are used.
    pub pipeline: Pipeline,
    /// The classes of traffic that requests may name.
    pub classes: ClassTable,
    /// Where they are read again at a SIGHUP, if anywhere.
    pub class_source: Option<ClassSource>,
    /// Origins, beside the daemon's own address, whose pages may open a WebSocket.
    pub origins: Vec<String>,
    /// What each client is allowed.
    pub client_limits: ClientLimits,
    /// Lets both listeners leave loopback without tokens and without TLS.
    pub insecure: bool,
    /// Who wants to know how the daemon is.
    pub manager: Manager,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            openflow: DEFAULT_OPENFLOW,
            openflow_tls: None,
            tls: None,
            tokens: None,
            query_tokens: false,
            data: None,
            admission: Admission::default(),
            table_miss: TableMiss::default(),
            pipeline: Pipeline::default(),
            classes: ClassTable::built_in(),
            class_source: None,
            origins: Vec::new(),
            client_limits: ClientLimits::default(),
            insecure: false,
            manager: Manager::default(),
        }
    }
}
