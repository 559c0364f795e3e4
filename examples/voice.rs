//! Lets voice go first between two subnets, and tells what becomes of it: `cargo run --example voice [URL]`.
//!
//! Needs a daemon with at least one node. `FLUMEN_TOKEN` is shown where it is set.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use flumen::client::{Client, Config};
use flumen::contract::{Command, EventPayload, InstallFlow, Reply, Subscribe, Topic};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8653".to_owned());
    let token = std::env::var("FLUMEN_TOKEN").ok().map(|token| token.parse()).transpose()?;
    let client = Client::connect(Config { token, ..Config::new(url.parse()?) }).await?;
    println!("{}", let_voice_go_first(&client).await?);
    client.close().await;
    Ok(())
}

/// Installs the flow, waits for the event that says the same, and returns what became of it.
pub(crate) async fn let_voice_go_first(client: &Client) -> Result<String, Box<dyn Error>> {
    // Events that come before they are read wait; a daemon that goes away and comes back goes on where it was.
    let mut events = client.events().ok_or("the client has ended")?;
    client.call(&Command::Subscribe(Subscribe::to([Topic::Flows]))).await?;

    let voice = InstallFlow {
        flow_id: Some("example-voice".parse()?),
        bidirectional: true,
        ..InstallFlow::new("10.0.1.0/24".parse()?, "10.0.2.0/24".parse()?, "voice".to_owned())
    };
    let Reply::Flow { flow } = client.call(&Command::InstallFlow(Box::new(voice))).await? else {
        return Err("the answer to InstallFlow is a flow".into());
    };
    loop {
        match events.recv().await.ok_or("the client has ended")?.payload {
            EventPayload::Flow { flow: told } if told.flow_id == flow.flow_id && told.state == flow.state => break,
            EventPayload::Gap { .. } => break,
            _ => {}
        }
    }
    let round_trip = client.counters().round_trip.map(|time| format!(", {time:?} away")).unwrap_or_default();
    Ok(format!("{} is {} on {} nodes{round_trip}", flow.flow_id, flow.state, flow.nodes.len()))
}
