//! Rate limits, and the meters that enforce them.
//!
//! Who shares a meter: every rule of one flow on a switch does, both directions and both families of it, because the
//! limit is the flow's and not a rule's. A limit that a request brings is that flow's own. One that a class has is
//! shared by all flows of the class on a switch that bring none: together they get what the class may have there.
//! Every switch meters for itself. What is dropped anyway needs no meter.

use openflow::{Band, BandKind, Instruction, MeterFeatures, MeterFlags, MeterId, MeterMod, MeterModCommand};
use thiserror::Error;

use super::class::TrafficClass;
use super::compile::Rule;
use crate::contract::{Forward, InstallFlow, RateLimit};

/// How much steeper the drop precedence of remarked packets is.
const REMARK_LEVELS: u8 = 1;

/// What a class's traffic may have on each switch, all its flows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassLimit {
    /// The rate, and what may come at once.
    pub rate: RateLimit,
    /// What becomes of packets above it.
    pub exceed: Exceed,
}

/// What becomes of packets above a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exceed {
    /// They are dropped.
    #[default]
    Drop,
    /// They are marked as the first to be dropped where the network is full. A switch whose meters cannot do so drops
    /// them, and the flow says so.
    Remark,
}

impl Exceed {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Drop, Self::Remark];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Remark => "remark",
        }
    }
}

/// Whose limit it is, and so who shares its meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The flow's own.
    Flow,
    /// Its class's, shared by the class's flows on a switch.
    Class,
}

/// The limit of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Who shares it.
    pub scope: Scope,
    /// The rate, and what may come at once.
    pub rate: RateLimit,
    /// What becomes of packets above it.
    pub exceed: Exceed,
}

/// A meter, but for its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What its rates mean, and whether it counts.
    pub flags: MeterFlags,
    /// The one thing it does.
    pub band: Band,
}

/// What was asked of a switch that does the nearest thing to it instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Substitute {
    /// It has no bursts.
    #[error("the meters of the switch have no bursts: burst_kb is left out")]
    NoBurst,
    /// It cannot remark.
    #[error("the meters of the switch cannot remark: packets above the limit are dropped")]
    Dropped,
}

/// Why a switch cannot enforce a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Unmetered {
    /// It has no meters.
    #[error("the switch has no meters")]
    NoMeters,
    /// Its meters count packets only.
    #[error("the meters of the switch do not take rates in kbit/s")]
    NoKbps,
    /// It has meters and does not list them, so that nobody can tell which numbers are taken.
    #[error("the switch does not tell which meters it has")]
    Unlisted,
    /// None of its bands will do.
    #[error("the meters of the switch have neither drop nor dscp_remark bands that would do")]
    NoBand,
}

impl Limit {
    /// The limit of a request for traffic of a class, if it has one.
    pub fn of(request: &InstallFlow, class: &TrafficClass) -> Option<Self> {
        if request.forward == Forward::Drop {
            return None;
        }
        let shared = Self::of_class(class);
        let Some(own) = request.rate_limit else { return shared };
        let burst_kb = own.burst_kb.or_else(|| shared?.rate.burst_kb);
        let exceed = shared.map(|shared| shared.exceed).unwrap_or_default();
        Some(Self { scope: Scope::Flow, rate: RateLimit { burst_kb, ..own }, exceed })
    }

    /// The limit that the flows of a class share, if it has one.
    pub fn of_class(class: &TrafficClass) -> Option<Self> {
        class.limit.map(|ClassLimit { rate, exceed }| Self { scope: Scope::Class, rate, exceed })
    }

    /// The meter for it on a switch with these features, and what is not quite as asked.
    ///
    /// # Errors
    /// Why there is no such meter.
    pub fn meter(&self, features: Option<&MeterFeatures>) -> Result<(Meter, Vec<Substitute>), Unmetered> {
        let features = features.filter(|features| features.max_meter > 0).ok_or(Unmetered::NoMeters)?;
        let can = |flag: MeterFlags| features.capabilities & u32::from(flag.0) != 0;
        if !can(MeterFlags::KBPS) {
            return Err(Unmetered::NoKbps);
        }
        let mut substitutes = Vec::new();
        let kind = match self.exceed {
            Exceed::Remark if has_band(features, DSCP_REMARK) => BandKind::DscpRemark { prec_level: REMARK_LEVELS },
            Exceed::Drop | Exceed::Remark if !has_band(features, DROP) => return Err(Unmetered::NoBand),
            Exceed::Remark => {
                substitutes.push(Substitute::Dropped);
                BandKind::Drop
            }
            Exceed::Drop => BandKind::Drop,
        };
        let mut flags = MeterFlags::KBPS;
        let burst = self.rate.burst_kb.filter(|_| can(MeterFlags::BURST));
        if burst.is_some() {
            flags = flags | MeterFlags::BURST;
        } else if self.rate.burst_kb.is_some() {
            substitutes.push(Substitute::NoBurst);
        }
        if can(MeterFlags::STATS) {
            flags = flags | MeterFlags::STATS;
        }
        // 7.3.4.5: without OFPMF_BURST the burst size is not used.
        let band = Band { rate: self.rate.rate_kbps, burst_size: burst.unwrap_or(0), kind };
        Ok((Meter { flags, band }, substitutes))
    }
}

