//! A simulated campus, its nodes and the gateway in one process; needs nothing else.
//!
//! In: real measurements, laid along the last year by the simulator. First the history goes
//! through the gate, the store and the detectors; then the campus lives on, at a chosen
//! speed, from a quarter of an hour before its lights ought to be off.
//!
//! Everything is real but the meters and the people: nodes poll over Modbus and publish
//! over MQTT, mails go over SMTP to a server that keeps none. One person is played: whoever
//! marks lights as switched off on the page has the simulator switch them off.

mod history;
pub mod mail_sink;
mod people;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use analysis::calendar::{DayType, HolidayCalendar};
use analysis::profile::day_start;
use anyhow::{Context, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use simulator::{BusAddress, BusKind, Campus, Now, ScriptedEvent, Set, demo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wire::Name;

use crate::clock::Clock;
use crate::config::{
    Config, ListenConfig, LogFormat, MailConfig, MailSecurity, MqttConfig, StoreConfig, WebConfig,
};
use crate::node::{self, BusConfig, NodeConfig};
use crate::run::House;

/// The site book of the demo.
pub const SITE_BOOK: &str = include_str!("site.toml");

/// When the campus wakes up, s after midnight: the lights ought to be off at 22:30, a
/// quarter hour of grace and two of proof later somebody hears of it.
const WAKES_S: i64 = (22 * 60 + 20) * 60;
/// When somebody forgets the lights of the second floor, s after midnight.
const FORGOTTEN_S: i64 = (22 * 60 + 15) * 60;
const FORGOTTEN_METER: &str = "light-2f-east";
const FORGOTTEN_WATTS: u32 = 6_000;

/// What the demo may be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many seconds of the campus pass in one of ours.
    pub speed: u32,
    /// Where the page is served.
    pub listen: SocketAddr,
    /// Where data are kept; a temporary folder if not given.
    pub data: Option<PathBuf>,
    /// How many weeks of history to load.
    pub weeks: u32,
}

/// Shows the demo until `end` completes. `say` prints a line for the visitor.
///
/// # Errors
///
/// A port is taken, or the data folder cannot be used.
pub async fn show(
    options: Options,
    say: impl Fn(&dyn Display),
    end: impl Future<Output = Result<()>>,
) -> Result<()> {
    let zone = TimeZone::get("Asia/Shanghai").context("time zone of the demo")?;
    let wakes = wakes(&zone, Clock::system().now());
    let temporary = options.data.is_none().then(|| temporary_folder(wakes)).transpose()?;
    let data_dir = options.data.clone().or(temporary.clone()).unwrap_or_default();

    let (stop, stopped) = watch::channel(false);
    let sink = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mail_port = sink.local_addr()?.port();
    tokio::spawn(mail_sink::serve(sink, Arc::new(AtomicU64::new(0)), stopped.clone()));

    let campus = Arc::new(campus()?);
    let mut config = config(&options, data_dir, mail_port);
    // History is taken in as of the evening the campus wakes up in.
    let opened = House::open(config.clone(), Clock::manual(wakes)).await?.demonstrating();
    // A port that the system chose stays, so that the links of mails lead to these pages.
    config.web.listen = opened.pages();
    config.web.base_url = format!("http://{}", opened.pages());
    let from = wakes - i64::from(options.weeks) * 7 * 86_400;
    say(&format!("loading {} weeks of measurements …", options.weeks));
    history::load(&opened, &campus, from, wakes, &say).await?;
    let password = people::first_user(&opened.store, wakes)?;
    drop(opened);

    let clock = Clock::fast(wakes, options.speed);
    let forgotten = day_of(&zone, wakes).map_or(wakes, |day| day_start(day, &zone) + FORGOTTEN_S);
    let meter: Name = FORGOTTEN_METER.parse()?;
    let set = Set::Lights { on: true, watts: FORGOTTEN_WATTS };
    campus.set(ScriptedEvent { at: forgotten, meter, set })?;
    let house = House::open(config, clock.clone()).await?.demonstrating();
    let broker = house.mqtt().context("the demo's own MQTT listener")?;

    let office = bus(demo::OFFICE_BUS, BusKind::RtuOverTcp).await?;
    let others = bus(demo::CAMPUS_BUS, BusKind::ModbusTcp).await?;
    let nodes = [
        ("node-office", BusConfig::RtuOverTcp(office.listener.local_addr()?)),
        ("node-campus", BusConfig::ModbusTcp(others.listener.local_addr()?)),
    ];
    let now: Now = Arc::new({
        let clock = clock.clone();
        move || clock.now()
    });
    tokio::spawn(simulator::serve(Arc::clone(&campus), vec![office, others], now, stopped.clone()));
    for (id, bus) in nodes {
        let config = NodeConfig {
            site: "demo-campus".parse()?,
            node: id.parse()?,
            broker,
            tls: None,
            login: None,
            bus,
            outbox: None,
        };
        tokio::spawn(node::run(config, clock.clone(), stopped.clone()));
    }
    tokio::spawn(people::play(house.store.clone(), Arc::clone(&campus), clock, stopped));

    welcome(&say, house.pages(), &password, options.speed);
    let lived = house.live(end).await;
    stop.send_replace(true);
    if let Some(folder) = temporary {
        // What was made up may go; if it cannot, the system clears its temporary folder.
        std::fs::remove_dir_all(folder).ok();
    }
    lived
}

fn welcome(say: &impl Fn(&dyn Display), pages: SocketAddr, password: &str, speed: u32) {
    say(&"");
    say(&format!("  page      http://{pages}/"));
    say(&format!("  log in    {} / {password}", people::FIRST_USER));
    say(&"");
    say(&format!(
        "  It is 22:20 on the campus; a minute there takes {:.1} s here.",
        60.0 / f64::from(speed)
    ));
    say(&"  Within two minutes:");
    say(&"    1. numbers move on Today (今日);");
    say(
        &"    2. somebody forgot the lights of the second floor east: they appear on Today and Patrol (巡检);",
    );
    say(&"    3. the mail about them appears under the demo banner;");
    say(
        &"    4. say 已关 (switched off) on Patrol: the meters confirm it, and the finding closes.",
    );
    say(&"");
    say(&"  Ctrl-C ends it.");
}

fn config(options: &Options, data_dir: PathBuf, mail_port: u16) -> Config {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config {
        data_dir,
        web: WebConfig {
            listen: options.listen,
            base_url: format!("http://{}", options.listen),
            open_reading: true,
        },
        mqtt: MqttConfig {
            listen: Some(ListenConfig { address: loopback, login: None, tls: None }),
            broker: None,
            sparkplug_host: None,
        },
        influx: None,
        mail: Some(MailConfig {
            host: "127.0.0.1".to_owned(),
            port: mail_port,
            security: MailSecurity::None,
            login: None,
            from: "更夫 <gengfu@demo.example>".to_owned(),
        }),
        store: StoreConfig::default(),
        backup: None,
        log: LogFormat::Text,
    }
}

async fn bus(name: &str, kind: BusKind) -> Result<BusAddress> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(BusAddress { bus: name.parse()?, kind, listener })
}

