//! One connection of a client: what it sends goes to the door, what it is owed goes out.
//!
//! PUBLISH packets are taken before ntex-mqtt's own dispatcher sees them (`Inlet`). That
//! would make a task of each, and hold back every answer, PINGRESP too, until all earlier
//! messages are acknowledged: a full disk would look like a dead gateway. Here a message
//! costs a place in a queue, and one task acknowledges all that a commit has stored.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::rc::Rc;

use bytes::Bytes;
use ntex::io::IoRef;
use ntex_mqtt::error::SendPacketError;
use ntex_mqtt::v5::codec::DisconnectReasonCode;
use ntex_mqtt::{Control, v3, v5};
use tokio::sync::{Notify, oneshot};
use wire::topic;

use super::client::{Client, FilterError};
use super::hub::Hub;
use crate::events;
use crate::ingest::door::Judged;
use crate::ingest::gate::Reason;
use crate::ingest::mapped::Delivery;

/// Why a connection ends by our doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The payload is longer than a packet may be.
    #[error("a payload is too long")]
    TooLong,
    /// QoS 2, or a topic alias: we said that we do not offer them.
    #[error("a message asks for what is not offered")]
    NotOffered,
    /// A message came where none can: ntex-mqtt changed, or we did.
    #[error("a message went astray")]
    Astray,
}

// ntex-mqtt asks for a way to say that making a service cannot fail.
impl From<()> for Fault {
    fn from((): ()) -> Self {
        Self::Astray
    }
}

// A fault is never turned into an acknowledgement.
impl TryFrom<Fault> for v5::PublishAck {
    type Error = Fault;

    fn try_from(fault: Fault) -> Result<Self, Fault> {
        Err(fault)
    }
}

/// The way out to a client.
#[derive(Clone)]
pub(super) enum Sink {
    V3(v3::MqttSink),
    V5(v5::MqttSink),
}

/// What the client wants said should it vanish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
}

/// A message that a client published.
pub(super) struct Message<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) retain: bool,
    /// `None`: QoS 0, nobody waits for an answer.
    pub(super) packet_id: Option<NonZeroU16>,
}

/// A message that the client waits to hear of.
struct Unacknowledged {
    packet_id: NonZeroU16,
    /// `None`: there is nothing to wait for.
    signed: Option<oneshot::Receiver<()>>,
    refused: Option<Reason>,
}

/// One connection.
pub(super) struct Session {
    pub(super) hub: Rc<Hub>,
    pub(super) client: Rc<Client>,
    /// Wakes the task that sends what is owed.
    pub(super) wake: Notify,
    io: IoRef,
    sink: Sink,
    will: RefCell<Option<Will>>,
    /// In the order in which they came, which is the order in which they are acknowledged.
    unacknowledged: RefCell<VecDeque<Unacknowledged>>,
    /// Wakes the task that acknowledges.
    arrived: Notify,
    over: Notify,
    ended: Cell<bool>,
}

impl Session {
    pub(super) fn new(
        hub: Rc<Hub>,
        client: Rc<Client>,
        io: IoRef,
        sink: Sink,
        will: Option<Will>,
    ) -> Self {
        Self {
            hub,
            client,
            wake: Notify::new(),
            io,
            sink,
            will: RefCell::new(will),
            unacknowledged: RefCell::default(),
            arrived: Notify::new(),
            over: Notify::new(),
            ended: Cell::new(false),
        }
    }

    /// Returns when another message may be read.
    pub(super) async fn room(&self) {
        let window = usize::from(self.hub.limits.in_flight_per_session);
        self.hub.room(|| self.unacknowledged.borrow().len() < window).await;
    }

    /// Takes a published message. It is acknowledged when it may be, by
    /// [`Session::acknowledge`].
    pub(super) fn receive(&self, message: &Message<'_>) {
        let judged = self.judge(message);
        let Some(packet_id) = message.packet_id else {
            if let Judged::Store(what) = judged {
                self.hub.submit_if_room(what);
            }
            return;
        };
        let (signed, refused) = match judged {
            Judged::Store(what) => (Some(self.hub.submit(what)), None),
            Judged::Done => (None, None),
            Judged::Refused(reason) => (None, Some(reason)),
        };
        self.hub.took_off();
        let message = Unacknowledged { packet_id, signed, refused };
        self.unacknowledged.borrow_mut().push_back(message);
        self.arrived.notify_one();
    }

    fn judge(&self, message: &Message<'_>) -> Judged {
        let door = &self.hub.door;
        match topic::parse(message.topic) {
            Some((site, node, channel)) if site == door.site && node == self.client.node => {
                let judged = door.judge(&node, channel, message.topic, message.payload);
                if message.retain && matches!(judged, Judged::Done) {
                    self.hub.retain(message.topic, message.payload);
                }
                judged
            }
            // Retained or not, it comes from the device at this moment.
            _ => door.judge_mapped(message.topic, message.payload, Delivery::default()),
        }
    }

    /// Acknowledges what gets stored, until the connection is over.
    pub(super) async fn acknowledge(self: Rc<Self>) {
        while !self.ended.get() {
            let first = self.unacknowledged.borrow_mut().front_mut().map(|m| m.signed.take());
            match first {
                None => self.arrived.notified().await,
                Some(None) => self.acknowledge_signed(),
                Some(Some(signed)) => {
                    tokio::select! {
                        signed = signed => match signed {
                            Ok(()) => self.acknowledge_signed(),
                            Err(_) => self.give_up(),
                        },
                        () = self.over.notified() => {}
                    }
                }
            }
        }
    }

