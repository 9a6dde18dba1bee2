//! Tables of other people: a time stamp and one column per series.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use analysis::track::Track;
use anyhow::{Context as _, Result, bail, ensure};
use jiff::{Timestamp, civil, tz::TimeZone};

/// A table of numbers. Time stamps without an offset are taken as they stand, as if they
/// were UTC: the tables have no clock changes, and hour and weekday are what matters.
/// Stamps with an offset are taken by their clock on the wall.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Starts of the rows, seconds.
    pub instants: Vec<i64>,
    /// The series.
    pub columns: Vec<Column>,
}

/// One series of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its header.
    pub name: String,
    /// Its cells; an empty cell is `None`.
    pub cells: Vec<Option<f64>>,
}

/// Returns the first of some files that is there, with or without `.gz`.
#[must_use]
pub fn find(dir: &Path, names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .flat_map(|name| [dir.join(name), dir.join(format!("{name}.gz"))])
        .find(|path| path.is_file())
}

/// Returns the files of a folder whose names begin so and end in `.csv` or `.csv.gz`, by
/// name.
#[must_use]
pub fn files(dir: &Path, begins: &str) -> Vec<PathBuf> {
    let is_asked = |path: &PathBuf| {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(begins) && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| entries.flatten().map(|it| it.path()).filter(is_asked).collect())
        .unwrap_or_default();
    files.sort();
    files
}

/// Returns every table of a kind that has labels beside it, with those: in the folders
/// `injected_faults*` and in the folder itself.
#[must_use]
pub fn injected(dir: &Path, begins: &str) -> Vec<(PathBuf, PathBuf)> {
    let is_injected = |path: &PathBuf| {
        path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("injected_faults"))
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| entries.flatten().map(|it| it.path()).filter(is_injected).collect())
        .unwrap_or_default();
    folders.sort();
    folders.push(dir.to_owned());
    let mut pairs = Vec::new();
    for folder in folders {
        if let Some(labels) = find(&folder, &["labels.csv"]) {
            pairs.extend(files(&folder, begins).into_iter().map(|table| (table, labels.clone())));
        }
    }
    pairs
}

