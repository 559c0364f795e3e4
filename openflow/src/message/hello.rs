//! HELLO: which versions a peer speaks (section 7.5.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Structure;
use crate::number::OFP_VERSION;
use crate::wire::{Element, Parsed, Wire, encode_all, list, measured_padded};

/// The first message of both sides.
#[doc(alias = "ofp_hello")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The version of its header: the highest that the sender speaks (section 6.3.1). No other message has another than
    /// [`OFP_VERSION`].
    pub version: u8,
    /// What the peer says about itself.
    pub elements: Vec<HelloElement>,
}

/// An element of a [`Hello`].
#[doc(alias = "ofp_hello_elem_header")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloElement {
    /// The versions spoken, version 0 in the lowest bit of the first word.
    #[doc(alias = "ofp_hello_elem_versionbitmap")]
    VersionBitmap(Vec<u32>),
    /// An element that this version does not define; the specification says to ignore it.
    Unknown {
        /// The type.
        element_type: u16,
        /// What follows the length.
        data: Bytes,
    },
}

impl Default for Hello {
    /// A HELLO of this version that says no more.
    fn default() -> Self {
        Self { version: OFP_VERSION, elements: Vec::new() }
    }
}

impl Hello {
    /// Offers these versions.
    pub fn with_versions(versions: &[u8]) -> Self {
        let words = versions.iter().map(|version| usize::from(*version) / 32 + 1).max().unwrap_or(1);
        let mut bitmap = vec![0_u32; words];
        for version in versions {
            if let Some(word) = bitmap.get_mut(usize::from(*version) / 32) {
                *word |= 1 << (version % 32);
            }
        }
        Self { elements: vec![HelloElement::VersionBitmap(bitmap)], ..Self::default() }
    }

    /// The first word of the first bitmap, which holds every version there is; `None` if the peer sent no bitmap.
    pub fn versions(&self) -> Option<u32> {
        self.elements.iter().find_map(|element| match element {
            HelloElement::VersionBitmap(bitmap) => Some(bitmap.first().copied().unwrap_or(0)),
            HelloElement::Unknown { .. } => None,
        })
    }
}

impl Wire for Hello {
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let elements = list(input, Element::padded(Structure::request("ofp_hello_elem"), 4), HelloElement::decode)?;
        Ok((&[], Self { elements, ..Self::default() }))
    }

    fn encode(&self, out: &mut BytesMut) {
        encode_all(&self.elements, out);
    }
}

impl Wire for HelloElement {
    /// Reads one element that fills the whole of `input`.
    fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, element_type) = u16::decode(input)?;
        let (input, _length) = u16::decode(input)?;
        if element_type == 1 {
            let bitmap = crate::wire::fixed_list(input)?;
            return Ok((&[], Self::VersionBitmap(bitmap)));
        }
        Ok((&[], Self::Unknown { element_type, data: Bytes::copy_from_slice(input) }))
    }

    fn encode(&self, out: &mut BytesMut) {
        measured_padded(out, 2, |out| match self {
            Self::VersionBitmap(bitmap) => {
                out.put_u32(1 << 16);
                encode_all(bitmap, out);
            }
            Self::Unknown { element_type, data } => {
                out.put_u32(u32::from(*element_type) << 16);
                out.put_slice(data);
            }
        });
    }
}
