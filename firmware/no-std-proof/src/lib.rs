//! Proves that the node needs no std and no heap.
//!
//! A static library with its own panic handler. If anything below `firmware` pulled in std,
//! there would be two of them and the build would end with E0152; if anything allocated,
//! there would be no allocator. It also puts a whole node together, so that every generic
//! of it is compiled without std, as on a board.
#![no_std]

use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::host::LinkError;
use firmware::rtu::{NoDriverEnable, Port, RtuBus};
use firmware::{Clock, Dialer, Event, Host, Identity, NoUpdates, Node, RamOutbox, UplinkBuffers};
use wire::Name;
use wire::message::{self, Action, Outcome};
use wire::modbus::LineSettings;

/// A line on which nothing ever happens.
struct Nothing;

impl ErrorType for Nothing {
    type Error = Infallible;
}

impl Read for Nothing {
    async fn read(&mut self, _buf: &mut [u8]) -> Result<usize, Infallible> {
        pending().await
    }
}

impl Write for Nothing {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Port for Nothing {
    async fn open(&mut self, _line: &LineSettings) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Dialer for Nothing {
    type Connection<'a> = Self;

    async fn dial(&mut self) -> Result<Self, LinkError> {
        Ok(Self)
    }
}

impl Clock for Nothing {
    fn now(&self) -> Option<i64> {
        None
    }

    fn quality(&self) -> message::Clock {
        message::Clock::Estimated
    }

    async fn sleep_until(&self, _instant: i64) {
        pending().await
    }
}

impl Host for Nothing {
    fn tell(&self, _event: Event) {}

    fn act(&self, _action: Action) -> Outcome {
        Outcome::Refused
    }
}

/// Puts a node together and lets it take one step.
///
/// The name is exported so that the linker keeps what it reaches.
#[unsafe(no_mangle)]
pub extern "C" fn node_takes_a_step() -> bool {
    let (Ok(site), Ok(name)) = (Name::new("site"), Name::new("node")) else { return false };
    let identity = Identity { site, node: name, boot: 1 };
    let node = Node::<NoopRawMutex, _>::new(identity, RamOutbox::new([0; 8192]));
    let mut bus = RtuBus::new(Nothing, NoDriverEnable);
    let (mut dialer, mut buffers, mut updates) = (Nothing, UplinkBuffers::new(), NoUpdates);
    let run =
        pin!(node.run(&mut bus, &mut dialer, &Nothing, &Nothing, None, &mut buffers, &mut updates));
    run.poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
