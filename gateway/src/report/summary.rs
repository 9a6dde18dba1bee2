//! The first sheet: the month on one page.

use analysis::figures::{DayFigure, TotalFigure, WasteFigure};
use analysis::site::Medium;
use analysis::tariff::{DatedRule, Tariff};
use jiff::civil::Date;
use rust_xlsxwriter::{
    Chart, ChartEmptyCells, ChartFont, ChartFormat, ChartLine, ChartSolidFill, ChartType, Color,
};

use super::lists::DayColumn;
use super::sheet::{
    AMOUNT_PLACES, Column, MONEY_PLACES, ROW_PIXELS, Sheet, TALL, is_gap, medium_word, unit,
};
use super::{Report, ReportError};
use crate::words::{self, text};

const COLUMNS: [Column; 8] = [
    ("report.column.medium_name", 22.0),
    ("report.column.unit", 9.0),
    ("report.column.amount", 16.0),
    ("report.column.cost", 15.0),
    ("report.column.estimated_part", 14.0),
    ("report.column.measured", 10.0),
    ("report.column.estimated", 10.0),
    ("report.column.missing", 10.0),
];
const LAST_COLUMN: u16 = 7;

/// Returns the report's title: site, month, what it is.
pub(super) fn title(report: &Report<'_>) -> String {
    let site = report.site.name.get(report.language);
    let month = month_name(report);
    text(report.language, "report.title", &[("site", site), ("month", &month)])
}

pub(super) fn month_name(report: &Report<'_>) -> String {
    let month = report.figures.month;
    words::month(report.language, month.year(), month.month())
}

/// Writes the sheet; `days` says where the daily figures stand that the charts draw.
pub(super) fn summary(
    sheet: &mut Sheet<'_>,
    report: &Report<'_>,
    days: &[DayColumn],
) -> Result<(), ReportError> {
    let mut row = head(sheet, report)?;
    row = totals(sheet, report, row + 1)?;
    row = charts(sheet, report, days, row + 1)?;
    row = waste(sheet, report, row + 1)?;
    row = versions(sheet, report, row + 1)?;
    notes(sheet, row + 1)
}

fn head(sheet: &mut Sheet<'_>, report: &Report<'_>) -> Result<u32, ReportError> {
    sheet.inner.write_string_with_format(0, 0, title(report), &sheet.styles.title)?;
    sheet.inner.set_row_height(0, 28)?;
    let first = report.figures.month;
    let last = first.last_of_month();
    let zone = &report.site.zone;
    let made = words::moment_with_year(report.language, zone, report.made);
    let period = text(
        report.language,
        "report.period",
        &[("from", &first.to_string()), ("to", &last.to_string()), ("made", &made)],
    );
    sheet.inner.write_string(1, 0, period)?;
    let made_on = words::day(zone, report.made);
    if made_on <= last.to_string() {
        let unfinished = sheet.words("report.unfinished");
        let format = sheet.styles.heading.clone().set_font_color(Color::RGB(0x9A_3412));
        sheet.inner.write_string_with_format(2, 0, unfinished, &format)?;
        return Ok(3);
    }
    Ok(2)
}

fn totals(sheet: &mut Sheet<'_>, report: &Report<'_>, at: u32) -> Result<u32, ReportError> {
    let mut row = heading(sheet, at, "report.heading.totals")?;
    sheet.headings(row, &COLUMNS)?;
    for TotalFigure { medium, figure } in &report.figures.totals {
        row += 1;
        let word = medium_word(sheet.language, *medium);
        sheet.text(row, 0, &word)?;
        sheet.text(row, 1, unit(*medium))?;
        sheet.amount((row, 2), figure)?;
        sheet.cost((row, 3), figure)?;
        sheet.estimated((row, 4), figure)?;
        sheet.shares(row, 5, figure)?;
    }
    for TotalFigure { medium, figure } in &report.figures.totals {
        if figure.unpriced != 0 {
            row += 1;
            let word = medium_word(sheet.language, *medium);
            let amount = words::amount(sheet.language, *medium, figure.unpriced);
            let note = text(
                sheet.language,
                "report.note.unpriced",
                &[("medium", &word), ("amount", &amount)],
            );
            note_rows(sheet, row, 1, &note)?;
        }
    }
    Ok(row + 1)
}

const CHART_ROWS: u32 = 11;

