//! Bands: what a meter does above a rate (section 7.3.4.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{DecodeError, Structure};
use crate::error_code::ErrorCode;
use crate::wire::{Element, Parsed, Wire, list, measured, refuse, skip};

/// What a meter does above a rate.
#[doc(alias = "ofp_meter_band_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// The rate above which it acts, in kbit/s or packets per second.
    pub rate: u32,
    /// How far above for a moment, in kbit or packets.
    pub burst_size: u32,
    /// What it does.
    pub kind: BandKind,
}

/// What a [`Band`] does.
#[doc(alias = "ofp_meter_band_type")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BandKind {
    /// Drop the packet.
    #[doc(alias = "ofp_meter_band_drop")]
    Drop,
    /// Raise the drop precedence of the differentiated services code point.
    #[doc(alias = "ofp_meter_band_dscp_remark")]
    DscpRemark {
        /// By how many levels.
        prec_level: u8,
    },
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "ofp_meter_band_experimenter")]
    Experimenter {
        /// The experimenter.
        experimenter: u32,
        /// What follows.
        data: Bytes,
    },
}

impl Band {
    /// Reads a list of bands that fills the whole of `input`.
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<DecodeError>> {
        list(input, Element::tlv(Structure::request("ofp_meter_band_header"), 16), Self::decode)
    }
}

impl Wire for Band {
    /// Reads one band that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, band_type) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let (input, rate) = u32::decode(input)?;
        let (input, burst_size) = u32::decode(input)?;
        let (input, kind) = match band_type {
            1 => skip(input, 4).map(|(input, ())| (input, BandKind::Drop))?,
            2 => {
                let (input, prec_level) = u8::decode(input)?;
                let (input, ()) = skip(input, 3)?;
                (input, BandKind::DscpRemark { prec_level })
            }
            0xffff => {
                let (data, experimenter) = u32::decode(input)?;
                (&[][..], BandKind::Experimenter { experimenter, data: Bytes::copy_from_slice(data) })
            }
            _ => return refuse(input, ErrorCode::METER_MOD_FAILED_BAD_BAND),
        };
        Ok((input, Self { rate, burst_size, kind }))
    }

    fn encode(&self, out: &mut BytesMut) {
        let band_type: u16 = match self.kind {
            BandKind::Drop => 1,
            BandKind::DscpRemark { .. } => 2,
            BandKind::Experimenter { .. } => 0xffff,
        };
        measured(out, 2, |out| {
            out.put_u32(u32::from(band_type) << 16);
            self.rate.encode(out);
            self.burst_size.encode(out);
            match &self.kind {
                BandKind::Drop => out.put_bytes(0, 4),
                BandKind::DscpRemark { prec_level } => out.put_u32(u32::from(*prec_level) << 24),
                BandKind::Experimenter { experimenter, data } => {
                    experimenter.encode(out);
                    out.put_slice(data);
                }
            }
        });
    }
}
