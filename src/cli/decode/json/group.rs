//! Groups and meters.

use openflow::{
    Band, BandKind, Bucket, ByGroupType, GroupDesc, GroupFeatures, GroupMod, GroupStats, MeterConfig, MeterFeatures,
    MeterMod, MeterStats,
};
use serde_json::{Value, json};

use super::flow::actions;
use super::{experimenter, flags, hex, list, word};

pub(super) fn group_mod(group_mod: &GroupMod) -> Value {
    json!({
        "command": word(group_mod.command), "type": word(group_mod.group_type),
        "group_id": word(group_mod.group_id), "buckets": list(&group_mod.buckets, bucket),
    })
}

pub(super) fn group_desc(desc: &GroupDesc) -> Value {
    json!({
        "type": word(desc.group_type), "group_id": word(desc.group_id), "buckets": list(&desc.buckets, bucket),
    })
}

fn bucket(bucket: &Bucket) -> Value {
    json!({
        "weight": bucket.weight, "watch_port": word(bucket.watch_port), "watch_group": word(bucket.watch_group),
        "actions": actions(&bucket.actions),
    })
}

pub(super) fn group_stats(stats: &GroupStats) -> Value {
    let bucket_stats = list(
        &stats.bucket_stats,
        |bucket| json!({ "packet_count": bucket.packet_count, "byte_count": bucket.byte_count }),
    );
    json!({
        "group_id": word(stats.group_id), "ref_count": stats.ref_count, "packet_count": stats.packet_count,
        "byte_count": stats.byte_count, "duration_sec": stats.duration_sec, "duration_nsec": stats.duration_nsec,
        "bucket_stats": bucket_stats,
    })
}

pub(super) fn group_features(features: &GroupFeatures) -> Value {
    json!({
        "types": features.types, "capabilities": features.capabilities,
        "max_groups": by_group_type(&features.max_groups), "actions": by_group_type(&features.actions),
    })
}

fn by_group_type(by: &ByGroupType) -> Value {
    json!({ "all": by.all, "select": by.select, "indirect": by.indirect, "ff": by.fast_failover })
}

pub(super) fn meter_mod(meter_mod: &MeterMod) -> Value {
    json!({
        "command": word(meter_mod.command), "flags": flags(meter_mod.flags), "meter_id": word(meter_mod.meter_id),
        "bands": list(&meter_mod.bands, band),
    })
}

pub(super) fn meter_config(config: &MeterConfig) -> Value {
    json!({
        "flags": flags(config.flags), "meter_id": word(config.meter_id), "bands": list(&config.bands, band),
    })
}

fn band(band: &Band) -> Value {
    let mut object = json!({ "rate": band.rate, "burst_size": band.burst_size });
    match &band.kind {
        BandKind::Drop => object["type"] = "DROP".into(),
        BandKind::DscpRemark { prec_level } => {
            object["type"] = "DSCP_REMARK".into();
            object["prec_level"] = (*prec_level).into();
        }
        BandKind::Experimenter { experimenter: id, data } => {
            object["type"] = "EXPERIMENTER".into();
            object["experimenter"] = experimenter(*id);
            object["data"] = hex(data);
        }
    }
    object
}

pub(super) fn meter_stats(stats: &MeterStats) -> Value {
    let band_stats = list(
        &stats.band_stats,
        |band| json!({ "packet_band_count": band.packet_band_count, "byte_band_count": band.byte_band_count }),
    );
    json!({
        "meter_id": word(stats.meter_id), "flow_count": stats.flow_count, "packet_in_count": stats.packet_in_count,
        "byte_in_count": stats.byte_in_count, "duration_sec": stats.duration_sec,
        "duration_nsec": stats.duration_nsec, "band_stats": band_stats,
    })
}

pub(super) fn meter_features(features: &MeterFeatures) -> Value {
    json!({
        "max_meter": features.max_meter, "band_types": features.band_types, "capabilities": features.capabilities,
        "max_bands": features.max_bands, "max_color": features.max_color,
    })
}
