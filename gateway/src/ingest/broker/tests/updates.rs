//! New programs for nodes, by way of a broker.

use wire::message::{Manifest, PIECE, UpdateAsk, UpdateFault, UpdatePiece, UpdateState, Version};

use super::*;
use crate::ingest::updates::{Updates, update_file};

const OLD: Version = Version { major: 0, minor: 1, patch: 0 };

impl Node {
    /// Says what it has of a new program.
    async fn ask(&mut self, offer: u32, at: u32, state: UpdateState) {
        let ask = UpdateAsk { board: name("board-1"), version: OLD, offer, at, state };
        let mut bytes = vec![0; UpdateAsk::BYTES_MAX];
        let len = ask.encode(&mut bytes).unwrap();
        bytes.truncate(len);
        self.publish(&topic("node-1", Channel::Update), false, bytes).await;
    }
}

#[tokio::test]
async fn a_node_behind_a_broker_gets_its_program_and_a_refusal_is_a_notice_until_it_is_taken_back()
{
    let image = vec![5; PIECE + 9];
    let manifest = Manifest {
        board: name("board-1"),
        version: Version { minor: 2, ..OLD },
        len: image.len().try_into().unwrap(),
        sha256: [7; 32],
        signature: [8; 64],
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(update_file(&name("node-1")));
    std::fs::write(&file, [&manifest.encode()[..], &image].concat()).unwrap();
    let mosquitto = Mosquitto::started().await;
    let mut herald = mosquitto.node("herald").await;
    herald.publish(&topic("node-2", Channel::State), true, state_bytes(online())).await;
    let (mut door, queue) = door(WAITING_MAX);
    door.updates = Updates::in_folder(folder.path().to_owned());
    let gateway =
        Gateway { broker: BrokerDoor::open(mosquitto.config(), door.clone()), door, queue };
    gateway.has_state("node-2", online()).await;
    let mut node = mosquitto.node("node-1").await;
    node.subscribe(&topic("node-1", Channel::UpdatePiece)).await;
    let (id, at) = (manifest.id(), u32::try_from(PIECE).unwrap());

    node.ask(0, 0, UpdateState::Idle).await;
    let offer = node.message().await.1;
    node.ask(id, at, UpdateState::Loading).await;
    let last = node.message().await.1;
    let refused = UpdateState::Refused(UpdateFault::TooLarge);
    node.ask(id, 0, refused).await;
    let notice = gateway.notice(Code::UpdateFailed, true).await;

    assert_eq!(UpdatePiece::decode(&offer), Ok(UpdatePiece::Offer(&manifest.encode())));
    let piece = UpdatePiece::Piece { offer: id, at, bytes: &image[PIECE..] };
    assert_eq!(UpdatePiece::decode(&last), Ok(piece));
    assert_eq!((notice["node"].as_str(), notice["reason"].as_str()), ("node-1", "too_large"));
    std::fs::remove_file(file).unwrap();
    node.ask(id, 0, refused).await;
    gateway.notice(Code::UpdateFailed, false).await;
}
