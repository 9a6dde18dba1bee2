//! One sheet, written in our words and styles.

use analysis::figures::Figure;
use analysis::site::{Language, Medium};
use jiff::civil::Date;
use rust_xlsxwriter::{
    Color, ExcelDateTime, Format, FormatAlign, FormatBorder, Formula, Worksheet, XlsxError,
};

use super::{Report, ReportError};
use crate::words::{self, exact, text};

/// Every cell format of a workbook. Colours are explicit RGB: the indexed ones differ from
/// program to program, and the green of Excel is nearly white in LibreOffice.
#[derive(Debug)]
pub(super) struct Styles {
    pub(super) title: Format,
    pub(super) heading: Format,
    pub(super) header: Format,
    pub(super) note: Format,
    pub(super) cell: Format,
    pub(super) wrapped: Format,
    pub(super) number: Format,
    pub(super) count: Format,
    pub(super) share: Format,
    pub(super) date: Format,
    pub(super) span: Format,
    pub(super) total: Format,
    pub(super) total_number: Format,
}

const INK: Color = Color::RGB(0x1F_2937);
const LINE: Color = Color::RGB(0xD1_D5DB);
const HEADER: Color = Color::RGB(0xE5_E7EB);
const TOTAL: Color = Color::RGB(0xF3_F4F6);

/// Heights in points: a row, and one with two lines of text.
const ROW: f64 = 18.0;
pub(super) const TALL: f64 = 33.0;
/// Pixels of a row, where something floats over the rows.
pub(super) const ROW_PIXELS: u32 = 24;

impl Styles {
    pub(super) fn new(language: Language) -> Self {
        // A Chinese face for headings only: cells keep the reader's own default.
        let face = match language {
            Language::Zh => "微软雅黑",
            Language::En => "Calibri",
        };
        let cell = Format::new()
            .set_border(FormatBorder::Thin)
            .set_border_color(LINE)
            .set_align(FormatAlign::VerticalCenter);
        let number = cell.clone().set_num_format("#,##0.00");
        let words = cell.clone().set_align(FormatAlign::Left).set_indent(1);
        let total = words.clone().set_bold().set_background_color(TOTAL);
        Self {
            title: Format::new()
                .set_font_name(face)
                .set_font_size(16)
                .set_bold()
                .set_font_color(INK),
            heading: Format::new()
                .set_font_name(face)
                .set_font_size(12)
                .set_bold()
                .set_font_color(INK),
            header: cell
                .clone()
                .set_font_name(face)
                .set_bold()
                .set_background_color(HEADER)
                .set_align(FormatAlign::Center)
                .set_text_wrap(),
            note: Format::new()
                .set_font_color(Color::RGB(0x4B_5563))
                .set_text_wrap()
                .set_align(FormatAlign::Top),
            wrapped: words.clone().set_text_wrap(),
            count: cell.clone().set_num_format("#,##0"),
            share: cell.clone().set_num_format("0.0%"),
            date: cell.clone().set_num_format("yyyy-mm-dd").set_align(FormatAlign::Center),
            span: cell.clone().set_num_format("[h]:mm"),
            total_number: number.clone().set_bold().set_background_color(TOTAL),
            cell: words,
            number,
            total,
        }
    }
}

/// A column: the catalogue's key of its heading, and its width in characters.
pub(super) type Column = (&'static str, f64);

/// A sheet that is being written.
pub(super) struct Sheet<'a> {
    pub(super) inner: &'a mut Worksheet,
    pub(super) styles: &'a Styles,
    pub(super) language: Language,
    currency: String,
}

