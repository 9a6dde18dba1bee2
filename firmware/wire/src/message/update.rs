//! A new program for a node: what is offered, what the node asks for, and the pieces.
//!
//! The node leads: it says which program it runs and how much of a new one it has, and the
//! gateway answers with an offer or with the next piece. So whatever is lost, the node asks
//! again, and a node that was without power goes on where it was.
//!
//! An offer is signed over board, version, length and hash of the image. The gateway only hands
//! it on; a node believes nobody but the key in its papers.

use super::cbor::{Reader, Writer, head_len, text_len};
use super::{DecodeError, EncodeError, Version};
use crate::Name;
use crate::name::NAME_LEN_MAX;

/// The bytes of a piece: a sector of the node's flash. The last piece may be shorter.
pub const PIECE: usize = 4096;

/// The length of a signature: Ed25519.
pub const SIGNATURE_LEN: usize = 64;

const MARK: &[u8; 8] = b"gengfu-u";
const SIGNED_LEN: usize = MARK.len() + NAME_LEN_MAX + 6 + 4 + 32;

/// What an image is: it stands before the image in an update's file, and is what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The board that the image is for.
    pub board: Name,
    /// The version of its program.
    pub version: Version,
    /// The length of the image, bytes.
    pub len: u32,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
    /// Ed25519 over [`Manifest::signed`].
    pub signature: [u8; SIGNATURE_LEN],
}

impl Manifest {
    /// The length of a manifest, bytes.
    pub const LEN: usize = SIGNED_LEN + SIGNATURE_LEN;

    /// Returns the bytes that are signed: the mark `gengfu-u`, the board's name filled up with
    /// zeros, three numbers of 16 bits for the version, the length in 32 bits, the hash. The
    /// higher byte stands first.
    #[must_use]
    pub fn signed(&self) -> [u8; SIGNED_LEN] {
        let mut out = [0; SIGNED_LEN];
        let [major, minor, patch] = [self.version.major, self.version.minor, self.version.patch];
        let board = self.board.as_str().bytes();
        let board = board.chain(core::iter::repeat(0)).take(NAME_LEN_MAX);
        let numbers = [major, minor, patch].into_iter().flat_map(u16::to_be_bytes);
        let bytes = MARK.iter().copied().chain(board).chain(numbers);
        let bytes = bytes.chain(self.len.to_be_bytes()).chain(self.sha256);
        out.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        out
    }

    /// Returns all bytes: those that are signed, and the signature.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let bytes = self.signed().into_iter().chain(self.signature);
        out.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        out
    }

    /// Reads a manifest from the beginning of some bytes. That it can be read says nothing about
    /// its signature.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let rest = bytes.strip_prefix(MARK).ok_or(DecodeError::Malformed)?;
        let (board, rest) =
            rest.split_first_chunk::<NAME_LEN_MAX>().ok_or(DecodeError::Malformed)?;
        let ([a, b, c, d, e, f], rest) =
            rest.split_first_chunk::<6>().ok_or(DecodeError::Malformed)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(DecodeError::Malformed)?;
        let (sha256, rest) = rest.split_first_chunk::<32>().ok_or(DecodeError::Malformed)?;
        let (signature, _) =
            rest.split_first_chunk::<SIGNATURE_LEN>().ok_or(DecodeError::Malformed)?;
        let board = core::str::from_utf8(board).map_err(|_| DecodeError::Malformed)?;
        let board = Name::new(board.trim_end_matches('\0')).map_err(|_| DecodeError::Malformed)?;
        let [major, minor, patch] = [[*a, *b], [*c, *d], [*e, *f]].map(u16::from_be_bytes);
        let version = Version { major, minor, patch };
        let len = u32::from_be_bytes(*len);
        Ok(Self { board, version, len, sha256: *sha256, signature: *signature })
    }

    /// Returns the number by which pieces of this image are told from those of another.
    #[must_use]
    pub fn id(&self) -> u32 {
        let [a, b, c, d, ..] = self.sha256;
        u32::from_be_bytes([a, b, c, d])
    }
}

