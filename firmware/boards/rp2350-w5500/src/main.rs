//! The node on an RP2350 with a W5500, such as WIZnet's W5500-EVB-Pico2: wiring only.
//!
//! | what | where |
//! |---|---|
//! | W5500 | SPI0: MISO GP16, CS GP17, SCK GP18, MOSI GP19, reset GP20, interrupt GP21 |
//! | RS-485 | UART1: TX GP4, RX GP5, driver enable GP6 |
//! | serial NOR of the outbox | SPI1: SCK GP10, MOSI GP11, MISO GP12, CS GP13 |
//! | lamp | GP25 |
//!
//! The meters' line runs at a higher interrupt priority than the network; both run in
//! interrupts, since WFE does not let this chip sleep (embassy issue 4818).
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_executor::{InterruptExecutor, Spawner};
use embassy_futures::join::{join, join4};
use embassy_net::{Runner, StackResources};
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{Device, State};
use embassy_rp::bind_interrupts;
use embassy_rp::dma;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::interrupt;
use embassy_rp::interrupt::{InterruptExt, Priority};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0, SPI1, TRNG, UART1};
use embassy_rp::spi::{self, Async, Blocking, Spi};
use embassy_rp::trng::{self, Trng};
use embassy_rp::uart::{self, BufferedInterruptHandler, BufferedUart};
use embassy_rp::watchdog::Watchdog;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
#[cfg(feature = "tls")]
use embassy_sync::mutex::Mutex;
use embassy_time::{Delay, Duration, Timer};
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::rtu::{Port, RtuBus};
use firmware::{FlashOutbox, Identity, UplinkBuffers};
use kit::{Arguments, Broker, Client, ClientState, Lamp, Nor, Reason, SiteClock, sntp, watch};
use static_cell::{ConstStaticCell, StaticCell};
#[cfg(feature = "tls")]
use wire::Papers;
use wire::modbus::{LineSettings, Parity};

/// Who the node is, unless the build says otherwise.
#[cfg(not(feature = "tls"))]
const ARGUMENTS: &str = match option_env!("GENGFU_NODE") {
    Some(arguments) => arguments,
    None => "site=site id=node-1 broker=192.168.1.10:1883 time=192.168.1.10:123",
};

/// What this image is, for whoever signs it.
#[cfg(feature = "tls")]
static MARK: wire::message::ImageMark = wire::message::ImageMark::new(BOARD, firmware::VERSION);
#[cfg(feature = "tls")]
const BOARD: &str = "rp2350-w5500";

/// The watchdog bites after so long without food; the chip counts no further than 16.7 s.
const BITE: Duration = Duration::from_secs(16);

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
    UART1_IRQ => BufferedInterruptHandler<UART1>;
});

type ChipBus = ExclusiveDevice<Spi<'static, SPI1, Blocking>, Output<'static>, Delay>;
#[cfg(feature = "tls")]
type Flash = kit::boot::Part<ChipBus>;
#[cfg(not(feature = "tls"))]
type Flash = Nor<ChipBus>;
type Ethernet = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;
type EthernetRunner =
    embassy_net_wiznet::Runner<'static, W5500, Ethernet, Input<'static>, Output<'static>>;
type Node = firmware::Node<CriticalSectionRawMutex, FlashOutbox<Flash>>;

/// Runs in an interrupt that only software raises.
static BUS: InterruptExecutor = InterruptExecutor::new();
static NETWORK: InterruptExecutor = InterruptExecutor::new();
static LAMP: Lamp = Lamp::new();
static CLOCK: SiteClock = SiteClock::new(1);

#[embassy_rp::interrupt]
#[allow(unsafe_code, reason = "an executor trusts its interrupt; the macro makes two functions")]
unsafe fn SWI_IRQ_0() {
    // SAFETY: this is its interrupt, masked until the executor starts.
    unsafe { BUS.on_interrupt() }
}

#[embassy_rp::interrupt]
#[allow(unsafe_code, reason = "an executor trusts its interrupt; the macro makes two functions")]
unsafe fn SWI_IRQ_1() {
    // SAFETY: as above.
    unsafe { NETWORK.on_interrupt() }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    Reason::save(file, line);
    SCB::sys_reset()
}

/// The meters' line.
struct Line {
    uart: BufferedUart,
    set: Option<LineSettings>,
}

impl ErrorType for Line {
    type Error = uart::Error;
}

