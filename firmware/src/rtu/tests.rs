//! The engine against tokio-modbus's server, which is not ours, and against raw bytes.

use std::collections::VecDeque;
use std::future::{self, Ready};
use std::io;
use std::vec::Vec;

use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::ErrorType;
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::prelude::{ExceptionCode, Request as Pdu, Response, SlaveRequest};
use tokio_modbus::server::rtu_over_tcp::Server;
use wire::modbus::Table;

use super::*;
use crate::bus::Pace;

const ANSWER_MS: u16 = 40;

/// For tests in which time must not be up before its step: other tests may take the processor.
const PATIENT: Pace = Pace { answer_ms: 400, turnaround_ms: 0 };

const PACE: Pace = Pace { answer_ms: ANSWER_MS, turnaround_ms: 0 };

fn ask(unit_id: u8, table: Table, address: u32) -> Request {
    Request { meter: Address::unit_id(unit_id), table, address, pace: PACE }
}

// --- against tokio-modbus ---

/// A port on a socket that is open already.
struct Socket(FromTokio<TcpStream>);

impl ErrorType for Socket {
    type Error = io::Error;
}

impl Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, io::Error> {
        self.0.read(buf).await
    }
}

impl Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, io::Error> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), io::Error> {
        self.0.flush().await
    }
}

impl Port for Socket {
    async fn open(&mut self, _line: &LineSettings) -> Result<(), io::Error> {
        Ok(())
    }
}

/// Meters 1 to 9: each register holds its unit id and its address; bits are set where the
/// address is odd. Meter 9 knows no register from 100 on; meters from 10 on are not there.
#[derive(Clone)]
struct Meters;

impl tokio_modbus::server::Service for Meters {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, SlaveRequest { slave, request }: Self::Request) -> Self::Future {
        let registers = |address: u16, count: u16| -> Result<Vec<u16>, ExceptionCode> {
            if slave == 9 && 100 < address + count {
                return Err(ExceptionCode::IllegalDataAddress);
            }
            Ok((address..address + count).map(|at| u16::from(slave) * 1000 + at).collect())
        };
        let bits = |address: u16, count: u16| (address..address + count).map(|at| at % 2 == 1);
        if 9 < slave {
            return future::ready(Ok(None));
        }
        let response = if let Pdu::ReadHoldingRegisters(address, count) = request {
            registers(address, count).map(Response::ReadHoldingRegisters)
        } else if let Pdu::ReadInputRegisters(address, count) = request {
            registers(address, count).map(Response::ReadInputRegisters)
        } else if let Pdu::ReadCoils(address, count) = request {
            Ok(Response::ReadCoils(bits(address, count).collect()))
        } else {
            Err(ExceptionCode::IllegalFunction)
        };
        future::ready(response.map(Some))
    }
}

async fn bus_of_meters() -> RtuBus<Socket, NoDriverEnable> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let connected = |stream, _| future::ready(Ok(Some((Meters, stream))));
        Server::new(listener).serve(&connected, |_| {}).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    RtuBus::new(Socket(FromTokio::new(stream)), NoDriverEnable)
}

#[tokio::test]
async fn registers_of_several_meters_come_from_a_server_that_is_not_ours() {
    let mut bus = bus_of_meters().await;
    for (unit_id, table) in [(1, Table::Holding), (2, Table::Input), (1, Table::Input)] {
        let mut out = [0; 3];
        assert_eq!(bus.read(&ask(unit_id, table, 7), &mut out).await, Ok(()));
        let base = u16::from(unit_id) * 1000 + 7;
        assert_eq!(out, [base, base + 1, base + 2]);
    }
}

