use super::*;
use crate::Quantity;
use crate::modbus::{Scale, Table, WordOrder};
use proptest::prelude::*;
use std::hint::black_box;
use std::vec;
use std::vec::Vec;

fn entry(ty: Type, order: WordOrder, scale: i32) -> Entry {
    Entry {
        quantity: Quantity::ActiveEnergyImport,
        table: Table::Holding,
        address: 0,
        offset: 0,
        ty,
        order,
        scale: Scale::thousandths(scale),
        undefined: Undefined::None,
        ratio: Ratio::None,
    }
}

#[track_caller]
fn check(entry: Entry, words: &[u16], expected: i64) {
    assert_eq!(decode(&entry, words, Ratios::ONE), Value::Measured(expected), "{entry:?}");
}

#[track_caller]
fn check_absent(entry: Entry, words: &[u16], reason: Absence) {
    assert_eq!(decode(&entry, words, Ratios::ONE), Value::Absent(reason), "{entry:?}");
}

#[test]
fn a_float_of_230_2_volts_is_230200_millivolts() {
    let voltage = entry(Type::F32, WordOrder::Abcd, 1000);
    check(voltage, &[0x4366, 0x3334], 230_200);
}

#[test]
fn the_sample_of_the_xintai_manual_reads_0_545() {
    // 1E 85 0B 3F on the wire, little endian throughout.
    let pressure = entry(Type::F32, WordOrder::Dcba, 1000);
    check(pressure, &[0x1E85, 0x0B3F], 545);
}

#[test]
fn each_word_order_finds_the_same_value_in_one_two_three_and_four_registers() {
    use WordOrder::{Abcd, Badc, Cdab, Dcba};
    check(entry(Type::U16, Abcd, 1), &[0x0102], 0x0102);
    check(entry(Type::U16, Cdab, 1), &[0x0102], 0x0102);
    check(entry(Type::U16, Badc, 1), &[0x0201], 0x0102);
    check(entry(Type::U16, Dcba, 1), &[0x0201], 0x0102);
    check(entry(Type::U32, Abcd, 1), &[0x0102, 0x0304], 0x0102_0304);
    check(entry(Type::U32, Cdab, 1), &[0x0304, 0x0102], 0x0102_0304);
    check(entry(Type::U32, Badc, 1), &[0x0201, 0x0403], 0x0102_0304);
    check(entry(Type::U32, Dcba, 1), &[0x0403, 0x0201], 0x0102_0304);
    let bcd = Type::Bcd { digits: 12 };
    check(entry(bcd, Abcd, 1), &[0x1234, 0x5678, 0x9012], 123_456_789_012);
    check(entry(bcd, Cdab, 1), &[0x9012, 0x5678, 0x1234], 123_456_789_012);
    check(entry(bcd, Dcba, 1), &[0x1290, 0x7856, 0x3412], 123_456_789_012);
    let long = 0x0102_0304_0506_0708;
    check(entry(Type::U64, Abcd, 1), &[0x0102, 0x0304, 0x0506, 0x0708], long);
    check(entry(Type::U64, Cdab, 1), &[0x0708, 0x0506, 0x0304, 0x0102], long);
    check(entry(Type::U64, Badc, 1), &[0x0201, 0x0403, 0x0605, 0x0807], long);
    check(entry(Type::U64, Dcba, 1), &[0x0807, 0x0605, 0x0403, 0x0201], long);
}

#[test]
fn signed_registers_keep_their_sign() {
    check(entry(Type::I16, WordOrder::Abcd, 100), &[0xFFFF], -100);
    check(entry(Type::I32, WordOrder::Abcd, 10), &[0xFFFF, 0xFFFE], -20);
    check(entry(Type::I64, WordOrder::Abcd, 1), &[0x8000, 0, 0, 0], i64::MIN);
    check(entry(Type::F32, WordOrder::Abcd, 1000), &[0xC366, 0x3334], -230_200);
}

#[test]
fn a_wide_counter_and_a_double_lose_no_digit() {
    // 2^53 + 1 is the first whole number that a double cannot hold.
    check(entry(Type::U64, WordOrder::Abcd, 1), &[0x0020, 0, 0, 1], 9_007_199_254_740_993);
    let [a, b, c, d] = words_of(12_345_686.422_2_f64.to_bits());
    check(entry(Type::F64, WordOrder::Abcd, 1_000_000), &[a, b, c, d], 12_345_686_422_200);
}

