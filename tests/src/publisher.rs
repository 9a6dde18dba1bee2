//! A node of the story's own: publishes packs over MQTT 5 and knows what was acknowledged.
//!
//! The client comes from other hands than the gateway's own listener, and it hides nothing:
//! a pack counts as acknowledged when its PUBACK was read, never before.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use wire::Name;
use wire::message::Pack;
use wire::topic::{Channel, Topic};

/// How many packs are under way at a time.
const WINDOW: u16 = 200;

/// A node that publishes what a story gives it.
pub struct Publisher {
    node: Name,
    owed: VecDeque<Pack>,
    /// How many packs were acknowledged.
    pub acknowledged: u64,
    /// How many packs were sent again because the connection ended before their PUBACK.
    pub repeated: u64,
}

impl Publisher {
    /// Returns a node of the demo campus.
    pub fn new(node: &str) -> Result<Self> {
        Ok(Self { node: node.parse()?, owed: VecDeque::new(), acknowledged: 0, repeated: 0 })
    }

    /// Gives it a pack to publish.
    pub fn owe(&mut self, pack: Pack) {
        self.owed.push_back(pack);
    }

    /// Drops the oldest packs, as a node does whose outbox is full; returns how many.
    pub fn drop_oldest(&mut self, count: usize) -> usize {
        self.owed.drain(..count.min(self.owed.len())).count()
    }

    /// How many packs are not acknowledged yet.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Publishes what is owed, until all of it is acknowledged or the time is up. What was
    /// under way is owed again, in its order: nobody knows whether it arrived.
    pub fn publish(&mut self, address: &str, limit: Duration) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut line = Line::open(self.node, address)?;
        let ended = runtime.block_on(async {
            tokio::time::timeout(limit, line.converse(&mut self.owed, &mut self.acknowledged)).await
        });
        for pack in line.unacknowledged().into_iter().rev() {
            self.repeated += 1;
            self.owed.push_front(pack);
        }
        ended.unwrap_or(Ok(()))
    }
}

/// One connection and what is under way on it.
struct Line {
    topic: Topic,
    client: AsyncClient,
    events: EventLoop,
    /// Given to the client, not on the wire yet; it writes them in this order.
    given: VecDeque<Pack>,
    /// On the wire, by packet id and with its place in the order.
    flying: BTreeMap<u16, (u64, Pack)>,
    written: u64,
}

impl Line {
    fn open(node: Name, address: &str) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').context("an address and a port")?;
        let mut options = MqttOptions::new(node.as_str(), host, port.parse()?);
        options.set_outgoing_inflight_upper_limit(WINDOW);
        let (client, events) = AsyncClient::new(options, usize::from(WINDOW));
        let topic = Topic::new("demo-campus".parse()?, node, Channel::Readings);
        let (given, flying) = (VecDeque::new(), BTreeMap::new());
        Ok(Self { topic, client, events, given, flying, written: 0 })
    }

    async fn converse(&mut self, owed: &mut VecDeque<Pack>, acknowledged: &mut u64) -> Result<()> {
        let mut buffer = vec![0; Pack::BYTES_MAX];
        loop {
            while self.given.len() + self.flying.len() < usize::from(WINDOW) {
                let Some(pack) = owed.pop_front() else { break };
                let len = pack.encode(&mut buffer).map_err(|error| anyhow::anyhow!("{error:?}"))?;
                let payload = buffer[..len].to_vec();
                self.given.push_back(pack);
                self.client.try_publish(self.topic.as_str(), QoS::AtLeastOnce, false, payload)?;
            }
            if self.given.is_empty() && self.flying.is_empty() {
                return Ok(());
            }
            match self.events.poll().await? {
                Event::Outgoing(Outgoing::Publish(id)) => {
                    let pack = self.given.pop_front().context("a publish of ours")?;
                    self.flying.insert(id, (self.written, pack));
                    self.written += 1;
                }
                Event::Incoming(Packet::PubAck(ack)) => {
                    self.flying.remove(&ack.pkid).context("an acknowledgement of ours")?;
                    *acknowledged += 1;
                }
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    }

    fn unacknowledged(self) -> Vec<Pack> {
        let mut flying: Vec<_> = self.flying.into_values().collect();
        flying.sort_by_key(|(place, _)| *place);
        flying.into_iter().map(|(_, pack)| pack).chain(self.given).collect()
    }
}
