//! The measurements that can be replayed.
//!
//! In: the gzip CSV files of `data/`, embedded. Out: per column the amount of each hour, in
//! thousandths of its unit (mWh or mL).
//!
//! Not here: when an hour is replayed (`replay`).

use std::io::Read as _;

use wire::Unit;

/// The hours of a week.
pub(crate) const WEEK_H: usize = 168;

/// A recording: columns that were measured over the same weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// An office building, 25 weeks from January to June.
    Office,
    /// Two university buildings, 104 weeks from January.
    University,
    /// A water meter, 52 weeks from January.
    Water,
}

/// A measured series that a meter can replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Lighting of the office building.
    OfficeLighting,
    /// Plug loads of the office building.
    OfficePlug,
    /// Cooling of the office building.
    OfficeCooling,
    /// Data centre of the office building.
    OfficeDatacentre,
    /// All electricity of the office building: the four above and the fans and pumps.
    OfficeElectricity,
    /// Electricity of the first university building.
    LibraryElectricity,
    /// Gas of the first university building.
    LibraryGas,
    /// Electricity of the second university building.
    TeachingElectricity,
    /// Gas of the second university building.
    TeachingGas,
    /// Water of a household.
    Water,
}

/// Why a file of measurements cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// It is no gzip text.
    #[error("cannot unpack the measurements of `{column}`")]
    Unpack {
        /// The header of the column.
        column: &'static str,
        /// What the decoder said.
        #[source]
        source: std::io::Error,
    },
    /// It has no such column, a cell that is no whole number, or weeks that are not whole.
    #[error("measurements of `{column}` are damaged at line {line}")]
    Damaged {
        /// The header of the column.
        column: &'static str,
        /// The line, counted from 1.
        line: usize,
    },
}

impl Column {
    /// Returns the recording that the column is part of.
    pub(crate) const fn recording(self) -> Recording {
        match self {
            Self::OfficeLighting
            | Self::OfficePlug
            | Self::OfficeCooling
            | Self::OfficeDatacentre
            | Self::OfficeElectricity => Recording::Office,
            Self::LibraryElectricity
            | Self::LibraryGas
            | Self::TeachingElectricity
            | Self::TeachingGas => Recording::University,
            Self::Water => Recording::Water,
        }
    }

    /// Returns the unit of the counter: Wh, or L.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::OfficeLighting
            | Self::OfficePlug
            | Self::OfficeCooling
            | Self::OfficeDatacentre
            | Self::OfficeElectricity
            | Self::LibraryElectricity
            | Self::TeachingElectricity => Unit::WattHour,
            Self::LibraryGas | Self::TeachingGas | Self::Water => Unit::Litre,
        }
    }

    /// Returns the header of the column in its file, and how many mWh or mL its unit is.
    const fn header(self) -> (&'static str, i64) {
        match self {
            Self::OfficeLighting => ("lighting_kw", 1_000_000),
            Self::OfficePlug => ("plug_kw", 1_000_000),
            Self::OfficeCooling => ("cooling_kw", 1_000_000),
            Self::OfficeDatacentre => ("datacentre_kw", 1_000_000),
            Self::OfficeElectricity => ("electricity_kw", 1_000_000),
            Self::LibraryElectricity => ("b40_electricity_100wh", 100_000),
            Self::LibraryGas => ("b40_gas_l", 1_000),
            Self::TeachingElectricity => ("b25_electricity_100wh", 100_000),
            Self::TeachingGas => ("b25_gas_l", 1_000),
            Self::Water => ("water_ml", 1),
        }
    }

    /// Returns the amount of every hour of the recording, in mWh or mL; whole weeks.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if the embedded file is not what `data/SOURCES.md` says.
    pub(crate) fn hours(self) -> Result<Vec<i64>, ColumnError> {
        let (column, scale) = self.header();
        let file: &[u8] = match self.recording() {
            Recording::Office => include_bytes!("../data/rsf-office.csv.gz"),
            Recording::University => include_bytes!("../data/cambridge-university.csv.gz"),
            Recording::Water => include_bytes!("../data/opengrid-water.csv.gz"),
        };
        let mut text = String::new();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .map_err(|source| ColumnError::Unpack { column, source })?;

        let damaged = |line| ColumnError::Damaged { column, line };
        let mut lines = text.lines().enumerate().skip(1);
        let (_, headers) = lines.next().ok_or(damaged(2))?;
        let at = headers.split(',').position(|header| header == column).ok_or(damaged(2))?;
        let hours: Vec<i64> = lines
            .map(|(line, row)| {
                let cell = row.split(',').nth(at).and_then(|cell| cell.parse::<i64>().ok());
                cell.filter(|&amount| 0 <= amount)
                    .map(|amount| amount.saturating_mul(scale))
                    .ok_or(damaged(line.saturating_add(1)))
            })
            .collect::<Result<_, _>>()?;
        if hours.is_empty() || !hours.len().is_multiple_of(WEEK_H) {
            return Err(damaged(hours.len().saturating_add(2)));
        }
        Ok(hours)
    }
}
