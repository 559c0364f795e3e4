//! ERROR: what the peer could not do (section 7.4.4).

use bytes::Bytes;
use std::borrow::Cow;

use crate::error_code::{ErrorCode, bundle_error};
use crate::frame::Header;
use crate::message::experimenter::ONF;

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

    /// An error that the ONF defined for bundles, which are an extension.
    pub fn bundle(code: u16, data: &[u8]) -> Self {
        let data = [&ONF.to_be_bytes(), data].concat();
        Self { error_type: ErrorCode::EXPERIMENTER, code, data: data.into() }
    }

    /// The experimenter that defines the error, if it is not one of the specification.
    pub fn experimenter(&self) -> Option<u32> {
        let id = self.data.first_chunk().filter(|_| self.error_type == ErrorCode::EXPERIMENTER)?;
        Some(u32::from_be_bytes(*id))
    }

    /// The name of the type without its prefix, such as `FLOW_MOD_FAILED`, or its number.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self.names() {
            Some((type_name, _, _)) => type_name.into(),
            None if self.error_type == ErrorCode::EXPERIMENTER => "EXPERIMENTER".into(),
            None => match self.error_code().type_name() {
                Some(name) => name.into(),
                None => self.error_type.to_string().into(),
            },
        }
    }

    /// The name of the code without its prefix, such as `TABLE_FULL`, or its number.
    pub fn code_name(&self) -> Cow<'static, str> {
        self.names().map_or_else(|| self.code.to_string().into(), |(_, code_name, _)| code_name.into())
    }

    /// What the peer says, for people.
    pub fn sentence(&self) -> &'static str {
        self.names().map_or("the specification does not define this error", |(_, _, sentence)| sentence)
    }

    /// Type, code and sentence of an error that is known.
    fn names(&self) -> Option<(&'static str, &'static str, &'static str)> {
        if self.experimenter() == Some(ONF) {
            return bundle_error(self.code).map(|(name, sentence)| ("BUNDLE_FAILED", *name, *sentence));
        }
        let code = self.error_code();
        Some((code.type_name()?, code.code_name()?, code.sentence()?))
    }

    /// The header of the message that failed, if the data quotes it.
    pub fn failed(&self) -> Option<Header> {
        let quote = if self.experimenter().is_some() { self.data.get(4..)? } else { &self.data };
        Header::peek(quote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_specification_has_names_and_a_sentence() {
        let error =
            ErrorMsg::new(ErrorCode::FLOW_MOD_FAILED_TABLE_FULL, Bytes::from_static(&[4, 14, 0, 56, 0, 0, 0, 7]));
        assert_eq!((error.type_name(), error.code_name()), ("FLOW_MOD_FAILED".into(), "TABLE_FULL".into()));
        assert_eq!(error.sentence(), "the flow was not added, because the table is full");
        assert_eq!(error.failed().map(|header| header.xid), Some(crate::Xid(7)));
    }

    #[test]
    fn an_error_that_nobody_knows_has_numbers() {
        let error = ErrorMsg::new(ErrorCode::new(5, 99), Bytes::new());
        assert_eq!((error.type_name(), error.code_name()), ("FLOW_MOD_FAILED".into(), "99".into()));
        let error = ErrorMsg::new(ErrorCode::new(77, 1), Bytes::new());
        assert_eq!((error.type_name(), error.code_name()), ("77".into(), "1".into()));
        assert_eq!(error.failed(), None);
    }

    #[test]
    fn an_error_of_a_bundle_is_known_by_its_experimenter() {
        let error = ErrorMsg::bundle(2313, &[4, 4, 0, 24, 0, 0, 0, 9]);
        assert_eq!((error.type_name(), error.code_name()), ("BUNDLE_FAILED".into(), "MSG_FAILED".into()));
        assert_eq!(error.failed().map(|header| header.xid), Some(crate::Xid(9)));
        let foreign = ErrorMsg { data: Bytes::from_static(&[0, 0, 0x23, 0x20]), ..error };
        assert_eq!((foreign.type_name(), foreign.code_name()), ("EXPERIMENTER".into(), "2313".into()));
    }

    #[test]
    fn data_of_fewer_than_eight_bytes_quotes_no_header() {
        for length in 0..8 {
            let error = ErrorMsg::new(ErrorCode::BAD_REQUEST_BAD_TYPE, vec![4; length].into());
            assert_eq!(error.failed(), None);
        }
    }
}
