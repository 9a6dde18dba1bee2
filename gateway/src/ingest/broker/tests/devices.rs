//! Other people's devices behind the same broker.

use tokio::sync::watch;

use super::*;
use crate::ingest::fixture::{door_for_devices, plug_message};
use crate::ingest::mapped::{MappedGate, Mappings};

const PLUG: &str = "tele/DVES_8F3A21/SENSOR";
const STATE: &str = "homeassistant/sensor/total/state";

fn open(mosquitto: &Mosquitto) -> Gateway {
    let (door, queue) = door_for_devices(WAITING_MAX);
    let broker = BrokerDoor::open(mosquitto.config(), door.clone());
    Gateway { broker, door, queue }
}

impl Gateway {
    /// Signs the next message of devices; tells meter and first value.
    async fn told(&mut self) -> (String, i64) {
        let Incoming { what, receipt } = self.incoming().await;
        let Intake::Mapped(arrivals, None) = what else { panic!("{what:?}") };
        // Of what came with QoS 0 nobody waits for a receipt.
        receipt.send(()).ok();
        let pack = &arrivals[0].pack;
        let wire::Value::Measured(value) = pack.readings[0].value else { panic!("{pack:?}") };
        (pack.meter.to_string(), value)
    }
}

#[tokio::test]
async fn what_has_a_time_may_wait_at_the_broker_and_what_has_none_must_not() {
    let mosquitto = Mosquitto::started().await;
    let mut device = mosquitto.node("device").await;
    device.publish(PLUG, true, plug_message()).await;
    device.publish(STATE, true, b"5".to_vec()).await;
    let mut gateway = open(&mosquitto);

    // The retained message with a time comes, and shows that we are subscribed.
    let first = gateway.told().await;
    device.publish(STATE, false, b"6".to_vec()).await;
    let second = gateway.told().await;
    gateway.broker.close(Duration::from_secs(5)).await.unwrap();
    device.publish(STATE, false, b"7".to_vec()).await;
    let waiting = br#"{"Time":"2026-05-04T07:59:30","ENERGY":{"Power":60}}"#;
    device.publish(PLUG, false, waiting.to_vec()).await;
    let mut gateway = open(&mosquitto);
    let (third, fourth) = (gateway.told().await, gateway.told().await);
    device.publish(STATE, false, b"8".to_vec()).await;
    let last = gateway.told().await;

    let plug = |value| ("plug-1".to_owned(), value);
    let state = |value| ("state-1".to_owned(), value);
    assert_eq!((first, second), (plug(56_000), state(6_000_000)));
    let mut after = [third.1, fourth.1];
    after.sort_unstable();
    assert_eq!(after, [56_000, 60_000], "the retained one again, and the one that waited");
    assert_eq!(last, state(8_000_000));
}

#[tokio::test]
async fn a_payload_that_is_a_poison_is_put_aside_and_acknowledged() {
    let mosquitto = Mosquitto::started().await;
    let mut device = mosquitto.node("device").await;
    device.publish(PLUG, true, plug_message()).await;
    let mut gateway = open(&mosquitto);
    gateway.told().await;

    device.publish(PLUG, false, b"{\"Time\":NaN}".to_vec()).await;
    let Incoming { what, receipt } = gateway.incoming().await;
    receipt.send(()).unwrap();
    device.publish(PLUG, false, plug_message()).await;
    let after = gateway.told().await;

    let Intake::Mapped(arrivals, Some(unreadable)) = what else { panic!("{what:?}") };
    assert_eq!((arrivals.len(), unreadable.reason.as_str()), (0, "unreadable"));
    assert_eq!(unreadable.payload, b"{\"Time\":NaN}");
    assert_eq!(after.0, "plug-1");
}

#[tokio::test]
async fn edge_nodes_learn_whether_their_host_is_there() {
    let mut mosquitto = Mosquitto::started().await;
    let mut edge = mosquitto.node("edge").await;
    edge.subscribe("spBv1.0/STATE/+").await;
    let (door, _queue) = door(WAITING_MAX);
    let mappings = watch::Sender::new(std::sync::Arc::new(Mappings::default())).subscribe();
    let door = Door { mapped: MappedGate::new(mappings, Some("gengfu".to_owned())), ..door };
    let since = crate::ingest::fixture::NOW * 1_000;
    let state = |online: bool| {
        let payload = format!("{{\"online\":{online},\"timestamp\":{since}}}");
        ("spBv1.0/STATE/gengfu".to_owned(), Bytes::from(payload))
    };

    let broker = BrokerDoor::open(mosquitto.config(), door.clone());
    let came = edge.message().await;
    broker.close(Duration::from_secs(5)).await.unwrap();
    let went = edge.message().await;
    let again = BrokerDoor::open(mosquitto.config(), door);
    let came_again = edge.message().await;
    drop(again);

    assert_eq!((came, went, came_again), (state(true), state(false), state(true)));
    mosquitto.kill();
}
