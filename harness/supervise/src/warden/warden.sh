# A warden for a harness that lives in somebody else's program, such as a test: what mod.rs describes, with what
# every POSIX system has. Arguments: the run's tag (PID-START-HEX of the harness), the folder to remove, and the run's
# record and control group, each empty where there is none.
# Standard input: the roster's lines (see roster.rs) until the harness is gone, or says `dismissed`.

trap '' INT TERM HUP QUIT
export LC_ALL=C PATH="${PATH:+$PATH:}/usr/bin:/bin"
tag=$1
scratch=$2
record=$3
cgroup=$4
mark=.comeback-scratch
harness=${tag%%-*}
begun=${tag#*-}
begun=${begun%%-*}
# Each as pid:start; their groups are not known to be empty.
leaders=
# The same of others that were seen to be the run's.
seen=
# Who adopted this process, and with it the harness's orphans; the harness, while it is alive.
adopter=$harness

# Fails for a process that is gone, or has ended with all its threads; else sets parent, group and start.
look() {
    line=
    while IFS= read -r part || [ -n "$part" ]; do
        line="$line$part "
    done <"/proc/$1/stat" || return 1
    # A program's name may hold anything; it ends at the last parenthesis.
    set -- ${line##*') '}
    [ $# -ge 20 ] || return 1
    parent=$2 group=$3
    case $1 in Z | X | x) [ "${18}" -gt 1 ] || return 1 ;; esac
    shift 19
    start=$1
}

# Whether the process looked at last shows by itself that it is the run's.
is_marked() {
    case $held$seen in *" $pid "* | *" $pid:$start "*) return ;; esac
    for leader in $leaders; do
        [ "$pid:$start" = "$leader" ] && return
        [ "$group" = "${leader%:*}" ] && [ "$start" -ge "${leader#*:}" ] && return
    done
    # A shell that copied a server's environment has the tag, too: it counts for those that were adopted.
    [ "$parent" = 1 ] || [ "$parent" = "$adopter" ] || return 1
    grep -F -q -s -e "COMEBACK_RUN=$tag" "/proc/$pid/environ"
}

# Sets held to the processes in the control group.
list_held() {
    held=' '
    [ -n "$cgroup" ] || return 0
    while read -r pid; do held="$held$pid "; done <"$cgroup/cgroup.procs"
}

# Sets found to the run's processes: those that show it themselves, and whatever descends from them.
scan() {
    found=' '
    others=
    starts=' '
    list_held
    for path in /proc/[0-9]*; do
        pid=${path#/proc/}
        look "$pid" || continue
        # Nothing of the run is older than its harness.
        [ "$start" -ge "$begun" ] || continue
        if [ "$pid" = "$harness" ] || [ "$pid" = $$ ]; then continue; fi
        starts="$starts$pid:$start "
        if is_marked; then
            found="$found$pid "
        else
            others="$others $pid:$parent"
        fi
    done
    grown=yes
    while [ "$grown" ]; do
        grown=
        for other in $others; do
            case $found in
            *" ${other%:*} "*) ;;
            *" ${other#*:} "*)
                found="$found${other%:*} "
                grown=yes
                ;;
            esac
        done
    done
}

# Removes the scratch folder, its mark last: a folder of this user that carries the mark of this run, in which nothing
# is mounted. Fails when it is there afterwards.
remove_scratch() {
    [ -e "$scratch" ] || [ -h "$scratch" ] || return 0
    [ ! -h "$scratch" ] && [ -O "$scratch" ] && [ ! -h "$scratch/$mark" ] && [ -O "$scratch/$mark" ] || return 1
    read -r owner <"$scratch/$mark" && [ "$owner" = "$tag" ] || return 1
    real=$(cd "$scratch" && pwd -P) || return 1
    while read -r _ _ _ _ point _; do
        case $point in *\\*) point=$(printf '%s' "$point" | sed 's/\\040/ /g; s/\\134/\\/g') ;; esac
        case $point in "$real" | "$real"/*) return 1 ;; esac
    done <<END
$(cat /proc/self/mountinfo)
END
    find "$scratch" -mindepth 1 -maxdepth 1 ! -name "$mark" -exec rm -rf -- {} + &&
        rm -f -- "$scratch/$mark" && rmdir -- "$scratch"
}

# Removes the record, unless something is left that it tells of.
close_record() {
    if [ -n "$cgroup" ] && [ -d "$cgroup" ]; then
        find "$cgroup" -depth -type d -exec rmdir {} \; || return 1
    fi
    [ -z "$record" ] || [ "$memory" ] || rm -f -- "$record"
}

# Undoes what was done to the machine, the latest first; each in so many tries. Fails where something is left.
undo_all() {
    undone=yes
    for number in $leases; do
        eval "command=\$lease_$number"
        tries=$1
        until (cd / && sh -c "$command") </dev/null >/dev/null 2>&1; do
            tries=$((tries - 1))
            [ $tries -gt 0 ] || { undone= && break; }
            sleep 0.05
        done
    done
    [ "$undone" ]
}

dismissed= memory= leases=
while read -r what pid start rest; do
    case $what:$pid in
    lease:*[!0-9]* | undone:*[!0-9]* | settled:*[!0-9]*) continue ;;
    esac
    case $what in
    # A command that was cut would be another one.
    lease) [ ${#rest} = "$start" ] && eval "lease_$pid=\$rest" && leases="$pid $leases" ;;
    undone | settled)
        kept=
        for number in $leases; do [ "$number" = "$pid" ] || kept="$kept $number"; done
        leases=$kept
        ;;
    started) leaders="$leaders $pid:$start" ;;
    seen) seen="$seen $pid:$start " ;;
    memory) memory=yes ;;
    dismissed) dismissed=yes ;;
    cleared)
        kept=
        for leader in $leaders; do
            [ "${leader%:*}" = "$pid" ] || kept="$kept $leader"
        done
        leaders=$kept
        ;;
    esac
done

if [ "$dismissed" ]; then
    # The harness is alive and has freed what was shared.
    wanted=1 memory=
else
    # A start that was under way shows up only after its exec: then two scans must find nothing.
    wanted=2
    while look "$harness" && [ "$start" = "$begun" ]; do sleep 0.01; done
    look $$ && adopter=$parent
    if [ -n "$cgroup" ]; then echo 1 >"$cgroup/cgroup.kill"; fi
fi
clean=0
former=
# A process that waits for a disk may outlive even this: 300 times 50 ms.
rounds=300
while [ $rounds -gt 0 ]; do
    rounds=$((rounds - 1))
    scan
    if [ "$found" = ' ' ]; then
        clean=$((clean + 1))
        [ $clean -lt $wanted ] || break
    else
        clean=0
        for pid in $found; do
            # Once more right before: a number may name another process by now.
            look "$pid" || continue
            case $starts in *" $pid:$start "*) kill -9 "$pid" ;; esac
        done
        # What outlives its kill may wait for a file system that nobody answers for. What is not undone yet is tried again.
        [ "$found" != "$former" ] || undo_all 1
        former=$found
    fi
    sleep 0.05
done
[ $clean -ge $wanted ] || exit 1
undo_all 40 || memory=yes
# Some file systems take a moment.
rounds=20
until remove_scratch; do
    rounds=$((rounds - 1))
    [ $rounds -gt 0 ] || exit 1
    sleep 0.05
done
close_record
