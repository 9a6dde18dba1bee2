//! A month as a workbook: every figure in it is the API's, and rows equal totals.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use calamine::{Data, DataType as _, Range, Reader as _, Xlsx, open_workbook};
use e2e::gateway::{CONFIG, Gateway};
use e2e::mailbox::Mailbox;
use e2e::publisher::Publisher;
use e2e::world::story;
use serde_json::Value as Json;
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading, Value};

/// 1 October and 1 November 2026, 00:00 in Shanghai.
const FIRST: i64 = 1_790_784_000;
const END: i64 = FIRST + 31 * 86_400;
const QUARTER_S: usize = 900;

/// Of electricity a main meter and one behind it, which must not count twice.
const METERS: [Fed; 5] = [
    Fed { node: "node-office", meter: "office-main", counter: ENERGY, each: 21_234_567 },
    Fed { node: "node-office", meter: "light-2f-east", counter: ENERGY, each: 1_234_567 },
    Fed { node: "node-campus", meter: "library-power", counter: ENERGY, each: 9_876_543 },
    Fed {
        node: "node-campus",
        meter: "teaching-gas",
        counter: Quantity::StandardVolume,
        each: 345_671,
    },
    Fed { node: "node-campus", meter: "canteen-water", counter: Quantity::Volume, each: 76_543 },
];
const ENERGY: Quantity = Quantity::ActiveEnergyImport;

/// This meter has a day without readings, which is estimated from both its ends …
const ESTIMATED: &str = "library-power";
/// … and this one stops, so that the rest is missing.
const ENDS_EARLY: &str = "canteen-water";

const AMOUNT_PLACES: usize = 6;
const MONEY_PLACES: usize = 4;
const SHARE_PLACES: usize = 3;

struct Fed {
    node: &'static str,
    meter: &'static str,
    counter: Quantity,
    /// What it counts in a quarter hour, give or take.
    each: i64,
}

impl Fed {
    /// What the counter shows at an instant, thousandths: uneven, so that digits matter.
    fn shown(&self, instant: i64) -> i64 {
        let quarters = (instant - FIRST) / 900;
        1_000_000_000 + quarters * self.each + quarters * quarters % 1_009 * 7
    }

    fn is_read(&self, instant: i64) -> bool {
        let day = (instant - FIRST) / 86_400;
        let is_gap = match self.meter {
            ESTIMATED => day == 11,
            ENDS_EARLY => 24 <= day,
            _ => false,
        };
        !is_gap
    }
}

#[test]
fn a_month_in_a_sheet_is_the_month_of_the_api_to_the_last_digit() {
    story("month-in-a-sheet", |world| {
        world.at("2026-11-23T09:00:00+08:00", 1)?;
        let mailbox = Mailbox::start(world)?;
        let sections = format!(
            "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n\n[mail]\nhost = \"127.0.0.1\"\n\
             port = {}\nsecurity = \"none\"\nfrom = \"更夫 <gengfu@demo.example>\"\n",
            mailbox.port
        );
        Gateway::configure(world, &sections)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        feed(gateway.listener()?)?;

        let printed = world.carry_out(&[
            "report",
            "--config",
            CONFIG,
            "--month",
            "2026-10",
            "--out",
            "reports",
            "--mail-to",
            "caretaker@demo.example",
        ])?;

        let file = printed.lines().next().context("the path of the workbook")?;
        let book = Book::open(&world.folder().join(file))?;
        let month = gateway.get("/api/v1/months/2026-10")?;
        the_api_has_what_the_counters_say(&month)?;
        meters_are_the_same(&book, &month)?;
        areas_are_the_same(&book, &month)?;
        days_are_the_same(&book, &month)?;
        totals_are_the_same(&book, &month)?;

        let mail = mailbox.wait("用能月报")?;
        assert_eq!(mail.attachments, ["energy-report-2026-10.xlsx"]);
        let downloaded = world.folder().join("downloaded.xlsx");
        std::fs::write(&downloaded, gateway.get_bytes("/api/v1/reports/2026-10.xlsx")?)?;
        meters_are_the_same(&Book::open(&downloaded)?, &month)?;
        Ok(())
    });
}

