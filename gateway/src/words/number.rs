//! Integers to decimal text: the one place that rounds for print.

/// Returns `value / unit` with that many decimals, halves away from zero, and commas
/// between thousands: `grouped(1_234_567, 1_000, 1)` is `1,234.6`.
///
/// `unit` is positive: how many of the value's steps make one printed unit.
#[must_use]
pub fn grouped(value: i64, unit: i64, decimals: u32) -> String {
    let rounded = round(value, unit, decimals);
    let scale = 10_u128.pow(decimals);
    let whole = rounded.unsigned_abs() / scale;
    let part = rounded.unsigned_abs() % scale;
    let mut out = String::new();
    if rounded < 0 {
        out.push('-');
    }
    let digits = whole.to_string();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if 0 < decimals {
        let width = usize::try_from(decimals).unwrap_or(0);
        out.push_str(&format!(".{part:0width$}"));
    }
    out
}

/// Returns `value / unit` with as many decimals as a person reads at a glance: two below
/// 1, one below 100, then none.
pub(super) fn readable(value: i64, unit: i64) -> String {
    let magnitude = value.unsigned_abs();
    let unit_magnitude = unit.unsigned_abs();
    let decimals = if magnitude == 0 {
        0
    } else if magnitude < unit_magnitude {
        2
    } else if magnitude < unit_magnitude.saturating_mul(100) {
        1
    } else {
        0
    };
    grouped(value, unit, decimals)
}

fn round(value: i64, unit: i64, decimals: u32) -> i128 {
    let unit = i128::from(unit.max(1));
    let scaled = i128::from(value) * 10_i128.pow(decimals);
    let half = if scaled < 0 { -unit } else { unit };
    (2 * scaled + half) / (2 * unit)
}

/// Returns `value / 10^places` as the number that a spreadsheet cell holds, or `None` if the
/// cell could not show every digit.
///
/// The rule: a cell is a 64-bit float, and 15 significant digits survive the way into it and
/// back (`f64::DIGITS`). An integer below 10^15 thousandths (10^9 kWh, 10^9 m³) is therefore
/// printed again exactly as it is here; a larger one is refused, never rounded. The text is
/// parsed, not divided, because parsing gives the float nearest to the decimal.
#[must_use]
pub fn exact(value: i64, places: u32) -> Option<f64> {
    if 1_000_000_000_000_000 <= value.unsigned_abs() {
        return None;
    }
    let scale = 10_u64.checked_pow(places)?;
    let sign = if value < 0 { "-" } else { "" };
    let (whole, part) = (value.unsigned_abs() / scale, value.unsigned_abs() % scale);
    let width = usize::try_from(places).ok()?;
    format!("{sign}{whole}.{part:0width$}").parse().ok()
}
