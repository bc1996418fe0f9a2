use proto::user::permissions;
use proto::{User, What, consumer, stream, subject};

fn may_publish(user: User, subject: &str) -> bool {
    permissions(user)
        .publish
        .iter()
        .any(|pattern| subject::overlap(pattern, subject))
}

#[test]
fn each_kind_of_event_is_said_by_who_the_contract_names_and_nobody_else() {
    let sayers = |what: What| -> Vec<User> {
        User::ALL
            .into_iter()
            .filter(|user| may_publish(*user, &format!("files.0.{}.default", what.token())))
            .collect()
    };
    assert_eq!(sayers(What::Arrived), [User::Watcher]);
    for what in [
        What::Ingested,
        What::Rejected,
        What::Superseded,
        What::Retracted,
    ] {
        assert_eq!(sayers(what), [User::Ingest]);
    }
    assert_eq!(sayers(What::Moved), [User::Mover]);
    assert_eq!(
        sayers(What::Failed),
        [User::Ingest, User::Mover, User::Notifier]
    );
    assert_eq!(sayers(What::Notified), [User::Notifier]);
    assert_eq!(sayers(What::Commanded), [User::Operator]);
}

#[test]
fn nobody_but_setup_creates_and_nobody_at_all_deletes_or_purges() {
    for user in User::ALL {
        for stream in stream::ALL.map(|stream| stream.name) {
            for call in ["STREAM.CREATE", "STREAM.UPDATE"] {
                let asked = may_publish(user, &format!("$JS.API.{call}.{stream}"));
                assert_eq!(asked, user == User::Setup, "{user} {call} {stream}");
            }
            for call in ["STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE"] {
                assert!(
                    !may_publish(user, &format!("$JS.API.{call}.{stream}")),
                    "{user} {call}"
                );
            }
        }
    }
}

#[test]
fn a_service_pulls_and_acknowledges_its_own_work_and_no_other() {
    for consumer in consumer::all() {
        let (stream, name) = (consumer.stream.name, consumer.name());
        for user in User::ALL {
            let own = user == consumer.user;
            let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
            assert_eq!(may_publish(user, &next), own, "{user} {next}");
            let ack = format!("$JS.ACK.{stream}.{name}.1.2.3.4.5");
            assert_eq!(may_publish(user, &ack), own, "{user} {ack}");
        }
    }
}

#[test]
fn nobody_reads_anothers_answers() {
    for user in User::ALL {
        for other in User::ALL {
            let answer = format!("{}.abc", other.inbox());
            let reads = permissions(user)
                .subscribe
                .iter()
                .any(|pattern| subject::overlap(pattern, &answer));
            assert_eq!(reads, user == other, "{user} {answer}");
        }
    }
}

#[test]
fn a_store_says_what_was_uploaded_to_it_and_hears_nothing_but_that_it_was_taken() {
    let may = permissions(User::Storage);
    assert_eq!(
        may.publish,
        ["storage.minio", "storage.rustfs", "storage.versitygw"]
    );
    // What a client library uses that is told nothing.
    assert_eq!(may.subscribe, ["_INBOX.>"]);
    assert!(
        consumer::all()
            .iter()
            .all(|consumer| consumer.user != User::Storage)
    );
}

#[test]
fn a_store_stands_in_no_event() {
    assert!(serde_json::to_value(User::Storage).is_err());
    assert!(serde_json::from_str::<User>("\"storage\"").is_err());
}
