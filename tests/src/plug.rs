//! A network cable between two programs, to be pulled out and put back.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// A cable: who connects to its address is passed on, as long as it is plugged in.
pub struct Plug {
    address: SocketAddr,
    ends: Arc<Ends>,
}

struct Ends {
    is_plugged: AtomicBool,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Plug {
    /// Lays a cable to a port of this machine, and plugs it in.
    pub fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let ends = Arc::new(Ends {
            is_plugged: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let own = Arc::clone(&ends);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                // Out, or nobody at the other end: it is closed by being dropped.
                if own.is_plugged.load(Ordering::SeqCst)
                    && let Ok(far) = TcpStream::connect(("127.0.0.1", port))
                {
                    own.join(&near, &far).ok();
                }
            }
        });
        Ok(Self { address, ends })
    }

    /// Where to connect instead of to the other end.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pulls it out: all connections break, and there are no new ones.
    pub fn pull(&self) {
        self.ends.is_plugged.store(false, Ordering::SeqCst);
        for stream in self.ends.streams().drain(..) {
            // It may have ended by itself.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Puts it back.
    pub fn plug(&self) {
        self.ends.is_plugged.store(true, Ordering::SeqCst);
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.ends.is_over.store(true, Ordering::SeqCst);
        self.pull();
        // Wakes the thread, so that it sees the end.
        TcpStream::connect(self.address).ok();
    }
}

impl Ends {
    fn join(&self, near: &TcpStream, far: &TcpStream) -> io::Result<()> {
        for stream in [near, far] {
            stream.set_nodelay(true)?;
        }
        for (from, to) in [(near, far), (far, near)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            thread::spawn(move || {
                io::copy(&mut from, &mut to).ok();
                // One direction over, both are: MQTT knows no half.
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
            });
        }
        self.streams().extend([near.try_clone()?, far.try_clone()?]);
        Ok(())
    }

    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
