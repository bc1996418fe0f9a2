//! A program that publishes three files, the last of which is replayed, for the tests.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use failpoint::{Call, Subject, around, on_way};

fn main() {
    for (name, replay) in [("one", 0), ("two", 0), ("three", 1)] {
        let subject = Subject {
            kind: "moved",
            name,
        };
        let published = around(Call::Publish, subject, async { println!("{name}") });
        let published = pin!(on_way(replay, published));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(published.poll(&mut context), Poll::Ready(()));
    }
}