#[tokio::test]
async fn the_longest_answer_and_bits_come_whole() {
    let mut bus = bus_of_meters().await;
    let mut out = [0; 125];
    assert_eq!(bus.read(&ask(3, Table::Holding, 0), &mut out).await, Ok(()));
    assert!(out.iter().zip(3000_u16..).all(|(&word, expected)| word == expected));
    let mut out = [9; 11];
    assert_eq!(bus.read(&ask(3, Table::Coil, 4), &mut out).await, Ok(()));
    assert_eq!(out, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
}

#[tokio::test]
async fn an_exception_is_a_refusal_and_not_a_time_out() {
    let mut bus = bus_of_meters().await;
    let refused = bus.read(&ask(9, Table::Holding, 99), &mut [0; 2]).await;
    assert_eq!(refused, Err(PollError::Refused(2)));
    let refused = bus.read(&ask(1, Table::DiscreteInput, 0), &mut [0; 2]).await;
    assert_eq!(refused, Err(PollError::Refused(1)));
}

#[tokio::test]
async fn a_meter_that_is_not_there_is_silent_and_the_next_answers() {
    let mut bus = bus_of_meters().await;
    let mut out = [0; 1];
    let silent = bus.read(&ask(10, Table::Holding, 0), &mut out).await;
    assert_eq!(silent, Err(PollError::Silent));
    assert_eq!(bus.read(&ask(4, Table::Holding, 0), &mut out).await, Ok(()));
    assert_eq!(out, [4000]);
}

// --- against raw bytes ---

/// What the line does, in order.
#[derive(Clone)]
enum Step {
    /// These bytes arrive.
    Bytes(Vec<u8>),
    /// Nothing arrives until somebody has waited in vain once.
    Silence,
    /// A request goes out.
    Request,
    /// The cable is cut.
    Cut,
}

/// A line that follows a script, and notes what was sent.
struct Script {
    steps: VecDeque<Step>,
    sent: Vec<Vec<u8>>,
}

impl ErrorType for Script {
    type Error = io::Error;
}

impl Read for Script {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, io::Error> {
        match self.steps.pop_front() {
            Some(Step::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.len()));
                buf[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.steps.push_front(Step::Bytes(rest));
                }
                Ok(bytes.len())
            }
            Some(Step::Cut) => Err(io::ErrorKind::BrokenPipe.into()),
            Some(Step::Silence) => future::pending().await,
            request @ (Some(Step::Request) | None) => {
                self.steps.extend(request);
                self.steps.rotate_right(usize::from(!self.steps.is_empty()));
                future::pending().await
            }
        }
    }
}

impl Write for Script {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, io::Error> {
        assert!(
            matches!(self.steps.pop_front(), Some(Step::Request)),
            "a request went out while the line was still in use"
        );
        self.sent.push(buf.to_vec());
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), io::Error> {
        Ok(())
    }
}

impl Port for Script {
    async fn open(&mut self, _line: &LineSettings) -> Result<(), io::Error> {
        Ok(())
    }
}

fn bus_of(steps: &[Step]) -> RtuBus<Script, NoDriverEnable> {
    let steps = steps.iter().cloned().collect();
    RtuBus::new(Script { steps, sent: Vec::new() }, NoDriverEnable)
}

/// The answer of meter 1 to one register: 1. The frame is a known vector.
const ANSWER: [u8; 7] = [0x01, 0x03, 0x02, 0x00, 0x01, 0x79, 0x84];

fn bytes(bytes: &[u8]) -> Step {
    Step::Bytes(bytes.to_vec())
}

/// Appends the check sum; the vectors of `frame` prove the function that makes it.
fn sealed(body: &[u8]) -> Vec<u8> {
    let crc = frame::crc(body).to_le_bytes();
    [body, &crc].concat()
}

#[track_caller]
fn check(steps: &[Step], expected: Result<u16, PollError>) {
    let mut bus = bus_of(&[&[Step::Request], steps].concat());
    let mut out = [0; 1];
    let outcome = block_on(bus.read(&ask(1, Table::Holding, 0), &mut out));
    assert_eq!(outcome.map(|()| out[0]), expected);
    assert_eq!(bus.port.sent, [[0x01, 0x03, 0, 0, 0, 1, 0x84, 0x0A]]);
}

fn block_on<F: Future>(future: F) -> F::Output {
    embassy_futures::block_on(future)
}

#[test]
fn an_answer_may_come_in_pieces() {
    check(&[bytes(&ANSWER)], Ok(1));
    check(&ANSWER.map(|byte| bytes(&[byte])), Ok(1));
    check(&[bytes(&ANSWER[..2]), bytes(&ANSWER[2..])], Ok(1));
}

