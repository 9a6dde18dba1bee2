//! When readings came, and of when they say that they are.
//!
//! In: the packs of a meter, and those that were kept aside. Out: spans in which their clock
//! was wrong.

use std::collections::BTreeMap;

use analysis::detect::{ClockLimits, Heard, POLLS_MAX, Spell, clock_wrong};
use analysis::site::Meter;
use wire::Name;
use wire::message::Pack;
use wire::topic;

use super::Ledger;
use crate::store::StoreError;

/// How far back it is looked whether a clock is wrong: an hour says so, or six polls; and
/// whoever was away meanwhile sees as much.
const LOOK_S: i64 = 3 * 3_600;
const POLLS: i64 = 18;

/// No time zone is further from another, s.
const PUT_BACK_S: i64 = 26 * 3_600;

/// However long a clock is wrong, no more of its readings than this are looked at, s.
const LOOK_MAX_S: i64 = 60 * 86_400;

/// So many of the newest messages that were kept aside are looked at: all that are kept.
const ASIDE_MAX: u32 = 10_000;

/// What a message may be under way, s of the machine: where our clock runs fast, that is long.
const UNDER_WAY_S: i64 = 10;

/// Readings that came and were kept aside, by meter.
#[derive(Clone, Debug, Default)]
pub struct Aside(BTreeMap<Name, Vec<(Name, Heard)>>);

impl Ledger {
    /// Returns the readings that came by our own topics and were kept aside.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn aside(&self) -> Result<Aside, StoreError> {
        let mut aside = Aside::default();
        for row in self.0.store.series().quarantine(ASIDE_MAX)?.newest {
            let row = row.unreadable;
            let sender = topic::parse(&row.topic).map(|it| it.1);
            if let (Some(node), Ok(pack)) = (sender, Pack::decode(&row.payload)) {
                let heard = Heard { instant: pack.instant, received: row.received };
                aside.0.entry(pack.meter).or_default().push((node, heard));
            }
        }
        Ok(aside)
    }

    /// Returns the spans up to `now` in which the readings of a meter were dated wrongly: of the
    /// last hours, and of all the time since a clock is known to be wrong: `since` when, and how
    /// much later than their date readings came then, s.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn wrong_dates(
        &self,
        meter: &Meter,
        aside: &Aside,
        since: Option<(i64, i64)>,
        now: i64,
    ) -> Result<Vec<Spell>, StoreError> {
        let usual = ClockLimits::default();
        let under_way_s = UNDER_WAY_S * i64::from(self.0.clock.speed());
        let limits = ClockLimits { off_s: usual.off_s.max(under_way_s), ..usual };
        let is_off = |it: &Heard| limits.off_s < it.late_s().saturating_abs();
        let look_s = LOOK_S.max(POLLS * i64::from(meter.interval_s));
        let from = since.map_or(now, |it| it.0).min(now) - look_s;
        // A pack of ours that another node sent as its own was kept aside for that.
        let aside = aside.0.get(&meter.id).into_iter().flatten();
        let mut heard: Vec<Heard> = aside
            .filter(|(node, it)| *node == meter.node && from <= it.received && is_off(it))
            .map(|(_, it)| *it)
            .collect();
        let series = self.0.store.series();
        let newest = series
            .last(&meter.id)?
            .map(|it| Heard { instant: it.pack.instant, received: it.received });
        // Where a clock was put back, the newest date is old, and what comes lies before it.
        let quiet_s = POLLS_MAX * i64::from(meter.interval_s);
        let is_quiet = newest.is_some_and(|it| it.received + quiet_s < now);
        // Of nearly every meter the newest reading says that its clock is right.
        let is_right = !is_quiet && !newest.as_ref().is_some_and(is_off);
        if since.is_none() && heard.is_empty() && is_right {
            return Ok(Vec::new());
        }
        let late_s = newest.map_or(0, |it| it.late_s());
        let put_back_s = if is_quiet { PUT_BACK_S } else { 0 };
        let late_s = late_s.max(since.map_or(0, |it| it.1)).max(put_back_s);
        let packs = series.packs(&meter.id, from.max(now - LOOK_MAX_S) - late_s, i64::MAX)?;
        heard.extend(
            packs.iter().map(|it| Heard { instant: it.pack.instant, received: it.received }),
        );
        heard.retain(|it| it.received <= now);
        Ok(clock_wrong(&heard, meter.interval_s, &limits))
    }
}
