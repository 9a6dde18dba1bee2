//! How the site does today.

use std::collections::BTreeSet;

use analysis::calendar::Opening;
use analysis::detect::LightsLimits;
use analysis::finding::FindingKind as FoundKind;
use analysis::interval::{INTERVAL_S, IntervalAmount, Span, interval_start};
use analysis::pace::{DAYS_MIN, Pace};
use analysis::profile::Typical;
use analysis::site::{Medium, Meter};
use axum::Json;
use axum::extract::State;

use super::row::Rows;
use crate::ledger::DayView;
use crate::store::journal::{FindingFilter, FindingState};
use crate::web::answer::finding::{FindingKind, FindingRow, Unit, cost_per_day};
use crate::web::answer::problem::Problem;
use crate::web::answer::today::{
    Judgement, JudgementCode, JudgementParams, Level, OpenFindings, Tile, TileKey, TileUnit, Today,
    TodayProfile,
};
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::{Rooms, WebState, fill, time};

/// Data are complete from here on, thousandths of a percent; below is worth a look.
const COMPLETE: i64 = 99_000;
/// Below this, data are too thin to believe what stands beside them.
const THIN: i64 = 95_000;

/// Returns how the site does today.
#[utoipa::path(
    get,
    path = "/api/v1/today",
    tag = "today",
    responses(
        (status = 200, body = Today),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_today(
    _: Reader,
    State(web): State<WebState>,
) -> Result<Json<Today>, ApiError> {
    Ok(Json(web.ask(look).await?))
}

fn look(rooms: &Rooms) -> Result<Today, ApiError> {
    let rows = Rows::read(rooms)?;
    let (site, now) = (&*rows.site, rows.now);
    let today = time::day_of(now, &site.zone);
    let day = rooms.ledger.site_day(today)?.ok_or(ApiError::NoSiteBook)?;
    let filter = FindingFilter {
        state: FindingState::Open,
        kind: Some(FoundKind::LightsLeftOn.code().to_owned()),
        ..FindingFilter::default()
    };
    let (lights, all) = rooms.store.journal().view(|view| {
        let all = FindingFilter { kind: None, ..filter.clone() };
        Ok((view.findings(&filter)?, view.findings(&all)?))
    })?;
    let left_on = rows.findings(&lights)?;
    let others = others(&rows.findings(&all)?);

    let tops: Vec<&Meter> = site
        .meters
        .iter()
        .filter(|meter| meter.medium == Medium::Electricity && site.is_top(meter))
        .collect();
    let powers: Vec<Option<i64>> =
        tops.iter().map(|meter| rows.newest(meter).and_then(|it| it.power_mw)).collect();
    let power_mw = if tops.is_empty() { None } else { fill::together(&powers) };
    let link = match tops.as_slice() {
        [only] => format!("/meters/{}", only.id),
        _ => "/meters".to_owned(),
    };

    let typical_power = power_at(&day, now);
    let mut power = tile(TileKey::PowerNow, TileUnit::W, power_mw, typical_power, &day, &link);
    power.level = match (power_mw, typical_power) {
        (Some(power), Some(typical)) if typical.high < power => Level::Attention,
        (Some(_), Some(_)) => Level::Good,
        (_, _) => Level::Unknown,
    };
    let known = day.intervals.iter().any(|interval| interval.known().is_some());
    let used = known.then_some(day.figure.amount);
    // Before the first quarter hour is over nothing equals nothing, which says nothing.
    let begun = day.start + INTERVAL_S <= now;
    let usual = day.pace.usual.filter(|_| begun);
    let mut energy = tile(TileKey::EnergyToday, TileUnit::Wh, used, usual, &day, &link);
    energy.level = level_of(&day.pace, begun);
    let spent = rooms.ledger.cost_today(now)?;
    let pace = rooms.ledger.cost_pace(now)?;
    let usual = pace.usual.filter(|_| begun);
    let mut cost = tile(TileKey::CostToday, TileUnit::CnyE4, spent, usual, &day, "/meters");
    cost.level = level_of(&pace, begun);
    let completeness = rooms.ledger.completeness(today, now)?;
    let mut complete =
        tile(TileKey::Completeness, TileUnit::PercentMilli, completeness, None, &day, "/meters");
    complete.level = match completeness {
        None => Level::Unknown,
        Some(share) if COMPLETE <= share => Level::Good,
        Some(share) if THIN <= share => Level::Attention,
        Some(_) => Level::Bad,
    };

    let wrong: Vec<&FindingRow> = left_on.iter().filter(|row| !row.is_false_alarm()).collect();
    let judgement = if !wrong.is_empty() {
        judge_left_on(rooms, &rows, &wrong)
    } else if power_mw.is_none() && !known {
        judgement(Level::Unknown, JudgementCode::NoData, JudgementParams::default())
    } else if energy.level == Level::Attention {
        let percent = day.pace.percent_above();
        let params = JudgementParams { percent, power_mw, ..JudgementParams::default() };
        judgement(Level::Attention, JudgementCode::AboveTypical, params)
    } else if day.pace.days < DAYS_MIN {
        let params = JudgementParams {
            days_known: day.pace.days,
            days_needed: DAYS_MIN,
            ..JudgementParams::default()
        };
        judgement(Level::Unknown, JudgementCode::Learning, params)
    } else {
        let code =
            if is_closed(rooms, &rows)? { JudgementCode::AllOff } else { JudgementCode::Normal };
        let params = JudgementParams { power_mw, ..JudgementParams::default() };
        judgement(Level::Good, code, params)
    };
    Ok(Today {
        as_of_at: time::written(now, &site.zone),
        judgement,
        tiles: vec![power, energy, cost, complete],
        left_on,
        others,
        profile: profile(&day, time::written(day.start, &site.zone)),
    })
}

/// Returns how much is open beside lights.
fn others(open: &[FindingRow]) -> OpenFindings {
    let others = open.iter().filter(|row| row.kind != FindingKind::LightsLeftOn);
    let others: Vec<_> = others.filter(|row| !row.is_false_alarm()).collect();
    let cost_e4_per_day = cost_per_day(others.iter().copied());
    OpenFindings { count: others.len(), cost_e4_per_day }
}

fn judgement(level: Level, code: JudgementCode, params: JudgementParams) -> Judgement {
    Judgement { level, code, params }
}

/// Good or bad, by whole quarter hours on both sides. What has a gap is not compared.
fn level_of(pace: &Pace, begun: bool) -> Level {
    match (pace.so_far, pace.usual) {
        (Some(_), Some(_)) if begun && pace.is_above_usual() => Level::Attention,
        (Some(_), Some(_)) if begun => Level::Good,
        (_, _) => Level::Unknown,
    }
}

/// Says how many places are on that should be off, and what of their power is too much:
/// what lies above the base load, as their waste is counted.
///
/// Bad while nobody has said anything; once each of them has a mark, somebody sees to it.
fn judge_left_on(rooms: &Rooms, rows: &Rows, left_on: &[&FindingRow]) -> Judgement {
    let places: BTreeSet<&str> = left_on.iter().map(|row| row.area.id.as_str()).collect();
    let powers: Vec<Option<i64>> = left_on.iter().map(|row| row.above_mw).collect();
    let meters = left_on.iter().map(|row| (row.meter.id.as_str(), row.above_mw));
    let params = JudgementParams {
        places: places.len(),
        power_mw: fill::together(&powers),
        cost_e4_per_hour: rooms.ledger.cost_per_hour(meters, rows.now),
        ..JudgementParams::default()
    };
    let is_seen_to = left_on.iter().all(|row| row.mark.is_some());
    let level = if is_seen_to { Level::Attention } else { Level::Bad };
    judgement(level, JudgementCode::LeftOn, params)
}

/// Returns whether all areas with lights have been closed, permits included, for long enough
/// that lights which are on would have been found.
fn is_closed(rooms: &Rooms, rows: &Rows) -> Result<bool, ApiError> {
    let (site, now) = (&*rows.site, rows.now);
    let verdict_after_s = LightsLimits::default().verdict_after_s();
    let permits = rooms.ledger.exceptions(Span { from: now - verdict_after_s, to: now + 1 })?;
    let mut lit = site.meters.iter().filter(|meter| meter.load.has_lights()).peekable();
    // Without lights there is nothing to be off.
    let has_lights = lit.peek().is_some();
    let is_closed = lit.all(|meter| {
        site.hours_of(&meter.area).is_none_or(|hours| {
            let opening = Opening {
                area: &meter.area,
                hours,
                calendar: rooms.ledger.calendar(),
                zone: &site.zone,
                exceptions: &permits,
            };
            let closed = opening.closed_since(now, verdict_after_s);
            closed.is_some_and(|closed| closed + verdict_after_s <= now)
        })
    });
    Ok(has_lights && is_closed)
}

/// Returns the usual power of this time of such a day, mW.
fn power_at(day: &DayView, now: i64) -> Option<Typical> {
    let start = interval_start(now);
    let at = day.intervals.iter().position(|interval| interval.start == start)?;
    day.typical.get(at).copied().flatten().map(Typical::per_hour)
}

fn tile(
    key: TileKey,
    unit: TileUnit,
    value: Option<i64>,
    typical: Option<Typical>,
    day: &DayView,
    link: &str,
) -> Tile {
    let shares = day.figure.shares();
    Tile {
        key,
        value,
        unit,
        typical: typical.map(|typical| typical.median),
        typical_low: typical.map(|typical| typical.low),
        typical_high: typical.map(|typical| typical.high),
        measured_milli: shares.measured_milli.into(),
        estimated_milli: shares.estimated_milli.into(),
        missing_milli: shares.missing_milli.into(),
        level: Level::Unknown,
        link: link.to_owned(),
    }
}

fn profile(day: &DayView, start_at: String) -> TodayProfile {
    TodayProfile {
        unit: Unit::Wh,
        start_at,
        interval_s: u32::try_from(INTERVAL_S).unwrap_or(900),
        // Whole ones only: the quarter hour that is not over would look like a fall.
        amount: day.intervals.iter().map(IntervalAmount::complete).collect(),
        typical: day.typical.iter().map(|typical| typical.map(|it| it.median)).collect(),
        typical_low: day.typical.iter().map(|typical| typical.map(|it| it.low)).collect(),
        typical_high: day.typical.iter().map(|typical| typical.map(|it| it.high)).collect(),
    }
}
