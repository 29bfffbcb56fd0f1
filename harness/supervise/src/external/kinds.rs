//! Programs that hold a port and whose end is not the end of the server behind it. A list of names finds those that are known; what it
//! lacks is found by the replies that come while nobody should be there (METHOD §14).

/// What such a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It holds sockets for the processes or containers that it starts: it is never signalled.
    Manager,
    /// It passes connections on to another process, a container or a machine.
    Forwarder,
    /// It does so as a server of its own, which may be what is to be tested: only where it is named.
    Proxy,
}

const MANAGERS: &[&str] = &[
    "systemd",
    "systemd-socket-proxyd",
    "init",
    "inetd",
    "inetutils-inetd",
    "xinetd",
    // It listens on each published port itself, if it has no docker-proxy for that.
    "dockerd",
    "containerd",
    // These keep the ports of containers from others, by a socket that nobody is asked at.
    "conmon",
    "crio",
    "kubelet",
    "kube-proxy",
    "lxd",
    "incusd",
];

const FORWARDERS: &[&str] = &[
    "docker-proxy",
    "rootlessport",
    "rootlessport-child",
    "rootlesskit",
    "slirp4netns",
    "pasta",
    "pasta.avx2",
    "passt",
    "passt.avx2",
    "VBoxHeadless",
    "VBoxNetNAT",
    "VirtualBoxVM",
    "vmware-vmx",
    "vmnet-natd",
    "qemu-kvm",
    "limactl",
    "vpnkit",
    "com.docker.vpnkit",
    "com.docker.backend",
    "gvproxy",
    "ssh",
    "sshd",
    "sshd-session",
    "dropbear",
    "kubectl",
    "oc",
    "k3s",
    "k9s",
    "socat",
    "rinetd",
    "tailscaled",
];
/// What begins the names of such programs, too.
const VIRTUAL_MACHINE: &str = "qemu-system-";

const PROXIES: &[&str] = &[
    "haproxy",
    "envoy",
    "traefik",
    "stunnel",
    "stunnel4",
    "stunnel5",
    "hitch",
    "linkerd2-proxy",
    "nutcracker",
];

/// What the program with this name is, if it is known to be none of the server's.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    let is_machine = name.starts_with(VIRTUAL_MACHINE);
    match name {
        _ if MANAGERS.contains(&name) => Some(Kind::Manager),
        _ if FORWARDERS.contains(&name) || is_machine => Some(Kind::Forwarder),
        _ if PROXIES.contains(&name) => Some(Kind::Proxy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_whose_end_is_not_the_servers_are_known_by_name() {
        let kinds = [
            ("dockerd", Some(Kind::Manager)),
            ("conmon", Some(Kind::Manager)),
            ("systemd", Some(Kind::Manager)),
            ("sshd-session", Some(Kind::Forwarder)),
            ("qemu-system-x86_64", Some(Kind::Forwarder)),
            ("haproxy", Some(Kind::Proxy)),
            ("redis-server", None),
            ("nginx", None),
        ];
        for (name, kind) in kinds {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
