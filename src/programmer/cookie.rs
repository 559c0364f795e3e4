//! Whose rule it is: cookies, and the tokens that bring a switch's answers back to their flows.
//!
//! A cookie is 64 bits: the 16-bit tag of this installation, then the 48-bit number of the flow. Numbers are never used
//! twice, so a rule on a switch names its flow for ever; number 0 is the table-miss rule. Nothing outside the tag is
//! ever changed.

use std::fmt;

use openflow::{MeterId, MeterMod, MeterModCommand};

use crate::session::Token;

const NUMBER_BITS: u32 = 48;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

/// The number of a flow, unique for the life of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FlowNumber(u64);

impl FlowNumber {
    /// The table-miss rule.
    pub(super) const TABLE_MISS: Self = Self(0);
    /// No number is greater.
    pub(super) const GREATEST: Self = Self(NUMBER_MASK);

    /// The flow with this number; `None` beyond 48 bits.
    pub(super) fn new(number: u64) -> Option<Self> {
        (number <= NUMBER_MASK).then_some(Self(number))
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }

    /// The meter that a token of [`meter_token`] is about.
    pub(super) fn meter_id(self) -> MeterId {
        MeterId(u32::try_from(self.0).unwrap_or(u32::MAX))
    }
}

/// The mark of this installation in every cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u16);

impl Tag {
    /// Masks everything but the tag of a cookie.
    pub(super) const MASK: u64 = !NUMBER_MASK;

    pub(super) fn cookie(self, number: FlowNumber) -> u64 {
        u64::from(self.0) << NUMBER_BITS | number.0
    }

    /// The flow that a cookie names, if the cookie is ours.
    pub(super) fn number(self, cookie: u64) -> Option<FlowNumber> {
        (cookie >> NUMBER_BITS == u64::from(self.0)).then_some(FlowNumber(cookie & NUMBER_MASK))
    }
}

/// A cookie as the contract writes it.
pub(super) struct Hex(pub(super) u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

/// What a FLOW_MOD or METER_MOD was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Put a rule of a flow there.
    Install,
    /// Take a rule of a flow away because the flow is to go.
    Remove,
    /// Take a rule of a flow away because another rule of it was refused.
    Undo,
    /// Write or delete the table-miss rule.
    TableMiss,
    /// Delete what is ours and belongs to no flow.
    Sweep,
    /// Delete all that is ours.
    Wipe,
    /// [`Purpose::Install`] as part of a bundle.
    Bundled,
    /// [`Purpose::TableMiss`] and [`Purpose::Sweep`] as part of a bundle.
    BundledOther,
    /// [`Purpose::Install`] as one of many that go in a bundle because that costs the switch less.
    Bulk,
    /// The bundle of an atom, which goes by its first flow.
    Atom,
    /// Put a meter there. The number is the meter's, in this and the next two.
    AddMeter,
    /// Make a meter what it is to be.
    ChangeMeter,
    /// Take a meter away.
    DeleteMeter,
}

impl Purpose {
    const ALL: [Self; 13] = [
        Self::Install,
        Self::Remove,
        Self::Undo,
        Self::TableMiss,
        Self::Sweep,
        Self::Wipe,
        Self::Bundled,
        Self::BundledOther,
        Self::Bulk,
        Self::Atom,
        Self::AddMeter,
        Self::ChangeMeter,
        Self::DeleteMeter,
    ];

    /// Whether it goes out in a bundle.
    pub(super) fn is_bundled(self) -> bool {
        matches!(self, Self::Bundled | Self::BundledOther | Self::Bulk)
    }
}

/// A FLOW_MOD's purpose and flow as a session token: 16 bits of purpose, 48 of number.
pub(super) fn token(purpose: Purpose, number: FlowNumber) -> Token {
    Token((purpose as u64) << NUMBER_BITS | number.0)
}

/// The same for a METER_MOD.
pub(super) fn meter_token(request: &MeterMod) -> Token {
    let purpose = match request.command {
        MeterModCommand::Add => Purpose::AddMeter,
        MeterModCommand::Modify => Purpose::ChangeMeter,
        MeterModCommand::Delete => Purpose::DeleteMeter,
    };
    token(purpose, FlowNumber(request.meter_id.0.into()))
}

/// Whether a FLOW_MOD is of a large batch.
pub(super) fn is_bulk(token: Token) -> bool {
    matches!(from_token(token), Some((Purpose::Bulk, _)))
}

/// What [`token`] made; `None` for a token of another kind.
pub(super) fn from_token(token: Token) -> Option<(Purpose, FlowNumber)> {
    let at = usize::try_from(token.0 >> NUMBER_BITS).ok()?;
    Some((*Purpose::ALL.get(at)?, FlowNumber(token.0 & NUMBER_MASK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_names_its_flow_only_under_its_own_tag() {
        let number = FlowNumber::new(NUMBER_MASK).unwrap();
        let cookie = Tag(0xf1a0).cookie(number);
        assert_eq!(cookie, 0xf1a0_ffff_ffff_ffff);
        assert_eq!(Tag(0xf1a0).number(cookie), Some(number));
        assert_eq!(Tag(0xf1a1).number(cookie), None);
        assert_eq!(FlowNumber::new(NUMBER_MASK + 1), None);
    }

    #[test]
    fn a_token_brings_back_what_it_was_made_of() {
        for purpose in Purpose::ALL {
            for number in [0, 1, NUMBER_MASK] {
                let number = FlowNumber::new(number).unwrap();
                assert_eq!(from_token(token(purpose, number)), Some((purpose, number)));
            }
        }
        assert_eq!(from_token(Token(u64::MAX)), None);
    }
}
