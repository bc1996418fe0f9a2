//! The permission table, as a server enforces it.

use std::collections::BTreeSet;

use proto::User::{self, Ingest, Mover, Notifier, Operator, Setup, Storage, Watcher};
use servers::Nats;
use servers::nats::Options;

use crate::nats::talk;

/// Who may, and what: written by hand, not taken from the contract.
type Table = &'static [(&'static [User], &'static [&'static str])];

const PUBLICATIONS: Table = &[
    // Events, notifications, schedules, dead letters.
    (&[Watcher], &["files.0.arrived.default", "storage.http"]),
    (
        &[Operator],
        &["files.0.commanded.default", "storage.backfill"],
    ),
    (
        &[Ingest],
        &[
            "files.0.ingested.default",
            "files.0.rejected.default",
            "files.0.superseded.default",
            "files.0.retracted.default",
        ],
    ),
    (&[Mover], &["files.0.moved.default"]),
    (&[Ingest, Mover, Notifier], &["files.0.failed.default"]),
    (&[Notifier], &["files.0.notified.default", "delay.wait.0.0"]),
    (
        &[Storage],
        &["storage.minio", "storage.rustfs", "storage.versitygw"],
    ),
    (&[Watcher], &["dead.watcher"]),
    (&[Ingest], &["dead.ingest"]),
    (&[Mover], &["dead.mover"]),
    (&[Notifier], &["dead.notifier"]),
    (
        &[],
        &[
            "files.0.discarded.default",
            "files.0.arrived",
            "files.0.arrived.default.more",
            "storage.another",
            "storage.minio.more",
            "delay.due",
            "delay.wait.0",
            "dead.setup",
            "dead.storage",
            // A profile or a partition cannot be a pattern.
            "files.>",
            "storage.*",
        ],
    ),
    // The work of each service, and the advisories about it: pulled and acknowledged.
    (
        &[Watcher],
        &[
            "$JS.API.CONSUMER.MSG.NEXT.STORAGE.watcher",
            "$JS.API.CONSUMER.MSG.NEXT.DEAD.watcher",
            "$JS.ACK.STORAGE.watcher.1.1.1.1.0",
            "$JS.ACK.DEAD.watcher.1.1.1.1.0",
        ],
    ),
    (
        &[Ingest],
        &[
            "$JS.API.CONSUMER.MSG.NEXT.FILES.ingest",
            "$JS.API.CONSUMER.MSG.NEXT.DEAD.ingest",
            "$JS.ACK.FILES.ingest.1.1.1.1.0",
            "$JS.ACK.DEAD.ingest.1.1.1.1.0",
        ],
    ),
    (
        &[Mover],
        &[
            "$JS.API.CONSUMER.MSG.NEXT.FILES.mover",
            "$JS.API.CONSUMER.MSG.NEXT.DEAD.mover",
            "$JS.ACK.FILES.mover.1.1.1.1.0",
            "$JS.ACK.DEAD.mover.1.1.1.1.0",
        ],
    ),
    (
        &[Notifier],
        &[
            "$JS.API.CONSUMER.MSG.NEXT.FILES.notifier",
            "$JS.API.CONSUMER.MSG.NEXT.DELAY.notifier",
            "$JS.API.CONSUMER.MSG.NEXT.DEAD.notifier",
            "$JS.ACK.FILES.notifier.1.1.1.1.0",
            "$JS.ACK.DELAY.notifier.1.1.1.1.0",
            "$JS.ACK.DEAD.notifier.1.1.1.1.0",
        ],
    ),
    // Looking.
    (
        &[Watcher, Ingest, Mover, Notifier, Operator],
        &["$JS.API.DIRECT.GET.FILES", "$JS.API.DIRECT.GET.DEAD"],
    ),
    (&[Watcher, Operator], &["$JS.API.DIRECT.GET.STORAGE"]),
    (&[Notifier, Operator], &["$JS.API.DIRECT.GET.DELAY"]),
    (
        &[Watcher, Ingest, Mover, Notifier, Setup, Operator],
        &["$JS.API.STREAM.INFO.FILES", "$JS.API.STREAM.INFO.DEAD"],
    ),
    (
        &[Watcher, Setup, Operator],
        &[
            "$JS.API.STREAM.INFO.STORAGE",
            "$JS.API.CONSUMER.INFO.STORAGE.watcher",
        ],
    ),
    (
        &[Watcher, Ingest, Setup, Operator],
        &["$JS.API.CONSUMER.INFO.FILES.ingest"],
    ),
    (
        &[Notifier, Setup, Operator],
        &[
            "$JS.API.STREAM.INFO.DELAY",
            "$JS.API.CONSUMER.INFO.DELAY.notifier",
        ],
    ),
    (&[Setup, Operator], &["$JS.API.INFO"]),
    // A pattern of the operator's matches itself, and finds no stream of that name.
    (&[Operator], &["$JS.API.STREAM.INFO.*"]),
    (
        &[],
        &[
            "$JS.API.STREAM.MSG.GET.FILES",
            "$JS.API.STREAM.MSG.GET.DELAY",
            "$JS.API.DIRECT.GET.FILES.files.0.moved.default",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.NAMES",
            "$JS.API.CONSUMER.LIST.FILES",
            "$JS.API.CONSUMER.NAMES.FILES",
            "$JS.API.>",
            "$JS.API.CONSUMER.MSG.NEXT.*.*",
            "$JS.API.CONSUMER.MSG.NEXT.FILES.*",
            "$JS.ACK.>",
            "$JS.ACK.FILES.*.1.1.1.1.0",
        ],
    ),
    // Making and changing.
    (
        &[Setup],
        &[
            "$JS.API.STREAM.CREATE.FILES",
            "$JS.API.STREAM.UPDATE.FILES",
            "$JS.API.STREAM.UPDATE.DELAY",
            "$JS.API.CONSUMER.CREATE.FILES.ingest",
            "$JS.API.CONSUMER.CREATE.FILES.ingest.files.*.arrived.*",
            "$JS.API.CONSUMER.CREATE.DELAY.notifier.delay.due",
        ],
    ),
    (
        &[],
        &[
            "$JS.API.STREAM.CREATE.OTHER",
            "$JS.API.STREAM.UPDATE.*",
            "$JS.API.STREAM.DELETE.FILES",
            "$JS.API.STREAM.PURGE.FILES",
            "$JS.API.STREAM.PURGE.DELAY",
            "$JS.API.STREAM.MSG.DELETE.FILES",
            "$JS.API.STREAM.SNAPSHOT.FILES",
            "$JS.API.STREAM.RESTORE.FILES",
            "$JS.API.STREAM.LEADER.STEPDOWN.FILES",
            "$JS.API.CONSUMER.CREATE.FILES",
            "$JS.API.CONSUMER.CREATE.FILES.spy",
            "$JS.API.CONSUMER.CREATE.FILES.spy.files.>",
            "$JS.API.CONSUMER.CREATE.DEAD.setup",
            "$JS.API.CONSUMER.DURABLE.CREATE.FILES.ingest",
            "$JS.API.CONSUMER.DELETE.FILES.ingest",
            "$JS.API.CONSUMER.PAUSE.FILES.ingest",
            "$JS.API.CONSUMER.RESET.FILES.ingest",
            "$JS.API.CONSUMER.UNPIN.FILES.ingest",
            "$JS.API.CONSUMER.LEADER.STEPDOWN.FILES.ingest",
            "$JS.API.META.LEADER.STEPDOWN",
            "$JS.API.ACCOUNT.PURGE.LANDFALL",
            "$JS.FC.FILES.ingest.0",
        ],
    ),
    // What the server alone says, and answers to others.
    (
        &[],
        &[
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.FILES.ingest",
            "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.FILES.mover",
            "$JS.EVENT.ADVISORY.STREAM.DELETED.FILES",
            "$SYS.REQ.SERVER.PING",
            "$SYS.REQ.USER.INFO",
            "$SYS.ACCOUNT.LANDFALL.CONNECT",
            "_INBOX.0",
            "_INBOX_watcher.0",
            "_INBOX_ingest.0",
            "_INBOX_mover.0",
            "_INBOX_notifier.0",
            "_INBOX_setup.0",
            "_INBOX_operator.0",
            "_R_.0",
        ],
    ),
];

