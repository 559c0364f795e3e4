//! The switch behind the protocol: tables, groups, meters and ports, and what FLOW_MOD does to them.
//!
//! Every operation either does all that it was asked and appends the [`Change`]s it made to the list it is given, or
//! changes nothing and returns the error that the switch answers. Connections, replies and notifications are not its
//! business, and neither are packets: counters move when [`Datapath::count_traffic`] says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use openflow::{
    BufferId, ErrorCode, FlowMod, FlowModCommand, FlowModFlags, FlowRemovedReason, GroupId, Instruction, Port,
    PortConfig, PortMod, PortNo, TableId,
};

use super::change::{Cause, Change, Changes, FlowChange};
use super::config::{SwitchConfig, WhenFull};
use super::flow_table::{FlowEntry, FlowTable, Rule, Selection};
use super::group_table::GroupTable;
use super::meter_table::MeterTable;
use super::pattern::Pattern;
use super::program;

/// All that the switch knows, whoever is connected.
#[derive(Debug)]
pub(super) struct Datapath {
    pub(super) config: SwitchConfig,
    /// The tables that have ever held a flow.
    tables: BTreeMap<TableId, FlowTable>,
    /// Counts what happened to flows, so that a flow monitor can tell before from after.
    pub(super) change_number: u64,
    ports: Vec<Port>,
    pub(super) groups: GroupTable,
    pub(super) meters: MeterTable,
    /// What happens to IP fragments, as the controllers set it.
    pub(super) fragments: u16,
    /// The newest generation id of a master or a slave.
    pub(super) generation_id: Option<u64>,
}

impl Datapath {
    pub(super) fn new(config: SwitchConfig) -> Self {
        let mut ports = config.ports.to_vec();
        ports.sort_by_key(|port| port.port_no);
        Self {
            config,
            tables: BTreeMap::new(),
            change_number: 0,
            ports,
            groups: GroupTable::new(),
            meters: MeterTable::new(),
            fragments: 0,
            generation_id: None,
        }
    }

    /// The tables that hold flows, in order.
    pub(super) fn tables(&self) -> impl Iterator<Item = (TableId, &FlowTable)> {
        self.tables.iter().map(|(&id, table)| (id, table))
    }

    /// The flows of one table, or of all.
    pub(super) fn flows_in(&self, table_id: TableId) -> impl Iterator<Item = (TableId, &Rule, &FlowEntry)> {
        self.tables_named(table_id).flat_map(|(id, table)| table.iter().map(move |(rule, entry)| (id, rule, entry)))
    }

    /// The ports, by number.
    pub(super) fn ports(&self) -> &[Port] {
        &self.ports
    }

    pub(super) fn port(&self, port_no: PortNo) -> Option<&Port> {
        self.ports.iter().find(|port| port.port_no == port_no)
    }

    /// The flows that a request about one table, or about all, selects.
    pub(super) fn select(&self, table_id: TableId, selection: &Selection) -> Vec<(TableId, Rule)> {
        self.tables_named(table_id)
            .flat_map(|(id, table)| table.select(selection).into_iter().map(move |rule| (id, rule)))
            .collect()
    }

    pub(super) fn flow(&self, table_id: TableId, rule: &Rule) -> Option<&FlowEntry> {
        self.tables.get(&table_id)?.get(rule)
    }

    fn tables_named(&self, table_id: TableId) -> impl Iterator<Item = (TableId, &FlowTable)> {
        self.tables().filter(move |&(id, _)| table_id == TableId::ALL || table_id == id)
    }

    /// Carries out a FLOW_MOD, whose match is `pattern`.
    pub(super) fn modify_flows(
        &mut self,
        mut request: FlowMod,
        pattern: Pattern,
        now: Instant,
        changes: &mut Changes,
    ) -> Result<(), ErrorCode> {
        let deletes = matches!(request.command, FlowModCommand::Delete | FlowModCommand::DeleteStrict);
        // Only deletes can name all tables.
        if request.table_id.0 >= self.config.n_tables && !(deletes && request.table_id == TableId::ALL) {
            return Err(ErrorCode::FLOW_MOD_FAILED_BAD_TABLE_ID);
        }
        program::put_in_order(&mut request.instructions);
        if !deletes {
            self.check_instructions(&request.flow_match, &request.instructions, request.table_id)?;
            // This switch keeps no packets, so whatever buffer is named is not there.
            if request.buffer_id != BufferId::NO_BUFFER {
                return Err(ErrorCode::BAD_REQUEST_BUFFER_UNKNOWN);
            }
        }
        match request.command {
            FlowModCommand::Add => self.add(request, pattern, now, changes),
            FlowModCommand::Modify | FlowModCommand::ModifyStrict => self.modify(request, pattern, changes),
            FlowModCommand::Delete | FlowModCommand::DeleteStrict => self.delete(&request, pattern, changes),
        }
    }

