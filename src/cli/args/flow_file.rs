//! `flumen flow apply`, `diff` and `export` as typed.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::super::flow_file::{Form, SetName};
use super::words;
use crate::contract::{Atomic, NodeName, OnConflict, Wait};

pub(super) const APPLY_EXAMPLES: &str = "\
Examples:
  flumen flow apply -f campus.yaml
  flumen flow apply -f campus.yaml --dry-run
  flumen flow apply -f campus.yaml --prune --atomic node
  ovs-ofctl -O OpenFlow13 dump-flows br0 | grep -v priority=0 | flumen flow apply -f - --format flows --node s1

A file, campus.yaml:
  flows:
    - {source: 10.0.1.0/24, destination: 10.0.2.0/24, traffic_type: voice}
    - {source: any, destination: 10.0.9.7, traffic_type: bulk, protocol: tcp,
       destination_port: 8000-8999, nodes: [s1, s2]}

The same as CSV, and as a line of ovs-ofctl, whose mark names the class:
  source,destination,traffic_type,protocol,destination_port,nodes
  any,10.0.9.7,bulk,tcp,8000-8999,s1 s2

  priority=46000,ip,nw_src=10.0.1.0/24,actions=set_field:46->ip_dscp,set_queue:6,NORMAL

A flow without flow_id gets one that is made of what it asks: applying the same file again does nothing twice.";

pub(super) const DIFF_EXAMPLES: &str = "\
A line of the output begins with
  +  a flow that the file has and the daemon has not
  -  a flow that the daemon has and the file has not
  ~  a flow of this id that is not as the file has it
  !  a flow that is as the file has it, and not applied

Exit status: 0 the same, 1 different, 2 wrong usage, 3 the daemon cannot be reached";

#[derive(Debug, clap::Args)]
pub(crate) struct FlowFile {
    /// File with the flows that are wanted; "-" is standard input
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// How the file is written; left out: as its name ends (.json, .yaml, .yml, .csv, .flows, .txt)
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Form>,
    /// Node for the flows that name none, can be given several times
    #[arg(long = "node", value_name = "NAME")]
    pub(crate) nodes: Vec<NodeName>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyFlows {
    #[command(flatten)]
    pub(crate) file: FlowFile,
    /// What must succeed together: nothing, all flows of a switch, or all of them
    #[arg(long, value_name = "WHAT", default_value = "none", value_parser = words(Atomic::ALL, Atomic::as_str))]
    pub(crate) atomic: Atomic,
    /// Only show what would be sent, and every conflict
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take the places of rules with the same table, priority and match
    #[arg(long)]
    pub(crate) replace: bool,
    /// What to do when a flow hides another rule, or is hidden by one
    #[arg(long, value_name = "WHAT", value_parser = words(OnConflict::ALL, OnConflict::as_str))]
    pub(crate) on_conflict: Option<OnConflict>,
    /// Name that the made ids begin with
    #[arg(long, value_name = "NAME", default_value = "apply")]
    pub(crate) set: SetName,
    /// Remove the flows whose ids were made for this set and that the file no longer has
    #[arg(long)]
    pub(crate) prune: bool,
    /// What to wait for: applied by the switches, or only accepted by the daemon
    #[arg(long, value_name = "FOR", value_parser = words(Wait::ALL, Wait::as_str))]
    pub(crate) wait: Option<Wait>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffFlows {
    #[command(flatten)]
    pub(crate) file: FlowFile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportFlows {
    /// How to write them
    #[arg(long, value_name = "FORM", default_value = "yaml", value_parser = document_form())]
    pub(crate) format: Form,
    /// Only flows on this node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<NodeName>,
    /// Only flows of this class of traffic
    #[arg(long, value_name = "CLASS")]
    pub(crate) traffic_type: Option<String>,
}

/// A flow is a request, which has no form in the syntax of ovs-ofctl: that would be its rules.
fn document_form() -> impl TypedValueParser<Value = Form> {
    PossibleValuesParser::new(["json", "yaml", "csv"]).try_map(|form| Form::from_str(&form, false))
}