/// Publishes the month as nodes that were cut off would: all of it late, through the gate.
fn feed(address: &str) -> Result<()> {
    for node in ["node-office", "node-campus"] {
        let mut publisher = Publisher::new(node)?;
        for fed in METERS.iter().filter(|fed| fed.node == node) {
            let read = (FIRST..=END).step_by(QUARTER_S).filter(|&instant| fed.is_read(instant));
            for (seq, instant) in (0..).zip(read) {
                let mut readings = List::new();
                let value = Value::Measured(fed.shown(instant));
                readings
                    .push(Reading { quantity: fed.counter, value })
                    .ok()
                    .context("room for a reading")?;
                let (meter, clock) = (fed.meter.parse()?, Clock::Synced);
                publisher.owe(Pack { meter, instant, boot: 1, seq, clock, readings });
            }
        }
        publisher.publish(address, Duration::from_secs(120))?;
        anyhow::ensure!(publisher.owed() == 0, "{} packs of {node} stay", publisher.owed());
    }
    Ok(())
}

fn the_api_has_what_the_counters_say(month: &Json) -> Result<()> {
    for fed in &METERS {
        let row = row_of(&month["meters"], fed.meter)?;
        let last = (FIRST..=END).step_by(QUARTER_S).rfind(|&at| fed.is_read(at)).unwrap_or(END);
        let share = |key: &str| row[key].as_i64().unwrap_or(-1);
        assert_eq!(row["amount"], fed.shown(last) - fed.shown(FIRST), "{}: {row}", fed.meter);
        assert_eq!(0 < share("estimated_milli"), fed.meter == ESTIMATED, "{row}");
        assert_eq!(0 < share("missing_milli"), fed.meter == ENDS_EARLY, "{row}");
    }
    for total in rows(&month["totals"]) {
        let medium = &total["medium"];
        let of_medium = |row: &&Json| row["medium"] == *medium;
        for key in ["amount", "cost_e4"] {
            let sum = |list: &[Json], counts: &dyn Fn(&Json) -> bool| -> i64 {
                let rows = list.iter().filter(of_medium).filter(|row| counts(row));
                rows.filter_map(|row| row[key].as_i64()).sum()
            };
            let counting = sum(rows(&month["meters"]), &|row| row["counts_in_total"] == true);
            assert_eq!(total[key], counting, "{medium}: meters and total");
            assert_eq!(
                total[key],
                sum(rows(&month["days"]), &|_| true),
                "{medium}: days and total"
            );
        }
    }
    Ok(())
}

fn meters_are_the_same(book: &Book, month: &Json) -> Result<()> {
    let sheet = book.sheet("分表")?;
    let quality = book.sheet("数据质量")?;
    let meters = rows(&month["meters"]);
    for (number, meter) in (1..).zip(meters) {
        let id = meter["id"].as_str().context("an id")?;
        assert_eq!(sheet.text(number, 0), id);
        assert_eq!(quality.text(number, 0), id);
        sheet.has_figures(number, [7, 9, 11], meter)?;
        quality.has_shares(number, 4, meter)?;
    }
    // The totals below them are formulas; what is stored with each is what viewers show.
    for (number, total) in (meters.len() + 2..).zip(rows(&month["totals"])) {
        assert_eq!(sheet.number(number, 7, AMOUNT_PLACES)?, total["amount"].as_i64());
        assert_eq!(sheet.number(number, 9, MONEY_PLACES)?, total["cost_e4"].as_i64());
        let medium = sheet.text(number, 5);
        let mut sum = 0;
        for row in (1..=meters.len()).filter(|&row| sheet.text(row, 5) == medium) {
            if sheet.text(row, 10) == "是" {
                sum += sheet.number(row, 7, AMOUNT_PLACES)?.unwrap_or(0);
            }
        }
        assert_eq!(Some(sum), total["amount"].as_i64(), "rows of {medium} and their total");
    }
    Ok(())
}

fn areas_are_the_same(book: &Book, month: &Json) -> Result<()> {
    let sheet = book.sheet("分区")?;
    assert!(!rows(&month["areas"]).is_empty());
    for (number, area) in (1..).zip(rows(&month["areas"])) {
        assert_eq!(sheet.text(number, 1), area["name"]["zh"].as_str().context("a name")?);
        sheet.has_figures(number, [6, 8, 9], area)?;
    }
    Ok(())
}

fn days_are_the_same(book: &Book, month: &Json) -> Result<()> {
    let sheet = book.sheet("逐日")?;
    let days = rows(&month["days"]);
    for (place, total) in rows(&month["totals"]).iter().enumerate() {
        let column = 2 + place * 3;
        let of_medium: Vec<&Json> =
            days.iter().filter(|day| day["medium"] == total["medium"]).collect();
        assert_eq!(of_medium.len(), 31, "{}", total["medium"]);
        let mut sum = 0;
        for (number, day) in (1..).zip(&of_medium) {
            assert_eq!(sheet.date(number, 0)?, day["date"].as_str().context("a date")?);
            let (amount, cost) = told(day);
            assert_eq!(sheet.number(number, column, AMOUNT_PLACES)?, amount, "{day}");
            assert_eq!(sheet.number(number, column + 1, MONEY_PLACES)?, cost, "{day}");
            let missing = sheet.number(number, column + 2, SHARE_PLACES)?;
            assert_eq!(missing, day["missing_milli"].as_i64(), "{day}");
            sum += amount.unwrap_or(0);
        }
        assert_eq!(Some(sum), total["amount"].as_i64());
        assert_eq!(sheet.number(32, column, AMOUNT_PLACES)?, total["amount"].as_i64());
        assert_eq!(sheet.number(32, column + 1, MONEY_PLACES)?, total["cost_e4"].as_i64());
    }
    Ok(())
}

