//! What the flow tables of a switch can do, by its own word (OpenFlow 1.3.5, 7.3.5.5).
//!
//! Kept are only the answers to what a flow asks of its table, as bits, and once for all tables in a row that are alike:
//! in full, the word of one Open vSwitch is over a megabyte. What a switch leaves out it may be able to do, and so may
//! one that says nothing at all.

use openflow::{Action, Instruction, Match, OxmId, TableFeatureProperty as Property, TableFeatures, TableId, TypeId};
use thiserror::Error;

/// The class of the fields that the specification defines (7.2.3.3, `OFPXMC_OPENFLOW_BASIC`).
const OPENFLOW_BASIC: u16 = 0x8000;

/// The flow tables of a switch; none when it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[doc(alias = "ofp_table_features")]
pub struct Tables(Vec<Row>);

/// Tables in a row that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    first: TableId,
    last: TableId,
    table: Table,
}

/// What one flow table can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// How many entries it can have.
    pub max_entries: u32,
    instructions: Option<Numbers<1>>,
    /// The later tables that it does not lead to. Where each leads to all that come after it, this is the same for all.
    cut_off: Option<Numbers<4>>,
    apply_actions: Option<Numbers<1>>,
    set_fields: Option<Numbers<1>>,
    match_fields: Option<Numbers<1>>,
}

/// What a flow asks and its table cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Lack {
    /// There is no such table.
    #[error("the switch has no table {}", .0.0)]
    Table(TableId),
    /// It does not match this field.
    #[error("table {} cannot match {field}", table.0)]
    Match {
        /// The table.
        table: TableId,
        /// The field.
        field: &'static str,
    },
    /// It does not have this instruction.
    #[error("table {} does not have the instruction {instruction}", table.0)]
    Instruction {
        /// The table.
        table: TableId,
        /// The instruction.
        instruction: &'static str,
    },
    /// It does not apply this action.
    #[error("table {} cannot apply the action {action}", table.0)]
    Action {
        /// The table.
        table: TableId,
        /// The action.
        action: &'static str,
    },
    /// It does not write this field.
    #[error("table {} cannot set {field}", table.0)]
    SetField {
        /// The table.
        table: TableId,
        /// The field.
        field: &'static str,
    },
    /// It does not lead to this table.
    #[error("table {} does not lead to table {}", table.0, next.0)]
    NextTable {
        /// The table.
        table: TableId,
        /// The one that was to be next.
        next: TableId,
    },
}

impl Tables {
    /// What the switch says of a table; nothing when it says nothing, or has no such table.
    #[must_use]
    pub fn get(&self, table: TableId) -> Option<&Table> {
        self.0.iter().find(|row| (row.first..=row.last).contains(&table)).map(|row| &row.table)
    }

    /// Whether a flow can be in this table, as far as the switch says.
    ///
    /// # Errors
    /// The first thing that the table cannot do.
    pub fn check(&self, table: TableId, flow_match: &Match, instructions: &[Instruction]) -> Result<(), Lack> {
        if self.0.is_empty() {
            return Ok(());
        }
        let able = self.get(table).ok_or(Lack::Table(table))?;
        for field in flow_match.fields() {
            if !knows(&able.match_fields, field.number()) {
                return Err(Lack::Match { table, field: field.name() });
            }
        }
        instructions.iter().try_for_each(|instruction| able.check(table, instruction))
    }

    /// Adds what one part of the reply says; false when it speaks of a table for the second time.
    pub(super) fn learn(&mut self, part: &[TableFeatures]) -> bool {
        part.iter().all(|features| {
            let id = features.table_id;
            let is_new = self.get(id).is_none();
            let table = Table::new(features);
            match self.0.last_mut() {
                Some(row) if row.last.0.checked_add(1) == Some(id.0) && row.table == table => row.last = id,
                _ => self.0.push(Row { first: id, last: id, table }),
            }
            is_new
        })
    }
}

