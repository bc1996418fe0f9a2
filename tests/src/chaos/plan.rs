//! What is going to happen, decided by a seed. Pure.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use proto::User;

use super::content::{Content, Kind};
use crate::database;
use crate::installation::SERVICES;
use crate::relay::Fate;
use crate::wire::{Forecast, Hits, Weather};

/// How long things happen. Everything that is broken by then is whole again.
pub(super) const LENGTH: Duration = Duration::from_secs(36);

/// Replicas of each service.
pub(super) const REPLICAS: usize = 2;

/// How long a message may be worked on without a sign of life.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(1);

/// What happens to one thing, each at its time since the start, in their order.
type Strand<T> = Vec<(Duration, T)>;

/// Everything that is going to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) seed: u64,
    /// Whether the bucket keeps versions.
    pub(super) versioned: bool,
    pub(super) requests: Strand<Request>,
    pub(super) orders: Strand<Order>,
    pub(super) fates: Strand<Fate>,
    pub(super) replicas: Vec<(Name, Strand<Deed>)>,
    /// Seconds by which clocks are ahead.
    pub(super) clocks: Vec<(Name, Strand<i64>)>,
    /// In the order of [`SERVERS`].
    pub(super) servers: Vec<Strand<Power>>,
    pub(super) wires: Vec<Strand<Forecast>>,
}

/// A replica of a service, and its number from 0.
pub(super) type Name = (User, usize);

/// The servers. The last one only where the database is one.
pub(super) const SERVERS: [&str; 4] = ["nats", "store", "mail", "database"];

/// What people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Put(String, Content),
    Delete(String),
}

/// What people order about one of the files that are filed away by then: which of them is this
/// number's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Replay { from: &'static str, of: usize },
    Retract { of: usize },
}

/// What is done to a replica of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGKILL
    Kill,
    /// SIGTERM
    Terminate,
    Start,
    /// SIGSTOP
    Pause,
    /// SIGCONT
    Resume,
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Kill,
    Start,
}

impl Plan {
    /// The plan of a seed: always the same one for a kind of database.
    pub fn new(seed: u64, database: database::Kind) -> Self {
        let mut random = Rng::with_seed(seed);
        let names: Vec<Name> = SERVICES
            .iter()
            .flat_map(|user| (0..REPLICAS).map(|number| (*user, number)))
            .collect();
        let deeds = names.iter();
        let deeds = deeds.map(|name| (*name, deeds_of(&mut random)));
        let deeds = deeds.collect();
        let clocks = names.iter();
        let clocks = clocks.map(|name| (*name, clock(&mut random)));
        let clocks = clocks.collect();
        let mut plan = Self {
            seed,
            versioned: random.u8(0..3) == 0,
            requests: requests(&mut random),
            orders: orders(seed),
            fates: fates(&mut random),
            replicas: deeds,
            clocks,
            servers: [1..3, 1..2, 1..3]
                .map(|times| power(&mut random, times))
                .into(),
            wires: [(); 3].map(|()| weather(&mut random)).into(),
        };
        if database == database::Kind::Cql {
            plan.servers.push(power(&mut random, 1..2));
            plan.wires.push(weather(&mut random));
        }
        plan
    }

    /// How often a deed is done.
    pub(super) fn count(&self, deed: Deed) -> usize {
        let deeds = self.replicas.iter().flat_map(|(_, strand)| strand);
        deeds.filter(|(_, found)| *found == deed).count()
    }

    /// How many clocks jump.
    pub(super) fn jumps(&self) -> usize {
        self.clocks.iter().map(|(_, strand)| strand.len()).sum()
    }

    /// How many servers are restarted.
    pub(super) fn restarts(&self) -> usize {
        self.servers.iter().map(|strand| strand.len() / 2).sum()
    }
}

/// So many spans of time, in their order, that do not overlap.
fn spans(rng: &mut Rng, count: usize, lengths: &Range<u64>) -> Vec<(Duration, Duration)> {
    let whole = u64::try_from(LENGTH.as_millis()).expect("it is not that long");
    let room = whole / u64::try_from(count.max(1)).expect("they are not that many");
    let span = |number: usize| {
        let length = rng.u64(lengths.clone()).min(room - 1);
        let begin = room * u64::try_from(number).expect("as above") + rng.u64(0..room - length);
        let at = Duration::from_millis;
        (at(begin), at(begin + length))
    };
    (0..count).map(span).collect()
}

