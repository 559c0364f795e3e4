//! `flumen flow export`: the daemon's flows as a file that `flumen flow apply` takes.

use super::ask::all_flows;
use super::asked::{is_wanted, request};
use super::exit::{Exit, Failure};
use super::flow_file::{Form, write_document, write_table};
use super::output::Output;
use crate::client::Client;
use crate::contract::{InstallFlow, ListFlows};

/// Writes every flow that is wanted, in the order of the list.
pub(super) async fn run(client: &Client, list: ListFlows, form: Form, output: &mut Output) -> Result<Exit, Failure> {
    let flows = all_flows(client, list).await?;
    let wanted: Vec<InstallFlow> = flows.iter().filter(|flow| is_wanted(flow.state)).map(request).collect();
    let text = match form {
        Form::Csv => write_table(&wanted),
        Form::Json | Form::Yaml | Form::Flows => write_document(&wanted, form),
    };
    output.data(text.map_err(|what| Failure::new(Exit::No, what))?)?;
    Ok(Exit::Done)
}
