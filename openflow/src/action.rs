//! Actions: what happens to a packet (section 7.2.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Structure;
use crate::error_code::ErrorCode;
use crate::flow_match::MatchError;
use crate::number::{EthType, GroupId, QueueId};
use crate::oxm::OxmField;
use crate::port::PortNo;
use crate::wire::{Element, Parsed, Wire, list, multiple_of_8, refuse, skip};

/// What happens to a packet.
#[doc(alias = "ofp_action_header")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send it out of a port.
    #[doc(alias = "OFPAT_OUTPUT")]
    Output {
        /// The port.
        port: PortNo,
        /// How many bytes to send if the port is the controller.
        max_len: u16,
    },
    /// Copy the TTL from the next-to-outermost to the outermost header.
    #[doc(alias = "OFPAT_COPY_TTL_OUT")]
    CopyTtlOut,
    /// Copy the TTL from the outermost to the next-to-outermost header.
    #[doc(alias = "OFPAT_COPY_TTL_IN")]
    CopyTtlIn,
    /// Set the MPLS TTL.
    #[doc(alias = "OFPAT_SET_MPLS_TTL")]
    SetMplsTtl(u8),
    /// Decrement the MPLS TTL.
    #[doc(alias = "OFPAT_DEC_MPLS_TTL")]
    DecMplsTtl,
    /// Push a VLAN tag of this type.
    #[doc(alias = "OFPAT_PUSH_VLAN")]
    PushVlan(EthType),
    /// Pop the outermost VLAN tag.
    #[doc(alias = "OFPAT_POP_VLAN")]
    PopVlan,
    /// Push an MPLS header of this type.
    #[doc(alias = "OFPAT_PUSH_MPLS")]
    PushMpls(EthType),
    /// Pop the outermost MPLS header; what is left is of this type.
    #[doc(alias = "OFPAT_POP_MPLS")]
    PopMpls(EthType),
    /// Use this queue of the port that it goes out of.
    #[doc(alias = "OFPAT_SET_QUEUE")]
    SetQueue(QueueId),
    /// Hand it to a group.
    #[doc(alias = "OFPAT_GROUP")]
    Group(GroupId),
    /// Set the IP TTL.
    #[doc(alias = "OFPAT_SET_NW_TTL")]
    SetNwTtl(u8),
    /// Decrement the IP TTL.
    #[doc(alias = "OFPAT_DEC_NW_TTL")]
    DecNwTtl,
    /// Write a header field.
    #[doc(alias = "OFPAT_SET_FIELD")]
    SetField(SetField),
    /// Push a provider backbone header of this type.
    #[doc(alias = "OFPAT_PUSH_PBB")]
    PushPbb(EthType),
    /// Pop the provider backbone header.
    #[doc(alias = "OFPAT_POP_PBB")]
    PopPbb,
    /// What an experimenter defines, byte for byte.
    #[doc(alias = "OFPAT_EXPERIMENTER")]
    Experimenter(ExperimenterAction),
}

/// A field and the value to write into it: without a mask, and not too wide.
#[doc(alias = "ofp_action_set_field")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetField(OxmField);

impl SetField {
    /// The action's argument, if the field is one that can be written.
    ///
    /// "The match fields OXM_OF_IN_PORT, OXM_OF_IN_PHY_PORT and OXM_OF_METADATA are not supported, because those are
    /// not header fields" (section 7.2.5).
    pub fn new(field: OxmField) -> Result<Self, MatchError> {
        if matches!(field, OxmField::InPort(_) | OxmField::InPhyPort(_) | OxmField::Metadata(_)) {
            return Err(MatchError::NotSettable { field: field.name() });
        }
        Self::received(field)
    }

    /// What a peer sends: Open vSwitch does write the fields that [`new`](Self::new) refuses, and reports flows that
    /// do.
    fn received(field: OxmField) -> Result<Self, MatchError> {
        field.check()?;
        if field.has_mask() {
            return Err(MatchError::NotSettable { field: field.name() });
        }
        Ok(Self(field))
    }

    /// The field with its value.
    pub const fn field(&self) -> &OxmField {
        &self.0
    }
}

/// The body of an experimenter's action.
#[doc(alias = "ofp_action_experimenter_header")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExperimenterAction {
    /// The experimenter.
    pub experimenter: u32,
    /// What follows; padded with zeros to 64 bits when it is written.
    pub data: Bytes,
}

