//! Groups and meters as `ovs-ofctl` writes them.

use std::fmt::{self, Display};

use super::print_action::Commas;
use super::{Bits, Duration};
use crate::band::{Band, BandKind};
use crate::bucket::Bucket;
use crate::message::{GroupMod, GroupModCommand, GroupType, MeterFlags, MeterMod, MeterModCommand};
use crate::multipart::{ByGroupType, GroupDesc, GroupFeatures, GroupStats, MeterConfig, MeterFeatures, MeterStats};
use crate::number::GroupId;
use crate::port::PortNo;

impl Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Select => "select",
            Self::Indirect => "indirect",
            Self::FastFailover => "ff",
        })
    }
}

impl Display for GroupModCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Modify => "MOD",
            Self::Delete => "DEL",
        })
    }
}

impl Display for GroupMod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, group_type, group_id, buckets } = self;
        write!(f, "{command} {}", Group { group_type: *group_type, group_id: *group_id, buckets })
    }
}

impl Display for GroupDesc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group_type, group_id, buckets } = self;
        Group { group_type: *group_type, group_id: *group_id, buckets }.fmt(f)
    }
}

/// A group as it is described and as it is added.
struct Group<'a> {
    group_type: GroupType,
    group_id: GroupId,
    buckets: &'a [Bucket],
}

impl Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group_id={},type={}", self.group_id.0, self.group_type)?;
        for bucket in self.buckets {
            f.write_str(",bucket=")?;
            // What is usual for the type of the group is left out.
            if bucket.weight != u16::from(self.group_type == GroupType::Select) {
                write!(f, "weight:{},", bucket.weight)?;
            }
            if bucket.watch_port != PortNo::ANY {
                write!(f, "watch_port:{},", bucket.watch_port)?;
            }
            if bucket.watch_group != GroupId::ANY {
                write!(f, "watch_group:{},", bucket.watch_group)?;
            }
            write!(f, "actions={}", Commas(&bucket.actions))?;
        }
        Ok(())
    }
}

impl Display for GroupStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = Duration { sec: self.duration_sec, nsec: self.duration_nsec };
        write!(f, "group_id={},duration={duration},ref_count={},", self.group_id, self.ref_count)?;
        write!(f, "packet_count={},byte_count={}", self.packet_count, self.byte_count)?;
        for (number, bucket) in self.bucket_stats.iter().enumerate() {
            write!(f, ",bucket{number}:packet_count={},byte_count={}", bucket.packet_count, bucket.byte_count)?;
        }
        Ok(())
    }
}

impl Display for GroupFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, " Group table:\n    Types:  {:#x}\n    Capabilities:  {:#x}", self.types, self.capabilities)?;
        let rows = |by: &ByGroupType| [by.all, by.select, by.indirect, by.fast_failover];
        let types = ["all", "select", "indirect", "fast failover"].into_iter();
        for ((name, max_groups), actions) in types.zip(rows(&self.max_groups)).zip(rows(&self.actions)) {
            writeln!(f, "    {name} group:\n       max_groups={max_groups:#x}\n       actions: {}", Actions(actions))?;
        }
        Ok(())
    }
}

/// The names of actions, a bit for the number of each.
struct Actions(u32);

impl Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[rustfmt::skip]
        let names = [
            "output", "", "", "", "", "", "", "", "", "", "", "copy_ttl_out", "copy_ttl_in", "", "", "set_mpls_ttl",
            "dec_mpls_ttl", "push_vlan", "strip_vlan", "push_mpls", "pop_mpls", "set_queue", "group", "mod_nw_ttl",
            "dec_ttl", "set_field", "push_pbb", "pop_pbb",
        ];
        if self.0 == 0 { f.write_str("<none>") } else { Bits { bits: self.0, names: &names }.fmt(f) }
    }
}

impl Display for MeterFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bits { bits: self.0.into(), names: &["kbps", "pktps", "burst", "stats"] }.fmt(f)
    }
}

impl Display for MeterModCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Modify => "MOD",
            Self::Delete => "DEL",
        })
    }
}

/// As the switch's log has it, or with `{:#}` as `ovs-ofctl add-meter` takes it.
impl Display for MeterMod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.fmt_as_argument(f);
        }
        write!(f, "{} meter={} {} bands=", self.command, self.meter_id, self.flags)?;
        bands(f, self.flags, &self.bands)
    }
}

impl MeterMod {
    fn fmt_as_argument(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "meter={}", self.meter_id)?;
        if self.command == MeterModCommand::Delete {
            return Ok(());
        }
        for (flag, name) in [
            (MeterFlags::KBPS, "kbps"),
            (MeterFlags::PKTPS, "pktps"),
            (MeterFlags::BURST, "burst"),
            (MeterFlags::STATS, "stats"),
        ] {
            if self.flags.contains(flag) {
                write!(f, ",{name}")?;
            }
        }
        for band in &self.bands {
            write!(f, ",band=type={},rate={}", band_name(&band.kind), band.rate)?;
            if self.flags.contains(MeterFlags::BURST) {
                write!(f, ",burst_size={}", band.burst_size)?;
            }
            if let BandKind::DscpRemark { prec_level } = band.kind {
                write!(f, ",prec_level={prec_level}")?;
            }
        }
        Ok(())
    }
}

fn band_name(kind: &BandKind) -> &'static str {
    match kind {
        BandKind::Drop => "drop",
        BandKind::DscpRemark { .. } => "dscp_remark",
        BandKind::Experimenter { .. } => "experimenter",
    }
}

impl Display for MeterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "meter={} {} bands=", self.meter_id, self.flags)?;
        bands(f, self.flags, &self.bands)
    }
}

/// A line for each band.
fn bands(f: &mut fmt::Formatter<'_>, flags: MeterFlags, bands: &[Band]) -> fmt::Result {
    for band in bands {
        write!(f, "\ntype={} rate={}", band_name(&band.kind), band.rate)?;
        if flags.contains(MeterFlags::BURST) {
            write!(f, " burst_size={}", band.burst_size)?;
        }
        match &band.kind {
            BandKind::Drop => {}
            BandKind::DscpRemark { prec_level } => write!(f, " prec_level={prec_level}")?,
            BandKind::Experimenter { experimenter, .. } => write!(f, " experimenter={experimenter:#010x}")?,
        }
    }
    Ok(())
}

impl Display for MeterStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = Duration { sec: self.duration_sec, nsec: self.duration_nsec };
        write!(f, "meter:{} flow_count:{} ", self.meter_id, self.flow_count)?;
        write!(f, "packet_in_count:{} byte_in_count:{} ", self.packet_in_count, self.byte_in_count)?;
        write!(f, "duration:{duration} bands:")?;
        for (number, band) in self.band_stats.iter().enumerate() {
            write!(f, "\n{number}: packet_count:{} byte_count:{}", band.packet_band_count, band.byte_band_count)?;
        }
        Ok(())
    }
}

impl Display for MeterFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "max_meter:{} max_bands:{} max_color:{}", self.max_meter, self.max_bands, self.max_color)?;
        writeln!(f, "band_types: {}", Bits { bits: self.band_types, names: &["", "drop", "dscp_remark"] })?;
        let names = ["kbps", "pktps", "burst", "stats"];
        write!(f, "capabilities: {}", Bits { bits: self.capabilities, names: &names })
    }
}
