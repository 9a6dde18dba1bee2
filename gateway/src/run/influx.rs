//! Joins the room that feeds an InfluxDB and reads several sites back: it knows neither the
//! site book nor the ledger, and the pages do not know it.

use std::sync::{Arc, Mutex, PoisonError};

use analysis::figures::SiteDay;
use analysis::profile::day_span;
use analysis::site::Site;
use anyhow::{Context, Result};
use jiff::ToSpan;
use jiff::civil::Date;

use crate::clock::Clock;
use crate::config::InfluxConfig;
use crate::health::Health;
use crate::influx::{self, Client, Feed, History, Labels};
use crate::ledger::Ledger;
use crate::store::{Store, StoreError};
use crate::web::Portfolio;

/// How long an answer about several sites serves everyone who asks, s.
const KEPT_S: i64 = 60;

/// The last answer about several sites.
struct Answered {
    asked: (i64, i64),
    at: i64,
    days: Vec<SiteDay>,
}

/// Returns what feeds the InfluxDB of a configuration.
pub(super) async fn feed(
    config: &InfluxConfig,
    (store, clock, health): (&Store, &Clock, &Health),
    ledger: &Ledger,
) -> Result<Feed> {
    let client = Client::open(config, influx::TIMEOUT).await.context("cannot feed InfluxDB")?;
    let sums = {
        let (ledger, clock) = (ledger.clone(), clock.clone());
        move || {
            let Some(today) = ledger.today(clock.now()) else { return Ok(Vec::new()) };
            let month = today.first_of_month();
            days_of_months(&ledger, month.saturating_sub(1.month()), month)
        }
    };
    let rooms = (store, clock, health);
    let name = influx::target_name(config);
    Ok(Feed::new(name, client, rooms, Box::new(labels(ledger)), Arc::new(sums)))
}

/// Returns the labels of the newest site book, made once for each.
fn labels(ledger: &Ledger) -> impl Fn() -> Option<Arc<Labels>> + Send + Sync + use<> {
    let ledger = ledger.clone();
    let made: Mutex<Option<(Arc<Site>, Arc<Labels>)>> = Mutex::default();
    move || {
        let site = ledger.site()?;
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some((of, labels)) if Arc::ptr_eq(of, &site) => Some(Arc::clone(labels)),
            _ => {
                let labels = Arc::new(Labels::of(&site));
                *made = Some((site, Arc::clone(&labels)));
                Some(labels)
            }
        }
    }
}

/// Returns the days of the site from one month to another of which anything is known.
///
/// # Errors
///
/// [`StoreError`] if readings cannot be read.
pub(crate) fn days_of_months(
    ledger: &Ledger,
    first: Date,
    last: Date,
) -> Result<Vec<SiteDay>, StoreError> {
    let Some(site) = ledger.site() else { return Ok(Vec::new()) };
    let mut days = Vec::new();
    let mut month = first;
    while month <= last {
        let figures = ledger.month(month)?;
        let rows = figures.iter().flat_map(|figures| &figures.days);
        days.extend(rows.filter(|row| 0 < row.figure.measured_s + row.figure.estimated_s).map(
            |row| SiteDay {
                site: site.id,
                name: site.name.clone(),
                currency: site.currency.clone(),
                date: row.date,
                start: day_span(row.date, &site.zone).from,
                medium: row.medium,
                figure: row.figure,
            },
        ));
        let next = month.saturating_add(1.month());
        if next <= month {
            break;
        }
        month = next;
    }
    Ok(days)
}

/// Returns who reads the days of all sites, if the configuration asks for it.
pub(super) async fn portfolio(
    config: &InfluxConfig,
    clock: &Clock,
) -> Result<Option<Box<Portfolio>>> {
    if !config.read {
        return Ok(None);
    }
    let history = History::open(config).await.context("cannot read from InfluxDB")?;
    let (runtime, clock) = (tokio::runtime::Handle::current(), clock.clone());
    // One question at a time: who asks the same meanwhile gets the same answer.
    let kept: Mutex<Option<Answered>> = Mutex::default();
    Ok(Some(Box::new(move |from, to| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.now();
        if let Some(last) = &*kept
            && last.asked == (from, to)
            && (last.at..last.at.saturating_add(KEPT_S)).contains(&now)
        {
            return Ok(last.days.clone());
        }
        let days = runtime.block_on(history.site_days(from, to))?;
        *kept = Some(Answered { asked: (from, to), at: now, days: days.clone() });
        Ok(days)
    })))
}
