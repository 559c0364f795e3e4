//! Instructions: what a flow entry does with the packets that it matches (section 7.2.4).

use bytes::{BufMut, Bytes, BytesMut};

use crate::action::Action;
use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::number::{MeterId, TableId};
use crate::wire::{Element, Parsed, Wire, encode_all, list, measured, multiple_of_8, refuse, skip};

/// What a flow entry does with the packets that it matches.
#[doc(alias = "ofp_instruction")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// Go on in a later table.
    #[doc(alias = "OFPIT_GOTO_TABLE")]
    GotoTable(TableId),
    /// Write the bits of the mask into the metadata.
    #[doc(alias = "OFPIT_WRITE_METADATA")]
    WriteMetadata {
        /// The bits.
        metadata: u64,
        /// Which of them count.
        mask: u64,
    },
    /// Add actions to the action set, which is run when the pipeline ends.
    #[doc(alias = "OFPIT_WRITE_ACTIONS")]
    WriteActions(Vec<Action>),
    /// Run actions at once, in this order.
    #[doc(alias = "OFPIT_APPLY_ACTIONS")]
    ApplyActions(Vec<Action>),
    /// Empty the action set.
    #[doc(alias = "OFPIT_CLEAR_ACTIONS")]
    ClearActions,
    /// Send it through a meter, which may drop it.
    #[doc(alias = "OFPIT_METER")]
    Meter(MeterId),
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "OFPIT_EXPERIMENTER")]
    Experimenter(ExperimenterInstruction),
}

/// The body of an experimenter's instruction.
#[doc(alias = "ofp_instruction_experimenter")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExperimenterInstruction {
    /// The experimenter.
    pub experimenter: u32,
    /// What follows; padded with zeros to 64 bits when it is written.
    pub data: Bytes,
}

impl Instruction {
    /// Where the instruction stands among those of its flow when a switch runs them, the first lowest (section 5.9).
    pub const fn execution_order(&self) -> u8 {
        match self {
            Self::Meter(_) => 0,
            Self::ApplyActions(_) => 1,
            Self::ClearActions => 2,
            Self::WriteActions(_) => 3,
            Self::WriteMetadata { .. } => 4,
            Self::GotoTable(_) => 5,
            Self::Experimenter(_) => 6,
        }
    }

    /// Reads a list of instructions that fills the whole of `input`.
    #[inline]
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<crate::DecodeError>> {
        list(input, Element::aligned(Structure::INSTRUCTION, 8), Self::decode)
    }
}

impl Wire for Instruction {
    /// Reads one instruction that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, instruction_type) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        match instruction_type {
            1 => {
                let (input, table_id) = TableId::decode(input)?;
                let (input, ()) = skip(input, 3)?;
                Ok((input, Self::GotoTable(table_id)))
            }
            2 => {
                let (input, ()) = skip(input, 4)?;
                let (input, metadata) = u64::decode(input)?;
                let (input, mask) = u64::decode(input)?;
                Ok((input, Self::WriteMetadata { metadata, mask }))
            }
            3..=5 => {
                let (input, ()) = skip(input, 4)?;
                let actions = Action::list(input)?;
                match instruction_type {
                    3 => Ok((&[], Self::WriteActions(actions))),
                    4 => Ok((&[], Self::ApplyActions(actions))),
                    // "For the Clear-Actions instruction, the structure does not contain any actions."
                    _ if actions.is_empty() => Ok((&[], Self::ClearActions)),
                    _ => refuse(input, ErrorCode::BAD_INSTRUCTION_BAD_LEN),
                }
            }
            6 => {
                let (input, meter_id) = MeterId::decode(input)?;
                Ok((input, Self::Meter(meter_id)))
            }
            0xffff => {
                let (data, experimenter) = u32::decode(input)?;
                let data = Bytes::copy_from_slice(data);
                Ok((&[], Self::Experimenter(ExperimenterInstruction { experimenter, data })))
            }
            _ => refuse(input, ErrorCode::BAD_INSTRUCTION_UNKNOWN_INST),
        }
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::GotoTable(table_id) => {
                out.put_u64(1 << 48 | 8 << 32 | u64::from(table_id.0) << 24);
            }
            Self::WriteMetadata { metadata, mask } => {
                out.put_u64(2 << 48 | 24 << 32);
                metadata.encode(out);
                mask.encode(out);
            }
            Self::WriteActions(actions) => encode_actions(out, 3, actions),
            Self::ApplyActions(actions) => encode_actions(out, 4, actions),
            Self::ClearActions => encode_actions(out, 5, &[]),
            Self::Meter(meter_id) => out.put_u64(6 << 48 | 8 << 32 | u64::from(meter_id.0)),
            Self::Experimenter(instruction) => multiple_of_8(out, 0xffff, |out| {
                instruction.experimenter.encode(out);
                out.put_slice(&instruction.data);
            }),
        }
    }
}

#[inline]
fn encode_actions(out: &mut BytesMut, instruction_type: u64, actions: &[Action]) {
    measured(out, 2, |out| {
        out.put_u64(instruction_type << 48);
        encode_all(actions, out);
    });
}
