//! What a detector would have said: looked at before its mails are anybody's business.

use analysis::detect::Spell;
use analysis::finding::{Finding, FindingKind as FoundKind};
use analysis::interval::Span;
use analysis::site::{Meter, Site};
use analysis::track::Track;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::Name;

use crate::web::answer::finding::FindingKind;
use crate::web::answer::preview::{Preview, PreviewRow};
use crate::web::answer::problem::Problem;
use crate::web::auth::Editor;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};

/// The longest stretch that is looked at, days: a quarter of a year.
const DAYS_MAX: i64 = 92;
const DAY_S: i64 = 86_400;
/// How much of a meter's past the detectors of weeks learn from, s: as the round does.
const LEARNT_S: i64 = 70 * DAY_S;

/// Which detector, which meter, which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewQuery {
    /// The detector: the kind of finding that it makes.
    detector: FindingKind,
    /// The meter.
    meter: String,
    /// First day on which it could have spoken.
    #[param(format = Date)]
    from: String,
    /// Last day, at most 92 days after the first; days to come are left out.
    #[param(format = Date)]
    to: String,
}

/// Says what a detector would have said of a meter, and writes nothing down. Engineers only.
#[utoipa::path(
    get,
    path = "/api/v1/preview",
    tag = "findings",
    params(PreviewQuery),
    responses(
        (status = 200, body = Preview),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_preview(
    _: Editor,
    State(web): State<WebState>,
    Asked(query): Asked<PreviewQuery>,
) -> Result<Json<Preview>, ApiError> {
    let zone = web.zone();
    let now = web.clock.now();
    let day = |text: &str, key| time::read_day(text).ok_or(ApiError::Malformed { key });
    let (from, to) = (day(&query.from, "from")?, day(&query.to, "to")?);
    let after = to.tomorrow().map_err(|_| ApiError::Malformed { key: "to" })?;
    let span = Span {
        from: time::start_of(from, &zone),
        to: time::start_of(after, &zone).min(now - now.rem_euclid(900)),
    };
    if to < from || (DAYS_MAX + 1) * DAY_S < span.to - span.from {
        return Err(ApiError::Malformed { key: "to" });
    }
    let preview = web.ask(move |rooms| preview(rooms, &query, span)).await?;
    Ok(Json(preview))
}

fn preview(rooms: &Rooms, query: &PreviewQuery, span: Span) -> Result<Preview, ApiError> {
    let not_found = || ApiError::NotFound { what: "meter" };
    let site = rooms.ledger.site().ok_or_else(not_found)?;
    let id = Name::new(&query.meter).map_err(|_| not_found())?;
    let meter = site.meter(&id).ok_or_else(not_found)?;
    let kind = FoundKind::from(query.detector);
    let ledger = &rooms.ledger;
    let written = |instant: i64| time::written(instant, &site.zone);
    let row = |finding: &Finding, said: Option<i64>| PreviewRow {
        said_at: said.map(written),
        opened_at: written(finding.opened),
        closed_at: finding.closed.map(written),
        waste: finding.waste,
        cost_e4: finding.cost_e4,
        intervals: finding.evidence.len(),
    };
    // What lies before the span taught the detector, and was its own day's news.
    let said = |site: &Site, meter: &Meter, found: Vec<(FoundKind, Spell)>| {
        let pricing = ledger.pricing(site, meter);
        let within = found.into_iter().filter(|(of, spell)| {
            *of == kind && span.from <= spell.noticed && spell.noticed <= span.to
        });
        within
            .map(|(of, spell)| {
                let noticed = spell.noticed;
                row(&spell.finding(of, &meter.id, &meter.area, pricing.as_ref()), Some(noticed))
            })
            .collect()
    };
    let rows = match kind {
        FoundKind::AfterHoursLoad
        | FoundKind::GasWhenClosed
        | FoundKind::HighBaseLoad
        | FoundKind::WeekendRunning => {
            let risen = if kind == FoundKind::HighBaseLoad {
                ledger.risen(&site, meter.medium, span)?
            } else {
                Vec::new()
            };
            let told = ledger.loads(&site, meter, &[kind], &risen, span)?;
            told.iter().map(|it| row(&it.finding, Some(it.at))).collect()
        }
        FoundKind::LightsLeftOn => {
            let exceptions = ledger.exceptions(span)?;
            let mut rows = Vec::new();
            // The night before the first day is its round, too.
            let mut day = time::day_of(span.from - DAY_S, &site.zone);
            while time::start_of(day, &site.zone) < span.to {
                let found = ledger.lights_of(&site, meter, &exceptions, day, span.to)?;
                let within = found.iter().filter(|it| span.from <= it.opened);
                rows.extend(within.map(|it| row(it, None)));
                let Ok(next) = day.tomorrow() else { break };
                day = next;
            }
            rows
        }
        FoundKind::SilentMeter => {
            ledger.silences(meter, span)?.iter().map(|it| row(it, Some(it.opened))).collect()
        }
        FoundKind::ClockWrong => {
            let found =
                ledger.wrong_dates(meter, &ledger.aside()?, Some((span.from, 0)), span.to)?;
            said(&site, meter, found.into_iter().map(|spell| (kind, spell)).collect())
        }
        FoundKind::Burst
        | FoundKind::DropoutWithCatchUp
        | FoundKind::Leak
        | FoundKind::RunningToilet
        | FoundKind::ScaleChange
        | FoundKind::Spike
        | FoundKind::Stuck => {
            // Whole days, so that hours begin with the hour.
            let known = Span { from: span.from - LEARNT_S, to: span.to };
            let hours = Track::of_intervals(&ledger.intervals(meter, known)?).hourly();
            said(&site, meter, ledger.water_and_truth(meter, &hours, span.to)?)
        }
        FoundKind::SumMismatch => {
            let known = Span { from: span.from - LEARNT_S, to: span.to };
            let found = ledger.mismatches(&site, meter, known)?;
            said(&site, meter, found.into_iter().map(|(_, spell)| (kind, spell)).collect())
        }
        FoundKind::PeakDemand | FoundKind::PhaseImbalance | FoundKind::PowerFactorLow => {
            said(&site, meter, ledger.supply(&site, meter, span, span.from)?)
        }
    };
    let raised = ledger.raised(&meter.id, kind, span.to)?;
    let learning = ledger.learning(meter, kind, span.to)?;
    Ok(Preview {
        detector: query.detector,
        meter: fill::meter(&site, &meter.id),
        unit: meter.medium.into(),
        learning_until: learning.map(written),
        raised_milli: raised.milli,
        raised_by: raised.findings,
        rows,
    })
}
