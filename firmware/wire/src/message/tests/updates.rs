//! Updates: golden bytes, and what no bytes may do.

use proptest::prelude::*;

use super::super::update::*;
use super::super::{DecodeError, Version};
use crate::Name;

fn manifest() -> Manifest {
    Manifest {
        board: Name::new("nucleo-h743").unwrap(),
        version: Version { major: 1, minor: 2, patch: 3 },
        len: 4097,
        sha256: [0xAB; 32],
        signature: [0xCD; SIGNATURE_LEN],
    }
}

#[test]
fn the_bytes_of_a_manifest_are_those_that_deployed_nodes_verify() {
    let bytes = manifest().encode();

    let mut golden = b"gengfu-unucleo-h743".to_vec();
    golden.extend([0; 21]);
    golden.extend([0, 1, 0, 2, 0, 3, 0, 0, 0x10, 1]);
    golden.extend([0xAB; 32]);
    assert_eq!(manifest().signed(), golden[..]);
    golden.extend([0xCD; 64]);
    assert_eq!(bytes[..], golden);
    assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
    assert_eq!(manifest().id(), 0xABAB_ABAB);
    assert_eq!(Manifest::decode(&bytes[..Manifest::LEN - 1]), Err(DecodeError::Malformed));
}

#[test]
fn an_ask_reads_as_the_protocol_says() {
    let ask = UpdateAsk {
        board: Name::new("nucleo-h743").unwrap(),
        version: Version { major: 0, minor: 1, patch: 0 },
        offer: 7,
        at: 8192,
        state: UpdateState::Refused(UpdateFault::Signature),
    };
    let mut bytes = [0; UpdateAsk::BYTES_MAX];

    let len = ask.encode(&mut bytes).unwrap();

    let golden = b"\xA5\x65board\x6Bnucleo-h743\x67version\x83\0\x01\0\x65offer\x07\x62at\
                   \x19\x20\0\x65state\x69signature";
    assert_eq!(&bytes[..len], golden);
    assert_eq!(UpdateAsk::decode(golden), Ok(ask));
}

#[test]
fn the_largest_messages_fill_their_room() {
    let ask = UpdateAsk {
        board: Name::new("abcdefghijklmnopqrstuvwxyz-12345").unwrap(),
        version: Version { major: u16::MAX, minor: u16::MAX, patch: u16::MAX },
        offer: u32::MAX,
        at: u32::MAX,
        state: UpdateState::RolledBack,
    };
    let piece = UpdatePiece::Piece { offer: u32::MAX, at: u32::MAX, bytes: &[1; PIECE] };
    let (mut asked, mut pieces) = ([0; UpdateAsk::BYTES_MAX], [0; UpdatePiece::BYTES_MAX]);

    assert_eq!(ask.encode(&mut asked), Ok(UpdateAsk::BYTES_MAX));
    assert_eq!(piece.encode(&mut pieces), Ok(UpdatePiece::BYTES_MAX));
    assert_eq!(UpdatePiece::decode(&pieces), Ok(piece));
}

#[test]
fn every_state_has_a_word_of_its_own() {
    for fault in UpdateFault::ALL {
        assert_eq!(UpdateState::from_code(fault.code()), Some(UpdateState::Refused(fault)));
    }
    assert_eq!(UpdateState::from_code("happy"), None);
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        std::hint::black_box((
            UpdateAsk::decode(&bytes).is_ok(),
            UpdatePiece::decode(&bytes).is_ok(),
            Manifest::decode(&bytes).is_ok(),
        ));
    }

    #[test]
    fn an_offer_comes_through_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut out = [0; UpdatePiece::BYTES_MAX];
        let offer = UpdatePiece::Offer(&bytes);
        let len = offer.encode(&mut out).unwrap();
        prop_assert_eq!(UpdatePiece::decode(&out[..len]), Ok(offer));
    }
}
