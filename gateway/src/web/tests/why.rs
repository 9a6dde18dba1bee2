//! Why a figure is what it is: worked out again from the answer alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;

/// 2026-10-01 in Shanghai.
const OCTOBER: i64 = 1_790_784_000;
const DAY_S: i64 = 86_400;

/// A tariff with bands, and a meter that is paid under it and polled each quarter hour.
fn book() -> String {
    let tariff = r#"
[[tariff]]
id = "agency"
name = "代理购电"
medium = "electricity"

[[tariff.rule]]
from = "2026-01-01"
source = "test"
rate = 0.6543

[[tariff.rule.band]]
name = "peak"
rate = 1.0321
times = ["10:00-12:00", "14:00-19:00"]

[[tariff.rule]]
from = "2026-10-12"
source = "test, later"
rate = 0.6001
"#;
    BOOK.replace("unit_id = 1\n", "unit_id = 1\ninterval_s = 900\ntariff = \"agency\"\n") + tariff
}

/// What the counter has counted, mWh.
fn counted(instant: i64) -> i64 {
    let since = instant - OCTOBER + 100 * DAY_S;
    let lit = (since % DAY_S - 28_800).clamp(0, 36_000);
    since * 13 + since / DAY_S * 36_000 * 170 + lit * 170
}

/// Two months of the meter with a zero, an outage of six hours and a swap.
fn record(house: &House) {
    let swapped = OCTOBER + 14 * DAY_S + 36_000;
    let outage = OCTOBER + 9 * DAY_S + 30_000..OCTOBER + 9 * DAY_S + 51_600;
    let mut arrivals = Vec::new();
    for (seq, poll) in (0..).zip(-30 * 96..32 * 96_i64) {
        let instant = OCTOBER + poll * 900 + 7;
        if outage.contains(&instant) {
            continue;
        }
        let value = match instant {
            _ if poll == 450 => 0,
            _ if swapped <= instant => counted(instant) - counted(swapped) + 5_000,
            _ => counted(instant),
        };
        let reading =
            Reading { quantity: Quantity::ActiveEnergyImport, value: wire::Value::Measured(value) };
        let pack = Pack {
            meter: name("light-east"),
            instant,
            boot: 3,
            seq,
            clock: message::Clock::Synced,
            readings: List::from_slice(&[reading]).expect("one reading"),
        };
        arrivals.push(Arrival { node: name("node-1"), received: instant + 1, pack });
    }
    house.web.store.series().record(&arrivals).expect("stored packs");
}

