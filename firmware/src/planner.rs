//! A register map becomes few requests.
//!
//! In: the entries of a map, in any order. Out: blocks of registers that lie in a row, and for
//! data identifiers one block each, however many values lie behind it.
//! Afterwards: each entry lies in exactly one block, no block is longer than the meter's
//! limit, none touches a forbidden register, and each could not be joined with the next
//! without breaking a rule or costing more.

use wire::List;
use wire::message::ENTRIES_MAX;
use wire::modbus::{Entry, RegisterMap, Table};

/// The widest gap that is read and thrown away rather than asked around.
///
/// Another request costs its 8 bytes, the 5 bytes around its data, two silent times of 3.5
/// characters and the meter's thinking, which at 9,600 baud and 10 ms is another 10: about
/// 30 characters, the time of 15 registers.
pub const GAP_MAX: u16 = 15;

/// Registers in a row, or the first bytes behind an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// In which table.
    pub table: Table,
    /// The first of them, or the identifier.
    pub address: u32,
    /// How many.
    pub count: u16,
}

// A default only so that blocks can lie in a `List`; it is never asked for.
impl Default for Block {
    fn default() -> Self {
        Self { table: Table::Holding, address: 0, count: 0 }
    }
}

impl Block {
    /// Returns where in the block an entry lies, or `None` if it lies elsewhere.
    #[must_use]
    pub fn offset_of(&self, entry: &Entry) -> Option<usize> {
        let offset = entry.address.checked_sub(self.address)?;
        let offset = if entry.table.holds_bytes() {
            (offset == 0).then_some(u16::from(entry.offset))?
        } else {
            u16::try_from(offset).ok()?
        };
        let fits = offset.checked_add(entry.span())? <= self.count;
        (self.table == entry.table && fits).then_some(usize::from(offset))
    }

    /// Returns the first register after the block; 2^16 if it ends with the table.
    fn end(&self) -> u32 {
        self.address.saturating_add(u32::from(self.count))
    }
}

/// A list as long as the longest register map.
pub type Blocks = List<Block, ENTRIES_MAX>;

/// Returns the requests that read a map, bridging gaps of up to `gap_max` registers.
#[must_use]
pub fn blocks(map: &RegisterMap<'_>, gap_max: u16) -> Blocks {
    let mut blocks = Blocks::new();
    let mut open: Option<Block> = None;
    let mut last = None;
    while let Some(entry) = next_entry(map.entries, last) {
        last = Some(place(entry));
        let joined = open.and_then(|block| join(&block, entry, map, gap_max));
        open = joined.or_else(|| {
            push(&mut blocks, open);
            Some(Block { table: entry.table, address: entry.address, count: behind(entry) })
        });
    }
    push(&mut blocks, open);
    blocks
}

fn push(blocks: &mut Blocks, block: Option<Block>) {
    if let Some(block) = block {
        // There are at most as many blocks as entries, and that is what the list holds.
        blocks.push(block).ok();
    }
}

/// Returns how many words from the entry's address on its value ends.
fn behind(entry: &Entry) -> u16 {
    entry.span().saturating_add(u16::from(entry.offset))
}

fn place(entry: &Entry) -> (Table, u32, u16) {
    (entry.table, entry.address, behind(entry))
}

/// Returns the entry that comes after a place. A map is short, so this takes the place of
/// sorting it; entries in the same place are read together.
fn next_entry(entries: &[Entry], last: Option<(Table, u32, u16)>) -> Option<&Entry> {
    let after = |entry: &&Entry| last.is_none_or(|last| last < place(entry));
    entries.iter().filter(after).min_by_key(|entry| place(entry))
}

