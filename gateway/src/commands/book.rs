//! `check`, `import`, `export`: the configuration and the site book, from the terminal.

use std::path::Path;

use analysis::site::Role;
use anyhow::{Context, Result, bail};
use firmware::load::{CROWDED, FULL};
use wire::Name;

use super::say;
use super::trial::Trial;
use crate::clock::Clock;
use crate::config::Config;
use crate::document::Mistake;
use crate::plan;
use crate::site_book::{self, SiteBook};
use crate::store::Store;
use crate::store::journal::{NewAudit, SiteBookRow};

/// Checks a configuration file and, if given, a site book; tells all mistakes of both.
/// Then tells what the messages to try would become.
pub(super) fn check(
    config: Option<&Path>,
    book: Option<&Path>,
    trial: &Trial<'_>,
    clock: &Clock,
) -> Result<()> {
    trial.is_paired()?;
    let configured =
        config.map(|path| Config::load(path).map(|_| say(format!("{}: right", path.display()))));
    let described = book.map(|path| {
        let (_, book) = read(path)?;
        let (meters, areas) = (book.site.meters.len(), book.site.areas.len());
        let (mappings, path) = (book.mappings.len(), path.display());
        say(match mappings {
            0 => format!("{path}: right; {meters} meters, {areas} areas"),
            _ => format!("{path}: right; {meters} meters, {areas} areas, {mappings} mappings"),
        });
        tell_switches(&book);
        tell_loads(&book)?;
        anyhow::Ok(book)
    });
    let book = match (configured, described) {
        (Some(Err(error)), Some(Err(other))) => bail!("{error}\nerror: {other}"),
        (Some(Err(error)), _) => return Err(error.into()),
        (_, Some(described)) => described?,
        (_, None) => return Ok(()),
    };
    trial.carry_out(book, clock.now())
}

/// Says what can be switched from afar, and by whom.
fn tell_switches(book: &SiteBook) {
    for switch in &book.switches {
        let list = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let by = match switch.who {
            Role::Caretaker => "engineers and caretakers",
            Role::Engineer | Role::Leader | Role::Auditor => "engineers",
        };
        let (id, node, unit_id, coil) = (switch.id, switch.node, switch.unit_id, switch.coil);
        say(format!(
            "switch `{id}`: coil {coil} of unit {unit_id} at `{node}`, by {by}; \
             off makes {} dark, shown by {}",
            list(&switch.areas),
            list(&switch.meters)
        ));
    }
}

/// Says how busy each bus will be; an error if one cannot keep up with what it is asked.
fn tell_loads(book: &SiteBook) -> Result<()> {
    let mut too_much = Vec::new();
    for (node, load) in plan::loads(book)? {
        let percent = load.permille.div_ceil(10);
        let (requests, round_ms) = (load.requests, load.round_ms);
        say(format!(
            "bus of `{node}`: {percent} % busy; {requests} requests a round, {round_ms} ms"
        ));
        if FULL < load.permille {
            too_much.push(format!("`{node}` ({percent} %)"));
        } else if CROWDED < load.permille {
            say(format!(
                "warning: the bus of `{node}` has no room for repetitions; \
                 poll more rarely, or give it a faster line or a second one"
            ));
        }
    }
    if too_much.is_empty() {
        return Ok(());
    }
    bail!(
        "cannot keep up: the bus of {} is asked for more than it can carry\n\
         hint: raise `interval_s`, raise `baud`, or move meters to another bus",
        too_much.join(", ")
    )
}

/// Takes a site book into the journal as its newest version.
pub(super) fn import(
    config: &Path,
    path: &Path,
    author: &str,
    note: &str,
    clock: &Clock,
) -> Result<()> {
    let config = Config::load(config)?;
    let (text, book) = read(path)?;
    tell_loads(&book)?;
    let store = Store::open(&config.data_dir)?;
    let version = put(&store, &text, author, note, clock.now())?;
    let (meters, nodes) = (book.site.meters.len(), book.nodes.len());
    say(format!(
        "site book of `{}` is version {version}: {meters} meters on {nodes} nodes",
        book.site.id
    ));
    say("a running gateway takes it up within a minute");
    Ok(())
}

/// Writes a checked site book into the journal, with its entry in the audit log.
pub(super) fn put(store: &Store, text: &str, author: &str, note: &str, now: i64) -> Result<i64> {
    let version = store.journal().commit(|journal| {
        let version = journal.add_site_book(&SiteBookRow {
            version: 0,
            made: now,
            author: author.to_owned(),
            note: note.to_owned(),
            text: text.to_owned(),
        })?;
        journal.append_audit(&NewAudit {
            at: now,
            author: author.to_owned(),
            action: "put_site_book".to_owned(),
            subject: format!("site_book/{version}"),
            details: serde_json::json!({ "note": note }).to_string(),
        })?;
        Ok(version)
    })?;
    Ok(version)
}

/// Prints the newest site book as it was taken in.
pub(super) fn export(config: &Path) -> Result<()> {
    let config = Config::load(config)?;
    let store = Store::open(&config.data_dir)?;
    let newest = store.journal().view(|journal| journal.site_book())?;
    let newest = newest.context("there is no site book yet; `gengfu import` takes one in")?;
    say(newest.text.trim_end());
    Ok(())
}

fn read(path: &Path) -> Result<(String, SiteBook)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read site book `{}`", path.display()))?;
    match site_book::parse(&text) {
        Ok(book) => Ok((text, book)),
        Err(mistakes) => bail!(
            "site book `{}` has {} mistake(s):\n{}",
            path.display(),
            mistakes.len(),
            mistakes.iter().map(|it: &Mistake| format!("  {it}")).collect::<Vec<_>>().join("\n")
        ),
    }
}
