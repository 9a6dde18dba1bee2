//! What a node must know before it has its plan: `site=… id=… broker=…`, `time=…` for a time
//! server that is not the broker's machine, `host=…` for the name that the other side must prove,
//! `user=… password=…` for a broker that asks, and for a demonstration `clock=…` as all programs
//! of one share it.

use core::net::SocketAddrV4;

use firmware::Login;
use wire::Name;

/// The name that a gateway proves to its nodes, wherever it stands.
const GATEWAY: &str = "gengfu-gateway";

/// Who a node is and where its broker is.
#[derive(Clone, Copy)]
pub struct Arguments {
    /// Where it is.
    pub site: Name,
    /// Which of the site's nodes it is.
    pub node: Name,
    /// The gateway's own listener or a broker.
    pub broker: SocketAddrV4,
    /// The name that the other side must prove, if the connection is protected.
    pub host: &'static str,
    /// What the broker lets it in by, if it asks.
    pub login: Option<Login<'static>>,
    /// Who tells the time; the broker's machine if nobody is named.
    pub time: SocketAddrV4,
    /// That the site's clock showed so many Unix milliseconds …
    pub start_ms: i64,
    /// … when the true one showed so many …
    pub anchor_ms: i64,
    /// … and runs so many times as fast.
    pub speed: u32,
}

impl Arguments {
    /// Reads the `key=value` words of several texts, of which later ones hold; words of other
    /// kinds are passed over. `None` if one is missing or makes no sense.
    #[must_use]
    pub fn read(texts: &[&'static str]) -> Option<Self> {
        let (mut site, mut node, mut broker, mut time) = (None, None, None, None);
        let (mut host, mut user, mut password) = (GATEWAY, None, None);
        let (mut start_ms, mut anchor_ms, mut speed) = (0, 0, 1);
        for (key, value) in
            texts.iter().flat_map(|text| text.split(' ')).filter_map(|word| word.split_once('='))
        {
            match key {
                "site" => site = Some(Name::new(value).ok()?),
                "id" => node = Some(Name::new(value).ok()?),
                "broker" => broker = Some(value.parse().ok()?),
                "host" => host = value,
                "user" => user = Some(value),
                "password" => password = Some(value.as_bytes()),
                "time" => time = Some(value.parse().ok()?),
                "clock" => {
                    let (start, rest) = value.split_once('@')?;
                    let (anchor, times) = rest.split_once('x')?;
                    start_ms = start.parse().ok()?;
                    anchor_ms = anchor.parse().ok()?;
                    speed = times.parse().ok()?;
                }
                _ => {}
            }
        }
        let (site, node, broker): (_, _, SocketAddrV4) = (site?, node?, broker?);
        let time = time.unwrap_or(SocketAddrV4::new(*broker.ip(), 123));
        let login = user.zip(password).map(|(user, password)| Login { user, password });
        Some(Self { site, node, broker, host, login, time, start_ms, anchor_ms, speed })
    }

    /// Returns what the site's clock shows when the true one shows so many Unix milliseconds.
    #[must_use]
    pub fn site_ms(&self, true_ms: i64) -> i64 {
        let passed = true_ms.saturating_sub(self.anchor_ms);
        self.start_ms.saturating_add(passed.saturating_mul(i64::from(self.speed)))
    }
}
