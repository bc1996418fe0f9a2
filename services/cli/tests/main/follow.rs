use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use proto::{Event, User};

use crate::landfall::{Place, arrived, landfall};

/// A running `landfall follow`.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Following {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut all = vec!["follow"];
        all.extend(arguments);
        let mut command = landfall(place.folder.path(), &all);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if send.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(30))
            .expect("a line")
    }

    fn next_key(&self) -> String {
        let event = Event::parse(self.next().as_bytes()).unwrap();
        event.about().0.key.clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn events_are_shown_from_the_time_asked_for_and_then_as_they_come() {
    let place = Place::new("").await;
    for number in 0..20 {
        place
            .say(
                User::Watcher,
                arrived(&format!("incoming/before-{number}.csv")),
            )
            .await;
    }
    let since = Timestamp::now().to_string();
    for number in 0..3 {
        place
            .say(
                User::Watcher,
                arrived(&format!("incoming/after-{number}.csv")),
            )
            .await;
    }
    let following = Following::start(&place, &["--json", "--since", &since]);
    for number in 0..3 {
        assert_eq!(following.next_key(), format!("incoming/after-{number}.csv"));
    }
    place.say(User::Watcher, arrived("incoming/live.csv")).await;
    assert_eq!(following.next_key(), "incoming/live.csv");

    let all = Following::start(&place, &["--json", "--since", "1h"]);
    assert_eq!(all.next_key(), "incoming/before-0.csv");
}

#[tokio::test]
async fn without_a_time_it_begins_now() {
    let place = Place::new("").await;
    place.say(User::Watcher, arrived("incoming/old.csv")).await;
    let following = Following::start(&place, &["--json"]);
    // It may take a moment until it listens: what is said until then is not for it to show.
    let first = loop {
        place.say(User::Watcher, arrived("incoming/new.csv")).await;
        if let Ok(line) = following.lines.recv_timeout(Duration::from_millis(200)) {
            break line;
        }
    };
    assert!(first.contains("incoming/new.csv"), "{first}");
}

#[tokio::test]
async fn a_line_says_what_happened_and_cannot_be_broken_by_a_key() {
    let place = Place::new("").await;
    place
        .say(User::Watcher, arrived("incoming/a\nb\u{1b}[31m.csv"))
        .await;
    let following = Following::start(&place, &["--since", "1h"]);
    let line = following.next();
    let (_, line) = line.split_once(' ').unwrap();
    assert_eq!(
        line,
        "arrived    incoming/a\\nb\\u{1b}[31m.csv  1.2 kB, found by a notification, profile default"
    );
}

#[tokio::test]
async fn nothing_is_missed_while_the_server_is_away() {
    let mut place = Place::new("").await;
    place.say(User::Watcher, arrived("incoming/1.csv")).await;
    let following = Following::start(&place, &["--json", "--since", "1h"]);
    assert_eq!(following.next_key(), "incoming/1.csv");
    place.nats.kill().await;
    place.nats.restart().await.unwrap();
    // The other end of the line learns of it later than this one.
    place.say(User::Watcher, arrived("incoming/2.csv")).await;
    assert_eq!(following.next_key(), "incoming/2.csv");
}