/// Why a node does not take an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateFault {
    /// The offer cannot be read.
    Unreadable,
    /// The signature is not that of the key in the node's papers.
    Signature,
    /// There is no key in its papers.
    NoKey,
    /// The image is for another board.
    Board,
    /// The image is not newer than the program that runs.
    Older,
    /// There is no room for it.
    TooLarge,
    /// What came is not what was signed.
    Content,
    /// The node's flash fails.
    Flash,
}

impl UpdateFault {
    /// Every fault.
    pub const ALL: [Self; 8] = [
        Self::Unreadable,
        Self::Signature,
        Self::NoKey,
        Self::Board,
        Self::Older,
        Self::TooLarge,
        Self::Content,
        Self::Flash,
    ];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Signature => "signature",
            Self::NoKey => "no-key",
            Self::Board => "board",
            Self::Older => "older",
            Self::TooLarge => "too-large",
            Self::Content => "content",
            Self::Flash => "flash",
        }
    }
}

/// How far a node is with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateState {
    /// It has nothing to do with one.
    Idle,
    /// It wants the piece at [`UpdateAsk::at`].
    Loading,
    /// All is there and right; it starts again to try it.
    Restarting,
    /// The new program was not able to reach the gateway, and the one before runs again.
    RolledBack,
    /// It did not take it.
    Refused(UpdateFault),
}

impl UpdateState {
    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Restarting => "restarting",
            Self::RolledBack => "rolled-back",
            Self::Refused(fault) => fault.code(),
        }
    }

    /// Returns the state that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Idle, Self::Loading, Self::Restarting, Self::RolledBack]
            .into_iter()
            .chain(UpdateFault::ALL.map(Self::Refused))
            .find(|state| state.code() == code)
    }
}

/// What a node says about its program after each connect, each minute, and after each piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateAsk {
    /// Which board it is.
    pub board: Name,
    /// The version of its program.
    pub version: Version,
    /// [`Manifest::id`] of what it loads, has loaded or did not take; 0 if there is none.
    pub offer: u32,
    /// Where the piece begins that it wants next, bytes.
    pub at: u32,
    /// How far it is.
    pub state: UpdateState,
}

const BOARD: &str = "board";
const VERSION: &str = "version";
const OFFER: &str = "offer";
const AT: &str = "at";
const STATE: &str = "state";
const BYTES: &str = "bytes";
const U32: u64 = u32::MAX as u64;

impl UpdateAsk {
    /// The most bytes it takes.
    pub const BYTES_MAX: usize = head_len(5)
        + (text_len(BOARD.len()) + text_len(NAME_LEN_MAX))
        + (text_len(VERSION.len()) + head_len(3) + 3 * head_len(u16::MAX as u64))
        + (text_len(OFFER.len()) + head_len(U32))
        + (text_len(AT.len()) + head_len(U32))
        + (text_len(STATE.len()) + text_len("rolled-back".len()));

