//! The outbox on a disk that loses what was not synced, in any part and order, and that may
//! forget it when a sync fails.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use proptest::prelude::*;
use tokio::sync::mpsc;

/// A disk behind a system's memory. The system forgets what a failed sync did not write, as
/// Linux does.
#[derive(Default)]
struct CutDisk(Mutex<State>);

#[derive(Default)]
struct State {
    /// What is read.
    shown: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What may be lost.
    loose: Vec<(usize, Vec<u8>)>,
    /// How many syncs fail from now on.
    failures: u32,
    syncs: u32,
}

fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    let end = at + what.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(what);
}

impl CutDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns what a power cut leaves: of what was not synced, whatever `chance` says, whole,
    /// in part or not at all.
    fn cut(&self, mut chance: u64) -> Arc<Self> {
        let state = self.state();
        let mut left = state.durable.clone();
        for (at, bytes) in &state.loose {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let whole = bytes.len();
            let kept = match chance >> 62 {
                0 => 0,
                1 => usize::try_from(chance >> 33).unwrap() % (whole + 1),
                _ => whole,
            };
            put(&mut left, *at, &bytes[..kept]);
        }
        Arc::new(Self(Mutex::new(State { shown: left.clone(), durable: left, ..State::default() })))
    }
}

impl Disk for Arc<CutDisk> {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state();
        let rest = state.shown.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let (mut state, at) = (self.state(), usize::try_from(at).unwrap());
        put(&mut state.shown, at, bytes);
        state.loose.push((at, bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        let loose = std::mem::take(&mut state.loose);
        if 0 < state.failures {
            state.failures -= 1;
            return Err(io::Error::other("the cable of the disk"));
        }
        for (at, bytes) in loose {
            put(&mut state.durable, at, &bytes);
        }
        Ok(())
    }
}

type Cut = SyncedOutbox<Arc<CutDisk>>;

async fn open(disk: &Arc<CutDisk>) -> Cut {
    SyncedOutbox::open(Backing::new(Arc::clone(disk)), 5).await.unwrap()
}

/// All that is offered, by its ticket.
async fn offered(outbox: &mut Cut) -> BTreeMap<u64, Vec<u8>> {
    let (mut all, mut from, mut out) = (BTreeMap::new(), Ticket::FIRST, [0; 400]);
    while let Some((ticket, len)) = outbox.peek(from, &mut out).await {
        all.insert(ticket.number(), out[..len].to_vec());
        from = ticket.next();
    }
    all
}

#[tokio::test]
async fn nothing_is_offered_before_it_is_on_the_disk() {
    let disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    outbox.push(b"first").await;
    outbox.push(b"second").await;
    assert_eq!((outbox.len(), offered(&mut outbox).await.len()), (2, 0));

    outbox.backing.sync_apart().await.unwrap();
    outbox.push(b"third").await;

    let seen = offered(&mut outbox).await;
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [b"first".to_vec(), b"second".to_vec()]);
    let mut outbox = open(&disk.cut(0)).await;
    assert_eq!((outbox.boot(), offered(&mut outbox).await.len()), (6, 2));
}

#[tokio::test]
async fn a_sync_that_failed_is_not_believed_and_what_it_forgot_is_written_again() {
    let disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    outbox.push(b"first").await;
    disk.state().failures = 2;
    assert!(outbox.backing.sync_apart().await.is_err());
    outbox.push(b"second").await;
    assert!(outbox.backing.sync_apart().await.is_err());
    assert_eq!(offered(&mut outbox).await.len(), 0);

    outbox.backing.sync_apart().await.unwrap();

    let seen = offered(&mut outbox).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(offered(&mut open(&disk.cut(0)).await).await, seen);
}

#[tokio::test]
async fn a_command_is_noted_only_if_its_number_is_on_the_disk() {
    let disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    assert!(outbox.keep_command(7).await);
    assert_eq!(open(&disk.cut(0)).await.last_command(), 7);

    disk.state().failures = 1;
    assert!(!outbox.keep_command(8).await);
}

#[tokio::test]
async fn a_round_of_meters_shares_a_sync_and_is_then_offered() {
    let disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    let before = disk.state().syncs;
    for number in 0..30_u8 {
        outbox.push(&[number; 80]).await;
    }
    let (more, mut told) = mpsc::channel(1);
    let node = Name::new("node").unwrap();
    tokio::select! {
        never = keep_synced(&outbox.backing, node, || more.try_send(()).unwrap()) => match never {},
        told = told.recv() => assert_eq!(told, Some(())),
    }

    assert_eq!((offered(&mut outbox).await.len(), disk.state().syncs - before), (30, 1));
}

