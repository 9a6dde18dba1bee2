//! Findings, what people said about them, and permitted exceptions.

use rusqlite::types::Type;
use rusqlite::{Row, params};
use wire::Name;

use super::{JournalTx, JournalView};
use crate::store::error::StoreError;

/// What a detector says about one cause, each time it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingDraft {
    /// What makes this finding the same as before: one row for each cause, ever.
    pub cause: String,
    /// The detector's word, as `lights_left_on`.
    pub kind: String,
    /// The meter it was seen at.
    pub meter: Name,
    /// The area of that meter.
    pub area: Name,
    /// When the waste began, Unix seconds.
    pub opened: i64,
    /// When it ended; `None` while it goes on.
    pub closed: Option<i64>,
    /// What was used above the limit so far, thousandths of the meter's unit.
    pub waste: i64,
    /// What that cost, 1/10000 yuan.
    pub cost_e4: i64,
    /// The intervals and limits that made the finding, as JSON.
    pub evidence: String,
}

/// What writing a draft came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingChange {
    /// The cause was not known. The finding may be closed already, as in history.
    Opened,
    /// It is open as before, with other figures.
    Grew,
    /// It was open and is closed now.
    Closed,
    /// It was closed and is open again: later readings filled what looked like its end.
    Reopened,
    /// It is closed as before, with other figures: late readings.
    Corrected,
    /// Nothing is different; nothing was written.
    Unchanged,
}

/// A stored finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRow {
    /// Grows with each finding.
    pub id: i64,
    /// What the detector last said.
    pub draft: FindingDraft,
    /// When it was first written, Unix seconds.
    pub recorded: i64,
    /// When it was last changed, Unix seconds.
    pub updated: i64,
    /// What a person last said about it, and did not take back.
    pub mark: Option<MarkRow>,
}

impl FindingRow {
    /// Returns whether a person said that it is none, and did not take that back.
    #[must_use]
    pub fn is_called_false(&self) -> bool {
        self.mark.as_ref().is_some_and(|row| row.mark.kind == "false_alarm")
    }
}

/// Which findings to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// Open, closed, or both.
    pub state: FindingState,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only this meter.
    pub meter: Option<Name>,
    /// Only those that were still open at this instant or opened later.
    pub from: Option<i64>,
    /// Only those that were opened before this instant.
    pub to: Option<i64>,
    /// At most so many; 0 is 500.
    pub limit: u32,
}

/// A finding is open until it is closed; that somebody knows of it is a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FindingState {
    /// Both.
    #[default]
    All,
    /// The waste goes on.
    Open,
    /// It ended.
    Closed,
}

/// What a person says about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMark {
    /// The finding.
    pub finding: i64,
    /// `switched_off`, `overtime`, `false_alarm`.
    pub kind: String,
    /// Who says it.
    pub author: String,
    /// When, Unix seconds.
    pub made: i64,
    /// Until when it holds, if it is a permit.
    pub until: Option<i64>,
    /// In the person's own words.
    pub note: Option<String>,
}

/// A stored mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// Grows with each mark.
    pub id: i64,
    /// What was said.
    pub mark: NewMark,
    /// When it was taken back, Unix seconds, and by whom.
    pub undone: Option<(i64, String)>,
}

/// A permit for an area to be in use while it would be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewException {
    /// The area.
    pub area: Name,
    /// The first second of the permit, Unix seconds.
    pub start: i64,
    /// The first second after it.
    pub until: i64,
    /// Why.
    pub reason: String,
    /// Who permits.
    pub author: String,
    /// When it was written, Unix seconds.
    pub made: i64,
    /// The mark that made it; undoing the mark revokes the permit.
    pub mark: Option<i64>,
}

/// A stored permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Grows with each permit.
    pub id: i64,
    /// What was permitted.
    pub exception: NewException,
    /// When it was revoked, Unix seconds, and by whom.
    pub revoked: Option<(i64, String)>,
}

const FINDINGS: &str = "
    SELECT finding.id, cause, finding.kind, meter, area, opened, closed, waste, cost_e4, evidence,
           recorded, updated,
           mark.id, mark.finding, mark.kind, mark.author, mark.made, mark.until, mark.note,
           mark.undone, mark.undone_by
    FROM finding LEFT JOIN mark ON mark.id =
        (SELECT max(id) FROM mark WHERE finding = finding.id AND undone IS NULL)";

