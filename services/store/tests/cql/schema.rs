use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use proto::FileId;
use store::cql::{Access, Journal, Plan, Readings};
use store::readings::Reading;
use store::{Error, Readings as _};
use tokio_rustls::rustls;

use crate::keyspaces::{Keyspaces, SERVICE, plan};
use crate::server::{self, session};

#[tokio::test(flavor = "multi_thread")]
async fn made_by_several_at_once_and_then_again_it_is_the_same() {
    let (access, plan) = (server::access().await, plan());
    for _ in 0..2 {
        let readings = (0..3).map(|_| Readings::set_up(&access, &plan));
        let journals = (0..3).map(|_| Journal::set_up(&access, &plan, SERVICE));
        let made = futures::try_join!(try_join_all(readings), try_join_all(journals));
        made.unwrap();
    }
    Readings::open(&access, &plan).await.unwrap();
    Journal::open(&access, &plan, SERVICE).await.unwrap();
}

/// What opening says is wrong, which is an outage: `landfall setup` may be about to mend it.
async fn refused(plan: &Plan) -> String {
    let reason = match Readings::open(&server::access().await, plan).await {
        Ok(_) => panic!("it was opened"),
        Err(Error::Away { reason, .. }) => reason,
        Err(error) => panic!("it is broken: {error}"),
    };
    assert!(!reason.contains('\n'), "{reason}");
    reason
}

