//! Writes the report of an invented run, to look at: `cargo run -p comeback-reports --example fake -- DIR`.

mod run;

use std::path::{Path, PathBuf};

use comeback_reports::Logs;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("say where to: fake DIR")?;
    let folder = PathBuf::from(folder);
    write(&folder.join("rich"), &run::rich())?;
    write(&folder.join("many"), &run::many())?;
    write(&folder.join("thousand"), &run::thousand())?;
    write(&folder.join("single"), &run::single())?;
    write(&folder.join("never"), &run::never())?;
    write(&folder.join("stateless"), &run::stateless())?;
    write(&folder.join("replicas"), &run::replicas())?;
    write(&folder.join("empty"), &run::empty())?;
    Ok(())
}

fn write(folder: &Path, fake: &run::Fake) -> Result<(), Box<dyn std::error::Error>> {
    for artifact in
        comeback_reports::render(&fake.analysis, &fake.verdict, &fake.summary, &Logs::new())?
    {
        let path = folder.join(&artifact.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, artifact.bytes)?;
    }
    Ok(())
}
