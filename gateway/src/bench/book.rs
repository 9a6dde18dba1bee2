//! Site books for the meters of a bench's fleet.

use std::fmt::{Arguments, Write as _};

/// Meters in one building.
const METERS_A_BUILDING: u32 = 100;

/// Meters that one node reads, as the fleet has it.
const METERS_A_NODE: u32 = 20;

/// In a building whose main meter stands first, each so many of the others are of lights.
const LIGHTS_EVERY: u32 = 3;

/// Returns a site book in which each meter is a main meter, read each quarter hour.
pub(super) fn of_mains(meters: u32) -> String {
    let mut book = Book::begin(meters, 900);
    for number in 0..meters {
        book.meter(number, "whole", None);
    }
    book.text
}

/// Returns a site book of buildings with a main meter and what stands behind it, a third of
/// it lights that are to be off at night; read each minute.
pub(super) fn of_buildings(meters: u32) -> String {
    let mut book = Book::begin(meters, 60);
    for number in 0..meters {
        let main = number - number % METERS_A_BUILDING;
        match number - main {
            0 => book.meter(number, "whole", None),
            own if own % LIGHTS_EVERY == 0 => book.meter(number, "lighting", Some(main)),
            _ => book.meter(number, "plug", Some(main)),
        }
    }
    book.text
}

struct Book {
    text: String,
}

impl Book {
    fn begin(meters: u32, interval_s: u32) -> Self {
        let text = String::from(
            "[site]\nid = \"bench\"\nname = \"园区\"\nname_en = \"Campus\"\n\
             zone = \"Asia/Shanghai\"\ncurrency = \"CNY\"\n\n\
             [[hours]]\nid = \"always\"\nname = \"全天\"\nname_en = \"Always\"\n\
             weekdays = [\"00:00-24:00\"]\n\n\
             [[hours]]\nid = \"day\"\nname = \"白天\"\nname_en = \"Day\"\n\
             weekdays = [\"07:00-22:00\"]\n\n",
        );
        let mut book = Self { text };
        for number in 0..meters.div_ceil(METERS_A_BUILDING) {
            book.put(format_args!(
                "[[building]]\nid = \"b-{number}\"\nname = \"{number} 号楼\"\n\
                 name_en = \"B {number}\"\n\n"
            ));
            for (area, hours) in [("a", "always"), ("l", "day")] {
                book.put(format_args!(
                    "[[area]]\nid = \"{area}-{number}\"\nname = \"{number} 号楼\"\n\
                     name_en = \"{area} {number}\"\nbuilding = \"b-{number}\"\nfloor = \"1F\"\n\
                     hours = \"{hours}\"\nwalk_order = {number}\n\n"
                ));
            }
        }
        for number in 0..meters.div_ceil(METERS_A_NODE) {
            book.put(format_args!(
                "[[node]]\nid = \"node-{number:04}\"\nname = \"采集器 {number}\"\n\
                 name_en = \"Node {number}\"\ninterval_s = {interval_s}\n\n"
            ));
        }
        book
    }

    fn meter(&mut self, number: u32, load: &str, parent: Option<u32>) {
        let area = if load == "lighting" { "l" } else { "a" };
        self.put(format_args!(
            "[[meter]]\nid = \"meter-{number:05}\"\nname = \"表 {number}\"\n\
             name_en = \"Meter {number}\"\nmodel = \"eastron-sdm630\"\n\
             medium = \"electricity\"\nload = \"{load}\"\narea = \"{area}-{}\"\n\
             node = \"node-{:04}\"\nunit_id = {}\n",
            number / METERS_A_BUILDING,
            number / METERS_A_NODE,
            number % METERS_A_NODE + 1
        ));
        if let Some(parent) = parent {
            self.put(format_args!("parent = \"meter-{parent:05}\"\n"));
        }
        self.put(format_args!("\n"));
    }

    fn put(&mut self, part: Arguments<'_>) {
        // A `String` takes all that it is given.
        let _taken = self.text.write_fmt(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_books_are_without_mistake() {
        for text in [of_mains(210), of_buildings(210)] {
            let book = crate::site_book::parse(&text).unwrap();

            assert_eq!(book.site.meters.len(), 210);
        }
    }
}
