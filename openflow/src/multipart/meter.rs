//! METER, METER_CONFIG and METER_FEATURES: what meters count, what they are and what they can be (sections 7.3.5.12 to
//! 7.3.5.14).

use bytes::{BufMut, BytesMut};

use crate::band::Band;
use crate::error::Structure;
use crate::macros::wire_struct;
use crate::message::MeterFlags;
use crate::number::MeterId;
use crate::wire::{Element, Parsed, Wire, encode_all, fixed_list, length_at, measured, skip};

wire_struct! {
    /// Which meters to report.
    #[doc(alias = "ofp_meter_multipart_request")]
    pub struct MeterRequest in Structure::request("ofp_meter_multipart_request") => {
        /// The meter, or [`MeterId::ALL`].
        pub meter_id: MeterId, pad 4;
    }
}

/// The counters of a meter.
#[doc(alias = "ofp_meter_stats")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterStats {
    /// The meter.
    pub meter_id: MeterId,
    /// The flows that use it.
    pub flow_count: u32,
    /// The packets that went in.
    pub packet_in_count: u64,
    /// The bytes that went in.
    pub byte_in_count: u64,
    /// How long it lives: the seconds.
    pub duration_sec: u32,
    /// And the nanoseconds beyond them.
    pub duration_nsec: u32,
    /// The counters of each of its bands.
    pub band_stats: Vec<BandStats>,
}

wire_struct! {
    /// The counters of a band.
    #[doc(alias = "ofp_meter_band_stats")]
    pub struct BandStats in Structure::request("ofp_meter_band_stats") => {
        /// The packets that were above its rate.
        pub packet_band_count: u64;
        /// The bytes that were above its rate.
        pub byte_band_count: u64;
    }
}

/// What a meter is.
#[doc(alias = "ofp_meter_config")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterConfig {
    /// What the rates of the bands mean.
    pub flags: MeterFlags,
    /// The meter.
    pub meter_id: MeterId,
    /// What it does above which rates.
    pub bands: Vec<Band>,
}

wire_struct! {
    /// What meters a switch can have.
    #[doc(alias = "ofp_meter_features")]
    pub struct MeterFeatures in Structure::request("ofp_meter_features") => {
        /// How many.
        pub max_meter: u32;
        /// The types of bands, a bit for each type.
        pub band_types: u32;
        /// The flags, a bit for each of [`MeterFlags`].
        pub capabilities: u32;
        /// How many bands a meter can have.
        pub max_bands: u8;
        /// How many colours.
        pub max_color: u8, pad 2;
    }
}

impl MeterStats {
    /// The shape of a meter in a reply: its length stands behind its number.
    pub(crate) const ELEMENT: Element =
        Element { length: length_at::<4>, ..Element::tlv(Structure::request("ofp_meter_stats"), 40) };
}

impl Wire for MeterStats {
    /// Reads one meter that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, meter_id) = MeterId::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let (input, ()) = skip(input, 6)?;
        let (input, flow_count) = u32::decode(input)?;
        let (input, packet_in_count) = u64::decode(input)?;
        let (input, byte_in_count) = u64::decode(input)?;
        let (input, duration_sec) = u32::decode(input)?;
        let (input, duration_nsec) = u32::decode(input)?;
        let band_stats = fixed_list(input)?;
        let stats =
            Self { meter_id, flow_count, packet_in_count, byte_in_count, duration_sec, duration_nsec, band_stats };
        Ok((&[], stats))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 4, |out| {
            self.meter_id.encode(out);
            out.put_bytes(0, 8);
            self.flow_count.encode(out);
            self.packet_in_count.encode(out);
            self.byte_in_count.encode(out);
            self.duration_sec.encode(out);
            self.duration_nsec.encode(out);
            encode_all(&self.band_stats, out);
        });
    }
}

impl MeterConfig {
    /// The shape of a meter in a reply.
    pub(crate) const ELEMENT: Element = Element::led_by_length(Structure::request("ofp_meter_config"), 8);
}

impl Wire for MeterConfig {
    /// Reads one meter that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, flags) = MeterFlags::decode(input)?;
        let (input, meter_id) = MeterId::decode(input)?;
        let bands = Band::list(input)?;
        Ok((&[], Self { flags, meter_id, bands }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 2);
            self.flags.encode(out);
            self.meter_id.encode(out);
            encode_all(&self.bands, out);
        });
    }
}
