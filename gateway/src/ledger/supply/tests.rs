use super::*;

fn spell(from: i64, until: Option<i64>) -> Spell {
    Spell { from, noticed: from + 900, until, waste: 0, evidence: Vec::new() }
}

#[test]
fn a_limit_that_is_broken_each_monday_is_one_matter() {
    let mondays = vec![spell(0, Some(3_600)), spell(7 * DAY_S, Some(7 * DAY_S + 3_600))];

    let open = joined(mondays.clone(), 14 * DAY_S, 8 * DAY_S);
    let over = joined(mondays, 14 * DAY_S, 22 * DAY_S);

    assert_eq!(open, [spell(0, None)]);
    assert_eq!(over, [spell(0, Some(7 * DAY_S + 3_600))]);
}

#[test]
fn what_comes_again_after_long_is_another_matter() {
    let far = vec![spell(0, Some(3_600)), spell(20 * DAY_S, Some(20 * DAY_S + 3_600))];

    let found = joined(far, 14 * DAY_S, 40 * DAY_S);

    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|spell| spell.until.is_some()));
}
