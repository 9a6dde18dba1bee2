use analysis::calendar::{Holidays, OpeningHours};
use analysis::finding::{Evidence, FindingKind};
use analysis::site::{
    Area, Building, Language, Load, Medium, Meter, Person, Role, Site, Supply, Text,
};
use jiff::civil::time;
use jiff::tz::TimeZone;
use wire::{Name, Quantity};

use super::policy::{NEWS_S, Occasion, occasion, recipients};
use super::*;

const OPENED: i64 = 1_795_518_600; // Tuesday 2026-11-24 19:10 in Shanghai
const HOUR: i64 = 3_600;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn person(id: &str, role: Role, language: Language, email: Option<&str>) -> Person {
    Person { id: name(id), name: id.to_owned(), email: email.map(str::to_owned), role, language }
}

fn light() -> Meter {
    Meter {
        id: name("light-2f-east"),
        name: Text::new("二层东照明", "Lighting 2F east"),
        model: "eastron-sdm630".to_owned(),
        medium: Medium::Electricity,
        load: Load::Lighting,
        area: name("2f-east"),
        parent: None,
        node: name("node-office"),
        address: wire::Address::unit_id(3),
        pt: 1000,
        ct: 1000,
        interval_s: 60,
        counter: Quantity::ActiveEnergyImport,
        tariff: None,
        rate_max: None,
        supply: Supply::default(),
        formula: None,
        own_models: std::sync::Arc::default(),
    }
}

fn boiler() -> Meter {
    Meter {
        id: name("boiler"),
        name: Text::new("锅炉燃气", "Boiler gas"),
        model: "fuxin-gas".to_owned(),
        medium: Medium::Gas,
        load: Load::Hvac,
        counter: Quantity::StandardVolume,
        ..light()
    }
}

fn site() -> Site {
    let weekday = vec![(time(8, 0, 0, 0), time(18, 30, 0, 0))];
    let [mon, tue, wed, thu, fri] = [(); 5].map(|()| weekday.clone());
    Site {
        id: name("school"),
        name: Text::new("实验中学", "Experimental school"),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        currency: "CNY".to_owned(),
        waste_min_e4: 0,
        buildings: vec![Building {
            id: name("office"),
            name: Text::new("办公楼", "Office building"),
        }],
        areas: vec![Area {
            id: name("2f-east"),
            name: Text::new("二层东侧", "Second floor east"),
            building: name("office"),
            floor: "2F".to_owned(),
            walk_order: 1,
            hours: name("office-hours"),
            floor_area_m2: None,
            owner: Some(name("wang")),
        }],
        hours: vec![OpeningHours {
            id: name("office-hours"),
            name: Text::new("上班时间", "Office hours"),
            week: [mon, tue, wed, thu, fri, Vec::new(), Vec::new()],
            holidays: Holidays::Ignore,
        }],
        meters: vec![light(), boiler()],
        tariffs: Vec::new(),
        people: vec![
            person("wang", Role::Caretaker, Language::Zh, Some("wang@school.example")),
            person("zhao", Role::Caretaker, Language::Zh, Some("zhao@school.example")),
            person("smith", Role::Engineer, Language::En, Some("smith@school.example")),
        ],
    }
}

fn finding(kind: FindingKind) -> Finding {
    Finding {
        kind,
        meter: name("light-2f-east"),
        area: name("2f-east"),
        opened: OPENED,
        closed: None,
        waste: 840_000,
        cost_e4: Some(6_720),
        evidence: vec![Evidence { start: OPENED, amount: 300_000, limit: 20_000 }],
    }
}

/// Returns the mails of a change in a site where everybody reads this language.
fn mails(finding: &Finding, what: FindingChange, language: Language, now: i64) -> Vec<NewMail> {
    let mut site = site();
    for one in &mut site.people {
        one.language = language;
    }
    let calendar = HolidayCalendar::china();
    let around = Surroundings {
        site: &site,
        calendar: &calendar,
        exceptions: &[],
        base_url: "http://gengfu.school.example",
        now,
    };
    let change = Change { finding, id: 12, what, recorded: finding.opened + HOUR / 2 };
    mails_for(&change, &around).unwrap()
}

/// Compares a mail with what was seen and found good; the HTML lies beside it as a file
/// that a browser opens.
fn check(seen: &str, finding: &Finding, what: FindingChange, now: i64) {
    for language in [Language::Zh, Language::En] {
        let mails = mails(finding, what, language, now);

        let [mail] = mails.as_slice() else { panic!("one mail expected: {mails:?}") };

        let name = format!("{seen}_{}", crate::words::tag(language).replace("zh-CN", "zh"));
        let told = format!("{}\nto: {:?}\n\n{}", mail.subject, mail.to, mail.text);
        insta::assert_snapshot!(name.clone(), told);
        let html = mail.html.clone().unwrap_or_default().into_bytes();
        insta::assert_binary_snapshot!(&format!("{name}_page.html"), html);
    }
}

