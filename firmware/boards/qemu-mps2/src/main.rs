//! The node on the emulated board mps2-an386: wiring only.
//!
//! The meters' line runs at a higher interrupt priority than the network, so neither a burst
//! of frames nor a slow broker makes an answer late. `main` itself only sleeps: the emulator
//! takes WFE for nothing and would burn a core in embassy's thread executor; WFI is honest,
//! there as on silicon.
//!
//! Who it is and where its broker is stand in the emulator's arguments:
//! `site=… id=… broker=10.0.2.2:1883`; with TLS also in its papers, the file `papers.bin`.
#![no_std]
#![no_main]

mod flash;
mod interrupt;
mod lan9118;
mod log;
#[cfg(feature = "tls")]
mod random;
mod register;
mod rescue;
#[allow(dead_code, reason = "the boot loader's half of it")]
mod semihost;
mod time;
mod uart;
#[cfg(feature = "tls")]
mod update;

use embassy_executor::Spawner;
use embassy_futures::block_on;
use embassy_futures::join::{join, join3};
use embassy_net::{Runner, StackResources};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::{Duration, Timer};
use firmware::rtu::{NoDriverEnable, RtuBus};
use firmware::{FlashOutbox, Identity, UplinkBuffers};
use kit::{Arguments, Broker, Client, ClientState, SiteClock};
use static_cell::{ConstStaticCell, StaticCell};
#[cfg(feature = "tls")]
use wire::Papers;

use flash::Flash;
use interrupt::Interrupt;
use lan9118::Lan9118;
use log::Board;
use uart::Line;

type Node = firmware::Node<CriticalSectionRawMutex, FlashOutbox<Flash>>;

static NODE: StaticCell<Node> = StaticCell::new();
static CLOCK: StaticCell<SiteClock> = StaticCell::new();
static BUS: StaticCell<RtuBus<Line, NoDriverEnable>> = StaticCell::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        uart::start_log();
        rescue::tell_last_reason();
        rescue::start();
        interrupt::start(&mut core.NVIC);
        time::start();
        begin();
    }
    loop {
        cortex_m::asm::wfi();
    }
}

#[inline(never)]
fn begin() {
    static TEXT: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
    let text = semihost::arguments(TEXT.take());
    #[cfg(feature = "tls")]
    let Some(papers) = papers() else {
        log::line(&["no papers: `gengfu node enroll` makes papers.bin"], None);
        return;
    };
    #[cfg(feature = "tls")]
    let known = Arguments::read(&[papers.arguments, text]).map(|arguments| (arguments, papers));
    #[cfg(not(feature = "tls"))]
    let known = Arguments::read(&[text]).map(|arguments| (arguments, ()));
    match known {
        Some((arguments, papers)) => start(arguments, papers),
        None => log::line(&["arguments: site=… id=… broker=address:port"], None),
    }
}

/// What proves who this board is; nothing in a closed network.
#[cfg(feature = "tls")]
type Proof = Papers<'static>;
#[cfg(not(feature = "tls"))]
type Proof = ();

#[cfg(feature = "tls")]
fn papers() -> Option<Papers<'static>> {
    static BLOCK: ConstStaticCell<[u8; Papers::BYTES_MAX]> =
        ConstStaticCell::new([0; Papers::BYTES_MAX]);
    let block = BLOCK.take();
    semihost::File::open(c"papers.bin").ok()?.read_at(0, block).ok()?;
    Papers::decode(block).ok()
}

// Not inlined: `main` never ends, so all that it has on its stack stays there.
#[inline(never)]
fn start(arguments: Arguments, proof: Proof) {
    let clock: &'static SiteClock = CLOCK.init(SiteClock::new(arguments.speed));
    // The file answers at once, so opening the outbox never waits.
    let opened = Flash::open(c"flash.bin", flash::OUTBOX)
        .map(|flash| FlashOutbox::open(flash, semihost::unix_seconds()));
    let outbox = match opened.map(block_on) {
        Ok(Ok(outbox)) => outbox,
        Ok(Err(_)) | Err(_) => {
            log::line(&["no flash: cannot use flash.bin"], None);
            return;
        }
    };
    let identity = Identity { site: arguments.site, node: arguments.node, boot: outbox.boot() };
    log::line(&["run"], Some(outbox.boot()));
    let node: &'static Node = NODE.init(Node::new(identity, outbox));
    let network = interrupt::NETWORK.start(Interrupt::NETWORK);
    let bus = interrupt::BUS.start(Interrupt::BUS);
    if let Ok(token) = read_meters(node, clock) {
        bus.spawn(token);
    }
    if let Ok(token) = publish(node, clock, arguments, proof) {
        network.spawn(token);
    }
}

