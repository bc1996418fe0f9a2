//! What ingest counts.

use proto::event::Report;

/// The readings of a file that was ingested, or refused.
pub(crate) fn report(report: &Report) {
    for (what, count) in [
        ("stored", report.stored),
        ("rejected", report.rejected),
        ("duplicated", report.duplicated),
    ] {
        metrics::counter!("landfall_readings_total", "what" => what).increment(count);
    }
}

/// Says what the names mean.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "landfall_readings_total",
        metrics::Unit::Count,
        "Readings of files by what became of them: stored, rejected, duplicated"
    );
}
