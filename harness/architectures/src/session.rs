//! What the users of a comparison do: the contract of the reference servers.

use comeback_experiment::Problem;
use comeback_experiment::document::{ExpectPart, IdentityPart, MixPart, SessionPart, StepPart};
use comeback_model::plan::{Extract, Protocol, Workload};

/// What a user of a reference server does, and what the replies must be. A visit must show the counter from the first one on.
///
/// # Errors
/// If that is no flow, with the reasons.
pub fn contract() -> Result<Workload, Vec<Problem>> {
    let counter = counter();
    let session = SessionPart {
        act: StepPart {
            value: counter.value.clone(),
            ..counter.act
        },
        ..counter
    };
    session.to_workload(Protocol::default())
}

/// A user with a counter.
pub(crate) fn counter() -> SessionPart {
    SessionPart {
        login: StepPart::new(r#"POST /login {"user":"u{{ session }}"}"#),
        act: StepPart::new("POST /visit"),
        check: StepPart::new("GET /me"),
        logout: Some(StepPart::new("POST /logout")),
        value: Some(Extract::Pointer("/visits".to_owned())),
        identity: Some(IdentityPart {
            at: Extract::Pointer("/user".to_owned()),
            name: "u{{ session }}".to_owned(),
        }),
        ..SessionPart::default()
    }
}

/// The same user, who looks for a fifth of the time at one of a few pages that a cache may keep.
pub(crate) fn counter_and_pages() -> SessionPart {
    SessionPart {
        browse: Some(StepPart {
            expect: ExpectPart {
                body: Some("<title>Page {{ random % 20 }}</title>".to_owned()),
                ..ExpectPart::default()
            },
            ..StepPart::new("GET /page/{{ random % 20 }}")
        }),
        mix: Some(MixPart {
            act: Some(50),
            browse: Some(20),
            ..MixPart::default()
        }),
        ..counter()
    }
}
