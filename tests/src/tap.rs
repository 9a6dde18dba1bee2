//! A listener at the broker that takes the gateway's place: it gives a node its plan and
//! keeps every pack that comes, as often as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use wire::message::{Pack, Plan, PlanMap, PlannedMeter, State};
use wire::modbus::LineSettings;
use wire::topic::{Channel, parse};
use wire::{Address, List};

use crate::world::wait_for;

/// The meters of the demo's office, by unit id from 1 on.
pub const METERS: [&str; 8] = [
    "office-main",
    "light-1f-hall",
    "light-2f-east",
    "light-2f-west",
    "light-3f",
    "office-plug",
    "office-cooling",
    "office-datacentre",
];

/// A listener; it goes on for as long as the story.
pub struct Tap {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    packs: Vec<Pack>,
    dropped: u32,
}

/// What became of the packs of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packs, each counted once.
    pub packs: usize,
    /// How many came again.
    pub repeated: usize,
    /// Holes in the sequences of the meters' runs.
    pub lost: usize,
    /// Runs of the node.
    pub runs: usize,
}

impl Tap {
    /// Listens at a broker for a node of the demo campus, and leaves it a plan that reads the
    /// office's meters once a minute.
    pub fn open(node: &str, port: u16) -> Result<Self> {
        let mut plan = vec![0; Plan::BYTES_MAX];
        let len = plan_of_the_office()?
            .encode(&mut plan)
            .map_err(|error| anyhow::anyhow!("the plan: {error:?}"))?;
        plan.truncate(len);
        let base = format!("gengfu/v1/demo-campus/{node}");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            let mut options = MqttOptions::new("tap", "127.0.0.1", port);
            options.set_clean_start(false).set_session_expiry_interval(Some(u32::MAX));
            let (client, events) = AsyncClient::new(options, 100);
            runtime.block_on(listen(&base, &plan, &client, events, &shared));
        });
        Ok(Self { heard })
    }

    /// Returns all packs in the order in which they came.
    #[must_use]
    pub fn packs(&self) -> Vec<Pack> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).packs.clone()
    }

    /// How many packs the node says it had to give up.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).dropped
    }

    /// Waits until each meter was read so many times more with all its values.
    pub fn wait_for_whole_polls(&self, more: usize) -> Result<()> {
        let begun = self.packs().len();
        let meters: Vec<usize> = (0..METERS.len()).collect();
        self.wait_for_polls_of(&meters, begun, more)
    }

    /// Waits until some meters were read so many times, counted from a pack on.
    pub fn wait_for_polls_of(&self, meters: &[usize], from: usize, count: usize) -> Result<()> {
        wait_for(&format!("{count} whole polls of meters {meters:?}"), || {
            let packs = self.packs();
            let done = meters.iter().all(|&meter| {
                let of_meter = packs.iter().skip(from).filter(|pack| is_of(pack, meter));
                count <= of_meter.filter(|pack| is_whole(pack)).count()
            });
            Ok(done.then_some(()))
        })
    }

    /// Waits until nothing is missing, and counts.
    pub fn wait_until_complete(&self) -> Result<Count> {
        wait_for("packs without a hole", || {
            let count = count(&self.packs())?;
            Ok((count.lost == 0).then_some(count))
        })
    }
}

/// Whether a pack is of a meter, by its place in [`METERS`].
#[must_use]
pub fn is_of(pack: &Pack, meter: usize) -> bool {
    METERS.get(meter) == Some(&pack.meter.as_str())
}

/// Whether a pack has all its values.
#[must_use]
pub fn is_whole(pack: &Pack) -> bool {
    pack.readings.iter().all(|reading| matches!(reading.value, wire::Value::Measured(_)))
}

/// Counts packs, and looks whether those of each meter and run follow each other in time, and
/// whether what came twice is the same.
fn count(packs: &[Pack]) -> Result<Count> {
    let mut known: BTreeMap<(String, u32, u32), Pack> = BTreeMap::new();
    let mut repeated = 0;
    for pack in packs {
        let key = (pack.meter.as_str().to_owned(), pack.boot, pack.seq);
        if let Some(before) = known.insert(key.clone(), *pack) {
            anyhow::ensure!(before == *pack, "two packs are {key:?}");
            repeated += 1;
        }
    }
    let mut lost = 0;
    let mut runs = BTreeSet::new();
    let mut last: Option<&Pack> = None;
    for ((meter, boot, seq), pack) in &known {
        runs.insert(*boot);
        let same_meter = last.filter(|last| last.meter == pack.meter);
        if let Some(last) = same_meter {
            anyhow::ensure!(
                last.instant < pack.instant,
                "{meter} {boot}/{seq}: {} after {}",
                pack.instant,
                last.instant
            );
        }
        let expected = same_meter.filter(|last| last.boot == *boot).map_or(0, |last| last.seq + 1);
        lost += usize::try_from(seq - expected)?;
        last = Some(pack);
    }
    Ok(Count { packs: known.len(), repeated, lost, runs: runs.len() })
}

fn plan_of_the_office() -> Result<Plan> {
    let map = wire::models::by_id("eastron-sdm630").context("a meter model")?.map;
    let map = PlanMap::new(&map).ok().context("a map that fits")?;
    let mut meters = List::new();
    for (unit_id, meter) in (1..).zip(METERS) {
        let meter = PlannedMeter {
            meter: meter.parse()?,
            address: Address::unit_id(unit_id),
            ..PlannedMeter::default()
        };
        meters.push(meter).ok().context("room for a meter")?;
    }
    Ok(Plan {
        revision: 1,
        interval_s: 60,
        line: LineSettings::default(),
        maps: List::from_slice(&[map]).ok().context("room for a map")?,
        meters,
        switches: List::new(),
    })
}

async fn listen(
    base: &str,
    plan: &[u8],
    client: &AsyncClient,
    mut events: EventLoop,
    heard: &Mutex<Heard>,
) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // The queue to the client has room for both; else the next connection asks.
                client.try_subscribe(format!("{base}/+"), QoS::AtLeastOnce).ok();
                let to = format!("{base}/config");
                client.try_publish(to, QoS::AtLeastOnce, true, plan.to_vec()).ok();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                match parse(&topic).map(|(_, _, channel)| channel) {
                    Some(Channel::Readings) => heard.packs.extend(Pack::decode(&publish.payload)),
                    Some(Channel::State) => {
                        if let Ok(State::Online { dropped, .. }) = State::decode(&publish.payload) {
                            heard.dropped = dropped;
                        }
                    }
                    _ => {}
                }
            }
            Ok(_) => {}
            // The broker is away.
            Err(_) => std::thread::park_timeout(Duration::from_millis(100)),
        }
    }
}
