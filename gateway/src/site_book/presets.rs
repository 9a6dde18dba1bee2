//! Ready-made mappings for common devices, each with the document it was made from.

use wire::Quantity::{self, *};

use super::mapping::{JsonRoute, Repeats, TimeFormat, TimeRule, ValueRule, scale_of};
use super::path::Path;

/// A ready-made mapping.
#[derive(Debug)]
pub struct Preset {
    /// The word for it in the site book.
    pub id: &'static str,
    /// The maker's document.
    pub source: &'static str,
    routes: &'static [PresetRoute],
}

#[derive(Debug)]
struct PresetRoute {
    topic: &'static str,
    time: &'static [&'static str],
    repeats: Repeats,
    /// Quantity, path, unit.
    values: &'static [(Quantity, &'static str, &'static str)],
}

/// Every preset, in the order of its word.
pub const PRESETS: &[Preset] = &[
    Preset {
        id: "dtu",
        source: "中电 MQTT 通讯规约 (CET/NX/upload: ts and a list of key, value, unit, timestamp), 2024-06-20",
        routes: &[PresetRoute {
            topic: "CET/{device}/upload",
            time: &["properties[type=AI].timestamp", "ts", "/ts "],
            repeats: Repeats::Stale,
            values: &[
                (CurrentL1, "properties[key=A相电流].value", "A"),
                (CurrentL2, "properties[key=B相电流].value", "A"),
                (CurrentL3, "properties[key=C相电流].value", "A"),
                (VoltageL1, "properties[key=A相电压].value", "V"),
                (VoltageL2, "properties[key=B相电压].value", "V"),
                (VoltageL3, "properties[key=C相电压].value", "V"),
                (ActivePower, "properties[key=总有功功率].value", "kW"),
                (ActiveEnergyImport, "properties[key=正向有功总电能].value", "kWh"),
                (ActiveEnergyImport, "properties[key=正向有功电能].value", "kWh"),
            ],
        }],
    },
    Preset {
        id: "home-assistant",
        source: "home-assistant.io, MQTT Statestream: base_topic/domain/entity/state holds the bare state",
        routes: &[PresetRoute {
            topic: "homeassistant/sensor/{device}/state",
            time: &[],
            // It tells changes, and at its own start what it remembers.
            repeats: Repeats::Stale,
            values: &[(ActiveEnergyImport, "", "kWh")],
        }],
    },
    Preset {
        id: "shelly-gen1-em",
        source: "shelly-api-docs.shelly.cloud/gen1, Shelly EM and 3EM: MQTT (total and total_returned in Wh)",
        routes: &[
            bare("shellies/{device}/emeter/{channel}/power", &[(ActivePower, "", "W")]),
            bare("shellies/{device}/emeter/{channel}/total", &[(ActiveEnergyImport, "", "Wh")]),
            bare(
                "shellies/{device}/emeter/{channel}/total_returned",
                &[(ActiveEnergyExport, "", "Wh")],
            ),
            bare("shellies/{device}/emeter/{channel}/voltage", &[(VoltageL1, "", "V")]),
            bare("shellies/{device}/emeter/{channel}/current", &[(CurrentL1, "", "A")]),
            bare("shellies/{device}/emeter/{channel}/pf", &[(PowerFactor, "", "1")]),
            bare(
                "shellies/{device}/emeter/{channel}/reactive_power",
                &[(ReactivePower, "", "var")],
            ),
        ],
    },
    Preset {
        id: "shelly-gen1-plug",
        source: "shelly-api-docs.shelly.cloud/gen1, Shelly Plug and 1PM: MQTT (energy in watt-minutes; starts at 0 with each boot)",
        routes: &[
            bare("shellies/{device}/relay/{channel}/power", &[(ActivePower, "", "W")]),
            bare("shellies/{device}/relay/{channel}/energy", &[(ActiveEnergyImport, "", "Wmin")]),
        ],
    },
    Preset {
        id: "shelly-gen2-em",
        source: "shelly-api-docs.shelly.cloud/gen2, EM and EMData: status (three phases, one counter; total_act in Wh)",
        routes: &[
            bare(
                "{device}/status/em:0",
                &[
                    (ActivePower, "total_act_power", "W"),
                    (ActivePowerL1, "a_act_power", "W"),
                    (ActivePowerL2, "b_act_power", "W"),
                    (ActivePowerL3, "c_act_power", "W"),
                    (ApparentPower, "total_aprt_power", "VA"),
                    (VoltageL1, "a_voltage", "V"),
                    (VoltageL2, "b_voltage", "V"),
                    (VoltageL3, "c_voltage", "V"),
                    (CurrentL1, "a_current", "A"),
                    (CurrentL2, "b_current", "A"),
                    (CurrentL3, "c_current", "A"),
                    (Frequency, "a_freq", "Hz"),
                ],
            ),
            bare(
                "{device}/status/emdata:0",
                &[
                    (ActiveEnergyImport, "total_act", "Wh"),
                    (ActiveEnergyExport, "total_act_ret", "Wh"),
                ],
            ),
        ],
    },
    Preset {
        id: "shelly-gen2-em1",
        source: "shelly-api-docs.shelly.cloud/gen2, EM1 and EM1Data: status (one phase a channel, in Wh)",
        routes: &[
            bare(
                "{device}/status/em1:{channel}",
                &[
                    (ActivePower, "act_power", "W"),
                    (ApparentPower, "aprt_power", "VA"),
                    (PowerFactor, "pf", "1"),
                    (VoltageL1, "voltage", "V"),
                    (CurrentL1, "current", "A"),
                    (Frequency, "freq", "Hz"),
                ],
            ),
            bare(
                "{device}/status/em1data:{channel}",
                &[
                    (ActiveEnergyImport, "total_act_energy", "Wh"),
                    (ActiveEnergyExport, "total_act_ret_energy", "Wh"),
                ],
            ),
        ],
    },
    Preset {
        id: "shelly-gen2-switch",
        source: "shelly-api-docs.shelly.cloud/gen2, Switch: status (aenergy.total in Wh)",
        routes: &[PresetRoute {
            topic: "{device}/status/switch:{channel}",
            time: &[],
            repeats: Repeats::Fresh,
            values: &[
                (ActivePower, "apower", "W"),
                (VoltageL1, "voltage", "V"),
                (CurrentL1, "current", "A"),
                (Frequency, "freq", "Hz"),
                (PowerFactor, "pf", "1"),
                (ActiveEnergyImport, "aenergy.total", "Wh"),
                (ActiveEnergyExport, "ret_aenergy.total", "Wh"),
            ],
        }],
    },
    Preset {
        id: "tasmota",
        source: "tasmota.github.io/docs, MQTT and Power Monitoring: tele/%topic%/SENSOR, ENERGY (Total in kWh)",
        routes: &[PresetRoute {
            topic: "tele/{device}/SENSOR",
            time: &["Time"],
            repeats: Repeats::Stale,
            values: &[
                (ActivePower, "ENERGY.Power", "W"),
                (ApparentPower, "ENERGY.ApparentPower", "VA"),
                (ReactivePower, "ENERGY.ReactivePower", "var"),
                (PowerFactor, "ENERGY.Factor", "1"),
                (Frequency, "ENERGY.Frequency", "Hz"),
                (VoltageL1, "ENERGY.Voltage", "V"),
                (CurrentL1, "ENERGY.Current", "A"),
                (ActiveEnergyImport, "ENERGY.Total", "kWh"),
                (ActiveEnergyExport, "ENERGY.ExportTotal", "kWh"),
            ],
        }],
    },
    Preset {
        id: "zigbee2mqtt",
        source: "zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages and devices with `energy` (kWh); last_seen must be switched on (advanced.last_seen)",
        routes: &[PresetRoute {
            topic: "zigbee2mqtt/{device}",
            time: &["last_seen"],
            repeats: Repeats::Stale,
            values: &[
                (ActivePower, "power", "W"),
                (VoltageL1, "voltage", "V"),
                (CurrentL1, "current", "A"),
                (Frequency, "ac_frequency", "Hz"),
                (PowerFactor, "power_factor", "1"),
                (ActiveEnergyImport, "energy", "kWh"),
                (ActiveEnergyExport, "produced_energy", "kWh"),
            ],
        }],
    },
];

