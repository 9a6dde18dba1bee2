use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_modbus::client::{
    Client as _, Context, Reader as _, Writer as _, rtu, tcp as tcp_client,
};
use tokio_modbus::slave::Slave;
use wire::Value;
use wire::modbus::{Ratios, decode};
use wire::models::{self, Model};

use super::*;
use crate::campus::MeterSpec;
use crate::demo::{RELAY_UNIT_ID, demo_campus, demo_relay};
use crate::script::{ScriptedEvent, Set};

const NOW: i64 = 1_789_516_800;

/// The longest that a test waits for an answer that must come, and for one that must not.
const DEADLINE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_millis(200);

/// A served demo campus; it stops when it is dropped.
struct Served {
    campus: Arc<Campus>,
    office: SocketAddr,
    others: SocketAddr,
    _stop: watch::Sender<bool>,
}

async fn served() -> Served {
    let campus = Campus::load(&demo_campus()).unwrap().with_relay(demo_relay().unwrap());
    let campus = Arc::new(campus);
    let (stop, stopped) = watch::channel(false);
    let mut buses = Vec::new();
    let mut addresses = Vec::new();
    for (bus, kind) in [("office", BusKind::RtuOverTcp), ("campus", BusKind::ModbusTcp)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        buses.push(BusAddress { bus: Name::new(bus).unwrap(), kind, listener });
    }
    tokio::spawn(serve(Arc::clone(&campus), buses, Arc::new(|| NOW), stopped));
    Served { campus, office: addresses[0], others: addresses[1], _stop: stop }
}

impl Served {
    async fn connect(&self, spec: &MeterSpec) -> Context {
        let unit_id = u8::try_from(spec.address.number()).unwrap();
        self.connect_to(spec.bus.as_str(), unit_id).await
    }

    async fn connect_to(&self, bus: &str, unit_id: u8) -> Context {
        if bus == "office" {
            let stream = TcpStream::connect(self.office).await.unwrap();
            rtu::attach_slave(stream, Slave(unit_id))
        } else {
            tcp_client::connect_slave(self.others, Slave(unit_id)).await.unwrap()
        }
    }

    fn set(&self, meter: &str, set: Set) {
        let meter = Name::new(meter).unwrap();
        self.campus.set(ScriptedEvent { at: NOW, meter, set }).unwrap();
    }
}

fn spec(meter: &str) -> MeterSpec {
    demo_campus().into_iter().find(|spec| spec.meter.as_str() == meter).unwrap()
}

async fn read(client: &mut Context, table: Table, address: u16, count: u16) -> Vec<u16> {
    let answer = if table == Table::Input {
        client.read_input_registers(address, count).await
    } else {
        client.read_holding_registers(address, count).await
    };
    answer.unwrap().unwrap()
}

#[tokio::test]
async fn registers_read_by_a_client_decode_to_what_the_campus_says() {
    let served = served().await;
    for spec in demo_campus() {
        let model: &Model = models::by_id(&spec.model).unwrap();
        let mut client = served.connect(&spec).await;
        let expected = served.campus.readings_at(&spec.meter, NOW).unwrap();
        for (entry, expected) in model.map.entries.iter().zip(expected.readings.iter()) {
            let address = u16::try_from(entry.address).unwrap();
            let words = read(&mut client, entry.table, address, entry.ty.words()).await;

            let value = decode(entry, &words, Ratios::ONE);

            assert_eq!(value, expected.value, "{} {:?}", spec.meter, entry.quantity);
            assert!(matches!(value, Value::Measured(_)), "{} {:?}", spec.meter, entry.quantity);
        }
    }
}

#[tokio::test]
async fn a_meter_refuses_what_its_map_does_not_have() {
    let served = served().await;
    for (meter, table_beyond, read_beyond) in
        [("office-main", 0x0100, 61), ("canteen-water", 0x0100, 17)]
    {
        let spec = spec(meter);
        let mut client = served.connect(&spec).await;
        let input = meter == "office-main";
        let ask = async |client: &mut Context, address, count| {
            if input {
                client.read_input_registers(address, count).await.unwrap()
            } else {
                client.read_holding_registers(address, count).await.unwrap()
            }
        };

        let beyond = ask(&mut client, table_beyond, 2).await;
        let at_once = ask(&mut client, 1, read_beyond).await;
        let written = client.write_single_register(1, 7).await.unwrap();
        let other_table = if input {
            client.read_holding_registers(0, 2).await.unwrap()
        } else {
            client.read_input_registers(1, 2).await.unwrap()
        };

        assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress), "{meter}");
        assert_eq!(at_once, Err(ExceptionCode::IllegalDataValue), "{meter}");
        assert_eq!(written, Err(ExceptionCode::IllegalFunction), "{meter}");
        assert_eq!(other_table, Err(ExceptionCode::IllegalFunction), "{meter}");
    }
}

#[tokio::test]
async fn an_unknown_unit_id_is_away_on_tcp_and_silent_on_a_line() {
    let served = served().await;
    let mut tcp = served.connect_to("campus", 77).await;
    let mut line = served.connect_to("office", 77).await;

    let refused = tcp.read_holding_registers(0, 2).await.unwrap();
    let silence = tokio::time::timeout(SILENCE, line.read_input_registers(0, 2)).await;

    assert_eq!(refused, Err(ExceptionCode::GatewayTargetDevice));
    assert!(silence.is_err(), "{silence:?}");
}