fn words_of(bits: u64) -> [u16; 4] {
    let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes)
}

#[test]
fn the_gas_meters_decimal_total_keeps_what_its_float_has_lost() {
    // 12345686.4222 m³ in both forms (sample of the maker's register block).
    let decimal = entry(Type::Bcd { digits: 12 }, WordOrder::Abcd, 100);
    check(decimal, &[0x1234, 0x5686, 0x4222], 12_345_686_422_200);
    let float = entry(Type::F32, WordOrder::Abcd, 1_000_000);
    check(float, &[0x4B3C, 0x6156], 12_345_686_000_000);
}

#[test]
fn a_fraction_is_rounded_once_half_away_from_zero() {
    // Joules as mWh: 10/36.
    let mut joules = entry(Type::I32, WordOrder::Abcd, 1);
    joules.scale = Scale::fraction(10, 36).unwrap();
    check(joules, &[0, 9], 3);
    check(joules, &[0, 1], 0);
    check(joules, &[0, 2], 1);
    check(joules, &[0xFFFF, 0xFFFE], -1);
    let mut halves = entry(Type::I16, WordOrder::Abcd, 1);
    halves.scale = Scale::fraction(1, 2).unwrap();
    check(halves, &[1], 1);
    check(halves, &[0xFFFF], -1);
}

#[test]
fn transformer_ratios_multiply_what_they_stand_before() {
    let ratios = Ratios { pt: 100_000, ct: 40_000 };
    let mut power = entry(Type::U16, WordOrder::Abcd, 100);
    for (ratio, expected) in
        [(Ratio::None, 100), (Ratio::Pt, 10_000), (Ratio::Ct, 4_000), (Ratio::PtCt, 400_000)]
    {
        power.ratio = ratio;
        assert_eq!(decode(&power, &[1], ratios), Value::Measured(expected), "{ratio:?}");
    }
}

#[test]
fn an_undefined_pattern_is_a_device_fault_and_not_a_number() {
    let with = |ty, undefined| Entry { undefined, ..entry(ty, WordOrder::Abcd, 1) };
    check_absent(with(Type::U16, Undefined::AllOnes), &[0xFFFF], Absence::DeviceFault);
    check_absent(with(Type::U32, Undefined::AllOnes), &[0xFFFF; 2], Absence::DeviceFault);
    check_absent(with(Type::U64, Undefined::AllOnes), &[0xFFFF; 4], Absence::DeviceFault);
    check_absent(with(Type::I16, Undefined::MaxSigned), &[0x7FFF], Absence::DeviceFault);
    check_absent(with(Type::I32, Undefined::MaxSigned), &[0x7FFF, 0xFFFF], Absence::DeviceFault);
    check_absent(with(Type::I32, Undefined::MinSigned), &[0x8000, 0], Absence::DeviceFault);
    check_absent(with(Type::F32, Undefined::Nan), &[0x7FC0, 0], Absence::DeviceFault);
    check_absent(with(Type::F64, Undefined::Nan), &[0x7FF8, 0, 0, 0], Absence::DeviceFault);
    let digits = Type::Bcd { digits: 8 };
    check_absent(with(digits, Undefined::AllOnes), &[0xFFFF; 2], Absence::DeviceFault);
}

#[test]
fn what_is_no_number_or_does_not_fit_is_absent() {
    use WordOrder::Abcd;
    check_absent(entry(Type::F32, Abcd, 1), &[0x7F80, 0], Absence::OutOfRange);
    check_absent(entry(Type::F32, Abcd, 1), &[0x7FC0, 0], Absence::OutOfRange);
    check_absent(entry(Type::F32, Abcd, 1000), &[0x7F7F, 0xFFFF], Absence::OutOfRange);
    check_absent(entry(Type::U64, Abcd, 1), &[0xFFFF; 4], Absence::OutOfRange);
    check_absent(entry(Type::Bcd { digits: 8 }, Abcd, 1), &[0x12A4, 0], Absence::Garbled);
    check_absent(entry(Type::Bcd { digits: 6 }, Abcd, 1), &[0x0112, 0x3456], Absence::OutOfRange);
    check_absent(entry(Type::U32, Abcd, 1), &[1], Absence::Garbled);
    check_absent(entry(Type::U32, Abcd, 1), &[1, 2, 3], Absence::Garbled);
    check_absent(entry(Type::Bcd { digits: 255 }, Abcd, 1), &[0; 64], Absence::Garbled);
    check_absent(entry(Type::Bcd { digits: 0 }, Abcd, 1), &[], Absence::Garbled);
}