    /// > "If a flow entry with identical match fields and priority already resides in the requested table, then that
    /// > flow entry, including its duration, must be cleared from the table, and the new flow entry added. If the
    /// > OFPFF_RESET_COUNTS flag is set, the flow entry counters must be cleared, otherwise they should be copied from
    /// > the replaced flow entry" (section 6.4).
    fn add(
        &mut self,
        request: FlowMod,
        pattern: Pattern,
        now: Instant,
        changes: &mut Changes,
    ) -> Result<(), ErrorCode> {
        self.check_references(&request.instructions)?;
        let table_id = request.table_id;
        let rule = Rule { priority: request.priority, pattern };
        let table = self.tables.entry(table_id).or_default();
        let replaced = table.get(&rule);
        let (packet_count, byte_count) = match replaced {
            Some(old) if !request.flags.contains(FlowModFlags::RESET_COUNTS) => (old.packet_count, old.byte_count),
            _ => (0, 0),
        };
        if replaced.is_none() {
            if request.flags.contains(FlowModFlags::CHECK_OVERLAP) && table.overlaps(&rule) {
                return Err(ErrorCode::FLOW_MOD_FAILED_OVERLAP);
            }
            if table.len() >= self.config.table_limit {
                let candidate = match self.config.when_full {
                    WhenFull::Refuse => None,
                    WhenFull::Evict => table.eviction_candidate(),
                };
                let evicted = candidate.ok_or(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL)?;
                self.remove(table_id, evicted, Cause::Evicted, changes);
            }
        }
        self.change_number += 1;
        let entry = FlowEntry {
            cookie: request.cookie,
            idle_timeout: request.idle_timeout,
            hard_timeout: request.hard_timeout,
            flags: request.flags,
            instructions: request.instructions.into(),
            packet_count,
            byte_count,
            created: now,
            used: now,
            added_by: self.change_number,
            changed_by: self.change_number,
            armed: None,
        };
        self.put(table_id, rule, entry, Cause::Added, changes);
        Ok(())
    }

    /// > "For modify requests (OFPFC_MODIFY or OFPFC_MODIFY_STRICT), if a matching entry exists in the table, the
    /// > instructions field of this entry is replaced with the value from the request, whereas its cookie,
    /// > idle_timeout, hard_timeout, flags, counters and duration fields are left unchanged. If the OFPFF_RESET_COUNTS
    /// > flag is set, the flow entry counters must be cleared. For modify requests, if no flow entry currently residing
    /// > in the requested table matches the request, no error is recorded, and no flow table modification occurs"
    /// > (section 6.4).
    fn modify(&mut self, request: FlowMod, pattern: Pattern, changes: &mut Changes) -> Result<(), ErrorCode> {
        // The out_port and out_group of an add or a modify mean nothing.
        let strict = request.command == FlowModCommand::ModifyStrict;
        let selection = Selection {
            pattern,
            priority: strict.then_some(request.priority),
            cookie: request.cookie,
            cookie_mask: request.cookie_mask,
            out_port: PortNo::ANY,
            out_group: GroupId::ANY,
        };
        let selected = self.select(request.table_id, &selection);
        if !selected.is_empty() {
            self.check_references(&request.instructions)?;
        }
        let instructions: Arc<[Instruction]> = request.instructions.into();
        self.change_number += 1;
        for (table_id, rule) in selected {
            let Some(mut entry) = self.flow(table_id, &rule).cloned() else { continue };
            entry.instructions = instructions.clone();
            entry.changed_by = self.change_number;
            if request.flags.contains(FlowModFlags::RESET_COUNTS) {
                (entry.packet_count, entry.byte_count) = (0, 0);
            }
            self.put(table_id, rule, entry, Cause::Modified, changes);
        }
        Ok(())
    }

    /// > "For delete requests (OFPFC_DELETE or OFPFC_DELETE_STRICT), if a matching entry exists in the table, it must
    /// > be deleted, and if the entry has the OFPFF_SEND_FLOW_REM flag set, it should generate a flow removed message.
    /// > For delete requests, if no flow entry currently residing in the requested table matches the request, no error
    /// > is recorded, and no flow table modification occurs" (section 6.4).
    fn delete(&mut self, request: &FlowMod, pattern: Pattern, changes: &mut Changes) -> Result<(), ErrorCode> {
        let strict = request.command == FlowModCommand::DeleteStrict;
        let selection = Selection {
            pattern,
            priority: strict.then_some(request.priority),
            cookie: request.cookie,
            cookie_mask: request.cookie_mask,
            out_port: request.out_port,
            out_group: request.out_group,
        };
        for (table_id, rule) in self.select(request.table_id, &selection) {
            self.remove(table_id, rule, Cause::Removed(FlowRemovedReason::Delete), changes);
        }
        Ok(())
    }

