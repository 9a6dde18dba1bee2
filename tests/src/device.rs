//! Somebody else's device: an MQTT 3.1.1 client that knows nothing of the product.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, QoS};
use tokio::runtime::Runtime;

/// Longest payload that a story sends.
const PAYLOAD_MAX: usize = 16 << 20;

/// A connected device. Out of scope, its connection breaks without good-bye, as by a
/// pulled plug.
pub struct Device {
    client: AsyncClient,
    acknowledged: Receiver<()>,
    messages: Receiver<(String, Vec<u8>)>,
    // Holds the connection.
    _runtime: Runtime,
}

impl Device {
    /// Connects to `host:port`; `will` is said if the connection breaks.
    pub fn connect(id: &str, address: &str, will: Option<(&str, &[u8])>) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').context("an address and a port")?;
        let mut options = MqttOptions::new(id, host, port.parse()?);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(PAYLOAD_MAX, PAYLOAD_MAX);
        if let Some((topic, payload)) = will {
            options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, false));
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (client, events) = AsyncClient::new(options, 64);
        let (acknowledge, acknowledged) = sync_channel(64);
        let (tell, messages) = sync_channel(64);
        runtime.spawn(converse(events, acknowledge, tell));
        Ok(Self { client, acknowledged, messages, _runtime: runtime })
    }

    /// Publishes with QoS 1 and waits until that is acknowledged.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> Result<()> {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload)?;
        self.acknowledged.recv_timeout(crate::world::PATIENCE).context("an acknowledgement")
    }

    /// Publishes as Sparkplug and most small devices do: with QoS 0.
    pub fn say(&self, topic: &str, payload: &[u8]) -> Result<()> {
        Ok(self.client.try_publish(topic, QoS::AtMostOnce, false, payload)?)
    }

    /// Asks for messages.
    pub fn subscribe(&self, filter: &str) -> Result<()> {
        Ok(self.client.try_subscribe(filter, QoS::AtLeastOnce)?)
    }

    /// Returns a message that has come, if one has.
    pub fn message(&self) -> Option<(String, Vec<u8>)> {
        self.messages.try_recv().ok()
    }
}

async fn converse(
    mut events: EventLoop,
    acknowledge: SyncSender<()>,
    tell: SyncSender<(String, Vec<u8>)>,
) {
    while let Ok(event) = events.poll().await {
        let open = match event {
            Event::Incoming(Packet::PubAck(_)) => acknowledge.try_send(()).is_ok(),
            Event::Incoming(Packet::Publish(publish)) => {
                tell.try_send((publish.topic, publish.payload.to_vec())).is_ok()
            }
            Event::Incoming(_) | Event::Outgoing(_) => true,
        };
        if !open {
            return;
        }
    }
}
