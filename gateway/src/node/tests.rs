//! The node's own parts against tokio-modbus's servers, and a whole node against a broker
//! of the test's making that speaks through rumqttc's codec.

#[path = "hostile_tests.rs"]
mod hostile;

use super::*;
use std::future::{self, Ready};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::prelude::{ExceptionCode, Request as Pdu, Response, SlaveRequest};
use wire::List;
use wire::message::{Applied, AppliedResult, Pack, Plan, PlanMap, PlannedMeter};
use wire::modbus::{Ratios, Table};
use wire::reading::Value;

/// Unit 1 holds the addresses of its registers, unit 2 says nothing, unit 3 is behind a
/// gateway that says so, unit 4 refuses.
#[derive(Clone)]
struct Meters;

impl tokio_modbus::server::Service for Meters {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, SlaveRequest { slave, request }: Self::Request) -> Self::Future {
        future::ready(match (slave, request) {
            (1, Pdu::ReadHoldingRegisters(address, count)) => {
                Ok(Some(Response::ReadHoldingRegisters((address..address + count).collect())))
            }
            (1, Pdu::ReadCoils(address, count)) => {
                let bits = (address..address + count).map(|at| at % 2 == 1);
                Ok(Some(Response::ReadCoils(bits.collect())))
            }
            (2, _) => Ok(None),
            (3, _) => Err(ExceptionCode::GatewayTargetDevice),
            (_, _) => Err(ExceptionCode::IllegalFunction),
        })
    }
}

/// Modbus TCP on a free port; each connection that is made is counted.
async fn modbus_tcp() -> (SocketAddr, watch::Receiver<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, count) = watch::channel(0);
    tokio::spawn(async move {
        let connected = |stream, _| {
            connections.send_modify(|count| *count += 1);
            future::ready(Ok(Some((Meters, stream))))
        };
        tokio_modbus::server::tcp::Server::new(listener).serve(&connected, |_| {}).await
    });
    (address, count)
}

async fn rtu_over_tcp(listener: TcpListener) {
    let connected = |stream, _| future::ready(Ok(Some((Meters, stream))));
    let server = tokio_modbus::server::rtu_over_tcp::Server::new(listener);
    server.serve(&connected, |_| {}).await.unwrap();
}

fn ask(unit_id: u8, table: Table, address: u32) -> Request {
    let meter = Address::unit_id(unit_id);
    Request { meter, table, address, pace: Pace { answer_ms: 50, turnaround_ms: 0 } }
}

#[tokio::test]
async fn a_modbus_tcp_bus_tells_values_silence_and_refusal_apart() {
    let (address, connections) = modbus_tcp().await;
    let mut bus = AnyBus::new(BusConfig::ModbusTcp(address));
    let mut out = [0; 3];
    assert_eq!(bus.read(&ask(1, Table::Holding, 7), &mut out).await, Ok(()));
    assert_eq!(out, [7, 8, 9]);
    assert_eq!(bus.read(&ask(1, Table::Coil, 7), &mut out).await, Ok(()));
    assert_eq!(out, [1, 0, 1]);
    let refused = bus.read(&ask(4, Table::Input, 0), &mut out).await;
    assert_eq!(refused, Err(PollError::Refused(1)));
    let behind = bus.read(&ask(3, Table::Holding, 0), &mut out).await;
    assert_eq!((behind, *connections.borrow()), (Err(PollError::Silent), 1));

    // After a silence the connection is a new one, so a late answer meets nobody.
    assert_eq!(bus.read(&ask(2, Table::Holding, 0), &mut out).await, Err(PollError::Silent));
    assert_eq!(bus.read(&ask(1, Table::Holding, 7), &mut out).await, Ok(()));
    assert_eq!((out, *connections.borrow()), ([7, 8, 9], 2));
}

#[tokio::test]
async fn a_serial_server_that_was_away_is_found_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut bus = AnyBus::new(BusConfig::RtuOverTcp(address));
    let mut out = [0; 2];
    let request = ask(1, Table::Holding, 5);
    assert_eq!(bus.read(&request, &mut out).await, Err(PollError::BusDown));

    let server = tokio::spawn(rtu_over_tcp(TcpListener::bind(address).await.unwrap()));
    let back = async {
        while bus.read(&request, &mut out).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();

    assert_eq!(out, [5, 6]);
    server.abort();
}

/// A broker's end of one connection.
struct Broker {
    stream: TcpStream,
    received: BytesMut,
}

