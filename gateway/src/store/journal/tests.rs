use tempfile::TempDir;
use wire::Name;

use super::*;
use crate::store::Store;

const NOW: i64 = 1_760_025_600;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn draft(cause: &str) -> FindingDraft {
    FindingDraft {
        cause: cause.into(),
        kind: "lights_left_on".into(),
        meter: name("light-2f-east"),
        area: name("second-floor-east"),
        opened: NOW,
        closed: None,
        waste: 1_400_000,
        cost_e4: 11_000,
        evidence: "[]".into(),
    }
}

fn mail(dedupe: &str, created: i64) -> NewMail {
    NewMail {
        dedupe: dedupe.into(),
        to: vec!["wang@example.org".into(), "li@example.org".into()],
        subject: "二楼东侧照明未关".into(),
        text: "自 22:10 起".into(),
        html: None,
        attachments: Vec::new(),
        finding: None,
        created,
    }
}

fn user(who: &str) -> NewUser {
    NewUser {
        name: who.into(),
        role: "engineer".into(),
        language: "zh-CN".into(),
        email: None,
        password_hash: "$argon2id$first".into(),
        created: NOW,
    }
}

#[test]
fn a_finding_and_its_mail_are_there_together() {
    let (dir, store) = open();

    let id = store
        .journal()
        .commit(|tx| {
            let (id, change) = tx.put_finding(&draft("a"), NOW)?;
            assert_eq!(change, FindingChange::Opened);
            tx.enqueue(&NewMail { finding: Some(id), ..mail("opened/a", NOW) })?;
            Ok(id)
        })
        .unwrap();

    drop(store);
    let journal = Store::open(dir.path()).unwrap().journal().clone();
    let found = journal.view(|view| view.finding(id)).unwrap().unwrap();
    assert_eq!((found.draft, found.recorded, found.mark), (draft("a"), NOW, None));
    let due = journal.view(|view| view.due_mails(NOW, 10)).unwrap();
    assert_eq!(due[0].mail, NewMail { finding: Some(id), ..mail("opened/a", NOW) });
}

#[test]
fn a_finding_whose_mail_cannot_be_written_is_not_there_either() {
    let (_dir, store) = open();

    let error = store
        .journal()
        .commit(|tx| {
            tx.put_finding(&draft("a"), NOW)?;
            tx.enqueue(&NewMail { to: vec!["a@b\nBcc: c".into()], ..mail("opened/a", NOW) })
        })
        .unwrap_err();

    assert_eq!(error.to_string(), "cannot put a mail into the outbox");
    let view = |view: &JournalView<'_>| {
        Ok((view.findings(&FindingFilter::default())?.len(), view.mails(10)?.len()))
    };
    assert_eq!(store.journal().view(view).unwrap(), (0, 0));
}

#[test]
fn one_cause_is_one_finding_that_opens_grows_and_closes() {
    let (_dir, store) = open();
    let put = |draft: &FindingDraft, now| {
        store.journal().commit(|tx| tx.put_finding(draft, now)).unwrap()
    };
    let grown = FindingDraft { waste: 2_000_000, ..draft("a") };
    let closed = FindingDraft { closed: Some(NOW + 7_200), ..grown.clone() };
    let corrected = FindingDraft { waste: 1_900_000, ..closed.clone() };

    let changes = [
        put(&draft("a"), NOW),
        put(&draft("a"), NOW + 900),
        put(&grown, NOW + 1_800),
        put(&closed, NOW + 7_200),
        put(&grown, NOW + 8_100),
        put(&closed, NOW + 9_000),
        put(&corrected, NOW + 9_900),
    ];

    use FindingChange::{Closed, Corrected, Grew, Opened, Reopened, Unchanged};
    let id = changes[0].0;
    let expected = [Opened, Unchanged, Grew, Closed, Reopened, Closed, Corrected];
    assert_eq!(changes, expected.map(|change| (id, change)));
    let rows = store.journal().view(|view| view.findings(&FindingFilter::default())).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].draft, rows[0].recorded, rows[0].updated), (&corrected, NOW, NOW + 9_900));
}

