//! Meters, and what METER_MOD does to them. They count nothing, because no packet comes.

use std::collections::BTreeMap;
use std::time::Instant;

use openflow::{
    Band, BandKind, ErrorCode, FlowRemovedReason, MeterConfig, MeterFlags, MeterId, MeterMod, MeterModCommand,
};

use super::change::Changes;
use super::datapath::Datapath;
use super::program;

/// How many bands a meter of this switch can have, as in Open vSwitch.
pub(super) const MAX_BANDS: u8 = 8;

/// A meter, but for its number.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    flags: MeterFlags,
    pub(super) bands: Vec<Band>,
    pub(super) created: Instant,
}

impl Meter {
    pub(super) fn describe(&self, meter_id: MeterId) -> MeterConfig {
        MeterConfig { flags: self.flags, meter_id, bands: self.bands.clone() }
    }
}

/// The meters of a switch, by number.
pub(super) type MeterTable = BTreeMap<MeterId, Meter>;

impl Datapath {
    /// Carries out a METER_MOD.
    pub(super) fn modify_meters(
        &mut self,
        mut request: MeterMod,
        now: Instant,
        changes: &mut Changes,
    ) -> Result<(), ErrorCode> {
        let meter_id = request.meter_id;
        let deletes = request.command == MeterModCommand::Delete;
        let real = (MeterId(1)..=MeterId::MAX).contains(&meter_id);
        let all = deletes && meter_id == MeterId::ALL;
        if !(real || all) {
            return Err(ErrorCode::METER_MOD_FAILED_INVALID_METER);
        }
        if !deletes {
            self.check_meter(&request)?;
            // Without OFPMF_BURST the burst size means nothing (section 7.3.4.5); Open vSwitch then says what passes in
            // a second.
            if !request.flags.contains(MeterFlags::BURST) {
                request.bands.iter_mut().for_each(|band| band.burst_size = band.rate);
            }
        }
        match request.command {
            MeterModCommand::Add if self.meters.contains_key(&meter_id) => {
                Err(ErrorCode::METER_MOD_FAILED_METER_EXISTS)
            }
            MeterModCommand::Add if self.meters.len() >= self.config.meter_limit => {
                Err(ErrorCode::METER_MOD_FAILED_OUT_OF_METERS)
            }
            MeterModCommand::Modify if !self.meters.contains_key(&meter_id) => {
                Err(ErrorCode::METER_MOD_FAILED_UNKNOWN_METER)
            }
            MeterModCommand::Add if !self.config.keeps_meters => Ok(()),
            MeterModCommand::Add | MeterModCommand::Modify => {
                let created = self.meters.get(&meter_id).map_or(now, |meter| meter.created);
                self.meters.insert(meter_id, Meter { flags: request.flags, bands: request.bands, created });
                Ok(())
            }
            MeterModCommand::Delete => {
                let doomed = |id: &MeterId| all || *id == meter_id;
                self.meters.retain(|id, _| !doomed(id));
                // The flows that use a meter go with it.
                let uses = |entry: &super::flow_table::FlowEntry| {
                    program::meters(&entry.instructions).any(|used| doomed(&used))
                };
                self.remove_flows(FlowRemovedReason::Delete, uses, changes);
                Ok(())
            }
        }
    }

    /// Whether a meter can be like this.
    fn check_meter(&self, request: &MeterMod) -> Result<(), ErrorCode> {
        if request.flags.contains(MeterFlags::KBPS | MeterFlags::PKTPS) {
            return Err(ErrorCode::METER_MOD_FAILED_BAD_FLAGS);
        }
        if request.bands.len() > usize::from(MAX_BANDS) {
            return Err(ErrorCode::METER_MOD_FAILED_OUT_OF_BANDS);
        }
        let known = request.bands.iter().all(|band| match band.kind {
            BandKind::Drop => true,
            BandKind::DscpRemark { .. } => self.config.dscp_remark_bands,
            BandKind::Experimenter { .. } => false,
        });
        known.then_some(()).ok_or(ErrorCode::METER_MOD_FAILED_BAD_BAND)
    }
}
