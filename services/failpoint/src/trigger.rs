//! What is to happen where.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Call, Moment, Subject};

/// One failpoint that is armed.
#[derive(Debug)]
pub(crate) struct Trigger {
    call: Call,
    moment: Moment,
    /// Which hit, from 1.
    number: u64,
    /// What the subject has in it.
    part: String,
    action: Action,
    hits: AtomicU64,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// SIGKILL: nothing is flushed, nobody is told.
    Kill,
    /// A panic, which a handler may not survive but its process does.
    Panic,
}

impl Trigger {
    /// Reads what `LANDFALL_TEST_FAILPOINT` holds.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(';').map(Self::parse).collect()
    }

    /// `name.moment[:number][@part]=action`
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("LANDFALL_TEST_FAILPOINT: `{text}`: {why}");
        let (place, action) = text
            .rsplit_once('=')
            .ok_or_else(|| wrong("no action: `=kill` or `=panic`"))?;
        let action = match action {
            "kill" => Action::Kill,
            "panic" => Action::Panic,
            _ => return Err(wrong("an action is `kill` or `panic`")),
        };
        let (point, part) = place.split_once('@').unwrap_or((place, ""));
        let (point, number) = point.split_once(':').unwrap_or((point, "1"));
        let number = number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| wrong("behind `:` there is a number from 1 on"))?;
        let (name, moment) = point
            .rsplit_once('.')
            .ok_or_else(|| wrong("a point is `<call>.before` or `<call>.after`"))?;
        let moment = Moment::ALL
            .into_iter()
            .find(|known| known.name() == moment)
            .ok_or_else(|| wrong("a point ends with `.before` or `.after`"))?;
        let call = Call::ALL
            .iter()
            .find(|call| call.name() == name)
            .ok_or_else(|| wrong("no call has this name"))?;
        Ok(Self {
            call: *call,
            moment,
            number,
            part: part.to_owned(),
            action,
            hits: AtomicU64::new(0),
        })
    }

    /// Counts the hit if it is one of this point's; answers what is to happen.
    pub(crate) fn hit(
        &self,
        call: Call,
        moment: Moment,
        replay: bool,
        subject: Subject<'_>,
    ) -> Option<Action> {
        if (call, moment) != (self.call, self.moment) || !self.fits(replay, subject) {
            return None;
        }
        let number = 1 + self.hits.fetch_add(1, Ordering::Relaxed);
        (number == self.number).then_some(self.action)
    }

    fn fits(&self, replay: bool, Subject { kind, name }: Subject<'_>) -> bool {
        let way = if replay { "replay/" } else { "" };
        let slash = if kind.is_empty() { "" } else { "/" };
        format!("{way}{kind}{slash}{name}").contains(&self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(text: &str) -> Trigger {
        let mut triggers = Trigger::parse_all(text).unwrap();
        assert_eq!(triggers.len(), 1);
        triggers.remove(0)
    }

    fn at(trigger: &Trigger, name: &str) -> Option<Action> {
        trigger.hit(
            Call::ObjectsCopy,
            Moment::After,
            false,
            Subject::named(name),
        )
    }

    #[test]
    fn it_happens_once_at_the_hit_that_was_named() {
        let third = trigger("objects.copy.after:3=kill");
        let hits: Vec<_> = (0..5).map(|_| at(&third, "k")).collect();
        assert_eq!(hits, [None, None, Some(Action::Kill), None, None]);
        let first = trigger("objects.copy.after=panic");
        assert_eq!(at(&first, "k"), Some(Action::Panic));
        assert_eq!(at(&first, "k"), None);
    }

    #[test]
    fn other_points_and_subjects_are_not_counted() {
        let second = trigger("objects.copy.after:2@bad:1@x=y=kill");
        let other = Subject::named("bad:1@x=y");
        let hit = |call, moment| second.hit(call, moment, false, other);
        assert_eq!(hit(Call::ObjectsCopy, Moment::Before), None);
        assert_eq!(hit(Call::ObjectsHead, Moment::After), None);
        assert_eq!(at(&second, "in/good"), None);
        assert_eq!(at(&second, "in/bad:1@x=y.csv"), None);
        assert_eq!(at(&second, "in/bad:1@x=y.csv"), Some(Action::Kill));
    }

    #[test]
    fn a_kind_stands_before_the_name() {
        let claims = trigger("journal.create.before@claim/a=kill");
        let hit = |kind, name| {
            let subject = Subject { kind, name };
            claims.hit(Call::JournalCreate, Moment::Before, false, subject)
        };
        assert_eq!(hit("decision", "a"), None);
        assert_eq!(hit("claim", "b"), None);
        assert_eq!(hit("claim", "ab"), Some(Action::Kill));
    }

    #[test]
    fn a_replay_stands_before_kind_and_name() {
        let hit = |trigger: &Trigger, replay, kind, name| {
            let subject = Subject { kind, name };
            trigger.hit(Call::Publish, Moment::Before, replay, subject)
        };
        let killed = Some(Action::Kill);
        let replays = trigger("publish.before@replay/=kill");
        assert_eq!(hit(&replays, false, "moved", "a"), None);
        assert_eq!(hit(&replays, true, "", "a"), killed);
        let moved = trigger("publish.before@replay/moved/=kill");
        assert_eq!(hit(&moved, false, "moved", "a"), None);
        assert_eq!(hit(&moved, true, "ingested", "a"), None);
        assert_eq!(hit(&moved, true, "moved", "a"), killed);
        let any = trigger("publish.before@moved/=kill");
        assert_eq!(hit(&any, true, "moved", "a"), killed);
    }

    #[test]
    fn several_can_be_armed() {
        let triggers = Trigger::parse_all("publish.before=kill;nats.ack.after:2=panic").unwrap();
        assert_eq!(triggers.len(), 2);
        assert_eq!(triggers[1].call, Call::NatsAck);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_line_that_quotes_it() {
        for text in [
            "",
            "kill",
            "publish.before",
            "publish.before=",
            "publish.before=explode",
            "publish=kill",
            "publish.during=kill",
            "publish.before:0=kill",
            "publish.before:x=kill",
            "unheard.of.before=kill",
            "publish.before=kill;",
            "publish.before@a:1=kil",
        ] {
            let line = Trigger::parse_all(text).unwrap_err();
            let last = text.rsplit(';').next().unwrap();
            assert!(line.starts_with("LANDFALL_TEST_FAILPOINT: `"), "{line}");
            assert!(
                line.contains(&format!("`{last}`")) && !line.contains('\n'),
                "{line}"
            );
        }
    }

    #[test]
    fn every_point_can_be_armed_by_its_name() {
        let mut names: Vec<_> = Call::ALL.iter().map(|call| call.name()).collect();
        for (call, name) in Call::ALL.iter().zip(&names) {
            for moment in Moment::ALL {
                let trigger = trigger(&format!("{name}.{moment}=kill"));
                assert_eq!((trigger.call, trigger.moment), (*call, moment));
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Call::ALL.len(), "two calls have one name");
    }
}
