//! Each thing that can happen: one log line and one counter, so that they never disagree.
//!
//! Levels by what a person must do: error, someone must act; warn, it recovered or will;
//! info, a state changed. Never a line per reading: those are only counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use wire::Name;
use wire::message::UpdateState;

/// A count without a label.
struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

/// A count per value of one label. Labels are ours or a roster's, so they are few; what
/// comes from outside beyond the limit is counted together.
struct Family {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Mutex<BTreeMap<String, u64>>,
}

const LABEL_VALUES_MAX: usize = 1_000;

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicU64::new(0) }
    }

    fn add(&self, n: u64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }

    fn set(&self, n: u64) {
        self.value.store(n, Ordering::Relaxed);
    }
}

impl Family {
    const fn new(name: &'static str, help: &'static str, label: &'static str) -> Self {
        Self { name, help, label, values: Mutex::new(BTreeMap::new()) }
    }

    fn add(&self, value: &str, n: u64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.contains_key(value) || values.len() < LABEL_VALUES_MAX;
        let key = if known { value } else { "other" };
        *values.entry(key.to_owned()).or_default() += n;
    }
}

macro_rules! counters {
    ($($ident:ident = $name:literal, $help:literal;)*) => {
        $(static $ident: Counter = Counter::new($name, $help);)*
        static COUNTERS: &[&Counter] = &[$(&$ident),*];
    };
}

macro_rules! gauges {
    ($($ident:ident = $name:literal, $help:literal;)*) => {
        $(static $ident: Counter = Counter::new($name, $help);)*
        static GAUGES: &[&Counter] = &[$(&$ident),*];
    };
}

macro_rules! families {
    ($($ident:ident = $name:literal, $label:literal, $help:literal;)*) => {
        $(static $ident: Family = Family::new($name, $help, $label);)*
        static FAMILIES: &[&Family] = &[$(&$ident),*];
    };
}

counters! {
    PACKS_ACCEPTED = "gengfu_packs_accepted_total", "Packs of readings accepted by the gate.";
    READINGS_STORED = "gengfu_readings_stored_total", "Readings stored durably.";
    PACKS_DUPLICATE = "gengfu_packs_duplicate_total", "Packs that were already stored.";
    COMMITS = "gengfu_store_commits_total", "Group commits of the store.";
    STORE_FULL = "gengfu_store_full_total", "Commits refused because the disk was full.";
    BACKUPS_MADE = "gengfu_backups_made_total", "Backups made and checked.";
    BACKUPS_FAILED = "gengfu_backups_failed_total", "Backups that could not be made or did not pass their check.";
    MAILS_SENT = "gengfu_mails_sent_total", "Mails that a mail server took.";
    LOGINS_FAILED = "gengfu_logins_failed_total", "Refused attempts to log in.";
    TARGET_LINES = "gengfu_target_lines_total", "Lines that an InfluxDB took.";
    TARGET_LINES_REFUSED = "gengfu_target_lines_refused_total", "Lines that an InfluxDB refused and that were put aside.";
}

families! {
    COMMANDS_CLOSED = "gengfu_commands_total", "outcome", "Commands to nodes, by what came of them.";
    PACKS_REJECTED = "gengfu_packs_rejected_total", "reason", "Packs or payloads rejected by the gate.";
    UPDATES_ENDED = "gengfu_node_updates_ended_total", "outcome", "Updates of nodes that came to an end, by what came of them.";
    CLIENTS_REFUSED = "gengfu_clients_refused_total", "reason", "Connections that the gateway's own MQTT listener refused.";
    BROKER_LOST = "gengfu_broker_lost_total", "door", "Connections to a broker that were lost or refused.";
    FINDINGS_OPENED = "gengfu_findings_opened_total", "kind", "Findings opened.";
    FINDINGS_CLOSED = "gengfu_findings_closed_total", "kind", "Findings closed.";
    MAILS_FAILED = "gengfu_mails_failed_total", "class", "Attempts to send a mail that did not succeed.";
    POLLS_FAILED = "gengfu_polls_failed_total", "meter", "Polls without a value, by meter.";
    TARGET_FAILED = "gengfu_target_requests_failed_total", "class", "Requests to an InfluxDB that did not succeed.";
}