const MARKS: &str =
    "SELECT id, finding, kind, author, made, until, note, undone, undone_by FROM mark";

const EXCEPTIONS: &str = "SELECT id, area, start, until, reason, author, made, mark, revoked,
    revoked_by FROM exception";

/// How many findings a list has where nobody says.
const FINDINGS_LIMIT: u32 = 500;

impl JournalView<'_> {
    /// Returns findings, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn findings(&self, filter: &FindingFilter) -> Result<Vec<FindingRow>, StoreError> {
        let sql = format!(
            "{FINDINGS} WHERE (?1 <> 'open' OR closed IS NULL)
               AND (?1 <> 'closed' OR closed IS NOT NULL)
               AND (?2 IS NULL OR finding.kind = ?2) AND (?3 IS NULL OR meter = ?3)
               AND (?4 IS NULL OR closed IS NULL OR closed > ?4) AND (?5 IS NULL OR opened < ?5)
             ORDER BY opened DESC, finding.id DESC LIMIT ?6"
        );
        let state = match filter.state {
            FindingState::All => "all",
            FindingState::Open => "open",
            FindingState::Closed => "closed",
        };
        let limit = if filter.limit == 0 { FINDINGS_LIMIT } else { filter.limit };
        let meter = filter.meter.as_ref().map(Name::as_str);
        self.rows(
            "list findings",
            &sql,
            params![state, filter.kind, meter, filter.from, filter.to, limit],
            finding,
        )
    }

    /// Returns one finding.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn finding(&self, id: i64) -> Result<Option<FindingRow>, StoreError> {
        let sql = format!("{FINDINGS} WHERE finding.id = ?1");
        self.row("read a finding", &sql, params![id], finding)
    }

    /// Returns the finding with this cause.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn finding_by_cause(&self, cause: &str) -> Result<Option<FindingRow>, StoreError> {
        let sql = format!("{FINDINGS} WHERE cause = ?1");
        self.row("read a finding", &sql, params![cause], finding)
    }

    /// Returns every mark of a finding, also those taken back, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn marks(&self, finding: i64) -> Result<Vec<MarkRow>, StoreError> {
        let sql = format!("{MARKS} WHERE finding = ?1 ORDER BY id");
        self.rows("list marks", &sql, params![finding], |row| mark(row, 0))
    }

    /// Returns the permits that hold somewhere within `[from, to)` and were not revoked,
    /// by area and start.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn exceptions(&self, from: i64, to: i64) -> Result<Vec<ExceptionRow>, StoreError> {
        let sql = format!(
            "{EXCEPTIONS} WHERE until > ?1 AND start < ?2 AND revoked IS NULL
             ORDER BY area, start, id"
        );
        self.rows("list exceptions", &sql, params![from, to], exception)
    }
}

