use bytes::Bytes;
use tempfile::TempDir;
use wire::message::{Command, Faults, Task, Version};

use super::*;
use crate::store::journal::NewCommand;

const NOW: i64 = 1_795_445_100;
const BOOT: u32 = 7;
const NOTHING: [u32; 0] = [];

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A courier on a real store, and what it talks to.
struct Post {
    dir: TempDir,
    store: Store,
    clock: Clock,
    board: PlanBoard,
    states: NodeStates,
    courier: Courier,
    doors: broadcast::Receiver<NodeCommand>,
}

impl Post {
    fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Clock::manual(NOW);
        Self::open_in(dir, clock)
    }

    fn open_in(dir: TempDir, clock: Clock) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let (board, states) = (PlanBoard::default(), NodeStates::default());
        let live = Live::default();
        let bell = Bell::default();
        let courier = Courier::new((&store, &clock, &live), &board, &states, &bell);
        let doors = board.commands();
        Self { dir, store, clock, board, states, courier, doors }
    }

    /// The process dies and another one starts.
    fn restart(self) -> Self {
        let Self { dir, store, clock, courier, .. } = self;
        drop((store, courier));
        Self::open_in(dir, clock)
    }

    fn born(&self, node: &str, boot: u32) {
        let state = State::Online {
            boot,
            version: Version { major: 1, minor: 0, patch: 0 },
            plan_revision: 1,
            queued: 0,
            dropped: 0,
            uptime_s: 1,
            faults: Faults::default(),
        };
        self.states.note(name(node), |known| known.state = Some((state, NOW)));
    }

    fn gone(&self, node: &str) {
        self.states.note(name(node), |known| known.state = Some((State::Gone, NOW)));
    }

    /// Writes a command that has a minute; returns its number.
    fn give(&self, node: &str, action: Action) -> u32 {
        let now = self.clock.now();
        let journal = self.store.journal();
        let (node, task) = (name(node), Task::Act(action));
        let given = journal.commit(|tx| tx.give_command(node, task, "chen", now, now + 60));
        given.unwrap()
    }

    /// Looks, and returns the numbers that the doors got.
    fn look(&mut self) -> Vec<u32> {
        while let Ok(answer) = self.courier.answers.try_recv() {
            self.courier.take(answer);
        }
        self.courier.look();
        let mut sent = Vec::new();
        while let Ok(NodeCommand { payload, .. }) = self.doors.try_recv() {
            sent.push(Command::decode(&payload).unwrap().id);
        }
        sent
    }

    /// The same, after so many seconds.
    fn look_after(&mut self, seconds: i64) -> Vec<u32> {
        self.clock.set(self.clock.now() + seconds);
        self.look()
    }

    fn answer(&self, node: &str, id: u32, outcome: Outcome) {
        let result = CommandResult::of(id, outcome);
        let received = self.clock.now();
        self.board.answer(NodeAnswer { node: name(node), result, received });
    }

    fn row(&self, id: u32) -> CommandRow {
        self.store.journal().view(|view| view.command(id)).unwrap().unwrap()
    }

    fn outcome(&self, id: u32) -> (Option<String>, Option<i64>) {
        let row = self.row(id);
        (row.outcome, row.closed)
    }
}

fn said(word: &str, at: i64) -> (Option<String>, Option<i64>) {
    (Some(word.to_owned()), Some(at))
}

#[test]
fn a_command_is_written_as_sent_before_it_leaves_and_its_answer_closes_it() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Identify);

    assert_eq!(post.look(), [id]);
    let sent = post.row(id);
    post.clock.set(NOW + 1);
    post.answer("node-1", id, Outcome::Done);
    let after = post.look_after(30);

    assert_eq!((sent.sent, sent.boot, sent.closed), (Some(NOW), Some(BOOT), None));
    assert_eq!(after, NOTHING);
    assert_eq!(post.outcome(id), said("done", NOW + 1));
    let bytes = post.row(id).answer.unwrap();
    assert_eq!(CommandResult::decode(&bytes), Ok(CommandResult::of(id, Outcome::Done)));
}

#[test]
fn who_does_not_answer_is_asked_again_ever_less_often_and_never_after_the_deadline() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Identify);

    let mut at = Vec::new();
    for second in 0..=80 {
        post.clock.set(NOW + second);
        at.extend(post.look().iter().map(|_| second));
    }

    assert_eq!(at, [0, 2, 6, 14, 30]);
    // The answer of a node whose clock is behind by seconds is waited for.
    assert_eq!(post.outcome(id), (None, Some(NOW + 60 + GRACE_S + 1)));
}

#[test]
fn a_node_that_is_away_until_the_deadline_gets_nothing() {
    let mut post = Post::open();
    post.gone("node-1");
    let id = post.give("node-1", Action::Identify);

    assert_eq!(post.look(), NOTHING);
    assert_eq!(post.look_after(60), NOTHING);
    assert_eq!(post.outcome(id), (None, None));
    assert_eq!(post.look_after(1), NOTHING);
    post.born("node-1", BOOT);
    assert_eq!(post.look(), NOTHING);

    assert_eq!(post.outcome(id), (None, Some(NOW + 61)));
    assert_eq!(post.row(id).sent, None);
}

