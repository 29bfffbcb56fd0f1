//! The shop is killed in the middle of its customers' visits, and comes back.

use comeback::{Error, Experiment};

/// The shop, and how its sessions look from outside.
fn shop() -> Experiment {
    Experiment::command([env!("CARGO_BIN_EXE_shop"), "{port}", "{data}"])
        .login(r#"POST /login {"user": "u{{ session }}"}"#)
        .act("POST /visit")
        .check("GET /me")
        .value("/visits")
        .identity("/user", "u{{ session }}")
        .rate(50.0)
        .seed(1)
}

#[tokio::test]
async fn no_session_and_no_visit_is_lost() -> Result<(), Error> {
    let report = shop()
        .name("shop-keeps-everything")
        .trials(2)
        .gate("lost_sessions == 0")
        .gate("lost_writes == 0")
        .run()
        .await?;
    report.assert_passed();
    // What gates do not say can be asked of the figures.
    let figures = &report.summary().arms[0];
    // More where a trial was void and another took its place.
    assert!(figures.faults_landed >= 2);
    assert!(figures.sessions.acknowledged > 0);
    assert!(figures.time_to_ready_ms.max.is_some_and(|ms| ms < 5_000.0));
    Ok(())
}

/// What the team runs by hand with `comeback run shop.toml`.
#[tokio::test]
async fn the_experiment_file_passes_with_the_program_of_this_build() -> Result<(), Error> {
    let report = Experiment::from_file("shop.toml")?
        .with_command([env!("CARGO_BIN_EXE_shop"), "{port}", "{data}"])
        .trials(1)
        .seed(1)
        .run()
        .await?;
    report.assert_passed();
    Ok(())
}
