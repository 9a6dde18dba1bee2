//! A board gets a new program over the network: loaded in pieces through power cuts and a gateway
//! that goes away, believed only with its signature, tried once, and given up if it does not
//! reach the gateway.

use anyhow::{Context, Result};
use e2e::board::{Board, image};
use e2e::field::Field;
use e2e::gateway::{CONFIG, Gateway};
use e2e::plug::Plug;
use e2e::world::{World, free_port, story, wait_for};
use serde_json::Value;

const NODE: &str = "node-office";

/// The bytes before what an image says of itself: 16 of a mark, 32 of the board's name.
const MARK: &[u8] = b"gengfu-image-1\0\0";
const MANIFEST: usize = 146;

/// What a node asks for at once, bytes.
const PIECE: usize = 4096;

/// Makes an image of the built one that says something else of itself, and signs it.
fn signed(world: &World, name: &str, board: &str, version: [u8; 3], key: &str) -> Result<Vec<u8>> {
    let mut elf = std::fs::read(image("qemu-mps2")?)?;
    let at = elf.windows(MARK.len()).position(|it| it == MARK).context("an image's mark")?;
    let mark = elf.get_mut(at + MARK.len()..at + MARK.len() + 38).context("a whole mark")?;
    let words = board.bytes().chain(std::iter::repeat(0)).take(32);
    let numbers = version.into_iter().flat_map(|number| [0, number]);
    mark.iter_mut().zip(words.chain(numbers)).for_each(|(slot, byte)| *slot = byte);
    let (path, out) = (world.folder().join(format!("{name}.elf")), format!("{name}.update"));
    std::fs::write(&path, elf)?;
    let path = path.to_str().context("a path that is text")?;
    let printed = world.carry_out(&["node", "sign", path, "--key", key, "--out", &out])?;
    let [major, minor, patch] = version;
    anyhow::ensure!(printed.contains(&format!("{board} {major}.{minor}.{patch}")), "{printed}");
    Ok(std::fs::read(world.folder().join(out))?)
}

/// Gives the node an update, without waiting for what becomes of it.
fn give(world: &World, update: &str) -> Result<String> {
    let arguments = ["node", "update", NODE, update, "--wait", "0", "--config", CONFIG];
    world.carry_out(&arguments)
}

/// What is around the board.
struct Bench {
    field: Field,
    cable: Plug,
    gateway: Option<Gateway>,
}

impl Bench {
    fn set_up(world: &mut World) -> Result<Self> {
        world.hurry(20)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        world.carry_out(&["node", "keys", "--out", "signer"])?;
        world.carry_out(&["node", "keys", "--out", "stranger"])?;
        let port = free_port()?;
        let cable = Plug::to(port)?;
        let (at, public) = (format!("10.0.2.2:{}", cable.address().port()), "signer/update.pub");
        let enroll = ["node", "enroll", NODE, "--config", CONFIG, "--board", &at];
        world.carry_out(&[&enroll[..], &["--update-key", public]].concat())?;
        let papers = world.folder().join(NODE).join("papers.bin");
        std::fs::copy(papers, world.folder().join("papers.bin"))?;
        let data = world.folder().join("data/authority");
        let data = data.display();
        let listen = format!(
            "[mqtt.listen]\naddress = \"127.0.0.1:{port}\"\ntls_cert = \"{data}/gateway.crt\"\n\
             tls_key = \"{data}/gateway.key\"\nclient_ca = \"{data}/ca.crt\"\n"
        );
        Gateway::configure(world, &listen)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        Ok(Self { field: Field::start(world)?, cable, gateway: Some(gateway) })
    }

    fn gateway(&self) -> Result<&Gateway> {
        self.gateway.as_ref().context("a gateway")
    }

    fn end_gateway(&mut self) -> Result<()> {
        self.gateway.take().context("a gateway")?.process.kill()
    }

    fn begin_gateway(&mut self, world: &World) -> Result<()> {
        let gateway = Gateway::start(world)?;
        gateway.log_in()?;
        self.gateway = Some(gateway);
        Ok(())
    }

    /// Switches the board on; returns it and what its boot loader said.
    fn power_on(&self, world: &World) -> Result<(Board, String)> {
        Board::power_on(world, &self.field.office)
    }

    fn wait_for_outcome(&self, outcome: &str) -> Result<()> {
        let counter = format!("gengfu_node_updates_ended_total{{outcome=\"{outcome}\"}}");
        let gateway = self.gateway()?;
        wait_for(outcome, || Ok((0 < gateway.counter(&counter)?).then_some(())))
    }
}

