//! EXPERIMENTER: what others define (section 7.5.4), and what of it is known here.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::message::{BundleAdd, BundleControl, FlowMonitorCancel};
use crate::wire::{Parsed, Wire, refuse, within};

/// The Open Networking Foundation, which defines bundles and flow monitors.
#[doc(alias = "ONF_VENDOR_ID")]
pub(crate) const ONF: u32 = 0x4f4e_4600;

/// The type of [`Experimenter::FlowMonitorPaused`].
const PAUSED: u32 = 1871;

/// The type of [`Experimenter::FlowMonitorResumed`].
const RESUMED: u32 = 1872;

/// A message that an experimenter defines.
#[doc(alias = "ofp_experimenter_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Experimenter {
    /// Open, close, commit or discard a bundle.
    BundleControl(BundleControl),
    /// Add a message to a bundle.
    BundleAdd(BundleAdd),
    /// Stop a flow monitor.
    FlowMonitorCancel(FlowMonitorCancel),
    /// The switch has stopped to send updates, because the connection is congested.
    #[doc(alias = "ONFT_FLOW_MONITOR_PAUSED")]
    FlowMonitorPaused,
    /// The switch sends updates again; it has sent what was missed.
    #[doc(alias = "ONFT_FLOW_MONITOR_RESUMED")]
    FlowMonitorResumed,
    /// Anything else, byte for byte.
    Other(RawExperimenter),
}

/// A message that nobody here knows, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawExperimenter {
    /// The experimenter: an IEEE OUI, or a number that the ONF gave out.
    pub experimenter: u32,
    /// The type, in the space of the experimenter.
    pub exp_type: u32,
    /// What follows.
    pub data: Bytes,
}

impl Experimenter {
    /// Reads the message; inside a bundle there is no further bundle.
    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes, bundled: bool) -> Parsed<'a, Self> {
        within(Structure::request("ofp_experimenter_header"), input, |input| {
            let (rest, experimenter) = u32::decode(input)?;
            let (rest, exp_type) = u32::decode(rest)?;
            match (experimenter, exp_type) {
                (ONF, BundleControl::EXP_TYPE) => {
                    BundleControl::decode(rest).map(|(rest, control)| (rest, Self::BundleControl(control)))
                }
                // A bundle in a bundle in a bundle would be decoded by a recursion as deep as the peer wants.
                (ONF, BundleAdd::EXP_TYPE) if bundled => refuse(input, ErrorCode::BAD_REQUEST_BAD_EXP_TYPE),
                (ONF, BundleAdd::EXP_TYPE) => {
                    BundleAdd::decode(rest, frame).map(|(rest, add)| (rest, Self::BundleAdd(add)))
                }
                (ONF, FlowMonitorCancel::EXP_TYPE) => {
                    FlowMonitorCancel::decode(rest).map(|(rest, cancel)| (rest, Self::FlowMonitorCancel(cancel)))
                }
                (ONF, PAUSED) => Ok((rest, Self::FlowMonitorPaused)),
                (ONF, RESUMED) => Ok((rest, Self::FlowMonitorResumed)),
                _ => {
                    let data = frame.slice_ref(rest);
                    Ok((&[][..], Self::Other(RawExperimenter { experimenter, exp_type, data })))
                }
            }
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let (experimenter, exp_type) = match self {
            Self::BundleControl(_) => (ONF, BundleControl::EXP_TYPE),
            Self::BundleAdd(_) => (ONF, BundleAdd::EXP_TYPE),
            Self::FlowMonitorCancel(_) => (ONF, FlowMonitorCancel::EXP_TYPE),
            Self::FlowMonitorPaused => (ONF, PAUSED),
            Self::FlowMonitorResumed => (ONF, RESUMED),
            Self::Other(other) => (other.experimenter, other.exp_type),
        };
        experimenter.encode(out);
        exp_type.encode(out);
        match self {
            Self::BundleControl(control) => control.encode(out),
            Self::BundleAdd(add) => add.encode(out),
            Self::FlowMonitorCancel(cancel) => cancel.encode(out),
            Self::FlowMonitorPaused | Self::FlowMonitorResumed => {}
            Self::Other(other) => out.put_slice(&other.data),
        }
    }
}
