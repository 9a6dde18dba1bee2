//! What a node gets, and who hears of its end.

use super::*;

#[tokio::test]
async fn a_retained_plan_reaches_a_late_subscriber_and_again_when_it_changes() {
    let world = World::new();
    let config = topic("node-1", Channel::Config);
    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));
    let mut node = world.client("node-1").await;

    assert_eq!(node.subscribe(&config).await, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    assert_eq!(node.message().await, (config.clone(), Bytes::from_static(b"plan 1"), true));
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"of another"));
    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 2"));

    assert_eq!(node.message().await, (config, Bytes::from_static(b"plan 2"), true));
}

#[tokio::test]
async fn a_client_cannot_subscribe_to_what_is_another_nodes() {
    let world = World::new();
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"secret"));
    let mut node = world.client("node-1").await;

    for filter in [
        &*topic("node-2", Channel::Config),
        "gengfu/v1/campus/+/config",
        "gengfu/v1/#",
        "gengfu/v1/other/node-1/config",
        "#",
    ] {
        assert_eq!(node.subscribe(filter).await, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"secret 2"));
    let payload = Bytes::from_static(b"secret 3");
    world.door.board.command(NodeCommand {
        node: name("node-2"),
        channel: Channel::Command,
        payload,
    });

    node.nothing_comes().await;
}

#[tokio::test]
async fn a_node_that_vanishes_is_gone_by_its_last_will() {
    let world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;
    world.state("node-1", online()).await;

    drop(node);

    world.state("node-1", State::Gone).await;
    assert_eq!(world.door.health.all().len(), 1, "the page says so");
}

#[tokio::test]
async fn a_node_that_says_good_bye_leaves_no_will() {
    let world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;

    node.client.disconnect().await.unwrap();
    node.until_closed().await;
    // Whoever comes next is served after the connection before was ended.
    let mut next = world.node("node-2").await;
    next.publish(&topic("node-2", Channel::State), state_bytes(online())).await;
    next.puback().await;

    world.state("node-1", online()).await;
}

#[tokio::test]
async fn a_second_connection_of_a_node_ends_the_first_and_its_birth_comes_after_the_will() {
    let world = World::new();
    let mut first = world.node("node-1").await;

    let mut second = world.node("node-1").await;
    second.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    second.puback().await;

    first.until_closed().await;
    world.state("node-1", online()).await;
    second.nothing_comes().await;
    world.state("node-1", online()).await;
}

#[tokio::test]
async fn a_remembered_session_gets_its_plan_and_the_command_that_came_meanwhile() {
    let world = World::new();
    let (config, command) = (topic("node-1", Channel::Config), topic("node-1", Channel::Command));
    let connect = || {
        let mut options = world.options("node-1");
        let mut properties = rumqttc::v5::mqttbytes::v5::ConnectProperties::new();
        properties.session_expiry_interval = Some(3_600);
        options.set_connect_properties(properties).set_clean_start(false);
        Client::connect(options)
    };
    let mut node = connect().await;
    assert!(!node.session_present);
    node.subscribe(&config).await;
    node.subscribe(&command).await;
    node.client.disconnect().await.unwrap();
    node.until_closed().await;

    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 3"));
    let payload = Bytes::from_static(b"identify");
    world.door.board.command(NodeCommand {
        node: name("node-1"),
        channel: Channel::Command,
        payload: payload.clone(),
    });
    let mut node = connect().await;

    assert!(node.session_present);
    assert_eq!(node.message().await, (config, Bytes::from_static(b"plan 3"), true));
    assert_eq!(node.message().await, (command, payload, false));
}
