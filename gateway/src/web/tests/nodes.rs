//! Nodes over HTTP.

use wire::message::{State, UpdateAsk, UpdateFault, UpdateState, Version};

use super::*;
use crate::web::NodeTold;

#[tokio::test]
async fn each_node_of_the_site_book_tells_its_program_and_how_far_an_update_is() {
    let version = Version { major: 1, minor: 4, patch: 2 };
    let (node, board) = (name("node-1"), name("rp2350-w5500"));
    let state = UpdateState::Refused(UpdateFault::TooLarge);
    let update = UpdateAsk { board, version, offer: 7, at: 0, state };
    let told = NodeTold { node, state: Some((State::Gone, NOW - 60)), update: Some((update, NOW)) };
    let house = House::with_nodes(vec![told]);
    let cookie = house.log_in("leader").await;

    let stranger = house.get("/api/v1/nodes", "").await;
    let answer = house.get("/api/v1/nodes", &cookie).await.json();

    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let nodes = answer["nodes"].as_array().unwrap();
    let row = nodes.iter().find(|row| row["id"] == "node-1").unwrap();
    assert_eq!((&row["version"], &row["here"]), (&"1.4.2".into(), &false.into()));
    assert_eq!(row["name"]["zh"], "配电间");
    assert_eq!(row["told_at"], "2026-11-23T22:45:00+08:00");
    assert_eq!(row["update"]["state"], "refused");
    assert_eq!(row["update"]["reason"], "too_large");
}
