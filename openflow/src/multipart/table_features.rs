//! TABLE_FEATURES: what the tables of a switch can do (section 7.3.5.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{DecodeError, Structure};
use crate::error_code::ErrorCode;
use crate::fixed_text::FixedText;
use crate::number::TableId;
use crate::oxm::OxmId;
use crate::wire::{Element, Parsed, Wire, encode_all, fixed_list, list, measured, measured_padded, refuse, skip};

/// What a table can do.
#[doc(alias = "ofp_table_features")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFeatures {
    /// The table.
    pub table_id: TableId,
    /// Its name.
    pub name: FixedText<32>,
    /// The bits of the metadata that it can match.
    pub metadata_match: u64,
    /// The bits of the metadata that it can write.
    pub metadata_write: u64,
    /// Bits that earlier versions defined.
    pub config: u32,
    /// How many entries it can have.
    pub max_entries: u32,
    /// What else.
    pub properties: Vec<TableFeatureProperty>,
}

/// A property of a table.
///
/// The properties whose name ends in `Miss` are those of the table-miss entry.
#[doc(alias = "ofp_table_feature_prop_type")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableFeatureProperty {
    /// Instructions.
    #[doc(alias = "OFPTFPT_INSTRUCTIONS")]
    Instructions(Vec<TypeId>),
    /// Instructions of the table-miss entry.
    #[doc(alias = "OFPTFPT_INSTRUCTIONS_MISS")]
    InstructionsMiss(Vec<TypeId>),
    /// Tables to go to.
    #[doc(alias = "OFPTFPT_NEXT_TABLES")]
    NextTables(Vec<TableId>),
    /// Tables to go to from the table-miss entry.
    #[doc(alias = "OFPTFPT_NEXT_TABLES_MISS")]
    NextTablesMiss(Vec<TableId>),
    /// Actions to write.
    #[doc(alias = "OFPTFPT_WRITE_ACTIONS")]
    WriteActions(Vec<TypeId>),
    /// Actions to write in the table-miss entry.
    #[doc(alias = "OFPTFPT_WRITE_ACTIONS_MISS")]
    WriteActionsMiss(Vec<TypeId>),
    /// Actions to apply.
    #[doc(alias = "OFPTFPT_APPLY_ACTIONS")]
    ApplyActions(Vec<TypeId>),
    /// Actions to apply in the table-miss entry.
    #[doc(alias = "OFPTFPT_APPLY_ACTIONS_MISS")]
    ApplyActionsMiss(Vec<TypeId>),
    /// Fields to match.
    #[doc(alias = "OFPTFPT_MATCH")]
    Match(Vec<OxmId>),
    /// Fields that may be left out of a match.
    #[doc(alias = "OFPTFPT_WILDCARDS")]
    Wildcards(Vec<OxmId>),
    /// Fields to set by writing actions.
    #[doc(alias = "OFPTFPT_WRITE_SETFIELD")]
    WriteSetField(Vec<OxmId>),
    /// Fields to set by writing actions in the table-miss entry.
    #[doc(alias = "OFPTFPT_WRITE_SETFIELD_MISS")]
    WriteSetFieldMiss(Vec<OxmId>),
    /// Fields to set by applying actions.
    #[doc(alias = "OFPTFPT_APPLY_SETFIELD")]
    ApplySetField(Vec<OxmId>),
    /// Fields to set by applying actions in the table-miss entry.
    #[doc(alias = "OFPTFPT_APPLY_SETFIELD_MISS")]
    ApplySetFieldMiss(Vec<OxmId>),
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "OFPTFPT_EXPERIMENTER")]
    Experimenter(ExperimenterProperty),
    /// What an experimenter defines for the table-miss entry, byte for byte.
    #[doc(alias = "OFPTFPT_EXPERIMENTER_MISS")]
    ExperimenterMiss(ExperimenterProperty),
}

/// The type of an instruction or of an action: its header without its body.
#[doc(alias = "ofp_instruction")]
#[doc(alias = "ofp_action_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeId {
    /// The number of the type.
    pub number: u16,
    /// What follows type and length: for experimenters their id, for others nothing.
    pub data: Bytes,
}

/// A property that an experimenter defines.
#[doc(alias = "ofp_table_feature_prop_experimenter")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimenterProperty {
    /// The experimenter.
    pub experimenter: u32,
    /// The type, in the space of the experimenter.
    pub exp_type: u32,
    /// What follows.
    pub data: Bytes,
}

impl TableFeatures {
    /// Reads a list of tables that fills the whole of `input`.
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<DecodeError>> {
        list(input, Element::led_by_length(Structure::TABLE_FEATURES, 64), Self::decode)
    }
}