impl Action {
    /// The shape of an action in a list.
    pub(crate) const ELEMENT: Element = Element::aligned(Structure::ACTION, 8);

    /// Sends the packet out of a port, and in full if that is the controller.
    pub const fn output(port: PortNo) -> Self {
        // "A value of zero means no bytes of the packet should be sent": it counts for the controller alone.
        let max_len = if port.0 == PortNo::CONTROLLER.0 { 0xffff } else { 0 };
        Self::Output { port, max_len }
    }

    /// Writes a header field, if that can be written.
    pub fn set_field(field: OxmField) -> Result<Self, MatchError> {
        SetField::new(field).map(Self::SetField)
    }

    /// Reads a list of actions that fills the whole of `input`.
    pub(crate) fn list(input: &[u8]) -> Result<Vec<Self>, nom::Err<crate::DecodeError>> {
        list(input, Self::ELEMENT, Self::decode)
    }
}

impl Wire for Action {
    /// Reads one action that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, action_type) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        let plain = |action| skip(input, 4).map(|(rest, ())| (rest, action));
        match action_type {
            0 => {
                let (input, port) = PortNo::decode(input)?;
                let (input, max_len) = u16::decode(input)?;
                let (input, ()) = skip(input, 6)?;
                Ok((input, Self::Output { port, max_len }))
            }
            11 => plain(Self::CopyTtlOut),
            12 => plain(Self::CopyTtlIn),
            15 => argument(input, Self::SetMplsTtl, 3),
            16 => plain(Self::DecMplsTtl),
            17 => argument(input, Self::PushVlan, 2),
            18 => plain(Self::PopVlan),
            19 => argument(input, Self::PushMpls, 2),
            20 => argument(input, Self::PopMpls, 2),
            21 => argument(input, Self::SetQueue, 0),
            22 => argument(input, Self::Group, 0),
            23 => argument(input, Self::SetNwTtl, 3),
            24 => plain(Self::DecNwTtl),
            25 => {
                let (padding, field) = OxmField::decode(input)?;
                // "ofp_action_set_field ... padded to 64 bits": up to seven bytes, whatever they hold.
                match SetField::received(field) {
                    Ok(field) if padding.len() < 8 => Ok((&[], Self::SetField(field))),
                    Ok(_) => refuse(input, ErrorCode::BAD_ACTION_BAD_SET_LEN),
                    Err(MatchError::NotSettable { .. }) => refuse(input, ErrorCode::BAD_ACTION_BAD_SET_TYPE),
                    Err(_) => refuse(input, ErrorCode::BAD_ACTION_BAD_SET_ARGUMENT),
                }
            }
            26 => argument(input, Self::PushPbb, 2),
            27 => plain(Self::PopPbb),
            0xffff => {
                let (data, experimenter) = u32::decode(input)?;
                Ok((&[], Self::Experimenter(ExperimenterAction { experimenter, data: Bytes::copy_from_slice(data) })))
            }
            _ => refuse(input, ErrorCode::BAD_ACTION_BAD_TYPE),
        }
    }

    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        let plain = |out: &mut BytesMut, action_type: u64| out.put_u64(action_type << 48 | 8 << 32);
        let word = |out: &mut BytesMut, action_type: u64, argument: u32| {
            out.put_u64(action_type << 48 | 8 << 32 | u64::from(argument));
        };
        match self {
            Self::Output { port, max_len } => {
                out.put_u32(16);
                port.encode(out);
                out.put_u64(u64::from(*max_len) << 48);
            }
            Self::CopyTtlOut => plain(out, 11),
            Self::CopyTtlIn => plain(out, 12),
            Self::SetMplsTtl(ttl) => word(out, 15, u32::from(*ttl) << 24),
            Self::DecMplsTtl => plain(out, 16),
            Self::PushVlan(eth_type) => word(out, 17, u32::from(eth_type.0) << 16),
            Self::PopVlan => plain(out, 18),
            Self::PushMpls(eth_type) => word(out, 19, u32::from(eth_type.0) << 16),
            Self::PopMpls(eth_type) => word(out, 20, u32::from(eth_type.0) << 16),
            Self::SetQueue(queue_id) => word(out, 21, queue_id.0),
            Self::Group(group_id) => word(out, 22, group_id.0),
            Self::SetNwTtl(ttl) => word(out, 23, u32::from(*ttl) << 24),
            Self::DecNwTtl => plain(out, 24),
            Self::SetField(SetField(field)) => multiple_of_8(out, 25, |out| field.encode(out)),
            Self::PushPbb(eth_type) => word(out, 26, u32::from(eth_type.0) << 16),
            Self::PopPbb => plain(out, 27),
            Self::Experimenter(action) => multiple_of_8(out, 0xffff, |out| {
                action.experimenter.encode(out);
                out.put_slice(&action.data);
            }),
        }
    }
}

