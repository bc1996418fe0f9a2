//! What a journal must do.

use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proto::event::{DeadLetter, Failed};
use proto::{Data, Event, File, FileId, User, Version};

use super::Stores;
pub use super::registers::*;
use store::journal::{Cell, Register, Settled};

/// Each case by name.
#[doc(hidden)]
#[macro_export]
macro_rules! journal_cases {
    ($test:path, $stores:expr) => {
        $test! { journal, $stores,
            of_many_outcomes_of_a_cell_one_stays_and_everyone_reads_it
            an_outcome_is_read_back_as_it_was_settled
            each_replay_of_a_file_has_an_outcome_of_its_own
            many_outcomes_are_read_in_the_order_asked_for
            the_first_mark_of_an_outcome_stays
            a_mark_makes_no_outcome
            unpublished_outcomes_come_oldest_first
            unpublished_outcomes_come_page_by_page
            marks_that_the_stream_cannot_have_made_are_taken_back
            of_many_values_created_in_a_register_one_stays_and_everyone_reads_it
            each_revision_of_a_register_is_replaced_once
            a_register_that_is_not_there_is_not_replaced
            registers_have_any_name
            registers_hold_any_value
            what_is_overdue_is_named_in_its_order_until_it_is_written_again
            of_many_that_are_overdue_each_is_on_one_page
            what_is_old_is_forgotten_unless_it_is_to_be_published
            what_is_renewed_is_not_forgotten
            a_caller_that_goes_away_leaves_nothing_half_done
        }
    };
}

/// At once.
pub(super) const TASKS: u64 = 50;

/// 50 tasks at two openings.
pub async fn of_many_outcomes_of_a_cell_one_stays_and_everyone_reads_it(stores: &impl Stores) {
    let replicas = [stores.journal().await, stores.journal().await];
    for round in 0..10 {
        let tasks = (0..TASKS).map(|task| {
            let journal = Arc::clone(&replicas[usize::from(task.is_multiple_of(2))]);
            let event = event(round, 0, &format!("task {task}"));
            tokio::spawn(async move { (journal.settle(&event).await.unwrap().event, event) })
        });
        let answers: Vec<(Event, Event)> = unwrapped(join_all(tasks).await);
        let winner = &answers[0].0;
        assert!(answers.iter().all(|(stored, _)| stored == winner));
        let winners = answers.iter().filter(|(_, own)| own == winner).count();
        assert_eq!(winners, 1, "what is stored is what one of them settled");
        for journal in &replicas {
            let settled = journal.settled(cell(round, 0)).await.unwrap();
            assert_eq!(settled.map(|settled| settled.event).as_ref(), Some(winner));
        }
    }
}

/// Every character, and times to the nanosecond.
pub async fn an_outcome_is_read_back_as_it_was_settled(stores: &impl Stores) {
    let journal = stores.journal().await;
    assert_eq!(journal.settled(cell(1, 0)).await.unwrap(), None);
    let mut event = event(
        1,
        0,
        "line 3: \"ä\u{1F980}\\\n\t\0\u{7f}'; DROP TABLE outcome",
    );
    event.time = Timestamp::new(1_800_000_000, 123_456_789).unwrap();
    let settled = Settled {
        event: event.clone(),
        published: None,
    };
    assert_eq!(journal.settle(&event).await.unwrap(), settled);
    assert_eq!(journal.settle(&event).await.unwrap(), settled);
    assert_eq!(journal.settled(cell(1, 0)).await.unwrap(), Some(settled));
}

/// So does each file.
pub async fn each_replay_of_a_file_has_an_outcome_of_its_own(stores: &impl Stores) {
    let journal = stores.journal().await;
    for (file, replay) in [(1, 0), (1, 1), (1, 9), (2, 0)] {
        let own = event(file, replay, &format!("{file}, {replay}"));
        assert_eq!(journal.settle(&own).await.unwrap().event, own);
        let read = journal.settled(cell(file, replay)).await.unwrap();
        assert_eq!(read.unwrap().event, own);
    }
    assert_eq!(journal.settled(cell(1, 2)).await.unwrap(), None);
}