/// Draws what was used day by day: electricity across the page, other media below it,
/// two side by side.
fn charts(
    sheet: &mut Sheet<'_>,
    report: &Report<'_>,
    days: &[DayColumn],
    at: u32,
) -> Result<u32, ReportError> {
    const PAGE: u32 = 770;
    let mut row = at;
    let (wide, narrow): (Vec<_>, Vec<_>) =
        days.iter().partition(|column| column.medium == Medium::Electricity);
    for column in wide {
        let mut chart = chart(sheet, report, column);
        chart.set_width(PAGE).set_height(CHART_ROWS * ROW_PIXELS);
        sheet.inner.insert_chart(row, 0, &chart)?;
        row += CHART_ROWS + 1;
    }
    for pair in narrow.chunks(2) {
        for (column, side) in pair.iter().zip([0, 3]) {
            let mut chart = chart(sheet, report, column);
            chart.set_width(PAGE / 2 - 10).set_height(CHART_ROWS * ROW_PIXELS);
            sheet.inner.insert_chart(row, side, &chart)?;
        }
        row += CHART_ROWS + 1;
    }
    Ok(row)
}

fn chart(sheet: &Sheet<'_>, report: &Report<'_>, column: &DayColumn) -> Chart {
    let colour = match column.medium {
        Medium::Electricity => Color::RGB(0x1D_4ED8),
        Medium::Water => Color::RGB(0x0E_7490),
        Medium::Gas => Color::RGB(0xB4_5309),
        Medium::Heat => Color::RGB(0xBE_185D),
    };
    let word = medium_word(sheet.language, column.medium);
    let days = sheet.words("report.sheet.days");
    let days = days.as_str();
    let heading = text(
        sheet.language,
        "report.chart.title",
        &[("medium", &word), ("unit", unit(column.medium))],
    );
    let mut chart = Chart::new(ChartType::Column);
    chart
        .add_series()
        .set_name(word.as_str())
        .set_categories((days, column.first_row, 0, column.last_row, 0))
        .set_values((days, column.first_row, column.amount, column.last_row, column.amount))
        .set_format(ChartFormat::new().set_solid_fill(ChartSolidFill::new().set_color(colour)))
        .set_gap(40);
    chart.title().set_name(heading.as_str()).set_font(ChartFont::new().set_size(12));
    chart.legend().set_hidden();
    chart.x_axis().set_date_axis(true).set_num_format("d");
    let mut grid = ChartLine::new();
    grid.set_color(Color::RGB(0xE5_E7EB));
    let steps = if is_small(report, column.medium) { "0.0" } else { "#,##0" };
    chart.y_axis().set_num_format(steps).set_min(0).set_major_gridlines_line(&grid);
    chart.show_empty_cells_as(ChartEmptyCells::Gaps);
    chart.set_alt_text(told(report, column.medium));
    chart
}

/// Whether no day comes to ten units, so that an axis needs decimals.
fn is_small(report: &Report<'_>, medium: Medium) -> bool {
    let mut days = report.figures.days.iter().filter(|day| day.medium == medium);
    days.all(|day| day.figure.amount < 10_000_000)
}

/// Says in words what a chart shows: the highest and the lowest day.
fn told(report: &Report<'_>, medium: Medium) -> String {
    let known = |day: &&DayFigure| day.medium == medium && !is_gap(&day.figure);
    let days = || report.figures.days.iter().filter(known);
    let highest = days().max_by_key(|day| day.figure.amount);
    let lowest = days().min_by_key(|day| day.figure.amount);
    let word = medium_word(report.language, medium);
    let (Some(highest), Some(lowest)) = (highest, lowest) else {
        return text(report.language, "report.chart.empty", &[("medium", &word)]);
    };
    let amount = |day: &DayFigure| words::amount(report.language, medium, day.figure.amount);
    text(
        report.language,
        "report.chart.told",
        &[
            ("medium", &word),
            ("month", &month_name(report)),
            ("highest", &amount(highest)),
            ("highest_day", &highest.date.to_string()),
            ("lowest", &amount(lowest)),
            ("lowest_day", &lowest.date.to_string()),
        ],
    )
}

