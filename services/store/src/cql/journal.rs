use std::hash::{BuildHasher, RandomState};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use proto::Event;
use tokio::sync::{Mutex, MutexGuard};

use super::agenda::{Agenda, Entry as Item, List, beginning};
use super::cluster::{Access, Cluster};
use super::durability;
use super::outcomes::{Outcome, Outcomes};
use super::registers::{Registers, Row};
use super::schema::{self, Plan};
use super::together::all;
use super::worth::{self, Worth};
use crate::journal::{Cell, Created, Entry, Overdue, Page, Position, Register, Settled};
use crate::{Error, Result};

/// Entries of the agenda that are read together.
const ENTRIES: usize = 1_000;
/// Conditional writes of this process to one row wait for each other, as far as this many locks
/// tell rows apart: they would only get in each other's way.
const LOCKS: usize = 256;
/// Hours whose marks are all within the stream before it is believed that those of earlier hours
/// are too: clocks may differ by a few.
const QUIET_HOURS: usize = 8;

/// A journal in a CQL database.
///
/// *Create if absent* and *compare and set* are lightweight transactions. What is looked for by
/// time is in its agenda.
pub struct Journal {
    cluster: Cluster,
    outcomes: Outcomes,
    registers: Registers,
    agenda: Agenda,
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Journal {
    /// Creates keyspace and tables of the service where they are not there. Safe to repeat and to
    /// do by several at once. What is there and differs is an error.
    pub async fn set_up(access: &Access, plan: &Plan, service: &str) -> Result<()> {
        schema::set_up_journal(access, plan, service).await
    }

    /// Connects, as `service`, for which there must have been [`Self::set_up`].
    pub async fn open(access: &Access, plan: &Plan, service: &str) -> Result<Self> {
        plan.check()?;
        let cluster = Cluster::connect(access, &plan.journals).await?;
        let tables = plan.tables_of_journal(service);
        schema::verify(&cluster, &tables).await?;
        durability::warn(&cluster).await;
        let [outcomes, registers, agenda] =
            tables.map(|table| format!("{}.{}", table.keyspace, table.name));
        Ok(Self {
            outcomes: Outcomes::prepare(&cluster, &outcomes).await?,
            registers: Registers::prepare(&cluster, &registers).await?,
            agenda: Agenda::prepare(&cluster, &agenda).await?,
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            cluster,
        })
    }

    async fn lock(&self, row: impl std::hash::Hash) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(row) % LOCKS as u64;
        self.locks[usize::try_from(hash).unwrap_or_default()]
            .lock()
            .await
    }

    async fn add(&self, list: &List, item: &Item) -> Result<()> {
        self.agenda.add(&self.cluster, list, item).await
    }

    async fn remove(&self, list: &List, item: &Item) -> Result<()> {
        self.agenda.remove(&self.cluster, list, item).await
    }

    /// Removes an entry that turned out to be out of date, or whose write never came.
    async fn tidy(&self, list: &List, item: &Item, worth: Worth) -> Result<()> {
        match worth {
            Worth::Dead => self.remove(list, item).await,
            Worth::Open if !item.is_fresh() => self.remove(list, item).await,
            Worth::Open | Worth::Live => Ok(()),
        }
    }

    fn understood(&self, outcome: &Outcome) -> Result<Settled> {
        let event = serde_json::from_str(&outcome.event).map_err(|error| {
            let start: String = outcome.event.chars().take(80).collect();
            Error::Broken(format!(
                "{}: the outcome `{start}…` of the journal cannot be read: {error}; was it written \
                 by a newer Landfall?",
                self.cluster.name()
            ))
        })?;
        Ok(Settled {
            event,
            published: outcome.published.map(i64::cast_unsigned),
        })
    }
}

/// A cell in the agenda: by file, then by replay.
fn name_of(cell: Cell) -> String {
    format!("{}{:010}", cell.file, cell.replay)
}

