//! The mail with the workbook, and how it gets into the outbox.

use analysis::figures::TotalFigure;
use analysis::site::Language;

use super::sheet::{is_unpriced, medium_word};
use super::summary::{month_name, title};
use super::{Report, ReportError, file_name, workbook};
use crate::letter::{self, Letter, Tone};
use crate::store::journal::{Attachment, Journal, NewAudit, NewMail};
use crate::words::{self, text};

/// Puts a report into the outbox, one mail for each address, and who asked for it into the
/// audit log; all of it or nothing.
///
/// Whoever the site book knows by that address is written to in their own language, others
/// in the report's.
///
/// # Errors
///
/// [`ReportError`], see its variants; nothing is sent then.
pub fn send(
    journal: &Journal,
    report: &Report<'_>,
    to: &[String],
    by: &str,
    base_url: &str,
) -> Result<(), ReportError> {
    let mut workbooks: Vec<(Language, Vec<u8>)> = Vec::new();
    let mut mails = Vec::new();
    for address in to {
        let mut people = report.site.people.iter();
        let person = people.find(|person| person.email.as_ref() == Some(address));
        let language = person.map_or(report.language, |person| person.language);
        let report = Report { language, ..*report };
        let known = workbooks.iter().find(|(of, _)| *of == language);
        let bytes = match known {
            Some((_, bytes)) => bytes.clone(),
            None => {
                let bytes = workbook(&report)?;
                workbooks.push((language, bytes.clone()));
                bytes
            }
        };
        mails.push(mail(&report, bytes, address, base_url, report.made)?);
    }
    let entry = NewAudit {
        at: report.made,
        author: by.to_owned(),
        action: "send_report".to_owned(),
        subject: format!("report/{}", report.figures.month.strftime("%Y-%m")),
        details: serde_json::json!({ "to": to }).to_string(),
    };
    journal.commit(|tx| {
        for mail in &mails {
            tx.enqueue(mail)?;
        }
        tx.append_audit(&entry)
    })?;
    Ok(())
}

/// Returns the mail that brings a report's workbook to one address.
///
/// `now` is part of its key: a report that is asked for again is sent again.
///
/// # Errors
///
/// [`ReportError::Letter`] if a template of ours is broken.
pub fn mail(
    report: &Report<'_>,
    workbook: Vec<u8>,
    address: &str,
    base_url: &str,
    now: i64,
) -> Result<NewMail, ReportError> {
    let language = report.language;
    let words = |key: &str| text(language, key, &[]);
    let month = report.figures.month;
    let name = file_name(month);
    let mut facts: Vec<_> = report.figures.totals.iter().map(|total| fact(report, total)).collect();
    let waste = report.figures.waste.iter().filter(|waste| 0 < waste.count && 0 < waste.amount);
    for waste in waste {
        let value = text(
            language,
            "mail.report.waste.value",
            &[
                ("count", &waste.count.to_string()),
                ("amount", &words::amount(language, waste.medium, waste.amount)),
                ("cost", &words::money(language, waste.cost_e4, &report.site.currency)),
            ],
        );
        facts.push((words(&format!("kind.{}", waste.kind.code())), value));
    }
    let site = report.site.name.get(language);
    let rendered = letter::render(Letter {
        language,
        tone: Tone::Plain,
        title: title(report),
        lead: text(language, "mail.report.lead", &[("file", &name)]),
        facts,
        steps: Vec::new(),
        button: words("mail.report.button"),
        link: format!("{base_url}/"),
        footer: vec![text(language, "mail.footer.sender", &[("site", site)])],
    })?;
    Ok(NewMail {
        dedupe: format!("report/{}/{now}/{address}", month.strftime("%Y-%m")),
        to: vec![address.to_owned()],
        subject: text(
            language,
            "mail.report.subject",
            &[("site", site), ("month", &month_name(report))],
        ),
        text: rendered.text,
        html: Some(rendered.html),
        attachments: vec![Attachment {
            name,
            media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
                .to_owned(),
            content: workbook,
        }],
        finding: None,
        created: now,
    })
}

fn fact(report: &Report<'_>, TotalFigure { medium, figure }: &TotalFigure) -> (String, String) {
    let language = report.language;
    let mut parts = vec![words::amount(language, *medium, figure.amount)];
    if !is_unpriced(figure) {
        parts.push(words::money(language, figure.cost_e4, &report.site.currency));
    }
    let missing = i64::from(figure.shares().missing_milli);
    if missing != 0 {
        parts.push(text(language, "mail.report.missing", &[("missing", &words::share(missing))]));
    }
    let comma = text(language, "word.comma", &[]);
    (medium_word(language, *medium), parts.join(&comma))
}
