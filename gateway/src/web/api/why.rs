//! Why a figure is what it is.

use analysis::figures::{Figure, references};
use analysis::interval::{INTERVAL_S, IntervalAmount, Span};
use analysis::site::{Meter, Site};
use analysis::tariff::Pricing;
use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use wire::Value;
use wire::message::Clock;

use super::meters::named_in;
use super::{events, months};
use crate::ledger::{Source, WhyFigure, summed};
use crate::store::Arrival;
use crate::web::answer::month::FactorVersion;
use crate::web::answer::problem::Problem;
use crate::web::answer::why::{
    SourceKind, Why, WhyDay, WhyInterval, WhyLaid, WhyPiece, WhyRate, WhyReading, WhyReadings,
    WhySource, WhyStand, WhySum, WhyTerm,
};
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};

mod sentences;

/// The longest span that is explained at once, s: two months and the hour of a clock change.
const SPAN_S_MAX: i64 = 62 * 86_400 + 3_600;
/// Readings that an answer lists where nobody says how many.
const READINGS: usize = 200;
/// The most readings that an answer lists.
const READINGS_MAX: usize = 5_000;

/// Which figure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyQuery {
    /// Identifier of the meter.
    meter: String,
    /// The first instant, on a quarter hour.
    #[param(format = DateTime)]
    from: String,
    /// The first instant after the span, on a quarter hour; at most 62 days later.
    #[param(format = DateTime)]
    to: String,
    /// What is asked for: the amount, or its cost. The amount if not given.
    #[serde(default)]
    #[param(inline)]
    figure: Asking,
    /// How many readings are passed over.
    #[serde(default)]
    offset: usize,
    /// The most readings that are listed, at most 5000; 200 if not given.
    limit: Option<usize>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asking {
    /// How much.
    #[default]
    Amount,
    /// What it came to.
    Cost,
}

