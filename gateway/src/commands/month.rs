//! `report`: a month's figures as a workbook, from the terminal.

use std::path::Path;

use analysis::figures::month_span;
use analysis::site::Language;
use anyhow::{Context, Result};
use jiff::civil::Date;

use super::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::report::{self, Report};
use crate::store::Store;

/// Reads `2026-10` as the first day of that month.
pub(super) fn parse_month(text: &str) -> Result<Date, String> {
    format!("{text}-01").parse().map_err(|_| format!("`{text}` is no month; write 2026-10"))
}

/// Writes the workbook of a month into a folder and, if asked, mails it.
pub(super) fn report(
    config: &Path,
    month: Date,
    out: &Path,
    language: &str,
    mail_to: &[String],
    clock: &Clock,
) -> Result<()> {
    let config = Config::load(config)?;
    let store = Store::open(&config.data_dir)?;
    let ledger = Ledger::new(&store, clock);
    ledger.reload()?;
    let site = ledger.site().context("there is no site book yet; `gengfu import` takes one in")?;
    let figures = ledger.month(month)?.context("there are no figures without a site book")?;
    let language = if language == "en" { Language::En } else { Language::Zh };
    let events = ledger.events_within(month_span(&site, month))?;
    let report = Report {
        figures: &figures,
        site: &site,
        events: &events,
        calendar: ledger.calendar(),
        made: clock.now(),
        language,
    };

    std::fs::create_dir_all(out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let path = out.join(report::file_name(month));
    std::fs::write(&path, report::workbook(&report)?)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    say(path.display());
    if !mail_to.is_empty() {
        report::send(store.journal(), &report, mail_to, "command line", &config.web.base_url)?;
        say(format!(
            "{} mail(s) wait in the outbox; the running gateway sends them",
            mail_to.len()
        ));
    }
    Ok(())
}