/// OFPMBT_DROP and OFPMBT_DSCP_REMARK.
const DROP: u32 = 1;
const DSCP_REMARK: u32 = 2;

/// OpenFlow 1.3.5, 7.3.5.13: bit n of `band_types` stands for the band of type n.
const fn has_band(features: &MeterFeatures, band: u32) -> bool {
    features.max_bands > 0 && features.band_types & (1 << band) != 0
}

/// The kinds of bands that meters of a switch can have, by the spec's names.
pub fn band_names(features: &MeterFeatures) -> Vec<&'static str> {
    let bands = [(DROP, "drop"), (DSCP_REMARK, "dscp_remark")];
    bands.into_iter().filter(|(band, _)| has_band(features, *band)).map(|(_, name)| name).collect()
}

impl Meter {
    /// The METER_MOD that adds it, or changes what is there to it.
    pub fn request(&self, command: MeterModCommand, meter_id: MeterId) -> MeterMod {
        MeterMod { command, flags: self.flags, meter_id, bands: vec![self.band.clone()] }
    }

    /// Whether a switch that says this has it. What it says of a burst that nobody asked for is its own affair.
    pub fn is(&self, flags: MeterFlags, bands: &[Band]) -> bool {
        let Self { flags: own, band } = self;
        let has_burst = own.contains(MeterFlags::BURST);
        flags == *own
            && matches!(bands, [there] if there.rate == band.rate
                && there.kind == band.kind
                && (!has_burst || there.burst_size == band.burst_size))
    }
}

/// The METER_MOD that deletes a meter.
pub const fn delete_meter(meter_id: MeterId) -> MeterMod {
    MeterMod { command: MeterModCommand::Delete, flags: MeterFlags::KBPS, meter_id, bands: Vec::new() }
}

