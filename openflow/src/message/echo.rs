//! ECHO: is the peer alive? (section 7.5.2)

use bytes::Bytes;

/// The body of an echo request, and so of its reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Echo {
    /// Whatever the asking side wants back.
    pub data: Bytes,
}