#[test]
fn findings_are_listed_by_state_kind_and_span() {
    let (_dir, store) = open();
    let silent = FindingDraft {
        kind: "silent_meter".into(),
        opened: NOW - 86_400,
        closed: Some(NOW - 3_600),
        ..draft("silent")
    };
    store
        .journal()
        .commit(|tx| {
            tx.put_finding(&silent, NOW)?;
            tx.put_finding(&draft("lights"), NOW)
        })
        .unwrap();

    let causes = |filter: FindingFilter| -> Vec<String> {
        let rows = store.journal().view(|view| view.findings(&filter)).unwrap();
        rows.into_iter().map(|row| row.draft.cause).collect()
    };

    let all = FindingFilter::default;
    assert_eq!(causes(all()), ["lights", "silent"], "newest first");
    assert_eq!(causes(FindingFilter { limit: 1, ..all() }), ["lights"]);
    assert_eq!(causes(FindingFilter { state: FindingState::Open, ..all() }), ["lights"]);
    assert_eq!(causes(FindingFilter { state: FindingState::Closed, ..all() }), ["silent"]);
    assert_eq!(causes(FindingFilter { kind: Some("silent_meter".into()), ..all() }), ["silent"]);
    assert_eq!(causes(FindingFilter { meter: Some(name("office-main")), ..all() }), [""; 0]);
    assert_eq!(causes(FindingFilter { to: Some(NOW), ..all() }), ["silent"]);
    assert_eq!(causes(FindingFilter { from: Some(NOW - 3_600), ..all() }), ["lights"]);
    assert_eq!(
        causes(FindingFilter { from: Some(NOW - 9_000), to: Some(NOW - 8_000), ..all() }),
        ["silent"],
        "it was open all that time"
    );
}

#[test]
fn a_mark_is_taken_back_together_with_the_permit_it_made() {
    let (_dir, store) = open();
    let overtime = |finding| NewMark {
        finding,
        kind: "overtime".into(),
        author: "wang".into(),
        made: NOW + 60,
        until: Some(NOW + 7_200),
        note: None,
    };
    let finding = store
        .journal()
        .commit(|tx| {
            let (finding, _) = tx.put_finding(&draft("a"), NOW)?;
            let mark = tx.mark(&overtime(finding))?;
            tx.add_exception(&NewException {
                area: name("second-floor-east"),
                start: NOW,
                until: NOW + 7_200,
                reason: "审计加班".into(),
                author: "wang".into(),
                made: NOW + 60,
                mark: Some(mark),
            })?;
            Ok(finding)
        })
        .unwrap();
    let seen = || {
        let look = |view: &JournalView<'_>| {
            Ok((view.finding(finding)?.unwrap().mark, view.exceptions(NOW, NOW + 10)?))
        };
        store.journal().view(look).unwrap()
    };
    let before = seen();

    let undone = store.journal().commit(|tx| tx.undo_mark(finding, "li", NOW + 120)).unwrap();

    assert_eq!(before.0.as_ref().map(|row| &row.mark), Some(&overtime(finding)));
    assert_eq!(before.1.len(), 1);
    assert_eq!(undone, before.0);
    assert_eq!(seen(), (None, Vec::new()));
    let kept = store.journal().view(|view| view.marks(finding)).unwrap();
    assert_eq!(kept[0].undone, Some((NOW + 120, "li".into())), "what was said stays on record");
    assert_eq!(store.journal().commit(|tx| tx.undo_mark(finding, "li", NOW)).unwrap(), None);
}

#[test]
fn a_permit_holds_in_its_span_until_it_is_revoked() {
    let (_dir, store) = open();
    let permit = NewException {
        area: name("library"),
        start: NOW,
        until: NOW + 3_600,
        reason: "exam week".into(),
        author: "wang".into(),
        made: NOW,
        mark: None,
    };
    let id = store.journal().commit(|tx| tx.add_exception(&permit)).unwrap();
    let count = |from, to| store.journal().view(|view| view.exceptions(from, to)).unwrap().len();

    assert_eq!((count(NOW - 10, NOW), count(NOW - 10, NOW + 1)), (0, 1));
    assert_eq!((count(NOW + 3_599, NOW + 9_000), count(NOW + 3_600, NOW + 9_000)), (1, 0));
    assert!(store.journal().commit(|tx| tx.revoke_exception(id, "li", NOW + 5)).unwrap());
    assert!(!store.journal().commit(|tx| tx.revoke_exception(id, "li", NOW + 6)).unwrap());
    assert_eq!(count(NOW, NOW + 10), 0);
    let backwards = NewException { until: NOW, ..permit };
    assert!(store.journal().commit(|tx| tx.add_exception(&backwards)).is_err());
}

