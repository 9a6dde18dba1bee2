//! What a number means: its quantity, its unit, its sign.
//!
//! Values are integers in thousandths of the unit (mWh, mW, mV, mL). A 32-bit float
//! that counts kWh has steps of 2 Wh at 20,000 kWh; that may be the meter's limit,
//! it must not become ours.

/// The unit of a quantity. Never chosen by a user inside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Power.
    Watt,
    /// Reactive power.
    Var,
    /// Apparent power.
    VoltAmpere,
    /// No unit.
    One,
    /// Frequency.
    Hertz,
    /// Voltage.
    Volt,
    /// Current.
    Ampere,
    /// Energy.
    WattHour,
    /// Reactive energy.
    VarHour,
    /// Volume; printed as m³, a thousand litres.
    Litre,
    /// Flow; printed as m³/h.
    LitrePerHour,
    /// Temperature.
    Celsius,
    /// Pressure.
    Pascal,
    /// Illuminance.
    Lux,
    /// Share of a hundred.
    Percent,
}

impl Unit {
    /// Returns the unit's symbol, as in SI or as is usual for electricity.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Watt => "W",
            Self::Var => "var",
            Self::VoltAmpere => "VA",
            Self::One => "",
            Self::Hertz => "Hz",
            Self::Volt => "V",
            Self::Ampere => "A",
            Self::WattHour => "Wh",
            Self::VarHour => "varh",
            Self::Litre => "L",
            Self::LitrePerHour => "L/h",
            Self::Celsius => "°C",
            Self::Pascal => "Pa",
            Self::Lux => "lx",
            Self::Percent => "%",
        }
    }
}

/// Whether a series is a state or a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A state at an instant: power, voltage, temperature.
    Instant,
    /// A register that only grows, until rollover or reset.
    Counter,
}

/// What is measured; fixes unit and sign.
///
/// The numbers are the protocol: they stand in stored rows. A number is never given a
/// second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Quantity {
    /// Total active power; drawn from the grid is positive.
    ActivePower = 1,
    /// Active power of phase 1.
    ActivePowerL1 = 2,
    /// Active power of phase 2.
    ActivePowerL2 = 3,
    /// Active power of phase 3.
    ActivePowerL3 = 4,
    /// Total reactive power; inductive is positive.
    ReactivePower = 5,
    /// Total apparent power.
    ApparentPower = 6,
    /// Total power factor, -1 to 1.
    PowerFactor = 7,
    /// Grid frequency.
    Frequency = 8,
    /// Voltage of phase 1 to neutral.
    VoltageL1 = 9,
    /// Voltage of phase 2 to neutral.
    VoltageL2 = 10,
    /// Voltage of phase 3 to neutral.
    VoltageL3 = 11,
    /// Current of phase 1.
    CurrentL1 = 12,
    /// Current of phase 2.
    CurrentL2 = 13,
    /// Current of phase 3.
    CurrentL3 = 14,
    /// Active energy taken from the grid (OBIS 1.8.0).
    ActiveEnergyImport = 20,
    /// Active energy given to the grid (OBIS 2.8.0).
    ActiveEnergyExport = 21,
    /// Reactive energy taken from the grid (OBIS 3.8.0).
    ReactiveEnergyImport = 22,
    /// Reactive energy given to the grid (OBIS 4.8.0).
    ReactiveEnergyExport = 23,
    /// Active energy taken from the grid in the first tariff: sharp (尖).
    ActiveEnergyImportT1 = 24,
    /// Active energy taken from the grid in the second tariff: peak (峰).
    ActiveEnergyImportT2 = 25,
    /// Active energy taken from the grid in the third tariff: flat (平).
    ActiveEnergyImportT3 = 26,
    /// Active energy taken from the grid in the fourth tariff: valley (谷).
    ActiveEnergyImportT4 = 27,
    /// Volume through the meter at working conditions.
    Volume = 30,
    /// Volume that went backwards through the meter.
    VolumeReverse = 31,
    /// Gas volume converted to standard conditions; what the utility bills.
    StandardVolume = 32,
    /// Flow at working conditions.
    VolumeFlow = 33,
    /// Gas flow converted to standard conditions.
    StandardVolumeFlow = 34,
    /// Heat (or cold) that a water circuit gave off.
    HeatEnergy = 35,
    /// Heat (or cold) that it gives off now.
    HeatPower = 36,
    /// Temperature; at a heat meter that of the supply.
    Temperature = 40,
    /// Pressure.
    Pressure = 41,
    /// Illuminance.
    Illuminance = 42,
    /// Relative humidity.
    Humidity = 43,
    /// People sensed: 1 somebody, 0 nobody.
    Presence = 44,
    /// Temperature of what a heat circuit brings back.
    ReturnTemperature = 45,
    /// What a meter says of itself: the bits of its protocol, as a number.
    Status = 46,
}

