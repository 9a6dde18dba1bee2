//! How much a figure would move with other meters.

/// How often meters are drawn anew.
const DRAWS: usize = 1_000;

/// Returns within what 95 of 100 drawings of the meters lie, each as many as there are,
/// with replacement; `None` for fewer than three meters. The drawings are the same for
/// ever.
pub fn interval<T>(meters: &[T], figure: impl Fn(&[&T]) -> Option<f64>) -> Option<(f64, f64)> {
    if meters.len() < 3 {
        return None;
    }
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 11) % u64::try_from(end).unwrap_or(1)).unwrap_or(0)
    };
    let mut figures: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let drawn: Vec<&T> = (0..meters.len()).map(|_| &meters[below(meters.len())]).collect();
            figure(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |per_mille: usize| figures.get(figures.len() * per_mille / 1000).copied();
    at(25).zip(at(975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_about_the_figure_and_the_same_each_time() {
        let meters: Vec<u32> = (0..100).collect();
        let mean =
            |drawn: &[&u32]| Some(drawn.iter().map(|it| f64::from(**it)).sum::<f64>() / 100.0);

        let (low, high) = interval(&meters, mean).unwrap();

        assert!((41.0..46.0).contains(&low) && (53.0..58.0).contains(&high), "{low} {high}");
        assert_eq!(interval(&meters, mean), Some((low, high)));
        assert_eq!(interval(&meters[..2], mean), None);
    }
}
