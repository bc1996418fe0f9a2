//! Ways in which weaker rules break, each found by an exhaustive model: here they do not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use proto::event::{MailOutcome, Receiver};
use proto::{Data, Event, User, What, subject};
use runtime::{Message, Trouble};
use tokio::time::sleep;

use super::world::{Body, Chaos, World};
use crate::desk::Desk;
use crate::fixtures::{failed, moved_event, said};
use crate::row::State;
use crate::smtp::{Envelope, Fate, Offer, Post, Refusal};

/// What the mail server does with one mail after the other; then it accepts.
#[derive(Clone, Debug)]
enum Reply {
    Away,
    NotNow,
    /// Asks for the body while the store is away for so long.
    AndNoStore(Duration),
    /// Asks for the body while the service is asked to stop.
    AndStop,
    /// Takes so long over the body, and then this.
    Body(Duration, Fate),
}

struct Script {
    world: Arc<World>,
    /// When the server was asked, and whether it was to be done without the late.
    asked: Asked,
    replies: Mutex<VecDeque<Reply>>,
    mails: Arc<Mutex<Vec<Vec<u8>>>>,
}

type Asked = Arc<Mutex<Vec<(Timestamp, bool)>>>;

struct Scripted {
    world: Arc<World>,
    mails: Arc<Mutex<Vec<Vec<u8>>>>,
    answers: Vec<Receiver>,
    takes: Duration,
    fate: Fate,
}

fn accepted() -> Fate {
    Fate::Accepted("250 queued".to_owned())
}

#[async_trait]
impl Post for Script {
    async fn offer(&self, envelope: &Envelope) -> Result<Box<dyn Offer>, Refusal> {
        sleep(Duration::from_millis(20)).await;
        let asked = (self.world.now(), envelope.without_the_late);
        self.asked.lock().unwrap().push(asked);
        let reply = self.replies.lock().unwrap().pop_front();
        let (takes, fate) = match reply {
            Some(Reply::Away) => return Err(Refusal::Away("connection refused".to_owned())),
            Some(Reply::NotNow) => return Err(Refusal::NotNow("451 later".to_owned(), vec![])),
            Some(Reply::AndNoStore(for_)) => {
                self.world.without_store(for_);
                (Duration::ZERO, accepted())
            }
            Some(Reply::AndStop) => {
                self.world.stop.cancel();
                (Duration::ZERO, accepted())
            }
            Some(Reply::Body(takes, fate)) => (takes, fate),
            None => (Duration::from_millis(20), accepted()),
        };
        let receiver = |address: &lettre::Address| Receiver {
            address: address.to_string(),
            accepted: true,
            answer: "250 ok".to_owned(),
        };
        Ok(Box::new(Scripted {
            world: Arc::clone(&self.world),
            mails: Arc::clone(&self.mails),
            answers: envelope.to.iter().map(receiver).collect(),
            takes,
            fate,
        }))
    }
}

#[async_trait]
impl Offer for Scripted {
    fn answers(&self) -> Vec<Receiver> {
        self.answers.clone()
    }

    async fn hand_over(self: Box<Self>, mail: &[u8]) -> Fate {
        let body = self.world.body();
        self.mails.lock().unwrap().push(mail.to_vec());
        sleep(self.takes).await;
        let what = match self.fate {
            Fate::Accepted(_) => Body::Taken,
            Fate::NotNow(_) | Fate::Never(_) => Body::Denied,
            Fate::Unknown(_) => Body::Dropped,
        };
        self.world.became(body, what);
        self.fate
    }
}

/// A world without chaos, two replicas and a mail that waits.
struct Scene {
    world: Arc<World>,
    event: Event,
    post: Arc<dyn Post>,
    a: Arc<Desk>,
    b: Arc<Desk>,
    mails: Arc<Mutex<Vec<Vec<u8>>>>,
    asked: Asked,
}

impl Scene {
    /// `event` was heard.
    async fn of(event: Event, replies: &[Reply]) -> Self {
        Self::seeded(event, replies, 0).await
    }

