//! How a command ends: the exit codes of the contract, and what is said when it is not 0.

use std::process::ExitCode;

/// The exit codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done and applied, or accepted where that was asked for.
    Done = 0,
    /// The daemon or a switch said no, or the outcome is not known.
    No = 1,
    /// Wrong usage.
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be carried through, in one or two lines: what is wrong, and what to try.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
