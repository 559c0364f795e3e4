//! Groups, and what GROUP_MOD does to them.

use std::collections::BTreeMap;
use std::time::Instant;

use openflow::{
    Bucket, ErrorCode, FlowRemovedReason, GroupDesc, GroupId, GroupMod, GroupModCommand, GroupType, PortNo,
};

use super::change::{Change, Changes};
use super::datapath::Datapath;
use super::program;

/// A group, but for its number.
#[derive(Clone, Debug)]
pub(super) struct Group {
    group_type: GroupType,
    pub(super) buckets: Vec<Bucket>,
    pub(super) created: Instant,
}

impl Group {
    pub(super) fn describe(&self, group_id: GroupId) -> GroupDesc {
        GroupDesc { group_type: self.group_type, group_id, buckets: self.buckets.clone() }
    }

    fn uses(&self, group_id: GroupId) -> bool {
        references(&self.buckets).any(|used| used == group_id)
    }
}

/// The groups of a switch, by number.
pub(super) type GroupTable = BTreeMap<GroupId, Group>;

impl Datapath {
    /// Carries out a GROUP_MOD.
    pub(super) fn modify_groups(
        &mut self,
        request: GroupMod,
        now: Instant,
        changes: &mut Changes,
    ) -> Result<(), ErrorCode> {
        let group_id = request.group_id;
        let deletes = request.command == GroupModCommand::Delete;
        if group_id > GroupId::MAX && !(deletes && group_id == GroupId::ALL) {
            return Err(ErrorCode::GROUP_MOD_FAILED_INVALID_GROUP);
        }
        if !deletes {
            self.check_group(&request)?;
        }
        match request.command {
            GroupModCommand::Add if self.groups.contains_key(&group_id) => {
                Err(ErrorCode::GROUP_MOD_FAILED_GROUP_EXISTS)
            }
            GroupModCommand::Add if self.groups.len() >= self.config.group_limit => {
                Err(ErrorCode::GROUP_MOD_FAILED_OUT_OF_GROUPS)
            }
            GroupModCommand::Modify if !self.groups.contains_key(&group_id) => {
                Err(ErrorCode::GROUP_MOD_FAILED_UNKNOWN_GROUP)
            }
            GroupModCommand::Add | GroupModCommand::Modify => {
                let created = self.groups.get(&group_id).map_or(now, |group| group.created);
                let group = Group { group_type: request.group_type, buckets: request.buckets, created };
                let before = self.groups.insert(group_id, group);
                changes.push(Change::Group { group_id, before });
                Ok(())
            }
            GroupModCommand::Delete if group_id == GroupId::ALL => {
                let ids: Vec<GroupId> = self.groups.keys().copied().collect();
                ids.into_iter().for_each(|id| self.remove_group(id, changes));
                Ok(())
            }
            // A group that others forward to stays: CHAINING_CHECKS is among the switch's capabilities.
            GroupModCommand::Delete if self.groups.values().any(|other| other.uses(group_id)) => {
                Err(ErrorCode::GROUP_MOD_FAILED_CHAINED_GROUP)
            }
            GroupModCommand::Delete => {
                self.remove_group(group_id, changes);
                Ok(())
            }
        }
    }

    /// The flows that use a group go with it, and are reported with the reason `OFPRR_GROUP_DELETE`.
    fn remove_group(&mut self, group_id: GroupId, changes: &mut Changes) {
        let Some(before) = self.groups.remove(&group_id) else { return };
        let uses = |entry: &super::flow_table::FlowEntry| program::uses_group(&entry.instructions, group_id);
        self.remove_flows(FlowRemovedReason::GroupDelete, uses, changes);
        changes.push(Change::Group { group_id, before: Some(before) });
    }

    /// Whether a group can be like this.
    fn check_group(&self, request: &GroupMod) -> Result<(), ErrorCode> {
        let well_formed = match request.group_type {
            GroupType::All => request.buckets.iter().all(|bucket| bucket.weight == 0),
            GroupType::Select => true,
            GroupType::Indirect => request.buckets.len() == 1,
            GroupType::FastFailover => request.buckets.iter().all(watches),
        };
        if !well_formed {
            return Err(ErrorCode::GROUP_MOD_FAILED_INVALID_GROUP);
        }
        for bucket in &request.buckets {
            self.check_actions(&bucket.actions)?;
        }
        if references(&request.buckets).any(|used| self.leads_to(used, request.group_id)) {
            return Err(ErrorCode::GROUP_MOD_FAILED_LOOP);
        }
        if references(&request.buckets).any(|used| !self.groups.contains_key(&used)) {
            return Err(ErrorCode::BAD_ACTION_BAD_OUT_GROUP);
        }
        Ok(())
    }

    /// Whether packets of one group can reach another. Ends, because no group that is there is part of a loop.
    fn leads_to(&self, from: GroupId, to: GroupId) -> bool {
        from == to
            || self
                .groups
                .get(&from)
                .is_some_and(|group| references(&group.buckets).any(|next| self.leads_to(next, to)))
    }
}

/// The groups that buckets forward to.
fn references(buckets: &[Bucket]) -> impl Iterator<Item = GroupId> {
    buckets.iter().flat_map(|bucket| program::groups(bucket.actions.iter()))
}

/// Whether a bucket says by whose liveness it is chosen.
fn watches(bucket: &Bucket) -> bool {
    bucket.watch_port != PortNo::ANY || bucket.watch_group != GroupId::ANY
}
