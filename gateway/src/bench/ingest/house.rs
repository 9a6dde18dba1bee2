//! What is measured: a store, a recorder and one door, joined as `run` joins them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::Name;

use super::publisher::{SITE, meter_name, node_name};
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::health::Health;
use crate::ingest::board::{NodeStates, PlanBoard};
use crate::ingest::broker::BrokerDoor;
use crate::ingest::door::Door;
use crate::ingest::gate::Roster;
use crate::ingest::listen::{Limits, Listener, anybody, bind};
use crate::ingest::mapped::{MappedGate, Mappings};
use crate::ingest::updates::Updates;
use crate::live::Live;
use crate::record::{RecordError, Recorder};
use crate::store::Store;

/// How long the doors wait for what is in flight.
const IN_FLIGHT: Duration = Duration::from_secs(10);

/// How often a store that takes readings for long is tended, as the gateway does it.
const TEND: Duration = Duration::from_secs(600);

/// Who publishes: so many nodes with so many meters each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fleet {
    pub(super) nodes: u32,
    pub(super) meters: u32,
}

impl Fleet {
    pub(super) fn pairs(self) -> Result<Vec<(Name, Name)>> {
        let each = (0..self.nodes).flat_map(|node| (0..self.meters).map(move |it| (node, it)));
        each.map(|(node, meter)| Ok((meter_name(node, meter)?, node_name(node)?))).collect()
    }
}

/// A running gateway without pages.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) door: Door,
    pub(super) listener: Option<Listener>,
    pub(super) broker: Option<BrokerDoor>,
    recording: JoinHandle<Result<(), RecordError>>,
    tending: JoinHandle<()>,
}

impl House {
    /// Opens a gateway with its own listener, or with a door to a broker. Needs a runtime.
    pub(super) fn open(
        folder: &Path,
        fleet: Fleet,
        limits: Limits,
        broker: Option<BrokerConfig>,
    ) -> Result<Self> {
        let store = Store::open(folder)?;
        let (incoming, queue) = crate::ingest::queue();
        let (clock, health, live) = (Clock::system(), Health::default(), Live::default());
        let recorder = Recorder::new(&store, &clock, &health, &live);
        let recording = tokio::spawn(recorder.run(queue));
        let door = Door {
            site: Name::new(SITE).context("the site's name")?,
            roster: watch::Sender::new(Arc::new(Roster::new(fleet.pairs()?))).subscribe(),
            mapped: MappedGate::fixed(Mappings::default()),
            board: PlanBoard::default(),
            states: NodeStates::default(),
            updates: Updates::default(),
            health,
            clock: clock.clone(),
            incoming,
        };
        let series = store.series().clone();
        let tending = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TEND).await;
                let (series, now) = (series.clone(), clock.now());
                // What goes wrong is tried again the next time, and the proof would show it.
                tokio::task::spawn_blocking(move || series.maintain(now).ok()).await.ok();
            }
        });
        let (listener, broker) = match broker {
            Some(config) => (None, Some(BrokerDoor::open(config, door.clone()))),
            None => {
                let socket = bind(([127, 0, 0, 1], 0).into())?;
                (Some(Listener::start(socket, door.clone(), anybody(), limits)?), None)
            }
        };
        Ok(Self { store, door, listener, broker, recording, tending })
    }

    /// Closes the door, waits until all that came in is stored, and returns the store.
    pub(super) async fn close(self) -> Result<Store> {
        self.tending.abort();
        if let Some(listener) = self.listener {
            listener.stop(IN_FLIGHT).await?;
        }
        if let Some(broker) = self.broker {
            broker.close(IN_FLIGHT).await?;
        }
        drop(self.door);
        self.recording.await??;
        Ok(self.store)
    }
}

/// What a store says of the packs that were published.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// What was published: each meter numbered its packs from 0.
    pub(super) expected: u64,
    /// Packs read back, each number once.
    pub(super) stored: u64,
    /// What the counting by sequence numbers says came, and did not.
    pub(super) counted: u64,
    pub(super) lost: u64,
    pub(super) duplicate: u64,
}

/// Reads back every pack of every meter and counts it.
///
/// # Errors
///
/// A meter has a number that nobody published, or one twice.
pub(super) fn prove(store: &Store, fleet: Fleet, messages: u64) -> Result<Proof> {
    let mut proof = Proof { expected: u64::from(fleet.nodes) * messages, ..Proof::default() };
    for node in 0..fleet.nodes {
        for meter in 0..fleet.meters {
            let name = meter_name(node, meter)?;
            let counts = store.series().counts(&name, 0, i64::MAX)?;
            proof.counted += counts.received;
            proof.lost += counts.lost;
            proof.duplicate += counts.duplicate;
            let mut seqs: Vec<u32> =
                store.series().packs(&name, 0, i64::MAX)?.iter().map(|it| it.pack.seq).collect();
            seqs.sort_unstable();
            ensure!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "`{name}` has a pack twice");
            // Message n of a node is of meter n modulo the meters.
            let own = messages.saturating_sub(u64::from(meter)).div_ceil(u64::from(fleet.meters));
            let last = seqs.last().map_or(0, |last| u64::from(*last) + 1);
            ensure!(last <= own, "`{name}` has a pack that nobody published");
            proof.stored += u64::try_from(seqs.len())?;
        }
    }
    Ok(proof)
}
