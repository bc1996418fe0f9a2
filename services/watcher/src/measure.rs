//! What the watcher counts and measures.

use std::time::Duration;

use proto::event::FoundBy;

use crate::notification::Sender;

/// A record of a notification, by what became of it.
pub(crate) fn notification(sender: Sender, outcome: &'static str) {
    metrics::counter!(
        "landfall_notifications_total",
        "sender" => sender.name(),
        "outcome" => outcome
    )
    .increment(1);
}

/// A version that nobody had settled.
pub(crate) fn arrived(found_by: FoundBy) {
    let found_by = match found_by {
        FoundBy::Notification => "notification",
        FoundBy::Sweep => "sweep",
        FoundBy::Backfill => "backfill",
    };
    metrics::counter!("landfall_arrived_total", "found_by" => found_by).increment(1);
}

/// Files that only a listing by the clock has found, long after their upload.
pub(crate) fn missed(files: u64) {
    metrics::counter!("landfall_notifications_missed_total").increment(files);
}

/// A request to `POST /events`, by its answer.
pub(crate) fn request(status: u16) {
    metrics::counter!("landfall_event_requests_total", "status" => status.to_string()).increment(1);
}

/// A sweep that came to its end.
pub(crate) fn swept(took: Duration) {
    metrics::histogram!("landfall_sweep_duration_seconds").record(took.as_secs_f64());
}

/// How many objects of the last sweep were in a state.
pub(crate) fn objects(state: &'static str, count: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("landfall_sweep_objects", "state" => state).set(count as f64);
}

/// Says what the names mean.
pub(crate) fn describe() {
    use metrics::Unit::{Count, Seconds};
    metrics::describe_counter!(
        "landfall_notifications_total",
        Count,
        "Records of notifications by sender and what became of them"
    );
    metrics::describe_counter!(
        "landfall_arrived_total",
        Count,
        "New file versions by what made the watcher look"
    );
    metrics::describe_counter!(
        "landfall_notifications_missed_total",
        Count,
        "New file versions that only a listing by the clock has found, a minute or longer after \
         their upload: their notifications were lost"
    );
    metrics::describe_counter!(
        "landfall_event_requests_total",
        Count,
        "Requests to POST /events by status"
    );
    metrics::describe_histogram!(
        "landfall_sweep_duration_seconds",
        Seconds,
        "How long a sweep took"
    );
    metrics::describe_gauge!(
        "landfall_sweep_objects",
        Count,
        "Objects of the last sweep by state: listed, unwatched, unknown, refused, waiting, ended, stuck, given_up"
    );
}
