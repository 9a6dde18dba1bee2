//! Somebody else's broker: the gateway as an MQTT 5 client of mosquitto, EMQX or any.
//!
//! In: what the broker delivers of the site's topics.
//! Out: what [`super::door`] makes of it; plans and commands to the nodes.
//!
//! Afterwards:
//! - PUBACK goes to the broker only after the receipt was signed, in the order in which
//!   the messages came (MQTT 5, 4.6);
//! - an acknowledgement never crosses from one connection to the next. Packet ids are
//!   used again, so a late one could acknowledge a message that we never stored. Each
//!   connection has a client of its own, and what it left unacknowledged dies with it:
//!   the broker delivers that again;
//! - a broker that is away, at start or later, is a state on the page, and we try again
//!   with back-off for ever.
//!
//! The broker keeps our session while we are away ([`SESSION_EXPIRY_S`]), so what the
//! nodes publish meanwhile waits there, as far as its queue reaches (`mosquitto.conf`).
//! Whether it does is tried (`trial`), because a broker that drops says so to nobody.
//!
//! A connection can stand while nothing comes by it any more, after the broker lost our
//! subscription or the network half of the way. So a door by which nothing came for
//! [`SILENCE`] makes a new connection, which subscribes anew; if that does not help, the
//! page says so.
//!
//! Reading order: here, the door and when it tries again; `link`, one connection;
//! `mapped`, what it subscribes to for other people's devices;
//! `bridge`, what protects it; `trial`, whether the broker keeps what it acknowledged.

pub(super) mod bridge;
mod link;
mod mapped;
mod trial;

use std::time::Duration;

use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, LastWill, SubscribeReasonCode,
};
use rumqttc::v5::{ConnectionError, MqttOptions};
use tokio::sync::watch;

use self::bridge::{Bridge, BridgeError};
use self::link::Link;
use self::trial::Trials;
use super::door::Door;
use super::mapped::Request;
use crate::config::BrokerConfig;
use crate::events;
use crate::health::{Code, Level};

/// How long the broker keeps our session and queues for us: a week, long enough for a
/// gateway that broke on a Friday. Unset it would end with the connection.
pub const SESSION_EXPIRY_S: u32 = 7 * 86_400;

/// How many messages may be unacknowledged. As many as wait for the recorder, so that a
/// commit is never smaller than it could be; MQTT 5 brokers keep to it.
const RECEIVE_MAX: u16 = 4_096;

/// Longest packet that we accept; the broker drops longer ones instead of sending them,
/// and nobody learns of it. Messages of ours take a thousandth of that; a device that
/// sends megabytes to a mapped topic is to be seen in the quarantine.
const PACKET_BYTES_MAX: u32 = 16 * 1_024 * 1_024;

/// How many of our own publishes may be unacknowledged. More than mosquitto's default
/// window of 20 would be of no use.
const PUBLISHES_MAX: u16 = 20;

/// A connection that broke is tried again after 1 s, then twice that, up to this.
const RETRY_S_MAX: u64 = 60;

/// A door by which nothing came for so long makes a new connection. Nodes tell their state
/// each minute, so five minutes of silence are five of every node.
pub const SILENCE: Duration = Duration::from_secs(300);

/// The door to a broker. Dropped, it closes without waiting.
#[derive(Debug)]
pub struct BrokerDoor {
    stop: watch::Sender<Option<Duration>>,
    task: tokio::task::JoinHandle<()>,
}

impl BrokerDoor {
    /// Opens the door; it connects, and reconnects, by itself. Needs a tokio runtime.
    #[must_use]
    pub fn open(config: BrokerConfig, door: Door) -> Self {
        Self::open_with(config, door, SILENCE)
    }

    fn open_with(config: BrokerConfig, door: Door, silence: Duration) -> Self {
        let (stop, stopped) = watch::channel(None);
        Self { stop, task: tokio::spawn(keep_connected(config, door, silence, stopped)) }
    }

