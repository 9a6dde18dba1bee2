//! MQTT 3.1.1.

use std::rc::Rc;

use bytes::Bytes;
use ntex::time::Seconds;
use ntex_mqtt::QoS;
use ntex_mqtt::v3::{Handshake, HandshakeAck, ProtocolMessage, ProtocolMessageAck};

use super::entrance;
use super::hub::{Hello, Hub, Refusal, Welcome};
use super::session::{Session, Sink, Will};

/// How long a client that asks for no keep-alive may be silent. It cannot be told, and it
/// has the right to be: an hour is long for a node and short for a dead socket.
const SILENCE_MAX: Seconds = Seconds(3_600);

pub(super) fn shake_hands(hub: &Rc<Hub>, handshake: Handshake) -> HandshakeAck<Rc<Session>> {
    let packet = handshake.packet();
    let hello = Hello {
        client: &packet.client_id,
        user: packet.username.as_deref(),
        password: packet.password.as_deref(),
        will: packet.last_will.as_ref().map(|will| Will {
            topic: will.topic.to_string(),
            payload: Bytes::copy_from_slice(&will.message),
            retain: will.retain,
        }),
        names: entrance::names_shown(handshake.io()),
        clean: packet.clean_session,
        // This version knows only "ends with the connection" and "does not end".
        expiry_s: if packet.clean_session { 0 } else { u32::MAX },
    };
    let keep_alive_s = packet.keep_alive;
    match hub.welcome(hello, handshake.io().get_ref(), Sink::V3(handshake.sink())) {
        Ok(Welcome { session, session_present, .. }) => {
            let ack = handshake.ack(session, session_present);
            if keep_alive_s == 0 { ack.idle_timeout(SILENCE_MAX) } else { ack }
        }
        Err(Refusal::Nameless) => handshake.identifier_rejected(),
        Err(Refusal::NotAdmitted | Refusal::WrongCertificate) => handshake.not_authorized(),
        Err(Refusal::Busy) => handshake.service_unavailable(),
    }
}

pub(super) fn obey(session: &Session, message: ProtocolMessage) -> ProtocolMessageAck {
    match message {
        ProtocolMessage::Subscribe(mut subscribe) => {
            for mut subscription in &mut subscribe {
                match session.subscribe(subscription.topic()) {
                    Ok(()) => subscription.confirm(QoS::AtLeastOnce),
                    Err(_) => subscription.fail(),
                }
            }
            subscribe.ack()
        }
        ProtocolMessage::Unsubscribe(unsubscribe) => {
            for filter in unsubscribe.iter() {
                session.client.unsubscribe(filter);
            }
            unsubscribe.ack()
        }
        ProtocolMessage::Disconnect(disconnect) => {
            session.said_goodbye();
            disconnect.ack()
        }
        message @ (ProtocolMessage::PublishRelease(_) | ProtocolMessage::Ping(_)) => message.ack(),
    }
}