#[test]
fn mails_fall_due_in_order_and_are_sent_once() {
    let (_dir, store) = open();
    let journal = store.journal();
    journal
        .commit(|tx| {
            tx.enqueue(&mail("second", NOW + 60))?;
            tx.enqueue(&mail("first", NOW))?;
            tx.enqueue(&mail("third", NOW + 120))?;
            assert_eq!(tx.enqueue(&mail("first", NOW))?, None, "the same mail again");
            Ok(())
        })
        .unwrap();
    let due = |now| -> Vec<(i64, String)> {
        let mails = journal.view(|view| view.due_mails(now, 10)).unwrap();
        mails.into_iter().map(|row| (row.id, row.mail.dedupe)).collect()
    };
    let order = due(NOW + 60);
    let [first, second] = [order[0].0, order[1].0];

    journal.commit(|tx| tx.mail_failed(first, "connection refused", Some(NOW + 360))).unwrap();
    journal.commit(|tx| tx.mail_sent(second, NOW + 61)).unwrap();

    assert_eq!(order, [(first, "first".into()), (second, "second".into())]);
    assert_eq!(due(NOW + 359).len(), 1);
    assert_eq!(due(NOW + 360).last(), Some(&(first, "first".into())));
    assert_eq!(journal.view(|view| view.next_mail_at()).unwrap(), Some(NOW + 120));
    let row = journal.view(|view| view.mail(first)).unwrap().unwrap();
    assert_eq!((row.tries, row.last_error.as_deref()), (1, Some("connection refused")));
    journal.commit(|tx| tx.mail_failed(first, "no such mailbox", None)).unwrap();
    assert_eq!(journal.view(|view| view.mail_counts()).unwrap(), (1, 1));
}

#[test]
fn attachments_travel_with_the_mail_and_go_once_it_is_sent() {
    let (_dir, store) = open();
    let journal = store.journal();
    let file = |number: u8| Attachment {
        name: format!("{number}.xlsx"),
        media_type: "application/vnd.ms-excel".into(),
        content: vec![number; 100_000],
    };
    let with_files = NewMail { attachments: vec![file(1), file(2)], ..mail("report", NOW) };
    let id = journal.commit(|tx| tx.enqueue(&with_files)).unwrap().unwrap();

    let due = journal.view(|view| view.due_mails(NOW, 1)).unwrap();
    journal.commit(|tx| tx.mail_sent(id, NOW + 1)).unwrap();

    assert_eq!(due[0].mail, with_files);
    let sent = journal.view(|view| view.mail(id)).unwrap().unwrap();
    assert_eq!((sent.mail.attachments, sent.sent, sent.next_at), (vec![], Some(NOW + 1), None));
}

#[test]
fn only_the_first_user_is_added_without_asking_anybody() {
    let (_dir, store) = open();
    let journal = store.journal();

    let first = journal.commit(|tx| tx.add_first_user(&user("wang"))).unwrap();
    let late = journal.commit(|tx| tx.add_first_user(&user("mallory"))).unwrap();
    let taken = journal.commit(|tx| tx.add_user(&user("wang"))).unwrap();

    assert!(first.is_some());
    assert_eq!((late, taken), (None, None));
    let names = |rows: Vec<UserRow>| rows.into_iter().map(|row| row.user).collect::<Vec<_>>();
    assert_eq!(names(journal.view(|view| view.users()).unwrap()), [user("wang")]);
}

#[test]
fn a_session_ends_by_time_by_logging_out_and_with_its_user() {
    let (_dir, store) = open();
    let journal = store.journal();
    let id = journal.commit(|tx| tx.add_user(&user("wang"))).unwrap().unwrap();
    let open_session =
        |token: &[u8]| journal.commit(|tx| tx.open_session(token, id, NOW, NOW + 100)).unwrap();
    let alive =
        |token: &[u8], now| journal.view(|view| view.session_user(token, now)).unwrap().is_some();

    open_session(b"one");
    assert_eq!((alive(b"one", NOW + 99), alive(b"one", NOW + 100)), (true, false));
    journal.commit(|tx| tx.extend_session(b"one", NOW + 200)).unwrap();
    assert!(alive(b"one", NOW + 150));
    journal.commit(|tx| tx.close_session(b"one")).unwrap();
    assert!(!alive(b"one", NOW));

    open_session(b"two");
    let changed = NewUser { password_hash: "$argon2id$second".into(), ..user("wang") };
    assert!(journal.commit(|tx| tx.change_user(&changed)).unwrap());
    assert!(!alive(b"two", NOW), "a new password ends what the old one opened");

    open_session(b"three");
    journal.commit(|tx| tx.disable_user(id, Some(NOW))).unwrap();
    assert!(!alive(b"three", NOW));
}

