//! The gateway's own MQTT listener, so that a site needs no broker.
//!
//! In: connections of nodes, MQTT 5 and 3.1.1.
//! Out: what [`super::door`] makes of their messages; plans and commands to them.
//!
//! Afterwards:
//! - PUBACK leaves only after the receipt of that very message was signed; a receipt
//!   dropped unsigned closes the connection, and the node sends again;
//! - a client speaks for one node and reaches no other node's topics; besides, it may
//!   publish to topics that a mapping of the site book names, and to no others;
//! - every count has a limit: connections, remembered sessions, packet size, messages in
//!   flight by client and in all.
//!
//! It serves nodes and is no general broker: messages are not passed from client to
//! client, retained messages are those of [`Limits`] and of one topic tree.
//!
//! TLS is a layer of a connection's stream, so nothing above it knows ([`Entrance`]). Where
//! nodes must show a certificate, each speaks only for the node that it is made out to.
//!
//! It runs on a thread of its own with ntex's runtime, because a session of `ntex-mqtt`
//! cannot leave the thread on which it began. Sessions are plain single-threaded state,
//! and the rest of the gateway talks to them through channels.

mod client;
mod entrance;
mod hub;
mod inlet;
mod session;
mod v3;
mod v5;

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ntex::io::{IoBoxed, IoConfig};
use ntex::rt::{DefaultRuntime, System};
use ntex::service::cfg::SharedCfg;
use ntex::service::{ServiceFactory, fn_factory_with_config, fn_service};
use ntex::time::Seconds;
use ntex_mqtt::{Control, MqttServer, MqttServiceConfig, QoS};
use tokio::sync::oneshot;
use wire::Name;

pub use self::entrance::Entrance;
use self::hub::Hub;
use self::inlet::Inlet;
use self::session::{Fault, Session};
use super::door::Door;
use crate::config::Login;
use crate::tls::TlsError;

/// How much of everything the listener takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, and sessions remembered. A campus has tens of nodes; each
    /// idle connection takes 10 KiB (`gengfu bench ingest --own --idle 10000`).
    pub sessions: usize,
    /// The longest packet, in bytes. Packs are far shorter; the birth of a large Sparkplug
    /// node is the longest that has to come through.
    pub packet_bytes: u32,
    /// Messages of one client that are not yet acknowledged. Told to MQTT 5 clients as
    /// their receive maximum; others are read no further.
    pub in_flight_per_session: u16,
    /// Messages of all clients that are not yet acknowledged. Beyond it nobody is read.
    pub in_flight: usize,
    /// Seconds for which the subscriptions of an absent client are remembered, at most.
    pub session_expiry_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_240,
            packet_bytes: 64 * 1_024,
            // Commits come every few milliseconds and take 1,000 messages: a thousand in
            // flight let one client alone fill them.
            in_flight_per_session: 1_024,
            in_flight: 8_192,
            session_expiry_s: 86_400,
        }
    }
}

/// Who a client claims to be when it connects.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The client id.
    pub client: &'a str,
    /// The user name, if one was given.
    pub user: Option<&'a str>,
    /// The password, if one was given.
    pub password: Option<&'a [u8]>,
    /// The node for which the client asks to speak: the one its last will names, else the
    /// one its client id spells, whole or after its last `/`.
    pub node: Name,
}