impl Port for Line {
    async fn open(&mut self, line: &LineSettings) -> Result<(), uart::Error> {
        if self.set.as_ref() != Some(line) {
            self.set = Some(*line);
            self.uart.set_baudrate(line.baud);
            // The driver sets parity and stop bits when it is made, and never again.
            embassy_rp::pac::UART1.uartlcr_h().modify(|control| {
                control.set_pen(line.parity != Parity::None);
                control.set_eps(line.parity == Parity::Even);
                control.set_stp2(line.stop_bits == 2);
            });
        }
        Ok(())
    }
}

impl Read for Line {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, uart::Error> {
        match self.uart.read(buf).await {
            // A byte that the line spoilt; the check sum sees to the rest.
            Err(_) => Ok(buf.len().min(1)),
            read => read,
        }
    }
}

impl Write for Line {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, uart::Error> {
        self.uart.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), uart::Error> {
        self.uart.flush().await?;
        // The last byte has left the buffer and not yet the pin, which the driver must outlast.
        while self.uart.busy() {
            Timer::after(Duration::from_micros(100)).await;
        }
        Ok(())
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    start();
    loop {
        cortex_m::asm::wfi();
    }
}

struct Parts {
    arguments: Arguments,
    #[cfg(feature = "tls")]
    papers: Papers<'static>,
    ethernet: Ethernet,
    interrupt: Input<'static>,
    reset: Output<'static>,
    random: Trng<'static, TRNG>,
    nor: Nor<ChipBus>,
    watchdog: Watchdog,
    lamp: Output<'static>,
}

/// Reads what was flashed into the last sector.
#[cfg(feature = "tls")]
fn papers() -> Option<Papers<'static>> {
    const PAPERS: *const [u8; Papers::BYTES_MAX] = core::ptr::without_provenance(0x101F_F000);
    #[expect(unsafe_code, reason = "flash at a fixed address")]
    // SAFETY: the flash is there on this board, and no image reaches that sector (`memory.x`).
    Papers::decode(unsafe { &*PAPERS }).ok()
}

// Not inlined: `main` never ends, so all that it has on its stack stays there.
#[inline(never)]
fn start() {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    // Nobody here can be told; a debugger finds the reason of the last reset by its name.
    let _last = Reason::take();
    #[cfg(feature = "tls")]
    let Some(papers) = papers() else { return };
    #[cfg(feature = "tls")]
    let arguments = Arguments::read(&[papers.arguments]);
    #[cfg(not(feature = "tls"))]
    let arguments = Arguments::read(&[ARGUMENTS]);
    let Some(arguments) = arguments else { return };
    let mut watchdog = Watchdog::new(p.WATCHDOG);
    watchdog.start(BITE);

    static RECEIVED: ConstStaticCell<[u8; 320]> = ConstStaticCell::new([0; 320]);
    static TO_SEND: ConstStaticCell<[u8; 16]> = ConstStaticCell::new([0; 16]);
    let (tx, rx) = (TO_SEND.take(), RECEIVED.take());
    let uart = BufferedUart::new(p.UART1, p.PIN_4, p.PIN_5, Irqs, tx, rx, uart::Config::default());
    let driver = Output::new(p.PIN_6, Level::Low);

    let mut fast = spi::Config::default();
    fast.frequency = 20_000_000;
    let nor = Spi::new_blocking(p.SPI1, p.PIN_10, p.PIN_11, p.PIN_12, fast.clone());
    let nor = ExclusiveDevice::new(nor, Output::new(p.PIN_13, Level::High), Delay);
    let ethernet = Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Irqs, fast);
    let ethernet = ExclusiveDevice::new(ethernet, Output::new(p.PIN_17, Level::High), Delay);
    let (Ok(nor), Ok(ethernet)) = (nor, ethernet);

    interrupt::SWI_IRQ_0.set_priority(Priority::P1);
    interrupt::SWI_IRQ_1.set_priority(Priority::P3);
    let network = NETWORK.start(interrupt::SWI_IRQ_1);
    let parts = Parts {
        arguments,
        #[cfg(feature = "tls")]
        papers,
        ethernet,
        interrupt: Input::new(p.PIN_21, Pull::Up),
        reset: Output::new(p.PIN_20, Level::High),
        random: Trng::new(p.TRNG, Irqs, trng::Config::default()),
        nor: Nor::new(nor),
        watchdog,
        lamp: Output::new(p.PIN_25, Level::Low),
    };
    if let Ok(token) = run(parts, Line { uart, set: None }, driver) {
        network.spawn(token);
    }
}