/// Reads an argument and the padding behind it.
fn argument<T: Wire>(input: &[u8], action: impl Fn(T) -> Action, padding: usize) -> Parsed<'_, Action> {
    let (input, value) = T::decode(input)?;
    let (input, ()) = skip(input, padding)?;
    Ok((input, action(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oxm::Masked;

    fn decode(bytes: &[u8]) -> Result<Vec<Action>, ErrorCode> {
        Action::list(bytes).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => error.code(),
            nom::Err::Incomplete(_) => panic!("a complete parser asked for more"),
        })
    }

    #[test]
    fn a_field_that_is_not_in_packets_cannot_be_set_but_is_read_as_open_vswitch_sends_it() {
        let metadata = OxmField::Metadata(Masked::exact(5));
        assert_eq!(SetField::new(metadata.clone()), Err(MatchError::NotSettable { field: "metadata" }));
        let bytes = [0, 25, 0, 16, 0x80, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 5];
        assert_eq!(decode(&bytes), Ok(vec![Action::SetField(SetField(metadata))]));
    }

    #[test]
    fn a_set_field_with_a_mask_or_a_value_too_wide_is_refused() {
        let masked = [0, 25, 0, 16, 0x80, 0, 23, 8, 10, 0, 0, 0, 255, 0, 0, 0];
        assert_eq!(decode(&masked), Err(ErrorCode::BAD_ACTION_BAD_SET_TYPE));
        let wide = [0, 25, 0, 16, 0x80, 0, 16, 1, 64, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&wide), Err(ErrorCode::BAD_ACTION_BAD_SET_ARGUMENT));
        assert_eq!(Action::set_field(OxmField::IpDscp(64)), Err(MatchError::TooWide { field: "ip_dscp", width: 6 }));
    }

    #[test]
    fn a_set_field_longer_than_its_padding_is_refused() {
        let bytes = [&[0, 25, 0, 24, 0x80, 0, 16, 1, 46][..], &[0; 15]].concat();
        assert_eq!(decode(&bytes), Err(ErrorCode::BAD_ACTION_BAD_SET_LEN));
    }

    #[test]
    fn wrong_lengths_of_actions_are_refused() {
        for length in [0, 1, 4, 7, 9, 12, 24] {
            let bytes = [&[0, 0, 0, length, 0, 0, 0, 1][..], &[0; 8]].concat();
            assert_eq!(decode(&bytes), Err(ErrorCode::BAD_ACTION_BAD_LEN), "length {length}");
        }
    }

    #[test]
    fn an_action_that_nobody_defined_is_refused() {
        assert_eq!(decode(&[0, 99, 0, 8, 0, 0, 0, 0]), Err(ErrorCode::BAD_ACTION_BAD_TYPE));
    }

    #[test]
    fn padding_is_ignored_and_written_as_zeros() {
        let bytes = [0, 24, 0, 8, 1, 2, 3, 4, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9, 9, 9];
        let actions = decode(&bytes).unwrap();
        assert_eq!(actions, [Action::DecNwTtl, Action::output(PortNo(1))]);
        let mut out = BytesMut::new();
        crate::wire::encode_all(&actions, &mut out);
        assert_eq!(&out[..], [0, 24, 0, 8, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn only_the_controller_is_told_how_much_it_gets() {
        assert_eq!(Action::output(PortNo::CONTROLLER), Action::Output { port: PortNo::CONTROLLER, max_len: 0xffff });
        assert_eq!(Action::output(PortNo::NORMAL), Action::Output { port: PortNo::NORMAL, max_len: 0 });
    }
}