/// Twice where asked twice, none where there is none, and any number of them.
pub async fn many_outcomes_are_read_in_the_order_asked_for(stores: &impl Stores) {
    let journal = stores.journal().await;
    let settle = (0..1_500).map(|file| {
        let journal = Arc::clone(&journal);
        async move { journal.settle(&event(file, 0, "")).await.unwrap() }
    });
    join_all(settle).await;
    let asked = (0..3_000).map(|number| number * 7 % 2_000);
    let cells: Vec<Cell> = asked.clone().map(|file| cell(file, 0)).collect();
    let read = journal.settled_many(&cells).await.unwrap();
    assert_eq!(read.len(), cells.len());
    for (file, settled) in asked.zip(read) {
        let expected = (file < 1_500).then(|| FileId::from_bytes(bytes(file)));
        assert_eq!(settled.map(|settled| settled.event.subject), expected);
    }
    assert_eq!(journal.settled_many(&[]).await.unwrap(), vec![]);
}

/// Wherever the outcome is read.
pub async fn the_first_mark_of_an_outcome_stays(stores: &impl Stores) {
    let journal = stores.journal().await;
    let event = event(1, 0, "");
    journal.settle(&event).await.unwrap();
    for sequence in [7, 8, 7] {
        journal.mark_published(cell(1, 0), sequence).await.unwrap();
        let settled = Settled {
            event: event.clone(),
            published: Some(7),
        };
        assert_eq!(journal.settle(&event).await.unwrap(), settled);
        let read = journal.settled(cell(1, 0)).await.unwrap();
        assert_eq!(read, Some(settled.clone()));
        let read = journal.settled_many(&[cell(1, 0)]).await.unwrap();
        assert_eq!(read, vec![Some(settled)]);
    }
}

/// Not even one that is in the way later.
pub async fn a_mark_makes_no_outcome(stores: &impl Stores) {
    let journal = stores.journal().await;
    journal.mark_published(cell(1, 0), 7).await.unwrap();
    assert_eq!(journal.settled(cell(1, 0)).await.unwrap(), None);
    assert_eq!(journal.settled_many(&[cell(1, 0)]).await.unwrap(), [None]);
    let settled = journal.settle(&event(1, 0, "")).await.unwrap();
    assert_eq!(settled.published, None);
}

/// Only those before a time, only as many as wanted, none that has the mark.
pub async fn unpublished_outcomes_come_oldest_first(stores: &impl Stores) {
    let journal = stores.journal().await;
    // The third settled has the earliest time.
    for (file, second) in [(0, 30), (1, 10), (2, 0), (3, 20), (4, 40)] {
        let mut event = event(file, 0, "");
        event.time = Timestamp::from_second(second).unwrap();
        journal.settle(&event).await.unwrap();
    }
    journal.mark_published(cell(3, 0), 1).await.unwrap();
    for (before, limit, expected) in [
        (100, 100, &[2, 1, 0, 4][..]),
        (40, 100, &[2, 1, 0]),
        (30, 100, &[2, 1]),
        (100, 2, &[2, 1]),
        (100, 0, &[]),
        (0, 100, &[]),
    ] {
        let before = Timestamp::from_second(before).unwrap();
        let page = journal.unpublished(before, None, limit).await.unwrap();
        let files: Vec<FileId> = page
            .outcomes
            .iter()
            .map(|settled| settled.event.subject)
            .collect();
        let expected: Vec<FileId> = expected
            .iter()
            .map(|file| FileId::from_bytes(bytes(*file)))
            .collect();
        assert_eq!(files, expected, "before {before}, at most {limit}");
        let unmarked = |settled: &Settled| settled.published.is_none();
        assert!(page.outcomes.iter().all(unmarked));
    }
}