fn totals_are_the_same(book: &Book, month: &Json) -> Result<()> {
    let sheet = book.sheet("汇总")?;
    let height = sheet.0.height();
    let head = (0..height).find(|&row| sheet.text(row, 2) == "消耗量").context("the totals")?;
    for (number, total) in (head + 1..).zip(rows(&month["totals"])) {
        sheet.has_figures(number, [2, 3, 5], total)?;
    }
    Ok(())
}

fn rows(list: &Json) -> &[Json] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row_of<'a>(list: &'a Json, id: &str) -> Result<&'a Json> {
    rows(list).iter().find(|row| row["id"] == id).with_context(|| format!("a row of {id}"))
}

/// Amount and cost of a row of the API as a sheet must show them: a gap is an empty cell, and
/// so is a cost that no tariff covers.
fn told(row: &Json) -> (Option<i64>, Option<i64>) {
    let is_gap = row["measured_milli"] == 0 && row["estimated_milli"] == 0;
    let is_unpriced = row["cost_e4"] == 0 && row["unpriced"] != 0;
    let amount = row["amount"].as_i64().filter(|_| !is_gap);
    (amount, row["cost_e4"].as_i64().filter(|_| !is_gap && !is_unpriced))
}

/// A workbook, read by hands that did not write it.
struct Book(std::cell::RefCell<Xlsx<std::io::BufReader<std::fs::File>>>);

impl Book {
    fn open(path: &Path) -> Result<Self> {
        let book = open_workbook(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self(std::cell::RefCell::new(book)))
    }

    fn sheet(&self, name: &str) -> Result<Sheet> {
        let range = self.0.borrow_mut().worksheet_range(name)?;
        anyhow::ensure!(range.start() == Some((0, 0)), "`{name}` does not begin at A1");
        Ok(Sheet(range))
    }
}

struct Sheet(Range<Data>);

impl Sheet {
    fn text(&self, row: usize, column: usize) -> &str {
        self.0.get((row, column)).and_then(|cell| cell.get_string()).unwrap_or_default()
    }

    fn date(&self, row: usize, column: usize) -> Result<String> {
        let cell = self.0.get((row, column)).context("a cell")?;
        let serial = cell.as_f64().context("a date")?;
        // Day 25569 of a spreadsheet is 1970-01-01.
        let days = format!("{serial:.0}").parse::<i64>()? - 25_569;
        Ok(jiff::Timestamp::from_second(days * 86_400)?.strftime("%Y-%m-%d").to_string())
    }

    /// Returns a cell as an integer of its last digit; an empty cell is none. A cell that
    /// keeps anything beyond that digit, or lost some of it, is wrong.
    fn number(&self, row: usize, column: usize, places: usize) -> Result<Option<i64>> {
        let cell = self.0.get((row, column)).unwrap_or(&Data::Empty);
        let Some(number) = cell.get_float() else {
            anyhow::ensure!(cell.is_empty(), "cell ({row}, {column}) is `{cell}`");
            return Ok(None);
        };
        let text = format!("{number:.places$}");
        let again: f64 = text.parse()?;
        anyhow::ensure!(again.to_bits() == number.to_bits(), "{number:?} is no {text}");
        Ok(Some(text.replace('.', "").parse()?))
    }

    /// Compares amount, cost and the three shares with a row of the API.
    fn has_figures(&self, row: usize, [amount, cost, shares]: [usize; 3], of: &Json) -> Result<()> {
        let expected = told(of);
        assert_eq!(self.number(row, amount, AMOUNT_PLACES)?, expected.0, "{of}");
        assert_eq!(self.number(row, cost, MONEY_PLACES)?, expected.1, "{of}");
        self.has_shares(row, shares, of)
    }

    fn has_shares(&self, row: usize, first: usize, of: &Json) -> Result<()> {
        for (column, key) in (first..).zip(["measured_milli", "estimated_milli", "missing_milli"]) {
            assert_eq!(self.number(row, column, SHARE_PLACES)?, of[key].as_i64(), "{key} of {of}");
        }
        Ok(())
    }
}
