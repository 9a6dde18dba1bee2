//! New programs for nodes: what lies in a folder, handed out piece by piece.
//!
//! In: what a node says about its program ([`UpdateAsk`]).
//! Out: an offer or the next piece, if there is a file of that node's name; what became of it.
//!
//! Nothing is decided here: whether an update is right, and for that board, and newer, only the
//! node can say, by the key in its papers. Who has this machine can offer what he likes.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wire::Name;
use wire::message::{Manifest, PIECE, UpdateAsk, UpdatePiece, UpdateState};

use crate::events;

/// The folder of the updates, in the data directory.
pub const UPDATES_FOLDER: &str = "updates";

/// Returns the name of the file that holds the update of a node.
#[must_use]
pub fn update_file(node: &Name) -> String {
    format!("{node}.update")
}

/// Returns the name of the file beside it that holds what the node last said of it, an
/// [`UpdateAsk`]: by it `gengfu node update` tells how far the node is.
#[must_use]
pub fn said_file(node: &Name) -> String {
    format!("{node}.said")
}

/// What there is for nodes. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Updates(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// None without a data directory.
    folder: Option<PathBuf>,
    /// What each node said last, so that news are told once.
    said: Mutex<BTreeMap<Name, (u32, UpdateState)>>,
}

impl Updates {
    /// Returns what lies in a folder; it need not be there yet.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self(Arc::new(Inner { folder: Some(folder), said: Mutex::default() }))
    }

    /// Returns the answer to a node, encoded; nothing if there is none for it.
    ///
    /// Reads at most a piece from the disk.
    #[must_use]
    pub fn answer(&self, node: &Name, ask: &UpdateAsk) -> Option<Vec<u8>> {
        self.tell(node, ask);
        let (file, head, manifest) = self.offered(node)?;
        self.keep(node, ask);
        let is_this = ask.offer == manifest.id();
        let mut piece = [0; PIECE];
        let answer = match ask.state {
            UpdateState::Loading if is_this => {
                let left = usize::try_from(manifest.len.checked_sub(ask.at)?).ok()?;
                let bytes = piece.get_mut(..left.min(PIECE))?;
                let at = u64::from(ask.at) + Manifest::LEN as u64;
                file.read_exact_at(bytes, at).ok()?;
                UpdatePiece::Piece { offer: ask.offer, at: ask.at, bytes }
            }
            // It runs already, or its verdict stands.
            _ if ask.version == manifest.version => return None,
            UpdateState::Refused(_) | UpdateState::RolledBack if is_this => return None,
            UpdateState::Restarting => return None,
            UpdateState::Idle
            | UpdateState::Loading
            | UpdateState::RolledBack
            | UpdateState::Refused(_) => UpdatePiece::Offer(&head),
        };
        let mut bytes = vec![0; UpdatePiece::BYTES_MAX];
        let len = answer.encode(&mut bytes).ok()?;
        bytes.truncate(len);
        Some(bytes)
    }

    /// Returns whether there is an update for a node, and it is this one ([`Manifest::id`]).
    #[must_use]
    pub fn offers(&self, node: &Name, id: u32) -> bool {
        self.offered(node).is_some_and(|(_, _, manifest)| manifest.id() == id)
    }

    fn offered(&self, node: &Name) -> Option<(File, [u8; Manifest::LEN], Manifest)> {
        let file = File::open(self.0.folder.as_ref()?.join(update_file(node))).ok()?;
        let mut head = [0; Manifest::LEN];
        file.read_exact_at(&mut head, 0).ok()?;
        let manifest = Manifest::decode(&head).ok()?;
        Some((file, head, manifest))
    }

    /// Keeps what a node said for whoever waits at a terminal. If that cannot be written, he
    /// sees less, and nothing else depends on it.
    fn keep(&self, node: &Name, ask: &UpdateAsk) {
        let Some(folder) = &self.0.folder else { return };
        let mut bytes = [0; UpdateAsk::BYTES_MAX];
        let Ok(len) = ask.encode(&mut bytes) else { return };
        let bytes = bytes.get(..len).unwrap_or_default();
        let building = folder.join(format!("{node}.saying"));
        std::fs::write(&building, bytes)
            .and_then(|()| std::fs::rename(&building, folder.join(said_file(node))))
            .ok();
    }

    fn tell(&self, node: &Name, ask: &UpdateAsk) {
        let now = (ask.offer, ask.state);
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.insert(*node, now);
        if before != Some(now) && (before.is_some() || ask.state != UpdateState::Idle) {
            let version = ask.version;
            let version = format!("{}.{}.{}", version.major, version.minor, version.patch);
            events::node_update(node, ask.state, &version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::message::{UpdateFault, Version};

    const OLD: Version = Version { major: 0, minor: 1, patch: 0 };

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// A folder with an update of two pieces for `node-1`.
    fn with_update() -> (tempfile::TempDir, Updates, Manifest, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let image: Vec<u8> = (0..PIECE + 9).map(|at| u8::try_from(at % 250).unwrap()).collect();
        let manifest = Manifest {
            board: name("board-1"),
            version: Version { minor: 2, ..OLD },
            len: image.len().try_into().unwrap(),
            sha256: [7; 32],
            signature: [8; 64],
        };
        let file = [&manifest.encode()[..], &image].concat();
        std::fs::write(folder.path().join(update_file(&name("node-1"))), file).unwrap();
        let updates = Updates::in_folder(folder.path().to_owned());
        (folder, updates, manifest, image)
    }

    fn ask(offer: u32, at: u32, state: UpdateState) -> UpdateAsk {
        UpdateAsk { board: name("board-1"), version: OLD, offer, at, state }
    }

    #[test]
    fn a_node_gets_the_offer_and_then_each_piece_it_asks_for() {
        let (_folder, updates, manifest, image) = with_update();
        let node = name("node-1");

        let offer = updates.answer(&node, &ask(0, 0, UpdateState::Idle)).unwrap();
        let at = u32::try_from(PIECE).unwrap();
        let last = updates.answer(&node, &ask(manifest.id(), at, UpdateState::Loading)).unwrap();

        assert_eq!(UpdatePiece::decode(&offer), Ok(UpdatePiece::Offer(&manifest.encode())));
        let wanted = UpdatePiece::Piece { offer: manifest.id(), at, bytes: &image[PIECE..] };
        assert_eq!(UpdatePiece::decode(&last), Ok(wanted));
        let behind = ask(manifest.id(), at + 10_000, UpdateState::Loading);
        assert_eq!(updates.answer(&node, &behind), None);
    }

    #[test]
    fn what_a_node_runs_or_did_not_take_is_not_offered_again_but_another_is() {
        let (_folder, updates, manifest, _) = with_update();
        let node = name("node-1");
        let answered = |ask: UpdateAsk| updates.answer(&node, &ask).is_some();
        let refused = UpdateState::Refused(UpdateFault::Board);

        assert!(!answered(UpdateAsk { version: manifest.version, ..ask(0, 0, UpdateState::Idle) }));
        assert!(!answered(ask(manifest.id(), 0, refused)));
        assert!(!answered(ask(manifest.id(), 0, UpdateState::RolledBack)));
        assert!(answered(ask(1, 0, refused)));
        assert!(updates.answer(&name("node-2"), &ask(0, 0, UpdateState::Idle)).is_none());
    }
}
