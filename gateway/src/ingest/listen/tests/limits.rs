//! What is refused, and how it ends.

use super::*;

#[tokio::test]
async fn an_oversize_packet_closes_its_client_and_no_other() {
    let limits = Limits { packet_bytes: 1_000, ..Limits::default() };
    let mut world = World::with(limits, anybody(), WAITING_MAX);
    let mut good = world.client("node-1").await;
    // rumqttc would not send it; so by hand, after a CONNECT of MQTT 3.1.1 as "node-2".
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();
    bad.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06node-2").await.unwrap();
    let mut connack = [0; 4];
    bad.read_exact(&mut connack).await.unwrap();

    bad.write_all(b"\x32\xff\xff\x7f\x00\x05topic").await.unwrap();
    let mut rest = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut rest)).await.ok();

    good.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    good.nothing_comes().await;
    world.incoming().await.receipt.send(()).unwrap();
    assert_eq!(good.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn ten_megabytes_are_refused_at_their_first_bytes_and_cost_nobody_else_anything() {
    let mut world = World::new();
    let mut good = world.client("node-1").await;
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();
    // A CONNECT of MQTT 5 as "node-2", and its CONNACK, which says how much may come.
    bad.write_all(b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x06node-2").await.unwrap();
    let mut head = [0; 2];
    bad.read_exact(&mut head).await.unwrap();
    let mut connack = vec![0; usize::from(head[1])];
    bad.read_exact(&mut connack).await.unwrap();

    // A retained PUBLISH of 10 MiB; most of it never leaves.
    bad.write_all(b"\x33\x80\x80\x80\x05\x00\x05topic").await.unwrap();
    let mut answer = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut answer)).await.ok();

    let told = Limits::default().packet_bytes.to_be_bytes();
    assert!(connack.windows(5).any(|it| it[0] == 0x27 && it[1..] == told), "{connack:02x?}");
    assert!(answer.is_empty() || answer[0] == 0xE0, "a DISCONNECT or none: {answer:02x?}");
    good.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    good.nothing_comes().await;
    world.incoming().await.receipt.send(()).unwrap();
    assert_eq!(good.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn lengths_that_contradict_each_other_close_the_client() {
    let world = World::new();
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();
    bad.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06node-2").await.unwrap();
    let mut connack = [0; 4];
    bad.read_exact(&mut connack).await.unwrap();

    // Ten bytes remain, but the topic alone has 20.
    bad.write_all(b"\x32\x0a\x00\x14gengfu/v1/campus/xxx\x00\x01").await.unwrap();
    let mut rest = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut rest)).await.ok();

    assert!(rest.is_empty());
    world.client("node-1").await.nothing_comes().await;
}

#[tokio::test]
async fn two_thousand_messages_in_flight_stay_within_the_bounds() {
    const PLACES: usize = 50;
    let limits = Limits { in_flight_per_session: 100, in_flight: 150, ..Limits::default() };
    let mut world = World::with(limits, anybody(), PLACES);
    let mut nodes = [world.client("node-1").await, world.client("node-2").await];
    for (node, (id, meter)) in nodes.iter().zip([("node-1", "meter-1"), ("node-2", "meter-3")]) {
        for seq in 0..1_000 {
            let payload = bytes_of(&pack(meter, seq));
            let topic = topic(id, Channel::Readings);
            node.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
        }
    }
    let [first, second] = &mut nodes;
    let clients = async { tokio::join!(first.acknowledged(1_000), second.acknowledged(1_000)) };

    let recorder = async {
        let mut unsigned: Vec<Incoming> = Vec::new();
        let mut stored = 0;
        while stored < 2_000 {
            // Sign only when nobody sends any more: all windows are full then.
            match tokio::time::timeout(Duration::from_millis(50), world.queue.recv()).await {
                Ok(Some(incoming)) => unsigned.push(incoming),
                Ok(None) => panic!("the listener is gone"),
                Err(_) => {
                    assert!(unsigned.len() <= 150, "{} in flight", unsigned.len());
                    stored += unsigned.len();
                    unsigned.drain(..).for_each(|incoming| incoming.receipt.send(()).unwrap());
                }
            }
        }
    };

    let both = Box::pin(async { tokio::join!(clients, recorder) });
    soon("2,000 acknowledgements", both).await;
}

#[tokio::test]
async fn a_stuck_recorder_does_not_stop_the_answers_to_pings() {
    let world = World::with(Limits::default(), anybody(), 1);
    let mut options = world.options("node-1");
    options.set_keep_alive(Duration::from_secs(5));
    let mut node = Client::connect(options).await;
    for seq in 0..10 {
        let payload = bytes_of(&pack("meter-1", seq));
        node.publish(&topic("node-1", Channel::Readings), payload).await;
    }

    node.until("PINGRESP", |packet| match packet {
        Packet::PingResp(_) => Some(()),
        Packet::PubAck(_) => panic!("acknowledged what is not stored"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn one_client_too_many_is_turned_away() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let world = World::with(limits, anybody(), WAITING_MAX);
    let mut first = world.client("node-1").await;

    let (_client, mut events) = AsyncClient::new(world.options("node-2"), 10);
    let refused = soon("an answer", events.poll()).await;

    assert!(refused.is_err());
    first.nothing_comes().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_is_not() {
    let login = Login { user: "node".to_owned(), password: Secret::new("open".to_owned()) };
    let world = World::with(Limits::default(), by_password(login), WAITING_MAX);
    let connect = |user: &str, password: &str| {
        let mut options = world.options("node-1");
        options.set_credentials(user, password);
        let (_client, mut events) = AsyncClient::new(options, 10);
        async move { soon("an answer", events.poll()).await.is_ok() }
    };

    assert!(connect("node", "open").await);
    assert!(!connect("node", "opem").await);
    assert!(!connect("node", "open ").await);
    assert!(!connect("other", "open").await);
    let (_client, mut events) = AsyncClient::new(world.options("node-1"), 10);
    assert!(soon("an answer", events.poll()).await.is_err());
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_then_says_good_bye() {
    let mut world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    let address = world.listener.address();
    let states = world.door.states.clone();

    let stopping = tokio::spawn(world.listener.stop(Duration::from_secs(10)));
    // The socket closes first: who asks now is not answered.
    soon("the closed socket", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!stopping.is_finished());
    incoming.receipt.send(()).unwrap();

    assert_eq!(node.until_closed().await, 1);
    soon("the end", stopping).await.unwrap().unwrap();
    let state = states.of(&name("node-1")).unwrap().state.unwrap().0;
    assert_eq!(state, online(), "the gateway went, not the node");
}

#[tokio::test]
async fn stopping_does_not_wait_past_its_deadline() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let unsigned = world.incoming().await;

    soon("the end", world.listener.stop(Duration::from_millis(100))).await.unwrap();

    assert_eq!(node.until_closed().await, 0);
    drop(unsigned);
}

#[tokio::test]
async fn a_client_that_takes_no_connack_leaves_no_session_behind() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let world = World::with(limits, anybody(), WAITING_MAX);
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();

    // A CONNECT of MQTT 5 as "node-2" with a maximum packet size of 1, session kept.
    let connect = b"\x10\x1d\x00\x04MQTT\x05\x00\x00\x3c\x0a\x11\x00\x00\x0e\x10\x27\x00\x00\x00\x01\x00\x06node-2";
    bad.write_all(connect).await.unwrap();
    let mut rest = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut rest)).await.ok();
    assert!(rest.is_empty());

    world.client("node-1").await.nothing_comes().await;
}
