//! What a flow matches, in the one form in which equal matches are equal bytes.
//!
//! A [`Pattern`] is a list of OXM TLVs in the order of their field numbers, where a mask of all ones has become an
//! exact value and a field with a mask of all zeros has been left out. A hash map can find it in one step, and the
//! two questions that FLOW_MOD asks of a match, "is it inside of" and "do they meet", are one walk along both lists.
//! The bytes stay valid OXM, so they go into FLOW_STATS as they are.
//!
//! It does not check prerequisites or values: the codec did.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::BytesMut;
use openflow::Match;

/// The OXM class whose TLVs start with the number of an experimenter.
const EXPERIMENTER_CLASS: u16 = 0xffff;
/// The OXM class of the fields that the specification names.
const BASIC_CLASS: u16 = 0x8000;

/// A match in canonical form; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pattern(Arc<[u8]>);

impl Pattern {
    /// Brings a well-formed list of OXM TLVs into canonical form; what does not parse is left out.
    pub(super) fn from_oxm(oxm: &[u8]) -> Self {
        if is_canonical(oxm) {
            return Pattern(oxm.into());
        }
        let mut fields: Vec<Field<'_>> = fields(oxm).filter(|field| !field.is_wildcard()).collect();
        fields.sort_by_key(|field| field.id);
        let mut canonical = Vec::with_capacity(oxm.len());
        for field in &fields {
            field.append_to(&mut canonical);
        }
        Pattern(canonical.into())
    }

    /// The `ofp_match` that begins at an offset of a message which the codec has decoded.
    pub(super) fn in_message(message: &[u8], offset: usize) -> Self {
        let oxm = message.get(offset..).and_then(|rest| {
            let &[_, _, high, low] = rest.first_chunk()?;
            rest.get(4..usize::from(u16::from_be_bytes([high, low])))
        });
        Self::from_oxm(oxm.unwrap_or_default())
    }

    /// The match of an application.
    pub(super) fn of(flow_match: &Match) -> Self {
        let mut oxm = BytesMut::new();
        flow_match.append_oxm(&mut oxm);
        Self::from_oxm(&oxm)
    }

    /// As the match of a message.
    pub(super) fn to_match(&self) -> Match {
        Match::from_oxm(&self.0).unwrap_or_default()
    }

    /// Whether every packet that matches `other` matches this one as well.
    ///
    /// Non-strict requests are about every flow whose match is equal to theirs or narrower (section 6.4).
    pub(super) fn covers(&self, other: &Pattern) -> bool {
        let mut theirs = fields(&other.0);
        fields(&self.0).all(|ours| {
            theirs.find(|their| their.id >= ours.id).is_some_and(|their| {
                their.id == ours.id
                    && ours.bits().zip(their.bits()).all(|((value, mask), (other_value, other_mask))| {
                        mask & !other_mask == 0 && (value ^ other_value) & mask == 0
                    })
            })
        })
    }

    /// Whether some packet could match both.
    pub(super) fn overlaps(&self, other: &Pattern) -> bool {
        let (mut left, mut right) = (fields(&self.0).peekable(), fields(&other.0).peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            match a.id.cmp(&b.id) {
                Ordering::Less => drop(left.next()),
                Ordering::Greater => drop(right.next()),
                Ordering::Equal => {
                    if a.bits().zip(b.bits()).any(|((a, a_mask), (b, b_mask))| (a ^ b) & a_mask & b_mask != 0) {
                        return false;
                    }
                    left.next();
                    right.next();
                }
            }
        }
        true
    }
}

/// What names a field: class and number, then the experimenter's number where there is one.
type FieldId = (u16, u8, u32);

/// One TLV, taken apart.
struct Field<'a> {
    id: FieldId,
    value: &'a [u8],
    mask: Option<&'a [u8]>,
}

impl Field<'_> {
    /// Value and mask, byte by byte; a field without a mask is all ones.
    fn bits(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let mask = self.mask;
        self.value.iter().enumerate().map(move |(at, &value)| {
            (value, mask.map_or(0xff, |mask| mask.get(at).copied().unwrap_or(0) | !self.significant(at)))
        })
    }

    /// The bits of the byte `at` that the field has; OXM stores narrow fields in whole bytes (table 12 of the
    /// specification). A mask that covers these is a mask of all ones.
    fn significant(&self, at: usize) -> u8 {
        const VLAN_VID: u8 = 6;
        const IPV6_FLABEL: u8 = 28;
        const IPV6_EXTHDR: u8 = 39;
        match (self.id, at) {
            ((BASIC_CLASS, VLAN_VID, _), 0) => 0x1f,
            ((BASIC_CLASS, IPV6_FLABEL, _), 0) => 0x00,
            ((BASIC_CLASS, IPV6_FLABEL, _), 1) => 0x0f,
            ((BASIC_CLASS, IPV6_EXTHDR, _), 0) => 0x01,
            _ => 0xff,
        }
    }

    fn is_wildcard(&self) -> bool {
        self.mask.is_some_and(|mask| mask.iter().all(|&byte| byte == 0))
    }

    fn is_exact(&self) -> bool {
        self.bits().all(|(_, mask)| mask == 0xff)
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        let mask = self.mask.filter(|_| !self.is_exact());
        let (class, number, experimenter) = self.id;
        let prefix: &[u8] = if class == EXPERIMENTER_CLASS { &experimenter.to_be_bytes() } else { &[] };
        let payload = prefix.len() + self.value.len() + mask.map_or(0, <[u8]>::len);
        out.extend_from_slice(&class.to_be_bytes());
        out.push(number << 1 | u8::from(mask.is_some()));
        out.push(payload as u8);
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.value);
        out.extend_from_slice(mask.unwrap_or_default());
    }
}

