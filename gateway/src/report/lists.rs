//! The sheets that are lists: meters, areas, days, data quality.

use analysis::figures::{AreaFigure, DayFigure, Figure, MeterFigure, TotalFigure};
use analysis::site::Medium;
use jiff::civil::Date;
use rust_xlsxwriter::utility::{column_number_to_name, row_col_to_cell};
use rust_xlsxwriter::{Color, ConditionalFormatCell, ConditionalFormatCellRule, Format};

use super::sheet::{AMOUNT_PLACES, Column, Sheet, is_gap, medium_word, unit};
use super::{Report, ReportError, rests};
use crate::words::text;

const METER_COLUMNS: [Column; 15] = [
    ("report.column.meter_id", 18.0),
    ("report.column.meter", 24.0),
    ("report.column.building", 16.0),
    ("report.column.area", 20.0),
    ("report.column.load", 14.0),
    ("report.column.medium", 11.0),
    ("report.column.unit", 7.0),
    ("report.column.amount", 14.0),
    ("report.column.estimated_part", 13.0),
    ("report.column.cost", 13.0),
    ("report.column.in_total", 9.0),
    ("report.column.measured", 9.0),
    ("report.column.estimated", 9.0),
    ("report.column.missing", 9.0),
    ("report.column.events", 16.0),
];
const METER_MEDIUM: u16 = 5;
const METER_AMOUNT: u16 = 7;
const METER_IN_TOTAL: u16 = 10;
const METER_EVENTS: u16 = 14;

/// Writes one row per meter, and under them the totals per medium: sums of the rows that
/// count, so that a filter or a changed row shows in them.
pub(super) fn meters(sheet: &mut Sheet<'_>, report: &Report<'_>) -> Result<(), ReportError> {
    let last_column = sheet.headings(0, &METER_COLUMNS)?;
    let mut row = 0;
    for figure in &report.figures.meters {
        row += 1;
        meter(sheet, row, report, figure)?;
    }
    let last = row;
    sheet.list(last, last_column)?;
    row += 1;
    for total in &report.figures.totals {
        row += 1;
        meters_total(sheet, row, last, total)?;
    }
    Ok(())
}

fn meter(
    sheet: &mut Sheet<'_>,
    row: u32,
    report: &Report<'_>,
    MeterFigure { meter: id, medium, counts_in_total, figure }: &MeterFigure,
) -> Result<(), ReportError> {
    let (language, site) = (sheet.language, report.site);
    let meter = site.meter(id);
    let area = meter.and_then(|meter| site.area(&meter.area));
    let building = area.and_then(|area| site.building(&area.building));
    let load = meter.filter(|_| *medium == Medium::Electricity);
    let load = load.map(|meter| sheet.words(&format!("load.{}", meter.load.code())));
    let in_total = sheet.words(if *counts_in_total { "word.yes" } else { "word.no" });
    sheet.text(row, 0, id.as_str())?;
    sheet.text(row, 1, meter.map_or(id.as_str(), |meter| meter.name.get(language)))?;
    sheet.text(row, 2, building.map_or("", |building| building.name.get(language)))?;
    sheet.text(row, 3, area.map_or("", |area| area.name.get(language)))?;
    sheet.text(row, 4, &load.unwrap_or_default())?;
    sheet.text(row, METER_MEDIUM, &medium_word(language, *medium))?;
    sheet.text(row, 6, unit(*medium))?;
    sheet.amount((row, METER_AMOUNT), figure)?;
    sheet.estimated((row, METER_AMOUNT + 1), figure)?;
    sheet.cost((row, METER_AMOUNT + 2), figure)?;
    sheet.text(row, METER_IN_TOTAL, &in_total)?;
    sheet.shares(row, METER_IN_TOTAL + 1, figure)?;
    let events = meter.map(|meter| rests::numbers(report, meter));
    sheet.text(row, METER_EVENTS, &events.unwrap_or_default())
}

fn meters_total(
    sheet: &mut Sheet<'_>,
    row: u32,
    last: u32,
    TotalFigure { medium, figure }: &TotalFigure,
) -> Result<(), ReportError> {
    let word = medium_word(sheet.language, *medium);
    for column in 0..METER_AMOUNT {
        sheet.inner.write_blank(row, column, &sheet.styles.total)?;
    }
    let label = text(sheet.language, "report.total_of", &[("medium", &word)]);
    sheet.inner.write_string_with_format(row, 1, label, &sheet.styles.total)?;
    sheet.inner.write_string_with_format(row, METER_MEDIUM, &word, &sheet.styles.total)?;
    sheet.inner.write_string_with_format(row, 6, unit(*medium), &sheet.styles.total)?;
    let column = |number: u16| {
        let name = column_number_to_name(number);
        format!("${name}$2:${name}${}", last + 1)
    };
    let yes = sheet.words("word.yes");
    let sum = |number: u16| {
        format!(
            "=SUMIFS({},{},{},{},\"{yes}\")",
            column(number),
            column(METER_MEDIUM),
            row_col_to_cell(row, METER_MEDIUM),
            column(METER_IN_TOTAL),
        )
    };
    let [amount, estimated, cost] = [0, 1, 2].map(|next| METER_AMOUNT + next);
    sheet.formula((row, amount), &sum(amount), figure.amount, AMOUNT_PLACES)?;
    sheet.formula((row, estimated), &sum(estimated), figure.estimated, AMOUNT_PLACES)?;
    sheet.cost_formula((row, cost), &sum(cost), figure)
}