/// Returns why a meter's figure is what it is, down to the readings.
#[utoipa::path(
    get,
    path = "/api/v1/why",
    tag = "meters",
    params(WhyQuery),
    responses(
        (status = 200, body = Why),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_why(
    _: Reader,
    State(web): State<WebState>,
    Asked(query): Asked<WhyQuery>,
) -> Result<Json<Why>, ApiError> {
    let site = web.site()?;
    let meter = named_in(&site, &query.meter)?.clone();
    let read = |text: &str, key| {
        let instant = time::read(text).ok_or(ApiError::Malformed { key })?;
        if instant % INTERVAL_S == 0 { Ok(instant) } else { Err(ApiError::Malformed { key }) }
    };
    let span = Span { from: read(&query.from, "from")?, to: read(&query.to, "to")? };
    if span.to <= span.from || SPAN_S_MAX < span.to - span.from {
        return Err(ApiError::Malformed { key: "to" });
    }
    let limit = query.limit.unwrap_or(READINGS);
    if READINGS_MAX < limit {
        return Err(ApiError::Malformed { key: "limit" });
    }
    let page = (query.offset, limit);
    Ok(Json(web.ask(move |rooms| why(rooms, &site, &meter, span, query.figure, page)).await?))
}

fn why(
    rooms: &Rooms,
    site: &Site,
    meter: &Meter,
    span: Span,
    asking: Asking,
    page: (usize, usize),
) -> Result<Why, ApiError> {
    let found = rooms.ledger.why(&meter.id, span)?;
    // Nothing of the span has come yet: there is no figure to ask of.
    let found = found.ok_or(ApiError::Malformed { key: "from" })?;
    let zone = &site.zone;
    let written = |instant: i64| time::written(instant, zone);
    let sum = summed(&found.intervals);
    let uncorrected = found.uncorrected.as_deref().map(summed);
    let pricing = rooms.ledger.pricing(site, meter);
    let costs: Option<Vec<i64>> =
        pricing.map(|_| found.days.iter().filter_map(|(_, _, cost)| *cost).collect());
    let unpriced = found.bill.as_ref().map_or(sum.amount, |bill| bill.unpriced);
    let sentences = sentences::of(&found, site, meter, &sum, asking);
    let caretakers = rooms.store.journal().view(events::Caretakers::of)?;
    Ok(Why {
        meter: fill::meter(site, &meter.id),
        unit: meter.medium.into(),
        from: written(found.span.from),
        to: written(found.span.to),
        sum: answer_sum(&sum),
        uncorrected: uncorrected.as_ref().map(answer_sum),
        cost_e4: costs.map(|costs| costs.iter().sum()),
        unpriced,
        source: source(&found, site, meter),
        sentences,
        pieces: pieces(&found, &written),
        events: found.events.iter().map(|row| events::answer(row, &caretakers, zone)).collect(),
        laid: found
            .shares
            .iter()
            .map(|(event, span, shares)| WhyLaid {
                event: *event,
                from: written(span.from),
                shares: shares.clone(),
            })
            .collect(),
        intervals: intervals(&found.intervals, pricing, &written),
        days: found
            .days
            .iter()
            .map(|(date, amount, cost_e4)| WhyDay {
                date: date.to_string(),
                amount: *amount,
                cost_e4: *cost_e4,
            })
            .collect(),
        rates: found.bill.iter().flat_map(|bill| &bill.rows).map(rate).collect(),
        readings: readings(&found, meter, page, &written),
        factors: factors(rooms, &found, site, meter),
    })
}

fn answer_sum(figure: &Figure) -> WhySum {
    let shares = figure.shares();
    WhySum {
        amount: figure.amount,
        measured: figure.amount - figure.estimated,
        estimated: figure.estimated,
        measured_s: figure.measured_s,
        estimated_s: figure.estimated_s,
        missing_s: figure.missing_s,
        measured_milli: shares.measured_milli.into(),
        estimated_milli: shares.estimated_milli.into(),
        missing_milli: shares.missing_milli.into(),
    }
}

fn source(found: &WhyFigure, site: &Site, meter: &Meter) -> WhySource {
    let mut source = WhySource {
        kind: SourceKind::Counter,
        quantity: Some(meter.counter.name().to_owned()),
        model: Some(meter.model.clone()),
        pt: meter.pt,
        ct: meter.ct,
        interval_s: meter.interval_s,
        gap_s_max: 0,
        rollover: None,
        error_bound: None,
        terms: Vec::new(),
        negative: Vec::new(),
    };
    match &found.source {
        Source::Counter { gap_s_max, rollover } => {
            (source.gap_s_max, source.rollover) = (*gap_s_max, *rollover);
        }
        Source::Power { gap_s_max, error_bound } => {
            source.kind = SourceKind::Power;
            (source.gap_s_max, source.error_bound) = (*gap_s_max, Some(*error_bound));
        }
        Source::Formula { terms, negative } => {
            source.kind = SourceKind::Formula;
            (source.quantity, source.model) = (None, None);
            source.terms = terms
                .iter()
                .map(|(term, factor_milli, intervals)| WhyTerm {
                    meter: fill::meter(site, term),
                    factor_milli: *factor_milli,
                    sum: answer_sum(&summed(intervals)),
                })
                .collect();
            source.negative =
                negative.iter().map(|start| time::written(*start, &site.zone)).collect();
        }
    }
    source
}

fn pieces(found: &WhyFigure, written: &impl Fn(i64) -> String) -> Vec<WhyPiece> {
    let stand = |stand: &analysis::interval::Stand| WhyStand {
        at: written(stand.instant),
        value: stand.raw,
        scaled: stand.value,
    };
    let pieces = found.explanation.pieces.iter().map(|piece| WhyPiece {
        kind: piece.kind.code().to_owned(),
        from: stand(&piece.from),
        to: stand(&piece.to),
        amount: piece.amount,
        laid: piece.laid,
        weights: piece.weights.clone(),
    });
    pieces.collect()
}

fn intervals(
    intervals: &[IntervalAmount],
    pricing: Option<Pricing<'_>>,
    written: &impl Fn(i64) -> String,
) -> Vec<WhyInterval> {
    let rows = intervals.iter().map(|interval| WhyInterval {
        start: written(interval.start),
        measured: interval.measured,
        estimated: interval.estimated,
        estimated_s: interval.estimated_s,
        missing_s: interval.missing_s,
        rate_e4: pricing.and_then(|pricing| Some(pricing.rate_at(interval.start)?.rate_e4)),
    });
    rows.collect()
}

fn rate(row: &analysis::tariff::BillRow) -> WhyRate {
    WhyRate { band: row.rate.name.code().to_owned(), rate_e4: row.rate.rate_e4, amount: row.amount }
}

fn readings(
    found: &WhyFigure,
    meter: &Meter,
    (offset, limit): (usize, usize),
    written: &impl Fn(i64) -> String,
) -> WhyReadings {
    let reading = |arrival: &Arrival| {
        let pack = &arrival.pack;
        let own = pack.readings.iter().find(|it| it.quantity == meter.counter)?;
        let (value, absence) = match own.value {
            Value::Measured(value) => (Some(value), None),
            Value::Absent(absence) => (None, Some(absence.code().to_owned())),
        };
        let suspect = value.and_then(|value| found.suspect(pack.instant, value));
        Some(WhyReading {
            at: written(pack.instant),
            received_at: written(arrival.received),
            node: arrival.node.as_str().to_owned(),
            boot: pack.boot,
            seq: pack.seq,
            clock_synced: pack.clock == Clock::Synced,
            clock: arrival.clock_word().to_owned(),
            value,
            absence,
            counts: value.is_some() && suspect.is_none(),
            suspect: suspect.map(|suspect| suspect.reason.code().to_owned()),
        })
    };
    let all = || found.readings.iter().filter_map(reading);
    WhyReadings { total: all().count(), offset, rows: all().skip(offset).take(limit).collect() }
}

/// The versions of reference data that the figure rests on, of this meter alone.
fn factors(rooms: &Rooms, found: &WhyFigure, site: &Site, meter: &Meter) -> Vec<FactorVersion> {
    let book = FactorVersion {
        kind: "site_book".to_owned(),
        id: site.id.as_str().to_owned(),
        version: found.book.to_string(),
    };
    let events = found.events.iter().map(months::event_factor);
    let mut dated: Vec<FactorVersion> = Vec::new();
    let months: Vec<Date> = found.days.iter().map(|(date, _, _)| date.first_of_month()).collect();
    for (at, month) in months.iter().enumerate() {
        if at.checked_sub(1).is_some_and(|before| months.get(before) == Some(month)) {
            continue;
        }
        let own = references(site, rooms.ledger.calendar(), *month).into_iter().map(months::factor);
        let tariff = meter.tariff.as_ref().map(|tariff| tariff.as_str());
        let used = own.filter(|it| it.kind != "tariff" || Some(it.id.as_str()) == tariff);
        for factor in used {
            let known = dated.iter().any(|it| {
                it.kind == factor.kind && it.id == factor.id && it.version == factor.version
            });
            if !known {
                dated.push(factor);
            }
        }
    }
    std::iter::once(book).chain(events).chain(dated).collect()
}
