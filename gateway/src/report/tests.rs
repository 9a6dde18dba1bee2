use std::fmt::Write as _;
use std::io::Cursor;

use analysis::calendar::HolidayCalendar;
use analysis::figures::{
    AreaFigure, DayFigure, Figure, MeterFigure, MonthFigures, TotalFigure, WasteFigure,
};
use analysis::finding::FindingKind;
use analysis::site::{
    Area, Building, Language, Load, Medium, Meter, Person, Role, Site, Supply, Text,
};
use analysis::tariff::{DatedRule, Rule, Tariff};
use calamine::{Data, Reader, Xlsx};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use wire::{Name, Quantity};

use super::*;
use crate::store::Store;
use crate::store::journal::{Amounts, MeterChange, MeterPart, NewMeterEvent};

const MADE: i64 = 1_793_505_600; // 2026-11-01 12:00 in Shanghai
const DAY_S: i64 = 86_400;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn meter(id: &str, zh: &str, en: &str, medium: Medium, load: Load, parent: Option<&str>) -> Meter {
    Meter {
        id: name(id),
        name: Text::new(zh, en),
        model: "eastron-sdm630".to_owned(),
        medium,
        load,
        area: name("whole"),
        parent: parent.map(name),
        node: name("node-1"),
        address: wire::Address::unit_id(1),
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

fn site() -> Site {
    let flat = |from: Date, source: &str, rate_e4: i64| DatedRule {
        from,
        source: source.to_owned(),
        rule: Rule::Flat(rate_e4),
    };
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
            id: name("whole"),
            name: Text::new("全楼", "Whole building"),
            building: name("office"),
            floor: "1F-5F".to_owned(),
            walk_order: 1,
            hours: name("office-hours"),
            floor_area_m2: Some(4_200),
            owner: None,
        }],
        hours: Vec::new(),
        meters: vec![
            meter("main", "总表", "Main", Medium::Electricity, Load::Whole, None),
            meter(
                "light",
                "照明",
                "=HYPERLINK(\"x\")",
                Medium::Electricity,
                Load::Lighting,
                Some("main"),
            ),
            meter("annex", "附楼", "Annex", Medium::Electricity, Load::Whole, None),
            meter("water", "食堂水表", "Canteen water", Medium::Water, Load::Process, None),
        ],
        tariffs: vec![Tariff {
            id: name("power"),
            name: Text::new("代理购电", "Agency power"),
            medium: Medium::Electricity,
            rules: vec![
                flat(date(2026, 11, 1), "十一月公告", 9_000),
                flat(date(2026, 10, 1), "十月公告", 8_000),
                flat(date(2026, 9, 1), "九月公告", 7_000),
            ],
        }],
        people: Vec::new(),
    }
}

fn add(sum: &mut Figure, part: &Figure) {
    sum.amount += part.amount;
    sum.estimated += part.estimated;
    sum.cost_e4 += part.cost_e4;
    sum.unpriced += part.unpriced;
    sum.measured_s += part.measured_s;
    sum.estimated_s += part.estimated_s;
    sum.missing_s += part.missing_s;
}