impl Wire for TableFeatures {
    /// Reads one table that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, _length) = u16::decode(input)?;
        let (input, table_id) = TableId::decode(input)?;
        let (input, ()) = skip(input, 5)?;
        let (input, name) = FixedText::decode(input)?;
        let (input, metadata_match) = u64::decode(input)?;
        let (input, metadata_write) = u64::decode(input)?;
        let (input, config) = u32::decode(input)?;
        let (input, max_entries) = u32::decode(input)?;
        let shape = Element::padded(Structure::TABLE_FEATURE_PROPERTY, 4);
        let properties = list(input, shape, TableFeatureProperty::decode)?;
        Ok((&[], Self { table_id, name, metadata_match, metadata_write, config, max_entries, properties }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 0, |out| {
            out.put_bytes(0, 2);
            self.table_id.encode(out);
            out.put_bytes(0, 5);
            self.name.encode(out);
            self.metadata_match.encode(out);
            self.metadata_write.encode(out);
            self.config.encode(out);
            self.max_entries.encode(out);
            encode_all(&self.properties, out);
        });
    }
}

impl TableFeatureProperty {
    /// The number of the type.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Instructions(_) => 0,
            Self::InstructionsMiss(_) => 1,
            Self::NextTables(_) => 2,
            Self::NextTablesMiss(_) => 3,
            Self::WriteActions(_) => 4,
            Self::WriteActionsMiss(_) => 5,
            Self::ApplyActions(_) => 6,
            Self::ApplyActionsMiss(_) => 7,
            Self::Match(_) => 8,
            Self::Wildcards(_) => 10,
            Self::WriteSetField(_) => 12,
            Self::WriteSetFieldMiss(_) => 13,
            Self::ApplySetField(_) => 14,
            Self::ApplySetFieldMiss(_) => 15,
            Self::Experimenter(_) => 0xfffe,
            Self::ExperimenterMiss(_) => 0xffff,
        }
    }
}

impl Wire for TableFeatureProperty {
    /// Reads one property that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, number) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let property = match number {
            0 => Self::Instructions(TypeId::list(input)?),
            1 => Self::InstructionsMiss(TypeId::list(input)?),
            2 => Self::NextTables(fixed_list(input)?),
            3 => Self::NextTablesMiss(fixed_list(input)?),
            4 => Self::WriteActions(TypeId::list(input)?),
            5 => Self::WriteActionsMiss(TypeId::list(input)?),
            6 => Self::ApplyActions(TypeId::list(input)?),
            7 => Self::ApplyActionsMiss(TypeId::list(input)?),
            8 => Self::Match(fixed_list(input)?),
            10 => Self::Wildcards(fixed_list(input)?),
            12 => Self::WriteSetField(fixed_list(input)?),
            13 => Self::WriteSetFieldMiss(fixed_list(input)?),
            14 => Self::ApplySetField(fixed_list(input)?),
            15 => Self::ApplySetFieldMiss(fixed_list(input)?),
            0xfffe => Self::Experimenter(ExperimenterProperty::decode(input)?.1),
            0xffff => Self::ExperimenterMiss(ExperimenterProperty::decode(input)?.1),
            _ => return refuse(input, ErrorCode::TABLE_FEATURES_FAILED_BAD_TYPE),
        };
        Ok((&[], property))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured_padded(out, 2, |out| {
            self.number().encode(out);
            out.put_bytes(0, 2);
            match self {
                Self::Instructions(types) | Self::InstructionsMiss(types) => encode_all(types, out),
                Self::NextTables(tables) | Self::NextTablesMiss(tables) => encode_all(tables, out),
                Self::WriteActions(types) | Self::WriteActionsMiss(types) => encode_all(types, out),
                Self::ApplyActions(types) | Self::ApplyActionsMiss(types) => encode_all(types, out),
                Self::Match(fields) | Self::Wildcards(fields) => encode_all(fields, out),
                Self::WriteSetField(fields) | Self::WriteSetFieldMiss(fields) => encode_all(fields, out),
                Self::ApplySetField(fields) | Self::ApplySetFieldMiss(fields) => encode_all(fields, out),
                Self::Experimenter(property) | Self::ExperimenterMiss(property) => property.encode(out),
            }
        });
    }
}

impl TypeId {
    /// The type of an instruction or of an action that the specification defines.
    pub const fn standard(number: u16) -> Self {
        Self { number, data: Bytes::new() }
    }

    /// Reads a list of types that fills the whole of `input`.
    fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<DecodeError>> {
        list(input, Element::tlv(Structure::TABLE_FEATURE_PROPERTY, 4), Self::decode)
    }
}

impl Wire for TypeId {
    /// Reads one type that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, number) = u16::decode(input)?;
        let (data, _length) = u16::decode(input)?;
        Ok((&[], Self { number, data: Bytes::copy_from_slice(data) }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured(out, 2, |out| {
            self.number.encode(out);
            out.put_bytes(0, 2);
            out.put_slice(&self.data);
        });
    }
}

impl Wire for ExperimenterProperty {
    /// Reads a property that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, experimenter) = u32::decode(input)?;
        let (data, exp_type) = u32::decode(input)?;
        Ok((&[], Self { experimenter, exp_type, data: Bytes::copy_from_slice(data) }))
    }

    fn encode(&self, out: &mut BytesMut) {
        self.experimenter.encode(out);
        self.exp_type.encode(out);
        out.put_slice(&self.data);
    }
}