    async fn seeded(event: Event, replies: &[Reply], seed: u64) -> Self {
        let world = World::new(Chaos {
            seed,
            ..Chaos::default()
        });
        let mails = Arc::default();
        let asked = Asked::default();
        let post: Arc<dyn Post> = Arc::new(Script {
            world: Arc::clone(&world),
            replies: Mutex::new(replies.iter().cloned().collect()),
            mails: Arc::clone(&mails),
            asked: Arc::clone(&asked),
        });
        let scene = Self {
            a: world.desk(0, Some(Arc::clone(&post))),
            b: world.desk(0, Some(Arc::clone(&post))),
            post,
            world,
            event,
            mails,
            asked,
        };
        scene.hear().await;
        scene
    }

    async fn hear(&self) {
        let (file, _) = self.event.about();
        self.world.publish(
            &subject::files(file.id, What::Moved, "default"),
            &self.event,
        );
        self.work(&self.a, &self.world.last_message())
            .await
            .unwrap();
    }

    /// A wake, at this time.
    fn wake(&self) -> Message {
        self.world.wake(&self.event);
        self.world.last_message()
    }

    async fn work(&self, desk: &Arc<Desk>, message: &Message) -> Result<(), Trouble> {
        self.world.work(desk, message).await
    }

    /// Lets time pass until the last ordered wake.
    async fn until_ordered(&self) -> Message {
        let due = *self.world.ordered().last().unwrap();
        let left = due.duration_since(self.world.now());
        sleep(Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1)).await;
        self.wake()
    }

    fn bodies(&self) -> usize {
        assert_eq!(self.world.violations(), Vec::<String>::new());
        self.world.bodies().len()
    }

    fn outcome(&self) -> Option<MailOutcome> {
        self.world.outcome()
    }
}

fn moved() -> Event {
    moved_event("incoming/a.csv")
}

fn body(fate: Fate) -> Reply {
    Reply::Body(Duration::from_millis(20), fate)
}

