//! The OpenFlow 1.3 wire format.