impl Quantity {
    /// Every quantity, in the order of its number.
    pub const ALL: [Self; 36] = [
        Self::ActivePower,
        Self::ActivePowerL1,
        Self::ActivePowerL2,
        Self::ActivePowerL3,
        Self::ReactivePower,
        Self::ApparentPower,
        Self::PowerFactor,
        Self::Frequency,
        Self::VoltageL1,
        Self::VoltageL2,
        Self::VoltageL3,
        Self::CurrentL1,
        Self::CurrentL2,
        Self::CurrentL3,
        Self::ActiveEnergyImport,
        Self::ActiveEnergyExport,
        Self::ReactiveEnergyImport,
        Self::ReactiveEnergyExport,
        Self::ActiveEnergyImportT1,
        Self::ActiveEnergyImportT2,
        Self::ActiveEnergyImportT3,
        Self::ActiveEnergyImportT4,
        Self::Volume,
        Self::VolumeReverse,
        Self::StandardVolume,
        Self::VolumeFlow,
        Self::StandardVolumeFlow,
        Self::HeatEnergy,
        Self::HeatPower,
        Self::Temperature,
        Self::Pressure,
        Self::Illuminance,
        Self::Humidity,
        Self::Presence,
        Self::ReturnTemperature,
        Self::Status,
    ];

