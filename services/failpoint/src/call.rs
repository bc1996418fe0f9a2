use std::fmt;

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident = $name:literal,)*) => {
        /// The calls that services make to the outside.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Call {
            $($(#[$doc])* $call,)*
        }

        impl Call {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$call,)*];

            /// Its name, for good: tests and scripts use it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$call => $name,)*
                }
            }
        }
    };
}

calls! {
    /// `HEAD` of an object.
    ObjectsHead = "objects.head",
    /// `GET` of an object, until its body begins.
    ObjectsGet = "objects.get",
    /// A page of a listing.
    ObjectsList = "objects.list",
    /// Writing an object, or a part of one.
    ObjectsPut = "objects.put",
    /// Copying an object.
    ObjectsCopy = "objects.copy",
    /// Reading an object's tags, which a copy in parts carries by hand.
    ObjectsTags = "objects.tags",
    /// Beginning an object that comes in parts.
    ObjectsBeginUpload = "objects.begin_upload",
    /// Copying a part of an object.
    ObjectsCopyPart = "objects.copy_part",
    /// Making one object of its parts.
    ObjectsCompleteUpload = "objects.complete_upload",
    /// Giving the parts back.
    ObjectsAbortUpload = "objects.abort_upload",
    /// Deleting an object.
    ObjectsDelete = "objects.delete",
    /// Whether a bucket keeps versions.
    ObjectsVersioning = "objects.versioning",
    /// Whether a bucket is there.
    ObjectsBucket = "objects.bucket",

    /// Opening a journal, which creates it.
    JournalOpen = "journal.open",
    /// Creating an outcome.
    JournalSettle = "journal.settle",
    /// Reading an outcome.
    JournalSettled = "journal.settled",
    /// Reading many outcomes.
    JournalSettledMany = "journal.settled_many",
    /// Writing the mark of a publication.
    JournalMarkPublished = "journal.mark_published",
    /// Reading outcomes without the mark.
    JournalUnpublished = "journal.unpublished",
    /// Taking back marks of publications that the stream has lost.
    JournalUnmark = "journal.unmark",
    /// Listing registers at which somebody has to look again.
    JournalOverdue = "journal.overdue",
    /// Putting off that rows are forgotten.
    JournalRenew = "journal.renew",
    /// Creating a register.
    JournalCreate = "journal.create",
    /// Reading a register.
    JournalRead = "journal.read",
    /// Compare-and-set of a register.
    JournalReplace = "journal.replace",
    /// Removing old rows.
    JournalForget = "journal.forget",

    /// Opening the readings, which creates them.
    ReadingsOpen = "readings.open",
    /// Writing readings.
    ReadingsWrite = "readings.write",
    /// Counting the readings of a file.
    ReadingsCount = "readings.count",
    /// Taking the readings of a file out.
    ReadingsRetract = "readings.retract",

    /// Connecting to NATS.
    NatsConnect = "nats.connect",
    /// Looking at a stream and its consumer.
    NatsVerify = "nats.verify",
    /// Looking whether `FILES` has lost anything.
    NatsExtent = "nats.extent",
    /// Asking for messages.
    NatsPull = "nats.pull",
    /// Acknowledging a message.
    NatsAck = "nats.ack",
    /// Giving a message back, at once or for later.
    NatsNak = "nats.nak",
    /// Saying that a message is still worked on.
    NatsProgress = "nats.progress",
    /// Publishing an outcome.
    Publish = "publish",
    /// Publishing a dead letter.
    DeadLetter = "dead_letter",
    /// Reading the message that an advisory is about.
    AdvisoryOriginal = "advisory.original",
    /// Storing a notification that came over HTTP.
    NotificationStore = "notification.store",
    /// Asking SNS for a certificate, or confirming a subscription (which may be done twice).
    SnsGet = "sns.get",
    /// Looking at how far `FILES` and its consumers have come.
    FilesInfo = "files.info",
    /// Reading what `FILES` says.
    FilesRead = "files.read",
    /// Ordering a wake.
    ScheduleOrder = "schedule.order",

    /// Connecting to the mail server, to the end of `EHLO`.
    SmtpConnect = "smtp.connect",
    /// `STARTTLS`, and `EHLO` once more.
    SmtpStarttls = "smtp.starttls",
    /// `AUTH`.
    SmtpLogin = "smtp.login",
    /// `MAIL FROM`.
    SmtpMail = "smtp.mail",
    /// `RCPT TO`.
    SmtpRcpt = "smtp.rcpt",
    /// `DATA`.
    SmtpData = "smtp.data",
    /// The body, to its answer.
    SmtpBody = "smtp.body",
    /// `QUIT`.
    SmtpQuit = "smtp.quit",
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a failpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// Before the call: nothing of it has happened.
    Before,
    /// After the call: all of it has, and nobody here knows yet.
    After,
}

impl Moment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Before, Self::After];

    /// The last part of a point's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
