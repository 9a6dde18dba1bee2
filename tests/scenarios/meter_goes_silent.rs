//! One meter stops answering; people hear of that one, and of no other.

use e2e::field::Field;
use e2e::gateway::{Gateway, instant};
use e2e::mailbox::Mailbox;
use e2e::world::{story, wait_for};
use serde_json::{Value, json};

const DEAD: &str = "office-plug";

#[test]
fn a_silent_meter_is_told_while_the_others_go_on_and_ends_with_its_next_reading() {
    story("meter-goes-silent", |world| {
        world.at("2026-11-20T10:00:00+08:00", 30)?;
        let mailbox = Mailbox::start(world)?;
        let sections = format!(
            "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n\n[mail]\nhost = \"127.0.0.1\"\n\
             port = {}\nsecurity = \"none\"\nfrom = \"更夫 <gengfu@demo.example>\"\n",
            mailbox.port
        );
        Gateway::configure(world, &sections)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        let _node = field.office_node(world, gateway.listener()?)?;
        gateway.wait("a first reading", &format!("/api/v1/meters/{DEAD}"), |meter| {
            (!meter["last_at"].is_null()).then_some(())
        })?;

        field.tell(&json!({ "set": "silent", "meter": DEAD, "on": true }))?;

        let id = gateway.wait("the finding", "/api/v1/findings?state=open", |answer| {
            silent(answer, DEAD)?["id"].as_i64()
        })?;
        let told_at = gateway.now()?;
        gateway.wait("its state", &format!("/api/v1/meters/{DEAD}"), |meter| {
            (meter["state"] == "silent").then_some(())
        })?;
        wait_for("readings of the seven others", || {
            let mut heard = 0;
            for meter in gateway.get("/api/v1/meters")?["meters"].as_array().into_iter().flatten() {
                if meter["id"] != DEAD && !meter["last_at"].is_null() {
                    heard += i32::from(told_at < instant(&meter["last_at"])?);
                }
            }
            Ok((heard == 7).then_some(()))
        })?;
        let mail = mailbox.wait("no readings")?;
        assert!(mail.subject.contains("Sockets"), "{}", mail.subject);

        field.tell(&json!({ "set": "silent", "meter": DEAD, "on": false }))?;

        gateway.wait("its end", &format!("/api/v1/findings/{id}"), |finding| {
            (finding["state"] == "closed").then_some(())
        })?;
        gateway.wait("its state", &format!("/api/v1/meters/{DEAD}"), |meter| {
            (meter["state"] == "live").then_some(())
        })?;
        Ok(())
    });
}

fn silent<'a>(answer: &'a Value, meter: &str) -> Option<&'a Value> {
    answer["findings"]
        .as_array()?
        .iter()
        .find(|finding| finding["kind"] == "silent_meter" && finding["meter"]["id"] == meter)
}
