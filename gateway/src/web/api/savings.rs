//! Verified savings, and the month's end.

use analysis::baseline::Refusal;
use analysis::figures::month_span;
use analysis::forecast::MonthEnd;
use analysis::site::Medium;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::IntoParams;

use super::meters::named_in;
use crate::ledger;
use crate::web::answer::problem::Problem;
use crate::web::answer::savings::{
    Co2Factor, MonthForecast, Refusal as RefusalAnswer, Savings, SavingsFigure, SavingsModel,
};
use crate::web::auth::Reader;
use crate::web::error::{ApiError, language_of};
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};
use crate::words::{self, Language};

/// The most days that one saving is told of: three years, after which the building is
/// another one.
const DAYS_MAX: i32 = 3 * 366;

/// Of which meter, and from when to when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavingsQuery {
    /// Identifier of the meter.
    meter: String,
    /// The first day after the measure; the year before it is the training.
    #[param(format = Date)]
    from: String,
    /// The last day that counts; yesterday if not given.
    #[param(format = Date)]
    to: Option<String>,
}

/// Against what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForecastQuery {
    /// What the month should stay below, in thousandths of the meter's unit; the same month
    /// of the year before if not given.
    limit: Option<i64>,
}

/// Returns what a meter saved since a measure, with its uncertainty, or why that cannot be
/// told.
#[utoipa::path(
    get,
    path = "/api/v1/savings",
    tag = "meters",
    params(SavingsQuery),
    responses(
        (status = 200, body = Savings),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_savings(
    _: Reader,
    State(web): State<WebState>,
    headers: HeaderMap,
    Asked(query): Asked<SavingsQuery>,
) -> Result<Json<Savings>, ApiError> {
    let language = language_of(&headers);
    let yesterday = web.today().yesterday().map_err(|_| ApiError::Malformed { key: "to" })?;
    let from = time::read_day(&query.from).ok_or(ApiError::Malformed { key: "from" })?;
    let to = match &query.to {
        Some(text) => time::read_day(text).ok_or(ApiError::Malformed { key: "to" })?,
        None => yesterday,
    };
    if to < from || yesterday < to || from.saturating_add(DAYS_MAX.days()) < to {
        return Err(ApiError::Malformed { key: "to" });
    }
    let answer = web.ask(move |rooms| savings(rooms, &query.meter, from, to, language)).await?;
    Ok(Json(answer))
}

fn savings(
    rooms: &Rooms,
    meter: &str,
    from: Date,
    to: Date,
    language: Language,
) -> Result<Savings, ApiError> {
    let site = rooms.ledger.site().ok_or(ApiError::NoSiteBook)?;
    let meter = named_in(&site, meter)?;
    let found = rooms.ledger.savings(&meter.id, from, to)?;
    let found = found.ok_or(ApiError::NotFound { what: "meter" })?;
    let refusal = found.figure.as_ref().err().map(|it| RefusalAnswer {
        code: it.code().to_owned(),
        message: reason(language, meter.medium, it),
    });
    Ok(Savings {
        meter: fill::meter(&site, &meter.id),
        unit: meter.medium.into(),
        from: from.to_string(),
        to: to.to_string(),
        training_from: found.training.0.to_string(),
        training_to: found.training.1.to_string(),
        model: found.model.as_ref().map(|it| model(language, it)),
        figure: found.figure.ok().map(|it| figure(&it)),
        refusal,
    })
}

fn model(language: Language, model: &ledger::SavingsModel) -> SavingsModel {
    let accuracy = model.accuracy;
    let method = model.method.code();
    SavingsModel {
        method: method.to_owned(),
        words: words::text(language, &format!("savings.method.{method}"), &[]),
        steps: accuracy.steps,
        parameters: accuracy.parameters,
        cv_rmse_milli: milli(accuracy.cv_rmse),
        bias_milli: milli(accuracy.nmbe),
        r_squared_milli: milli(accuracy.r_squared),
        autocorrelation_milli: milli(accuracy.autocorrelation),
    }
}

fn figure(figure: &ledger::SavingsFigure) -> SavingsFigure {
    let it = figure.avoided;
    let co2_g = figure.carbon.map(|factor| factor.grams(it.avoided));
    SavingsFigure {
        measured: it.measured,
        expected: it.expected,
        avoided: it.avoided,
        avoided_low: it.avoided.saturating_sub(it.uncertainty),
        avoided_high: it.avoided.saturating_add(it.uncertainty),
        uncertainty: it.uncertainty,
        steps: it.steps,
        steps_all: it.of,
        cost_e4: figure.cost_e4,
        cost_uncertainty_e4: figure.cost_e4.map(|cost| figure.uncertainty_of(cost)),
        co2_g,
        co2_uncertainty_g: co2_g.map(|grams| figure.uncertainty_of(grams)),
        co2_factor: figure.carbon.map(|factor| Co2Factor {
            year: factor.year,
            decigrams: factor.decigrams,
            source: factor.source.to_owned(),
        }),
    }
}

/// Says why a saving is not told, as one says it to a person.
fn reason(language: Language, medium: Medium, refusal: &Refusal) -> String {
    let key = format!("savings.refused.{}", refusal.code());
    let text = |params: &[(&str, &str)]| words::text(language, &key, params);
    match *refusal {
        Refusal::NoData | Refusal::NoWeather => text(&[]),
        Refusal::TooShort { days } | Refusal::TooLong { days } => {
            text(&[("days", &days.to_string())])
        }
        Refusal::Holes { percent }
        | Refusal::PeriodWithHoles { percent }
        | Refusal::WeatherBeyond { percent } => text(&[("percent", &percent.to_string())]),
        Refusal::MonthWithHoles { month, percent } => {
            let month = words::month(language, month.year(), month.month());
            text(&[("month", &month), ("percent", &percent.to_string())])
        }
        Refusal::PoorModel { cv_percent } => text(&[("percent", &cv_percent.to_string())]),
        Refusal::Uncertain { avoided, uncertainty } => text(&[
            ("avoided", &words::amount(language, medium, avoided)),
            ("uncertainty", &words::amount(language, medium, uncertainty)),
        ]),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it saturates; a share is of the order of one")]
fn milli(share: f64) -> i64 {
    (share * 1000.0).round() as i64
}

/// Returns what this month of a meter will come to, with a range, and whether that is too
/// much.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/forecast",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter"), ForecastQuery),
    responses(
        (status = 200, body = MonthForecast),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_forecast(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Asked(query): Asked<ForecastQuery>,
) -> Result<Json<MonthForecast>, ApiError> {
    let today = web.today();
    Ok(Json(web.ask(move |rooms| forecast(rooms, &id, today, query.limit)).await?))
}

fn forecast(
    rooms: &Rooms,
    id: &str,
    today: Date,
    limit: Option<i64>,
) -> Result<MonthForecast, ApiError> {
    let site = rooms.ledger.site().ok_or(ApiError::NoSiteBook)?;
    let meter = named_in(&site, id)?;
    let end = rooms.ledger.month_end(&meter.id)?.ok_or(ApiError::NotFound { what: "meter" })?;
    let limit = match limit {
        Some(limit) => Some(limit),
        None => {
            let before = month_span(&site, today.saturating_sub(1.year()));
            let intervals = rooms.ledger.intervals(meter, before)?;
            intervals.iter().map(analysis::interval::IntervalAmount::complete).sum()
        }
    };
    let range = end.as_ref().and_then(|it| it.range);
    Ok(MonthForecast {
        meter: fill::meter(&site, &meter.id),
        unit: meter.medium.into(),
        month: format!("{:04}-{:02}", today.year(), today.month()),
        so_far: end.as_ref().map(|it| it.so_far),
        hours_told: end.as_ref().map_or(0, |it| it.hours_told),
        days_left: end.as_ref().map_or(0, |it| it.days_left),
        expected: end.as_ref().map(|it| it.expected),
        low: range.map(|it| it.0),
        high: range.map(|it| it.1),
        limit,
        will_exceed: limit.and_then(|limit| will_exceed(end.as_ref()?, limit)),
    })
}

fn will_exceed(end: &MonthEnd, limit: i64) -> Option<bool> {
    end.range.map(|_| end.exceeds(limit))
}
