//! From the command line as typed to a job that can be run: the contract's own rules, the environment, the files.
//!
//! Whatever is wrong here is wrong usage (exit code 2), told in the words that the daemon would use.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use super::apply::Apply;
use super::args::{
    self, AddNode, Admission, ApplyFlows, Args, Command as Typed, ConfigCommand, DiffFlows, Emulate, ExportFlows,
    FlowCommand, FlowFile, Global, Install, Limits, ListFlows, LogFormat, NodeCommand, QueueCommand, RemoveFlows,
    Serve, SetQueues, StoreCommand, StoreDir, TableMiss, Token as TokenArgs,
};
use super::decode::{Decode, View};
use super::flow_file::{self, Fault, Form, Item};
use super::output::shown;
use super::token::TokenWork;
use super::top::Top;
use super::watch::Watch;
use crate::client::{self, Client, ConnectError, Reconnect, Token, Url, UrlError};
use crate::config::{self, ServeConfig};
use crate::contract::{self, Command, DEFAULT_LIST_LIMIT, InstallFlow, Invalid, RateLimit, Subprotocol, Topic};
use crate::policy::{ClassLimit, ClassTable, Exceed, Pipeline, TrafficClass};
use crate::tokens;

/// What is to be done, lawful as far as can be told without a daemon.
#[derive(Debug)]
pub(super) enum Job {
    Serve(Box<Service>),
    Ask(Box<Ask>),
    /// A configuration file is in order.
    Lawful(PathBuf),
    /// A configuration file is to be written.
    ShowConfig,
    Watch(Box<Watch>),
    Top(Box<Top>),
    Demo,
    /// A store is to be written to standard output.
    ExportStore(PathBuf),
    /// A store is to be made of standard input.
    ImportStore(PathBuf),
    Emulate(Emulate),
    Decode(Decode),
    Token(TokenWork),
    Completions(clap_complete::Shell),
    /// The manual pages are to be written there.
    Man(PathBuf),
}

/// A daemon to run.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) config: ServeConfig,
    /// How many threads serve, if that was said.
    pub(super) threads: Option<u16>,
    /// Where it is to die.
    pub(super) crash_at: Option<crate::crash::CrashAt>,
    pub(super) filter: EnvFilter,
    pub(super) format: LogFormat,
    /// The file of the audit log.
    pub(super) audit: Option<PathBuf>,
    /// The token file, if one was named: it must be there.
    pub(super) named_tokens: Option<PathBuf>,
}

/// The daemon to talk to, and what is shown to it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) url: Url,
    token: Option<Token>,
    ca: Option<PathBuf>,
    retries: Option<u32>,
}

/// Attempts to reach a daemon again that goes away while a command waits for its answer: long enough for one that is
/// started again, short enough for whoever waits.
const RETRIES: u32 = 3;

impl Connection {
    /// Connects, to ask something in this form.
    pub(super) async fn open(&self, subprotocol: Subprotocol) -> Result<Client, ConnectError> {
        let config = self.config(Reconnect::at_most(self.retries.unwrap_or(RETRIES)));
        Client::connect(client::Config { subprotocol, ..config }).await
    }

    /// Connects, to look on for as long as somebody wants to.
    pub(super) async fn stay(&self) -> Result<Client, ConnectError> {
        Client::connect(self.config(Reconnect { attempts: self.retries, ..Reconnect::default() })).await
    }

    fn config(&self, reconnect: Reconnect) -> client::Config {
        let (token, authorities) = (self.token.clone(), self.ca.clone());
        client::Config { token, authorities, reconnect, ..client::Config::new(self.url.clone()) }
    }
}

/// A question to the daemon.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) connection: Connection,
    pub(super) json: bool,
    pub(super) question: Question,
}

/// What is asked, and how the answer is shown.
#[derive(Debug)]
pub(super) enum Question {
    /// One command, one answer.
    Command(Command),
    /// Every page of `ListFlows`.
    AllFlows(contract::ListFlows),
    /// The classes out of `GetInfo`.
    Classes,
    /// The queues out of `GetNode`.
    Queues(contract::GetNode),
    /// The flows of a file are to be installed.
    Apply(Apply),
    /// The flows of a file are to be compared with the daemon's.
    Diff(Vec<Item>),
    /// The daemon's flows are to be written as a file.
    Export(contract::ListFlows, Form),
}

