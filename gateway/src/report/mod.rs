//! From a month's figures to a document and the mail that carries it.
//!
//! In: [`MonthFigures`], the site book, the calendar they were made with.
//! Out: a workbook (XLSX) whose cells carry every digit of the figures, and a mail.
//!
//! Afterwards:
//! - a cell's number is the figure's integer as a decimal; what is rounded is only what a
//!   cell shows. A figure that a cell could not carry is an error, never a rounded number
//!   (the rule and its limit stand at [`crate::words::exact`]);
//! - rows equal totals: totals are formulas over the rows, and the value stored with each
//!   formula is the total of `analysis`;
//! - a gap is an empty cell, never a zero;
//! - the same figures make the same bytes.
//!
//! - `workbook`: the workbook, sheet by sheet; `summary`, `lists` and `rests` are its sheets;
//! - `sheet`: one sheet, written in our words and styles;
//! - `mail`: the mail with the workbook.
//!
//! Not here: arithmetic on energy or money (`analysis::figures`), sending (`mail`).

mod lists;
mod mail;
mod rests;
mod sheet;
mod summary;
mod workbook;

use analysis::calendar::HolidayCalendar;
use analysis::figures::MonthFigures;
use analysis::site::{Language, Site};
use jiff::civil::Date;

pub use mail::{mail, send};
pub use workbook::workbook;

use crate::letter::LetterError;
use crate::store::StoreError;
use crate::store::journal::MeterEventRow;

/// What a report is made of. The same figures and versions make the same report.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The numbers.
    pub figures: &'a MonthFigures,
    /// The site book they were made with: names, tariffs.
    pub site: &'a Site,
    /// The calendar they were made with.
    pub calendar: &'a HolidayCalendar,
    /// The meter events that fall into the month: figures rest on them.
    pub events: &'a [MeterEventRow],
    /// When the figures were made, Unix seconds.
    pub made: i64,
    /// The language of all words.
    pub language: Language,
}

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A figure has more digits than a spreadsheet cell keeps.
    #[error("{what} is {value} and does not fit into a cell without rounding")]
    TooLarge {
        /// Which figure.
        what: String,
        /// In thousandths of its unit, or 1/10000 of the currency.
        value: i64,
    },
    /// The workbook cannot be written.
    #[error("cannot write the workbook")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The mail cannot be written.
    #[error("cannot write the mail of the report")]
    Letter(#[from] LetterError),
    /// The mail cannot be put into the outbox.
    #[error("cannot put the mail of the report into the outbox")]
    Store(#[from] StoreError),
}

/// Returns the name of a report's file. ASCII: mail programs mangle others, some into
/// `tcmime.bin`.
#[must_use]
pub fn file_name(month: Date) -> String {
    format!("energy-report-{}.xlsx", month.strftime("%Y-%m"))
}

#[cfg(test)]
mod tests;