/// Makes October 2026: two electricity meters that count and one below the first, whose
/// amounts use every digit; a water meter of which nothing is known after the 20th.
fn october() -> MonthFigures {
    let first = date(2026, 10, 1);
    let mut days = Vec::new();
    let mut meters = [
        ("main", Medium::Electricity, true),
        ("light", Medium::Electricity, false),
        ("annex", Medium::Electricity, true),
        ("water", Medium::Water, true),
    ]
    .map(|(id, medium, counts_in_total)| MeterFigure {
        meter: name(id),
        medium,
        counts_in_total,
        figure: Figure::default(),
    });
    let mut totals = [Medium::Electricity, Medium::Water]
        .map(|medium| TotalFigure { medium, figure: Figure::default() });
    for number in 0..31_i8 {
        let n = i64::from(number);
        let date = date(2026, 10, number + 1);
        let estimated_s = if n == 12 { 6 * 3_600 } else { 0 };
        let part = |amount: i64, cost_e4: i64| Figure {
            amount,
            estimated: if n == 12 { amount / 4 } else { 0 },
            cost_e4,
            unpriced: 0,
            measured_s: DAY_S - estimated_s,
            estimated_s,
            missing_s: 0,
        };
        let water = if n < 20 {
            Figure { unpriced: 1_234_567 + n, ..part(1_234_567 + n, 0) }
        } else {
            Figure { missing_s: DAY_S, ..Figure::default() }
        };
        let parts = [
            part(1_234_567_891 + n * 7_000_001, 9_876_543 + n),
            part(234_567_891 + n * 1_000_003, 1_876_543 + n),
            part(345_678_917 + n * 13, 2_765_431 + n),
            water,
        ];
        for (meter, part) in meters.iter_mut().zip(&parts) {
            add(&mut meter.figure, part);
        }
        let mut electricity = parts[0];
        add(&mut electricity, &parts[2]);
        for (total, figure) in totals.iter_mut().zip([electricity, parts[3]]) {
            add(&mut total.figure, &figure);
            days.push(DayFigure { date, medium: total.medium, figure });
        }
    }
    let areas = totals.map(|TotalFigure { medium, figure }| AreaFigure {
        area: name("whole"),
        medium,
        figure,
    });
    MonthFigures {
        month: first,
        meters: meters.to_vec(),
        areas: areas.to_vec(),
        days,
        totals: totals.to_vec(),
        waste: vec![WasteFigure {
            kind: FindingKind::LightsLeftOn,
            medium: Medium::Electricity,
            count: 12,
            open: 1,
            amount: 34_500_000,
            cost_e4: 276_000,
        }],
    }
}

fn made(figures: &MonthFigures, language: Language) -> Vec<u8> {
    let calendar = HolidayCalendar::china();
    let (site, events) = (&site(), &events());
    let report = Report { figures, site, events, calendar: &calendar, made: MADE, language };
    workbook(&report).unwrap()
}

/// A swap of the main meter and a correction of the annex, both in the month.
fn events() -> Vec<MeterEventRow> {
    let row = |id: i64, meter: &str, change: MeterChange, reason: &str| MeterEventRow {
        id,
        event: NewMeterEvent {
            meter: name(meter),
            change,
            reason: reason.to_owned(),
            photo: None,
            author: "王师傅".to_owned(),
            made: MADE - 9 * DAY_S,
        },
        undone: None,
    };
    let at = MADE - 10 * DAY_S;
    let part = MeterPart::default();
    let swap =
        MeterChange::Swap { at, last: 123_456_789_000, first: 0, old: part.clone(), new: part };
    let correction =
        MeterChange::Correction { from: at, to: at + 3_600, amounts: Amounts::Total(7_000_001) };
    vec![row(7, "annex", correction, "读数偏低"), row(3, "main", swap, "旧表黑屏")]
}

#[test]
fn each_meter_names_the_events_that_its_month_rests_on() {
    let mut book = open(&made(&october(), Language::En));

    let meters = book.worksheet_range("Meters").unwrap();
    let told = book.worksheet_range("Events").unwrap();

    let numbers: Vec<String> =
        meters.rows().skip(1).take(4).map(|row| row[14].to_string()).collect();
    assert_eq!(numbers, ["#3", "", "#7", ""]);
    let said: Vec<(String, String)> =
        told.rows().skip(1).take(2).map(|row| (row[0].to_string(), row[6].to_string())).collect();
    let swap = "old meter's last 123,456.789000 kWh, new meter's first 0.000000 kWh";
    assert_eq!(said[0], ("#3".to_owned(), swap.to_owned()));
    assert_eq!(said[1].0, "#7");
    assert!(said[1].1.contains("7.000001 kWh"), "{}", said[1].1);
}

fn open(bytes: &[u8]) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(bytes.to_vec())).unwrap()
}

/// Returns a cell's number as the integer it stands for, every digit of it.
fn digits(cell: &Data, places: usize) -> i64 {
    let Data::Float(number) = cell else { panic!("a number expected: {cell:?}") };
    format!("{number:.places$}").replace('.', "").parse().unwrap()
}