#[test]
fn a_float_too_small_to_count_is_zero() {
    check(entry(Type::F32, WordOrder::Abcd, 1_000_000), &[0, 1], 0);
    check(entry(Type::F64, WordOrder::Abcd, 1_000_000), &[0, 0, 0, 1], 0);
    check(entry(Type::F32, WordOrder::Abcd, 1000), &[0x8000, 0], 0);
}

#[test]
fn a_counter_rolls_over_at_its_width_times_its_step() {
    let of = |ty, scale| rollover(&entry(ty, WordOrder::Abcd, scale), Ratios::ONE);
    // 32 bits of 0.01 kWh: 42,949,672.96 kWh.
    assert_eq!(of(Type::U32, 10_000), Some(42_949_672_960_000));
    assert_eq!(of(Type::U16, 1_000_000), Some(65_536_000_000));
    assert_eq!(of(Type::I32, 1), Some(1 << 31));
    assert_eq!(of(Type::Bcd { digits: 12 }, 100), Some(100_000_000_000_000));
    assert_eq!(of(Type::F32, 1_000_000), None);
    assert_eq!(of(Type::U64, 1), None);
}

#[test]
fn a_counter_behind_transformers_rolls_over_later() {
    let behind = Entry { ratio: Ratio::PtCt, ..entry(Type::U32, WordOrder::Abcd, 10_000) };
    let rollover = rollover(&behind, Ratios { pt: 1000, ct: 40_000 });
    assert_eq!(rollover, Some(42_949_672_960_000 * 40));
}

#[test]
fn a_value_that_a_register_cannot_show_is_refused() {
    let refused = |ty, value| {
        let entry = entry(ty, WordOrder::Abcd, 1);
        let mut out = [0; 4];
        let words = usize::from(ty.words());
        encode(&entry, value, Ratios::ONE, &mut out[..words])
    };
    assert_eq!(refused(Type::U16, -1), Err(EncodeError::OutOfRange));
    assert_eq!(refused(Type::U16, 65_536), Err(EncodeError::OutOfRange));
    assert_eq!(refused(Type::Bcd { digits: 3 }, 1000), Err(EncodeError::OutOfRange));
    assert_eq!(refused(Type::Bcd { digits: 3 }, 999), Ok(()));
    let too_long = encode(&entry(Type::U16, WordOrder::Abcd, 1), 1, Ratios::ONE, &mut [0; 2]);
    assert_eq!(too_long, Err(EncodeError::WrongLength));
}

fn behind(table: Table, ty: Type, scale: i32) -> Entry {
    Entry { table, ..entry(ty, WordOrder::Dcba, scale) }
}

#[test]
fn decimals_of_dl_t_645_begin_at_the_low_byte_and_have_their_sign_in_the_highest_bit() {
    let energy = behind(Table::Dlt645, Type::Bcd { digits: 8 }, 10_000);
    check(energy, &[0x78, 0x56, 0x34, 0x12], 123_456_780_000);
    let power = behind(Table::Dlt645, Type::SignedBcd { digits: 6 }, 100);
    check(power, &[0x21, 0x43, 0x03], 3_432_100);
    check(power, &[0x21, 0x43, 0x83], -3_432_100);
    // The largest there is: 79.9999 kW.
    check(power, &[0x99, 0x99, 0x79], 79_999_900);
    check(power, &[0x99, 0x99, 0xF9], -79_999_900);
    check_absent(power, &[0xFF, 0xFF, 0x7F], Absence::Garbled);
    let unsaid = Entry { undefined: Undefined::AllOnes, ..power };
    check_absent(unsaid, &[0xFF, 0xFF, 0xFF], Absence::DeviceFault);
    check_absent(power, &[0x21, 0x43], Absence::Garbled);
    // Some meters send the high byte first.
    let high_first = Entry { order: WordOrder::Abcd, ..energy };
    check(high_first, &[0x12, 0x34, 0x56, 0x78], 123_456_780_000);
}