/// Asks unit ids for one register pair each in one go, and returns what comes back.
async fn line_bytes(served: &Served, requests: &[[u8; 8]], answer_bytes: usize) -> Vec<u8> {
    let mut line = TcpStream::connect(served.office).await.unwrap();
    for request in requests {
        line.write_all(request).await.unwrap();
    }
    let mut bytes = vec![0; answer_bytes];
    tokio::time::timeout(DEADLINE, line.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

// Reads input registers 0 and 1; the CRCs are those of an independent calculator.
const ASK_2: [u8; 8] = [0x02, 0x04, 0x00, 0x00, 0x00, 0x02, 0x71, 0xF8];
const ASK_3: [u8; 8] = [0x03, 0x04, 0x00, 0x00, 0x00, 0x02, 0x70, 0x29];

/// CRC-16 as the serial line standard describes it, bit by bit.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for &byte in bytes {
        crc ^= u16::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

#[tokio::test]
async fn a_bad_crc_is_bad_and_its_answer_otherwise_right() {
    let served = served().await;
    let good = line_bytes(&served, &[ASK_2], 9).await;
    served.set("light-1f-hall", Set::BadCrc { on: true });

    let bad = line_bytes(&served, &[ASK_2], 9).await;

    assert_eq!(good[7..], crc(&good[..7]));
    assert_eq!(bad[..7], good[..7]);
    assert_ne!(bad[7..], crc(&bad[..7]));
}

#[tokio::test]
async fn a_silent_meter_does_not_hold_up_its_neighbours() {
    let served = served().await;
    served.set("light-1f-hall", Set::Silent { on: true });

    let heard = line_bytes(&served, &[ASK_2, ASK_3, ASK_2, ASK_3], 18).await;

    assert_eq!((heard[0], heard[9]), (3, 3));
}

#[tokio::test]
async fn a_slow_meter_answers_after_its_neighbours() {
    let served = served().await;
    served.set("light-1f-hall", Set::DelayMs { ms: 150 });

    let heard = line_bytes(&served, &[ASK_2, ASK_3], 18).await;

    assert_eq!((heard[0], heard[9]), (3, 2));
}

#[tokio::test]
async fn a_meter_heals_when_its_faults_are_taken_back() {
    let served = served().await;
    for on in [true, false] {
        served.set("library-power", Set::Silent { on });
        served.set("library-power", Set::BadCrc { on });
        served.set("library-power", Set::Nonsense { on });
    }

    let mut client = served.connect(&spec("library-power")).await;

    assert_ne!(read(&mut client, Table::Holding, 0x101E, 2).await, [0xFFFF, 0xFFFF]);
}

#[tokio::test]
async fn a_broken_answer_on_modbus_tcp_is_an_error_for_its_client() {
    let served = served().await;
    served.set("library-gas", Set::BadCrc { on: true });
    let mut client = served.connect(&spec("library-gas")).await;

    let answer = tokio::time::timeout(DEADLINE, client.read_holding_registers(0x0010, 2)).await;

    assert!(answer.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_sends_rubbish_spoils_only_its_own_connection() {
    let served = served().await;
    for address in [served.office, served.others] {
        let mut rude = TcpStream::connect(address).await.unwrap();
        rude.write_all(&[0xFF; 600]).await.unwrap();
        rude.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, rude.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection stays open");
    }

    let mut client = served.connect(&spec("office-main")).await;
    assert_eq!(read(&mut client, Table::Input, 0x0048, 2).await.len(), 2);
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_coil_switches_its_lights_and_nothing_else_is_written() {
    let served = served().await;
    let name = Name::new("light-2f-east").unwrap();
    served.set("light-2f-east", Set::Lights { on: true, watts: 6_000 });
    let lit = served.campus.power_at(&name, NOW).unwrap();
    let mut relay = served.connect_to("office", RELAY_UNIT_ID).await;
    let mut meter = served.connect(&spec("light-2f-east")).await;

    let before = relay.read_coils(0, 4).await.unwrap().unwrap();
    relay.write_single_coil(1, false).await.unwrap().unwrap();
    let after = relay.read_coils(0, 4).await.unwrap().unwrap();

    assert_eq!(before, [true; 4]);
    assert_eq!(after, [true, false, true, true]);
    let coil = served.campus.coil_of(&name).unwrap();
    assert_eq!((coil.on, coil.writes), (false, 1));
    assert_eq!(lit - served.campus.power_at(&name, NOW).unwrap(), 6_000_000);
    let beyond = relay.write_single_coil(4, false).await.unwrap();
    assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
    let none = relay.read_coils(3, 2).await.unwrap();
    assert_eq!(none, Err(ExceptionCode::IllegalDataAddress));
    let register = relay.write_single_register(1, 0).await.unwrap();
    assert_eq!(register, Err(ExceptionCode::IllegalFunction));
    let to_a_meter = meter.write_single_coil(1, false).await.unwrap();
    assert_eq!(to_a_meter, Err(ExceptionCode::IllegalFunction));
}