/// Also where several have one time, and where marks are set meanwhile.
pub async fn unpublished_outcomes_come_page_by_page(stores: &impl Stores) {
    let journal = stores.journal().await;
    let cells = [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0), (5, 1), (6, 0)];
    for (number, (file, replay)) in (0..).zip(cells) {
        let mut event = event(file, replay, "");
        event.time = Timestamp::from_second(number / 3).unwrap();
        journal.settle(&event).await.unwrap();
    }
    let mut seen = vec![];
    let mut after = None;
    loop {
        let page = journal.unpublished(Timestamp::MAX, after, 2).await.unwrap();
        assert!(page.outcomes.len() <= 2);
        for settled in page.outcomes {
            let cell = Cell::of(&settled.event);
            journal.mark_published(cell, 1).await.unwrap();
            seen.push(cell);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort_by_key(|cell| cell.file.bytes());
    let mut all = cells.map(|(file, replay)| cell(file, replay)).to_vec();
    all.sort_by_key(|cell| cell.file.bytes());
    assert_eq!(seen, all);
}

/// A stream that was made anew, or set back, has lost what the marks say it holds.
pub async fn marks_that_the_stream_cannot_have_made_are_taken_back(stores: &impl Stores) {
    let journal = stores.journal().await;
    for file in 0..3 {
        journal.settle(&event(file, 0, "")).await.unwrap();
        let sequence = 10 + file;
        let marked = journal.mark_published(cell(file, 0), sequence);
        marked.await.unwrap();
    }
    let published = async |file| {
        let settled = journal.settled(cell(file, 0)).await.unwrap();
        settled.unwrap().published
    };
    let earlier = Timestamp::UNIX_EPOCH;
    assert_eq!(journal.unmark(earlier, 12).await.unwrap(), 0);
    assert_eq!(journal.unmark(earlier, 11).await.unwrap(), 1);
    assert_eq!(published(1).await, Some(11));
    assert_eq!(published(2).await, None);
    assert_eq!(journal.unmark(later_than_now(), 100).await.unwrap(), 2);
    let page = journal.unpublished(Timestamp::MAX, None, 10).await.unwrap();
    assert_eq!(page.outcomes.len(), 3);
}

/// Also where there is much of it.
pub async fn what_is_old_is_forgotten_unless_it_is_to_be_published(stores: &impl Stores) {
    let journal = stores.journal().await;
    let writes = (0..600).map(|number| {
        let journal = Arc::clone(&journal);
        async move {
            journal.settle(&event(number, 0, "")).await.unwrap();
            journal.mark_published(cell(number, 0), 1).await.unwrap();
            let register = Register::new("key", number.to_string());
            journal.create(&register, b"").await.unwrap();
        }
    });
    join_all(writes).await;
    journal.settle(&event(600, 0, "")).await.unwrap();
    let replaced_later = Register::new("key", "0");
    let between = later_than_now();
    journal.replace(&replaced_later, 1, b"").await.unwrap();
    journal.settle(&event(601, 0, "")).await.unwrap();
    journal.mark_published(cell(601, 0), 2).await.unwrap();

    let hour = SignedDuration::from_hours(1);
    assert_eq!(journal.forget(between - hour).await.unwrap(), 0);
    assert_eq!(journal.forget(between).await.unwrap(), 600 + 599);
    assert_eq!(journal.forget(between).await.unwrap(), 0);
    assert_eq!(journal.settled(cell(0, 0)).await.unwrap(), None);
    assert!(journal.settled(cell(600, 0)).await.unwrap().is_some());
    assert!(journal.settled(cell(601, 0)).await.unwrap().is_some());
    assert!(journal.read(&replaced_later).await.unwrap().is_some());
    assert!(
        journal
            .create(&Register::new("key", "1"), b"")
            .await
            .unwrap()
            .ours
    );
    assert_eq!(journal.forget(between + hour).await.unwrap(), 1 + 2);
    let page = journal.unpublished(between + hour, None, 10);
    assert_eq!(page.await.unwrap().outcomes.len(), 1);
}

/// Renewed rows are as young as new ones, and hold what they held.
pub async fn what_is_renewed_is_not_forgotten(stores: &impl Stores) {
    let journal = stores.journal().await;
    let register = |number: u64| Register::new("note", number.to_string());
    for number in 0..2 {
        journal.settle(&event(number, 0, "")).await.unwrap();
        journal.mark_published(cell(number, 0), 7).await.unwrap();
        journal.create(&register(number), b"ended").await.unwrap();
    }
    journal.settle(&event(2, 0, "")).await.unwrap();
    let between = later_than_now();
    let cells = [cell(0, 0), cell(2, 0), cell(3, 0)];
    let registers = [register(0), register(3)];
    journal.renew(&cells, &registers).await.unwrap();
    journal.renew(&cells, &registers).await.unwrap();
    assert_eq!(journal.forget(between).await.unwrap(), 2);
    let kept = journal.settled(cell(0, 0)).await.unwrap().unwrap();
    assert_eq!(kept.published, Some(7));
    let kept = journal.read(&register(0)).await.unwrap().unwrap();
    assert_eq!((&kept.value[..], kept.revision), (&b"ended"[..], 1));
    // Neither was made, nor marked.
    assert_eq!(journal.settled(cell(3, 0)).await.unwrap(), None);
    assert_eq!(journal.read(&register(3)).await.unwrap(), None);
    let hour = SignedDuration::from_hours(1);
    let page = journal.unpublished(between + hour, None, 10);
    assert_eq!(page.await.unwrap().outcomes.len(), 1);
    assert_eq!(journal.forget(between + hour).await.unwrap(), 2);
}

/// At whatever moment: a cell has its outcome or none, and the journal goes on.
pub async fn a_caller_that_goes_away_leaves_nothing_half_done(stores: &impl Stores) {
    let journal = stores.journal().await;
    for number in 0..200 {
        let journal_of_task = Arc::clone(&journal);
        let task = tokio::spawn(async move {
            let settled = journal_of_task.settle(&event(number, 0, "first")).await;
            settled.map(|_| ()).unwrap();
        });
        for _ in 0..number % 20 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let answered = task.await.is_ok();
        let before = journal.settled(cell(number, 0)).await.unwrap();
        assert!(before.is_some() || !answered);
        let after = journal.settle(&event(number, 0, "second")).await.unwrap();
        if let Some(before) = before {
            assert_eq!(after.event, before.event);
        }
        let read = journal.settled(cell(number, 0)).await.unwrap();
        assert_eq!(read.unwrap().event, after.event);
    }
}

pub(super) fn unwrapped<T>(answers: Vec<Result<T, tokio::task::JoinError>>) -> Vec<T> {
    answers.into_iter().map(Result::unwrap).collect()
}

/// A moment that the clock has passed and that no write before had.
fn later_than_now() -> Timestamp {
    let wait = || {
        let started = Timestamp::now().as_microsecond();
        while Timestamp::now().as_microsecond() <= started + 1 {
            std::hint::spin_loop();
        }
    };
    wait();
    let moment = Timestamp::now();
    wait();
    moment
}

fn bytes(file: u64) -> [u8; 16] {
    u128::from(file).to_le_bytes()
}

fn cell(file: u64, replay: u32) -> Cell {
    Cell {
        file: FileId::from_bytes(bytes(file)),
        replay,
    }
}

/// An outcome, for tests beside the suite as well.
pub fn event(file: u64, replay: u32, reason: &str) -> Event {
    let now = Timestamp::now();
    let file = File {
        id: FileId::from_bytes(bytes(file)),
        bucket: "landfall".to_owned(),
        key: "incoming/a b+c%.csv".to_owned(),
        version: Version::new("9bb58f26192e4ba00f01e2e7b136bbd8", now, None),
        size: 12,
        content_type: Some("text/csv".to_owned()),
        content_encoding: None,
        order: now,
        profile: "default".to_owned(),
    };
    let data = Failed {
        file,
        replay,
        step: User::Mover,
        reason: reason.to_owned(),
        dead_letter: DeadLetter {
            stream: "DEAD".to_owned(),
            sequence: u64::from(u32::MAX) + 1,
        },
        replayed: None,
    };
    Event::new(User::Mover, Data::Failed(data), now)
}
