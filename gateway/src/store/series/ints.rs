//! A column of integers in few bytes.
//!
//! ```text
//! shape | exponent << 4, then by shape
//! 0 same     value                                    every number is this one
//! 1 steps    first, step                              evenly apart
//! 2 runs     first, then (step, count) …              evenly apart in stretches
//! 3 climb    first, least step, then (step - least) … anything, best if it climbs evenly
//! 4 swing    first, then step …                       anything, best if it goes to and fro
//! 5 pco      length, bytes                            anything, packed for keeping
//! 6 held     count, numbers, how often each           anything that stays for a while
//! ```
//!
//! Numbers are divided by 10^exponent first: a meter that counts in kWh leaves six
//! zeros in mWh. Both parts of a held column are columns themselves. How many numbers there are is known to whoever reads them. Which shape
//! was chosen says nothing about the numbers; a reader takes them all.

use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec};

use crate::store::codec::{Cursor, put_signed, put_varint, varint_len, zigzag};

/// How much work goes into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// For a block of a day, which will be written again: ten times quicker than pco
    /// at 96 numbers.
    Quick,
    /// For a sealed month. Level 4: 8 takes twice the time for 1 to 3 % (measured).
    Thorough,
}

const SAME: u8 = 0;
const STEPS: u8 = 1;
const RUNS: u8 = 2;
const CLIMB: u8 = 3;
const SWING: u8 = 4;
const PCO: u8 = 5;
const HELD: u8 = 6;

const PCO_LEVEL: usize = 4;
const EXPONENT_MAX: u8 = 9;

/// Below this many numbers pco's own header costs more than it saves.
const PCO_LEN_MIN: usize = 64;

/// Appends columns; it keeps the room to work in from one to the next.
#[derive(Debug, Default)]
pub(super) struct Ints {
    scaled: Vec<i64>,
    steps: Vec<i64>,
}

impl Ints {
    /// Appends a column.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, numbers: &[i64], effort: Effort) {
        let Some(&first) = numbers.first() else { return };
        if numbers.iter().all(|&number| number == first) {
            out.push(SAME);
            put_signed(out, first);
            return;
        }
        let exponent = common_exponent(numbers);
        let Self { scaled, steps } = self;
        let numbers = scale(numbers, exponent, scaled);
        let first = numbers.first().copied().unwrap_or(first);
        steps.clear();
        steps.reserve(numbers.len());
        // One walk for all that the shapes are chosen by: columns of a day are short, and each
        // further walk is seen in what a flush takes.
        let (mut last, mut runs, mut least, mut before) = (first, 0, i64::MAX, None);
        for &number in numbers.get(1..).unwrap_or_default() {
            let step = number.wrapping_sub(last);
            last = number;
            least = least.min(step);
            runs += usize::from(before != Some(step));
            before = Some(step);
            steps.push(step);
        }
        let mut head = |shape: u8| out.push(shape | exponent << 4);

        if runs == 1 {
            head(STEPS);
            put_signed(out, first);
            put_signed(out, least);
        } else if runs * 4 < numbers.len() {
            head(RUNS);
            put_signed(out, first);
            for run in steps.chunk_by(|a, b| a == b) {
                put_signed(out, run[0]);
                put_varint(out, run.len() as u64);
            }
        } else if effort == Effort::Thorough && is_held(steps) {
            head(HELD);
            let stretches = numbers.chunk_by(|a, b| a == b);
            let (held, counts): (Vec<i64>, Vec<i64>) =
                stretches.map(|it| (it[0], i64::try_from(it.len()).unwrap_or(i64::MAX))).unzip();
            put_varint(out, held.len() as u64);
            self.put(out, &held, effort);
            self.put(out, &counts, effort);
        } else if effort == Effort::Thorough
            && PCO_LEN_MIN <= numbers.len()
            && let Some(packed) = pco_of(numbers)
        {
            head(PCO);
            put_varint(out, packed.len() as u64);
            out.extend_from_slice(&packed);
        } else {
            let climb = |step: i64| step.wrapping_sub(least).cast_unsigned();
            let (climbing, swinging) = steps.iter().fold((0, 0), |(climbing, swinging), step| {
                (climbing + varint_len(climb(*step)), swinging + varint_len(zigzag(*step)))
            });
            out.reserve(20 + climbing.min(swinging));
            let mut head = |shape: u8| out.push(shape | exponent << 4);
            if climbing < swinging {
                head(CLIMB);
                put_signed(out, first);
                put_signed(out, least);
                steps.iter().for_each(|step| put_varint(out, climb(*step)));
            } else {
                head(SWING);
                put_signed(out, first);
                steps.iter().for_each(|step| put_signed(out, *step));
            }
        }
    }
}

