//! The node on an ST Nucleo-H743ZI: wiring only.
//!
//! | what | where |
//! |---|---|
//! | Ethernet | the board's own socket (RMII: PA1 PA2 PA7 PB13 PC1 PC4 PC5 PG11 PG13) |
//! | RS-485 | USART2: TX PD5, RX PD6, driver enable PD4, switched by the hardware |
//! | serial NOR of the outbox | SPI1: SCK PA5, MISO PA6, MOSI PB5, CS PD14 |
//! | lamp | the green one, PB0 |
//!
//! The meters' line runs at a higher interrupt priority than the network.
#![no_std]
#![no_main]

mod clocks;

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_executor::{InterruptExecutor, Spawner};
use embassy_futures::join::{join, join4};
use embassy_net::{Runner, StackResources};
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::interrupt;
use embassy_stm32::interrupt::{InterruptExt, Priority};
use embassy_stm32::mode::Blocking;
use embassy_stm32::peripherals::{ETH, ETH_SMA, IWDG1, RNG, USART2};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::spi::{self, Spi, mode::Master};
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, BufferedUart, DataBits, Parity, StopBits};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, uid};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
#[cfg(feature = "tls")]
use embassy_sync::mutex::Mutex;
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::rtu::{NoDriverEnable, Port, RtuBus};
use firmware::{FlashOutbox, Identity, UplinkBuffers};
use kit::{Arguments, Broker, Client, ClientState, Lamp, Nor, Reason, SiteClock, sntp, watch};
use static_cell::{ConstStaticCell, StaticCell};
#[cfg(feature = "tls")]
use wire::Papers;
use wire::modbus::{self, LineSettings};

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
const BOARD: &str = "nucleo-h743";

/// The watchdog bites after so many microseconds without food.
const BITE_US: u32 = 16_000_000;

bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
    USART2 => usart::BufferedInterruptHandler<USART2>;
});

type ChipBus = ExclusiveDevice<Spi<'static, Blocking, Master>, Output<'static>, Delay>;
#[cfg(feature = "tls")]
type Flash = kit::boot::Part<ChipBus>;
#[cfg(not(feature = "tls"))]
type Flash = Nor<ChipBus>;
type Node = firmware::Node<CriticalSectionRawMutex, FlashOutbox<Flash>>;
type Network = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

/// Runs in an interrupt of no device of ours.
static BUS: InterruptExecutor = InterruptExecutor::new();
static NETWORK: InterruptExecutor = InterruptExecutor::new();
static LAMP: Lamp = Lamp::new();
static CLOCK: SiteClock = SiteClock::new(1);

#[embassy_stm32::interrupt]
#[allow(unsafe_code, reason = "an executor trusts its interrupt; the macro makes two functions")]
unsafe fn UART7() {
    // SAFETY: this is its interrupt, masked until the executor starts.
    unsafe { BUS.on_interrupt() }
}