fn deeds_of(rng: &mut Rng) -> Strand<Deed> {
    let count = rng.usize(1..3);
    let mut strand = vec![];
    for (begin, end) in spans(rng, count, &(200..3_500)) {
        let pair = match rng.u8(0..4) {
            0 | 1 => (Deed::Kill, Deed::Start),
            2 => (Deed::Terminate, Deed::Start),
            // Shorter ones are nothing to NATS.
            _ => (Deed::Pause, Deed::Resume),
        };
        let end = match pair.0 {
            Deed::Pause => end.max(begin + ACK_WAIT.mul_f32(1.2)),
            _ => end,
        };
        strand.extend([(begin, pair.0), (end, pair.1)]);
    }
    strand
}

fn clock(rng: &mut Rng) -> Strand<i64> {
    let count = rng.usize(0..3);
    let mut strand = vec![];
    for (begin, end) in spans(rng, count, &(1_000..8_000)) {
        let ahead = match rng.u8(0..3) {
            0 => rng.i64(1..120),
            1 => rng.i64(120..14 * 60),
            // The store refuses requests that are signed at such times.
            _ => rng.i64(14 * 60..6 * 3_600),
        };
        let ahead = if rng.bool() { ahead } else { -ahead };
        strand.extend([(begin, ahead), (end, 0)]);
    }
    strand
}

fn power(rng: &mut Rng, times: Range<usize>) -> Strand<Power> {
    let count = rng.usize(times);
    spans(rng, count, &(0..2_500))
        .into_iter()
        .flat_map(|(begin, end)| [(begin, Power::Kill), (end, Power::Start)])
        .collect()
}

fn weather(rng: &mut Rng) -> Strand<Forecast> {
    let count = rng.usize(2..5);
    let mut strand = vec![];
    for (begin, end) in spans(rng, count, &(300..3_000)) {
        let weather = match rng.u8(0..3) {
            0 => Weather::Slow(Duration::from_millis(rng.u64(5..250))),
            1 => Weather::Stalled,
            _ => Weather::Cutting(rng.u64(1..20_000)),
        };
        let hits = if rng.bool() {
            Hits::All
        } else {
            Hits::EveryOther
        };
        strand.extend([(begin, (weather, hits)), (end, Forecast::default())]);
    }
    strand
}

fn fates(rng: &mut Rng) -> Strand<Fate> {
    let count = rng.usize(3..7);
    spans(rng, count, &(500..4_000))
        .into_iter()
        .flat_map(|(begin, end)| {
            let fates = [Fate::Lost, Fate::Doubled, Fate::Held];
            let fate = fates[rng.usize(0..fates.len())];
            // What is held goes on later, twice or never.
            let then = [Fate::Delivered, Fate::Delivered, Fate::Doubled, Fate::Lost];
            [(begin, fate), (end, then[rng.usize(0..then.len())])]
        })
        .chain([(LENGTH, Fate::Delivered)])
        .collect()
}

/// Uploads come in bursts, many of them under a key that another has had.
fn requests(rng: &mut Rng) -> Strand<Request> {
    let count = rng.u64(50..110);
    let last = u64::try_from(LENGTH.as_millis()).expect("it is not that long") - 3_000;
    let mut times: Vec<u64> = (0..count).map(|_| rng.u64(0..last)).collect();
    times.sort_unstable();
    for at in 1..times.len() {
        if rng.u8(0..3) > 0 {
            times[at] = times[at - 1];
        }
    }
    let mut keys: Vec<String> = vec![];
    let mut strand = vec![];
    for (number, at) in (0..).zip(times) {
        let request = match rng.u8(0..100) {
            0..7 if !keys.is_empty() => Request::Delete(rng.choice(&keys).cloned().expect("one")),
            7..35 if !keys.is_empty() => {
                let key = rng.choice(&keys).cloned().expect("one");
                Request::Put(key, content(rng, number))
            }
            _ => {
                keys.push(key(rng, number));
                Request::Put(keys[keys.len() - 1].clone(), content(rng, number))
            }
        };
        strand.push((Duration::from_millis(at), request));
    }
    strand
}

