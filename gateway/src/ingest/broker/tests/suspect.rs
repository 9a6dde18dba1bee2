//! A broker that loses what it acknowledged, and one by which nothing comes.

use super::super::trial::{MESSAGES, Untried, tried};
use super::*;

#[tokio::test]
async fn mosquitto_with_its_defaults_drops_and_the_page_says_how_much() {
    let mut mosquitto = Mosquitto::with("");
    mosquitto.start().await;

    let mut gateway = Gateway::open(mosquitto.config());
    let mut node = mosquitto.node("node-1").await;
    let told = gateway.notice(Code::BrokerDrops, true).await;

    let received: u32 = told["received"].parse().unwrap();
    assert_eq!(told["sent"], MESSAGES.to_string());
    // 20 in its window, 1,000 in its queue; some go through in between.
    assert!((1_000..MESSAGES).contains(&received), "{told:?}");
    // Readings were not disturbed, and nothing of the trial came among them.
    node.publish_pack(1).await;
    assert_eq!(seq_of(&gateway.incoming().await), 1);
}

#[tokio::test]
async fn mosquitto_as_we_ship_it_keeps_everything() {
    let mosquitto = Mosquitto::started().await;
    let (door, _queue) = door(WAITING_MAX);

    let received = soon("the trial", tried(&mosquitto.config(), &door)).await.unwrap();

    assert_eq!(received, MESSAGES);
    let log = std::fs::read_to_string(mosquitto.folder.path().join("log")).unwrap();
    let complaints = log.lines().filter(|line| line.contains("Error") || line.contains("Warning"));
    let of_ours = complaints.filter(|line| !line.contains("run as root"));
    assert_eq!(of_ours.collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_broker_whose_rights_do_not_allow_a_trial_is_not_suspected() {
    let mosquitto = Mosquitto::with("");
    let rights = mosquitto.folder.path().join("rights");
    std::fs::write(&rights, "topic readwrite gengfu/v1/campus/node-1/#\n").unwrap();
    mosquitto.configure(&format!("acl_file {}\n", rights.display()));
    let mut mosquitto = mosquitto;
    mosquitto.start().await;
    let (door, _queue) = door(WAITING_MAX);

    let untried = soon("the trial", tried(&mosquitto.config(), &door)).await;

    assert!(matches!(untried, Err(Untried::NotAllowed)), "{untried:?}");
}

#[tokio::test]
async fn a_door_by_which_nothing_comes_connects_anew_and_tells_it_until_something_comes() {
    let mosquitto = Mosquitto::started().await;
    let (door, queue) = door(WAITING_MAX);
    let broker =
        BrokerDoor::open_with(mosquitto.config(), door.clone(), Duration::from_millis(300));
    let mut gateway = Gateway { broker, door, queue };

    let told = gateway.notice(Code::BrokerSilent, true).await;
    let mut node = mosquitto.node("node-1").await;
    node.publish_pack(5).await;
    let incoming = gateway.incoming().await;
    gateway.notice(Code::BrokerSilent, false).await;

    assert!(told.contains_key("minutes"), "{told:?}");
    assert_eq!(seq_of(&incoming), 5);
    let log = std::fs::read_to_string(mosquitto.folder.path().join("log")).unwrap();
    assert!(2 <= log.matches("as gengfu-test").count(), "connected anew:\n{log}");
}