#[test]
fn noise_and_our_own_echo_before_an_answer_are_passed_over() {
    check(&[bytes(&[0x00, 0xFF]), bytes(&ANSWER)], Ok(1));
    check(&[bytes(&[&[0xFF, 0x00, 0x03], &ANSWER[..]].concat())], Ok(1));
    check(&[bytes(&[&[0x01], &ANSWER[..]].concat())], Ok(1));
    check(&[bytes(&[0x01, 0x03, 0, 0, 0, 1, 0x84, 0x0A]), bytes(&ANSWER)], Ok(1));
}

#[test]
fn a_wrong_check_sum_is_told_from_a_cut_answer_and_from_noise() {
    let mut damaged = ANSWER;
    damaged[4] ^= 1;
    check(&[bytes(&damaged)], Err(PollError::BadCrc));
    check(&[bytes(&ANSWER[..6])], Err(PollError::Truncated));
    check(&[bytes(&[0x55, 0xAA, 0x55, 0xAA])], Err(PollError::Noise));
    check(&[], Err(PollError::Silent));
}

#[test]
fn an_answer_of_another_meter_or_to_another_question_is_not_taken() {
    let other_meter = sealed(&[0x02, 0x03, 0x02, 0x00, 0x07]);
    check(&[bytes(&other_meter)], Err(PollError::WrongUnit));
    check(&[bytes(&other_meter), bytes(&ANSWER)], Ok(1));
    let two_registers = sealed(&[0x01, 0x03, 0x04, 0, 1, 0, 2]);
    check(&[bytes(&two_registers)], Err(PollError::WrongAnswer));
    let other_table = sealed(&[0x01, 0x04, 0x02, 0, 1]);
    check(&[bytes(&other_table)], Err(PollError::WrongAnswer));
}

#[test]
fn a_refusal_is_read_with_its_code_also_behind_noise() {
    // 01 83 02 C0 F1: a published example of an exception.
    check(&[bytes(&[0x01, 0x83, 0x02, 0xC0, 0xF1])], Err(PollError::Refused(2)));
    check(&[bytes(&[0x00, 0x01, 0x83, 0x02, 0xC0, 0xF1])], Err(PollError::Refused(2)));
    check(&[bytes(&[0x01, 0x83, 0x02, 0xC0, 0xF0])], Err(PollError::BadCrc));
}

#[test]
fn a_cut_cable_is_no_silent_meter() {
    check(&[Step::Cut], Err(PollError::BusDown));
}

#[test]
fn a_line_that_babbles_for_ever_costs_a_bounded_time() {
    let babble = std::vec![Step::Bytes(std::vec![0x55; 64]); 200];
    let mut bus = bus_of(&[&[Step::Request], &babble[..]].concat());
    let outcome = block_on(bus.read(&ask(1, Table::Holding, 0), &mut [0; 1]));
    assert_eq!(outcome, Err(PollError::Noise));
}

#[test]
fn an_answer_that_comes_after_its_time_is_not_taken_for_the_next() {
    let late = ANSWER;
    let next = sealed(&[0x01, 0x03, 0x02, 0x00, 0x02]);
    let mut bus = bus_of(&[
        Step::Silence, // before the first request
        Step::Request,
        Step::Silence, // no answer in time
        Step::Silence, // the drain before the second request
        bytes(&late),  // while the meter owes an answer
        Step::Silence,
        Step::Request,
        bytes(&next),
    ]);
    let mut out = [0; 1];

    let request = Request { pace: PATIENT, ..ask(1, Table::Holding, 0) };
    let first = block_on(bus.read(&request, &mut out));
    let second = block_on(bus.read(&request, &mut out));

    assert_eq!((first, second, out), (Err(PollError::Silent), Ok(()), [2]));
}

