//! Faults on the cable, byte by byte.
//!
//! In: what tokio-modbus's server answers, through a pipe. Out: what a client gets to see of
//! it. The server stays honest and ignorant; a bad CRC is a broken byte of its right answer.
//!
//! Afterwards:
//! - an answer of a silent meter is dropped, one of a meter with bad CRC has a broken CRC,
//!   one of a delayed meter comes late and may meet the next request, as on a real line;
//! - the answers of its neighbours pass at once;
//! - meters with numbers, of which the server knows nothing, answer on the same cable.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::national::{self, Asked, LEAD, Piece};
use crate::script::{Faults, LEADS_MAX};
use crate::serve::BusKind;

/// Bytes that wait between server and client: some frames of at most 260 bytes.
pub(crate) const PIPE_BYTES: usize = 2_048;

/// Late answers that may be under way on one connection; further ones are dropped.
const LATE_MAX: usize = 32;

/// What noise there is before an answer: it ends like the beginning of a frame.
const NOISE: [u8; 6] = [0x00, 0x55, 0x68, 0xFF, 0x10, 0x68];

/// How long the second piece of a split answer waits: a converter passes bytes on in lumps.
const SPLIT: Duration = Duration::from_millis(40);

/// What a line knows of its meters.
pub(crate) trait Meters {
    /// How the meter with a unit id is broken.
    fn faults(&self, unit_id: u8) -> Faults;

    /// What a meter with a number says to a frame, without lead bytes, and how it is broken.
    fn numbered(&self, asked: &Asked) -> Option<(Vec<u8>, Faults)>;
}

/// Carries requests and answers between a client and the server until either leaves. Frames
/// for meters with numbers do not reach the server: they are answered here.
pub(crate) async fn carry(
    client: TcpStream,
    server: DuplexStream,
    kind: BusKind,
    meters: impl Meters,
) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = tokio::io::split(server);
    let to_client = Arc::new(Mutex::new(to_client));
    let requests = async {
        let copied = requests(&mut from_client, &mut to_server, &to_client, kind, &meters).await;
        let closed = to_server.shutdown().await;
        tracing::debug!(?copied, ?closed, "client has left");
        // The answers that are still due end the connection.
        std::future::pending::<()>().await;
    };
    let answers = answers(from_server, Arc::clone(&to_client), kind, |unit| meters.faults(unit));
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

async fn requests<W>(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    to_client: &Arc<Mutex<W>>,
    kind: BusKind,
    meters: &impl Meters,
) -> std::io::Result<()>
where
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut late = JoinSet::new();
    let mut waiting = Vec::with_capacity(PIPE_BYTES);
    loop {
        if client.read_buf(&mut waiting).await? == 0 {
            return Ok(());
        }
        if kind == BusKind::ModbusTcp {
            server.write_all(&std::mem::take(&mut waiting)).await?;
            continue;
        }
        loop {
            match national::take(&mut waiting) {
                Piece::Unfinished => break,
                Piece::Other(bytes) => server.write_all(&bytes).await?,
                Piece::Frame(asked) => {
                    let Some((mut frame, faults)) = meters.numbered(&asked) else { continue };
                    if faults.wrong_address {
                        readdress(&mut frame);
                    }
                    if faults.bad_crc
                        && let Some(at) = frame.len().checked_sub(2)
                    {
                        frame[at] = !frame[at];
                    }
                    let leads = LEADS_MAX.saturating_sub(faults.leads_missing);
                    let leads = std::iter::repeat_n(LEAD, usize::try_from(leads).unwrap_or(0));
                    let frame = leads.chain(frame).collect();
                    if !deliver(to_client, &mut late, frame, faults).await {
                        return Ok(());
                    }
                }
            }
        }
    }
}

