//! The year before the demo: through the same gate, store and detectors as live readings.

use std::fmt::Display;
use std::sync::Arc;

use analysis::profile::day_span;
use anyhow::{Context, Result, anyhow};
use simulator::Campus;
use wire::Name;
use wire::message::{Clock, Pack};

use crate::ingest::gate::{self, Roster, Verdict};
use crate::run::House;
use crate::site_book;
use crate::store::series::Arrival;

/// History has one reading a quarter hour; live ones come each minute.
const STEP_S: u32 = 900;

/// The last days were polled as the live campus is, or they would look like silence.
const LAST_STEP_S: u32 = 60;
const LAST_S: i64 = 3 * 86_400;

/// As many as the recorder puts into one commit when doors are busy, and some more: nobody
/// waits for an acknowledgement here.
const BATCH: usize = 20_000;

/// The node's life in which history was read.
const BOOT: u32 = 1;

/// Takes in what the meters would have said between two instants, and walks the evening
/// rounds of that time.
pub(super) async fn load(
    house: &House,
    campus: &Arc<Campus>,
    from: i64,
    to: i64,
    say: &impl Fn(&dyn Display),
) -> Result<()> {
    let store = house.store.clone();
    if store.journal().view(|journal| journal.site_book())?.is_some() {
        say(&"the folder holds a demo already; history is left as it is");
        return Ok(());
    }
    crate::commands::put_site_book(&store, super::SITE_BOOK, "demo", "demo campus", from)?;
    house.ledger.reload()?;
    let site = house.ledger.site().context("the demo's site book")?;
    let book = site_book::parse(super::SITE_BOOK).map_err(|mistakes| anyhow!("{mistakes:?}"))?;
    let roster = Roster::new(book.site.meters.iter().map(|meter| (meter.id, meter.node)));

    let meters = book.site.meters.len();
    for (number, meter) in book.site.meters.into_iter().enumerate() {
        let (store, campus, roster) = (store.clone(), Arc::clone(campus), roster.clone());
        let taken = tokio::task::spawn_blocking(move || {
            take_in(&store, &campus, &roster, meter.id, meter.node, from, to)
        });
        let taken = taken.await??;
        say(&bar(number + 1, meters, &format!("{taken} readings of {}", meter.id)));
    }

    let watch = house.watch();
    let zone = site.zone.clone();
    let days = (from / 86_400)..(to / 86_400);
    let total = usize::try_from(days.end - days.start).unwrap_or(1);
    let walked = tokio::task::spawn_blocking(move || {
        let day = |instant| {
            let instant = jiff::Timestamp::from_second(instant).unwrap_or_default();
            instant.to_zoned(zone.clone()).date()
        };
        // Four weeks teach what is usual; the last evening is walked live.
        let first = day(from + 28 * 86_400);
        let last = day(day_span(day(to), &zone).from - 1);
        watch.catch_up(first, last, |_| {})
    });
    walked.await??;
    say(&bar(total, total, "evening rounds"));
    Ok(())
}

/// Takes in one meter; returns how many readings went through the gate.
fn take_in(
    store: &crate::store::Store,
    campus: &Campus,
    roster: &Roster,
    meter: Name,
    node: Name,
    from: i64,
    to: i64,
) -> Result<u64> {
    let last = to - LAST_S;
    let earlier = campus.history(&meter, from, last, STEP_S).context("a meter of the campus")?;
    let later = campus.history(&meter, last, to, LAST_STEP_S).context("a meter of the campus")?;
    let mut batch: Vec<Arrival> = Vec::with_capacity(BATCH);
    let mut buffer = vec![0; Pack::BYTES_MAX];
    let mut taken = 0;
    for (seq, said) in (0u32..).zip(earlier.chain(later)) {
        let pack = Pack {
            meter,
            instant: said.instant,
            boot: BOOT,
            seq,
            clock: Clock::Synced,
            readings: said.readings,
        };
        // As a node would send it: what the gate sees is bytes.
        let len = pack.encode(&mut buffer).map_err(|error| anyhow!("{error:?}"))?;
        let bytes = buffer.get(..len).unwrap_or_default();
        match gate::check(&node, bytes, said.instant, roster) {
            Verdict::Accept(arrival) => {
                taken += u64::try_from(arrival.pack.readings.len())?;
                batch.push(arrival);
            }
            Verdict::Reject { reason, .. } => return Err(anyhow!("gate: {}", reason.word())),
        }
        if batch.len() == BATCH {
            store.series().record(&batch)?;
            batch.clear();
        }
    }
    store.series().record(&batch)?;
    Ok(taken)
}

fn bar(done: usize, all: usize, what: &str) -> String {
    const WIDTH: usize = 26;
    let full = (WIDTH * done).checked_div(all).unwrap_or(WIDTH).min(WIDTH);
    format!("  [{}{}] {what}", "#".repeat(full), ".".repeat(WIDTH - full))
}
