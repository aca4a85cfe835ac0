//! Who may ask. Only SHA-256 digests of the expected headers are kept, and digests are compared in constant time;
//! nothing a peer sends is decoded.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// The user of the cookie, as in Bitcoin Core.
const COOKIE_USER: &str = "__cookie__";
/// Shorter secrets could be guessed: 32 hexadecimal digits are 128 bits.
const MIN_SECRET_CHARS: usize = 32;
/// What a header is sure to hold.
const MAX_SECRET_CHARS: usize = 512;

/// The credentials that open the front.
///
/// Holding one proves that there is at least one and that none is too short to resist guessing.
#[derive(Clone)]
pub struct Auth {
    basic: Option<Digest>,
    bearer: Option<Digest>,
}

type Digest = [u8; 32];

/// Why something cannot be a credential. The text never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No cookie.
    #[error(
        "the cookie is not `__cookie__:` and {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} hexadecimal digits"
    )]
    Cookie,
    /// No token.
    #[error(
        "the token is not {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} of A-Z a-z 0-9 - . _ ~ + / =: `openssl rand -hex 32` makes one"
    )]
    Token,
}

impl Auth {
    /// Basic authentication by `cookie`, the one line of a cookie file: `__cookie__:<hex>`. The caller wipes its
    /// own copy.
    ///
    /// # Errors
    /// [`AuthError::Cookie`].
    pub fn cookie(cookie: &str) -> Result<Self, AuthError> {
        let secret = cookie.strip_prefix(COOKIE_USER).and_then(|rest| rest.strip_prefix(':'));
        let valid =
            |secret: &str| length_is_right(secret) && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !secret.is_some_and(valid) {
            return Err(AuthError::Cookie);
        }
        let encoded = Zeroizing::new(STANDARD.encode(cookie));
        Ok(Self { basic: Some(digest(&encoded)), bearer: None })
    }

    /// Bearer authentication by `token`.
    ///
    /// # Errors
    /// [`AuthError::Token`].
    pub fn token(token: &str) -> Result<Self, AuthError> {
        Ok(Self { basic: None, bearer: Some(token_digest(token)?) })
    }

    /// These credentials or `token`; it replaces an earlier one.
    ///
    /// # Errors
    /// [`AuthError::Token`].
    pub fn or_token(self, token: &str) -> Result<Self, AuthError> {
        Ok(Self { bearer: Some(token_digest(token)?), ..self })
    }

    /// Whether `header`, the value of an Authorization header, shows one of them.
    pub(crate) fn accepts(&self, header: &[u8]) -> bool {
        let Some((scheme, credentials)) = split(header) else { return false };
        let expected = match scheme {
            Scheme::Basic => self.basic,
            Scheme::Bearer => self.bearer,
        };
        // A missing one is compared too, so that time does not tell which there are.
        let given = digest(credentials);
        let same = expected.unwrap_or_default().ct_eq(&given);
        (same & Choice::from(u8::from(expected.is_some()))).into()
    }

    /// The schemes that could be used, for WWW-Authenticate.
    pub(crate) fn challenge(&self) -> &'static str {
        // As Bitcoin Core says it; some clients look for this realm.
        match self.basic {
            Some(_) => r#"Basic realm="jsonrpc""#,
            None => r#"Bearer realm="jsonrpc""#,
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { basic, bearer } = self;
        formatter
            .debug_struct("Auth")
            .field("cookie", &basic.is_some())
            .field("token", &bearer.is_some())
            .finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer,
}

/// A header's scheme, in any case, and what follows it.
fn split(header: &[u8]) -> Option<(Scheme, &[u8])> {
    let space = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at_checked(space)?;
    let scheme = match scheme {
        name if name.eq_ignore_ascii_case(b"basic") => Scheme::Basic,
        name if name.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
        _ => return None,
    };
    Some((scheme, rest.trim_ascii()))
}

fn digest(credentials: impl AsRef<[u8]>) -> Digest {
    Sha256::digest(credentials).into()
}

fn token_digest(token: &str) -> Result<Digest, AuthError> {
    // RFC 6750, section 2.1: b64token.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if length_is_right(token) && token.bytes().all(allowed) {
        Ok(digest(token))
    } else {
        Err(AuthError::Token)
    }
}

fn length_is_right(secret: &str) -> bool {
    (MIN_SECRET_CHARS..=MAX_SECRET_CHARS).contains(&secret.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "00112233445566778899aabbccddeeff";

    fn both() -> Auth {
        Auth::cookie(&format!("__cookie__:{SECRET}")).unwrap().or_token(SECRET).unwrap()
    }

    fn basic(user_and_secret: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(user_and_secret)).into_bytes()
    }

    #[test]
    fn only_the_whole_cookie_under_its_user_is_accepted() {
        let auth = Auth::cookie(&format!("__cookie__:{SECRET}")).unwrap();
        assert!(auth.accepts(&basic(&format!("__cookie__:{SECRET}"))));
        assert!(!auth.accepts(&basic(&format!("__cookie__:{SECRET}0"))));
        assert!(!auth.accepts(&basic("__cookie__:")));
        assert!(!auth.accepts(&basic(&format!("root:{SECRET}"))));
        assert!(!auth.accepts(format!("Basic __cookie__:{SECRET}").as_bytes()));
        assert!(!auth.accepts(format!("Bearer {SECRET}").as_bytes()));
    }

    #[test]
    fn each_scheme_opens_with_its_own_credentials_in_any_case_of_its_name() {
        let auth = both();
        assert!(auth.accepts(format!("bearer {SECRET}").as_bytes()));
        let cookie = STANDARD.encode(format!("__cookie__:{SECRET}"));
        assert!(auth.accepts(format!("BASIC  {cookie}").as_bytes()));
        assert!(!auth.accepts(format!("Basic {SECRET}").as_bytes()));
        assert!(!auth.accepts(SECRET.as_bytes()));
    }

    #[test]
    fn a_scheme_without_credentials_of_its_own_accepts_nothing() {
        let auth = Auth::token(SECRET).unwrap();
        assert!(!auth.accepts(b"Basic "));
        assert!(!auth.accepts(&basic(&format!("__cookie__:{SECRET}"))));
        assert!(auth.accepts(format!("Bearer {SECRET}").as_bytes()));
    }

    #[test]
    fn secrets_that_could_be_guessed_are_refused() {
        assert_eq!(Auth::cookie("__cookie__:00").unwrap_err(), AuthError::Cookie);
        assert_eq!(Auth::cookie(&format!("user:{SECRET}")).unwrap_err(), AuthError::Cookie);
        assert_eq!(Auth::cookie(&format!("__cookie__:{SECRET}\n")).unwrap_err(), AuthError::Cookie);
        assert_eq!(Auth::token(&SECRET[1..]).unwrap_err(), AuthError::Token);
        assert_eq!(Auth::token(&format!("{SECRET} ")).unwrap_err(), AuthError::Token);
        assert_eq!(Auth::token(&"x".repeat(513)).unwrap_err(), AuthError::Token);
    }

    #[test]
    fn debug_shows_which_there_are_and_neither_secret_nor_digest() {
        assert_eq!(format!("{:?}", both()), "Auth { cookie: true, token: true }");
    }

    proptest! {
        #[test]
        fn no_other_header_is_accepted(header in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(!both().accepts(&header));
        }
    }
}