/// Loads the demo campus, whose people are away on the holidays of their site.
///
/// # Errors
///
/// The measurements in the binary are broken.
pub fn campus() -> Result<Campus> {
    let holidays = HolidayCalendar::china();
    let mut calendar = simulator::Calendar::default();
    for year in 2024..=2035 {
        let days = Date::new(year, 1, 1)?.series(1.day()).take_while(|day| day.year() == year);
        let of = |wanted| move |day: &Date| holidays_say(&HolidayCalendar::china(), *day) == wanted;
        if holidays.knows(year) {
            let days: BTreeSet<Date> = days.collect();
            calendar.days_off.extend(days.iter().copied().filter(of(DayType::Holiday)));
            calendar.make_up_days.extend(days.iter().copied().filter(of(DayType::MakeUp)));
        }
    }
    let relay = demo::demo_relay().context("the relay of the demo")?;
    Ok(Campus::load_with(&simulator::demo_campus(), &calendar)?.with_relay(relay))
}

fn holidays_say(calendar: &HolidayCalendar, day: Date) -> DayType {
    calendar.day(day).or_weekday()
}

/// The latest evening of a working day that has begun, at a quarter past ten.
fn wakes(zone: &TimeZone, now: i64) -> i64 {
    let calendar = HolidayCalendar::china();
    let mut day = day_of(zone, now).unwrap_or_default();
    while day_start(day, zone) + WAKES_S > now || !calendar.day(day).or_weekday().is_worked() {
        match day.yesterday() {
            Ok(yesterday) => day = yesterday,
            Err(_) => break,
        }
    }
    day_start(day, zone) + WAKES_S
}

fn day_of(zone: &TimeZone, instant: i64) -> Option<Date> {
    Some(Timestamp::from_second(instant).ok()?.to_zoned(zone.clone()).date())
}

fn temporary_folder(salt: i64) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("gengfu-demo-{}-{salt}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    Ok(folder)
}
