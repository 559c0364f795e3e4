//! What the switch can do, as it says in FEATURES_REPLY and in the multipart replies for tables, groups and meters.

use std::ops::RangeInclusive;

use openflow::{
    ByGroupType, Capabilities, FeaturesReply, GroupFeatures, MeterFeatures, MeterFlags, TableFeatureProperty,
    TableFeatures, TableId, TypeId,
};

use super::config::SwitchConfig;
use super::meter_table::MAX_BANDS;

/// The types of actions that the switch has: all but those of experimenters.
const ACTIONS: [u16; 16] = [0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];

/// The types of instructions that the switch has: all but those of experimenters.
const INSTRUCTIONS: RangeInclusive<u16> = 1..=6;

/// `OFPGFC_SELECT_WEIGHT`, `OFPGFC_SELECT_LIVENESS`, `OFPGFC_CHAINING` and `OFPGFC_CHAINING_CHECKS`.
const GROUP_CAPABILITIES: u32 = 0b1111;

/// What the switch says of itself as a whole.
pub(super) fn features(config: &SwitchConfig) -> FeaturesReply {
    let capabilities = Capabilities::FLOW_STATS.0
        | Capabilities::TABLE_STATS.0
        | Capabilities::PORT_STATS.0
        | Capabilities::GROUP_STATS.0
        | Capabilities::QUEUE_STATS.0;
    FeaturesReply {
        datapath_id: config.datapath_id,
        n_buffers: 0,
        n_tables: config.n_tables,
        auxiliary_id: 0,
        capabilities: Capabilities(capabilities),
        reserved: 0,
    }
}

/// What one of its tables can do. The fields are left out: it can match and set all of them.
pub(super) fn table_features(config: &SwitchConfig, table: u8) -> TableFeatures {
    let actions: Vec<TypeId> = ACTIONS.into_iter().map(TypeId::standard).collect();
    TableFeatures {
        table_id: TableId(table),
        name: format!("table{table}").as_str().into(),
        metadata_match: u64::MAX,
        metadata_write: u64::MAX,
        config: 0,
        max_entries: u32::try_from(config.table_limit).unwrap_or(u32::MAX),
        properties: vec![
            TableFeatureProperty::Instructions(INSTRUCTIONS.map(TypeId::standard).collect()),
            TableFeatureProperty::NextTables((table + 1..config.n_tables).map(TableId).collect()),
            TableFeatureProperty::WriteActions(actions.clone()),
            TableFeatureProperty::ApplyActions(actions),
        ],
    }
}

/// What groups it can have.
pub(super) fn group_features(config: &SwitchConfig) -> GroupFeatures {
    let each = |number| ByGroupType { all: number, select: number, indirect: number, fast_failover: number };
    GroupFeatures {
        types: 0b1111,
        capabilities: GROUP_CAPABILITIES,
        max_groups: each(u32::try_from(config.group_limit).unwrap_or(u32::MAX)),
        actions: each(ACTIONS.iter().fold(0, |bits, action| bits | 1 << action)),
    }
}

/// What meters it can have.
pub(super) fn meter_features(config: &SwitchConfig) -> MeterFeatures {
    let (drop, dscp_remark) = (1 << 1, u32::from(config.dscp_remark_bands) << 2);
    let flags = MeterFlags::KBPS | MeterFlags::PKTPS | MeterFlags::BURST | MeterFlags::STATS;
    MeterFeatures {
        max_meter: u32::try_from(config.meter_limit).unwrap_or(u32::MAX),
        band_types: drop | dscp_remark,
        capabilities: u32::from(flags.0),
        max_bands: MAX_BANDS,
        max_color: 0,
    }
}