#[test]
fn a_total_of_cj_t_188_is_what_its_own_unit_says() {
    // Hundredths of a cubic metre, in thousandths of a litre.
    let volume = behind(Table::Cjt188, Type::WithUnit { unit: 0x2C }, 10_000);
    check(volume, &[0x00, 0x77, 0x66, 0x55, 0x2C], 556_677_000_000);
    check(volume, &[0x00, 0x02, 0x00, 0x00, 0x2C], 2_000_000);
    // The same digits in litres, and in ten cubic metres.
    check(volume, &[0x00, 0x77, 0x66, 0x55, 0x29], 556_677_000);
    check(volume, &[0x00, 0x77, 0x66, 0x55, 0x2D], 5_566_770_000_000);
    // Heat in hundredths of a kilowatt-hour; 12.34 GJ are 3,427.7 kWh, 0.01 MJ 2.8 Wh.
    let heat = behind(Table::Cjt188, Type::WithUnit { unit: 0x05 }, 10_000);
    check(heat, &[0x56, 0x34, 0x12, 0x00, 0x05], 1_234_560_000);
    check(heat, &[0x34, 0x12, 0x00, 0x00, 0x11], 3_427_777_778);
    check(heat, &[0x01, 0x00, 0x00, 0x00, 0x0E], 2_778);
    // A volume is no heat, and 0x7F is no unit.
    check_absent(heat, &[0x34, 0x12, 0x00, 0x00, 0x2C], Absence::OutOfRange);
    check_absent(heat, &[0x34, 0x12, 0x00, 0x00, 0x7F], Absence::OutOfRange);
    check_absent(heat, &[0x34, 0x1A, 0x00, 0x00, 0x05], Absence::Garbled);
}

#[test]
fn decimal_counters_roll_over_after_their_last_nine() {
    let of = |entry| rollover(&entry, Ratios::ONE);
    // 1,000,000 kWh, 1,000,000 m³; a signed one ends at 79.9999 kWh.
    let energy = behind(Table::Dlt645, Type::Bcd { digits: 8 }, 10_000);
    assert_eq!(of(energy), Some(1_000_000_000_000));
    let volume = behind(Table::Cjt188, Type::WithUnit { unit: 0x2C }, 10_000);
    assert_eq!(of(volume), Some(1_000_000_000_000));
    let signed = behind(Table::Dlt645, Type::SignedBcd { digits: 6 }, 100);
    assert_eq!(of(signed), Some(80_000_000));
}

fn any_type() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just(Type::U16),
        Just(Type::I16),
        Just(Type::U32),
        Just(Type::I32),
        Just(Type::U64),
        Just(Type::I64),
        Just(Type::F32),
        Just(Type::F64),
        any::<u8>().prop_map(|digits| Type::Bcd { digits }),
        any::<u8>().prop_map(|digits| Type::SignedBcd { digits }),
        any::<u8>().prop_map(|unit| Type::WithUnit { unit }),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let scale = (any::<i32>(), any::<u32>())
        .prop_filter_map("a scale is not zero", |(n, d)| Scale::fraction(n, d));
    let pick = (0_usize..5, 0_usize..4, 0_usize..4, 0_usize..6);
    (any_type(), scale, pick).prop_map(|(ty, scale, (undefined, ratio, order, table))| Entry {
        quantity: Quantity::ActiveEnergyImport,
        table: Table::ALL[table],
        address: 0,
        offset: 0,
        ty,
        order: WordOrder::ALL[order],
        scale,
        undefined: Undefined::ALL[undefined],
        ratio: Ratio::ALL[ratio],
    })
}

