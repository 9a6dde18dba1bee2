//! What is acknowledged, and when.

use super::*;

#[tokio::test]
async fn a_message_is_acknowledged_only_after_its_receipt_is_signed() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    assert_eq!(seq_of(&incoming), 1);
    node.nothing_comes().await;
    incoming.receipt.send(()).unwrap();

    assert_eq!(node.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_of_the_messages() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    let readings = topic("node-1", Channel::Readings);
    node.publish(&readings, bytes_of(&pack("meter-1", 1))).await;
    node.publish(&readings, bytes_of(&pack("meter-1", 2))).await;
    node.nothing_comes().await;
    let (first, second) = (world.incoming().await, world.incoming().await);

    second.receipt.send(()).unwrap();
    node.nothing_comes().await;
    first.receipt.send(()).unwrap();

    let mut packet_ids = Vec::new();
    for _ in 0..2 {
        let id = node.until("PUBACK", |packet| match packet {
            Packet::PubAck(puback) => Some(puback.pkid),
            _ => None,
        });
        packet_ids.push(id.await);
    }
    assert_eq!(packet_ids, [1, 2]);
}

#[tokio::test]
async fn a_receipt_dropped_unsigned_closes_the_connection_without_acknowledgement() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;

    drop(world.incoming().await);

    assert_eq!(node.until_closed().await, 0);
}

#[tokio::test]
async fn a_node_of_mqtt_3_1_1_is_acknowledged_after_its_receipt_too() {
    let mut world = World::new();
    let address = world.listener.address();
    let options = rumqttc::MqttOptions::new("node-1", address.ip().to_string(), address.port());
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    let readings = topic("node-1", Channel::Readings);
    let payload = bytes_of(&pack("meter-1", 5));
    client.publish(readings, rumqttc::QoS::AtLeastOnce, false, payload).await.unwrap();
    client.subscribe(topic("node-1", Channel::Config), rumqttc::QoS::AtLeastOnce).await.unwrap();

    let mut acknowledged = false;
    let mut pending = None;
    soon("SUBACK, then PUBACK", async {
        loop {
            use rumqttc::{Event::Incoming, Packet};
            match events.poll().await.unwrap() {
                Incoming(Packet::SubAck(_)) => {
                    assert!(!acknowledged, "acknowledged before the receipt was signed");
                    pending = Some(world.incoming().await);
                }
                Incoming(Packet::PubAck(_)) => break,
                _ => {}
            }
            if let Some(incoming) = pending.take() {
                assert_eq!(seq_of(&incoming), 5);
                acknowledged = true;
                incoming.receipt.send(()).unwrap();
            }
        }
    })
    .await;

    assert!(acknowledged);
}

#[tokio::test]
async fn an_unreadable_payload_goes_into_quarantine_and_is_acknowledged() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-1", Channel::Readings), b"not a pack".to_vec()).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    incoming.receipt.send(()).unwrap();

    let Intake::Quarantine(unreadable) = incoming.what else { panic!("{:?}", incoming.what) };
    assert_eq!(unreadable.payload, b"not a pack");
    assert_eq!(unreadable.topic, topic("node-1", Channel::Readings));
    assert_eq!(unreadable.reason, "unreadable");
    assert_eq!(node.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn a_message_for_another_node_is_refused_and_reaches_nobody() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-2", Channel::Readings), bytes_of(&pack("meter-3", 1))).await;

    assert_eq!(node.puback().await, PubAckReason::NotAuthorized);
    assert!(world.queue.try_recv().is_err());
}

#[tokio::test]
async fn a_client_speaks_for_the_node_that_its_id_ends_with() {
    let world = World::new();
    let mut node = world.client("campus/node-1").await;

    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;

    assert_eq!(node.puback().await, PubAckReason::Success);
    world.state("node-1", online()).await;
}
