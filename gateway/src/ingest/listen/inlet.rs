//! Where PUBLISH packets leave ntex-mqtt's path, before its dispatcher; see
//! [`super::session`]. All other packets go on.

use std::cell::RefCell;
use std::rc::Rc;

use ntex::service::cfg::SharedCfg;
use ntex::service::{Middleware, Service, ServiceCtx};
use ntex_mqtt::error::DispatcherError;
use ntex_mqtt::{QoS, v3, v5};

use super::session::{Fault, Message, Session};

/// Makes an [`Intercept`] for each connection.
pub(super) struct Inlet;

/// The dispatcher of one connection, and before it the way to the door.
pub(super) struct Intercept<S, P> {
    session: Rc<Session>,
    dispatcher: S,
    /// A PUBLISH whose payload is still on its way.
    begun: RefCell<Option<P>>,
}

/// What both versions of the protocol say of a message.
pub(super) trait Published {
    fn is_offered(&self) -> bool;
    fn payload_size(&self) -> u32;
    fn message<'a>(&'a self, payload: &'a [u8]) -> Message<'a>;
}

impl Published for v3::codec::Publish {
    fn is_offered(&self) -> bool {
        self.qos != QoS::ExactlyOnce
    }

    fn payload_size(&self) -> u32 {
        self.payload_size
    }

    fn message<'a>(&'a self, payload: &'a [u8]) -> Message<'a> {
        let (topic, retain, packet_id) = (&self.topic, self.retain, self.packet_id);
        Message { topic, payload, retain, packet_id }
    }
}

impl Published for v5::codec::Publish {
    fn is_offered(&self) -> bool {
        self.qos != QoS::ExactlyOnce && self.properties.topic_alias.is_none()
    }

    fn payload_size(&self) -> u32 {
        self.payload_size
    }

    fn message<'a>(&'a self, payload: &'a [u8]) -> Message<'a> {
        let (topic, retain, packet_id) = (&self.topic, self.retain, self.packet_id);
        Message { topic, payload, retain, packet_id }
    }
}

impl<S, P: Published> Intercept<S, P> {
    fn new(dispatcher: S, session: Rc<Session>) -> Self {
        Self { session, dispatcher, begun: RefCell::default() }
    }

    fn begin(&self, publish: P, payload: &[u8]) -> Result<(), Fault> {
        // ntex-mqtt checks the length of packets, but one whose inner lengths contradict
        // each other passes as one with a payload of four gigabytes.
        if self.session.hub.limits.packet_bytes < publish.payload_size() {
            return Err(Fault::TooLong);
        }
        if !publish.is_offered() {
            return Err(Fault::NotOffered);
        }
        if usize::try_from(publish.payload_size()).is_ok_and(|size| size == payload.len()) {
            self.session.receive(&publish.message(payload));
        } else {
            self.begun.replace(Some(publish));
        }
        Ok(())
    }

    /// Takes the payload of a message that has begun. It comes whole, because ntex-mqtt is
    /// told to wait for as much as a packet may have.
    fn go_on(&self, payload: &[u8], is_end: bool) -> Result<(), Fault> {
        match self.begun.take() {
            Some(publish) if is_end => {
                self.session.receive(&publish.message(payload));
                Ok(())
            }
            _ => Err(Fault::Astray),
        }
    }
}

impl<S> Middleware<S, (SharedCfg, v3::Session<Rc<Session>>)> for Inlet {
    type Service = Intercept<S, v3::codec::Publish>;

    fn create(
        &self,
        dispatcher: S,
        (_, connection): (SharedCfg, v3::Session<Rc<Session>>),
    ) -> Self::Service {
        Intercept::new(dispatcher, Rc::clone(&connection))
    }
}

impl<S> Middleware<S, (SharedCfg, v5::Session<Rc<Session>>)> for Inlet {
    type Service = Intercept<S, v5::codec::Publish>;

    fn create(
        &self,
        dispatcher: S,
        (_, connection): (SharedCfg, v5::Session<Rc<Session>>),
    ) -> Self::Service {
        Intercept::new(dispatcher, Rc::clone(&connection))
    }
}

impl<S> Service<v3::codec::Decoded> for Intercept<S, v3::codec::Publish>
where
    S: Service<
            v3::codec::Decoded,
            Response = Option<v3::codec::Encoded>,
            Error = DispatcherError<Fault>,
        >,
{
    type Response = S::Response;
    type Error = S::Error;

    async fn ready(&self, ctx: ServiceCtx<'_, Self>) -> Result<(), S::Error> {
        self.session.room().await;
        ctx.ready(&self.dispatcher).await
    }

    ntex::forward_poll!(dispatcher);

    async fn shutdown(&self) {
        self.session.end();
        self.dispatcher.shutdown().await;
    }

    async fn call(
        &self,
        packet: v3::codec::Decoded,
        ctx: ServiceCtx<'_, Self>,
    ) -> Result<S::Response, S::Error> {
        use v3::codec::Decoded::{Packet, PayloadChunk, Publish};
        match packet {
            Publish(publish, payload, _) => self.begin(publish, &payload),
            PayloadChunk(payload, is_end) => self.go_on(&payload, is_end),
            packet @ Packet(..) => return ctx.call(&self.dispatcher, packet).await,
        }
        .map(|()| None)
        .map_err(DispatcherError::Service)
    }
}

impl<S> Service<v5::codec::Decoded> for Intercept<S, v5::codec::Publish>
where
    S: Service<
            v5::codec::Decoded,
            Response = Option<v5::codec::Encoded>,
            Error = DispatcherError<Fault>,
        >,
{
    type Response = S::Response;
    type Error = S::Error;

    async fn ready(&self, ctx: ServiceCtx<'_, Self>) -> Result<(), S::Error> {
        self.session.room().await;
        ctx.ready(&self.dispatcher).await
    }

    ntex::forward_poll!(dispatcher);

    async fn shutdown(&self) {
        self.session.end();
        self.dispatcher.shutdown().await;
    }

    async fn call(
        &self,
        packet: v5::codec::Decoded,
        ctx: ServiceCtx<'_, Self>,
    ) -> Result<S::Response, S::Error> {
        use v5::codec::Decoded::{Packet, PayloadChunk, Publish};
        match packet {
            Publish(publish, payload, _) => self.begin(publish, &payload),
            PayloadChunk(payload, is_end) => self.go_on(&payload, is_end),
            packet @ Packet(..) => return ctx.call(&self.dispatcher, packet).await,
        }
        .map(|()| None)
        .map_err(DispatcherError::Service)
    }
}