    /// Writes it and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        writer.map(5)?;
        writer.text(BOARD)?;
        writer.text(self.board.as_str())?;
        writer.text(VERSION)?;
        writer.array(3)?;
        for number in [self.version.major, self.version.minor, self.version.patch] {
            writer.uint(number)?;
        }
        writer.text(OFFER)?;
        writer.uint(self.offer)?;
        writer.text(AT)?;
        writer.uint(self.at)?;
        writer.text(STATE)?;
        writer.text(self.state.code())?;
        Ok(writer.len())
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut board, mut version, mut state) = (None, None, None);
        let (mut offer, mut at) = (None, None);
        for _ in 0..reader.map()? {
            match reader.text()? {
                BOARD => board = Some(reader.name()?),
                VERSION => {
                    reader.array_of(3)?;
                    let [major, minor, patch] = [reader.uint()?, reader.uint()?, reader.uint()?];
                    version = Some(Version { major, minor, patch });
                }
                OFFER => offer = Some(reader.uint()?),
                AT => at = Some(reader.uint()?),
                STATE => {
                    let code = reader.text()?;
                    state = Some(UpdateState::from_code(code).ok_or(DecodeError::Unknown)?);
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        Ok(Self {
            board: board.ok_or(DecodeError::Missing)?,
            version: version.ok_or(DecodeError::Missing)?,
            offer: offer.ok_or(DecodeError::Missing)?,
            at: at.ok_or(DecodeError::Missing)?,
            state: state.ok_or(DecodeError::Missing)?,
        })
    }
}

/// What the gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePiece<'a> {
    /// There is an update: a [`Manifest`], not yet believed.
    Offer(&'a [u8]),
    /// A piece of one.
    Piece {
        /// [`Manifest::id`] of it.
        offer: u32,
        /// Where it begins.
        at: u32,
        /// At most [`PIECE`] of them.
        bytes: &'a [u8],
    },
}

impl<'a> UpdatePiece<'a> {
    /// The most bytes it takes.
    pub const BYTES_MAX: usize = head_len(3)
        + (text_len(OFFER.len()) + head_len(U32))
        + (text_len(AT.len()) + head_len(U32))
        + (text_len(BYTES.len()) + head_len(PIECE as u64) + PIECE);

    /// Writes it and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        match self {
            Self::Offer(manifest) => {
                writer.map(1)?;
                writer.text(BYTES)?;
                writer.bytes(manifest)?;
            }
            Self::Piece { offer, at, bytes } => {
                writer.map(3)?;
                writer.text(OFFER)?;
                writer.uint(*offer)?;
                writer.text(AT)?;
                writer.uint(*at)?;
                writer.text(BYTES)?;
                writer.bytes(bytes)?;
            }
        }
        Ok(writer.len())
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as it says.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut offer, mut at, mut bytes) = (None, None, None);
        for _ in 0..reader.map()? {
            match reader.text()? {
                OFFER => offer = Some(reader.uint()?),
                AT => at = Some(reader.uint()?),
                BYTES => bytes = Some(reader.bytes()?),
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        let bytes = bytes.ok_or(DecodeError::Missing)?;
        match (offer, at) {
            (None, None) => Ok(Self::Offer(bytes)),
            (Some(offer), Some(at)) => Ok(Self::Piece { offer, at, bytes }),
            _ => Err(DecodeError::Missing),
        }
    }
}

/// What an image says of itself, so that whoever signs it need not: it lies anywhere in it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImageMark {
    mark: [u8; 16],
    board: [u8; NAME_LEN_MAX],
    version: [[u8; 2]; 3],
}

const IMAGE_MARK: [u8; 16] = *b"gengfu-image-1\0\0";

impl ImageMark {
    /// Its length, bytes.
    pub const LEN: usize = 16 + NAME_LEN_MAX + 6;

    /// Returns the mark of an image.
    ///
    /// # Panics
    ///
    /// While compiling, if a board's name is too long.
    #[must_use]
    pub const fn new(board: &str, version: Version) -> Self {
        assert!(board.len() <= NAME_LEN_MAX, "a board's name is too long");
        let mut name = [0; NAME_LEN_MAX];
        let (room, _) = name.split_at_mut(board.len());
        room.copy_from_slice(board.as_bytes());
        let Version { major, minor, patch } = version;
        let version = [major.to_be_bytes(), minor.to_be_bytes(), patch.to_be_bytes()];
        Self { mark: IMAGE_MARK, board: name, version }
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> Version {
        let [major, minor, patch] = self.version.map(u16::from_be_bytes);
        Version { major, minor, patch }
    }

    /// Reads the mark at the beginning of some bytes, if there is one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Name, Version)> {
        let rest = bytes.strip_prefix(&IMAGE_MARK)?;
        let (board, rest) = rest.split_first_chunk::<NAME_LEN_MAX>()?;
        let ([a, b, c, d, e, f], _) = rest.split_first_chunk::<6>()?;
        let board = core::str::from_utf8(board).ok()?;
        let board = Name::new(board.trim_end_matches('\0')).ok()?;
        let [major, minor, patch] = [[*a, *b], [*c, *d], [*e, *f]].map(u16::from_be_bytes);
        Some((board, Version { major, minor, patch }))
    }
}