/// Checks what was typed; the classes of traffic are those of its configuration file.
pub(super) fn check(args: Args, classes: ClassTable) -> Result<Job, clap::Error> {
    let Args { global, command } = args;
    let question = match command {
        Typed::Serve(serve) => return check_serve(*serve, classes),
        Typed::Config(ConfigCommand::Check { file }) => {
            return super::config::check(&file).map(|()| Job::Lawful(file));
        }
        Typed::Config(ConfigCommand::Show) => return Ok(Job::ShowConfig),
        Typed::Store(StoreCommand::Export(StoreDir { data })) => return data_dir(data).map(Job::ExportStore),
        Typed::Store(StoreCommand::Import(StoreDir { data })) => return data_dir(data).map(Job::ImportStore),
        Typed::Demo => return Ok(Job::Demo),
        Typed::Emulate(emulate) => return Ok(Job::Emulate(emulate)),
        Typed::Decode(args::Decode { file, form, count }) => {
            let view = if count { View::Count } else { View::Messages };
            return Ok(Job::Decode(Decode { file, form, view, json: global.json }));
        }
        Typed::Token(token) => return check_token(token, global.json),
        Typed::Man { directory } => return Ok(Job::Man(directory)),
        Typed::Completions { shell } => return Ok(Job::Completions(shell)),
        Typed::Node(command) => Question::Command(node(command)),
        Typed::Flow(FlowCommand::List(list)) => list_flows(list, global.json),
        Typed::Flow(FlowCommand::Apply(apply)) => Question::Apply(apply_flows(apply)?),
        Typed::Flow(FlowCommand::Diff(DiffFlows { file })) => Question::Diff(flow_file(&file)?),
        Typed::Flow(FlowCommand::Export(export)) => export_flows(export),
        Typed::Flow(FlowCommand::Install(install)) => {
            Question::Command(Command::InstallFlow(Box::new(install_flow(*install))))
        }
        Typed::Flow(FlowCommand::Remove(remove)) => Question::Command(remove_flows(remove)),
        Typed::Flow(FlowCommand::Show { flow_id }) => {
            Question::Command(Command::GetFlow(contract::GetFlow { flow_id }))
        }
        Typed::Queues(QueueCommand::Show { node }) => Question::Queues(contract::GetNode { name: node }),
        Typed::Queues(QueueCommand::Set(asked)) => Question::Command(set_queues(asked)),
        Typed::Queues(QueueCommand::Remove { node, port }) => {
            Question::Command(set_queues(SetQueues { node, port, max_rate_kbps: None, queues: Vec::new() }))
        }
        Typed::Watch(typed) => return Ok(Job::Watch(Box::new(watch(typed, &global)?))),
        Typed::Top(typed) => return Ok(Job::Top(Box::new(top(&typed, &global)?))),
        Typed::Info => Question::Command(Command::GetInfo),
        Typed::Classes => Question::Classes,
    };
    if let Question::Command(command) = &question {
        command.check().map_err(broken_rule)?;
    }
    let (connection, json) = (connection(&global)?, global.json);
    Ok(Job::Ask(Box::new(Ask { connection, json, question })))
}

fn node(command: NodeCommand) -> Command {
    match command {
        NodeCommand::Add(AddNode { name, datapath_id, address, ovsdb, labels }) => {
            Command::AddNode(contract::AddNode {
                name,
                kind: contract::NodeKind::default(),
                datapath_id,
                address,
                ovsdb,
                labels: labels.into_iter().collect(),
            })
        }
        NodeCommand::Remove { name, flows } => Command::RemoveNode(contract::RemoveNode { name, flows }),
        NodeCommand::List => Command::ListNodes,
        NodeCommand::Show { name } => Command::GetNode(contract::GetNode { name }),
    }
}

