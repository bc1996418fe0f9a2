//! Whether two clocks agree.

use jiff::{SignedDuration, Timestamp};

use super::report::{Finding, ok, warn, wrong};

/// Beyond it files and mails show wrong times.
const ODD: SignedDuration = SignedDuration::from_secs(60);
/// Beyond it stores refuse what is signed (Amazon S3: `RequestTimeTooSkewed`).
const WRONG: SignedDuration = SignedDuration::from_secs(15 * 60);

/// Judges a server's clock by the one of this machine.
pub(super) fn judge(server: &str, theirs: Timestamp, ours: Timestamp) -> Finding {
    let ahead = theirs.duration_since(ours);
    if ahead.abs() <= ODD {
        return ok("agrees with this machine's");
    }
    let which = if ahead.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let by = SignedDuration::from_secs(ahead.abs().as_secs());
    let line = format!(
        "the clock of {server} ({theirs:.0}) is {by:#} {which} this machine's ({ours:.0}): set the \
         one right that is wrong, and let NTP keep both"
    );
    if ahead.abs() <= WRONG {
        warn(line)
    } else {
        wrong(line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    fn verdict(seconds: i64) -> Verdict {
        let ours = Timestamp::UNIX_EPOCH;
        judge("it", ours + SignedDuration::from_secs(seconds), ours).0
    }

    #[test]
    fn a_minute_is_let_pass_and_a_quarter_of_an_hour_is_wrong() {
        for (seconds, expected) in [
            (0, Verdict::Ok),
            (60, Verdict::Ok),
            (61, Verdict::Warn),
            (900, Verdict::Warn),
            (901, Verdict::Wrong),
        ] {
            assert_eq!(verdict(seconds), expected, "{seconds}");
            assert_eq!(verdict(-seconds), expected, "-{seconds}");
        }
    }

    #[test]
    fn the_line_says_which_clock_is_how_far_off() {
        let ours = Timestamp::UNIX_EPOCH;
        let (_, line) = judge("it", ours - SignedDuration::from_secs(7_200), ours);
        assert!(
            line.contains("the clock of it (1969-12-31T22:00:00Z) is 2h behind"),
            "{line}"
        );
    }
}