/// Decides whether a client may speak for the node it names.
pub type Admission = Arc<dyn Fn(&Claim<'_>) -> bool + Send + Sync>;

/// Returns an admission that lets everybody in: for a loopback address only.
#[must_use]
pub fn anybody() -> Admission {
    Arc::new(|_| true)
}

/// Returns an admission by one user name and password for all nodes.
#[must_use]
pub fn by_password(login: Login) -> Admission {
    Arc::new(move |claim| {
        let known = claim.user == Some(login.user.as_str());
        let given = claim.password.unwrap_or_default();
        let wanted = login.password.reveal().as_bytes();
        // Every byte is looked at, so that the time taken does not tell how many fit.
        let difference = given.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
        known && given.len() == wanted.len() && difference == 0
    })
}

/// Why the listener is not there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use, or not ours.
    #[error("cannot listen for nodes on {address}")]
    Bind {
        /// Where it should listen.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The connections cannot be protected.
    #[error("cannot protect the connections of nodes")]
    Tls(#[from] TlsError),
    /// The machine gave no thread or no socket.
    #[error("cannot start the MQTT listener")]
    Start(#[source] std::io::Error),
    /// The listener ended though nobody stopped it: a mistake of ours.
    #[error("the MQTT listener ended by itself")]
    Ended,
}

/// The running listener. Dropped, it stops without waiting.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Duration>>,
    ended: oneshot::Receiver<()>,
}

/// Returns a socket that listens on an address; port 0 takes any free one.
///
/// # Errors
///
/// [`ListenError::Bind`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| ListenError::Bind { address, source })
}

impl Listener {
    /// Starts listening on a socket.
    ///
    /// # Errors
    ///
    /// [`ListenError::Start`] if the machine has no thread or socket left.
    pub fn start(
        socket: TcpListener,
        door: Door,
        admission: Admission,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        Self::start_at([Entrance::plain(socket)].into(), door, admission, limits)
    }

    /// Starts listening at several entrances, of which the first gives the address.
    ///
    /// # Errors
    ///
    /// [`ListenError::Start`] if the machine has no thread or socket left.
    pub fn start_at(
        entrances: Vec<Entrance>,
        door: Door,
        admission: Admission,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        raise_file_limit();
        let nowhere = || ListenError::Start(std::io::ErrorKind::InvalidInput.into());
        let first = entrances.first().ok_or_else(nowhere)?;
        let address = first.address().map_err(ListenError::Start)?;
        for entrance in &entrances {
            entrance.make_ready().map_err(ListenError::Start)?;
        }
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("mqtt-listen".to_owned())
            .spawn(move || {
                // No pings: they only measure how long the loop was busy, and log it.
                let system = System::build().name("mqtt-listen").ping_interval(0);
                let result = system
                    .build(DefaultRuntime)
                    .block_on(serve(entrances, door, admission, limits, stopped));
                if let Err(error) = result {
                    crate::events::listener_failed(&error);
                    return; // `end` is dropped unsent
                }
                end.send(()).ok();
            })
            .map_err(ListenError::Start)?;
        Ok(Self { address, stop: Some(stop), ended })
    }

    /// Returns where it listens, with the port that was found.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the listener has ended.
    ///
    /// # Errors
    ///
    /// [`ListenError::Ended`] if it was not stopped but broke.
    pub async fn ended(&mut self) -> Result<(), ListenError> {
        (&mut self.ended).await.map_err(|_| ListenError::Ended)
    }

    /// Stops it: takes no new connection and no new message, waits until what is in
    /// flight is acknowledged, says good-bye; all within `deadline`.
    ///
    /// # Errors
    ///
    /// [`ListenError::Ended`] if it had broken before.
    pub async fn stop(mut self, deadline: Duration) -> Result<(), ListenError> {
        if let Some(stop) = self.stop.take() {
            // If it has ended already, `ended` tells how.
            stop.send(deadline).ok();
        }
        self.ended().await
    }
}

/// Allows as many open files as may be: a connection is one, and systemd lets a service
/// begin with 1,024 of the 524,288 that it may ask for.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Refused, it stays as it is, and connections beyond it wait.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
}

