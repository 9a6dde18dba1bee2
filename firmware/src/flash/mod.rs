//! An outbox in NOR flash: what was read outlives a power cut.
//!
//! In: payloads, and up to which of them the gateway has stored. Out: the same payloads, in
//! their order, in this run or in the next. Beside them the flash keeps the number of the run
//! and the last plan, so a node that wakes up alone goes on.
//!
//! The flash is a ring of pages, one erase block each, written once from front to end; a page
//! is erased when the ring comes round to it, so all wear alike. A page's head says which
//! ticket its first payload has, up to which all are settled, and what was given up. Records
//! follow: payloads, "settled up to here", "a run began", "a command is carried out". Nothing is ever written twice.
//!
//! Afterwards, whenever the power goes:
//! - a payload whose `push` returned is there, until it was settled or had to go;
//! - a payload that is there is one that was pushed: each record has a check sum over its
//!   page, place and bytes, and none is read that fails it;
//! - opening again needs no repair and loses no space for good: a record or head that the cut
//!   tore is passed over, and its page used up or erased in its turn;
//! - what was settled just before a cut may come again. Packs have numbers; whoever gets one
//!   twice knows it.
//!
//! A library queue (`sequential-storage`) was looked at: it can be entered at its oldest end
//! only, while after an outage the newest must go first, and its items fit in a page, which a
//! plan does not.
//!
//! A future of this module that is dropped half-way leaves what a power cut leaves, but in a
//! running program: do not.

mod page;
mod plan_slot;

use embedded_storage_async::nor_flash::NorFlash;

use crate::outbox::{Outbox, Ticket};
use page::{Head, Kind, PAYLOAD_MAX, Record};
use plan_slot::PlanSlots;

/// How many pages in a row may refuse to be written before a payload is given up.
const TRIES: u32 = 4;

/// Why a flash is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashFault {
    /// It is too small for the plan and four pages.
    TooSmall,
    /// It does not do as asked.
    Broken,
}

/// Where the record of a payload begins.
#[derive(Clone, Copy)]
struct Spot {
    ticket: Ticket,
    page: u32,
    at: u32,
}

/// An outbox in NOR flash.
pub struct FlashOutbox<F> {
    flash: F,
    plan: PlanSlots,
    /// How many pages the ring has.
    pages: u32,
    /// The page that is written; pages count on for ever, and lie at their number modulo
    /// `pages`.
    page: u32,
    /// Where the next record begins; at the page's end if it is closed.
    at: u32,
    next: Ticket,
    /// All before it are settled or given up.
    floor: Ticket,
    dropped: u32,
    boot: u32,
    /// The number of the last command that was carried out.
    command: u32,
    /// Where two readers that go on from where they were find the next payload: the one that
    /// sends the oldest, and the one that sends the newest.
    spots: [Option<Spot>; 2],
    /// Which of them is older.
    older_spot: usize,
}

impl<F: NorFlash> FlashOutbox<F> {
    /// Opens a flash, whatever the last run left of it, and begins a new run.
    ///
    /// `fresh_boot` numbers the first run on a flash that was never used; random, so that a
    /// node whose flash was changed does not repeat numbers.
    ///
    /// # Errors
    ///
    /// [`FlashFault`], if it cannot be used at all.
    pub async fn open(mut flash: F, fresh_boot: u32) -> Result<Self, FlashFault> {
        const { assert!(F::READ_SIZE == 1 && F::WRITE_SIZE <= page::UNIT_MAX) };
        const { assert!(1024 <= F::ERASE_SIZE) };
        let capacity = u32::try_from(flash.capacity()).map_err(|_| FlashFault::TooSmall)?;
        let plan = PlanSlots::open(&mut flash).await;
        let pages = capacity
            .checked_sub(PlanSlots::len::<F>())
            .and_then(|left| left.checked_div(page::len::<F>()))
            .filter(|&pages| 4 <= pages)
            .ok_or(FlashFault::TooSmall)?;
        let mut outbox = Self {
            flash,
            plan,
            pages,
            page: 0,
            at: page::len::<F>(),
            next: Ticket::FIRST,
            floor: Ticket::FIRST,
            dropped: 0,
            boot: fresh_boot,
            command: 0,
            spots: [None; 2],
            older_spot: 0,
        };
        if let Some(newest) = outbox.newest().await {
            outbox.resume(newest).await;
            outbox.boot = outbox.boot.wrapping_add(1);
        }
        let boot = outbox.boot.to_le_bytes();
        outbox.append(Kind::Boot, &boot).await.ok_or(FlashFault::Broken)?;
        Ok(outbox)
    }

    /// Returns which run on this flash this is; it never repeats.
    pub const fn boot(&self) -> u32 {
        self.boot
    }

    /// Gives the flash back, as a power cut would.
    pub fn into_flash(self) -> F {
        self.flash
    }

