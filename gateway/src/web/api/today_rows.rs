//! The meters that a number of Today is made of.

use analysis::figures::Figure;
use analysis::site::{Medium, Meter};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::row::Rows;
use super::trust::Tally;
use crate::web::answer::problem::Problem;
use crate::web::answer::today::{TileKey, TileRow, TileRows, TileUnit};
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};

/// The most rows of an answer: more on one page nobody reads.
const ROWS_MAX: usize = 500;

/// Which tile.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TileQuery {
    /// Which tile: `power_now`, `energy_today`, `cost_today` or `completeness`.
    tile: TileKey,
}

/// Returns the meters that a number of Today is made of.
#[utoipa::path(
    get,
    path = "/api/v1/today/rows",
    tag = "today",
    params(TileQuery),
    responses(
        (status = 200, body = TileRows),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_today_rows(
    _: Reader,
    State(web): State<WebState>,
    Asked(query): Asked<TileQuery>,
) -> Result<Json<TileRows>, ApiError> {
    Ok(Json(web.ask(move |rooms| made_of(rooms, query.tile)).await?))
}

fn made_of(rooms: &Rooms, key: TileKey) -> Result<TileRows, ApiError> {
    let rows = Rows::read(rooms)?;
    let (site, now) = (&*rows.site, rows.now);
    let today = time::day_of(now, &site.zone);
    let tops = || site.meters.iter().filter(|meter| site.is_top(meter));
    let electric = || tops().filter(|meter| meter.medium == Medium::Electricity);
    let row = |meter: &Meter, value: Option<i64>, figure: &Figure| {
        let building = site.area(&meter.area).map_or(&meter.area, |area| &area.building);
        let shares = figure.shares();
        TileRow {
            meter: fill::meter(site, &meter.id),
            building: fill::building(site, building),
            value,
            measured_milli: shares.measured_milli.into(),
            estimated_milli: shares.estimated_milli.into(),
            missing_milli: shares.missing_milli.into(),
            counts: None,
        }
    };
    let mut answer = Vec::new();
    let (unit, value) = match key {
        TileKey::PowerNow => {
            for meter in electric() {
                let power = rows.newest(meter).and_then(|newest| newest.power_mw);
                answer.push(row(meter, power, &Figure::default()));
            }
            let powers: Vec<Option<i64>> = answer.iter().map(|row| row.value).collect();
            (TileUnit::W, fill::together(&powers).filter(|_| !powers.is_empty()))
        }
        TileKey::EnergyToday => {
            for meter in electric() {
                let figure = rooms.ledger.figure_today(&meter.id)?;
                let value = figure.as_ref().map(|figure| figure.amount);
                answer.push(row(meter, value, &figure.unwrap_or_default()));
            }
            (TileUnit::Wh, sum(&answer))
        }
        TileKey::CostToday => {
            for meter in tops().filter(|meter| rooms.ledger.pricing(site, meter).is_some()) {
                let figure = rooms.ledger.figure_today(&meter.id)?;
                let value = figure.as_ref().map(|figure| figure.cost_e4);
                answer.push(row(meter, value, &figure.unwrap_or_default()));
            }
            (TileUnit::CnyE4, sum(&answer))
        }
        TileKey::Completeness => {
            let start = time::start_of(today, &site.zone);
            for meter in site.meters.iter().filter(|meter| meter.formula.is_none()) {
                let (counts, untold) =
                    rooms.store.series().counts_told(&meter.id, start, now + 1)?;
                let mut tally = Tally::default();
                tally.add(&counts, untold.due(meter.interval_s, true));
                let counts = tally.answer();
                let due = counts.expected + counts.unknown;
                let share = (counts.received * 100_000).checked_div(due);
                // Of a sender that numbers nothing nobody knows what should be there.
                let share = share.filter(|_| counts.unnumbered == 0);
                let share = share.and_then(|share| i64::try_from(share).ok());
                let mut row = row(meter, share, &Figure::default());
                row.counts = Some(counts);
                answer.push(row);
            }
            // A meter of which nothing was due stands last; among equals the book's order.
            answer.sort_by_key(|row| row.value.unwrap_or(i64::MAX));
            (TileUnit::PercentMilli, rooms.ledger.completeness(today, now)?)
        }
        TileKey::BaseLoadNight | TileKey::WaterToday | TileKey::GasToday => {
            return Err(ApiError::Malformed { key: "tile" });
        }
    };
    let more = answer.len().saturating_sub(ROWS_MAX);
    answer.truncate(ROWS_MAX);
    Ok(TileRows { as_of_at: time::written(now, &site.zone), key, unit, value, rows: answer, more })
}

/// The rows that are known together; `None` if none is.
fn sum(rows: &[TileRow]) -> Option<i64> {
    rows.iter().filter_map(|row| row.value).reduce(|sum, value| sum + value)
}
