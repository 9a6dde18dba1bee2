//! The day on which a bus is commissioned: who is on it, on a sheet to print and sign.

use anyhow::Context;
use e2e::browser::browse;
use e2e::field::Field;
use e2e::gateway::{CONFIG, Gateway};
use e2e::world::{repository, story};
use serde_json::{Value, json};

#[test]
fn a_bus_of_several_models_is_scanned_onto_a_sheet_in_both_languages() {
    story("scan-a-bus", |world| {
        let field = Field::start(world)?;
        let bus = format!("modbus-tcp:{}", field.campus);
        field.tell_all(&[
            json!({ "set": "silent", "meter": "teaching-gas", "on": true }),
            json!({ "set": "nonsense", "meter": "teaching-power", "on": true }),
        ])?;

        let mut sheets = Vec::new();
        for lang in ["zh", "en"] {
            let sheet = format!("sheet-{lang}.html");
            let asked = ["node", "scan", "--bus", &bus, "--last", "20", "--lang", lang];
            let told = ["--name", "示范园区 Campus", "--sheet", &sheet, "--json"];
            let printed = world.carry_out(&[&asked[..], &told[..]].concat())?;
            let printed: Value = serde_json::from_str(&printed).context("JSON and nothing else")?;
            let meters = printed["meters"].as_array().context("meters")?;
            let taken_for: Vec<_> =
                meters.iter().map(|it| (it["address"].as_str(), it["model"].as_str())).collect();
            assert_eq!(
                taken_for,
                [
                    (Some("1"), Some("chint-dtsu666")),
                    (Some("2"), None),
                    (Some("3"), Some("fuxin-gas")),
                    (Some("5"), Some("xintai-water")),
                ]
            );
            sheets.push(world.folder().join(sheet).display().to_string());
        }

        let folder = repository().join("tests/screenshots");
        std::fs::create_dir_all(&folder)?;
        let folder = folder.to_str().context("a path that is text")?;
        let [zh, en] = &sheets[..] else { anyhow::bail!("two sheets") };
        let seen = browse(world, "sheet.mjs", &[zh, en, folder])?;
        assert_eq!(seen["faults"], json!([]));
        assert_eq!((&seen["rows"], &seen["pictures"]), (&json!(4), &json!(4)));
        Ok(())
    });
}

#[test]
fn a_line_with_a_garbled_meter_is_told_in_words_and_a_dead_one_ends_in_one_sentence() {
    story("scan-a-line", |world| {
        let field = Field::start(world)?;
        field.tell(&json!({ "set": "bad_crc", "meter": "light-3f", "on": true }))?;
        let bus = format!("rtu-over-tcp:{}", field.office);

        let printed = world.carry_out(&["node", "scan", "--bus", &bus, "--last", "10"])?;

        assert!(printed.contains("SDM630"), "{printed}");
        assert!(printed.contains("地址 5（9600 8N1）的应答不完整"), "{printed}");
        assert!(printed.contains("找到 7 块表"), "{printed}");

        let away = world.carry_out(&["node", "scan", "--bus", "rtu-over-tcp:127.0.0.1:1"]);
        let told = format!("{:#}", away.err().context("nobody is there")?);
        assert!(told.contains("打不开 rtu-over-tcp:127.0.0.1:1"), "{told}");
        Ok(())
    });
}

#[test]
fn the_bus_of_a_running_node_is_traced_and_scanned_through_the_gateway() {
    story("scan-a-node", |world| {
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        field.tell(&json!({ "set": "silent", "meter": "light-1f-hall", "on": true }))?;
        let _node = field.office_node(world, gateway.listener()?)?;
        gateway.wait("the meter's word", "/api/v1/meters/light-3f", |meter| {
            meter["power_mw"].as_i64()
        })?;
        let node = ["--config", CONFIG, "--node", "node-office"];

        let trace = ["node", "trace", "--unit", "3", "--function", "4", "--lang", "en"];
        let printed = world.carry_out(&[&trace[..], &node].concat())?;
        let lines: Vec<&str> = printed.lines().collect();
        assert!(lines[0].contains("9600"), "{printed}");
        assert!(lines[1].starts_with("→ 03 04 00 00 00 02 "), "{printed}");
        assert!(lines[2].starts_with("← 03 04 04 "), "{printed}");

        let scan = ["node", "scan", "--first", "1", "--last", "4", "--json"];
        let printed = world.carry_out(&[&scan[..], &node].concat())?;
        let printed: Value = serde_json::from_str(&printed).context("JSON and nothing else")?;
        let meters = printed["meters"].as_array().context("meters")?;
        let addresses: Vec<_> = meters.iter().map(|it| it["address"].as_str()).collect();
        assert_eq!(addresses, [Some("1"), Some("3"), Some("4")]);
        assert!(meters.iter().all(|it| it["model"].is_string()), "{meters:?}");

        // Each question stands in the audit log's table, with who asked.
        let told = gateway.get("/api/v1/nodes/node-office/commands")?;
        let commands = told["commands"].as_array().context("commands")?;
        assert!(commands.iter().any(|row| row["by"] == "command line"), "{told}");

        let stranger = ["node", "trace", "--unit", "3", "--config", CONFIG, "--node", "nobody"];
        let away = world.carry_out(&stranger);
        let told = format!("{:#}", away.err().context("there is no such node")?);
        assert!(told.contains("no node `nobody`"), "{told}");
        Ok(())
    });
}
