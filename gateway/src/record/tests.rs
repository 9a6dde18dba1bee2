use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use wire::message::Pack;

use super::Recorder;
use crate::clock::Clock;
use crate::health::{Code, Health};
use crate::ingest::fixture::{NOW, name, pack, soon};
use crate::ingest::{Incoming, Intake};
use crate::live::{Happening, Live};
use crate::store::{Arrival, Store, Unreadable};

struct World {
    store: Store,
    health: Health,
    clock: Clock,
    door: mpsc::Sender<Incoming>,
    live: Live,
    task: tokio::task::JoinHandle<Result<(), super::RecordError>>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (door, incoming) = mpsc::channel(100);
        let (health, clock) = (Health::default(), Clock::manual(NOW));
        let live = Live::default();
        let recorder = Recorder::new(&store, &clock, &health, &live);
        let task = tokio::spawn(recorder.run(incoming));
        Self { store, health, clock, door, live, task, _folder: folder }
    }

    async fn send(&self, what: Intake) -> oneshot::Receiver<()> {
        let (receipt, signed) = oneshot::channel();
        self.door.send(Incoming { what, receipt }).await.unwrap();
        signed
    }

    fn packs(&self) -> usize {
        self.store.series().packs(&name("meter-1"), 0, i64::MAX).unwrap().len()
    }

    /// Leaves no room for another pack of this meter.
    fn fill_up(&self) {
        self.store.limit_pages(100);
        let mut instants = NOW - 1_000_000..;
        for at_once in [100, 10, 1] {
            loop {
                let batch: Vec<Arrival> = instants.by_ref().take(at_once).map(arrival).collect();
                if let Err(error) = self.store.series().record(&batch) {
                    assert!(error.is_disk_full(), "{error:?}");
                    break;
                }
            }
        }
    }

    fn is_said(&self, code: Code) -> bool {
        self.health.all().iter().any(|notice| notice.code == code)
    }
}

fn reading(seq: u32) -> Intake {
    Intake::Reading(Arrival { node: name("node-1"), received: NOW, pack: pack("meter-1", seq) })
}

/// Another pack for each instant.
fn arrival(instant: i64) -> Arrival {
    let pack = Pack { instant, ..pack("meter-1", 9_999) };
    Arrival { node: name("node-1"), received: NOW, pack }
}

fn unreadable() -> Intake {
    let (topic, reason) = ("a/topic".to_owned(), "unreadable".to_owned());
    Intake::Quarantine(Unreadable { topic, payload: vec![1, 2], reason, received: NOW })
}

#[tokio::test]
async fn a_signed_receipt_means_that_the_store_has_it() {
    let world = World::new();

    soon("the receipt", world.send(reading(1)).await).await.unwrap();

    assert_eq!(world.packs(), 1);
}

#[tokio::test]
async fn the_same_message_twice_is_signed_twice_and_stored_once() {
    let world = World::new();
    let first = world.send(reading(1)).await;
    let second = world.send(reading(1)).await;

    for signed in [first, second] {
        soon("the receipt", signed).await.unwrap();
    }

    assert_eq!(world.packs(), 1);
}

#[tokio::test]
async fn an_unreadable_payload_is_kept_and_said_for_an_hour() {
    let world = World::new();
    soon("the receipt", world.send(unreadable()).await).await.unwrap();
    assert_eq!(world.store.series().quarantine(10).unwrap().rows, 1);
    assert!(world.is_said(Code::PayloadsRejected));

    world.clock.set(NOW + 3_600);
    soon("the receipt", world.send(reading(1)).await).await.unwrap();
    // The receipt is signed before anything is said; the end of the recorder is after both.
    drop(world.door);
    soon("the end", world.task).await.unwrap().unwrap();

    assert!(world.health.all().is_empty());
}

#[tokio::test]
async fn pages_are_told_the_newest_reading_of_each_meter() {
    let world = World::new();
    let mut page = world.live.listen();

    let mut signed = Vec::new();
    for seq in [2, 5, 3] {
        signed.push(world.send(reading(seq)).await);
    }
    for signed in signed {
        soon("the receipt", signed).await.unwrap();
    }

    let newest = pack("meter-1", 5).instant;
    soon("the newest reading", async {
        loop {
            if let Happening::Reading(told) = page.recv().await.unwrap()
                && told.instant == newest
            {
                assert_eq!(told.power_mw, Some(1_234_500));
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_signed_and_afterwards_everything_is() {
    let world = World::new();
    soon("the receipt", world.send(reading(0)).await).await.unwrap();
    world.fill_up();
    let before = world.packs();
    let mut signed = Vec::new();
    for seq in 1..=30 {
        signed.push(world.send(reading(seq)).await);
    }
    let mut changed = world.health.watch();
    let is_full = |_: &u64| world.is_said(Code::DiskFull);
    soon("the notice", changed.wait_for(is_full)).await.unwrap();
    assert!(signed.iter_mut().all(|signed| signed.try_recv().is_err()));
    assert_eq!(world.packs(), before);

    world.store.limit_pages(1_000_000);
    for signed in signed {
        soon("the receipt", signed).await.unwrap();
    }

    assert_eq!(world.packs(), before + 30);
    let is_over = |_: &u64| !world.is_said(Code::DiskFull);
    soon("the end of the notice", changed.wait_for(is_over)).await.unwrap();
}

#[tokio::test]
async fn it_ends_when_the_doors_are_closed_and_all_is_stored() {
    let world = World::new();
    let mut signed = Vec::new();
    for seq in 0..50 {
        signed.push(world.send(reading(seq)).await);
    }

    drop(world.door);
    soon("the end", world.task).await.unwrap().unwrap();

    assert!(signed.iter_mut().all(|signed| signed.try_recv().is_ok()));
}
