//! Which pack goes next: the newest before the oldest, and none that is through already.
//!
//! After days without a broker the outbox holds thousands of packs, and people want to see
//! what is now. So at each connect the [`LIVE`] newest packs and all that are read from then
//! on form one lane, and what is older the other. While both have something, of
//! [`LIVE_OF`] packs all but one are live. Within a lane the order is that of reading.
//!
//! Here is only what was acknowledged out of turn; what lies at the front of the outbox is
//! settled there.

use heapless::Vec;
use wire::message::METERS_MAX;

use crate::outbox::Ticket;

/// How many packs are live at a connect: the last of each meter that a plan can have.
pub const LIVE: u64 = METERS_MAX as u64;

/// Of so many packs, one is from the backlog while there is one.
pub const LIVE_OF: u8 = 4;

/// How many stretches of acknowledged packs are known at a time. One is made by each
/// connection that ends before its backlog is through; a forgotten one is sent again.
const STRETCHES: usize = 8;

/// One of the two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Live,
    Backlog,
}

/// Tickets from the first until before the second.
type Stretch = (Ticket, Ticket);

/// What was sent and acknowledged, and what comes next.
pub(crate) struct Replay {
    /// Acknowledged packs, in order, none touching another.
    through: Vec<Stretch, STRETCHES>,
    /// Where the live lane begins.
    live: Ticket,
    next_live: Ticket,
    next_backlog: Ticket,
    turn: u8,
}

impl Replay {
    pub(crate) const fn new() -> Self {
        Self {
            through: Vec::new(),
            live: Ticket::FIRST,
            next_live: Ticket::FIRST,
            next_backlog: Ticket::FIRST,
            turn: 0,
        }
    }

    /// Begins anew on a new connection, with an outbox that holds packs from `first` until
    /// before `next`: what was under way is not through.
    pub(crate) fn connect(&mut self, first: Ticket, next: Ticket) {
        self.settled(first);
        self.live = Ticket::of(next.number().saturating_sub(LIVE)).max(first);
        self.next_live = self.live;
        self.next_backlog = first;
        self.turn = 0;
    }

    /// Returns the lanes in the order in which they are asked now.
    pub(crate) const fn lanes(&self) -> [Lane; 2] {
        if self.turn.saturating_add(1) < LIVE_OF {
            [Lane::Live, Lane::Backlog]
        } else {
            [Lane::Backlog, Lane::Live]
        }
    }

    /// Returns the first ticket of a lane that may be sent, and the one before which it must
    /// lie.
    pub(crate) fn wanted(&self, lane: Lane) -> (Ticket, Ticket) {
        let (from, end) = match lane {
            Lane::Live => (self.next_live, Ticket::of(u64::MAX)),
            Lane::Backlog => (self.next_backlog, self.live),
        };
        let beyond = |from: Ticket, &(begin, end): &Stretch| {
            if begin <= from && from < end { end } else { from }
        };
        (self.through.iter().fold(from, beyond), end)
    }

    /// Notes that a pack is under way.
    pub(crate) fn sent(&mut self, lane: Lane, ticket: Ticket) {
        match lane {
            Lane::Live => self.next_live = ticket.next(),
            Lane::Backlog => self.next_backlog = ticket.next(),
        }
        self.turn = self.turn.saturating_add(1).checked_rem(LIVE_OF).unwrap_or(0);
    }

    /// Notes that a pack is through.
    pub(crate) fn acknowledged(&mut self, ticket: Ticket) {
        let after = ticket.next();
        let place = self.through.iter().position(|&(begin, _)| ticket < begin);
        let place = place.unwrap_or(self.through.len());
        let (before, behind) = self.through.split_at_mut_checked(place).unwrap_or_default();
        let joins_behind = behind.first().is_some_and(|&(begin, _)| begin == after);
        if let Some(last) = before.last_mut()
            && ticket <= last.1
        {
            last.1 = last.1.max(after);
            if joins_behind {
                let (_, end) = self.through.remove(place);
                if let Some(last) = self.through.get_mut(place.saturating_sub(1)) {
                    last.1 = end;
                }
            }
        } else if joins_behind {
            if let Some(first) = behind.first_mut() {
                first.0 = ticket;
            }
        } else {
            let place = if self.through.is_full() { self.forget(place) } else { place };
            self.through.insert(place, (ticket, after)).ok();
        }
    }