/// What setting up says is wrong, for whoever ordered it to mend.
fn broken(set_up: store::Result<()>) -> String {
    let error = set_up.unwrap_err();
    assert!(matches!(error, Error::Broken(_)), "{error}");
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_said_in_one_line() {
    let access = server::access().await;
    let plan = Plan {
        bucket: Duration::from_secs(4),
        ..plan()
    };
    let missing = refused(&plan).await;
    assert!(missing.contains("landfall setup"), "{missing}");
    Readings::set_up(&access, &plan).await.unwrap();

    let other_bucket = Plan {
        bucket: Duration::from_hours(24),
        ..plan.clone()
    };
    let error = refused(&other_bucket).await;
    assert!(error.contains("bucket 4 s"), "{error}");
    assert!(error.contains("bucket 86400 s"), "{error}");
    let again = broken(Readings::set_up(&access, &other_bucket).await);
    assert!(again.ends_with(&error), "{again}");

    let expiring = Plan {
        ttl: Some(Duration::from_hours(48)),
        ..plan.clone()
    };
    let error = refused(&expiring).await;
    assert!(error.contains("default_time_to_live = 172800`"), "{error}");

    let other_window = Plan {
        window: Duration::from_hours(1),
        ..plan
    };
    let error = refused(&other_window).await;
    assert!(error.contains("'compaction_window_size': '60'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_version_or_without_a_column_is_said_in_one_line() {
    let (access, plan) = (server::access().await, plan());
    Readings::set_up(&access, &plan).await.unwrap();
    let session = session().await;
    let alter = async |change: &str| {
        let alter = format!("ALTER TABLE {}.readings {change}", plan.readings);
        session.query_unpaged(alter, ()).await.unwrap();
    };
    let differs = async || {
        let error = refused(&plan).await;
        let again = broken(Readings::set_up(&access, &plan).await);
        assert!(again.ends_with(&error), "{again}");
        error
    };
    let described = |version| format!("Landfall readings, version {version}, bucket 86400 s");
    alter(&format!("WITH comment = '{}'", described(2))).await;
    let error = differs().await;
    assert!(
        error.contains(&format!("`{}`, and", described(2))),
        "{error}"
    );
    assert!(
        error.contains(&format!("`{}` is wanted", described(1))),
        "{error}"
    );
    alter(&format!("WITH comment = '{}'", described(1))).await;
    Readings::open(&access, &plan).await.unwrap();
    alter("DROP value").await;
    let error = differs().await;
    assert!(error.contains("readings has no column `value`"), "{error}");
}

/// Where it was stated. Services go on with it: what they have written, they find.
#[tokio::test(flavor = "multi_thread")]
async fn replication_that_differs_is_said_in_one_line_with_the_statement_that_mends_it() {
    let (access, plan) = (server::access().await, plan());
    let session = session().await;
    let state = session.get_cluster_state();
    let node = state.get_nodes_info().first().unwrap();
    let datacenter = node.datacenter.clone().unwrap();
    for keyspace in [&plan.readings, &plan.journals] {
        let create = format!(
            "CREATE KEYSPACE {keyspace}
             WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        );
        session.query_unpaged(create, ()).await.unwrap();
    }
    let set_up = async |plan: &Plan, keyspace: &str| {
        if keyspace == plan.readings {
            Readings::set_up(&access, plan).await
        } else {
            Journal::set_up(&access, plan, SERVICE).await
        }
    };
    let stated = |replicas| Plan {
        replication: BTreeMap::from([(datacenter.clone(), replicas)]),
        ..plan.clone()
    };
    for keyspace in [&plan.readings, &plan.journals] {
        set_up(&plan, keyspace).await.unwrap();
        let simple = broken(set_up(&stated(1), keyspace).await);
        assert!(
            simple.contains(&format!("keyspace {keyspace} has")),
            "{simple}"
        );
        assert!(simple.contains("'class': 'SimpleStrategy'"), "{simple}");
        assert!(simple.contains("then repair"), "{simple}");
        let mut parts = simple.split('`');
        let mends = parts.find(|part| part.starts_with("ALTER KEYSPACE"));
        session.query_unpaged(mends.unwrap(), ()).await.unwrap();
        set_up(&stated(1), keyspace).await.unwrap();
        let more = broken(set_up(&stated(2), keyspace).await);
        assert!(
            more.contains(&format!("'{datacenter}': '1'}}, and [store] wants")),
            "{more}"
        );
        assert!(more.contains(&format!("'{datacenter}': '2'}}`")), "{more}");
    }
    Readings::open(&access, &stated(2)).await.unwrap();
    Journal::open(&access, &stated(2), SERVICE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_database_takes_is_refused_before_it_is_asked() {
    let access = server::access().await;
    let refused = async |plan: Plan| {
        let error = Readings::set_up(&access, &plan).await.unwrap_err();
        error.to_string()
    };
    let name = Plan {
        readings: "Land-fall".to_owned(),
        ..plan()
    };
    assert!(refused(name).await.contains("`Land-fall`"));
    let windows = Plan {
        ttl: Some(Duration::from_hours(51 * 24)),
        window: Duration::from_hours(24),
        ..plan()
    };
    assert!(refused(windows).await.contains("51 of them"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_an_outage_that_names_the_address() {
    let access = server::access_to("127.0.0.1:1");
    let error = Readings::open(&access, &plan()).await.err().unwrap();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_speaks_no_tls_is_an_outage_that_names_the_setting() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let access = Access {
        tls: Some(Arc::new(client)),
        ..server::access().await
    };
    let error = Readings::open(&access, &plan()).await.err().unwrap();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert!(error.to_string().contains("`store.cql.tls"), "{error}");
}

fn reading(sensor: &str) -> Reading {
    Reading {
        sensor: sensor.into(),
        metric: "value".into(),
        time: jiff::Timestamp::UNIX_EPOCH,
        value: 1.0,
        write_timestamp: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_reading_is_told_from_what_is_wrong_with_the_database() {
    let keyspaces = Keyspaces::new();
    let store = keyspaces.shared_readings().await;
    let file = FileId::from_bytes([1; 16]);
    let write = async |sensor: &str| store.write(file, vec![reading(sensor)]).await;
    let error = write(&"x".repeat(70_000)).await.unwrap_err();
    assert!(matches!(error, Error::Broken(_)), "{error}");
    assert!(error.to_string().contains("65535"), "{error}");
    write("a").await.unwrap();

    let session = session().await;
    let drop = format!("DROP TABLE {}.readings", keyspaces.plan.readings);
    session.query_unpaged(drop, ()).await.unwrap();
    let error = write("a").await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert!(
        error.to_string().contains("run `landfall setup`"),
        "{error}"
    );
}
