//! EXPERIMENTER: what others define (section 7.5.4).

use bytes::Bytes;

/// A message that an experimenter defines, byte for byte.
#[doc(alias = "ofp_experimenter_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experimenter {
    /// The experimenter: an IEEE OUI, or a number that the ONF gave out.
    pub experimenter: u32,
    /// The type, in the space of the experimenter.
    pub exp_type: u32,
    /// What follows.
    pub data: Bytes,
}