#[embassy_stm32::interrupt]
#[allow(unsafe_code, reason = "an executor trusts its interrupt; the macro makes two functions")]
unsafe fn UART8() {
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

/// The meters' line. The hardware holds the transceiver's driver while it sends.
struct Line {
    uart: BufferedUart<'static>,
    set: Option<LineSettings>,
}

impl ErrorType for Line {
    type Error = usart::Error;
}

impl Port for Line {
    async fn open(&mut self, line: &LineSettings) -> Result<(), usart::Error> {
        if self.set.as_ref() != Some(line) {
            // Settings that the hardware cannot do leave those before; the meters are silent.
            if self.uart.set_config(&settings(line)).is_ok() {
                self.set = Some(*line);
            }
        }
        Ok(())
    }
}

fn settings(line: &LineSettings) -> usart::Config {
    let mut config = usart::Config::default();
    config.baudrate = line.baud;
    config.stop_bits = if line.stop_bits == 2 { StopBits::STOP2 } else { StopBits::STOP1 };
    // The parity bit counts as one of the data bits here.
    (config.data_bits, config.parity) = match line.parity {
        modbus::Parity::None => (DataBits::DataBits8, Parity::ParityNone),
        modbus::Parity::Even => (DataBits::DataBits9, Parity::ParityEven),
        modbus::Parity::Odd => (DataBits::DataBits9, Parity::ParityOdd),
    };
    config
}

impl Read for Line {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, usart::Error> {
        match self.uart.read(buf).await {
            // A byte that the line spoilt; the check sum sees to the rest.
            Err(usart::Error::Framing | usart::Error::Noise | usart::Error::Parity) => Ok(1),
            other => other,
        }
    }
}

impl Write for Line {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, usart::Error> {
        self.uart.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), usart::Error> {
        self.uart.flush().await
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    start();
    loop {
        cortex_m::asm::wfi();
    }
}

/// Reads what was flashed into the last sector of bank 2.
#[cfg(feature = "tls")]
fn papers() -> Option<Papers<'static>> {
    const PAPERS: *const [u8; Papers::BYTES_MAX] = core::ptr::without_provenance(0x081E_0000);
    #[expect(unsafe_code, reason = "flash at a fixed address")]
    // SAFETY: the flash is there on this chip, and the program writes nothing to that sector.
    Papers::decode(unsafe { &*PAPERS }).ok()
}

// Not inlined: `main` never ends, so all that it has on its stack stays there.
#[inline(never)]
fn start() {
    let p = embassy_stm32::init(clocks::clocks());
    // Nobody here can be told; a debugger finds the reason of the last reset by its name.
    let _last = Reason::take();
    #[cfg(feature = "tls")]
    let Some(papers) = papers() else { return };
    #[cfg(feature = "tls")]
    let arguments = Arguments::read(&[papers.arguments]);
    #[cfg(not(feature = "tls"))]
    let arguments = Arguments::read(&[ARGUMENTS]);
    let Some(arguments) = arguments else { return };
    let mut watchdog = IndependentWatchdog::new(p.IWDG1, BITE_US);
    watchdog.unleash();

    static RECEIVED: ConstStaticCell<[u8; 320]> = ConstStaticCell::new([0; 320]);
    static TO_SEND: ConstStaticCell<[u8; 16]> = ConstStaticCell::new([0; 16]);
    let uart = BufferedUart::new_with_de(
        p.USART2,
        p.PD6,
        p.PD5,
        p.PD4,
        Irqs,
        TO_SEND.take(),
        RECEIVED.take(),
        settings(&LineSettings::default()),
    );
    let Ok(uart) = uart else { return };

    let mut spi_config = spi::Config::default();
    spi_config.frequency = Hertz(20_000_000);
    let spi = Spi::new_blocking(p.SPI1, p.PA5, p.PB5, p.PA6, spi_config);
    let select = Output::new(p.PD14, Level::High, Speed::VeryHigh);
    let Ok(device) = ExclusiveDevice::new(spi, select, Delay);

    let mut random = Rng::new(p.RNG, Irqs);
    let seed = random.next_u64();
    // Local, and as unique as the chip.
    let [a, b, c, d, e, ..] = uid::uid();
    static PACKETS: ConstStaticCell<PacketQueue<1, 2>> = ConstStaticCell::new(PacketQueue::new());
    let ethernet = Ethernet::new(
        PACKETS.take(),
        p.ETH,
        Irqs,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        [0x02, a, b, c, d, e],
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    let lamp = Output::new(p.PB0, Level::Low, Speed::Low);

    interrupt::UART7.set_priority(Priority::P6);
    interrupt::UART8.set_priority(Priority::P10);
    let network = NETWORK.start(interrupt::UART8);
    let parts = Parts {
        arguments,
        #[cfg(feature = "tls")]
        papers,
        #[cfg(feature = "tls")]
        random,
        ethernet,
        seed,
        nor: Nor::new(device),
        watchdog,
        lamp,
    };
    if let Ok(token) = run(parts, Line { uart, set: None }) {
        network.spawn(token);
    }
}

struct Parts {
    arguments: Arguments,
    #[cfg(feature = "tls")]
    papers: Papers<'static>,
    #[cfg(feature = "tls")]
    random: Rng<'static, RNG>,
    ethernet: Network,
    seed: u64,
    nor: Nor<ChipBus>,
    watchdog: IndependentWatchdog<'static, IWDG1>,
    lamp: Output<'static>,
}

#[embassy_executor::task]
async fn run(parts: Parts, line: Line) {
    static NODE: StaticCell<Node> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    static STATE: StaticCell<ClientState> = StaticCell::new();
    static CLIENT: StaticCell<Client> = StaticCell::new();
    static BUFFERS: ConstStaticCell<UplinkBuffers> = ConstStaticCell::new(UplinkBuffers::new());

    let Parts { arguments, ethernet, seed, nor, mut watchdog, lamp, .. } = parts;
    // Without its flash a node would lose readings and nobody would know; it starts again.
    let [a, b, c, d, ..] = seed.to_le_bytes();
    let fresh_boot = u32::from_le_bytes([a, b, c, d]);
    #[cfg(feature = "tls")]
    let (shared, nor) = {
        static CHIP: StaticCell<kit::boot::Chip<ChipBus>> = StaticCell::new();
        let shared: &'static _ = CHIP.init(Mutex::new(nor));
        (shared, kit::boot::outbox(shared))
    };
    let Ok(outbox) = FlashOutbox::open(nor, fresh_boot).await else { return };
    let identity = Identity { site: arguments.site, node: arguments.node, boot: outbox.boot() };
    let node: &'static Node = NODE.init(Node::new(identity, outbox));
    let bus = BUS.start(interrupt::UART7);
    if let Ok(token) = read_meters(node, line) {
        bus.spawn(token);
    }

    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(ethernet, config, resources, seed);
    if let Ok(token) = network(runner) {
        spawner().await.spawn(token);
    }
    let client = CLIENT.init(Broker::client(stack, STATE.init(ClientState::new())));
    let broker = Broker::new(stack, client, arguments.broker);
    #[cfg(feature = "tls")]
    let broker = {
        use kit::tls::{Buffers, ProtectedBroker};
        static ROOM: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
        let (papers, random) = (parts.papers, parts.random);
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
        watch::feed(|| watchdog.pet()),
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
async fn read_meters(node: &'static Node, line: Line) {
    static RTU: StaticCell<RtuBus<Line, NoDriverEnable>> = StaticCell::new();
    let bus = RTU.init(RtuBus::new(line, NoDriverEnable));
    join(node.read_meters(bus, &CLOCK, &LAMP), watch::check_in()).await;
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Network>) {
    runner.run().await;
}

#[expect(unsafe_code, reason = "the executor is asked who it is")]
async fn spawner() -> Spawner {
    // SAFETY: awaited in a task of the executor, which lies in a static.
    unsafe { Spawner::for_current_executor().await }
}
