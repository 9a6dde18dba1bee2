//! A page of findings, each with a picture: what was measured around it, what was usual.
//!
//! One file without anything from elsewhere: drawings are SVG within the page. Words stand in
//! Chinese and in English. Usual is the band in which eight of ten days of the same kind
//! (worked or off) lay at that hour in the six weeks before; within a finding, in the six
//! weeks before it began.

use analysis::calendar::HolidayCalendar;
use analysis::robust::quantile;
use analysis::track::Track;
use jiff::civil::Date;

use crate::flag::DAY_S;
use crate::strongest::{Strong, amount, lasts_days};
use crate::table::stamp_of;

/// Size of a drawing, px, and its edges: left, top, bottom.
const WIDTH: f64 = 1120.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;

/// How much is drawn before and after a finding, s.
const BEFORE_S: i64 = 21 * DAY_S;
const AFTER_S: i64 = 14 * DAY_S;

const USUAL_DAYS: i64 = 42;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:24px auto;max-width:1120px;\
padding:0 16px;color:#1d2733;background:#fff}h1{font-size:22px}h2{font-size:16px;margin:28px 0 2px}\
p{margin:2px 0;color:#44515e}svg{width:100%;height:auto;display:block;margin-top:6px}\
.usual{fill:#cfe3d4}.measured{fill:none;stroke:#1d3f5e;stroke-width:1.2}\
.flagged{fill:#e8590c;opacity:.14}.told{fill:none;stroke:#c92a2a;stroke-width:1.5}\
.axis{fill:none;stroke:#aab4be;stroke-width:1}text{font-size:11px;fill:#5b6772}";

/// Returns the page; `word` gives the words for a kind, Chinese and English.
#[must_use]
pub fn page(strong: &[Strong], word: &dyn Fn(&str) -> [String; 2]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
        <title>没有标注的最强发现</title><style>{STYLE}</style></head><body>\n\
        <h1>没有标注的最强发现 · Strongest findings that touch no label</h1>\n\
        <p>浅绿：平时八成日子的范围；蓝线：实测；橙色：发现的时段；红线：能说出来的时刻。</p>\n\
        <p lang=\"en\">Green: where eight of ten usual days lie; blue: measured; orange: the \
        finding; red: when it could be said.</p>\n"
    );
    for (number, it) in (1..).zip(strong) {
        let finding = &it.told.finding;
        let [chinese, english] = word(finding.kind.code());
        let (from, to) = (stamp_of(finding.opened), stamp_of(it.until()));
        let waste = amount(finding.waste) / 1000.0;
        page.push_str(&format!("<section data-finding=\"{number}\"><h2>{number}. {series} · {chinese} · {english}</h2>\n\
            <p>{from} 至 {to}，共 {lasts:.1} 天；计浪费 {waste:.0} {unit}，合 {days:.1} 个用得多的日子。</p>\n\
            <p lang=\"en\">From {from} to {to}, {lasts:.1} days; {waste:.0} {unit} counted as \
            waste, {days:.1} of its large days.</p>\n{drawing}</section>\n",
            series = escaped(&it.series),
            chinese = escaped(&chinese),
            english = escaped(&english),
            unit = it.unit,
            lasts = lasts_days(it),
            days = it.days,
            drawing = drawing(it),
        ));
    }
    page.push_str("</body></html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where things lie on a drawing.
struct Paper {
    from: i64,
    to: i64,
    most: f64,
}

impl Paper {
    fn x(&self, instant: i64) -> f64 {
        let share = amount(instant.clamp(self.from, self.to) - self.from)
            / amount((self.to - self.from).max(1));
        LEFT + (WIDTH - LEFT) * share
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
    }
}

fn drawing(strong: &Strong) -> String {
    let (track, finding) = (&strong.track, &strong.told.finding);
    let begin = (finding.opened - BEFORE_S).max(track.start);
    let end = (strong.until() + AFTER_S).min(track.end());
    let place = |at: i64| usize::try_from((at - track.start) / track.step_s.max(1)).unwrap_or(0);
    let steps = place(begin)..place(end).min(track.amounts.len());
    let shown: Vec<(i64, Option<f64>)> = steps
        .map(|step| (track.instant(step), track.amounts[step].map(|it| amount(it) / 1000.0)))
        .collect();
    let usual: Vec<Option<(f64, f64)>> =
        shown.iter().map(|&(at, _)| usual(track, at, finding.opened)).collect();
    // One absurd reading does not flatten the rest.
    let mut values: Vec<f64> = shown.iter().filter_map(|it| it.1).collect();
    let most = quantile(&mut values, 995).unwrap_or(1.0);
    let high = usual.iter().flatten().map(|it| it.1).fold(most, f64::max);
    let paper = Paper { from: begin, to: end, most: (high * 1.08).max(1e-3) };

    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let (from, until) = (paper.x(finding.opened), paper.x(strong.until()));
    svg.push_str(&format!(
        "<path class=\"usual\" d=\"{}\"/><rect class=\"flagged\" x=\"{from:.1}\" y=\"{TOP}\" \
        width=\"{:.1}\" height=\"{}\"/><path class=\"measured\" d=\"{}\"/>",
        band(&paper, &shown, &usual),
        (until - from).max(1.0),
        HEIGHT - BOTTOM - TOP,
        line(&paper, &shown),
    ));
    let told = paper.x(strong.told.at);
    let base = HEIGHT - BOTTOM;
    svg.push_str(&format!(
        "<path class=\"told\" d=\"M{told:.1} {TOP}V{base}\"/><path class=\"axis\" \
        d=\"M{LEFT} {TOP}V{base}H{WIDTH}\"/>"
    ));
    for share in [0.0, 0.5, 1.0] {
        let value = most * share;
        let y = paper.y(value) + 4.0;
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\">{value:.1}</text>",
            LEFT - 5.0
        ));
    }
    let days = (end - begin) / DAY_S;
    let apart = (days / 10).max(1) * DAY_S;
    let mut tick = begin - begin.rem_euclid(DAY_S) + DAY_S;
    while tick < end {
        let date: String = stamp_of(tick).chars().take(10).collect();
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{date}</text>",
            paper.x(tick).clamp(LEFT + 30.0, WIDTH - 34.0),
            HEIGHT - 8.0
        ));
        tick += apart;
    }
    svg.push_str("</svg>");
    svg
}

/// Where eight of ten of the days before lay, of the kind of this one.
fn usual(track: &Track, at: i64, opened: i64) -> Option<(f64, f64)> {
    let kind = is_worked(at);
    let back = if at < opened { 0 } else { (at - opened) / DAY_S };
    let mut past: Vec<f64> = (back + 1..=back + USUAL_DAYS)
        .map(|days| at - days * DAY_S)
        .filter(|&before| track.start <= before && is_worked(before) == kind)
        .filter_map(|before| {
            let step = usize::try_from((before - track.start) / track.step_s.max(1)).ok()?;
            track.amounts.get(step).copied().flatten().map(|it| amount(it) / 1000.0)
        })
        .collect();
    if past.len() < 4 {
        return None;
    }
    Some((quantile(&mut past, 100)?, quantile(&mut past, 900)?))
}

fn is_worked(at: i64) -> bool {
    let stamp = stamp_of(at);
    let date: Option<Date> = stamp.get(..10).and_then(|it| it.parse().ok());
    date.is_none_or(|date| HolidayCalendar::weekdays().day(date).or_weekday().is_worked())
}

/// The measured line, broken where nothing was measured.
fn line(paper: &Paper, shown: &[(i64, Option<f64>)]) -> String {
    let mut path = String::new();
    let mut pen = 'M';
    for &(at, value) in shown {
        let Some(value) = value else {
            pen = 'M';
            continue;
        };
        path.push_str(&format!("{pen}{:.1} {:.1}", paper.x(at), paper.y(value)));
        pen = 'L';
    }
    path
}

/// The band, one area for each stretch in which it is known.
fn band(paper: &Paper, shown: &[(i64, Option<f64>)], usual: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let known: Vec<(i64, Option<(f64, f64)>)> =
        shown.iter().map(|it| it.0).zip(usual.iter().copied()).collect();
    for stretch in known.split(|it| it.1.is_none()).filter(|it| !it.is_empty()) {
        let mut pen = 'M';
        for &(at, usual) in stretch {
            path.push_str(&format!(
                "{pen}{:.1} {:.1}",
                paper.x(at),
                paper.y(usual.map_or(0.0, |it| it.1))
            ));
            pen = 'L';
        }
        for &(at, usual) in stretch.iter().rev() {
            let low = usual.map_or(0.0, |it| it.0);
            path.push_str(&format!("L{:.1} {:.1}", paper.x(at), paper.y(low)));
        }
        path.push('Z');
    }
    path
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::strongest::strongest;

    #[test]
    fn the_small_set_has_a_drawing_for_each_and_nothing_from_elsewhere() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data"));
        let strong = strongest(dir, 10).unwrap();

        let page = page(&strong, &|kind| [format!("中<{kind}>"), kind.to_owned()]);

        assert!(!strong.is_empty());
        assert!(strong.is_sorted_by(|one, other| other.days <= one.days));
        assert_eq!(page.matches("<svg").count(), strong.len());
        assert_eq!(page.matches("class=\"measured\" d=\"M").count(), strong.len());
        assert!(page.contains("中&lt;") && !page.contains("http") && !page.contains("NaN"));
    }
}
