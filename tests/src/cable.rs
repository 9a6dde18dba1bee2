//! The meters' line between a node and the simulator, with faults to order.
//!
//! It passes requests on as they are, and knows the answers apart by their length. So it
//! knows what a node has really been answered.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// What the line does to answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Breaks a byte of every so many answers; 0 for none.
    pub noise_each: u32,
    /// Passes answers on byte by byte.
    pub split: bool,
    /// Has this unit refuse with exception 4, "device failure".
    pub refuses: Option<u8>,
    /// Holds one answer of this unit back until its time has long passed.
    pub late_once: Option<u8>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    answers: u32,
    broken: u32,
    /// Good answers by unit id.
    good: BTreeMap<u8, u32>,
}

/// A line. It lives as long as the story.
pub struct Cable {
    /// Where a node finds it.
    pub address: String,
    state: Arc<Mutex<State>>,
}

/// What no meter of the demo may take to answer, and more.
const LATE: Duration = Duration::from_millis(1500);

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cable {
    /// Lays a line to meters that answer at an address.
    pub fn lay(meters: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let (meters, shared) = (meters.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for node in listener.incoming() {
                let (Ok(node), Ok(meters)) = (node, TcpStream::connect(&meters)) else { continue };
                let shared = Arc::clone(&shared);
                // Each ends with its connection.
                std::thread::spawn(move || carry(&node, &meters, &shared));
            }
        });
        Ok(Self { address, state })
    }

    /// Orders faults, instead of those before.
    pub fn order(&self, faults: Faults) {
        lock(&self.state).faults = faults;
    }

    /// How many answers were passed on as they were, of all units.
    #[must_use]
    pub fn good(&self) -> u32 {
        lock(&self.state).good.values().sum()
    }

    /// How many answers were passed on to a unit's requests as they were.
    #[must_use]
    pub fn good_of(&self, unit: u8) -> u32 {
        lock(&self.state).good.get(&unit).copied().unwrap_or(0)
    }

    /// How many answers were broken, held back or replaced.
    #[must_use]
    pub fn broken(&self) -> u32 {
        lock(&self.state).broken
    }
}

fn carry(node: &TcpStream, meters: &TcpStream, state: &Arc<Mutex<State>>) -> Option<()> {
    node.set_nodelay(true).ok()?;
    meters.set_nodelay(true).ok()?;
    let (mut from_node, mut to_meters) = (node.try_clone().ok()?, meters.try_clone().ok()?);
    std::thread::spawn(move || {
        // Ends when the node does; then nobody waits for answers either.
        std::io::copy(&mut from_node, &mut to_meters).ok();
        to_meters.shutdown(std::net::Shutdown::Both).ok();
    });
    let (mut meters, mut node) = (meters, node);
    let mut waiting = Vec::new();
    let mut buffer = [0; 512];
    loop {
        while let Some(len) = frame_len(&waiting).filter(|&len| len <= waiting.len()) {
            let mut frame: Vec<u8> = waiting.drain(..len).collect();
            let (manner, split) = decide(&mut frame, &mut lock(state));
            match manner {
                Manner::Pass if split => {
                    for byte in &frame {
                        node.write_all(&[*byte]).ok()?;
                        std::thread::park_timeout(Duration::from_millis(1));
                    }
                }
                Manner::Pass => node.write_all(&frame).ok()?,
                Manner::Late => {
                    let mut node = node.try_clone().ok()?;
                    std::thread::spawn(move || {
                        std::thread::park_timeout(LATE);
                        node.write_all(&frame).ok()
                    });
                }
            }
        }
        match meters.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => waiting.extend_from_slice(buffer.get(..count)?),
        }
    }
}

enum Manner {
    Pass,
    Late,
}

/// Decides what becomes of an answer, and counts it.
fn decide(frame: &mut Vec<u8>, state: &mut State) -> (Manner, bool) {
    let unit = frame.first().copied().unwrap_or(0);
    let faults = state.faults;
    state.answers += 1;
    if faults.late_once == Some(unit) {
        state.faults.late_once = None;
        state.broken += 1;
        return (Manner::Late, false);
    }
    if faults.refuses == Some(unit) {
        let function = frame.get(1).copied().unwrap_or(0);
        *frame = vec![unit, function | 0x80, 4];
        let sum = crc(frame);
        frame.extend(sum.to_le_bytes());
        state.broken += 1;
    } else if 0 < faults.noise_each && state.answers.is_multiple_of(faults.noise_each) {
        let place = usize::try_from(state.answers).unwrap_or(0) % frame.len();
        frame.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 0x10);
        state.broken += 1;
    } else {
        *state.good.entry(unit).or_default() += 1;
    }
    (Manner::Pass, faults.split)
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        exception if 0x80 <= exception => Some(5),
        _ => Some(usize::from(*bytes.get(2)?) + 5),
    }
}

/// Modbus over Serial Line V1.02, 6.2.2.
fn crc(bytes: &[u8]) -> u16 {
    let mut sum = 0xFFFF;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xA001 } else { sum >> 1 };
        }
    }
    sum
}