#[test]
fn a_mail_of_lights_left_on_says_where_since_when_how_much_and_what_to_do() {
    let finding = finding(FindingKind::LightsLeftOn);

    check("lights_opened", &finding, FindingChange::Opened, OPENED + 35 * 60);
}

#[test]
fn a_mail_of_gas_that_burns_with_nobody_there_says_how_much_it_came_to() {
    let finding = Finding { meter: name("boiler"), ..finding(FindingKind::GasWhenClosed) };

    check("gas_opened", &finding, FindingChange::Opened, OPENED + 14 * HOUR);
}

#[test]
fn a_mail_of_a_sum_that_came_late_says_what_came_and_what_was_missing() {
    let evidence = vec![Evidence { start: OPENED, amount: 9_000_000, limit: 8_500_000 }];
    let closed = Some(OPENED + 9 * HOUR);
    let finding = Finding { closed, evidence, ..finding(FindingKind::DropoutWithCatchUp) };

    check("dropout_opened", &finding, FindingChange::Opened, OPENED + 10 * HOUR);
}

#[test]
fn a_mail_of_a_sum_that_does_not_agree_says_what_is_left() {
    let evidence = vec![Evidence { start: OPENED, amount: 283, limit: 121 }];
    let finding = Finding { evidence, ..finding(FindingKind::SumMismatch) };

    check("sum_opened", &finding, FindingChange::Opened, OPENED + 80 * HOUR);
}

#[test]
fn a_mail_of_lights_switched_off_says_how_much_it_came_to() {
    let finding = Finding {
        closed: Some(OPENED + 2 * HOUR),
        waste: 4_200_000,
        cost_e4: Some(33_600),
        ..finding(FindingKind::LightsLeftOn)
    };

    check("lights_closed", &finding, FindingChange::Closed, OPENED + 2 * HOUR + 900);
}

#[test]
fn a_mail_of_lights_that_nobody_switched_off_does_not_say_that_they_are_off() {
    let until_opening = OPENED + 12 * HOUR + 50 * 60;
    let finding = Finding { closed: Some(until_opening), ..finding(FindingKind::LightsLeftOn) };

    check("lights_ended", &finding, FindingChange::Closed, until_opening + 900);
}

#[test]
fn a_mail_of_a_silent_meter_says_which_one_and_where_to_look() {
    let finding = Finding { waste: 0, cost_e4: None, ..finding(FindingKind::SilentMeter) };

    check("silent_opened", &finding, FindingChange::Opened, OPENED + 20 * 60);
}

#[test]
fn a_mail_of_a_meter_that_is_back_says_how_long_nothing_came() {
    let finding = Finding {
        closed: Some(OPENED + 27 * HOUR),
        waste: 0,
        cost_e4: None,
        ..finding(FindingKind::SilentMeter)
    };

    check("silent_closed", &finding, FindingChange::Closed, OPENED + 27 * HOUR + 60);
}

#[test]
fn loads_that_ran_or_rose_are_told_in_words_of_their_own() {
    for kind in [
        FindingKind::AfterHoursLoad,
        FindingKind::GasWhenClosed,
        FindingKind::HighBaseLoad,
        FindingKind::WeekendRunning,
    ] {
        for language in [Language::Zh, Language::En] {
            let open = finding(kind);
            let closed = Finding { closed: Some(OPENED + HOUR), ..open.clone() };

            // They are told when several nights or weeks have shown it.
            let late = OPENED + 6 * 24 * HOUR;
            let opened = mails(&open, FindingChange::Opened, language, late);
            let ended = mails(&closed, FindingChange::Closed, language, late);

            for mail in [&opened[0], &ended[0]] {
                assert_eq!(mail.to, ["smith@school.example"]);
                assert!(!mail.subject.contains("mail."), "{}", mail.subject);
                assert!(!mail.text.contains("mail."), "{}", mail.text);
                assert!(mail.text.contains("/findings/1"), "{}", mail.text);
            }
        }
    }
}

#[test]
fn overtime_that_is_permitted_afterwards_ends_the_matter_without_saying_that_lights_are_off() {
    let site = site();
    let closed = OPENED + HOUR;
    let finding = Finding { closed: Some(closed), ..finding(FindingKind::LightsLeftOn) };
    let permit = Exception { area: finding.area, from: OPENED, until: closed + 3 * HOUR };
    let around = Surroundings {
        site: &site,
        calendar: &HolidayCalendar::china(),
        exceptions: &[permit],
        base_url: "http://gengfu.school.example",
        now: closed,
    };
    let change = Change { finding: &finding, id: 1, what: FindingChange::Closed, recorded: OPENED };

    let mails = mails_for(&change, &around).unwrap();

    assert!(mails[0].subject.contains("已登记加班"), "{}", mails[0].subject);
}

