//! A whole node behind a real mosquitto at which somebody publishes what they should not.
//!
//! What must hold: the good plan stays, nothing is done twice, nothing that was read is lost,
//! and the node says in its state how often it refused what.

use super::*;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener as Port};
use std::process::{Child, Stdio};

use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use wire::message::{Action, Command, CommandResult, Faults, Outcome, PlanFault, State, Task};

/// A mosquitto of our own.
struct Mosquitto {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let config = folder.path().join("mosquitto.conf");
        let lines = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n");
        std::fs::write(&config, lines).unwrap();
        // Debian puts it where only root's path leads.
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .expect("this test needs mosquitto: apt-get install mosquitto");
        let mut command = std::process::Command::new(program);
        let command = command.arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), listens).await.unwrap();
        Self { child, port, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Somebody else at the same broker: sees all that the node says, and publishes.
struct Somebody {
    client: AsyncClient,
    events: EventLoop,
    /// The numbers of the polls that were seen, by the run they are of.
    polls: BTreeMap<u32, Vec<u32>>,
    faults: Faults,
}

const TOPICS: &str = "gengfu/v1/site/node";

impl Somebody {
    async fn at(mosquitto: &Mosquitto) -> Self {
        let mut options = MqttOptions::new("somebody", "127.0.0.1", mosquitto.port);
        options.set_max_packet_size(Some(16 << 20));
        let (client, events) = AsyncClient::new(options, 100);
        client.subscribe(format!("{TOPICS}/#"), QoS::AtLeastOnce).await.unwrap();
        Self { client, events, polls: BTreeMap::new(), faults: Faults::default() }
    }

    async fn publish(&self, channel: &str, retain: bool, payload: Vec<u8>) {
        let topic = format!("{TOPICS}/{channel}");
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }

    /// The next message of the node that somebody makes something of.
    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&str, &[u8]) -> Option<T>) -> T {
        let next = async {
            loop {
                let event = self.events.poll().await.unwrap();
                let Event::Incoming(Packet::Publish(publish)) = event else { continue };
                let topic = std::str::from_utf8(&publish.topic).unwrap();
                let channel = topic.strip_prefix(TOPICS).unwrap().trim_start_matches('/');
                if channel == "readings" {
                    let pack = Pack::decode(&publish.payload).unwrap();
                    self.polls.entry(pack.boot).or_default().push(pack.seq);
                }
                if let ("state", Ok(State::Online { faults, .. })) =
                    (channel, State::decode(&publish.payload))
                {
                    self.faults = faults;
                }
                if let Some(found) = wanted(channel, &publish.payload) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), next).await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn applied(&mut self) -> Applied {
        let of = |channel: &str, payload: &[u8]| {
            (channel == "config/applied").then(|| Applied::decode(payload).unwrap())
        };
        self.until("an answer to a plan", of).await
    }

    async fn result(&mut self) -> CommandResult {
        let of = |channel: &str, payload: &[u8]| {
            (channel == "command/result").then(|| CommandResult::decode(payload).unwrap())
        };
        self.until("an answer to a command", of).await
    }

    async fn readings(&mut self, count: usize) {
        for _ in 0..count {
            let of = |channel: &str, _: &[u8]| (channel == "readings").then_some(());
            self.until("readings", of).await;
        }
    }
}