fn remove_flows(remove: RemoveFlows) -> Command {
    let RemoveFlows { flow_ids, node, traffic_type, all } = remove;
    match <[_; 1]>::try_from(flow_ids) {
        Ok([flow_id]) => Command::RemoveFlow(contract::RemoveFlow { flow_id }),
        Err(flow_ids) => {
            let flow_ids = (!flow_ids.is_empty()).then_some(flow_ids);
            Command::RemoveFlows(contract::RemoveFlows { flow_ids, node, traffic_type, all })
        }
    }
}

fn set_queues(asked: SetQueues) -> Command {
    let SetQueues { node, port, max_rate_kbps, queues } = asked;
    Command::SetQueues(contract::SetQueues { node, port, max_rate_kbps, queues })
}

fn install_flow(install: Install) -> InstallFlow {
    let Install { matching, treatment, placement } = install;
    InstallFlow {
        flow_id: placement.flow_id,
        nodes: (!placement.nodes.is_empty()).then_some(placement.nodes),
        source: matching.source,
        destination: matching.destination,
        traffic_type: treatment.traffic_type,
        priority: treatment.priority,
        protocol: matching.protocol,
        source_port: matching.source_port,
        destination_port: matching.destination_port,
        dscp: treatment.dscp,
        queue: treatment.queue,
        rate_limit: treatment.rate_kbps.map(|rate_kbps| RateLimit { rate_kbps, burst_kb: treatment.burst_kb }),
        forward: treatment.forward,
        bidirectional: matching.bidirectional,
        idle_timeout: placement.idle_timeout,
        hard_timeout: placement.hard_timeout,
        dry_run: placement.dry_run,
        on_conflict: placement.on_conflict,
        replace: placement.replace,
        wait: placement.wait,
        timeout_ms: placement.timeout_ms,
    }
}

/// A person wants all flows; a program gets one Reply as it is, and goes on with its `next_cursor`.
fn list_flows(list: ListFlows, json: bool) -> Question {
    let all = list.limit.is_none() && !json;
    let page = page_of_flows(list);
    if all { Question::AllFlows(page) } else { Question::Command(Command::ListFlows(page)) }
}

fn apply_flows(apply: ApplyFlows) -> Result<Apply, clap::Error> {
    let ApplyFlows { file, atomic, dry_run, replace, on_conflict, set, prune, wait } = apply;
    let mut items = flow_file(&file)?;
    for Item { flow, .. } in &mut items {
        flow.dry_run |= dry_run;
        flow.replace |= replace;
        flow.on_conflict = on_conflict.unwrap_or(flow.on_conflict);
        flow.wait = wait.unwrap_or(flow.wait);
    }
    Ok(Apply { items, atomic, dry_run, set, prune })
}

/// The items of the file that was named.
fn flow_file(file: &FlowFile) -> Result<Vec<Item>, clap::Error> {
    let FlowFile { file: path, format, nodes } = file;
    let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let text = match name.as_str() {
        "standard input" => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| wrong(ErrorKind::Io, format!("cannot read {name}: {error}")))?;
    let Some(form) = format.or_else(|| Form::of(path)) else {
        let message =
            format!("{name} does not say by its name how it is written: say --format json, yaml, csv or flows");
        return Err(wrong(ErrorKind::MissingRequiredArgument, message));
    };
    let mut items = flow_file::read(&text, form).map_err(|faults| faulty(&name, &faults))?;
    if !nodes.is_empty() {
        for Item { flow, .. } in &mut items {
            flow.nodes.get_or_insert_with(|| nodes.clone());
        }
    }
    Ok(items)
}

