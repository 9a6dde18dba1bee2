//! The true time, from the gateway's machine or another server (SNTP, RFC 4330).

use core::net::SocketAddrV4;

use embassy_net::Stack;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_time::{Duration, Instant, Timer, with_timeout};

use crate::SiteClock;

/// Seconds from 1900, where the protocol counts from, to 1970.
const TO_UNIX_S: u32 = 2_208_988_800;
const PACKET: usize = 48;
/// Version 4, client.
const ASK: u8 = 0x23;
const SERVER: u8 = 4;

const ANSWER_MAX: Duration = Duration::from_secs(3);
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(3600);

/// Sets the clock from a server, once an hour, for ever.
pub async fn tell_time(stack: Stack<'static>, server: SocketAddrV4, clock: &SiteClock) {
    loop {
        stack.wait_config_up().await;
        let pause = match ask(stack, server).await {
            Some(now_ms) => {
                clock.set(now_ms);
                AGAIN
            }
            None => AGAIN_AFTER_FAILURE,
        };
        Timer::after(pause).await;
    }
}

async fn ask(stack: Stack<'static>, server: SocketAddrV4) -> Option<i64> {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let (mut rx, mut tx) = ([0; PACKET], [0; PACKET]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(0).ok()?;
    let mut packet = [0; PACKET];
    // The server sends back what we say our time is: nobody else can know it.
    let nonce = Instant::now().as_ticks().to_be_bytes();
    packet.first_mut().map(|first| *first = ASK)?;
    packet.get_mut(40..48)?.copy_from_slice(&nonce);
    let asked = Instant::now();
    socket.send_to(&packet, server).await.ok()?;
    let answer = with_timeout(ANSWER_MAX, socket.recv_from(&mut packet)).await.ok()?;
    let (len, _) = answer.ok()?;
    if len < PACKET || packet.first()? & 7 != SERVER || packet.get(24..32)? != nonce {
        return None;
    }
    // Stratum 0 says that the server itself does not know.
    if *packet.get(1)? == 0 {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = packet.get(40..48)?.first_chunk().copied()?;
    let seconds = u32::from_be_bytes([a, b, c, d]).wrapping_sub(TO_UNIX_S);
    let fraction = u64::from(u32::from_be_bytes([e, f, g, h]));
    let millis = i64::try_from(fraction.saturating_mul(1000) >> 32).ok()?;
    // Half of the way there and back has passed since the server wrote this.
    let half = i64::try_from(asked.elapsed().as_millis() / 2).ok()?;
    Some(i64::from(seconds).saturating_mul(1000).saturating_add(millis).saturating_add(half))
}
