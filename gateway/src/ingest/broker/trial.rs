//! Whether the broker keeps what it acknowledged: tried, because none says so.
//!
//! A broker holds what a subscriber has not acknowledged yet, in a queue with a bound.
//! Beyond it mosquitto and others drop messages that they acknowledged to the publisher.
//! With mosquitto's defaults that is after 1,000: ten minutes of a site of 100 meters.
//!
//! So, on a connection and a topic of its own, [`MESSAGES`] numbered messages are
//! published and none of them acknowledged until the broker has acknowledged all; then
//! they are counted as they come. Readings do not notice: it is 2,000 messages of some 40
//! bytes, a tenth of a second of a broker's time, beside them and in nobody's session.
//!
//! It is done at the first connection, and again when the broker has forgotten us (it may
//! be another one, or have another configuration), at most once a day.
//!
//! The topic is `gengfu/v1/<site>/_gateway/trial/<client id>`. No node can have such a name. A
//! broker whose rights do not allow it is not tried; that is told in the log, and is no
//! reason to suspect it.

use std::collections::BTreeSet;
use std::time::Duration;

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, Packet, PubAckReason, Publish, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::task::JoinHandle;

use super::bridge::Bridge;
use super::{bridge_of, mqtt_options};
use crate::config::BrokerConfig;
use crate::events;
use crate::health::{Code, Level};
use crate::ingest::door::Door;

/// Twice what brokers hold by default.
pub(super) const MESSAGES: u32 = 2_000;

/// How many the broker may send at a time; all others are in its queue.
const RECEIVE_MAX: u16 = 20;

/// How long it may take in all. Longer, and the broker has other worries.
const PATIENCE: Duration = Duration::from_secs(60);

/// When nothing has come for so long, the rest will not.
const QUIET: Duration = Duration::from_secs(3);

const SECONDS_A_DAY: i64 = 86_400;

/// When the broker was tried, and is.
#[derive(Default)]
pub(super) struct Trials {
    begun: Option<i64>,
    running: Option<JoinHandle<()>>,
}

impl Trials {
    /// Begins a trial if one is due, now that there is a connection.
    pub(super) fn begin_if_due(
        &mut self,
        config: &BrokerConfig,
        door: &Door,
        session_present: bool,
    ) {
        let now = door.clock.now();
        let is_due = match self.begun {
            None => true,
            Some(begun) => !session_present && SECONDS_A_DAY <= now - begun,
        };
        if is_due {
            self.begun = Some(now);
            self.stop();
            self.running = Some(tokio::spawn(judge(config.clone(), door.clone())));
        }
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

impl Drop for Trials {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What came of a trial.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untried {
    #[error("the broker does not let us publish or subscribe there")]
    NotAllowed,
    #[error("the connection broke")]
    Broke,
    #[error("it took longer than {} s", PATIENCE.as_secs())]
    TooLong,
}

async fn judge(config: BrokerConfig, door: Door) {
    let tried = tokio::time::timeout(PATIENCE, tried(&config, &door)).await;
    match tried.unwrap_or(Err(Untried::TooLong)) {
        Ok(received) => {
            events::broker_tried("broker", MESSAGES, received);
            if received < MESSAGES {
                let params = [("sent", MESSAGES.to_string()), ("received", received.to_string())];
                door.health.raise(Code::BrokerDrops, "", Level::Warn, params);
            } else {
                door.health.clear(Code::BrokerDrops, "");
            }
        }
        Err(reason) => events::broker_untried("broker", &reason.to_string()),
    }
}

/// Returns how many of the messages came.
pub(super) async fn tried(config: &BrokerConfig, door: &Door) -> Result<u32, Untried> {
    // A client of its own, with a session that ends with it.
    let own = BrokerConfig { client_id: format!("{}-trial", config.client_id), ..config.clone() };
    let bridge = bridge_of(&own).await.map_err(|_| Untried::Broke)?;
    let topic = format!("gengfu/v1/{}/_gateway/trial/{}", door.site, own.client_id);
    let mut trial = Trial::new(options(&own, bridge.as_ref()), topic);
    trial.subscribe().await?;
    trial.publish_all().await?;
    trial.count().await
}

fn options(config: &BrokerConfig, bridge: Option<&Bridge>) -> MqttOptions {
    let mut options = mqtt_options(config, bridge, None);
    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAX);
    // With a window of 20 each round trip counts, and 40 ms of waiting for company more.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_connect_properties(properties).set_clean_start(true).set_network_options(network);
    options
}

struct Trial {
    client: AsyncClient,
    events: EventLoop,
    topic: String,
    /// Came, and is not acknowledged.
    held: Vec<Publish>,
    seen: BTreeSet<u32>,
}

impl Trial {
    fn new(options: MqttOptions, topic: String) -> Self {
        // All of them find a place at once: nothing here waits for a place.
        let places = usize::try_from(MESSAGES).unwrap_or(usize::MAX).saturating_mul(2);
        let (client, events) = AsyncClient::new(options, places);
        Self { client, events, topic, held: Vec::new(), seen: BTreeSet::new() }
    }

    async fn subscribe(&mut self) -> Result<(), Untried> {
        let subscribed = self.client.try_subscribe(&self.topic, QoS::AtLeastOnce);
        subscribed.map_err(|_| Untried::Broke)?;
        loop {
            if let Packet::SubAck(suback) = self.next().await? {
                let granted = suback.return_codes.first();
                let is_granted = matches!(granted, Some(SubscribeReasonCode::Success(_)));
                return if is_granted { Ok(()) } else { Err(Untried::NotAllowed) };
            }
        }
    }

    /// Publishes all, and holds what comes meanwhile.
    async fn publish_all(&mut self) -> Result<(), Untried> {
        for number in 0..MESSAGES {
            let payload = number.to_be_bytes().to_vec();
            let published = self.client.try_publish(&self.topic, QoS::AtLeastOnce, false, payload);
            published.map_err(|_| Untried::Broke)?;
        }
        let mut acknowledged = 0;
        while acknowledged < MESSAGES {
            let packet = self.next().await?;
            if let Packet::PubAck(puback) = &packet {
                if refuses(puback.reason) {
                    return Err(Untried::NotAllowed);
                }
                acknowledged += 1;
            } else if let Packet::Publish(publish) = packet {
                self.held.push(publish);
            }
        }
        Ok(())
    }

    /// Acknowledges and counts, until all have come or no more come.
    async fn count(mut self) -> Result<u32, Untried> {
        loop {
            for publish in std::mem::take(&mut self.held) {
                if let Ok(number) = publish.payload.as_ref().try_into().map(u32::from_be_bytes) {
                    self.seen.insert(number);
                }
                self.client.try_ack(&publish).map_err(|_| Untried::Broke)?;
            }
            if usize::try_from(MESSAGES).is_ok_and(|all| all <= self.seen.len()) {
                break;
            }
            match tokio::time::timeout(QUIET, self.next()).await {
                Ok(Ok(Packet::Publish(publish))) => self.held.push(publish),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => break,
            }
        }
        // Nothing at all: it may be published and not be read (rights say so to nobody).
        match u32::try_from(self.seen.len()).unwrap_or(u32::MAX) {
            0 => Err(Untried::NotAllowed),
            received => Ok(received),
        }
    }

    async fn next(&mut self) -> Result<Packet, Untried> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(packet)) => return Ok(packet),
                Ok(Event::Outgoing(_)) => {}
                Err(_) => return Err(Untried::Broke),
            }
        }
    }
}

fn refuses(reason: PubAckReason) -> bool {
    !matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
}