proptest! {
    #[test]
    fn no_registers_under_any_entry_make_decoding_panic(
        entry in any_entry(),
        words in proptest::collection::vec(any::<u16>(), 0..70),
        pt: u32,
        ct: u32,
    ) {
        let ratios = Ratios { pt, ct };
        let fitting = words.iter().copied().cycle().take(usize::from(entry.span()));
        let fitting = fitting.collect::<Vec<_>>();
        black_box((decode(&entry, &words, ratios), decode(&entry, &fitting, ratios)));
        black_box(rollover(&entry, ratios));
    }

    #[test]
    fn no_value_under_any_entry_makes_encoding_panic(entry in any_entry(), value: i64, pt: u32) {
        let mut out = [0; 128];
        let words = usize::from(entry.span());
        let ratios = Ratios { pt, ct: 1000 };
        black_box(encode(&entry, value, ratios, &mut out[..words])).ok();
    }

    #[test]
    fn what_lies_behind_an_identifier_comes_back_unchanged(
        steps in -79_999_i64..80_000,
        scale in 1_i32..20_000_000,
        first_high: bool,
        (table, ty) in prop_oneof![
            Just((Table::Dlt645, Type::SignedBcd { digits: 6 })),
            Just((Table::Dlt645, Type::Bcd { digits: 5 })),
            Just((Table::Cjt188, Type::WithUnit { unit: 0x2C })),
            Just((Table::Cjt188, Type::I32)),
        ],
    ) {
        let order = if first_high { WordOrder::Abcd } else { WordOrder::Dcba };
        let entry = Entry { order, ..behind(table, ty, scale) };
        let signed = matches!(ty, Type::SignedBcd { .. } | Type::I32);
        let value = if signed { steps } else { steps.abs() } * i64::from(scale);
        let mut out = [0; 8];
        let out = &mut out[..usize::from(entry.span())];
        prop_assert_eq!(encode(&entry, value, Ratios::ONE, out), Ok(()));
        prop_assert!(out.iter().all(|&byte| byte < 256));
        prop_assert_eq!(decode(&entry, out, Ratios::ONE), Value::Measured(value));
    }

    #[test]
    fn division_is_what_the_language_says(number: u128, by in 1_u128..1 << 127, shift in 0_u32..127) {
        for (number, by) in [(number, by), (number >> shift, by), (number, (by >> shift).max(1))] {
            prop_assert_eq!(super::split(number, by), Some((number / by, number % by)));
        }
        prop_assert_eq!(super::split(number, 0), None);
    }

    #[test]
    fn whole_steps_of_integer_and_decimal_registers_come_back_unchanged(
        steps in 0_i64..10_000,
        scale in 1_i32..2_000_000_000,
        order in 0_usize..4,
        ty in prop_oneof![
            Just(Type::U16), Just(Type::I16), Just(Type::U32), Just(Type::I32),
            Just(Type::U64), Just(Type::I64), (4_u8..=16).prop_map(|digits| Type::Bcd { digits }),
        ],
    ) {
        let entry = entry(ty, WordOrder::ALL[order], scale);
        let mut out = [0; 4];
        let words = usize::from(ty.words());
        prop_assert_eq!(encode(&entry, steps * i64::from(scale), Ratios::ONE, &mut out[..words]), Ok(()));
        let back = decode(&entry, &out[..words], Ratios::ONE);
        prop_assert_eq!(back, Value::Measured(steps * i64::from(scale)));
    }

    #[test]
    fn a_double_in_watt_hours_comes_back_to_the_thousandth(value in -(1_i64 << 49)..(1_i64 << 49)) {
        let entry = entry(Type::F64, WordOrder::Cdab, 1000);
        let mut out = [0; 4];
        prop_assert_eq!(encode(&entry, value, Ratios::ONE, &mut out), Ok(()));
        prop_assert_eq!(decode(&entry, &out, Ratios::ONE), Value::Measured(value));
    }

    // The step of a single is a 2^24th of the value: no more than that may go missing.
    #[test]
    fn a_float_in_kilowatt_hours_comes_back_within_its_own_step(value in 0_i64..1 << 50) {
        let entry = entry(Type::F32, WordOrder::Dcba, 1_000_000);
        let mut out = [0; 2];
        prop_assert_eq!(encode(&entry, value, Ratios::ONE, &mut out), Ok(()));
        let Value::Measured(back) = decode(&entry, &out, Ratios::ONE) else { panic!("absent") };
        prop_assert!((back - value).abs() <= value / (1 << 24) + 1);
    }
}