#[test]
fn a_node_that_comes_back_in_time_gets_it_then() {
    let mut post = Post::open();
    post.gone("node-1");
    let id = post.give("node-1", Action::Identify);
    assert_eq!(post.look(), NOTHING);

    post.born("node-1", BOOT);

    assert_eq!(post.look_after(20), [id]);
}

#[test]
fn one_command_at_a_time_goes_to_a_node_and_other_nodes_do_not_wait() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    post.born("node-2", BOOT);
    let first = post.give("node-1", Action::Identify);
    let second = post.give("node-1", Action::Reboot);
    let other = post.give("node-2", Action::Identify);

    let before = post.look();
    post.answer("node-1", first, Outcome::Done);
    let after = post.look();

    assert!(first < second && second < other);
    assert_eq!(before, [first, other]);
    assert_eq!(after, [second]);
}

#[test]
fn a_restart_between_sending_and_answer_asks_the_same_run_and_matches_what_it_says() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Identify);
    assert_eq!(post.look(), [id]);

    let mut post = post.restart();
    let before_its_birth = post.look_after(1);
    post.born("node-1", BOOT);
    let again = post.look_after(1);
    post.answer("node-1", id, Outcome::Done);
    post.look();

    assert_eq!(before_its_birth, NOTHING);
    assert_eq!(again, [id]);
    assert_eq!(post.outcome(id), said("done", NOW + 2));
}

#[test]
fn no_other_run_of_a_node_ever_gets_a_command() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Identify);
    assert_eq!(post.look(), [id]);

    let mut post = post.restart();
    post.born("node-1", BOOT + 1);

    assert_eq!(post.look_after(10), NOTHING);
    assert_eq!(post.look_after(61), NOTHING);
    assert_eq!(post.outcome(id), (None, Some(NOW + 71)));
}

#[test]
fn a_node_that_has_started_again_has_done_what_it_was_asked() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Reboot);
    assert_eq!(post.look(), [id]);

    post.gone("node-1");
    post.look_after(2);
    post.born("node-1", BOOT + 1);

    assert_eq!(post.look_after(3), NOTHING);
    assert_eq!(post.outcome(id), said("done", NOW + 5));
}

#[test]
fn that_it_was_done_before_gives_way_to_what_came_of_it() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let (slow, lost) = (post.give("node-1", Action::Identify), post.give("node-1", Action::Reboot));
    assert_eq!(post.look(), [slow]);

    // The second sending met a node that was still at it.
    post.answer("node-1", slow, Outcome::Repeated);
    post.look_after(1);
    let meanwhile = post.outcome(slow);
    post.answer("node-1", slow, Outcome::Failed);
    let next = post.look_after(1);
    post.answer("node-1", slow, Outcome::Repeated);
    post.answer("node-1", slow, Outcome::Done);
    post.answer("node-1", lost, Outcome::Repeated);
    post.look_after(1);
    post.look_after(100);

    assert_eq!(meanwhile, (Some("repeated".to_owned()), None));
    assert_eq!(post.outcome(slow), said("failed", NOW + 1));
    assert_eq!(next, [lost]);
    assert_eq!(post.outcome(lost), said("repeated", NOW + 103));
}

#[test]
fn an_answer_that_comes_late_is_still_written_and_one_of_another_node_is_not() {
    let mut post = Post::open();
    post.born("node-1", BOOT);
    let id = post.give("node-1", Action::Identify);
    assert_eq!(post.look(), [id]);

    post.answer("node-2", id, Outcome::Refused);
    post.answer("node-1", id + 9, Outcome::Refused);
    post.look_after(1);
    let foreign = post.outcome(id);
    post.look_after(99);
    post.look_after(50);
    post.answer("node-1", id, Outcome::Done);
    post.look();

    assert_eq!(foreign, (None, None));
    assert_eq!(post.outcome(id), said("done", NOW + 100));
    assert_eq!(post.row(id).answered, Some(NOW + 150));
}

#[tokio::test]
async fn the_bell_sends_what_was_written_at_once() {
    let post = Post::open();
    post.born("node-1", BOOT);
    let (stop, stopped) = watch::channel(false);
    let bell = Arc::clone(&post.courier.bell);
    let mut live = post.courier.live.listen();
    let Post { dir: _dir, store, clock, board: _board, states: _states, courier, mut doors } = post;
    let running = tokio::spawn(courier.run(stopped));
    let now = clock.now();
    let command = Command { id: 5, until: now + 60, task: Task::Act(Action::Identify) };
    let mut bytes = [0; Command::BYTES_MAX];
    let len = command.encode(&mut bytes).unwrap();
    let new = NewCommand {
        id: 5,
        node: name("node-1"),
        kind: "identify".to_owned(),
        command: bytes[..len].to_vec(),
        author: "chen".to_owned(),
        asked: now,
        until: now + 60,
    };
    store.journal().commit(|tx| tx.add_command(&new)).unwrap();

    bell.notify_one();

    let deadline = Duration::from_secs(10);
    let sent = tokio::time::timeout(deadline, doors.recv()).await.unwrap().unwrap();
    assert_eq!(sent.payload, Bytes::copy_from_slice(&bytes[..len]));
    let told = tokio::time::timeout(deadline, live.recv()).await.unwrap().unwrap();
    assert_eq!(told, Happening::Command { id: 5, node: name("node-1") });
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}
