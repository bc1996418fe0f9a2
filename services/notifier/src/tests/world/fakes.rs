//! What a replica works with in the world: a journal, schedules and a mail server that take their
//! time and fail as the seed wants it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use proto::event::Receiver;
use proto::{Event, subject};
use runtime::Trouble;
use store::journal::{Cell, Created, Entry, Journal, Overdue, Page, Position, Register, Settled};
use tokio::time::{Instant, sleep};

use super::{Body, State, World};
use crate::schedule::Schedules;
use crate::smtp::{Envelope, Fate, Offer, Post, Refusal};

/// The journal's registers.
pub(super) struct Registers(pub(super) Arc<World>);

impl Registers {
    async fn ask<T>(&self, what: impl FnOnce(&mut State) -> T) -> store::Result<T> {
        let (mut before, after) = self.0.fault(self.0.chaos.store);
        self.0.takes_a_while().await;
        before |= self
            .0
            .state()
            .store_back
            .is_some_and(|back| Instant::now() < back);
        let away = || store::Error::Away {
            store: "memory".to_owned(),
            reason: "as the seed wants it".to_owned(),
        };
        if before {
            return Err(away());
        }
        let done = what(&mut self.0.state());
        self.0.takes_a_while().await;
        if after { Err(away()) } else { Ok(done) }
    }
}

fn name(register: &Register) -> (String, String) {
    (register.kind.to_owned(), register.name.clone())
}

#[async_trait]
impl Journal for Registers {
    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> store::Result<Created> {
        self.ask(|state| {
            let mut ours = false;
            let (entry, _) = state.registers.entry(name(register)).or_insert_with(|| {
                ours = true;
                let value = value.to_vec();
                (Entry { value, revision: 1 }, due)
            });
            Created {
                entry: entry.clone(),
                ours,
            }
        })
        .await
    }

    async fn read(&self, register: &Register) -> store::Result<Option<Entry>> {
        self.ask(|state| {
            state
                .registers
                .get(&name(register))
                .map(|(entry, _)| entry.clone())
        })
        .await
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> store::Result<Option<u64>> {
        self.ask(|state| {
            let (entry, old) = state.registers.get_mut(&name(register))?;
            (entry.revision == revision).then(|| {
                entry.revision += 1;
                entry.value = value.to_vec();
                *old = due;
                entry.revision
            })
        })
        .await
    }

    /// The one mail of the world, if it is overdue.
    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        _: usize,
    ) -> store::Result<Vec<Overdue>> {
        if last.is_some() {
            return Ok(vec![]);
        }
        self.ask(|state| {
            let registers = state.registers.iter();
            registers
                .filter_map(|((_, name), (entry, due))| {
                    Some(Overdue {
                        register: Register::new(kind, name.as_str()),
                        entry: entry.clone(),
                        due: due.filter(|due| *due < before)?,
                    })
                })
                .collect()
        })
        .await
    }

    // Cells are the runtime's, which `World::work` stands for.
    async fn settle(&self, _: &Event) -> store::Result<Settled> {
        unreachable!("a cell is the runtime's")
    }

    async fn settled(&self, _: Cell) -> store::Result<Option<Settled>> {
        unreachable!("a cell is the runtime's")
    }

    async fn settled_many(&self, _: &[Cell]) -> store::Result<Vec<Option<Settled>>> {
        unreachable!("a cell is the runtime's")
    }

    async fn mark_published(&self, _: Cell, _: u64) -> store::Result<()> {
        unreachable!("a cell is the runtime's")
    }

    async fn unpublished(
        &self,
        _: Timestamp,
        _: Option<Position>,
        _: usize,
    ) -> store::Result<Page> {
        unreachable!("a cell is the runtime's")
    }

    async fn unmark(&self, _: Timestamp, _: u64) -> store::Result<u64> {
        unreachable!("a cell is the runtime's")
    }

    async fn renew(&self, _: &[Cell], _: &[Register]) -> store::Result<()> {
        unreachable!("a cell is the runtime's")
    }

    async fn forget(&self, _: Timestamp) -> store::Result<u64> {
        unreachable!("a cell is the runtime's")
    }
}

/// The schedules.
pub(super) struct Delay(pub(super) Arc<World>);

#[async_trait]
impl Schedules for Delay {
    async fn order(&self, event: &Event, due: Timestamp) -> Result<(), Trouble> {
        let (before, after) = self.0.fault(self.0.chaos.nats);
        self.0.takes_a_while().await;
        let outage = || Trouble::Outage {
            dependency: "nats",
            reason: "as the seed wants it".to_owned(),
        };
        if before {
            return Err(outage());
        }
        let (file, replay) = event.about();
        {
            let mut state = self.0.state();
            let subject = subject::delay_wait(file.id, replay);
            state.schedules.insert(subject, (event.clone(), due));
            state.ordered.push(due);
        }
        self.0.takes_a_while().await;
        if after { Err(outage()) } else { Ok(()) }
    }
}

/// The mail server.
pub(super) struct Mx(pub(super) Arc<World>);

#[async_trait]
impl Post for Mx {
    async fn offer(&self, envelope: &Envelope) -> Result<Box<dyn Offer>, Refusal> {
        let world = &self.0;
        world.takes_a_while().await;
        let chaos = world.chaos;
        let answers = |accepted, answer: &str| -> Vec<Receiver> {
            let to = envelope.to.iter();
            to.map(|address| Receiver {
                address: address.to_string(),
                accepted,
                answer: answer.to_owned(),
            })
            .collect()
        };
        if world.chance(chaos.away) {
            return Err(Refusal::Away("as the seed wants it".to_owned()));
        }
        if world.chance(chaos.later) {
            return Err(Refusal::NotNow(
                "451 later".to_owned(),
                answers(false, "451 later"),
            ));
        }
        if world.chance(chaos.never) {
            return Err(Refusal::Never(
                "550 never".to_owned(),
                answers(false, "550 never"),
            ));
        }
        Ok(Box::new(Ready {
            world: Arc::clone(world),
            answers: answers(true, "250 ok"),
        }))
    }
}

struct Ready {
    world: Arc<World>,
    answers: Vec<Receiver>,
}

#[async_trait]
impl Offer for Ready {
    fn answers(&self) -> Vec<Receiver> {
        self.answers.clone()
    }

    async fn hand_over(self: Box<Self>, _: &[u8]) -> Fate {
        let world = &self.world;
        let chaos = world.chaos;
        let body = world.body();
        world.takes_a_while().await;
        // From here on the server's mind is made up, whether or not we live to hear of it.
        let fate = if world.chance(chaos.later) {
            world.became(body, Body::Dropped);
            Fate::NotNow("451 later".to_owned())
        } else if world.chance(chaos.never) {
            world.became(body, Body::Dropped);
            Fate::Never("554 never".to_owned())
        } else {
            world.became(body, Body::Taken);
            Fate::Accepted("250 queued".to_owned())
        };
        sleep(Duration::from_millis(world.random(300))).await;
        if world.chance(chaos.lost) {
            return Fate::Unknown("the connection was cut".to_owned());
        }
        if let Fate::NotNow(_) | Fate::Never(_) = fate {
            world.became(body, Body::Denied);
        }
        fate
    }
}