#[tokio::test]
async fn a_disk_that_fails_for_long_costs_new_packs_but_no_memory_and_none_that_it_holds() {
    let disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    for payload in [b"first", b"other", b"third"] {
        outbox.push(payload).await;
    }
    outbox.backing.sync_apart().await.unwrap();
    disk.state().failures = u32::MAX;
    for _ in 0..1_500 {
        outbox.push(&[7; 200]).await;
    }
    outbox.settle(Ticket::of(1)).await;
    let held = offered(&mut outbox).await.into_values().collect::<Vec<_>>();
    assert_eq!(held, [b"other".to_vec(), b"third".to_vec()]);
    assert!(outbox.backing.is_full() && 0 < outbox.dropped());
    assert_eq!(u64::from(outbox.dropped()) + outbox.next().number(), 1_503);

    disk.state().failures = 0;
    outbox.push(b"good").await;
    outbox.backing.sync_apart().await.unwrap();

    let seen = offered(&mut outbox).await;
    assert_eq!(seen.last_key_value().map(|(_, last)| &last[..]), Some(&b"good"[..]));
    assert_eq!(offered(&mut open(&disk.cut(0)).await).await.len(), seen.len() + 1);
}

#[tokio::test]
async fn what_was_pushed_and_the_plan_are_there_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.outbox");
    let file = async || SyncedOutbox::open(Backing::open(&path).unwrap(), 5).await.unwrap();
    let mut outbox = file().await;
    for payload in [b"first", b"other", b"third"] {
        outbox.push(payload).await;
    }
    outbox.settle(Ticket::of(1)).await;
    outbox.keep_plan(b"a plan").await;
    drop(outbox);

    let mut outbox = file().await;

    assert_eq!((outbox.boot(), outbox.len()), (6, 2));
    let mut out = [0; 100];
    let (ticket, len) = outbox.peek(Ticket::FIRST, &mut out).await.unwrap();
    assert_eq!((ticket, &out[..len]), (Ticket::of(1), &b"other"[..]));
    let len = outbox.kept_plan(&mut out).await.unwrap();
    assert_eq!(&out[..len], b"a plan");
}

#[derive(Clone, Debug)]
enum Step {
    /// So many bytes are read from a meter.
    Push(usize),
    Sync,
    /// A sync fails.
    Fail,
    /// All that is offered is acknowledged, but for so many.
    Settle(usize),
    /// The power goes and comes back.
    Cut(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (8_usize..300).prop_map(Step::Push),
        4 => Just(Step::Sync),
        1 => Just(Step::Fail),
        2 => (0_usize..20).prop_map(Step::Settle),
        1 => any::<u64>().prop_map(Step::Cut),
    ];
    proptest::collection::vec(step, 0..150)
}

/// Runs the steps; returns what went wrong.
async fn live(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut disk = Arc::new(CutDisk::default());
    let mut outbox = open(&disk).await;
    let mut pushed = BTreeSet::new();
    for (number, step) in (0_u64..).zip(steps) {
        match step {
            Step::Push(len) => {
                let mut payload = number.to_le_bytes().to_vec();
                payload.resize(len, 0xA5);
                outbox.push(&payload).await;
                pushed.insert(payload);
            }
            Step::Sync => outbox.backing.sync_apart().await.unwrap(),
            Step::Fail => {
                disk.state().failures = 1;
                outbox.backing.sync_apart().await.unwrap_or_default();
                disk.state().failures = 0;
            }
            Step::Settle(but) => {
                let seen = offered(&mut outbox).await;
                if let Some(&last) = seen.keys().take(seen.len().saturating_sub(but)).next_back() {
                    outbox.settle(Ticket::of(last).next()).await;
                }
            }
            Step::Cut(chance) => {
                let seen = offered(&mut outbox).await;
                let boot = outbox.boot();
                disk = disk.cut(chance);
                outbox = open(&disk).await;

                prop_assert!(boot < outbox.boot());
                let found = offered(&mut outbox).await;
                for (ticket, payload) in seen {
                    prop_assert_eq!(found.get(&ticket), Some(&payload), "was offered, is gone");
                }
                prop_assert!(found.values().all(|payload| pushed.contains(payload)));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_power_cut_takes_nothing_that_was_offered_and_invents_nothing(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(steps))?;
    }
}