/// Everything that is wrong with a file, or the first of it.
fn faulty(name: &str, faults: &[Fault]) -> clap::Error {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = faults.iter().take(SHOWN).map(|fault| format!("{name}: {fault}")).collect();
    if faults.len() > SHOWN {
        lines.push(format!("{name}: and {} more", faults.len() - SHOWN));
    }
    wrong(ErrorKind::ValueValidation, lines.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\nerror: "))
}

fn export_flows(export: ExportFlows) -> Question {
    let ExportFlows { format, node, traffic_type } = export;
    let list =
        contract::ListFlows { node, traffic_type, limit: contract::MAX_LIST_LIMIT, ..contract::ListFlows::default() };
    Question::Export(list, format)
}

fn page_of_flows(list: ListFlows) -> contract::ListFlows {
    let ListFlows { node, traffic_type, state, limit, cursor } = list;
    contract::ListFlows { node, traffic_type, all: false, state, cursor, limit: limit.unwrap_or(DEFAULT_LIST_LIMIT) }
}

fn check_serve(serve: Serve, classes: ClassTable) -> Result<Job, clap::Error> {
    let filter = EnvFilter::try_new(&serve.log).map_err(|error| {
        let message = format!("invalid value '{}' for '--log <FILTER>': {error}", serve.log);
        wrong(ErrorKind::ValueValidation, message)
    })?;
    let data = data_dir(serve.data)?;
    let files = serve.openflow_cert.zip(serve.openflow_key).zip(serve.openflow_ca);
    let openflow_tls = files.map(|((certificate, key), authorities)| config::TlsFiles {
        certificate,
        key,
        authorities,
        allow_1_2: serve.openflow_tls12,
    });
    let named_tokens = serve.tokens.clone();
    let config = ServeConfig {
        listen: serve.listen,
        openflow: serve.openflow,
        openflow_tls,
        tls: serve.tls_cert.zip(serve.tls_key).map(|(certificate, key)| config::ClientTlsFiles { certificate, key }),
        tokens: Some(serve.tokens.unwrap_or_else(|| data.join(tokens::FILE_NAME))),
        query_tokens: serve.query_tokens,
        data: Some(data),
        admission: match serve.admission {
            Admission::Discover => config::Admission::Discover,
            Admission::Adopt => config::Admission::Adopt,
            Admission::Registered => config::Admission::Registered,
        },
        table_miss: match serve.table_miss {
            TableMiss::Normal => config::TableMiss::Normal,
            TableMiss::Drop => config::TableMiss::Drop,
            TableMiss::Controller => config::TableMiss::Controller,
            TableMiss::None => config::TableMiss::None,
        },
        pipeline: Pipeline::new(serve.qos_table, serve.next_table)
            .map_err(|error| wrong(ErrorKind::ValueValidation, format!("--qos-table and --next-table: {error}")))?,
        classes: limited(classes, serve.class_limits)?,
        class_source: None,
        origins: serve.origins,
        client_limits: client_limits(&serve.limits),
        insecure: serve.insecure,
        manager: config::Manager::from_environment(),
    };
    let audit = serve.audit_log;
    let (threads, crash_at, format) = (serve.threads, serve.crash_at, serve.log_format);
    Ok(Job::Serve(Box::new(Service { config, threads, crash_at, filter, format, audit, named_tokens })))
}

fn client_limits(limits: &Limits) -> config::ClientLimits {
    let bytes = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let seconds = |number: u32| Duration::from_secs(number.into());
    config::ClientLimits {
        message_bytes: bytes(limits.message_bytes),
        msgpack_message_bytes: bytes(limits.msgpack_message_bytes),
        outbound_bytes: bytes(limits.outbound_bytes),
        json_depth: bytes(limits.json_depth),
        handshake_timeout: seconds(limits.handshake_timeout),
        ping_interval: seconds(limits.ping_interval),
        pong_timeout: seconds(limits.pong_timeout),
    }
}

fn check_token(token: TokenArgs, json: bool) -> Result<Job, clap::Error> {
    let file = match token.tokens {
        Some(file) => file,
        None => data_dir(token.data)?.join(tokens::FILE_NAME),
    };
    Ok(Job::Token(TokenWork { file, command: token.command, json }))
}

/// The directory that was named, or else the usual one.
fn data_dir(named: Option<PathBuf>) -> Result<PathBuf, clap::Error> {
    named.or_else(|| state_dir(|name| std::env::var_os(name))).ok_or_else(|| {
        let message = "there is no home directory to keep the state in: say where with --data DIR or FLUMEN_DATA";
        wrong(ErrorKind::MissingRequiredArgument, message)
    })
}

/// The classes, some of them with a limit that their flows share.
fn limited(mut classes: ClassTable, limits: Vec<(String, RateLimit)>) -> Result<ClassTable, clap::Error> {
    for (name, rate) in limits {
        let class = classes.get(&name).map_err(|error| {
            wrong(ErrorKind::ValueValidation, format!("invalid value for '--class-limit <TYPE=KBPS[:KB]>': {error}"))
        })?;
        classes.put(TrafficClass { limit: Some(ClassLimit { rate, exceed: Exceed::Drop }), ..class.clone() });
    }
    Ok(classes)
}

/// Where programs keep their state, by the XDG base directory specification: it wants relative paths ignored.
fn state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("flumen"))
}