#[test]
fn every_cell_of_the_workbook_says_what_it_should() {
    for (language, tag) in [(Language::Zh, "zh"), (Language::En, "en")] {
        let mut book = open(&made(&october(), language));

        let mut told = String::new();
        for sheet in book.sheet_names() {
            writeln!(told, "## {sheet}").unwrap();
            for row in book.worksheet_range(&sheet).unwrap().rows() {
                let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
                writeln!(told, "{}", cells.join(" | ").trim_end_matches([' ', '|'])).unwrap();
            }
        }

        insta::assert_snapshot!(format!("workbook_{tag}"), told);
    }
}

#[test]
fn rows_equal_totals_to_the_last_digit() {
    let figures = october();
    let mut book = open(&made(&figures, Language::Zh));

    let meters = book.worksheet_range("分表").unwrap();
    let days = book.worksheet_range("逐日").unwrap();
    let summary = book.worksheet_range("汇总").unwrap();

    let electricity = figures.totals[0].figure;
    let counted = meters.rows().filter(|row| row[5] == "电" && row[10] == "是");
    let (amount, cost) = counted.fold((0, 0), |(amount, cost), row| {
        (amount + digits(&row[7], 6), cost + digits(&row[9], 4))
    });
    assert_eq!((amount, cost), (electricity.amount, electricity.cost_e4));
    let by_day: i64 = days.rows().skip(1).take(31).map(|row| digits(&row[2], 6)).sum();
    assert_eq!(by_day, electricity.amount);
    let total_of_meters = meters.rows().find(|row| row[1] == "电合计").unwrap();
    let total_of_days = days.rows().next_back().unwrap();
    let total = summary.rows().find(|row| row[0] == "电").unwrap();
    let stored = [&total_of_meters[7], &total_of_days[2], &total[2]].map(|cell| digits(cell, 6));
    assert_eq!(stored, [electricity.amount; 3]);
}

#[test]
fn totals_are_formulas_over_the_rows() {
    let mut book = open(&made(&october(), Language::En));

    let meters = book.worksheet_formula("Meters").unwrap();
    let days = book.worksheet_formula("Days").unwrap();

    let first = |formulas: &calamine::Range<String>| {
        formulas.rows().flatten().find(|formula| !formula.is_empty()).cloned().unwrap()
    };
    assert_eq!(first(&meters), "SUMIFS($H$2:$H$5,$F$2:$F$5,F7,$K$2:$K$5,\"yes\")");
    assert_eq!(first(&days), "SUM(C2:C32)");
}

#[test]
fn a_day_of_which_nothing_is_known_is_an_empty_cell() {
    let mut book = open(&made(&october(), Language::Zh));

    let days = book.worksheet_range("逐日").unwrap();

    assert_eq!(digits(days.get((20, 5)).unwrap(), 6), 1_234_586);
    assert_eq!(days.get((21, 5)), Some(&Data::Empty));
    assert_eq!(days.get((21, 7)), Some(&Data::Float(1.0)));
}

#[test]
fn days_are_real_dates() {
    let mut book = open(&made(&october(), Language::Zh));

    let days = book.worksheet_range("逐日").unwrap();

    let Some(Data::DateTime(first)) = days.get((1, 0)) else { panic!("no date") };
    assert_eq!(first.to_ymd_hms_milli(), (2026, 10, 1, 0, 0, 0, 0));
}

#[test]
fn the_same_figures_make_the_same_bytes() {
    let figures = october();

    assert!(made(&figures, Language::Zh) == made(&figures, Language::Zh));
}

#[test]
fn a_figure_that_a_cell_would_round_is_refused_by_name() {
    let mut figures = october();
    figures.meters[0].figure.amount = 1_000_000_000_000_000;
    let calendar = HolidayCalendar::china();
    let site = site();
    let report = Report {
        figures: &figures,
        site: &site,
        events: &[],
        calendar: &calendar,
        made: MADE,
        language: Language::En,
    };

    let error = workbook(&report).unwrap_err();

    assert_eq!(
        error.to_string(),
        "cell H2 of sheet `Meters` is 1000000000000000 and does not fit into a cell without rounding"
    );
}