/// Opens a file, unpacked where its name ends in `.gz`.
///
/// # Errors
///
/// It cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let is_packed = path.extension().is_some_and(|it| it == "gz");
    Ok(if is_packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Reads the seconds of a time stamp, by its clock on the wall.
///
/// # Errors
///
/// It is none of `2017-01-31`, `2017-01-31 10:00`, `2017-01-31 10:00:00`, with or without an
/// offset.
pub fn instant_of(stamp: &str) -> Result<i64> {
    let stamp = stamp.trim();
    // The offset says which UTC instant it is; the clock on the wall is what is wanted.
    let wall = stamp.get(..19).or(stamp.get(..16)).or(stamp.get(..10)).unwrap_or(stamp);
    let parsed = wall
        .parse::<civil::DateTime>()
        .or_else(|_| wall.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    let civil = parsed.with_context(|| format!("`{stamp}` is no time stamp"))?;
    Ok(civil.to_zoned(TimeZone::UTC)?.timestamp().as_second())
}

/// Writes seconds as a time stamp, for people.
#[must_use]
pub fn stamp_of(instant: i64) -> String {
    Timestamp::from_second(instant)
        .map_or_else(|_| instant.to_string(), |it| it.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Reads a table.
///
/// # Errors
///
/// It cannot be read, or a cell is no number: the row is named.
pub fn read(path: &Path) -> Result<Table> {
    let shown = path.display();
    let mut reader = csv::Reader::from_reader(open(path)?);
    let names: Vec<String> = reader.headers()?.iter().skip(1).map(str::to_owned).collect();
    ensure!(!names.is_empty(), "{shown} has no column beside its time stamps");
    let mut table = Table {
        instants: Vec::new(),
        columns: names.into_iter().map(|name| Column { name, cells: Vec::new() }).collect(),
    };
    for (number, row) in (2..).zip(reader.records()) {
        let row = row.with_context(|| format!("line {number} of {shown}"))?;
        let stamp = row.get(0).unwrap_or_default();
        table
            .instants
            .push(instant_of(stamp).with_context(|| format!("line {number} of {shown}"))?);
        for (at, column) in (1..).zip(&mut table.columns) {
            let cell = row.get(at).unwrap_or_default().trim();
            column.cells.push(match cell {
                "" | "NA" | "nan" | "NaN" => None,
                _ => match cell.parse::<f64>() {
                    Ok(number) if number.is_finite() => Some(number),
                    _ => bail!("line {number} of {shown}: `{cell}` is no number"),
                },
            });
        }
    }
    Ok(table)
}

impl Table {
    /// Returns a series by its name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Adds the rows of another table; series of one name are one series.
    pub fn append(&mut self, other: Self) {
        let (before, added) = (self.instants.len(), other.instants.len());
        self.instants.extend(other.instants);
        for column in &mut self.columns {
            column.cells.resize(before + added, None);
        }
        for column in other.columns {
            let at = self.columns.iter().position(|it| it.name == column.name);
            let at = at.unwrap_or_else(|| {
                let cells = vec![None; before + added];
                self.columns.push(Column { name: column.name.clone(), cells });
                self.columns.len() - 1
            });
            self.columns[at].cells[before..].copy_from_slice(&column.cells);
        }
    }

    /// Returns the length of a step: the commonest distance of two rows.
    #[must_use]
    pub fn step_s(&self) -> i64 {
        let mut steps: Vec<i64> =
            self.instants.windows(2).map(|pair| pair[1] - pair[0]).filter(|it| 0 < *it).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(3600)
    }

    /// Returns a series as amounts at equal steps, in thousandths of the table's unit; rows
    /// that are missing are gaps, a row that is there twice counts once.
    #[must_use]
    pub fn track(&self, column: &Column) -> Track {
        let step_s = self.step_s();
        let (Some(&start), Some(&last)) = (self.instants.iter().min(), self.instants.iter().max())
        else {
            return Track { start: 0, step_s, amounts: Vec::new() };
        };
        let place = |instant: i64| usize::try_from((instant - start) / step_s).unwrap_or(0);
        let mut amounts = vec![None; place(last) + 1];
        for (instant, cell) in self.instants.iter().zip(&column.cells) {
            #[expect(clippy::cast_possible_truncation, reason = "it saturates; absurd is absurd")]
            let amount = cell.map(|cell| (cell * 1000.0).round() as i64);
            if let Some(place) = amounts.get_mut(place(*instant))
                && place.is_none()
            {
                *place = amount;
            }
        }
        Track { start, step_s, amounts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_taken_by_the_clock_on_the_wall() {
        for (stamp, seconds) in [
            ("1970-01-02", 86_400),
            ("1970-01-01 01:00", 3_600),
            ("1970-01-01 01:00:05", 3_605),
            ("1970-01-01 01:00:00+01:00", 3_600),
        ] {
            assert_eq!(instant_of(stamp).unwrap(), seconds, "{stamp}");
        }
        assert!(instant_of("yesterday").is_err());
    }

    #[test]
    fn an_empty_cell_and_a_missing_row_are_gaps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let text = "t,a\n1970-01-01 00:00,1.5\n1970-01-01 01:00,\n1970-01-01 03:00,2\n1970-01-01 04:00,3\n";
        std::fs::write(&path, text).unwrap();

        let table = read(&path).unwrap();

        let track = table.track(&table.columns[0]);
        assert_eq!(track.amounts, [Some(1_500), None, None, Some(2_000), Some(3_000)]);
    }

    #[test]
    fn two_tables_are_one_with_the_series_of_both() {
        let column = |name: &str, cell: f64| Column { name: name.into(), cells: vec![Some(cell)] };
        let mut table = Table { instants: vec![0], columns: vec![column("a", 1.0)] };
        let other =
            Table { instants: vec![3_600], columns: vec![column("b", 2.0), column("a", 3.0)] };

        table.append(other);

        let amounts = |at: usize| table.track(&table.columns[at]).amounts;
        assert_eq!(table.instants, [0, 3_600]);
        assert_eq!(amounts(0), [Some(1_000), Some(3_000)]);
        assert_eq!(amounts(1), [None, Some(2_000)]);
    }

    #[test]
    fn what_is_no_number_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "t,a\n1970-01-01,1\n1970-01-02,x\n").unwrap();

        let error = format!("{:#}", read(&path).unwrap_err());

        assert!(error.contains("line 3") && error.contains("`x`"), "{error}");
    }
}