fn cell_of(name: &str) -> Option<Cell> {
    let (file, replay) = name.split_at_checked(32)?;
    Some(Cell {
        file: file.parse().ok()?,
        replay: replay.parse().ok()?,
    })
}

#[async_trait]
impl crate::Journal for Journal {
    async fn settle(&self, event: &Event) -> Result<Settled> {
        let cell = Cell::of(event);
        let text = serde_json::to_string(event)
            .map_err(|error| Error::Broken(format!("event {} is no JSON: {error}", event.id)))?;
        let settled = event.time.as_microsecond();
        let item = Item::new(settled, "", &name_of(cell), 0);
        self.add(&List::Unpublished, &item).await?;
        let lock = self.lock(cell).await;
        let stored = self
            .outcomes
            .create(&self.cluster, cell, &text, settled)
            .await?;
        drop(lock);
        let worth = worth::publishing(&item, Some(&stored));
        self.tidy(&List::Unpublished, &item, worth).await?;
        self.understood(&stored)
    }

    async fn settled(&self, cell: Cell) -> Result<Option<Settled>> {
        let outcome = self.outcomes.read_last(&self.cluster, cell).await?;
        outcome.map(|outcome| self.understood(&outcome)).transpose()
    }

    async fn settled_many(&self, cells: &[Cell]) -> Result<Vec<Option<Settled>>> {
        let read = |cell: &Cell| self.outcomes.read(&self.cluster, *cell).boxed();
        let outcomes = all(cells.iter().map(read).collect()).await?;
        let understood =
            |outcome: Option<Outcome>| outcome.map(|outcome| self.understood(&outcome)).transpose();
        outcomes.into_iter().map(understood).collect()
    }

    async fn mark_published(&self, cell: Cell, sequence: u64) -> Result<()> {
        let Some(outcome) = self.outcomes.read(&self.cluster, cell).await? else {
            return Ok(());
        };
        if outcome.published.is_some() {
            return Ok(());
        }
        let now = Timestamp::now().as_microsecond();
        let sequence = sequence.cast_signed();
        let item = Item::new(now, "", &name_of(cell), sequence);
        self.add(&List::marked(now), &item).await?;
        let lock = self.lock(cell).await;
        let marked = self
            .outcomes
            .mark(&self.cluster, cell, &outcome, sequence, now)
            .await?;
        drop(lock);
        if marked {
            let generation = i64::from(outcome.generation);
            let item = Item::new(outcome.settled, "", &name_of(cell), generation);
            self.remove(&List::Unpublished, &item).await?;
        }
        Ok(())
    }

