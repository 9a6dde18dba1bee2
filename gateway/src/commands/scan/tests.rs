use wire::modbus::{Entry, Ratios};
use wire::{Address, Quantity, Reading, Value, models};

use super::*;
use crate::node::scan::{Identified, Scanned};

const MADE: i64 = 1_795_445_100;

fn reading(quantity: Quantity, value: i64) -> Reading {
    Reading { quantity, value: Value::Measured(value) }
}

fn found(unit_id: u8, id: &str, order: Option<WordOrder>, is_usual: bool) -> Found<'static> {
    let model = models::by_id(id).unwrap();
    let candidate = scan::built_in().into_iter().find(|it| it.id == id).unwrap();
    let readings = vec![
        reading(Quantity::VoltageL1, 229_400),
        reading(Quantity::Frequency, 49_980),
        reading(model.counter, 184_205_330_000),
    ];
    Found {
        address: Address::unit_id(unit_id),
        protocol: Protocol::Modbus,
        line: LineSettings::default(),
        answer_ms: 43,
        requests: 30,
        errors: 0,
        model: Some(Identified { model: candidate, order, is_usual, readings, also: vec![] }),
    }
}

fn bus() -> Scanned<'static> {
    let usual = found(1, "eastron-sdm630", Some(WordOrder::Abcd), true);
    let turned = found(7, "eastron-sdm630", Some(WordOrder::Cdab), false);
    let unknown = Found { model: None, address: Address::unit_id(9), ..usual.clone() };
    let faster = LineSettings { baud: 19_200, ..LineSettings::default() };
    let noisy = Found {
        address: Address::unit_id(12),
        line: faster,
        errors: 4,
        ..found(12, "carlo-gavazzi-em340", Some(WordOrder::Cdab), true)
    };
    Scanned {
        meters: vec![usual, turned, unknown, noisy],
        troubles: vec![Trouble::Garbled(Address::unit_id(4), LineSettings::default())],
        asked: 247,
        took_ms: 41_300,
        wait_ms: 80,
    }
}

fn sheet(scanned: &Scanned<'static>, language: Language, show: impl FnOnce(&Sheet<'_>)) {
    let (name, place) = ("配电室 <1>", "/dev/ttyUSB0");
    let (interval_s, has_line, made) = (60, true, MADE);
    show(&Sheet { name, place, scanned, interval_s, has_line, made, language });
}

#[test]
fn the_sheet_says_in_both_languages_what_was_found_and_what_is_wrong() {
    sheet(&bus(), Language::Zh, |sheet| {
        let page = sheet.html();
        for words in [
            "lang=\"zh-CN\"",
            "总线调试单",
            "配电室 &lt;1&gt;",
            "A 相电压 229.4 V<br>频率 49.98 Hz<br>正向有功电能 184,205.33 kWh",
            "与说明书不同",
            "未识别",
            "地址 4（9600 8N1）",
            "多数表是 9600 8N1，请把这些表改成一样：12。",
            "错误偏多",
            "安装位置",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("scan."), "a key without words: {page}");
    });
    sheet(&bus(), Language::En, |sheet| {
        let page = sheet.html();
        for words in ["lang=\"en\"", "Voltage L1 229.4 V", "not as in the manual", "Signature"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("scan."), "a key without words: {page}");
        assert!(sheet.line(&sheet.scanned.meters[0]).starts_with("1 (Modbus)  Eastron SDM630"));
    });
}

#[test]
fn the_sheet_needs_nothing_from_elsewhere() {
    sheet(&bus(), Language::Zh, |sheet| {
        let page = sheet.html();
        for word in ["http", "src=", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
    });
}

#[test]
fn json_says_the_same_in_thousandths() {
    sheet(&bus(), Language::Zh, |sheet| {
        let json = sheet.json();
        assert_eq!(json["meters"][0]["model"], "eastron-sdm630");
        assert_eq!(json["meters"][1]["order"], "CDAB");
        assert_eq!(json["meters"][2]["model"], serde_json::Value::Null);
        assert_eq!(json["meters"][0]["values"][0]["thousandths"], 229_400);
        assert_eq!(json["troubles"][0]["kind"], "garbled");
    });
}

/// Reads what is to be pasted as a part of a site book.
fn pasted(scanned: &Scanned<'static>) -> SiteBook {
    let mut book = String::from(
        "[site]\nid = \"school\"\nname = \"学校\"\nzone = \"Asia/Shanghai\"\n\
         [[building]]\nid = \"main\"\nname = \"主楼\"\n\
         [[hours]]\nid = \"always\"\nname = \"全天\"\nholidays = \"always_open\"\n\
         [[area]]\nid = \"hall\"\nname = \"大厅\"\nbuilding = \"main\"\nhours = \"always\"\n",
    );
    sheet(scanned, Language::Zh, |sheet| {
        let piece = sheet.json()["site_book"].as_str().unwrap().to_owned();
        book.push_str(&piece.replace("area = \"\"", "area = \"hall\""));
    });
    match site_book::parse(&book) {
        Ok(parsed) => parsed,
        Err(mistakes) => {
            let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            panic!("{}\n{book}", told.join("\n"));
        }
    }
}

#[test]
fn what_is_pasted_into_the_site_book_reads_the_meters_as_they_were_found() {
    let parsed = pasted(&bus());

    let node = &parsed.nodes[0];
    assert_eq!((node.baud, node.parity), (9_600, Some(Parity::None)));
    let meters: Vec<_> =
        parsed.site.meters.iter().map(|it| (it.address.number(), it.model.as_str())).collect();
    let turned = "my-eastron-sdm630-cdab";
    assert_eq!(meters, [(1, "eastron-sdm630"), (7, turned), (12, "carlo-gavazzi-em340")]);
    let own = parsed.model(turned).unwrap();
    let maker = models::by_id("eastron-sdm630").unwrap();
    let expected: Vec<Entry> =
        maker.map.entries.iter().map(|it| Entry { order: WordOrder::Cdab, ..*it }).collect();
    let value = |entry: &Entry| {
        let words = [0x3334, 0x4366];
        wire::modbus::decode(entry, &words, Ratios::ONE)
    };
    assert_eq!(
        own.map.entries.iter().map(|it| (it.quantity, it.address, value(it))).collect::<Vec<_>>(),
        expected.iter().map(|it| (it.quantity, it.address, value(it))).collect::<Vec<_>>()
    );
}

#[test]
fn every_model_can_be_written_out_with_its_words_turned() {
    for model in models::MODELS {
        let is_long = model.map.entries.iter().any(|it| 1 < it.ty.words());
        if model.map.protocol() != Protocol::Modbus || !is_long {
            continue;
        }
        let meter = found(1, model.id, Some(WordOrder::Badc), false);
        let parsed = pasted(&Scanned { meters: vec![meter], ..Scanned::default() });

        let own = parsed.models.first().unwrap().known();
        let scale = |it: &Entry| (it.quantity, it.scale.numerator(), it.scale.denominator());
        let scales = |entries: &[Entry]| {
            let value = |it: &Entry| {
                let (quantity, above, below) = scale(it);
                (quantity, i64::from(above) * 1_000 / i64::from(below))
            };
            entries.iter().map(value).collect::<Vec<_>>()
        };
        assert_eq!(scales(own.map.entries), scales(model.map.entries), "{}", model.id);
    }
}
