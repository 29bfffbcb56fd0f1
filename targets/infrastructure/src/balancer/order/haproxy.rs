//! HAProxy: commands of its runtime API, each on a connection of its own.
//!
//! Maintenance drains a replica of its sticky clients too, which its own `drain` does not; what is in flight goes on.

use std::path::{Path, PathBuf};

use super::{Listens, OrderError, Standing, ask_once, connect};

pub(super) struct Haproxy(PathBuf);

impl Haproxy {
    pub(super) fn at(folder: &Path) -> Result<Self, OrderError> {
        connect(folder)?;
        Ok(Self(folder.to_owned()))
    }
}

impl Listens for Haproxy {
    fn tell(&mut self, replica: usize, drain: bool) -> Result<(), OrderError> {
        let state = if drain { "maint" } else { "ready" };
        let said = ask_once(
            &self.0,
            &format!("set server replicas/{replica} state {state}"),
        )?;
        // It is silent if it obeys.
        match said.trim().is_empty() {
            true => Ok(()),
            false => Err(OrderError::Strange(said)),
        }
    }

    fn look(&mut self) -> Result<Vec<Standing>, OrderError> {
        let said = ask_once(&self.0, "show stat")?;
        parse(&said).ok_or(OrderError::Strange(said))
    }
}

/// The servers of the table that `show stat` prints: CSV, its header begins with `# `.
fn parse(said: &str) -> Option<Vec<Standing>> {
    let mut lines = said.lines();
    let names: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let (proxy, server) = (place("pxname")?, place("svname")?);
    let (current, queued, status) = (place("scur")?, place("qcur")?, place("status")?);
    let address = place("addr");
    let mut found = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or_default();
        let Ok(index) = field(server).parse() else {
            continue;
        };
        if field(proxy) != "replicas" {
            continue;
        }
        let count = |place: usize| field(place).parse().unwrap_or(0);
        let in_flight: u64 = count(current) + count(queued);
        found.push(Standing {
            index,
            address: address.map_or("", field).to_owned(),
            // `UP 1/2` is on its way down, `DOWN 1/2` on its way up.
            up: field(status).starts_with("UP") || field(status) == "no check",
            draining: field(status).starts_with("MAINT"),
            in_flight: Some(in_flight),
        });
    }
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_the_backend_are_found_by_the_names_of_the_columns() {
        let said = "# pxname,svname,qcur,scur,status,addr,\n\
                    clients,FRONTEND,,3,OPEN,,\n\
                    replicas,0,0,2,UP,127.0.0.1:4001,\n\
                    replicas,1,1,1,MAINT,127.0.0.1:4002,\n\
                    replicas,2,0,0,DOWN 1/2,127.0.0.1:4003,\n\
                    replicas,BACKEND,0,3,UP,,\n\n";
        let standing = |index, up, draining, in_flight| Standing {
            index,
            address: format!("127.0.0.1:400{}", index + 1),
            up,
            draining,
            in_flight: Some(in_flight),
        };
        assert_eq!(
            parse(said).unwrap(),
            [
                standing(0, true, false, 2),
                standing(1, false, true, 2),
                standing(2, false, false, 0)
            ]
        );
        assert_eq!(parse("Unknown command.\n"), None);
    }
}
