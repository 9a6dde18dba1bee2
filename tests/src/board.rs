//! The node's true image on an emulated board.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::world::{Process, World, repository, wait_for};

/// A board that runs the node. Its flash lies in the story's folder and outlives it.
pub struct Board {
    /// The emulator, to be killed.
    pub process: Process,
    control: PathBuf,
    image: &'static str,
}

impl Board {
    /// Switches the board on, as a node of the demo campus in a closed network. Both its meters
    /// and its broker may be away; it looks for them once a second.
    ///
    /// # Errors
    ///
    /// If the image is not built, or the emulator does not start.
    pub fn start(world: &World, id: &str, bus: &str, broker_port: u16) -> Result<Self> {
        let more = format!(",arg=site=demo-campus,arg=id={id},arg=broker=10.0.2.2:{broker_port}");
        Self::start_image(world, PLAIN, bus, &more)
    }

    /// Switches a board on that knows who it is and where its broker is from `papers.bin` in
    /// the story's folder, and speaks TLS only. `more` are further arguments, `key=value`.
    ///
    /// # Errors
    ///
    /// As [`Board::start`].
    pub fn start_protected(world: &World, bus: &str, more: &[&str]) -> Result<Self> {
        let more: String = more.iter().map(|word| format!(",arg={word}")).collect();
        Self::start_image(world, PROTECTED, bus, &more)
    }

    /// Switches a board on whose program lies in `active.bin`: first its boot loader, which may
    /// exchange that for another, then whatever lies there. Returns also what the boot loader
    /// said.
    ///
    /// # Errors
    ///
    /// As [`Board::start`], or if the boot loader does not end well.
    pub fn power_on(world: &World, bus: &str) -> Result<(Self, String)> {
        let mut boot = Command::new("qemu-system-arm");
        boot.args(["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "null"]);
        boot.args(["-semihosting-config", "enable=on,target=native", "-kernel"]);
        boot.arg(image("qemu-mps2-boot")?);
        let boot = boot.current_dir(world.folder()).output()?;
        let said = [boot.stdout, boot.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        let said = said.concat();
        anyhow::ensure!(boot.status.success(), "the boot loader: {said}");
        let program = "loader,file=active.bin,addr=0,force-raw=on";
        let board = Self::start_with(world, PROTECTED, bus, "", ["-device", program])?;
        Ok((board, said))
    }

    fn start_image(world: &World, name: &'static str, bus: &str, more: &str) -> Result<Self> {
        let image = image(name)?;
        let image = image.to_str().context("a path that is text")?;
        Self::start_with(world, name, bus, more, ["-kernel", image])
    }

    fn start_with(
        world: &World,
        name: &'static str,
        bus: &str,
        more: &str,
        program: [&str; 2],
    ) -> Result<Self> {
        let (host, port) = bus.rsplit_once(':').context("an address and a port")?;
        let mut arguments = format!("enable=on,target=native,arg=node{more}");
        if let Some(clock) = world.clock() {
            arguments += &format!(",arg=clock={clock}");
        }
        let mut command = Command::new("qemu-system-arm");
        command.args(["-M", "mps2-an386", "-display", "none", "-monitor", "none"]);
        command.args(["-serial", "stdio", "-semihosting-config", &arguments]);
        // QEMU 10 has another word for it and takes this one as well.
        command
            .args(["-chardev"])
            .arg(format!("socket,id=bus,host={host},port={port},reconnect=1,nodelay=on"));
        command.args(["-serial", "chardev:bus"]);
        command.args(["-nic", "user,id=cable,model=lan9118,mac=02:00:00:00:00:01"]);
        let control = world.folder().join("board.qmp");
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", control.display()));
        command.args(program);
        Ok(Self { process: world.start("board", command)?, control, image: name })
    }

    /// Pulls the network cable, or puts it in.
    pub fn cable(&self, is_in: bool) -> Result<()> {
        self.order("set_link", &json!({ "name": "cable", "up": is_in })).map(drop)
    }

    /// Returns how much of its RAM below the stack's end was ever in use by the stack, bytes.
    ///
    /// RAM is blank when the board is switched on, so what is still blank was never used.
    pub fn stack_used(&self, world: &World) -> Result<usize> {
        let dump = world.folder().join("ram.bin");
        let ram_bytes = ram_of(self.image);
        let (start, len) = (0x2000_0000_u32, ram_bytes);
        let asked = json!({ "val": start, "size": len, "filename": dump });
        self.order("pmemsave", &asked)?;
        let ram = std::fs::read(dump)?;
        let statics = static_ram(&std::fs::read(image(self.image)?)?, ram_bytes)?;
        let stack = ram.get(statics..).context("statics within the RAM")?;
        let blank = stack.iter().take_while(|&&byte| byte == 0).count();
        Ok(stack.len() - blank)
    }

    fn order(&self, command: &str, arguments: &Value) -> Result<Value> {
        let mut to =
            wait_for("the emulator's control", || Ok(UnixStream::connect(&self.control).ok()))?;
        let mut from = BufReader::new(to.try_clone()?);
        let mut answer = String::new();
        // It greets first.
        from.read_line(&mut answer)?;
        for (command, arguments) in [("qmp_capabilities", &json!({})), (command, arguments)] {
            let order = json!({ "execute": command, "arguments": arguments });
            to.write_all(format!("{order}\n").as_bytes())?;
            loop {
                answer.clear();
                from.read_line(&mut answer)?;
                let answer: Value = serde_json::from_str(&answer)?;
                anyhow::ensure!(answer.get("error").is_none(), "{command}: {answer}");
                // Events may come in between.
                if answer.get("return").is_some() {
                    break;
                }
            }
        }
        Ok(Value::Null)
    }
}

const PROTECTED: &str = "qemu-mps2";
const PLAIN: &str = "qemu-mps2-plain";

/// As in the board's `memory.x`, or `memory-tls.x`.
fn ram_of(image: &str) -> usize {
    if image == PLAIN { 64 * 1024 } else { 128 * 1024 }
}

/// The end of what an image keeps in RAM beside its stack, counted from the RAM's start.
fn static_ram(elf: &[u8], ram_bytes: usize) -> Result<usize> {
    let word = |at: usize| -> Result<usize> {
        let bytes = elf.get(at..at + 4).context("a word of the image")?;
        Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
    };
    let half = |at: usize| -> Result<usize> { Ok(word(at)? & 0xFFFF) };
    let (table, size, count) = (word(32)?, half(46)?, half(48)?);
    let mut end = 0;
    for section in (0..count).map(|n| table + n * size) {
        let (flags, address, len) = (word(section + 8)?, word(section + 12)?, word(section + 20)?);
        let in_memory = flags & 2 != 0;
        if in_memory && (0x2000_0000..0x2000_0000 + ram_bytes).contains(&address) {
            end = end.max(address - 0x2000_0000 + len);
        }
    }
    Ok(end)
}

/// Returns where the build left an image.
///
/// # Errors
///
/// If it is not built.
pub fn image(name: &str) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| repository().join("firmware/boards/target"));
    let image = target.join("images").join(name);
    anyhow::ensure!(image.exists(), "{} is not built; run `make firmware`", image.display());
    Ok(image)
}
