//! The northbound contract as types (in the making).

/// A command.
#[derive(Debug)]
pub enum Command {}
/// A reply.
#[derive(Debug)]
pub enum Reply {}
/// An error.
#[derive(Debug)]
pub struct ErrorBody {}