fn connection(global: &Global) -> Result<Connection, clap::Error> {
    Ok(Connection { url: url(global)?, token: token(global)?, ca: global.ca.clone(), retries: global.retries })
}

fn watch(watch: args::Watch, global: &Global) -> Result<Watch, clap::Error> {
    let args::Watch { topics, interval_ms, count } = watch;
    let all_but_stats = || Topic::ALL.iter().copied().filter(|topic| *topic != Topic::Stats).collect();
    let mut named = topics;
    named.sort_unstable();
    named.dedup();
    let topics = if named.is_empty() { all_but_stats() } else { named };
    Ok(Watch { connection: connection(global)?, topics, interval_ms, count, json: global.json })
}

fn top(typed: &args::Top, global: &Global) -> Result<Top, clap::Error> {
    if global.json {
        return Err(wrong(
            ErrorKind::ArgumentConflict,
            "'flumen top' has no --json: 'flumen watch --topic stats --json' has",
        ));
    }
    Ok(Top { connection: connection(global)?, interval_ms: typed.interval_ms })
}

/// Checked only when a daemon is asked: a wrong FLUMEN_URL is no reason not to run the demonstration.
fn url(global: &Global) -> Result<Url, clap::Error> {
    let wrong_url = |error| format!("invalid value '{}' for '--url <URL>' (or FLUMEN_URL): {error}", global.url);
    global.url.parse().map_err(|error: UrlError| wrong(ErrorKind::ValueValidation, wrong_url(error)))
}

/// The token in the file that was named, or else in the environment.
fn token(global: &Global) -> Result<Option<Token>, clap::Error> {
    let (place, text) = match &global.token_file {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => (path.display().to_string(), text),
            Err(error) => {
                let message = format!("cannot read the token in {}: {error}", path.display());
                return Err(wrong(ErrorKind::Io, message));
            }
        },
        None => match std::env::var_os("FLUMEN_TOKEN").filter(|token| !token.is_empty()) {
            // What is not UTF-8 is no token in its lossy form either.
            Some(text) => ("FLUMEN_TOKEN".to_owned(), text.to_string_lossy().into_owned()),
            None => return Ok(None),
        },
    };
    let parsed = Token::from_str(&text);
    parsed.map(Some).map_err(|error| wrong(ErrorKind::ValueValidation, format!("no usable token in {place}: {error}")))
}

/// A rule between fields of the contract that the options break: `source_port` is `--source-port` here.
fn broken_rule(invalid: Invalid) -> clap::Error {
    let Invalid { path, message } = invalid;
    let field = path.split(['[', '.']).next().unwrap_or_default();
    let option = match field {
        "nodes" => "--node".to_owned(),
        "queues" => "--queue".to_owned(),
        field => format!("--{}", field.replace('_', "-")),
    };
    let message =
        message.strip_prefix(path.as_str()).map_or(message.clone(), |predicate| format!("{option}{predicate}"));
    wrong(ErrorKind::ValueValidation, message)
}

fn wrong(kind: ErrorKind, message: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(kind, format!("{message}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_state_is_kept_where_xdg_says() {
        assert_eq!(dir(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/flumen".into()));
        assert_eq!(dir(&[("HOME", "/h")]), Some("/h/.local/state/flumen".into()));
    }

    #[test]
    fn a_relative_state_home_is_ignored() {
        assert_eq!(dir(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), Some("/h/.local/state/flumen".into()));
        assert_eq!(dir(&[("XDG_STATE_HOME", ""), ("HOME", "")]), None);
    }
}