    async fn unpublished(
        &self,
        before: Timestamp,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page> {
        let mut place = after.map_or_else(beginning, |after| {
            let name = name_of(after.cell);
            (
                after.settled.as_microsecond(),
                String::new(),
                name,
                i64::MAX,
            )
        });
        let before = before.as_microsecond();
        let mut outcomes = vec![];
        let mut found = 0;
        let mut next = None;
        while found < limit {
            let list = List::Unpublished;
            let items = self
                .agenda
                .next(&self.cluster, &list, &place, before, limit - found)
                .await?;
            let Some(last) = items.last() else {
                return Ok(Page {
                    outcomes,
                    next: None,
                });
            };
            place = last.place();
            for (item, cell, outcome) in self.outcomes_of(&items).await? {
                let worth = worth::publishing(item, outcome.as_ref());
                self.tidy(&list, item, worth).await?;
                let Some(outcome) = outcome.filter(|_| worth == Worth::Live) else {
                    continue;
                };
                found += 1;
                next = Some(Position {
                    settled: Timestamp::from_microsecond(item.time).unwrap_or_default(),
                    cell,
                });
                // One that cannot be read keeps no other from being published.
                match self.understood(&outcome) {
                    Ok(settled) => outcomes.push(settled),
                    Err(error) => tracing::error!("an outcome cannot be published: {error}"),
                }
            }
        }
        Ok(Page { outcomes, next })
    }

    async fn unmark(&self, created: Timestamp, last: u64) -> Result<u64> {
        let (created, last) = (created.as_microsecond(), last.cast_signed());
        let is_lost = |marked: i64, sequence: i64| marked < created || sequence > last;
        let mut unmarked = 0;
        let mut quiet = 0;
        for hour in self.agenda.hours(&self.cluster, i64::MAX).await? {
            let list = List::Marked(hour);
            if quiet >= QUIET_HOURS && List::begins(hour) > created {
                continue;
            }
            let (mut any, mut lost) = (false, 0);
            let mut place = beginning();
            loop {
                let items = self
                    .agenda
                    .next(&self.cluster, &list, &place, i64::MAX, ENTRIES)
                    .await?;
                let Some(end) = items.last() else { break };
                place = end.place();
                any = true;
                let suspects = items
                    .iter()
                    .filter(|item| is_lost(item.time, item.revision));
                let suspects: Vec<Item> = suspects.cloned().collect();
                lost += suspects.len();
                unmarked += self.unmark_some(&list, &suspects, is_lost).await?;
            }
            if any && lost == 0 {
                quiet += 1;
            }
        }
        Ok(unmarked)
    }

    async fn create_due(
        &self,
        register: &Register,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Created> {
        let row = Row::new(value, 1, due);
        self.announce(register, &row).await?;
        let lock = self.lock(register).await;
        let created = self.registers.create(&self.cluster, register, &row).await?;
        drop(lock);
        let (stored, ours) = created;
        if !ours {
            self.withdraw(register, &row, Some(&stored)).await?;
        }
        Ok(Created {
            entry: stored.entry(),
            ours,
        })
    }

    async fn read(&self, register: &Register) -> Result<Option<Entry>> {
        let row = self
            .registers
            .read_last(&self.cluster, register.kind, &register.name)
            .await?;
        Ok(row.map(Row::entry))
    }

    async fn replace_due(
        &self,
        register: &Register,
        revision: u64,
        value: &[u8],
        due: Option<Timestamp>,
    ) -> Result<Option<u64>> {
        let Some(next) = revision.checked_add(1).filter(|_| revision > 0) else {
            return Ok(None);
        };
        let row = Row::new(value, next.cast_signed(), due);
        let lock = self.lock(register).await;
        let (announced, before) = futures::join!(
            self.announce(register, &row),
            self.registers
                .read(&self.cluster, register.kind, &register.name)
        );
        announced?;
        let before = before?;
        let replaced = self
            .registers
            .replace(&self.cluster, register, &row)
            .await?;
        drop(lock);
        if replaced {
            // That which it was due for is over.
            if let Some(before) = before.filter(|before| before.revision + 1 == row.revision) {
                self.withdraw(register, &before, Some(&row)).await?;
            }
            return Ok(Some(next));
        }
        if row.due.is_some() {
            let now = self
                .registers
                .read(&self.cluster, register.kind, &register.name);
            self.withdraw(register, &row, now.await?.as_ref()).await?;
        }
        Ok(None)
    }

    async fn renew(&self, cells: &[Cell], registers: &[Register]) -> Result<()> {
        let cells = cells.iter().map(|cell| self.renew_outcome(*cell).boxed());
        let registers = registers.iter();
        let registers = registers.map(|register| self.renew_register(register).boxed());
        all(cells.chain(registers).collect()).await?;
        Ok(())
    }

    async fn overdue(
        &self,
        kind: &'static str,
        before: Timestamp,
        last: Option<&Overdue>,
        limit: usize,
    ) -> Result<Vec<Overdue>> {
        let mut place = last.map_or_else(beginning, |last| {
            let name = last.register.name.clone();
            (last.due.as_microsecond(), kind.to_owned(), name, i64::MAX)
        });
        let before = before.as_microsecond();
        let list = List::Due(kind.to_owned());
        let mut overdue = vec![];
        while overdue.len() < limit {
            let items = self
                .agenda
                .next(&self.cluster, &list, &place, before, limit - overdue.len())
                .await?;
            let Some(end) = items.last() else { break };
            place = end.place();
            for (item, row) in self.rows_of(&items).await? {
                let worth = worth::waking(item, row.as_ref());
                self.tidy(&list, item, worth).await?;
                if let Some(row) = row.filter(|_| worth == Worth::Live) {
                    overdue.push(Overdue {
                        register: Register::new(kind, item.name.clone()),
                        entry: row.entry(),
                        // It was a time when it was written.
                        due: Timestamp::from_microsecond(item.time).unwrap_or(Timestamp::MIN),
                    });
                }
            }
        }
        Ok(overdue)
    }

    async fn forget(&self, before: Timestamp) -> Result<u64> {
        let before = before.as_microsecond();
        let mut forgotten = 0;
        for hour in self.agenda.hours(&self.cluster, before).await? {
            let mut open = false;
            for list in [List::Marked(hour), List::Written(hour)] {
                let mut place = beginning();
                loop {
                    let items = self
                        .agenda
                        .next(&self.cluster, &list, &place, before, ENTRIES)
                        .await?;
                    let Some(end) = items.last() else { break };
                    place = end.place();
                    let looked_at = items
                        .iter()
                        .map(|item| self.forget_one(&list, item).boxed());
                    let worths = all(looked_at.collect()).await?;
                    forgotten += worths.iter().filter(|(_, gone)| *gone).count() as u64;
                    open |= worths.iter().any(|(worth, _)| *worth == Worth::Open);
                }
            }
            // A day later nobody writes to it any more, whatever the clocks say.
            if !open && List::begins(hour + 25) <= before {
                self.agenda.forget_hour(&self.cluster, hour).await?;
            }
        }
        Ok(forgotten)
    }
}

impl Journal {
    /// Says in the agenda what is about to be written to a register.
    async fn announce(&self, register: &Register, row: &Row) -> Result<()> {
        let Register { kind, name } = register;
        let written = Item::new(row.written, kind, name, row.revision);
        let list = List::written(row.written);
        let due = async {
            match row.due {
                Some(due) => {
                    let item = Item::new(due, kind, name, row.revision);
                    self.add(&List::Due((*kind).to_owned()), &item).await
                }
                None => Ok(()),
            }
        };
        futures::try_join!(self.add(&list, &written), due)?;
        Ok(())
    }

    /// Takes back what was said about when a register is due at one of its revisions, if that is
    /// out of date by what it is now.
    async fn withdraw(&self, register: &Register, row: &Row, now: Option<&Row>) -> Result<()> {
        let Some(due) = row.due else {
            return Ok(());
        };
        let Register { kind, name } = register;
        let item = Item::new(due, kind, name, row.revision);
        match worth::waking(&item, now) {
            Worth::Dead => self.remove(&List::Due((*kind).to_owned()), &item).await,
            Worth::Live | Worth::Open => Ok(()),
        }
    }

    /// The outcomes that entries are about, in their order.
    async fn outcomes_of<'a>(
        &self,
        items: &'a [Item],
    ) -> Result<Vec<(&'a Item, Cell, Option<Outcome>)>> {
        let mut cells = vec![];
        let mut read = vec![];
        for item in items {
            if let Some(cell) = cell_of(&item.name) {
                cells.push((item, cell));
                read.push(self.outcomes.read(&self.cluster, cell).boxed());
            }
        }
        let outcomes = all(read).await?;
        let with = |((item, cell), outcome)| (item, cell, outcome);
        Ok(cells.into_iter().zip(outcomes).map(with).collect())
    }

    /// The registers that entries are about, in their order.
    async fn rows_of<'a>(&self, items: &'a [Item]) -> Result<Vec<(&'a Item, Option<Row>)>> {
        let read = |item: &'a Item| {
            let read = self.registers.read(&self.cluster, &item.kind, &item.name);
            read.boxed()
        };
        let rows = all(items.iter().map(read).collect()).await?;
        Ok(items.iter().zip(rows).collect())
    }

    /// Takes back the marks of those that still have one that is lost.
    async fn unmark_some(
        &self,
        list: &List,
        items: &[Item],
        is_lost: impl Fn(i64, i64) -> bool + Send + Sync,
    ) -> Result<u64> {
        let mut unmarked = 0;
        for (item, cell, outcome) in self.outcomes_of(items).await? {
            let Some(outcome) = outcome else { continue };
            let (Some(sequence), Some(marked)) = (outcome.published, outcome.marked) else {
                continue;
            };
            if !is_lost(marked, sequence) {
                continue;
            }
            let generation = i64::from(outcome.generation) + 1;
            let again = Item::new(outcome.settled, "", &name_of(cell), generation);
            self.add(&List::Unpublished, &again).await?;
            let lock = self.lock(cell).await;
            if self.outcomes.unmark(&self.cluster, cell, &outcome).await? {
                unmarked += 1;
            }
            drop(lock);
            self.remove(list, item).await?;
        }
        Ok(unmarked)
    }

    async fn renew_outcome(&self, cell: Cell) -> Result<()> {
        let Some(outcome) = self.outcomes.read(&self.cluster, cell).await? else {
            return Ok(());
        };
        let Some(sequence) = outcome.published else {
            return Ok(());
        };
        let now = Timestamp::now().as_microsecond();
        let item = Item::new(now, "", &name_of(cell), sequence);
        self.add(&List::marked(now), &item).await?;
        let _lock = self.lock(cell).await;
        self.outcomes
            .renew(&self.cluster, cell, &outcome, now)
            .await
    }

    async fn renew_register(&self, register: &Register) -> Result<()> {
        let Register { kind, name } = register;
        let Some(row) = self.registers.read(&self.cluster, kind, name).await? else {
            return Ok(());
        };
        let now = Timestamp::now().as_microsecond();
        let item = Item::new(now, kind, name, row.revision);
        self.add(&List::written(now), &item).await?;
        let _lock = self.lock(register).await;
        self.registers
            .renew(&self.cluster, register, &row, now)
            .await
    }

    /// Forgets what an entry is about, if it is as old as the entry says; answers whether it did.
    async fn forget_one(&self, list: &List, item: &Item) -> Result<(Worth, bool)> {
        let cluster = &self.cluster;
        let (worth, gone) = if let List::Marked(_) = list {
            let Some(cell) = cell_of(&item.name) else {
                return Ok((Worth::Open, false));
            };
            let outcome = self.outcomes.read(cluster, cell).await?;
            let marked = outcome.and_then(|outcome| outcome.marked);
            let worth = worth::forgetting(item, marked);
            let gone =
                worth == Worth::Live && self.outcomes.forget(cluster, cell, item.time).await?;
            (worth, gone)
        } else {
            let row = self.registers.read(cluster, &item.kind, &item.name).await?;
            let worth = worth::forgetting(item, row.as_ref().map(|row| row.written));
            let gone = match row {
                Some(row) if worth == Worth::Live => {
                    let name = (item.kind.as_str(), item.name.as_str());
                    self.registers.forget(cluster, name, &row).await?
                }
                _ => false,
            };
            (worth, gone)
        };
        if gone {
            self.remove(list, item).await?;
        } else {
            self.tidy(list, item, worth).await?;
        }
        Ok((worth, gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_in_the_order_of_files_and_replays() {
        let cell = |file: u128, replay| Cell {
            file: proto::FileId::from_bytes(file.to_be_bytes()),
            replay,
        };
        let cells = [
            cell(0, 2),
            cell(0, 10),
            cell(9, 0),
            cell(u128::MAX, u32::MAX),
        ];
        assert!(cells.is_sorted_by_key(|cell| name_of(*cell)));
        for cell in cells {
            assert_eq!(cell_of(&name_of(cell)), Some(cell));
        }
        assert_eq!(cell_of("ä"), None);
    }
}