    /// Returns the number that stands for this quantity in rows.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the quantity with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.id() == id)
    }

    /// Returns the short SenML name of this quantity in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ActivePower => "p",
            Self::ActivePowerL1 => "p1",
            Self::ActivePowerL2 => "p2",
            Self::ActivePowerL3 => "p3",
            Self::ReactivePower => "q",
            Self::ApparentPower => "s",
            Self::PowerFactor => "pf",
            Self::Frequency => "f",
            Self::VoltageL1 => "u1",
            Self::VoltageL2 => "u2",
            Self::VoltageL3 => "u3",
            Self::CurrentL1 => "i1",
            Self::CurrentL2 => "i2",
            Self::CurrentL3 => "i3",
            Self::ActiveEnergyImport => "ei",
            Self::ActiveEnergyExport => "ee",
            Self::ReactiveEnergyImport => "ri",
            Self::ReactiveEnergyExport => "re",
            Self::ActiveEnergyImportT1 => "ei1",
            Self::ActiveEnergyImportT2 => "ei2",
            Self::ActiveEnergyImportT3 => "ei3",
            Self::ActiveEnergyImportT4 => "ei4",
            Self::Volume => "vol",
            Self::VolumeReverse => "volr",
            Self::StandardVolume => "vols",
            Self::VolumeFlow => "flow",
            Self::StandardVolumeFlow => "flows",
            Self::HeatEnergy => "heat",
            Self::HeatPower => "hp",
            Self::Temperature => "t",
            Self::Pressure => "pr",
            Self::Illuminance => "lux",
            Self::Humidity => "rh",
            Self::Presence => "pres",
            Self::ReturnTemperature => "tr",
            Self::Status => "st",
        }
    }

    /// Returns the quantity that a SenML name stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.code() == code)
    }

    /// Returns the full name, as in the API, in files and in the site book.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActivePower => "ActivePower",
            Self::ActivePowerL1 => "ActivePowerL1",
            Self::ActivePowerL2 => "ActivePowerL2",
            Self::ActivePowerL3 => "ActivePowerL3",
            Self::ReactivePower => "ReactivePower",
            Self::ApparentPower => "ApparentPower",
            Self::PowerFactor => "PowerFactor",
            Self::Frequency => "Frequency",
            Self::VoltageL1 => "VoltageL1",
            Self::VoltageL2 => "VoltageL2",
            Self::VoltageL3 => "VoltageL3",
            Self::CurrentL1 => "CurrentL1",
            Self::CurrentL2 => "CurrentL2",
            Self::CurrentL3 => "CurrentL3",
            Self::ActiveEnergyImport => "ActiveEnergyImport",
            Self::ActiveEnergyExport => "ActiveEnergyExport",
            Self::ReactiveEnergyImport => "ReactiveEnergyImport",
            Self::ReactiveEnergyExport => "ReactiveEnergyExport",
            Self::ActiveEnergyImportT1 => "ActiveEnergyImportT1",
            Self::ActiveEnergyImportT2 => "ActiveEnergyImportT2",
            Self::ActiveEnergyImportT3 => "ActiveEnergyImportT3",
            Self::ActiveEnergyImportT4 => "ActiveEnergyImportT4",
            Self::Volume => "Volume",
            Self::VolumeReverse => "VolumeReverse",
            Self::StandardVolume => "StandardVolume",
            Self::VolumeFlow => "VolumeFlow",
            Self::StandardVolumeFlow => "StandardVolumeFlow",
            Self::HeatEnergy => "HeatEnergy",
            Self::HeatPower => "HeatPower",
            Self::Temperature => "Temperature",
            Self::Pressure => "Pressure",
            Self::Illuminance => "Illuminance",
            Self::Humidity => "Humidity",
            Self::Presence => "Presence",
            Self::ReturnTemperature => "ReturnTemperature",
            Self::Status => "Status",
        }
    }

    /// Returns the quantity with this full name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name)
    }

    /// Returns the unit in whose thousandths values are counted.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::ActivePower
            | Self::ActivePowerL1
            | Self::ActivePowerL2
            | Self::ActivePowerL3
            | Self::HeatPower => Unit::Watt,
            Self::ReactivePower => Unit::Var,
            Self::ApparentPower => Unit::VoltAmpere,
            Self::PowerFactor | Self::Presence | Self::Status => Unit::One,
            Self::Frequency => Unit::Hertz,
            Self::VoltageL1 | Self::VoltageL2 | Self::VoltageL3 => Unit::Volt,
            Self::CurrentL1 | Self::CurrentL2 | Self::CurrentL3 => Unit::Ampere,
            Self::ActiveEnergyImport
            | Self::ActiveEnergyExport
            | Self::ActiveEnergyImportT1
            | Self::ActiveEnergyImportT2
            | Self::ActiveEnergyImportT3
            | Self::ActiveEnergyImportT4
            | Self::HeatEnergy => Unit::WattHour,
            Self::ReactiveEnergyImport | Self::ReactiveEnergyExport => Unit::VarHour,
            Self::Volume | Self::VolumeReverse | Self::StandardVolume => Unit::Litre,
            Self::VolumeFlow | Self::StandardVolumeFlow => Unit::LitrePerHour,
            Self::Temperature | Self::ReturnTemperature => Unit::Celsius,
            Self::Pressure => Unit::Pascal,
            Self::Illuminance => Unit::Lux,
            Self::Humidity => Unit::Percent,
        }
    }

    /// Returns whether a series of this quantity is a state or a count.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::ActiveEnergyImport
            | Self::ActiveEnergyExport
            | Self::ReactiveEnergyImport
            | Self::ReactiveEnergyExport
            | Self::ActiveEnergyImportT1
            | Self::ActiveEnergyImportT2
            | Self::ActiveEnergyImportT3
            | Self::ActiveEnergyImportT4
            | Self::HeatEnergy
            | Self::Volume
            | Self::VolumeReverse
            | Self::StandardVolume => Kind::Counter,
            Self::ActivePower
            | Self::ActivePowerL1
            | Self::ActivePowerL2
            | Self::ActivePowerL3
            | Self::ReactivePower
            | Self::ApparentPower
            | Self::PowerFactor
            | Self::Frequency
            | Self::VoltageL1
            | Self::VoltageL2
            | Self::VoltageL3
            | Self::CurrentL1
            | Self::CurrentL2
            | Self::CurrentL3
            | Self::VolumeFlow
            | Self::StandardVolumeFlow
            | Self::Temperature
            | Self::Pressure
            | Self::Illuminance
            | Self::Humidity
            | Self::Presence
            | Self::HeatPower
            | Self::ReturnTemperature
            | Self::Status => Kind::Instant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_every_word_leads_back_to_its_quantity() {
        for quantity in Quantity::ALL {
            assert_eq!(Quantity::from_id(quantity.id()), Some(quantity));
            assert_eq!(Quantity::from_code(quantity.code()), Some(quantity));
            assert_eq!(Quantity::from_name(quantity.name()), Some(quantity));
        }
    }

    #[test]
    fn numbers_grow_so_no_two_quantities_share_one() {
        assert!(Quantity::ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
    }
}