gauges! {
    TARGET_LAG = "gengfu_target_lag_seconds", "Age of the oldest reading that an InfluxDB has yet to get.";
    TARGET_WAITING = "gengfu_target_waiting_readings", "Readings in the intake log that an InfluxDB has yet to get.";
}

/// Counts packs that the gate let through.
pub fn packs_accepted(packs: u64) {
    PACKS_ACCEPTED.add(packs);
}

/// Counts a pack or payload that the gate rejected, by reason.
pub fn pack_rejected(reason: &'static str, topic: &str) {
    PACKS_REJECTED.add(reason, 1);
    tracing::debug!(reason, topic, "payload rejected");
}

/// Counts a group commit.
pub fn stored(readings: u64, duplicate_packs: u64) {
    COMMITS.add(1);
    READINGS_STORED.add(readings);
    PACKS_DUPLICATE.add(duplicate_packs);
}

/// The store has no room; nothing is acknowledged until it has.
pub fn store_full() {
    STORE_FULL.add(1);
    tracing::error!("store has no room; readings wait unacknowledged at the nodes");
}

/// The store has room again.
pub fn store_has_room() {
    tracing::info!("store has room again");
}

/// A commit went wrong for another reason than room.
pub fn store_failed(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "store cannot record");
}

/// A backup was made, put back and read.
pub fn backup_made(files: u64, bytes: u64) {
    BACKUPS_MADE.add(1);
    tracing::info!(files, bytes, "backup made and checked");
}

/// A backup could not be made, or did not pass its check.
pub fn backup_failed(why: &str) {
    BACKUPS_FAILED.add(1);
    tracing::error!(why, "backup failed");
}

/// Something in the store is not what was once written.
pub fn store_damaged(count: usize, first: &dyn std::fmt::Display) {
    tracing::error!(count, %first, "store is damaged");
}

/// Days could not be written into blocks, or months sealed or given up.
pub fn upkeep_failed(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "store cannot be tended");
}

/// Months' readings were given up, as the configuration says.
pub fn months_given_up(months: u32) {
    tracing::info!(months, "readings given up; the sums of their days stay");
}

/// A door to a broker lost its connection or could not be opened.
pub fn broker_lost(door: &'static str, error: &dyn std::error::Error, retry_s: u64) {
    BROKER_LOST.add(door, 1);
    tracing::warn!(door, retry_s, error = %chain(error), "broker away");
}

/// A door to a broker is open.
pub fn broker_connected(door: &'static str, session_present: bool) {
    tracing::info!(door, session_present, "broker connected");
}

/// A door to a broker is open and nothing comes by it.
pub fn broker_silent(door: &'static str, error: &dyn std::error::Error) {
    BROKER_LOST.add(door, 1);
    tracing::warn!(door, error = %chain(error), "broker silent; connecting anew");
}

/// A broker kept all that it was tried with, or dropped some of it.
pub fn broker_tried(door: &'static str, sent: u32, received: u32) {
    if received < sent {
        tracing::error!(door, sent, received, "broker drops messages that it acknowledged");
    } else {
        tracing::info!(door, sent, "broker tried; it keeps what it acknowledges");
    }
}

/// A broker could not be tried: for instance, it does not let us use the topic.
pub fn broker_untried(door: &'static str, reason: &str) {
    tracing::warn!(door, reason, "broker not tried; it may drop messages");
}

/// Certificates that had changed are in use.
pub fn certificates_read() {
    tracing::info!("certificates changed and are in use");
}