fn at(text: &Value) -> i64 {
    text.as_str().unwrap().parse::<Timestamp>().unwrap().as_second()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn written(instant: i64) -> String {
    crate::web::time::written(instant, &jiff::tz::TimeZone::get("Asia/Shanghai").unwrap())
        .replace('+', "%2B")
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amounts {
    measured: i64,
    estimated: i64,
    estimated_s: i64,
    missing_s: i64,
}

/// Works every quarter hour of an answer out again, from its readings, events and weights.
fn worked_out(why: &Value) -> BTreeMap<i64, Amounts> {
    let (from, to) = (at(&why["from"]), at(&why["to"]));
    let missing = Amounts { missing_s: 900, ..Amounts::default() };
    let mut intervals: BTreeMap<i64, Amounts> =
        (from..to).step_by(900).map(|start| (start, missing)).collect();
    let mut enter = |begin: i64, end: i64, amount: i64, estimated: bool| {
        let Some(row) = intervals.get_mut(&(begin - begin % 900)) else { return };
        row.missing_s -= end - begin;
        if estimated {
            row.estimated += amount;
            row.estimated_s += end - begin;
        } else {
            row.measured += amount;
        }
    };

    // The lives of the meter, joined by what was written down at its swaps.
    let readings = why["readings"]["rows"].as_array().unwrap();
    let mut lives: Vec<Vec<(i64, i64)>> = vec![Vec::new()];
    let mut stands: Vec<(i64, i64, Option<i64>)> = readings
        .iter()
        .filter(|row| row["counts"] == true)
        .map(|row| (at(&row["at"]), number(&row["value"]), None))
        .collect();
    for event in why["events"].as_array().unwrap().iter().filter(|it| it["kind"] == "swap") {
        stands.push((at(&event["from"]), number(&event["last"]), Some(number(&event["first"]))));
    }
    stands.sort_unstable();
    for (instant, value, first) in stands {
        lives.last_mut().unwrap().push((instant, value));
        if let Some(first) = first {
            lives.push(vec![(instant, first)]);
        }
    }

    let gap_s_max = number(&why["source"]["gap_s_max"]);
    for pair in lives.iter().flat_map(|life| life.windows(2)) {
        let [(t, v), (u, w)] = [pair[0], pair[1]];
        let weights: Vec<i64> = why["pieces"]
            .as_array()
            .unwrap()
            .iter()
            .find(|piece| at(&piece["from"]["at"]) == t && at(&piece["to"]["at"]) == u)
            .map(|piece| piece["weights"].as_array().unwrap().iter().map(number).collect())
            .unwrap_or_default();
        let estimated = gap_s_max < u - t;
        let starts: Vec<i64> = (t - t % 900..u).step_by(900).collect();
        let weight = |at: usize| {
            let seconds = (starts[at] + 900).min(u) - starts[at].max(t);
            weights.get(at).copied().unwrap_or(1) * seconds
        };
        let whole: i64 = (0..starts.len()).map(weight).sum();
        let (mut sum, mut before) = (0, 0);
        for (index, start) in starts.iter().enumerate() {
            sum += weight(index);
            let after =
                i64::try_from(i128::from(w - v) * i128::from(sum) / i128::from(whole)).unwrap();
            enter((*start).max(t), (start + 900).min(u), after - before, estimated);
            before = after;
        }
    }

    let events = why["events"].as_array().unwrap();
    for laid in why["laid"].as_array().unwrap() {
        let event = events.iter().find(|event| event["id"] == laid["event"]).unwrap();
        let shares = laid["shares"].as_array().unwrap();
        for (start, share) in (at(&laid["from"])..).step_by(900).zip(shares) {
            let Some(row) = intervals.get_mut(&start) else { continue };
            if event["kind"] == "correction" {
                *row = Amounts { estimated: number(share), estimated_s: 900, ..Amounts::default() };
            } else {
                row.estimated += number(share) * row.missing_s / 900;
                row.estimated_s += row.missing_s;
                row.missing_s = 0;
            }
        }
    }
    intervals
}

/// Works an answer out again; returns its amount and its cost.
fn check(why: &Value) -> (i64, i64) {
    assert_eq!(
        number(&why["readings"]["total"]),
        i64::try_from(why["readings"]["rows"].as_array().unwrap().len()).unwrap()
    );
    let worked = worked_out(why);

    let mut days: BTreeMap<i64, i128> = BTreeMap::new();
    for row in why["intervals"].as_array().unwrap() {
        let start = at(&row["start"]);
        let told = Amounts {
            measured: number(&row["measured"]),
            estimated: number(&row["estimated"]),
            estimated_s: number(&row["estimated_s"]),
            missing_s: number(&row["missing_s"]),
        };
        assert_eq!(worked[&start], told, "{start}");
        // Shanghai is eight hours ahead all year.
        let cost = i128::from(told.measured + told.estimated) * i128::from(number(&row["rate_e4"]));
        *days.entry((start + 28_800).div_euclid(DAY_S)).or_default() += cost;
    }
    let amount = worked.values().map(|row| row.measured + row.estimated).sum();
    let cost = days.values().map(|cost| (cost + 500_000) / 1_000_000).sum::<i128>();
    let cost = i64::try_from(cost).unwrap();
    assert_eq!(number(&why["sum"]["amount"]), amount);
    assert_eq!(number(&why["cost_e4"]), cost);
    (amount, cost)
}

#[tokio::test]
async fn a_figure_is_worked_out_again_from_what_is_listed_to_the_last_digit() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    house.send(request(Method::PUT, "/api/v1/site-book", &cookie, &book())).await;
    record(&house);
    let swapped = OCTOBER + 14 * DAY_S + 36_000;
    let events = "/api/v1/meters/light-east/events";
    let text = |instant| written(instant).replace("%2B", "+");
    let swap = format!(
        r#"{{"kind":"swap","from":"{}","last":{},"first":5000,"reason":"检定到期"}}"#,
        text(swapped),
        counted(swapped)
    );
    let correction = format!(
        r#"{{"kind":"correction","from":"{}","to":"{}","amount":1234567,"reason":"施工用电"}}"#,
        text(OCTOBER + 19 * DAY_S),
        text(OCTOBER + 19 * DAY_S + 14_400)
    );
    for body in [&swap, &correction] {
        let made = house.post(events, &cookie, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
    let ask = async |from: i64, to: i64| {
        let path = format!(
            "/api/v1/why?meter=light-east&from={}&to={}&figure=cost&limit=5000",
            written(from),
            written(to)
        );
        house.get(&path, &cookie).await.json()
    };

    let outage = OCTOBER + 9 * DAY_S + 36_000;
    let interval = ask(outage, outage + 900).await;
    let day = ask(OCTOBER + 14 * DAY_S, OCTOBER + 15 * DAY_S).await;
    let month = ask(OCTOBER, OCTOBER + 31 * DAY_S).await;

    check(&interval);
    check(&day);
    let (amount, cost) = check(&month);
    let figures = house.get("/api/v1/months/2026-10", &cookie).await.json();
    let row = &figures["meters"].as_array().unwrap()[0];
    assert_eq!((number(&row["amount"]), number(&row["cost_e4"])), (amount, cost));
    let used: Vec<_> =
        figures["factors"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(used.iter().filter(|kind| **kind == "meter_event").count(), 2);
    // Without the correction it is the truth, but for what two borders round.
    let true_amount = counted(OCTOBER + 31 * DAY_S) - counted(OCTOBER);
    let before = number(&month["uncorrected"]["amount"]);
    assert!((before - true_amount).abs() * 10_000 < true_amount, "{before}, {true_amount}");
    let codes: Vec<_> =
        month["sentences"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    for code in [
        "border",
        "counted",
        "gap_shape",
        "suspects",
        "swapped",
        "corrected",
        "sum",
        "rate",
        "cost",
    ] {
        assert!(codes.iter().any(|told| told == code), "{code}: {codes:?}");
    }
}

#[tokio::test]
async fn an_event_is_previewed_made_and_taken_back() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    house.send(request(Method::PUT, "/api/v1/site-book", &cookie, &book())).await;
    record(&house);
    let caretaker = house.log_in("caretaker").await;
    let events = "/api/v1/meters/light-east/events";
    let text = |instant| written(instant).replace("%2B", "+");
    let day = OCTOBER + 20 * DAY_S;
    let body = |to: i64| {
        format!(
            r#"{{"kind":"correction","from":"{}","to":"{}","amount":40000,"reason":"抄表核对"}}"#,
            text(day),
            text(to)
        )
    };
    let amount = async || {
        let path = "/api/v1/meters/light-east/day?date=2026-10-21";
        house.get(path, &cookie).await.json()["total"].as_i64().unwrap()
    };
    let before = amount().await;

    let preview =
        house.post(&format!("{events}/preview"), &cookie, &body(day + 3_600)).await.json();
    let refused = house.post(events, &caretaker, &body(day + 3_600)).await;
    let unaligned = house.post(events, &cookie, &body(day + 3_601)).await;
    let unread = house.post(events, &cookie, r#"{"kind":"correction","made_up":1}"#).await;
    assert_eq!(amount().await, before, "a preview changes nothing");
    let made = house.post(events, &cookie, &body(day + 3_600)).await.json();
    let corrected = amount().await;
    let undone = house.delete(&format!("{events}/{}", made["id"]), &cookie).await.json();
    let nobody = house.delete(&format!("{events}/999"), &cookie).await;

    assert_eq!(number(&preview["before"]["amount"]), before);
    assert_eq!(number(&preview["after"]["amount"]), corrected);
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!((unaligned.status.as_u16(), unaligned.code()), (422, "event_unaligned".to_owned()));
    assert_eq!((unread.status.as_u16(), unread.code()), (400, "malformed".to_owned()));
    assert_ne!(corrected, before);
    assert_eq!((undone["undone_by"].as_str(), nobody.status.as_u16()), (Some("engineer"), 404));
    assert_eq!(amount().await, before);
    let listed = house.get(events, &cookie).await.json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 1, "what was undone stays on record");
    let log = house.web.store.journal().view(|view| view.audit(Some("meter/light-east"), 9));
    let actions: Vec<_> = log.unwrap().into_iter().map(|row| row.entry.action).collect();
    assert_eq!(actions, ["undo_meter_event", "add_meter_event"]);
}

#[tokio::test]
async fn a_caretaker_reports_a_swap_that_counts_and_takes_back_only_their_own() {
    let house = House::furnished();
    let engineer = house.log_in("engineer").await;
    let caretaker = house.log_in("caretaker").await;
    let leader = house.log_in("leader").await;
    let events = "/api/v1/meters/light-east/events";
    let swap = |at: &str| {
        format!(
            r#"{{"kind":"swap","from":"2026-11-20T{at}:00+08:00","last":5000,"first":0,"reason":"换表","photo":"群里的照片"}}"#
        )
    };

    let looked = house.post(&format!("{events}/preview"), &caretaker, &swap("10:00")).await;
    let made = house.post(events, &caretaker, &swap("10:00")).await;
    let reported = made.json();
    let by_engineer = house.post(events, &engineer, &swap("11:00")).await.json();
    let not_theirs = house.delete(&format!("{events}/{}", by_engineer["id"]), &caretaker).await;
    let no_right = house.post(events, &leader, &swap("12:00")).await;
    let held = house.web.ledger.events_of(&name("light-east")).unwrap().len();
    let undone = house.delete(&format!("{events}/{}", reported["id"]), &caretaker).await;

    assert_eq!((looked.status, made.status), (StatusCode::OK, StatusCode::CREATED));
    assert_eq!((&reported["reported"], &reported["by"]), (&true.into(), &"caretaker".into()));
    assert_eq!(by_engineer["reported"], false);
    assert_eq!(not_theirs.status, StatusCode::FORBIDDEN);
    assert_eq!(no_right.status, StatusCode::FORBIDDEN);
    assert_eq!(held, 2, "both count at once");
    assert_eq!(undone.json()["undone_by"], "caretaker");
    let listed = house.get(events, &engineer).await.json();
    let flags: Vec<_> =
        listed["events"].as_array().unwrap().iter().map(|it| &it["reported"]).collect();
    assert_eq!(flags, [false, true]);
}

#[tokio::test]
async fn readings_are_counted_per_day_and_meters_set_against_those_behind() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    house.send(request(Method::PUT, "/api/v1/site-book", &cookie, &book())).await;
    record(&house);

    let query = "from=2026-10-10&to=2026-10-11";
    let counts = house.get(&format!("/api/v1/meters/light-east/counts?{query}"), &cookie).await;
    let site = house.get(&format!("/api/v1/completeness?{query}"), &cookie).await.json();
    let balance = "/api/v1/meters/light-east/balance?from=2026-10-01&to=2026-10-31&step=month";
    let balance = house.get(balance, &cookie).await.json();
    let long = house.get("/api/v1/completeness?from=2026-01-01&to=2026-10-31", &cookie).await;

    let day = counts.json()["days"][0].clone();
    assert_eq!((number(&day["expected"]), number(&day["lost"])), (96, 24));
    assert_eq!((number(&day["unknown"]), number(&day["received_milli"])), (0, 750));
    // The other meter said nothing: by its plan that is a poll each minute.
    assert_eq!(number(&site["days"][0]["unknown"]), 1_440);
    assert_eq!(balance["rows"].as_array().unwrap().len(), 1);
    assert_eq!(balance["rows"][0]["rest"], balance["rows"][0]["main"]);
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
}
