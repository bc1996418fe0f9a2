//! `landfall backfill`: a person wants an object taken. Only who may publish to
//! `storage.backfill` is believed, which whoever hands the notification on has to see to.

use proto::backfill::Notification;

use super::{Announced, Record, Sender, creation, single};

pub(super) fn record(body: &[u8]) -> Record {
    single(Sender::Backfill, body, |notification: Notification| {
        let wanted = notification.backfill;
        let announced = Announced {
            etag: Some(wanted.etag),
            ..Announced::default()
        };
        creation(wanted.bucket.into(), wanted.key.into(), announced)
    })
}