/// Certificates have changed and are of no use; those before stay.
pub fn certificates_unusable(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "certificates changed and cannot be used");
}

/// A node announced itself.
pub fn node_online(node: &Name, version: &str) {
    tracing::info!(%node, version, "node online");
}

/// A node said something new about its program.
pub fn node_update(node: &Name, state: UpdateState, version: &str) {
    let outcome = state.code();
    match state {
        UpdateState::Idle => tracing::info!(%node, version, "node keeps the program it runs"),
        UpdateState::Loading => tracing::info!(%node, version, "node loads a new program"),
        UpdateState::Restarting => {
            UPDATES_ENDED.add("loaded", 1);
            tracing::info!(%node, version, "node has loaded a new program and starts it");
        }
        UpdateState::RolledBack => {
            UPDATES_ENDED.add(outcome, 1);
            tracing::error!(%node, version, "node went back to the program it had before");
        }
        UpdateState::Refused(_) => {
            UPDATES_ENDED.add(outcome, 1);
            tracing::error!(%node, version, reason = outcome, "node refuses a new program");
        }
    }
}

/// A node's last will arrived.
pub fn node_gone(node: &Name) {
    tracing::warn!(%node, "node gone");
}

/// A Sparkplug edge node announced itself.
pub fn edge_online(edge: &str) {
    tracing::info!(edge, "edge node online");
}

/// A Sparkplug edge node's death arrived.
pub fn edge_gone(edge: &str) {
    tracing::warn!(edge, "edge node gone");
}

/// A broker does not let the gateway subscribe to what a mapping names.
pub fn mapping_refused(filter: &str) {
    tracing::error!(filter, "broker refused the subscription of a mapping");
}

/// The gateway's own listener refused a client, or had no room for it.
pub fn client_refused(reason: &'static str) {
    CLIENTS_REFUSED.add(reason, 1);
    tracing::warn!(reason, "client refused");
}

/// A node of this process is not let through to its gateway, or does not trust it.
pub fn node_kept_out(node: &Name, reason: &'static str, error: &dyn std::error::Error) {
    tracing::error!(%node, reason, error = %chain(error), "node cannot reach its gateway safely");
}

/// A node's readings cannot be brought to the disk: it offers them to nobody until they are.
pub fn outbox_not_synced(node: &Name, error: &dyn std::error::Error) {
    tracing::error!(%node, error = %chain(error), "readings cannot be kept on the disk");
}

/// A plan or command cannot be sent to a node.
pub fn delivery_failed(node: &Name, error: &dyn std::error::Error) {
    tracing::error!(%node, error = %chain(error), "message to node cannot be sent");
}

/// A command left for a node.
pub fn command_sent(node: &Name, id: u32, kind: &str) {
    tracing::info!(%node, id, kind, "command sent");
}

/// A node said what came of a command.
pub fn command_answered(node: &Name, id: u32, outcome: &'static str) {
    COMMANDS_CLOSED.add(outcome, 1);
    tracing::info!(%node, id, outcome, "command answered");
}

/// The deadline of a command passed, and nobody answered.
pub fn command_unanswered(node: &Name, id: u32, was_sent: bool) {
    COMMANDS_CLOSED.add(if was_sent { "unanswered" } else { "undelivered" }, 1);
    tracing::warn!(%node, id, was_sent, "command not answered");
}

/// Commands and answers wait, since the journal cannot be read or written.
pub fn courier_waits(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "commands wait for the journal");
}

/// The gateway's own listener broke.
pub fn listener_failed(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "MQTT listener broke");
}

/// A poll of a meter gave no value.
pub fn poll_failed(meter: &Name, reason: &'static str) {
    POLLS_FAILED.add(meter.as_str(), 1);
    tracing::debug!(%meter, reason, "poll failed");
}

/// A finding opened.
pub fn finding_opened(kind: &'static str, meter: &Name) {
    FINDINGS_OPENED.add(kind, 1);
    tracing::info!(kind, %meter, "finding opened");
}