const SUBSCRIPTIONS: Table = &[
    (&[Watcher], &["_INBOX_watcher.>"]),
    (&[Ingest], &["_INBOX_ingest.>"]),
    (&[Mover], &["_INBOX_mover.>"]),
    (&[Notifier], &["_INBOX_notifier.>"]),
    (&[Setup], &["_INBOX_setup.>"]),
    (
        &[Operator],
        &["_INBOX_operator.>", "files.>", "storage.>", "storage.http"],
    ),
    (&[Storage], &["_INBOX.>"]),
    (
        &[],
        &[
            ">",
            "*",
            "*.*",
            "_INBOX_*.>",
            "*.0",
            "delay.>",
            "delay.due",
            "dead.>",
            "$SYS.>",
            "$SYS.ACCOUNT.>",
            "$JS.>",
            "$JS.API.>",
            "$JS.API.CONSUMER.MSG.NEXT.FILES.ingest",
            "$JS.ACK.>",
            "$JS.ACK.FILES.ingest.>",
            "$JS.EVENT.ADVISORY.>",
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
        ],
    ),
];

#[tokio::test]
async fn each_user_may_do_what_the_contract_says_and_the_server_denies_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), Options::default())
        .await
        .unwrap();
    for user in User::ALL {
        let subscriptions = all(SUBSCRIPTIONS).map(|subject| format!("SUB {subject} 1\r\n"));
        let publications = all(PUBLICATIONS).map(|subject| format!("PUB {subject} 0\r\n\r\n"));
        let lines: String = subscriptions.chain(publications).collect();
        let login = Some((user.name(), nats.password(user).unwrap()));
        let said = talk(nats.port(), login, &lines);
        let denied: BTreeSet<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix("-ERR 'Permissions Violation for "))
            .map(|line| line.trim_end_matches('\'').to_owned())
            .collect();
        let expected: BTreeSet<String> = forbidden(user, "Subscription", SUBSCRIPTIONS)
            .chain(forbidden(user, "Publish", PUBLICATIONS))
            .collect();
        let allowed: Vec<&String> = expected.difference(&denied).collect();
        let refused: Vec<&String> = denied.difference(&expected).collect();
        assert!(
            allowed.is_empty() && refused.is_empty(),
            "{user} should not be allowed {allowed:#?}, and should be {refused:#?}"
        );
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_password_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), Options::default())
        .await
        .unwrap();
    let mut tried = vec![None];
    for user in User::ALL {
        let others = User::ALL.into_iter().filter(|other| *other != user);
        tried.extend(others.map(|other| Some((user.name(), nats.password(other).unwrap()))));
    }
    for login in tried {
        let said = talk(nats.port(), login, "");
        assert!(
            said.contains("Authorization Violation"),
            "{login:?}: {said}"
        );
        assert!(!said.contains("PONG"), "{login:?} was let in");
    }
}

fn all(table: Table) -> impl Iterator<Item = &'static str> {
    table.iter().flat_map(|(_, subjects)| *subjects).copied()
}

/// What `user` is told of what it may not do.
fn forbidden(user: User, action: &'static str, table: Table) -> impl Iterator<Item = String> {
    table
        .iter()
        .filter(move |(who, _)| !who.contains(&user))
        .flat_map(|(_, subjects)| *subjects)
        .map(move |subject| format!("{action} to \"{subject}\""))
}
