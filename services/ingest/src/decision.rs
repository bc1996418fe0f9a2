//! What becomes of a file, decided once, before its first row is written.

use jiff::Timestamp;
use proto::File;
use proto::event::{Report, Vanished};
use runtime::config::Profile;
use runtime::config::profile::Budget;
use runtime::text::{count, counted};
use serde::{Deserialize, Serialize};
use store::write_timestamp::MAX_PARTS;

use crate::table::refusal::open_quote;
use crate::table::{Seen, Terms};

/// What becomes of a file. Kept in the journal; whoever comes later obeys it, whatever is
/// configured by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Its readings are stored.
    Ingest(Plan),
    /// It is refused as a whole.
    Reject {
        /// One line for a person: what is wrong and how to mend it.
        reason: String,
        /// What was read.
        plan: Plan,
    },
    /// It was not there any more, and nothing of it is stored.
    Superseded {
        /// What became of it.
        how: Vanished,
    },
}

/// What the first pass came to, and all that a second one needs to come to the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was decided.
    pub now: Timestamp,
    /// What the passes depend on.
    pub terms: Terms,
    /// What was counted. The profile is kept under its hash.
    pub report: Report,
    /// In how many parts the readings are written.
    pub parts: u32,
    /// Sums up what was read.
    pub digest: u64,
    /// Where refused rows go.
    pub shelf: Shelf,
}

/// Where refused rows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// The bucket.
    pub bucket: String,
    /// What stands before the keys.
    pub prefix: String,
}

impl Decision {
    /// Decides by what the first pass saw.
    pub fn new(seen: &Seen, profile: &Profile, now: Timestamp, terms: Terms, shelf: Shelf) -> Self {
        let plan = Plan {
            now,
            terms,
            report: report(seen, profile.hash()),
            parts: seen.parts,
            digest: seen.counts.digest,
            shelf,
        };
        match problem(seen, profile) {
            None => Self::Ingest(plan),
            Some(reason) => Self::reject(reason, plan),
        }
    }

    /// Refuses the file: nothing of it is stored.
    pub fn reject(reason: String, mut plan: Plan) -> Self {
        plan.report.stored = 0;
        Self::Reject { reason, plan }
    }
}

impl Plan {
    /// Of a file that could not even be looked at.
    pub fn unread(profile: &Profile, now: Timestamp, terms: Terms, shelf: Shelf) -> Self {
        Self {
            now,
            terms,
            report: Report {
                profile_hash: profile.hash(),
                ..Report::default()
            },
            parts: 1,
            digest: 0,
            shelf,
        }
    }

    /// Whether a pass saw what the first one saw.
    pub fn agrees(&self, seen: &Seen) -> bool {
        let counts = &seen.counts;
        self.digest == counts.digest
            && self.parts == seen.parts
            && self.report.read == counts.read
            && self.report.rejected_lines == counts.rejected_lines
            && self.report.duplicated == counts.duplicated
    }

    /// The line for when it did not.
    pub fn disagreement(&self, seen: &Seen, file: &File) -> String {
        format!(
            "{} in bucket {} was read differently the second time: {} in {}, and {} in {} at \
             first; nothing says so in its version, so the store or this version of ingest is to \
             blame",
            file.key,
            file.bucket,
            counted(seen.counts.read, "reading"),
            counted(seen.parts.into(), "part"),
            count(self.report.read),
            count(self.parts.into()),
        )
    }
}

fn report(seen: &Seen, profile_hash: String) -> Report {
    let counts = &seen.counts;
    let time = |milliseconds| Timestamp::from_millisecond(milliseconds).ok();
    Report {
        profile_hash,
        read: counts.read,
        stored: counts.stored,
        rejected: counts.rejected,
        duplicated: counts.duplicated,
        rejected_lines: counts.rejected_lines,
        at_least: seen.at_least,
        truncated_times: counts.truncated_times,
        first: counts.span.and_then(|(first, _)| time(first)),
        last: counts.span.and_then(|(_, last)| time(last)),
        rejects: None,
        first_rejects: seen.rejects.first().to_vec(),
    }
}

/// Why the file is refused as a whole, if it is.
fn problem(seen: &Seen, profile: &Profile) -> Option<String> {
    if let Some(problem) = &seen.problem {
        return Some(problem.clone());
    }
    if seen.parts > MAX_PARTS {
        return Some(format!(
            "it has more distinct readings than {MAX_PARTS} parts hold: split it, or raise \
             [ingest] in_memory"
        ));
    }
    let counts = &seen.counts;
    if within(profile.budget, counts.rejected_lines, counts.lines) {
        return None;
    }
    let refused = counted(counts.rejected_lines, "line");
    let allowed = match profile.budget {
        Budget::Lines(most) => counted(most, "line"),
        Budget::Percent(most) => format!("{most}% of them"),
    };
    let cause = seen.rejects.open_quote();
    let others = seen.rejects.first().iter().skip(cause.iter().len());
    let others = others.take(3).map(|reject| {
        let column = reject.column.iter();
        let column: String = column.map(|name| format!(", column {name}")).collect();
        format!(
            "line {}{column}: `{}` {}",
            reject.line, reject.value, reject.reason
        )
    });
    let others: Vec<String> = others.collect();
    let mut problem = format!(
        "{refused} of {} could not be read, and the profile `{}` allows {allowed}",
        count(counts.lines),
        profile.name,
    );
    if !others.is_empty() {
        problem += &format!(": {}", others.join("; "));
    }
    Some(match cause {
        Some(line) => format!("{}; so {problem}", open_quote(line)),
        None => problem,
    })
}

/// Whether so many refused lines of so many are within the budget.
fn within(budget: Budget, refused: u64, lines: u64) -> bool {
    match budget {
        Budget::Lines(most) => refused <= most,
        #[expect(clippy::cast_precision_loss, reason = "no file has 2^53 lines")]
        Budget::Percent(most) => refused as f64 * 100.0 <= most * lines as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_of_lines_or_a_share_of_them() {
        for (budget, refused, lines, fits) in [
            (Budget::Lines(0), 0, 10, true),
            (Budget::Lines(0), 1, 10, false),
            (Budget::Lines(100), 100, 100, true),
            (Budget::Percent(0.0), 0, 0, true),
            (Budget::Percent(0.0), 1, 1_000_000, false),
            (Budget::Percent(1.0), 1, 100, true),
            (Budget::Percent(1.0), 1, 99, false),
            (Budget::Percent(7.0), 7, 100, true),
            (Budget::Percent(7.0), 8, 100, false),
            (Budget::Percent(0.1), 3, 3000, true),
            (Budget::Percent(100.0), 5, 5, true),
        ] {
            assert_eq!(
                within(budget, refused, lines),
                fits,
                "{budget:?} {refused} {lines}"
            );
        }
    }
}
