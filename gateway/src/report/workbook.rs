//! The workbook, sheet by sheet, in the order in which it is read.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet};

use super::sheet::{Sheet, Styles};
use super::{Report, ReportError, lists, rests, summary};
use crate::words::{self, text};

/// Returns the workbook of a report as the bytes of an XLSX file.
///
/// # Errors
///
/// [`ReportError::TooLarge`] if a figure has more digits than a cell keeps,
/// [`ReportError::Workbook`] if a name in the site book cannot stand in a workbook.
pub fn workbook(report: &Report<'_>) -> Result<Vec<u8>, ReportError> {
    let styles = Styles::new(report.language);
    let mut sheets = [(); 6].map(|()| Worksheet::new());
    let [first, second, third, fourth, fifth, sixth] = &mut sheets;
    lists::meters(&mut Sheet::begin(second, &styles, report, "report.sheet.meters")?, report)?;
    lists::areas(&mut Sheet::begin(third, &styles, report, "report.sheet.areas")?, report)?;
    // The charts of the first sheet need to know where the fourth keeps its days.
    let days = &mut Sheet::begin(fourth, &styles, report, "report.sheet.days")?;
    let columns = lists::days(days, report)?;
    lists::quality(&mut Sheet::begin(fifth, &styles, report, "report.sheet.quality")?, report)?;
    rests::events(&mut Sheet::begin(sixth, &styles, report, "report.sheet.events")?, report)?;
    let summary = &mut Sheet::begin(first, &styles, report, "report.sheet.summary")?;
    summary::summary(summary, report, &columns)?;

    let mut book = Workbook::new();
    book.set_properties(&properties(report)?);
    for sheet in sheets {
        book.push_worksheet(sheet);
    }
    Ok(book.save_to_buffer()?)
}

fn properties(report: &Report<'_>) -> Result<DocProperties, ReportError> {
    let language = report.language;
    // The time of making, not of writing: the same figures make the same bytes.
    let made = ExcelDateTime::from_timestamp(report.made)?;
    Ok(DocProperties::new()
        .set_title(summary::title(report))
        .set_author(text(language, "word.product", &[]))
        .set_company(report.site.name.get(language))
        .set_comment(words::tag(language))
        .set_creation_datetime(&made))
}
