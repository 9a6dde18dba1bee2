//! A bus that a node reads, asked through the running gateway.
//!
//! Commands are written into the journal as the page writes them, and carried by the courier:
//! each with a deadline, once at most, with its line in the audit log. The node goes on reading
//! its meters; a scan of 32 addresses holds them up for ten seconds at most.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use firmware::{Bus, Pace, PollError, Request};
use wire::message::{CommandResult, Outcome, Plan, Scan, TRACE_REGISTERS_MAX, Task, Trace};
use wire::modbus::{LineSettings, Table};
use wire::{Address, Name, Protocol};

use crate::clock::Clock;
use crate::config::Config;
use crate::node::scan::Line;
use crate::plan::plans;
use crate::site_book::{self, SiteBook};
use crate::store::Store;

/// How long a command may wait for the node and take on the bus, s.
const WITHIN_S: i64 = 60;

/// How long after the deadline the courier still waits for an answer, and some more, s.
const AFTER_S: i64 = 20;

/// How often it is looked for an answer.
const LOOK: Duration = Duration::from_millis(200);

/// The way to a node.
pub(super) struct Remote {
    store: Store,
    clock: Clock,
    node: Name,
    line: LineSettings,
    /// What came in answer to the last request.
    heard: Vec<u8>,
    /// How long that took on the bus.
    took: embassy_time::Duration,
    /// Why a command came to nothing.
    pub(super) failed: Option<String>,
}

impl Remote {
    /// Returns the way to a node of the newest site book, that book, and whether characters take
    /// time on its bus.
    pub(super) fn open(config: &Path, node: Name, clock: &Clock) -> Result<(Self, SiteBook, bool)> {
        let config = Config::load(config)?;
        let store = Store::open(&config.data_dir)?;
        let newest = store.journal().view(|journal| journal.site_book())?;
        let newest = newest.context("there is no site book yet; `gengfu import` takes one in")?;
        let book = site_book::parse(&newest.text).ok().context("the site book has mistakes")?;
        let known = book.nodes.iter().find(|it| it.id == node);
        let known = known.with_context(|| format!("no node `{node}` in the site book"))?;
        let has_line = known.baud != 0;
        let plan = plans(&book, 1)?.remove(&node);
        let plan = plan.and_then(|plan| Plan::decode(&plan).ok());
        let line = plan.map(|plan| plan.line).unwrap_or_default();
        let took = embassy_time::Duration::MIN;
        let (clock, heard) = (clock.clone(), Vec::new());
        Ok((Self { store, clock, node, line, heard, took, failed: None }, book, has_line))
    }

    /// Returns how its line is set.
    pub(super) fn line(&self) -> LineSettings {
        self.line
    }

    /// Returns which of some addresses in a row answer.
    pub(super) async fn answering(&mut self, first: u8, last: u8) -> Result<Vec<u8>> {
        let (line, table) = (self.line, Table::Holding);
        let scan = Scan { line, first, last, table, address: 0 };
        let result = self.carry(Task::Scan(scan)).await?;
        Ok(result.data.iter().copied().collect())
    }

    /// Sends one request, and returns what came.
    pub(super) async fn trace(&mut self, request: &Request, count: u8) -> Result<CommandResult> {
        let (line, table) = (self.line, request.table);
        let unit_id = u8::try_from(request.meter.number())?;
        let address = u16::try_from(request.address)?;
        self.carry(Task::Trace(Trace { line, unit_id, table, address, count })).await
    }

    /// Gives a command and waits for its answer.
    async fn carry(&mut self, task: Task) -> Result<CommandResult> {
        let (now, node) = (self.clock.now(), self.node);
        let until = now.saturating_add(WITHIN_S);
        let journal = self.store.journal();
        let id = journal.commit(|tx| tx.give_command(node, task, "command line", now, until))?;
        let outcome = loop {
            let row = self.store.journal().view(|view| view.command(id))?;
            if let Some(row) = row.filter(|row| row.closed.is_some()) {
                let answer = row.answer.as_deref().map(CommandResult::decode);
                if let Some(Ok(result)) = answer
                    && matches!(result.outcome, Outcome::Done | Outcome::Failed)
                {
                    return Ok(result);
                }
                break row.outcome;
            }
            if until.saturating_add(AFTER_S) < self.clock.now() {
                break None;
            }
            tokio::time::sleep(LOOK).await;
        };
        match outcome {
            Some(outcome) => bail!("node `{node}` says `{outcome}`"),
            None => bail!(
                "node `{node}` does not answer within a minute: does the gateway run, and is the \
                 node there?"
            ),
        }
    }
}

impl Bus for Remote {
    fn set_line(&mut self, line: LineSettings) {
        self.line = line;
    }

    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        self.heard.clear();
        let count = u8::try_from(out.len()).ok().filter(|count| *count <= TRACE_REGISTERS_MAX);
        let count = count.ok_or(PollError::WrongAnswer)?;
        match self.trace(request, count).await {
            Ok(result) => {
                self.heard = result.data.iter().copied().collect();
                self.took = embassy_time::Duration::from_millis(u64::from(result.answer_ms));
                firmware::rtu::understand(request, &self.heard, out)
            }
            Err(error) => {
                self.failed = Some(format!("{error:#}"));
                Err(PollError::BusDown)
            }
        }
    }

    fn heard(&self) -> &[u8] {
        &self.heard
    }
}

impl Line for Remote {
    async fn ask_number(&mut self, _: Protocol, _: Pace) -> Result<Address, PollError> {
        Err(PollError::WrongAnswer)
    }

    fn took(&self, _: embassy_time::Instant) -> embassy_time::Duration {
        self.took
    }
}
