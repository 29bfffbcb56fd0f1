//! The counts over all trials, and the fixed properties of each: one table.

/// Something counted over all trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Sessions that are not known any more.
    LostSessions,
    /// Sessions whose value is an earlier one.
    ResetSessions,
    /// Sessions that were shown another user's content.
    WrongIdentity,
    /// Sessions that are honoured after their logout.
    ZombieSessions,
    /// Acknowledged writes that are not there.
    LostWrites,
    /// Writes that are there more than once.
    DuplicatedWrites,
    /// Writes that are there, though they were rejected or never sent.
    PhantomWrites,
    /// Faults after which the service did not come back for good.
    Unrecovered,
    /// Operations in flight at the fault that failed.
    InFlightFailed,
    /// Operations that failed while the server stopped.
    DrainFailed,
}

/// The figures that must be clean without any fault, so that a figure can be attributed to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Failed operations.
    Errors,
    /// Lost sessions.
    LostSessions,
    /// Another user's content.
    Identity,
    /// Sessions honoured after their logout.
    Zombies,
    /// Writes that are lost or there too often, and values that count none.
    Writes,
}

/// The fixed properties of a count.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Its name, by which gates ask for it.
    pub name: &'static str,
    /// What it counts.
    pub meaning: &'static str,
    /// The verb of a sentence such as `lost 3 of 100 sessions`.
    pub verb: &'static str,
    /// One of those that are counted.
    pub noun: &'static str,
    /// What ends the sentence.
    pub end: &'static str,
    /// What must be clean without any fault for it to be judged.
    pub borne_on_by: &'static [Bearing],
    /// It counts what a fault made a server lose: nothing to blame on one when the server loses without, and nothing to
    /// be seen where no fault met a write.
    pub is_about_loss: bool,
    /// One is a counterexample at any load.
    pub is_certain_at_any_load: bool,
    /// The count is a part of the whole. Otherwise it comes beside it.
    pub is_part_of_the_whole: bool,
    /// A counterexample counts, whatever caused it.
    pub is_never_excused: bool,
}

/// A part of the sessions that a fault took. Each count has a name and a meaning of its own.
const LOSS: Traits = Traits {
    name: "",
    meaning: "",
    verb: "lost",
    noun: "session",
    end: "",
    borne_on_by: &[Bearing::LostSessions],
    is_about_loss: true,
    is_certain_at_any_load: true,
    is_part_of_the_whole: true,
    is_never_excused: false,
};

/// Sessions that are answered as they never may be.
const FOREIGN: Traits = Traits {
    is_about_loss: false,
    is_never_excused: true,
    ..LOSS
};

/// Writes that are there and should not be.
const SURPLUS: Traits = Traits {
    verb: "has",
    borne_on_by: &[Bearing::Writes],
    is_about_loss: false,
    is_part_of_the_whole: false,
    ..LOSS
};

/// Operations that failed. The load that was to be met may not have been there.
const FAILED: Traits = Traits {
    verb: "failed",
    noun: "operation",
    borne_on_by: &[Bearing::Errors],
    is_about_loss: false,
    is_certain_at_any_load: false,
    ..LOSS
};

impl Count {
    /// All of them, as they are listed.
    pub const ALL: [Self; 10] = [
        Self::LostSessions,
        Self::ResetSessions,
        Self::WrongIdentity,
        Self::ZombieSessions,
        Self::LostWrites,
        Self::DuplicatedWrites,
        Self::PhantomWrites,
        Self::Unrecovered,
        Self::InFlightFailed,
        Self::DrainFailed,
    ];

    /// Those that a headline tells.
    pub const GRAVEST_FIRST: [Self; 8] = [
        Self::Unrecovered,
        Self::LostSessions,
        Self::ResetSessions,
        Self::WrongIdentity,
        Self::ZombieSessions,
        Self::LostWrites,
        Self::DuplicatedWrites,
        Self::PhantomWrites,
    ];

    /// Its fixed properties.
    pub const fn traits(self) -> Traits {
        use Bearing as B;
        match self {
            Self::LostSessions => Traits {
                name: "lost_sessions",
                meaning: "sessions that the server did not know after the fault",
                ..LOSS
            },
            Self::ResetSessions => Traits {
                name: "reset_sessions",
                meaning: "sessions that are known, with a state older than acknowledged",
                verb: "set back",
                borne_on_by: &[B::Writes],
                ..LOSS
            },
            Self::WrongIdentity => Traits {
                name: "wrong_identity",
                meaning: "sessions that were shown another user's content",
                verb: "showed another user's content to",
                borne_on_by: &[B::Identity],
                ..FOREIGN
            },
            Self::ZombieSessions => Traits {
                name: "zombie_sessions",
                meaning: "sessions that are honoured after their logout",
                verb: "honoured",
                end: " after the logout",
                borne_on_by: &[B::Zombies],
                ..FOREIGN
            },
            Self::LostWrites => Traits {
                name: "lost_writes",
                meaning: "acknowledged writes that are gone",
                noun: "write",
                borne_on_by: &[B::LostSessions, B::Writes],
                ..LOSS
            },
            Self::DuplicatedWrites => Traits {
                name: "duplicated_writes",
                meaning: "writes that are there more than once",
                noun: "duplicated",
                ..SURPLUS
            },
            Self::PhantomWrites => Traits {
                name: "phantom_writes",
                meaning: "writes that are there, although they were rejected or never sent",
                noun: "phantom",
                ..SURPLUS
            },
            // A recovery that was not seen may be late because of the load.
            Self::Unrecovered => Traits {
                name: "unrecovered",
                meaning: "faults after which the service did not come back for good",
                verb: "did not come back for good after",
                noun: "fault",
                borne_on_by: &[],
                ..FAILED
            },
            Self::InFlightFailed => Traits {
                name: "in_flight_failed",
                meaning: "operations in flight at the fault that failed",
                end: " in flight",
                ..FAILED
            },
            Self::DrainFailed => Traits {
                name: "drain_failed",
                meaning: "operations that failed while the server stopped",
                end: " while it stopped",
                ..FAILED
            },
        }
    }

    /// Whether nothing can be said to be kept where it was found.
    pub const fn is_a_loss(self) -> bool {
        self.traits().is_about_loss || matches!(self, Self::Unrecovered)
    }

    /// The text for those without an answer.
    pub const fn without_an_answer(self) -> &'static str {
        match matches!(self, Self::Unrecovered) {
            true => "undecided: too little was seen after the restart to tell",
            false => "undecided",
        }
    }
}
