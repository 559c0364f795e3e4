//! `flumen emulate`: switches in memory that dial a controller.

use std::time::Duration;

use openflow::DatapathId;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::args::Emulate;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::emulator::{Fleet, SwitchConfig};
use crate::shutdown;

/// How often is counted who is connected.
const COUNT: Duration = Duration::from_millis(500);

/// Runs the switches until a signal comes; says whenever their number of connections has changed.
pub(super) async fn run(emulate: Emulate, output: &mut Output) -> Result<Exit, Failure> {
    let Emulate { connect, switches, datapath_id, ports, table_limit, faults } = emulate;
    if datapath_id.0.checked_add(u64::from(switches) - 1).is_none() {
        return Err(Failure::new(Exit::Usage, format!("there are no {switches} datapath ids from {datapath_id} on")));
    }
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())
        .map_err(|error| Failure::new(Exit::No, format!("cannot listen for signals: {error}")))?;
    let template = SwitchConfig { table_limit: table_limit as usize, ..SwitchConfig::new(DatapathId(datapath_id.0)) };
    let fleet = Fleet::misbehaving(&connect, switches.into(), &template.with_ports(ports.into()), &faults, &stop);
    stop.run_until_cancelled(report(&fleet, &connect, output)).await;
    fleet.stopped().await;
    Ok(Exit::Done)
}

async fn report(fleet: &Fleet, controller: &str, output: &Output) {
    let mut ticks = interval(COUNT);
    let mut before = None;
    loop {
        let connected = fleet.state().connected;
        if before.replace(connected) != Some(connected) {
            output.note(format_args!("{connected} of {} switches connected to {controller}", fleet.switches().len()));
        }
        ticks.tick().await;
    }
}
