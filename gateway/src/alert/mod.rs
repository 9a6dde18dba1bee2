//! From a finding that opened or closed to the mails that tell of it.
//!
//! `policy` decides whether and to whom, `text` in what words. The mails are only written
//! here; they go into the outbox in the transaction of the finding they tell of, and `mail`
//! sends them.
//!
//! In: what the journal says changed, the finding, the site book.
//! Out: [`NewMail`]s, one for each person, none twice (`dedupe`).
//!
//! Not here: SMTP, detectors, reports.

mod meter_text;
pub mod policy;
mod text;

use analysis::calendar::{Exception, HolidayCalendar};
use analysis::finding::Finding;
use analysis::site::Site;

use crate::letter::{self, LetterError};
use crate::store::journal::{FindingChange, NewMail};

/// What the words of a mail need beside the finding.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The site book: places, meters, people.
    pub site: &'a Site,
    /// The calendar that opening hours follow.
    pub calendar: &'a HolidayCalendar,
    /// Permits of overtime.
    pub exceptions: &'a [Exception],
    /// How people reach the pages; no slash at the end.
    pub base_url: &'a str,
    /// Now, Unix seconds.
    pub now: i64,
}

/// A finding and what writing it to the journal came to.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The finding as the detector last stated it.
    pub finding: &'a Finding,
    /// Its row in the journal.
    pub id: i64,
    /// What is different from before.
    pub what: FindingChange,
    /// When the journal first wrote it, Unix seconds.
    pub recorded: i64,
}

/// Returns the mails that a change of a finding causes; none for most changes.
///
/// # Errors
///
/// [`LetterError`] if a template of ours is broken.
pub fn mails_for(
    change: &Change<'_>,
    around: &Surroundings<'_>,
) -> Result<Vec<NewMail>, LetterError> {
    let Some(occasion) = policy::occasion(change, around.now) else { return Ok(Vec::new()) };
    let area = around.site.area(&change.finding.area);
    let people = policy::recipients(change.finding.kind, area, &around.site.people);
    people
        .into_iter()
        .map(|(person, address)| {
            let message = text::message(change, occasion, around, person.language);
            let rendered = letter::render(message.letter)?;
            Ok(NewMail {
                dedupe: format!("{}/{}/{}", change.finding.cause(), occasion.word(), person.id),
                to: vec![address.to_owned()],
                subject: message.subject,
                text: rendered.text,
                html: Some(rendered.html),
                attachments: Vec::new(),
                finding: Some(change.id),
                created: around.now,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