/// Takes a column of `len` numbers; `None` if the bytes are not one.
pub(super) fn take_ints(cursor: &mut Cursor<'_>, len: usize) -> Option<Vec<i64>> {
    if len == 0 {
        return Some(Vec::new());
    }
    let head = cursor.byte()?;
    let unit = 10_i64.checked_pow(u32::from(head >> 4))?;
    let mut numbers = match head & 0xf {
        SAME => vec![cursor.signed()?; len],
        STEPS => {
            let (first, step) = (cursor.signed()?, cursor.signed()?);
            add_up(first, std::iter::repeat_n(step, len - 1))
        }
        RUNS => {
            let mut numbers = Vec::with_capacity(len);
            let mut last = cursor.signed()?;
            numbers.push(last);
            while numbers.len() < len {
                let step = cursor.signed()?;
                let count = usize::try_from(cursor.varint()?).ok()?;
                if count == 0 || len - numbers.len() < count {
                    return None;
                }
                for _ in 0..count {
                    last = last.wrapping_add(step);
                    numbers.push(last);
                }
            }
            numbers
        }
        CLIMB => {
            let (mut last, least) = (cursor.signed()?, cursor.signed()?);
            let mut numbers = Vec::with_capacity(len);
            numbers.push(last);
            for _ in 1..len {
                last = last.wrapping_add(least.wrapping_add(cursor.varint()?.cast_signed()));
                numbers.push(last);
            }
            numbers
        }
        SWING => {
            let mut last = cursor.signed()?;
            let mut numbers = Vec::with_capacity(len);
            numbers.push(last);
            for _ in 1..len {
                last = last.wrapping_add(cursor.signed()?);
                numbers.push(last);
            }
            numbers
        }
        PCO => simple_decompress(cursor.bytes()?).ok()?,
        HELD => {
            // At most half as many: a column within a column within a column ends.
            let count = usize::try_from(cursor.varint()?).ok().filter(|it| *it <= len / 2)?;
            let (held, counts) = (take_ints(cursor, count)?, take_ints(cursor, count)?);
            let mut numbers = Vec::with_capacity(len);
            for (number, count) in held.into_iter().zip(counts) {
                let count = usize::try_from(count).ok().filter(|it| *it <= len - numbers.len())?;
                numbers.extend(std::iter::repeat_n(number, count));
            }
            numbers
        }
        _ => return None,
    };
    if unit != 1 {
        numbers.iter_mut().for_each(|number| *number = number.wrapping_mul(unit));
    }
    (numbers.len() == len).then_some(numbers)
}

fn add_up(first: i64, steps: impl Iterator<Item = i64>) -> Vec<i64> {
    let following = steps.scan(first, |last, step| {
        *last = last.wrapping_add(step);
        Some(*last)
    });
    std::iter::once(first).chain(following).collect()
}

/// Returns how many zeros every number ends in, at most [`EXPONENT_MAX`].
fn common_exponent(numbers: &[i64]) -> u8 {
    let mut exponent = EXPONENT_MAX;
    for number in numbers {
        while !ends_in_zeros(*number, exponent) {
            exponent -= 1;
        }
        if exponent == 0 {
            break;
        }
    }
    exponent
}

// A division by a constant is a multiplication: five times as quick as one by a variable,
// and there are two for each number.
fn ends_in_zeros(number: i64, zeros: u8) -> bool {
    match zeros {
        0 => true,
        1 => number % 10 == 0,
        2 => number % 100 == 0,
        3 => number % 1_000 == 0,
        4 => number % 10_000 == 0,
        5 => number % 100_000 == 0,
        6 => number % 1_000_000 == 0,
        _ => number % 10_i64.pow(u32::from(zeros)) == 0,
    }
}

/// Returns the numbers without so many zeros at their ends; `room` is room to work in.
fn scale<'a>(numbers: &'a [i64], zeros: u8, room: &'a mut Vec<i64>) -> &'a [i64] {
    fn by<const UNIT: i64>(numbers: &[i64], room: &mut Vec<i64>) {
        room.extend(numbers.iter().map(|number| number / UNIT));
    }
    room.clear();
    match zeros {
        0 => return numbers,
        1 => by::<10>(numbers, room),
        2 => by::<100>(numbers, room),
        3 => by::<1_000>(numbers, room),
        4 => by::<10_000>(numbers, room),
        5 => by::<100_000>(numbers, room),
        6 => by::<1_000_000>(numbers, room),
        _ => {
            let unit = 10_i64.pow(u32::from(zeros));
            room.extend(numbers.iter().map(|number| number / unit));
        }
    }
    room
}

fn pco_of(numbers: &[i64]) -> Option<Vec<u8>> {
    let config = ChunkConfig::default()
        .with_compression_level(PCO_LEVEL)
        .with_delta_spec(DeltaSpec::TryConsecutive(delta_order(numbers)));
    simple_compress(numbers, &config).ok()
}

/// Returns how often differences are best taken before packing: counters climb, voltages
/// stay about where they are. pco would try all of them out, and repetitions at a distance
/// as well, which meters have none of: a third of the work of sealing.
fn delta_order(numbers: &[i64]) -> usize {
    let [plain, once, twice] = bits_by_order(numbers);
    if plain <= once.min(twice) {
        0
    } else if once <= twice {
        1
    } else {
        2
    }
}

/// Returns about how many bits a column takes, to compare it with another as long.
pub(super) fn rough_bits(numbers: &[i64]) -> u64 {
    bits_by_order(numbers).into_iter().min().unwrap_or(0)
}

