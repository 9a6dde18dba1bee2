//! Every meter model is read as a node reads it, from a meter that answers with its registers.
//!
//! The meter answers through tokio-modbus, its registers are laid out here, byte by byte, and
//! what must come out is worked out here as well: nothing of `wire`'s decoder is asked what
//! it would say. Rounds go from zero over ordinary values and the largest ones through the
//! counters' rollover to the patterns that makers call undefined.

#![expect(clippy::unwrap_used, reason = "a test outside a #[test] function")]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::planner::GAP_MAX;
use firmware::poll::{Manner, poll};
use firmware::rtu::{NoDriverEnable, Port, RtuBus};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::server::{Service, rtu_over_tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use wire::modbus::{Entry, LineSettings, Ratios, Table, Type, Undefined, WordOrder};
use wire::models::{MODELS, Model};
use wire::quantity::Kind;
use wire::reading::{Absence, Value};
use wire::{Address, Protocol};

const UNIT: u8 = 7;

type Registers = BTreeMap<(Table, u32), u16>;

/// A meter of one model, strict or lenient about registers that its map does not name.
#[derive(Clone)]
struct Meter {
    model: &'static Model,
    strict: bool,
    registers: Arc<Mutex<Registers>>,
}

impl Meter {
    fn words(&self, table: Table, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let end = address.checked_add(count).ok_or(ExceptionCode::IllegalDataAddress)?;
        if self.model.map.read_limit < count {
            return Err(ExceptionCode::IllegalDataValue);
        }
        let mut forbidden = self.model.map.forbidden.iter();
        if forbidden.any(|&(first, last)| first < end && address <= last) {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        let registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |at: u16| match registers.get(&(table, u32::from(at))) {
            Some(word) => Ok(*word),
            None if self.strict => Err(ExceptionCode::IllegalDataAddress),
            None => Ok(0xDEAD),
        };
        (address..end).map(one).collect()
    }
}

impl Service for Meter {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        let answer = if let Request::ReadHoldingRegisters(address, count) = asked.request {
            self.words(Table::Holding, address, count).map(Response::ReadHoldingRegisters)
        } else if let Request::ReadInputRegisters(address, count) = asked.request {
            self.words(Table::Input, address, count).map(Response::ReadInputRegisters)
        } else {
            Err(ExceptionCode::IllegalFunction)
        };
        std::future::ready(answer)
    }
}

/// The node's end of the line.
pub(crate) struct Line(pub(crate) FromTokio<TcpStream>);

impl ErrorType for Line {
    type Error = io::Error;
}

impl Read for Line {
    async fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).await
    }
}