/// By a die of their own: what else a seed brings about is as it would be without them.
fn orders(seed: u64) -> Strand<Order> {
    let rng = &mut Rng::with_seed(seed ^ 0x6f72_6465_7273);
    let last = u64::try_from(LENGTH.as_millis()).expect("it is not that long");
    let mut times: Vec<u64> = (0..12).map(|_| rng.u64(6_000..last)).collect();
    times.sort_unstable();
    times
        .into_iter()
        .map(|at| {
            let of = rng.usize(0..1_000);
            let order = match rng.u8(0..8) {
                0 | 1 => Order::Retract { of },
                2 => Order::Replay { from: "notify", of },
                3 | 4 => Order::Replay { from: "move", of },
                _ => Order::Replay { from: "ingest", of },
            };
            (Duration::from_millis(at), order)
        })
        .collect()
}

fn content(rng: &mut Rng, number: u64) -> Content {
    let kind = match rng.u8(0..20) {
        0 => Kind::Empty,
        1 => Kind::Noise,
        2 => Kind::HalfGzip,
        3 | 4 => Kind::Broken,
        5 | 6 => Kind::OneBadRow,
        7 | 8 => Kind::Gzip,
        _ => Kind::Good,
    };
    let rows = match rng.u8(0..10) {
        0 => rng.u32(2_000..8_000),
        _ => rng.u32(30..400),
    };
    Content { number, rows, kind }
}

fn key(rng: &mut Rng, number: u64) -> String {
    let name = match rng.u8(0..28) {
        0 => "two words",
        1 => "a+b",
        2 => "a%2Bb",
        3 => "Größe e\u{301}",
        4 => "\u{1f321}\u{fe0f}",
        5 => "it's \"quoted\"",
        6 => "a;b&c=d?e#f",
        7 => "<d>*f$g[a]{b}^~@!,:",
        8 => "=1+1",
        9 => "deep/er/still",
        10 => return format!("incoming/{}{number}.csv", "long/".repeat(180)),
        11 => return format!("incoming/{number}/no-ending"),
        _ => "plain",
    };
    format!("incoming/{name} {number}.csv")
}

