//! The outbox: mails wait here until the mail server has taken them.
//!
//! Whoever decides does not send. A mail is written in the transaction of the decision
//! that causes it, once for each `dedupe` key, and is due until it is sent or given up.

use rusqlite::{Row, params};

use super::{JournalTx, JournalView};
use crate::store::error::StoreError;

/// A mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// What makes this mail the same as before: it is sent once, whoever asks again.
    pub dedupe: String,
    /// Addresses; one mail to all of them.
    pub to: Vec<String>,
    /// Without line breaks.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML, if there is such a form.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// The finding it tells of.
    pub finding: Option<i64>,
    /// When it was written, Unix seconds; it is due at once.
    pub created: i64,
}

/// A file in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// As `application/pdf`.
    pub media_type: String,
    /// The file.
    pub content: Vec<u8>,
}

/// A stored mail.
///
/// Waiting: `next_at` is set. Sent: `sent` is set. Given up: neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    /// Grows with each mail.
    pub id: i64,
    /// The mail. Lists leave the attachments empty; [`JournalView::mail`] has them.
    pub mail: NewMail,
    /// How often sending was tried.
    pub tries: u32,
    /// When it is to be tried next, Unix seconds.
    pub next_at: Option<i64>,
    /// What the last try met.
    pub last_error: Option<String>,
    /// When the server took it, Unix seconds.
    pub sent: Option<i64>,
}

const MAILS: &str = "SELECT id, dedupe, recipients, subject, text, html, finding, created, tries,
    next_at, last_error, sent FROM mail";

impl JournalView<'_> {
    /// Returns the mails whose turn has come by `now`, in the order in which they fell
    /// due, with their attachments.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn due_mails(&self, now: i64, limit: u32) -> Result<Vec<MailRow>, StoreError> {
        let sql = format!("{MAILS} WHERE next_at <= ?1 ORDER BY next_at, id LIMIT ?2");
        let mut mails = self.rows("list due mails", &sql, params![now, limit], mail)?;
        for due in &mut mails {
            due.mail.attachments = self.attachments(due.id)?;
        }
        Ok(mails)
    }

    /// Returns when the next mail falls due, Unix seconds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn next_mail_at(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(next_at) FROM mail WHERE next_at IS NOT NULL";
        Ok(self.row("look for the next mail", sql, (), |row| row.get(0))?.flatten())
    }

    /// Returns the newest mails, newest first, without their attachments.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn mails(&self, limit: u32) -> Result<Vec<MailRow>, StoreError> {
        let sql = format!("{MAILS} ORDER BY id DESC LIMIT ?1");
        self.rows("list mails", &sql, params![limit], mail)
    }

    /// Returns one mail with its attachments.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn mail(&self, id: i64) -> Result<Option<MailRow>, StoreError> {
        let sql = format!("{MAILS} WHERE id = ?1");
        let Some(mut found) = self.row("read a mail", &sql, params![id], mail)? else {
            return Ok(None);
        };
        found.mail.attachments = self.attachments(id)?;
        Ok(Some(found))
    }

    /// Returns how many mails wait, and how many were given up.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn mail_counts(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE next_at IS NOT NULL),
            count(*) FILTER (WHERE next_at IS NULL AND sent IS NULL) FROM mail";
        let counts = self.row("count mails", sql, (), |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        Ok(counts.unwrap_or_default())
    }

    fn attachments(&self, mail: i64) -> Result<Vec<Attachment>, StoreError> {
        self.rows(
            "read attachments",
            "SELECT name, media_type, content FROM attachment WHERE mail = ?1 ORDER BY number",
            params![mail],
            |row| {
                Ok(Attachment { name: row.get(0)?, media_type: row.get(1)?, content: row.get(2)? })
            },
        )
    }
}

impl JournalTx<'_> {
    /// Puts a mail into the outbox; returns its id, or `None` if one with this key was
    /// there already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if an address has a line break in it, or with the cause.
    pub fn enqueue(&mut self, mail: &NewMail) -> Result<Option<i64>, StoreError> {
        const DURING: &str = "put a mail into the outbox";
        if mail.to.is_empty() || mail.to.iter().any(|to| to.is_empty() || to.contains(['\n', '\r']))
        {
            return Err(StoreError::other(DURING, "an address is missing or has a line break"));
        }
        let known =
            self.row(DURING, "SELECT 1 FROM mail WHERE dedupe = ?1", params![mail.dedupe], |_| {
                Ok(())
            })?;
        if known.is_some() {
            return Ok(None);
        }
        let id = self.insert(
            DURING,
            "INSERT INTO mail (dedupe, recipients, subject, text, html, finding, created, tries,
             next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?7)",
            params![
                mail.dedupe,
                mail.to.join("\n"),
                mail.subject,
                mail.text,
                mail.html,
                mail.finding,
                mail.created,
            ],
        )?;
        for (number, file) in (0_i64..).zip(&mail.attachments) {
            self.execute(
                DURING,
                "INSERT INTO attachment (mail, number, name, media_type, content)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, number, file.name, file.media_type, file.content],
            )?;
        }
        Ok(Some(id))
    }

    /// Records that the server took a mail. Its text stays, its attachments go: they
    /// can be made again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn mail_sent(&mut self, id: i64, at: i64) -> Result<(), StoreError> {
        const DURING: &str = "record a sent mail";
        self.execute(
            DURING,
            "UPDATE mail SET sent = ?2, next_at = NULL, last_error = NULL, tries = tries + 1
             WHERE id = ?1",
            params![id, at],
        )?;
        self.execute(DURING, "DELETE FROM attachment WHERE mail = ?1", params![id])?;
        Ok(())
    }

    /// Records that a try failed, and when the next one is due; `None` gives the mail up.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn mail_failed(
        &mut self,
        id: i64,
        error: &str,
        next_at: Option<i64>,
    ) -> Result<(), StoreError> {
        self.execute(
            "record a mail that was not taken",
            "UPDATE mail SET last_error = ?2, next_at = ?3, tries = tries + 1 WHERE id = ?1",
            params![id, error, next_at],
        )?;
        Ok(())
    }
}

fn mail(row: &Row<'_>) -> rusqlite::Result<MailRow> {
    Ok(MailRow {
        id: row.get(0)?,
        mail: NewMail {
            dedupe: row.get(1)?,
            to: row.get::<_, String>(2)?.split('\n').map(String::from).collect(),
            subject: row.get(3)?,
            text: row.get(4)?,
            html: row.get(5)?,
            attachments: Vec::new(),
            finding: row.get(6)?,
            created: row.get(7)?,
        },
        tries: row.get(8)?,
        next_at: row.get(9)?,
        last_error: row.get(10)?,
        sent: row.get(11)?,
    })
}
