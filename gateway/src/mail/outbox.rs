//! What waits in the outbox is tried until the server takes it or nobody needs it any more.
//!
//! In: the mails whose turn has come, by the journal.
//! Out: each sent, given up, or due again later; a notice while something is wrong.
//!
//! Afterwards:
//! - a restart neither repeats nor forgets a mail: its state is in the journal;
//! - wrong settings (log-in, certificate, sender) cost no mail: the queue waits, and one
//!   mail tries again every quarter hour;
//! - with no mail server configured mails wait, and the notice says so.

use std::time::Duration;

use tokio::sync::watch;

use super::compose::compose;
use super::smtp::{SendError, Server};
use crate::clock::Clock;
use crate::events;
use crate::health::{Code, Health, Level};
use crate::store::StoreError;
use crate::store::journal::{Journal, MailRow};

/// Seconds until the next try, by how many have failed; the last goes on.
const BACK_OFF_S: [i64; 5] = [60, 5 * 60, 15 * 60, 60 * 60, 6 * 60 * 60];

/// How long a mail is worth trying.
pub const WORTH_TRYING_S: i64 = 48 * 3_600;

/// How long the queue waits when the server does not accept our settings.
pub const HOLD_S: i64 = 15 * 60;

// How long the notice of a mail that was given up stands, if no other mail goes out.
const NOTICE_S: i64 = 24 * 3_600;

// Mails of one round; a mail with its workbook is under a megabyte.
const ROUND_MAX: u32 = 20;

// How often the outbox is looked at. Real seconds: a look is one query by index.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The sender of mails.
#[derive(Debug)]
pub struct Outbox {
    journal: Journal,
    server: Option<Server>,
    clock: Clock,
    health: Health,
    held_until: i64,
    notice_until: Option<i64>,
}

impl Outbox {
    /// Returns a sender; without a server mails wait.
    #[must_use]
    pub fn new(journal: Journal, server: Option<Server>, clock: Clock, health: Health) -> Self {
        Self { journal, server, clock, health, held_until: i64::MIN, notice_until: None }
    }

    /// Sends mails until told to stop; a mail that is on its way is finished first.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                // An error means that whoever could stop us is gone.
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.round(&shutdown).await {
                events::store_failed(&error);
            }
        }
    }

    /// Tries every mail whose turn has come, once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read or written. A mail that went out just
    /// then goes out again, under the same Message-ID.
    pub async fn round(&mut self, shutdown: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let now = self.clock.now();
        if now < self.held_until {
            return Ok(());
        }
        if self.notice_until.is_some_and(|until| until <= now) {
            self.clear();
        }
        let journal = self.journal.clone();
        let due =
            off_the_executor(move || journal.view(|view| view.due_mails(now, ROUND_MAX))).await?;
        for mail in due {
            if *shutdown.borrow() {
                return Ok(());
            }
            let Some(server) = &self.server else {
                self.tell(Level::Info, "not_configured", "");
                return Ok(());
            };
            let outcome = attempt(server, &mail, self.clock.now()).await;
            let hold = matches!(outcome, Err(Trouble::Send(SendError::Held { .. })));
            self.record(mail, outcome).await?;
            if hold {
                self.held_until = self.clock.now() + HOLD_S;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn record(
        &mut self,
        mail: MailRow,
        outcome: Result<(), Trouble>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let journal = self.journal.clone();
        let trouble = match outcome {
            Ok(()) => {
                let id = mail.id;
                off_the_executor(move || journal.commit(|tx| tx.mail_sent(id, now))).await?;
                events::mail_sent(&mail.mail.dedupe);
                self.clear();
                return Ok(());
            }
            Err(trouble) => trouble,
        };
        let next_at = next_try(&mail, &trouble, now);
        let (class, reason) = (trouble.class(), trouble.to_string());
        events::mail_failed(class, &reason, next_at.map_or(-1, |at| at - now));
        match &trouble {
            Trouble::Send(SendError::Held { .. }) => self.tell(Level::Error, class, &reason),
            // Greylisting turns every first try away, and is no trouble.
            Trouble::Send(SendError::Later { .. }) if mail.tries == 0 => {}
            Trouble::Send(SendError::Later { .. }) => self.tell(Level::Warn, class, &reason),
            Trouble::Send(SendError::Refused { .. }) | Trouble::Broken(_) | Trouble::Stale => {
                self.tell(Level::Warn, class, &reason);
                self.notice_until = Some(now + NOTICE_S);
            }
        }
        let id = mail.id;
        off_the_executor(move || journal.commit(|tx| tx.mail_failed(id, &reason, next_at))).await
    }

    fn clear(&mut self) {
        self.notice_until = None;
        self.health.clear(Code::MailFailing, "");
    }

    fn tell(&mut self, level: Level, class: &str, reason: &str) {
        self.notice_until = None;
        let params = [("class", class.to_owned()), ("reason", reason.to_owned())];
        self.health.raise(Code::MailFailing, "", level, params);
    }
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Send(SendError),
    #[error("the mail cannot be written: {0}")]
    Broken(String),
    #[error("it is older than two days, and what it tells of is past")]
    Stale,
}

impl Trouble {
    const fn class(&self) -> &'static str {
        match self {
            Self::Send(error) => error.class(),
            Self::Broken(_) => "broken",
            Self::Stale => "stale",
        }
    }
}

async fn attempt(server: &Server, row: &MailRow, now: i64) -> Result<(), Trouble> {
    if is_stale(row, now) {
        return Err(Trouble::Stale);
    }
    let composed = compose(row, server.from());
    let composed = composed.map_err(|error| Trouble::Broken(events::chain(&error)))?;
    server.deliver(&composed.to, &composed.bytes).await.map_err(Trouble::Send)
}

/// Whether a mail tells of what is past: after days without a mail server, "the lights
/// are still on" would be untrue. A report is worth reading whenever it comes.
fn is_stale(row: &MailRow, now: i64) -> bool {
    row.mail.finding.is_some() && WORTH_TRYING_S < now - row.mail.created
}

/// Returns when a mail is tried again; `None` gives it up.
fn next_try(row: &MailRow, trouble: &Trouble, now: i64) -> Option<i64> {
    match trouble {
        Trouble::Send(SendError::Refused { .. }) | Trouble::Broken(_) | Trouble::Stale => None,
        Trouble::Send(SendError::Held { .. }) => Some(now + HOLD_S),
        Trouble::Send(SendError::Later { .. }) => {
            let last = BACK_OFF_S.len() - 1;
            let failed = usize::try_from(row.tries).unwrap_or(last).min(last);
            let next = now + BACK_OFF_S[failed];
            // One that waited for its settings to be corrected has its tries before it.
            (next - row.mail.created <= WORTH_TRYING_S || failed < last).then_some(next)
        }
    }
}

/// Runs what waits for the disk where it holds up nobody else.
async fn off_the_executor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // We never cancel it, so it panicked, and so do we.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
