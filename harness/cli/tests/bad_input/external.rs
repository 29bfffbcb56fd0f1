//! What cannot be asked of a server that something else starts: refused by name, and nothing is done to it.

use super::files::refused;
use super::messages;

/// The keys of the target, the rest of the file, and what must be told.
type Case = (&'static str, &'static str, &'static [&'static str]);

const BY_PORT: &str = "external = { port = 8080 }";

const CASES: &[Case] = &[
    (
        "external = {}",
        "",
        &["how is its process found?", "port = 8080"],
    ),
    ("external = { port = 0 }", "", &["from 1 to 65535"]),
    (
        "external = { pid_file = \"/run/app.pid\" }",
        "",
        &["where does it listen? Add address"],
    ),
    (
        "external = { pid_file = \"app.pid\", port = 8080 }",
        "",
        &["app.pid is relative", "{here}/app.pid"],
    ),
    (
        "external = { address = \"192.0.2.1:80\" }",
        "",
        &["it is on another machine, where Comeback can send no signal"],
    ),
    (
        "external = { address = \"192.0.2.1:80\", kill = [\"touch\", \"started\"] }",
        "",
        &["192.0.2.1 is another machine", "add --allow-remote"],
    ),
    (
        "external = { address = \"[2001:db8::1]:80\", kill = [\"touch\", \"started\"] }",
        "",
        &["2001:db8::1 is another machine", "add --allow-remote"],
    ),
    (
        "external = { address = \"shop.example:80\" }",
        "",
        &[
            "\"shop.example\" is no address",
            "10.0.0.5:8080 or [fd00::5]:8080",
        ],
    ),
    (
        "external = { address = \"[::1]:80\" }",
        "",
        &["[::1] is this machine's own", "is 127.0.0.1"],
    ),
    (
        "external = { address = \"0.0.0.0:80\" }",
        "",
        &["stands for every address of a machine"],
    ),
    (
        "external = { address = \"224.0.0.1:80\" }",
        "",
        &["is the address of many machines"],
    ),
    (
        "external = { address = \"[fe80::1]:80\" }",
        "",
        &["leads nowhere without the name of an interface"],
    ),
    (
        "external = { address = \"192.0.2.1:80\", pid_file = \"/run/app.pid\" }",
        "",
        &[
            "192.0.2.1 is another machine, where no process is seen",
            "Remove pid_file and systemd_unit",
        ],
    ),
    (
        "external = { address = \"192.0.2.1:80\", kill = [\"true\"] }",
        "[fault]\nkind = \"pause\"\n",
        &["a pause needs a process on this machine", "external.kill"],
    ),
    (
        "external = { address = \"192.0.2.1:80\", kill = [\"true\"] }",
        "[fault]\nkind = \"terminate\"\n",
        &["a terminate needs a process on this machine"],
    ),
    (
        "external = { address = \"127.0.0.1\" }",
        "",
        &["has no port"],
    ),
    (
        "external = { port = 8080, address = \"localhost:81\" }",
        "",
        &["but port = 8080: remove one of the two keys"],
    ),
    (
        "external = { port = 8080, restart = [] }",
        "",
        &["it is empty: name a program, or remove the key"],
    ),
    (
        "external = { systemd_unit = \"app.service\" }",
        "",
        &["where does it listen? Add address"],
    ),
    (
        "external = { systemd_unit = \"app.service\", pid_file = \"/run/app.pid\", port = 8080 }",
        "",
        &["both name its process: write one of the two"],
    ),
    (
        "external = { systemd_unit = \"--all\", port = 8080 }",
        "",
        &["is not the name of a unit", "shop.service"],
    ),
    (
        "external = { port = 8080, kill = [] }",
        "",
        &["it is empty: name a program, or remove the key, and SIGKILL ends it"],
    ),
    (
        "external = { port = 8080, kill = [\"true\"] }",
        "[fault]\nkind = \"terminate\"\n",
        &["takes the place of the signal of a kill, and terminate sends another"],
    ),
    (
        "external = { port = 8080, kill = [\"true\"] }",
        "[fault]\nto = \"tree\"\n",
        &["decides which processes it ends: remove to"],
    ),
    (
        "",
        "[[arm]]\nname = \"a\"\ntarget = { external = { port = 8080 } }\n[[arm]]\nname = \"b\"\ntarget = { external = { port = 8081, kill = [\"true\"] } }\n",
        &["which are different faults: give each arm a command, or none"],
    ),
    (
        "external = { port = 8080 }\nrestart = { after = \"1s\" }",
        "",
        &["started again by its own supervisor"],
    ),
    (
        "external = { port = 8080 }\ncommand = [\"touch\", \"started\"]",
        "",
        &["it has no command and no environment here"],
    ),
    (
        "external = { port = 8080 }\nreplicas = 2",
        "[balancer]\n",
        &["only for servers that Comeback starts"],
    ),
    (
        "external = { port = 8080 }\nsocket = \"/run/app.sock\"",
        "",
        &["remove socket"],
    ),
    (
        "external = { port = 8080 }\nready = { log = \"up\" }",
        "",
        &["its output goes to whoever started it"],
    ),
    (
        BY_PORT,
        "[fault]\nkind = \"power_loss\"\n",
        &[
            "a power_loss needs a server that Comeback starts itself",
            "use kill,",
        ],
    ),
    (
        BY_PORT,
        "[fault]\nkind = \"corrupt_file\"\nfile = \"*\"\n",
        &["a corrupt_file needs a server that Comeback starts itself"],
    ),
    (
        BY_PORT,
        "[fault]\nkind = \"crash_loop\"\n",
        &["a crash_loop needs a server that Comeback starts itself"],
    ),
    (
        BY_PORT,
        "[fault]\nto = \"group\"\n",
        &["may hold its supervisor, or your shell"],
    ),
    (
        BY_PORT,
        "[surroundings]\nkind = \"cpu_quota\"\npercent = 50\n",
        &["is started by others: remove it"],
    ),
    (
        BY_PORT,
        "[[arm]]\nname = \"a\"\n[[arm]]\nname = \"b\"\ntarget = { restart = { after = \"1s\" } }\n",
        &["started again by its own supervisor"],
    ),
    (
        BY_PORT,
        "[[arm]]\nname = \"a\"\n[[arm]]\nname = \"b\"\n",
        &["the arm a has the same server", "compared with itself"],
    ),
];

#[test]
fn what_needs_a_start_of_its_own_is_refused_by_name() {
    let (mut said, mut failures) = (Vec::new(), Vec::new());
    for (target, rest, told) in CASES {
        let text = format!("[target]\n{target}\n{rest}");
        match refused(text.as_bytes(), "", told) {
            Ok(message) => said.push(message),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    messages::are_the_stored_ones("external", &said);
}
