//! Identifiers of sites, nodes, buses and meters.

use core::fmt;

/// The longest identifier, in bytes.
pub const NAME_LEN_MAX: usize = 32;

/// An identifier: 1 to 32 characters of `a`–`z`, `0`–`9` and `-`.
///
/// It is part of every topic and every row, so it is chosen once and never translated;
/// what people read on a page is the label in the site book.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    // Unused bytes are zero, so that the derived order is the order of the text.
    bytes: [u8; NAME_LEN_MAX],
    len: u8,
}

/// Why a text is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No characters at all.
    Empty,
    /// More than [`NAME_LEN_MAX`] bytes.
    TooLong,
    /// A byte other than `a`–`z`, `0`–`9` and `-`; its position is given.
    Character {
        /// Where the byte stands, counted from 0.
        at: usize,
    },
}

impl Name {
    /// Fills the unused places of a list; never sent.
    pub(crate) const PLACEHOLDER: Self = {
        let mut bytes = [0; NAME_LEN_MAX];
        bytes.as_mut_slice().split_at_mut(1).0.copy_from_slice(b"-");
        Self { bytes, len: 1 }
    };

    /// Returns the name that a text spells.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, NameError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Returns the name that ASCII bytes spell; the rules are those of [`Name::new`].
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the bytes break.
    pub fn from_bytes(text: &[u8]) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let len = u8::try_from(text.len()).map_err(|_| NameError::TooLong)?;
        let mut bytes = [0; NAME_LEN_MAX];
        let room = bytes.get_mut(..text.len()).ok_or(NameError::TooLong)?;
        for (at, (slot, &byte)) in room.iter_mut().zip(text).enumerate() {
            if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-') {
                return Err(NameError::Character { at });
            }
            *slot = byte;
        }
        Ok(Self { bytes, len })
    }

    /// Returns the text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let used = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(used).unwrap_or_default()
    }
}

impl core::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.as_str())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "an identifier needs at least one character"),
            Self::TooLong => write!(f, "an identifier has at most {NAME_LEN_MAX} characters"),
            Self::Character { at } => {
                write!(f, "character {} is not one of `a`-`z`, `0`-`9`, `-`", at.saturating_add(1))
            }
        }
    }
}

impl core::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_its_text() {
        assert_eq!(Name::new("lighting-2f-east").unwrap().as_str(), "lighting-2f-east");
        let longest = "abcdefghijklmnopqrstuvwxyz-12345";
        assert_eq!(longest.len(), NAME_LEN_MAX);
        assert_eq!(Name::new(longest).unwrap().as_str(), longest);
    }

    #[test]
    fn names_sort_as_their_texts() {
        let (short, long) = (Name::new("ab").unwrap(), Name::new("ab-1").unwrap());
        assert!(short < long);
        assert!(Name::new("b").unwrap() > long);
    }

    #[test]
    fn a_text_that_would_break_a_topic_is_refused() {
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("a/b"), Err(NameError::Character { at: 1 }));
        assert_eq!(Name::new("A"), Err(NameError::Character { at: 0 }));
        assert_eq!(Name::new("#"), Err(NameError::Character { at: 0 }));
        assert_eq!(Name::new("0123456789012345678901234567890123"), Err(NameError::TooLong));
    }
}