fn encoded(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; Plan::BYTES_MAX];
    let len = plan.encode(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

fn command(id: u32) -> Vec<u8> {
    let mut bytes = vec![0; Command::BYTES_MAX];
    let identify = Command { id, until: 0, task: Task::Act(Action::Identify) };
    let len = identify.encode(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// Chance that is the same in each run (xorshift64).
fn chance(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 8).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_publishes_to_a_node_costs_it_no_plan_no_reading_and_no_second_deed() {
    let mosquitto = Mosquitto::start().await;
    let (meters, _connections) = modbus_tcp().await;
    let folder = tempfile::tempdir().unwrap();
    let config = NodeConfig {
        outbox: Some(folder.path().join("node.outbox")),
        ..config(mosquitto.address(), BusConfig::ModbusTcp(meters))
    };
    let mut somebody = Somebody::at(&mosquitto).await;
    let good = Plan { interval_s: 1, ..plan() };
    somebody.publish("config", true, encoded(&good)).await;
    let (stop, shutdown) = watch::channel(false);
    let node = tokio::spawn(run(config.clone(), Clock::system(), shutdown));
    assert_eq!(somebody.applied().await.result, AppliedResult::Ok);
    somebody.readings(1).await;

    // Bits that turn over on the way: the plan is refused, or says what it said.
    let mut seed = 0x2545_F491_4F6C_DD1D;
    let mut refused = 0;
    for flips in (1..=3).cycle().take(60) {
        let mut bytes = encoded(&good);
        for _ in 0..flips {
            let at = chance(&mut seed) % bytes.len();
            bytes[at] ^= 1 << (chance(&mut seed) % 8);
        }
        let is_same = Plan::decode(&bytes) == Ok(good);
        somebody.publish("config", false, bytes).await;
        let applied = somebody.applied().await;
        assert_eq!(applied.result == AppliedResult::Ok, is_same, "{applied:?}");
        refused += u32::from(!is_same);
    }
    assert!(50 < refused, "{refused}");

    // A command that comes again; bytes that are none.
    somebody.publish("command", false, command(700)).await;
    assert_eq!(somebody.result().await, CommandResult::of(700, Outcome::Done));
    for id in [650, 699] {
        somebody.publish("command", false, command(id)).await;
        assert_eq!(somebody.result().await, CommandResult::of(id, Outcome::Repeated));
    }
    for len in [0, 1, 40, 5_000] {
        let noise = (0..len).map(|_| u8::try_from(chance(&mut seed) % 256).unwrap()).collect();
        somebody.publish("command", false, noise).await;
    }

    // Ten megabytes, retained: the broker keeps them to itself, for the node told its limit.
    somebody.publish("config", true, vec![0xA5; 10 << 20]).await;
    somebody.readings(3).await;
    let counted = Faults { plans: refused, commands: 6, connections: 0, polls: 0 };
    while somebody.faults != counted {
        let of = |channel: &str, _: &[u8]| (channel == "state").then_some(());
        somebody.until("a state with all counts", of).await;
    }

    // The next run has no other plan to go by, and knows what was done in this one.
    stop.send_replace(true);
    node.await.unwrap().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let node = tokio::spawn(run(config, Clock::system(), shutdown));
    somebody.readings(3).await;
    somebody.publish("command", false, command(700)).await;
    assert_eq!(somebody.result().await, CommandResult::of(700, Outcome::Repeated));
    stop.send_replace(true);
    node.await.unwrap().unwrap();

    assert_eq!(somebody.polls.len(), 2, "two runs");
    for polls in somebody.polls.values() {
        let all: Vec<u32> = (0..).take(polls.len()).collect();
        assert_eq!(*polls, all, "no poll is lost, none comes twice");
    }
}

#[tokio::test]
async fn an_overload_is_refused_with_its_load_by_a_node_behind_a_broker() {
    let mosquitto = Mosquitto::start().await;
    let nobody = "127.0.0.1:9".parse().unwrap();
    let mut somebody = Somebody::at(&mosquitto).await;
    let meters: Vec<_> = (1..=30)
        .map(|unit_id| PlannedMeter {
            meter: Name::new(&format!("water-{unit_id}")).unwrap(),
            address: Address::unit_id(unit_id),
            ..PlannedMeter::default()
        })
        .collect();
    let hasty = Plan { interval_s: 1, meters: List::from_slice(&meters).unwrap(), ..plan() };
    somebody.publish("config", true, encoded(&hasty)).await;
    let (stop, shutdown) = watch::channel(false);
    let config = config(mosquitto.address(), BusConfig::RtuOverTcp(nobody));
    let node = tokio::spawn(run(config, Clock::system(), shutdown));

    let applied = somebody.applied().await;

    assert_eq!(applied.result, AppliedResult::Rejected(PlanFault::Overload));
    // 110.6 ms each, thirty times a second.
    assert!((3_300..3_330).contains(&applied.load_permille), "{applied:?}");
    stop.send_replace(true);
    node.await.unwrap().unwrap();
}
