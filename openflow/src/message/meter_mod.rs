//! METER_MOD: add, change or delete meters (section 7.3.4.5).

use bytes::BytesMut;
use std::ops::BitOr;

use crate::band::Band;
use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::macros::{wire_enum, wire_struct};
use crate::number::MeterId;
use crate::wire::{Parsed, Wire, encode_all, within};

/// Adds, changes or deletes a meter.
#[doc(alias = "ofp_meter_mod")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterModCommand,
    /// What the rates of the bands mean.
    pub flags: MeterFlags,
    /// The meter.
    pub meter_id: MeterId,
    /// What it does above which rates.
    pub bands: Vec<Band>,
}

wire_enum! {
    /// What a [`MeterMod`] does.
    #[doc(alias = "ofp_meter_mod_command")]
    pub enum MeterModCommand: u16, closed ErrorCode::METER_MOD_FAILED_BAD_COMMAND => {
        /// Add the meter.
        #[doc(alias = "OFPMC_ADD")]
        Add = 0,
        /// Change the meter.
        #[doc(alias = "OFPMC_MODIFY")]
        Modify = 1,
        /// Delete the meter, and the flows that use it.
        #[doc(alias = "OFPMC_DELETE")]
        Delete = 2,
    }
}

wire_struct! {
    /// What the rates of a meter mean, a bit each.
    #[doc(alias = "ofp_meter_flags")]
    pub struct MeterFlags(u16);
}

impl MeterFlags {
    /// Rates are kbit/s.
    #[doc(alias = "OFPMF_KBPS")]
    pub const KBPS: Self = Self(1 << 0);
    /// Rates are packets per second.
    #[doc(alias = "OFPMF_PKTPS")]
    pub const PKTPS: Self = Self(1 << 1);
    /// The burst sizes of the bands count.
    #[doc(alias = "OFPMF_BURST")]
    pub const BURST: Self = Self(1 << 2);
    /// Count packets and bytes.
    #[doc(alias = "OFPMF_STATS")]
    pub const STATS: Self = Self(1 << 3);

    /// Whether all of these bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for MeterFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Wire for MeterMod {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("ofp_meter_mod"), input, |input| {
            let (input, command) = MeterModCommand::decode(input)?;
            let (input, flags) = MeterFlags::decode(input)?;
            let (input, meter_id) = MeterId::decode(input)?;
            let bands = Band::list(input)?;
            Ok((&[], Self { command, flags, meter_id, bands }))
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        self.command.encode(out);
        self.flags.encode(out);
        self.meter_id.encode(out);
        encode_all(&self.bands, out);
    }
}
