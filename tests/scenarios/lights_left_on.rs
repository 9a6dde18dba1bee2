//! Somebody forgets the lights, somebody else hears of it, goes there and switches them off.

use e2e::broker::Broker;
use e2e::browser::browse;
use e2e::field::Field;
use e2e::gateway::{BASE_URL, Gateway, PASSWORD};
use e2e::mailbox::Mailbox;
use e2e::world::story;
use serde_json::{Value, json};

const METER: &str = "light-2f-east";

#[test]
fn lights_left_on_are_mailed_marked_and_close_when_they_go_out() {
    story("lights-left-on", |world| {
        // A working Friday; the area closed at 22:30, and half an hour of grace follows.
        world.at("2026-11-20T22:50:00+08:00", 60)?;
        let (broker, mailbox) = (Broker::start(world)?, Mailbox::start(world)?);
        Gateway::configure(world, &sections(&broker, &mailbox))?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        let _node = field.office_node(world, &format!("127.0.0.1:{}", broker.port))?;

        field.tell(&json!({ "set": "lights", "meter": METER, "on": true, "watts": 6000 }))?;

        let id = gateway.wait("the finding", "/api/v1/findings?state=open", |answer| {
            about_lights(answer).and_then(|finding| finding["id"].as_i64())
        })?;
        let opened = mailbox.wait("灯未关")?;
        assert!(opened.subject.contains("二楼东"), "{}", opened.subject);
        assert!(opened.text.contains(BASE_URL), "{}", opened.text);
        assert!(opened.text.contains("23:00"), "{}", opened.text);

        let seen = browse(world, "mark.mjs", &[&gateway.url, PASSWORD, "office-2f-east"])?;
        assert_eq!(seen["place"], "二楼东");
        let path = format!("/api/v1/findings/{id}");
        let mark = gateway.get(&path)?["mark"].clone();
        assert_eq!(
            (mark["kind"].as_str(), mark["by"].as_str()),
            (Some("switched_off"), Some("engineer"))
        );
        assert_eq!(gateway.get(&path)?["state"], "open", "only a meter says that lights are out");

        field.tell(&json!({ "set": "lights", "meter": METER, "on": false }))?;

        let closed =
            gateway.wait("its end", &path, |it| (it["state"] == "closed").then(|| it.clone()))?;
        assert!(closed["waste"].as_i64().is_some_and(|waste| 1_000_000 < waste), "{closed}");
        let closing = mailbox.wait("灯已关")?;
        assert!(closing.subject.contains("二楼东"), "{}", closing.subject);
        let openings = mailbox
            .mails()?
            .into_iter()
            .filter(|it| it.subject.contains("灯未关") && it.subject.contains("二楼东"));
        assert_eq!(openings.count(), 1, "one cause, one mail");
        Ok(())
    });
}

fn sections(broker: &Broker, mailbox: &Mailbox) -> String {
    format!(
        "[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n\n[mail]\nhost = \"127.0.0.1\"\n\
         port = {}\nsecurity = \"none\"\nfrom = \"更夫 <gengfu@demo.example>\"\n",
        broker.port, mailbox.port
    )
}

fn about_lights(answer: &Value) -> Option<&Value> {
    answer["findings"]
        .as_array()?
        .iter()
        .find(|finding| finding["kind"] == "lights_left_on" && finding["meter"]["id"] == METER)
}