#[test]
fn place_and_state_stand_in_the_first_thirty_columns_of_a_subject() {
    let mut site = site();
    site.buildings[0].name = Text::new("行政综合服务大楼", "Administrative services building");
    site.areas[0].name =
        Text::new("第十二层东侧大会议室及走廊", "Twelfth floor east conference rooms");
    let finding = finding(FindingKind::LightsLeftOn);
    let change = Change { finding: &finding, id: 1, what: FindingChange::Opened, recorded: OPENED };
    for (language, state) in [(Language::Zh, "灯未关"), (Language::En, "lights on")] {
        site.people[0].language = language;
        let around = Surroundings {
            site: &site,
            calendar: &HolidayCalendar::china(),
            exceptions: &[],
            base_url: "",
            now: OPENED,
        };

        let subject = mails_for(&change, &around).unwrap()[0].subject.clone();

        let (place, _) = subject.split_once(state).unwrap();
        let columns =
            |text: &str| text.chars().map(|c| if c < '\u{1100}' { 1 } else { 2 }).sum::<usize>();
        assert!(columns(place) + columns(state) <= 30, "{subject}");
    }
}

#[test]
fn one_opening_and_one_closing_are_told_whatever_happens_in_between() {
    use FindingChange::{Closed, Corrected, Grew, Opened, Reopened, Unchanged};
    let open = finding(FindingKind::LightsLeftOn);
    let closed = Finding { closed: Some(OPENED + HOUR), ..open.clone() };
    let day = NEWS_S;
    // Finding, change, first written, now: both as seconds after it opened.
    let table = [
        (&open, Opened, 1_800, 1_800, Some(Occasion::Opened)),
        (&open, Opened, day, day, Some(Occasion::Opened)),
        (&open, Opened, day + 1, day + 1, None),
        (&closed, Opened, 1_800, 1_800, None),
        (&open, Grew, 1_800, 3_600, None),
        (&open, Unchanged, 1_800, 3_600, None),
        (&closed, Closed, 1_800, 4_000, Some(Occasion::Closed)),
        (&closed, Closed, 1_800, 9 * day, Some(Occasion::Closed)),
        (&closed, Closed, day + 1, 2 * day, None),
        (&open, Reopened, 1_800, 5_000, Some(Occasion::Opened)),
        (&closed, Corrected, 1_800, 5_000, None),
    ];

    for (finding, what, recorded, now, expected) in table {
        let change = Change { finding, id: 1, what, recorded: OPENED + recorded };
        assert_eq!(occasion(&change, OPENED + now), expected, "{what:?} {recorded} {now}");
    }
}

#[test]
fn the_same_matter_has_the_same_key_for_the_same_person() {
    let finding = finding(FindingKind::SilentMeter);

    let first = mails(&finding, FindingChange::Opened, Language::Zh, OPENED + 60);
    let again = mails(&finding, FindingChange::Reopened, Language::Zh, OPENED + HOUR);

    assert_eq!(first[0].dedupe, again[0].dedupe);
    assert_eq!(first[0].dedupe, "silent_meter/light-2f-east/1795518600/opened/smith");
}

#[test]
fn lights_are_told_to_who_answers_for_the_area_and_meters_to_engineers() {
    let mut site = site();
    let ids = |site: &Site, kind| -> Vec<String> {
        let people = recipients(kind, Some(&site.areas[0]), &site.people);
        people.iter().map(|(one, _)| one.id.to_string()).collect()
    };

    assert_eq!(ids(&site, FindingKind::LightsLeftOn), ["wang"]);
    assert_eq!(ids(&site, FindingKind::SilentMeter), ["smith"]);

    site.people[0].email = None;
    assert_eq!(ids(&site, FindingKind::LightsLeftOn), ["zhao"]);

    site.people[1].email = None;
    assert_eq!(ids(&site, FindingKind::LightsLeftOn), ["smith"]);
}

