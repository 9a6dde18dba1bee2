//! MQTT 5.

use std::rc::Rc;

use bytes::Bytes;
use ntex_mqtt::QoS;
use ntex_mqtt::v5::codec::{
    ConnectAckReason, DisconnectReasonCode, SubscribeAckReason, UnsubscribeAckReason,
};
use ntex_mqtt::v5::{Handshake, HandshakeAck, ProtocolMessage, ProtocolMessageAck};

use super::client::FilterError;
use super::entrance;
use super::hub::{Hello, Hub, Refusal, Welcome};
use super::session::{Session, Sink, Will};

/// How long a client that asks for no keep-alive may be silent, in seconds: else a node
/// whose power was cut would count as connected for ever.
const KEEP_ALIVE_S: u16 = 300;

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
        clean: packet.clean_start,
        expiry_s: packet.session_expiry_interval_secs,
    };
    let (asked_s, keep_alive_s) = (hello.expiry_s, packet.keep_alive);
    let welcome = hub.welcome(hello, handshake.io().get_ref(), Sink::V5(handshake.sink()));
    let Welcome { session, session_present, expiry_s } = match welcome {
        Ok(welcome) => welcome,
        Err(refusal) => {
            return handshake.failed(match refusal {
                Refusal::Nameless => ConnectAckReason::ClientIdentifierNotValid,
                Refusal::NotAdmitted | Refusal::WrongCertificate => ConnectAckReason::NotAuthorized,
                Refusal::Busy => ConnectAckReason::ServerBusy,
            });
        }
    };
    let ack = handshake.ack(session).with(|packet| {
        packet.session_present = session_present;
        packet.session_expiry_interval_secs = (expiry_s != asked_s).then_some(expiry_s);
        packet.shared_subscription_available = false;
        packet.subscription_identifiers_available = false;
        if keep_alive_s == 0 {
            packet.server_keepalive_sec = Some(KEEP_ALIVE_S);
        }
    });
    // One and a half times, as the specification has it for all others.
    if keep_alive_s == 0 { ack.keep_alive(KEEP_ALIVE_S / 2 * 3) } else { ack }
}

pub(super) fn obey(session: &Session, message: ProtocolMessage) -> ProtocolMessageAck {
    match message {
        ProtocolMessage::Subscribe(mut subscribe) => {
            for mut subscription in &mut subscribe {
                match session.subscribe(subscription.topic()) {
                    Ok(()) => subscription.confirm(QoS::AtLeastOnce),
                    Err(FilterError::Foreign) => {
                        subscription.fail(SubscribeAckReason::NotAuthorized);
                    }
                    Err(FilterError::Malformed) => {
                        subscription.fail(SubscribeAckReason::TopicFilterInvalid);
                    }
                    Err(FilterError::TooMany) => {
                        subscription.fail(SubscribeAckReason::QuotaExceeded);
                    }
                }
            }
            subscribe.ack()
        }
        ProtocolMessage::Unsubscribe(mut unsubscribe) => {
            for mut item in &mut unsubscribe {
                if !session.client.unsubscribe(item.topic()) {
                    item.fail(UnsubscribeAckReason::NoSubscriptionExisted);
                }
            }
            unsubscribe.ack()
        }
        ProtocolMessage::Disconnect(disconnect) => {
            let packet = disconnect.packet();
            if packet.reason_code != DisconnectReasonCode::DisconnectWithWillMessage {
                session.said_goodbye();
            }
            if let Some(expiry_s) = packet.session_expiry_interval_secs {
                session.client.expiry_s.set(expiry_s.min(session.hub.limits.session_expiry_s));
            }
            disconnect.ack()
        }
        // Authentication beyond a password is not offered: `ack` of an Auth packet closes
        // the connection and says so.
        message @ (ProtocolMessage::Auth(_)
        | ProtocolMessage::PublishRelease(_)
        | ProtocolMessage::Ping(_)) => message.ack(),
    }
}