impl fmt::Display for Plan {
    /// One line an action, in the order of their times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(Duration, String)> = vec![];
        for (at, request) in &self.requests {
            let line = match request {
                Request::Put(key, content) => format!("put {key:?}: {content}"),
                Request::Delete(key) => format!("delete {key:?}"),
            };
            lines.push((*at, line));
        }
        let orders = self.orders.iter();
        lines.extend(orders.map(|(at, order)| (*at, format!("order: {order:?}"))));
        let fates = self.fates.iter();
        lines.extend(fates.map(|(at, fate)| (*at, format!("notifications: {fate:?}"))));
        for ((user, number), strand) in &self.replicas {
            let deeds = strand.iter();
            lines.extend(deeds.map(|(at, deed)| (*at, format!("{user} {number}: {deed:?}"))));
        }
        for ((user, number), strand) in &self.clocks {
            let jumps = strand.iter();
            let line = |ahead: &i64| format!("{user} {number}: clock {ahead:+} s");
            lines.extend(jumps.map(|(at, ahead)| (*at, line(ahead))));
        }
        for (server, strand) in SERVERS.iter().zip(&self.servers) {
            let powers = strand.iter();
            lines.extend(powers.map(|(at, power)| (*at, format!("{server}: {power:?}"))));
        }
        for (server, strand) in SERVERS.iter().zip(&self.wires) {
            let line =
                |(weather, hits): &Forecast| format!("wire to {server}: {weather:?}, {hits:?}");
            let forecasts = strand.iter();
            lines.extend(forecasts.map(|(at, forecast)| (*at, line(forecast))));
        }
        lines.sort();
        let versions = if self.versioned { "with" } else { "without" };
        writeln!(f, "seed {}, a bucket {versions} versions:", self.seed)?;
        for (at, line) in lines {
            writeln!(f, "{:7.3} s  {line}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::SEED;
    use super::*;

    /// What a run is to show, that of the seed which the tests run does.
    #[test]
    fn the_seed_of_the_tests_has_everything_that_may_go_wrong() {
        for database in [database::Kind::Sqlite, database::Kind::Cql] {
            let plan = Plan::new(SEED, database);
            for deed in [Deed::Kill, Deed::Terminate, Deed::Pause] {
                assert!(plan.count(deed) > 0, "{deed:?}");
            }
            let killed = |strand: &Strand<Power>| strand.iter().any(|(_, is)| *is == Power::Kill);
            assert!(plan.servers.iter().all(killed), "{:?}", plan.servers);
            let fates: Vec<Fate> = plan.fates.iter().map(|(_, fate)| *fate).collect();
            for fate in [Fate::Lost, Fate::Doubled, Fate::Held] {
                assert!(fates.contains(&fate), "{fate:?}");
            }
            let weathers = plan.wires.iter().flatten();
            let weathers: Vec<Weather> = weathers.map(|(_, (weather, _))| *weather).collect();
            let has = |is: fn(&Weather) -> bool| weathers.iter().any(is);
            assert!(has(|weather| matches!(weather, Weather::Slow(_))));
            assert!(has(|weather| matches!(weather, Weather::Stalled)));
            assert!(has(|weather| matches!(weather, Weather::Cutting(_))));
            let jumps = plan.clocks.iter().flat_map(|(_, strand)| strand);
            let jumps: Vec<i64> = jumps.map(|(_, ahead)| *ahead).collect();
            assert!(jumps.iter().any(|ahead| *ahead > 60), "{jumps:?}");
            assert!(jumps.iter().any(|ahead| *ahead < -60), "{jumps:?}");
            let mut keys = std::collections::HashSet::new();
            let requests = plan.requests.iter().map(|(_, request)| request);
            let mut again = requests
                .clone()
                .filter(|request| matches!(request, Request::Put(key, _) if !keys.insert(key)));
            assert!(again.next().is_some(), "nothing is overwritten");
            let mut deleted = requests.filter(|request| matches!(request, Request::Delete(_)));
            assert!(deleted.next().is_some(), "nothing is deleted");
        }
    }

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        for seed in 0..200 {
            let plan = Plan::new(seed, database::Kind::Sqlite);
            let same = Plan::new(seed, database::Kind::Sqlite);
            assert_eq!(plan, same);
            assert_eq!(plan.to_string(), same.to_string());
            let other = Plan::new(seed + 1, database::Kind::Sqlite);
            assert_ne!(plan.requests, other.requests);
            let beside = Plan::new(seed, database::Kind::Cql);
            assert_eq!(plan.requests, beside.requests);
            assert_eq!(plan.servers, beside.servers[..3]);
        }
    }

    #[test]
    fn each_strand_goes_forward_and_ends_with_everything_whole() {
        fn forward<T>(strand: &Strand<T>) {
            assert!(strand.is_sorted_by_key(|(at, _)| *at));
            assert!(strand.iter().all(|(at, _)| *at <= LENGTH + ACK_WAIT * 2));
        }
        for seed in 0..200 {
            let plan = Plan::new(seed, database::Kind::Cql);
            forward(&plan.requests);
            forward(&plan.orders);
            forward(&plan.fates);
            assert_eq!(plan.fates.last().map(|last| last.1), Some(Fate::Delivered));
            for (_, strand) in &plan.replicas {
                forward(strand);
                let last = strand.last().map(|last| last.1);
                assert!(matches!(last, Some(Deed::Start | Deed::Resume)));
            }
            for (_, strand) in &plan.clocks {
                forward(strand);
                assert_eq!(strand.last().map_or(0, |last| last.1), 0);
            }
            for strand in &plan.servers {
                forward(strand);
                assert_eq!(strand.last().map(|last| last.1), Some(Power::Start));
            }
            for strand in &plan.wires {
                forward(strand);
                assert_eq!(strand.last().map(|last| last.1), Some(Forecast::default()));
            }
        }
    }
}
