//! A world in memory: a journal, schedules, a queue of messages and a mail server, on tokio's
//! paused clock. Everything that the steps ask for takes some time, so that two replicas
//! interleave; how long, and what goes wrong, a seed decides.

mod fakes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use proto::event::{MailOutcome, Notified};
use proto::{Data, Event, subject};
use runtime::{Config, Message, Step, Trouble};
use store::journal::Entry;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::fixtures;
use crate::hear::Hear;
use crate::smtp::Post;
use crate::wake::Wake;

use fakes::{Delay, Mx, Registers};

/// How likely things go wrong, in percent; and the seed that decides when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chaos {
    pub(crate) seed: u64,
    /// A replica dies while it works on a message.
    pub(crate) crash: u64,
    /// The store does not answer; half of the time it has done what it was asked.
    pub(crate) store: u64,
    /// The same of the stream of schedules.
    pub(crate) nats: u64,
    /// A message is delivered to another replica while one still works on it.
    pub(crate) doubled: u64,
    /// The mail server is not there.
    pub(crate) away: u64,
    /// It says *not now* before the body, or after it.
    pub(crate) later: u64,
    /// It says *never*.
    pub(crate) never: u64,
    /// Its answer to the body is lost.
    pub(crate) lost: u64,
    /// Nothing takes any time.
    pub(crate) at_once: bool,
}

/// What became of a body as the mail server knows it, and whether the sender heard so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// It is on its way.
    Sent,
    /// The server has it.
    Taken,
    /// The server does not have it, and nobody was told.
    Dropped,
    /// The server said no.
    Denied,
}

pub(crate) struct World {
    pub(crate) chaos: Chaos,
    /// What asks its replicas to stop.
    pub(crate) stop: CancellationToken,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    random: u64,
    registers: HashMap<(String, String), (Entry, Option<Timestamp>)>,
    outcome: Option<Data>,
    schedules: HashMap<String, (Event, Timestamp)>,
    ordered: Vec<Timestamp>,
    messages: Vec<Queued>,
    bodies: Vec<Body>,
    crashes: usize,
    store_back: Option<Instant>,
    violations: Vec<String>,
}

#[derive(Clone)]
struct Queued {
    message: Message,
    visible: Instant,
    done: bool,
}

/// Long enough for a million retries, had they been let.
const FOREVER: Duration = Duration::from_secs(60 * 24 * 60 * 60);
const ACK_WAIT: Duration = Duration::from_secs(30);

fn base() -> Timestamp {
    fixtures::time("2026-11-22T09:00:00Z")
}

impl World {
    pub(crate) fn new(chaos: Chaos) -> Arc<Self> {
        let state = State {
            random: chaos.seed,
            ..State::default()
        };
        Arc::new(Self {
            chaos,
            stop: CancellationToken::new(),
            start: Instant::now(),
            state: Mutex::new(state),
        })
    }