#[test]
fn every_version_of_the_site_book_stays() {
    let (_dir, store) = open();
    let journal = store.journal();
    let book = |version, text: &str| SiteBookRow {
        version,
        made: NOW,
        author: "wang".into(),
        note: "new meter".into(),
        text: text.into(),
    };

    let first = journal.commit(|tx| tx.add_site_book(&book(0, "a = 1"))).unwrap();
    let second = journal.commit(|tx| tx.add_site_book(&book(0, "a = 2"))).unwrap();

    assert!(first < second);
    assert_eq!(journal.view(|view| view.site_book()).unwrap(), Some(book(second, "a = 2")));
    let versions = journal.view(|view| view.site_book_versions()).unwrap();
    assert_eq!(versions, [book(second, "a = 2"), book(first, "a = 1")]);
    assert!(store.database.writer().execute("UPDATE site_book SET text = ''", ()).is_err());
}

#[test]
fn nobody_can_change_or_shorten_the_audit_log() {
    let (_dir, store) = open();
    let entry = NewAudit {
        at: NOW,
        author: "wang".into(),
        action: "mark_finding".into(),
        subject: "finding/1".into(),
        details: "{}".into(),
    };
    store.journal().commit(|tx| tx.append_audit(&entry)).unwrap();

    let change = store.database.writer().execute("UPDATE audit SET author = 'li'", ());
    let shorten = store.database.writer().execute("DELETE FROM audit", ());

    for outcome in [change, shorten] {
        assert!(outcome.unwrap_err().to_string().contains("append only"));
    }
    let of = |subject| store.journal().view(|view| view.audit(subject, 10)).unwrap();
    assert_eq!(of(None)[0].entry, entry);
    assert_eq!((of(Some("finding/1")).len(), of(Some("finding/2")).len()), (1, 0));
}

#[test]
fn a_setting_has_its_last_value() {
    let (_dir, store) = open();
    store.journal().commit(|tx| tx.set_setting("mark", "1")).unwrap();
    store.journal().commit(|tx| tx.set_setting("mark", "2")).unwrap();

    let setting = |key| store.journal().view(|view| view.setting(key)).unwrap();

    assert_eq!((setting("mark").as_deref(), setting("other")), (Some("2"), None));
}

fn command(id: u32) -> NewCommand {
    NewCommand {
        id,
        node: name("node-1"),
        kind: "identify".into(),
        command: vec![1, 2, 3],
        author: "chen".into(),
        asked: NOW,
        until: NOW + 60,
    }
}

#[test]
fn numbers_of_commands_grow_by_the_clock_and_also_while_it_stands() {
    let (_dir, store) = open();
    let journal = store.journal();
    let next = |now| journal.commit(|tx| tx.next_command(now)).unwrap();

    let first = next(NOW);
    journal.commit(|tx| tx.add_command(&command(first))).unwrap();
    // The clock was set back by an hour.
    let second = next(NOW - 3_600);
    journal.commit(|tx| tx.add_command(&command(second))).unwrap();

    assert_eq!((i64::from(first), second), (NOW, first + 1));
    assert_eq!(i64::from(next(NOW + 500)), NOW + 500);
    assert!(journal.commit(|tx| tx.next_command(1 << 32)).is_err());
    assert!(journal.commit(|tx| tx.add_command(&command(second))).is_err(), "never used again");
}

#[test]
fn a_command_goes_to_one_run_and_its_first_answer_stands() {
    let (dir, store) = open();
    let journal = store.journal();
    journal.commit(|tx| tx.add_command(&command(9))).unwrap();
    let answered = |outcome: &str| {
        let answer = (outcome, Some([4].as_slice()));
        journal
            .commit(|tx| tx.command_answered(9, &name("node-1"), answer, false, NOW + 2))
            .unwrap()
    };

    assert!(!answered("done"), "what was not sent has no answer");
    assert!(journal.commit(|tx| tx.command_sent(9, 7, NOW + 1)).unwrap());
    assert!(!journal.commit(|tx| tx.command_sent(9, 8, NOW + 2)).unwrap());
    assert!(answered("failed"));
    assert!(!answered("done"));
    assert!(!journal.commit(|tx| tx.close_command(9, NOW + 70)).unwrap());

    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let row = store.journal().view(|view| view.command(9)).unwrap().unwrap();
    assert_eq!(row.new, command(9));
    assert_eq!((row.sent, row.boot), (Some(NOW + 1), Some(7)));
    assert_eq!((row.outcome.as_deref(), row.answer), (Some("failed"), Some(vec![4])));
    assert_eq!((row.answered, row.closed), (Some(NOW + 2), Some(NOW + 2)));
    assert_eq!(store.journal().view(|view| view.open_commands()).unwrap(), []);
}