impl Rule {
    /// The same rule behind a meter and no other, which every packet passes first (5.9: the meter instruction runs
    /// before the actions).
    #[must_use]
    pub fn metered(mut self, meter_id: MeterId) -> Self {
        self.instructions.retain(|instruction| !matches!(instruction, Instruction::Meter(_)));
        self.instructions.insert(0, Instruction::Meter(meter_id));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::ClassTable;
    use super::*;

    fn features() -> MeterFeatures {
        let flags = MeterFlags::KBPS | MeterFlags::BURST | MeterFlags::STATS;
        MeterFeatures { max_meter: 8, band_types: 0b010, capabilities: flags.0.into(), max_bands: 1, max_color: 0 }
    }

    fn limit(burst_kb: Option<u32>, exceed: Exceed) -> Limit {
        Limit { scope: Scope::Flow, rate: RateLimit { rate_kbps: 5000, burst_kb }, exceed }
    }

    fn request(rate_limit: Option<RateLimit>) -> InstallFlow {
        let any = "10.0.0.1".parse().unwrap();
        InstallFlow { rate_limit, ..InstallFlow::new(any, any, "voice") }
    }

    fn class(limit: Option<ClassLimit>) -> TrafficClass {
        TrafficClass { limit, ..ClassTable::built_in().get("voice").unwrap().clone() }
    }

    #[test]
    fn a_limit_of_the_request_is_the_flows_own_and_one_of_the_class_is_shared() {
        let own = RateLimit { rate_kbps: 100, burst_kb: None };
        let rate = RateLimit { rate_kbps: 9000, burst_kb: Some(50) };
        let shared = ClassLimit { rate, exceed: Exceed::Remark };
        assert_eq!(Limit::of(&request(None), &class(None)), None);
        let scope = |request, class| Limit::of(&request, &class).map(|limit| (limit.scope, limit.rate));
        assert_eq!(scope(request(Some(own)), class(None)), Some((Scope::Flow, own)));
        assert_eq!(scope(request(None), class(Some(shared))), Some((Scope::Class, rate)));
        let with_the_class_burst = RateLimit { rate_kbps: 100, burst_kb: Some(50) };
        assert_eq!(scope(request(Some(own)), class(Some(shared))), Some((Scope::Flow, with_the_class_burst)));
    }

    #[test]
    fn what_is_dropped_has_no_limit() {
        let rate = RateLimit { rate_kbps: 1, burst_kb: None };
        let dropped = InstallFlow { forward: Forward::Drop, ..request(Some(rate)) };
        assert_eq!(Limit::of(&dropped, &class(None)), None);
    }

    #[test]
    fn a_limit_becomes_one_drop_band_in_kbit_per_second() {
        let (meter, substitutes) = limit(None, Exceed::Drop).meter(Some(&features())).unwrap();
        assert_eq!(substitutes, []);
        assert_eq!(meter.flags, MeterFlags::KBPS | MeterFlags::STATS);
        assert_eq!(meter.band, Band { rate: 5000, burst_size: 0, kind: BandKind::Drop });

        let (meter, _) = limit(Some(800), Exceed::Drop).meter(Some(&features())).unwrap();
        assert_eq!(meter.flags, MeterFlags::KBPS | MeterFlags::BURST | MeterFlags::STATS);
        assert_eq!(meter.band.burst_size, 800);
    }

    #[test]
    fn what_a_switch_lacks_is_left_out_or_replaced_and_said() {
        let kbps = u32::from(MeterFlags::KBPS.0);
        let no_burst = MeterFeatures { capabilities: kbps, ..features() };
        let (meter, substitutes) = limit(Some(800), Exceed::Drop).meter(Some(&no_burst)).unwrap();
        assert_eq!((meter.flags, meter.band.burst_size), (MeterFlags::KBPS, 0));
        assert_eq!(substitutes, [Substitute::NoBurst]);

        let (meter, substitutes) = limit(None, Exceed::Remark).meter(Some(&features())).unwrap();
        assert_eq!(meter.band.kind, BandKind::Drop);
        assert_eq!(substitutes, [Substitute::Dropped]);

        let remarks = MeterFeatures { band_types: 0b100, ..features() };
        let (meter, substitutes) = limit(None, Exceed::Remark).meter(Some(&remarks)).unwrap();
        assert_eq!(meter.band.kind, BandKind::DscpRemark { prec_level: 1 });
        assert_eq!(substitutes, []);
    }

    #[test]
    fn a_switch_that_cannot_meter_says_why() {
        let of = |features: Option<MeterFeatures>| limit(None, Exceed::Drop).meter(features.as_ref()).unwrap_err();
        assert_eq!(of(None), Unmetered::NoMeters);
        assert_eq!(of(Some(MeterFeatures { max_meter: 0, ..features() })), Unmetered::NoMeters);
        assert_eq!(of(Some(MeterFeatures { capabilities: 0b10, ..features() })), Unmetered::NoKbps);
        assert_eq!(of(Some(MeterFeatures { band_types: 0b100, ..features() })), Unmetered::NoBand);
        assert_eq!(of(Some(MeterFeatures { max_bands: 0, ..features() })), Unmetered::NoBand);
    }

    #[test]
    fn a_meter_that_reads_back_with_a_burst_of_its_own_is_still_the_one_asked_for() {
        let (meter, _) = limit(None, Exceed::Drop).meter(Some(&features())).unwrap();
        let there = Band { burst_size: 5000, ..meter.band.clone() };
        assert!(meter.is(meter.flags, std::slice::from_ref(&there)));
        assert!(!meter.is(MeterFlags::PKTPS, std::slice::from_ref(&there)));
        assert!(!meter.is(meter.flags, &[Band { rate: 4999, ..there.clone() }]));
        assert!(!meter.is(meter.flags, &[there.clone(), there]));
        let (bursty, _) = limit(Some(800), Exceed::Drop).meter(Some(&features())).unwrap();
        assert!(!bursty.is(bursty.flags, &[Band { burst_size: 801, ..bursty.band.clone() }]));
    }

    #[test]
    fn the_meter_comes_before_what_is_done_to_the_packets() {
        let class = class(None);
        let [rule] = &super::super::compile::compile(&request(None), &class).unwrap()[..] else { panic!() };
        let metered = rule.clone().metered(MeterId(3));
        assert_eq!(metered.instructions.first(), Some(&Instruction::Meter(MeterId(3))));
        assert_eq!(metered.instructions[1..], rule.instructions[..]);
        assert_eq!(metered.id(), rule.id());
        assert_eq!(metered.clone().metered(MeterId(4)).instructions.len(), metered.instructions.len());
    }
}
