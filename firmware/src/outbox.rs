//! What was read and is not yet acknowledged.
//!
//! In order. When it is full the oldest goes and is counted: after a long
//! outage the last hours are worth more than the first, and counters lose nothing but
//! detail. Behind the trait may lie RAM or flash; flash keeps it through a power cut.

/// The number of a payload, in the order in which they were pushed; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Ticket {
    /// Before every payload.
    pub const FIRST: Self = Self(0);

    /// Returns the ticket of a number.
    #[must_use]
    pub const fn of(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns how many tickets lie between another one and this, 0 if the other is later.
    #[must_use]
    pub const fn since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// Returns the ticket after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A queue of payloads that forgets only what was settled, or the oldest when full.
pub trait Outbox {
    /// Adds a payload. Behind flash it is there for good when this returns, or, behind one
    /// that needs time for that, at the latest before [`Outbox::peek`] shows it. What had to
    /// go for it is counted in [`Outbox::dropped`].
    async fn push(&mut self, payload: &[u8]);

    /// Copies the oldest payload that has this ticket or a later one into `out`, and
    /// returns its ticket and length; `None` if there is none.
    async fn peek(&mut self, from: Ticket, out: &mut [u8]) -> Option<(Ticket, usize)>;

    /// Removes all payloads before a ticket: they were acknowledged.
    async fn settle(&mut self, before: Ticket);

    /// Returns the ticket of the oldest payload, or of the next one if none waits.
    fn first(&self) -> Ticket;

    /// Returns the ticket that the next payload gets.
    fn next(&self) -> Ticket;

    /// Returns how many payloads wait.
    fn len(&self) -> usize {
        usize::try_from(self.next().since(self.first())).unwrap_or(usize::MAX)
    }

    /// Returns whether none waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many payloads had to go unacknowledged, as far back as the outbox goes.
    fn dropped(&self) -> u32;

    /// Notes the number of a command that is about to be carried out, so that no later run
    /// does it again; returns whether it is noted.
    async fn keep_command(&mut self, id: u32) -> bool {
        let _unused = id;
        true
    }

    /// Returns the number of the last command that was noted; 0 if none was.
    fn last_command(&self) -> u32 {
        0
    }

    /// Keeps a plan for the next run, if the outbox outlives this one.
    async fn keep_plan(&mut self, plan: &[u8]) {
        let _unused = plan;
    }

    /// Copies the plan that an earlier run kept into `out` and returns its length.
    async fn kept_plan(&mut self, out: &mut [u8]) -> Option<usize> {
        let _unused = out;
        None
    }
}

/// Bytes before each payload that say how long it is.
const HEAD_LEN: usize = 2;

/// An outbox in a ring of RAM: an array on a microcontroller, a box on Linux.
pub struct RamOutbox<S> {
    ring: S,
    /// Where the oldest payload's head begins.
    start: usize,
    /// How many bytes are in use from there on.
    used: usize,
    count: usize,
    oldest: Ticket,
    dropped: u32,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> RamOutbox<S> {
    /// Returns an empty outbox that uses all of the storage.
    pub const fn new(ring: S) -> Self {
        Self { ring, start: 0, used: 0, count: 0, oldest: Ticket::FIRST, dropped: 0 }
    }

    fn capacity(&self) -> usize {
        self.ring.as_ref().len()
    }

    /// Returns where a byte lies that comes `offset` after the oldest head.
    fn place(&self, offset: usize) -> usize {
        self.start.saturating_add(offset).checked_rem(self.capacity()).unwrap_or(0)
    }

    fn byte(&self, offset: usize) -> u8 {
        self.ring.as_ref().get(self.place(offset)).copied().unwrap_or(0)
    }

    fn append(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let place = self.place(self.used);
            if let Some(slot) = self.ring.as_mut().get_mut(place) {
                *slot = byte;
            }
            self.used = self.used.saturating_add(1);
        }
    }

    fn payload_len(&self, offset: usize) -> usize {
        let head = [self.byte(offset), self.byte(offset.saturating_add(1))];
        usize::from(u16::from_le_bytes(head))
    }

    fn remove_oldest(&mut self) {
        let len = self.payload_len(0).saturating_add(HEAD_LEN);
        self.start = self.place(len);
        self.used = self.used.saturating_sub(len);
        self.count = self.count.saturating_sub(1);
        self.oldest = self.oldest.next();
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Outbox for RamOutbox<S> {
    async fn push(&mut self, payload: &[u8]) {
        let needed = payload.len().saturating_add(HEAD_LEN);
        let head = u16::try_from(payload.len()).ok().filter(|_| needed <= self.capacity());
        let Some(head) = head else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        while self.capacity().saturating_sub(self.used) < needed && 0 < self.count {
            self.remove_oldest();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.append(&head.to_le_bytes());
        self.append(payload);
        self.count = self.count.saturating_add(1);
    }

    async fn peek(&mut self, from: Ticket, out: &mut [u8]) -> Option<(Ticket, usize)> {
        let (mut ticket, mut offset) = (self.oldest, 0);
        for _ in 0..self.count {
            let len = self.payload_len(offset);
            if from <= ticket {
                let out = out.get_mut(..len)?;
                for (at, slot) in out.iter_mut().enumerate() {
                    *slot = self.byte(offset.saturating_add(HEAD_LEN).saturating_add(at));
                }
                return Some((ticket, len));
            }
            offset = offset.saturating_add(HEAD_LEN).saturating_add(len);
            ticket = ticket.next();
        }
        None
    }

    async fn settle(&mut self, before: Ticket) {
        while 0 < self.count && self.oldest < before {
            self.remove_oldest();
        }
    }

    fn first(&self) -> Ticket {
        self.oldest
    }

    fn next(&self) -> Ticket {
        Ticket(self.oldest.0.saturating_add(u64::try_from(self.count).unwrap_or(u64::MAX)))
    }

    fn dropped(&self) -> u32 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embassy_futures::block_on;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn peek<S: AsRef<[u8]> + AsMut<[u8]>>(
        outbox: &mut RamOutbox<S>,
        from: Ticket,
    ) -> Option<(Ticket, Vec<u8>)> {
        let mut out = [0; 64];
        let (ticket, len) = block_on(outbox.peek(from, &mut out))?;
        Some((ticket, out[..len].to_vec()))
    }

    #[test]
    fn a_payload_stays_until_it_is_acknowledged() {
        let mut outbox = RamOutbox::new([0; 64]);
        block_on(outbox.push(b"first"));
        block_on(outbox.push(b"second"));

        let (first, payload) = peek(&mut outbox, Ticket::FIRST).unwrap();
        assert_eq!(payload, b"first");
        let (second, payload) = peek(&mut outbox, first.next()).unwrap();
        assert_eq!(payload, b"second");
        assert_eq!(outbox.len(), 2);

        block_on(outbox.settle(second));
        assert_eq!(peek(&mut outbox, Ticket::FIRST), Some((second, b"second".to_vec())));
        block_on(outbox.settle(first));
        assert_eq!(outbox.len(), 1);
        block_on(outbox.settle(second.next()));
        assert!(outbox.is_empty() && outbox.dropped() == 0);
    }

    #[test]
    fn a_full_outbox_gives_up_the_oldest_and_counts_it() {
        let mut outbox = RamOutbox::new([0; 20]);
        for payload in [b"aaaaaa", b"bbbbbb", b"cccccc"] {
            block_on(outbox.push(payload));
        }
        assert_eq!((outbox.len(), outbox.dropped()), (2, 1));
        let (ticket, payload) = peek(&mut outbox, Ticket::FIRST).unwrap();
        assert_eq!((ticket, payload), (Ticket(1), b"bbbbbb".to_vec()));
    }

    #[test]
    fn an_acknowledgement_for_what_is_gone_removes_nothing_else() {
        let mut outbox = RamOutbox::new([0; 10]);
        block_on(outbox.push(b"aaaaaa"));
        let (gone, _) = peek(&mut outbox, Ticket::FIRST).unwrap();
        block_on(outbox.push(b"bbbbbb"));
        block_on(outbox.settle(gone.next()));
        assert_eq!(peek(&mut outbox, Ticket::FIRST).map(|(_, p)| p), Some(b"bbbbbb".to_vec()));
    }

    #[test]
    fn a_payload_larger_than_the_outbox_is_counted_and_harms_none() {
        let mut outbox = RamOutbox::new([0; 10]);
        block_on(outbox.push(b"aaaaaa"));
        block_on(outbox.push(b"bbbbbbbbb"));
        assert_eq!((outbox.len(), outbox.dropped()), (1, 1));
        assert_eq!(peek(&mut RamOutbox::new([0; 0]), Ticket::FIRST), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Pop,
    }

    proptest! {
        #[test]
        fn it_is_a_queue_that_forgets_only_its_oldest(
            capacity in 0_usize..80,
            steps in proptest::collection::vec(
                prop_oneof![
                    2 => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Step::Push),
                    1 => Just(Step::Pop),
                ],
                0..200,
            ),
        ) {
            let mut outbox = RamOutbox::new(std::vec![0; capacity]);
            let mut model = VecDeque::<(u64, Vec<u8>)>::new();
            let (mut next, mut dropped) = (0, 0);
            for step in steps {
                match step {
                    Step::Push(payload) if capacity < payload.len() + 2 => {
                        block_on(outbox.push(&payload));
                        dropped += 1;
                    }
                    Step::Push(payload) => {
                        block_on(outbox.push(&payload));
                        model.push_back((next, payload));
                        next += 1;
                        while capacity < model.iter().map(|(_, p)| p.len() + 2).sum() {
                            model.pop_front();
                            dropped += 1;
                        }
                    }
                    Step::Pop => {
                        if let Some((ticket, _)) = model.pop_front() {
                            block_on(outbox.settle(Ticket(ticket).next()));
                        }
                    }
                }
                let mut from = Ticket::FIRST;
                for (ticket, payload) in &model {
                    let peeked = peek(&mut outbox, from);
                    prop_assert_eq!(peeked, Some((Ticket(*ticket), payload.clone())));
                    from = Ticket(*ticket).next();
                }
                prop_assert_eq!(peek(&mut outbox, from), None);
                prop_assert_eq!((outbox.len(), outbox.dropped()), (model.len(), dropped));
            }
        }
    }
}