#[embassy_executor::task]
async fn run(parts: Parts, line: Line, driver: Output<'static>) {
    static NODE: StaticCell<Node> = StaticCell::new();
    static PACKETS: ConstStaticCell<State<1, 1>> = ConstStaticCell::new(State::new());
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    static STATE: StaticCell<ClientState> = StaticCell::new();
    static CLIENT: StaticCell<Client> = StaticCell::new();
    static BUFFERS: ConstStaticCell<UplinkBuffers> = ConstStaticCell::new(UplinkBuffers::new());

    let Parts { arguments, ethernet, interrupt, reset, mut random, nor, .. } = parts;
    let (mut watchdog, lamp) = (parts.watchdog, parts.lamp);
    // Without its flash a node would lose readings and nobody would know; it starts again.
    let fresh_boot = random.blocking_next_u32();
    #[cfg(feature = "tls")]
    let (shared, nor) = {
        static CHIP: StaticCell<kit::boot::Chip<ChipBus>> = StaticCell::new();
        let shared: &'static _ = CHIP.init(Mutex::new(nor));
        (shared, kit::boot::outbox(shared))
    };
    let Ok(outbox) = FlashOutbox::open(nor, fresh_boot).await else { return };
    let identity = Identity { site: arguments.site, node: arguments.node, boot: outbox.boot() };
    let node: &'static Node = NODE.init(Node::new(identity, outbox));
    let bus = BUS.start(interrupt::SWI_IRQ_0);
    if let Ok(token) = read_meters(node, line, driver) {
        bus.spawn(token);
    }

    // Local, and the chip's own: another each time would ask for another address each time.
    let [a, b, c, d, e, ..] = embassy_rp::otp::get_chipid().unwrap_or(1).to_le_bytes();
    let address = [0x02, a, b, c, d, e];
    let made = embassy_net_wiznet::new(address, PACKETS.take(), ethernet, interrupt, reset);
    let Ok((device, chip)) = made.await else { return };
    let here = spawner().await;
    if let Ok(token) = drive(chip) {
        here.spawn(token);
    }
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(device, config, resources, random.blocking_next_u64());
    if let Ok(token) = network(runner) {
        here.spawn(token);
    }
    let client = CLIENT.init(Broker::client(stack, STATE.init(ClientState::new())));
    let broker = Broker::new(stack, client, arguments.broker);
    #[cfg(feature = "tls")]
    let broker = {
        use kit::tls::{Buffers, ProtectedBroker};
        static ROOM: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
        let papers = parts.papers;
        ProtectedBroker::new(broker, papers, arguments.host, random, &CLOCK, ROOM.take())
    };
    #[cfg(feature = "tls")]
    let mut updates = {
        static WORD: ConstStaticCell<[u8; kit::boot::WORD]> = ConstStaticCell::new([0; _]);
        let Ok(name) = wire::Name::new(BOARD) else { return };
        kit::boot::updater(shared, name, &MARK, parts.papers, WORD.take()).await
    };
    #[cfg(not(feature = "tls"))]
    let mut updates = firmware::NoUpdates;
    let mut broker = broker;
    let work = join4(
        node.publish(&mut broker, &LAMP, arguments.login, BUFFERS.take(), &mut updates),
        sntp::tell_time(stack, arguments.time, &CLOCK),
        watch::feed(|| watchdog.feed(BITE)),
        LAMP.burn(lamp),
    );
    #[cfg(feature = "tls")]
    {
        embassy_futures::select::select(work, kit::boot::start_is_due()).await;
        SCB::sys_reset();
    }
    #[cfg(not(feature = "tls"))]
    work.await;
}

#[embassy_executor::task]
async fn drive(chip: EthernetRunner) {
    chip.run().await;
}

#[embassy_executor::task]
async fn read_meters(node: &'static Node, line: Line, driver: Output<'static>) {
    static RTU: StaticCell<RtuBus<Line, Output<'static>>> = StaticCell::new();
    let bus = RTU.init(RtuBus::new(line, driver));
    join(node.read_meters(bus, &CLOCK, &LAMP), watch::check_in()).await;
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Device<'static>>) {
    runner.run().await;
}

#[expect(unsafe_code, reason = "the executor is asked who it is")]
async fn spawner() -> Spawner {
    // SAFETY: awaited in a task of the executor, which lies in a static.
    unsafe { Spawner::for_current_executor().await }
}
