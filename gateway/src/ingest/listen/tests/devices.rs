//! What other people's devices may do, and what they may not.

use super::*;
use crate::health::Code;
use crate::ingest::fixture::{door_for_devices, plug_message};

fn world_for_devices() -> World {
    let (door, queue) = door_for_devices(WAITING_MAX);
    let socket = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = Listener::start(socket, door.clone(), anybody(), Limits::default()).unwrap();
    World { listener, door, queue }
}

#[tokio::test]
async fn a_device_publishes_what_a_mapping_names_and_is_acknowledged_once_it_is_stored() {
    let mut world = world_for_devices();
    let mut plug = world.client("DVES_8F3A21").await;

    plug.publish("tele/DVES_8F3A21/SENSOR", plug_message()).await;
    plug.nothing_comes().await;
    let incoming = world.incoming().await;

    let Intake::Mapped(arrivals, None) = &incoming.what else { panic!("{incoming:?}") };
    assert_eq!((arrivals.len(), arrivals[0].pack.meter), (1, name("plug-1")));
    incoming.receipt.send(()).unwrap();
    assert_eq!(plug.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn a_device_reaches_no_topic_that_no_mapping_names() {
    let world = world_for_devices();
    let mut plug = world.client("DVES_8F3A21").await;

    for topic in ["tele/DVES_8F3A21/STATE", "gengfu/v1/campus/node-1/readings"] {
        plug.publish(topic, plug_message()).await;
        assert_eq!(plug.puback().await, PubAckReason::NotAuthorized, "{topic}");
    }
    for filter in ["gengfu/v1/campus/node-1/config", "#", "+/+/SENSOR"] {
        let code = plug.subscribe(filter).await;
        assert_ne!(code, SubscribeReasonCode::Success(QoS::AtLeastOnce), "{filter}");
    }
}

#[tokio::test]
async fn where_nothing_is_mapped_a_client_that_is_no_node_stays_outside() {
    let world = World::new();

    let (client, mut events) = AsyncClient::new(world.options("DVES_8F3A21"), 10);
    let refused = soon("a refusal", async {
        loop {
            if let Err(error) = events.poll().await {
                return error;
            }
        }
    })
    .await;

    assert!(refused.to_string().contains("refused"), "{refused}");
    drop(client);
}

#[tokio::test]
async fn an_edge_node_is_asked_for_its_birth_and_its_will_is_its_death() {
    let world = world_for_devices();
    let mut options = world.options("edge node 1");
    let death = vec![0x12, 0x00];
    options.set_last_will(rumqttc::v5::mqttbytes::v5::LastWill::new(
        "spBv1.0/Hospital/NDEATH/edge-1",
        death,
        QoS::AtLeastOnce,
        false,
        None,
    ));
    let mut edge = Client::connect(options).await;
    edge.subscribe("spBv1.0/Hospital/NCMD/edge-1").await;

    // Data without a birth; then an empty birth.
    edge.publish("spBv1.0/Hospital/NDATA/edge-1", vec![0x18, 0x05]).await;
    let (topic, payload, _) = edge.message().await;
    edge.publish("spBv1.0/Hospital/NBIRTH/edge-1", vec![0x18, 0x00]).await;
    edge.puback().await;
    drop(edge);

    assert_eq!(topic, "spBv1.0/Hospital/NCMD/edge-1");
    assert!(payload.windows(7).any(|it| it == b"Rebirth"));
    let mut changed = world.door.health.watch();
    let health = world.door.health.clone();
    let is_gone = |_: &u64| health.all().iter().any(|notice| notice.code == Code::NodeGone);
    soon("the notice", changed.wait_for(is_gone)).await.unwrap();
}