impl Table {
    fn new(features: &TableFeatures) -> Self {
        let mut table = Self {
            max_entries: features.max_entries,
            instructions: None,
            cut_off: None,
            apply_actions: None,
            set_fields: None,
            match_fields: None,
        };
        for property in &features.properties {
            match property {
                Property::Instructions(types) => table.instructions = Some(standard(types)),
                Property::NextTables(next) => table.cut_off = Some(cut_off(features.table_id, next)),
                Property::ApplyActions(types) => table.apply_actions = Some(standard(types)),
                Property::ApplySetField(fields) => table.set_fields = Some(basic(fields)),
                Property::Match(fields) => table.match_fields = Some(basic(fields)),
                // Of the table-miss entry, of what this controller never asks, and of experimenters.
                Property::InstructionsMiss(_)
                | Property::NextTablesMiss(_)
                | Property::WriteActions(_)
                | Property::WriteActionsMiss(_)
                | Property::ApplyActionsMiss(_)
                | Property::Wildcards(_)
                | Property::WriteSetField(_)
                | Property::WriteSetFieldMiss(_)
                | Property::ApplySetFieldMiss(_)
                | Property::Experimenter(_)
                | Property::ExperimenterMiss(_) => {}
            }
        }
        table
    }

    fn check(&self, table: TableId, instruction: &Instruction) -> Result<(), Lack> {
        let (number, name) = match instruction {
            Instruction::GotoTable(_) => (1, "goto_table"),
            Instruction::WriteMetadata { .. } => (2, "write_metadata"),
            Instruction::WriteActions(_) => (3, "write_actions"),
            Instruction::ApplyActions(_) => (4, "apply_actions"),
            Instruction::ClearActions => (5, "clear_actions"),
            Instruction::Meter(_) => (6, "meter"),
            Instruction::Experimenter(_) => return Ok(()),
        };
        if !knows(&self.instructions, Some(number)) {
            return Err(Lack::Instruction { table, instruction: name });
        }
        match instruction {
            Instruction::GotoTable(next) if !self.leads(table, *next) => Err(Lack::NextTable { table, next: *next }),
            Instruction::ApplyActions(actions) => actions.iter().try_for_each(|action| self.apply(table, action)),
            _ => Ok(()),
        }
    }

    fn leads(&self, table: TableId, next: TableId) -> bool {
        self.cut_off.as_ref().is_none_or(|cut_off| next > table && !cut_off.contains(next.0))
    }

    fn apply(&self, table: TableId, action: &Action) -> Result<(), Lack> {
        let (number, name) = match action {
            Action::Output { .. } => (0, "output"),
            Action::SetQueue(_) => (21, "set_queue"),
            Action::Group(_) => (22, "group"),
            Action::SetField(_) => (25, "set_field"),
            _ => return Ok(()),
        };
        if !knows(&self.apply_actions, Some(number)) {
            return Err(Lack::Action { table, action: name });
        }
        let field = if let Action::SetField(set) = action { Some(set.field()) } else { None };
        match field.filter(|field| !knows(&self.set_fields, field.number())) {
            Some(field) => Err(Lack::SetField { table, field: field.name() }),
            None => Ok(()),
        }
    }
}

/// A set of numbers below 64 `WORDS`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> FromIterator<usize> for Numbers<WORDS> {
    /// Numbers that are too large are left out: nobody asks for them.
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut words = [0; WORDS];
        for number in numbers {
            if let Some(word) = words.get_mut(number / 64) {
                *word |= 1 << (number % 64);
            }
        }
        Self(words)
    }
}

impl<const WORDS: usize> Numbers<WORDS> {
    fn contains(&self, number: u8) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

/// Whether the number is in the set; without a set or a number nothing speaks against it.
fn knows(numbers: &Option<Numbers<1>>, number: Option<u8>) -> bool {
    let (Some(numbers), Some(number)) = (numbers, number) else { return true };
    numbers.contains(number)
}

/// The tables after this one that are not among those it leads to.
fn cut_off(table: TableId, next: &[TableId]) -> Numbers<4> {
    let next: Numbers<4> = next.iter().map(|next| next.0.into()).collect();
    (table.0..=TableId::MAX.0).skip(1).filter(|later| !next.contains(*later)).map(usize::from).collect()
}

fn standard(types: &[TypeId]) -> Numbers<1> {
    types.iter().map(|kind| kind.number.into()).collect()
}

fn basic(fields: &[OxmId]) -> Numbers<1> {
    fields.iter().filter(|field| field.class() == OPENFLOW_BASIC).map(|field| field.field().into()).collect()
}
