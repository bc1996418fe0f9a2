//! The failpoints of this process: which are armed, and which were hit.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::sys::signal::{Signal, raise};

use crate::scope::is_replay;
use crate::trigger::{Action, Trigger};
use crate::{Call, Moment, Subject};

/// Usage and configuration.
const WRONG: i32 = 2;

/// None where no test has asked for anything.
static REGISTRY: LazyLock<Option<Registry>> = LazyLock::new(|| {
    Registry::from_environment().unwrap_or_else(|wrong| {
        eprintln!("{wrong}");
        std::process::exit(WRONG);
    })
});

struct Registry {
    triggers: Vec<Trigger>,
    log: Option<Log>,
}

/// Each point once.
struct Log {
    file: File,
    seen: Mutex<HashSet<(Call, Moment, bool, &'static str)>>,
}

/// Says that a point was hit, and does what was asked for there.
pub(crate) fn hit(call: Call, moment: Moment, subject: Subject<'_>) {
    let Some(registry) = &*REGISTRY else { return };
    let replay = is_replay();
    if let Some(log) = &registry.log {
        log.note(call, moment, replay, subject.kind);
    }
    for trigger in &registry.triggers {
        match trigger.hit(call, moment, replay, subject) {
            None => {}
            Some(Action::Kill) => kill(),
            Some(Action::Panic) => panic!("failpoint {call}.{moment}"),
        }
    }
}

/// The process does not come back from this.
fn kill() -> ! {
    let _ = raise(Signal::SIGKILL);
    std::process::abort()
}

impl Registry {
    fn from_environment() -> Result<Option<Self>, String> {
        let triggers = match std::env::var("LANDFALL_TEST_FAILPOINT") {
            Ok(text) => Trigger::parse_all(&text)?,
            Err(std::env::VarError::NotPresent) => vec![],
            Err(error) => return Err(format!("LANDFALL_TEST_FAILPOINT: {error}")),
        };
        let log = match std::env::var_os("LANDFALL_TEST_FAILPOINT_LOG") {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(&path);
                Some(Log {
                    file: file.map_err(|error| {
                        format!("LANDFALL_TEST_FAILPOINT_LOG: {}: {error}", path.display())
                    })?,
                    seen: Mutex::default(),
                })
            }
            None => None,
        };
        let asked = !triggers.is_empty() || log.is_some();
        Ok(asked.then_some(Self { triggers, log }))
    }
}

impl Log {
    /// Before anything happens at the point, and whole: processes may share the file.
    fn note(&self, call: Call, moment: Moment, replay: bool, kind: &'static str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert((call, moment, replay, kind)) {
            let line = match (replay, kind) {
                (false, "") => format!("{call}.{moment}\n"),
                (true, "") => format!("{call}.{moment}@replay/\n"),
                (false, kind) => format!("{call}.{moment}@{kind}/\n"),
                (true, kind) => format!("{call}.{moment}@replay/{kind}/\n"),
            };
            if let Err(error) = (&self.file).write_all(line.as_bytes()) {
                eprintln!("LANDFALL_TEST_FAILPOINT_LOG: {error}");
                std::process::exit(WRONG);
            }
        }
    }
}
