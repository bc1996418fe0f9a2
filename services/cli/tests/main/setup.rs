use proto::User;

use crate::landfall::{Place, run, stderr};

#[tokio::test]
async fn setup_creates_everything_once_and_says_so() {
    let place = Place::bare(User::Setup, "").await;
    let first = run(place.folder.path(), &["setup"]).await;
    let said = stderr(&first);
    assert!(first.status.success(), "{said}");
    assert!(said.contains("stream FILES created"), "{said}");
    assert!(place.folder.path().join("data/readings.db").exists());
    let second = run(place.folder.path(), &["setup"]).await;
    assert!(second.status.success());
    assert_eq!(stderr(&second), "everything is set up already\n");
}

#[tokio::test]
async fn two_setups_at_once_are_one() {
    let place = Place::bare(User::Setup, "").await;
    let folder = place.folder.path();
    let (first, second) = tokio::join!(run(folder, &["setup"]), run(folder, &["setup"]));
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(second.status.success(), "{}", stderr(&second));
}

#[tokio::test]
async fn as_another_user_it_says_as_whom_to_run_it() {
    let place = Place::bare(User::Operator, "").await;
    let output = run(place.folder.path(), &["setup"]).await;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        said,
        "landfall: NATS user `operator` may not set up streams and consumers: run setup as NATS \
         user `setup` (`nats.user`, `nats.password`)\n"
    );
}
