//! One mail, from what was heard to its end: the steps and their rows as they are, and the real
//! client, on whatever wire.
//!
//! The clock is real while bytes are on their way. Once nothing more can come, or until a mail is
//! due, time flies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::event::Notified;
use proto::{Data, Event, What, subject};
use runtime::{Config, Message, Step, Trouble};
use tokio::time::{pause, resume, sleep};

use super::world::{Chaos, World};
use crate::fixtures::{self, moved_event};
use crate::hear::Hear;
use crate::smtp::scripted::{Server, Taken};
use crate::smtp::{Client, Endpoint, KEPT};
use crate::wake::Wake;

/// The clock: while it is ahead, it runs to whatever is waited for next as soon as nothing else
/// goes on.
#[derive(Clone, Default)]
pub(super) struct Clock(Arc<AtomicBool>);

impl Clock {
    /// Lets time fly: nothing more comes, and somebody waits for it.
    pub(super) fn fly(&self) {
        if !self.0.swap(true, Ordering::SeqCst) {
            pause();
        }
    }

    fn land(&self) {
        if self.0.swap(false, Ordering::SeqCst) {
            resume();
        }
    }
}

/// How the mail ended, and what the server has of it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) told: Notified,
    pub(super) taken: Vec<Taken>,
    /// How many bodies have begun.
    pub(super) bodies: usize,
}

/// A configuration whose mail server is at `port`, with nothing in between.
pub(super) fn config(port: u16) -> Config {
    let mut config = fixtures::config(port);
    config.notifier.smtp.host = "localhost".to_owned();
    config
}

/// Sends one mail, however often the server has to be asked, and wakes for it more often than that.
pub(super) async fn send(config: &Config, server: &Server, clock: &Clock) -> End {
    let before = (server.taken().len(), server.bodies());
    let told = until_told(config, clock).await;
    // Its connections end with the client, and with them whatever is on its way.
    while server.open() > 0 {
        tokio::task::yield_now().await;
    }
    End {
        told,
        taken: server.taken().split_off(before.0),
        bodies: server.bodies() - before.1,
    }
}

async fn until_told(config: &Config, clock: &Clock) -> Notified {
    let world = World::new(Chaos {
        at_once: true,
        ..Chaos::default()
    });
    let endpoint = Endpoint::new(&config.notifier.smtp, "plant.example").unwrap();
    let client = Arc::new(Client::new(Arc::new(endpoint), KEPT));
    let desk = world.desk_of(config, 0, client);
    let event = moved_event("incoming/a.csv");
    world.publish(&heard(&event), &event);
    let hear = Hear(Arc::clone(&desk));
    let told = hear.run(&event, &world.last_message()).await.unwrap();
    assert_eq!(told, None);
    let wake = Wake {
        desk,
        stop: world.stop.clone(),
    };
    let told = loop {
        let message = due(&world, &event, clock).await;
        if let Some(told) = work(&wake, &event, &message, clock).await {
            break told;
        }
    };
    // Wakes that come late change nothing, and make nobody speak with the server.
    for _ in 0..2 {
        world.wake(&event);
        let again = work(&wake, &event, &world.last_message(), clock).await;
        assert_eq!(again.as_ref(), Some(&told));
    }
    told
}

fn heard(event: &Event) -> String {
    let (file, _) = event.about();
    subject::files(file.id, What::Moved, "default")
}

/// The last wake that was ordered, when it is due.
async fn due(world: &Arc<World>, event: &Event, clock: &Clock) -> Message {
    let due = *world.ordered().last().unwrap();
    let left = Duration::try_from(due.duration_since(world.now())).unwrap_or_default();
    clock.fly();
    sleep(left + Duration::from_millis(1)).await;
    clock.land();
    world.wake(event);
    world.last_message()
}

/// A wake, which is held while the server is away.
async fn work(wake: &Wake, event: &Event, message: &Message, clock: &Clock) -> Option<Notified> {
    loop {
        let answer = wake.run(event, message).await;
        clock.land();
        match answer {
            Ok(Some(Data::Notified(notified))) => return Some(notified),
            Ok(None) => return None,
            Err(Trouble::Outage {
                dependency: "smtp", ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
}
