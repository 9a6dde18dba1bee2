//! The watchman's round: runs the detectors, and writes down what they find.
//!
//! In: consumption from the ledger, permits and open findings from the journal.
//! Out: findings opened, grown and closed in the journal, each in one transaction with the
//! mails it causes; live pages are told.
//!
//! Afterwards:
//! - one cause is one finding, whatever is found again and again;
//! - a round that is cut off leaves nothing half written, and the next one makes it good;
//! - late readings correct what was found, as far back as a round looks.
//!
//! Not here: what is waste (`analysis::detect`), what that needs to know (`ledger`), in what
//! words it is told (`alert`).

mod cause;
mod clocks;
#[cfg(test)]
mod house;
mod loads;
mod weeks;
mod written;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use analysis::calendar::Exception;
use analysis::finding::{Evidence, Finding, FindingKind};
use analysis::interval::{INTERVAL_S, Span, interval_start};
use analysis::profile::{LEVEL_S, day_start};
use analysis::site::{Meter, Site};
use jiff::ToSpan;
use jiff::civil::Date;
use tokio::sync::watch as signal;

use self::loads::LoadRound;
use crate::alert::{self, Change, Surroundings};
use crate::clock::Clock;
use crate::events;
use crate::health::{Code, Health, Level};
use crate::ledger::Ledger;
use crate::letter::LetterError;
use crate::live::{Happening, Live};
use crate::store::journal::{
    FindingChange, FindingDraft, FindingFilter, FindingRow, FindingState, WrittenEvidence,
    WrittenInterval,
};
use crate::store::{Store, StoreError};

/// How many days each round looks back for lights: so long may readings be late and still
/// correct what was found.
const LIGHTS_BACK_DAYS: i32 = 3;

/// How far back each round looks for silence, s.
const SILENCE_BACK_S: i64 = 2 * 86_400;

/// How long after an interval's end late readings are awaited, s. Meters are polled each
/// minute and messages take seconds.
const GRACE_S: i64 = 90;

/// How long a message may be under way before its absence means silence, s.
const UNDER_WAY_S: i64 = 30;

/// Permits this far back may still excuse an open finding, s.
const PERMITS_S: i64 = 60 * 86_400;

/// From midnight to noon, s; an hour more or less at changes of the clock does not matter,
/// since nothing is decided at noon.
const HALF_DAY_S: i64 = 43_200;

/// How far past its noon a round of history looks, s: over a long weekend.
const PAST_S: i64 = 5 * 86_400;

/// How long after the doors opened silence means nothing yet, s of the clock, and of the
/// machine where the clock runs fast: nodes come back one after the other, with back-off.
const SETTLE_S: i64 = 300;
const SETTLE_MACHINE_S: i64 = 20;

/// How often the round is walked, s of the clock.
const ROUND_S: i64 = 60;

