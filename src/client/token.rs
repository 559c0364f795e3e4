//! The bearer token a client shows to the daemon.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::HeaderValue;

/// A bearer token. It never shows in `Debug` output, so it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(HeaderValue);

/// Why a text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is one word of printable ASCII characters")]
pub struct TokenError;

impl Token {
    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// White space around the token is dropped: a file ends with a newline.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| TokenError)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_becomes_a_bearer_header() {
        let token: Token = "s3cret\n".parse().unwrap();
        assert_eq!(token.authorization(), "Bearer s3cret");
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token: Token = "s3cret".parse().unwrap();
        assert_eq!(format!("{token:?} {:?}", token.authorization()), "Token(…) Sensitive");
    }

    #[test]
    fn what_cannot_travel_in_a_header_is_no_token() {
        for text in ["", " \n", "two words", "line\nbreak", "schlüssel"] {
            assert_eq!(text.parse::<Token>(), Err(TokenError), "{text:?}");
        }
    }
}