/// Whether the TLVs are exact, of the basic class and in ascending order, as most senders write them.
fn is_canonical(mut oxm: &[u8]) -> bool {
    let mut previous = None;
    while let [0x80, 0x00, field, length, rest @ ..] = oxm {
        let Some(rest) = rest.get(usize::from(*length)..) else { return false };
        if field & 1 == 1 || previous >= Some(*field) {
            return false;
        }
        previous = Some(*field);
        oxm = rest;
    }
    oxm.is_empty()
}

/// Walks along the TLVs and stops at the first torn one.
fn fields(mut oxm: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let (&[class_high, class_low, field, length], rest) = oxm.split_first_chunk()?;
        let (mut payload, rest) = rest.split_at_checked(usize::from(length))?;
        oxm = rest;
        let class = u16::from_be_bytes([class_high, class_low]);
        let mut experimenter = 0;
        if class == EXPERIMENTER_CLASS {
            let (&number, after) = payload.split_first_chunk()?;
            experimenter = u32::from_be_bytes(number);
            payload = after;
        }
        let masked = field & 1 == 1;
        let (value, mask) = if masked { payload.split_at(payload.len() / 2) } else { (payload, &[][..]) };
        Some(Field { id: (class, field >> 1, experimenter), value, mask: masked.then_some(mask) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETH_TYPE_IPV4: &[u8] = &[0x80, 0, 0x0a, 2, 0x08, 0x00];
    const ETH_TYPE_IPV6: &[u8] = &[0x80, 0, 0x0a, 2, 0x86, 0xdd];
    const TCP: &[u8] = &[0x80, 0, 0x14, 1, 6];

    fn destination(address: [u8; 4], prefix: u32) -> Vec<u8> {
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0).to_be_bytes();
        [&[0x80, 0, 0x19, 8][..], &address, &mask].concat()
    }

    fn pattern(fields: &[&[u8]]) -> Pattern {
        Pattern::from_oxm(&fields.concat())
    }

    #[test]
    fn the_order_of_the_fields_does_not_matter() {
        let subnet = destination([10, 0, 0, 0], 8);
        assert_eq!(pattern(&[TCP, &subnet, ETH_TYPE_IPV4]), pattern(&[ETH_TYPE_IPV4, TCP, &subnet]));
    }

    #[test]
    fn a_mask_of_all_ones_is_an_exact_value_and_one_of_all_zeros_is_no_field() {
        let exact = pattern(&[ETH_TYPE_IPV4, &[0x80, 0, 0x18, 4, 10, 0, 0, 1]]);
        assert_eq!(pattern(&[ETH_TYPE_IPV4, &destination([10, 0, 0, 1], 32)]), exact);
        assert_eq!(pattern(&[ETH_TYPE_IPV4, &destination([0, 0, 0, 0], 0)]), pattern(&[ETH_TYPE_IPV4]));
        let vlan = pattern(&[&[0x80, 0, 0x0c, 2, 0x10, 0x05]]);
        assert_eq!(pattern(&[&[0x80, 0, 0x0d, 4, 0x10, 0x05, 0x1f, 0xff]]), vlan);
    }

    #[test]
    fn a_match_covers_itself_and_everything_narrower_and_nothing_else() {
        let any = pattern(&[]);
        let ipv4 = pattern(&[ETH_TYPE_IPV4]);
        let wide = pattern(&[ETH_TYPE_IPV4, &destination([10, 0, 0, 0], 8)]);
        let narrow = pattern(&[ETH_TYPE_IPV4, TCP, &destination([10, 1, 0, 0], 16)]);
        let elsewhere = pattern(&[ETH_TYPE_IPV4, &destination([11, 0, 0, 0], 8)]);
        for general in [&any, &ipv4, &wide, &narrow] {
            assert!(general.covers(&narrow));
        }
        assert!(!narrow.covers(&wide));
        assert!(!wide.covers(&elsewhere));
        assert!(!ipv4.covers(&any));
        assert!(!ipv4.covers(&pattern(&[ETH_TYPE_IPV6])));
    }

    #[test]
    fn matches_overlap_unless_a_common_field_tells_them_apart() {
        let tcp = pattern(&[ETH_TYPE_IPV4, TCP]);
        let subnet = pattern(&[ETH_TYPE_IPV4, &destination([10, 0, 0, 0], 8)]);
        let inside = pattern(&[ETH_TYPE_IPV4, &destination([10, 9, 0, 0], 16)]);
        let elsewhere = pattern(&[ETH_TYPE_IPV4, &destination([11, 0, 0, 0], 8)]);
        assert!(tcp.overlaps(&subnet) && subnet.overlaps(&tcp));
        assert!(subnet.overlaps(&inside));
        assert!(!elsewhere.overlaps(&inside));
        assert!(!tcp.overlaps(&pattern(&[ETH_TYPE_IPV6])));
        assert!(pattern(&[]).overlaps(&tcp));
    }

    #[test]
    fn a_torn_list_ends_where_it_is_torn() {
        let oxm = [ETH_TYPE_IPV4, TCP].concat();
        for cut in 0..oxm.len() {
            let _ = Pattern::from_oxm(&oxm[..cut]);
        }
        assert_eq!(pattern(&[ETH_TYPE_IPV4, &TCP[..4]]), pattern(&[ETH_TYPE_IPV4]));
    }
}