/// Returns how many bits numbers have, their differences, and the differences of those.
fn bits_by_order(numbers: &[i64]) -> [u64; 3] {
    let bits = |number: i64| u64::from(64 - zigzag(number).leading_zeros());
    let middle = numbers.get(numbers.len() / 2).copied().unwrap_or(0);
    let (mut plain, mut once, mut twice) = (0, 0, 0);
    for window in numbers.windows(3) {
        let [a, b, c] = [window[0], window[1], window[2]];
        plain += bits(c.wrapping_sub(middle));
        once += bits(c.wrapping_sub(b));
        twice += bits(c.wrapping_sub(b).wrapping_sub(b.wrapping_sub(a)));
    }
    [plain, once, twice]
}

/// Whether numbers stay the same twice as often as they change.
fn is_held(steps: &[i64]) -> bool {
    let changes = steps.iter().filter(|step| **step != 0).count();
    PCO_LEN_MIN <= steps.len() && (changes + 1) * 2 <= steps.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(numbers: &[i64], effort: Effort) -> Vec<u8> {
        let mut bytes = Vec::new();
        Ints::default().put(&mut bytes, numbers, effort);
        let mut cursor = Cursor::new(&bytes);
        assert_eq!(take_ints(&mut cursor, numbers.len()).as_deref(), Some(numbers));
        assert!(cursor.is_at_end());
        bytes
    }

    #[test]
    fn a_regular_column_takes_a_handful_of_bytes_whatever_its_length() {
        let instants: Vec<i64> = (0..3_000).map(|n| 1_760_025_600 + n * 900).collect();

        assert_eq!(check(&instants, Effort::Quick).len(), 6);
        assert_eq!(check(&[5; 3_000], Effort::Thorough), [SAME, 10]);
        assert_eq!(
            check(&[0, 3, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26], Effort::Quick).len(),
            6
        );
    }

    #[test]
    fn zeros_that_every_number_ends_in_are_not_stored() {
        let counter = [7_000_000, 9_000_000, 10_000_000, 14_000_000];

        assert_eq!(check(&counter, Effort::Quick), [SWING | 6 << 4, 14, 4, 2, 8]);
    }

    #[test]
    fn numbers_that_hold_for_a_while_take_room_for_their_changes_only() {
        let held: Vec<i64> = (0..6_000).map(|n| (n * 2 / 5) * 7_919 % 4_096).collect();
        let changes: Vec<i64> = (0..2_400).map(|n| n * 7_919 % 4_096).collect();

        let room = check(&held, Effort::Thorough).len();

        assert!(room < check(&changes, Effort::Thorough).len() * 21 / 20 + 400, "{room}");
    }

    #[test]
    fn one_fall_of_a_counter_does_not_make_every_step_dear() {
        let mut counter: Vec<i64> = (0..96).map(|n| 80_000_001 + n * 7 + n % 3).collect();
        counter.extend((0..96).map(|n| n * 7 + n % 3));

        assert!(check(&counter, Effort::Quick).len() < 205);
    }

    #[test]
    fn the_ends_of_the_range_come_back_from_every_shape() {
        let mut wild = vec![i64::MIN, i64::MAX, 0, -1, 1, i64::MIN + 1];
        check(&wild, Effort::Quick);
        wild.extend((0..200).map(|n| n * n * 7_919 % 1_000 - 500));
        check(&wild, Effort::Thorough);
        check(&[i64::MIN, i64::MAX], Effort::Quick);
        check(&[], Effort::Thorough);
    }

    #[test]
    fn a_run_longer_than_the_column_is_refused() {
        assert_eq!(take_ints(&mut Cursor::new(&[RUNS, 0, 2, 200, 1]), 10), None);
        assert_eq!(take_ints(&mut Cursor::new(&[RUNS, 0, 2, 0]), 10), None);
        assert_eq!(take_ints(&mut Cursor::new(&[9, 0]), 10), None);
        assert_eq!(take_ints(&mut Cursor::new(&[HELD, 2, STEPS, 0, 2, SAME, 12]), 10), None);
        assert_eq!(take_ints(&mut Cursor::new(&[HELD, 6, SAME, 0, SAME, 2]), 10), None);
    }

    proptest! {
        #[test]
        fn any_column_comes_back(
            numbers in prop::collection::vec(any::<i64>(), 0..300),
            small in prop::collection::vec(-50..50_i64, 0..300),
            held in prop::collection::vec((-50..50_i64, 1..6_usize), 0..300),
        ) {
            let held: Vec<i64> =
                held.into_iter().flat_map(|(number, count)| vec![number; count]).collect();
            for effort in [Effort::Quick, Effort::Thorough] {
                check(&numbers, effort);
                check(&held, effort);
                check(&small.iter().map(|number| number * 1_000).collect::<Vec<_>>(), effort);
            }
        }

        #[test]
        fn no_bytes_make_reading_a_column_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            len in 0..500_usize,
        ) {
            let read = take_ints(&mut Cursor::new(&bytes), len);
            prop_assert!(read.is_none_or(|numbers| numbers.len() == len));
        }
    }
}
