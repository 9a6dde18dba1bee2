//! Faults on the cable, byte by byte.
//!
//! In: what tokio-modbus's server answers, through a pipe. Out: what a client gets to see of
//! it. The server stays honest and ignorant; a bad CRC is a broken byte of its right answer.
//!
//! Afterwards:
//! - an answer of a silent meter is dropped, one of a meter with bad CRC has a broken CRC,
//!   one of a delayed meter comes late and may meet the next request, as on a real line;
//! - the answers of its neighbours pass at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::script::Faults;
use crate::serve::BusKind;

/// Bytes that wait between server and client: some frames of at most 260 bytes.
pub(crate) const PIPE_BYTES: usize = 2_048;

/// Late answers that may be under way on one connection; further ones are dropped.
const LATE_MAX: usize = 32;

/// Carries requests and answers between a client and the server until either leaves.
pub(crate) async fn carry(
    client: TcpStream,
    server: DuplexStream,
    kind: BusKind,
    faults: impl Fn(u8) -> Faults,
) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = tokio::io::split(server);
    let requests = async {
        let copied = tokio::io::copy(&mut from_client, &mut to_server).await;
        let closed = to_server.shutdown().await;
        tracing::debug!(?copied, ?closed, "client has left");
        // The answers that are still due end the connection.
        std::future::pending::<()>().await;
    };
    let answers = answers(from_server, to_client, kind, faults);
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

async fn answers<W>(
    mut server: impl AsyncRead + Unpin,
    client: W,
    kind: BusKind,
    faults: impl Fn(u8) -> Faults,
) where
    W: AsyncWrite + Unpin + Send + 'static,
{
    let client = Arc::new(Mutex::new(client));
    let mut late = JoinSet::new();
    let mut waiting = Vec::with_capacity(PIPE_BYTES);
    loop {
        while let Some(len) = frame_len(kind, &waiting).filter(|&len| len <= waiting.len()) {
            let mut frame: Vec<u8> = waiting.drain(..len).collect();
            let faults = faults(unit_id(kind, &frame));
            if faults.silent {
                continue;
            }
            if faults.bad_crc {
                break_check(kind, &mut frame);
            }
            if faults.delay_ms == 0 {
                if client.lock().await.write_all(&frame).await.is_err() {
                    return;
                }
                continue;
            }
            while late.try_join_next().is_some() {}
            if late.len() < LATE_MAX {
                let client = Arc::clone(&client);
                late.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(u64::from(faults.delay_ms))).await;
                    // If the client has left meanwhile, the main loop sees it too.
                    client.lock().await.write_all(&frame).await.is_ok()
                });
            }
        }
        match server.read_buf(&mut waiting).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
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