#[embassy_executor::task]
async fn read_meters(node: &'static Node, clock: &'static SiteClock) {
    let bus = BUS.init(RtuBus::new(Line::new(), NoDriverEnable));
    join(node.read_meters(bus, clock, &Board), kit::watch::check_in()).await;
}

#[embassy_executor::task]
async fn publish(
    node: &'static Node,
    clock: &'static SiteClock,
    arguments: Arguments,
    proof: Proof,
) {
    static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
    static STATE: StaticCell<ClientState> = StaticCell::new();
    static CLIENT: StaticCell<Client> = StaticCell::new();
    static BUFFERS: ConstStaticCell<UplinkBuffers> = ConstStaticCell::new(UplinkBuffers::new());

    // Another number in each run: with the same the broker would take a new connection for
    // the old one, whose end it has not heard of.
    let seed = u64::from(semihost::unix_seconds()) ^ u64::from(node.boot()) << 32;
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(Lan9118::start(), config, resources, seed);
    // The network is not to be sent to another executor, so it is started from its own.
    let here = spawner().await;
    if let Ok(token) = network(runner) {
        here.spawn(token);
    }

    let client = CLIENT.init(Broker::client(stack, STATE.init(ClientState::new())));
    let broker = Broker::new(stack, client, arguments.broker);
    let mut broker = protect(broker, proof, &arguments, clock, seed);
    let buffers = BUFFERS.take();
    #[cfg(feature = "tls")]
    let Some(mut updates) = update::updates(proof).await else {
        log::line(&["no flash: cannot use update.bin and state.bin"], None);
        return;
    };
    #[cfg(not(feature = "tls"))]
    let mut updates = firmware::NoUpdates;
    let work = node.publish(&mut broker, &Board, arguments.login, buffers, &mut updates);
    let work =
        join3(work, tell_time(clock, arguments), join(rescue::feed(), lan9118::watch_link()));
    #[cfg(feature = "tls")]
    {
        embassy_futures::select::select(work, kit::boot::start_is_due()).await;
        // The emulator ends; whoever started it does so again, with the boot loader first.
        semihost::exit(true);
    }
    #[cfg(not(feature = "tls"))]
    work.await;
}

#[cfg(feature = "tls")]
fn protect(
    broker: Broker,
    papers: Papers<'static>,
    arguments: &Arguments,
    clock: &'static SiteClock,
    seed: u64,
) -> kit::tls::ProtectedBroker<random::NoSecret> {
    use kit::tls::{Buffers, ProtectedBroker};
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    let random = random::NoSecret::new(seed);
    ProtectedBroker::new(broker, papers, arguments.host, random, clock, BUFFERS.take())
}

#[cfg(not(feature = "tls"))]
fn protect(broker: Broker, (): (), _: &Arguments, _: &'static SiteClock, _: u64) -> Broker {
    broker
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Lan9118>) {
    runner.run().await;
}

#[expect(unsafe_code, reason = "the executor is asked who it is")]
async fn spawner() -> Spawner {
    // SAFETY: awaited in a task of the executor, which lies in a static.
    unsafe { Spawner::for_current_executor().await }
}

/// Sets the clock when the host's second turns: it tells whole seconds only, which in a
/// demonstration are minutes. Once an hour, as the timers of a real board would need it.
async fn tell_time(clock: &SiteClock, arguments: Arguments) {
    loop {
        let before = semihost::unix_seconds();
        while semihost::unix_seconds() == before {
            Timer::after(Duration::from_millis(2)).await;
        }
        let now_ms = i64::from(semihost::unix_seconds()).saturating_mul(1000);
        clock.set(arguments.site_ms(now_ms));
        Timer::after(Duration::from_secs(3600)).await;
    }
}
