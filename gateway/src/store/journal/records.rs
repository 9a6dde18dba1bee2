//! The site book's versions, settings, and the audit log.

use rusqlite::{Row, params};

use super::{JournalTx, JournalView};
use crate::store::error::StoreError;

/// The setting that holds when the newest checked backup was made, Unix seconds.
pub const LAST_BACKUP: &str = "last_backup";

/// One version of the site book; versions are only ever added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteBookRow {
    /// Grows with each version; 0 in a draft.
    pub version: i64,
    /// When it was written, Unix seconds.
    pub made: i64,
    /// Who wrote it.
    pub author: String,
    /// What was changed, in the author's words.
    pub note: String,
    /// The book, as TOML.
    pub text: String,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When it happened, Unix seconds.
    pub at: i64,
    /// Who did it.
    pub author: String,
    /// A verb, as `mark_finding`.
    pub action: String,
    /// On what, as `finding/12`.
    pub subject: String,
    /// Before and after, as JSON.
    pub details: String,
}

/// A stored entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Grows with each entry.
    pub id: i64,
    /// The entry.
    pub entry: NewAudit,
}

const SITE_BOOK: &str = "SELECT version, made, author, note, text FROM site_book";

impl JournalView<'_> {
    /// Returns the newest version of the site book.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn site_book(&self) -> Result<Option<SiteBookRow>, StoreError> {
        let sql = format!("{SITE_BOOK} ORDER BY version DESC LIMIT 1");
        self.row("read the site book", &sql, (), site_book)
    }

    /// Returns every version of the site book, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn site_book_versions(&self) -> Result<Vec<SiteBookRow>, StoreError> {
        let sql = format!("{SITE_BOOK} ORDER BY version DESC");
        self.rows("list versions of the site book", &sql, (), site_book)
    }

    /// Returns the value of a setting.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM setting WHERE key = ?1";
        self.row("read a setting", sql, params![key], |row| row.get(0))
    }

    /// Returns the newest entries of the audit log, newest first; of one subject, or of
    /// all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn audit(&self, subject: Option<&str>, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.rows(
            "read the audit log",
            "SELECT id, at, author, action, subject, details FROM audit
             WHERE ?1 IS NULL OR subject = ?1 ORDER BY id DESC LIMIT ?2",
            params![subject, limit],
            |row| {
                Ok(AuditRow {
                    id: row.get(0)?,
                    entry: NewAudit {
                        at: row.get(1)?,
                        author: row.get(2)?,
                        action: row.get(3)?,
                        subject: row.get(4)?,
                        details: row.get(5)?,
                    },
                })
            },
        )
    }
}

impl JournalTx<'_> {
    /// Adds a version of the site book; returns its number. The draft's is not read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn add_site_book(&mut self, draft: &SiteBookRow) -> Result<i64, StoreError> {
        self.insert(
            "write the site book",
            "INSERT INTO site_book (made, author, note, text) VALUES (?1, ?2, ?3, ?4)",
            params![draft.made, draft.author, draft.note, draft.text],
        )
    }

    /// Gives a setting a value.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn set_setting(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "write a setting",
            "INSERT INTO setting (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }

    /// Appends to the audit log. Nothing in it can be changed or removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn append_audit(&mut self, entry: &NewAudit) -> Result<i64, StoreError> {
        self.insert(
            "append to the audit log",
            "INSERT INTO audit (at, author, action, subject, details)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![entry.at, entry.author, entry.action, entry.subject, entry.details],
        )
    }
}

fn site_book(row: &Row<'_>) -> rusqlite::Result<SiteBookRow> {
    Ok(SiteBookRow {
        version: row.get(0)?,
        made: row.get(1)?,
        author: row.get(2)?,
        note: row.get(3)?,
        text: row.get(4)?,
    })
}
