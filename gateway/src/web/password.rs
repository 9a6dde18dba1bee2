//! Passwords: what is stored is a hash that takes a while to make.
//!
//! argon2id with the library's costs (19 MiB, two passes), which are those of the OWASP
//! Password Storage Cheat Sheet. Everything here blocks for some tens of milliseconds:
//! callers on an executor use `spawn_blocking`, and few at a time.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

/// Characters of the shortest password that is taken.
pub const PASSWORD_LEN_MIN: usize = 10;

/// What is worked through for a user who does not exist; its output is all zero.
const STAND_IN: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password has no hash.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is too short to be one.
    #[error("password has fewer than {PASSWORD_LEN_MIN} characters")]
    TooShort,
    /// The machine gave no random bytes, or no memory.
    #[error("cannot hash a password")]
    Unhashed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Returns the text to store for a password. Two calls give two texts.
///
/// # Errors
///
/// [`PasswordError::TooShort`] below [`PASSWORD_LEN_MIN`] characters.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < PASSWORD_LEN_MIN {
        return Err(PasswordError::TooShort);
    }
    let unhashed = |error: argon2::password_hash::Error| PasswordError::Unhashed(error.into());
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| PasswordError::Unhashed(error.into()))?;
    let salt = SaltString::encode_b64(&salt).map_err(unhashed)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(unhashed)?;
    Ok(hash.to_string())
}

/// Returns whether a password is the one that a stored text was made from.
///
/// With no stored text (there is no such user) it takes as long and says no, so that the
/// time of an answer does not tell which names exist.
#[must_use]
pub(crate) fn is_password(password: &str, stored: Option<&str>) -> bool {
    let Ok(hash) = PasswordHash::new(stored.unwrap_or(STAND_IN)) else {
        return false;
    };
    let matches = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    matches && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_opens() {
        let stored = hash_password("correct horse").unwrap();

        assert!(is_password("correct horse", Some(&stored)));
        assert!(!is_password("correct horsf", Some(&stored)));
        assert!(!is_password("correct horse", None));
        assert!(!is_password("correct horse", Some("not a hash")));
        assert!(!stored.contains("horse"));
    }

    #[test]
    fn who_does_not_exist_is_refused_as_slowly_as_who_does() {
        // The stand-in must be a hash that is really worked through.
        let stored = hash_password("correct horse").unwrap();
        let costs = |text: &str| text.split('$').nth(3).map(str::to_owned);

        let refused = Argon2::default()
            .verify_password(b"x", &PasswordHash::new(STAND_IN).unwrap())
            .unwrap_err();

        assert_eq!(refused, argon2::password_hash::Error::Password);
        assert_eq!(costs(&stored), costs(STAND_IN));
    }

    #[test]
    fn a_short_password_is_refused_by_its_characters() {
        assert!(matches!(hash_password("123456789"), Err(PasswordError::TooShort)));
        assert!(hash_password("一二三四五六七八九十").is_ok());
    }
}
