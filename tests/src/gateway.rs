//! The service under test and its HTTP API, seen as a browser or a script would.

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::Agent;

use crate::world::{Process, World, repository, wait_for};

/// The password of the stories' first user.
pub const PASSWORD: &str = "walks the streets at dusk";

/// The configuration file of a story.
pub const CONFIG: &str = "gengfu.toml";

/// How people are said to reach the pages; stands in the links of mails.
pub const BASE_URL: &str = "http://gengfu.example";

/// A running `gengfu run`.
pub struct Gateway {
    /// The process, to be killed or stopped.
    pub process: Process,
    /// Where the pages are.
    pub url: String,
    /// Where its own MQTT listener is, if it has one.
    pub mqtt: Option<String>,
    agent: Agent,
}

impl Gateway {
    /// Writes `gengfu.toml` with these sections beside the pages' own, and takes in the site
    /// book of the demo campus.
    pub fn configure(world: &World, sections: &str) -> Result<()> {
        let text = format!(
            "data_dir = \"data\"\n\n[web]\nlisten = \"127.0.0.1:0\"\n\
             base_url = \"{BASE_URL}\"\n\n{sections}"
        );
        world.file(CONFIG, &text)?;
        let book = repository().join("gateway/src/demo/site.toml");
        let book = book.to_str().context("a path that is text")?;
        world.carry_out(&["import", "--config", CONFIG, book]).map(drop)
    }

    /// Starts the service as configured and waits until it serves.
    pub fn start(world: &World) -> Result<Self> {
        let config = CONFIG;
        let mut process = world.gengfu("gateway", &["run", "--config", config])?;
        let url = process.line("pages ")?;
        let has_listener =
            std::fs::read_to_string(world.folder().join(config))?.contains("[mqtt.listen]");
        let mqtt = if has_listener { Some(process.line("mqtt ")?) } else { None };
        Ok(Self { process, url, mqtt, agent: agent() })
    }

    /// Takes a process that serves the pages at an address, such as a demo, for one.
    #[must_use]
    pub fn of(process: Process, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { process, url, mqtt: None, agent: agent() }
    }

    /// Returns where its own MQTT listener is.
    pub fn listener(&self) -> Result<&str> {
        self.mqtt.as_deref().context("a gateway with `[mqtt.listen]`")
    }

    /// Returns the time there, Unix seconds.
    pub fn now(&self) -> Result<i64> {
        instant(&self.get("/api/v1/status")?["now_at"])
    }

    /// Sets the first user and stays logged in as them.
    pub fn set_up(&self) -> Result<()> {
        let body = serde_json::json!({ "name": "engineer", "password": PASSWORD });
        self.post("/api/v1/setup", &body).map(drop)
    }

    /// Logs in as the first user.
    pub fn log_in(&self) -> Result<()> {
        let body = serde_json::json!({ "name": "engineer", "password": PASSWORD });
        self.post("/api/v1/session", &body).map(drop)
    }

    /// Returns the JSON of a path.
    pub fn get(&self, path: &str) -> Result<Value> {
        let text = self.get_bytes(path)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Returns the bytes of a path.
    pub fn get_bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call()?;
        let status = answer.status();
        let bytes = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        anyhow::ensure!(
            status.is_success(),
            "GET {path}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }

    /// Posts JSON to a path and returns the answer's JSON, or null.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("X-Gengfu", "1")
            .send_json(body)?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string()?;
        anyhow::ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Waits until what a path answers contains what `pick` looks for.
    pub fn wait<T>(&self, what: &str, path: &str, pick: impl Fn(&Value) -> Option<T>) -> Result<T> {
        wait_for(what, || Ok(pick(&self.get(path)?)))
    }

    /// Returns the value of a counter on `/metrics`, 0 if it is not there.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let text = String::from_utf8(self.get_bytes("/metrics")?)?;
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.map_or(Ok(0), |value| value.parse().context("a counter"))
    }
}

/// Reads a time of the API as Unix seconds.
pub fn instant(at: &Value) -> Result<i64> {
    let text = at.as_str().with_context(|| format!("a time, not {at}"))?;
    Ok(text.parse::<jiff::Timestamp>()?.as_second())
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().new_agent()
}
