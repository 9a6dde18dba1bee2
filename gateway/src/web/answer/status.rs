//! What every page needs first: where, when, who, and what is amiss.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::place::Text;
use super::session::User;

/// Where, when, who, and what is amiss.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Status {
    /// The gateway's version; a page that was built with another one offers to reload.
    pub version: String,
    /// The time now at the site.
    #[schema(format = DateTime)]
    pub now_at: String,
    /// Seconds of site time that pass in one second; 1 but in a demo.
    pub speed: u32,
    /// The site; null until there is a site book.
    #[schema(required)]
    pub site: Option<SiteSummary>,
    /// Whether the meters are simulated.
    pub demo: bool,
    /// Whether the first user has yet to be made.
    pub setup_needed: bool,
    /// Who is logged in.
    #[schema(required)]
    pub user: Option<User>,
    /// Whether reading needs no login.
    pub open_reading: bool,
    /// When the newest backup was made and checked; null without one, or without a
    /// schedule.
    #[schema(required, format = DateTime)]
    pub last_backup_at: Option<String>,
    /// Instant of the newest reading of any meter.
    #[schema(required, format = DateTime)]
    pub latest_reading_at: Option<String>,
    /// What is amiss, worst first.
    pub notices: Vec<Notice>,
}

/// The site, as far as a page's frame needs it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SiteSummary {
    /// Identifier in the site book.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// IANA name of its time zone.
    pub zone: String,
    /// ISO 4217 code of its currency.
    pub currency: String,
}

/// A state that someone should know of, in words that the page translates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// Which state.
    pub code: NoticeCode,
    /// How much it matters.
    pub level: NoticeLevel,
    /// What to put into the sentence: `year`, `node`, `count`, `what`, `reason`, `error`, `since_at`, `last_at`.
    pub params: BTreeMap<String, String>,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Someone must act.
    Error,
    /// It may recover by itself.
    Warn,
    /// Good to know.
    Info,
}

/// The states that a page can tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// No room on disk: readings wait at the nodes.
    DiskFull,
    /// The disk takes no writes: readings wait at the nodes.
    DiskReadOnly,
    /// `count` things in the store are not what was written; the first is `what`.
    StoreDamaged,
    /// The last backup could not be made, or did not pass its check; `error` says why,
    /// `last_at` when the newest good one was made, if there is one.
    BackupFailing,
    /// The MQTT broker cannot be reached.
    BrokerAway,
    /// The broker's certificate cannot be trusted: another host or authority, or expired.
    BrokerUntrusted,
    /// The broker does not let the gateway in; `error` says how.
    BrokerRefuses,
    /// The broker is there, and nothing has come from any node for `minutes`.
    BrokerSilent,
    /// The broker dropped messages when it was tried: `received` of `sent` came.
    BrokerDrops,
    /// Mails do not leave; `error` says why.
    MailFailing,
    /// There is no holiday calendar for `year`.
    CalendarMissing,
    /// There is no site book yet.
    SiteBookMissing,
    /// `node` has said good-bye, or the broker said it for it.
    NodeGone,
    /// `node` did not take its new program, or went back to the one before; `reason` is one of
    /// the update's states or reasons.
    UpdateFailed,
    /// `count` payloads could not be read.
    PayloadsRejected,
    /// A detector or a report could not do its work.
    WorkFailing,
    /// An InfluxDB is away; `readings` wait here for it, the oldest for `seconds`.
    InfluxAway,
    /// An InfluxDB turns us away with HTTP status `status`; `readings` wait here for it.
    InfluxRefuses,
    /// An InfluxDB did not take `count` lines; they are kept aside.
    InfluxLinesRefused,
    /// No meter has been read for a while, since `since_at`.
    ReadingsLate,
}