    /// `JetStream`'s time.
    pub(crate) fn now(&self) -> Timestamp {
        base() + SignedDuration::try_from(self.start.elapsed()).unwrap()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// SplitMix64.
    pub(crate) fn random(&self, below: u64) -> u64 {
        let mut state = self.state();
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn chance(&self, percent: u64) -> bool {
        self.random(100) < percent
    }

    async fn takes_a_while(&self) {
        if self.chaos.at_once {
            return;
        }
        let while_ = Duration::from_millis(1 + self.random(50));
        sleep(while_).await;
    }

    /// A desk of a replica whose clock is off by `skew` seconds.
    pub(crate) fn desk(self: &Arc<Self>, skew: i64, post: Option<Arc<dyn Post>>) -> Arc<Desk> {
        let post = post.unwrap_or_else(|| Arc::new(Mx(Arc::clone(self))));
        self.desk_of(&fixtures::config(25), skew, post)
    }

    /// A desk with settings of its own.
    pub(crate) fn desk_of(
        self: &Arc<Self>,
        config: &Config,
        skew: i64,
        post: Arc<dyn Post>,
    ) -> Arc<Desk> {
        let world = Arc::clone(self);
        Arc::new(Desk::new(
            fixtures::settings(config),
            Arc::new(Registers(Arc::clone(self))),
            Arc::new(Delay(Arc::clone(self))),
            post,
            move || world.now() + SignedDuration::from_secs(skew),
        ))
    }

    /// Publishes an event to `FILES`, or a wake.
    pub(crate) fn publish(&self, subject: &str, event: &Event) {
        let mut state = self.state();
        let sequence = u64::try_from(state.messages.len()).unwrap() + 1;
        let message = Message {
            subject: subject.to_owned(),
            headers: HeaderMap::new(),
            payload: serde_json::to_vec(event).unwrap().into(),
            sequence,
            stored: self.now(),
            delivered: 1,
        };
        state.messages.push(Queued {
            message,
            visible: Instant::now(),
            done: false,
        });
    }

    pub(crate) fn wake(&self, event: &Event) {
        self.publish(subject::DELAY_DUE, event);
    }

    /// Delivers what is due, for ever.
    async fn deliver(&self) {
        loop {
            let now = self.now();
            let due: Vec<Event> = {
                let mut state = self.state();
                let due = |(_, (_, at)): &(&String, &(Event, Timestamp))| *at <= now;
                let names: Vec<String> = state
                    .schedules
                    .iter()
                    .filter(due)
                    .map(|(name, _)| name.clone())
                    .collect();
                names
                    .iter()
                    .map(|name| state.schedules.remove(name).unwrap().0)
                    .collect()
            };
            for event in due {
                self.wake(&event);
            }
            sleep(self.pause()).await;
        }
    }

    /// Until something may happen; never longer than the server's tick where something is near.
    fn pause(&self) -> Duration {
        let state = self.state();
        let near = state.messages.iter().any(|queued| !queued.done);
        let now = self.now();
        let next = state
            .schedules
            .values()
            .map(|(_, due)| due.duration_since(now))
            .min();
        match next {
            _ if near => Duration::from_millis(100),
            Some(next) => Duration::try_from(next).unwrap_or_default() + Duration::from_millis(100),
            None => Duration::from_millis(100),
        }
    }

    fn take(&self) -> Option<(usize, Message)> {
        let mut state = self.state();
        let now = Instant::now();
        let found = state
            .messages
            .iter()
            .position(|queued| !queued.done && queued.visible <= now)?;
        // Nobody else gets it while its worker says that it lives.
        state.messages[found].visible = now + FOREVER;
        Some((found, state.messages[found].message.clone()))
    }

    fn give_back(&self, index: usize, after: Duration) {
        self.state().messages[index].visible = Instant::now() + after;
    }

    fn acknowledge(&self, index: usize) {
        self.state().messages[index].done = true;
    }

    /// What the runtime does with a step, as far as it matters here.
    pub(crate) async fn work(&self, desk: &Arc<Desk>, message: &Message) -> Result<(), Trouble> {
        if self.state().outcome.is_some() {
            return Ok(());
        }
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        let answer = if message.subject == subject::DELAY_DUE {
            Wake {
                desk: Arc::clone(desk),
                stop: self.stop.clone(),
            }
            .run(&event, message)
            .await?
        } else {
            Hear(Arc::clone(desk)).run(&event, message).await?
        };
        self.takes_a_while().await;
        if let Some(answer) = answer {
            self.state().outcome.get_or_insert(answer);
        }
        Ok(())
    }

    /// A replica, for ever; it dies now and then, and another takes its place.
    async fn replica(self: Arc<Self>, skew: i64) {
        let mut desk = self.desk(skew, None);
        loop {
            let Some((index, message)) = self.take() else {
                sleep(self.pause()).await;
                continue;
            };
            let mut dies = FOREVER;
            if self.chance(self.chaos.crash) {
                // Mostly in the middle of something, at times while the body is on its way.
                dies = Duration::from_millis(self.random(700));
            }
            if self.chance(self.chaos.doubled) {
                self.give_back(index, Duration::from_millis(self.random(300)));
            }
            tokio::select! {
                biased;
                () = sleep(dies) => {
                    self.state().crashes += 1;
                    self.give_back(index, ACK_WAIT);
                    desk = self.desk(skew, None);
                }
                done = self.work(&desk, &message) => match done {
                    Ok(()) => self.acknowledge(index),
                    Err(Trouble::Outage { .. }) => self.give_back(index, Duration::from_secs(2)),
                    Err(trouble) => {
                        self.violation(format!("given up: {trouble}"));
                        self.acknowledge(index);
                    }
                },
            }
        }
    }

    /// Lets two replicas work until nothing is left to do.
    pub(crate) async fn run(self: &Arc<Self>, skews: [i64; 2]) {
        let quiet = async {
            loop {
                sleep(Duration::from_millis(100)).await;
                sleep(self.pause()).await;
                let state = self.state();
                let waiting = state.messages.iter().any(|queued| !queued.done);
                if !waiting && state.schedules.is_empty() {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.deliver() => {}
            () = Arc::clone(self).replica(skews[0]) => {}
            () = Arc::clone(self).replica(skews[1]) => {}
            quiet = tokio::time::timeout(FOREVER, quiet) => {
                if quiet.is_err() {
                    self.violation("it does not end".to_owned());
                }
            }
        }
    }

    fn violation(&self, what: String) {
        self.state().violations.push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    pub(crate) fn notified(&self) -> Option<Notified> {
        match self.state().outcome.clone() {
            Some(Data::Notified(notified)) => Some(notified),
            _ => None,
        }
    }

    pub(crate) fn outcome(&self) -> Option<MailOutcome> {
        self.notified().map(|notified| notified.outcome)
    }

    pub(crate) fn bodies(&self) -> Vec<Body> {
        self.state().bodies.clone()
    }

    pub(crate) fn crashes(&self) -> usize {
        self.state().crashes
    }

    /// Takes the store away for a while.
    pub(crate) fn without_store(&self, for_: Duration) {
        self.state().store_back = Some(Instant::now() + for_);
    }

    /// How often the mail's row was written.
    pub(crate) fn revision(&self) -> u64 {
        self.state()
            .registers
            .values()
            .map(|(entry, _)| entry.revision)
            .sum()
    }

    /// Loses every schedule.
    pub(crate) fn lose_schedules(&self) {
        self.state().schedules.clear();
    }

    /// The last message that was published.
    pub(crate) fn last_message(&self) -> Message {
        self.state().messages.last().unwrap().message.clone()
    }

    /// The times for which wakes were ordered, in that order.
    pub(crate) fn ordered(&self) -> Vec<Timestamp> {
        self.state().ordered.clone()
    }

    /// A body begins to go out. If one that went out before is not known to be denied, that is
    /// the one thing that must not happen.
    pub(crate) fn body(&self) -> usize {
        let mut state = self.state();
        if let Some(doubtful) = state.bodies.iter().find(|body| **body != Body::Denied) {
            let what = format!("a body goes out while another is {doubtful:?}");
            state.violations.push(what);
        }
        state.bodies.push(Body::Sent);
        state.bodies.len() - 1
    }

    pub(crate) fn became(&self, body: usize, what: Body) {
        self.state().bodies[body] = what;
    }

    /// What goes wrong with a request before and after it is done.
    fn fault(&self, percent: u64) -> (bool, bool) {
        let fails = self.chance(percent);
        let done = self.chance(50);
        (fails && !done, fails && done)
    }
}
