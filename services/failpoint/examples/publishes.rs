//! A program that publishes three files, for the tests.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use failpoint::{Call, Subject, around};

fn main() {
    for name in ["one", "two", "three"] {
        let subject = Subject {
            kind: "moved",
            name,
        };
        let published = pin!(around(Call::Publish, subject, async { println!("{name}") }));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(published.poll(&mut context), Poll::Ready(()));
    }
}