    /// Removes the flows that satisfy a condition, as the removal of a group or a meter does.
    pub(super) fn remove_flows(
        &mut self,
        reason: FlowRemovedReason,
        doomed: impl Fn(&FlowEntry) -> bool,
        changes: &mut Changes,
    ) {
        let rules: Vec<(TableId, Rule)> = self
            .flows_in(TableId::ALL)
            .filter(|(_, _, entry)| doomed(entry))
            .map(|(id, rule, _)| (id, rule.clone()))
            .collect();
        for (table_id, rule) in rules {
            self.remove(table_id, rule, Cause::Removed(reason), changes);
        }
    }

    /// Removes the flows whose time is over.
    pub(super) fn expire(&mut self, now: Instant, changes: &mut Changes) {
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        let ids: Vec<TableId> = self.tables.keys().copied().collect();
        for table_id in ids {
            while let Some((rule, reason)) = self.tables.get_mut(&table_id).and_then(|table| table.next_expired(now)) {
                self.remove(table_id, rule, Cause::Removed(reason), changes);
            }
        }
    }

    /// When [`Datapath::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.tables.values().filter_map(FlowTable::next_deadline).min()
    }

    /// Counts packets of one flow; false without such a flow.
    pub(super) fn count_traffic(
        &mut self,
        table_id: TableId,
        rule: &Rule,
        packets: u64,
        bytes: u64,
        now: Instant,
    ) -> bool {
        self.tables.get_mut(&table_id).is_some_and(|table| table.count(rule, packets, bytes, now))
    }

    fn put(&mut self, table_id: TableId, rule: Rule, entry: FlowEntry, cause: Cause, changes: &mut Changes) {
        let table = self.tables.entry(table_id).or_default();
        if changes.are_complete() {
            let after = Some(entry.clone());
            let before = table.insert(rule.clone(), entry);
            changes.push(Change::Flow(FlowChange { table_id, rule, before, after, cause }));
        } else {
            table.insert(rule, entry);
        }
    }

    fn remove(&mut self, table_id: TableId, rule: Rule, cause: Cause, changes: &mut Changes) {
        self.change_number += 1;
        if let Some(before) = self.tables.get_mut(&table_id).and_then(|table| table.remove(&rule)) {
            changes.removed(table_id, rule, before, cause);
        }
    }

    /// Adds, changes or, without a new one, removes a port.
    pub(super) fn set_port(&mut self, port_no: PortNo, after: Option<Port>, changes: &mut Changes) {
        let before = match self.ports.binary_search_by_key(&port_no, |port| port.port_no) {
            Ok(at) => Some(self.ports.remove(at)),
            Err(_) => None,
        };
        if let Some(port) = &after {
            let at = self.ports.partition_point(|other| other.port_no < port_no);
            self.ports.insert(at, port.clone());
        }
        changes.push(Change::Port { before, after });
    }

    /// Configures a port.
    pub(super) fn modify_port(&mut self, request: &PortMod, changes: &mut Changes) -> Result<(), ErrorCode> {
        let mut port = self.port(request.port_no).cloned().ok_or(ErrorCode::PORT_MOD_FAILED_BAD_PORT)?;
        if port.hw_addr != request.hw_addr {
            return Err(ErrorCode::PORT_MOD_FAILED_BAD_HW_ADDR);
        }
        let config = (port.config.0 & !request.mask.0) | (request.config.0 & request.mask.0);
        if config != port.config.0 {
            port.config = PortConfig(config);
            self.set_port(request.port_no, Some(port), changes);
        }
        Ok(())
    }

    /// Takes back what a complete list of changes says, the last first.
    pub(super) fn revert(&mut self, changes: &mut Changes) {
        for change in changes.undo() {
            match change {
                Change::Flow(FlowChange { table_id, rule, before, .. }) => {
                    let table = self.tables.entry(table_id).or_default();
                    match before {
                        Some(before) => drop(table.insert(rule, before)),
                        None => drop(table.remove(&rule)),
                    }
                }
                Change::Group { group_id, before: Some(before) } => drop(self.groups.insert(group_id, before)),
                Change::Group { group_id, before: None } => drop(self.groups.remove(&group_id)),
                Change::Port { before, after } => {
                    if let Some(port_no) = before.as_ref().or(after.as_ref()).map(|port| port.port_no) {
                        self.set_port(port_no, before, &mut Changes::default());
                    }
                }
            }
        }
    }
}
