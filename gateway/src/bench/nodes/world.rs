//! What is around the nodes of a bench: meters, and a broker that counts and acknowledges.
//!
//! A process of its own, `gengfu bench nodes-world`. It says where its doors are, hands each
//! node its plan, says `planned` when all have taken it, is told which seconds count, and says
//! what came when it is told `end`.

use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Packet, PingResp, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error as MqttError, QoS};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use wire::message::{Applied, AppliedResult, Pack, Plan};
use wire::topic::{self, Channel};

use super::plan::Shape;
use super::tally::Counter;
use super::{NodesArguments, PATIENCE};
use crate::clock::Clock;

/// Where the nodes find meters and broker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Doors {
    pub(super) broker: SocketAddr,
    /// One bus a node.
    pub(super) meters: Vec<SocketAddr>,
}

/// Serves until it is told to end; `tell` prints a line to whoever started us.
///
/// # Errors
///
/// No room, or a node that does not take its plan.
pub fn serve(arguments: &NodesArguments, tell: &dyn Fn(&str)) -> Result<()> {
    let shape = Shape::of(arguments.meters, arguments.registers, arguments.words)?;
    let mut plan = vec![0; Plan::BYTES_MAX];
    let len = shape.plan()?.encode(&mut plan).ok().context("a plan has bytes")?;
    plan.truncate(len);
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    let (_running, shutdown) = watch::channel(false);
    let nodes = usize::try_from(arguments.nodes)?;
    let (applied, mut heard) = mpsc::channel(nodes);
    let counter = Arc::new(Mutex::new(Counter::default()));

    let doors = runtime.block_on(async {
        let mut meters = Vec::with_capacity(nodes);
        for _ in 0..nodes {
            meters.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        let broker = TcpListener::bind("127.0.0.1:0").await?;
        let addresses = meters.iter().map(TcpListener::local_addr);
        let doors =
            Doors { broker: broker.local_addr()?, meters: addresses.collect::<Result<_, _>>()? };
        let clock = Clock::system();
        tokio::spawn(simulator::bank::serve(meters, Arc::new(move || clock.now()), shutdown));
        let house = House { plan: plan.into(), applied, counter: Arc::clone(&counter) };
        tokio::spawn(house.open(broker));
        anyhow::Ok(doors)
    })?;
    tell(&serde_json::to_string(&doors)?);

    runtime.block_on(async {
        let all = async {
            for _ in 0..nodes {
                let applied: Applied = heard.recv().await.context("the broker has ended")?;
                ensure!(
                    applied.result == AppliedResult::Ok,
                    "a node refused its plan: {applied:?}"
                );
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, all).await.context("not all nodes came")?
    })?;
    tell("\"planned\"");
    let mut line = String::new();
    let mut word = std::io::stdin().lock();
    word.read_line(&mut line)?;
    let span = line.trim().split_once(' ').context("which seconds count")?;
    let lock = || counter.lock().unwrap_or_else(PoisonError::into_inner);
    lock().count(span.0.parse()?, span.1.parse()?);
    word.read_line(&mut line)?;
    let tally = lock().tally();
    tell(&serde_json::to_string(&tally)?);
    Ok(())
}

/// A broker that keeps nothing.
#[derive(Clone)]
struct House {
    plan: Arc<[u8]>,
    applied: mpsc::Sender<Applied>,
    counter: Arc<Mutex<Counter>>,
}

impl House {
    async fn open(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let house = self.clone();
            tokio::spawn(async move {
                if let Err(error) = house.welcome(stream).await {
                    tracing::debug!(%error, "a node has left");
                }
            });
        }
    }

    /// Speaks with one node until it leaves.
    async fn welcome(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
        loop {
            match Packet::read(&mut received, None) {
                Ok(packet) => self.answer(&packet, &mut out)?,
                Err(MqttError::InsufficientBytes(_)) => {
                    if !out.is_empty() {
                        stream.write_all(&out.split()).await?;
                    }
                    ensure!(stream.read_buf(&mut received).await? != 0, "hung up");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn answer(&self, packet: &Packet, out: &mut BytesMut) -> Result<()> {
        match packet {
            Packet::Connect(..) => {
                let code = ConnectReturnCode::Success;
                let welcome = ConnAck { session_present: false, code, properties: None };
                Packet::ConnAck(welcome).write(out, None)?;
            }
            Packet::Subscribe(asked) => {
                let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
                let granted = SubAck { pkid: asked.pkid, return_codes, properties: None };
                Packet::SubAck(granted).write(out, None)?;
                let config = asked.filters.iter().find(|filter| filter.path.ends_with("/config"));
                if let Some(config) = config {
                    let plan = self.plan.to_vec();
                    let mut publish = Publish::new(&config.path, QoS::AtLeastOnce, plan, None);
                    (publish.pkid, publish.retain) = (1, true);
                    Packet::Publish(publish).write(out, None)?;
                }
            }
            Packet::Publish(publish) => {
                self.take(publish)?;
                Packet::PubAck(PubAck::new(publish.pkid, None)).write(out, None)?;
            }
            Packet::PingReq(_) => {
                Packet::PingResp(PingResp).write(out, None)?;
            }
            // A node says nothing else that wants an answer.
            Packet::Auth(_)
            | Packet::ConnAck(_)
            | Packet::PubAck(_)
            | Packet::PingResp(_)
            | Packet::SubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::Disconnect(_) => {}
        }
        Ok(())
    }

    fn take(&self, publish: &Publish) -> Result<()> {
        let topic = str::from_utf8(&publish.topic)?;
        let (_, node, channel) = topic::parse(topic).context("a topic of ours")?;
        match channel {
            Channel::Readings => {
                let node = node.as_str().strip_prefix("node-").context("a node of ours")?;
                let node = node.parse()?;
                let pack = Pack::decode(&publish.payload).ok().context("a pack")?;
                let place = Shape::place(&pack.meter).context("a meter of ours")?;
                let now_ms = Clock::system().now_ms();
                let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
                counter.take(node, place, &pack, now_ms);
            }
            Channel::ConfigApplied => {
                let applied = Applied::decode(&publish.payload).ok().context("an answer")?;
                // Who comes again says it again; nobody waits for that.
                self.applied.try_send(applied).ok();
            }
            Channel::State
            | Channel::Config
            | Channel::Command
            | Channel::CommandResult
            | Channel::Update
            | Channel::UpdatePiece => {}
        }
        Ok(())
    }
}
