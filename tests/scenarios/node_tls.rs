//! Nodes that were enrolled: protected connections, to the right gateway only, each node as
//! itself.

use anyhow::{Context, Result};
use e2e::board::Board;
use e2e::broker::Broker;
use e2e::field::{Field, node_with};
use e2e::gateway::{CONFIG, Gateway};
use e2e::tap::Tap;
use e2e::world::{World, free_port, story};

const NODE: &str = "node-office";

/// Enrolls nodes at the gateway of the story; returns what was printed for the last of them.
fn enroll(world: &World, nodes: &[&str]) -> Result<String> {
    let printed =
        nodes.iter().map(|node| world.carry_out(&["node", "enroll", node, "--config", CONFIG]));
    printed.collect::<Result<Vec<_>>>()?.pop().context("a node")
}

/// Has another site, which enrolls a node of the same name; its folder is `other`.
fn enroll_elsewhere(world: &World, node: &str) -> Result<()> {
    let text = "data_dir = \"elsewhere\"\n[mqtt.listen]\naddress = \"127.0.0.1:0\"\n";
    world.file("elsewhere.toml", text)?;
    let asked = ["node", "enroll", node, "--config", "elsewhere.toml", "--out", "other"];
    world.carry_out(&asked).map(drop)
}

#[test]
fn what_enrolling_prints_is_all_that_a_site_without_a_broker_has_to_do() {
    story("node-enroll", |world| {
        world.hurry(20)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let printed = enroll(world, &[NODE, "node-campus"])?;
        anyhow::ensure!(printed.contains("下一步") && printed.contains("What comes next"));

        // What is printed goes into the configuration as it is, but for the port.
        let section: Vec<&str> =
            printed.lines().skip_while(|line| !line.contains("[mqtt.listen]")).take(5).collect();
        let section = section.join("\n").replace("0.0.0.0:8883", "127.0.0.1:0");
        Gateway::configure(world, &section)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        let (office, campus) =
            (format!("rtu-over-tcp:{}", field.office), format!("modbus-tcp:{}", field.campus));
        let listener = gateway.listener()?;
        let _office = node_with(world, NODE, &office, listener, &["--tls", NODE])?;
        // It has the certificate of another node, and would like to speak for this one.
        let mut posing = node_with(world, "node-campus", &campus, listener, &["--tls", NODE])?;
        posing.says("refused the login")?;
        posing.kill()?;

        gateway.wait("a reading of all 8 meters of the office", "/api/v1/meters", |answer| {
            let meters = answer["meters"].as_array()?;
            let read = meters.iter().filter(|it| !it["last_at"].is_null()).count();
            (read == 8).then_some(())
        })?;
        let refused = "gengfu_clients_refused_total{reason=\"wrong-certificate\"}";
        anyhow::ensure!(0 < gateway.counter(refused)?);
        let _campus =
            node_with(world, "node-campus", &campus, listener, &["--tls", "node-campus"])?;
        gateway.wait("a reading of all 13 meters", "/api/v1/meters", |answer| {
            let meters = answer["meters"].as_array()?;
            meters.iter().all(|it| !it["last_at"].is_null()).then_some(())
        })
    });
}

/// Flashes what enrolling a board made: puts it where the emulated one looks for it.
fn flash(world: &World, folder: &str) -> Result<()> {
    let folder = world.folder().join(folder);
    std::fs::copy(folder.join("papers.bin"), world.folder().join("papers.bin"))?;
    Ok(())
}