/// A device that tells by itself, without saying when.
const fn bare(
    topic: &'static str,
    values: &'static [(Quantity, &'static str, &'static str)],
) -> PresetRoute {
    PresetRoute { topic, time: &[], repeats: Repeats::Fresh, values }
}

impl Preset {
    /// Returns what it says, as if it had been written out.
    pub(super) fn routes(&self) -> Vec<JsonRoute> {
        self.routes.iter().filter_map(PresetRoute::written_out).collect()
    }
}

impl PresetRoute {
    // `None` never happens: a test writes all of them out.
    fn written_out(&self) -> Option<JsonRoute> {
        let values = self.values.iter().map(|&(quantity, at, unit)| {
            let (at, scale) = (at.parse().ok()?, scale_of(unit, quantity)?);
            let (metric, factor_e6) = (String::new(), 1_000_000);
            Some(ValueRule { quantity, at, metric, scale: Some(scale), factor_e6, meter: None })
        });
        let paths: Vec<Path> =
            self.time.iter().map(|path| path.parse().ok()).collect::<Option<_>>()?;
        Some(JsonRoute {
            topic: self.topic.parse().ok()?,
            device: None,
            values: values.collect::<Option<_>>()?,
            time: if paths.is_empty() {
                TimeRule::Receipt
            } else {
                TimeRule::At(paths, TimeFormat::Auto)
            },
            when: Vec::new(),
            numbering: None,
            repeats: self.repeats,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_written_out_and_its_words_are_in_order() {
        for preset in PRESETS {
            assert_eq!(preset.routes().len(), preset.routes.len(), "{}", preset.id);
            assert!(!preset.source.is_empty(), "{}", preset.id);
        }
        assert!(PRESETS.is_sorted_by(|a, b| a.id < b.id));
    }
}
