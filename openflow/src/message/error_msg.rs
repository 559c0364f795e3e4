//! ERROR: what the peer could not do (section 7.4.4).

use bytes::Bytes;
use std::borrow::Cow;

use crate::error_code::ErrorCode;
use crate::frame::Header;

/// The peer could not do what a message asked for.
#[doc(alias = "ofp_error_msg")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMsg {
    /// The high-level type.
    pub error_type: u16,
    /// The reason, in the space of the type.
    pub code: u16,
    /// At least 64 bytes of the message that failed, or text, or what an experimenter defines.
    pub data: Bytes,
}

impl ErrorMsg {
    /// An error with a code of the specification.
    pub const fn new(code: ErrorCode, data: Bytes) -> Self {
        Self { error_type: code.error_type, code: code.code, data }
    }

    /// Type and code together.
    pub const fn error_code(&self) -> ErrorCode {
        ErrorCode::new(self.error_type, self.code)
    }

    /// The name of the type without its prefix, such as `FLOW_MOD_FAILED`, or its number.
    pub fn type_name(&self) -> Cow<'static, str> {
        self.error_code().type_name().map_or_else(|| self.error_type.to_string().into(), Cow::Borrowed)
    }

    /// The name of the code without its prefix, such as `TABLE_FULL`, or its number.
    pub fn code_name(&self) -> Cow<'static, str> {
        self.error_code().code_name().map_or_else(|| self.code.to_string().into(), Cow::Borrowed)
    }

    /// What the peer says, for people.
    pub fn sentence(&self) -> Cow<'static, str> {
        match self.error_code().sentence() {
            Some(sentence) => sentence.into(),
            None => "the specification does not define this error".into(),
        }
    }

    /// The header of the message that failed, if the data quotes it.
    pub fn failed(&self) -> Option<Header> {
        Header::peek(&self.data)
    }
}
