//! 3: HTTP, UDP and DNS are stateless protocols; FTP and Telnet are stateful.

use super::chart::share_bar;
use super::thresholds::{ALL, NONE};
use super::{Chart, Findings, Open, Ruled, Ruling, RulingResult, What, percent_of, share};

/// Of how many exchanges, how many came to their end.
type Share = (u64, u64);

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let finished = |arm: &str| finished(found, arm);
    let (http, udp, dns) = (finished("token")?, finished("udp-echo")?, finished("dns")?);
    let (ftp, telnet) = (finished("ftp")?, finished("telnet")?);
    let sessions = finished("memory")?;
    // Of each file as much as had arrived: known only where the transfer was right after it.
    let resumed = found.share("ftp", What::Resumed)?;
    let others = others(found)?;
    let stateless = [("HTTP", http), ("UDP", udp), ("DNS", dns)];
    let stateful = [("FTP", ftp), ("Telnet", telnet)];
    let stateless = stateless.into_iter().chain(of_kind(&others, true));
    let stateful = stateful.into_iter().chain(of_kind(&others, false));
    let broken = names(stateless, |of| share(of.0, of.1) < ALL);
    let unbroken = names(stateful, |of| share(of.0, of.1) > NONE);
    let mut nuances = Vec::new();
    if share(sessions.0, sessions.1) < ALL {
        nuances.push(
            "HTTP whose server keeps sessions in its memory does not finish either: the protocol has no state, and the \
             application has",
        );
    }
    if resumed.0 > 0 {
        nuances.push(
            "after a new login FTP goes on in the midst of a file: the connection's state is gone, and what is on disk \
             is not",
        );
    }
    let (ruling, because) = match (broken.as_str(), unbroken.as_str(), nuances.is_empty()) {
        ("", "", true) => (
            Ruling::Holds,
            "an exchange goes on with the interrupted request alone where the protocol has no state, and cannot where \
             it has"
                .to_owned(),
        ),
        ("", "", false) => (Ruling::HoldsInPart, nuances.join("; ")),
        ("", _, _) => (
            Ruling::Refuted,
            format!("exchanges went on with one request alone over {unbroken}"),
        ),
        (_, _, _) => (
            Ruling::Refuted,
            format!("exchanges over {broken} did not go on with the interrupted request alone"),
        ),
    };
    let told = |arm, (right, tried): Share| {
        let share = percent_of(right, tried);
        match went_wrong(found, arm) {
            None => share,
            Some(classes) => format!("{share} (failed: {classes})"),
        }
    };
    let mut figure = format!(
        "exchanges that finished after a kill with the interrupted request alone sent again: HTTP {}, UDP {}, DNS {}; \
         FTP {}, Telnet {}; HTTP with sessions in memory {}; of a file whose transfer was interrupted, FTP need not send {:.0} % again",
        told("token", http),
        told("udp-echo", udp),
        told("dns", dns),
        told("ftp", ftp),
        told("telnet", telnet),
        told("memory", sessions),
        share(resumed.0, resumed.1) * 100.0
    );
    let mut bars = vec![
        share_bar("HTTP, token", http),
        share_bar("UDP", udp),
        share_bar("DNS", dns),
        share_bar("FTP", ftp),
        share_bar("Telnet", telnet),
        share_bar("HTTP, memory", sessions),
    ];
    for Other {
        arm,
        label,
        finished,
        ..
    } in &others
    {
        match finished {
            Ok(of) => {
                figure.push_str(&format!("; {label} {}", told(arm, *of)));
                bars.push(share_bar(*label, *of));
            }
            Err(why) => figure.push_str(&format!("; {label} not measured: {why}")),
        }
    }
    Ok(Ruled {
        ruling,
        figure,
        chart: Chart::percent("exchanges that finished after a kill, %", bars),
        because,
        otherwise: "a server that stores its sessions and takes them up by a name, as HTTP does with a cookie; a client that \
                    logs in anew and repeats what the session needs"
            .to_owned(),
    })
}

/// The exchanges that were interrupted after their first request, which needs nothing before it. That one must finish
/// everywhere: else the server did not come back, or the client cannot go on at all.
fn finished(found: &Findings, arm: &str) -> Result<Share, Open> {
    found.controlled(arm)?;
    let (right, tried) = found.count(arm, What::Finished, |place| place == 0);
    if tried == 0 || share(right, tried) < ALL {
        return Err(Open(format!(
            "{arm}: of {tried} exchanges that were interrupted at their first request {right} finished, and each could"
        )));
    }
    found.share_where(arm, What::Finished, is_within)
}

/// Whether a request stands after the first of its exchange.
const fn is_within(place: u64) -> bool {
    place > 0
}

/// `client error 812, wrong answer 20`: what the exchanges met that did not finish.
fn went_wrong(found: &Findings, arm: &str) -> Option<String> {
    let failed = found.failed(arm, What::Finished, is_within);
    let classes = failed
        .iter()
        .map(|(class, count)| format!("{} {count}", class.label()));
    let classes: Vec<String> = classes.collect();
    (!classes.is_empty()).then(|| classes.join(", "))
}

/// A server of other people, which counts where it can run.
struct Other<'a> {
    arm: &'static str,
    label: &'static str,
    finished: Result<Share, &'a str>,
    is_stateless: bool,
}

fn others(found: &Findings) -> Result<Vec<Other<'_>>, Open> {
    let all = [
        ("unbound", "DNS (unbound)", true),
        ("vsftpd", "FTP (vsftpd)", false),
        ("telnetd", "Telnet (telnetd)", false),
    ];
    let others = all.into_iter().map(|(arm, label, is_stateless)| {
        let finished = match found.why_nothing(arm) {
            Some(why) => Err(why),
            None => Ok(finished(found, arm)?),
        };
        Ok(Other {
            arm,
            label,
            finished,
            is_stateless,
        })
    });
    others.collect()
}

/// The shares of those that are stateless, or of those that are not.
fn of_kind(
    others: &[Other<'_>],
    is_stateless: bool,
) -> impl Iterator<Item = (&'static str, Share)> {
    let of_kind = others
        .iter()
        .filter(move |other| other.is_stateless == is_stateless);
    of_kind.filter_map(|other| Some((other.label, other.finished.ok()?)))
}

/// The protocols of which something is so, in a line.
fn names(of: impl Iterator<Item = (&'static str, Share)>, is_so: impl Fn(Share) -> bool) -> String {
    let names: Vec<&str> = of
        .filter(|(_, share)| is_so(*share))
        .map(|(name, _)| name)
        .collect();
    names.join(", ")
}