#[test]
fn a_month_without_anything_is_a_workbook_too() {
    let figures = MonthFigures {
        month: date(2026, 2, 1),
        meters: Vec::new(),
        areas: Vec::new(),
        days: Vec::new(),
        totals: Vec::new(),
        waste: Vec::new(),
    };

    let book = open(&made(&figures, Language::Zh));

    assert_eq!(book.sheet_names(), ["汇总", "分表", "分区", "逐日", "数据质量", "事件"]);
}

#[test]
fn a_month_that_is_not_over_says_so() {
    let calendar = HolidayCalendar::china();
    let site = site();
    let figures = october();
    let unfinished = |made: i64| {
        let language = Language::En;
        let report = Report {
            figures: &figures,
            site: &site,
            calendar: &calendar,
            made,
            language,
            events: &[],
        };
        let mut book = open(&workbook(&report).unwrap());
        let summary = book.worksheet_range("Summary").unwrap();
        summary.rows().flatten().any(|cell| cell.to_string().contains("not over"))
    };

    assert!(unfinished(MADE - DAY_S));
    assert!(!unfinished(MADE));
}

#[test]
fn the_mail_of_a_report_names_the_totals_and_carries_the_workbook() {
    let calendar = HolidayCalendar::china();
    let site = site();
    let figures = october();
    for (language, tag) in [(Language::Zh, "zh"), (Language::En, "en")] {
        let report = Report {
            figures: &figures,
            site: &site,
            calendar: &calendar,
            made: MADE,
            language,
            events: &[],
        };

        let mail =
            mail(&report, vec![1, 2, 3], "head@school.example", "http://gengfu.example", MADE)
                .unwrap();

        let files: Vec<_> = mail.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(files, ["energy-report-2026-10.xlsx"]);
        insta::assert_snapshot!(
            format!("mail_{tag}"),
            format!("{}\nto: {:?}\n\n{}", mail.subject, mail.to, mail.text)
        );
        let html = mail.html.unwrap_or_default().into_bytes();
        insta::assert_binary_snapshot!(&format!("mail_{tag}_page.html"), html);
    }
}

#[test]
fn a_report_is_sent_to_everyone_in_their_language_and_the_audit_log_says_who_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let calendar = HolidayCalendar::china();
    let mut site = site();
    site.people.push(Person {
        id: name("smith"),
        name: "Smith".to_owned(),
        email: Some("smith@school.example".to_owned()),
        role: Role::Leader,
        language: Language::En,
    });
    let (figures, language) = (october(), Language::Zh);
    let report = Report {
        figures: &figures,
        site: &site,
        calendar: &calendar,
        made: MADE,
        language,
        events: &[],
    };
    let to = ["head@school.example", "smith@school.example"].map(str::to_owned);

    send(store.journal(), &report, &to, "li", "http://gengfu.example").unwrap();

    let mails = store.journal().view(|view| view.due_mails(MADE, 10)).unwrap();
    let subjects: Vec<_> = mails.iter().map(|row| row.mail.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["实验中学 2026年10月用能月报", "Experimental school: energy report October 2026"]
    );
    let first_sheets = mails
        .iter()
        .map(|row| open(&row.mail.attachments[0].content).sheet_names()[0].clone())
        .collect::<Vec<_>>();
    assert_eq!(first_sheets, ["汇总", "Summary"]);
    let audit = store.journal().view(|view| view.audit(Some("report/2026-10"), 10)).unwrap();
    assert_eq!((audit.len(), audit[0].entry.author.as_str()), (1, "li"));
}

#[test]
fn every_word_that_a_report_asks_for_is_in_the_catalogue() {
    let sources = [
        include_str!("lists.rs"),
        include_str!("mail.rs"),
        include_str!("sheet.rs"),
        include_str!("summary.rs"),
        include_str!("workbook.rs"),
    ]
    .concat();
    let asked = sources.split('"').filter(|text| {
        let ours = ["mail.", "report.", "word."].iter().any(|area| text.starts_with(area));
        ours && !text.contains(['{', ' '])
    });

    for key in asked {
        assert_ne!(crate::words::text(Language::Zh, key, &[]), key, "not in the catalogue");
    }
}
