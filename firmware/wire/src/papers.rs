//! What is flashed into a board beside its program: who it is, and by what it proves it.
//!
//! One block of bytes that no update touches, so one image serves every board of a kind. It
//! begins with eight bytes that name it; then come four parts, each behind its length (16
//! bits, the higher byte first): the arguments as text, the authority's certificate and the
//! node's (X.509, DER), and the node's private key (the 32 bytes of a P-256 scalar). A fifth part
//! may follow: the key that signs the node's updates (Ed25519, 32 bytes).
//!
//! What follows the last part belongs to nobody: an erased flash is all ones there.

use crate::message::{DecodeError, EncodeError};

const MARK: &[u8; 8] = b"gengfu-1";

/// The length of a key, bytes.
pub const KEY_LEN: usize = 32;

/// The papers of a board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Papers<'a> {
    /// `site=… id=… broker=… time=… host=…`, one space between two.
    pub arguments: &'a str,
    /// The certificate of the authority that the gateway must prove to be known to.
    pub authority: &'a [u8],
    /// The node's certificate.
    pub certificate: &'a [u8],
    /// Its private key.
    pub key: &'a [u8; KEY_LEN],
    /// By what updates of its program are known; it takes none without it.
    pub update_key: Option<&'a [u8; KEY_LEN]>,
}

impl<'a> Papers<'a> {
    /// The most bytes that papers take: a sector of any flash.
    pub const BYTES_MAX: usize = 4096;

    /// Writes them and returns how many bytes they took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, or a part too long.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut at = 0_usize;
        let mut put = |bytes: &[u8]| {
            let end = at.saturating_add(bytes.len());
            out.get_mut(at..end).ok_or(EncodeError::NoRoom)?.copy_from_slice(bytes);
            at = end;
            Ok(())
        };
        put(MARK)?;
        let parts = [self.arguments.as_bytes(), self.authority, self.certificate, self.key];
        for part in parts.into_iter().chain(self.update_key.map(<[u8; KEY_LEN]>::as_slice)) {
            let len = u16::try_from(part.len()).map_err(|_| EncodeError::NoRoom)?;
            put(&len.to_be_bytes())?;
            put(part)?;
        }
        Ok(at)
    }

    /// Reads them from the beginning of a block.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Malformed`]: none are there.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes.strip_prefix(MARK).ok_or(DecodeError::Malformed)?;
        let mut part = || {
            let ([high, low], after) =
                rest.split_first_chunk::<2>().ok_or(DecodeError::Malformed)?;
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let (part, after) = after.split_at_checked(len).ok_or(DecodeError::Malformed)?;
            rest = after;
            Ok(part)
        };
        let arguments = core::str::from_utf8(part()?).map_err(|_| DecodeError::Malformed)?;
        let (authority, certificate) = (part()?, part()?);
        let key = part()?.try_into().map_err(|_| DecodeError::Malformed)?;
        // An erased flash says that the next part has 65,535 bytes.
        let update_key = part().ok().and_then(|key| key.try_into().ok());
        Ok(Self { arguments, authority, certificate, key, update_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_papers_are_those_that_hang_in_ceilings() {
        let papers = Papers {
            arguments: "id=a",
            authority: b"CA",
            certificate: b"own",
            key: &[7; KEY_LEN],
            update_key: None,
        };
        let mut bytes = [0xFF; 96];

        let len = papers.encode(&mut bytes).unwrap();

        let mut golden = b"gengfu-1\0\x04id=a\0\x02CA\0\x03own\0\x20".to_vec();
        golden.extend_from_slice(&[7; KEY_LEN]);
        assert_eq!(&bytes[..len], golden);
        assert!(Papers::decode(&bytes) == Ok(papers), "the ones behind are nobody's");
        let with_key = Papers { update_key: Some(&[9; KEY_LEN]), ..papers };
        let len = with_key.encode(&mut bytes).unwrap();
        golden.extend_from_slice(b"\0\x20");
        golden.extend_from_slice(&[9; KEY_LEN]);
        assert_eq!(&bytes[..len], golden);
        assert!(Papers::decode(&bytes) == Ok(with_key));
    }

    #[test]
    fn a_flash_without_papers_has_none() {
        assert!(Papers::decode(&[0xFF; 4096]).is_err());
        assert!(Papers::decode(b"gengfu-1\0\x04id=a\0\x02CA\0\x03own\0\x1F").is_err());
        let papers = Papers {
            arguments: "",
            authority: b"",
            certificate: b"",
            key: &[0; KEY_LEN],
            update_key: None,
        };
        assert_eq!(papers.encode(&mut [0; 40]), Err(EncodeError::NoRoom));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..100), marked: bool) {
            if marked {
                bytes.splice(0..0, *MARK);
            }
            std::hint::black_box(Papers::decode(&bytes).is_ok());
        }
    }
}