impl<'a> Sheet<'a> {
    /// Begins a sheet on A4, its columns across one page, with page numbers below.
    pub(super) fn begin(
        inner: &'a mut Worksheet,
        styles: &'a Styles,
        report: &Report<'_>,
        key: &str,
    ) -> Result<Self, ReportError> {
        const A4: u8 = 9;
        let language = report.language;
        inner
            .set_name(text(language, key, &[]))?
            .set_paper_size(A4)
            .set_print_fit_to_pages(1, 0)
            .set_default_row_height(ROW)
            .set_margins(0.5, 0.5, 0.6, 0.7, 0.3, 0.3)
            .set_footer(text(language, "report.footer", &[]));
        let currency = words::currency(language, &report.site.currency).to_owned();
        Ok(Self { inner, styles, language, currency })
    }

    /// Returns the catalogue's text; it may name the site's currency.
    pub(super) fn words(&self, key: &str) -> String {
        text(self.language, key, &[("currency", &self.currency)])
    }

    /// Writes headings and sets the columns' widths; returns the last column.
    pub(super) fn headings(&mut self, row: u32, columns: &[Column]) -> Result<u16, ReportError> {
        let mut last = 0;
        for (column, (key, width)) in (0..).zip(columns) {
            let heading = self.words(key);
            self.inner.set_column_width(column, *width)?.write_string_with_format(
                row,
                column,
                heading,
                &self.styles.header,
            )?;
            last = column;
        }
        Ok(last)
    }

    /// Makes a list of a sheet: its first row stays in sight, is repeated on each printed
    /// page, and filters the rows below it.
    pub(super) fn list(&mut self, last_row: u32, last_column: u16) -> Result<(), ReportError> {
        self.inner.set_landscape().set_freeze_panes(1, 0)?.set_repeat_rows(0, 0)?.autofilter(
            0,
            0,
            last_row,
            last_column,
        )?;
        Ok(())
    }

    pub(super) fn text(&mut self, row: u32, column: u16, words: &str) -> Result<(), ReportError> {
        self.inner.write_string_with_format(row, column, words, &self.styles.cell)?;
        Ok(())
    }

    /// Writes words that may need more than one line; their row grows with them.
    pub(super) fn wrapped(
        &mut self,
        row: u32,
        column: u16,
        words: &str,
    ) -> Result<(), ReportError> {
        self.inner.write_string_with_format(row, column, words, &self.styles.wrapped)?;
        if 28 < words.chars().count() {
            self.inner.set_row_height(row, TALL)?;
        }
        Ok(())
    }

    /// Writes an amount or money; `places` is how many decimals the integer has.
    pub(super) fn decimal(
        &mut self,
        (row, column): (u32, u16),
        value: i64,
        places: u32,
        format: &Format,
    ) -> Result<(), ReportError> {
        let cell = carried(self.inner, row, column, value, places)?;
        self.inner.write_number_with_format(row, column, cell, format)?;
        Ok(())
    }

    /// Writes an amount; a figure of which nothing is known is an empty cell.
    pub(super) fn amount(&mut self, at: (u32, u16), figure: &Figure) -> Result<(), ReportError> {
        if is_gap(figure) {
            return self.blank(at);
        }
        let format = self.styles.number.clone();
        self.decimal(at, figure.amount, AMOUNT_PLACES, &format)
    }

    pub(super) fn estimated(&mut self, at: (u32, u16), figure: &Figure) -> Result<(), ReportError> {
        if is_gap(figure) {
            return self.blank(at);
        }
        let format = self.styles.number.clone();
        self.decimal(at, figure.estimated, AMOUNT_PLACES, &format)
    }

    /// Writes what was paid; empty where nothing is known or nothing is priced.
    pub(super) fn cost(&mut self, at: (u32, u16), figure: &Figure) -> Result<(), ReportError> {
        if is_gap(figure) || is_unpriced(figure) {
            return self.blank(at);
        }
        let format = self.styles.number.clone();
        self.decimal(at, figure.cost_e4, MONEY_PLACES, &format)
    }