    fn address(&self, page: u32, at: u32) -> u32 {
        let place = page.checked_rem(self.pages).unwrap_or(0);
        PlanSlots::len::<F>()
            .saturating_add(place.saturating_mul(page::len::<F>()))
            .saturating_add(at)
    }

    /// Reads the head of a page, if the page is there.
    async fn head(&mut self, page: u32) -> Option<Head> {
        let address = self.address(page, 0);
        let head = page::read_head(&mut self.flash, address).await?;
        (head.page == page).then_some(head)
    }

    /// Finds the page that was written last.
    async fn newest(&mut self) -> Option<Head> {
        let mut newest: Option<Head> = None;
        for place in 0..self.pages {
            let address = self.address(place, 0);
            let Some(head) = page::read_head(&mut self.flash, address).await else { continue };
            let belongs = head.page.checked_rem(self.pages) == Some(place);
            if belongs && newest.is_none_or(|newest| newest.page < head.page) {
                newest = Some(head);
            }
        }
        newest
    }

    /// Goes on where the last run stopped.
    async fn resume(&mut self, newest: Head) {
        self.page = newest.page;
        self.next = newest.first;
        self.floor = newest.floor;
        self.dropped = newest.dropped;
        self.boot = newest.boot;
        self.command = newest.command;
        let mut at = page::first::<F>();
        while let Some(record) = self.record(self.page, at).await {
            if record.kind == Kind::Payload {
                self.next = self.next.next();
            } else {
                let mut bytes = [0; page::NOTE_MAX];
                let note = bytes.get_mut(..usize::from(record.len)).unwrap_or_default();
                let is_good = self.payload(self.page, at, &record, note).await;
                let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
                if is_good && record.kind == Kind::Settled {
                    let floor = Ticket::of(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
                    self.floor = self.floor.max(floor);
                    self.dropped = self.dropped.max(u32::from_le_bytes([i, j, k, l]));
                } else if is_good && record.kind == Kind::Command {
                    self.command = u32::from_le_bytes([a, b, c, d]);
                } else if is_good {
                    self.boot = u32::from_le_bytes([a, b, c, d]);
                }
            }
            at = at.saturating_add(record.size::<F>());
        }
        // What follows is blank, or the power went while it was written.
        let rest = page::len::<F>().saturating_sub(at);
        let address = self.address(self.page, at);
        let blank = page::is_blank(&mut self.flash, address, rest).await;
        self.at = if blank { at } else { page::len::<F>() };
        let oldest = self.oldest_page(self.page).await;
        self.give_up_before(oldest.map_or(self.next, |head| head.first));
    }

    /// Finds the first page that is there and not older than a ring before `newest`.
    async fn oldest_page(&mut self, newest: u32) -> Option<Head> {
        let mut page = newest.saturating_sub(self.pages.saturating_sub(1));
        while page <= newest {
            if let Some(head) = self.head(page).await {
                return Some(head);
            }
            page = page.checked_add(1)?;
        }
        None
    }

    /// Notes that all before a ticket are not to be had any more.
    fn give_up_before(&mut self, ticket: Ticket) {
        let lost = ticket.since(self.floor);
        self.dropped = self.dropped.saturating_add(u32::try_from(lost).unwrap_or(u32::MAX));
        self.floor = self.floor.max(ticket);
    }

    /// Reads a record's head, and its payload to check it; `None` if there is none that is
    /// good.
    async fn record(&mut self, page: u32, at: u32) -> Option<Record> {
        let address = self.address(page, at);
        page::read_record(&mut self.flash, address, page, at).await
    }

    /// Reads a record's payload into `out`, which is as long.
    async fn payload(&mut self, page: u32, at: u32, record: &Record, out: &mut [u8]) -> bool {
        let address = self.address(page, at).saturating_add(page::RECORD_HEAD);
        out.len() == usize::from(record.len) && self.flash.read(address, out).await.is_ok()
    }

    /// Writes a record behind the last one, on a new page if need be.
    async fn append(&mut self, kind: Kind, payload: &[u8]) -> Option<()> {
        let size = Record::size_of::<F>(payload.len());
        for _ in 0..TRIES {
            if page::len::<F>() < self.at.saturating_add(size) {
                self.turn_page().await?;
            }
            let address = self.address(self.page, self.at);
            let written =
                page::write_record(&mut self.flash, address, self.page, self.at, kind, payload);
            if written.await.is_some() {
                self.at = self.at.saturating_add(size);
                return Some(());
            }
            // Nothing more goes behind what is perhaps half a record.
            self.at = page::len::<F>();
        }
        None
    }

    /// Erases the oldest page and makes it the newest.
    async fn turn_page(&mut self) -> Option<()> {
        for _ in 0..TRIES {
            self.page = self.page.checked_add(1)?;
            // The page that lay here goes, and with it what nobody has settled.
            if let Some(going) = self.page.checked_sub(self.pages)
                && self.head(going).await.is_some()
            {
                let oldest = self.oldest_page(self.page).await;
                let first = oldest.map_or(self.next, |head| head.first);
                self.give_up_before(first);
            }
            let start = self.address(self.page, 0);
            let end = start.saturating_add(page::len::<F>());
            let head = Head {
                page: self.page,
                first: self.next,
                floor: self.floor,
                dropped: self.dropped,
                boot: self.boot,
                command: self.command,
            };
            let erased = self.flash.erase(start, end).await.is_ok();
            if erased && page::write_head(&mut self.flash, start, &head).await.is_some() {
                self.at = page::first::<F>();
                return Some(());
            }
        }
        None
    }

    /// Finds where to begin to look for a ticket.
    async fn find(&mut self, ticket: Ticket) -> Spot {
        let alive = self.page.saturating_sub(self.pages.saturating_sub(1));
        let known = self.spots.iter().flatten();
        if let Some(spot) = known.copied().find(|s| s.ticket == ticket && alive <= s.page) {
            return spot;
        }
        // Who looks for a ticket that no reader was at looks for a new one.
        for page in (alive..=self.page).rev() {
            if let Some(head) = self.head(page).await
                && head.first <= ticket
            {
                return Spot { ticket: head.first, page, at: page::first::<F>() };
            }
        }
        Spot { ticket: Ticket::FIRST, page: alive, at: page::len::<F>() }
    }

    fn remember(&mut self, was: Ticket, spot: Spot) {
        // A reader that goes on leaves its old place; a new one takes that of the older.
        let own = self.spots.iter().position(|s| s.is_some_and(|s| s.ticket == was));
        let place = own.unwrap_or(self.older_spot);
        if let Some(slot) = self.spots.get_mut(place) {
            *slot = Some(spot);
            self.older_spot = 1_usize.saturating_sub(place);
        }
    }
}

impl<F: NorFlash> Outbox for FlashOutbox<F> {
    async fn push(&mut self, payload: &[u8]) {
        let fits = payload.len() <= PAYLOAD_MAX
            && page::first::<F>().saturating_add(Record::size_of::<F>(payload.len()))
                <= page::len::<F>();
        if fits && self.append(Kind::Payload, payload).await.is_some() {
            self.next = self.next.next();
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    async fn peek(&mut self, from: Ticket, out: &mut [u8]) -> Option<(Ticket, usize)> {
        let wanted = from.max(self.floor);
        if self.next <= wanted {
            return None;
        }
        let mut spot = self.find(wanted).await;
        loop {
            if let Some(record) = self.record(spot.page, spot.at).await {
                let here = Spot { at: spot.at.saturating_add(record.size::<F>()), ..spot };
                if record.kind != Kind::Payload {
                    spot = here;
                    continue;
                }
                let after = Spot { ticket: spot.ticket.next(), ..here };
                if wanted <= spot.ticket {
                    let out = out.get_mut(..usize::from(record.len))?;
                    if !self.payload(spot.page, spot.at, &record, out).await {
                        return None;
                    }
                    self.remember(wanted, after);
                    return Some((spot.ticket, usize::from(record.len)));
                }
                spot = after;
                continue;
            }
            // The page ends here. The next that is there says where it begins.
            let head = loop {
                if self.page <= spot.page {
                    return None;
                }
                spot.page = spot.page.saturating_add(1);
                if let Some(head) = self.head(spot.page).await {
                    break head;
                }
            };
            spot = Spot { ticket: head.first, page: spot.page, at: page::first::<F>() };
            // What should have been before it was there once, and its flash failed.
            if wanted < head.first && wanted == self.floor {
                self.give_up_before(head.first);
            }
        }
    }

    async fn settle(&mut self, before: Ticket) {
        let before = before.min(self.next);
        if before <= self.floor {
            return;
        }
        self.floor = before;
        // If the flash refuses, what was settled comes again after the next power cut.
        let [a, b, c, d, e, f, g, h] = before.number().to_le_bytes();
        // What was found missing on the way is counted with it, or the next run forgets it.
        let [i, j, k, l] = self.dropped.to_le_bytes();
        let note = [a, b, c, d, e, f, g, h, i, j, k, l];
        self.append(Kind::Settled, &note).await.unwrap_or_default();
    }

    fn first(&self) -> Ticket {
        self.floor
    }

    fn next(&self) -> Ticket {
        self.next
    }

    fn dropped(&self) -> u32 {
        self.dropped
    }

    async fn keep_command(&mut self, id: u32) -> bool {
        self.command = id;
        self.append(Kind::Command, &id.to_le_bytes()).await.is_some()
    }

    fn last_command(&self) -> u32 {
        self.command
    }

    async fn keep_plan(&mut self, plan: &[u8]) {
        self.plan.keep(&mut self.flash, plan).await;
    }

    async fn kept_plan(&mut self, out: &mut [u8]) -> Option<usize> {
        self.plan.kept(&mut self.flash, out).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