const AREA_COLUMNS: [Column; 12] = [
    ("report.column.building", 16.0),
    ("report.column.area", 22.0),
    ("report.column.floor", 8.0),
    ("report.column.floor_area", 12.0),
    ("report.column.medium", 11.0),
    ("report.column.unit", 7.0),
    ("report.column.amount", 14.0),
    ("report.column.estimated_part", 13.0),
    ("report.column.cost", 13.0),
    ("report.column.measured", 9.0),
    ("report.column.estimated", 9.0),
    ("report.column.missing", 9.0),
];

/// Writes one row per area and medium. No total: areas overlap.
pub(super) fn areas(sheet: &mut Sheet<'_>, report: &Report<'_>) -> Result<(), ReportError> {
    let last_column = sheet.headings(0, &AREA_COLUMNS)?;
    let mut row = 0;
    for AreaFigure { area: id, medium, figure } in &report.figures.areas {
        row += 1;
        let area = report.site.area(id);
        let building = area.and_then(|area| report.site.building(&area.building));
        let language = sheet.language;
        sheet.text(row, 0, building.map_or("", |building| building.name.get(language)))?;
        sheet.text(row, 1, area.map_or(id.as_str(), |area| area.name.get(language)))?;
        sheet.text(row, 2, area.map_or("", |area| area.floor.as_str()))?;
        match area.and_then(|area| area.floor_area_m2) {
            Some(m2) => {
                let format = &sheet.styles.count;
                sheet.inner.write_number_with_format(row, 3, m2, format)?;
            }
            None => sheet.blank((row, 3))?,
        }
        sheet.text(row, 4, &medium_word(language, *medium))?;
        sheet.text(row, 5, unit(*medium))?;
        sheet.amount((row, 6), figure)?;
        sheet.estimated((row, 7), figure)?;
        sheet.cost((row, 8), figure)?;
        sheet.shares(row, 9, figure)?;
    }
    sheet.list(row, last_column)?;
    let note = sheet.words("report.note.areas_overlap");
    sheet.inner.merge_range(row + 2, 0, row + 3, 11, &note, &sheet.styles.note)?;
    Ok(())
}

/// Columns of one medium on the sheet of days: amount, cost, missing.
const DAY_COLUMNS: u16 = 3;

/// Where the sheet of days keeps what a chart draws.
pub(super) struct DayColumn {
    pub(super) medium: Medium,
    pub(super) amount: u16,
    pub(super) first_row: u32,
    pub(super) last_row: u32,
}

/// Writes one row per local day with every medium beside it, and the sums under them.
pub(super) fn days(
    sheet: &mut Sheet<'_>,
    report: &Report<'_>,
) -> Result<Vec<DayColumn>, ReportError> {
    let days = &report.figures.days;
    let mut dates: Vec<Date> = days.iter().map(|day| day.date).collect();
    dates.dedup();
    let last = u32::try_from(dates.len()).unwrap_or(u32::MAX);
    sheet.headings(0, &[("report.column.date", 12.0), ("report.column.day_type", 11.0)])?;
    for (row, date) in (1..).zip(&dates) {
        sheet.date(row, 0, *date)?;
        let day_type = format!("word.day.{}", report.calendar.day(*date).code());
        let day_type = sheet.words(&day_type);
        sheet.text(row, 1, &day_type)?;
    }
    sheet.inner.write_blank(last + 1, 0, &sheet.styles.total)?;
    let label = sheet.words("report.total");
    sheet.inner.write_string_with_format(last + 1, 1, label, &sheet.styles.total)?;

    let mut columns = Vec::new();
    for (number, total) in (0_u16..).zip(&report.figures.totals) {
        let first = 2 + number * DAY_COLUMNS;
        day_headings(sheet, first, total.medium)?;
        for (row, date) in (1..).zip(&dates) {
            let of_day = |day: &&DayFigure| day.date == *date && day.medium == total.medium;
            match days.iter().find(of_day) {
                Some(day) => {
                    sheet.amount((row, first), &day.figure)?;
                    sheet.cost((row, first + 1), &day.figure)?;
                    let missing = i64::from(day.figure.shares().missing_milli);
                    let format = sheet.styles.share.clone();
                    sheet.decimal((row, first + 2), missing, 3, &format)?;
                }
                None => {
                    for column in first..first + DAY_COLUMNS {
                        sheet.blank((row, column))?;
                    }
                }
            }
        }
        let sum = |column: u16| {
            let name = column_number_to_name(column);
            format!("=SUM({name}2:{name}{})", last + 1)
        };
        let figure = &total.figure;
        sheet.formula((last + 1, first), &sum(first), figure.amount, AMOUNT_PLACES)?;
        sheet.cost_formula((last + 1, first + 1), &sum(first + 1), figure)?;
        sheet.inner.write_blank(last + 1, first + 2, &sheet.styles.total)?;
        columns.push(DayColumn {
            medium: total.medium,
            amount: first,
            first_row: 1,
            last_row: last,
        });
    }
    let media = u16::try_from(report.figures.totals.len()).unwrap_or(u16::MAX);
    sheet.list(last, 1 + media * DAY_COLUMNS)?;
    // A month of rows fits on one page upright.
    sheet.inner.set_portrait();
    Ok(columns)
}