#[test]
fn a_late_answer_does_not_disturb_another_meter() {
    let other = sealed(&[0x02, 0x03, 0x02, 0x00, 0x07]);
    let mut bus = bus_of(&[
        Step::Silence,
        Step::Request,
        Step::Silence,  // meter 1 gives no answer in time
        bytes(&ANSWER), // drained before meter 2 is asked
        Step::Silence,
        Step::Request,
        bytes(&ANSWER), // and again, while meter 2 thinks
        bytes(&other),
    ]);
    let mut out = [0; 1];

    let first = block_on(bus.read(&ask(1, Table::Holding, 0), &mut out));
    let second = block_on(bus.read(&ask(2, Table::Holding, 0), &mut out));

    assert_eq!((first, second, out), (Err(PollError::Silent), Ok(()), [7]));
}

/// Notes each change of the driver-enable pin.
#[derive(Default)]
struct Pin(Vec<bool>);

impl embedded_hal::digital::ErrorType for Pin {
    type Error = core::convert::Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.0.push(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.0.push(true);
        Ok(())
    }
}

#[test]
fn the_line_is_driven_only_while_we_speak() {
    let steps = [Step::Request, bytes(&ANSWER)].into_iter().collect();
    let mut bus = RtuBus::new(Script { steps, sent: Vec::new() }, Pin::default());
    assert_eq!(block_on(bus.read(&ask(1, Table::Holding, 0), &mut [0; 1])), Ok(()));
    assert_eq!(bus.driver_enable.0, [true, false]);
}

#[test]
fn silent_times_are_those_of_the_standard() {
    let mut bus = bus_of(&[]);
    for (baud, parity, micros) in [
        (1_200, wire::modbus::Parity::Even, 32_083),
        (9_600, wire::modbus::Parity::Even, 4_010),
        (9_600, wire::modbus::Parity::None, 3_645),
        (115_200, wire::modbus::Parity::Even, 1_750),
    ] {
        bus.set_line(LineSettings { baud, parity, stop_bits: 1 });
        assert_eq!(bus.silent_time().as_micros(), micros);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(
        proptest::test_runner::Config::default().cases / 10
    ))]
    #[test]
    fn whatever_stands_before_an_answer_it_is_found_or_told_why_not(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let mut bus = bus_of(&[Step::Request, bytes(&[&noise[..], &ANSWER].concat())]);
        let mut out = [0; 1];
        let outcome = block_on(bus.read(&ask(1, Table::Holding, 0), &mut out));
        proptest::prop_assert_eq!((outcome, out), (Ok(()), [1]));
    }
}

// --- meters with numbers, on the same line ---

/// Twelve digits; the frames are those of `national`'s tests.
fn ask_data(table: Table, digits: &str, address: u32) -> Request {
    let meter = Address::from_digits(digits, Protocol::of(table)).unwrap();
    Request { meter, table, address, pace: PACE }
}

fn energy() -> Request {
    ask_data(Table::Dlt645, "12345678", 0x0001_0000)
}

const ENERGY: [u8; 20] = [
    0x68, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x68, 0x91, 8, 0x33, 0x33, 0x34, 0x33, 0xAB, 0x89, 0x67,
    0x45, 0x2A, 0x16,
];

#[track_caller]
fn check_energy(steps: &[Step], expected: Result<[u16; 4], PollError>) {
    let mut bus = bus_of(&[&[Step::Request], steps].concat());
    let mut out = [0; 4];
    let outcome = block_on(bus.read(&energy(), &mut out));
    assert_eq!(outcome.map(|()| out), expected);
    assert_eq!(bus.port.sent.len(), 1);
}

const SAID: [u16; 4] = [0x78, 0x56, 0x34, 0x12];

#[test]
fn none_to_four_lead_bytes_before_an_answer_are_passed_over() {
    for leads in 0..=4 {
        let answer = [&[0xFE; 4][..leads], &ENERGY].concat();
        check_energy(&[bytes(&answer)], Ok(SAID));
        let pieces = answer.iter().map(|&byte| bytes(&[byte])).collect::<Vec<_>>();
        check_energy(&pieces, Ok(SAID));
    }
}