fn waste(sheet: &mut Sheet<'_>, report: &Report<'_>, at: u32) -> Result<u32, ReportError> {
    let mut row = heading(sheet, at, "report.heading.waste")?;
    if report.figures.waste.iter().all(|waste| waste.count == 0) {
        let none = sheet.words("report.waste.none");
        sheet.inner.write_string(row, 0, none)?;
        return Ok(row + 1);
    }
    let headings = ["kind", "unit", "wasted", "cost", "count", "open"];
    for (column, key) in (0..).zip(headings) {
        let heading = sheet.words(&format!("report.column.{key}"));
        sheet.inner.write_string_with_format(row, column, heading, &sheet.styles.header)?;
    }
    for WasteFigure { kind, medium, count, open, amount, cost_e4 } in &report.figures.waste {
        row += 1;
        let word = sheet.words(&format!("kind.{}", kind.code()));
        sheet.text(row, 0, &word)?;
        sheet.text(row, 1, unit(*medium))?;
        let number = sheet.styles.number.clone();
        sheet.decimal((row, 2), *amount, AMOUNT_PLACES, &number)?;
        sheet.decimal((row, 3), *cost_e4, MONEY_PLACES, &number)?;
        let format = &sheet.styles.count;
        sheet.inner.write_number_with_format(row, 4, *count, format)?;
        sheet.inner.write_number_with_format(row, 5, *open, format)?;
    }
    Ok(row + 1)
}

/// Names the dated reference data that the figures were made with.
fn versions(sheet: &mut Sheet<'_>, report: &Report<'_>, at: u32) -> Result<u32, ReportError> {
    let mut row = heading(sheet, at, "report.heading.versions")?;
    for (column, key) in [(0, "version"), (1, "medium"), (2, "valid_from"), (3, "source")] {
        let heading = sheet.words(&format!("report.column.{key}"));
        sheet.inner.write_string_with_format(row, column, heading, &sheet.styles.header)?;
    }
    sheet.inner.merge_range(
        row,
        3,
        row,
        LAST_COLUMN,
        &sheet.words("report.column.source"),
        &sheet.styles.header,
    )?;
    for tariff in &report.site.tariffs {
        for rule in rules_of_month(tariff, report.figures.month) {
            row += 1;
            let word = medium_word(sheet.language, tariff.medium);
            sheet.text(row, 0, tariff.name.get(sheet.language))?;
            sheet.text(row, 1, &word)?;
            sheet.date(row, 2, rule.from)?;
            sheet.inner.merge_range(
                row,
                3,
                row,
                LAST_COLUMN,
                &rule.source,
                &sheet.styles.wrapped,
            )?;
        }
    }
    row += 1;
    let year = report.figures.month.year();
    let calendar = sheet.words("report.version.calendar");
    let notice = match report.calendar.notice(year) {
        Some(notice) => notice.to_owned(),
        None => sheet.words("report.version.no_calendar"),
    };
    sheet.inner.set_row_height(row, TALL)?;
    sheet.text(row, 0, &calendar)?;
    sheet.blank((row, 1))?;
    sheet.text(row, 2, &year.to_string())?;
    sheet.inner.merge_range(row, 3, row, LAST_COLUMN, &notice, &sheet.styles.wrapped)?;
    Ok(row + 1)
}

/// Returns the rules of a tariff that hold on some day of a month.
fn rules_of_month(tariff: &Tariff, month: Date) -> Vec<&DatedRule> {
    let last = month.last_of_month();
    let mut rules: Vec<_> = tariff.rules.iter().filter(|rule| rule.from <= last).collect();
    rules.sort_by_key(|rule| rule.from);
    let before = rules.iter().rposition(|rule| rule.from <= month).unwrap_or(0);
    rules.split_off(before.min(rules.len()))
}

fn notes(sheet: &mut Sheet<'_>, at: u32) -> Result<(), ReportError> {
    let mut row = heading(sheet, at, "report.heading.notes")?;
    for key in ["report.note.exact", "report.note.gaps", "report.note.in_total"] {
        let note = sheet.words(key);
        note_rows(sheet, row, 2, &note)?;
        row += 2;
    }
    sheet.inner.set_print_area(0, 0, row, LAST_COLUMN)?;
    Ok(())
}

fn heading(sheet: &mut Sheet<'_>, row: u32, key: &str) -> Result<u32, ReportError> {
    let words = sheet.words(key);
    sheet.inner.write_string_with_format(row, 0, words, &sheet.styles.heading)?;
    Ok(row + 1)
}

fn note_rows(sheet: &mut Sheet<'_>, row: u32, rows: u32, note: &str) -> Result<(), ReportError> {
    let last = row + rows - 1;
    sheet.inner.merge_range(row, 0, last, LAST_COLUMN, note, &sheet.styles.note)?;
    Ok(())
}
