//! What is wrong right now, as a visible state.
//!
//! Every absence (broker, mail server, disk space, a calendar) is raised here by whoever
//! sees it and cleared by the same room when it is over. The pages show it in words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What can be wrong. The code crosses the API; its words stand in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The store cannot write; nothing is acknowledged until there is room.
    DiskFull,
    /// The disk takes no writes at all; nothing is acknowledged until it does.
    DiskReadOnly,
    /// Something stored is not what was written; `count` places, the first is `what`.
    StoreDamaged,
    /// The last backup could not be made or did not pass its check.
    BackupFailing,
    /// The MQTT broker cannot be reached.
    BrokerAway,
    /// The broker, or who says it is the broker, has no certificate that we may trust.
    BrokerUntrusted,
    /// The broker does not let us in, or not to our topics.
    BrokerRefuses,
    /// The broker is there, and nothing comes from any node.
    BrokerSilent,
    /// The broker dropped messages in the start-up test.
    BrokerDrops,
    /// Mails wait because the mail server refuses or cannot be reached.
    MailFailing,
    /// No holiday calendar for a year that is in use or begins soon.
    CalendarMissing,
    /// Nobody has described the site yet.
    SiteBookMissing,
    /// A node's last will arrived.
    NodeGone,
    /// A node did not take its new program, or went back to the one before.
    UpdateFailed,
    /// Payloads were put into quarantine.
    PayloadsRejected,
    /// A detector or a report could not do its work.
    WorkFailing,
    /// An InfluxDB cannot be reached, or has no time for us; readings wait here.
    InfluxAway,
    /// An InfluxDB does not let us in, or has no such bucket; readings wait here.
    InfluxRefuses,
    /// An InfluxDB did not take some lines; they are kept aside here.
    InfluxLinesRefused,
}

impl Code {
    /// Returns the word that stands for this code in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::DiskReadOnly => "disk_read_only",
            Self::StoreDamaged => "store_damaged",
            Self::BackupFailing => "backup_failing",
            Self::BrokerAway => "broker_away",
            Self::BrokerUntrusted => "broker_untrusted",
            Self::BrokerRefuses => "broker_refuses",
            Self::BrokerSilent => "broker_silent",
            Self::BrokerDrops => "broker_drops",
            Self::MailFailing => "mail_failing",
            Self::CalendarMissing => "calendar_missing",
            Self::SiteBookMissing => "site_book_missing",
            Self::NodeGone => "node_gone",
            Self::UpdateFailed => "update_failed",
            Self::PayloadsRejected => "payloads_rejected",
            Self::WorkFailing => "work_failing",
            Self::InfluxAway => "influx_away",
            Self::InfluxRefuses => "influx_refuses",
            Self::InfluxLinesRefused => "influx_lines_refused",
        }
    }
}

/// How much it matters, by what a person must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Someone should look.
    Warn,
    /// Someone must act.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is.
    pub code: Code,
    /// How much it matters.
    pub level: Level,
    /// What the words need: the node's name, the year, the count.
    pub params: BTreeMap<&'static str, String>,
}

/// All that is wrong right now. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notices: Mutex<BTreeMap<(Code, String), Notice>>,
    changed: watch::Sender<u64>,
}

impl Health {
    /// Raises a notice about `subject` (a node, a year, or "" where there is but one),
    /// or replaces the one that stands.
    pub fn raise(
        &self,
        code: Code,
        subject: &str,
        level: Level,
        params: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        let notice = Notice { code, level, params: params.into_iter().collect() };
        let before = self.notices().insert((code, subject.to_owned()), notice.clone());
        if before.as_ref() != Some(&notice) {
            self.tell();
        }
    }

    /// Clears the notice about `subject`, if one stands.
    pub fn clear(&self, code: Code, subject: &str) {
        if self.notices().remove(&(code, subject.to_owned())).is_some() {
            self.tell();
        }
    }

    /// Returns all notices, gravest first.
    #[must_use]
    pub fn all(&self) -> Vec<Notice> {
        let mut all: Vec<Notice> = self.notices().values().cloned().collect();
        all.sort_by_key(|notice| std::cmp::Reverse(notice.level));
        all
    }

    /// Returns a receiver that wakes when a notice is raised or cleared.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn tell(&self) {
        self.0.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn notices(&self) -> MutexGuard<'_, BTreeMap<(Code, String), Notice>> {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_stands_until_it_is_cleared_and_the_gravest_comes_first() {
        let health = Health::default();
        health.raise(Code::NodeGone, "node-1", Level::Warn, [("node", "node-1".to_owned())]);
        health.raise(Code::DiskFull, "", Level::Error, []);

        assert_eq!(
            health.all().iter().map(|n| n.code).collect::<Vec<_>>(),
            [Code::DiskFull, Code::NodeGone]
        );
        health.clear(Code::DiskFull, "");

        assert_eq!(health.all().len(), 1);
    }
}