#[test]
fn a_board_takes_only_the_right_program_through_every_interruption_and_can_go_back() {
    story("node-update", |world| {
        let mut bench = Bench::set_up(world)?;
        let own = "signer/update.key";
        let first = signed(world, "first", "qemu-mps2", [0, 1, 0], own)?;
        std::fs::write(world.folder().join("active.bin"), &first[MANIFEST..])?;
        let offers = world.folder().join("data/updates");
        std::fs::create_dir_all(&offers)?;

        // Whoever has the gateway can offer anything; the board takes none of these.
        let refused = [
            ("signature", "qemu-mps2", [0, 2, 0], "stranger/update.key"),
            ("board", "nucleo-h743", [0, 2, 0], own),
            ("older", "qemu-mps2", [0, 0, 9], own),
        ];
        for (outcome, board, version, key) in refused {
            let update = signed(world, outcome, board, version, key)?;
            std::fs::write(offers.join(format!("{NODE}.update")), update)?;
            let (mut board, boot) = bench.power_on(world)?;
            anyhow::ensure!(boot.contains("as ever"), "{boot}");
            bench.wait_for_outcome(outcome)?;
            println!("stack: {} bytes at most, a signature checked", board.stack_used(world)?);
            board.process.kill()?;
        }

        // The right one, with the power cut off in the midst of it, and then the gateway.
        let second = signed(world, "second", "qemu-mps2", [0, 2, 0], own)?;
        let pieces = (second.len() - MANIFEST).div_ceil(PIECE);
        give(world, "second.update")?;
        // Nine pieces and a part of the next, what comes beside them, and not a byte more.
        bench.cable.allow(12 * PIECE);
        let (mut board, _) = bench.power_on(world)?;
        board.process.line("update loading 9")?;
        bench.cable.wait_until_held()?;
        board.process.kill()?;
        bench.cable.allow(12 * PIECE);
        let (mut board, _) = bench.power_on(world)?;
        let from: usize = board.process.line("update goes on at piece ")?.parse()?;
        anyhow::ensure!((9..12).contains(&from), "{from} of {pieces}");
        board.process.line(&format!("update loading {}", from + 9))?;
        bench.cable.wait_until_held()?;
        bench.end_gateway()?;
        bench.begin_gateway(world)?;
        bench.cable.allow_all();
        board.process.line("update restarting")?;
        anyhow::ensure!(board.process.ended()?, "it did not end well");
        bench.wait_for_outcome("loaded")?;
        let (mut board, boot) = bench.power_on(world)?;
        anyhow::ensure!(boot.contains("a new program, on trial"), "{boot}");
        anyhow::ensure!(board.process.line("version minor ")? == "2");
        board.process.line("kept")?;
        // Whoever gave it reads that it runs.
        let told =
            world.carry_out(&["node", "update", NODE, "second.update", "--config", CONFIG])?;
        anyhow::ensure!(told.contains("runs 0.2.0 and has reached the gateway"), "{told}");
        board.process.kill()?;
        println!("{pieces} pieces, power cut after {from} of them, then the gateway gone");

        // The next one comes up while the gateway is away, and is not kept.
        let _third = signed(world, "third", "qemu-mps2", [0, 3, 0], own)?;
        give(world, "third.update")?;
        let (mut board, boot) = bench.power_on(world)?;
        anyhow::ensure!(boot.contains("as ever"), "{boot}");
        board.process.line("update restarting")?;
        board.process.ended()?;
        bench.end_gateway()?;
        let (mut board, boot) = bench.power_on(world)?;
        anyhow::ensure!(boot.contains("on trial"), "{boot}");
        anyhow::ensure!(board.process.line("version minor ")? == "3");
        board.process.line("not connected")?;
        board.process.kill()?;
        let (mut board, boot) = bench.power_on(world)?;
        anyhow::ensure!(boot.contains("the one before is back"), "{boot}");
        anyhow::ensure!(board.process.line("version minor ")? == "2");
        bench.begin_gateway(world)?;
        bench.wait_for_outcome("rolled-back")?;
        let gateway = bench.gateway()?;
        gateway.wait("the notice of an update that failed", "/api/v1/status", |status| {
            let mut notices = status["notices"].as_array()?.iter();
            let is_it = |it: &Value| {
                it["code"] == "update_failed" && it["params"]["reason"] == "rolled_back"
            };
            notices.any(is_it).then_some(())
        })?;
        gateway.wait("the program that the node runs", "/api/v1/nodes", |nodes| {
            let mut nodes = nodes["nodes"].as_array()?.iter();
            let node = nodes.find(|it| it["id"] == NODE)?;
            let runs = node["version"] == "0.2.0" && node["update"]["state"] == "rolled_back";
            runs.then_some(())
        })?;
        println!("0.3.0 was not kept; 0.2.0 runs and says so");
        Ok(())
    });
}