    /// Acknowledges from the oldest on, in one write, as far as receipts are signed. The
    /// oldest one's is.
    fn acknowledge_signed(&self) {
        let mut acknowledgements = Vec::new();
        let mut landed = 0;
        let mut unsigned = false;
        let mut unacknowledged = self.unacknowledged.borrow_mut();
        while let Some(message) = unacknowledged.front_mut() {
            match message.signed.as_mut().map_or(Ok(()), oneshot::Receiver::try_recv) {
                Ok(()) => {}
                Err(oneshot::error::TryRecvError::Empty) => break,
                Err(oneshot::error::TryRecvError::Closed) => {
                    unsigned = true;
                    break;
                }
            }
            self.put_puback(message.packet_id, message.refused, &mut acknowledgements);
            landed += 1;
            unacknowledged.pop_front();
        }
        drop(unacknowledged);
        // Fails only if the connection is gone, and then the client sends again.
        self.io.encode_slice(&acknowledgements).ok();
        self.hub.landed(landed);
        if unsigned {
            self.give_up();
        }
    }

    /// Adds a PUBACK packet: MQTT 3.1.1, 3.4, and MQTT 5, 3.4.2.1, which says that a
    /// length of 2 means success and a length of 3 ends with the reason.
    fn put_puback(&self, packet_id: NonZeroU16, refused: Option<Reason>, out: &mut Vec<u8>) {
        const PUBACK: u8 = 0x40;
        let [high, low] = packet_id.get().to_be_bytes();
        match (refused, &self.sink) {
            (Some(reason), Sink::V5(_)) => {
                out.extend([PUBACK, 3, high, low, v5_code(reason)]);
            }
            // MQTT 3.1.1 has no way to say no: it is counted on our side.
            (None, _) | (Some(_), Sink::V3(_)) => out.extend([PUBACK, 2, high, low]),
        }
    }

    /// A message was not stored. Closing makes the client send it again.
    fn give_up(&self) {
        self.close(DisconnectReasonCode::ImplementationSpecificError);
        self.end();
    }

    /// Adds a subscription; what is retained for it goes out at once, as it does again
    /// when the same subscription is renewed.
    pub(super) fn subscribe(&self, filter: &str) -> Result<(), FilterError> {
        let filter = self.client.subscribe(filter)?;
        self.hub.owe_all_retained(&self.client, Some(&filter));
        Ok(())
    }

    /// The client said good-bye: its will is void.
    pub(super) fn said_goodbye(&self) {
        self.will.take();
    }

    /// The connection is over. Says the will, if there is one left; once.
    pub(super) fn end(&self) {
        if self.ended.replace(true) {
            return;
        }
        let will = self.will.take();
        if let Some(Will { topic, payload, retain }) = &will {
            let message = Message { topic, payload, retain: *retain, packet_id: None };
            if let Judged::Store(_) = self.judge(&message) {
                // No state that anyone can read; and nobody waits for it.
                events::pack_rejected(Reason::Unreadable.word(), topic);
            }
        }
        // The receivers go, so that what waits for a place on the queue can go too: the
        // client will send it again.
        let left = self.unacknowledged.take();
        let count = left.len();
        drop(left);
        self.hub.landed(count);
        self.wake.notify_one();
        self.arrived.notify_one();
        self.over.notify_one();
        self.hub.leave(self);
    }

    /// Heeds what ntex-mqtt says about the connection.
    pub(super) fn heed(&self, control: &Control<Fault>) {
        match control {
            Control::Stop(_) => self.end(),
            Control::WrBackpressure(_) => {}
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.io.is_closed()
    }

    /// Closes the connection from our side.
    pub(super) fn close(&self, reason: DisconnectReasonCode) {
        match &self.sink {
            Sink::V3(sink) => sink.close(),
            Sink::V5(sink) => sink.close_with_reason(v5::codec::Disconnect::new(reason)),
        }
    }

    /// Sends what the client is owed, one after the other, until the connection is over.
    pub(super) async fn deliver(self: Rc<Self>) {
        while !self.ended.get() {
            let Some(parcel) = self.client.next_parcel() else {
                self.wake.notified().await;
                continue;
            };
            match self.sink.send(&parcel.topic, &parcel.payload, parcel.retained).await {
                Ok(()) => self.client.delivered(&parcel),
                Err(SendPacketError::Disconnected | SendPacketError::StreamingCancelled) => return,
                // The client takes no packet of that size: it would refuse it for ever.
                Err(error) => {
                    events::delivery_failed(&self.client.node, &error);
                    self.client.delivered(&parcel);
                }
            }
        }
    }
}

/// MQTT 5, table 3-4.
fn v5_code(reason: Reason) -> u8 {
    const NOT_AUTHORIZED: u8 = 0x87;
    const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    match reason {
        Reason::ForeignTopic | Reason::UnknownNode => NOT_AUTHORIZED,
        Reason::Unreadable
        | Reason::UnknownMeter
        | Reason::Future
        | Reason::TooOld
        | Reason::TooLong
        | Reason::UnknownDevice
        | Reason::WrongType
        | Reason::NoValue
        | Reason::NoTime
        | Reason::NoUnit
        | Reason::Repeat
        | Reason::Retained
        | Reason::Unwanted
        | Reason::NoBirth => PAYLOAD_FORMAT_INVALID,
    }
}

impl Sink {
    async fn send(
        &self,
        topic: &str,
        payload: &Bytes,
        retained: bool,
    ) -> Result<(), SendPacketError> {
        let payload = ntex::util::Bytes::copy_from_slice(payload);
        match self {
            Self::V3(sink) => {
                let publish = sink.publish(topic);
                let publish = if retained { publish.retain() } else { publish };
                publish.send_at_least_once(payload).await
            }
            Self::V5(sink) => {
                let publish = sink.publish(topic).retain(retained);
                publish.send_at_least_once(payload).await.map(drop)
            }
        }
    }
}
