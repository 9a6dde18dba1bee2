//! A step from one quarter of a day to the next, whatever the weeks before were like.

use crate::finding::Evidence;
use crate::track::Track;

use super::{Blocks, DAY_BLOCKS, ScaleLimits, before, changed, largest_step};
use crate::detect::spell::{Spell, quantile, rounded};

/// The days just before, blocks.
const BEFORE: usize = 3 * DAY_BLOCKS;

/// So many of those may be missing, and so many may lie further from their middle than half
/// of the step: a weekend is no level to step from.
const BEFORE_MISSING: usize = 2;
const BEFORE_WILD: usize = 2;

/// So many steps within the time after which a change is lasting are how the meter is used.
const USUAL: usize = 3;

/// Finds steps after which nearly all of some blocks lie otherwise than in the days just
/// before, each against the same blocks of the weeks before. One ends when a day is back.
pub(super) fn from_one_day(track: &Track, blocks: &Blocks, limits: &ScaleLimits) -> Vec<Spell> {
    let ratio = |learnt: &[Option<f64>], block: usize| {
        let expected = before(learnt, block, blocks.per_week)?;
        Some(((*blocks.means.get(block)?)? / expected).ln())
    };
    let ratios: Vec<Option<f64>> =
        (0..blocks.means.len()).map(|block| ratio(&blocks.means, block)).collect();
    let start = |block: usize| track.instant((block * blocks.length).min(track.amounts.len()));
    let mut spells: Vec<Spell> = Vec::new();
    let mut block = BEFORE + limits.step_blocks;
    while block < ratios.len() {
        let first = block + 1 - limits.step_blocks;
        let since = start(block.saturating_sub(limits.lasting));
        let recent = spells.iter().filter(|it| since <= it.from).count();
        let step = step(&ratios, first, block, limits).zip(blocks.means[block]);
        block += 1;
        let Some(((level, factor), measured)) = step.filter(|_| recent < USUAL) else { continue };
        let first = largest_step(&ratios[..block], first, factor.signum());
        let mut spell = Spell {
            from: start(first),
            noticed: start(block),
            until: None,
            waste: 0,
            evidence: vec![Evidence {
                start: start(first),
                amount: rounded(measured),
                limit: rounded(measured / factor.exp()),
            }],
        };
        // What it was like before the step stays what it is compared with.
        let learnt = &blocks.means[..first];
        let is_back =
            |at: usize| ratio(learnt, at).is_some_and(|it| (it - level).abs() < factor.abs() / 2.0);
        let lasting = (first + limits.lasting).min(ratios.len());
        let mut days = block..(lasting + 1).saturating_sub(DAY_BLOCKS).max(block);
        let back = days.find(|&at| (at..at + DAY_BLOCKS).all(is_back));
        spell.until = back.map(start);
        block += limits.step_blocks;
        spells.push(spell);
    }
    spells
}

/// Returns what the days before a block lay like, and by how much the blocks from it on lie
/// otherwise, as logarithms.
fn step(
    ratios: &[Option<f64>],
    first: usize,
    last: usize,
    limits: &ScaleLimits,
) -> Option<(f64, f64)> {
    let mut past: Vec<f64> = ratios[first - BEFORE..first].iter().flatten().copied().collect();
    if past.len() + BEFORE_MISSING < BEFORE {
        return None;
    }
    let level = quantile(&mut past, 0.5)?;
    let now: Vec<Option<f64>> =
        ratios[first..=last].iter().map(|it| it.map(|it| it - level)).collect();
    let limits = ScaleLimits { blocks: limits.step_blocks, ..*limits };
    let factor = changed(&now, &limits)?;
    let wild = past.iter().filter(|it| factor.abs() / 2.0 < (*it - level).abs()).count();
    (wild <= BEFORE_WILD).then_some((level, factor))
}