#[test]
fn water_and_meters_that_count_wrongly_are_told_in_words_of_their_own() {
    let told = [
        (FindingKind::Leak, "wang@school.example", 36 * HOUR),
        (FindingKind::Burst, "wang@school.example", 3 * HOUR),
        (FindingKind::RunningToilet, "wang@school.example", 16 * HOUR),
        (FindingKind::PeakDemand, "smith@school.example", HOUR),
        (FindingKind::ClockWrong, "smith@school.example", HOUR),
        (FindingKind::PhaseImbalance, "smith@school.example", HOUR),
        (FindingKind::PowerFactorLow, "smith@school.example", 3 * 24 * HOUR),
        (FindingKind::SumMismatch, "smith@school.example", 4 * 24 * HOUR),
        (FindingKind::Stuck, "smith@school.example", 7 * 24 * HOUR),
        (FindingKind::ScaleChange, "smith@school.example", 14 * 24 * HOUR),
    ];
    for ((kind, to, late), language) in
        told.iter().flat_map(|it| [Language::Zh, Language::En].map(|language| (*it, language)))
    {
        let open = finding(kind);
        let closed = Finding { closed: Some(OPENED + late + HOUR), ..open.clone() };

        let opened = mails(&open, FindingChange::Opened, language, OPENED + late);
        let ended = mails(&closed, FindingChange::Closed, language, OPENED + late + HOUR);

        for mail in [&opened[0], &ended[0]] {
            assert_eq!(mail.to, [to], "{kind:?}");
            let words = format!("{} {}", mail.subject, mail.text);
            assert!(!words.contains("mail.") && !words.contains('{'), "{words}");
        }
    }
}

#[test]
fn a_wrong_clock_says_how_far_and_which_way() {
    let told = |late_s: i64, language: Language| {
        let evidence = vec![Evidence { start: OPENED + HOUR, amount: late_s, limit: 120 }];
        let finding = Finding { evidence, ..finding(FindingKind::ClockWrong) };
        mails(&finding, FindingChange::Opened, language, OPENED + HOUR)[0].text.clone()
    };

    let ahead = told(-8 * HOUR, Language::Zh);
    let behind = told(600, Language::En);

    assert!(ahead.contains("快 8 小时"), "{ahead}");
    assert!(behind.contains("10 min behind"), "{behind}");
}

#[test]
fn a_change_of_scale_says_by_which_factor() {
    let factor = |amount: i64, limit: i64| {
        let evidence = vec![Evidence { start: OPENED, amount, limit }];
        let finding = Finding { evidence, ..finding(FindingKind::ScaleChange) };
        mails(&finding, FindingChange::Opened, Language::En, OPENED + HOUR)[0].text.clone()
    };

    assert!(factor(200_000, 100_000).contains("about 2.0 times what it was"));
    assert!(factor(1_000, 35_300).contains("divided by about 35.3"));
    assert!(!factor(1_000, 0).contains("Factor"));
}

#[test]
fn a_spike_or_a_sum_that_came_late_is_over_when_it_is_seen_and_is_told_once() {
    for (kind, language) in [FindingKind::Spike, FindingKind::DropoutWithCatchUp]
        .iter()
        .flat_map(|kind| [Language::Zh, Language::En].map(|language| (*kind, language)))
    {
        let evidence = vec![Evidence { start: OPENED, amount: 9_000_000, limit: 8_500_000 }];
        let spike = Finding { closed: Some(OPENED + HOUR), evidence, ..finding(kind) };
        let seen = mails(&spike, FindingChange::Opened, language, OPENED + 2 * HOUR);
        let late = mails(&spike, FindingChange::Opened, language, OPENED + 30 * HOUR);
        let closed = mails(&spike, FindingChange::Closed, language, OPENED + 2 * HOUR);

        assert_eq!(seen[0].to, ["smith@school.example"]);
        let words = format!("{} {}", seen[0].subject, seen[0].text);
        assert!(!words.contains("mail.") && !words.contains('{'), "{words}");
        assert_eq!((late.len(), closed.len()), (0, 0));
    }
}

#[test]
fn what_does_not_hold_is_taken_back_and_not_called_repaired() {
    let back = Finding { closed: Some(OPENED), waste: 0, ..finding(FindingKind::Leak) };

    let zh = mails(&back, FindingChange::Closed, Language::Zh, OPENED + 40 * HOUR);
    let en = mails(&back, FindingChange::Closed, Language::En, OPENED + 40 * HOUR);

    assert!(zh[0].subject.contains("“漏水”已撤回"), "{}", zh[0].subject);
    assert!(en[0].subject.contains("“Leak” taken back"), "{}", en[0].subject);
    assert!(!en[0].text.contains("stopped"), "{}", en[0].text);
}

#[test]
fn every_word_that_a_mail_asks_for_is_in_the_catalogue() {
    let sources =
        [include_str!("text.rs"), include_str!("meter_text.rs"), include_str!("../letter/mod.rs")]
            .concat();
    let asked = sources.split('"').filter(|text| {
        (text.starts_with("mail.") || text.starts_with("word.")) && !text.contains(['{', ' '])
    });

    for key in asked.filter(|key| !key.ends_with(".step")) {
        assert_ne!(crate::words::text(Language::Zh, key, &[]), key, "not in the catalogue");
    }
}
