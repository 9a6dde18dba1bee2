//! Everything concluded or decided: findings, marks, exceptions, mails, users, the site
//! book, settings, the audit log.
//!
//! [`Journal::commit`] runs one transaction, [`Journal::view`] one consistent read. A
//! decision and the mails it causes go into one `commit`: they are there together or
//! not at all, and on the disk when it returns.
//!
//! Rows are types of their own, not those of `analysis`: a stored row outlives the
//! shape of a type. Kinds, roles and the like are texts here; who writes them knows
//! what they mean.
//!
//! - `commands`: what nodes were asked to do, and what came of it;
//! - `events`: what was done to meters: swaps, corrections, estimates, scales;
//! - `evidence`: what a finding rests on, as text;
//! - `findings`: findings, marks by people, exceptions (overtime);
//! - `mails`: the outbox;
//! - `people`: users and sessions;
//! - `records`: the site book's versions, settings, the audit log.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{OptionalExtension, Params, Row, Transaction};

use super::database::Database;
use super::error::{During, StoreError};

mod commands;
mod events;
mod evidence;
mod findings;
mod mails;
mod people;
mod records;

pub use commands::{CommandRow, NewCommand};
pub use events::{Amounts, MeterChange, MeterEventRow, MeterPart, NewMeterEvent};
pub use evidence::{WrittenEvidence, WrittenInterval};
pub use findings::{
    ExceptionRow, FindingChange, FindingDraft, FindingFilter, FindingRow, FindingState, MarkRow,
    NewException, NewMark,
};
pub use mails::{Attachment, MailRow, NewMail};
pub use people::{NewUser, UserRow};
pub use records::{AuditRow, LAST_BACKUP, NewAudit, SiteBookRow};

/// The journal of a store.
#[derive(Clone, Debug)]
pub struct Journal {
    database: Arc<Database>,
    commits: Arc<AtomicU64>,
}

/// A consistent look at the journal.
#[derive(Debug)]
pub struct JournalView<'a> {
    tx: &'a Transaction<'a>,
}

/// A transaction on the journal; it also sees what it has itself written.
#[derive(Debug)]
pub struct JournalTx<'a> {
    view: JournalView<'a>,
}

impl<'a> Deref for JournalTx<'a> {
    type Target = JournalView<'a>;

    fn deref(&self) -> &JournalView<'a> {
        &self.view
    }
}

impl Journal {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, commits: Arc::default() }
    }

    /// Runs `decide` in one transaction; what it wrote is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// What `decide` returns, or what the commit meets; nothing is written then.
    pub fn commit<T>(
        &self,
        decide: impl FnOnce(&mut JournalTx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let decided = self
            .database
            .write("write the journal", |tx| decide(&mut JournalTx { view: JournalView { tx } }));
        // After the commit: who sees the new number also sees what was written.
        self.commits.fetch_add(1, Ordering::Release);
        decided
    }

    /// Returns a number that is another one after each commit of this process: whoever
    /// remembers something of the journal need not look again as long as it is the same.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Runs `look` on one consistent state of the journal.
    ///
    /// # Errors
    ///
    /// What `look` returns, or [`StoreError::Other`] with the cause.
    pub fn view<T>(
        &self,
        look: impl FnOnce(&JournalView<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.read("read the journal", |tx| look(&JournalView { tx }))
    }
}

impl JournalView<'_> {
    /// Returns the rows of a query, each made by `make`.
    fn rows<T>(
        &self,
        during: &'static str,
        sql: &str,
        params: impl Params,
        make: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut query = self.tx.prepare_cached(sql).during(during)?;
        let rows = query.query_map(params, make).during(during)?;
        rows.collect::<rusqlite::Result<_>>().during(during)
    }

    fn row<T>(
        &self,
        during: &'static str,
        sql: &str,
        params: impl Params,
        make: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut query = self.tx.prepare_cached(sql).during(during)?;
        query.query_row(params, make).optional().during(during)
    }
}

impl JournalTx<'_> {
    /// Returns how many rows were changed.
    fn execute(
        &mut self,
        during: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<usize, StoreError> {
        self.view.tx.prepare_cached(sql).during(during)?.execute(params).during(during)
    }

    /// Returns the id of the new row.
    fn insert(
        &mut self,
        during: &'static str,
        sql: &str,
        params: impl Params,
    ) -> Result<i64, StoreError> {
        self.view.tx.prepare_cached(sql).during(during)?.insert(params).during(during)
    }
}

#[cfg(test)]
mod tests;