#[test]
fn a_board_speaks_tls_to_its_own_broker_and_to_no_other() {
    story("node-tls", |world| {
        world.hurry(60)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        // Enrolled here and elsewhere; the broker is ours.
        let enroll = |config: &str, out: &str, port: u16| {
            let at = format!("10.0.2.2:{port}");
            let asked = ["node", "enroll", NODE, "--config", config, "--out", out, "--board", &at];
            world.carry_out(&asked).map(drop)
        };
        // The authority is made by the first node that is enrolled; the broker needs it.
        world.carry_out(&["node", "enroll", "node-campus", "--config", CONFIG])?;
        let (broker, port) = Broker::start_protected(world)?;
        enroll(CONFIG, "here", port)?;
        let text = std::fs::read_to_string(world.folder().join(CONFIG))?;
        world.file("elsewhere.toml", &text.replace("\"data\"", "\"elsewhere\""))?;
        let book = e2e::world::repository().join("gateway/src/demo/site.toml");
        let book = book.to_str().context("a path that is text")?;
        world.carry_out(&["import", "--config", "elsewhere.toml", book])?;
        enroll("elsewhere.toml", "there", port)?;
        let field = Field::start(world)?;
        let tap = Tap::open(NODE, broker.port)?;

        for (papers, more) in [("here", &["host=other.example"][..]), ("there", &[])] {
            flash(world, papers)?;
            let mut board = Board::start_protected(world, &field.office, more)?;
            let why = board.process.line("not connected: ")?;
            anyhow::ensure!(why == "untrusted", "{papers} {more:?}: {why}");
            board.process.kill()?;
        }
        anyhow::ensure!(tap.packs().is_empty(), "{} packs", tap.packs().len());
        flash(world, "here")?;
        let mut board = Board::start_protected(world, &field.office, &[])?;
        let took = board.process.line("handshake ms ")?;
        tap.wait_for_whole_polls(3)?;
        let count = tap.wait_until_complete()?;
        println!("handshake: {took} ms in the emulator, the way to mosquitto and back included");
        println!("{} packs, {} lost", count.packs, count.lost);
        println!("stack: {} bytes at most", board.stack_used(world)?);
        Ok(())
    });
}

#[test]
fn a_board_speaks_tls_to_the_gateway_itself() {
    story("node-tls-own", |world| {
        world.hurry(20)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        world.carry_out(&["node", "enroll", "node-campus", "--config", CONFIG])?;
        let data = world.folder().join("data/authority");
        let data = data.display();
        let port = free_port()?;
        Gateway::configure(
            world,
            &format!(
                "[mqtt.listen]\naddress = \"127.0.0.1:{port}\"\ntls_cert = \"{data}/gateway.crt\"\n\
                 tls_key = \"{data}/gateway.key\"\nclient_ca = \"{data}/ca.crt\"\n"
            ),
        )?;
        let at = format!("10.0.2.2:{port}");
        world.carry_out(&["node", "enroll", NODE, "--config", CONFIG, "--board", &at])?;
        flash(world, NODE)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;

        let _board = Board::start_protected(world, &field.office, &[])?;

        gateway.wait("a reading of all 8 meters of the office", "/api/v1/meters", |answer| {
            let meters = answer["meters"].as_array()?;
            let read = meters.iter().filter(|it| !it["last_at"].is_null()).count();
            (read == 8).then_some(())
        })
    });
}

#[test]
fn a_node_on_linux_speaks_through_mosquitto_only_to_its_own_and_only_as_itself() {
    story("node-mosquitto", |world| {
        world.hurry(60)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        enroll(world, &[NODE])?;
        enroll_elsewhere(world, NODE)?;
        let (broker, port) = Broker::start_protected(world)?;
        let field = Field::start(world)?;
        let bus = format!("rtu-over-tcp:{}", field.office);
        let tap = Tap::open(NODE, broker.port)?;
        let protected = format!("127.0.0.1:{port}");
        let start = |id: &str, more: &[&str]| node_with(world, id, &bus, &protected, more);

        let refused: [(&str, &[&str], &str); 3] = [
            (NODE, &["--tls", NODE, "--host", "other.example"], "a certificate of another host"),
            (NODE, &["--tls", "other"], "is of another authority"),
            // Mosquitto lets it in and hears nothing it says of another node.
            ("node-campus", &["--tls", NODE], "the broker refused the login or a message"),
        ];
        for (id, more, words) in refused {
            let mut node = start(id, more)?;
            node.says(words)?;
            node.kill()?;
            std::fs::remove_file(world.folder().join(format!("{id}.log")))?;
        }
        anyhow::ensure!(tap.packs().is_empty(), "{} packs", tap.packs().len());
        let _node = start(NODE, &["--tls", NODE])?;
        tap.wait_for_whole_polls(2)
    });
}