impl Broker {
    async fn packet(&mut self) -> Packet {
        loop {
            if let Ok(packet) = Packet::read(&mut self.received, None) {
                return packet;
            }
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0, "hung up");
        }
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Lets a node in and gives it its plan when it asks for it.
    async fn welcome(listener: &TcpListener, plan: &Plan) -> Self {
        let stream = listener.accept().await.unwrap().0;
        let mut broker = Self { stream, received: BytesMut::new() };
        let Packet::Connect(_, Some(_), _) = broker.packet().await else {
            panic!("no connect with a last will");
        };
        let welcome =
            ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: None };
        broker.send(Packet::ConnAck(welcome)).await;
        let asked = loop {
            let packet = broker.packet().await;
            if let Packet::Subscribe(asked) = packet {
                break asked;
            }
            if let Packet::Publish(birth) = packet {
                broker.acknowledge(&birth).await;
            }
        };
        let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
        let granted = SubAck { pkid: asked.pkid, return_codes, properties: None };
        broker.send(Packet::SubAck(granted)).await;
        let mut bytes = vec![0; Plan::BYTES_MAX];
        let len = plan.encode(&mut bytes).unwrap();
        bytes.truncate(len);
        let topic = "gengfu/v1/site/node/config";
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, bytes, None);
        (publish.pkid, publish.retain) = (1, true);
        broker.send(Packet::Publish(publish)).await;
        broker
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        self.send(Packet::PubAck(PubAck::new(publish.pkid, None))).await;
    }

    /// The next message on a channel; acknowledges it and others on the way.
    async fn message(&mut self, channel: &str) -> bytes::Bytes {
        loop {
            if let Packet::Publish(publish) = self.packet().await {
                self.acknowledge(&publish).await;
                if publish.topic == format!("gengfu/v1/site/node/{channel}").as_bytes() {
                    return publish.payload;
                }
            }
        }
    }
}

fn plan() -> Plan {
    let map = wire::models::by_id("xintai-water").unwrap().map;
    let meter = PlannedMeter {
        meter: Name::new("water").unwrap(),
        address: Address::unit_id(1),
        map: 0,
        interval_s: 0,
        ratios: Ratios::ONE,
    };
    Plan {
        revision: 9,
        interval_s: 60,
        line: LineSettings::default(),
        maps: List::from_slice(&[PlanMap::new(&map).unwrap()]).unwrap(),
        meters: List::from_slice(&[meter]).unwrap(),
        switches: List::new(),
    }
}

fn config(broker: SocketAddr, bus: BusConfig) -> NodeConfig {
    let name = |text| Name::new(text).unwrap();
    NodeConfig {
        site: name("site"),
        node: name("node"),
        broker,
        tls: None,
        login: None,
        bus,
        outbox: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_by_its_plan_on_a_clock_that_runs_sixty_times_as_fast() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (meters, _connections) = modbus_tcp().await;
    let (stop, shutdown) = watch::channel(false);
    let config = config(listener.local_addr().unwrap(), BusConfig::ModbusTcp(meters));
    // Spawned, so that it is known to be `Send`.
    let node = tokio::spawn(run(config, Clock::fast(1_800_000_000, 60), shutdown));
    let story = async {
        let mut broker = Broker::welcome(&listener, &plan()).await;
        let applied = Applied::decode(&broker.message("config/applied").await);
        // 50 ms of thinking a minute: less than a thousandth, rounded up.
        let expected = Applied { revision: 9, result: AppliedResult::Ok, load_permille: 1 };
        assert_eq!(applied, Ok(expected));

        let first = Pack::decode(&broker.message("readings").await).unwrap();
        let second = Pack::decode(&broker.message("readings").await).unwrap();

        assert_eq!((first.seq, second.seq, first.boot), (0, 1, second.boot));
        let minutes = [first.instant, second.instant].map(|instant| instant / 60);
        assert_eq!(minutes[1], minutes[0] + 1);
        assert_eq!(first.readings.len(), 5);
        assert!(first.readings.iter().all(|r| matches!(r.value, Value::Measured(_))));
        stop.send_replace(true);
    };
    tokio::time::timeout(Duration::from_secs(20), story).await.unwrap();
    node.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_with_everything_away_stops_when_it_is_asked() {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let config = config(nobody, BusConfig::Serial { path: "/dev/none".to_owned(), line: None });
    let node = run(config, Clock::manual(1_800_000_000), shutdown);
    stop.send_replace(true);
    assert!(tokio::time::timeout(Duration::from_secs(10), node).await.unwrap().is_ok());
}