    /// Returns when the door has closed; it does so only when told, or by a panic.
    ///
    /// # Errors
    ///
    /// The panic.
    pub async fn ended(&mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.task).await
    }

    /// Takes no more messages, acknowledges those that get stored within the deadline,
    /// and disconnects. The session stays at the broker.
    ///
    /// # Errors
    ///
    /// The panic that ended the door before.
    pub async fn close(self, deadline: Duration) -> Result<(), tokio::task::JoinError> {
        self.stop.send_replace(Some(deadline));
        self.task.await
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("cannot keep the connection to the broker")]
    Connection(#[from] ConnectionError),
    #[error("cannot protect the connection to the broker")]
    Bridge(#[from] BridgeError),
    #[error("the broker refused the subscription to `{filter}`: {reason:?}")]
    Subscription { filter: String, reason: SubscribeReasonCode },
    #[error("a message was not stored")]
    Unsigned,
    #[error("nothing came for {seconds} s")]
    Silent { seconds: u64 },
}

async fn keep_connected(
    config: BrokerConfig,
    door: Door,
    silence: Duration,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    let mut retry_s = 1;
    let mut trials = Trials::default();
    let mut silent = Silence { patience: silence, usual: silence, told: Duration::ZERO };
    loop {
        let bridge = tokio::select! {
            bridge = bridge_of(&config) => bridge,
            _ = stopped.wait_for(Option::is_some) => return,
        };
        let (lost, was_connected) = match bridge {
            Ok(bridge) => {
                let since = door.clock.now();
                let gone = door.mapped.state(false, since);
                let options = mqtt_options(&config, bridge.as_ref(), gone);
                let mut link =
                    Link::new(&config, &door, (options, since), &mut trials, &mut silent);
                let ended = link.run(&mut stopped).await;
                let was_connected = link.was_connected();
                drop(link);
                match (ended, bridge) {
                    (Ok(()), _) => return,
                    (Err(lost), None) => (lost, was_connected),
                    // The client only sees the end; the bridge knows the reason.
                    (Err(lost), Some(bridge)) => {
                        (bridge.reason().await.unwrap_or(lost), was_connected)
                    }
                }
            }
            Err(error) => (error.into(), false),
        };
        if was_connected {
            retry_s = 1;
        }
        if let Lost::Silent { .. } = lost {
            // The broker is there: no notice that it is away, and no reason to wait.
            events::broker_silent("broker", &lost);
            continue;
        }
        events::broker_lost("broker", &lost, retry_s);
        tell(&door, &config, &lost);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(retry_s)) => {}
            _ = stopped.wait_for(Option::is_some) => return,
        }
        retry_s = (retry_s * 2).min(RETRY_S_MAX);
    }
}

async fn bridge_of(config: &BrokerConfig) -> Result<Option<Bridge>, BridgeError> {
    match &config.tls {
        None => Ok(None),
        Some(tls) => Bridge::open(&config.host, config.port, tls).await.map(Some),
    }
}

/// How long nothing may come, and what was told of it.
struct Silence {
    /// Doubled each time in vain, so that a campus without power is no storm of connections.
    patience: Duration,
    usual: Duration,
    /// For how long nothing has come by now, over all connections.
    told: Duration,
}

impl Silence {
    /// After an hour it is asked each hour.
    const PATIENCE_MAX: Duration = Duration::from_secs(3_600);

    fn broken(&mut self, door: &Door) {
        self.patience = self.usual;
        if !self.told.is_zero() {
            self.told = Duration::ZERO;
            door.health.clear(Code::BrokerSilent, "");
        }
    }

    /// Nothing came once more. The first new connection may mend it; then it is told.
    fn goes_on(&mut self, door: &Door) -> Lost {
        let had_a_new_connection = !self.told.is_zero();
        self.told += self.patience;
        let seconds = self.told.as_secs();
        self.patience = (self.patience * 2).min(Self::PATIENCE_MAX.max(self.usual));
        if had_a_new_connection {
            let params = [("minutes", seconds.div_ceil(60).to_string())];
            door.health.raise(Code::BrokerSilent, "", Level::Warn, params);
        }
        Lost::Silent { seconds }
    }
}

/// What stands on the page of a broker: one of these at a time.
const CONNECTION_CODES: [Code; 3] = [Code::BrokerAway, Code::BrokerUntrusted, Code::BrokerRefuses];

fn tell(door: &Door, config: &BrokerConfig, lost: &Lost) {
    let code = match lost {
        Lost::Bridge(BridgeError::Untrusted { .. }) => Code::BrokerUntrusted,
        Lost::Bridge(BridgeError::Refused { .. })
        | Lost::Subscription { .. }
        | Lost::Connection(ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::ClientIdentifierNotValid
            | ConnectReturnCode::Banned,
        )) => Code::BrokerRefuses,
        Lost::Bridge(_) | Lost::Connection(_) | Lost::Unsigned | Lost::Silent { .. } => {
            Code::BrokerAway
        }
    };
    for other in CONNECTION_CODES.into_iter().filter(|other| *other != code) {
        door.health.clear(other, "");
    }
    let params =
        [("address", format!("{}:{}", config.host, config.port)), ("error", events::chain(lost))];
    door.health.raise(code, "", Level::Error, params);
}

fn mqtt_options(
    config: &BrokerConfig,
    bridge: Option<&Bridge>,
    gone: Option<Request>,
) -> MqttOptions {
    let mut mqtt = match bridge {
        None => MqttOptions::new(&config.client_id, &config.host, config.port),
        Some(bridge) => {
            let mut mqtt = MqttOptions::new(&config.client_id, bridge.path(), config.port);
            mqtt.set_transport(Transport::unix());
            mqtt
        }
    };
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(RECEIVE_MAX);
    properties.max_packet_size = Some(PACKET_BYTES_MAX);
    mqtt.set_connect_properties(properties)
        .set_clean_start(false)
        .set_manual_acks(true)
        .set_keep_alive(Duration::from_secs(30))
        .set_outgoing_inflight_upper_limit(PUBLISHES_MAX);
    if let Some(Request { topic, payload }) = gone {
        mqtt.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true, None));
    }
    if let Some(login) = &config.login {
        mqtt.set_credentials(&login.user, login.password.reveal());
    }
    mqtt
}

#[cfg(test)]
mod tests;
