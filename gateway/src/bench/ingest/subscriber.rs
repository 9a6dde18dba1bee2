//! What a broker's figures are compared with: a subscriber that counts and does nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::task::JoinHandle;
use wire::Name;
use wire::message::{Faults, State, Version};
use wire::topic::{Channel, Topic};

use super::publisher::{SITE, node_name};
use crate::ingest::door::Door;

/// How many messages may be unacknowledged: as many as the gateway's door asks for.
const RECEIVE_MAX: u16 = 4_096;

const PATIENCE: Duration = Duration::from_secs(20);

/// A subscriber that acknowledges at once.
pub(super) struct Counting {
    received: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Counting {
    pub(super) async fn start(broker: SocketAddr) -> Result<Self> {
        let (client, mut events) = connect(broker, "gengfu-bench-nothing", 0).await?;
        let site = Name::new(SITE).context("the site's name")?;
        let filter = Topic::of_all_nodes(site, Channel::Readings).to_string();
        client.try_subscribe(filter, QoS::AtLeastOnce)?;
        until(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await?;
        let received = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let _client = client;
            while let Ok(event) = events.poll().await {
                if matches!(event, Event::Incoming(Packet::Publish(_))) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { received, task })
    }

    /// Waits until so many have come; not for longer than `patience` without any.
    pub(super) async fn until(self, wanted: u64, patience: Duration) -> Result<()> {
        let (mut seen, mut idle) = (0, Duration::ZERO);
        const TURN: Duration = Duration::from_millis(5);
        loop {
            let received = self.received.load(Ordering::Relaxed);
            if wanted <= received {
                self.task.abort();
                return Ok(());
            }
            idle = if seen < received { Duration::ZERO } else { idle + TURN };
            seen = received;
            ensure!(idle < patience, "the broker delivers no more; {received} came");
            tokio::time::sleep(TURN).await;
        }
    }
}

/// Waits until the gateway has heard a node's retained state, which tells that it is
/// subscribed.
pub(super) async fn wait_until_subscribed(broker: SocketAddr, door: &Door) -> Result<()> {
    let (client, mut events) = connect(broker, "gengfu-bench-herald", 0).await?;
    let node = node_name(0)?;
    let topic = Topic::new(door.site, node, Channel::State);
    let version = Version { major: 0, minor: 0, patch: 0 };
    let state = State::Online {
        boot: 1,
        version,
        plan_revision: 0,
        queued: 0,
        dropped: 0,
        uptime_s: 0,
        faults: Faults::default(),
    };
    let mut payload = vec![0; State::BYTES_MAX];
    let len = state.encode(&mut payload).ok().context("a state has bytes")?;
    payload.truncate(len);
    client.try_publish(topic.as_str(), QoS::AtLeastOnce, true, payload)?;
    until(&mut events, |packet| matches!(packet, Packet::PubAck(_))).await?;
    let mut changed = door.states.watch();
    let heard = changed.wait_for(|_| door.states.of(&node).is_some());
    tokio::time::timeout(PATIENCE, heard).await.context("the gateway is not subscribed")??;
    Ok(())
}

/// Makes the broker forget a session.
pub(super) async fn forget(broker: SocketAddr, client_id: &str) -> Result<()> {
    let (client, mut events) = connect(broker, client_id, 0).await?;
    client.try_disconnect()?;
    while events.poll().await.is_ok() {}
    Ok(())
}

async fn connect(
    broker: SocketAddr,
    client_id: &str,
    expiry_s: u32,
) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(client_id, broker.ip().to_string(), broker.port());
    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAX);
    properties.session_expiry_interval = Some(expiry_s);
    options.set_connect_properties(properties).set_clean_start(true);
    let (client, mut events) = AsyncClient::new(options, 16);
    until(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await?;
    Ok((client, events))
}

async fn until(events: &mut EventLoop, wanted: impl Fn(&Packet) -> bool) -> Result<()> {
    let seen = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await?
                && wanted(&packet)
            {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.context("the broker does not answer")?
}