impl Write for Line {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

impl Port for Line {
    async fn open(&mut self, _line: &LineSettings) -> io::Result<()> {
        Ok(())
    }
}

/// A register's content in the terms of its type.
#[derive(Clone, Copy, Debug)]
enum Content {
    Whole(i128),
    Float(f64),
}

/// What a value's registers hold in each round, and what must come out.
fn rounds(entry: &Entry) -> Vec<(Content, Value)> {
    let whole = |steps: i128| (Content::Whole(steps), scaled(entry, steps));
    let ints = |least: i128, most: i128| {
        let mut all: Vec<_> = [0, 1, 12_345.min(most), most - 1, most].map(whole).to_vec();
        if least < 0 {
            all.extend([-1, least + 1, least].map(whole));
        }
        // A counter passes its largest value and goes on.
        if entry.quantity.kind() == Kind::Counter {
            all.extend([most, 0, 1].map(whole));
        }
        all
    };
    let float = |number: f64| {
        let exact = number * f64::from(i32::try_from(step(entry)).unwrap());
        let fits = exact.abs() < 9.2e18;
        #[expect(clippy::cast_possible_truncation, reason = "`fits` says that it fits")]
        let value = Value::Measured(exact.round() as i64);
        let value = if fits { value } else { Value::Absent(Absence::OutOfRange) };
        (Content::Float(number), value)
    };
    let mut all = match entry.ty {
        Type::U16 => ints(0, (1 << 16) - 1),
        Type::U32 => ints(0, (1 << 32) - 1),
        Type::U64 => ints(0, (1 << 64) - 1),
        Type::I16 => ints(-(1 << 15), (1 << 15) - 1),
        Type::I32 => ints(-(1 << 31), (1 << 31) - 1),
        Type::I64 => ints(-(1 << 63), (1 << 63) - 1),
        Type::Bcd { digits } => ints(0, 10_i128.pow(u32::from(digits)) - 1),
        Type::SignedBcd { .. } | Type::WithUnit { .. } => panic!("no register of ours has it"),
        Type::F32 | Type::F64 => {
            let finite = [0.0, 1.5, -2.25, 230.25, 65_536.5, 1_048_576.0, f64::from(f32::MAX)];
            let mut all: Vec<_> = finite.map(float).to_vec();
            all.push((Content::Float(f64::INFINITY), Value::Absent(Absence::OutOfRange)));
            all.push((Content::Float(f64::NAN), Value::Absent(Absence::DeviceFault)));
            all
        }
    };
    let bits = u32::from(entry.ty.words()) * 16;
    let fault = Value::Absent(Absence::DeviceFault);
    let undefined = match entry.undefined {
        Undefined::AllOnes => (1_i128 << bits) - 1,
        Undefined::MaxSigned => (1_i128 << (bits - 1)) - 1,
        Undefined::MinSigned => -(1_i128 << (bits - 1)),
        Undefined::None | Undefined::Nan => return all,
    };
    for (content, value) in &mut all {
        if matches!(content, Content::Whole(steps) if *steps == undefined) {
            *value = fault;
        }
    }
    // Decimal digits that are none but the pattern.
    all.push((Content::Whole(undefined), fault));
    all
}

/// Thousandths of our unit in one step of the register.
fn step(entry: &Entry) -> i64 {
    assert_eq!(entry.scale.denominator(), 1, "no model of ours has another");
    i64::from(entry.scale.numerator())
}

fn scaled(entry: &Entry, steps: i128) -> Value {
    match i64::try_from(steps * i128::from(step(entry))) {
        Ok(value) => Value::Measured(value),
        Err(_) => Value::Absent(Absence::OutOfRange),
    }
}

/// Lays a content out in registers.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lowest bytes are what a register of that width holds"
)]
fn registers(entry: &Entry, content: Content) -> Vec<u16> {
    let all_ones = matches!((entry.undefined, content), (Undefined::AllOnes, Content::Whole(n))
        if n == (1_i128 << (u32::from(entry.ty.words()) * 16)) - 1);
    let bytes: Vec<u8> = match (entry.ty, content) {
        (Type::F32, Content::Float(number)) => (number as f32).to_be_bytes().to_vec(),
        (Type::F64, Content::Float(number)) => number.to_be_bytes().to_vec(),
        (Type::Bcd { .. }, Content::Whole(steps)) if !all_ones => {
            let width = usize::from(entry.ty.words()) * 4;
            let digits = format!("{steps:0width$}");
            let pairs = digits.as_bytes().chunks(2);
            pairs.map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect()
        }
        (_, Content::Whole(steps)) => {
            let wide = steps.to_be_bytes();
            wide[16 - usize::from(entry.ty.words()) * 2..].to_vec()
        }
        (ty, Content::Float(_)) => panic!("{ty:?} holds no float"),
    };
    let mut words: Vec<[u8; 2]> = bytes.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    if matches!(entry.order, WordOrder::Cdab | WordOrder::Dcba) {
        words.reverse();
    }
    if matches!(entry.order, WordOrder::Badc | WordOrder::Dcba) {
        words.iter_mut().for_each(|word| word.reverse());
    }
    words.into_iter().map(u16::from_be_bytes).collect()
}

async fn serve(meter: Meter) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let server = rtu_over_tcp::Server::new(listener);
        let connect = |client: TcpStream, _| {
            let meter = meter.clone();
            async move { Ok(Some((meter, client))) }
        };
        server.serve(&connect, |error| panic!("the meter's line broke: {error}")).await
    });
    address
}

/// Reads a model through all its rounds.
async fn read_through(model: &'static Model, strict: bool) {
    let contents: Vec<_> = model.map.entries.iter().map(rounds).collect();
    let count = contents.iter().map(Vec::len).max().unwrap();
    let held = Arc::new(Mutex::new(Registers::new()));
    let meter = Meter { model, strict, registers: Arc::clone(&held) };
    let stream = TcpStream::connect(serve(meter).await).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut bus = RtuBus::new(Line(FromTokio::new(stream)), NoDriverEnable);
    for round in 0..count {
        let mut expected = HashMap::new();
        {
            let mut held = held.lock().unwrap();
            for (entry, contents) in model.map.entries.iter().zip(&contents) {
                let (content, value) = contents[round % contents.len()];
                for (address, word) in (entry.address..).zip(registers(entry, content)) {
                    held.insert((entry.table, address), word);
                }
                expected.insert(entry.quantity, (content, value));
            }
        }
        let manner = Manner { gap_max: GAP_MAX, attempts: 1 };

        let polled =
            poll(&mut bus, &model.map, Address::unit_id(UNIT), Ratios::ONE, manner, || {}).await;

        assert_eq!(polled.error, None, "{} round {round}", model.id);
        assert!(strict || !polled.gaps_refused, "{}", model.id);
        for reading in polled.readings.iter() {
            let (content, value) = expected[&reading.quantity];
            let what = format!("{} {:?} {content:?}", model.id, reading.quantity);
            assert_eq!(reading.value, value, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_model_is_read_through_rollover_undefined_patterns_and_extremes() {
    assert!(22 <= MODELS.len());
    // Those with a number answer in `numbered`.
    let registers = |model: &&Model| model.map.protocol() == Protocol::Modbus;
    let reads = MODELS
        .iter()
        .filter(registers)
        .flat_map(|model| [true, false].map(|strict| (model, strict)));
    let mut tasks = tokio::task::JoinSet::new();
    for (model, strict) in reads {
        tasks.spawn(read_through(model, strict));
    }
    while let Some(read) = tasks.join_next().await {
        read.unwrap();
    }
}