async fn serve(
    entrances: Vec<Entrance>,
    door: Door,
    admission: Admission,
    limits: Limits,
    stopped: oneshot::Receiver<Duration>,
) -> std::io::Result<()> {
    let hub = Rc::new(Hub::new(door, admission, limits));
    let config = SharedCfg::new("mqtt-listen").add(mqtt_config(limits)).add(io_config()).build();
    // One expression, because the types in it have no names.
    let server = MqttServer::new()
        .v3(ntex_mqtt::v3::MqttServer::new(fn_service({
            let hub = Rc::clone(&hub);
            move |handshake| {
                let hub = Rc::clone(&hub);
                async move { Ok::<_, Fault>(v3::shake_hands(&hub, handshake)) }
            }
        }))
        .protocol(fn_factory_with_config(async |connection: ntex_mqtt::v3::Session<_>| {
            let session: Rc<Session> = Rc::clone(&connection);
            Ok::<_, Fault>(fn_service(move |message| {
                let ack = v3::obey(&session, message);
                async move { Ok::<_, Fault>(ack) }
            }))
        }))
        .control(fn_factory_with_config(async |connection: ntex_mqtt::v3::Session<_>| {
            let session: Rc<Session> = Rc::clone(&connection);
            Ok::<_, Fault>(fn_service(move |control: Control<Fault>| {
                session.heed(&control);
                async move { Ok::<_, Fault>(None) }
            }))
        }))
        .replace_middlewares(Inlet)
        // The inlet lets none through to here.
        .publish(fn_service(async |_: ntex_mqtt::v3::Publish| Err(Fault::Astray))))
        .v5(ntex_mqtt::v5::MqttServer::new(fn_service({
            let hub = Rc::clone(&hub);
            move |handshake| {
                let hub = Rc::clone(&hub);
                async move { Ok::<_, Fault>(v5::shake_hands(&hub, handshake)) }
            }
        }))
        .protocol(fn_factory_with_config(async |connection: ntex_mqtt::v5::Session<_>| {
            let session: Rc<Session> = Rc::clone(&connection);
            Ok::<_, Fault>(fn_service(move |message| {
                let ack = v5::obey(&session, message);
                async move { Ok::<_, Fault>(ack) }
            }))
        }))
        .control(fn_factory_with_config(async |connection: ntex_mqtt::v5::Session<_>| {
            let session: Rc<Session> = Rc::clone(&connection);
            Ok::<_, Fault>(fn_service(move |control: Control<Fault>| {
                session.heed(&control);
                async move { Ok::<_, Fault>(None) }
            }))
        }))
        .replace_middlewares(Inlet)
        // The inlet lets none through to here.
        .publish(fn_service(async |_: ntex_mqtt::v5::Publish| Err(Fault::Astray))));
    let server = ServiceFactory::<IoBoxed, SharedCfg>::pipeline(&server, config.clone())
        .await
        .map_err(|()| std::io::Error::other("cannot make the MQTT service"))?;
    let follow = tokio::task::spawn_local(hub::follow_board(Rc::clone(&hub)));
    let pass_on = tokio::task::spawn_local(hub::pass_on(Rc::clone(&hub)));
    let mut accepting = tokio::task::JoinSet::new();
    for entrance in entrances {
        let serve = {
            let server = server.clone();
            move |io: IoBoxed| {
                let server = server.clone();
                async move {
                    // What went wrong was told where it happened.
                    server.call(io).await.ok();
                }
            }
        };
        accepting.spawn_local(entrance.accept(Rc::clone(&hub), config.clone(), serve));
    }

    // Dropped without a word: the owner is gone, so nobody waits for us either.
    let deadline = stopped.await.unwrap_or_default();
    accepting.shutdown().await;
    follow.abort();
    // Past the deadline what is left is cut off with the runtime.
    tokio::time::timeout(deadline, hub.stop()).await.ok();
    pass_on.abort();
    Ok(())
}

fn mqtt_config(limits: Limits) -> MqttServiceConfig {
    // ntex-mqtt hands a payload over in pieces unless it may wait for all of it.
    let whole = limits.packet_bytes;
    MqttServiceConfig::new()
        .set_max_qos(QoS::AtLeastOnce)
        .set_max_size(limits.packet_bytes)
        .set_min_chunk_size(whole)
        .set_max_receive(limits.in_flight_per_session)
        .set_max_topic_alias(0)
        .set_connect_timeout(Seconds(10))
        .protocol_version_timeout(Seconds(10))
}

fn io_config() -> IoConfig {
    // A packet that has begun must go on at 64 bytes a second and end within a minute.
    IoConfig::new().set_frame_read_rate(Seconds(10), Seconds(60), 640)
}

#[cfg(test)]
mod tests;
