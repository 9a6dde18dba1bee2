//! Where connections come in: a socket, with TLS or without.
//!
//! Handshakes cost more than anything else that a stranger can ask for (a signature each,
//! a third of a millisecond), so they are bounded: [`HANDSHAKES_MAX`] at a time, and of one
//! address [`HANDSHAKES_MAX_OF_ONE`]. Whoever is connected already does not wait longer for
//! an answer than those few take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use ntex::io::{Io, IoBoxed};
use ntex::service::cfg::SharedCfg;
use ntex::time::Millis;
use ntex_tls::rustls::{PeerCert, TlsServerFilter};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::hub::{Connected, Hub};
use super::{ListenError, bind};
use crate::config::ListenConfig;
use crate::events;
use crate::tls::{self, Certificates};

/// Handshakes at a time; further connections wait in the system's queue.
const HANDSHAKES_MAX: usize = 32;

/// Handshakes at a time with one address; further connections of it are closed, and a
/// node tries again. More than half, and one stranger could keep all others out.
const HANDSHAKES_MAX_OF_ONE: usize = 16;

/// How long a handshake may take: some seconds on a slow microcontroller.
const HANDSHAKE_TIMEOUT: Millis = Millis(15_000);

/// A socket that listens.
pub struct Entrance {
    socket: TcpListener,
    certificates: Option<Certificates>,
}

impl Entrance {
    /// An entrance without protection.
    #[must_use]
    pub fn plain(socket: TcpListener) -> Self {
        Self { socket, certificates: None }
    }

    /// An entrance that speaks TLS only.
    #[must_use]
    pub fn protected(socket: TcpListener, certificates: Certificates) -> Self {
        Self { socket, certificates: Some(certificates) }
    }

    /// Opens what a configuration names: one entrance, or one without protection and one
    /// with it.
    ///
    /// # Errors
    ///
    /// [`ListenError::Bind`], or [`ListenError::Tls`] if the certificates are of no use.
    pub fn open_all(config: &ListenConfig) -> Result<Vec<Self>, ListenError> {
        let socket = bind(config.address)?;
        let Some(tls) = &config.tls else { return Ok(vec![Self::plain(socket)]) };
        let certificates = Certificates::open(tls.clone())?;
        match tls.address {
            None => Ok(vec![Self::protected(socket, certificates)]),
            Some(address) => {
                Ok(vec![Self::plain(socket), Self::protected(bind(address)?, certificates)])
            }
        }
    }

    /// Returns where it listens.
    ///
    /// # Errors
    ///
    /// The system's, of a socket that is none any more.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn make_ready(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    /// Accepts for ever; `serve` is given each connection once it may speak MQTT.
    pub(super) async fn accept<S, F>(self, hub: Rc<Hub>, config: SharedCfg, serve: S)
    where
        S: Fn(IoBoxed) -> F + Clone + 'static,
        F: Future<Output = ()> + 'static,
    {
        let Ok(socket) = tokio::net::TcpListener::from_std(self.socket) else {
            return; // it is nonblocking and there is a runtime; nothing else can fail
        };
        let handshakes = Rc::new(Handshakes::default());
        loop {
            handshakes.room().await;
            let (stream, from) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of file handles: it helps nobody to ask again at once.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if hub.limits.sessions <= hub.connections() {
                events::client_refused("too-many");
                continue;
            }
            let counted = hub.connected();
            let Ok(io) = io_of(stream, &config) else { continue }; // it hung up between two calls
            let serve = serve.clone();
            match &self.certificates {
                None => {
                    tokio::task::spawn_local(async move {
                        serve(IoBoxed::from(io)).await;
                        drop(counted);
                    });
                }
                Some(certificates) => {
                    let Some(handshake) = handshakes.begin(from.ip()) else {
                        events::client_refused("too-many-handshakes");
                        continue;
                    };
                    let certificates = certificates.current();
                    tokio::task::spawn_local(async move {
                        let shaken =
                            TlsServerFilter::create(io, certificates, HANDSHAKE_TIMEOUT).await;
                        drop(handshake);
                        match shaken {
                            Ok(io) => serve(IoBoxed::from(io)).await,
                            // ntex tells only that it broke off. A certificate that was not
                            // accepted was counted when it was looked at.
                            Err(_) => events::client_refused("no-handshake"),
                        }
                        let _: Connected = counted;
                    });
                }
            }
        }
    }
}

fn io_of(stream: TcpStream, config: &SharedCfg) -> io::Result<Io> {
    stream.into_std().and_then(|stream| ntex::rt::from_tcp_stream(stream, config.clone()))
}

/// Returns the names in the certificate that a client showed; `None` if it showed none,
/// which it can only if it need not.
pub(super) fn names_shown(io: &IoBoxed) -> Option<Vec<String>> {
    let shown = io.query::<PeerCert<'static>>();
    // A certificate that we cannot read has no names, and is nobody's.
    shown.as_ref().map(|PeerCert(certificate)| tls::names_in(certificate).unwrap_or_default())
}

/// How many handshakes are under way.
#[derive(Default)]
struct Handshakes {
    all: Cell<usize>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
    eased: Notify,
}

/// One of them; counts down when it is over.
struct Handshake {
    of: Rc<Handshakes>,
    address: IpAddr,
}

impl Handshakes {
    async fn room(&self) {
        while HANDSHAKES_MAX <= self.all.get() {
            self.eased.notified().await;
        }
    }

    fn begin(self: &Rc<Self>, address: IpAddr) -> Option<Handshake> {
        let mut by_address = self.by_address.borrow_mut();
        let count = by_address.entry(address).or_default();
        if HANDSHAKES_MAX_OF_ONE <= *count {
            return None;
        }
        *count += 1;
        self.all.set(self.all.get() + 1);
        Some(Handshake { of: Rc::clone(self), address })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut by_address = self.of.by_address.borrow_mut();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
        self.of.all.set(self.of.all.get() - 1);
        self.of.eased.notify_one();
    }
}