async fn answers<W>(
    mut server: impl AsyncRead + Unpin,
    client: Arc<Mutex<W>>,
    kind: BusKind,
    faults: impl Fn(u8) -> Faults,
) where
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut late = JoinSet::new();
    let mut waiting = Vec::with_capacity(PIPE_BYTES);
    loop {
        while let Some(len) = frame_len(kind, &waiting).filter(|&len| len <= waiting.len()) {
            let mut frame: Vec<u8> = waiting.drain(..len).collect();
            let faults = faults(unit_id(kind, &frame));
            if faults.bad_crc {
                break_check(kind, &mut frame);
            }
            if !deliver(&client, &mut late, frame, faults).await {
                return;
            }
        }
        match server.read_buf(&mut waiting).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Passes an answer on as its meter is broken; says whether the client is still there.
async fn deliver<W>(
    client: &Arc<Mutex<W>>,
    late: &mut JoinSet<bool>,
    mut frame: Vec<u8>,
    faults: Faults,
) -> bool
where
    W: AsyncWrite + Unpin + Send + 'static,
{
    if faults.silent {
        return true;
    }
    if faults.noise {
        frame.splice(..0, NOISE);
    }
    if faults.delay_ms == 0 && !faults.split {
        return client.lock().await.write_all(&frame).await.is_ok();
    }
    while late.try_join_next().is_some() {}
    if late.len() < LATE_MAX {
        let client = Arc::clone(client);
        late.spawn(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(faults.delay_ms))).await;
            let at = if faults.split { frame.len() / 2 } else { 0 };
            let (first, second) = frame.split_at(at);
            // If the client has left meanwhile, the main loop sees it too.
            let mut client = client.lock().await;
            if !first.is_empty() {
                if client.write_all(first).await.is_err() {
                    return false;
                }
                tokio::time::sleep(SPLIT).await;
            }
            client.write_all(second).await.is_ok()
        });
    }
    true
}

/// Puts another number into a frame, and the sum that belongs to it.
fn readdress(frame: &mut [u8]) {
    // The second byte of the address in both protocols; the sum is the last but one.
    let sum_at = frame.len().saturating_sub(2);
    if sum_at <= 3 {
        return;
    }
    let before = frame[3];
    frame[3] ^= 0x11;
    frame[sum_at] = frame[sum_at].wrapping_sub(before).wrapping_add(frame[3]);
}

/// Returns the length of the answer that begins here, once enough of it is there to know.
fn frame_len(kind: BusKind, bytes: &[u8]) -> Option<usize> {
    match kind {
        BusKind::RtuOverTcp => match *bytes.get(1)? {
            // Unit id, function, exception, CRC.
            exception if 0x80 <= exception => Some(5),
            // Unit id, function, count of bytes, the bytes, CRC.
            1..=4 => Some(usize::from(*bytes.get(2)?) + 5),
            // The echo of a write: unit id, function, address, value or count, CRC.
            _ => Some(8),
        },
        BusKind::ModbusTcp => {
            let len = bytes.get(4..6)?;
            Some(len.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)) + 6)
        }
    }
}

fn unit_id(kind: BusKind, frame: &[u8]) -> u8 {
    let at = match kind {
        BusKind::RtuOverTcp => 0,
        BusKind::ModbusTcp => 6,
    };
    frame.get(at).copied().unwrap_or(0)
}

/// Breaks what a client checks: the CRC, or on Modbus TCP the protocol id, which must be 0.
fn break_check(kind: BusKind, frame: &mut [u8]) {
    let byte = match kind {
        BusKind::RtuOverTcp => frame.last_mut(),
        BusKind::ModbusTcp => frame.get_mut(2),
    };
    if let Some(byte) = byte {
        *byte = !*byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 01 04 04 43 66 33 34 -> CRC 1B 38: 230.2 V, from the reference vectors.
    const ANSWER: [u8; 9] = [0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x34, 0x1B, 0x38];

    #[track_caller]
    fn check(kind: BusKind, bytes: &[u8], expected: Option<usize>) {
        assert_eq!(frame_len(kind, bytes), expected);
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        check(BusKind::RtuOverTcp, &ANSWER, Some(9));
        check(BusKind::RtuOverTcp, &ANSWER[..2], None);
        check(BusKind::RtuOverTcp, &[0x01, 0x84, 0x02], Some(5));
        check(BusKind::ModbusTcp, &[0, 7, 0, 0, 0, 3, 9, 0x84, 0x0B], Some(9));
        check(BusKind::ModbusTcp, &[0, 7, 0, 0, 0], None);
    }

    #[tokio::test]
    async fn a_late_answer_does_not_hold_up_its_neighbours() {
        let late = [0x02, 0x84, 0x02, 0x33, 0x01];
        let (mut server, from_server) = tokio::io::duplex(64);
        let (to_client, mut client) = tokio::io::duplex(64);
        let faults = |unit| match unit {
            2 => Faults { delay_ms: 300, ..Faults::default() },
            _ => Faults::default(),
        };
        let to_client = Arc::new(Mutex::new(to_client));
        let line = answers(from_server, to_client, BusKind::RtuOverTcp, faults);

        let talk = async {
            server.write_all(&late).await.unwrap();
            server.write_all(&ANSWER).await.unwrap();
            let mut seen = [0; 14];
            client.read_exact(&mut seen).await.unwrap();
            seen
        };
        let seen = tokio::select! {
            () = line => panic!("the line closed"),
            seen = talk => seen,
        };

        assert_eq!(seen[..9], ANSWER);
        assert_eq!(seen[9..], late);
    }
}
