//! A stored value: what the layer above gave, behind a version byte and a checksum.
//!
//! ```text
//! version (1)  CRC-32 of version, key and payload (4, big endian)  payload
//! ```
//! The database has checksums of its own, but with quick repair it does not look at them after a crash. This one is
//! looked at whenever a record is read. It covers the key, so that a value never passes for another record's.

use super::Damage;

/// The version of the layout above.
const VERSION: u8 = 1;

/// Bytes before the payload.
const HEADER: usize = 5;

/// The bytes that are stored for `payload` under `key`.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER + payload.len());
    stored.push(VERSION);
    stored.extend_from_slice(&checksum(VERSION, key, payload).to_be_bytes());
    stored.extend_from_slice(payload);
    stored
}

/// The payload in the bytes that are stored under `key`.
pub(super) fn unseal<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], Damage> {
    let (header, payload) = stored.split_first_chunk::<HEADER>().ok_or(Damage::Short)?;
    let [version, sum @ ..] = *header;
    if checksum(version, key, payload) != u32::from_be_bytes(sum) {
        return Err(Damage::Checksum);
    }
    if version != VERSION {
        return Err(Damage::RecordVersion(version));
    }
    Ok(payload)
}

fn checksum(version: u8, key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_comes_back() {
        for payload in [&b""[..], b"x", &[0; 1000]] {
            assert_eq!(unseal(b"key", &seal(b"key", payload)).unwrap(), payload);
        }
    }

    #[test]
    fn a_flip_of_any_bit_is_noticed() {
        let sealed = seal(b"key", b"a value");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(unseal(b"key", &damaged), Err(Damage::Checksum)), "bit {bit}");
        }
    }

    #[test]
    fn a_value_does_not_pass_under_another_key() {
        assert!(matches!(unseal(b"kex", &seal(b"key", b"a value")), Err(Damage::Checksum)));
        assert!(matches!(unseal(b"ke", &seal(b"key", b"a value")), Err(Damage::Checksum)));
    }

    #[test]
    fn a_short_record_is_an_error() {
        for length in 0..HEADER {
            assert!(matches!(unseal(b"key", &[1, 0, 0, 0, 0][..length]), Err(Damage::Short)));
        }
    }

    #[test]
    fn an_unknown_version_is_told() {
        let mut stored = seal(b"key", b"");
        stored[0] = 9;
        stored[1..5].copy_from_slice(&checksum(9, b"key", b"").to_be_bytes());
        assert!(matches!(unseal(b"key", &stored), Err(Damage::RecordVersion(9))));
    }
}
