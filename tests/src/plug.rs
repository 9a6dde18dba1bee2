//! A network cable between two programs, to be pulled out and put back, or to hold after so
//! many bytes: what happens then does not hang on how fast this machine is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

use crate::world::wait_for;

/// A cable: who connects to its address is passed on, as long as it is plugged in.
pub struct Plug {
    address: SocketAddr,
    ends: Arc<Ends>,
}

struct Ends {
    is_plugged: AtomicBool,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
    /// How many bytes more may come from the other end; `None` if any number may.
    allowance: Mutex<Option<usize>>,
    allowed: Condvar,
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
            allowance: Mutex::default(),
            allowed: Condvar::new(),
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

    /// Lets so many bytes more come from the other end, over all connections together; then
    /// nothing comes, and the connections stay.
    pub fn allow(&self, bytes: usize) {
        self.ends.set_allowance(Some(bytes));
    }

    /// Lets everything come again.
    pub fn allow_all(&self) {
        self.ends.set_allowance(None);
    }

    /// Waits until all that was allowed has come.
    pub fn wait_until_held(&self) -> Result<()> {
        wait_for("the cable to hold", || Ok((*self.ends.allowance() == Some(0)).then_some(())))
    }

    /// Pulls it out: all connections break, and there are no new ones.
    pub fn pull(&self) {
        self.ends.is_plugged.store(false, Ordering::SeqCst);
        // Whoever holds bytes back finds that nobody takes them any more.
        self.allow_all();
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
    fn join(self: &Arc<Self>, near: &TcpStream, far: &TcpStream) -> io::Result<()> {
        for stream in [near, far] {
            stream.set_nodelay(true)?;
        }
        for (from, to, is_inward) in [(near, far, false), (far, near, true)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            let own = Arc::clone(self);
            thread::spawn(move || {
                if is_inward {
                    own.carry(&mut from, &mut to).ok();
                } else {
                    io::copy(&mut from, &mut to).ok();
                }
                // One direction over, both are: MQTT knows no half.
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
            });
        }
        self.streams().extend([near.try_clone()?, far.try_clone()?]);
        Ok(())
    }

    fn carry(&self, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer)?;
            let mut rest = buffer.get(..count).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.take(rest.len()));
                to.write_all(now)?;
                rest = later;
            }
        }
    }

    /// Waits until something may come; returns how much of so many bytes.
    fn take(&self, len: usize) -> usize {
        let nothing = |left: &mut Option<usize>| *left == Some(0);
        let left = self.allowed.wait_while(self.allowance(), nothing);
        let mut left = left.unwrap_or_else(PoisonError::into_inner);
        let now = left.map_or(len, |left| left.min(len));
        *left = left.map(|left| left - now);
        now
    }

    fn set_allowance(&self, bytes: Option<usize>) {
        *self.allowance() = bytes;
        self.allowed.notify_all();
    }

    fn allowance(&self) -> MutexGuard<'_, Option<usize>> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
