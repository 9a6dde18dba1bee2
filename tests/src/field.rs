//! Simulated meters, and the nodes that read them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::world::{Process, World};

/// A running `gengfu simulate`: the demo campus, answered over Modbus.
pub struct Field {
    _process: Process,
    /// The bus of the office, RTU over TCP.
    pub office: String,
    /// The bus of the other buildings, Modbus TCP.
    pub campus: String,
    control: String,
}

impl Field {
    /// Starts the meters.
    pub fn start(world: &World) -> Result<Self> {
        let arguments = [
            "simulate",
            "--office",
            "127.0.0.1:0",
            "--campus",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
        ];
        let mut process = world.gengfu("simulator", &arguments)?;
        let office = process.line("office ")?;
        let campus = process.line("campus ")?;
        let control = process.line("control ")?;
        Ok(Self { _process: process, office, campus, control })
    }

    /// Tells the simulator something and returns its answer.
    pub fn tell(&self, order: &Value) -> Result<Value> {
        let mut answers = self.tell_all(std::slice::from_ref(order))?;
        answers.pop().context("an answer")
    }

    /// Tells the simulator several things, one after the other, and returns its answers.
    pub fn tell_all(&self, orders: &[Value]) -> Result<Vec<Value>> {
        let mut to = TcpStream::connect(&self.control)?;
        to.set_nodelay(true)?;
        let mut from = BufReader::new(to.try_clone()?);
        let answered = orders.iter().map(|order| {
            to.write_all(format!("{order}\n").as_bytes())?;
            let mut answer = String::new();
            from.read_line(&mut answer)?;
            let answer: Value =
                serde_json::from_str(&answer).with_context(|| format!("answer `{answer}`"))?;
            anyhow::ensure!(answer["ok"] == true, "simulator refused {order}: {answer}");
            Ok(answer)
        });
        answered.collect()
    }

    /// Starts the node of the office's bus.
    pub fn office_node(&self, world: &World, broker: &str) -> Result<Process> {
        let bus = format!("rtu-over-tcp:{}", self.office);
        node(world, "node-office", &bus, broker)
    }

    /// Starts the node of the other buildings' bus.
    pub fn campus_node(&self, world: &World, broker: &str) -> Result<Process> {
        let bus = format!("modbus-tcp:{}", self.campus);
        node(world, "node-campus", &bus, broker)
    }
}

/// Starts the node of a bus.
pub fn node(world: &World, id: &str, bus: &str, broker: &str) -> Result<Process> {
    node_with(world, id, bus, broker, &["--plain"])
}

/// Starts the node of a bus with arguments about its connection.
pub fn node_with(
    world: &World,
    id: &str,
    bus: &str,
    broker: &str,
    more: &[&str],
) -> Result<Process> {
    let known = ["node", "--site", "demo-campus", "--id", id, "--bus", bus, "--broker", broker];
    world.gengfu(id, &[&known[..], more].concat())
}
