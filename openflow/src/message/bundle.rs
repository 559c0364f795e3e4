//! Bundles: messages that take effect together (ONF extension 230, experimenter messages 2300 and 2301).

use bytes::{BufMut, Bytes, BytesMut};
use std::ops::BitOr;

use crate::error::{Fault, Structure};
use crate::frame::Header;
use crate::macros::{wire_enum, wire_struct};
use crate::message::Message;
use crate::number::Xid;
use crate::wire::{Element, Parsed, Wire, element, encode_all, fail, list, measured_padded, skip, within};

wire_struct! {
    /// The number of a bundle.
    pub struct BundleId(u32);
}

/// Opens, closes, commits or discards a bundle, or says that this is done.
#[doc(alias = "onf_bundle_ctrl_msg")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleControl {
    /// The bundle.
    pub bundle_id: BundleId,
    /// What to do, or what has been done.
    pub control_type: BundleControlType,
    /// How the messages take effect.
    pub flags: BundleFlags,
    /// What experimenters add.
    pub properties: Vec<BundleProperty>,
}

/// Adds a message to a bundle.
#[doc(alias = "onf_bundle_add_msg")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleAdd {
    /// The bundle.
    pub bundle_id: BundleId,
    /// How the messages take effect: the same in all messages of a bundle.
    pub flags: BundleFlags,
    /// The transaction of the message: the same as that of the message around it.
    pub xid: Xid,
    /// The message.
    pub message: Box<Message>,
    /// What experimenters add.
    pub properties: Vec<BundleProperty>,
}

wire_enum! {
    /// What a [`BundleControl`] does or says.
    #[doc(alias = "onf_bundle_ctrl_type")]
    pub enum BundleControlType: u16, open {
        /// Open the bundle.
        #[doc(alias = "ONF_BCT_OPEN_REQUEST")]
        OpenRequest = 0,
        /// It is open.
        #[doc(alias = "ONF_BCT_OPEN_REPLY")]
        OpenReply = 1,
        /// Close it: no more messages are added.
        #[doc(alias = "ONF_BCT_CLOSE_REQUEST")]
        CloseRequest = 2,
        /// It is closed.
        #[doc(alias = "ONF_BCT_CLOSE_REPLY")]
        CloseReply = 3,
        /// Apply its messages.
        #[doc(alias = "ONF_BCT_COMMIT_REQUEST")]
        CommitRequest = 4,
        /// They are applied.
        #[doc(alias = "ONF_BCT_COMMIT_REPLY")]
        CommitReply = 5,
        /// Forget its messages.
        #[doc(alias = "ONF_BCT_DISCARD_REQUEST")]
        DiscardRequest = 6,
        /// They are forgotten.
        #[doc(alias = "ONF_BCT_DISCARD_REPLY")]
        DiscardReply = 7,
    }
}

wire_struct! {
    /// How the messages of a bundle take effect, a bit each.
    #[doc(alias = "onf_bundle_flags")]
    pub struct BundleFlags(u16);
}

impl BundleFlags {
    /// All or none.
    #[doc(alias = "ONF_BF_ATOMIC")]
    pub const ATOMIC: Self = Self(1 << 0);
    /// In the order in which they were added.
    #[doc(alias = "ONF_BF_ORDERED")]
    pub const ORDERED: Self = Self(1 << 1);
}

impl BitOr for BundleFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A property of a bundle message: there are only those of experimenters.
#[doc(alias = "onf_bundle_prop_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleProperty {
    /// The type.
    pub property_type: u16,
    /// What follows type and length: experimenter, its type, and its data.
    pub data: Bytes,
}

impl BundleControl {
    /// The type of the experimenter message.
    #[doc(alias = "ONF_ET_BUNDLE_CONTROL")]
    pub(crate) const EXP_TYPE: u32 = 2300;
}

impl Wire for BundleControl {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        within(Structure::request("onf_bundle_ctrl_msg"), input, |input| {
            let (input, bundle_id) = BundleId::decode(input)?;
            let (input, control_type) = BundleControlType::decode(input)?;
            let (input, flags) = BundleFlags::decode(input)?;
            let properties = list(input, BundleProperty::ELEMENT, BundleProperty::decode)?;
            Ok((&[], Self { bundle_id, control_type, flags, properties }))
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        self.bundle_id.encode(out);
        self.control_type.encode(out);
        self.flags.encode(out);
        encode_all(&self.properties, out);
    }
}

impl BundleAdd {
    /// The type of the experimenter message.
    #[doc(alias = "ONF_ET_BUNDLE_ADD_MESSAGE")]
    pub(crate) const EXP_TYPE: u32 = 2301;

    /// The message inside: padded only "if there is one property or more".
    const MESSAGE: Element = Element::tlv(Structure::request("onf_bundle_add_msg"), Header::LEN);

    pub(crate) fn decode<'a>(input: &'a [u8], frame: &Bytes) -> Parsed<'a, Self> {
        within(Structure::request("onf_bundle_add_msg"), input, |input| {
            let (input, bundle_id) = BundleId::decode(input)?;
            let (input, ()) = skip(input, 2)?;
            let (input, flags) = BundleFlags::decode(input)?;
            let (rest, inner) = element(input, Self::MESSAGE)?;
            let (xid, message) = match Message::decode_frame(&frame.slice_ref(inner), true) {
                Ok(decoded) => decoded,
                Err(error) => return Err(nom::Err::Error(error.followed_by(rest.len()))),
            };
            // "If there is one property or more, 'message' is followed by" its padding and the properties.
            let mut properties = Vec::new();
            if !rest.is_empty() {
                let (rest, ()) = skip(rest, inner.len().next_multiple_of(8) - inner.len())?;
                properties = list(rest, BundleProperty::ELEMENT, BundleProperty::decode)?;
                if properties.is_empty() {
                    return fail(rest, Fault::Trailing);
                }
            }
            Ok((&[][..], Self { bundle_id, flags, xid, message: Box::new(message), properties }))
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        self.bundle_id.encode(out);
        out.put_bytes(0, 2);
        self.flags.encode(out);
        let length = self.message.encode_unchecked(self.xid, out);
        if !self.properties.is_empty() {
            out.put_bytes(0, length.next_multiple_of(8) - length);
            encode_all(&self.properties, out);
        }
    }
}

impl BundleProperty {
    const ELEMENT: Element = Element::padded(Structure::request("onf_bundle_prop_header"), 4);
}

impl Wire for BundleProperty {
    /// Reads one property that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, property_type) = u16::decode(input)?;
        let (data, _length) = u16::decode(input)?;
        Ok((&[], Self { property_type, data: Bytes::copy_from_slice(data) }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured_padded(out, 2, |out| {
            self.property_type.encode(out);
            out.put_bytes(0, 2);
            out.put_slice(&self.data);
        });
    }
}
