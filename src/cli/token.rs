//! `flumen token`: the token file, without a daemon.

use std::path::PathBuf;

use super::args::TokenCommand;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Cell, Table};
use crate::tokens::{Holder, Tokens, TokensError};

/// What is to be done with which file.
#[derive(Debug)]
pub(super) struct TokenWork {
    pub(super) file: PathBuf,
    pub(super) command: TokenCommand,
    pub(super) json: bool,
}

/// Does it.
pub(super) fn run(work: TokenWork, output: &mut Output) -> Result<Exit, Failure> {
    let TokenWork { file, command, json } = work;
    let failed = |error: TokensError| Failure::new(Exit::No, error.to_string());
    let load = || Tokens::load(&file).map_err(failed);
    match command {
        TokenCommand::Add { name, role } => {
            let token = Tokens::change(&file, |tokens| tokens.add(name, role)).map_err(failed)?;
            output.line(&token)?;
        }
        TokenCommand::Revoke { name } => {
            Tokens::change(&file, |tokens| tokens.revoke(&name)).map_err(failed)?;
            output.data(format!("{name} revoked\n"))?;
        }
        TokenCommand::List if json => {
            let view = |holder: &Holder| serde_json::json!({"name": holder.name, "role": holder.role, "created": holder.created});
            let list: Vec<_> = load()?.iter().map(view).collect();
            output.line(serde_json::json!({ "tokens": list }))?;
        }
        TokenCommand::List => {
            let tokens = load()?;
            if tokens.is_empty() {
                output.note(format_args!("No tokens in {}. 'flumen token add NAME' makes one.", file.display()));
                return Ok(Exit::Done);
            }
            let mut table = Table::new(&["NAME", "ROLE", "CREATED"]);
            for holder in tokens.iter() {
                table.row([Cell::from(&holder.name), Cell::from(holder.role), Cell::from(holder.created)]);
            }
            output.data(table.render(output))?;
        }
    }
    Ok(Exit::Done)
}