    /// Writes the shares of measured, estimated and missing time in three columns.
    pub(super) fn shares(
        &mut self,
        row: u32,
        first: u16,
        figure: &Figure,
    ) -> Result<(), ReportError> {
        let shares = figure.shares();
        let parts = [shares.measured_milli, shares.estimated_milli, shares.missing_milli];
        let format = self.styles.share.clone();
        for (column, part) in (first..).zip(parts) {
            self.decimal((row, column), i64::from(part), 3, &format)?;
        }
        Ok(())
    }

    pub(super) fn blank(&mut self, (row, column): (u32, u16)) -> Result<(), ReportError> {
        self.inner.write_blank(row, column, &self.styles.cell)?;
        Ok(())
    }

    pub(super) fn date(&mut self, row: u32, column: u16, date: Date) -> Result<(), ReportError> {
        self.inner.write_datetime_with_format(row, column, &excel(date)?, &self.styles.date)?;
        Ok(())
    }

    /// Writes seconds as hours and minutes, so that a sheet can add them up.
    pub(super) fn span(&mut self, row: u32, column: u16, seconds: i64) -> Result<(), ReportError> {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let days = f64::from(seconds) / 86_400.0;
        self.inner.write_number_with_format(row, column, days, &self.styles.span)?;
        Ok(())
    }

    /// Writes the sum of a column of costs; empty where no tariff covers anything.
    pub(super) fn cost_formula(
        &mut self,
        at: (u32, u16),
        formula: &str,
        figure: &Figure,
    ) -> Result<(), ReportError> {
        if is_unpriced(figure) {
            self.inner.write_blank(at.0, at.1, &self.styles.total)?;
            return Ok(());
        }
        self.formula(at, formula, figure.cost_e4, MONEY_PLACES)
    }

    /// Writes a formula and its exact result: until a program computes it again, viewers
    /// (phones, previews) show what is stored.
    pub(super) fn formula(
        &mut self,
        (row, column): (u32, u16),
        formula: &str,
        value: i64,
        places: u32,
    ) -> Result<(), ReportError> {
        let result = carried(self.inner, row, column, value, places)?;
        let formula = Formula::new(formula).set_result(result.to_string());
        let format = &self.styles.total_number;
        self.inner.write_formula_with_format(row, column, formula, format)?;
        Ok(())
    }
}

/// Decimals of an amount: thousandths of Wh in kWh, of L in m³.
pub(super) const AMOUNT_PLACES: u32 = 6;
/// Decimals of money.
pub(super) const MONEY_PLACES: u32 = 4;

/// Whether nothing at all is known of a span.
pub(super) const fn is_gap(figure: &Figure) -> bool {
    figure.measured_s == 0 && figure.estimated_s == 0
}

/// Whether no tariff covers anything of a figure: what it cost is unknown, not zero.
pub(super) const fn is_unpriced(figure: &Figure) -> bool {
    figure.cost_e4 == 0 && figure.unpriced != 0
}

/// Returns the unit of a medium's amounts in a report.
pub(super) const fn unit(medium: Medium) -> &'static str {
    match medium {
        Medium::Electricity | Medium::Heat => "kWh",
        Medium::Water | Medium::Gas => "m³",
    }
}

/// Returns the catalogue's word for a medium.
pub(super) fn medium_word(language: Language, medium: Medium) -> String {
    words::text(language, &format!("word.{}", medium.code()), &[])
}

pub(super) fn excel(date: Date) -> Result<ExcelDateTime, XlsxError> {
    let year = u16::try_from(date.year()).unwrap_or(0);
    let month = u8::try_from(date.month()).unwrap_or(0);
    let day = u8::try_from(date.day()).unwrap_or(0);
    ExcelDateTime::from_ymd(year, month, day)
}

fn carried(
    sheet: &Worksheet,
    row: u32,
    column: u16,
    value: i64,
    places: u32,
) -> Result<f64, ReportError> {
    exact(value, places).ok_or_else(|| ReportError::TooLarge {
        what: format!(
            "cell {} of sheet `{}`",
            rust_xlsxwriter::utility::row_col_to_cell(row, column),
            sheet.name()
        ),
        value,
    })
}
