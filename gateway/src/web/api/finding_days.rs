//! The days that prove a finding: what was used, and what was usual before it began.
//!
//! What is usual is learnt from the eight weeks before the finding, whenever this is asked:
//! the waste of a month must not become usual while it lasts.

use analysis::interval::{INTERVAL_S, IntervalAmount, Span};
use analysis::profile::{TYPICAL_DAYS, Typical, TypicalDays, day_start, within};
use axum::Json;
use axum::extract::{Path, State};
use jiff::ToSpan;

use super::findings::number;
use crate::web::answer::finding::{FindingDays, Unit};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::{Rooms, WebState, time};

/// How many whole days before the finding stand beside it.
const BEFORE_DAYS: i32 = 2;
/// So many days are shown at most; of a longer finding its beginning, which proves it.
const DAYS_MAX: i64 = 28;
/// So many days are shown by the quarter hour.
const FINE_DAYS_MAX: i64 = 4;
const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// Returns the days that prove a finding: two before it, and it.
#[utoipa::path(
    get,
    path = "/api/v1/findings/{id}/days",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    responses(
        (status = 200, body = FindingDays),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_finding_days(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<FindingDays>, ApiError> {
    let id = number(&id)?;
    Ok(Json(web.ask(move |rooms| days(rooms, id)).await?))
}

fn days(rooms: &Rooms, id: i64) -> Result<FindingDays, ApiError> {
    let found = rooms.store.journal().view(|view| view.finding(id))?;
    let draft = found.ok_or(ApiError::NotFound { what: "finding" })?.draft;
    let site = rooms.ledger.site().ok_or(ApiError::NoSiteBook)?;
    let meter = site.meter(&draft.meter).ok_or(ApiError::NotFound { what: "meter" })?;
    let (zone, now) = (&site.zone, rooms.clock.now());

    let day = time::day_of(draft.opened, zone);
    let first = day.checked_sub(BEFORE_DAYS.days()).unwrap_or(day);
    let from = day_start(first, zone);
    let ended = draft.closed.unwrap_or(now).max(draft.opened);
    let last = time::day_of(ended, zone);
    let end = day_start(last.tomorrow().unwrap_or(last), zone);
    // A day more or less at changes of the clock does not matter here.
    let shown = Span { from, to: end.min(from + DAYS_MAX * DAY_S) };
    let step_s = if shown.to - shown.from <= FINE_DAYS_MAX * DAY_S { INTERVAL_S } else { HOUR_S };

    let learnt = day.checked_sub(TYPICAL_DAYS.days()).unwrap_or(day);
    let all = Span { from: day_start(learnt, zone), to: shown.to };
    let intervals = rooms.ledger.intervals(meter, all)?;
    let calendar = rooms.ledger.calendar();
    let usual = TypicalDays::learn(&intervals, day, zone, calendar);
    let usual_at = |it: &IntervalAmount| usual.at(it.start, zone, calendar);

    let per_step = usize::try_from(step_s / INTERVAL_S).unwrap_or(1);
    let steps: Vec<&[IntervalAmount]> = within(&intervals, shown).chunks(per_step).collect();
    let band = |edge: fn(Typical) -> i64| -> Vec<Option<i64>> {
        steps.iter().map(|step| step.iter().map(|it| usual_at(it).map(edge)).sum()).collect()
    };
    let starts = steps.iter().filter_map(|step| step.first()).map(|it| it.start);
    let before =
        |instant: i64| starts.clone().take_while(|start| start + step_s <= instant).count();
    let flagged_from = before(draft.opened);
    let flagged_to = match draft.closed {
        Some(closed) => before(closed + step_s - 1).clamp(flagged_from, steps.len()),
        None => before(now).max(flagged_from),
    };
    // A step that is not over would look like a fall.
    let over = before(now);
    let mut amount: Vec<Option<i64>> =
        steps.iter().map(|step| step.iter().map(IntervalAmount::known).sum()).collect();
    amount.iter_mut().skip(over).for_each(|amount| *amount = None);
    let typical = band(|it| it.median);
    let flagged = flagged_from..flagged_to;
    let known = |at: &usize| amount[*at].is_some();
    Ok(FindingDays {
        unit: Unit::from(meter.medium),
        step_s: u32::try_from(step_s).unwrap_or(900),
        start_at: starts.clone().map(|start| time::written(start, zone)).collect(),
        over,
        flagged_from,
        flagged_to,
        amount_mean: mean(flagged.clone().filter_map(|at| amount[at])),
        typical_mean: mean(flagged.filter(known).filter_map(|at| typical[at])),
        typical_low: band(|it| it.low),
        typical_high: band(|it| it.high),
        amount,
        typical,
        days_left_out: (end - shown.to + DAY_S - 1).div_euclid(DAY_S).max(0),
    })
}

fn mean(amounts: impl Iterator<Item = i64>) -> Option<i64> {
    let (sum, count) = amounts.fold((0_i64, 0), |(sum, count), one| (sum + one, count + 1));
    sum.checked_div(count)
}