#[test]
fn a_split_answer_and_one_behind_noise_are_read_whole() {
    check_energy(&[bytes(&ENERGY[..9]), bytes(&ENERGY[9..])], Ok(SAID));
    check_energy(&[bytes(&[0x68, 0xFF, 0x00]), bytes(&ENERGY)], Ok(SAID));
    // A false beginning that promises 255 bytes, and our own echo.
    let mut false_start = ENERGY[..10].to_vec();
    false_start[9] = 0xFF;
    check_energy(&[bytes(&false_start), bytes(&ENERGY)], Ok(SAID));
    let echo =
        [0x68, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x68, 0x11, 4, 0x33, 0x33, 0x34, 0x33, 0xC6, 0x16];
    check_energy(&[bytes(&echo), bytes(&ENERGY)], Ok(SAID));
}

#[test]
fn a_broken_a_foreign_and_a_missing_answer_are_told_apart() {
    let mut damaged = ENERGY;
    damaged[15] ^= 1;
    check_energy(&[bytes(&damaged)], Err(PollError::BadCrc));
    check_energy(&[bytes(&ENERGY[..12])], Err(PollError::Truncated));
    let mut other = ENERGY;
    (other[1], other[18]) = (0x79, 0x2B);
    check_energy(&[bytes(&other)], Err(PollError::WrongUnit));
    check_energy(&[bytes(&other), bytes(&ENERGY)], Ok(SAID));
    check_energy(&[], Err(PollError::Silent));
    check_energy(&[Step::Cut], Err(PollError::BusDown));
    let refused = [0x68, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x68, 0xD1, 1, 0x35, 0xEB, 0x16];
    check_energy(&[bytes(&refused)], Err(PollError::Refused(2)));
}

#[test]
fn three_protocols_take_turns_on_one_line() {
    let water = [
        0xFE, 0xFE, 0x68, 0x10, 0x18, 0x02, 0x12, 0x20, 0x20, 0, 0, 0x81, 0x16, 0x90, 0x1F, 0, 0,
        0x02, 0, 0, 0x2C, 0, 0x02, 0, 0, 0x2C, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0x85, 0x16,
    ];
    let mut bus = bus_of(&[
        Step::Request,
        bytes(&ANSWER),
        Step::Silence,
        Step::Request,
        bytes(&ENERGY),
        Step::Silence,
        Step::Request,
        bytes(&water),
    ]);
    let (mut register, mut data, mut total) = ([0; 1], [0; 4], [0; 5]);

    let first = block_on(bus.read(&ask(1, Table::Holding, 0), &mut register));
    let second = block_on(bus.read(&energy(), &mut data));
    let volume = ask_data(Table::Cjt188, "00002020120218", 0x10_901F);
    let third = block_on(bus.read(&volume, &mut total));

    assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
    assert_eq!((register, data, total), ([1], SAID, [0, 2, 0, 0, 0x2C]));
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_the_next_of_its_meter() {
    let mut late = ENERGY;
    (late[14], late[18]) = (0xAA, 0x29);
    let mut bus = bus_of(&[
        Step::Silence,
        Step::Request,
        Step::Silence, // no answer in time
        Step::Silence, // the drain before the second request
        bytes(&late),  // while the meter owes an answer
        Step::Silence,
        Step::Request,
        bytes(&ENERGY),
    ]);
    let mut out = [0; 4];

    let request = Request { pace: PATIENT, ..energy() };
    let first = block_on(bus.read(&request, &mut out));
    let second = block_on(bus.read(&request, &mut out));

    assert_eq!((first, second, out), (Err(PollError::Silent), Ok(()), SAID));
}

#[test]
fn a_lone_meter_is_asked_for_its_number() {
    let told = [
        0xFE, 0x68, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x68, 0x93, 6, 0xAB, 0x89, 0x67, 0x45, 0x33,
        0x33, 0xC3, 0x16,
    ];
    let mut bus = bus_of(&[Step::Request, bytes(&told)]);

    let number = block_on(bus.ask_number(Protocol::Dlt645, PACE));

    assert_eq!(number.map(Address::number), Ok(0x1234_5678));
    let mut silent = bus_of(&[Step::Request]);
    assert_eq!(block_on(silent.ask_number(Protocol::Cjt188, PACE)), Err(PollError::Silent));
}