fn join(block: &Block, entry: &Entry, map: &RegisterMap<'_>, gap_max: u16) -> Option<Block> {
    if block.table != entry.table {
        return None;
    }
    if entry.table.holds_bytes() {
        let count = block.count.max(behind(entry));
        let good = block.address == entry.address && count <= map.read_limit;
        return good.then_some(Block { count, ..*block });
    }
    let gap = entry.address.saturating_sub(block.end());
    let end = block.end().max(entry.address.saturating_add(u32::from(entry.span())));
    let count = u16::try_from(end.saturating_sub(block.address)).ok()?;
    let forbidden = map
        .forbidden
        .iter()
        .any(|&(first, last)| block.address <= u32::from(last) && u32::from(first) < end);
    let good = gap <= u32::from(gap_max) && count <= map.read_limit && !forbidden;
    good.then_some(Block { count, ..*block })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;
    use wire::modbus::Type;
    use wire::models;

    fn map<'a>(entries: &'a [Entry], read_limit: u16) -> RegisterMap<'a> {
        RegisterMap { entries, read_limit, answer_ms: 500, turnaround_ms: 0, forbidden: &[] }
    }

    fn entry(address: u32, ty: Type) -> Entry {
        Entry { address, ty, ..Entry::default() }
    }

    #[track_caller]
    fn check(map: &RegisterMap<'_>, expected: &[(u32, u16)]) {
        let blocks = blocks(map, GAP_MAX);
        let found = blocks.iter().map(|block| (block.address, block.count)).collect::<Vec<_>>();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_meters_we_know_are_read_in_few_requests() {
        let of = |id| models::by_id(id).unwrap().map;
        check(&of("eastron-sdm630"), &[(0x0000, 12), (0x0034, 24)]);
        check(&of("chint-dtsu666"), &[(0x101E, 12), (0x2006, 38), (0x2044, 2)]);
        check(&of("xintai-water"), &[(0x0001, 13)]);
        check(&of("fuxin-gas"), &[(0x0010, 14)]);
        check(&of("cjt188-water"), &[(0x10_901F, 19)]);
        check(&of("cjt188-heat"), &[(0x20_901F, 43)]);
    }

    #[test]
    fn values_behind_one_identifier_come_in_one_request() {
        let blocks = blocks(&models::by_id("dlt645-three-phase").unwrap().map, GAP_MAX);
        let found = blocks.iter().map(|block| (block.address, block.count)).collect::<Vec<_>>();

        let energies = [0x0001_0000, 0x0001_0100, 0x0001_0200, 0x0001_0300, 0x0001_0400];
        let energies = energies.into_iter().chain([0x0002_0000, 0x0003_0000, 0x0004_0000]);
        let mut expected = energies.map(|identifier| (identifier, 4)).collect::<Vec<_>>();
        expected.extend([(0x0201_FF00, 6), (0x0202_FF00, 9), (0x0203_FF00, 12)]);
        expected.extend([(0x0204_0000, 3), (0x0206_0000, 2), (0x0280_0002, 2)]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_gap_is_bridged_if_that_is_cheaper_and_the_limit_allows() {
        let near = [entry(0, Type::U16), entry(16, Type::U16)];
        check(&map(&near, 125), &[(0, 17)]);
        check(&map(&near, 16), &[(0, 1), (16, 1)]);
        let far = [entry(0, Type::U16), entry(17, Type::U16)];
        check(&map(&far, 125), &[(0, 1), (17, 1)]);
    }

    #[test]
    fn a_forbidden_register_is_asked_around() {
        let entries = [entry(0, Type::U16), entry(4, Type::U16), entry(6, Type::U16)];
        let around = RegisterMap { forbidden: &[(2, 3)], ..map(&entries, 125) };
        check(&around, &[(0, 1), (4, 3)]);
    }

    #[test]
    fn entries_out_of_order_or_in_one_place_are_read_once() {
        let entries = [entry(8, Type::U16), entry(2, Type::F32), entry(2, Type::U16)];
        check(&map(&entries, 125), &[(2, 7)]);
        check(&map(&[entry(0xFFFE, Type::U32)], 125), &[(0xFFFE, 2)]);
        check(&map(&[], 125), &[]);
    }

    prop_compose! {
        fn any_entry()(
            table in 2_usize..4,
            address in 0_u32..300,
            ty in prop_oneof![Just(Type::U16), Just(Type::F32), Just(Type::U64)],
        ) -> Entry {
            Entry { table: Table::ALL[table], ..entry(address, ty) }
        }
    }

    proptest! {
        #[test]
        fn every_entry_is_read_and_every_rule_is_kept(
            entries in proptest::collection::vec(any_entry(), 0..=ENTRIES_MAX),
            read_limit in 4_u16..=125,
            gap_max in 0..40_u16,
            forbidden in proptest::collection::vec((0_u16..300, 0_u16..4), 0..4),
        ) {
            let forbidden = forbidden.iter().map(|(from, n)| (*from, from + n));
            let forbidden = forbidden.collect::<Vec<_>>();
            let free = |entry: &Entry| {
                let last = entry.address + u32::from(entry.span()) - 1;
                let meets = |&(from, to): &(u16, u16)| {
                    u32::from(from) <= last && entry.address <= u32::from(to)
                };
                !forbidden.iter().any(meets)
            };
            let entries = entries.into_iter().filter(free).collect::<Vec<_>>();
            let map = RegisterMap { forbidden: &forbidden, ..map(&entries, read_limit) };
            let blocks = blocks(&map, gap_max);
            for entry in &entries {
                prop_assert!(blocks.iter().any(|block| block.offset_of(entry).is_some()));
            }
            for block in blocks.iter() {
                let last = block.address + u32::from(block.count) - 1;
                prop_assert!(block.count <= read_limit);
                let meets = |&(from, to): &(u16, u16)| {
                    u32::from(from) <= last && block.address <= u32::from(to)
                };
                prop_assert!(!forbidden.iter().any(meets));
            }
        }
    }
}