    /// Forgets a stretch that the backlog has yet to come to, so that it is sent again; returns
    /// where a place of the list is then.
    fn forget(&mut self, place: usize) -> usize {
        let ahead = |&(begin, end): &Stretch| self.next_backlog <= begin && end <= self.live;
        let Some(at) = self.through.iter().position(ahead) else { return place };
        self.through.remove(at);
        if at < place { place.saturating_sub(1) } else { place }
    }

    /// Returns before which ticket all is through, for an outbox that begins at `first`.
    pub(crate) fn floor(&mut self, first: Ticket) -> Ticket {
        let floor = match self.through.first() {
            Some(&(begin, end)) if begin <= first => first.max(end),
            Some(_) | None => first,
        };
        self.settled(floor);
        floor
    }

    /// Forgets what is not in the outbox any more.
    fn settled(&mut self, first: Ticket) {
        self.through.retain(|&(_, end)| first < end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec as Many;

    /// Sends as a connection would, until `packs` are acknowledged, one at a time.
    fn send(replay: &mut Replay, first: u64, next: u64, packs: usize) -> Many<u64> {
        let mut order = Many::new();
        while order.len() < packs {
            let lanes = replay.lanes();
            let found = lanes.into_iter().find_map(|lane| {
                let (from, end) = replay.wanted(lane);
                let ticket = from.max(Ticket::of(first));
                (ticket < end && ticket < Ticket::of(next)).then_some((lane, ticket))
            });
            let Some((lane, ticket)) = found else { break };
            replay.sent(lane, ticket);
            replay.acknowledged(ticket);
            order.push(ticket.number());
        }
        order
    }

    #[test]
    fn the_newest_of_each_meter_are_out_within_43_packs_and_the_backlog_goes_on() {
        let mut replay = Replay::new();
        replay.connect(Ticket::FIRST, Ticket::of(10_000));

        let order = send(&mut replay, 0, 10_000, 43);

        let live = order.iter().filter(|&&ticket| 10_000 - LIVE <= ticket).count();
        assert_eq!(live, 32);
        let backlog = order.iter().copied().filter(|&ticket| ticket < 10_000 - LIVE);
        assert_eq!(backlog.collect::<Many<_>>(), (0..11).collect::<Many<_>>());
        assert_eq!(replay.floor(Ticket::FIRST), Ticket::of(11));
    }

    #[test]
    fn a_short_queue_is_sent_in_its_order() {
        let mut replay = Replay::new();
        replay.connect(Ticket::of(5), Ticket::of(5 + LIVE));
        let order = send(&mut replay, 5, 5 + LIVE, 100);
        assert_eq!(order, (5..5 + LIVE).collect::<Many<_>>());
        assert_eq!(replay.floor(Ticket::of(5)), Ticket::of(5 + LIVE));
    }

    #[test]
    fn what_is_through_is_not_sent_again_on_the_next_connection() {
        let mut replay = Replay::new();
        replay.connect(Ticket::FIRST, Ticket::of(1000));
        let before = send(&mut replay, 0, 1000, 100);
        let floor = replay.floor(Ticket::FIRST);

        replay.connect(floor, Ticket::of(1100));
        let after = send(&mut replay, floor.number(), 1100, 10_000);

        let all = before.iter().chain(&after).copied().collect::<BTreeSet<_>>();
        assert_eq!((all.len(), before.len() + after.len()), (1100, 1100));
        assert_eq!(replay.floor(floor), Ticket::of(1100));
    }

    proptest! {
        #[test]
        fn every_pack_is_sent_however_often_the_connection_ends(
            ends in proptest::collection::vec((1_usize..200, 0_u64..100), 1..40),
        ) {
            let (mut replay, mut first, mut next) = (Replay::new(), 0, 500);
            let mut seen = BTreeSet::new();
            for (packs, more) in ends {
                replay.connect(Ticket::of(first), Ticket::of(next));
                seen.extend(send(&mut replay, first, next, packs));
                let floor = replay.floor(Ticket::of(first)).number();
                prop_assert!((0..floor).all(|ticket| seen.contains(&ticket)));
                first = floor;
                next += more;
            }
            replay.connect(Ticket::of(first), Ticket::of(next));
            seen.extend(send(&mut replay, first, next, usize::MAX));
            prop_assert_eq!(seen.len() as u64, next);
            prop_assert_eq!(replay.floor(Ticket::of(first)), Ticket::of(next));
        }
    }
}