/// A finding closed.
pub fn finding_closed(kind: &'static str, meter: &Name) {
    FINDINGS_CLOSED.add(kind, 1);
    tracing::info!(kind, %meter, "finding closed");
}

/// A mail server took a mail.
pub fn mail_sent(dedupe_key: &str) {
    MAILS_SENT.add(1);
    tracing::info!(dedupe_key, "mail sent");
}

/// A mail could not be sent; `class` says what kind of trouble it is.
pub fn mail_failed(class: &'static str, reason: &str, retry_s: i64) {
    MAILS_FAILED.add(class, 1);
    tracing::warn!(class, reason, retry_s, "mail not sent");
}

/// Somebody gave a wrong name or password.
pub fn login_failed() {
    LOGINS_FAILED.add(1);
    tracing::warn!("log-in refused");
}

/// A page request failed for a reason that is ours.
pub fn request_failed(path: &str, error: &dyn std::error::Error) {
    tracing::error!(path, error = %chain(error), "request failed");
}

/// An InfluxDB took lines, and refused others that are now kept aside.
pub fn target_took(lines: u64, refused: u64) {
    TARGET_LINES.add(lines);
    TARGET_LINES_REFUSED.add(refused);
    if 0 < refused {
        tracing::warn!(refused, "InfluxDB refused lines; they are kept aside");
    }
}

/// A request to an InfluxDB did not succeed; `class` says what kind of trouble it is.
pub fn target_failed(class: &'static str, reason: &str, retry_s: i64) {
    TARGET_FAILED.add(class, 1);
    tracing::warn!(class, reason, retry_s, "InfluxDB did not take readings");
}

/// An InfluxDB takes readings again.
pub fn target_back() {
    tracing::info!("InfluxDB takes readings again");
}

/// How far an InfluxDB is behind.
pub fn target_lags(readings: u64, seconds: u64) {
    TARGET_WAITING.set(readings);
    TARGET_LAG.set(seconds);
}

/// An InfluxDB does not take sums of days; they are sent again with the next change.
pub fn target_refuses_days(reason: &str) {
    tracing::warn!(reason, "InfluxDB does not take sums of days");
}

/// What an InfluxDB should get could not be read: it failed its checksum.
pub fn target_misses(damaged: u64) {
    tracing::error!(damaged, "damaged rows are not in InfluxDB either");
}

/// A round of the watch could not be finished.
pub fn watch_failed(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "watch round failed");
}

/// The newest site book could not be looked at; the one in use stays.
pub fn book_unreadable(error: &dyn std::error::Error) {
    tracing::error!(error = %chain(error), "site book cannot be read");
}

/// Returns an error and all its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Returns all counters in the Prometheus text format, version 0.0.4.
#[must_use]
pub fn metrics() -> String {
    let mut out = String::new();
    for counter in COUNTERS {
        let (name, help) = (counter.name, counter.help);
        let value = counter.value.load(Ordering::Relaxed);
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n"));
    }
    for gauge in GAUGES {
        let (name, help) = (gauge.name, gauge.help);
        let value = gauge.value.load(Ordering::Relaxed);
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
    }
    for family in FAMILIES {
        let (name, help, label) = (family.name, family.help, family.label);
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n"));
        let values = family.values.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, count) in values.iter() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            out.push_str(&format!("{name}{{{label}=\"{value}\"}} {count}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_counted_under_its_reason() {
        pack_rejected("test-reason", "a/topic");
        pack_rejected("test-reason", "a/topic");

        assert!(metrics().contains("gengfu_packs_rejected_total{reason=\"test-reason\"} 2\n"));
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = anyhow::anyhow!("connection refused").context("cannot reach bus `cabinet-2`");

        assert_eq!(chain(error.as_ref()), "cannot reach bus `cabinet-2`: connection refused");
    }
}