fn seconds_after(time: Timestamp, seconds: i64) -> Timestamp {
    time + SignedDuration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_work_on_one_wake_send_one_body() {
    for seed in 0..200 {
        let scene = Scene::seeded(moved(), &[], seed).await;
        let wake = scene.until_ordered().await;
        let (a, b) = tokio::join!(scene.work(&scene.a, &wake), scene.work(&scene.b, &wake));
        a.and(b).unwrap();
        assert_eq!(scene.bodies(), 1, "seed {seed}");
        assert_eq!(scene.outcome(), Some(MailOutcome::Accepted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_its_owners_until_its_deadline() {
    let slow = Reply::Body(Duration::from_secs(500), accepted());
    let scene = Scene::of(moved(), &[slow]).await;
    let wake = scene.until_ordered().await;
    let claimed = scene.world.now();
    let another = async {
        sleep(Duration::from_secs(400)).await;
        scene.work(&scene.b, &wake).await.unwrap();
        // It only makes sure that somebody looks again: after ten minutes for the answer (ten
        // times the timeout), half of one for the claim, and one to spare.
        let deadline = *scene.world.ordered().last().unwrap();
        let seconds = deadline.duration_since(claimed).as_secs();
        assert!((690..=691).contains(&seconds), "{seconds} s");
        assert_eq!(scene.outcome(), None);
    };
    let (done, ()) = tokio::join!(scene.work(&scene.a, &wake), another);
    done.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
}

#[tokio::test(start_paused = true)]
async fn who_dies_under_a_claim_leaves_a_wake_for_its_deadline() {
    let slow = Reply::Body(Duration::from_secs(500), accepted());
    let scene = Scene::of(moved(), &[slow]).await;
    let wake = scene.until_ordered().await;
    let dies = tokio::time::timeout(Duration::from_secs(5), scene.work(&scene.a, &wake));
    assert!(dies.await.is_err());
    assert_eq!(scene.bodies(), 1);
    // The wake that it worked on may never come again. The other one does.
    let at_deadline = scene.until_ordered().await;
    scene.work(&scene.b, &at_deadline).await.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Unknown))
    );
    let told = scene.world.notified().unwrap();
    assert_eq!(told.tries, 1);
    assert!(
        told.answer
            .unwrap()
            .contains("stopped before it had written down the server's answer")
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_by_a_clock_that_is_ahead_is_over_when_it_has_been_known_for_as_long_as_one_holds()
{
    let slow = Reply::Body(Duration::from_secs(680), accepted());
    let mut scene = Scene::of(moved(), &[slow]).await;
    let ahead = scene.world.desk(6 * 3600, Some(Arc::clone(&scene.post)));
    let wake = scene.until_ordered().await;
    let claimed = scene.world.now();
    let dies = tokio::time::timeout(Duration::from_secs(5), scene.work(&ahead, &wake));
    assert!(dies.await.is_err());
    // The message comes again. Whoever looks after that is started anew once, and then is another.
    scene.work(&scene.b, &wake).await.unwrap();
    for round in 0..3 {
        assert_eq!(scene.outcome(), None, "round {round}");
        let wake = scene.until_ordered().await;
        if round == 0 {
            scene.b = scene.world.desk(0, Some(Arc::clone(&scene.post)));
        }
        let desk = if round == 1 { &scene.a } else { &scene.b };
        scene.work(desk, &wake).await.unwrap();
    }
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Unknown))
    );
    let took = scene.world.now().duration_since(claimed);
    assert!(took < SignedDuration::from_mins(40), "{took:#}");
}

#[tokio::test(start_paused = true)]
async fn a_claim_by_a_clock_that_is_ahead_is_its_owners_for_as_long_as_it_holds() {
    let slow = Reply::Body(Duration::from_secs(680), accepted());
    let scene = Scene::of(moved(), &[slow]).await;
    let ahead = scene.world.desk(6 * 3600, Some(Arc::clone(&scene.post)));
    let wake = scene.until_ordered().await;
    let another = async {
        for _ in 0..60 {
            sleep(Duration::from_secs(11)).await;
            scene.work(&scene.b, &scene.wake()).await.unwrap();
        }
    };
    let (done, ()) = tokio::join!(scene.work(&ahead, &wake), another);
    done.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
}

#[tokio::test(start_paused = true)]
async fn an_early_wake_orders_one_for_the_due_time() {
    let scene = Scene::of(moved(), &[]).await;
    let due = scene.world.ordered()[0];
    sleep(Duration::from_secs(300)).await;
    scene.work(&scene.b, &scene.wake()).await.unwrap();
    assert_eq!(scene.world.ordered(), [due, due]);
    assert_eq!((scene.bodies(), scene.outcome()), (0, None));
    let wake = scene.until_ordered().await;
    scene.work(&scene.b, &wake).await.unwrap();
    assert_eq!(scene.outcome(), Some(MailOutcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_wake_was_not_ordered_any_more_is_woken_by_the_wake_before_it() {
    let scene = Scene::of(moved(), &[Reply::NotNow]).await;
    let wake = scene.until_ordered().await;
    tokio::select! {
        biased;
        () = async { while scene.world.revision() < 2 { sleep(Duration::from_millis(1)).await } } => {}
        done = scene.work(&scene.a, &wake) => panic!("it did not die: {done:?}"),
    }
    assert_eq!(scene.world.ordered().len(), 1);
    scene.work(&scene.b, &wake).await.unwrap();
    assert_eq!(scene.world.ordered().len(), 2);
    let wake = scene.until_ordered().await;
    scene.work(&scene.b, &wake).await.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
    assert_eq!(scene.world.notified().unwrap().tries, 2);
}

#[tokio::test(start_paused = true)]
async fn late_receivers_are_waited_for_for_an_hour() {
    let scene = Scene::of(moved(), &vec![Reply::NotNow; 9]).await;
    while scene.outcome().is_none() {
        let wake = scene.until_ordered().await;
        scene.work(&scene.a, &wake).await.unwrap();
    }
    let asked = scene.asked.lock().unwrap();
    let first = asked[0].0;
    for (at, without) in asked.iter() {
        let minutes = at.duration_since(first).as_mins();
        assert_eq!(*without, minutes >= 60, "after {minutes} minutes");
    }
    assert!(!asked[0].1 && asked.last().unwrap().1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_puts_no_mail_off_and_leaves_no_late_receiver_out() {
    for hours in [-6, 6] {
        let later = Fate::NotNow("451 4.3.0 later".to_owned());
        let replies = [Reply::NotNow, body(later), Reply::NotNow];
        let mut scene = Scene::of(moved(), &replies).await;
        scene.a = scene
            .world
            .desk(hours * 3600, Some(Arc::clone(&scene.post)));
        let heard = scene.world.now();
        while scene.outcome().is_none() {
            let wake = scene.until_ordered().await;
            scene.work(&scene.a, &wake).await.unwrap();
        }
        assert_eq!(scene.outcome(), Some(MailOutcome::Accepted));
        let took = scene.world.now().duration_since(heard);
        assert!(took < SignedDuration::from_hours(1), "{took:#}");
        assert!(scene.asked.lock().unwrap().iter().all(|asked| !asked.1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_that_has_waited_takes_nothing_of_a_late_receivers_hour() {
    let mut scene = Scene::of(moved(), &[Reply::NotNow, Reply::NotNow]).await;
    let mut wake = scene.until_ordered().await;
    sleep(Duration::from_mins(70)).await;
    // Started since: it knows of no time but the wake's.
    scene.a = scene.world.desk(0, Some(Arc::clone(&scene.post)));
    loop {
        scene.work(&scene.a, &wake).await.unwrap();
        if scene.outcome().is_some() {
            break;
        }
        wake = scene.until_ordered().await;
    }
    let asked = scene.asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|(_, without)| !without));
}

#[tokio::test(start_paused = true)]
async fn a_definite_no_after_the_body_is_tried_again_with_the_same_mail() {
    let later = Fate::NotNow("451 4.3.0 later".to_owned());
    let scene = Scene::of(moved(), &[body(later)]).await;
    for _ in 0..2 {
        let wake = scene.until_ordered().await;
        scene.work(&scene.a, &wake).await.unwrap();
    }
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (2, Some(MailOutcome::Accepted))
    );
    let mails = scene.mails.lock().unwrap();
    assert_eq!(mails[0], mails[1]);
    let told = scene.world.notified().unwrap();
    assert_eq!(told.tries, 2);
    let id = told.message_id.unwrap();
    assert!(String::from_utf8_lossy(&mails[1]).contains(&format!("Message-ID: <{id}>\r\n")));
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_was_cut_after_its_body_had_begun_is_never_sent_again() {
    let cut = Fate::Unknown("the connection was cut".to_owned());
    let scene = Scene::of(moved(), &[body(cut)]).await;
    for _ in 0..3 {
        let wake = scene.until_ordered().await;
        scene.work(&scene.a, &wake).await.unwrap();
    }
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Unknown))
    );
    assert_eq!(
        scene.world.notified().unwrap().answer.unwrap(),
        "the connection was cut"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_twice_keeps_its_first_time() {
    let scene = Scene::of(moved(), &[]).await;
    let due = scene.world.ordered()[0];
    sleep(Duration::from_secs(60)).await;
    scene.hear().await;
    assert_eq!(scene.world.ordered(), [due, due]);
    assert_eq!(scene.world.revision(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_is_away_costs_no_try() {
    let scene = Scene::of(moved(), &[Reply::Away, Reply::Away]).await;
    let wake = scene.until_ordered().await;
    for _ in 0..2 {
        let away = scene.work(&scene.a, &wake).await.unwrap_err();
        assert!(
            matches!(
                away,
                Trouble::Outage {
                    dependency: "smtp",
                    ..
                }
            ),
            "{away:?}"
        );
    }
    assert_eq!(scene.world.revision(), 1);
    scene.work(&scene.a, &wake).await.unwrap();
    assert_eq!(scene.outcome(), Some(MailOutcome::Accepted));
    assert_eq!(scene.world.notified().unwrap().tries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_took_too_long_is_undone_before_the_body() {
    let scene = Scene::of(moved(), &[Reply::AndNoStore(Duration::from_secs(40))]).await;
    let wake = scene.until_ordered().await;
    scene.work(&scene.a, &wake).await.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
    assert_eq!(scene.world.notified().unwrap().tries, 1);
    // Heard, claimed, undone, claimed, ended.
    assert_eq!(scene.world.revision(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_store_does_not_take_is_kept_until_it_does() {
    let scene = Scene::of(moved(), &[]).await;
    let wake = scene.until_ordered().await;
    let no_store = async {
        while scene.bodies() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        scene.world.without_store(Duration::from_secs(300));
    };
    let (done, ()) = tokio::join!(scene.work(&scene.a, &wake), no_store);
    done.unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
}

#[tokio::test(start_paused = true)]
async fn the_operators_mail_about_a_failure_is_sent_once_and_ends_without_an_event() {
    let event = said(
        User::Ingest,
        Data::Failed(failed("incoming/a.csv", User::Ingest)),
    );
    let scene = Scene::of(event, &[]).await;
    assert_eq!(scene.world.ordered().len(), 1);
    for _ in 0..2 {
        let wake = scene.until_ordered().await;
        scene.work(&scene.a, &wake).await.unwrap();
    }
    assert_eq!((scene.bodies(), scene.outcome()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_our_own_is_not_mailed() {
    let event = said(
        User::Notifier,
        Data::Failed(failed("incoming/a.csv", User::Notifier)),
    );
    let scene = Scene::of(event, &[]).await;
    assert_eq!(
        (scene.world.revision(), scene.world.ordered().len()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_row_is_gone_is_unknown_and_not_sent() {
    let scene = Scene::of(moved(), &[]).await;
    let due = scene.world.ordered()[0];
    let another = moved_event("incoming/b.csv");
    sleep(Duration::from_secs(600)).await;
    assert!(scene.world.now() >= seconds_after(due, 0));
    scene.world.wake(&another);
    scene
        .work(&scene.a, &scene.world.last_message())
        .await
        .unwrap();
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (0, Some(MailOutcome::Unknown))
    );
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_schedule_was_lost_is_woken_and_sent() {
    const LATE: Duration = Duration::from_secs(60);
    let scene = Scene::of(moved(), &[]).await;
    let due = *scene.world.ordered().last().unwrap();
    scene.world.lose_schedules();
    // It waits for ten minutes, and one more passes before its wake is late.
    sleep(Duration::from_secs(650)).await;
    assert_eq!(scene.a.wake_overdue(LATE).await.unwrap(), 0);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(scene.a.wake_overdue(LATE).await.unwrap(), 1);
    assert_eq!(scene.world.ordered(), [due, due]);
    scene.world.run([0, 0]).await;
    assert_eq!(
        (scene.bodies(), scene.outcome()),
        (1, Some(MailOutcome::Accepted))
    );
    assert_eq!(scene.a.wake_overdue(LATE).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_body_is_begun_by_a_service_that_stops() {
    let scene = Scene::of(moved(), &[Reply::AndStop]).await;
    let wake = scene.until_ordered().await;
    let revision = scene.world.revision();
    let stopped = scene.work(&scene.a, &wake).await;
    assert!(
        matches!(stopped, Err(Trouble::Outage { .. })),
        "{stopped:?}"
    );
    assert_eq!((scene.bodies(), scene.outcome()), (0, None));
    assert_eq!(scene.world.revision(), revision, "it was claimed");
    // Nor is the server asked.
    let stopped = scene.work(&scene.b, &wake).await;
    assert!(
        matches!(stopped, Err(Trouble::Outage { .. })),
        "{stopped:?}"
    );
    assert_eq!(scene.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_stopped_while_it_claims_undoes_the_claim() {
    let scene = Scene::of(moved(), &[Reply::AndNoStore(Duration::from_secs(5))]).await;
    let wake = scene.until_ordered().await;
    let stopping = async {
        sleep(Duration::from_secs(2)).await;
        scene.world.stop.cancel();
    };
    let (stopped, ()) = tokio::join!(scene.work(&scene.a, &wake), stopping);
    assert!(
        matches!(stopped, Err(Trouble::Outage { .. })),
        "{stopped:?}"
    );
    assert_eq!((scene.bodies(), scene.outcome()), (0, None));
    let filed = scene.a.look(&scene.event).await.unwrap().unwrap();
    assert!(matches!(filed.row.state, State::Waiting { .. }));
    assert_eq!(filed.row.tries, 0);
}