/// Why a round could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The store could not be read or written.
    #[error("cannot walk the round")]
    Store(#[from] StoreError),
    /// A template of ours is broken.
    #[error("cannot write a mail")]
    Letter(#[from] LetterError),
}

/// The watchman. Cheap to clone.
#[derive(Clone)]
pub struct Watch {
    store: Store,
    ledger: Ledger,
    clock: Clock,
    health: Health,
    live: Live,
    base_url: String,
    loads: Arc<Mutex<LoadRound>>,
    /// Before this instant silence is ours, not the meters'.
    settled: i64,
    walk: Arc<Mutex<weeks::Walk>>,
}

impl Watch {
    /// Returns a watchman over a store.
    #[must_use]
    pub fn new(
        store: &Store,
        ledger: &Ledger,
        clock: &Clock,
        health: &Health,
        live: &Live,
        base_url: &str,
    ) -> Self {
        Self {
            store: store.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            health: health.clone(),
            live: live.clone(),
            base_url: base_url.to_owned(),
            loads: Arc::default(),
            walk: Arc::default(),
            settled: clock.now() + SETTLE_S.max(SETTLE_MACHINE_S * i64::from(clock.speed())),
        }
    }

    /// Walks the round each minute until told to stop.
    ///
    /// # Errors
    ///
    /// Never by itself; a round that fails is told, and walked again.
    pub async fn run(self, mut stop: signal::Receiver<bool>) -> anyhow::Result<()> {
        loop {
            let watch = self.clone();
            let now = self.clock.now();
            let walked = tokio::task::spawn_blocking(move || watch.round(now)).await?;
            match walked {
                Ok(()) => self.health.clear(Code::WorkFailing, "watch"),
                Err(error) => {
                    events::watch_failed(&error);
                    let params = [("what", events::chain(&error))];
                    self.health.raise(Code::WorkFailing, "watch", Level::Error, params);
                }
            }
            let next = now - now.rem_euclid(ROUND_S) + ROUND_S;
            tokio::select! {
                ended = stop.wait_for(|&stop| stop) => {
                    ended.ok();
                    return Ok(());
                }
                // Never a tight loop, however fast the clock runs.
                () = async {
                    self.clock.sleep_until(next).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                } => {}
            }
        }
    }

    /// Walks one round as of an instant: blocks.
    ///
    /// # Errors
    ///
    /// [`WatchError`]; what was found before it stays.
    pub fn round(&self, now: i64) -> Result<(), WatchError> {
        let Some(site) = self.ledger.site() else { return Ok(()) };
        let Some(today) = self.ledger.today(now) else { return Ok(()) };
        let exceptions = self.ledger.exceptions(Span { from: now - PERMITS_S, to: now })?;
        let astray = self.astray(&site)?;
        for meter in &site.meters {
            if self.settled <= now {
                let span = Span { from: now - SILENCE_BACK_S, to: now - UNDER_WAY_S };
                // Where readings come and are dated wrongly, there is no silence.
                let is_astray = astray.contains(&meter.node);
                let silent =
                    if is_astray { Vec::new() } else { self.ledger.silences(meter, span)? };
                self.put(&site, meter, FindingKind::SilentMeter, silent, &exceptions, now)?;
            }
            if meter.load.has_lights() {
                let lights = self.lights(&site, meter, &exceptions, today, now)?;
                self.put(&site, meter, FindingKind::LightsLeftOn, lights, &exceptions, now)?;
            }
        }
        self.loads(&site, &exceptions, today, now)?;
        self.weeks(&site, &exceptions, now)
    }

    /// Walks the evening rounds of days gone by, as when history was taken in: blocks.
    /// Nobody is written to: what happened then is over.
    ///
    /// # Errors
    ///
    /// [`WatchError`]; what was found before it stays.
    pub fn catch_up(
        &self,
        from: Date,
        to: Date,
        mut walked: impl FnMut(Date),
    ) -> Result<(), WatchError> {
        let Some(site) = self.ledger.site() else { return Ok(()) };
        let mut day = from;
        while day < to {
            let noon = day_start(day, &site.zone) + HALF_DAY_S;
            let end = noon + PAST_S;
            let exceptions = self.ledger.exceptions(Span { from: noon, to: end })?;
            for meter in site.meters.iter().filter(|meter| meter.load.has_lights()) {
                for finding in self.ledger.lights_of(&site, meter, &exceptions, day, end)? {
                    self.put_one(&site, &finding, &finding.cause(), &exceptions, end)?;
                }
            }
            walked(day);
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        Ok(())
    }

    /// What the detector of lights says of a circuit: of the last days, and of the days on
    /// which findings began that are still open.
    fn lights(
        &self,
        site: &Site,
        meter: &Meter,
        exceptions: &[Exception],
        today: Date,
        now: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        let end = interval_start(now - GRACE_S);
        let open = self.open(meter, FindingKind::LightsLeftOn)?;
        let began = open.iter().filter_map(|row| self.ledger.today(row.draft.opened - HALF_DAY_S));
        let last = (0..=LIGHTS_BACK_DAYS).filter_map(|back| today.checked_sub(back.days()).ok());
        let days: BTreeSet<Date> = began.chain(last).collect();
        let mut found = Vec::new();
        for day in days {
            found.extend(self.ledger.lights_of(site, meter, exceptions, day, end)?);
        }
        Ok(found)
    }

    fn load_round(&self) -> MutexGuard<'_, LoadRound> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the numbers of the meter events that a finding's figures rest on: those of its
    /// intervals, and of the weeks before the noon it began after, from which its limit was
    /// learnt.
    fn rests_on(&self, site: &Site, finding: &Finding) -> Result<Vec<i64>, StoreError> {
        let meter = site.meter(&finding.meter);
        let day = self.ledger.today(finding.opened - HALF_DAY_S);
        let (Some(last), Some(meter), Some(day)) = (finding.evidence.last(), meter, day) else {
            return Ok(Vec::new());
        };
        if matches!(finding.kind, FindingKind::ClockWrong | FindingKind::SilentMeter) {
            return Ok(Vec::new());
        }
        let noon = day_start(day, &site.zone) + HALF_DAY_S;
        let span = Span { from: noon - LEVEL_S, to: last.start + INTERVAL_S };
        Ok(self.ledger.events_beneath(meter, span)?.iter().map(|row| row.id).collect())
    }

    fn open(&self, meter: &Meter, kind: FindingKind) -> Result<Vec<FindingRow>, StoreError> {
        let filter = FindingFilter {
            state: FindingState::Open,
            kind: Some(kind.code().to_owned()),
            meter: Some(meter.id),
            ..FindingFilter::default()
        };
        self.store.journal().view(|view| view.findings(&filter))
    }

    /// Writes down what a detector says of a meter, and what it no longer says.
    fn put(
        &self,
        site: &Site,
        meter: &Meter,
        kind: FindingKind,
        found: Vec<Finding>,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let mut open = self.open(meter, kind)?;
        for mut finding in found {
            // Late readings may move the beginning of an open finding; it stays the same
            // one, with the beginning that people were told.
            let same = open.iter().position(|row| overlap(&finding, row));
            let cause = match same {
                Some(at) => {
                    let row = open.swap_remove(at);
                    finding.opened = row.draft.opened;
                    row.draft.cause
                }
                None => finding.cause(),
            };
            self.put_one(site, &finding, &cause, exceptions, now)?;
        }
        // An open finding that is no longer found was ended by what came in since: a
        // permit, or late readings. It ends where it began, with nothing wasted.
        for row in open {
            let finding = withdrawn(&row, kind);
            self.put_one(site, &finding, &row.draft.cause, exceptions, now)?;
        }
        Ok(())
    }

    fn put_one(
        &self,
        site: &Site,
        finding: &Finding,
        cause: &str,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let draft = draft(finding, cause, &self.rests_on(site, finding)?);
        let before = self.store.journal().view(|view| view.finding_by_cause(&draft.cause))?;
        if before.as_ref().is_some_and(|before| before.draft == draft) {
            return Ok(());
        }
        let around = Surroundings {
            site,
            calendar: self.ledger.calendar(),
            exceptions,
            base_url: &self.base_url,
            now,
        };
        let mut letter = None;
        let (id, what) = self.store.journal().commit(|journal| {
            let (id, what) = journal.put_finding(&draft, now)?;
            let recorded = before.as_ref().map_or(now, |before| before.recorded);
            let change = Change { finding, id, what, recorded };
            match alert::mails_for(&change, &around) {
                Ok(mails) => {
                    for mail in &mails {
                        journal.enqueue(mail)?;
                    }
                }
                // The finding is worth more than its mail.
                Err(error) => letter = Some(error),
            }
            Ok((id, what))
        })?;
        self.tell(finding, id, what);
        letter.map_or(Ok(()), |error| Err(error.into()))
    }

    fn tell(&self, finding: &Finding, id: i64, what: FindingChange) {
        let kind = finding.kind;
        match what {
            FindingChange::Opened | FindingChange::Reopened => {
                events::finding_opened(kind.code(), &finding.meter);
            }
            FindingChange::Closed => events::finding_closed(kind.code(), &finding.meter),
            FindingChange::Grew | FindingChange::Corrected | FindingChange::Unchanged => {}
        }
        if what != FindingChange::Unchanged {
            self.live.tell(Happening::Finding { id, kind, open: finding.is_open() });
        }
    }
}

/// Whether a finding is about the time of an open one.
fn overlap(finding: &Finding, open: &FindingRow) -> bool {
    finding.closed.is_none_or(|closed| open.draft.opened < closed)
}

/// An open finding that is no longer found.
fn withdrawn(row: &FindingRow, kind: FindingKind) -> Finding {
    Finding {
        kind,
        meter: row.draft.meter,
        area: row.draft.area,
        opened: row.draft.opened,
        closed: Some(row.draft.opened),
        waste: 0,
        cost_e4: None,
        evidence: Vec::new(),
    }
}

fn draft(finding: &Finding, cause: &str, events: &[i64]) -> FindingDraft {
    let interval =
        |it: &Evidence| WrittenInterval { start: it.start, amount: it.amount, limit: it.limit };
    let intervals = finding.evidence.iter().map(interval).collect();
    let evidence = WrittenEvidence { intervals, events: events.to_vec() };
    FindingDraft {
        cause: cause.to_owned(),
        kind: finding.kind.code().to_owned(),
        meter: finding.meter,
        area: finding.area,
        opened: finding.opened,
        closed: finding.closed,
        waste: finding.waste,
        cost_e4: finding.cost_e4.unwrap_or(0),
        evidence: evidence.text(),
    }
}