impl JournalTx<'_> {
    /// Writes what a detector says about a cause; returns the finding's id and what it
    /// came to. One row for each cause: the same said twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn put_finding(
        &mut self,
        draft: &FindingDraft,
        now: i64,
    ) -> Result<(i64, FindingChange), StoreError> {
        const DURING: &str = "write a finding";
        let Some(before) = self.finding_by_cause(&draft.cause)? else {
            let id = self.insert(
                DURING,
                "INSERT INTO finding (cause, kind, meter, area, opened, closed, waste, cost_e4,
                 evidence, recorded, updated)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
                params![
                    draft.cause,
                    draft.kind,
                    draft.meter.as_str(),
                    draft.area.as_str(),
                    draft.opened,
                    draft.closed,
                    draft.waste,
                    draft.cost_e4,
                    draft.evidence,
                    now,
                ],
            )?;
            return Ok((id, FindingChange::Opened));
        };
        if before.draft == *draft {
            return Ok((before.id, FindingChange::Unchanged));
        }
        self.execute(
            DURING,
            "UPDATE finding SET kind = ?2, meter = ?3, area = ?4, opened = ?5, closed = ?6,
             waste = ?7, cost_e4 = ?8, evidence = ?9, updated = ?10 WHERE id = ?1",
            params![
                before.id,
                draft.kind,
                draft.meter.as_str(),
                draft.area.as_str(),
                draft.opened,
                draft.closed,
                draft.waste,
                draft.cost_e4,
                draft.evidence,
                now,
            ],
        )?;
        let change = match (before.draft.closed, draft.closed) {
            (None, None) => FindingChange::Grew,
            (None, Some(_)) => FindingChange::Closed,
            (Some(_), None) => FindingChange::Reopened,
            (Some(_), Some(_)) => FindingChange::Corrected,
        };
        Ok((before.id, change))
    }

    /// Writes what a person says about a finding; returns the mark's id. It takes the
    /// place of an earlier mark, which is kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if there is no such finding.
    pub fn mark(&mut self, mark: &NewMark) -> Result<i64, StoreError> {
        self.insert(
            "write a mark",
            "INSERT INTO mark (finding, kind, author, made, until, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![mark.finding, mark.kind, mark.author, mark.made, mark.until, mark.note],
        )
    }

    /// Takes the current mark of a finding back, and revokes the permits it made.
    /// Returns the mark; `None` if there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn undo_mark(
        &mut self,
        finding: i64,
        author: &str,
        at: i64,
    ) -> Result<Option<MarkRow>, StoreError> {
        const DURING: &str = "take a mark back";
        let sql = format!("{MARKS} WHERE finding = ?1 AND undone IS NULL ORDER BY id DESC LIMIT 1");
        let Some(undone) = self.row(DURING, &sql, params![finding], |row| mark(row, 0))? else {
            return Ok(None);
        };
        self.execute(
            DURING,
            "UPDATE mark SET undone = ?2, undone_by = ?3 WHERE id = ?1",
            params![undone.id, at, author],
        )?;
        self.execute(
            DURING,
            "UPDATE exception SET revoked = ?2, revoked_by = ?3
             WHERE mark = ?1 AND revoked IS NULL",
            params![undone.id, at, author],
        )?;
        Ok(Some(undone))
    }

    /// Writes a permit; returns its id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if it does not end after it starts.
    pub fn add_exception(&mut self, exception: &NewException) -> Result<i64, StoreError> {
        self.insert(
            "write an exception",
            "INSERT INTO exception (area, start, until, reason, author, made, mark)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                exception.area.as_str(),
                exception.start,
                exception.until,
                exception.reason,
                exception.author,
                exception.made,
                exception.mark,
            ],
        )
    }

    /// Revokes a permit; it holds no longer, and stays on record. Returns whether there
    /// was one to revoke.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn revoke_exception(&mut self, id: i64, author: &str, at: i64) -> Result<bool, StoreError> {
        let changed = self.execute(
            "revoke an exception",
            "UPDATE exception SET revoked = ?2, revoked_by = ?3
             WHERE id = ?1 AND revoked IS NULL",
            params![id, at, author],
        )?;
        Ok(changed == 1)
    }
}

fn finding(row: &Row<'_>) -> rusqlite::Result<FindingRow> {
    let marked: Option<i64> = row.get(12)?;
    Ok(FindingRow {
        id: row.get(0)?,
        draft: FindingDraft {
            cause: row.get(1)?,
            kind: row.get(2)?,
            meter: name(row, 3)?,
            area: name(row, 4)?,
            opened: row.get(5)?,
            closed: row.get(6)?,
            waste: row.get(7)?,
            cost_e4: row.get(8)?,
            evidence: row.get(9)?,
        },
        recorded: row.get(10)?,
        updated: row.get(11)?,
        mark: marked.map(|_| mark(row, 12)).transpose()?,
    })
}

fn mark(row: &Row<'_>, first: usize) -> rusqlite::Result<MarkRow> {
    let undone: Option<i64> = row.get(first + 7)?;
    Ok(MarkRow {
        id: row.get(first)?,
        mark: NewMark {
            finding: row.get(first + 1)?,
            kind: row.get(first + 2)?,
            author: row.get(first + 3)?,
            made: row.get(first + 4)?,
            until: row.get(first + 5)?,
            note: row.get(first + 6)?,
        },
        undone: undone.map(|at| row.get(first + 8).map(|by| (at, by))).transpose()?,
    })
}

fn exception(row: &Row<'_>) -> rusqlite::Result<ExceptionRow> {
    let revoked: Option<i64> = row.get(8)?;
    Ok(ExceptionRow {
        id: row.get(0)?,
        exception: NewException {
            area: name(row, 1)?,
            start: row.get(2)?,
            until: row.get(3)?,
            reason: row.get(4)?,
            author: row.get(5)?,
            made: row.get(6)?,
            mark: row.get(7)?,
        },
        revoked: revoked.map(|at| row.get(9).map(|by| (at, by))).transpose()?,
    })
}

pub(super) fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    let text: String = row.get(column)?;
    Name::new(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