fn day_headings(sheet: &mut Sheet<'_>, first: u16, medium: Medium) -> Result<(), ReportError> {
    let word = medium_word(sheet.language, medium);
    let headings = [
        ("report.column.amount_of", 15.0),
        ("report.column.cost_of", 15.0),
        ("report.column.missing_of", 11.0),
    ];
    for (column, (key, width)) in (first..).zip(headings) {
        let heading = sheet.words(key).replace("{medium}", &word).replace("{unit}", unit(medium));
        sheet.inner.set_column_width(column, width)?;
        sheet.inner.write_string_with_format(0, column, heading, &sheet.styles.header)?;
    }
    Ok(())
}

const QUALITY_COLUMNS: [Column; 12] = [
    ("report.column.meter_id", 18.0),
    ("report.column.meter", 24.0),
    ("report.column.medium", 11.0),
    ("report.column.verdict", 12.0),
    ("report.column.measured", 9.0),
    ("report.column.estimated", 9.0),
    ("report.column.missing", 9.0),
    ("report.column.measured_hours", 12.0),
    ("report.column.estimated_hours", 12.0),
    ("report.column.missing_hours", 12.0),
    ("report.column.estimated_amount", 14.0),
    ("report.column.unpriced_amount", 14.0),
];

/// Writes how much of each meter's month was measured, estimated and missing.
pub(super) fn quality(sheet: &mut Sheet<'_>, report: &Report<'_>) -> Result<(), ReportError> {
    let last_column = sheet.headings(0, &QUALITY_COLUMNS)?;
    let mut row = 0;
    for MeterFigure { meter: id, medium, figure, .. } in &report.figures.meters {
        row += 1;
        let language = sheet.language;
        let meter = report.site.meter(id);
        let verdict = sheet.words(verdict(figure));
        sheet.text(row, 0, id.as_str())?;
        sheet.text(row, 1, meter.map_or(id.as_str(), |meter| meter.name.get(language)))?;
        sheet.text(row, 2, &medium_word(language, *medium))?;
        sheet.text(row, 3, &verdict)?;
        sheet.shares(row, 4, figure)?;
        sheet.span(row, 7, figure.measured_s)?;
        sheet.span(row, 8, figure.estimated_s)?;
        sheet.span(row, 9, figure.missing_s)?;
        sheet.estimated((row, 10), figure)?;
        let format = sheet.styles.number.clone();
        sheet.decimal((row, 11), figure.unpriced, AMOUNT_PLACES, &format)?;
    }
    sheet.list(row, last_column)?;
    colour_gaps(sheet, row)?;
    let note = sheet.words("report.note.quality");
    sheet.inner.merge_range(row + 2, 0, row + 5, 11, &note, &sheet.styles.note)?;
    Ok(())
}

/// Colours what is missing; the word beside it says the same.
fn colour_gaps(sheet: &mut Sheet<'_>, last: u32) -> Result<(), ReportError> {
    let gap = Format::new()
        .set_font_color(Color::RGB(0x9A_3412))
        .set_background_color(Color::RGB(0xFF_EDD5));
    let some_missing = ConditionalFormatCell::new()
        .set_rule(ConditionalFormatCellRule::GreaterThan(0))
        .set_format(gap);
    if 0 < last {
        sheet.inner.add_conditional_format(1, 6, last, 6, &some_missing)?;
    }
    Ok(())
}

/// Returns the catalogue's key of what the shares come to, in a word.
fn verdict(figure: &Figure) -> &'static str {
    if is_gap(figure) {
        "report.verdict.nothing"
    } else if 0 < figure.missing_s {
        "report.verdict.gaps"
    } else if 0 < figure.estimated_s {
        "report.verdict.estimated"
    } else {
        "report.verdict.complete"
    }
}
